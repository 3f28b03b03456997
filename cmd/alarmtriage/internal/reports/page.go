package reports

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
)

//go:embed statistics.html
var pageSource string

var pageTemplate = template.Must(template.New("statistics").Funcs(template.FuncMap{
	"date":     func(at time.Time) string { return at.Format(time.DateOnly) },
	"minute":   func(at time.Time) string { return at.Format("2006-01-02 15:04") },
	"dollars":  Dollars,
	"duration": Duration,
	"plain":    func(text string) string { return report.Plain(terminal.Plain(text)) }, // a model or somebody else wrote it
}).Parse(pageSource))

// Dollars formats an amount for people.
func Dollars(amount float64) string {
	switch {
	case amount > 0 && amount < 0.0001:
		return "<$0.0001"
	case amount > 0 && amount < 0.01:
		return fmt.Sprintf("$%.4f", amount)
	}
	return fmt.Sprintf("$%.2f", amount)
}

// Duration formats seconds for people, such as 2m05s.
func Duration(seconds float64) string {
	whole := int(seconds + 0.5)
	if whole < 60 {
		return fmt.Sprintf("%ds", whole)
	}
	return fmt.Sprintf("%dm%02ds", whole/60, whole%60)
}

// Count is how many investigations have a value of some kind, such as an outcome.
type Count struct {
	Kind, Value string
	Count       int
}

// Counts returns the counts of all kinds: for each kind, the largest first.
func (s *Statistics) Counts() []Count {
	var all []Count
	for _, kind := range []struct {
		name   string
		values map[string]int
	}{{"outcome", s.Outcomes}, {"confidence", s.Confidence}, {"severity", s.Severity}, {"model", s.Models}} {
		values := slices.SortedFunc(maps.Keys(kind.values), func(a, b string) int {
			if kind.values[a] != kind.values[b] {
				return kind.values[b] - kind.values[a]
			}
			return slices.Compare([]byte(a), []byte(b))
		})
		for _, value := range values {
			all = append(all, Count{kind.name, value, kind.values[value]})
		}
	}
	return all
}

// bar is one day in the chart.
type bar struct {
	X, Y, Width, Height int
	Title, Label        string
}

const (
	barStep   = 16  // from one bar to the next
	barHeight = 120 // of the highest bar
	maxLabels = 8
)

// Page returns the statistics as one HTML page that needs no other file. place says whose they are.
func (s *Statistics) Page(place string) ([]byte, error) {
	most := 1
	for _, one := range s.Days {
		most = max(most, one.Investigations)
	}
	var bars []bar
	for i, one := range s.Days {
		height := one.Investigations * barHeight / most
		next := bar{X: i * barStep, Y: barHeight - height, Width: barStep - 3, Height: height,
			Title: fmt.Sprintf("%s: %s, %s", one.Date, plural.Of(one.Investigations, "investigation"), Dollars(one.CostUSD))}
		if i%(len(s.Days)/maxLabels+1) == 0 {
			next.Label = one.Date[5:]
		}
		bars = append(bars, next)
	}
	var page bytes.Buffer
	err := pageTemplate.Execute(&page, struct {
		*Statistics
		Place string
		Bars  []bar
		Width int
	}{s, place, bars, max(len(bars), 20) * barStep})
	if err != nil {
		return nil, fmt.Errorf("render the page of statistics: %w", err)
	}
	return page.Bytes(), nil
}
