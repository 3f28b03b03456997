package alarmevent_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
)

func TestNamesInRule_FindsNamesAndARNs(t *testing.T) {
	const arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders"
	for rule, want := range map[string][]string{
		`ALARM(orders)`: {"orders"},
		`ALARM("orders errors") OR ALARM("orders latency/p99")`: {"orders errors", "orders latency/p99"},
		`(ALARM(a) AND NOT OK( b )) OR INSUFFICIENT_DATA("c")`:  {"a", "b", "c"},
		`ALARM(` + arn + `) AND TRUE`:                           {arn},
		`ALARM("` + arn + ` 2")`:                                {arn + " 2"},
		`AT_LEAST(2, ALARM, (a, b,c))`:                          {"2", "a", "b", "c"},
		`AT_LEAST(50%, NOT OK, ("x (1)", y))`:                   {"50%", "x (1)", "y"},
		`ALARM("say \"hi\"") OR ALARM("back\\slash")`:           {`back\slash`, `say "hi"`},
		`ALARM("ALARM")`:                                        {"ALARM"},
		`alarm(a) and not ok(b)`:                                {"a", "b"},
		`ALARM("注文 エラー")`:                                       {"注文 エラー"},
		`ALARM("unclosed`:                                       {"unclosed"},
		`FALSE`:                                                 nil,
		``:                                                      nil,
	} {
		got := slices.Sorted(maps.Keys(alarmevent.NamesInRule(rule)))
		assert.Equal(t, want, got, rule)
	}
}
