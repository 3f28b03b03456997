package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

const (
	sonnet   = "us.anthropic.claude-sonnet-5-5"
	novaLite = "us.amazon.nova-2-lite-v1:0"
)

func refusal(kind, message string) model.Step {
	return model.Step{Error: &model.Error{Type: kind, Message: message}}
}

// twoModels makes a run ask Claude first and Nova second.
func twoModels(o *agent.Options) { o.Models = []string{sonnet, novaLite} }

func askedModels(server *model.Server) []string {
	var ids []string
	for _, request := range server.Requests() {
		ids = append(ids, request.Request.ModelID)
	}
	return ids
}

func TestFallback_PermanentErrorIsNotRetried(t *testing.T) {
	tests := []struct {
		name string
		step model.Step
		want investigation.ModelCause
	}{
		{"retired", refusal("ResourceNotFoundException", "This model version has reached the end of its life."), investigation.CauseRetired},
		{"legacy", refusal("ResourceNotFoundException", "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days."), investigation.CauseLegacy},
		{"form", refusal("ResourceNotFoundException", "Model use case details have not been submitted for this account."), investigation.CauseForm},
		{"subscription", refusal("AccessDeniedException", "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:Subscribe)"), investigation.CauseSubscription},
		{"region", refusal("ValidationException", "The provided model identifier is invalid."), investigation.CauseNotInRegion},
		{"daily quota", refusal("ThrottlingException", "Too many tokens per day, please wait before trying again."), investigation.CauseDailyQuota},
		{"grant", refusal("AccessDeniedException", "User: x is not authorized to perform: bedrock:InvokeModel on resource: y"), investigation.CauseDenied},
		{"refusal", model.Step{Text: "I can't help with this.", StopReason: "refusal"}, investigation.CauseRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := record("{}")
			script := model.Script{Steps: []model.Step{tt.step, look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}}
			server, err := run(t, script, &fakeTool{output: "disk usage 100 %"}, rec, nil, twoModels)
			require.NoError(t, err)
			assert.Equal(t, []string{sonnet, novaLite, novaLite}, askedModels(server), "one request, no retries")
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			assert.Equal(t, novaLite, rec.Model)
			require.Len(t, rec.Fallbacks, 1)
			assert.Equal(t, sonnet, rec.Fallbacks[0].Model)
			assert.Equal(t, tt.want, rec.Fallbacks[0].Cause)
			assert.NotEmpty(t, rec.Fallbacks[0].Why)
		})
	}
}

