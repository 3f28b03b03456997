// Package agent lets a model investigate: it asks, runs the tools that the model calls, and asks again,
// until the model submits its report or a limit makes it conclude. Whatever happens, the record can be
// rendered afterwards.
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

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// ErrHandOver says that the time is nearly used, that rounds are left, and that the last checkpoint is
// where a fresh invocation goes on.
var ErrHandOver = investigation.ErrHandOver

// Tool runs Python. Its error is fit for the model to read.
type Tool interface {
	Run(ctx context.Context, command string) (toolcall.Answer, error)
}

// Model is Bedrock's Converse.
type Model interface {
	Converse(ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error)
}

// Options is what an investigation works with and within.
type Options struct {
	investigation.Limits
	Model            Model
	Tool             Tool
	Models           []string      // ids or ARNs, in the order in which they are asked; at least one
	Region           string        // where they are asked, for advice to a human
	MaxRounds        int           // questions to the model
	MaxTokens        int           // of all kinds, over the investigation; 0: no budget
	MaxCostUSD       float64       // 0: no budget
	Prices           pricing.Table //
	GuardrailID      string
	GuardrailVersion string
	ContextWindow    int                                              // tokens; 0: the model's own
	Now              func() time.Time                                 // default time.Now
	Sleep            func(ctx context.Context, d time.Duration) error // default: a timer
	Random           func() float64                                   // from 0 to 1; default math/rand
}

// Investigate is [Run] within limits, which replace the options' own.
func (o Options) Investigate(ctx context.Context, limits investigation.Limits, rec *investigation.Record, resume []byte) error {
	o.Limits = limits
	return Run(ctx, o, rec, resume)
}

// Bounds of one investigation.
const (
	maxStrikes          = 3 // answers in a row that bring nothing before the model is asked to conclude
	maxConcludingRounds = 3 // questions for the conclusion before the report is made without one
	maxRejectedReports  = 2 // reports given back to be mended
	maxParallelCalls    = 8 // tool calls of one answer that run at the same time
	maxCallsPerRound    = 16
)

// run is a running investigation.
type run struct {
	Options
	rec       *investigation.Record
	state     state
	resumed   bool          // from a checkpoint of another invocation
	questions int           // requests in this invocation
	took      time.Duration // by the last request
}

// state is what a checkpoint keeps besides the record.
type state struct {
	Talk       *conversation.Conversation `json:"talk"`
	Model      int                        `json:"model,omitempty"`      // index of the model that is asked
	Without    without                    `json:"without,omitzero"`     // what it refused
	Doubled    bool                       `json:"doubled,omitempty"`    // MaxOutput, since an answer was all thinking
	Calls      int                        `json:"calls"`                // tool calls so far, the evidence not counted
	Concluding string                     `json:"concluding,omitempty"` // why the model is asked to conclude; empty: it is not
	Asked      int                        `json:"asked,omitempty"`      // questions for the conclusion so far
	Strikes    int                        `json:"strikes,omitempty"`
	SentBack   bool                       `json:"sent_back,omitempty"` // for having answered without a look
	Reminded   bool                       `json:"reminded,omitempty"`  // of submit_report
	Rejected   int                        `json:"rejected,omitempty"`  // reports given back
	MaxOutput  int                        `json:"max_output"`          // tokens of one answer
	Draft      string                     `json:"draft,omitempty"`     // the best prose so far
	Returned   json.RawMessage            `json:"returned,omitempty"`  // the last report that was given back
}

