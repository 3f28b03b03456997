package triage_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

func TestRunbook_ReadsOnlyObjectsBelowPrefix(t *testing.T) {
	const found = "The team's runbook for this alarm:\nLook at the queue first."
	tests := []struct {
		name, configuration, tags string
		want                      string
		unread                    string // the address that the report names
	}{
		{"a line of the description", `{"description": "Orders fail.\nRunbook: orders.md\nAsk sam."}`, `{}`, found, ""},
		{"a line that ends as on Windows", `{"description": "Orders fail.\r\nrunbook: orders.md\r\nAsk sam."}`, `{}`, found, ""},
		{"the whole URI", `{"description": "runbook: s3://runbooks/team/orders.md"}`, `{}`, found, ""},
		{"the whole key", `{"description": "runbook: team/orders.md"}`, `{}`, found, ""},
		{"the tag", `{}`, `{"runbook": "orders.md"}`, found, ""},
		{"the tag in upper case", `{"description": "runbook: gone.md"}`, `{"RunBook": "orders.md"}`, found, ""},
		{"the tag before the line", `{"description": "runbook: gone.md"}`, `{"runbook": "orders.md"}`, found, ""},
		{"a line after one with a link", `{"description": "Runbook: https://wiki.example.com/orders\nrunbook: orders.md"}`, `{}`, found, ""},
		{"a line beside a tag with a link", `{"description": "runbook: orders.md"}`, `{"runbook": "https://wiki.example.com/orders"}`, found, ""},
		{"no runbook line", `{"description": "see the runbook"}`, `{}`, "", ""},
		{"a link for people", `{"description": "runbook: https://wiki.example.com/orders"}`, `{}`, "", ""},
		{"another bucket", `{"description": "runbook: s3://secrets/orders.md"}`, `{}`, "", "s3://secrets/orders.md"},
		{"another bucket before a line", `{"description": "runbook: orders.md"}`, `{"runbook": "s3://secrets/orders.md"}`, "", "s3://secrets/orders.md"},
		{"another prefix of the bucket", `{"description": "runbook: s3://runbooks/secret.md"}`, `{}`, "", "s3://runbooks/secret.md"},
		{"another prefix", `{"description": "runbook: ../secret.md"}`, `{}`, "", "s3://runbooks/team/../secret.md"},
		{"a runbook that does not exist", `{"description": "runbook: gone.md"}`, `{}`, "", "s3://runbooks/team/gone.md"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarness(t)
			for key, text := range map[string]string{"team/orders.md": "Look at the queue first.", "secret.md": "secret"} {
				_, err := b.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("runbooks"), Key: &key, Body: strings.NewReader(text)})
				require.NoError(t, err)
			}
			b.Config.RunbooksURI = "s3://runbooks/team/"
			event := strings.Replace(action("a", 1), `"alarmName":"a"`, `"alarmName":"a","configuration":`+tt.configuration+`,"alarmTags":`+tt.tags, 1)
			unread := b.record(t, b.mustInvestigate(t, "request-1", event)).NotSeen
			assert.Equal(t, tt.want, b.agent.runs[0].Instructions)
			if tt.unread == "" {
				assert.Empty(t, unread)
			} else if assert.Len(t, unread, 1) {
				assert.Equal(t, "the runbook "+tt.unread, unread[0].What)
			}
		})
	}
}

func TestHandle_SkipsSelfAlarms(t *testing.T) {
	b := newHarness(t)
	answer, err := b.invoke(t, "request-1", action(config.SelfAlarmPrefix+"shop-failures", 1))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusSkipped, answer.Results[0].Status)
	assert.Contains(t, answer.Results[0].Reason, "monitors AlarmTriage itself")
	assert.Zero(t, b.agent.calls)
}
