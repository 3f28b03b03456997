package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
)

// newSelfChecker returns the checker of this triage.
func newSelfChecker(clients awsapi.Clients, cfg config.Orchestrator, region string, reports selfcheck.Store) *selfcheck.Checker {
	return &selfcheck.Checker{
		Config:       cfg,
		FunctionName: lambdacontext.FunctionName,
		Model:        clients.Bedrock,
		Lifecycles:   clients.Models,
		Lambda:       clients.Lambda,
		DynamoDB:     clients.DynamoDB,
		Store:        reports,
		Topics:       clients.SNS,
		Now:          time.Now,
		ExplainModelError: func(modelID string, err error) (investigation.ModelCause, string) {
			return modelerror.Classify(err).Cause, modelerror.Advice(err, modelID, region)
		},
	}
}
