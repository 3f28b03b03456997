package provenance_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
)

// isFromAWS reports whether AWS answered a quote of an output with an answer to one request.
func isFromAWS(t *testing.T, operation, answer, output, quote string) bool {
	t.Helper()
	var r provenance.Recorder
	r.Record(provenance.Exchange{Operation: operation, URL: "https://logs.us-east-1.amazonaws.com/", Request: []byte(`{"limit":5}`), Status: 200, Answer: []byte(answer)})
	observed, text := r.Judge(output, time.Time{}), provenance.NewText(output)
	found := text.Find(quote, false)
	require.NotEmpty(t, found)
	return text.IsObserved(found[0], observed)
}

func TestJudge_OutputLacksColorsOfLogLine(t *testing.T) {
	for _, tt := range []struct{ name, message, output, quote string }{
		{"a level", "\x1b[31mERROR\x1b[0m connection refused", "ERROR connection refused", "ERROR connection refused"},
		{"a name", "failed \x1b[36merr\x1b[0m=timeout of orders", "failed err=timeout of orders", "failed err=timeout of orders"},
		{"JSON in a line", `{"msg":"` + `\u001b[31mfailed\u001b[0m orders` + `"}`, "failed orders", "failed orders"},
		{"JSON as it is", `{"msg":"` + `\u001b[31mfailed\u001b[0m orders` + `"}`, `{"msg":"` + `\u001b[31mfailed\u001b[0m orders` + `"}`, "orders"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := json.Marshal(map[string]any{"events": []any{map[string]any{"message": tt.message}}})
			require.NoError(t, err)
			assert.True(t, isFromAWS(t, "logs:FilterLogEvents", string(answer), tt.output, tt.quote))
		})
	}
	answer := `{"events":[{"message":"\u001b[31mnot\u001b[0m healthy orders"}]}`
	assert.False(t, isFromAWS(t, "logs:FilterLogEvents", answer, "now healthy orders", "now healthy orders"))
}

func TestJudge_WordOfNameChangesWhatValueMeans(t *testing.T) {
	for _, tt := range []struct{ name, answer, wrong, right string }{
		{"throttled", `{"items":[{"throttledCount":57,"name":"orders"}]}`, "orders count 57", "orders throttled count 57"},
		{"suspended", `{"items":[{"SuspendedProcesses":"Launch","name":"orders"}]}`, "orders processes Launch", "orders suspended processes Launch"},
		{"dropped", `{"items":[{"DroppedEventCount":57,"name":"orders"}]}`, "orders event count 57", "orders dropped event count 57"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.False(t, isFromAWS(t, "x:DescribeItems", tt.answer, tt.wrong, tt.wrong))
			assert.True(t, isFromAWS(t, "x:DescribeItems", tt.answer, tt.right, tt.right))
		})
	}
}
