package alarmtriage

import (
	"slices"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
)

// warnOfRunbooks adds warnings about attached alarms whose runbook no investigation reads. actions are those of the attached
// alarms, in their order.
func (t *AlarmTriage) warnOfRunbooks(actions []alarmjs.Actions) {
	var unread, unsent []string
	for i, a := range actions {
		name := alarmevent.RunbookIn(a.Runbook.Description)
		switch {
		case t.hasRunbooks && alarmevent.NamesRunbook(a.Runbook.Tag) && !a.Runbook.Propagates && name == "":
			unsent = append(unsent, t.attached[i].Path)
		case !t.hasRunbooks && name != "":
			unread = append(unread, t.attached[i].Path)
		}
	}
	slices.Sort(unread)
	slices.Sort(unsent)
	if n := len(unread); n > 0 {
		t.warn("no-runbooks", "the descriptions of %s name runbooks, which no investigation reads, because the prop Runbooks is not set: %s. Set it "+
			"to the bucket of the runbooks", counted(n, "alarm"), listed(unread))
	}
	if n := len(unsent); n > 0 {
		t.warn("runbook-tag", "%s the tag runbook, which has no effect, because events only contain tags if the alarm's tag propagation is on: %s. Set "+
			"AlarmTagsPropagation in the ActionConfiguration of the CfnAlarm, or write the line \"runbook: KEY\" in the description",
			counted(n, "alarm")+agreeing(n, " has", " have"), listed(unsent))
	}
}
