package triage

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// Shares of the remaining time, and the longest time that each step may take.
const (
	storeShare, maxStore   = 0.5, 30 * time.Second
	notifyShare, maxNotify = 0.6, 25 * time.Second
	settleShare, maxSettle = 0.8, 8 * time.Second
)

// deliver stores the report, sends the notification, and settles the claim. If storing or notifying fails,
// the other one is still done and the report is parked. The error makes Lambda retry, and the retry only
// does what is missing. keep saves the finished investigation in the background; nil: it is saved already.
func (r *attempt) deliver(ctx context.Context, keep func()) (Result, error) {
	r.complete(ctx)
	isLost := r.takenOver || errors.Is(r.confirm(ctx), dedupe.ErrLost)
	if keep != nil && !isLost { // after the table knows that a report is being delivered: see [dedupe.Table.Confirm]
		keep()
	}
	r.background.Wait() // a retry must find the finished investigation once anything is delivered
	if isLost {
		r.log.Warn("nothing delivered: another invocation took over the investigation")
		return r.lost(), nil
	}
	keys := store.KeysFor(r.rec)
	stored, notified := r.claim != nil && r.claim.Stored, r.claim != nil && r.claim.Notified
	var storeErr, notifyErr error
	r.rec.ReportURI = r.Store.URI(keys.Text)
	if !stored {
		if storeErr = r.save(ctx, keys); storeErr != nil {
			r.rec.ReportURI = ""
		}
	}
	if !notified {
		notifyErr = r.notify(ctx, keys, storeErr)
	}
	switch err := errors.Join(storeErr, notifyErr); {
	case err != nil && notifyErr == nil && r.isForEarlier(): // people have it, and the alarm's latest transition must not wait for the bucket
		r.log.Warn("report of an earlier transition given up: it was sent, and cannot be stored")
	case err != nil:
		r.release(ctx, storeErr == nil, notifyErr == nil)
		return Result{}, err
	}
	r.announce(ctx)
	r.background.Wait() // the card may still be on its way
	r.settle(ctx)
	r.measure()
	r.log.Info("investigation ended", "outcome", string(r.rec.Outcome), "rounds", len(r.rec.Rounds),
		"report", r.rec.ReportURI, "duration", r.rec.EndedAt.Sub(r.rec.StartedAt).String())
	return Result{Alarm: r.alarm.Name, Status: StatusInvestigated, ID: r.rec.ID, Outcome: r.rec.Outcome, ReportURI: r.rec.ReportURI}, nil
}

// lost returns the result of an attempt whose investigation another invocation took over.
func (r *attempt) lost() Result {
	return Result{Alarm: r.alarm.Name, Status: StatusDuplicate, ID: r.rec.ID, Reason: "another invocation took over the investigation"}
}

// complete adds the fields of the record that are only known at the end, and counts what the investigation cost: nothing is
// spent after that, and a delivery that fails must not hide it. Both happen in the background where AWS is asked.
func (r *attempt) complete(ctx context.Context) {
	steps.End(r.rec, r.Now())
	spent := r.spentUSD()
	r.background.Go(func() { r.countCost(ctx, spent) })
	r.rec.NotSeen = slices.DeleteFunc(slices.Clone(r.rec.NotSeen), isTableUnread) // those of an earlier delivery
	if r.claim == nil {
		r.rec.NotSeen = append(r.rec.NotSeen, investigation.NotSeen{What: unreadPast, Why: whyUnread})
	}
	if r.claim != nil {
		r.rec.SeenBefore = r.claim.Past
		r.rec.Resumed = max(r.rec.Resumed, int(r.claim.Attempt)-1)
	} else if r.resumed {
		r.rec.Resumed++
	}
	r.background.Go(func() { r.rec.AtDelivery = r.stateNow(ctx) })
	r.background.Go(func() {
		quick, cancel := r.budget.part(ctx, r.Now(), storeShare, tableTime)
		defer cancel()
		if repeats, err := r.Table.Repeats(quick, r.alarm); err == nil {
			r.rec.Repeats = repeats
		}
	})
	r.background.Go(func() {
		quick, cancel := r.budget.part(ctx, r.Now(), storeShare, tableTime)
		defer cancel()
		switch together, err := r.Table.Together(quick, &r.rec.Alarm); {
		case err == nil && len(together) > 0: // the table forgets slots
			r.rec.Together = together
		case err != nil && len(r.rec.Together) == 0:
			r.rec.NotSeen = append(r.rec.NotSeen, investigation.NotSeen{What: unreadTogether, Why: whyUnread})
		}
	})
}

