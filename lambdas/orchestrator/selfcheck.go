package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
)

// newSelfChecker returns the checker of this triage.
func newSelfChecker(clients awsapi.Clients, cfg config.Orchestrator, reports selfcheck.Store) *selfcheck.Checker {
	return &selfcheck.Checker{
		Config:            cfg,
		FunctionName:      lambdacontext.FunctionName,
		Model:             clients.Bedrock,
		Lifecycles:        clients.Models,
		Lambda:            clients.Lambda,
		DynamoDB:          clients.DynamoDB,
		Store:             reports,
		Topics:            clients.SNS,
		Now:               time.Now,
		ExplainModelError: explainModelError,
	}
}

// explainModelError says why a model did not answer, and what to do about it.
func explainModelError(_ string, err error) (investigation.ModelCause, string) {
	return investigation.CauseOther, awsapi.Advice(err)
}
