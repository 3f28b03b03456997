// Package notify publishes to the notification topics, within SNS's limits whatever it is given.
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
	// MaxMessage is SNS's limit of a message and its attributes, in bytes.
	MaxMessage = 262144

	// MaxBody is what a body may take of it, in bytes; the rest is kept for the attributes.
	MaxBody = MaxMessage - 4096

	// maxAttribute bounds one attribute's value, in bytes.
	maxAttribute = 512
)

// truncatedNote ends a body that is truncated here. That is the last resort, since the report's renderer knows
// better what to leave out.
const truncatedNote = "\n\n[truncated: this notification was longer than SNS allows]\n"

// Topic is one SNS topic.
type Topic struct {
	sns awsapi.SNS
	arn string
}

// New returns the Topic with this ARN.
func New(client awsapi.SNS, arn string) *Topic { return &Topic{sns: client, arn: arn} }

// Message is one notification.
type Message struct {
	Subject    string
	Body       string
	Attributes map[string]string // for the subscribers' filter policies
	Group      string            // what belongs together on a FIFO topic
	ID         string            // the same for a repeated publication of the same message
}

// Publish sends m. Subject and body are made to fit; an empty subject is left out.
func (t *Topic) Publish(ctx context.Context, m Message) error {
	in := &sns.PublishInput{
		TopicArn:          &t.arn,
		Message:           aws.String(fitBody(m.Body)),
		MessageAttributes: attributes(m.Attributes),
	}
	if subject := fitSubject(m.Subject); subject != "" {
		in.Subject = &subject
	}
	if strings.HasSuffix(t.arn, ".fifo") {
		in.MessageGroupId = aws.String(fifoID(m.Group))
		in.MessageDeduplicationId = aws.String(fifoID(m.ID))
	}
	if _, err := t.sns.Publish(ctx, in); err != nil {
		return fmt.Errorf("publish to %s: %w", t.arn, err)
	}
	return nil
}

// fitSubject leaves printable ASCII, since subjects with control characters or line breaks are refused,
// and mail programs show others as they like.
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

// attributes leaves out empty values, which SNS refuses.
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

// fifoID maps text to what FIFO topics allow as group and deduplication id.
func fifoID(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' {
			return r
		}
		return '-'
	}, text)
	return clean[:min(len(clean), 128)]
}
