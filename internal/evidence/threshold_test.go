package evidence_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// resultTool answers with a result of the collection.
type resultTool struct{ result json.RawMessage }

func (t resultTool) Run(context.Context, toolcall.Request) (toolcall.Answer, error) {
	return toolcall.Answer{Success: true, Result: t.result}, nil
}

func TestCollect_ThresholdBelongsToWhatTheAlarmEvaluates(t *testing.T) {
	threshold := 5.0
	parts := alarmevent.Metric{ID: "m1", Namespace: "Shop", Name: "Errors", Stat: "Sum", Period: 60}
	for name, c := range map[string]struct {
		metrics []alarmevent.Metric
		series  string
		want    *float64
	}{
		"the expression": {[]alarmevent.Metric{{ID: "rate", Expression: "m1/10", ReturnData: true}, parts}, "rate", &threshold},
		"a metric of an expression that was not read": {[]alarmevent.Metric{{ID: "rate", Expression: "m1/10", ReturnData: true}, parts}, "m1", nil},
		"one metric, whose ID differs":                {[]alarmevent.Metric{{ID: "30b6c6b2", Namespace: "Shop", Name: "Errors", ReturnData: true}}, "m1", &threshold},
		"an event without metrics":                    {nil, "m1", &threshold},
	} {
		t.Run(name, func(t *testing.T) {
			alarm := &alarmevent.Alarm{Name: "a", Kind: alarmevent.KindMetric, Threshold: &threshold, Metrics: c.metrics}
			tool := resultTool{json.RawMessage(`{"series": [{"id": "` + c.series + `", "period": 60, "points": [[1767225600, 40]]}]}`)}
			found := evidence.Collect(context.Background(), tool, 1, alarm, evidence.Triage{}, time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
			require.Len(t, found.Series, 1)
			assert.Equal(t, c.want, found.Series[0].Threshold)
		})
	}
}
