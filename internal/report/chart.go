package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// The chart is as wide as the page: horizontal positions are percentages, vertical ones pixels. Lines are
// drawn in a plot of plotUnits units that is stretched to the width; text and dots are outside the plot and
// keep their shape.
const (
	maxCharts  = 4
	maxDots    = 120   // with more datapoints, only the line and breaching datapoints are drawn
	maxRows    = 10    // lines of the grid
	maxExact   = 8     // characters of a number that is not rounded
	plotUnits  = 10000 // width of the plot in its own units
	plotTop    = 22.0  // room for the transition's label
	plotHeight = 170.0
	chartTall  = plotTop + plotHeight + 22 // room for the times below the plot
)

// chartView is one metric, ready to be drawn.
type chartView struct {
	Number                   int
	Label, Unit, Description string
	Height                   float64
	PlotTop, PlotHeight      float64
	PlotUnits                float64
	Rows                     []rowView
	Times                    []timeView
	Lines                    []string // points of polylines, between which there is no data
	Band                     string   // points of a polygon
	Dots                     []dotView
	Threshold, Transition    *ruleView
	WindowLeft, WindowWidth  float64 // of the evaluation window, in units of the plot; zero width: not known
	Legend                   string
}

type rowView struct {
	Y, TextY float64
	Label    string
}

type timeView struct{ Left, Anchor, Label string }

type dotView struct {
	Left      string
	Y, Radius float64
	Breaches  bool
}

type ruleView struct {
	At            float64 // in units of the plot, or pixels from its top
	Left          string  // of the transition's label
	TextY         float64
	Anchor, Label string
}

