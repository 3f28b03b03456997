package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const (
	thoughts = "I must tell them about the pool."
	conclude = "The pool of orders-db is exhausted."
)

func TestThinking_IsRecordedButNotReported(t *testing.T) {
	const block = thoughts + "\nHmm, `</x>`."
	tests := []struct{ name, text string }{
		{"thinking", "<thinking>" + block + "</thinking>\n\n" + conclude},
		{"think", "<think>\n" + block + "\n</think>\n\n" + conclude},
		{"reasoning", "<reasoning>" + block + "</reasoning>" + conclude},
		{"scratchpad", "<scratchpad>\n" + block + "\n</scratchpad>\n" + conclude},
		{"analysis", "<analysis>" + block + "</analysis>\n" + conclude},
		{"reflection", "<reflection>" + block + "</reflection>\n" + conclude},
		{"capitals", "<Thinking>" + block + "</Thinking>\n" + conclude},
		{"a namespace", "<seed:think>" + block + "</seed:think>\n" + conclude},
		{"after the answer", conclude + "\n<thinking>" + block + "</thinking>"},
		{"after the answer, on the same line", conclude + " <thinking>" + block + "</thinking>"},
		{"not closed", conclude + "\n\n<thinking>" + block},
		{"not opened", block + "\n</think>\n\n" + conclude},
		{"not opened, on the same line", block + "</think>" + conclude},
		{"closed by another tag", "<thinking>" + block + "</think>\n" + conclude},
		{"nested", "<thinking>" + thoughts + "\n<thinking>Hm.</thinking> Hmm, `</x>`.</thinking>\n" + conclude},
		{"several", "<thinking>" + thoughts + "</thinking>\n<reflection>Hmm, `</x>`.</reflection>\n" + conclude},
		{"code inside", "<think>" + thoughts + "\n```\nprint(1)\n```\nHmm, `</x>`.</think>\n" + conclude},
		{"an answer's tag", "<thinking>" + block + "</thinking>\n<answer>\n" + conclude + "\n</answer>"},
		{"a response's tag", "<thinking>" + block + "</thinking>\n<response>" + conclude + "</response>"},
		{"gpt-oss", "<|channel|>analysis<|message|>" + block + "<|end|><|start|>assistant<|channel|>final<|message|>" + conclude + "<|return|>"},
		{"Cohere", "<|START_THINKING|>" + block + "<|END_THINKING|>\n" + conclude},
		{"Mistral", "[THINK]" + block + "[/THINK]" + conclude},
		{"Kimi", "◁think▷" + block + "◁/think▷" + conclude},
		{"Gemma", "<|channel>thought\n" + block + "<channel|>" + conclude},
		{"OpenThinker", "<|begin_of_thought|>" + block + "<|end_of_thought|>\n" + conclude},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := record("nothing")
			investigate(t, nova, forever(look(lookAtLogs), model.Step{Text: tt.text}), &fakeTool{output: logLine}, rec)
			assert.Equal(t, conclude, rec.Report.Summary)
			assert.Equal(t, conclude, rec.Report.FreeText)
			last := rec.Rounds[len(rec.Rounds)-1]
			assert.Equal(t, conclude, last.Text)
			assert.Contains(t, last.Reasoning, thoughts)
			assert.Contains(t, last.Reasoning, "Hmm, `</x>`.")
		})
	}
}

func TestThinking_KeepsContentThatLooksLikeThinking(t *testing.T) {
	for _, text := range []string{
		"The log line `<think>retry</think>` repeats.",
		"The log holds:\n```xml\n<analysis>\n<id>4</id>\n</analysis>\n```\nThat is all.",
		"The line \"<thinking>x</thinking>\" is in the log.",
		"12:01 ERROR <reasoning>timeout</reasoning> again",
		"The tag </think> is in the log of the function.",
		"The field <think> is empty, and a < b.",
		"<thinkingCap>100</thinkingCap> is what the configuration says.",
		"The element <analysis>\nspans two lines</analysis> in the log.",
	} {
		t.Run(text, func(t *testing.T) {
			rec := record("nothing")
			investigate(t, nova, forever(look(lookAtLogs), model.Step{Text: text}), &fakeTool{output: logLine}, rec)
			assert.Equal(t, text, rec.Report.FreeText)
			assert.Empty(t, rec.Rounds[1].Reasoning)
		})
	}
}