// A model that answers without content is asked again. After the third answer without progress, the next model is asked. After an
// answer that the content filter withheld, that is the second one.
func TestFallback_EmptyAnswersAreNoAnswer(t *testing.T) {
	empty, unknown := model.Step{StopReason: "end_turn"}, model.Step{Tools: []model.ToolUse{{Name: "launch", Input: map[string]any{}}}}
	cut := model.Step{Text: "The disk", StopReason: "max_tokens"}
	thoughts := model.Step{Text: "<think>The disk may be full.</think>", StopReason: "end_turn"}
	filtered := model.Step{StopReason: "content_filtered", Text: "Blocked."}
	found := []model.Step{look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}
	const unavailable, refused = investigation.CauseUnavailable, investigation.CauseRefused
	const empties = "answered without content (end_turn), after other answers without progress"
	const withheld = "The answer of model " + sonnet + " was withheld (content_filtered). Check the content policy of the guardrail or the model."
	tests := []struct {
		name  string
		steps []model.Step
		want  []string
		cause investigation.ModelCause
		why   string
	}{
		{"from the beginning", append([]model.Step{empty, empty, empty}, found...), []string{sonnet, sonnet, sonnet, novaLite, novaLite},
			unavailable, empties},
		{"after a call", []model.Step{found[0], empty, empty, empty, found[1]}, []string{sonnet, sonnet, sonnet, sonnet, novaLite},
			unavailable, empties},
		{"after a tool that does not exist", append([]model.Step{unknown, empty, empty}, found...), []string{sonnet, sonnet, sonnet, novaLite, novaLite},
			unavailable, empties},
		{"after incomplete answers", append([]model.Step{cut, cut, empty}, found...), []string{sonnet, sonnet, sonnet, novaLite, novaLite},
			unavailable, empties},
		{"thoughts only", append([]model.Step{thoughts, thoughts, thoughts}, found...), []string{sonnet, sonnet, sonnet, novaLite, novaLite},
			unavailable, empties},
		{"withheld", append([]model.Step{filtered, filtered}, found...), []string{sonnet, sonnet, novaLite, novaLite}, refused, withheld},
		{"withheld after a call", []model.Step{found[0], filtered, filtered, found[1]}, []string{sonnet, sonnet, sonnet, novaLite}, refused, withheld},
		{"withheld after an empty one", append([]model.Step{empty, filtered}, found...), []string{sonnet, sonnet, novaLite, novaLite}, refused, withheld},
		{name: "twice", steps: append([]model.Step{empty, empty}, found...), want: []string{sonnet, sonnet, sonnet, sonnet}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := record("{}")
			server, err := run(t, model.Script{Steps: tt.steps}, &fakeTool{output: "disk usage 100 %"}, rec, nil, twoModels)
			require.NoError(t, err)
			assert.Equal(t, tt.want, askedModels(server))
			assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			if tt.want[len(tt.want)-1] == sonnet {
				assert.Empty(t, rec.Fallbacks)
				return
			}
			require.Len(t, rec.Fallbacks, 1)
			assert.Equal(t, tt.cause, rec.Fallbacks[0].Cause)
			assert.Contains(t, rec.Fallbacks[0].Why, tt.why)
			assert.NotContains(t, rec.Fallbacks[0].Why, "evidence below", "the next model concluded")
		})
	}
}

// Each model is asked three times to conclude.
func TestFallback_EmptyAnswersInsteadOfAConclusion(t *testing.T) {
	empty, cut := model.Step{StopReason: "end_turn"}, model.Step{Text: "The disk", StopReason: "max_tokens"}
	withheld := model.Step{StopReason: "content_filtered", Text: "Blocked."}
	look, found := look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")
	for _, tt := range []struct {
		name    string
		rounds  int
		steps   []model.Step
		want    []string
		outcome investigation.Outcome
	}{
		{"the next model concludes", 2, []model.Step{look, empty, empty, empty, found},
			[]string{sonnet, sonnet, sonnet, sonnet, novaLite}, investigation.OutcomeConcluded},
		{"the next model needs three requests", 2, []model.Step{look, empty, empty, empty, empty, empty, found},
			[]string{sonnet, sonnet, sonnet, sonnet, novaLite, novaLite, novaLite}, investigation.OutcomeConcluded},
		{"the next model's answers are empty, too", 2, []model.Step{look, empty, empty, empty, empty, empty, empty},
			[]string{sonnet, sonnet, sonnet, sonnet, novaLite, novaLite, novaLite}, investigation.OutcomeFallback},
		{"withheld, after two empty ones", 2, []model.Step{look, empty, empty, withheld, empty, found},
			[]string{sonnet, sonnet, sonnet, sonnet, novaLite, novaLite}, investigation.OutcomeConcluded},
		{"after answers without progress", 100, []model.Step{look, cut, cut, cut, empty, found},
			[]string{sonnet, sonnet, sonnet, sonnet, sonnet, novaLite}, investigation.OutcomeConcluded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := record("{}")
			server, err := run(t, model.Script{Steps: tt.steps}, &fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) {
				twoModels(o)
				o.MaxRounds = tt.rounds
			})
			require.NoError(t, err)
			assert.Equal(t, tt.want, askedModels(server))
			assert.Equal(t, tt.outcome, rec.Outcome, rec.OutcomeWhy)
			require.Len(t, rec.Fallbacks, 1)
			assert.Equal(t, sonnet, rec.Fallbacks[0].Model)
		})
	}
}