// charts draws the first maxCharts series that have datapoints, and describes the other ones in a line each.
func charts(rec *investigation.Record) (drawn []chartView, others []string) {
	rules := rulesOf(rec)
	for _, s := range rec.Evidence.Series {
		s.Points, s.Lower, s.Upper = finite(s.Points), finite(s.Lower), finite(s.Upper)
		if s.Threshold != nil && !isFinite(*s.Threshold) {
			s.Threshold = nil
		}
		if len(s.Points) > 0 && len(drawn) < maxCharts {
			drawn = append(drawn, draw(len(drawn)+1, s, rec.Alarm.Time, rules))
		} else {
			others = append(others, seriesLine(s))
		}
	}
	return drawn, others
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func finite(points []investigation.Point) []investigation.Point {
	var kept []investigation.Point
	for _, p := range points {
		if isFinite(p.Value) {
			kept = append(kept, p)
		}
	}
	return kept
}

// evaluation is how CloudWatch evaluates the alarm's metric.
type evaluation struct {
	periods    int
	comparison string
}

// rulesOf reads the evaluation from the alarm's definition, or else from its event.
func rulesOf(rec *investigation.Record) evaluation {
	var definition struct {
		EvaluationPeriods  int
		ComparisonOperator string
	}
	if json.Unmarshal(rec.Evidence.Definition, &definition) != nil {
		definition.EvaluationPeriods = 0
	}
	rules := evaluation{
		periods:    definition.EvaluationPeriods,
		comparison: cmp.Or(definition.ComparisonOperator, rec.Alarm.Comparison),
	}
	var data struct {
		RecentDatapoints []any `json:"recentDatapoints"`
	}
	if rules.periods <= 0 && json.Unmarshal([]byte(rec.Alarm.ReasonData), &data) == nil {
		rules.periods = len(data.RecentDatapoints)
	}
	return rules
}

// breaches reports whether a value is on the wrong side of the threshold.
func (e evaluation) breaches(value, threshold float64) bool {
	switch e.comparison {
	case "GreaterThanThreshold":
		return value > threshold
	case "GreaterThanOrEqualToThreshold":
		return value >= threshold
	case "LessThanThreshold":
		return value < threshold
	case "LessThanOrEqualToThreshold":
		return value <= threshold
	}
	return false
}

// scale maps the values from low to high to the positions from from to to.
type scale struct{ low, high, from, to float64 }

func (s scale) at(v float64) float64 {
	// Dividing before subtracting keeps the greatest numbers from overflowing; the smallest become zero.
	span := s.high/2 - s.low/2
	if span == 0 {
		return (s.from + s.to) / 2
	}
	return toTenth(s.from + (v/2-s.low/2)/span*(s.to-s.from))
}

// toTenth rounds to a tenth of a unit. The difference is too small to see.
func toTenth(v float64) float64 { return math.Round(v*10) / 10 }

// draw returns the view of one metric. number is the position of its chart on the page, from 1.
func draw(number int, s investigation.Series, transition time.Time, rules evaluation) chartView {
	x, y := scales(s, transition)
	c := chartView{
		Number: number, Label: cmp.Or(truncate.Runes(s.Label, maxMeasuredText), s.ID, "metric"), Unit: unitOf(s),
		Height: chartTall, PlotTop: plotTop, PlotHeight: plotHeight, PlotUnits: plotUnits,
		Rows: rows(y), Times: times(x, transition.Location()),
	}
	runs := runsOf(s)
	for _, run := range runs {
		c.Lines = append(c.Lines, path(run, x, y, false))
	}
	if len(s.Upper) > 0 && len(s.Lower) > 0 {
		c.Band = path(s.Upper, x, y, false) + " " + path(s.Lower, x, y, true)
	}
	for _, run := range runs {
		for _, p := range run {
			breaches := s.Threshold != nil && rules.breaches(p.Value, *s.Threshold)
			if breaches || len(s.Points) <= maxDots || len(run) == 1 { // one point is no line
				c.Dots = append(c.Dots, dotView{
					Left: percent(x.at(unix(p.Time))), Y: plotTop + y.at(p.Value),
					Radius: radius(breaches, len(s.Points)), Breaches: breaches,
				})
			}
		}
	}
	legend := []string{"Times are " + zonesOf(x, transition.Location()) + "."}
	if y.low > 0 || y.high < 0 {
		legend = append(legend, "Y axis does not start at 0.")
	}
	if s.Threshold != nil {
		at := y.at(*s.Threshold)
		c.Threshold = &ruleView{
			At: at, TextY: plotTop + thresholdLabelY(at, s.Points, *s.Threshold),
			Label: "threshold " + rounded(*s.Threshold),
		}
		legend = append(legend, "Dashed: threshold.")
	}
	if !transition.IsZero() {
		c.Transition = transitionRule(x, transition)
		legend = append(legend, "Vertical line: when the alarm fired.")
		if rules.periods > 0 && s.Period > 0 {
			start := max(x.low, unix(transition)-float64(rules.periods)*float64(s.Period))
			c.WindowLeft, c.WindowWidth = x.at(start), x.at(unix(transition))-x.at(start)
			if c.WindowWidth > 0 {
				legend = append(legend, windowLegend(rules.periods, s.Period))
			}
		}
	}
	if len(runs) > 1 {
		legend = append(legend, "The line is interrupted where there is no data.")
	}
	if c.Band != "" {
		legend = append(legend, "Tinted: expected range.")
	}
	c.Legend = strings.Join(legend, " ")
	c.Description = describe(s, transition, rules)
	return c
}

// runsOf splits the points of a series where a period has none: the metric did not have the value of a line across the gap.
func runsOf(s investigation.Series) [][]investigation.Point {
	var runs [][]investigation.Point
	longest := time.Duration(s.Period) * time.Second * 3 / 2
	for i, p := range s.Points {
		if i == 0 || s.Period > 0 && p.Time.Sub(s.Points[i-1].Time) > longest {
			runs = append(runs, nil)
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], p)
	}
	return runs
}

// windowLegend explains the shaded window.
func windowLegend(periods, seconds int) string {
	if periods == 1 {
		return fmt.Sprintf("Shaded: the period of %s that CloudWatch evaluated.", period(seconds))
	}
	return fmt.Sprintf("Shaded: the %d periods of %s that CloudWatch evaluated.", periods, period(seconds))
}

// thresholdLabelY returns the height at which the threshold's label covers the fewest datapoints: below the
// threshold if most datapoints of the first half, where the label is, are above it.
func thresholdLabelY(at float64, points []investigation.Point, threshold float64) float64 {
	const above, below, top = -5, 13, 10
	higher := 0
	half := points[:(len(points)+1)/2]
	for _, p := range half {
		if p.Value >= threshold {
			higher++
		}
	}
	if higher > len(half)/2 && at+below < plotHeight {
		return at + below
	}
	return max(at+above, top)
}

// radius returns a larger dot for a breaching datapoint, if there is room.
func radius(breaches bool, points int) float64 {
	if breaches && points <= maxDots/2 {
		return 3.5
	}
	return 2
}

