// Package replay runs a recorded investigation again without AWS. Tool calls are answered from the record. The model is
// either the recorded one, whose answers are in the record too, or another one that is really asked.
package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Call is a recorded execution of Python. Exactly one of Answer and Problem is set.
type Call struct {
	Command string
	Answer  *toolcall.Answer
	Problem string // why there was no answer
}

// Tool answers tool calls from recorded ones.
type Tool struct {
	mu     sync.Mutex
	calls  map[string][]Call
	notRun map[string]string // answers to code that the model wrote and that was not run, by code
	missed []string
}

// NewTool returns a tool that knows these calls. If the same code was run several times, its answers are given in their
// order, and the last one again and again.
func NewTool(calls []Call) *Tool {
	t := &Tool{calls: map[string][]Call{}, notRun: map[string]string{}}
	for _, call := range calls {
		t.calls[call.Command] = append(t.calls[call.Command], call)
	}
	return t
}

// ToolOf returns a tool that knows the calls that the model of an investigation made.
func ToolOf(rec *investigation.Record) *Tool {
	var calls []Call
	for call := range rec.Calls() {
		if call.Number > 0 && call.Cached == 0 {
			calls = append(calls, Call{Command: call.Command, Answer: call.Answer, Problem: call.Problem})
		}
	}
	t := NewTool(calls)
	for _, round := range rec.Rounds {
		for _, other := range round.Other {
			var input struct{ Command string }
			if other.Name == toolcall.Name && json.Unmarshal([]byte(other.Input), &input) == nil {
				t.notRun[input.Command] = other.Answer
			}
		}
	}
	return t
}

// Run returns the recorded answer to the same code. The error about other code is for the model.
func (t *Tool) Run(_ context.Context, request toolcall.Request) (toolcall.Answer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.calls[request.Command]
	if answer, isKnown := t.notRun[request.Command]; isKnown && len(left) == 0 {
		return toolcall.Answer{}, errors.New(answer)
	}
	if len(left) == 0 {
		t.missed = append(t.missed, request.Command)
		return toolcall.Answer{}, fmt.Errorf("not recorded: this is a replay without AWS, and the record has no answer to this code: %s. "+
			"Only code that the recorded investigation ran has an answer; conclude from the answers that there are",
			truncate.OneLine(request.Command, 200))
	}
	if len(left) > 1 {
		t.calls[request.Command] = left[1:]
	}
	if left[0].Answer == nil {
		return toolcall.Answer{}, errors.New(left[0].Problem)
	}
	return *left[0].Answer, nil
}

// Missed returns the code of the calls that are not recorded, in the order of the calls.
func (t *Tool) Missed() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.missed...)
}

// Model is the model of a recorded investigation. It gives its recorded answers in their order, whatever it is asked.
type Model struct {
	mu        sync.Mutex
	rounds    []investigation.Round
	fallbacks []investigation.Fallback
	next      int
}

// ModelOf returns the model, or the models, of an investigation.
func ModelOf(rec *investigation.Record) *Model {
	return &Model{rounds: rec.Rounds, fallbacks: rec.Fallbacks}
}

// modelsOf returns the models that an investigation asked, in order.
func modelsOf(rec *investigation.Record) []string {
	var ids []string
	for _, fallback := range rec.Fallbacks {
		ids = append(ids, fallback.Model)
	}
	return append(ids, rec.Model)
}

// Converse returns the next recorded answer. A model that was given up without an answer refuses, as it did.
func (m *Model) Converse(
	_ context.Context, in *bedrockruntime.ConverseInput, _ ...func(*bedrockruntime.Options),
) (*bedrockruntime.ConverseOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := aws.ToString(in.ModelId)
	if m.next < len(m.rounds) && (m.rounds[m.next].Model == "" || m.rounds[m.next].Model == id) {
		m.next++
		return answerOf(&m.rounds[m.next-1]), nil
	}
	why := "the record has no more answers of this model: the investigation takes another way than the recorded one"
	for _, fallback := range m.fallbacks {
		if fallback.Model == id {
			why = fallback.Why
		}
	}
	return nil, &smithy.GenericAPIError{Code: "ValidationException", Message: why}
}

// answerOf returns the answer of a model from which a round was recorded.
func answerOf(round *investigation.Round) *bedrockruntime.ConverseOutput {
	message := types.Message{Role: types.ConversationRoleAssistant}
	if round.Text != "" {
		message.Content = append(message.Content, &types.ContentBlockMemberText{Value: round.Text})
	}
	use := func(id, name string, input any) {
		if id == "" {
			id = fmt.Sprintf("replay_%d_%d", round.Number, len(message.Content))
		}
		message.Content = append(message.Content, &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
			ToolUseId: aws.String(id), Name: aws.String(name), Input: document.NewLazyDocument(input),
		}})
	}
	for i := range round.Calls {
		use(round.Calls[i].ToolUseID, round.Calls[i].Name, map[string]any{"command": round.Calls[i].Command})
	}
	for _, other := range round.Other {
		var input any
		if json.Unmarshal([]byte(other.Input), &input) != nil {
			input = map[string]any{"input": other.Input} // it was too long for the record
		}
		if other.Name != "" { // a call in the text that could not be read is in the text
			use("", other.Name, input)
		}
	}
	return &bedrockruntime.ConverseOutput{
		Output: &types.ConverseOutputMemberMessage{Value: message}, StopReason: types.StopReason(round.StopReason),
		Usage: &types.TokenUsage{
			InputTokens: aws.Int32(int32(round.Usage.InputTokens)), OutputTokens: aws.Int32(int32(round.Usage.OutputTokens)),
			CacheReadInputTokens: aws.Int32(int32(round.Usage.CacheReadTokens)), CacheWriteInputTokens: aws.Int32(int32(round.Usage.CacheWriteTokens)),
		},
	}
}

