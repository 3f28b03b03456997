package agent_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const diskQuote = "disk usage 100 %"

// withInput returns a step that calls a tool with an input of any form.
func withInput(t testing.TB, name string, input any) model.Step {
	block := map[string]any{"toolUse": map[string]any{"toolUseId": "u1", "name": name, "input": input}}
	return model.Step{Content: json.RawMessage(asJSON(t, []any{block}))}
}

// Models put the input of a tool one or more levels too deep, write it as text, or spell its names differently. The
// report must arrive with its evidence in each of these forms.
func TestOpenInput_ReportIsFoundInEachWrapping(t *testing.T) {
	whole := func() map[string]any { return reportInput("the disk is full", 1, diskQuote) }
	with := func(change func(map[string]any)) map[string]any {
		fields := whole()
		change(fields)
		return fields
	}
	finding := func() map[string]any { return whole()["findings"].([]any)[0].(map[string]any) }
	text := asJSON(t, whole())
	for _, c := range []struct {
		name  string
		input any
	}{
		{"as it should be", whole()},
		{"in parameters", map[string]any{"parameters": whole()}},
		{"in report", map[string]any{"report": whole()}},
		{"in input", map[string]any{"input": whole()}},
		{"in properties", map[string]any{"properties": whole()}},
		{"in arguments as text", map[string]any{"arguments": text}},
		{"in response as text", map[string]any{"response": text}},
		{"in an unknown member", map[string]any{"final_answer": whole()}},
		{"with its name", map[string]any{"name": "submit_report", "arguments": whole()}},
		{"below the name of the tool", map[string]any{"submit_report": whole()}},
		{"beside its type", map[string]any{"type": "object", "properties": whole()}},
		{"two levels deep", map[string]any{"input": map[string]any{"parameters": whole()}}},
		{"text in text", map[string]any{"input": asJSON(t, map[string]any{"parameters": text})}},
		{"a text", text},
		{"a text of a text", asJSON(t, text)},
		{"a text in a code block", "```json\n" + text + "\n```"},
		{"a text with blanks around it", "\n  " + text + "\n"},
		{"a Python literal", "{'summary': 'Orders: the disk is full', 'root_cause': 'the disk is full', 'confidence': 'confirmed', " +
			"'severity': 'low', 'impact': None, 'findings': [{'statement': 'the disk is full', 'confidence': 'confirmed', " +
			"'evidence': [{'call': 1, 'quote': 'disk usage 100 %'}]}], 'immediate_actions': [{'text': 'Free space.'}]}"},
		{"a list of one", []any{whole()}},
		{"a list of one in a member", map[string]any{"reports": []any{whole()}}},
		{"findings as text", with(func(f map[string]any) { f["findings"] = asJSON(t, f["findings"]) })},
		{"each finding as text", with(func(f map[string]any) { f["findings"] = []any{asJSON(t, finding())} })},
		{"one finding without a list", with(func(f map[string]any) { f["findings"] = finding() })},
		{"one finding as text without a list", with(func(f map[string]any) { f["findings"] = asJSON(t, finding()) })},
		{"findings below finding", with(func(f map[string]any) { f["findings"] = map[string]any{"finding": []any{finding()}} })},
		{"one finding below item", with(func(f map[string]any) { f["findings"] = map[string]any{"item": finding()} })},
		{"evidence as text", with(func(f map[string]any) {
			one := finding()
			one["evidence"] = asJSON(t, one["evidence"])
			f["findings"] = []any{one}
		})},
		{"each piece of evidence as text", with(func(f map[string]any) {
			one := finding()
			one["evidence"] = []any{asJSON(t, one["evidence"].([]any)[0])}
			f["findings"] = []any{one}
		})},
		{"one piece of evidence without a list", with(func(f map[string]any) {
			one := finding()
			one["evidence"] = one["evidence"].([]any)[0]
			f["findings"] = []any{one}
		})},
		{"call as decimal text", with(func(f map[string]any) {
			f["findings"] = []any{map[string]any{"statement": "full", "confidence": "confirmed",
				"evidence": []any{map[string]any{"call": "1.0", "quote": diskQuote}}}}
		})},
		{"call in words", with(func(f map[string]any) {
			f["findings"] = []any{map[string]any{"statement": "full", "confidence": "confirmed",
				"evidence": []any{map[string]any{"call": "[tool call 1] ok", "quote": diskQuote}}}}
		})},
		{"camel case", map[string]any{"Summary": "Orders: the disk is full", "rootCause": "the disk is full",
			"confidence": "confirmed", "severity": "low", "impact": "None.", "findings": []any{finding()},
			"Immediate Actions": []any{map[string]any{"text": "Free space."}}}},
		{"texts in objects", with(func(f map[string]any) {
			f["summary"] = map[string]any{"text": "Orders: the disk is full"}
			f["root_cause"] = []any{"the disk is full"}
			f["impact"] = []any{"Orders.", "Payments."}
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := record("{}")
			_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), withInput(t, "submit_report", c.input)}},
				&fakeTool{output: diskQuote}, rec, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			assert.Equal(t, "Orders: the disk is full", rec.Report.Summary)
			assert.Equal(t, "the disk is full", rec.Report.RootCause)
			assert.Equal(t, investigation.Confirmed, rec.Report.Confidence, rec.Report.Downgraded)
			require.Len(t, rec.Report.Findings, 1)
			assert.True(t, rec.Report.Findings[0].Verified, rec.Report.Findings[0].Problem)
			assert.Len(t, rec.Report.Actions, 1)
		})
	}
}

