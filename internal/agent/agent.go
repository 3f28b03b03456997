// Package agent runs an investigation: it asks a model, runs the tools that the model calls, and asks again,
// until the model submits its report or a limit is near and the model is asked to conclude. If [Run]
// returns nil, the record can be rendered, even if no model answered.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Tool runs Python. The model reads the text of its error.
type Tool interface {
	Run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error)
}

// Model sends a request to a model: Bedrock's Converse operation.
type Model interface {
	Converse(
		ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options),
	) (*bedrockruntime.ConverseOutput, error)
}

// Options configures an investigation: its clients, limits, and hooks.
type Options struct {
	investigation.Limits
	Model            Model
	Tool             Tool
	Models           []string          // IDs or ARNs, in the order in which they are asked; at least one
	Region           string            // in which the models are asked; the report's advice depends on it
	Caller           modelerror.Caller // whose settings the report's advice names
	MaxRounds        int               // requests to the model
	MaxTokens        int               // tokens of all kinds in the whole investigation; 0: unlimited
	MaxCostUSD       float64           // of the whole investigation; 0: unlimited
	MaxQueryCostUSD  float64           // what AWS may charge for the queries of the whole investigation
	Prices           pricing.Table
	GuardrailID      string
	GuardrailVersion string
	Members          config.Members                                   // accounts that the code may name, with OtherAccounts
	ContextWindow    int                                              // tokens; 0: the model's window
	Now              func() time.Time                                 // default time.Now
	Sleep            func(ctx context.Context, d time.Duration) error // default: a timer
	Random           func() float64                                   // from 0 to 1; default math/rand
}

// Investigate calls [Run] with these options. limits replaces o.Limits.
func (o Options) Investigate(
	ctx context.Context, limits investigation.Limits, rec *investigation.Record, resume []byte,
) error {
	o.Limits = limits
	return Run(ctx, o, rec, resume)
}

// Limits of one investigation.
const (
	maxStrikes          = 3 // consecutive answers without progress, after which the model is asked to conclude
	maxUnanswered       = 5 // consecutive rounds in which the tool answered no call, after which the model is asked to conclude
	maxConcludingRounds = 3 // requests of one model for a conclusion, after which the investigation ends without one
)

// run is the part of an investigation that this invocation runs.
type run struct {
	Options
	task         *task
	before       int  // number of rounds in rec that another run made
	isQuestion   bool // about a finished investigation, whose evidence another run collected
	rec          *investigation.Record
	state        state
	resumed      bool          // true if it continues from a checkpoint of another invocation
	requests     int           // number of requests to models in this invocation
	isAnswered   bool          // true if one of them was answered
	lastDuration time.Duration // duration of the last request to a model
	output       int           // limit of output tokens of the next request
	budgetWhy    string        // why the budget allows no other request
	kept         int           // size of what counts for maxKept, in bytes
}

// state is the part of a checkpoint that the record does not hold.
type state struct {
	Talk             *conversation.Conversation `json:"talk"`
	Model            int                        `json:"model,omitempty"`      // index in Models of the model that is asked
	Without          without                    `json:"without,omitzero"`     // parameters that the model refused
	Doubled          bool                       `json:"doubled,omitempty"`    // MaxOutput was doubled for this model
	Calls            int                        `json:"calls"`                // executions of Python, without the evidence
	Concluding       string                     `json:"concluding,omitempty"` // why the model has to conclude, if it has to
	ConcludingRounds int                        `json:"asked,omitempty"`      // requests of this model for a conclusion
	Strikes          int                        `json:"strikes,omitempty"`    // consecutive answers without progress
	Unanswered       int                        `json:"unanswered,omitempty"` // consecutive rounds in which the tool answered no call
	AskedToCheck     bool                       `json:"sent_back,omitempty"`  // the model answered before it ran code
	Reminded         bool                       `json:"reminded,omitempty"`   // the model was asked to submit its report
	Rejected         int                        `json:"rejected,omitempty"`   // number of rejected reports
	MaxOutput        int                        `json:"max_output"`           // limit of output tokens per answer
	Sent             sent                       `json:"sent,omitzero"`        // the last answered request to this model
	Draft            string                     `json:"draft,omitempty"`      // the best text without a tool call
	Returned         json.RawMessage            `json:"returned,omitempty"`   // the last submitted report that was not accepted
	Full             bool                       `json:"full,omitempty"`       // more answers of tools than maxKept cannot be kept
}

