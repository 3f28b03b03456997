package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// All tests share one browser; each has its own tab.
var shared *Browser

func TestMain(m *testing.M) { os.Exit(withBrowser(m)) }

func withBrowser(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	var err error
	if shared, err = Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "browser tests:", err)
		return 1
	}
	defer shared.Close()
	return m.Run()
}

// visitor is a tab that records everything that a page does after loading.
type visitor struct {
	t      *testing.T
	tab    context.Context
	server *httptest.Server

	mu    sync.Mutex
	page  []byte
	pages int // opened so far
	noted []string
}

func visit(t *testing.T) *visitor {
	tab, end := shared.Tab()
	t.Cleanup(end)
	v := &visitor{t: t, tab: tab}
	v.server = httptest.NewServer(v)
	t.Cleanup(v.server.Close)
	chromedp.ListenTarget(tab, v.recordEvent)
	v.do(network.Enable(), page.Enable(), runtime.Enable(), log.Enable(), audits.Enable(), emulation.SetFocusEmulationEnabled(true))
	return v
}

// ServeHTTP serves the open page.
func (v *visitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("Content-Type", "text/html") // as S3 does, without a charset
	w.Write(v.page)
}

// address returns the address of the open page; each page has its own.
func (v *visitor) address() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return fmt.Sprintf("%s/report-%d.html", v.server.URL, v.pages)
}

func (v *visitor) note(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.noted = append(v.noted, fmt.Sprintf(format, args...))
}

func (v *visitor) recordEvent(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL + e.Request.URLFragment; url != v.address() && !strings.HasPrefix(url, v.address()+"#") {
			v.note("request of %.200s", url)
		}
	case *page.EventFrameAttached:
		v.note("frame attached")
	case *page.EventJavascriptDialogOpening:
		v.note("dialog: %s", e.Message)
		go chromedp.Run(v.tab, page.HandleJavaScriptDialog(false))
	case *runtime.EventConsoleAPICalled:
		v.note("console.%s", e.Type)
	case *runtime.EventExceptionThrown:
		v.note("exception: %s", e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		v.note("log: %s", e.Entry.Text)
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			v.note("violation of the content security policy: %s", e.Issue.Details.ContentSecurityPolicyIssueDetails.ViolatedDirective)
		}
	}
}

// happened returns the actions recorded since its last call.
func (v *visitor) happened() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	noted := v.noted
	v.noted = nil
	return noted
}

func (v *visitor) do(actions ...chromedp.Action) {
	v.t.Helper()
	require.NoError(v.t, chromedp.Run(v.tab, actions...))
}

// open shows a page in a look, optionally at a fragment.
func (v *visitor) open(html []byte, look Look, fragment string) {
	v.t.Helper()
	v.mu.Lock()
	v.page, v.pages, v.noted = html, v.pages+1, nil
	v.mu.Unlock()
	v.do(look.Set(), chromedp.Navigate(v.address()+fragment))
}

// unfold opens every details element.
func (v *visitor) unfold() {
	v.t.Helper()
	v.do(chromedp.Evaluate(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil))
}

// ask evaluates an expression in the page.
func ask[T any](v *visitor, expression string) T {
	v.t.Helper()
	var answer T
	v.do(chromedp.Evaluate(expression, &answer))
	return answer
}

// pageOf renders a record with the links of a stored report.
func pageOf(t *testing.T, rec *investigation.Record) []byte {
	t.Helper()
	html, err := report.HTML(rec, report.LinksFor(rec, report.Home{Bucket: "reports-bucket", LogGroup: "/aws/lambda/triage"}, report.Keys{HTML: "reports/a.html", Text: "reports/a.txt", JSON: "reports/a.json"}))
	require.NoError(t, err)
	return html
}

// sample returns the record of the sample report.
func sample(t *testing.T) *investigation.Record {
	t.Helper()
	text, err := os.ReadFile("../../docs/sample-report/report.json")
	require.NoError(t, err)
	rec := &investigation.Record{}
	require.NoError(t, json.Unmarshal(text, rec))
	return rec
}

func TestVisitor_RecordsEveryActionOfAPage(t *testing.T) {
	const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'">`
	for _, test := range []struct{ name, html, want string }{
		{"an image", `<img src="https://example.com/a.png">`, "request of https://example.com/a.png"},
		{"a frame with a data URL", `<iframe src="data:text/html,x"></iframe>`, "frame attached"},
		{"a dialog", `<script>alert(1)</script>`, "dialog: 1"},
		{"a script that logs", `<script>console.log(1)</script>`, "console.log"},
		{"a script that throws", `<script>throw 1</script>`, "exception"},
		{"a frame", `<iframe srcdoc="x"></iframe>`, "frame attached"},
		{"a refresh", `<meta http-equiv="refresh" content="0;url=https://example.com/b">`, "request of https://example.com/b"},
		{"a forbidden script", policy + `<script>1</script>`, "violation of the content security policy: script-src"},
		{"a forbidden image", policy + `<img src="https://example.com/a.png">`, "violation of the content security policy: img-src"},
		{"a forbidden handler", policy + `<body onload="1">`, "violation of the content security policy"},
		{"a style sheet", `<style>@import "https://example.com/a.css"</style>`, "request of https://example.com/a.css"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := visit(t)
			v.open([]byte("<!doctype html>"+test.html), Desktop, "")
			var noted []string
			require.Eventually(t, func() bool {
				noted = append(noted, v.happened()...)
				return strings.Contains(strings.Join(noted, "\n"), test.want)
			}, 5*time.Second, 20*time.Millisecond, "%s", test.want)
		})
	}
}

func TestStart_MissingBrowserErrorNamesTheRemedy(t *testing.T) {
	t.Setenv(EnvPath, "")
	t.Setenv("PATH", t.TempDir())
	_, err := executable()
	if err != nil { // on macOS the browser has a fixed path
		assert.ErrorContains(t, err, "scripts/chromium.sh")
	}
	t.Setenv(EnvPath, "/no/such/browser")
	_, err = Start(t.Context())
	assert.ErrorContains(t, err, EnvPath)
	assert.ErrorContains(t, err, "/no/such/browser")
}
