package evals_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/evals"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestJudge_ACauseThatIsExcludedIsWrong(t *testing.T) {
	var truth evals.Truth
	require.NoError(t, json.Unmarshal([]byte(`{"cause": [{"match": "certificate"}], "confidence": ["confirmed"],
		"not_cause": [{"match": "deployment.{0,20}(caused|broke)"}]}`), &truth))
	for _, test := range []struct {
		name, cause string
		found       bool
		falseClaims int
	}{
		{"the cause", "The certificate expired.", true, 0},
		{"the cause, and what is excluded with a negation", "The certificate expired. The deployment has not caused it.", true, 0},
		{"what is excluded, with words of the cause", "The deployment broke the check of the certificate.", false, 1},
		{"both", "The certificate expired. The deployment caused more errors.", false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := &investigation.Record{Outcome: investigation.OutcomeCompleted}
			rec.Report.RootCause, rec.Report.Confidence = test.cause, investigation.Confirmed
			score := evals.Judge(&truth, rec)
			assert.Equal(t, test.found, score.CauseFound)
			assert.Equal(t, !test.found, score.ConfidentlyNo)
			assert.Len(t, score.FalseClaims, test.falseClaims)
		})
	}
}
