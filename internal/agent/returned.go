package agent

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
)

// withReturned keeps the report that was returned to the model, or lets a later one replace it. Models submit only the parts again that
// they corrected. It returns the report that counts, with its problems: the later one, or if it is final and a part, the whole.
func (r *run) withReturned(input json.RawMessage, report investigation.Report, problems []string, final bool) (investigation.Report, []string) {
	earlier, missing := r.task.parse(r.state.Returned)
	hasLess := report.Summary == "" && earlier.Summary != ""
	switch {
	case withdraws(input, report):
		r.state.Returned = input
	case report.RootCause == "" && (earlier.RootCause != "" || hasLess), earlier.RootCause != "" && hasLess && len(report.Findings) == 0:
		if final {
			return earlier, missing
		}
	case hasLess && strings.EqualFold(provenance.Words(report.RootCause), provenance.Words(earlier.RootCause)):
		r.state.Returned = withParts(r.state.Returned, input)
		if final {
			return r.task.parse(r.state.Returned)
		}
	case report.Summary != "" || report.RootCause != "":
		r.state.Returned = input // until it is accepted or replaced
	}
	return report, problems
}

// withdraws reports whether a report without a cause states that, instead of leaving the cause out as a part does.
func withdraws(input json.RawMessage, report investigation.Report) bool {
	var fields map[string]any
	if report.Summary == "" || report.RootCause != "" || report.Confidence != investigation.Unknown || json.Unmarshal(input, &fields) != nil {
		return false
	}
	_, named := fields["root_cause"]
	stated, states := fields["confidence"]
	confidence := strings.TrimSpace(stringOf(stated))
	return strings.EqualFold(confidence, string(investigation.Unknown)) || named && (confidence != "" || !states)
}

// withParts returns a report with the parts of a later one that are not empty. The later one has no summary.
func withParts(report, later json.RawMessage) json.RawMessage {
	var fields, parts map[string]any
	if json.Unmarshal(report, &fields) != nil || json.Unmarshal(later, &parts) != nil {
		return report
	}
	for name, part := range parts {
		if name != "summary" && hasContent(part) {
			fields[name] = part
		}
	}
	if whole, ok := asJSON(fields); ok {
		return whole
	}
	return report
}

// hasContent reports whether a part of a report has anything but blanks, empty entries, and empty fields.
func hasContent(part any) bool {
	switch v := part.(type) {
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), hasContent)
	case []any:
		return slices.ContainsFunc(v, hasContent)
	case string:
		var list []any
		if json.Unmarshal([]byte(v), &list) == nil { // a list as JSON
			return hasContent(list)
		}
		return strings.TrimSpace(v) != ""
	}
	return part != nil
}
