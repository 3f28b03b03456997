package triage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

// attempt is the work of one invocation on one investigation.
type attempt struct {
	*Handler
	alarm  *alarmevent.Alarm
	owner  string
	claim  *dedupe.Claim // nil: the table was unavailable
	rec    *investigation.Record
	budget budget
	spent  investigation.Usage // before a hand-over
	log    *slog.Logger

	// background is what does not have to be finished before the next step: requests to AWS that would otherwise delay
	// the investigation one after another.
	background sync.WaitGroup

	fired     chan struct{}           // closed when the alarm is recorded for correlation with other alarms
	texts     string                  // the instructions, if they were already read
	unread    []investigation.NotSeen // objects with instructions that could not be read
	off       *dedupe.Off             // what the kill switch turns off; nil: not read yet
	stop      string                  // why no model may be asked again
	conclude  string                  // why the model has to conclude
	resumed   bool                    // the record comes from a checkpoint
	maybeCopy bool                    // an earlier attempt may have sent the notification
	takenOver bool                    // another invocation has the investigation
}

// proceed investigates the claimed alarm, delivers the report, and settles the claim. It skips the steps that
// an earlier attempt has finished.
func (r *attempt) proceed(ctx context.Context) (Result, error) {
	defer r.background.Wait()
	r.maybeCopy = r.claim != nil && r.claim.MaybeSent
	if r.claim != nil && len(r.claim.Parked) > 0 {
		rec, err := unpark(r.claim.Parked)
		if err == nil {
			r.rec = rec
			return r.deliver(ctx, nil)
		}
		r.log.Warn("parked report cannot be read, investigating again", "error", err)
	}
	at := r.lastCheckpoint(ctx)
	if at.stage == stageFinished {
		r.maybeCopy = true
		return r.deliver(ctx, nil)
	}
	saver := newSaver(r.rec, func(state []byte) error { return r.saveState(ctx, state) }, r.log)
	switch at.stage {
	case stageNone:
		r.prepare(ctx)
		saver.put(encodeCheckpoint(stageEvidence, r.rec, nil))
	case stageEvidence: // since the earlier attempt, the kill switch may be on, or a limit may be reached
		if !r.rec.EvidenceOnly {
			r.decide(ctx)
		}
	case stageAgent:
		r.stop, r.conclude = r.decideAgain(ctx)
	}
	if r.rec.EvidenceOnly {
		r.skipModel()
	} else if handedOver, done := r.askModel(ctx, saver, at.state); done {
		return handedOver, nil
	}
	r.rec.NotSeen = append(r.rec.NotSeen, r.unread...)
	finished := encodeCheckpoint(stageFinished, r.rec, nil)
	return r.deliver(ctx, func() {
		saver.put(finished)
		r.background.Go(func() {
			if err := r.flush(ctx, saver); err != nil {
				r.log.Warn("checkpoint of the finished investigation not saved", "error", err)
			}
		})
	})
}

// isForEarlier reports whether the claim is that of an earlier transition's investigation.
func (r *attempt) isForEarlier() bool { return r.claim != nil && r.claim.Earlier }

// endEarlier delivers the report of an earlier transition's investigation if it is finished, and drops it otherwise: its
// evidence is older than the window, and the investigation that begins now explains the alarm's latest transition. If another
// invocation ends it, the alarm's item shows the latest transition what to do.
func (r *attempt) endEarlier(ctx context.Context) error {
	defer r.background.Wait()
	if rec, err := unpark(r.claim.Parked); err == nil {
		r.rec, r.maybeCopy = rec, r.claim.MaybeSent
		_, err := r.deliver(ctx, nil)
		return err
	}
	if r.lastCheckpoint(ctx).stage == stageFinished {
		r.maybeCopy = true
		_, err := r.deliver(ctx, nil)
		return err
	}
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	switch err := r.Table.Abandon(quick, r.claim); {
	case errors.Is(err, dedupe.ErrLost):
		return nil
	case err != nil:
		return err
	}
	r.log.Warn("unfinished investigation of an earlier transition dropped", "transition", r.claim.StartedAt)
	return nil
}

