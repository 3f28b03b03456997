// Command sample makes the sample report in docs/sample-report from the forms that the demo saved, with
// pictures of its page. Each demo has new times and resource names, so times, generated names, and the
// investigation's id are normalized first: a regenerated sample only differs if the report does.
//
//	go run ./sample -from ../../.build/demo/report -to ../../docs/sample-report
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cloudwatch-alarm-triage/alarmtriage/integ/browser"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

const patience = 2 * time.Minute // of the browser on a slow machine

func main() {
	from := flag.String("from", "", "directory with the demo's report.json and report.txt")
	to := flag.String("to", "", "directory for the sample")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, *from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, from, to string) error {
	text, err := os.ReadFile(filepath.Join(from, "report.json"))
	if err != nil {
		return fmt.Errorf("%w: run the demo first", err)
	}
	stored, err := os.ReadFile(filepath.Join(from, "report.txt"))
	if err != nil {
		return err
	}
	rec, logGroup, err := normalize(text, stored)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	page, err := write(rec, logGroup, to)
	if err != nil {
		return err
	}
	return pictures(ctx, page, to)
}

// write renders all forms and returns the page.
func write(rec *investigation.Record, logGroup, to string) (page []byte, err error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(rec.ReportURI, "s3://"), "/")
	base := strings.TrimSuffix(key, ".txt")
	links := report.LinksFor(rec, report.Home{Bucket: bucket, LogGroup: logGroup},
		report.Keys{HTML: base + ".html", Text: key, JSON: base + ".json"})
	if page, err = report.HTML(rec, links); err != nil {
		return nil, err
	}
	record, err := report.JSON(rec)
	if err != nil {
		return nil, err
	}
	card, err := report.Card(rec, links)
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, card, "", "  "); err != nil {
		return nil, err
	}
	indented.WriteByte('\n')
	for name, content := range map[string][]byte{
		"report.html": page, "report.txt": []byte(report.Text(rec, links)),
		"report.json": record, "card.json": indented.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(to, name), content, 0o644); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// pictures takes the top of the page on a desktop, and the first screens of it on a phone.
