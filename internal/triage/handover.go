package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

const (
	// maxHandOvers is how many more invocations may continue an investigation after the first one.
	maxHandOvers = 3

	// handOverLease is how long the lease waits for the fresh invocation to begin. After that, the alarm's
	// next event may take over.
	handOverLease = 15 * time.Minute
)

// handOver is the part of the payload with which the orchestrator invokes itself.
type handOver struct {
	Token string           `json:"token"` // owner of the lease that waits for this invocation
	ID    string           `json:"investigation_id"`
	Alarm alarmevent.Alarm `json:"alarm"`

	// Spent is what the investigation has used. The budgets hold even if the checkpoint cannot be read.
	Spent investigation.Usage `json:"spent,omitzero"`
}

type handOverEnvelope struct {
	HandOver *handOver `json:"alarmtriageHandOver"`
}

// parseHandOver returns the hand-over in a payload. ok is false if the payload is another event.
func parseHandOver(raw []byte) (order *handOver, ok bool) {
	var e handOverEnvelope
	if json.Unmarshal(raw, &e) != nil || e.HandOver == nil || e.HandOver.Token == "" || e.HandOver.ID == "" {
		return nil, false
	}
	return e.HandOver, true
}

// mayHandOver reports whether another invocation may continue this investigation. That requires the claim,
// which counts the hand-overs.
func (r *attempt) mayHandOver() bool {
	return r.claim != nil && r.FunctionName != "" && r.claim.HandOvers < maxHandOvers
}

// handOver waits for the checkpoint, passes the lease to a fresh invocation, and starts that invocation. If
// one of these steps fails, done is false and this invocation keeps the investigation. If this invocation is killed in between,
// Lambda's retry of it resumes the investigation; see [dedupe.Table.HandOver].
func (r *attempt) handOver(ctx context.Context, saver *saver) (result Result, done bool) {
	if err := r.flush(ctx, saver); err != nil || saver.lastState() == nil {
		r.log.Warn("not handed over: no checkpoint", "error", err)
		return Result{}, false
	}
	if spent := r.spentUSD(); spent > dedupe.ReservedUSD { // the fresh invocation may wait behind many new investigations
		r.countCost(ctx, spent)
	}
	token := fmt.Sprintf("%s/%d", r.claim.ID, r.claim.HandOvers+1)
	bounded, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	err := r.Table.HandOver(bounded, r.claim, token, r.Now().Add(handOverLease))
	if err == nil {
		err = r.invokeSelf(bounded, token)
	}
	if err != nil {
		r.log.Warn("not handed over", "error", err)
		return r.takeBack(ctx)
	}
	r.emit(map[string]float64{emf.HandOvers: 1})
	r.log.Info("handed over", "number", r.claim.HandOvers+1)
	return Result{
		Alarm: r.alarm.Name, Status: StatusHandedOver, ID: r.rec.ID,
		Reason: fmt.Sprintf("the invocation's time is nearly used; invocation %d of at most %d continues", r.claim.HandOvers+2, maxHandOvers+1),
	}, true
}

// takeBack makes this invocation the owner of the lease again after a failed hand-over. The write or the invocation may have
// succeeded without an answer: done is true if the fresh invocation has begun.
func (r *attempt) takeBack(ctx context.Context) (result Result, done bool) {
	quick, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	err := r.Table.TakeBack(quick, r.claim, r.leaseUntil())
	if errors.Is(err, dedupe.ErrLost) {
		return r.lost(), true
	}
	if err != nil {
		r.log.Warn("lease not taken back after a failed hand-over", "error", err)
	}
	return Result{}, false
}

func (r *attempt) invokeSelf(ctx context.Context, token string) error {
	payload, err := json.Marshal(handOverEnvelope{HandOver: &handOver{Token: token, ID: r.rec.ID, Alarm: *r.alarm, Spent: r.usage()}})
	if err != nil {
		return fmt.Errorf("encode the hand-over: %w", err)
	}
	out, err := r.Lambda.Invoke(ctx, &lambda.InvokeInput{
		FunctionName:   &r.FunctionName,
		InvocationType: types.InvocationTypeEvent,
		Payload:        payload,
	})
	switch {
	case err != nil:
		return fmt.Errorf("invoke %s: %w", r.FunctionName, err)
	case out.StatusCode != http.StatusAccepted:
		return fmt.Errorf("invoke %s: the answer has status %d instead of Lambda's %d: check the endpoints and proxies on the way to Lambda",
			r.FunctionName, out.StatusCode, http.StatusAccepted)
	}
	return nil
}