// prepare begins the investigation: it collects the evidence, unless that is switched off. At the same time it reads everything
// else that precedes the question to the model. The limits come first, because they bound what the evidence may cost.
func (r *attempt) prepare(ctx context.Context) {
	if r.spent != (investigation.Usage{}) { // an earlier invocation's checkpoint was not read
		r.rec.Usage, r.rec.Lost = r.spent, &r.spent
	}
	off := r.decide(ctx)
	r.background.Go(func() { r.rec.Together = r.together(ctx) })
	r.background.Go(func() { r.texts = r.readInstructions(ctx) })
	if off == dedupe.OffAll {
		r.rec.Evidence.Problem = "not collected: the kill switch is on"
	} else {
		r.collectEvidence(ctx)
	}
	r.background.Wait()
}

// askModel lets the model investigate. done is true if another invocation continues the investigation.
func (r *attempt) askModel(ctx context.Context, saver *saver, resume []byte) (handedOver Result, done bool) {
	err := r.investigate(ctx, saver, resume)
	if errors.Is(err, investigation.ErrUnreadable) {
		r.log.Warn("checkpoint not understood, starting from the beginning", "error", err)
		resumed := r.resumed
		r.resumed = false // the evidence is collected again
		r.prepare(ctx)
		if r.resumed = resumed; r.rec.EvidenceOnly {
			r.skipModel()
			return Result{}, false
		}
		saver.put(encodeCheckpoint(stageEvidence, r.rec, nil))
		err = r.investigate(ctx, saver, nil)
	}
	if errors.Is(err, investigation.ErrHandOver) && !r.takenOver {
		if result, done := r.handOver(ctx, saver); done {
			return result, true
		}
		err = r.concludeInstead(ctx, saver)
	}
	if err != nil {
		r.fallBack(err)
	}
	return Result{}, false
}

// skipModel prepares the record for rendering without asking a model. The record has the reason.
func (r *attempt) skipModel() {
	r.log.Warn("no model asked", "reason", r.rec.OutcomeWhy)
	r.rec.Outcome = investigation.OutcomeFallback
}

// collectEvidence collects the evidence before a model is asked.
func (r *attempt) collectEvidence(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, r.budget.evidence)
	defer cancel()
	steps.CollectEvidence(bounded, r.Tool, r.Config.MaxQueryCostUSD, r.rec, r.own(ctx), r.Now, r.log)
}

// own describes the triage's functions in the account of this invocation.
func (r *attempt) own(ctx context.Context) evidence.Triage {
	tool := r.Config.ToolFunction
	return evidence.Triage{Account: ownAccount(ctx), Names: []string{r.FunctionName, tool[strings.LastIndexByte(tool, ':')+1:]}}
}

// recordFired records the alarm for correlation with other alarms.
func (r *attempt) recordFired(ctx context.Context) {
	defer close(r.fired)
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	if err := r.Table.Fired(quick, r.alarm); err != nil {
		r.log.Warn("alarm not recorded for correlation with other alarms", "error", err)
	}
}

// together returns the other alarms that fired at about the same time. Of two alarms that fire at the same moment, at least
// one sees the other, because each is recorded before it looks.
func (r *attempt) together(ctx context.Context) []investigation.Related {
	<-r.fired
	quick, cancel := context.WithTimeout(ctx, r.budget.table)
	defer cancel()
	related, err := r.Table.Together(quick, r.alarm)
	if err != nil {
		r.log.Warn("cannot read the alarms that fired together", "error", err)
	}
	return related
}