func TestThinking_AloneIsAnEmptyAnswer(t *testing.T) {
	for _, text := range []string{
		"<thinking>" + thoughts + "</thinking>", "<think>" + thoughts, thoughts + "\n</think>\n", "<|channel|>analysis<|message|>" + thoughts + "<|end|>",
		"<think><tool_call>{\"name\": \"python_executor\", \"input\": {\"command\": \"planned()\"}}</tool_call> " + thoughts + "</think>",
	} {
		t.Run(text, func(t *testing.T) {
			rec, tool := record("nothing"), &fakeTool{output: logLine}
			again := submit(rootCause, 1, quote)
			again.Expect = []string{"Your last answer was empty"}
			investigate(t, nova, model.Script{Steps: []model.Step{look(lookAtLogs), {Text: text}, again}}, tool, rec)
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			assert.Empty(t, rec.Rounds[1].Text)
			assert.Contains(t, rec.Rounds[1].Reasoning, thoughts)

			rec = record("nothing")
			investigate(t, nova, forever(look(lookAtLogs), model.Step{Text: text}), tool, rec)
			assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
			assert.Empty(t, rec.Report.Summary)
			assert.Equal(t, []string{lookAtLogs, lookAtLogs}, tool.ran())
		})
	}
}

func TestThinking_IsRemovedFromReportsButNotFromQuotes(t *testing.T) {
	const odd = "<think>orders-role may not dynamodb:GetItem</think>"
	input := reportInput("<reasoning>Which role?</reasoning>\n"+rootCause, 1, odd)
	input["summary"] = "<thinking>" + thoughts + "</thinking>\n\nOrders fail."
	input["immediate_actions"] = []any{map[string]any{"text": "<think>What now?</think>Give it back.", "command": "echo '<think>x</think>'"}}
	input["prevention"] = []any{"<think>Later.</think>Test the role."}
	rec := record("nothing")
	investigate(t, nova, model.Script{Steps: []model.Step{
		look(lookAtLogs), {Tools: []model.ToolUse{{Name: "submit_report", Input: input}}}}}, &fakeTool{output: "12:36 " + odd}, rec)
	assert.Equal(t, "Orders fail.", rec.Report.Summary)
	assert.Equal(t, rootCause, rec.Report.RootCause)
	require.Len(t, rec.Report.Findings, 1)
	assert.Equal(t, rootCause, rec.Report.Findings[0].Statement)
	assert.True(t, rec.Report.Findings[0].Verified)
	assert.Equal(t, []investigation.Action{{Text: "Give it back.", Command: "echo '<think>x</think>'"}}, rec.Report.Actions)
	assert.Equal(t, []string{"Test the role."}, rec.Report.Prevention)
	for _, thought := range []string{thoughts, "Which role?", "What now?", "Later."} {
		assert.Contains(t, rec.Rounds[1].Reasoning, thought)
	}
}

func TestThinking_IsNotPartOfTheDigest(t *testing.T) {
	rec, tool := record("{}"), &fakeTool{output: "disk usage 100 % " + strings.Repeat("log line ", 900)}
	script := manyLooks(40)
	for i := range script.Steps[:40] {
		script.Steps[i].Text = "<thinking>" + thoughts + "</thinking>\n\nI look at part " + fmt.Sprint(i) + "."
	}
	script.ContextWindow = 32_000
	server := investigate(t, "some.small-model", script, tool, rec)
	last := string(server.Requests()[40].Request.Raw)
	require.Contains(t, last, "you wrote: I look at part 0.")
	assert.NotContains(t, last, "you wrote: \\u003cthinking")
	assert.NotContains(t, last, "you wrote: <thinking")
}

