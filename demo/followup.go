package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/replay"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

//go:embed question.json
var questionScript []byte

// defaultQuestion is the question that the scripted model answers.
const defaultQuestion = "Who changed the policy, and is the change still in place?"

// followUp shows what can be done with a finished report: a question, feedback, and a replay.
func (d *demo) followUp(ctx context.Context, rec *investigation.Record) error {
	d.step(6, "Asking about the report: %s", d.question)
	if err := d.ask(ctx, rec); err != nil {
		return err
	}
	d.step(7, "Telling AlarmTriage that the cause was right …")
	if err := d.judgeCause(ctx, rec); err != nil {
		return err
	}
	d.step(8, "Replaying the investigation from its record, without AWS …")
	return d.replay(ctx, rec)
}

// ask sends a question to the orchestrator, as `alarmtriage ask --function` does.
func (d *demo) ask(ctx context.Context, rec *investigation.Record) error {
	if !d.bedrock {
		script, err := model.Parse(questionScript)
		if err != nil {
			return fmt.Errorf("demo/question.json: %w", err)
		}
		if err := d.model.Play(script); err != nil {
			return err
		}
	}
	var answer triage.Answer
	if err := d.order(ctx, map[string]any{"ask": map[string]any{"report": rec.ReportURI, "question": d.question}}, &answer); err != nil {
		return err
	}
	if answer.Ask == nil || answer.Ask.Answer == nil || answer.Ask.Text == "" {
		return fmt.Errorf("the question was not answered: %+v", answer.Ask)
	}
	say("      %s (%s)", answer.Ask.Text, answer.Ask.Confidence)
	for _, finding := range answer.Ask.Findings {
		for _, citation := range finding.Evidence {
			say("      - %s Tool call %d: %q", finding.Statement, citation.Call, citation.Quote)
		}
	}
	say("      stored at %s, and sent to the thread of the chat card", answer.Ask.URI)
	if !d.bedrock && answer.Ask.Confidence != investigation.Confirmed {
		return fmt.Errorf("the answer is %s, not confirmed: %s", answer.Ask.Confidence, answer.Ask.Downgraded)
	}
	card, err := d.notification(ctx, d.chat)
	if err != nil {
		return fmt.Errorf("receive the card of the answer: %w", err)
	}
	if !strings.Contains(card.Message, "alarmtriage-answer") {
		return fmt.Errorf("the chat received another card: %s", card.Message)
	}
	return nil
}

// judgeCause sends feedback to the orchestrator, as `alarmtriage feedback` does.
func (d *demo) judgeCause(ctx context.Context, rec *investigation.Record) error {
	var answer triage.Answer
	fields := map[string]any{"report": rec.ReportURI, "verdict": "right", "cause": "A policy was changed by hand.", "by": "the engineer on call"}
	if err := d.order(ctx, map[string]any{"feedback": fields}, &answer); err != nil {
		return err
	}
	if answer.Feedback == nil || answer.Feedback.Recorded == nil {
		return fmt.Errorf("the feedback was not recorded: %+v", answer.Feedback)
	}
	say("      recorded for the alarm %s: later investigations read it, and their reports show it under \"Seen before\"", answer.Feedback.Alarm)
	return nil
}

// order invokes the orchestrator and waits for its answer.
func (d *demo) order(ctx context.Context, event, answer any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	got, err := d.host.Invoke(ctx, d.deploy.Outputs["OutOrchestrator"], payload)
	if err != nil {
		return err
	}
	if got.FunctionError != "" {
		return fmt.Errorf("the orchestrator failed: %s", got.Payload)
	}
	return json.Unmarshal(got.Payload, answer)
}

// replay plays the record again, as `alarmtriage replay` does.
func (d *demo) replay(ctx context.Context, rec *investigation.Record) error {
	prices, err := pricing.Parse("")
	if err != nil {
		return err
	}
	replayed, missed, err := replay.Run(ctx, rec, replay.Options{
		MaxRounds: config.MaxRounds, MaxQueryCostUSD: config.DefaultMaxQueryCostUSD, Prices: prices, Now: time.Now,
	})
	if err != nil {
		return err
	}
	same := len(missed) == 0
	for _, difference := range replay.Compare(rec, replayed) {
		same = same && difference.Same
		if !difference.Same {
			say("      %s: %s, now %s", difference.Name, difference.Recorded, difference.Replayed)
		}
	}
	if !same && !d.bedrock {
		return errors.New("the replay differs from the record")
	}
	if same {
		say("      %d rounds and %d tool calls, the same verdict: %s", len(replayed.Rounds), replayed.Usage.ToolCalls, replayed.Report.Confidence)
	}
	say("      The command does the same, also with another model: alarmtriage replay %s", filepath.Join(d.dir, "report"))
	return nil
}
