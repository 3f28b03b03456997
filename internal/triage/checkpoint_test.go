package triage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestResume_StateThatIsNotUnderstoodStartsFromTheBeginning(t *testing.T) {
	for name, off := range map[string]string{"the kill switch is off": "", "the kill switch is on": "model"} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			var resumed []string
			b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
				resumed = append(resumed, string(resume))
				if resume != nil {
					return investigation.ErrUnreadable
				}
				if len(b.Self.Events()) == 0 {
					rec.Usage.ModelCalls++
					require.NoError(t, run.Checkpoint(ctx, []byte("of another version")))
					return investigation.ErrHandOver
				}
				return conclude(rec)
			}
			_, err := b.invoke(t, "1", stateChange("orders", "ALARM", 0, ""))
			require.NoError(t, err)
			if off != "" {
				writeItem(t, &b.DB, "off-switch", "off", &dynamodbtypes.AttributeValueMemberS{Value: off})
			}
			rec := b.record(t, b.mustInvestigate(t, "fresh", string(b.Self.Events()[0].Payload)))
			assert.NotNil(t, rec.Evidence.Definition, "the evidence is collected again")
			assert.Equal(t, 2, b.tool.calls)
			if off != "" {
				assert.True(t, rec.EvidenceOnly)
				assert.Equal(t, "The kill switch is on: no model was asked again.", rec.OutcomeWhy)
				return
			}
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome)
			assert.Equal(t, []string{"", "of another version", ""}, resumed)
		})
	}
}

func TestResume_BudgetsHoldIfTheCheckpointCannotBeRead(t *testing.T) {
	spent := investigation.Usage{ModelCalls: 9, InputTokens: 1000, OutputTokens: 100, CostUSD: 1.2, PriceKnown: true}
	for name, spoil := range map[string]func(*harness){
		"it is of another version": func(*harness) {},
		"S3 is down":               func(b *harness) { b.S3.Fail(awsapitest.ErrDown, 1) },
		"it is cut off": func(b *harness) {
			key := b.S3.Keys("checkpoints/")[0]
			_, err := b.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("{")})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarnessAtTransition(t)
			b.Config.MaxQueryCostUSD = 2
			var begins []investigation.Usage
			b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
				if resume != nil {
					return investigation.ErrUnreadable
				}
				begins = append(begins, rec.Usage)
				if len(begins) > 2 {
					require.NoError(t, conclude(rec))
					rec.Usage = begins[2]
					rec.Usage.Add(spent)
					return nil
				}
				rec.Usage.Add(spent)
				rec.Rounds = []investigation.Round{{Calls: []investigation.ToolCall{{Number: 1, Lost: true, QueryLimitUSD: 0.9}}}}
				require.NoError(t, run.Checkpoint(ctx, []byte("state")))
				return investigation.ErrHandOver
			}
			_, err := b.invoke(t, "1", stateChange("orders", "ALARM", 0, ""))
			require.NoError(t, err)
			spoil(b)
			_, err = b.invoke(t, "2", string(b.Self.Events()[0].Payload))
			require.NoError(t, err)
			spoil(b)
			rec := b.record(t, b.mustInvestigate(t, "3", string(b.Self.Events()[1].Payload)))
			assert.InDelta(t, 1.2, begins[1].CostUSD, 1e-9)
			assert.InDelta(t, 2.4, begins[2].CostUSD, 1e-9)
			assert.Equal(t, 18, begins[2].ModelCalls)
			assert.InDelta(t, 3.6, rec.Usage.CostUSD, 1e-9)
			assert.InDelta(t, 1.8, rec.Usage.QueryCostUSD, 1e-9)
			require.Len(t, b.tool.requests, 3)
			assert.InDelta(t, 0.2, *b.tool.requests[2].QueryLimitUSD, 1e-9, "of $2, $1.80 are spent")
			require.NotNil(t, rec.Lost)
			assert.InDelta(t, 2.4, rec.Lost.CostUSD, 1e-9)
		})
	}
}
