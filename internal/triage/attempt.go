package triage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// maxInstructions bounds the instructions that are read from S3, in bytes.
const maxInstructions = 64 << 10

// run is one invocation's work on one investigation.
type attempt struct {
	*Handler
	alarm  *alarmevent.Alarm
	owner  string
	claim  *dedupe.Claim // nil when the table was not reachable
	rec    *investigation.Record
	budget budget
	log    *slog.Logger

	resumed   bool // from a checkpoint
	maybeCopy bool // an earlier run may have sent the notification
}

// run goes from the claimed alarm to the settled claim.
func (r *attempt) proceed(ctx context.Context) (Result, error) {
	if r.claim != nil && len(r.claim.Parked) > 0 {
		if rec, err := unpark(r.claim.Parked); err == nil {
			r.rec = rec
			return r.deliver(ctx)
		}
		r.log.Warn("parked report is not readable, investigating again")
	}
	at := r.lastCheckpoint(ctx)
	if at.stage == stageFinished {
		r.maybeCopy = true
		return r.deliver(ctx)
	}
	saver := newSaver(r.rec, func(state []byte) error { return r.saveState(ctx, state) }, r.log)
	if at.stage == stageNone {
		r.collectEvidence(ctx)
		saver.put(encodeCheckpoint(stageEvidence, r.rec, nil))
	}
	err := r.investigate(ctx, saver, at.state)
	if errors.Is(err, investigation.ErrHandOver) {
		if result, done := r.handOver(ctx, saver); done {
			return result, nil
		}
		err = r.concludeInstead(ctx, saver)
	}
	if err != nil {
		r.fallBack(err)
	}
	saver.put(encodeCheckpoint(stageFinished, r.rec, nil))
	if err := r.flush(ctx, saver); err != nil {
		r.log.Warn("finished investigation has no checkpoint", "error", err)
	}
	return r.deliver(ctx)
}

// collectEvidence fills what is known before any model is asked.
func (r *attempt) collectEvidence(ctx context.Context) {
	r.rec.Together = r.together(ctx)
	bounded, cancel := context.WithTimeout(ctx, r.budget.evidence)
	defer cancel()
	r.rec.Evidence = evidence.Collect(bounded, r.Tool, r.alarm, r.Now, r.log)
	r.log.Info("evidence collected", "problem", r.rec.Evidence.Problem,
		"series", len(r.rec.Evidence.Series), "changes", len(r.rec.Evidence.Changes))
}

func (r *attempt) together(ctx context.Context) []investigation.Related {
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	related, err := r.Table.Together(quick, r.alarm.ARN)
	if err != nil {
		r.log.Warn("alarms that fired together are not known", "error", err)
	}
	return related
}

// investigate runs the agent until it is done, or until its time is over.
func (r *attempt) investigate(ctx context.Context, saver *saver, resume []byte) error {
	bounded, cancel := context.WithDeadline(ctx, r.budget.agentEnds)
	defer cancel()
	return r.agent(bounded, resume, investigation.Limits{
		ConcludeAt:   r.budget.concludeAt,
		MayHandOver:  r.mayHandOver(),
		Instructions: r.instructions(ctx),
		Checkpoint:   saver.checkpoint,
		Kept:         saver.kept,
		Log:          r.log,
	})
}

// concludeInstead goes on from the last checkpoint when the hand-over failed: with what is left of
// this invocation's time the model is asked for its conclusion.
func (r *attempt) concludeInstead(ctx context.Context, saver *saver) error {
	bounded, cancel := context.WithDeadline(ctx, r.budget.agentEnds)
	defer cancel()
	return r.agent(bounded, saver.lastState(), investigation.Limits{
		ConcludeAt: r.Now(), Instructions: r.instructions(ctx), Checkpoint: saver.checkpoint, Kept: saver.kept, Log: r.log,
	})
}

// agent calls the investigator and makes an error of its panic: a bug in there must not silence an
// alarm.
func (r *attempt) agent(ctx context.Context, resume []byte, limits investigation.Limits) (err error) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("the agent panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("the agent failed: %v", v)
		}
	}()
	return r.Investigator.Investigate(ctx, limits, r.rec, resume)
}

// instructions are the extra texts for the model; objects in S3 are read anew each time, so that
// runbooks change without a deployment.
func (r *attempt) instructions(ctx context.Context) string {
	var texts []string
	for _, text := range []string{r.Config.Instructions, r.moreInstructions(ctx), r.runbook(ctx)} {
		if text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n")
}

// moreInstructions is the text of the instructions object, or nothing.
func (r *attempt) moreInstructions(ctx context.Context) string {
	if r.Config.InstructionsURI == "" {
		return ""
	}
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	text, err := r.Store.Text(quick, r.Config.InstructionsURI, maxInstructions)
	if err != nil {
		r.log.Warn("instructions not read", "error", err, "advice", awsapi.Advice(err))
		return ""
	}
	return text
}

// fallBack makes the record renderable without any conclusion.
func (r *attempt) fallBack(err error) {
	r.log.Error("no conclusion of the model", "error", err)
	r.rec.Outcome = investigation.OutcomeFallback
	if r.rec.OutcomeWhy == "" {
		why := awsapi.Brief(err)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			why = "The investigation's time was up before the model concluded. " +
				"Give the orchestrator a longer timeout, or a model that answers sooner."
		}
		r.rec.OutcomeWhy = why
	}
}

// investigationID is the id of a new investigation: the same for each retry of an event, so that it
// finds its checkpoint even when the table remembers nothing.
func investigationID(alarm *alarmevent.Alarm, owner string) string {
	sum := sha256.Sum256([]byte(owner + " " + alarm.ARN))
	return hex.EncodeToString(sum[:6])
}

// flush waits for the checkpoints to be written, as long as the rest does not suffer.
func (r *attempt) flush(ctx context.Context, s *saver) error {
	quick, cancel := r.budget.part(ctx, r.Now(), flushShare, checkpointTime)
	defer cancel()
	return s.flush(quick)
}

// leaseUntil is when another invocation may take over.
func (r *attempt) leaseUntil() time.Time { return r.budget.deadline.Add(leaseGrace) }
