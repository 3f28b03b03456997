package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// recordOf returns the record of an investigation that began some time ago.
func recordOf(id, alarm string, ago time.Duration, cost float64, cause string) *investigation.Record {
	began := time.Now().UTC().Add(-ago)
	rec := &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: id, StartedAt: began, EndedAt: began.Add(95 * time.Second), Model: "us.amazon.nova-2-lite-v1:0",
		Outcome: investigation.OutcomeCompleted,
		Alarm: alarmevent.Alarm{Name: alarm, ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + alarm, Account: moto.Account, Region: moto.Region,
			Time: began, State: alarmevent.StateAlarm},
		Report: investigation.Report{Summary: "The order service fails.", RootCause: cause, Confidence: investigation.Confirmed, Severity: investigation.SeverityHigh},
		Usage:  investigation.Usage{ModelCalls: 3, CostUSD: cost, PriceKnown: true},
	}
	if cause == "" {
		rec.Outcome = investigation.OutcomeFallback
	}
	return rec
}

// storeReports creates a bucket with the reports of records, as the orchestrator stores them, and things that are no reports.
func storeReports(t *testing.T, bucket string, records ...*investigation.Record) {
	t.Helper()
	client := s3.NewFromConfig(cloud.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	put := func(key string, body []byte) {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
		require.NoError(t, err)
	}
	renderer := report.NewRenderer(report.Home{Region: moto.Region, Bucket: bucket})
	for _, rec := range records {
		keys := store.KeysFor(rec)
		body, err := renderer.JSON(rec)
		require.NoError(t, err)
		put(keys.JSON, body)
		put(keys.Text, []byte("TEXT OF "+rec.ID+" \x1b[31mred"))
		put(keys.HTML, []byte("<p>PAGE OF "+rec.ID))
		put(keys.Conversation, []byte(`[]`))
	}
	put(strings.TrimSuffix(store.KeysFor(records[0]).JSON, ".json")+"-broken.json", []byte(`{"id":`))
	put("reports/checkpoints/x.json", []byte(`{}`))
}

func TestReports_ListsSearchesShowsAndCounts(t *testing.T) {
	t.Parallel()
	const bucket = "reports-of-the-command"
	b := newBench(t, model.Script{})
	storeReports(t, bucket,
		recordOf("aaa1", "orders-errors", 2*time.Hour, 0.10, "The role lost dynamodb:GetItem."),
		recordOf("bbb2", "orders-errors", 26*time.Hour, 0.30, "A deployment \x1b[31mremoved the index."),
		recordOf("ccc3", "<b>st\u043eck</b>\u202e", 50*time.Hour, 0.20, ""),
		recordOf("ddd4", "old-alarm", 9*24*time.Hour, 5, "Old."),
	)

	list := b.run("reports", "list", "--bucket", bucket)
	require.Equal(t, 0, list.code, list.stderr)
	lines := strings.Split(strings.TrimSpace(list.stdout), "\n")
	require.Len(t, lines, 4, "a title and the reports of the last 7 days: %s", list.stdout)
	assert.Contains(t, lines[1], "confirmed: The role lost dynamodb:GetItem.  aaa1")
	assert.Contains(t, lines[3], `<b>st\u043Eck</b>\u202E  high`, "escaped as in the report")
	assert.Contains(t, lines[3], "no conclusion")
	assert.NotContains(t, list.stdout, "\x1b", "a model's text moves no cursor")
	assert.Contains(t, list.stderr, "Left out: s3://"+bucket+"/", "the broken object is named")

	found := b.run("reports", "search", "REMOVED the index", "--bucket", bucket, "--json")
	require.Equal(t, 0, found.code, found.stderr)
	var summaries []struct{ ID, Alarm, Report string }
	require.NoError(t, json.Unmarshal([]byte(found.stdout), &summaries))
	require.Len(t, summaries, 1)
	assert.Equal(t, "bbb2", summaries[0].ID)

	for _, name := range []string{"bbb2", summaries[0].Report, strings.TrimSuffix(summaries[0].Report, ".json") + ".txt"} {
		shown := b.run("reports", "show", name, "--bucket", bucket)
		require.Equal(t, 0, shown.code, shown.stderr)
		assert.Equal(t, "TEXT OF bbb2 red\n", shown.stdout, name)
	}
	page := b.run("reports", "show", "bbb2", "--bucket", bucket, "--form", "html")
	assert.Equal(t, "<p>PAGE OF bbb2\n", page.stdout)

	b.program("xdg-open", "exit 3")
	both := b.run("reports", "show", "bbb2", "--bucket", bucket, "--open", "--json")
	require.Equal(t, 0, both.code, both.stderr)
	assert.Equal(t, b.run("reports", "show", "bbb2", "--bucket", bucket, "--json").stdout, both.stdout)
	assert.Contains(t, both.stdout, `"id"`)

	week := filepath.Join(b.dir, "week.html")
	require.NoError(t, os.WriteFile(week, []byte("of last week"), 0o644))
	statistics := b.run("reports", "stats", "--bucket", bucket, "--since", "7d", "--html", "week.html", "--json")
	require.Equal(t, 0, statistics.code, statistics.stderr)
	info, err := os.Stat(week)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode(), "only the user may read what log lines contain")
	var counted struct {
		Investigations, Alarms int
		Outcomes               map[string]int
		CostUSD                float64 `json:"cost_usd"`
		MedianCostUSD          float64 `json:"median_cost_usd"`
		MedianSeconds          float64 `json:"median_seconds"`
		Offenders              []struct {
			Alarm          string
			Investigations int
			Cause          string
		}
		Days []struct{ Investigations int }
	}
	require.NoError(t, json.Unmarshal([]byte(statistics.stdout), &counted))
	assert.Equal(t, 3, counted.Investigations)
	assert.Equal(t, map[string]int{"completed": 2, "fallback": 1}, counted.Outcomes)
	assert.InDelta(t, 0.60, counted.CostUSD, 1e-9)
	assert.InDelta(t, 0.20, counted.MedianCostUSD, 1e-9)
	assert.InDelta(t, 95, counted.MedianSeconds, 1e-9)
	require.Len(t, counted.Offenders, 2)
	assert.Equal(t, "orders-errors", counted.Offenders[0].Alarm)
	assert.Equal(t, 2, counted.Offenders[0].Investigations)
	assert.Equal(t, "The role lost dynamodb:GetItem.", counted.Offenders[0].Cause, "of the last investigation")
	assert.Len(t, counted.Days, 8, "days without an investigation are days, too")
	html, err := os.ReadFile(filepath.Join(b.dir, "week.html"))
	require.NoError(t, err)
	assert.Contains(t, string(html), `&lt;b&gt;st\u043Eck&lt;/b&gt;\u202E`)
	assert.NotContains(t, string(html), "<b>st")
	table := b.run("reports", "stats", "--bucket", bucket, "--since", "7d").stdout
	assert.Contains(t, table, `<b>st\u043Eck</b>\u202E  123456789012`)
	assert.Contains(t, table, "3 investigations of 2 alarms\nCost: $0.60, median $0.20\nTime: median 1m35s, 90 % within 1m35s\n")

	for _, tt := range []struct {
		name      string
		arguments []string
		code      int
		stderr    string
	}{
		{"no such report", []string{"reports", "show", "zzz", "--bucket", bucket}, 5, `there is no report "zzz" in s3://` + bucket},
		{"no such bucket", []string{"reports", "list", "--bucket", "no-such-bucket-here"}, 4, "the reports cannot be read"},
		{"no such folder", []string{"reports", "list", "--folder", "nowhere"}, 5, "the folder nowhere does not exist"},
		{"no time", []string{"reports", "list", "--bucket", bucket, "--since", "yesterday"}, 2, `--since "yesterday" is not a time`},
		{"empty period", []string{"reports", "list", "--bucket", bucket, "--since", "1h", "--until", "2h"}, 2, "the period of --since and --until is empty"},
		{"no form", []string{"reports", "show", "bbb2", "--form", "pdf"}, 2, `there is no form "pdf"`},
		{"no deployment", []string{"reports", "list", "--region", "eu-west-3"}, 5, "there is no AlarmTriage in this account and Region (eu-west-3)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := b.run(tt.arguments...)
			assert.Equal(t, tt.code, got.code, got.stderr)
			assert.Contains(t, got.stderr, tt.stderr)
		})
	}
}

