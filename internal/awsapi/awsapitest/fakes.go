// Package awsapitest provides in-memory fakes of the interfaces of package awsapi. They record requests. A
// test can make them fail or hang.
package awsapitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
)

// ErrDown is the error of a service that is unavailable.
var ErrDown error = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// Denied returns the error of a call that IAM denies.
func Denied(action string) error {
	return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User: orchestrator is not authorized to perform: " + action}
}

// Fault defines how a fake fails.
type Fault struct {
	mu    sync.Mutex
	err   error
	times int // number of calls that still fail; negative: all
	slow  bool
	calls int
}

// Fail makes the next calls fail with err: times of them, or all if times is negative. Zero or nil ends the
// fault.
func (f *Fault) Fail(err error, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.times = err, times
}

// Hang determines whether every call waits until its context ends.
func (f *Fault) Hang(hang bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = hang
}

// Calls returns the number of calls.
func (f *Fault) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Hit counts one call and returns its error, or nil. Fakes of other packages use it.
func (f *Fault) Hit(ctx context.Context) error { return f.hit(ctx) }

func (f *Fault) hit(ctx context.Context) error {
	f.mu.Lock()
	f.calls++
	slow, err, times := f.slow, f.err, f.times
	if times > 0 {
		f.times--
	}
	f.mu.Unlock()
	if slow {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if times == 0 {
		return nil
	}
	return err
}

// S3 is a store in memory. Buckets are only prefixes of keys.
type S3 struct {
	Fault

	mu      sync.Mutex
	objects map[string][]byte
}

// Object returns the content of an object, or nil if it does not exist.
func (s *S3) Object(bucket, key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[bucket+"/"+key]
}

// Keys returns bucket/key of all objects whose bucket/key contains part.
func (s *S3) Keys(part string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.objects {
		if strings.Contains(key, part) {
			keys = append(keys, key)
		}
	}
	return keys
}

// PutObject implements [awsapi.S3].
func (s *S3) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if err := s.hit(ctx); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	name := aws.ToString(in.Bucket) + "/" + aws.ToString(in.Key)
	if _, exists := s.objects[name]; exists && aws.ToString(in.IfNoneMatch) == "*" {
		return nil, &smithy.GenericAPIError{Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold"}
	}
	s.objects[name] = body
	return &s3.PutObjectOutput{}, nil
}

// GetObject implements [awsapi.S3].
func (s *S3) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	if err := s.hit(ctx); err != nil {
		return nil, err
	}
	body := s.Object(aws.ToString(in.Bucket), aws.ToString(in.Key))
	if body == nil {
		return nil, &s3types.NoSuchKey{}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(body))}, nil
}

// SNS records the published messages.
type SNS struct {
	Fault

	mu        sync.Mutex
	published []*sns.PublishInput
}

// Published returns the messages that were published to the topic with this ARN.
func (s *SNS) Published(arn string) []*sns.PublishInput {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*sns.PublishInput
	for _, in := range s.published {
		if aws.ToString(in.TopicArn) == arn {
			found = append(found, in)
		}
	}
	return found
}