// What the report does not have if the table could not be read.
const (
	unreadPast     = "the alarm's earlier investigations"
	unreadTogether = "alarms that fired at about the same time"
	whyUnread      = "the table could not be read"
)

func isTableUnread(n investigation.NotSeen) bool { return n.Why == whyUnread }

// confirm checks that this attempt still holds the claim. If the alarm could not be claimed at the start,
// confirm tries to claim it again, which makes later events duplicates. An investigation of another event that was not
// finished stays as it is: this attempt delivers its own.
func (r *attempt) confirm(ctx context.Context) error {
	quick, cancel := r.budget.part(ctx, r.Now(), storeShare, tableTime)
	defer cancel()
	if r.claim != nil {
		err := r.Table.Confirm(quick, r.claim)
		if err != nil && !errors.Is(err, dedupe.ErrLost) {
			r.tableFailed(r.log, "delivery not recorded in advance", err)
		}
		return err
	}
	if claim, err := r.Table.ClaimOwn(quick, r.alarm, r.owner, r.rec.ID, r.leaseUntil()); claim != nil {
		r.claim = claim
		if err != nil {
			r.log.Warn("claim incomplete", "error", err)
		}
	}
	return nil
}

// save stores every form of the report. A form that cannot be rendered is left out; the text is always
// stored.
func (r *attempt) save(ctx context.Context, keys report.Keys) error {
	bounded, cancel := r.budget.part(ctx, r.Now(), storeShare, maxStore)
	defer cancel()
	var objects []store.Object
	for _, form := range steps.Forms(r.Renderer, r.rec, keys, r.log) {
		objects = append(objects, store.Object(form))
	}
	if err := r.Store.PutAll(bounded, objects); err != nil {
		r.emit(map[string]float64{emf.StoreFailures: 1})
		r.log.Error("report not stored", "error", err, "advice", awsapi.Advice(err))
		return err
	}
	return nil
}

// release frees the claim for the retry, and parks the report. If the report cannot be parked, the retry investigates again, but
// does not store or send anything twice.
func (r *attempt) release(ctx context.Context, stored, notified bool) {
	if r.claim == nil {
		return
	}
	bounded, cancel := r.budget.part(ctx, r.Now(), settleShare, maxSettle)
	defer cancel()
	packed, err := park(r.rec, stored)
	if err == nil {
		r.claim.MaybeSent = r.maybeCopy
		err = r.Table.Park(bounded, r.claim, packed, stored, notified)
	}
	if err != nil && !errors.Is(err, dedupe.ErrLost) {
		r.tableFailed(r.log, "report not parked; the retry investigates again", err)
		err = r.Table.Free(bounded, r.claim, stored, notified)
	}
	if err != nil {
		r.log.Error("claim not freed; its lease expires with this invocation", "error", err)
	}
}

// settle marks the investigation as done and remembers its cause. A summary is no cause, so it is not remembered. If that fails, the alarm may be investigated again when the lease
// expires. That is better than failing an invocation whose report was delivered.
func (r *attempt) settle(ctx context.Context) {
	if r.claim == nil {
		return
	}
	bounded, cancel := r.budget.part(ctx, r.Now(), settleShare, maxSettle)
	defer cancel()
	cause, confidence := strings.TrimSpace(r.rec.Report.RootCause), investigation.Unknown
	if cause != "" {
		confidence = investigation.ParseConfidence(string(r.rec.Report.Confidence))
	}
	err := r.Table.Settle(bounded, r.claim, investigation.Past{
		ID: r.rec.ID, Time: r.rec.StartedAt, Outcome: r.rec.Outcome, Cause: cause, Confidence: confidence,
		ReportURI: r.rec.ReportURI,
	})
	if err != nil {
		r.tableFailed(r.log, "claim not settled", err)
	}
}
