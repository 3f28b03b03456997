package agent_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const tableOutput = "table Orders status ACTIVE, 12 throttled requests in total"

// tableTool answers with a line of which AWS answered only the status.
func tableTool() *fakeTool {
	return &fakeTool{output: tableOutput, change: func(a *toolcall.Answer) {
		a.Observed = &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{To: strings.Index(tableOutput, ",")}}}
	}}
}

// ruledOut returns the record of an investigation whose report has these entries in ruled_out.
func ruledOut(t *testing.T, entries any) *investigation.Record {
	t.Helper()
	step := submit(rootCause, 1, "table Orders status ACTIVE")
	step.Tools[0].Input["ruled_out"] = entries
	rec := record("nothing")
	investigate(t, nova, forever(look("look()"), step), tableTool(), rec)
	require.Len(t, rec.Report.Findings, 1)
	return rec
}

func against(call any, quotes ...string) map[string]any {
	evidence := []any{}
	for _, quote := range quotes {
		evidence = append(evidence, map[string]any{"call": call, "quote": quote})
	}
	return map[string]any{"hypothesis": "The table is down.", "reason": "It is active.", "evidence": evidence}
}

// What was ruled out has the same kinds of evidence as findings.
func TestRuledOut_EvidenceIsCheckedLikeThatOfFindings(t *testing.T) {
	for _, test := range []struct {
		name     string
		entry    map[string]any
		verified bool
		computed bool
		problem  string
	}{
		{"answered by AWS", against(1, "table Orders status ACTIVE"), true, false, ""},
		{"computed by the code", against(1, "12 throttled requests in total"), true, true, ""},
		{"one of two is computed", against(1, "table Orders status ACTIVE", "12 throttled requests in total"), true, true, ""},
		{"not in the output", against(1, "table Orders status DELETING"), false, false, "not in the output of tool call 1"},
		{"one of two is not in the output", against(1, "table Orders status DELETING", "table Orders status ACTIVE"), false, false, "not in the output of tool call 1"},
		{"another call", against(7, "table Orders status ACTIVE"), false, false, "tool call 7 does not exist"},
		{"a call below 0", against(-7, "table Orders status ACTIVE"), false, false, "has no number of one"},
		{"a call beyond all numbers", against(1e300, "table Orders status ACTIVE"), false, false, "has no number of one"},
		{"only in the code", against(1, "look()"), false, false, "not in the output"},
		{"too short", against(1, "12"), false, false, "too short"},
		{"no evidence", against(1), false, false, "no evidence is cited"},
		{"no number", against(nil, "table Orders status ACTIVE"), false, false, "does not exist"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := ruledOut(t, []any{test.entry})
			require.Len(t, rec.Report.RuledOut, 1)
			got := rec.Report.RuledOut[0]
			assert.Equal(t, "The table is down.", got.Hypothesis)
			assert.Equal(t, "It is active.", got.Reason)
			assert.Equal(t, test.verified, got.Verified, got.Problem)
			assert.Equal(t, test.computed, got.IsComputed())
			for _, cited := range got.Evidence {
				assert.GreaterOrEqual(t, cited.Call, -1, "the schema allows no smaller number")
			}
			if test.problem == "" {
				assert.Empty(t, got.Problem)
			} else {
				assert.Contains(t, got.Problem, test.problem)
			}
			assert.Equal(t, investigation.Confirmed, rec.Report.Confidence, "the cause depends on the findings alone")
			assert.Empty(t, rec.Report.Downgraded)
		})
	}
}

// What the model states about its own entries does not count.
func TestRuledOut_ModelCannotClaimThatAnEntryIsVerified(t *testing.T) {
	entry := against(1)
	entry["verified"], entry["problem"] = true, "none"
	entry["evidence"] = []any{map[string]any{"call": 1, "quote": "the table is fine", "found": true, "source": "aws"}}
	got := ruledOut(t, []any{entry}).Report.RuledOut[0]
	assert.False(t, got.Verified)
	assert.Equal(t, []investigation.Citation{{Call: 1, Quote: "the table is fine"}}, got.Evidence)
}

// A cause is not confirmed by what was ruled out.
func TestRuledOut_DoesNotVerifyTheCause(t *testing.T) {
	step := submit(rootCause, 1, "invented text")
	step.Tools[0].Input["ruled_out"] = []any{against(1, "table Orders status ACTIVE")}
	rec := record("nothing")
	investigate(t, nova, forever(look("look()"), step), tableTool(), rec)
	assert.True(t, rec.Report.RuledOut[0].Verified)
	assert.Equal(t, investigation.Unknown, rec.Report.Confidence)
}

