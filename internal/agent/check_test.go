package agent_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// quoted returns the record of an investigation that quotes the output of its only tool call.
func quoted(t *testing.T, tool *fakeTool, quote string) *investigation.Record {
	t.Helper()
	rec := record("nothing")
	investigate(t, nova, forever(look("look()"), submit("it is so", 1, quote)), tool, rec)
	require.Len(t, rec.Report.Findings, 1)
	return rec
}

func TestCheck_TimeThatJSONCannotHoldIsUnknown(t *testing.T) {
	report := submit("it is so", 1, "as")
	finding := report.Tools[0].Input["findings"].([]any)[0].(map[string]any)
	for _, text := range []string{"9999-12-31T23:59:59-23:00", "0000-01-01T00:00:00+23:00"} {
		finding["time"] = text
		rec := record("nothing")
		investigate(t, nova, forever(look("look()"), report), &fakeTool{output: "as"}, rec)
		require.Len(t, rec.Report.Findings, 1)
		assert.Zero(t, rec.Report.Findings[0].Time)
		_, err := json.Marshal(rec)
		assert.NoError(t, err, "the record of a report with %s is stored and parked", text)
	}
}

func TestCheck_EncodingsOfOneTextAreTheSame(t *testing.T) {
	for _, test := range []struct{ name, output, quote string }{
		{"JSON escapes", `{"message": "Zertifikat f\u00fcr orders.intern ist abgelaufen"}`, "Zertifikat für orders.intern ist abgelaufen"},
		{"Japanese", `{"message": "\u8a3c\u660e\u66f8\u306e\u6709\u52b9\u671f\u9650"}`, "証明書の有効期限"},
		{"surrogates", `"\ud83d\udd25 the pool is on fire"`, "🔥 the pool is on fire"},
		{"arrow", `["orders \u2192 payments: refused"]`, "orders → payments: refused"},
		{"JSON in JSON", `{"message": "{\"level\": \"ERROR\", \"error\": \"pool exhausted\"}"}`, `{"level": "ERROR", "error": "pool exhausted"}`},
		{"JSON in JSON in JSON", `"{\"a\": \"{\\\"error\\\": \\\"f\\\\u00fcr 3\\\"}\"}"`, `{"error": "für 3"}`},
		{"escaped slash", `"https:\/\/orders.example\/health"`, "https://orders.example/health"},
		{"the quote is escaped", "Zertifikat für orders", `Zertifikat f\u00fcr orders`},
		{"repr", `['it isn\'t there:\n  File "app.py"']`, "it isn't there: File \"app.py\""},
		{"bytes", `b'f\xc3\xbcr orders'`, "für orders"},
		{"decomposed output", "refuse\u0301e par l'ho\u0302te", "refusée par l'hôte"},
		{"decomposed quote", "refusée par l'hôte", "refuse\u0301e par l'ho\u0302te"},
		{"decomposed Hangul", "\u1112\u1161\u11ab\u1100\u1173\u11af timeout", "한글 timeout"},
		{"typographic quotes", "can’t read “orders” – denied", `can't read "orders" - denied`},
		{"plain quotes", `can't read "orders" - denied`, "can’t read “orders” — denied"},
		{"ellipsis character", "waiting… done", "waiting... done"},
		{"zero width", "the pool of user\u200b-service", "the pool of user-service"},
		{"byte order mark", "\ufeffpool exhausted", "pool exhausted"},
		{"soft hyphen", "connection ex\u00adhausted", "connection exhausted"},
		{"blanks", "12\u00a0000\u202fms in\u3000total", "12 000 ms in total"},
		{"HTML", "a &lt;timeout&gt; of &quot;orders&quot; &amp; &#39;users&#39;", `a <timeout> of "orders" & 'users'`},
		{"HTML twice", "a &amp;lt;timeout&amp;gt; happened", "a <timeout> happened"},
		{"hexadecimal entity", "it isn&#x27;t there", "it isn't there"},
		{"the first words of a name", "An error occurred (AccessDeniedException) for orders", "An error occurred (AccessDenied"},
		{"wrapped lines", "not authorized\n    to perform:\r\n\tdynamodb:GetItem", "not authorized to perform: dynamodb:GetItem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			finding := quoted(t, &fakeTool{output: test.output}, test.quote).Report.Findings[0]
			assert.Equal(t, investigation.SourceAWS, finding.Evidence[0].Source, finding.Problem)
			assert.Equal(t, investigation.Confirmed, finding.Confidence)
		})
	}
}

