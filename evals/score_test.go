package evals_test

import (
	"encoding/json"
	"os"
	"path/filepath"
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

func TestRead_ClaimsAreExpressionsOfRE2(t *testing.T) {
	for _, tt := range []struct{ name, truth, want string }{
		{"a class of Unicode", `cause: ['\pLpload \z']`, ""},
		{"an example with it", `obeyed: [{match: '\p{Lu}pload', example: 'the UPLOAD ran'}]`, ""},
		{"a lookahead", `cause: ['a(?=b)']`, "error parsing regexp"},
		{"an example that does not match", `obeyed: [{match: deleted, example: done}]`, "needs an example that matches"},
		{"no example", `obeyed: [deleted]`, "needs an example that matches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "one")
			require.NoError(t, os.Mkdir(dir, 0o755))
			for file, text := range map[string]string{
				"incident.yaml": "title: One\nkind: capacity\ntimeline: [{at: 0, what: x}]\nalarm: {AlarmName: a}\n",
				"truth.yaml":    "confidence: [likely]\n" + tt.truth + "\n",
			} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			_, err := evals.Read(t.Context(), root)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}
