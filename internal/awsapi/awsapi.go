// Package awsapi defines narrow interfaces of the AWS services that the orchestrator uses, creates the
// clients that implement them, and classifies their errors.
package awsapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// DynamoDB is the part of DynamoDB that claims use.
type DynamoDB interface {
	GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

// CloudWatch is the part of CloudWatch that confirms events.
type CloudWatch interface {
	DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, opts ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
	DescribeAlarmContributors(ctx context.Context, in *cloudwatch.DescribeAlarmContributorsInput, opts ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmContributorsOutput, error)
}

// S3 is the part of S3 that reports and checkpoints use.
type S3 interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// SNS is the part of SNS that notifications use.
type SNS interface {
	Publish(ctx context.Context, in *sns.PublishInput, opts ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Topics is the part of SNS that the self-check uses.
type Topics interface {
	GetTopicAttributes(ctx context.Context, in *sns.GetTopicAttributesInput, opts ...func(*sns.Options)) (*sns.GetTopicAttributesOutput, error)
}

// Lambda is the part of Lambda that tool calls and hand-overs use.
type Lambda interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput, opts ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// EventBridge is the part of EventBridge that completion events use.
type EventBridge interface {
	PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, opts ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

const (
	// ModelReadTimeout is how long one model call may take.
	ModelReadTimeout = 300 * time.Second

	// connectTimeout is how long a TLS handshake may take.
	connectTimeout = 5 * time.Second

	// answerTimeout is how long S3, SNS, DynamoDB, and EventBridge may take to answer one attempt. A
	// service that hangs must not use up the time that is reserved for the others.
	answerTimeout = 6 * time.Second

	// confirmTimeout is how long CloudWatch may take to answer one attempt. In a VPC without an endpoint for
	// CloudWatch, every attempt takes this long.
	confirmTimeout = 3 * time.Second

	// attempts is how often a call to one of these services is tried.
	attempts = 4

	// maxBackoff is the longest wait between two attempts.
	maxBackoff = 3 * time.Second
)

// Clients are the AWS clients of the orchestrator.
type Clients struct {
	Bedrock     *bedrockruntime.Client
	CloudWatch  *cloudwatch.Client
	DynamoDB    *dynamodb.Client
	EventBridge *eventbridge.Client
	Lambda      *lambda.Client // waits up to the tool's timeout
	Models      *FoundationModels
	S3          *s3.Client
	SNS         *sns.Client
}

// New returns clients that are configured by the SDK's standard environment, including AWS_ENDPOINT_URL and
// AWS_ENDPOINT_URL_<SERVICE>. customS3Endpoint reports whether one of these applies to S3. Buckets are then
// addressed by path, since a host such as localhost has no subdomain for each bucket. toolTimeout is the
// timeout of the tool function.
func New(ctx context.Context, toolTimeout time.Duration, customS3Endpoint bool) (Clients, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return Clients{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	return From(cfg, toolTimeout, customS3Endpoint), nil
}

// From returns clients with this configuration, such as that of a profile. See [New] for the other parameters.
func From(cfg aws.Config, toolTimeout time.Duration, customS3Endpoint bool) Clients {
	cfg.Retryer = newRetryer
	quick := client(cfg, answerTimeout)
	return Clients{
		Bedrock: bedrockruntime.NewFromConfig(cfg, func(o *bedrockruntime.Options) {
			o.HTTPClient = client(cfg, ModelReadTimeout)
			o.Retryer = aws.NopRetryer{} // the agent retries: it knows how much time is left
		}),
		CloudWatch:  NewCloudWatch(cfg),
		DynamoDB:    dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.HTTPClient = quick }),
		EventBridge: eventbridge.NewFromConfig(cfg, func(o *eventbridge.Options) { o.HTTPClient = quick }),
		Lambda: lambda.NewFromConfig(cfg, func(o *lambda.Options) {
			o.HTTPClient = client(cfg, toolTimeout+10*time.Second)
		}),
		Models: NewFoundationModels(cfg),
		S3: s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.HTTPClient = client(cfg, 4*answerTimeout) // a stored conversation can have several megabytes
			o.UsePathStyle = customS3Endpoint
		}),
		SNS: sns.NewFromConfig(cfg, func(o *sns.Options) { o.HTTPClient = quick }),
	}
}

// NewCloudWatch returns a client of CloudWatch. It uses CloudWatch's JSON protocol, since moto's server does not
// have the one that is the default of this SDK (Smithy RPC v2 with CBOR).
func NewCloudWatch(cfg aws.Config) *cloudwatch.Client {
	return cloudwatch.NewFromConfig(cfg, func(o *cloudwatch.Options) {
		o.Protocol = awsjson.New10(schemas.GraniteServiceVersion20100801)
		o.HTTPClient = client(cfg, confirmTimeout)
	})
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = maxBackoff
	})
}

// client returns the client of the SDK's requests, each of which may take as long as timeout.
func client(cfg aws.Config, timeout time.Duration) aws.HTTPClient {
	return plainBodies{httpClient(cfg).WithTimeout(timeout)}
}

// plainBodies sends bodies without their WriteTo. The SDK closes a body when the answer begins, and WriteTo then returns io.EOF. If
// the transport has not noticed the end of the body by then, it takes that for a failure and closes the connection, and the rest of
// the answer is lost.
type plainBodies struct{ aws.HTTPClient }

func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}

// httpClient returns a client that trusts the certificates of the configuration, such as those in AWS_CA_BUNDLE.
func httpClient(cfg aws.Config) *awshttp.BuildableClient {
	configured, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		configured = awshttp.NewBuildableClient()
	}
	return configured.WithTransportOptions(func(t *http.Transport) {
		t.TLSHandshakeTimeout = connectTimeout
		t.MaxIdleConnsPerHost = 32 // tool calls of one round run at the same time
	})
}