func TestCheck_SimilarTextIsNotTheSame(t *testing.T) {
	for _, test := range []struct{ name, output, quote string }{
		{"a longer number", "Errors: 100", "Errors: 10"},
		{"a number that goes on before", "Errors 110 of 120", "10 of 120"},
		{"a decimal", "Duration: 10.5 ms", "Duration: 10"},
		{"a part of a decimal", "Duration 10.5 seconds", "5 seconds"},
		{"thousands", "Errors: 10,000", "Errors: 10"},
		{"a sign", "change: -5 percent", "5 percent"},
		{"a changed number", "Errors: 12 of 40", "Errors: 13 of 40"},
		{"a dropped negation", "orders-role is not authorized", "orders-role is authorized"},
		{"a negated word", "orders-role is unauthorized to read", "authorized to read"},
		{"the last words of a name", "denied: dynamodb:BatchGetItem on orders", "GetItem on orders"},
		{"an id", "request 3f2a-99c1 failed", "request 3f2a-99c2 failed"},
		{"case", "AccessDenied for orders", "accessdenied for orders"},
		{"a word more", "the pool is exhausted", "the pool is almost exhausted"},
		{"an ellipsis in the middle", "the pool of the orders service is exhausted", "the pool … is exhausted"},
		{"dots in the middle", "the pool of the orders service is exhausted", "the pool ... is exhausted"},
		{"another letter that looks alike", "the pool is exhausted", "the p\u043eol is exhausted"},
		{"another operator", "Errors >= 100 for orders", "Errors <= 100 for orders"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := quoted(t, &fakeTool{output: test.output}, test.quote)
			finding := rec.Report.Findings[0]
			assert.False(t, finding.Verified)
			assert.False(t, finding.Evidence[0].Found)
			assert.Contains(t, finding.Problem, "not in the output")
			assert.Equal(t, investigation.Unknown, rec.Report.Confidence)
		})
	}
}

func TestCheck_StateDependsOnWhatAWSAnswered(t *testing.T) {
	const output = "role orders-role: AccessDenied for dynamodb:GetItem\n12 errors"
	part := func(from, to int) []toolcall.Span { return []toolcall.Span{{From: from, To: to}} }
	request := []toolcall.AWSCall{{Service: "logs", Operation: "FilterLogEvents", Status: 200}}
	const quote = "AccessDenied for dynamodb:GetItem"
	at := strings.Index(output, quote)
	for _, test := range []struct {
		name     string
		observed *toolcall.Observed
		calls    []toolcall.AWSCall
		source   investigation.Source
		problem  string
	}{
		{"AWS answered it", &toolcall.Observed{Answers: 1, Spans: part(at, at+len(quote))}, request, investigation.SourceAWS, ""},
		{"AWS answered more", &toolcall.Observed{Answers: 1, Spans: part(0, len(output))}, request, investigation.SourceAWS, ""},
		{"AWS answered a part", &toolcall.Observed{Answers: 1, Spans: part(at, at+len(quote)-1)}, request, investigation.SourceComputed, ""},
		{"AWS answered both halves separately", &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{From: 0, To: at + 12}, {From: at + 13, To: len(output)}}},
			request, investigation.SourceComputed, ""},
		{"AWS answered something else", &toolcall.Observed{Answers: 1}, request, investigation.SourceComputed, ""},
		{"the code asked for it", &toolcall.Observed{Answers: 1, Spans: part(0, len(output)), Asked: part(at, len(output))}, request, investigation.SourceComputed, ""},
		{"no answer", &toolcall.Observed{}, nil, "", "no successful answer"},
		{"only failures", &toolcall.Observed{Spans: part(0, len(output))}, []toolcall.AWSCall{{Status: 403}}, "", "no successful answer"},
		{"an older tool with a request", nil, request, investigation.SourceComputed, ""},
		{"an older tool with a refused request", nil, []toolcall.AWSCall{{Status: 200, Refused: "no"}}, "", "no successful answer"},
		{"an older tool without a request", nil, nil, "", "no successful answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tool := &fakeTool{output: output, change: func(a *toolcall.Answer) { a.Observed, a.AWSCalls = test.observed, test.calls }}
			rec := quoted(t, tool, quote)
			finding := rec.Report.Findings[0]
			assert.True(t, finding.Evidence[0].Found)
			assert.Equal(t, test.source, finding.Evidence[0].Source)
			assert.Contains(t, finding.Problem, test.problem)
			assert.Equal(t, test.problem == "", finding.Verified)
			want := map[investigation.Source]investigation.Confidence{
				investigation.SourceAWS: investigation.Confirmed, investigation.SourceComputed: investigation.Likely, "": investigation.Unknown,
			}[test.source]
			assert.Equal(t, want, rec.Report.Confidence)
			assert.Equal(t, test.source != investigation.SourceAWS, rec.Report.Downgraded != "")
		})
	}
}

