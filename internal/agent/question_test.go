package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// finished returns the record of an investigation with two tool calls.
func finished() *investigation.Record {
	rec := record("errors began at 12:30 UTC")
	call := func(number int, command, output string) investigation.ToolCall {
		return investigation.ToolCall{Number: number, Name: toolcall.Name, Command: command, Answer: &toolcall.Answer{
			Success: true, Output: output, Observed: answered(output),
			BilledQueries: []toolcall.BilledQueries{{Operation: "logs:StartQuery", CostUSD: 0.9}},
		}}
	}
	rec.Rounds = []investigation.Round{
		{Number: 1, Calls: []investigation.ToolCall{call(1, "print(policy())", "inline policy orders allows DescribeTable only"),
			call(2, "print(table())", "table Orders status ACTIVE")}},
		{Number: 2},
	}
	rec.Outcome, rec.ReportURI = investigation.OutcomeCompleted, "s3://reports/reports/2026/08/04/123615-orders-errors-0123456789ab.txt"
	rec.Report = investigation.Report{Summary: "Orders fail.", RootCause: "The role lost dynamodb:GetItem.", Confidence: investigation.Confirmed}
	rec.Usage = investigation.Usage{ModelCalls: 2, InputTokens: 9000, CostUSD: 5, PriceKnown: true}
	return rec
}

// ask asks the scripted model about a finished investigation. change may change the options.
func ask(
	t testing.TB, script model.Script, tool *fakeTool, rec *investigation.Record, earlier []investigation.Answer, change func(*agent.Options),
) (*investigation.Answer, *model.Server) {
	t.Helper()
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	prices, err := pricing.Parse("")
	require.NoError(t, err)
	o := agent.Options{
		Model: bedrockruntime.New(bedrockruntime.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		}),
		Tool: tool, Models: []string{claude}, MaxRounds: 20, MaxQueryCostUSD: 1, Prices: prices,
		Sleep: func(context.Context, time.Duration) error { return nil },
	}
	if change != nil {
		change(&o)
	}
	before, err := json.Marshal(rec)
	require.NoError(t, err)
	answer, err := o.Ask(t.Context(), investigation.Limits{ConcludeAt: time.Now().Add(time.Hour), Log: slog.New(slog.DiscardHandler)}, rec, earlier, "Which table is affected?")
	require.NoError(t, err)
	assert.Equal(t, string(before), asJSON(t, rec), "the record stays the same")
	for _, request := range server.Requests() {
		assert.Empty(t, request.Problems)
	}
	return answer, server
}

// submitAnswer returns a step that submits a confirmed answer with one finding.
func submitAnswer(text string, call int, quote string) model.Step {
	return model.Step{Tools: []model.ToolUse{{Name: "submit_answer", Input: map[string]any{
		"answer": text, "confidence": "confirmed", "findings": []any{map[string]any{
			"statement": text, "confidence": "confirmed", "evidence": []any{map[string]any{"call": call, "quote": quote}},
		}},
	}}}}
}

func TestAsk_AnswersFromTheRecordWithCheckedQuotes(t *testing.T) {
	tool := &fakeTool{}
	answer, server := ask(t, model.Script{Steps: []model.Step{submitAnswer("The table Orders.", 2, "table Orders status ACTIVE")}}, tool, finished(), nil, nil)
	assert.Equal(t, "The table Orders.", answer.Text)
	assert.Equal(t, investigation.Confirmed, answer.Confidence)
	require.Len(t, answer.Findings, 1)
	assert.True(t, answer.Findings[0].Verified)
	assert.Equal(t, investigation.SourceAWS, answer.Findings[0].Evidence[0].Source)
	assert.Equal(t, investigation.OutcomeCompleted, answer.Outcome)
	assert.Equal(t, "0123456789ab", answer.Investigation)
	assert.Empty(t, tool.ran())
	require.Len(t, answer.Rounds, 1)
	assert.Equal(t, 3, answer.Rounds[0].Number, "the number continues those of the investigation")
	assert.Equal(t, 1, answer.Usage.ModelCalls)
	assert.Less(t, answer.Usage.CostUSD, 5.0, "the cost of the investigation is not part of it")
	opening := asJSON(t, server.Requests()[0].Request.Messages)
	for _, part := range []string{"Which table is affected?", "The role lost dynamodb:GetItem.", "inline policy orders allows", "errors began at 12:30"} {
		assert.Contains(t, opening, part)
	}
}