// A guardrail applies to every model, so the next one is not asked. The reason names the model that was asked last.
func TestFallback_WithheldAnswersEndWithTheLastModel(t *testing.T) {
	for reason, last := range map[string]string{"guardrail_intervened": sonnet, "content_filtered": novaLite} {
		withheld := model.Step{StopReason: reason, Text: "Blocked."}
		rec := record("{}")
		_, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), withheld}, Loop: new(1)}, &fakeTool{}, rec, nil, twoModels)
		require.NoError(t, err)
		assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
		assert.Equal(t, "The answer of model "+last+" was withheld ("+reason+"). Check the content policy of the guardrail or the model.", rec.OutcomeWhy)
	}
}

func TestFallback_RecordsWhyEachModelFailed(t *testing.T) {
	rec := record("{}")
	_, err := run(t, model.Script{Steps: []model.Step{
		refusal("ResourceNotFoundException", "This model version has reached the end of its life."),
		refusal("AccessDeniedException", "User: x is not authorized to perform: bedrock:InvokeModel on resource: y"),
	}}, &fakeTool{}, rec, nil, twoModels)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
	require.Len(t, rec.Fallbacks, 1)
	assert.Contains(t, rec.OutcomeWhy, novaLite)
	assert.Contains(t, rec.OutcomeWhy, "bedrock:InvokeModel")
}

func TestFallback_KeepsTheCallsOfAModelThatFailsMidway(t *testing.T) {
	thought := look("print(1)")
	thought.Reasoning = &model.Reasoning{Text: "I should look at the disk.", Signature: "c2ln"}
	rec, tool := record("{}"), &fakeTool{output: "disk usage 100 %"}
	server, err := run(t, model.Script{Steps: []model.Step{
		thought, refusal("ThrottlingException", "Too many tokens per day"), submit("the disk is full", 1, "disk usage 100 %"),
	}}, tool, rec, nil, twoModels)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	assert.Len(t, tool.ran(), 1)
	assert.True(t, rec.Report.Findings[0].Verified)
	last := server.Requests()[2]
	assert.Equal(t, novaLite, last.Request.ModelID)
	assert.NotContains(t, string(last.Request.Raw), "reasoningContent", "reasoning is bound to the model that wrote it")
	assert.Contains(t, string(server.Requests()[1].Request.Raw), "reasoningContent")
	assert.Equal(t, []string{sonnet, novaLite}, []string{rec.Rounds[0].Model, rec.Rounds[1].Model})
}

func TestFallback_RefusalOfTheOnlyModelNeedsAHuman(t *testing.T) {
	rec := record("{}")
	_, err := run(t, model.Script{Steps: []model.Step{{Text: "I can't help with this.", StopReason: "refusal"}}}, &fakeTool{}, rec, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
	assert.Contains(t, rec.OutcomeWhy, "declined to answer")
	assert.Empty(t, rec.Report.Summary, "the refusal must not become the summary")
}

func TestRun_AllThinkingDoublesTheOutputLimit(t *testing.T) {
	thinking := model.Step{Reasoning: &model.Reasoning{Text: "Hm…", Signature: "c2ln"}, StopReason: "max_tokens"}
	rec := record("{}")
	server, err := run(t, model.Script{Steps: []model.Step{thinking, look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}},
		&fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) { o.Models = []string{sonnet} })
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	var asked []any
	for _, request := range server.Requests() {
		asked = append(asked, request.Request.InferenceConfig["maxTokens"])
	}
	assert.Equal(t, []any{32768.0, 65536.0, 65536.0}, asked)
}

