package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// What happened around an alarm can be much. What is nearest to it counts.
const (
	maxUnfolded = 8  // changes and other alarms that are shown unfolded
	maxTimeline = 40 // lines that are shown at all
)

// happening is one line of the timeline.
type happening struct {
	Time  time.Time
	Day   string // where another day begins
	Clock string
	From  string // how long before or after the alarm
	Kind  string // change, alarm, finding, other, investigation: its look
	Name  string // of the kind, for the reader
	Text  string
	Href  string // of the finding
}

// timeline is what happened, in order: changes before the alarm, its transition, other alarms, findings
// with a time, and the investigation itself. farther is what is far from the alarm, left counts what was
// left out.
func timeline(rec *investigation.Record) (list, farther []happening, left int) {
	add := func(at time.Time, kind, name, text, href string) {
		if !at.IsZero() {
			list = append(list, happening{Time: at.UTC(), Kind: kind, Name: name, Text: clip(plain(text), maxPageQuote), Href: href})
		}
	}
	add(rec.Alarm.Time, "alarm", "Alarm", fmt.Sprintf("%s went to %s", rec.Alarm.Name, rec.Alarm.State), "")
	if !rec.StartedAt.IsZero() {
		add(rec.StartedAt, "investigation", "Investigation", "began", "")
	}
	if !rec.EndedAt.IsZero() {
		add(rec.EndedAt, "investigation", "Investigation", fmt.Sprintf("ended: %s", verdict(rec)), "")
	}
	for _, c := range rec.Evidence.Changes {
		add(c.Time, "change", "Change", changeLine(c), "")
	}
	for _, item := range rec.Evidence.History {
		if item.Type == "ConfigurationUpdate" {
			add(item.Time, "change", "Alarm changed", item.Summary, "")
		}
	}
	for i, finding := range rec.Report.Findings {
		href := ""
		if i < maxPageList { // further ones are not shown
			href = fmt.Sprintf("#finding-%d", i+1)
		}
		add(finding.Time, "finding", "Finding", unmarked(finding.Statement), href)
	}
	for _, other := range append(slices.Clone(rec.Together), rec.Evidence.Related...) {
		add(other.Since, "other", "Other alarm", strings.TrimSuffix(other.Name+": "+other.Reason, ": "), "")
	}
	alarm := rec.Alarm.Time
	if alarm.IsZero() {
		alarm = rec.StartedAt
	}
	list, left = nearest(list, alarm)
	list, farther = folded(list)
	return ordered(list, rec.Alarm.Time), ordered(farther, rec.Alarm.Time), left
}

// folded parts what is to be shown at once from changes and other alarms beyond so many. list begins with
// what is nearest.
func folded(list []happening) (near, farther []happening) {
	around := 0
	for _, h := range list {
		if h.Kind == "change" || h.Kind == "other" {
			around++
			if around > maxUnfolded {
				farther = append(farther, h)
				continue
			}
		}
		near = append(near, h)
	}
	return near, farther
}

// ordered is a list by time, with what the reader sees of each time.
func ordered(list []happening, alarm time.Time) []happening {
	slices.SortStableFunc(list, func(a, b happening) int { return a.Time.Compare(b.Time) })
	day := ""
	for i := range list {
		h := &list[i]
		h.Clock, h.From = h.Time.Format("15:04:05"), distance(h.Time, alarm)
		if today := h.Time.Format("Monday 2006-01-02"); today != day {
			h.Day, day = today, today
		}
	}
	return list
}

// distance is how long before or after the alarm something was, in the two largest units.
func distance(at, alarm time.Time) string {
	apart := at.Sub(alarm).Round(time.Second)
	if alarm.IsZero() || apart == 0 {
		return ""
	}
	side := "after"
	if apart < 0 {
		apart, side = -apart, "before"
	}
	days, hours, minutes, seconds := int(apart.Hours())/24, int(apart.Hours())%24, int(apart.Minutes())%60, int(apart.Seconds())%60
	var parts []string
	for _, part := range []struct {
		n    int
		unit string
	}{{days, "d"}, {hours, "h"}, {minutes, "min"}, {seconds, "s"}} {
		if part.n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.unit))
		} else if len(parts) > 0 {
			break
		}
	}
	return strings.Join(parts, " ") + " " + side
}

// nearest keeps the happenings that are nearest to the alarm, nearest first.
func nearest(list []happening, alarm time.Time) (kept []happening, left int) {
	slices.SortStableFunc(list, func(a, b happening) int {
		return cmp.Compare(a.Time.Sub(alarm).Abs(), b.Time.Sub(alarm).Abs())
	})
	kept = list[:min(len(list), maxTimeline)]
	return kept, len(list) - len(kept)
}