// Run investigates rec's alarm and fills its rounds, report, outcome and usage. resume is what a former
// Checkpoint got, or nil. It returns nil whenever rec can be rendered, ErrHandOver when the last
// checkpoint is to be resumed elsewhere, and ctx's error when it was cancelled.
func Run(ctx context.Context, o Options, rec *investigation.Record, resume []byte) error {
	r, err := newRun(o, rec, resume)
	if err != nil {
		return err
	}
	for {
		if err := r.limits(ctx); err != nil {
			return r.handOver(ctx)
		}
		answer, err := r.ask(ctx)
		switch {
		case errors.Is(err, ErrHandOver):
			return r.handOver(ctx)
		case err != nil:
			return r.fail(ctx, err)
		}
		if done := r.digest(ctx, answer); done {
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
		return nil, errors.New("no model is named: an investigation needs at least one")
	}
	r := &run{Options: o, rec: rec, resumed: resume != nil}
	if resume != nil {
		return r, r.restore(resume)
	}
	r.state = state{Talk: &conversation.Conversation{}}
	r.adopt()
	r.state.Talk.Say(opening(rec))
	return r, nil
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

// limits asks for the conclusion when one of the limits is near. This is the one place where limits are
// looked at.
func (r *run) limits(ctx context.Context) error {
	if r.state.Concluding != "" {
		return nil
	}
	next := r.projected()
	switch {
	case r.timeIsUp(ctx) && r.mayGoOn():
		return ErrHandOver
	case r.timeIsNear(ctx) && !r.mayGoOn():
		r.conclude("the time for this investigation is nearly used")
	case len(r.rec.Rounds) >= r.MaxRounds-1:
		r.conclude(fmt.Sprintf("all %d rounds are used", r.MaxRounds))
	case r.MaxTokens > 0 && tokensOf(r.rec.Usage)+2*tokensOf(next) > r.MaxTokens:
		r.conclude(fmt.Sprintf("the budget of %d tokens is nearly used", r.MaxTokens))
	case r.MaxCostUSD > 0 && r.rec.Usage.CostUSD+2*r.priced(next) > r.MaxCostUSD:
		r.conclude(fmt.Sprintf("the budget of $%.2f is nearly used", r.MaxCostUSD))
	case r.state.Strikes >= maxStrikes:
		r.conclude("the model's answers no longer bring the investigation forward")
	}
	return nil
}

// mayGoOn reports whether another invocation may go on with the investigation.
func (r *run) mayGoOn() bool {
	return r.MayHandOver && r.state.Concluding == "" && len(r.rec.Rounds) < r.MaxRounds
}

// timeIsUp reports whether no call should be started any more, since it could not finish: models that think take
// minutes. An invocation that has not asked yet asks at least once, so that each brings the investigation forward.
func (r *run) timeIsUp(ctx context.Context) bool {
	return r.concludeNow() || r.questions > 0 && r.timeLeft(ctx) < r.expected()
}

// timeIsNear reports whether the next answer could be the last that this invocation gets.
func (r *run) timeIsNear(ctx context.Context) bool {
	return r.concludeNow() || r.timeLeft(ctx) < 2*r.expected()
}

func (r *run) concludeNow() bool { return !r.ConcludeAt.IsZero() && !r.Now().Before(r.ConcludeAt) }

// expected is how long the next answer takes at the most, going by the last ones.
func (r *run) expected() time.Duration {
	const recent = 3 // rounds
	var longest time.Duration
	for _, round := range r.rec.Rounds[max(0, len(r.rec.Rounds)-recent):] {
		longest = max(longest, time.Duration(round.DurationMS)*time.Millisecond)
	}
	return longest
}

// handOver leaves the last state for another invocation.
func (r *run) handOver(ctx context.Context) error {
	r.checkpoint(ctx)
	return ErrHandOver
}

// projected is what the next question will use: the last one's, and as much again for what was added.
func (r *run) projected() investigation.Usage {
	if len(r.rec.Rounds) == 0 {
		return investigation.Usage{}
	}
	return r.rec.Rounds[len(r.rec.Rounds)-1].Usage
}

func tokensOf(u investigation.Usage) int {
	return u.InputTokens + u.OutputTokens + u.CacheReadTokens + u.CacheWriteTokens
}

func (r *run) priced(u investigation.Usage) float64 {
	usd, _ := r.Prices.Cost(r.modelID(), u)
	return usd
}

// conclude turns the conversation towards its end.
func (r *run) conclude(why string) {
	r.Log.Info("asking for the conclusion", "reason", why)
	r.state.Concluding = why
	r.state.Talk.Say(concludeNow(why))
}

// digest takes in one answer of the model; done says that the investigation is over.
func (r *run) digest(ctx context.Context, out *bedrockruntime.ConverseOutput) (done bool) {
	round := r.newRound(out)
	turn, warnings, said := r.accept(out)
	separateThinking(round, turn)
	for _, warning := range warnings {
		r.Log.Warn("model's answer was changed", "warning", warning)
	}
	if r.state.Concluding != "" {
		r.state.Asked++
	}
	uses, asText := r.uses(turn, round)
	switch {
	case out.StopReason == stopRefusal:
		done = r.declined(round)
	case len(uses) > 0:
		done = r.work(ctx, round, uses, asText)
	case !said && r.wasAllThinking(out):
		round.Note = fmt.Sprintf("the model thought until its %d output tokens were used; asked again with twice as many", r.state.MaxOutput/2)
	case !said || strings.TrimSpace(round.Text) == "":
		done = r.useless(round)
	case isRefusal(round.Text):
		done = r.refusedInProse(round)
	default:
		done = r.prose(round)
	}
	r.rec.Rounds = append(r.rec.Rounds, *round)
	r.Log.Info("round ended", "round", round.Number, "calls", len(round.Calls), "stop_reason", round.StopReason, "note", round.Note)
	if !done && r.state.Concluding != "" && r.state.Asked >= maxConcludingRounds {
		r.settleWithout(fmt.Sprintf("The model was asked for its conclusion %d times (%s) and gave none.", r.state.Asked, r.state.Concluding))
		return true
	}
	return done
}

// stopRefusal is the stop reason of a model that declined. The SDK has no name for it.
const stopRefusal types.StopReason = "refusal"

// declined deals with a model that does not want to answer: the next one is asked.
func (r *run) declined(round *investigation.Round) (done bool) {
	why := refusedWhy(r.modelID())
	round.Note = "the model declined to answer"
	if r.nextModel(investigation.CauseRefused, why) {
		return false
	}
	r.settleWithout(why)
	return true
}

// wasAllThinking reports whether an answer used up its tokens without saying anything, and doubles them, once.
func (r *run) wasAllThinking(out *bedrockruntime.ConverseOutput) bool {
	if out.StopReason != types.StopReasonMaxTokens || r.state.Doubled || 2*r.state.MaxOutput > r.model().MaxOutput {
		return false
	}
	r.state.Doubled = true
	r.state.MaxOutput *= 2
	return true
}

func (r *run) newRound(out *bedrockruntime.ConverseOutput) *investigation.Round {
	round := &investigation.Round{
		Number: len(r.rec.Rounds) + 1, Model: r.modelID(), StopReason: string(out.StopReason), Usage: r.count(out),
	}
	round.DurationMS = r.took.Milliseconds()
	round.StartedAt = r.Now().UTC().Add(-time.Duration(round.DurationMS) * time.Millisecond)
	return round
}

// count adds what an answer used to the investigation's usage, and returns it.
func (r *run) count(out *bedrockruntime.ConverseOutput) investigation.Usage {
	u := usageOf(out)
	u.CostUSD, u.PriceKnown = r.Prices.Cost(r.modelID(), u)
	total := &r.rec.Usage
	total.PriceKnown = u.PriceKnown && (total.PriceKnown || total.ModelCalls == 0)
	total.ModelCalls++
	total.InputTokens += u.InputTokens
	total.OutputTokens += u.OutputTokens
	total.CacheReadTokens += u.CacheReadTokens
	total.CacheWriteTokens += u.CacheWriteTokens
	total.CostUSD += u.CostUSD
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

// accept adds the answer to the conversation. An answer that broke off is not taken in, since half a
// call would make every further request wrong.
func (r *run) accept(out *bedrockruntime.ConverseOutput) (conversation.Turn, []string, bool) {
	message, ok := out.Output.(*types.ConverseOutputMemberMessage)
	if !ok {
		return conversation.Turn{}, nil, false
	}
	switch out.StopReason {
	case types.StopReasonMalformedModelOutput, types.StopReasonMalformedToolUse, types.StopReasonContentFiltered, types.StopReasonGuardrailIntervened, stopRefusal:
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

// useless deals with an answer that has nothing to go on with.
func (r *run) useless(round *investigation.Round) (done bool) {
	r.state.Strikes++
	reason := types.StopReason(round.StopReason)
	switch reason {
	case types.StopReasonGuardrailIntervened, types.StopReasonContentFiltered:
		if r.state.Strikes > 1 && reason == types.StopReasonContentFiltered && r.nextModel(investigation.CauseRefused, withheldWhy(reason)) {
			r.state.Strikes = 0
			return false
		}
		if r.state.Strikes > 1 {
			r.settleWithout(withheldWhy(reason))
			return true
		}
	}
	round.Note = "the answer had nothing to go on with (" + round.StopReason + ")"
	r.state.Talk.Say(goOn(reason))
	return false
}

func withheldWhy(reason types.StopReason) string {
	return fmt.Sprintf("The model's answer was withheld (%s). Look at the guardrail's or the model's content policy; "+
		"the evidence below was collected without it.", reason)
}

// prose deals with an answer that calls no tool.
func (r *run) prose(round *investigation.Round) (done bool) {
	if reason := types.StopReason(round.StopReason); reason == types.StopReasonMaxTokens || reason == types.StopReasonModelContextWindowExceeded {
		r.state.Strikes++
		round.Note = "the answer was cut off (" + round.StopReason + ")"
		r.keepDraft(round.Text)
		r.state.Talk.Say(goOn(reason))
		return false
	}
	r.keepDraft(round.Text)
	switch {
	case !r.looked() && !r.state.SentBack && r.state.Concluding == "":
		r.state.SentBack = true
		round.Note = "sent back: the model answered without having looked"
		r.state.Talk.Say(lookFirst)
		return false
	case !r.state.Reminded:
		r.state.Reminded = true
		round.Note = "reminded to submit the report"
		r.state.Talk.Say(submitPlease)
		return false
	default:
		round.Note = "the report is taken from prose"
		r.finish(reportFromProse(r.state.Draft))
		return true
	}
}

// keepDraft remembers the last prose, should no report follow.
func (r *run) keepDraft(text string) {
	if text = r.draftOf(text); text != "" && len(text) >= len(r.state.Draft)/2 {
		r.state.Draft = text
	}
}

// looked says whether any code of the model's has run.
func (r *run) looked() bool { return r.state.Calls > 0 }

// finish ends with a report, which is checked here.
func (r *run) finish(report investigation.Report) {
	check(&report, r.rec)
	r.rec.Report = report
	r.rec.NotSeen = notSeen(r.rec)
	r.rec.Outcome = investigation.OutcomeCompleted
	if r.state.Concluding != "" {
		r.rec.Outcome = investigation.OutcomeConcluded
		r.rec.OutcomeWhy = "The investigation was brought to its end because " + r.state.Concluding + "."
	}
}

// settleWithout ends without a report that was accepted: with one that was given back if there is any, else
// with the model's prose, else with the evidence alone.
func (r *run) settleWithout(why string) {
	r.rec.Outcome, r.rec.OutcomeWhy = investigation.OutcomeFallback, why
	r.rec.Report = reportFromProse(r.state.Draft)
	if r.state.Returned != nil {
		r.rec.Outcome = investigation.OutcomeConcluded
		r.rec.OutcomeWhy = "The model's report was given back to be mended, and it did not come to that; what does not stand is marked. " + why
		r.rec.Report, _ = parseReport(r.state.Returned)
	}
	check(&r.rec.Report, r.rec)
	r.rec.NotSeen = notSeen(r.rec)
}

// fail ends an investigation whose model can't be asked any more. A cancelled context is the caller's
// business, unless the record has something to show.
func (r *run) fail(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return cause
	}
	r.Log.Error("model cannot be asked", "error", err)
	r.settleWithout(modelerror.Explain(err, r.modelID(), r.Region))
	return nil
}