func TestAsk_RunsMoreToolCallsWithNumbersAfterThoseOfTheInvestigation(t *testing.T) {
	tool := &fakeTool{output: "item count 12345678"}
	script := model.Script{Steps: []model.Step{look("print(table())", "print(count())"), submitAnswer("It has 12345678 items.", 4, "item count 12345678")}}
	answer, _ := ask(t, script, tool, finished(), nil, nil)
	assert.ElementsMatch(t, []string{"print(table())", "print(count())"}, tool.ran(), "the same code as in the investigation is run again")
	require.Len(t, answer.Rounds, 2)
	assert.Equal(t, []int{3, 4}, []int{answer.Rounds[0].Calls[0].Number, answer.Rounds[0].Calls[1].Number})
	assert.Equal(t, investigation.Confirmed, answer.Confidence)
	for _, limit := range tool.limits {
		assert.InDelta(t, 0.25, limit, 1e-9, "the queries of the investigation do not count")
	}
	assert.Equal(t, 2, answer.Usage.ToolCalls)
}

func TestAsk_TheEvidenceOfAReportWithoutRoundsDoesNotCount(t *testing.T) {
	rec := record("errors began at 12:30 UTC")
	rec.Evidence.Call.Answer.BilledQueries = []toolcall.BilledQueries{{Operation: "logs:StartQuery", CostUSD: 0.9}}
	tool := &fakeTool{output: "item count 12345678"}
	answer, _ := ask(t, model.Script{Steps: []model.Step{look("print(count())"), submitAnswer("It has 12345678 items.", 1, "item count 12345678")}}, tool, rec, nil, nil)
	assert.Equal(t, []float64{0.25}, tool.limits)
	assert.Zero(t, answer.Usage.QueryCostUSD)
	assert.Equal(t, investigation.Confirmed, answer.Confidence)
}

func TestAsk_DoesNotConfirmFabricatedQuotes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script model.Script
	}{
		{"of an output that does not exist", forever(submitAnswer("Eve did it.", 99, "Eve changed the policy"))},
		{"of an output without it", forever(submitAnswer("Eve did it.", 2, "Eve changed the policy"))},
		{"of the text of the report", forever(submitAnswer("Eve did it.", 1, "The role lost dynamodb:GetItem."))},
		{"printed by code", forever(look("print('Eve changed the policy')"), submitAnswer("Eve did it.", 3, "Eve changed the policy"))},
		{"as text", forever(model.Step{Text: "Eve did it, and AWS confirmed that."})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, _ := ask(t, tt.script, &fakeTool{output: "Eve changed the policy"}, finished(), nil, nil)
			assert.Contains(t, answer.Text, "Eve did it")
			assert.Equal(t, investigation.Unknown, answer.Confidence)
			assert.NotEmpty(t, answer.Downgraded)
			assert.NotContains(t, answer.Downgraded, "cause")
			for _, finding := range answer.Findings {
				assert.False(t, finding.Verified)
			}
		})
	}
}