func TestReports_ReadsTheFolderOfTheCommand(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	ran := b.run("investigate", alarmName)
	require.Equal(t, 0, ran.code, ran.stderr)

	list := b.run("reports", "list", "--folder", "alarmtriage-reports")
	assert.Contains(t, list.stdout, "confirmed: dynamodb:GetItem is denied.")
	folder, err := filepath.Rel(b.dir, b.folder())
	require.NoError(t, err)
	shown := b.run("reports", "show", folder)
	assert.Equal(t, b.file("report.txt")+"\n", shown.stdout)

	for text, isFound := range map[string]bool{"threshold crossed": true, "no such words": false} {
		found := b.run("reports", "search", text, "--folder", "alarmtriage-reports")
		assert.Equal(t, isFound, strings.Contains(found.stdout, alarmName), text)
	}
	require.NoError(t, os.Remove(filepath.Join(b.folder(), "report.html")))
	missing := b.run("reports", "show", folder, "--form", "html")
	assert.Equal(t, 5, missing.code)
	assert.Contains(t, missing.stderr, "name a report that has this form, or choose another --form")
	assert.NotContains(t, missing.stderr, "Health Dashboard")

	require.NoError(t, os.Rename(filepath.Join(b.dir, "alarmtriage-reports"), filepath.Join(b.dir, "reports [prod]")))
	list = b.run("reports", "list", "--folder", "reports [prod]")
	assert.Contains(t, list.stdout, "confirmed: dynamodb:GetItem is denied.", "the name of a folder is no pattern")
	ran = b.run("feedback", filepath.Join("reports [prod]", filepath.Base(folder)), "--right")
	require.Equal(t, 0, ran.code, ran.stderr)
	ran = b.run("investigate", alarmName, "--out", "reports [prod]/again", "--json")
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Len(t, decoded(t, ran.stdout)["seen_before"], 1)
}

