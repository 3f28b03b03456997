package evals

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// Limits of an evaluated investigation. They are the construct's defaults, except for the time.
const (
	queryLimitUSD    = 1.0
	evidenceQueryUSD = 0.25
	concludeAfter    = 12 * time.Minute
)

// World is an account in which one incident after another is staged, with a deployed tool.
type World struct {
	cloud  *moto.Server
	host   *lambdahost.Host
	tool   realtool.Tool
	folder string
	loads  int
	name   string // of the tool that reads the staged incident
}

// Start builds the tool and starts the stand-ins. The caller must close the world.
func Start(ctx context.Context) (*World, error) {
	w := &World{}
	if err := w.start(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *World) start(ctx context.Context) (err error) {
	if w.folder, err = os.MkdirTemp("", "alarmtriage-evals-"); err != nil {
		return err
	}
	if w.cloud, err = moto.Start(ctx); err != nil {
		return err
	}
	if w.tool, err = realtool.Build(w.folder); err != nil {
		return err
	}
	w.host, err = lambdahost.New(lambdahost.Options{})
	return err
}

// Close stops the stand-ins.
func (w *World) Close() {
	if w.host != nil {
		_ = w.host.Close()
	}
	if w.cloud != nil {
		w.cloud.Stop()
	}
	_ = os.RemoveAll(w.folder)
}

// Load replaces the account's contents with an incident and returns its alarm. at is the time of the transition; the zero
// time stands for three minutes ago.
func (w *World) Load(ctx context.Context, incident *Incident, at time.Time) (alarmevent.Alarm, error) {
	arguments := []string{"load", w.cloud.URL, incident.Dir}
	if !at.IsZero() {
		arguments = append(arguments, "--at", strconv.FormatInt(at.Unix(), 10))
	}
	event, err := loader(ctx, arguments...)
	if err != nil {
		return alarmevent.Alarm{}, err
	}
	alarms, err := alarmevent.Parse(event)
	if err != nil {
		return alarmevent.Alarm{}, fmt.Errorf("%s: the alarm's event: %w", incident.Name, err)
	}
	w.loads++
	w.name = "tool-" + strconv.Itoa(w.loads)
	function := w.tool.Function(w.name, w.cloud.URL)
	function.Env["AWS_REGION"], function.Env["AWS_DEFAULT_REGION"] = incident.Region, incident.Region
	return alarms[0], w.host.Add(function)
}

// Run runs Python in the deployed tool.
func (w *World) Run(ctx context.Context, request toolcall.Request) (answer toolcall.Answer, err error) {
	payload, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	got, err := w.host.Invoke(ctx, w.name, payload)
	if err != nil {
		return answer, err
	}
	if got.FunctionError != "" {
		return answer, fmt.Errorf("the tool failed: %s", got.Payload)
	}
	return answer, json.Unmarshal(got.Payload, &answer)
}

// Options selects who investigates, and with which limits.
type Options struct {
	Client     *bedrockruntime.Client
	Models     []string
	MaxRounds  int     // 0: 25
	MaxCostUSD float64 // 0: unlimited
	// Instructions are added to the prompt, as the prop Instructions adds them.
	Instructions string
	Pause        func(ctx context.Context, d time.Duration) error
	Now          func() time.Time
	OnRound      func(rec *investigation.Record) // is called before each request to the model except the first
}

// Collect collects the evidence of an alarm.
func Collect(ctx context.Context, tool agent.Tool, alarm *alarmevent.Alarm) investigation.Evidence {
	return evidence.Collect(ctx, tool, evidenceQueryUSD, alarm, evidence.Triage{Account: moto.Account}, time.Now, slog.New(slog.DiscardHandler))
}

// Investigate lets a model investigate an alarm with a tool. collected is the evidence.
func Investigate(
	ctx context.Context, tool agent.Tool, alarm alarmevent.Alarm, collected investigation.Evidence, o Options,
) (*investigation.Record, error) {
	prices, err := pricing.Parse("")
	if err != nil {
		return nil, err
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	rounds := o.MaxRounds
	if rounds == 0 {
		rounds = 25
	}
	rec := &investigation.Record{SchemaVersion: investigation.SchemaVersion, ID: "eval", Alarm: alarm, StartedAt: now().UTC(), Evidence: collected}
	limits := investigation.Limits{ConcludeAt: time.Now().Add(concludeAfter), Instructions: o.Instructions, Log: slog.New(slog.DiscardHandler)}
	if o.OnRound != nil {
		limits.Checkpoint = func(context.Context, []byte) error { o.OnRound(rec); return nil }
	}
	err = agent.Run(ctx, agent.Options{
		Limits: limits, Model: o.Client, Tool: tool, Models: o.Models, Region: alarm.Region, MaxRounds: rounds,
		MaxQueryCostUSD: queryLimitUSD, MaxCostUSD: o.MaxCostUSD, Prices: prices, Sleep: o.Pause, Now: o.Now,
	}, rec, nil)
	rec.EndedAt = now().UTC()
	return rec, err
}