func TestRequest_HasTheParametersThatTheModelSupports(t *testing.T) {
	tests := []struct {
		id     string
		has    []string
		hasNot []string
	}{
		{sonnet, []string{`"output_config":{"effort":"medium"}`, `"maxTokens":32768`}, []string{"temperature"}},
		{novaLite, []string{`"maxTokens":8192`, "(end of the results)"}, []string{"temperature", "output_config"}},
		{"us.amazon.nova-lite-v1:0", []string{`"temperature":0`, `"maxTokens":5000`}, []string{"output_config"}},
		{"us.openai.gpt-6-luna", []string{`"reasoning":{"effort":"medium"}`}, []string{"cachePoint", "temperature"}},
		{"us.anthropic.claude-sonnet-9", []string{`"maxTokens":32768`, "cachePoint"}, []string{"temperature", "output_config"}},
		{"mistral.mistral-large-3-675b-instruct", []string{`"maxTokens":8192`}, []string{"cachePoint", "temperature"}},
		{"someone.elses-model", []string{`"maxTokens":8192`}, []string{"temperature", "output_config"}},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			rec := record("{}")
			server, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}},
				&fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) { o.Models = []string{tt.id} })
			require.NoError(t, err)
			require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			raw := string(server.Requests()[1].Request.Raw)
			for _, want := range tt.has {
				assert.Contains(t, raw, want)
			}
			for _, unwanted := range tt.hasNot {
				assert.NotContains(t, raw, unwanted)
			}
		})
	}
}

func TestRequest_LeavesOutWhatTheModelRefused(t *testing.T) {
	tests := []struct {
		name, message string
		has, hasNot   []string // of the request after the refusal
	}{
		{"checkpoint after a result", "extraneous key [cachePoint] is not permitted", []string{"cachePoint", "(end of the results)"}, nil},
		{"effort", "output_config: Extra inputs are not permitted", []string{"cachePoint"}, []string{"output_config"}},
		{"tools", "This model doesn't support tool use.", nil, []string{`"toolConfig"`}},
		{"output tokens", "max_tokens: 32768 > 8192, which is the maximum allowed number of output tokens", []string{`"maxTokens":8192`}, nil},
		{"reasoning", "`signature` in `thinking` block is bound to a different conversation", nil, []string{"reasoningContent"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first := look("print(1)")
			first.Reasoning = &model.Reasoning{Text: "I should look.", Signature: "c2ln"}
			rec := record("{}")
			server, err := run(t, model.Script{Steps: []model.Step{
				first, refusal("ValidationException", tt.message), submit("the disk is full", 1, "disk usage 100 %"),
			}}, &fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) { o.Models = []string{sonnet} })
			require.NoError(t, err)
			require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
			assert.Empty(t, rec.Fallbacks)
			raw := string(server.Requests()[2].Request.Raw)
			for _, want := range tt.has {
				assert.Contains(t, raw, want)
			}
			for _, unwanted := range tt.hasNot {
				assert.NotContains(t, raw, unwanted)
			}
		})
	}
}

func TestRequest_CachingStepsDownToTheSystemPromptBeforeItIsOff(t *testing.T) {
	refused := refusal("AccessDeniedException", "You invoked an unsupported model or your request did not allow prompt caching.")
	rec := record("{}")
	server, err := run(t, model.Script{Steps: []model.Step{refused, refused, refused, look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}},
		&fakeTool{output: "disk usage 100 %"}, rec, nil, nil)
	require.NoError(t, err)
	require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	var points []int
	for _, request := range server.Requests() {
		points = append(points, strings.Count(string(request.Request.Raw), `"cachePoint"`))
	}
	assert.Equal(t, []int{2, 2, 1, 0, 0}, points)
}

func TestRequest_NovaCachesNoMoreThanItsLongestPrefix(t *testing.T) {
	rec := record("{}")
	var steps []model.Step
	for i := range 12 {
		steps = append(steps, look(fmt.Sprintf("print(%d)", i)))
	}
	steps = append(steps, submit("the disk is full", 1, "disk usage 100 %"))
	server, err := run(t, model.Script{Steps: steps}, &fakeTool{output: "disk usage 100 % " + strings.Repeat("log line ", 1200)}, rec, nil,
		func(o *agent.Options) { o.Models = []string{novaLite} })
	require.NoError(t, err)
	require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	requests := server.Requests()
	last := requests[len(requests)-1].Request
	prefix, cached := 0, 0
	for _, message := range last.Messages {
		raw, _ := json.Marshal(message)
		prefix += len(raw)
		if strings.Contains(string(raw), "cachePoint") {
			cached = prefix
		}
	}
	assert.Positive(t, cached)
	assert.LessOrEqual(t, cached/4, 20_000, "tokens of the longest cached prefix")
	assert.Greater(t, prefix/4, 20_000, "the conversation is longer")
}

