package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of the timeline, which keeps the events nearest to the alarm.
const (
	maxUnfolded = 8  // changes and other alarms that are not folded
	maxTimeline = 40 // lines
)

// happening is one line of the timeline.
type happening struct {
	Time  time.Time
	Day   string // set on the first line of each day
	Clock string
	From  string // time before or after the alarm, such as "5 min before"
	Kind  string // change, alarm, finding, other, investigation: the line's style
	Name  string // label of the kind
	Text  string
	Href  string // link to the finding
}

// happenings returns the incident in order: changes, the alarm's transition, other alarms, findings with a
// time, and the investigation itself. far holds changes and alarms that are far from the alarm; left counts
// omitted lines.
func happenings(rec *investigation.Record) (near, far []happening, left int) {
	var list []happening
	add := func(at time.Time, kind, name, text, href string) {
		if !at.IsZero() {
			list = append(list, happening{
				Time: at, Kind: kind, Name: name, Text: truncate.Runes(plain(text), maxPageQuote), Href: href,
			})
		}
	}
	add(rec.Alarm.Time, "alarm", "Alarm", fmt.Sprintf("%s went to %s", rec.Alarm.Name, rec.Alarm.State), "")
	if !rec.StartedAt.IsZero() {
		add(rec.StartedAt, "investigation", "Investigation", "started", "")
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
		if i < maxPageList { // the page does not show more
			href = fmt.Sprintf("#finding-%d", i+1)
		}
		add(finding.Time, "finding", nameOfFinding(finding), unmarked(finding.Statement), href)
	}
	for _, other := range append(slices.Clone(rec.Together), rec.Evidence.Related...) {
		add(other.Since, "other", "Other alarm", strings.TrimSuffix(other.NameBeside(&rec.Alarm)+": "+other.Reason, ": "), "")
	}
	alarm := rec.Alarm.Time
	if alarm.IsZero() {
		alarm = rec.StartedAt
	}
	list, left = nearest(list, alarm)
	near, far = split(list)
	return ordered(near, rec), ordered(far, rec), left
}

// nameOfFinding states whether the quotes of a finding prove it, because the timeline does not show them.
func nameOfFinding(finding investigation.Finding) string {
	switch {
	case !finding.Verified:
		return "Unverified finding"
	case finding.IsComputed():
		return "Computed finding"
	}
	return "Finding"
}

// zoneOfTimeline names the time zone of the timeline. A line in another one, after clocks changed, names its own.
func zoneOfTimeline(rec *investigation.Record) string {
	if rec.Alarm.Time.IsZero() {
		return zoneName(rec.StartedAt)
	}
	return zoneName(rec.Alarm.Time)
}

// split separates the changes and other alarms beyond maxUnfolded from the rest of list, which begins with
// the nearest line.
func split(list []happening) (near, far []happening) {
	around := 0
	for _, h := range list {
		if h.Kind == "change" || h.Kind == "other" {
			around++
			if around > maxUnfolded {
				far = append(far, h)
				continue
			}
		}
		near = append(near, h)
	}
	return near, far
}

// ordered sorts a list by time and fills in the texts that show the time.
func ordered(list []happening, rec *investigation.Record) []happening {
	alarm, zone := rec.Alarm.Time, zoneOfTimeline(rec)
	slices.SortStableFunc(list, func(a, b happening) int { return a.Time.Compare(b.Time) })
	day := ""
	for i := range list {
		h := &list[i]
		h.Clock, h.From = h.Time.Format("15:04:05"), distance(h.Time, alarm)
		if own := zoneName(h.Time); own != zone {
			h.Clock += " " + own
		}
		if today := h.Time.Format("Monday 2006-01-02"); today != day {
			h.Day, day = today, today
		}
	}
	return list
}

// distance returns how long before or after the alarm a time is, in its two largest units.
func distance(at, alarm time.Time) string {
	apart := at.Sub(alarm).Round(time.Second)
	if alarm.IsZero() || apart == 0 {
		return ""
	}
	side := "after"
	if apart < 0 {
		apart, side = -apart, "before"
	}
	days, hours := int(apart.Hours())/24, int(apart.Hours())%24
	minutes, seconds := int(apart.Minutes())%60, int(apart.Seconds())%60
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

// nearest keeps the maxTimeline happenings closest to the alarm, closest first.
func nearest(list []happening, alarm time.Time) (kept []happening, left int) {
	slices.SortStableFunc(list, func(a, b happening) int {
		return cmp.Compare(a.Time.Sub(alarm).Abs(), b.Time.Sub(alarm).Abs())
	})
	kept = list[:min(len(list), maxTimeline)]
	return kept, len(list) - len(kept)
}
