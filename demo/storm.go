package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Limits of -storm. They are small, so that the demo reaches them.
const (
	maxStorm         = 200 // alarms
	stormPerDay      = 3   // MaxInvestigationsPerDay
	stormConcurrency = 5   // MaxConcurrentInvestigations
	shownSubjects    = 3   // of each kind
)

// limitStorm sets the limits of -storm in the orchestrator's environment.
func limitStorm(env map[string]string) { env[config.EnvMaxPerDay] = fmt.Sprint(stormPerDay) }

// fireStorm sends the events of many alarms at once. They are copies of one event with different names.
func (d *demo) fireStorm(event *incident) error {
	for i := range d.storm {
		name := fmt.Sprintf("%s-%02d", event.Alarm, i+1)
		payload := strings.ReplaceAll(string(event.Event), `"`+event.Alarm+`"`, `"`+name+`"`)
		payload = strings.ReplaceAll(payload, ":alarm:"+event.Alarm+`"`, ":alarm:"+name+`"`)
		if _, err := d.host.InvokeAsync(d.deploy.Outputs["OutOrchestrator"], []byte(payload)); err != nil {
			return err
		}
	}
	return nil
}

// showStorm shows what people receive, and returns an error if an alarm has no report, or the limit was not kept.
func (d *demo) showStorm(ctx context.Context) error {
	messages, err := d.allNotifications(ctx)
	if err != nil {
		return err
	}
	records, err := d.records(ctx)
	if err != nil {
		return err
	}
	evidenceOnly, longest := map[string]bool{}, time.Duration(0)
	first := records[0].StartedAt
	for _, rec := range records {
		if rec.EvidenceOnly {
			evidenceOnly[rec.Alarm.Name] = true
		}
		if rec.StartedAt.Before(first) {
			first = rec.StartedAt
		}
	}
	for _, rec := range records {
		longest = max(longest, rec.EndedAt.Sub(first))
	}
	var investigated, others, limits []notification
	for _, message := range messages {
		switch {
		case strings.HasPrefix(message.Subject, "Alarm triage:"):
			limits = append(limits, message)
		case strings.Contains(message.Message, "no model was asked"):
			others = append(others, message)
		default:
			investigated = append(investigated, message)
		}
	}
	say("\n%d reports with the conclusion of a model:", len(investigated))
	sayNotifications(investigated)
	say("\n%d reports with the evidence only, for which no model was asked:", len(others))
	sayNotifications(others)
	say("\n%d notification that the limit of the day is reached:", len(limits))
	for _, limit := range limits {
		say("  Subject: %s\n\n%s", limit.Subject, limit.Message)
	}
	say("The last report was finished %s after the first investigation began.", longest.Round(time.Second))
	if len(records) != d.storm || len(investigated) != stormPerDay || len(others) != d.storm-stormPerDay || len(others) != len(evidenceOnly) || len(limits) != 1 {
		return fmt.Errorf("%d alarms fired, and there are %d records (%d with the evidence only), and notifications of %d conclusions, %d times evidence, and %d limits",
			d.storm, len(records), len(evidenceOnly), len(investigated), len(others), len(limits))
	}
	return nil
}

// sayNotifications shows the subjects of the first notifications.
func sayNotifications(messages []notification) {
	for _, message := range messages[:min(len(messages), shownSubjects)] {
		say("  Subject: %s", message.Subject)
	}
	if more := len(messages) - shownSubjects; more > 0 {
		say("  … and %d more", more)
	}
}

// allNotifications returns everything that arrived in the inbox.
func (d *demo) allNotifications(ctx context.Context) (messages []notification, err error) {
	client := sqs.NewFromConfig(d.aws.Config())
	for {
		received, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &d.inbox, MaxNumberOfMessages: 10})
		if err != nil || len(received.Messages) == 0 {
			return messages, err
		}
		var done []types.DeleteMessageBatchRequestEntry
		for i, raw := range received.Messages {
			var message notification
			if err := json.Unmarshal([]byte(aws.ToString(raw.Body)), &message); err != nil {
				return nil, fmt.Errorf("read a notification: %w", err)
			}
			messages = append(messages, message)
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: raw.ReceiptHandle})
		}
		if _, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &d.inbox, Entries: done}); err != nil {
			return nil, err
		}
	}
}

// records returns all stored records.
func (d *demo) records(ctx context.Context) (records []investigation.Record, err error) {
	client := s3.NewFromConfig(d.aws.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	bucket := d.deploy.Outputs["OutReportsBucket"]
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("reports/2")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, object := range page.Contents {
			if formOf(*object.Key) != "report.json" {
				continue
			}
			content, err := contentOf(ctx, client, bucket, *object.Key)
			if err != nil {
				return nil, err
			}
			var rec investigation.Record
			if err := json.Unmarshal(content, &rec); err != nil {
				return nil, fmt.Errorf("read %s: %w", *object.Key, err)
			}
			records = append(records, rec)
		}
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("bucket %s holds no report", bucket)
	}
	return records, nil
}