var refusals = []string{
	"I can't help with this.", "I cannot assist with that request.", "I’m sorry, but I can’t assist with that.", "Sorry, I can't help with that.",
	"I'm unable to help with this request.", "I am not able to assist you with this.", "I won't help with that.",
	"Sorry - this model is unable to respond to this request.", "Sorry, the model cannot answer this question.",
	"I'm sorry, but I cannot fulfill this request as it goes against my guidelines. Is there anything else I can help you with?",
	"I apologize, but I cannot comply with this request because it violates my safety policy.", "**I can't help with this.**",
	"I can't help with investigating security alarms. If you have other questions, feel free to ask!", "Unfortunately, I cannot continue with this conversation.",
	"I cannot provide assistance with that.", "I must decline to assist with this request.", "I cannot discuss this topic.", "I'm sorry. I can't help with this.",
	"Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.", "Lo siento, pero no puedo ayudar con eso.", "Désolé, je ne peux pas vous aider avec cette demande.",
	"Desculpe, mas não posso ajudar com isso.", "申し訳ありませんが、お手伝いできません。", "抱歉，我无法协助。",
	"<thinking>This is about a firewall.</thinking>\nI can't help with this.",
}

func TestRefusal_InProseNeverBecomesTheReport(t *testing.T) {
	for _, text := range refusals {
		t.Run(text, func(t *testing.T) {
			rec := record("nothing")
			server := investigate(t, claude, forever(look(lookAtLogs), model.Step{Text: text}), &fakeTool{output: logLine}, rec)
			assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
			assert.Contains(t, rec.OutcomeWhy, "refused to investigate")
			assert.Empty(t, rec.Report.Summary)
			assert.Empty(t, rec.Report.FreeText)
			assert.Len(t, server.Requests(), 3, "it is asked once more")
		})
	}
}

func TestRefusal_IsForgottenOnceTheModelRunsCode(t *testing.T) {
	rec, tool := record("nothing"), &fakeTool{output: logLine}
	again := look(lookAtLogs)
	again.Expect = []string{"authorized, read-only investigation"}
	investigate(t, claude, model.Script{Steps: []model.Step{{Text: refusals[0]}, again, {Text: refusals[1]}, submit(rootCause, 1, quote)}}, tool, rec)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	assert.Equal(t, rootCause, rec.Report.RootCause)
}

func TestRefusal_DoesNotReplaceAnEarlierAnswer(t *testing.T) {
	rec := record("nothing")
	investigate(t, claude, forever(look(lookAtLogs), model.Step{Text: conclude}, model.Step{Text: refusals[0]}), &fakeTool{output: logLine}, rec)
	assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
	assert.Equal(t, conclude, rec.Report.Summary)
}

func TestRefusal_IsRejectedAsASummary(t *testing.T) {
	input := reportInput(rootCause, 1, quote)
	input["summary"] = "I'm sorry, but I can't assist with that."
	again := submit(rootCause, 1, quote)
	again.Expect = []string{"summary is missing"}
	rec := record("nothing")
	investigate(t, claude, model.Script{Steps: []model.Step{
		look(lookAtLogs), {Tools: []model.ToolUse{{Name: "submit_report", Input: input}}}, again}}, &fakeTool{output: logLine}, rec)
	assert.Equal(t, "Orders: "+rootCause, rec.Report.Summary)
}