// Run investigates rec's alarm and fills in its rounds, report, outcome, and usage. resume is the state that an
// earlier run passed to Checkpoint, or nil. Run returns
//   - nil if rec can be rendered, whatever its outcome,
//   - [investigation.ErrHandOver] if another invocation has to continue from the last checkpoint,
//   - the context's error if it was canceled.
func Run(ctx context.Context, o Options, rec *investigation.Record, resume []byte) error {
	r, err := newRun(o, rec, resume)
	if err != nil {
		return err
	}
	if r.Stop != "" {
		r.endWithoutReport(r.Stop)
		return nil
	}
	return r.loop(ctx)
}

// loop asks the model and runs its tools until the run has ended.
func (r *run) loop(ctx context.Context) error {
	for {
		if err := r.checkLimits(ctx); err != nil {
			return r.handOver(ctx)
		}
		answer, err := r.ask(ctx)
		switch {
		case errors.Is(err, investigation.ErrHandOver):
			return r.handOver(ctx)
		case errors.Is(err, errBudgetUsed):
			r.endWithoutReport(r.budgetWhy)
			return nil
		case err != nil:
			return r.fail(ctx, err)
		}
		if done := r.handleAnswer(ctx, answer); done {
			return nil
		}
		r.checkpoint(ctx)
	}
}

func newRun(o Options, rec *investigation.Record, resume []byte) (*run, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(o.Models) == 0 {
		return nil, errors.New("no model is configured: an investigation needs at least one")
	}
	r := &run{Options: o, task: investigating, rec: rec, resumed: resume != nil}
	if resume != nil {
		return r, r.restore(resume)
	}
	r.begin(investigating)
	return r, nil
}

