package triage

import (
	"context"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
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
	if !alarmevent.NamesRunbook(name) {
		name = alarmevent.RunbookIn(alarm.Description)
	}
	key := strings.TrimPrefix(name, base)
	if key == "" || strings.Contains(key, "://") {
		return "" // no runbook, or one in another bucket or with another prefix
	}
	_, prefix, _ := strings.Cut(strings.TrimPrefix(base, "s3://"), "/")
	key = strings.TrimLeft(key, "/")
	return base + strings.TrimPrefix(key, prefix) // some write the key with the prefix
}

// runbook returns the text of the alarm's runbook with its heading, or "".
func (r *attempt) runbook(ctx context.Context) (text string, unread *investigation.NotSeen) {
	uri := runbookURI(r.alarm, r.Config.RunbooksURI)
	if uri == "" {
		return "", nil
	}
	text, unread = r.object(ctx, "runbook", uri)
	if unread != nil {
		return "", unread
	}
	return steps.RunbookHeading + text, nil
}

// object reads a text for the model. If that fails, the report says so.
func (r *attempt) object(ctx context.Context, what, uri string) (text string, unread *investigation.NotSeen) {
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	text, err := r.Store.Text(quick, uri, config.MaxInstructions)
	if err != nil {
		r.log.Warn(what+" not read", "uri", uri, "error", err, "advice", awsapi.Advice(err))
		return "", &investigation.NotSeen{What: "the " + what + " " + uri, Why: awsapi.Answer(err)}
	}
	return text, nil
}
