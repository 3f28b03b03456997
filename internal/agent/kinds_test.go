package agent

import (
	"strings"
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

func TestOpening_AlarmOfALongMessageIsShortened(t *testing.T) {
	long := investigation.Record{Alarm: alarmevent.Alarm{Name: "a", State: alarmevent.StateAlarm, Reason: "it rose"}}
	short := opening(&long, config.Members{})
	assert.NotContains(t, short, "left out")
	for range 60 { // as much as a message of SNS can contain
		long.Alarm.Metrics = append(long.Alarm.Metrics, alarmevent.Metric{ID: "m", Label: strings.Repeat("<", 4<<10)})
	}
	text := opening(&long, config.Members{})
	assert.Less(t, len(text), len(short)+maxAlarm+100)
	assert.Contains(t, text, "it rose")
	assert.Regexp(t, `\n… \d+ of 14\d{5} bytes are left out\.\n`, text)
}
