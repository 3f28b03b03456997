package notify_test

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
)

const arn = "arn:aws:sns:us-east-1:123456789012:findings"

func TestPublish_FitsLimitsOfSNS(t *testing.T) {
	tests := []struct {
		name, subject, body string
		wantSubject         string
	}{
		{"plain", "ALARM orders", "it broke", "ALARM orders"},
		{"an empty subject is left out", " \n ", "it broke", ""},
		{"an empty body", "s", " \n\t ", "s"},
		{"control characters and line breaks", "a\r\nb\x00c\x7f\u2028d", "b", "a  b?c??d"},
		{"non-Latin scripts", strings.Repeat("注文🚨é", 60), strings.Repeat("注文🚨é\n", 40000), strings.Repeat("?", 99)},
		{"long ASCII", strings.Repeat("x", 500), strings.Repeat("y", 400000), strings.Repeat("x", 99)},
		{"invalid UTF-8", "\xff\xfe", "\xff\xfe" + strings.Repeat("\xc3", 300000), "??"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake := &awsapitest.SNS{}
			require.NoError(t, notify.New(fake, arn).Publish(t.Context(), notify.Notification{
				Subject: tt.subject, Body: tt.body,
				Attributes: map[string]string{"alarm": strings.Repeat("é", 5000), "empty": ""},
			}))
			in := fake.Published(arn)[0]
			if tt.wantSubject == "" {
				assert.Nil(t, in.Subject)
			} else {
				assert.Equal(t, tt.wantSubject, *in.Subject)
			}
			assert.NotEmpty(t, strings.TrimSpace(*in.Message))
			assert.True(t, utf8.ValidString(*in.Message))
			size := len(*in.Message)
			for name, value := range in.MessageAttributes {
				size += len(name) + len(*value.DataType) + len(*value.StringValue)
				assert.NotEmpty(t, *value.StringValue)
				assert.True(t, utf8.ValidString(*value.StringValue))
			}
			assert.LessOrEqual(t, size, notify.MaxMessage)
			assert.Nil(t, in.MessageGroupId)
		})
	}
}

// proxy answers like something between the function and SNS: with success, and without the ID of a message.
type proxy struct{}

func (proxy) Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error) {
	return &sns.PublishOutput{}, nil
}

func TestPublish_AnswerWithoutAnIDIsAnError(t *testing.T) {
	assert.ErrorContains(t, notify.New(proxy{}, arn).Publish(t.Context(), notify.Notification{Body: "b"}), "publish to "+arn)
}

func TestPublish_MarksTruncatedBody(t *testing.T) {
	fake := &awsapitest.SNS{}
	require.NoError(t, notify.New(fake, arn).Publish(t.Context(), notify.Notification{Body: strings.Repeat("é", notify.MaxMessage)}))
	assert.Contains(t, *fake.Published(arn)[0].Message, "[truncated: ")
}

func TestPublish_SetsGroupAndDeduplicationIDOfFIFOTopic(t *testing.T) {
	fake := &awsapitest.SNS{}
	topic := arn + ".fifo"
	m := notify.Notification{Body: "b", Group: "arn:aws:cloudwatch:us-east-1:1:alarm:注文 " + strings.Repeat("x", 300), ID: "id"}
	require.NoError(t, notify.New(fake, topic).Publish(t.Context(), m))
	in := fake.Published(topic)[0]
	assert.Regexp(t, `^[!-~]{1,128}$`, *in.MessageGroupId)
	assert.Equal(t, "id", *in.MessageDeduplicationId)
}
