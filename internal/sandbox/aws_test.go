package sandbox

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeAWS answers every STS call and remembers what it was sent.
type fakeAWS struct {
	mu   sync.Mutex
	seen []*http.Request
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	f.mu.Lock()
	f.seen = append(f.seen, r)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
		`<Arn>arn:aws:iam::111122223333:role/tool</Arn><UserId>u</UserId><Account>111122223333</Account>`+
		`</GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>`)
}

func TestTheSupervisorSignsWhatTheCodeMayNot(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			aws := &fakeAWS{}
			server := httptest.NewServer(aws)
			t.Cleanup(server.Close)
			w := startWorker(t, python, roleWorker, server.URL)

			answer := w.run("boto3.client('sts').get_caller_identity()['Arn']", 20)

			require.True(t, answer.Success, answer.Output)
			assert.JSONEq(t, `"arn:aws:iam::111122223333:role/tool"`, string(answer.Result))
			require.Len(t, aws.seen, 1)
			assert.Contains(t, aws.seen[0].Header.Get("Authorization"), "Credential="+plantedKey+"/")
			assert.Equal(t, plantedSecret, aws.seen[0].Header.Get("X-Amz-Security-Token"))
			assert.NotContains(t, fmt.Sprint(aws.seen[0].Header), dummyAccessKey)
			require.Len(t, answer.AWSCalls, 1)
			call := answer.AWSCalls[0]
			assert.Equal(t, "sts GetCallerIdentity eu-west-1 200", fmt.Sprint(call.Service, " ", call.Operation, " ", call.Region, " ", call.Status))
		})
	}
}

func TestCredentialsOfTheCodesOwnAreLeftAlone(t *testing.T) {
	aws := &fakeAWS{}
	server := httptest.NewServer(aws)
	t.Cleanup(server.Close)
	w := startWorker(t, pythons(t)[0], roleWorker, server.URL)

	answer := w.run("boto3.client('sts', aws_access_key_id='ASIAOTHER00000000000', aws_secret_access_key='s', aws_session_token='t').get_caller_identity()['Arn']", 20)

	require.True(t, answer.Success, answer.Output)
	require.Len(t, aws.seen, 1)
	assert.Contains(t, aws.seen[0].Header.Get("Authorization"), "Credential=ASIAOTHER00000000000/")
	assert.Equal(t, "t", aws.seen[0].Header.Get("X-Amz-Security-Token"))
}

func TestThreadsAndSessionsReachAWSAtTheSameTime(t *testing.T) {
	server := httptest.NewServer(&fakeAWS{})
	t.Cleanup(server.Close)
	w := startWorker(t, pythons(t)[0], roleWorker, server.URL)

	answer := w.run(strings.Join([]string{
		"def ask(n): return boto3.Session(region_name='us-east-1').client('sts').get_caller_identity()['Account']",
		"with ThreadPoolExecutor(16) as pool: result = sorted(set(pool.map(ask, range(64))))"}, "\n"), 30)

	require.True(t, answer.Success, answer.Output)
	assert.JSONEq(t, `["111122223333"]`, string(answer.Result))
	assert.Len(t, answer.AWSCalls, 64)
}

func TestAnEndpointThatIsDownIsAnErrorOfTheCode(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	w := startWorker(t, pythons(t)[0], roleWorker, server.URL)

	answer := w.run("boto3.client('sts').get_caller_identity()", 30)

	assert.Equal(t, "EndpointConnectionError", answer.ErrorType, answer.Output)
	assert.True(t, w.run("1+1", 10).Success)
}
