package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering is an HTTP client that answers every request with an error of Bedrock.
type answering struct {
	request *http.Request
	body    string
}

func (a *answering) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	a.request, a.body = r, string(body)
	return &http.Response{
		StatusCode: http.StatusForbidden, Body: io.NopCloser(strings.NewReader(`{"message": "no access"}`)),
		Header: http.Header{"Content-Type": {"application/json"}, "X-Amzn-Errortype": {"AccessDeniedException"}},
	}, err
}

// forwarder starts a forwarder, and returns what it sends and its endpoint.
func forwarder(t *testing.T) (sent *answering, endpoint string) {
	sent = &answering{}
	b := &bedrock{secret: "known-to-functions", caller: aws.Config{
		Region: "eu-central-1", HTTPClient: sent, Credentials: credentials.NewStaticCredentialsProvider("ASIACALLER", "secret", "the caller's token"),
	}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return sent, b.endpoint(server.URL)
}

func TestBedrock_ReceivesNoOtherRequests(t *testing.T) {
	sent, endpoint := forwarder(t)
	port := strings.TrimPrefix(strings.TrimSuffix(endpoint, "/known-to-functions"), "http://")
	for _, line := range []string{
		"POST /model/m/converse", "POST /guessed/model/m/converse", "POST http:.evil.example/known-to-functions/model/m/converse", "GET /known-to-functions/model/m/converse",
		"POST /known-to-functions/model/m/invoke", "POST /known-to-functions/async-invoke", "POST /known-to-functions/model/m/../converse", "POST /known-to-functions",
	} {
		connection, err := net.Dial("tcp", port)
		require.NoError(t, err)
		_, err = fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", line)
		require.NoError(t, err)
		answer, err := io.ReadAll(connection)
		require.NoError(t, err)
		assert.Contains(t, string(answer), " 404 Not Found", line)
		assert.NoError(t, connection.Close())
	}
	assert.Nil(t, sent.request)
}

func TestBedrock_ReceivesTheCallersKeyInsteadOfTheFunctions(t *testing.T) {
	sent, endpoint := forwarder(t)
	function := bedrockruntime.New(bedrockruntime.Options{
		Region: "eu-central-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("ASIAFUNCTION", "other", "the function's token"),
	})

	_, err := function.Converse(t.Context(), &bedrockruntime.ConverseInput{
		ModelId:  aws.String("eu.amazon.nova-2-lite-v1:0"),
		Messages: []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "hello"}}}},
	})

	var denied *types.AccessDeniedException
	require.ErrorAs(t, err, &denied)
	assert.Equal(t, "https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.amazon.nova-2-lite-v1%3A0/converse", sent.request.URL.String())
	assert.Contains(t, sent.body, "hello")
	assert.Regexp(t, `Credential=ASIACALLER/\d{8}/eu-central-1/bedrock/aws4_request`, sent.request.Header.Get("Authorization"))
	assert.Equal(t, "the caller's token", sent.request.Header.Get("X-Amz-Security-Token"))
}
