package emf_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
)

func TestEmit_WritesEmbeddedMetricFormat(t *testing.T) {
	var out bytes.Buffer
	at := time.UnixMilli(1785846975490)
	w := emf.New(&out, "triage-handler", "", func() time.Time { return at })
	require.NoError(t, w.Emit(map[string]float64{emf.Duplicates: 1, emf.Duration: 1200, emf.CostUSD: 0.25}, map[string]string{"alarm": "a\nb"}))
	assert.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")), "one line")
	assert.JSONEq(t, `{
		"_aws": {"Timestamp": 1785846975490, "CloudWatchMetrics": [{"Namespace": "AlarmTriage", "Dimensions": [["FunctionName"]],
			"Metrics": [{"Name": "CostUSD", "Unit": "None"}, {"Name": "Duplicates", "Unit": "Count"}, {"Name": "Duration", "Unit": "Milliseconds"}]}]},
		"level": "INFO", "timestamp": "2026-08-04T12:36:15.49Z",
		"FunctionName": "triage-handler", "CostUSD": 0.25, "Duplicates": 1, "Duration": 1200, "alarm": "a\nb"
	}`, out.String())
	assert.True(t, json.Valid(out.Bytes()))
}

func TestEmit_UsesLevelThatLambdaPassesOn(t *testing.T) {
	for logLevel, want := range map[string]string{
		"": "INFO", "TRACE": "INFO", "DEBUG": "INFO", "INFO": "INFO", "WARN": "WARN", "ERROR": "ERROR", "FATAL": "FATAL",
	} {
		var out bytes.Buffer
		properties := map[string]string{"level": "TRACE", "timestamp": "now"}
		require.NoError(t, emf.New(&out, "f", logLevel, time.Now).Emit(map[string]float64{emf.Skipped: 1}, properties))
		var line struct {
			Level     string
			Timestamp time.Time // its JSON form is RFC 3339
		}
		require.NoError(t, json.Unmarshal(out.Bytes(), &line))
		assert.Equal(t, want, line.Level, "log level %q", logLevel)
	}
}
