package agent

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestOpening_NamesTheFunctionsForTheKindOfAlarm(t *testing.T) {
	opened := func(kind alarmevent.Kind) string {
		return opening(&investigation.Record{Alarm: alarmevent.Alarm{Name: "a", Kind: kind, State: alarmevent.StateAlarm,
			Configuration: `{"traceQuery":"p99"}`, LogLines: []string{"ERROR no stock"}, NotUnderstood: []string{"configuration: unknown"}}}, config.Members{})
	}
	assert.Contains(t, opened(alarmevent.KindPromQL), "promql(query, start")
	assert.NotContains(t, opened(alarmevent.KindPromQL), "describe_log_alarms")
	assert.Contains(t, opened(alarmevent.KindLog), "describe_log_alarms(")
	assert.NotContains(t, opened(alarmevent.KindMetric), "promql(")
	unknown := opened(alarmevent.KindUnknown)
	for _, want := range []string{"promql(", "describe_log_alarms(", "traceQuery", "ERROR no stock", "configuration: unknown"} {
		assert.Contains(t, unknown, want)
	}
}