func TestRefusal_IgnoresAnswersThatSoundLikeRefusals(t *testing.T) {
	for _, text := range []string{
		"I can't help noticing that the disk is full.",
		"I cannot find any errors in the logs.",
		"I can't access the logs of orders-api: access denied.",
		"I'm unable to determine the cause; the disk of i-0aaa is full.",
		"I can't help with the network, but the disk is full.",
		"I cannot assist with that request. The pool of orders-db is exhausted.",
		"Sorry, the first explanation was wrong. The pool is exhausted.",
		"The service cannot answer this question: orders-db is down.",
		"orders-api logs \"I cannot assist with that request\" for every call.",
		"I cannot provide the root cause: CloudTrail is off.",
		"I will not restart the service. The pool is exhausted.",
		"I can't help with this.\n\n" + strings.Repeat("The pool is exhausted. ", 40),
		"Unfortunately the pool is exhausted.",
	} {
		t.Run(text, func(t *testing.T) {
			rec := record("nothing")
			investigate(t, claude, forever(look(lookAtLogs), model.Step{Text: text}), &fakeTool{output: logLine}, rec)
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			assert.Equal(t, strings.TrimSpace(text), rec.Report.FreeText)
		})
	}
}

func TestProse_LongAnswerSaysThatItIsTruncated(t *testing.T) {
	rec := record("{}")
	long := model.Step{Text: "The pool is full.\n\n" + strings.Repeat("Each request waits for a connection. ", 6000)}
	_, err := run(t, forever(look("print(1)"), long), &fakeTool{output: "disk usage 100 %"}, rec, nil, nil)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(rec.Report.FreeText, "[truncated]"), "%d", len(rec.Report.FreeText))
	assert.Equal(t, "The pool is full.", rec.Report.Summary)
}

func TestReport_ATruncatedTextEndsBeforeABlockOfCode(t *testing.T) {
	const ended, begun = "```\naws sts get-caller-identity\n```", "aws rds modify-db-instance --db-instance-identifier orders"
	long := strings.Repeat("Each request waits for a connection. ", 105)
	rest := " --" + strings.Repeat("x", 1000)
	for _, test := range []struct{ name, text, want string }{
		{"a block", long + "\n```bash\n" + begun + rest, ""},
		{"a block that ended", ended + "\n" + long + "\n~~~\n" + begun + rest, ended},
		{"in an item", long + "\n- ```\n" + begun + rest + "\n```", ""},
		{"after text", long + "\nRun this: ```\n" + begun + rest + "\n```", "Run this:"},
		{"a block in a block", "The cause:\n" + long + "\n```\n" + begun + "\n```bash\n" + begun + rest, "The cause:"},
		{"a block with a title in a block", "The cause:\n" + long + "\n```\n" + begun + "\n```c# title=\"x\"\n" + begun + rest, "The cause:"},
		{"a block in a block of everything", "```markdown\n" + long + "\n```bash\n" + begun + rest, ""},
		{"all of it", "```text\n" + long + "\n" + begun + rest, begun},
		{"all of it, in one line", "```" + long + begun + rest, begun},
		{"most of it", "The cause:\n```markdown\n" + long + "\n" + begun + rest, begun},
		{"after a block", ended + "\n" + long + rest, "--xx"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := record("{}")
			input := reportInput("the disk is full", 1, "disk usage 100 %")
			input["root_cause"] = test.text
			step := model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: input}}}
			investigate(t, claude, forever(look("print(1)"), step), &fakeTool{output: "disk usage 100 %"}, rec)
			cause := rec.Report.RootCause
			assert.Contains(t, cause, test.want)
			assert.Contains(t, cause, "Each request waits for a connection.")
			assert.True(t, strings.HasSuffix(cause, "… [truncated]"), cause[len(cause)-100:])
			assert.LessOrEqual(t, utf8.RuneCountInString(cause), 4000)
			if test.want != begun {
				assert.NotContains(t, cause, begun)
			}
			assert.Zero(t, strings.Count(cause, "```")%2, "no block is open")
		})
	}
}