// Options configures a replay.
type Options struct {
	Model           agent.Model       // nil: the recorded answers
	Models          []string          // IDs to ask Model for, in order; only with Model
	Region          string            // in which Model is asked
	Caller          modelerror.Caller // who asks Model
	MaxRounds       int
	MaxCostUSD      float64 // 0: unlimited
	MaxQueryCostUSD float64
	Prices          pricing.Table
	Limits          investigation.Limits
	Now             func() time.Time
}

// Run replays an investigation and returns the new record and the code of the calls that are not recorded. It does not change
// rec. The alarm, the evidence, and everything else that was known before the first round are those of rec.
func Run(ctx context.Context, rec *investigation.Record, o Options) (replayed *investigation.Record, missed []string, err error) {
	tool := ToolOf(rec)
	settings := agent.Options{
		Limits: o.Limits, Model: o.Model, Tool: tool, Models: o.Models, Region: o.Region, Caller: o.Caller, MaxRounds: o.MaxRounds, MaxCostUSD: o.MaxCostUSD,
		MaxQueryCostUSD: o.MaxQueryCostUSD, Prices: o.Prices, Now: o.Now,
	}
	if o.Model == nil {
		if len(rec.Rounds) == 0 {
			return nil, nil, errors.New("the record has no answer of a model")
		}
		settings.Model, settings.Models, settings.Region = ModelOf(rec), modelsOf(rec), rec.Alarm.Region
		settings.Sleep = func(context.Context, time.Duration) error { return nil }
	}
	if settings.Limits.Log == nil {
		settings.Limits.Log = slog.New(slog.DiscardHandler)
	}
	replayed = &investigation.Record{
		SchemaVersion: investigation.SchemaVersion, ID: rec.ID, Alarm: rec.Alarm, StartedAt: rec.StartedAt, Evidence: rec.Evidence,
		Together: rec.Together, SeenBefore: rec.SeenBefore, Repeats: rec.Repeats, AccountName: rec.AccountName, MemberOf: rec.MemberOf,
		AtDelivery: rec.AtDelivery,
	}
	began := o.Now()
	err = agent.Run(ctx, settings, replayed, nil)
	replayed.EndedAt = rec.StartedAt.Add(o.Now().Sub(began))
	replayed.Usage.QueryCostUSD = replayed.QueryCostUSD()
	return replayed, tool.Missed(), err
}

// Difference is one property of two investigations.
type Difference struct {
	Name     string `json:"name"`
	Recorded string `json:"recorded"`
	Replayed string `json:"replayed"`
	Same     bool   `json:"same"`
}

// Compare returns the verdict, the rounds, the tokens, and the cost of two investigations of the same alarm.
func Compare(recorded, replayed *investigation.Record) []Difference {
	rows := []struct {
		name string
		of   func(rec *investigation.Record) string
	}{
		{"outcome", func(r *investigation.Record) string { return string(r.Outcome) }},
		{"model", func(r *investigation.Record) string { return r.Model }},
		{"root cause", func(r *investigation.Record) string { return r.Report.RootCause }},
		{"confidence", func(r *investigation.Record) string { return string(r.Report.Confidence) }},
		{"severity", func(r *investigation.Record) string { return string(r.Report.Severity) }},
		{"verified findings", verifiedFindings},
		{"rounds", func(r *investigation.Record) string { return fmt.Sprint(len(r.Rounds)) }},
		{"tool calls", func(r *investigation.Record) string { return fmt.Sprint(r.Usage.ToolCalls) }},
		{"tokens", func(r *investigation.Record) string { return fmt.Sprint(r.Usage.Tokens()) }},
		{"cost", cost},
	}
	differences := make([]Difference, len(rows))
	for i, row := range rows {
		before, after := row.of(recorded), row.of(replayed)
		differences[i] = Difference{Name: row.name, Recorded: before, Replayed: after, Same: before == after}
	}
	return differences
}

func verifiedFindings(rec *investigation.Record) string {
	verified := 0
	for _, finding := range rec.Report.Findings {
		if finding.Verified {
			verified++
		}
	}
	return fmt.Sprintf("%d of %d", verified, len(rec.Report.Findings))
}

func cost(rec *investigation.Record) string {
	if !rec.Usage.PriceKnown {
		return "unknown"
	}
	return fmt.Sprintf("$%.4f", rec.Usage.CostUSD)
}
