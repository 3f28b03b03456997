package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// JSON is the record itself: documented by schema/report.schema.json.
func JSON(rec *investigation.Record) ([]byte, error) {
	text, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode investigation %s: %w", rec.ID, err)
	}
	return append(text, '\n'), nil
}

// Limits of a chat card, in characters: chat clients cut what is longer.
const (
	maxCardTitle       = 250
	maxCardDescription = 3000
	maxCardSteps       = 5
)

// Card is a custom notification of Amazon Q Developer in chat applications, version 1.0 ("Custom
// notifications using Amazon Q Developer in chat applications", its administrator guide). All
// notifications of an alarm share a thread.
func Card(rec *investigation.Record, links Links) ([]byte, error) {
	var steps []string
	for i, action := range rec.Report.Actions {
		if i == maxCardSteps {
			break
		}
		step := markdown(action.Text)
		if action.Command != "" {
			step += " `" + strings.ReplaceAll(plain(action.Command), "`", "'") + "`"
		}
		steps = append(steps, clip(step, maxCardDescription/maxCardSteps))
	}
	body := markdown(first(rec.Report.Summary, fallbackSummary(rec)))
	if rec.Report.RootCause != "" {
		body += "\n*Root cause (" + string(confidence(rec)) + "):* " + markdown(rec.Report.RootCause)
	}
	body = clip(body, maxCardDescription-2*len(links.Report)-len(links.Alarm)-100)
	for _, l := range []struct{ name, url string }{{"Report", links.Report}, {"Alarm", links.Alarm}} {
		if l.url != "" {
			body += fmt.Sprintf("\n<%s|%s>", l.url, l.name)
		}
	}
	content := map[string]any{"textType": "client-markdown", "title": clip(markdown(Subject(rec)), maxCardTitle), "description": body}
	if len(steps) > 0 {
		content["nextSteps"] = steps
	}
	card := map[string]any{
		"version": "1.0", "source": "custom", "id": rec.ID, "content": content,
		"metadata": map[string]any{
			"threadId": rec.Alarm.ARN, "summary": clip(plain(first(rec.Report.Summary, fallbackSummary(rec))), maxCardTitle),
			"eventType": "alarmtriage", "relatedResources": []string{rec.Alarm.ARN},
		},
	}
	return json.Marshal(card)
}

// markdown takes untrusted text's means to mention people and channels or to make links.
func markdown(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "`", "'").Replace(plain(text))
}

func clip(text string, characters int) string {
	if runes := []rune(text); len(runes) > characters {
		return string(runes[:max(0, characters-2)]) + " …"
	}
	return text
}

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"moment": moment, "plain": plain, "steps": func(rec *investigation.Record) []investigation.Action {
		if len(rec.Report.Actions) > 0 {
			return rec.Report.Actions
		}
		return manualSteps(rec)
	},
	"summary":    func(rec *investigation.Record) string { return first(rec.Report.Summary, fallbackSummary(rec)) },
	"confidence": confidence, "severity": severity, "chart": charts, "notseen": notSeenLines,
	"about":   func(rec *investigation.Record) []string { return strings.Split(strings.TrimSpace(about(rec)), "\n") },
	"problem": func(f investigation.Finding) string { return first(f.Problem, "no evidence is cited") },
	"clip":    func(text string) string { return clip(text, maxPageOutput) },
}).Parse(pageSource))

// maxPageOutput is how much of an output the page shows, in characters; the JSON has all of it.
const maxPageOutput = 4000

func notSeenLines(rec *investigation.Record) []string {
	return strings.Split(strings.TrimSpace(notSeen(rec)), "\n")
}

// HTML is the report as one page without scripts and without anything from elsewhere.
func HTML(rec *investigation.Record, links Links) ([]byte, error) {
	var b bytes.Buffer
	err := page.Execute(&b, map[string]any{"R": rec, "L": links})
	if err != nil {
		return nil, fmt.Errorf("render the page of investigation %s: %w", rec.ID, err)
	}
	return b.Bytes(), nil
}