// unitOf returns the series' statistic, unit, and period.
func unitOf(s investigation.Series) string {
	var parts []string
	if s.Stat != "" && !strings.Contains(s.Label, s.Stat) {
		parts = append(parts, s.Stat)
	}
	if s.Unit != "" && s.Unit != "None" {
		parts = append(parts, s.Unit)
	}
	if s.Period > 0 {
		parts = append(parts, "per "+period(s.Period))
	}
	return strings.Join(parts, " ")
}

// period formats seconds in the largest unit that divides them.
func period(seconds int) string {
	for _, unit := range []struct {
		seconds int
		name    string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}} {
		if seconds%unit.seconds == 0 {
			return fmt.Sprintf("%d %s", seconds/unit.seconds, unit.name)
		}
	}
	return fmt.Sprintf("%d s", seconds)
}

// describe returns a description of the chart for readers who cannot see it.
func describe(s investigation.Series, transition time.Time, rules evaluation) string {
	low, high := s.Points[0], s.Points[0]
	breaching := 0
	for _, p := range s.Points {
		if p.Value < low.Value {
			low = p
		}
		if p.Value > high.Value {
			high = p
		}
		if s.Threshold != nil && rules.breaches(p.Value, *s.Threshold) {
			breaching++
		}
	}
	last := s.Points[len(s.Points)-1]
	text := fmt.Sprintf("%s from %s to %s. Lowest %s, highest %s at %s, last %s.",
		plural.Of(len(s.Points), "datapoint"), moment(s.Points[0].Time), moment(last.Time),
		rounded(low.Value), rounded(high.Value), moment(high.Time), rounded(last.Value))
	if s.Threshold != nil {
		text += fmt.Sprintf(" The threshold is %s.", rounded(*s.Threshold))
		if breaching > 0 {
			text += " " + plural.Either(breaching, "datapoint breaches", "datapoints breach") + " it."
		}
	}
	if !transition.IsZero() {
		text += " The alarm fired at " + moment(transition) + "."
	}
	return text
}

// rows returns at least two grid lines at round values within the scale, unless it is too small or too large for steps.
func rows(y scale) []rowView {
	list := rowsOf(y, 4)
	if len(list) == 1 {
		return rowsOf(y, 8)
	}
	return list
}

// rowsOf returns grid lines at a distance of at least 1/n of the scale.
func rowsOf(y scale, n float64) []rowView {
	var list []rowView
	step := roundStep(y.high/n - y.low/n)
	if step == 0 || !isFinite(step) {
		return nil
	}
	// Enough digits to distinguish one row from the next.
	digits := max(4, 2+int(math.Ceil(math.Log10(max(math.Abs(y.low), math.Abs(y.high))/step))))
	for n := math.Ceil(y.low / step); n*step <= y.high && len(list) < maxRows; n++ {
		v := n * step
		list = append(list, rowView{Y: y.at(v), TextY: plotTop + y.at(v) - 4, Label: number(v, digits)})
	}
	return list
}

// roundStep returns the smallest step of 1, 2, or 5 times a power of ten that is not below least.
func roundStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, step := range []float64{1, 2, 5} {
		if step*power >= least {
			return step * power
		}
	}
	return 10 * power
}

// timeSteps are the steps of the time axis, in seconds.
var timeSteps = []float64{
	1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600,
}

// times returns the labels of the time axis, at round times. A label includes the day if the day changed.
func times(x scale, zone *time.Location) []timeView {
	const day = 24 * 3600
	long, years := x.high-x.low > 1.5*day, x.high-x.low > 300*day
	step, most := float64(day), 5.0
	switch {
	case years:
		most = 3
	case long:
		most = 4
	}
	fits := func(step float64) bool { return (x.high-x.low)/step < most }
	if at := slices.IndexFunc(timeSteps, fits); at >= 0 {
		step = timeSteps[at]
	}
	for (x.high-x.low)/step >= most {
		step *= 2
	}
	var list []timeView
	before := time.Unix(int64(x.low), 0).In(zone).Format(time.DateOnly)
	for n := math.Ceil(x.low / step); n*step <= x.high; n++ {
		at := time.Unix(int64(n*step), 0).In(zone)
		layout := "15:04"
		switch today := at.Format(time.DateOnly); {
		case years:
			layout = time.DateOnly
		case step >= day:
			layout = "01-02"
		case long || today != before:
			layout = "01-02 15:04"
		case step < 60:
			layout = time.TimeOnly
		}
		before = at.Format(time.DateOnly)
		left, label := x.at(n*step), at.Format(layout)
		list = append(list, timeView{Left: percent(left), Anchor: anchorAt(left, label), Label: label})
	}
	return list
}

