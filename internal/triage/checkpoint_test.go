package triage_test

import (
	"context"
	"testing"

	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
				return
			}
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome)
			assert.Equal(t, []string{"", "of another version", ""}, resumed)
		})
	}
}