// Code often searches for the words that its output then shows. They are part of the code, and of what AWS answered.
func TestCheck_WordsOfTheCodeCountAsComputedWithinALongerAnswer(t *testing.T) {
	const quote = "pool is exhausted"
	const line = "03:20 ERROR the pool is exhausted for orders-db"
	part := func(output, text string) []toolcall.Span {
		at := strings.Index(output, text)
		return []toolcall.Span{{From: at, To: at + len(text)}}
	}
	const search, printed = `print(find("pool is exhausted"))`, `print("the pool is exhausted", find("for"))`
	for _, test := range []struct {
		name, code, output, answered string
		source                       investigation.Source
	}{
		{"a line that the code searched for", search, line, line, investigation.SourceComputed},
		{"AWS answered only these words", search, line, quote, ""},
		{"AWS answered other words", search, line, "for orders-db", ""},
		{"AWS answered a longer text, but the code has it, too", printed, line, "the pool is exhausted", ""},
		{"code that prints its own words beside an answer", printed, "the pool is exhausted for orders-db", "for orders-db", ""},
		{"an answer that ends inside the words", search, line, "03:20 ERROR the pool is", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tool := &fakeTool{output: test.output, change: func(a *toolcall.Answer) { a.Observed.Spans = part(test.output, test.answered) }}
			rec := record("nothing")
			investigate(t, nova, forever(look(test.code), submit("the pool is full", 1, quote)), tool, rec)
			finding := rec.Report.Findings[0]
			assert.Equal(t, test.source, finding.Evidence[0].Source)
			assert.Equal(t, test.source != "", finding.Verified)
			assert.NotEqual(t, investigation.Confirmed, finding.Confidence)
			assert.Equal(t, test.source == "", strings.Contains(finding.Problem, "part of the code"))
		})
	}
}

func TestCheck_ARedactedSecretDoesNotMatter(t *testing.T) {
	const output = "login of app with [redacted: secret] was refused by orders-db"
	after := strings.Index(output, "was refused")
	tool := &fakeTool{output: output, change: func(a *toolcall.Answer) {
		a.Observed.Spans = []toolcall.Span{{To: after - 1}, {From: after, To: len(output)}}
	}}
	source := func(quote string) investigation.Source {
		return quoted(t, tool, quote).Report.Findings[0].Evidence[0].Source
	}
	assert.Equal(t, investigation.SourceAWS, source("login of app with [redacted: secret]"))
	assert.Equal(t, investigation.SourceAWS, source("[redacted: secret] was refused by orders-db"))
	assert.Equal(t, investigation.SourceComputed, source(output), "the mark joins nothing")
}

func TestCheck_SmallNumbersAreComputed(t *testing.T) {
	finding := quoted(t, &fakeTool{output: "12 40 7 0 12.5"}, "12 40 7 0").Report.Findings[0]
	assert.Equal(t, investigation.SourceComputed, finding.Evidence[0].Source)
}