// investigate runs the agent until it ends, or until its share of the time is used.
func (r *attempt) investigate(ctx context.Context, saver *saver, resume []byte) error {
	bounded, cancel := context.WithDeadline(ctx, r.budget.agentEnds)
	defer cancel()
	return steps.AskModel(bounded, r.Investigator, investigation.Limits{
		ConcludeAt:   r.budget.concludeAt,
		Conclude:     r.conclude,
		Stop:         r.stop,
		MayHandOver:  r.mayHandOver() && r.conclude == "",
		Instructions: r.instructions(ctx),
		Checkpoint: func(ctx context.Context, state []byte) error {
			if r.isTakenOver(ctx) { // a copy of the event, which Lambda may deliver at the same time, has the investigation
				r.takenOver = true
				cancel()
				return dedupe.ErrLost
			}
			return saver.checkpoint(ctx, state)
		},
		Kept: saver.waitUntilSaved,
		Log:  r.log,
	}, r.rec, resume)
}

// maxHeld is how long one check of the claim may take. It is made after each round.
const maxHeld = 2 * time.Second

// isTakenOver reports whether another invocation took over the investigation. Only one of them may go on spending.
func (r *attempt) isTakenOver(ctx context.Context) bool {
	if r.claim == nil {
		return false
	}
	quick, cancel := context.WithTimeout(ctx, maxHeld)
	defer cancel()
	return errors.Is(r.Table.Holds(quick, r.claim), dedupe.ErrLost)
}

// concludeInstead continues from the last checkpoint when a hand-over failed, and asks the model for its
// conclusion in the rest of this invocation's time.
func (r *attempt) concludeInstead(ctx context.Context, saver *saver) error {
	bounded, cancel := context.WithDeadline(ctx, r.budget.agentEnds)
	defer cancel()
	return steps.AskModel(bounded, r.Investigator, investigation.Limits{
		ConcludeAt: r.Now(), Instructions: r.instructions(ctx), Checkpoint: saver.checkpoint, Kept: saver.waitUntilSaved, Log: r.log,
	}, r.rec, saver.lastState())
}

// instructions returns the additional text for the model, which it reads unless that has been done.
func (r *attempt) instructions(ctx context.Context) string {
	if r.texts == "" {
		r.texts = r.readInstructions(ctx)
	}
	return r.texts
}

// readInstructions reads the additional text for the model. Objects in S3 are read in each invocation, which makes
// changes to runbooks effective without a deployment.
func (r *attempt) readInstructions(ctx context.Context) string {
	var more, runbook string
	var unread [2]*investigation.NotSeen
	var reads sync.WaitGroup
	if uri := r.Config.InstructionsURI; uri != "" {
		reads.Go(func() { more, unread[0] = r.object(ctx, "instructions", uri) })
	}
	reads.Go(func() { runbook, unread[1] = r.runbook(ctx) })
	reads.Wait()
	r.unread = nil
	for _, one := range unread {
		if one != nil {
			r.unread = append(r.unread, *one)
		}
	}
	var texts []string
	for _, text := range []string{r.Config.Instructions, more, runbook} {
		if text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n")
}

// fallBack prepares the record for rendering without a conclusion.
func (r *attempt) fallBack(err error) {
	if r.takenOver {
		r.log.Info("stopped: another invocation took over the investigation")
	} else {
		r.log.Error("model did not conclude", "error", err)
	}
	steps.FallBack(r.rec, err, "The time for the investigation ran out before the model concluded. "+
		"Set a longer OrchestratorTimeout, or use a faster model.")
}

// investigationID returns the id of a new investigation. The id is the same for each retry of an event. A
// retry therefore finds the checkpoint even if the claim was never written. Events of one invocation that report
// different transitions, or of which only one is confirmed, have different ids.
func investigationID(alarm *alarmevent.Alarm, owner string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		owner, alarm.ARN, alarm.Time.UTC().Format(time.RFC3339Nano), string(alarm.Confirmation()),
	}, " ")))
	return hex.EncodeToString(sum[:6])
}

// flush waits until the checkpoints are written, for at most a share of the time that is left.
func (r *attempt) flush(ctx context.Context, s *saver) error {
	quick, cancel := r.budget.part(ctx, r.Now(), flushShare, checkpointTime)
	defer cancel()
	return s.flush(quick)
}

// leaseUntil returns when another invocation may take over.
func (r *attempt) leaseUntil() time.Time { return r.budget.deadline.Add(leaseGrace) }