// Whoever searches for what a report says finds it, wherever the report says it.
func TestReports_SearchFindsWhatAReportMentions(t *testing.T) {
	t.Parallel()
	b := newBench(t, model.Script{})
	rec := recordOf("aaa1", "orders-errors", 2*time.Hour, 0.10, "The role lost dynamodb:GetItem.")
	rec.Fallbacks = []investigation.Fallback{{Model: "m", Why: "AccessDeniedException: no Bedrock."}}
	rec.Alarm.Tags = map[string]string{"team": "Checkout", "tier": "gold"}
	rec.Alarm.Unconfirmed = "the alarm is in another account"
	rec.Alarm.Metrics = []alarmevent.Metric{{Namespace: "Shop/Orders", Dimensions: map[string]string{"Queue": "inbox"}}}
	rec.SeenBefore = []investigation.Past{{Cause: "c", Feedback: &investigation.Feedback{Cause: "The certificate had expired.", By: "Ana"}}}
	rec.Evidence = investigation.Evidence{
		Missing: []string{"CloudTrail was throttled"}, Definition: json.RawMessage(`{"InsightRule": "rule-of-orders"}`),
		Call: &investigation.ToolCall{Command: "code of the evidence"},
	}
	rec.Rounds = []investigation.Round{{Text: "I look at the queue.", Calls: []investigation.ToolCall{
		{Command: "print('code of a round')", Answer: &toolcall.Answer{Stdout: "output of a round"}},
	}}}
	body, err := json.Marshal(rec)
	require.NoError(t, err)
	folder := filepath.Join(b.dir, "kept", "one")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "report.json"), body, 0o600))
	for text, isFound := range map[string]bool{
		"accessdenied": true, "checkout": true, "TIER": true, "another account": true, "shop/orders": true, "inbox": true,
		"certificate had": true, "ana": true, "throttled": true, "rule-of-orders": true, "look at the queue": true, "getitem": true,
		"code of a round": false, "output of a round": false, "code of the evidence": false, "insightrule": false,
	} {
		found := b.run("reports", "search", text, "--folder", "kept")
		require.Equal(t, 0, found.code, found.stderr)
		assert.Equal(t, isFound, strings.Contains(found.stdout, "orders-errors"), text)
	}
}

// Statistics of the reports that were read until Ctrl-C would look like those of all.
func TestReports_AreAllReadOrNone(t *testing.T) {
	t.Parallel()
	first, err := json.Marshal(recordOf("aaa1", "orders-errors", time.Minute, 0.10, "The role lost dynamodb:GetItem."))
	require.NoError(t, err)
	var slow atomic.Int32
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		switch {
		case request.URL.Query().Get("list-type") == "2":
			prefix := request.URL.Query().Get("prefix")
			fmt.Fprintf(w, `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Contents><Key>%[1]s1.json</Key></Contents>`+
				`<Contents><Key>%[1]s2.json</Key></Contents></ListBucketResult>`, prefix)
		case strings.HasSuffix(request.URL.Path, "/1.json"):
			_, _ = w.Write(first)
		default:
			slow.Add(1)
			<-request.Context().Done()
		}
	}))
	t.Cleanup(bucket.Close)
	for _, arguments := range []string{"reports stats --bucket b --since 12h", "reports list --bucket b --since 12h --json"} {
		slow.Store(0)
		b := newBench(t, model.Script{})
		b.set("AWS_ENDPOINT_URL="+bucket.URL, "AWS_ENDPOINT_URL_S3="+bucket.URL)
		command := b.command(strings.Fields(arguments)...)
		var stdout, stderr syncBuffer
		command.Stdout, command.Stderr = &stdout, &stderr
		require.NoError(t, command.Start())
		require.Eventually(t, func() bool { return slow.Load() > 0 }, time.Minute, 20*time.Millisecond)
		require.NoError(t, command.Process.Signal(syscall.SIGINT))

		require.Error(t, command.Wait())

		assert.Equal(t, 130, command.ProcessState.ExitCode(), stderr.String())
		assert.Empty(t, stdout.String())
	}
}
