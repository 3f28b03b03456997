package awsapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// botocoreRequest makes botocore call GetFoundationModel at a URL. The request serves as the oracle for our
// own.
const botocoreRequest = `
import sys, botocore.session
session = botocore.session.get_session()
session.set_credentials("key", "secret", "token")
client = session.create_client("bedrock", region_name="eu-west-1", endpoint_url=sys.argv[1])
print(client.get_foundation_model(modelIdentifier=sys.argv[2])["modelDetails"]["modelLifecycle"]["endOfLifeTime"].isoformat())
`

// botocoreSignature returns the Authorization header that botocore creates for a request at a certain time.
const botocoreSignature = `
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
sent = json.load(sys.stdin)
auth = SigV4Auth(Credentials("key", "secret", "token"), "bedrock", "eu-west-1")
request = AWSRequest(method="GET", url=sent["url"], headers={"Host": sent["host"], "X-Amz-Date": sent["date"], "X-Amz-Security-Token": "token"})
request.context["timestamp"] = sent["date"]
canonical = auth.canonical_request(request)
print(auth.signature(auth.string_to_sign(request, canonical), request))
`

func python(t *testing.T, program string, stdin []byte, arguments ...string) string {
	t.Helper()
	interpreter, err := moto.Tool("python")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), interpreter, append([]string{"-c", program}, arguments...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, complaints.String())
	return string(bytes.TrimSpace(out))
}

func TestFoundationModels_SendsSameRequestAsBotocore(t *testing.T) {
	const model = "amazon.nova-2-lite-v1:0"
	var requests []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r)
		_, _ = w.Write([]byte(`{"modelDetails": {"modelArn": "a", "modelId": "m",
			"modelLifecycle": {"status": "LEGACY", "endOfLifeTime": "2027-01-31T00:00:00Z"}}}`))
	}))
	defer server.Close()
	life, err := reader(server.URL+"/").Lifecycle(t.Context(), model)
	require.NoError(t, err)
	theirs := python(t, botocoreRequest, nil, server.URL, model)
	require.Len(t, requests, 2)
	own, botocore := requests[0], requests[1]

	assert.True(t, life.Legacy)
	assert.Equal(t, theirs, life.EndOfLife.Format("2006-01-02T15:04:05+00:00"))
	assert.Equal(t, botocore.Method, own.Method)
	assert.Equal(t, botocore.URL.EscapedPath(), own.URL.EscapedPath())
	sent, err := json.Marshal(map[string]string{"url": server.URL + own.URL.EscapedPath(), "host": own.Host, "date": own.Header.Get("X-Amz-Date")})
	require.NoError(t, err)
	assert.Contains(t, own.Header.Get("Authorization"), "/eu-west-1/bedrock/aws4_request, ")
	assert.Contains(t, own.Header.Get("Authorization"), "Signature="+python(t, botocoreSignature, sent))
	assert.Equal(t, "token", own.Header.Get("X-Amz-Security-Token"))
}

func reader(endpoint string) *awsapi.FoundationModels {
	return awsapi.NewFoundationModels(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "token"),
	})
}

func TestFoundationModels_ErrorsHaveClasses(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		header string
		body   string
		want   awsapi.Class
	}{
		{"denied", 403, "AccessDeniedException:http://internal.amazon.com/coral/", `{"message": "User: x is not authorized to perform: bedrock:GetFoundationModel on resource: y"}`, awsapi.ClassDenied},
		{"not found", 404, "ResourceNotFoundException", `{"message": "Could not find the model"}`, awsapi.ClassNotFound},
		{"throttled", 429, "ThrottlingException", `{"message": "slow down"}`, awsapi.ClassThrottled},
		{"down", 503, "", `<html>`, awsapi.ClassUnavailable},
		{"no life cycle", 200, "", `{}`, awsapi.ClassUnavailable},
		{"no JSON", 200, "", `<html>`, awsapi.ClassUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Amzn-Errortype", test.header)
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			_, err := reader(server.URL).Lifecycle(t.Context(), "m.n")
			require.Error(t, err)
			assert.Equal(t, test.want, awsapi.Classify(err), err.Error())
			var api smithy.APIError
			if test.want == awsapi.ClassDenied && assert.ErrorAs(t, err, &api) {
				assert.Equal(t, "AccessDeniedException", api.ErrorCode())
				assert.Equal(t, "bedrock:GetFoundationModel", awsapi.MissingGrant(err))
			}
		})
	}
}

// botocoreEndpoint returns the URL of Bedrock's control plane in a Region according to botocore.
const botocoreEndpoint = `
import sys, botocore.session
session = botocore.session.get_session()
for region in sys.argv[1:]:
    print(session.create_client("bedrock", region_name=region, aws_access_key_id="k", aws_secret_access_key="s").meta.endpoint_url)
`

func TestFoundationModels_UsesEndpointOfPartition(t *testing.T) {
	regions := []string{"us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"}
	want := bytes.Fields([]byte(python(t, botocoreEndpoint, nil, regions...)))
	require.Len(t, want, len(regions))
	for i, region := range regions {
		got, err := awsapi.ControlEndpoint(t.Context(), aws.Config{Region: region})
		require.NoError(t, err)
		assert.Equal(t, string(want[i]), got, region)
	}
}

func TestFoundationModels_UsesEndpointOfEnvironment(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ENDPOINT_URL", "http://all")
	load := func() string {
		cfg, err := awsconfig.LoadDefaultConfig(t.Context())
		require.NoError(t, err)
		endpoint, err := awsapi.ControlEndpoint(t.Context(), cfg)
		require.NoError(t, err)
		return endpoint
	}
	assert.Equal(t, "http://all", load())
	t.Setenv("AWS_ENDPOINT_URL_BEDROCK", "http://bedrock")
	assert.Equal(t, "http://bedrock", load())
	t.Setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://runtime")
	assert.Equal(t, "http://bedrock", load(), "the runtime is another service")
}

func TestFoundationModels_TimesOut(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := reader(server.URL).Lifecycle(ctx, "m.n")
	assert.Equal(t, awsapi.ClassTimeout, awsapi.Classify(err))
}
