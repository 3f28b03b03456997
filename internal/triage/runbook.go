package triage

import (
	"context"
	"regexp"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// runbookTag is the tag of an alarm that names its runbook.
const runbookTag = "runbook"

// runbookLine is the line of an alarm's description that does.
var runbookLine = regexp.MustCompile(`(?im)^[ \t]*runbook:[ \t]*(\S.*?)[ \t]*$`)

// runbookURI is where the runbook of an alarm lies, or nothing: what its tag or a line of its description
// names, below base. Whoever may write alarms chose the text, so that it can't lead out of base.
func runbookURI(alarm *alarmevent.Alarm, base string) string {
	if base == "" {
		return ""
	}
	name := alarm.Tags[runbookTag]
	if line := runbookLine.FindStringSubmatch(alarm.Description); name == "" && line != nil {
		name = line[1]
	}
	key := strings.TrimPrefix(name, base)
	if key == "" || strings.Contains(key, "://") {
		return "" // none, or a link to somewhere else, for people
	}
	return base + strings.TrimLeft(key, "/")
}

// runbook is the text of the alarm's runbook, or nothing.
func (r *attempt) runbook(ctx context.Context) string {
	uri := runbookURI(r.alarm, r.Config.RunbooksURI)
	if uri == "" {
		return ""
	}
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	text, err := r.Store.Text(quick, uri, maxInstructions)
	if err != nil {
		r.log.Warn("runbook not read", "uri", uri, "error", err, "advice", awsapi.Advice(err))
		return ""
	}
	return "The team's runbook for this alarm:\n" + text
}
