package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

const (
	ownChangeWeight = 92 // of a change of the alarm's own resource: it comes before what is unhealthy
	failedWeight    = 35 // of such a call that failed, which can be repeated many times: it comes after that
	minShownWeight  = 30 // observations of less weight are only in the whole investigation
	maxSeen         = 12 // entries of a report without a conclusion

	maxSeenFirst = 110 // characters of the observation in the summary, which the section shows whole
)

// seenOf lists what the evidence shows, for a report without a conclusion. It states facts and never a cause.
func seenOf(rec *investigation.Record, _ Links) content {
	if rec.Report.RootCause != "" || rec.Outcome != investigation.OutcomeFallback {
		return list{}
	}
	seen := relevant(rec)
	entries := make([]string, 0, len(seen))
	for _, o := range seen {
		if o.Weight >= minShownWeight {
			entries = append(entries, observationLine(o))
		}
	}
	return list{entries: entries, most: maxSeen, verbatim: true}
}

// firstLooksOf lists all observations of a report with a conclusion.
func firstLooksOf(rec *investigation.Record, _ Links) content {
	if rec.Report.RootCause == "" && rec.Outcome == investigation.OutcomeFallback {
		return list{}
	}
	entries := make([]string, len(rec.Evidence.Seen))
	for i, o := range rec.Evidence.Seen {
		entries[i] = observationLine(o)
	}
	return list{entries: entries, verbatim: true}
}

// relevant returns the observations and the changes of the alarm's own resources, the most relevant first.
func relevant(rec *investigation.Record) []investigation.Observation {
	seen := slices.Clone(rec.Evidence.Seen)
	for _, change := range rec.Evidence.Changes {
		if change.Own && !isAfter(change, rec) {
			weight := ownChangeWeight
			if change.Error != "" {
				weight = failedWeight
			}
			seen = append(seen, investigation.Observation{
				About: "CloudTrail", Topic: "change", Weight: weight, Time: change.Time,
				Text: moment(change.Time) + " " + changeLine(change) + withParameters(change),
			})
		}
	}
	slices.SortStableFunc(seen, func(a, b investigation.Observation) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), b.Time.Compare(a.Time))
	})
	return seen
}

func withParameters(change investigation.Change) string {
	if change.Parameters == "" {
		return ""
	}
	return ", parameters " + change.Parameters
}

func observationLine(o investigation.Observation) string {
	return strings.TrimPrefix(o.About+": ", ": ") + o.Text
}
