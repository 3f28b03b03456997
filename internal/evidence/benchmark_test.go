package evidence_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
)

// slowAWS answers each request after 150 ms and measures the longest chain of requests of which each had to wait for the one
// before it: the definition, the function's configuration, its role's name, and a lookup by that name.
const slowAWS = `
import time, threading
DELAY, CHAIN = 0.15, 3
for name in ("describe_alarms", "get_metric_data", "describe_alarm_history", "get_function_configuration", "lookup_events", "get_function_concurrency",
             "list_versions_by_function", "list_aliases", "list_event_source_mappings", "filter_log_events", "describe_stack_resources",
             "list_deployments", "list_pipelines", "list_applications", "describe_events"):
    def slow(request, region, name=name):
        time.sleep(DELAY)
        if name == "describe_stack_resources":
            raise RuntimeError("Stack does not exist")
        if name in ("describe_alarms", "get_metric_data", "describe_alarm_history", "get_function_configuration"):
            return answer("", region, name, request)
        return {}
    overrides[name] = slow
import alarmtriage_evidence.collector as collector
collector.WORKERS = WORKERS
collect_started = time.monotonic()
`

// BenchmarkCollect compares the collection with one that makes its requests one after another. Each AWS answer takes 150 ms.
// chain-s is the time of the longest chain of dependent requests.
func BenchmarkCollect(b *testing.B) {
	alarm := metricAlarm()
	alarm.Metrics = []alarmevent.Metric{{ID: "m1", Namespace: "AWS/Lambda", Name: "Duration", Dimensions: map[string]string{"FunctionName": "orders"},
		Period: 60, Stat: "Average", ReturnData: true}}
	for _, way := range []struct{ name, workers string }{{"one after another", "1"}, {"concurrent", "16"}} {
		b.Run(way.name, func(b *testing.B) {
			var total, chain, requests float64
			for range b.N {
				raw := fakeBoto3(b, "WORKERS = "+way.workers, slowAWS).execute(b.Context(),
					evidence.Command(alarm, evidence.Triage{Account: "123456789012"})+
						"\nprint('\\0' + json.dumps([time.monotonic() - collect_started, DELAY * CHAIN, len(calls)]))")
				var measured [3]float64
				require.NoError(b, json.Unmarshal(raw[lastZero(raw)+1:], &measured))
				total, chain, requests = total+measured[0], measured[1], measured[2]
			}
			b.ReportMetric(total/float64(b.N), "collection-s")
			b.ReportMetric(chain, "chain-s")
			b.ReportMetric(total/float64(b.N)/chain, "x-chain")
			b.ReportMetric(requests, "requests")
		})
	}
}

func lastZero(raw []byte) int {
	for i := len(raw) - 1; i >= 0; i-- {
		if raw[i] == 0 {
			return i
		}
	}
	return -1
}
