package triage_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// A pager with the filter policy of docs/report.md is called for each report without a conclusion, however it ended.
func TestHandle_DocumentedFilterPolicyLetsReportsWithoutAConclusionThrough(t *testing.T) {
	page, err := os.ReadFile("../../docs/report.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```json\n(\\{\"\\$or\": .*?)```").FindSubmatch(page)
	require.NotNil(t, found)
	var policy struct {
		Or []map[string][]string `json:"$or"`
	}
	require.NoError(t, json.Unmarshal(found[1], &policy))
	require.NotEmpty(t, policy.Or)
	prose := investigation.Report{Summary: "s", FreeText: "it is the pool", Confidence: investigation.Unknown, Severity: investigation.SeverityUnknown}
	for _, tt := range []struct {
		name    string
		outcome investigation.Outcome
		report  investigation.Report
		want    bool
	}{
		{"prose by itself", investigation.OutcomeCompleted, prose, true},
		{"prose near a limit", investigation.OutcomeConcluded, prose, true},
		{"no model concluded", investigation.OutcomeFallback, investigation.Report{}, true},
		{"a report without a severity", investigation.OutcomeCompleted, investigation.Report{Summary: "s", RootCause: "c", Confidence: investigation.Likely}, true},
		{"a serious incident of another account", investigation.OutcomeCompleted, investigation.Report{Summary: "s", RootCause: "c", Severity: investigation.SeverityHigh}, false},
		{"a small incident", investigation.OutcomeCompleted, investigation.Report{Summary: "s", RootCause: "c", Severity: investigation.SeverityLow}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarness(t)
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				require.NoError(t, conclude(rec))
				rec.Outcome, rec.Report = tt.outcome, tt.report
				return nil
			}
			b.mustInvestigate(t, "request-1", action("a", 1))
			sent := b.SNS.Published(topicARN)
			require.Len(t, sent, 1)
			passes := slices.ContainsFunc(policy.Or, func(all map[string][]string) bool {
				for name, values := range all {
					attribute, ok := sent[0].MessageAttributes[name]
					if name == "account" { // the alarm is in another one
						values = []string{"999999999999"}
					}
					if !ok || !slices.Contains(values, *attribute.StringValue) {
						return false
					}
				}
				return true
			})
			assert.Equal(t, tt.want, passes)
		})
	}
}