func TestRuledOut_InputIsReadInAnyForm(t *testing.T) {
	entry := against(1, "table Orders status ACTIVE")
	spelled := map[string]any{"statement": entry["hypothesis"], "reason": entry["reason"], "evidence": entry["evidence"]}
	for _, test := range []struct {
		name  string
		input any
	}{
		{"a list", []any{entry}},
		{"a list as text", asJSON(t, []any{entry})},
		{"each entry as text", []any{asJSON(t, entry)}},
		{"one entry without a list", entry},
		{"one entry as text", asJSON(t, entry)},
		{"below an element", map[string]any{"item": []any{entry}}},
		{"the name that findings have", []any{spelled}},
		{"evidence as text", []any{map[string]any{"hypothesis": entry["hypothesis"], "reason": entry["reason"], "evidence": asJSON(t, entry["evidence"])}}},
		{"the number as text", []any{against("call 1", "table Orders status ACTIVE")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := ruledOut(t, test.input)
			require.Len(t, rec.Report.RuledOut, 1)
			got := rec.Report.RuledOut[0]
			assert.Equal(t, "The table is down.", got.Hypothesis)
			assert.Equal(t, "It is active.", got.Reason)
			assert.True(t, got.Verified, got.Problem)
		})
	}
	for _, empty := range []any{nil, "", []any{}, []any{nil}, []any{map[string]any{}}, []any{map[string]any{"reason": "x"}}, map[string]any{}} {
		rec := ruledOut(t, empty)
		assert.Empty(t, rec.Report.RuledOut, "%v", empty)
		assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, "the field is optional")
	}
	sentences := ruledOut(t, []any{"It is not the table."}).Report.RuledOut
	require.Len(t, sentences, 1)
	assert.Equal(t, "It is not the table.", sentences[0].Hypothesis)
	assert.False(t, sentences[0].Verified)
	assert.Equal(t, "no evidence is cited", sentences[0].Problem)
}

func TestRuledOut_IsBounded(t *testing.T) {
	var many []any
	for i := range 40 {
		entry := against(1, strings.Repeat("x", 5000))
		entry["hypothesis"], entry["reason"] = fmt.Sprintf("%d%s", i, strings.Repeat("h", 5000)), strings.Repeat("r", 5000)
		many = append(many, entry)
	}
	got := ruledOut(t, many).Report.RuledOut
	require.Len(t, got, 25)
	for _, refuted := range got {
		assert.LessOrEqual(t, len([]rune(refuted.Hypothesis)), 600)
		assert.True(t, strings.HasSuffix(refuted.Hypothesis, " [truncated]"))
		assert.True(t, strings.HasSuffix(refuted.Reason, " [truncated]"))
		assert.Len(t, refuted.Evidence[0].Quote, 1000)
	}
}

// The model may correct a wrong quote, as it may in a finding.
func TestRuledOut_WrongQuoteIsReturnedToTheModel(t *testing.T) {
	first, second := submit(rootCause, 1, "table Orders status ACTIVE"), submit(rootCause, 1, "table Orders status ACTIVE")
	first.Tools[0].Input["ruled_out"] = []any{against(1, "table Orders status ACTIVE"), against(1, "table Orders is fine")}
	second.Tools[0].Input["ruled_out"] = []any{against(1, "table Orders status ACTIVE")}
	second.Expect = []string{`ruled_out 2, quote \\?"table Orders is fine\\?": the quote is not in the output of tool call 1`}
	rec := record("nothing")
	investigate(t, nova, model.Script{Steps: []model.Step{look("look()"), first, second}}, tableTool(), rec)
	require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	require.Len(t, rec.Report.RuledOut, 1)
	assert.True(t, rec.Report.RuledOut[0].Verified)
}

func TestRuledOut_ThoughtsAreNotReported(t *testing.T) {
	entry := against(1, "table Orders status ACTIVE")
	entry["hypothesis"], entry["reason"] = "<thinking>Or the table?</thinking>The table is down.", "<think>Hm.</think>It is active."
	rec := ruledOut(t, []any{entry})
	assert.Equal(t, "The table is down.", rec.Report.RuledOut[0].Hypothesis)
	assert.Equal(t, "It is active.", rec.Report.RuledOut[0].Reason)
	assert.Contains(t, rec.Rounds[1].Reasoning, "Or the table?")
}