func TestOpenInput_CodeIsFoundInEachWrapping(t *testing.T) {
	const code = "print('x')"
	for _, c := range []struct {
		name  string
		input any
	}{
		{"as it should be", map[string]any{"command": code}},
		{"code", map[string]any{"code": code}},
		{"Python", map[string]any{"Python": code}},
		{"input", map[string]any{"input": code}},
		{"in parameters", map[string]any{"parameters": map[string]any{"command": code}}},
		{"in input under another name", map[string]any{"input": map[string]any{"code": code}}},
		{"in arguments as text", map[string]any{"arguments": `{"command": "print('x')"}`}},
		{"below the name of the tool", map[string]any{"python_executor": map[string]any{"command": code}}},
		{"command in command", map[string]any{"command": map[string]any{"command": code}}},
		{"command in command as text", map[string]any{"command": `{"command": "print('x')"}`}},
		{"a text", code},
		{"JSON in a text", `{"command": "print('x')"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, tool := record("{}"), &fakeTool{output: diskQuote}
			_, err := run(t, model.Script{Steps: []model.Step{
				withInput(t, "python_executor", c.input), submit("the disk is full", 1, diskQuote),
			}}, tool, rec, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, []string{code}, tool.ran())
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
		})
	}
}

// Code that looks like a wrapped input, but is none, runs unchanged.
func TestOpenInput_CodeThatIsDataIsLeftAlone(t *testing.T) {
	for _, code := range []string{
		`{"a": 1}`, `["command"]`, "x = {'command': 'print(1)'}\nprint(x)", "\"\"\"docs\"\"\"\nprint(1)", "`1`", `{"command": 1, "b": 2}`,
	} {
		t.Run(code, func(t *testing.T) {
			rec, tool := record("{}"), &fakeTool{output: diskQuote}
			_, err := run(t, model.Script{Steps: []model.Step{look(code), submit("the disk is full", 1, diskQuote)}}, tool, rec, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, []string{code}, tool.ran())
		})
	}
}

func TestOpenInput_PartsOfAnOutputAreFoundInEachWrapping(t *testing.T) {
	for _, c := range []struct {
		name  string
		input any
	}{
		{"in parameters", map[string]any{"parameters": map[string]any{"call": 1, "offset": 5}}},
		{"as text", `{"call": 1, "offset": 5}`},
		{"numbers as text", map[string]any{"call": "1", "offset": "5"}},
		{"upper case", map[string]any{"Call": 1, "Offset": 5}},
		{"only the call in a wrapper, all else beside it", map[string]any{"input": `{"call": 1, "offset": 5}`, "reason": "more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conclusion := submit("the disk is full", 1, diskQuote)
			conclusion.Expect = []string{`tool call 1, bytes 5 to 16 of 16`}
			rec := record("{}")
			_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), withInput(t, "read_output", c.input), conclusion}},
				&fakeTool{output: diskQuote}, rec, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
		})
	}
}

// When nothing helps, the model learns which member surrounds its input, and the investigation ends all the same.
func TestOpenInput_ComplaintNamesTheWrapper(t *testing.T) {
	for _, c := range []struct {
		name, tool string
		input      any
		want       string
	}{
		{"broken JSON in a member", "submit_report", map[string]any{"response": `{"summary": "Orders", "root_cause": "the di`}, `has only "response"`},
		{"prose", "submit_report", "The disk is full.", `is not a JSON object`},
		{"a list", "submit_report", []any{1, 2}, `is not a JSON object`},
		{"two members", "submit_report", map[string]any{"a": 1, "b": []any{}}, `has only "a" and "b"`},
		{"no code", "python_executor", map[string]any{"language": "python"}, `has only "language"`},
		{"no call", "read_output", map[string]any{"number": map[string]any{}}, `has only "number"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			wrong := withInput(t, c.tool, c.input)
			next := submit("the disk is full", 1, diskQuote)
			next.Expect = []string{c.want, "as members of the input object itself"}
			rec := record("{}")
			_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), wrong, next}}, &fakeTool{output: diskQuote}, rec, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)

			rec = record("{}")
			server, err := run(t, forever(look("print(1)"), wrong), &fakeTool{output: diskQuote}, rec, nil, nil)
			require.NoError(t, err)
			assert.Less(t, len(server.Requests()), 12)
			assert.NotEqual(t, investigation.OutcomeCompleted, rec.Outcome)
		})
	}
}

func FuzzOpenInput(f *testing.F) {
	for _, seed := range []string{`{"parameters":{"summary":"a"}}`, `"{\"findings\": [\"{}\"]}"`, `[[[[{"a":1}]]]]`, `{"findings":{"item":{}}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		if !json.Valid([]byte(input)) || strings.Count(input, "{") > 1000 {
			return
		}
		rec := record("{}")
		_, err := run(t, model.Script{Steps: []model.Step{
			look("print(1)"), {Content: json.RawMessage(
				`[{"toolUse":{"toolUseId":"u1","name":"submit_report","input":` + input + `}}]`)},
			submit("the disk is full", 1, diskQuote),
		}}, &fakeTool{output: diskQuote}, rec, nil, nil)
		require.NoError(t, err)
		assert.NotEmpty(t, rec.Outcome)
	})
}