// Publish implements [awsapi.SNS].
func (s *SNS) Publish(ctx context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if err := s.hit(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published = append(s.published, in)
	return &sns.PublishOutput{MessageId: aws.String("message")}, nil
}

// Topics returns the attributes of topics, by their ARNs.
type Topics struct {
	Fault
	Attributes map[string]map[string]string
}

// GetTopicAttributes implements [awsapi.Topics].
func (t *Topics) GetTopicAttributes(ctx context.Context, in *sns.GetTopicAttributesInput, _ ...func(*sns.Options)) (*sns.GetTopicAttributesOutput, error) {
	if err := t.hit(ctx); err != nil {
		return nil, err
	}
	attributes, found := t.Attributes[aws.ToString(in.TopicArn)]
	if !found {
		return nil, &snstypes.NotFoundException{Message: aws.String("Topic does not exist")}
	}
	return &sns.GetTopicAttributesOutput{Attributes: attributes}, nil
}

// Model records the requests to models and answers them with Answer.
type Model struct {
	Answer func(ctx context.Context, in *bedrockruntime.ConverseInput) (*bedrockruntime.ConverseOutput, error)

	mu    sync.Mutex
	asked []*bedrockruntime.ConverseInput
}

// Asked returns the requests.
func (m *Model) Asked() []*bedrockruntime.ConverseInput {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// Converse implements the client of Bedrock Runtime.
func (m *Model) Converse(ctx context.Context, in *bedrockruntime.ConverseInput, _ ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error) {
	m.mu.Lock()
	m.asked = append(m.asked, in)
	m.mu.Unlock()
	return m.Answer(ctx, in)
}

// Lambda records asynchronous invocations and answers the others with Answer.
type Lambda struct {
	Fault
	Answer func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)
	Status int32 // of the answer to an asynchronous invocation, if something else answers than Lambda; 0: Lambda accepts it

	mu     sync.Mutex
	events []*lambda.InvokeInput
}

// Events returns the asynchronous invocations.
func (l *Lambda) Events() []*lambda.InvokeInput {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events
}

// Invoke implements [awsapi.Lambda].
func (l *Lambda) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if err := l.hit(ctx); err != nil {
		return nil, err
	}
	if in.InvocationType != lambdatypes.InvocationTypeEvent {
		return l.Answer(ctx, in)
	}
	if l.Status != 0 {
		return &lambda.InvokeOutput{StatusCode: l.Status}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, in)
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

// EventBridge records the events.
type EventBridge struct {
	Fault

	mu  sync.Mutex
	put []*eventbridge.PutEventsInput
}

// Put returns the recorded requests.
func (e *EventBridge) Put() []*eventbridge.PutEventsInput {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.put
}

// PutEvents implements [awsapi.EventBridge].
func (e *EventBridge) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	if err := e.hit(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put = append(e.put, in)
	return &eventbridge.PutEventsOutput{}, nil
}

// CloudWatch holds the alarms of one account and Region. It records the requests.
type CloudWatch struct {
	Fault

	mu           sync.Mutex
	metric       []cloudwatchtypes.MetricAlarm
	composite    []cloudwatchtypes.CompositeAlarm
	log          []cloudwatchtypes.LogAlarm
	contributors map[string][]cloudwatchtypes.AlarmContributor
	asked        []*cloudwatch.DescribeAlarmsInput
}

// Put adds metric, composite, and log alarms. An alarm replaces one of the same name.
func (c *CloudWatch) Put(alarms ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, alarm := range alarms {
		switch a := alarm.(type) {
		case cloudwatchtypes.MetricAlarm:
			c.metric = append(without(c.metric, func(b cloudwatchtypes.MetricAlarm) bool { return *a.AlarmName == *b.AlarmName }), a)
		case cloudwatchtypes.CompositeAlarm:
			c.composite = append(without(c.composite, func(b cloudwatchtypes.CompositeAlarm) bool { return *a.AlarmName == *b.AlarmName }), a)
		case cloudwatchtypes.LogAlarm:
			c.log = append(without(c.log, func(b cloudwatchtypes.LogAlarm) bool { return *a.AlarmName == *b.AlarmName }), a)
		default:
			panic(fmt.Sprintf("awsapitest: %T is not an alarm", alarm))
		}
	}
}

func without[T any](list []T, drop func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), drop)
}

// PutContributors sets the contributors of an alarm that are in ALARM.
func (c *CloudWatch) PutContributors(alarm string, contributors ...cloudwatchtypes.AlarmContributor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.contributors == nil {
		c.contributors = map[string][]cloudwatchtypes.AlarmContributor{}
	}
	c.contributors[alarm] = contributors
}

// Asked returns the requests of DescribeAlarms.
func (c *CloudWatch) Asked() []*cloudwatch.DescribeAlarmsInput {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// DescribeAlarms implements [awsapi.CloudWatch]. Like CloudWatch, it only returns alarms of the requested
// types, and rejects more than 100 names.
func (c *CloudWatch) DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	if err := c.hit(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, in)
	if len(in.AlarmNames) > 100 {
		return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "AlarmNames must have at most 100 members"}
	}
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, kind := range in.AlarmTypes {
		switch kind {
		case cloudwatchtypes.AlarmTypeMetricAlarm:
			out.MetricAlarms = without(c.metric, func(a cloudwatchtypes.MetricAlarm) bool { return !slices.Contains(in.AlarmNames, *a.AlarmName) })
		case cloudwatchtypes.AlarmTypeCompositeAlarm:
			out.CompositeAlarms = without(c.composite, func(a cloudwatchtypes.CompositeAlarm) bool { return !slices.Contains(in.AlarmNames, *a.AlarmName) })
		case cloudwatchtypes.AlarmTypeLogAlarm:
			out.LogAlarms = without(c.log, func(a cloudwatchtypes.LogAlarm) bool { return !slices.Contains(in.AlarmNames, *a.AlarmName) })
		}
	}
	return out, nil
}

// DescribeAlarmContributors implements [awsapi.CloudWatch].
func (c *CloudWatch) DescribeAlarmContributors(
	ctx context.Context, in *cloudwatch.DescribeAlarmContributorsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmContributorsOutput, error) {
	if err := c.hit(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &cloudwatch.DescribeAlarmContributorsOutput{AlarmContributors: c.contributors[aws.ToString(in.AlarmName)]}, nil
}
