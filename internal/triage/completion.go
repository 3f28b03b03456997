package triage

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

const (
	// EventSource is the source of completion events.
	EventSource = "alarmtriage"

	// EventDetailType is the detail-type of completion events.
	EventDetailType = "Alarm Investigation Completed"

	// maxEventDetail is the longest detail, in bytes: EventBridge accepts entries of 256 KiB in total.
	maxEventDetail = 240 << 10

	// completionTime is how long sending the event may take.
	completionTime = 6 * time.Second
)

// announce sends the completion event, if an event bus is configured. A failure is only logged, since the
// report is in the bucket too.
func (r *attempt) announce(ctx context.Context) {
	if r.Config.EventBus == "" {
		return
	}
	detail, err := report.Completion(r.rec, maxEventDetail)
	if err == nil {
		err = r.putEvent(ctx, detail)
	}
	if err != nil {
		r.log.Error("completion event not sent", "error", err, "advice", awsapi.Advice(err))
	}
}

func (r *attempt) putEvent(ctx context.Context, detail []byte) error {
	bounded, cancel := r.budget.part(ctx, r.Now(), notifyShare, completionTime)
	defer cancel()
	out, err := r.EventBridge.PutEvents(bounded, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: &r.Config.EventBus,
		Source:       aws.String(EventSource),
		DetailType:   aws.String(EventDetailType),
		Detail:       aws.String(string(detail)),
		Resources:    []string{r.alarm.ARN},
	}}})
	if err != nil {
		return fmt.Errorf("put the completion event on bus %s: %w", r.Config.EventBus, err)
	}
	if out.FailedEntryCount > 0 && len(out.Entries) > 0 {
		return fmt.Errorf("put the completion event on bus %s: %s: %s", r.Config.EventBus,
			aws.ToString(out.Entries[0].ErrorCode), aws.ToString(out.Entries[0].ErrorMessage))
	}
	return nil
}
