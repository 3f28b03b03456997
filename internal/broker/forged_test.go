package broker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ownAccount = "123456789012"

// forgedRequest is a request to an endpoint of AWS that tries to be read in two ways, or to leave the account.
type forgedRequest struct {
	Name, Service, Method, URL, Body, Auth string
	Headers                                [][2]string
	Base64                                 bool   // Body is encoded
	Refusal                                string // part of the reason for refusing it; empty: it must be sent
	Operation                              string // in the audit trail
}

// sink is a transport that records the requests that would be sent to AWS.
type sink struct {
	mu     sync.Mutex
	seen   []*http.Request
	answer func(*http.Request) *http.Response // nil: an empty answer
}

func (s *sink) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r)
	if s.answer != nil {
		return s.answer(r), nil
	}
	return answerOf(http.StatusOK, ""), nil
}

func answerOf(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

// toAWS returns options of a broker whose requests to AWS end in the sink, for a role of ownAccount.
func toAWS(s *sink) Options {
	return Options{
		Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token"),
		Account:     func(context.Context) string { return ownAccount },
		Transport:   s,
	}
}

func TestBroker_SendsForgedRequestsOnlyInOneReading(t *testing.T) {
	data, err := os.ReadFile("testdata/forged.json")
	require.NoError(t, err)
	var tests []forgedRequest
	require.NoError(t, json.Unmarshal(data, &tests))
	require.Greater(t, len(tests), 180)
	for i := range tests {
		if tests[i].Base64 {
			decoded, err := base64.StdEncoding.DecodeString(tests[i].Body)
			require.NoError(t, err)
			tests[i].Body = string(decoded)
		}
	}
	assertForged(t, nil, tests)
}

// assertForged sends each request through a broker. change, if not nil, changes the broker's options.
func assertForged(t *testing.T, change func(*Options), tests []forgedRequest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.Name, func(t *testing.T) {
			aws := &sink{}
			o := toAWS(aws)
			if change != nil {
				change(&o)
			}
			connection, session := dialWith(t, o)
			headers := test.Headers
			switch test.Auth {
			case "none":
			case "":
				headers = append([][2]string{{"Authorization", strings.Replace(dummyScope, "%s", test.Service, 1)}}, headers...)
			default:
				headers = append([][2]string{{"Authorization", test.Auth}}, headers...)
			}

			answer, _ := ask(t, connection, requestHead{Method: test.Method, URL: test.URL, Headers: headers}, test.Body)

			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 1 }, 5e9, 1e6)
			calls, _, _ := session.Audit()
			if test.Operation != "" {
				assert.Equal(t, test.Operation, calls[0].Service+":"+calls[0].Operation)
			}
			if test.Refusal == "" {
				require.Empty(t, answer.Error)
				require.Len(t, aws.seen, 1)
				assert.Contains(t, aws.seen[0].Header.Get("Authorization"), "Credential="+realKey+"/")
				return
			}
			assert.Equal(t, kindRefused, answer.Kind)
			assert.Contains(t, answer.Error, test.Refusal)
			assert.Empty(t, aws.seen, "nothing is sent")
		})
	}
}
