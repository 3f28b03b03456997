package evals_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/evals"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestJudge_AnUnknownCauseIsRightOnlyAfterALook(t *testing.T) {
	var truth evals.Truth
	require.NoError(t, json.Unmarshal([]byte(`{"unknowable": [{"match": "logs"}], "confidence": ["unknown"]}`), &truth))
	proven := investigation.Finding{Statement: "Requests fail.", Confidence: investigation.Confirmed, Verified: true}
	unproven := investigation.Finding{Statement: "Requests fail.", Confidence: investigation.Confirmed}
	for _, test := range []struct {
		name       string
		findings   []investigation.Finding
		notSeen    string
		confidence investigation.Confidence
		found      bool
	}{
		{"a proven finding, and what was not seen", []investigation.Finding{proven}, "the logs: access denied", investigation.Unknown, true},
		{"one of the findings is proven", []investigation.Finding{unproven, proven}, "the logs: access denied", investigation.Unknown, true},
		{"nothing is proven", []investigation.Finding{unproven}, "the logs: access denied", investigation.Unknown, false},
		{"no finding", nil, "the logs: access denied", investigation.Unknown, false},
		{"what was not seen is not named", []investigation.Finding{proven}, "the code", investigation.Unknown, false},
		{"a cause is claimed", []investigation.Finding{proven}, "the logs: access denied", investigation.Confirmed, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := &investigation.Record{Outcome: investigation.OutcomeCompleted}
			rec.Report.RootCause, rec.Report.Confidence = "Not known.", test.confidence
			rec.Report.Findings, rec.Report.NotSeen = test.findings, []string{test.notSeen}
			assert.Equal(t, test.found, evals.Judge(&truth, rec).CauseFound)
		})
	}
}