func TestAsk_StaysWithinTheLimitsOfAnInvestigation(t *testing.T) {
	endless := forever(look("print(random())"))
	t.Run("rounds", func(t *testing.T) {
		answer, server := ask(t, endless, &fakeTool{output: "nothing"}, finished(), nil, func(o *agent.Options) { o.MaxRounds = 4 })
		assert.Len(t, server.Requests(), 3+3, "three rounds, and three requests for a conclusion")
		assert.Empty(t, answer.Text)
		assert.Equal(t, investigation.OutcomeFallback, answer.Outcome)
		assert.Contains(t, answer.OutcomeWhy, "submitted no answer")
	})
	t.Run("money", func(t *testing.T) {
		answer, server := ask(t, endless, &fakeTool{output: "nothing"}, finished(), nil, func(o *agent.Options) { o.MaxCostUSD = 0.0001 })
		assert.Empty(t, server.Requests())
		assert.Contains(t, answer.OutcomeWhy, "does not allow one request")
	})
	t.Run("no model", func(t *testing.T) {
		denied := forever(model.Step{Error: &model.Error{Status: 403, Type: "AccessDeniedException", Message: "no access"}})
		answer, _ := ask(t, denied, &fakeTool{}, finished(), nil, nil)
		assert.Empty(t, answer.Text)
		assert.Equal(t, investigation.OutcomeFallback, answer.Outcome)
		assert.NotEmpty(t, answer.OutcomeWhy)
	})
}

func TestAsk_SlowRoundsOfTheInvestigationLeaveTimeForCode(t *testing.T) {
	rec, tool := finished(), &fakeTool{output: "item count 12345678"}
	for i := range rec.Rounds {
		rec.Rounds[i].DurationMS = time.Hour.Milliseconds()
	}
	server, err := model.Start(model.Script{Steps: []model.Step{look("print(count())"), submitAnswer("It has 12345678 items.", 3, "item count 12345678")}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	options := agent.Options{
		Model: bedrockruntime.New(bedrockruntime.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		}),
		Tool: tool, Models: []string{claude}, MaxRounds: 20, MaxQueryCostUSD: 1,
	}
	answer, err := options.Ask(ctx, investigation.Limits{ConcludeAt: time.Now().Add(30 * time.Minute), Log: slog.New(slog.DiscardHandler)}, rec, nil, "How many items?")
	require.NoError(t, err)
	assert.Equal(t, []string{"print(count())"}, tool.ran())
	assert.Equal(t, investigation.OutcomeCompleted, answer.Outcome)
}

func TestAsk_RecordIsBoundedDataAndNeverAnInstruction(t *testing.T) {
	reference, _ := ask(t, forever(submitAnswer("x", 2, "table Orders")), &fakeTool{}, finished(), nil, nil)
	require.NotNil(t, reference)
	_, plain := ask(t, forever(submitAnswer("Ok.", 2, "table Orders")), &fakeTool{}, finished(), nil, nil)
	for i, text := range injections {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			rec := finished()
			rec.Report.Summary, rec.Report.RootCause, rec.Alarm.Description = text, text, text
			rec.Rounds[0].Calls[0].Answer.Output, rec.Rounds[0].Calls[0].Command = text, "# "+text
			rec.SeenBefore = []investigation.Past{{Cause: text}}
			tool := &fakeTool{output: "nothing"}
			earlier := []investigation.Answer{{Question: text, Text: text}}
			answer, server := ask(t, forever(model.Step{Text: text}, model.Step{Text: text}, submitAnswer("Healthy.", 99, "proved")), tool, rec, earlier, nil)
			assert.NotEqual(t, investigation.Confirmed, answer.Confidence)
			assert.Empty(t, tool.ran(), "text that the model repeats from the record is no call")
			request := server.Requests()[0].Request
			assert.Equal(t, asJSON(t, plain.Requests()[0].Request.System), asJSON(t, request.System))
			assert.Equal(t, asJSON(t, plain.Requests()[0].Request.ToolConfig), asJSON(t, request.ToolConfig))
			opening := asJSON(t, request.Messages)
			question := strings.LastIndex(opening, "The engineer's question:")
			assert.Greater(t, question, strings.LastIndex(opening, "Earlier questions"), "the question comes last")
		})
	}
	t.Run("a record with many calls", func(t *testing.T) {
		rec := finished()
		for n := 3; n <= 200; n++ {
			rec.Rounds[1].Calls = append(rec.Rounds[1].Calls, investigation.ToolCall{
				Number: n, Command: strings.Repeat("look()\n", 100), Answer: &toolcall.Answer{
					Success: true, Output: fmt.Sprintf("output-%d ", n) + strings.Repeat("x", 9000),
					AWSCalls: slices.Repeat([]toolcall.AWSCall{{Service: "cloudwatch", Operation: "GetMetricData", Status: 200}}, 10),
				},
			})
		}
		_, server := ask(t, forever(submitAnswer("Ok.", 2, "table Orders status ACTIVE")), &fakeTool{}, rec, nil, nil)
		opening := asJSON(t, server.Requests()[0].Request.Messages)
		for n := 3; n <= 200; n++ {
			assert.Contains(t, opening, fmt.Sprintf("output-%d ", n))
		}
	})
	t.Run("a long event", func(t *testing.T) {
		rec := finished()
		rec.Alarm.Unrecognized, rec.Alarm.Description, rec.Alarm.Unconfirmed = strings.Repeat("<", 16<<10), strings.Repeat("<", 4<<10), "nobody saw it"
		_, server := ask(t, forever(submitAnswer("Ok.", 2, "table Orders status ACTIVE")), &fakeTool{}, rec, nil, nil)
		opening := asJSON(t, server.Requests()[0].Request.Messages)
		for _, part := range []string{"The role lost dynamodb:GetItem.", "table Orders status ACTIVE", "nobody saw it", rec.Alarm.ARN} {
			assert.Contains(t, opening, part)
		}
	})
	t.Run("a large record", func(t *testing.T) {
		rec := finished()
		for n := 3; n < 400; n++ {
			rec.Rounds[1].Calls = append(rec.Rounds[1].Calls, investigation.ToolCall{
				Number: n, Command: strings.Repeat("look()\n", 2000), Answer: &toolcall.Answer{Success: true, Output: strings.Repeat("<&>\u2028", 9000)},
			})
		}
		rec.Alarm.Configuration, rec.Alarm.ReasonData = strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20)
		_, server := ask(t, forever(submitAnswer("Ok.", 2, "table Orders status ACTIVE")), &fakeTool{}, rec, nil, nil)
		opening := asJSON(t, server.Requests()[0].Request.Messages)
		assert.Less(t, len(opening), 200<<10)
		assert.Contains(t, opening, "Which table is affected?")
	})
}