// begin starts the conversation about a task.
func (r *run) begin(t *task) {
	r.task = t
	r.state = state{Talk: &conversation.Conversation{}}
	r.keepAll()
	r.resetForModel()
	r.state.Talk.Say(t.opening(r.rec, r.Members))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkLimits asks the model to conclude if a limit is near. If the time is up and another invocation may
// continue, it returns [investigation.ErrHandOver] instead. All limits are checked here, except the budgets, which
// [run.limitOutput] checks before each request.
func (r *run) checkLimits(ctx context.Context) error {
	if r.state.Concluding != "" {
		return nil
	}
	switch {
	case r.Conclude != "":
		r.conclude(r.Conclude)
	case r.timeIsUp(ctx) && r.mayContinue():
		return investigation.ErrHandOver
	case r.timeIsNear(ctx) && !r.mayContinue():
		r.conclude(timeAlmostReached)
	case len(r.rounds()) >= r.MaxRounds-1:
		r.conclude(fmt.Sprintf("all %d rounds are used", r.MaxRounds))
	case r.state.Strikes >= maxStrikes:
		r.conclude("the model's answers no longer advance the investigation")
	case r.state.Unanswered >= maxUnanswered:
		r.conclude(fmt.Sprintf("the tool answered no call in %d rounds", maxUnanswered))
	case r.state.Full:
		r.conclude(fullWhy)
	}
	return nil
}

// timeAlmostReached is why the model has to conclude when its time ends.
const timeAlmostReached = "the time limit of this investigation is almost reached"

// mayContinue reports whether another invocation may continue the investigation.
func (r *run) mayContinue() bool {
	return r.MayHandOver && r.state.Concluding == "" && len(r.rounds()) < r.MaxRounds
}

// timeIsUp reports whether another request may not finish in time: models that think take minutes. Before the
// first request, it only checks ConcludeAt, because each invocation has to advance the investigation.
func (r *run) timeIsUp(ctx context.Context) bool {
	return r.hasToConclude() || r.requests > 0 && r.timeLeft(ctx) < r.expectedDuration()
}

// timeIsNear reports whether the next answer could be the last one of this invocation.
func (r *run) timeIsNear(ctx context.Context) bool {
	return r.hasToConclude() || r.timeLeft(ctx) < 2*r.expectedDuration()
}

func (r *run) hasToConclude() bool { return !r.ConcludeAt.IsZero() && !r.Now().Before(r.ConcludeAt) }

// expectedDuration estimates how long the next answer takes at most, from the recent ones.
func (r *run) expectedDuration() time.Duration {
	const recent = 3     // rounds
	rounds := r.rounds() // those of a finished investigation may be of another model
	var longest time.Duration
	for _, round := range rounds[max(0, len(rounds)-recent):] {
		longest = max(longest, time.Duration(round.DurationMS)*time.Millisecond)
	}
	return longest
}

// handOver saves the state for another invocation.
func (r *run) handOver(ctx context.Context) error {
	r.checkpoint(ctx)
	return investigation.ErrHandOver
}

// conclude asks the model to conclude.
func (r *run) conclude(why string) {
	r.Log.Info("asking the model to conclude", "reason", why)
	r.state.Concluding = why
	r.state.Talk.Say(r.task.concludePrompt(why))
}

// handleAnswer adds an answer to the record and acts on it. done reports whether the investigation has ended.
func (r *run) handleAnswer(ctx context.Context, out *bedrockruntime.ConverseOutput) (done bool) {
	r.rec.Rounds = append(r.rec.Rounds, r.newRound(out)) // first, because a report may cite calls of the same round
	round := &r.rec.Rounds[len(r.rec.Rounds)-1]
	turn, warnings, added := r.accept(out)
	separateThinking(round, turn)
	for _, warning := range warnings {
		r.Log.Warn("changed the model's answer", "warning", warning)
	}
	if r.state.Concluding != "" {
		r.state.ConcludingRounds++
	}
	uses, asText := r.toolUses(turn, round)
	switch {
	case out.StopReason == stopRefusal:
		done = r.handleRefusal(round)
	case len(uses) > 0:
		done = r.runTools(ctx, round, uses, asText)
	case !added && r.doubleOutput(out):
		round.Note = fmt.Sprintf("all %d output tokens were used for thinking; asked again with twice as many",
			r.state.MaxOutput/2)
	case !added || strings.TrimSpace(round.Text) == "":
		done = r.handleEmptyAnswer(round)
	case isRefusal(round.Text):
		done = r.handleProseRefusal(round)
	default:
		done = r.handleProse(round)
	}
	r.Log.Info("round ended",
		"round", round.Number, "calls", len(round.Calls), "stop_reason", round.StopReason, "note", round.Note)
	if !done && r.state.Concluding != "" && r.state.ConcludingRounds >= maxConcludingRounds {
		r.endWithoutReport(fmt.Sprintf("The model was asked to conclude %d times because %s, and submitted no %s.",
			r.state.ConcludingRounds, r.state.Concluding, r.task.noun))
		return true
	}
	return done
}

// stopRefusal is the stop reason of a model that declined to answer. The SDK has no name for it.
const stopRefusal types.StopReason = "refusal"

// handleRefusal handles a model that refuses to answer. It asks the next model. If there is none, the
// investigation ends.
func (r *run) handleRefusal(round *investigation.Round) (done bool) {
	why := r.explainRefusal()
	round.Note = "the model declined to answer"
	if r.nextModel(investigation.CauseRefused, why) {
		return false
	}
	r.endWithoutReport(why)
	return true
}

// doubleOutput doubles the output limit, once per model, if an answer used all of it for thinking. It reports
// whether it did.
func (r *run) doubleOutput(out *bedrockruntime.ConverseOutput) bool {
	isCapped := r.output < r.state.MaxOutput // by the budget, which a doubled limit does not raise
	if out.StopReason != types.StopReasonMaxTokens || isCapped || r.state.Doubled || 2*r.state.MaxOutput > r.model().MaxOutput {
		return false
	}
	r.state.Doubled = true
	r.state.MaxOutput *= 2
	return true
}

func (r *run) newRound(out *bedrockruntime.ConverseOutput) investigation.Round {
	round := investigation.Round{
		Number: len(r.rec.Rounds) + 1, Model: r.modelID(), StopReason: string(out.StopReason), Usage: r.addUsage(out),
	}
	round.DurationMS = r.lastDuration.Milliseconds()
	round.StartedAt = r.Now().UTC().Add(-time.Duration(round.DurationMS) * time.Millisecond)
	return round
}

// addUsage returns the usage of an answer and adds it to the investigation's.
func (r *run) addUsage(out *bedrockruntime.ConverseOutput) investigation.Usage {
	u := usageOf(out)
	u.CostUSD, u.PriceKnown = r.Prices.Cost(r.modelID(), u)
	r.rec.Usage.Add(u)
	return u
}

func usageOf(out *bedrockruntime.ConverseOutput) investigation.Usage {
	u := investigation.Usage{ModelCalls: 1}
	if out.Usage == nil {
		return u
	}
	for _, pair := range []struct {
		into *int
		from *int32
	}{
		{&u.InputTokens, out.Usage.InputTokens}, {&u.OutputTokens, out.Usage.OutputTokens},
		{&u.CacheReadTokens, out.Usage.CacheReadInputTokens}, {&u.CacheWriteTokens, out.Usage.CacheWriteInputTokens},
	} {
		if pair.from != nil {
			*pair.into = int(*pair.from)
		}
	}
	return u
}

// accept adds the answer to the conversation. A withheld or malformed answer is not added. An incomplete one
// is added without its tool calls, because half a call would make every following request invalid. The results
// are those of [conversation.Conversation.Accept]: the turn, the changes made to it, and whether it was added.
func (r *run) accept(out *bedrockruntime.ConverseOutput) (turn conversation.Turn, warnings []string, added bool) {
	message, ok := out.Output.(*types.ConverseOutputMemberMessage)
	if !ok {
		return conversation.Turn{}, nil, false
	}
	switch out.StopReason {
	case types.StopReasonMalformedModelOutput, types.StopReasonMalformedToolUse,
		types.StopReasonContentFiltered, types.StopReasonGuardrailIntervened, stopRefusal:
		return conversation.Turn{}, nil, false
	case types.StopReasonMaxTokens, types.StopReasonModelContextWindowExceeded:
		message.Value.Content = withoutUses(message.Value.Content)
	}
	r.resolveNames(message.Value.Content)
	return r.state.Talk.Accept(message.Value)
}

func withoutUses(blocks []types.ContentBlock) []types.ContentBlock {
	var kept []types.ContentBlock
	for _, block := range blocks {
		if _, isUse := block.(*types.ContentBlockMemberToolUse); !isUse {
			kept = append(kept, block)
		}
	}
	return kept
}

// handleEmptyAnswer handles an answer with neither text nor a tool call. The model is asked again, and the next model after maxStrikes
// answers without progress. But if a content policy withheld the answer and the answer before it brought no progress either, the next
// model is asked or the investigation ends.
func (r *run) handleEmptyAnswer(round *investigation.Round) (done bool) {
	r.state.Strikes++
	reason := types.StopReason(round.StopReason)
	isFiltered := reason == types.StopReasonContentFiltered
	isWithheld := isFiltered || reason == types.StopReasonGuardrailIntervened
	if !isWithheld || r.state.Strikes == 1 {
		round.Note = "the answer had no usable content (" + round.StopReason + ")"
		if r.state.Strikes >= maxStrikes && r.nextModel(investigation.CauseUnavailable, r.explainEmpty(reason)) {
			r.state.Strikes = 0
		}
		r.state.Talk.Say(r.task.retryPrompt(reason)) // an answer with thoughts only is in the conversation, which must not end with it
		return false
	}
	why := explainWithheld(r.modelID(), reason)
	if isFiltered && r.nextModel(investigation.CauseRefused, why) { // a guardrail applies to every model
		r.state.Strikes = 0
		return false
	}
	r.endWithoutReport(why)
	return true
}

// explainEmpty returns why a model was given up whose last answer was empty, for the reader.
func (r *run) explainEmpty(reason types.StopReason) string {
	return fmt.Sprintf("Model %s answered without content (%s), after other answers without progress. Set %s to another model, "+
		"or report this to the alarmtriage project.", r.modelID(), reason, r.Caller.ModelSetting())
}

// explainWithheld returns why a model was given up whose answer was withheld, for the reader.
func explainWithheld(modelID string, reason types.StopReason) string {
	return fmt.Sprintf("The answer of model %s was withheld (%s). Check the content policy of the guardrail or the model.", modelID, reason)
}

// handleProse handles an answer that has text but calls no tool.
func (r *run) handleProse(round *investigation.Round) (done bool) {
	switch reason := types.StopReason(round.StopReason); reason {
	case types.StopReasonMaxTokens, types.StopReasonModelContextWindowExceeded:
		r.state.Strikes++
		round.Note = "the answer was incomplete (" + round.StopReason + ")"
		r.keepDraft(round.Text)
		r.state.Talk.Say(r.task.retryPrompt(reason))
		return false
	}
	r.keepDraft(round.Text)
	switch {
	case !r.ranCode() && !r.state.AskedToCheck && r.state.Concluding == "":
		r.state.AskedToCheck = true
		round.Note = "asked to check first: the model answered before it ran any code"
		r.state.Talk.Say(checkFirstPrompt)
		return false
	case !r.state.Reminded:
		r.state.Reminded = true
		round.Note = "reminded to submit the " + r.task.noun
		r.state.Talk.Say(r.task.submitPrompt())
		return false
	case r.state.Returned != nil:
		round.Note = "the " + r.task.noun + " that was returned is used"
		r.endWithoutReport(strings.TrimSpace("It answered in prose instead. " + r.whyEarly()))
		r.rec.Report.FreeText = reportFromProse(r.state.Draft).FreeText // after the check, because prose changes no confidence
		return true
	default:
		round.Note = "the text of the answer is used as the " + r.task.noun + ", unchecked"
		r.finish(reportFromProse(r.state.Draft))
		return true
	}
}

// keepDraft keeps the text of an answer in case no report is submitted. A text less than
// half as long as the one that was kept before does not replace it.
func (r *run) keepDraft(text string) {
	if text = r.draftOf(text); text != "" && len(text) >= len(r.state.Draft)/2 {
		r.state.Draft = text
	}
}

// ranCode reports whether the model has run any code.
func (r *run) ranCode() bool { return r.state.Calls > 0 }

// finish checks the report and ends the investigation with it.
func (r *run) finish(report investigation.Report) {
	check(&report, r.rec, r.task.subject)
	r.rec.Report = report
	r.rec.NotSeen = notSeen(r.own())
	r.rec.Outcome = investigation.OutcomeCompleted
	if r.state.Concluding != "" {
		r.rec.Outcome = investigation.OutcomeConcluded
		r.rec.OutcomeWhy = r.whyEarly()
	}
}

// whyEarly returns why the model was asked to conclude, for the reader, or "" if it was not.
func (r *run) whyEarly() string {
	if r.state.Concluding == "" {
		return ""
	}
	return "The model was asked to conclude early because " + r.state.Concluding + "."
}

// endWithoutReport ends the investigation without an accepted report. The record then has the last report that
// was returned for correction. If there is none, it has the model's text or, without any text, only the evidence.
func (r *run) endWithoutReport(why string) {
	r.rec.Outcome, r.rec.OutcomeWhy = investigation.OutcomeFallback, why
	r.rec.Report = reportFromProse(r.state.Draft)
	if r.state.Returned != nil {
		r.rec.Outcome = investigation.OutcomeConcluded
		r.rec.OutcomeWhy = "The model's " + r.task.noun + " was returned for correction and never resubmitted; " +
			"unverified statements are marked. " + why
		r.rec.Report, _ = r.task.parse(r.state.Returned)
	}
	check(&r.rec.Report, r.rec, r.task.subject)
	r.rec.NotSeen = notSeen(r.own())
}

// fail ends an investigation that has no model left to ask. If the context was canceled, the record has what was found until
// then: a report that was returned for correction ends it, and without one, the caller decides what to do.
func (r *run) fail(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		if r.state.Returned != nil {
			r.endWithoutReport("The investigation was interrupted.")
			return nil
		}
		r.rec.NotSeen = notSeen(r.own())
		return cause
	}
	r.Log.Error("no model is left to ask", "error", err)
	r.endWithoutReport(r.explain(err))
	return nil
}
