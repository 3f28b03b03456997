package triage

import (
	"context"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

// runbookURI returns the S3 URI of an alarm's runbook, or "" if the alarm names none. The alarm's tag or a
// line of its description names an object below base. Anybody who may create alarms chooses that text; it
// never leads outside base.
func runbookURI(alarm *alarmevent.Alarm, base string) string {
	if base == "" {
		return ""
	}
	name := alarm.Tags[alarmevent.RunbookTag]
	if name == "" {
		name = alarmevent.RunbookIn(alarm.Description)
	}
	key := strings.TrimPrefix(name, base)
	if key == "" || strings.Contains(key, "://") {
		return "" // no runbook, or a link for people
	}
	return base + strings.TrimLeft(key, "/")
}

// runbook returns the text of the alarm's runbook with its heading, or "".
func (r *attempt) runbook(ctx context.Context) string {
	uri := runbookURI(r.alarm, r.Config.RunbooksURI)
	if uri == "" {
		return ""
	}
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	text, err := r.Store.Text(quick, uri, config.MaxInstructions)
	if err != nil {
		r.log.Warn("runbook not read", "uri", uri, "error", err, "advice", awsapi.Advice(err))
		return ""
	}
	return steps.RunbookHeading + text
}