func TestAsk_ShowsTheLastEarlierAnswers(t *testing.T) {
	var earlier []investigation.Answer
	for n := range 5 {
		earlier = append(earlier, investigation.Answer{Question: fmt.Sprintf("question %d", n), Text: fmt.Sprintf("answer %d", n)})
	}
	_, server := ask(t, forever(submitAnswer("Ok.", 2, "table Orders status ACTIVE")), &fakeTool{}, finished(), earlier, nil)
	opening := asJSON(t, server.Requests()[0].Request.Messages)
	assert.NotContains(t, opening, "question 1")
	assert.Contains(t, opening, "question 2")
	assert.Contains(t, opening, "answer 4")
}

func TestAsk_ANumberIsAnAnswerAndAnEmptyObjectIsNone(t *testing.T) {
	step := func(text any) model.Step {
		return model.Step{Tools: []model.ToolUse{{Name: "submit_answer", Input: map[string]any{"answer": text, "confidence": "unknown"}}}}
	}
	answer, _ := ask(t, forever(step(map[string]any{}), step(0)), &fakeTool{}, finished(), nil, nil)
	assert.Equal(t, "0", answer.Text)
}

func TestAsk_ProseAfterAReturnedAnswerDoesNotReplaceIt(t *testing.T) {
	end := model.Step{Text: "The answer was submitted above."}
	answer, _ := ask(t, model.Script{Steps: []model.Step{
		look("print(1)"), submitAnswer("The table Orders.", 3, "no such quote"), end, end,
	}}, &fakeTool{output: "table Orders status ACTIVE"}, finished(), nil, nil)
	assert.Equal(t, "The table Orders.", answer.Text)
	assert.Equal(t, investigation.Unknown, answer.Confidence)
	assert.Equal(t, investigation.OutcomeConcluded, answer.Outcome)
}
