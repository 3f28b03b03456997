package agent

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
)

// Limits of the retries of one request, by kind of error.
const (
	backoffBase  = time.Second
	backoffLimit = 30 * time.Second
	maxThrottles = 12
	maxFaults    = 5
	maxTimeouts  = 2
	maxFailures  = 3 // failures of the model, as opposed to the service
)

// ask sends the conversation to the model until it answers. It retries if that can help, changes the request
// if the service refuses a part of it, and asks the next model if neither helps.
func (r *run) ask(ctx context.Context) (*bedrockruntime.ConverseOutput, error) {
	tries := map[modelerror.Kind]int{}
	for {
		r.fitWindow()
		if err := r.limitOutput(); err != nil {
			return nil, err
		}
		size := r.requestBytes()
		out, err := r.send(ctx)
		if err == nil {
			r.isAnswered = true
			r.measureInput(size, usageOf(out))
			tooLong := out.StopReason == types.StopReasonModelContextWindowExceeded
			if tooLong && tries[modelerror.TooLong] == 0 && r.compact(1) {
				r.addUsage(out) // a discarded answer is billed, too
				tries[modelerror.TooLong]++
				continue
			}
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, r.outOfTime(ctx, err)
		}
		class := modelerror.Classify(err)
		tries[class.Kind]++
		r.Log.Warn("model call failed", "error", err, "model", r.modelID(), "attempt", tries[class.Kind])
		again, wait := r.remedy(class, tries[class.Kind])
		switch {
		case again && r.isTooSlow(ctx) && r.nextModel(class.Cause, r.explain(err)):
			clear(tries)
		case again && wait > r.timeLeft(ctx):
			return nil, r.outOfTime(ctx, err)
		case again:
			if err := r.pause(ctx, wait); err != nil {
				return nil, r.outOfTime(ctx, err)
			}
		case r.nextModel(class.Cause, r.explain(err)):
			clear(tries)
		default:
			return nil, err
		}
	}
}

// explain returns why the model failed, and what to do, for the reader.
func (r *run) explain(err error) string {
	return modelerror.Explain(err, r.modelID(), r.Region, r.Caller)
}

// isTooSlow reports whether the last request had all the time that a request may take, and another one would not have it.
func (r *run) isTooSlow(ctx context.Context) bool {
	return r.lastDuration >= awsapi.ModelReadTimeout && r.timeLeft(ctx) < awsapi.ModelReadTimeout
}

// outOfTime returns the error of a request that ran out of time: [investigation.ErrHandOver] if another
// invocation may continue and can make more progress than this one. It asks the next model if this one answered nothing in a
// whole invocation.
func (r *run) outOfTime(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) || !r.MayHandOver {
		return errors.Join(ctx.Err(), err)
	}
	if r.resumed && !r.isAnswered {
		class := modelerror.Classify(err)
		if r.nextModel(class.Cause, r.explain(err)) {
			return investigation.ErrHandOver
		}
	}
	if couldNotFinish := r.resumed && r.requests <= 1; couldNotFinish { // a whole invocation was not enough for one answer
		return errors.Join(ctx.Err(), err)
	}
	return investigation.ErrHandOver
}

// timeLeft returns the time until the context's deadline.
func (r *run) timeLeft(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Duration(1<<63 - 1)
	}
	return deadline.Sub(r.Now())
}

func (r *run) pause(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return ctx.Err()
	}
	return r.Sleep(ctx, wait)
}

// remedy decides what to do after a failed attempt. again reports whether to ask the same model again, after wait.
// If the request itself was the problem, remedy changes the next one.
func (r *run) remedy(class modelerror.Class, try int) (again bool, wait time.Duration) {
	limit := 0
	switch class.Kind {
	case modelerror.Throttled:
		limit = maxThrottles
	case modelerror.Fault:
		limit = maxFaults
	case modelerror.Timeout:
		limit = maxTimeouts
	case modelerror.Model:
		if try == 1 {
			r.state.Talk.Say(r.task.retryPrompt(types.StopReasonMalformedToolUse))
		}
		limit = maxFailures
	default:
		return r.adaptRequest(class, try), 0
	}
	if try > limit {
		return false, 0
	}
	ceiling := min(backoffLimit, backoffBase<<min(try-1, 10))
	return true, time.Duration(r.Random() * float64(ceiling)) // full jitter
}

// adaptRequest removes what the model refused from the next request. It reports whether there was something to
// remove.
func (r *run) adaptRequest(class modelerror.Class, try int) bool {
	talk := r.state.Talk
	switch class.Kind {
	case modelerror.CacheRefused:
		return talk.StepDown()
	case modelerror.ToolsRefused:
		return !setFlag(&talk.TextTools)
	case modelerror.SystemRefused:
		return !setFlag(&talk.TextSystem)
	case modelerror.EffortRefused:
		return !setFlag(&r.state.Without.Effort)
	case modelerror.TemperatureRefused:
		return !setFlag(&r.state.Without.Temperature)
	case modelerror.ThinkingRefused:
		// The first attempt removes the reasoning. If the model requires reasoning before a call, the second one
		// also removes the calls.
		return try == 1 && talk.DropReasoning() || try <= 2 && r.compact(0)
	case modelerror.OutputLimit:
		return r.lowerOutput(class.Limit)
	case modelerror.TooLong:
		return r.compact(max(0, 2-try))
	}
	return false
}

// setFlag sets a flag and returns its previous value.
func setFlag(flag *bool) (before bool) {
	before, *flag = *flag, true
	return before
}

// lowerOutput lowers the output limit to limit, or by half if limit does not lower it. It reports whether a report
// still fits.
func (r *run) lowerOutput(limit int) bool {
	if limit <= 0 || limit >= r.state.MaxOutput {
		limit = r.state.MaxOutput / 2
	}
	r.state.MaxOutput = limit
	return limit >= leastOutputTokens
}

// send sends one request.
func (r *run) send(ctx context.Context) (*bedrockruntime.ConverseOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, awsapi.ModelReadTimeout)
	defer cancel()
	r.requests++
	started := r.Now()
	out, err := r.Model.Converse(ctx, r.request())
	r.lastDuration = r.Now().Sub(started)
	return out, err
}