func TestCompact_DropsReasoning(t *testing.T) {
	var steps []model.Step
	for i := range 12 {
		step := look(fmt.Sprintf("print(%d)", i))
		step.Reasoning = &model.Reasoning{Text: "I look.", Signature: fmt.Sprintf("c2ln%04d", i)}
		steps = append(steps, step)
	}
	steps = append(steps, submit("the disk is full", 1, "disk usage 100 %"))
	rec := record("{}")
	server, err := run(t, model.Script{Steps: steps}, &fakeTool{output: "disk usage 100 % " + strings.Repeat("log line ", 900)}, rec, nil,
		func(o *agent.Options) { o.Models, o.ContextWindow = []string{sonnet}, 64_000 })
	require.NoError(t, err)
	require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	compacted := false
	for i, request := range server.Requests() {
		raw := string(request.Request.Raw)
		if strings.Contains(raw, "Earlier rounds were removed") {
			compacted = true
			assert.NotContains(t, raw, fmt.Sprintf("c2ln%04d", max(0, i-8)), "request %d holds reasoning from before the compaction", i)
		}
		assert.Equal(t, 200, request.Status, "request %d: %s", i, request.Problems)
	}
	assert.True(t, compacted)
}

// withoutSystem refuses system prompts.
type withoutSystem struct{ agent.Model }

func (m withoutSystem) Converse(ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error) {
	if in.System != nil {
		return nil, &smithy.GenericAPIError{Code: "ValidationException", Message: "This model doesn't support system messages. Try again without a system message."}
	}
	return m.Model.Converse(ctx, in, opts...)
}

func TestRequest_FirstMessageHoldsTheSystemPromptIfRefused(t *testing.T) {
	rec := record("{}")
	server, err := run(t, model.Script{Steps: []model.Step{look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}},
		&fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) { o.Model = withoutSystem{o.Model} })
	require.NoError(t, err)
	require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	assert.Contains(t, *server.Requests()[0].Request.Messages[0].Content[0].Text, "site reliability engineer")
}

func TestRequest_DropsOldCallsIfTheirReasoningIsRequired(t *testing.T) {
	first := look("print(1)")
	first.Reasoning = &model.Reasoning{Text: "I should look.", Signature: "c2ln"}
	missing := refusal("ValidationException", "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.")
	rec := record("{}")
	server, err := run(t, model.Script{Steps: []model.Step{first, missing, missing, submit("the disk is full", 1, "disk usage 100 %")}},
		&fakeTool{output: "disk usage 100 %"}, rec, nil, func(o *agent.Options) { o.Models = []string{sonnet} })
	require.NoError(t, err)
	require.Equal(t, investigation.OutcomeCompleted, rec.Outcome, rec.OutcomeWhy)
	last := server.Requests()[len(server.Requests())-1].Request
	assert.Len(t, last.Messages, 1)
	assert.Contains(t, string(last.Raw), "tool call 1: print(1)", "the digest names the removed calls")
}

// slowModel delays each answer by the clock of the test.
type slowModel struct {
	agent.Model
	clock *time.Time
	takes time.Duration
	asked int
}

func (m *slowModel) Converse(ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error) {
	m.asked++
	ends := m.clock.Add(m.takes)
	if deadline, ok := ctx.Value(deadlineKey{}).(time.Time); ok && ends.After(deadline) {
		*m.clock = deadline
		return nil, context.DeadlineExceeded
	}
	*m.clock = ends
	return m.Model.Converse(ctx, in, opts...)
}

type deadlineKey struct{}

