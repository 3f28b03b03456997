package browser

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// schemaOf compiles a schema. strict also rejects fields that the schema does not describe, which readers
// of a newer minor version must accept.
func schemaOf(t *testing.T, name string, strict bool) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("../../schema/" + name)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	if strict {
		closeObjects(document)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource(name, document))
	schema, err := compiler.Compile(name)
	require.NoError(t, err)
	return schema
}

func closeObjects(node any) {
	switch n := node.(type) {
	case map[string]any:
		if _, isObject := n["properties"].(map[string]any); isObject && n["type"] == "object" {
			n["additionalProperties"] = false
		}
		for _, child := range n {
			closeObjects(child)
		}
	case []any:
		for _, child := range n {
			closeObjects(child)
		}
	}
}

func decoded(t *testing.T, text []byte, err error) any {
	t.Helper()
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return value
}

// forms returns records of every kind that is stored.
func forms(t *testing.T) map[string]*investigation.Record {
	records := map[string]*investigation.Record{"sample": sample(t), "fallback": fallback(t), "busy": busy(t, 15), "odd": odd(t, oddSeries()[:4]...)}
	records["fallback"].Report.Confidence, records["fallback"].Report.Severity = investigation.Unknown, investigation.SeverityUnknown
	bare := &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: "5a3d1c0b7e42", Outcome: investigation.OutcomeFallback,
		Alarm:  alarmevent.Alarm{Name: "x", Kind: alarmevent.KindComposite, Source: alarmevent.SourceSNS, State: alarmevent.StateAlarm},
		Report: investigation.Report{Confidence: investigation.Unknown, Severity: investigation.SeverityUnknown},
	}
	records["bare"] = bare
	hostile, _ := filled("\x00\xff</script>\u202e\u2028 <!channel>")
	hostile.SchemaVersion, hostile.Outcome = bare.SchemaVersion, bare.Outcome
	hostile.AtDelivery.State = bare.Alarm.State
	hostile.Alarm.Kind, hostile.Alarm.Source, hostile.Alarm.State, hostile.Alarm.PreviousState = bare.Alarm.Kind, bare.Alarm.Source, bare.Alarm.State, bare.Alarm.State
	hostile.Report.Confidence, hostile.Report.Severity = investigation.Likely, investigation.SeverityLow
	for i := range hostile.Report.Findings {
		hostile.Report.Findings[i].Confidence = investigation.Likely
		for j := range hostile.Report.Findings[i].Evidence {
			hostile.Report.Findings[i].Evidence[j].Source = investigation.SourceComputed
		}
	}
	for i := range hostile.Report.RuledOut {
		for j := range hostile.Report.RuledOut[i].Evidence {
			hostile.Report.RuledOut[i].Evidence[j].Source = investigation.SourceComputed
			hostile.Report.RuledOut[i].Evidence[j].Call = -1
		}
	}
	for i := range hostile.Fallbacks {
		hostile.Fallbacks[i].Cause = investigation.CauseOther
	}
	for i := range hostile.SeenBefore {
		hostile.SeenBefore[i].Outcome, hostile.SeenBefore[i].Confidence = investigation.OutcomeCompleted, investigation.Likely
		if feedback := hostile.SeenBefore[i].Feedback; feedback != nil {
			feedback.Verdict = investigation.FeedbackWrong
		}
	}
	for call := range hostile.Calls() {
		if call.Answer != nil {
			for i := range call.Answer.BilledQueries {
				call.Answer.BilledQueries[i].Unit = toolcall.UnitBytes
			}
		}
	}
	records["hostile"] = hostile
	return records
}

