package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Sizes of a page, in bytes.
const (
	usualPage = 300_000 // 15 large rounds
	longPage  = 600_000 // 100 large rounds
)

func TestPage_StaysSmall(t *testing.T) {
	assert.Less(t, len(pageOf(t, sample(t))), usualPage/4)
	assert.Less(t, len(pageOf(t, busy(t, 15))), usualPage)
	assert.Less(t, len(pageOf(t, busy(t, 100))), longPage)
}

func TestPage_HundredRoundsAreReadable(t *testing.T) {
	v := visit(t)
	v.open(pageOf(t, busy(t, 100)), Phone, "")
	assert.Equal(t, 100, ask[int](v, `document.querySelectorAll('main > section:last-of-type > details > summary').length`)-1, "rounds, without the evidence")
	v.do(chromedp.Click(`main > section:last-of-type > details:last-of-type > summary`, chromedp.ByQuery))
	assert.Contains(t, ask[string](v, `document.querySelector('main > section:last-of-type > details:last-of-type').innerText`), "I compare the connections")
	assert.Contains(t, ask[string](v, `document.body.innerText`), "long texts are shortened here")
	assert.Empty(t, v.happened())
}

// drawing has the positions of a chart's parts on the screen.
type drawing struct {
	Role, Title, Described     string
	Threshold, Transition      float64 // down and across
	WindowLeft, WindowRight    float64
	Right                      float64
	Dots, Beyond               [][2]float64
	ThresholdText, AtAlarmText string
	Times                      []string
	Legend                     string
}

const takeDrawing = `(() => {
	const svg = document.querySelector('figure svg'), box = e => e.getBoundingClientRect();
	const named = svg.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id).textContent);
	const center = e => [(box(e).left + box(e).right) / 2, (box(e).top + box(e).bottom) / 2];
	const q = s => svg.querySelector(s);
	return {Role: svg.getAttribute('role'), Title: named[0], Described: named[1],
		Threshold: center(q('.threshold'))[1], Transition: center(q('.transition'))[0],
		WindowLeft: box(q('.window')).left, WindowRight: box(q('.window')).right, Right: box(svg).right,
		Dots: [...svg.querySelectorAll('circle')].map(center), Beyond: [...svg.querySelectorAll('circle.beyond')].map(center),
		ThresholdText: q('text.t').textContent, AtAlarmText: q('text.a').textContent,
		Times: [...svg.querySelectorAll('text[dy]')].map(t => t.textContent),
		Legend: document.querySelector('figure .legend').textContent};
})()`

func TestChart_DrawsTheAlarmsDatapoints(t *testing.T) {
	rec := sample(t)
	v := visit(t)
	for name, look := range map[string]Look{"phone": Phone, "desktop": Desktop, "paper": paper} {
		t.Run(name, func(t *testing.T) {
			v.open(pageOf(t, rec), look, "")
			got := ask[drawing](v, takeDrawing)
			points := rec.Evidence.Series[0].Points
			require.Len(t, got.Dots, len(points))
			beyond := 0
			for i, p := range points {
				above := got.Dots[i][1] < got.Threshold
				assert.Equal(t, p.Value > 5, above, "datapoint %d is %g and the threshold 5", i, p.Value)
				if p.Value > 5 {
					beyond++
				}
			}
			assert.Len(t, got.Beyond, beyond)
			// The distance between the dots gives the width of a minute.
			minute := (got.Dots[len(points)-1][0] - got.Dots[0][0]) / points[len(points)-1].Time.Sub(points[0].Time).Minutes()
			last := rec.Alarm.Time.Sub(points[len(points)-1].Time).Minutes()
			assert.InDelta(t, got.Dots[len(points)-1][0]+last*minute, got.Transition, 1, "the transition is drawn at its time")
			assert.InDelta(t, got.Transition, got.WindowRight, 1, "the window ends with the transition")
			assert.InDelta(t, 3*minute, got.WindowRight-got.WindowLeft, 1, "and is three periods of a minute")
			assert.LessOrEqual(t, got.Transition, got.Right+1)

			assert.Equal(t, "img", got.Role)
			assert.Equal(t, "Errors Sum per 1 min", got.Title)
			for _, want := range []string{"40 datapoints from 2026-01-15 02:32:00 UTC to 2026-01-15 03:11:00 UTC", "Lowest 0, highest 7", "The threshold is 5", "4 datapoints breach it", "The alarm fired at 2026-01-15 03:12:00 UTC"} {
				assert.Contains(t, got.Described, want)
			}
			assert.Equal(t, "threshold 5", got.ThresholdText)
			assert.Equal(t, "ALARM 03:12:00", got.AtAlarmText)
			assert.Equal(t, []string{"02:40", "02:50", "03:00", "03:10"}, got.Times)
			assert.Contains(t, got.Legend, "Times are UTC")
			assert.Contains(t, got.Legend, "the 3 periods of 1 min that CloudWatch evaluated")
		})
	}
}
