// Command orchestrator is the Lambda function that CloudWatch invokes when an alarm fires. This file reads
// the environment and builds the clients; package triage handles the events.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lambdalog"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/timezone"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolclient"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

func main() {
	log := lambdalog.New()
	handler, err := newHandler(context.Background(), log)
	if err != nil {
		log.Error("orchestrator cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(func(ctx context.Context, event json.RawMessage) (triage.Answer, error) {
		answer, err := handler.Handle(ctx, requestID(ctx), event)
		if err != nil {
			log.Error("invocation failed", "error", err)
		}
		return answer, err
	})
}

func newHandler(ctx context.Context, log *slog.Logger) (*triage.Handler, error) {
	cfg, err := config.ParseOrchestrator(os.Getenv)
	if err != nil {
		return nil, err
	}
	prices, err := pricing.Parse(cfg.Prices)
	if err != nil {
		return nil, fmt.Errorf("environment variable %s: %w", config.EnvPrices, err)
	}
	redactor, err := newRedactor(cfg)
	if err != nil {
		return nil, err
	}
	names, err := config.Names(cfg.AccountNames)
	if err != nil { // a name that is a parameter of the stack may contain a quotation mark
		log.Error("reports show no names of accounts", "error", err)
	}
	zone, err := timezone.Load(cfg.TimeZone)
	if err != nil { // a parameter of the stack may have any value, and a report in UTC is better than none
		log.Error("reports show times in UTC only", "variable", config.EnvTimeZone, "error", err)
		zone = time.UTC
	}
	customS3Endpoint := os.Getenv("AWS_ENDPOINT_URL") != "" || os.Getenv("AWS_ENDPOINT_URL_S3") != ""
	clients, err := awsapi.New(ctx, cfg.ToolTimeout, customS3Endpoint)
	if err != nil {
		return nil, err
	}
	tool := toolclient.New(clients.Lambda, cfg.ToolFunction, cfg.ToolTimeout)
	reports := store.New(clients.S3, cfg.ReportsBucket)
	region := os.Getenv("AWS_REGION")
	investigator := agent.Options{
		Model: clients.Bedrock, Tool: tool, Models: cfg.ModelIDs(), Region: region,
		MaxRounds: cfg.MaxRounds, MaxTokens: cfg.MaxTokens, MaxCostUSD: cfg.MaxCostUSD, Prices: prices,
		MaxQueryCostUSD: cfg.MaxQueryCostUSD, GuardrailID: cfg.GuardrailID, GuardrailVersion: cfg.GuardrailVersion,
		Members: cfg.Members,
	}
	h := &triage.Handler{
		Config:       cfg,
		FunctionName: lambdacontext.FunctionName,
		Region:       region,
		AccountNames: names,
		Zone:         zone,
		Redactor:     redactor,
		Tool:         tool,
		Investigator: investigator,
		Asker:        investigator,
		Renderer: report.NewRenderer(report.Home{
			Region: region, Bucket: cfg.ReportsBucket, LogGroup: lambdacontext.LogGroupName, Zone: zone,
			Account: cfg.Account(), ConsoleURL: cfg.ConsoleURL,
		}),
		Table: dedupe.New(clients.DynamoDB, cfg.Table, cfg.Window, time.Now),
		Store: reports,
		Topic: notify.New(clients.SNS, cfg.TopicARN),
		SelfCheck: &selfcheck.Checker{
			Config: cfg, FunctionName: lambdacontext.FunctionName, Region: region,
			Model: clients.Bedrock, Lifecycles: clients.Models, Lambda: clients.Lambda, DynamoDB: clients.DynamoDB,
			Store: reports, Topics: clients.SNS, Now: time.Now,
		},
		CloudWatch:  clients.CloudWatch,
		Lambda:      clients.Lambda,
		EventBridge: clients.EventBridge,
		Metrics:     emf.New(os.Stdout, lambdacontext.FunctionName, os.Getenv(config.EnvLogLevel), time.Now),
		Now:         time.Now,
		Log:         log,
	}
	if cfg.CardTopicARN != "" {
		h.CardTopic = notify.New(clients.SNS, cfg.CardTopicARN)
	}
	return h, nil
}

// newRedactor returns the redactor of events, or nil if redaction is turned off.
func newRedactor(cfg config.Orchestrator) (*redact.Redactor, error) {
	if !cfg.Redact {
		return nil, nil
	}
	patterns, err := config.Patterns(cfg.RedactPatterns)
	if err != nil {
		return nil, err
	}
	return redact.New(patterns)
}

// requestID returns the id that Lambda keeps when it retries an invocation.
func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		return lc.AwsRequestID
	}
	return randomID()
}

// randomID returns an id for a request that has none.
func randomID() string {
	var raw [6]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}
