package triage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

const (
	// EventSource is the source of completion events.
	EventSource = "alarmtriage"

	// EventDetailType is the detail-type of completion events.
	EventDetailType = "Alarm Investigation Completed"

	// maxEventDetail is the longest detail, in bytes: EventBridge's entries go to 256 KiB in all.
	maxEventDetail = 240 << 10

	// completionTime is what sending the event may take.
	completionTime = 6 * time.Second
)

// completion is the detail of a completion event: the record without its rounds and evidence, which
// are in the bucket.
type completion struct {
	SchemaVersion string                  `json:"schema_version"`
	ID            string                  `json:"id"`
	Alarm         completionAlarm         `json:"alarm"`
	StartedAt     time.Time               `json:"started_at"`
	EndedAt       time.Time               `json:"ended_at"`
	Outcome       investigation.Outcome   `json:"outcome"`
	OutcomeWhy    string                  `json:"outcome_why,omitempty"`
	Model         string                  `json:"model"`
	Report        investigation.Report    `json:"report"`
	NotSeen       []investigation.NotSeen `json:"not_seen,omitempty"`
	Usage         investigation.Usage     `json:"usage"`
	Repeats       int                     `json:"repeats"`
	ReportURI     string                  `json:"report_uri"`
}

type completionAlarm struct {
	Name    string    `json:"name"`
	ARN     string    `json:"arn"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Kind    string    `json:"kind"`
	Reason  string    `json:"reason"`
	Time    time.Time `json:"time"`
}

// announce sends the completion event, if there is a bus for it. Whoever listens has the report in the
// bucket too, so that a failure is only logged.
func (r *run) announce(ctx context.Context) {
	if r.Config.EventBus == "" {
		return
	}
	detail, err := completionDetail(r.rec)
	if err == nil {
		err = r.putEvent(ctx, detail)
	}
	if err != nil {
		r.log.Error("completion event not sent", "error", err, "advice", awsapi.Advice(err))
	}
}

func completionDetail(rec *investigation.Record) ([]byte, error) {
	c := completion{
		SchemaVersion: rec.SchemaVersion, ID: rec.ID,
		Alarm: completionAlarm{
			Name: rec.Alarm.Name, ARN: rec.Alarm.ARN, Account: rec.Alarm.Account, Region: rec.Alarm.Region,
			Kind: string(rec.Alarm.Kind), Reason: rec.Alarm.Reason, Time: rec.Alarm.Time,
		},
		StartedAt: rec.StartedAt, EndedAt: rec.EndedAt, Outcome: rec.Outcome, OutcomeWhy: rec.OutcomeWhy, Model: rec.Model,
		Report: rec.Report, NotSeen: rec.NotSeen, Usage: rec.Usage, Repeats: rec.Repeats, ReportURI: rec.ReportURI,
	}
	for _, shorten := range []func(){
		func() {},
		func() { c.Report.Findings, c.NotSeen = nil, nil },
		func() {
			c.Report = investigation.Report{Confidence: c.Report.Confidence, Severity: c.Report.Severity}
			c.Alarm.Reason, c.OutcomeWhy = "", ""
		},
	} {
		shorten()
		detail, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encode the completion event: %w", err)
		}
		if len(detail) <= maxEventDetail {
			return detail, nil
		}
	}
	return nil, fmt.Errorf("the completion event is larger than %d bytes", maxEventDetail)
}

func (r *run) putEvent(ctx context.Context, detail []byte) error {
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
