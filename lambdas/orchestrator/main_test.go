package main

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// Only the deployment knows the value of a parameter. If it only concerns how a report looks, alarms are investigated all the same.
func TestNewHandler_StartsWithWrongSettingsOfReports(t *testing.T) {
	environment := config.Orchestrator{ModelID: "m", ToolFunction: "f", ToolTimeout: time.Minute, Table: "t", ReportsBucket: "b", TopicARN: "a",
		Window: time.Hour, MaxRounds: 5, TimeZone: "posix/Europe/Berlin", AccountNames: `{"111122223333":"the "prod" account"}`}.Environment()
	environment["AWS_REGION"] = "eu-west-1"
	for name, value := range environment {
		t.Setenv(name, value)
	}
	var log bytes.Buffer
	handler, err := newHandler(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	assert.Equal(t, time.UTC, handler.Zone)
	assert.Empty(t, handler.AccountNames)
	assert.Contains(t, log.String(), "TIME_ZONE")
	assert.Contains(t, log.String(), "ACCOUNT_NAMES")
}
