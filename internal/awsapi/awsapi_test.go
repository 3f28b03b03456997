package awsapi_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// TestNew_TrustsTheBundle asks each service behind a proxy whose authority only AWS_CA_BUNDLE has.
func TestNew_TrustsTheBundle(t *testing.T) {
	var received atomic.Int32
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		received.Add(1)
		w.WriteHeader(http.StatusForbidden)
	}))
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.StartTLS()
	defer proxy.Close()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	require.NoError(t, os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600))
	for name, value := range map[string]string{
		"AWS_CA_BUNDLE": bundle, "AWS_ENDPOINT_URL": proxy.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	clients, err := awsapi.New(t.Context(), time.Second, true)
	require.NoError(t, err)
	ctx, name := t.Context(), aws.String("name")
	requests := map[string]func() error{
		"bedrock": func() error {
			said := []types.ContentBlock{&types.ContentBlockMemberText{Value: "hello"}}
			_, err := clients.Bedrock.Converse(ctx, &bedrockruntime.ConverseInput{ModelId: name, Messages: []types.Message{{Role: types.ConversationRoleUser, Content: said}}})
			return err
		},
		"cloudwatch": func() error {
			_, err := clients.CloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{})
			return err
		},
		"dynamodb": func() error {
			key := map[string]dynamodbtypes.AttributeValue{"pk": &dynamodbtypes.AttributeValueMemberS{Value: "key"}}
			_, err := clients.DynamoDB.GetItem(ctx, &dynamodb.GetItemInput{TableName: name, Key: key})
			return err
		},
		"eventbridge": func() error {
			_, err := clients.EventBridge.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventbridgetypes.PutEventsRequestEntry{{}}})
			return err
		},
		"lambda": func() error {
			_, err := clients.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name})
			return err
		},
		"models": func() error {
			_, err := clients.Models.Lifecycle(ctx, "anthropic.claude-sonnet-5-5")
			return err
		},
		"s3": func() error {
			_, err := clients.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: name})
			return err
		},
		"sns": func() error {
			_, err := clients.SNS.Publish(ctx, &sns.PublishInput{TopicArn: name, Message: name})
			return err
		},
	}
	for service, ask := range requests {
		before := received.Load()
		err := ask()
		assert.Equal(t, before+1, received.Load(), "%s: %v", service, err)
	}
}

// lateConn reports that it has written the end of a request when the client already reads the second part of the answer.
type lateConn struct {
	net.Conn
	reads   atomic.Int32
	answers chan struct{} // closed by the second read
}

func (c *lateConn) Read(p []byte) (int, error) {
	if c.reads.Add(1) == 2 {
		close(c.answers)
	}
	return c.Conn.Read(p)
}

func (c *lateConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if bytes.HasSuffix(p, []byte("}")) { // the end of the request's JSON
		<-c.answers
	}
	return n, err
}

// The SDK closes the body of a request when its answer begins.
func TestFrom_AnAnswerMayBeginBeforeTheBodyIsClosed(t *testing.T) {
	long := strings.Repeat("long ", 20_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		assert.NoError(t, err)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"output": {"message": {"role": "assistant", "content": [{"text": %q}]}}, "stopReason": "end_turn"}`, long)
	}))
	defer server.Close()
	clients := awsapi.From(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				return &lateConn{Conn: conn, answers: make(chan struct{})}, err
			}
		}),
	}, time.Second, true)
	said := []types.ContentBlock{&types.ContentBlockMemberText{Value: long}}
	out, err := clients.Bedrock.Converse(t.Context(), &bedrockruntime.ConverseInput{
		ModelId: aws.String("name"), Messages: []types.Message{{Role: types.ConversationRoleUser, Content: said}},
	})
	require.NoError(t, err)
	assert.Equal(t, types.StopReasonEndTurn, out.StopReason)
}