func TestCheck_TheModelLearnsThatACallProvesNothing(t *testing.T) {
	rec := record("nothing")
	tool := &fakeTool{output: "the cause is clear", change: func(a *toolcall.Answer) { a.Observed = &toolcall.Observed{} }}
	server := investigate(t, nova, forever(look("look()"), submit("it is so", 1, "the cause is clear")), tool, rec)
	requests := server.Requests()
	assert.Contains(t, string(requests[2].Request.Raw), "tool call 1 got no successful answer from AWS")
}

// A finding with one quote that AWS answered and one that code computed is labeled. The cause is confirmed only if
// another finding is.
func TestCheck_OneComputedQuoteMakesTheFindingComputed(t *testing.T) {
	tool := &fakeTool{output: "AccessDenied for dynamodb:GetItem\ntotal errors 57", change: func(a *toolcall.Answer) { a.Observed.Spans[0].To = 33 }}
	input := reportInput("it is so", 1, "AccessDenied for dynamodb:GetItem")
	evidence := func(quotes ...string) map[string]any {
		var list []any
		for _, quote := range quotes {
			list = append(list, map[string]any{"call": 1, "quote": quote})
		}
		return map[string]any{"statement": "a fact", "confidence": "confirmed", "evidence": list}
	}
	mixed, plain := evidence("AccessDenied for dynamodb:GetItem", "total errors 57"), evidence("AccessDenied for dynamodb:GetItem")
	for _, test := range []struct {
		name     string
		findings []any
		want     investigation.Confidence
	}{
		{"alone", []any{mixed}, investigation.Likely},
		{"beside a confirmed one", []any{mixed, plain}, investigation.Confirmed},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := record("nothing")
			input["findings"] = test.findings
			step := submit("it is so", 1, "x")
			step.Tools[0].Input = input
			investigate(t, nova, forever(look("look()"), step), tool, rec)
			assert.Equal(t, investigation.Likely, rec.Report.Findings[0].Confidence)
			assert.True(t, rec.Report.Findings[0].Verified && rec.Report.Findings[0].IsComputed())
			assert.Equal(t, test.want, rec.Report.Confidence)
		})
	}
}

func TestRecord_OfAnOlderVersionIsRead(t *testing.T) {
	const old = `{"rounds": [{"calls": [{"number": 1, "answer": {"success": true, "output": "denied", "aws_calls": []}}]}],
		"report": {"confidence": "confirmed", "findings": [{"verified": true, "evidence": [{"call": 1, "quote": "denied", "found": true}]}]}}`
	var rec investigation.Record
	require.NoError(t, json.Unmarshal([]byte(old), &rec))
	assert.Nil(t, rec.Call(1).Answer.Observed)
	assert.False(t, rec.Report.Findings[0].IsComputed())
	assert.Equal(t, investigation.Source(""), rec.Report.Findings[0].Evidence[0].Source)
}

// The search in an output takes many times its memory, and an investigation can have the outputs of hundreds of calls.
func TestCheck_KeepsTheSearchInOneOutputOnly(t *testing.T) {
	rec := record("nothing")
	var report investigation.Report
	for number := 1; number <= 40; number++ {
		quote := fmt.Sprintf("this is call %d of them", number)
		output := strings.Repeat("a b ", 25_000) + quote
		rec.Rounds = append(rec.Rounds, investigation.Round{Calls: []investigation.ToolCall{{Number: number, Answer: &toolcall.Answer{
			Success: true, Output: output,
			Observed: &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{From: 0, To: len(output)}}},
		}}}})
		report.Findings = append(report.Findings, investigation.Finding{Evidence: []investigation.Citation{{Call: number, Quote: quote}}})
	}
	report.RuledOut = []investigation.Refuted{{Evidence: []investigation.Citation{{Call: 1, Quote: "this is call 1 of them"}}}}
	before := heap()
	kept := agent.CheckQuotes(&report, rec)
	assert.Less(t, heap()-before, int64(8<<20), "bytes")
	runtime.KeepAlive(kept)
	for _, finding := range report.Findings {
		assert.Equal(t, investigation.SourceAWS, finding.Evidence[0].Source)
	}
	assert.Equal(t, investigation.SourceAWS, report.RuledOut[0].Evidence[0].Source)
}

