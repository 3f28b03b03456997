package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// This file holds what a reader must know before the result: where the alarm is, what changed before it, whether it is
// still in ALARM, and who owns it. Code writes all of it, without the model.

// Limits of untrusted texts in the first lines, in characters.
const (
	maxAccountName = 64  // of a name, an ID, and a Region
	maxChangeName  = 64  // of an event and of a caller
	maxTagValue    = 200 // of an owner or a runbook
)

// Keys of an alarm's tags that the report shows in its first lines, ignoring case.
const (
	tagOwner   = "owner"
	tagRunbook = "runbook"
)

// place returns the account and the Region of the alarm, such as "prod (123456789012), eu-central-1", within limits.
func place(rec *investigation.Record) string {
	short := func(text string) string { return oneLine(truncate.Runes(plain(text), maxAccountName)) }
	return placeOf(short(rec.AccountName), short(rec.Alarm.Account), short(rec.Alarm.Region))
}

// wholePlace returns the same without limits.
func wholePlace(rec *investigation.Record) string {
	return placeOf(plain(rec.AccountName), plain(rec.Alarm.Account), plain(rec.Alarm.Region))
}

func placeOf(name, account, region string) string {
	if strings.TrimSpace(name) != "" {
		account = strings.TrimSpace(name + " (" + account + ")")
	}
	return strings.Trim(account+", "+region, ", ")
}

func accountName(rec *investigation.Record) string {
	return oneLine(truncate.Runes(plain(rec.AccountName), maxAccountName))
}

// changed returns the newest change before the alarm: of the alarm's own resources, or else of others. CloudTrail is the
// only source.
func changed(rec *investigation.Record) string {
	own, other, more := newestChanges(rec)
	trail := rec.Evidence.Trail
	// CloudTrail was not read completely, or not all names of the alarm's resources are known.
	const isIncomplete = ", but changes may be missing"
	switch {
	case own != nil:
		line := changedLine(rec, *own)
		if more > 0 {
			line += fmt.Sprintf(", and %d more", more)
		}
		if trail != nil && !trail.Complete && own.Time.Before(trail.From) { // a newer one may be missing
			line += isIncomplete
		}
		return line
	case other != nil:
		line := "nothing found " + inRegionName(rec) + "on the alarm's own resources"
		if trail != nil && !trail.Complete {
			line += isIncomplete
		}
		return line + "; on other resources " + changedLine(rec, *other)
	case trail == nil:
		return "not known, because this report has no data of CloudTrail"
	case trail.Complete:
		return "nothing that CloudTrail lists " + inRegionName(rec) + "since " + clock(trail.From, rec.Alarm.Time) + notCounted(rec)
	}
	return "not known, because changes may be missing"
}

// notCounted returns a clause about the events before the alarm that are no changes, or "".
func notCounted(rec *investigation.Record) string {
	var kinds []string
	if slices.ContainsFunc(rec.Evidence.Changes, func(c investigation.Change) bool { return c.Error != "" && !isAfter(c, rec) }) {
		kinds = append(kinds, "calls that failed")
	}
	if len(rec.Evidence.Trail.Routine) > 0 {
		kinds = append(kinds, "routine events")
	}
	if len(kinds) == 0 {
		return ""
	}
	return ", except " + strings.Join(kinds, " and ")
}

// isAfter reports whether a change followed the alarm.
func isAfter(change investigation.Change, rec *investigation.Record) bool {
	return !rec.Alarm.Time.IsZero() && change.Time.After(rec.Alarm.Time)
}

// inRegionName returns the Region of which it is known whether all events were read, such as "in eu-central-1 ": CloudTrail lists
// those of IAM in another one.
func inRegionName(rec *investigation.Record) string {
	if region := oneLine(truncate.Runes(plain(rec.Alarm.Region), maxAccountName)); region != "" {
		return "in " + region + " "
	}
	return ""
}

// newestChanges returns the newest successful change of the alarm's resources before the alarm, the newest one of other
// resources, and the number of the other changes of the alarm's resources.
func newestChanges(rec *investigation.Record) (own, other *investigation.Change, more int) {
	for i := range rec.Evidence.Changes {
		change := &rec.Evidence.Changes[i]
		if change.Error != "" || isAfter(*change, rec) {
			continue
		}
		newest := &other
		if change.Own {
			newest = &own
			more++
		}
		if *newest == nil || change.Time.After((*newest).Time) {
			*newest = change
		}
	}
	return own, other, max(0, more-1)
}