func TestSchemas_AcceptEveryForm(t *testing.T) {
	whole, event, card := schemaOf(t, "report.schema.json", true), schemaOf(t, "completion.schema.json", true), schemaOf(t, "card.schema.json", false)
	for name, rec := range forms(t) {
		t.Run(name, func(t *testing.T) {
			text, err := report.JSON(rec)
			assert.NoError(t, whole.Validate(decoded(t, text, err)))
			for _, limit := range []int{240 << 10, 8 << 10} {
				detail, err := report.Completion(rec, limit)
				assert.NoError(t, event.Validate(decoded(t, detail, err)))
			}
			links := report.LinksFor(rec, report.Home{Bucket: "bucket", LogGroup: "group"}, report.Keys{HTML: "a.html", Text: "a.txt", JSON: "a.json"})
			raw, err := report.Card(rec, links)
			assert.NoError(t, card.Validate(decoded(t, raw, err)))
			alarm := rec.Alarm
			alarm.State, alarm.Time = alarmevent.StateOK, alarm.Time.Add(time.Minute)
			answer := answerOf(rec)
			raw, err = report.AnswerJSON(&answer)
			assert.NoError(t, schemaOf(t, "answer.schema.json", true).Validate(decoded(t, raw, err)))
			for _, text := range []string{answer.Text, ""} {
				answer.Text = text
				raw, err = report.Answered{Alarm: &alarm, Answer: &answer}.Card()
				assert.NoError(t, card.Validate(decoded(t, raw, err)))
			}
			raw, err = report.Recovery{Alarm: &alarm, Investigation: rec.ID, StartedAt: rec.StartedAt, ReportURI: rec.ReportURI}.Card()
			assert.NoError(t, card.Validate(decoded(t, raw, err)))
		})
	}
}

// answerOf returns an answer with the texts of a report.
func answerOf(rec *investigation.Record) investigation.Answer {
	return investigation.Answer{
		SchemaVersion: investigation.SchemaVersion, Investigation: rec.ID, Number: 1, Question: rec.Report.Summary, AskedAt: rec.StartedAt,
		AnsweredAt: rec.EndedAt, Outcome: rec.Outcome, OutcomeWhy: rec.OutcomeWhy, Text: rec.Report.RootCause, Confidence: rec.Report.Confidence,
		Downgraded: rec.Report.Downgraded, Findings: rec.Report.Findings, NotSeen: rec.Report.NotSeen, Unread: rec.NotSeen, Model: rec.Model,
		Fallbacks: rec.Fallbacks, Rounds: rec.Rounds, Usage: rec.Usage, ReportURI: rec.ReportURI, URI: rec.ReportURI,
	}
}

func TestSchemas_AcceptTheSample(t *testing.T) {
	for file, name := range map[string]string{"report.json": "report.schema.json", "card.json": "card.schema.json"} {
		text, err := os.ReadFile("../../docs/sample-report/" + file)
		assert.NoError(t, schemaOf(t, name, true).Validate(decoded(t, text, err)), file)
	}
}

func TestSchemas_RejectInvalidForms(t *testing.T) {
	text, err := report.JSON(sample(t))
	require.NoError(t, err)
	schema := schemaOf(t, "report.schema.json", false)
	for name, change := range map[string]func(rec map[string]any){
		"another major version": func(rec map[string]any) { rec["schema_version"] = "2.0" },
		"no id":                 func(rec map[string]any) { delete(rec, "id") },
		"an invalid time":       func(rec map[string]any) { rec["started_at"] = "yesterday" },
		"an unknown outcome":    func(rec map[string]any) { rec["outcome"] = "fine" },
		"null rounds":           func(rec map[string]any) { rec["rounds"] = nil },
		"a textual cost":        func(rec map[string]any) { rec["usage"].(map[string]any)["cost_usd"] = "little" },
		"negative tokens":       func(rec map[string]any) { rec["usage"].(map[string]any)["input_tokens"] = json.Number("-1") },
		"an unknown confidence": func(rec map[string]any) { rec["report"].(map[string]any)["confidence"] = "certain" },
		"a finding without evidence": func(rec map[string]any) {
			delete(rec["report"].(map[string]any)["findings"].([]any)[0].(map[string]any), "evidence")
		},
	} {
		rec := decoded(t, text, nil).(map[string]any)
		change(rec)
		assert.Error(t, schema.Validate(rec), name)
	}
	newer := decoded(t, text, nil).(map[string]any)
	newer["schema_version"], newer["something_new"] = "1.7", true
	assert.NoError(t, schema.Validate(newer), "a reader of 1.0 reads 1.7")
	assert.Error(t, schemaOf(t, "report.schema.json", true).Validate(newer))
	card := schemaOf(t, "card.schema.json", false)
	assert.Error(t, card.Validate(map[string]any{"version": "1.0", "source": "aws.cloudwatch", "content": map[string]any{"description": "x"}}))
	assert.Error(t, card.Validate(map[string]any{"version": "1.0", "source": "custom", "content": map[string]any{"description": strings.Repeat("x", 3001)}}))
}