func TestSubmit_TheMostCompleteReportOfAnAnswerCounts(t *testing.T) {
	report, part := reportInput("the disk is full", 1, "disk usage 100 %"), reportInput("the disk is slow", 1, "disk usage 100 %")
	delete(part, "findings")
	worse, onlyCause := map[string]any{"summary": "See above."}, map[string]any{"root_cause": "the disk is full"}
	rest := reportInput("the disk is full", 1, "disk usage 100 %")
	delete(rest, "summary")
	delete(rest, "root_cause")
	answer := func(inputs ...map[string]any) (step model.Step) {
		for _, input := range inputs {
			step.Tools = append(step.Tools, model.ToolUse{Name: "submit_report", Input: input})
		}
		return step
	}
	for _, test := range []struct {
		rounds int // after two, the model has to conclude
		inputs []map[string]any
		want   investigation.Outcome
	}{
		{2, []map[string]any{part, report}, investigation.OutcomeConcluded},
		{2, []map[string]any{report, part}, investigation.OutcomeConcluded},
		{2, []map[string]any{worse, part, report, worse}, investigation.OutcomeConcluded},
		{2, []map[string]any{onlyCause, rest}, investigation.OutcomeConcluded},
		{10, []map[string]any{worse, worse, part, report}, investigation.OutcomeCompleted}, // two are returned
	} {
		rec := record("{}")
		_, err := run(t, forever(look("print(1)"), answer(test.inputs...)), &fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) { o.MaxRounds = test.rounds })
		require.NoError(t, err)
		assert.Equal(t, test.want, rec.Outcome)
		assert.Equal(t, "the disk is full", rec.Report.RootCause)
	}
}

func TestProse_AfterAReturnedReportDoesNotReplaceIt(t *testing.T) {
	rec := record("{}")
	end := model.Step{Text: "The report was submitted above."}
	investigate(t, claude, model.Script{Steps: []model.Step{
		look("print(1)"), submit("the disk is full", 1, "no such quote"), end, end,
	}}, &fakeTool{output: "disk usage 100 %"}, rec)
	assert.Equal(t, investigation.OutcomeConcluded, rec.Outcome)
	assert.Equal(t, "The model's report was returned for correction and never resubmitted; unverified statements are marked. "+
		"It answered in prose instead.", rec.OutcomeWhy)
	assert.Equal(t, "the disk is full", rec.Report.RootCause)
	assert.Equal(t, investigation.SeverityLow, rec.Report.Severity, "filters of subscriptions need it")
	assert.Equal(t, investigation.Unknown, rec.Report.Confidence)
	require.Len(t, rec.Report.Findings, 1)
	assert.False(t, rec.Report.Findings[0].Verified)
	assert.Equal(t, end.Text, rec.Report.FreeText)
}

