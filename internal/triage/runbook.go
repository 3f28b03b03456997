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
// line of its description names an object below base. Anybody who may create alarms chooses that text: if it names an object
// elsewhere, isPermitted is false, and nobody may read it.
func runbookURI(alarm *alarmevent.Alarm, base string) (uri string, isPermitted bool) {
	if base == "" {
		return "", true
	}
	name := alarm.Tag(alarmevent.RunbookTag)
	if !alarmevent.NamesRunbook(name) {
		name = alarmevent.RunbookIn(alarm.Description)
	}
	key := strings.TrimPrefix(name, base)
	switch {
	case key == "":
		return "", true
	case strings.Contains(key, "://"):
		return name, false
	}
	_, prefix, _ := strings.Cut(strings.TrimPrefix(base, "s3://"), "/")
	key = strings.TrimLeft(key, "/")
	return base + strings.TrimPrefix(key, prefix), true // some write the key with the prefix
}

// runbook returns the text of the alarm's runbook with its heading, or "".
func (r *attempt) runbook(ctx context.Context) (text string, unread *investigation.NotSeen) {
	uri, isPermitted := runbookURI(r.alarm, r.Config.RunbooksURI)
	switch {
	case uri == "":
		return "", nil
	case !isPermitted:
		r.log.Warn("runbook not read", "uri", uri, "advice", "name an object below "+r.Config.RunbooksURI+", the bucket and prefix of Runbooks")
		return "", &investigation.NotSeen{What: "the runbook " + uri, Why: "Runbooks only permits objects below " + r.Config.RunbooksURI}
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
