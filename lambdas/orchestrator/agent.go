package main

import (
	"context"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// investigator fits the agent to the triage's seam.
type investigator struct {
	model  agent.Model
	tool   agent.Tool
	config config.Orchestrator
	region string
	prices pricing.Table
}

// Investigate implements [triage.Investigator].
func (i investigator) Investigate(ctx context.Context, run triage.Run, rec *investigation.Record, resume []byte) error {
	return agent.Run(ctx, agent.Options{
		Model: i.model, Tool: i.tool, Models: i.config.ModelIDs(), Region: i.region,
		MaxRounds: i.config.MaxRounds, MaxTokens: i.config.MaxTokens, MaxCostUSD: i.config.MaxCostUSD, Prices: i.prices,
		GuardrailID: i.config.GuardrailID, GuardrailVersion: i.config.GuardrailVersion, Instructions: run.Instructions,
		ConcludeAt: run.ConcludeAt, MayHandOver: run.MayHandOver, Checkpoint: run.Checkpoint, Kept: run.Kept,
		Now: time.Now, Log: run.Log,
	}, rec, resume)
}