func TestSubmit_PartsOfAReportDoNotReplaceTheReturnedOne(t *testing.T) {
	again := reportInput("the disk is slow", 1, "disk usage 100 %")
	for _, parts := range []map[string]any{
		{"summary": "1"},
		{"root_cause": "see above"},
		{"findings": again["findings"]},
		{"summary": "corrected", "findings": again["findings"], "confidence": "confirmed"},
		{"summary": "corrected", "root_cause": "", "findings": again["findings"], "confidence": "likely"},
		{"summary": "corrected", "root_cause": "", "findings": again["findings"], "confidence": ""},
		{"summary": "corrected", "findings": again["findings"], "confidence": "very high"},
		{"summary": map[string]any{}, "root_cause": "-", "findings": again["findings"]},
		{"summary": 0, "root_cause": []any{}, "findings": again["findings"]},
	} {
		rec := record("{}")
		part := model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: parts}}}
		investigate(t, claude, forever(look("print(1)"), submit("the disk is full", 1, "no such quote"), part), &fakeTool{output: "disk usage 100 %"}, rec)
		assert.Equal(t, "the disk is full", rec.Report.RootCause, "%v", parts)
		assert.NotEqual(t, "1", rec.Report.Summary)
		assert.NotEmpty(t, rec.Report.Actions)
		assert.Equal(t, investigation.Unknown, rec.Report.Confidence, "no quote was found")
	}
	rec := record("{}")
	verdict := model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: map[string]any{"summary": "It is slow.", "root_cause": "the disk is slow"}}}}
	investigate(t, claude, forever(look("print(1)"), submit("the disk is full", 1, "no such quote"), verdict), &fakeTool{output: "disk usage 100 %"}, rec)
	assert.Equal(t, "the disk is slow", rec.Report.RootCause, "the last verdict counts")

	step := func(parts map[string]any) model.Step {
		return model.Step{Tools: []model.ToolUse{{Name: "submit_report", Input: parts}}}
	}
	rec = record("{}")
	investigate(t, claude, forever(look("print(1)"), step(map[string]any{"summary": "It is slow."}), step(map[string]any{"root_cause": "the disk is slow"})),
		&fakeTool{output: "disk usage 100 %"}, rec)
	assert.Equal(t, "the disk is slow", rec.Report.RootCause, "the first one had no cause")

	for _, withdrawal := range []map[string]any{
		{"summary": "The cause is not known.", "root_cause": "", "confidence": "unknown", "findings": again["findings"]},
		{"summary": "The cause is not known.", "root_cause": nil},
		{"summary": "The cause is not known.", "confidence": "unknown"},
	} {
		rec := record("{}")
		cited := reportInput("the disk is full", 1, "disk usage 100 %")
		cited["findings"] = append(cited["findings"].([]any), reportInput("it grew", 1, "no such quote")["findings"].([]any)...)
		investigate(t, claude, forever(look("print(1)"), step(cited), step(withdrawal)), &fakeTool{output: "disk usage 100 %"}, rec)
		assert.Empty(t, rec.Report.RootCause, "%v", withdrawal)
		assert.Equal(t, "The cause is not known.", rec.Report.Summary)
		assert.Equal(t, investigation.Unknown, rec.Report.Confidence)
	}

	for _, actions := range []any{`[" "]`, []any{""}, []any{nil}, map[string]any{}, []any{map[string]any{"text": "", "command": nil}}, []any{[]any{}}} {
		rec = record("{}")
		empty := step(map[string]any{"root_cause": "the disk is full", "findings": again["findings"], "confidence": "confirmed", "immediate_actions": actions})
		investigate(t, claude, forever(look("print(1)"), submit("the disk is full", 1, "no such quote"), empty), &fakeTool{output: "disk usage 100 %"}, rec)
		assert.Len(t, rec.Report.Actions, 1, "%v", actions)
		assert.Equal(t, investigation.Confirmed, rec.Report.Confidence)
	}

	for _, cause := range []string{"the disk is full", "The disk is full.", "I was wrong: the disk is slow"} {
		rec = record("{}")
		causeAndFindings := step(map[string]any{"summary": " ", "root_cause": cause, "findings": again["findings"], "confidence": "confirmed", "immediate_actions": "[]"})
		investigate(t, claude, forever(look("print(1)"), submit("the disk is full", 1, "no such quote"), causeAndFindings), &fakeTool{output: "disk usage 100 %"}, rec)
		assert.Equal(t, cause, rec.Report.RootCause, "the last cause counts")
		assert.True(t, rec.Report.Findings[0].Verified, "so do its findings")
		if !strings.HasPrefix(cause, "I was wrong") {
			assert.Equal(t, "Orders: the disk is full", rec.Report.Summary)
			assert.NotEmpty(t, rec.Report.Actions)
		} else {
			assert.Empty(t, rec.Report.Summary, "the returned one is about another cause")
			assert.Empty(t, rec.Report.Actions)
		}
	}
}

func TestProse_AfterAReturnedReportStatesTheLimit(t *testing.T) {
	rec := record("{}")
	end, unknown := model.Step{Text: "The report was submitted above."}, model.Step{Tools: []model.ToolUse{{Name: "bash", Input: map[string]any{}}}}
	investigate(t, claude, model.Script{Steps: []model.Step{
		look("print(1)"), submit("the disk is full", 1, "no such quote"), unknown, unknown, end, end,
	}}, &fakeTool{output: "disk usage 100 %"}, rec)
	assert.Equal(t, "the disk is full", rec.Report.RootCause)
	assert.Contains(t, rec.OutcomeWhy, "It answered in prose instead. The model was asked to conclude early because the model's answers no longer advance")
}
