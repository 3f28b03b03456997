package reports

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Statistics summarize the reports of a period.
type Statistics struct {
	From           time.Time      `json:"from"` // UTC
	To             time.Time      `json:"to"`   // UTC
	Investigations int            `json:"investigations"`
	Alarms         int            `json:"alarms"`          // number of different alarms
	Outcomes       map[string]int `json:"outcomes"`        // investigations by outcome
	Confidence     map[string]int `json:"confidence"`      // investigations by the confidence of the cause
	Severity       map[string]int `json:"severity"`        // investigations by the severity of the impact
	CostUSD        float64        `json:"cost_usd"`        // estimated cost of models and billed queries, in US dollars
	UnknownCosts   int            `json:"unknown_costs"`   // investigations whose model has no known price; not in CostUSD
	MedianCostUSD  float64        `json:"median_cost_usd"` // of the investigations with a known price
	MedianSeconds  float64        `json:"median_seconds"`  // from the start of an investigation to its end
	P90Seconds     float64        `json:"p90_seconds"`
	Models         map[string]int `json:"models"`    // investigations by the model that was asked last
	Offenders      []Offender     `json:"offenders"` // alarms by the number of their investigations, the most first
	Days           []Day          `json:"days"`      // every day of the period, oldest first
}

// Offender is an alarm with its investigations.
type Offender struct {
	Alarm          string    `json:"alarm"`
	ARN            string    `json:"arn"`
	Account        string    `json:"account"`
	Region         string    `json:"region"`
	Investigations int       `json:"investigations"`
	Repeats        int       `json:"repeats"` // how often it fired again within the windows of its investigations
	CostUSD        float64   `json:"cost_usd"`
	Last           time.Time `json:"last"`  // start of the last investigation
	Cause          string    `json:"cause"` // that the last investigation reported; may be empty
}

// Day is one UTC day.
type Day struct {
	Date           string  `json:"date"` // such as 2026-11-25
	Investigations int     `json:"investigations"`
	CostUSD        float64 `json:"cost_usd"`
}

// Summarize computes the statistics of reports of a period. A replay, which has the ID of its investigation, does not count again.
func Summarize(found []Report, period Period) Statistics {
	found = withoutReplays(found)
	s := Statistics{From: period.From.UTC(), To: period.To.UTC(), Investigations: len(found), Outcomes: map[string]int{}, Confidence: map[string]int{},
		Severity: map[string]int{}, Models: map[string]int{}, Offenders: []Offender{}}
	offenders, days := map[string]*Offender{}, map[string]*Day{}
	for date := s.From.Truncate(day); date.Before(s.To); date = date.Add(day) {
		s.Days = append(s.Days, Day{Date: date.Format(time.DateOnly)})
	}
	for i := range s.Days {
		days[s.Days[i].Date] = &s.Days[i]
	}
	var costs, seconds []float64
	for i := range found {
		rec := &found[i].Record
		cost := costOf(rec)
		s.Outcomes[string(rec.Outcome)]++
		s.Confidence[string(investigation.ParseConfidence(string(rec.Report.Confidence)))]++
		s.Severity[string(investigation.ParseSeverity(string(rec.Report.Severity)))]++
		s.Models[rec.Model]++
		s.CostUSD += cost
		if rec.Usage.PriceKnown || rec.Usage.ModelCalls == 0 {
			costs = append(costs, cost)
		} else {
			s.UnknownCosts++
		}
		if !rec.EndedAt.IsZero() {
			seconds = append(seconds, rec.EndedAt.Sub(rec.StartedAt).Seconds())
		}
		if one := days[rec.StartedAt.UTC().Format(time.DateOnly)]; one != nil {
			one.Investigations++
			one.CostUSD += cost
		}
		add(offenders, rec, cost)
	}
	s.Alarms = len(offenders)
	s.MedianCostUSD, s.MedianSeconds, s.P90Seconds = quantile(costs, 0.5), quantile(seconds, 0.5), quantile(seconds, 0.9)
	for _, one := range offenders {
		s.Offenders = append(s.Offenders, *one)
	}
	slices.SortFunc(s.Offenders, func(a, b Offender) int {
		return cmp.Or(cmp.Compare(b.Investigations+b.Repeats, a.Investigations+a.Repeats), cmp.Compare(a.Alarm, b.Alarm), cmp.Compare(a.ARN, b.ARN))
	})
	return s
}

// withoutReplays returns one report of each investigation: the one in the folder with the date of the investigation, or else the first.
func withoutReplays(found []Report) []Report {
	known := map[string]int{}
	var left []Report
	for _, one := range found {
		at, isKnown := known[one.Record.ID]
		switch {
		case !isKnown:
			known[one.Record.ID] = len(left)
			left = append(left, one)
		case !hasOwnFolder(left[at]) && hasOwnFolder(one):
			left[at] = one
		}
	}
	return left
}

// hasOwnFolder reports whether a report is in a folder with a name that the command gives to the folder of an investigation.
func hasOwnFolder(one Report) bool {
	return strings.HasPrefix(filepath.Base(filepath.Dir(one.Where)), one.Record.StartedAt.UTC().Format("20060102-"))
}

// costOf returns the estimated cost of an investigation in US dollars, without a model whose price is not known.
func costOf(rec *investigation.Record) float64 {
	cost := rec.Usage.QueryCostUSD
	if rec.Usage.PriceKnown {
		cost += rec.Usage.CostUSD
	}
	return cost
}

func add(offenders map[string]*Offender, rec *investigation.Record, cost float64) {
	one := offenders[rec.Alarm.ARN]
	if one == nil {
		one = &Offender{Alarm: rec.Alarm.Name, ARN: rec.Alarm.ARN, Account: rec.Alarm.Account, Region: rec.Alarm.Region}
		offenders[rec.Alarm.ARN] = one
	}
	one.Investigations++
	one.Repeats += rec.Repeats
	one.CostUSD += cost
	if rec.StartedAt.After(one.Last) {
		one.Last, one.Cause = rec.StartedAt, rec.Report.RootCause
	}
}

// quantile returns the smallest value that is not less than this share of all values, or 0 if there are none.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	index := int(math.Ceil(share*float64(len(values)))) - 1
	return values[min(max(index, 0), len(values)-1)]
}