func changedLine(rec *investigation.Record, change investigation.Change) string {
	line := truncate.Runes(plain(change.Event), maxChangeName) + " by " + cmp.Or(truncate.Runes(plain(change.User), maxChangeName), "unknown")
	if change.Time.IsZero() {
		return line
	}
	line = clock(change.Time, rec.Alarm.Time) + " " + line
	if from := distance(change.Time, rec.Alarm.Time); from != "" {
		line += " (" + from + ")"
	}
	return line
}

// stateNow returns the state of the alarm when the report was sent, or "" if the record is from an older version.
func stateNow(rec *investigation.Record) string {
	now := rec.AtDelivery
	if now == nil {
		return ""
	}
	asked := clock(now.At, rec.Alarm.Time)
	switch {
	case now.State == alarmevent.StateAlarm && !rec.Alarm.Time.IsZero() && now.Since.Sub(rec.Alarm.Time) > time.Minute:
		return "in ALARM at " + asked + ", again since " + clock(now.Since, rec.Alarm.Time)
	case now.State == alarmevent.StateAlarm:
		return "still in ALARM at " + asked
	case now.State == alarmevent.StateOK, now.State == alarmevent.StateInsufficientData:
		line := "no longer in ALARM: " + string(now.State)
		if !now.Since.IsZero() {
			line += " since " + clock(now.Since, rec.Alarm.Time)
		}
		return line
	}
	return "unknown: " + cmp.Or(plain(now.Problem), "CloudWatch was not asked")
}

// tagged returns the value of one of the alarm's tags. An address in it stays text, so that it shows where it leads.
func tagged(rec *investigation.Record, key string) string {
	return truncate.Runes(strings.TrimSpace(plain(rec.Alarm.Tag(key))), maxTagValue)
}

// authorship returns who wrote the report and its commands. A report without a conclusion can have the prose of a model.
func authorship(rec *investigation.Record) string {
	isByModel := rec.Report.Summary != "" || rec.Report.FreeText != ""
	switch {
	case rec.Outcome != investigation.OutcomeFallback:
		return "An AI model wrote this report. Its commands were not run: check each of them before you run it."
	case isByModel:
		return "An AI model wrote the summary, but reached no conclusion. Its commands were not run: check each of them before you run it."
	}
	return "No AI model reached a conclusion. The commands in this report are general ones and were not run."
}

// clock returns a time of day in the time zone of the record, with the date if it is not the day of the alarm.
func clock(t, alarm time.Time) string {
	if t.IsZero() {
		return "time not known"
	}
	layout := "15:04"
	if t.Format(time.DateOnly) != alarm.In(t.Location()).Format(time.DateOnly) {
		layout = "2006-01-02 15:04"
	}
	return inBoth(t, layout)
}

// moment returns a date and a time in the time zone of the record.
func moment(t time.Time) string {
	if t.IsZero() {
		return "time not known"
	}
	return inBoth(t, "2006-01-02 15:04:05")
}

// inBoth returns a time in its zone, such as "03:12 CEST (01:12 UTC)". The time in UTC has a date only if it is another one.
func inBoth(t time.Time, layout string) string {
	name := zoneName(t)
	local, utc := t.Format(layout), t.UTC()
	if name == "UTC" {
		return local + " UTC"
	}
	_, ofDay, dated := strings.Cut(layout, " ")
	if dated && utc.Format(time.DateOnly) == t.Format(time.DateOnly) || !dated {
		layout = cmp.Or(ofDay, layout)
	}
	inUTC := utc.Format(layout)
	if !dated && utc.Format(time.DateOnly) != t.Format(time.DateOnly) {
		inUTC = utc.Format("2006-01-02 15:04")
	}
	return local + " " + name + " (" + inUTC + " UTC)"
}

// zoneOf names a time zone for the end of the page.
func zoneOf(zone *time.Location) string {
	if zone == nil || zone == time.UTC {
		return "UTC"
	}
	return "of " + zone.String() + "; those in quotes, code, and output are as they were written"
}

// zoneName returns the abbreviation of the zone of a time, such as CEST, or its distance from UTC if it has none. Of a time that is
// not known, it returns the name of the zone.
func zoneName(t time.Time) string {
	name, seconds := t.Zone()
	switch {
	case t.IsZero() && t.Location() != time.UTC: // the abbreviation is that of the year 1
		return t.Location().String()
	case t.Location() == time.UTC, name == "", name == "UTC" && seconds == 0:
		return "UTC"
	case strings.HasPrefix(name, "+"), strings.HasPrefix(name, "-"):
		return "UTC" + name
	}
	return name
}
