// Package notify publishes to the notification topics. It shortens or omits everything that exceeds SNS's
// limits.
package notify

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

const (
	// MaxMessage is SNS's limit for a message and its attributes, in bytes.
	MaxMessage = 262144

	// MaxBody bounds the body, in bytes. The rest of MaxMessage is reserved for the attributes.
	MaxBody = MaxMessage - 4096

	// maxAttribute bounds one attribute's value, in bytes.
	maxAttribute = 512
)

// truncatedNote ends a body that is truncated here. That is the last resort, since the report's renderer
// knows better what to leave out.
const truncatedNote = "\n\n[truncated: this notification was longer than SNS allows]\n"

// Topic is one SNS topic.
type Topic struct {
	sns awsapi.SNS
	arn string
}

// New returns the Topic with this ARN.
func New(client awsapi.SNS, arn string) *Topic { return &Topic{sns: client, arn: arn} }

// Notification is one SNS message: a notification, or a chat card.
type Notification struct {
	Subject    string
	Body       string
	Attributes map[string]string // for the subscribers' filter policies
	Group      string            // message group on a FIFO topic
	ID         string            // deduplication id on a FIFO topic, the same for each retry
}

// Publish sends n. It truncates subject and body to SNS's limits and omits an empty subject.
func (t *Topic) Publish(ctx context.Context, n Notification) error {
	in := &sns.PublishInput{
		TopicArn:          &t.arn,
		Message:           aws.String(fitBody(n.Body)),
		MessageAttributes: attributes(n.Attributes),
	}
	if subject := fitSubject(n.Subject); subject != "" {
		in.Subject = &subject
	}
	if strings.HasSuffix(t.arn, ".fifo") {
		in.MessageGroupId = aws.String(fifoID(n.Group))
		in.MessageDeduplicationId = aws.String(fifoID(n.ID))
	}
	out, err := t.sns.Publish(ctx, in)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", t.arn, err)
	}
	if aws.ToString(out.MessageId) == "" {
		return fmt.Errorf("publish to %s: the answer has no message ID, so it is not from SNS: check the endpoints and proxies on the way to SNS", t.arn)
	}
	return nil
}

// fitSubject returns at most [config.MaxSubject] characters of printable ASCII. SNS rejects subjects with
// control characters or line breaks, and mail programs differ in how they show other characters.
func fitSubject(text string) string {
	var b strings.Builder
	for _, r := range text {
		if b.Len() == config.MaxSubject {
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		default:
			b.WriteByte('?')
		}
	}
	return strings.TrimSpace(b.String())
}

// fitBody returns a body that SNS accepts: valid UTF-8, not empty, and not too long.
func fitBody(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.TrimSpace(text) == "" {
		return "(the report is empty)"
	}
	if len(text) <= MaxBody {
		return text
	}
	return text[:truncate.Before(text, MaxBody-len(truncatedNote))] + truncatedNote
}

// attributes omits empty values, which SNS rejects.
func attributes(values map[string]string) map[string]types.MessageAttributeValue {
	out := make(map[string]types.MessageAttributeValue, len(values))
	for name, value := range values {
		if value == "" {
			continue
		}
		out[name] = types.MessageAttributeValue{
			DataType: aws.String("String"), StringValue: aws.String(truncate.Bytes(value, maxAttribute)),
		}
	}
	return out
}

// fifoID maps text to the characters and the length that FIFO topics allow for a group or deduplication id.
func fifoID(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' {
			return r
		}
		return '-'
	}, text)
	return clean[:min(len(clean), 128)]
}
