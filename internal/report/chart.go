package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// The chart's size and margins, in SVG units.
const (
	chartWidth, chartHeight                          = 640.0, 220.0
	marginLeft, marginRight, marginTop, marginBottom = 56.0, 12.0, 14.0, 26.0
	maxCharts                                        = 4
)

// charts draws the series that have datapoints, with the threshold and the moment of the transition.
// Every text in it is escaped.
func charts(rec *investigation.Record) []template.HTML {
	var drawn []template.HTML
	for _, s := range rec.Evidence.Series {
		if len(s.Points) > 0 && len(drawn) < maxCharts {
			drawn = append(drawn, template.HTML(chart(s, rec.Alarm.Time)))
		}
	}
	return drawn
}

type scale struct{ low, high, from, to float64 }

func (s scale) at(v float64) float64 {
	if s.high == s.low {
		return (s.from + s.to) / 2
	}
	return s.from + (v-s.low)/(s.high-s.low)*(s.to-s.from)
}

func chart(s investigation.Series, transition time.Time) string {
	x, y := scales(s, transition)
	var b strings.Builder
	title := template.HTMLEscapeString(fmt.Sprintf("%s %s", plain(s.Label), plain(s.Unit)))
	last := s.Points[len(s.Points)-1]
	described := fmt.Sprintf("%d datapoints of %d s, from %s to %s; the last is %g", len(s.Points), s.Period, moment(s.Points[0].Time), moment(last.Time), last.Value)
	if s.Threshold != nil {
		described += fmt.Sprintf("; the threshold is %g", *s.Threshold)
	}
	fmt.Fprintf(&b, `<figure><figcaption>%s</figcaption><svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, title, chartWidth, chartHeight, template.HTMLEscapeString(plain(s.Label)+": "+described))
	for i := 0; i <= 4; i++ {
		v := y.low + (y.high-y.low)*float64(i)/4
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, marginLeft, chartWidth-marginRight, y.at(v), y.at(v), marginLeft-6, y.at(v)+4, number(v))
	}
	for i := 0; i <= 3; i++ {
		v := x.low + (x.high-x.low)*float64(i)/3
		anchor := []string{"start", "middle", "middle", "end"}[i]
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, x.at(v), chartHeight-8, anchor, time.Unix(int64(v), 0).UTC().Format("15:04"))
	}
	if len(s.Upper) > 0 && len(s.Lower) > 0 {
		fmt.Fprintf(&b, `<polygon class="band" points="%s %s"/>`, path(s.Upper, x, y, false), path(s.Lower, x, y, true))
	}
	if s.Threshold != nil {
		fmt.Fprintf(&b, `<line class="threshold" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, marginLeft, chartWidth-marginRight, y.at(*s.Threshold), y.at(*s.Threshold))
	}
	if !transition.IsZero() {
		at := x.at(float64(transition.Unix()))
		fmt.Fprintf(&b, `<line class="transition" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, at, at, marginTop, chartHeight-marginBottom)
	}
	fmt.Fprintf(&b, `<polyline class="series" points="%s"/>`, path(s.Points, x, y, false))
	for _, p := range s.Points {
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="2.5"/>`, x.at(float64(p.Time.Unix())), y.at(p.Value))
	}
	b.WriteString(`</svg><p class="legend">Times are UTC. Dashed: threshold. Vertical: the alarm's transition.</p></figure>`)
	return b.String()
}

func scales(s investigation.Series, transition time.Time) (x, y scale) {
	x = scale{math.Inf(1), math.Inf(-1), marginLeft, chartWidth - marginRight}
	y = scale{math.Inf(1), math.Inf(-1), chartHeight - marginBottom, marginTop}
	grow := func(s *scale, v float64) { s.low, s.high = min(s.low, v), max(s.high, v) }
	for _, points := range [][]investigation.Point{s.Points, s.Lower, s.Upper} {
		for _, p := range points {
			grow(&x, float64(p.Time.Unix()))
			grow(&y, p.Value)
		}
	}
	if s.Threshold != nil {
		grow(&y, *s.Threshold)
	}
	if !transition.IsZero() {
		grow(&x, float64(transition.Unix()))
	}
	if y.low > 0 {
		y.low = 0
	}
	if y.high == y.low {
		y.high = y.low + 1
	}
	return x, y
}

func path(points []investigation.Point, x, y scale, backwards bool) string {
	list := make([]string, len(points))
	for i, p := range points {
		at := i
		if backwards {
			at = len(points) - 1 - i
		}
		list[at] = fmt.Sprintf("%.1f,%.1f", x.at(float64(p.Time.Unix())), y.at(p.Value))
	}
	return strings.Join(list, " ")
}

// number is short enough for an axis.
func number(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", v/unit.size), ".0") + unit.name
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
}