// zonesOf names the time zone of the axis, or both if clocks change within it.
func zonesOf(x scale, zone *time.Location) string {
	first, last := zoneName(time.Unix(int64(x.low), 0).In(zone)), zoneName(time.Unix(int64(x.high), 0).In(zone))
	if first == last {
		return first
	}
	return first + ", then " + last
}

// anchorAt returns the text anchor of a label that keeps it inside the plot, even on a phone.
func anchorAt(left float64, text string) string {
	const half = 0.011 * plotUnits // half a character's width
	switch edge := half * float64(len(text)); {
	case left > plotUnits-edge:
		return "end"
	case left < edge:
		return "start"
	}
	return "middle"
}

// transitionRule returns the vertical line at the alarm's transition.
func transitionRule(x scale, transition time.Time) *ruleView {
	at := x.at(unix(transition))
	label := "ALARM " + transition.Format("15:04:05")
	return &ruleView{At: at, Left: percent(at), TextY: 14, Anchor: anchorAt(at, label), Label: label}
}

// scales returns the scales of a chart that has room for all values, the threshold, and the transition.
func scales(s investigation.Series, transition time.Time) (x, y scale) {
	x = scale{math.Inf(1), math.Inf(-1), 0, plotUnits}
	y = scale{math.Inf(1), math.Inf(-1), plotHeight, 0}
	grow := func(s *scale, v float64) { s.low, s.high = min(s.low, v), max(s.high, v) }
	for _, points := range [][]investigation.Point{s.Points, s.Lower, s.Upper} {
		for _, p := range points {
			grow(&x, unix(p.Time))
			grow(&y, p.Value)
		}
	}
	if s.Threshold != nil {
		grow(&y, *s.Threshold)
	}
	if !transition.IsZero() {
		grow(&x, unix(transition))
	}
	y = includeZero(y)
	// Leave room above the highest value, unless that overflows.
	if air := y.high + (y.high/12 - y.low/12); y.high > 0 && isFinite(air) {
		y.high = air
	}
	return x, y
}

// includeZero extends a scale to zero, unless that would hide how its values differ.
func includeZero(y scale) scale {
	apart, far := y.high-y.low, max(math.Abs(y.low), math.Abs(y.high))
	if y.low*y.high > 0 && apart < far/2 && apart > far/2000 {
		if y.low > 0 {
			y.low = max(0, y.low-apart/6)
		} else {
			y.high = min(0, y.high+apart/6)
		}
		return y
	}
	y.low, y.high = min(y.low, 0), max(y.high, 0)
	if y.high == y.low {
		y.high = y.low + 1
	}
	return y
}

func unix(t time.Time) float64 { return float64(t.Unix()) }

func percent(units float64) string { return fmt.Sprintf("%.2f%%", units*100/plotUnits) }

// path returns points in the form of SVG's attribute "points".
func path(points []investigation.Point, x, y scale, backwards bool) string {
	list := make([]string, len(points))
	for i, p := range points {
		at := i
		if backwards {
			at = len(points) - 1 - i
		}
		list[at] = fmt.Sprintf("%g,%g", x.at(unix(p.Time)), y.at(p.Value))
	}
	return strings.Join(list, " ")
}

// rounded formats a number with about four digits, or with a few more that distinguish it from others: neither 99.995 nor
// 99.99612345 is 100.
func rounded(v float64) string {
	size := math.Abs(v)
	exact := strconv.FormatFloat(v, 'f', -1, 64)
	if size != 0 && size < 1e4 && len(exact) <= maxExact {
		return exact
	}
	text := number(v, 4)
	isFraction := size >= 0.1 && size < 1e4 && v != math.Trunc(v)
	for digits := 5; isFraction && !strings.Contains(text, ".") && digits <= maxExact; digits++ {
		text = number(v, digits)
	}
	return text
}

// number formats a number with the given number of significant digits. A large number gets a suffix, as in 12k.
func number(v float64, digits int) string {
	size := math.Abs(v)
	if size == 0 {
		return "0" // not -0
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if divisor := unit.size; size >= divisor && size < 1e15 {
			if unit.name == "k" {
				divisor = 1e3
			}
			return fmt.Sprintf("%.*g", digits, v/divisor) + unit.name
		}
	}
	return fmt.Sprintf("%.*g", digits, v)
}