// heap returns how many bytes are in use.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// A quote can be at many places of an output, and the code can be long.
func TestCheck_ReadsTheCodeOfACallOnce(t *testing.T) {
	const quote = "alpha beta gamma"
	var output strings.Builder
	var spans []toolcall.Span
	for range 100 {
		output.WriteString("## ")
		from := output.Len()
		output.WriteString(quote)
		spans = append(spans, toolcall.Span{From: from, To: output.Len()})
	}
	rec := record("nothing")
	code := quote + strings.Repeat(" abcdefgh", 10_000)
	rec.Rounds = []investigation.Round{{Calls: []investigation.ToolCall{{Number: 1, Command: code, Answer: &toolcall.Answer{
		Success: true, Output: output.String(), Observed: &toolcall.Observed{Answers: 1, Spans: spans},
	}}}}}
	var report investigation.Report
	for range 25 {
		report.Findings = append(report.Findings, investigation.Finding{Evidence: []investigation.Citation{{Call: 1, Quote: quote}}})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	agent.CheckQuotes(&report, rec)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20*len(code)), "bytes")
	assert.False(t, report.Findings[0].Evidence[0].Found)
}

func TestCheck_TextOfEarlierCodeIsComputed(t *testing.T) {
	const output = "pool exhausted on payments after 30 s, orders-role"
	source := func(earlier, quote string) investigation.Source {
		rec := record("nothing")
		investigate(t, nova, forever(look(earlier), look("look()"), submit("it is so", 2, quote)), &fakeTool{output: output}, rec)
		require.Len(t, rec.Report.Findings, 1)
		return rec.Report.Findings[0].Evidence[0].Source
	}
	const query = `logs_query("orders", "filter @message = 'pool exhausted on payments'", role="orders-role")`
	assert.Equal(t, investigation.SourceComputed, source(query, "pool exhausted on payments"))
	assert.Equal(t, investigation.SourceComputed, source(query, "exhausted on payments"))
	assert.Equal(t, investigation.SourceAWS, source(query, "pool exhausted on payments after 30 s"))
	assert.Equal(t, investigation.SourceAWS, source(query, "orders-role"), "a single word, such as a name")
	assert.Equal(t, investigation.SourceAWS, source("look(1)", "pool exhausted on payments"))
}

// The code of a call makes AWS answer what it sent. The tool's supervisor sees the requests, the orchestrator only the
// positions.
func TestCheck_WhatAWSRepeatsIsComputed(t *testing.T) {
	const repeated, answered = "disk full on orders-db 300", `"FunctionName": "orders", "Timeout": 3`
	source := func(quote string) investigation.Source {
		tool := &fakeTool{output: repeated + "\n" + answered, change: func(a *toolcall.Answer) {
			var r provenance.Recorder
			r.Record(provenance.Exchange{Operation: "cloudwatch:GetMetricData", Status: 200,
				Request: []byte(`{"MetricDataQueries":[{"Id":"a","Label":"disk full on orders-db ${PROP('Period')}"}]}`),
				Answer:  []byte(`{"MetricDataResults":[{"Id":"a","Label":"disk full on orders-db 300","Values":[1]}]}`)})
			r.Record(provenance.Exchange{Operation: "lambda:GetFunctionConfiguration", Status: 200, URL: "https://l/2015-03-31/functions/orders/configuration",
				Answer: []byte(`{"FunctionName":"orders","Timeout":3}`)})
			a.Observed = r.Judge(a.Output, time.Time{})
		}}
		return quoted(t, tool, quote).Report.Findings[0].Evidence[0].Source
	}
	assert.Equal(t, investigation.SourceComputed, source(repeated))
	assert.Equal(t, investigation.SourceComputed, source("orders-db 300"))
	assert.Equal(t, investigation.SourceAWS, source(answered))
}