// clockContext has a deadline by the clock of the test.
type clockContext struct {
	context.Context
	clock    *time.Time
	deadline time.Time
}

func (c clockContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c clockContext) Err() error {
	if c.clock.Before(c.deadline) {
		return nil
	}
	return context.DeadlineExceeded
}

func (c clockContext) Value(key any) any {
	if key == (deadlineKey{}) {
		return c.deadline
	}
	return c.Context.Value(key)
}

// Each invocation lasts 240 s: the model is asked for 200 s and has to conclude after 140 s. Each answer
// takes 115 s. Four invocations get four answers, and the last one is the report.
func TestHandOver_SpreadsSlowAnswersOverInvocations(t *testing.T) {
	clock := time.Now().Add(240 * time.Hour)
	script := model.Script{Steps: []model.Step{look("print(1)"), look("print(2)"), look("print(3)"), submit("the disk is full", 1, "disk usage 100 %")}}
	server, err := model.Start(script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	slow := &slowModel{Model: clientOf(server), clock: &clock, takes: 115 * time.Second}
	var saved []byte
	var rec *investigation.Record
	for invocation := range 4 {
		rec = record("{}")
		err = agent.Run(clockContext{t.Context(), &clock, clock.Add(200 * time.Second)}, agent.Options{
			Model: slow, Tool: &fakeTool{output: "disk usage 100 %"}, Models: []string{sonnet}, MaxRounds: 100,
			Now: func() time.Time { return clock },
			Limits: investigation.Limits{
				ConcludeAt: clock.Add(140 * time.Second), MayHandOver: invocation < 3,
				Checkpoint: func(_ context.Context, state []byte) error { saved = state; return nil },
			},
		}, rec, saved)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, investigation.ErrHandOver)
	}
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeConcluded, rec.Outcome, rec.OutcomeWhy)
	assert.Equal(t, "the disk is full", rec.Report.RootCause)
	assert.Equal(t, 4, slow.asked, "no request was sent that could not finish")
}

// The first answer is slow, and no earlier answer predicts its duration.
func TestHandOver_NextInvocationRepeatsAnInterruptedRequest(t *testing.T) {
	clock := time.Now().Add(240 * time.Hour)
	server, err := model.Start(model.Script{Steps: []model.Step{look("print(1)"), submit("the disk is full", 1, "disk usage 100 %")}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	slow := &slowModel{Model: clientOf(server), clock: &clock, takes: 150 * time.Second}
	var saved []byte
	options := agent.Options{
		Model: slow, Tool: &fakeTool{output: "disk usage 100 %"}, Models: []string{sonnet}, MaxRounds: 100,
		Now: func() time.Time { return clock },
		Limits: investigation.Limits{
			MayHandOver: true,
			Checkpoint:  func(_ context.Context, state []byte) error { saved = state; return nil },
		},
	}
	err = agent.Run(clockContext{t.Context(), &clock, clock.Add(100 * time.Second)}, options, record("{}"), nil)
	require.ErrorIs(t, err, investigation.ErrHandOver)
	require.NotNil(t, saved, "the next invocation continues from a checkpoint")

	rec := record("{}")
	err = agent.Run(clockContext{t.Context(), &clock, clock.Add(600 * time.Second)}, options, rec, saved)
	require.NoError(t, err)
	assert.Equal(t, "the disk is full", rec.Report.RootCause)

	// A whole invocation is not enough for an answer, so another hand-over would only cost money.
	rec = record("{}")
	slow.takes = 700 * time.Second
	require.NoError(t, server.Play(model.Script{Steps: []model.Step{look("print(1)")}}))
	err = agent.Run(clockContext{t.Context(), &clock, clock.Add(600 * time.Second)}, options, rec, saved)
	require.NoError(t, err)
	assert.Equal(t, investigation.OutcomeFallback, rec.Outcome)
	assert.Contains(t, rec.OutcomeWhy, "did not answer in time")
	assert.Contains(t, rec.OutcomeWhy, "OrchestratorTimeout")
}