func pictures(ctx context.Context, page []byte, to string) error {
	b, err := browser.Start(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	phone := browser.Look{
		Width: browser.Phone.Width, Height: browser.Phone.Height, Touch: true, Dark: true, Scale: 1.5,
	}
	for _, picture := range []struct {
		name   string
		look   browser.Look
		height int
	}{
		{"report.png", browser.Look{Width: 880, Height: 900}, 1360},
		{"report-phone.png", phone, phone.Height},
	} {
		tab, end := b.Tab()
		var png []byte
		err := chromedp.Run(tab, picture.look.Set(), chromedp.Navigate(browser.Address(page)),
			picture.look.Picture(&png, picture.height))
		end()
		if err != nil {
			return fmt.Errorf("take %s: %w", picture.name, err)
		}
		if err := os.WriteFile(filepath.Join(to, picture.name), png, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sampleNight is when the sample's alarm fires; its investigation starts sampleDelay later.
var sampleNight = time.Date(2026, time.January, 15, 3, 12, 0, 0, time.UTC)

const (
	sampleDelay = 4 * time.Second
	sampleID    = "5a3d1c0b7e42"
)

var (
	stampIn     = regexp.MustCompile(`\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d+)?`)
	epochIn     = regexp.MustCompile(`\b1[6-9]\d{8}(?:\d{3}\b|(?:\.\d+)?\b)`)
	generatedIn = regexp.MustCompile(`((?i:TriageDemo)-[A-Za-z]+[0-9A-Fa-f]{8})-([A-Za-z0-9]{8,14})\b`)
	logGroupIn  = regexp.MustCompile(`log-group/(\S+)`)
)

// normalize replaces the parts of a demo's record that differ between runs. logGroup is the group that the
// text links to.
func normalize(record, stored []byte) (rec *investigation.Record, logGroup string, err error) {
	rec = &investigation.Record{}
	if err := json.Unmarshal(record, rec); err != nil {
		return nil, "", fmt.Errorf("read the record: %w", err)
	}
	clock := clock{alarm: rec.Alarm.Time, started: rec.StartedAt}
	text := stampIn.ReplaceAllStringFunc(withFixedSuffixes(string(record)), clock.stamp)
	text = epochIn.ReplaceAllStringFunc(text, clock.epoch)
	text = strings.ReplaceAll(text, rec.ID, sampleID)
	normalized := &investigation.Record{}
	if err := json.Unmarshal([]byte(text), normalized); err != nil {
		return nil, "", fmt.Errorf("read the normalized record: %w", err)
	}
	bucket, _, _ := strings.Cut(strings.TrimPrefix(normalized.ReportURI, "s3://"), "/")
	normalized.Function = "" // CloudFormation generates its name
	normalized.ReportURI = fmt.Sprintf("s3://%s/reports/%s-%s-%s.txt",
		bucket, normalized.StartedAt.Format("2006/01/02/150405"), normalized.Alarm.Name, sampleID)
	coarsen(normalized)
	link := logGroupIn.FindSubmatch(stored)
	if link == nil {
		return nil, "", fmt.Errorf("the demo's report.txt links to no log group")
	}
	// report.LinksFor explains the console's encoding.
	once, err := url.QueryUnescape(strings.ReplaceAll(string(link[1]), "$", "%"))
	if err != nil {
		return nil, "", fmt.Errorf("the link to the log group: %w", err)
	}
	group, err := url.QueryUnescape(once)
	if err != nil {
		return nil, "", fmt.Errorf("the link to the log group: %w", err)
	}
	return normalized, withFixedSuffixes(group), nil
}

// withFixedSuffixes replaces the random suffix of names that CloudFormation generated, and keeps their case.
func withFixedSuffixes(text string) string {
	return generatedIn.ReplaceAllStringFunc(text, func(name string) string {
		parts := generatedIn.FindStringSubmatch(name)
		end := "K4Q2ZD8WX0NB"
		if parts[2] == strings.ToLower(parts[2]) {
			end = strings.ToLower(end)
		}
		return parts[1] + "-" + end
	})
}

// clock moves times: times before the alarm move with the alarm, times of the investigation with its start.
// The demo's setup is between the two.
type clock struct{ alarm, started time.Time }

func (c clock) move(at time.Time) time.Time {
	switch {
	case !at.After(c.alarm):
		return at.Add(sampleNight.Sub(c.alarm))
	case at.Before(c.started):
		return sampleNight
	}
	return sampleNight.Add(sampleDelay + at.Sub(c.started).Round(time.Second))
}

// stamp moves a time in the format of JSON or of printed output; all times are UTC.
func (c clock) stamp(text string) string {
	between := text[10:11]
	layout := "2006-01-02" + between + "15:04:05"
	at, err := time.Parse(layout, text) // accepts a fraction, too
	if err != nil {
		return text
	}
	return c.move(at).Format(layout)
}

// epoch moves a time in seconds or milliseconds since 1970.
func (c clock) epoch(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(whole) == 13 {
		var ms int64
		fmt.Sscan(whole, &ms)
		return fmt.Sprint(c.move(time.UnixMilli(ms)).UnixMilli())
	}
	var seconds int64
	fmt.Sscan(whole, &seconds)
	moved := fmt.Sprint(c.move(time.Unix(seconds, 0)).Unix())
	if fraction != "" {
		moved += ".0"
	}
	return moved
}

// coarse rounds a duration in milliseconds to one of 10, 20, 50, 100, 200, 500, and so on.
func coarse(ms int64) int64 {
	for step := int64(10); ; step *= 10 {
		for _, least := range []int64{step, 2 * step, 5 * step} {
			if ms <= least*3/2 {
				return least
			}
		}
	}
}

// coarsen rounds durations, which differ slightly between runs.
func coarsen(rec *investigation.Record) {
	for call := range rec.Calls() {
		call.DurationMS = coarse(call.DurationMS)
		if call.Answer == nil {
			continue
		}
		call.Answer.ExecutionTime = float64(coarse(int64(call.Answer.ExecutionTime*1000))) / 1000
		for i := range call.Answer.AWSCalls {
			call.Answer.AWSCalls[i].DurationMS = coarse(call.Answer.AWSCalls[i].DurationMS)
		}
	}
	for i := range rec.Rounds {
		rec.Rounds[i].DurationMS = coarse(rec.Rounds[i].DurationMS)
	}
}
