package faults_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// logsAt returns the variables that Lambda sets for a function that logs JSON at a level.
func logsAt(level string) map[string]string {
	return map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", config.EnvLogLevel: level}
}

// lines stops the functions and returns the lines of their log.
func (w *world) lines() []map[string]any {
	w.t.Helper()
	require.NoError(w.t, w.host.Close())
	var found []map[string]any
	for text := range strings.Lines(w.log.String()) {
		var line map[string]any
		require.NoError(w.t, json.Unmarshal([]byte(text), &line), "a line that is not JSON has no level: %s", text)
		found = append(found, line)
	}
	return found
}

func TestMetrics_ReachTheLogAtEveryLevel(t *testing.T) {
	for _, level := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{script: script(look("answer"), submit()), env: logsAt(level)})
			w.fire(event("orders", 1))
			w.fire(event("orders", 1))
			sum := map[string]float64{}
			for _, line := range w.lines() {
				if _, ok := line["_aws"]; !ok {
					continue
				}
				for _, name := range []string{emf.Investigations, emf.Completed, emf.Duplicates} {
					value, _ := line[name].(float64)
					sum[name] += value
				}
			}
			assert.Equal(t, map[string]float64{emf.Investigations: 1, emf.Completed: 1, emf.Duplicates: 1}, sum)
		})
	}
}

// At LogLevel ERROR, errors must reach the log whether our code, Go's runtime client, or Python reports them.
func TestErrors_ReachTheLogAtLevelError(t *testing.T) {
	tests := []struct {
		name         string
		orchestrator map[string]string
		tool         func(*lambdahost.Function)
		want         string
	}{
		{name: "orchestrator cannot start", orchestrator: map[string]string{config.EnvModelID: ""}, want: config.EnvModelID},
		{
			name: "tool cannot start", want: config.EnvRedactPatterns,
			tool: func(f *lambdahost.Function) { f.Env[config.EnvRedactPatterns] = "(" },
		},
		{
			name: "Python cannot start", want: "ModuleNotFoundError",
			tool: func(f *lambdahost.Function) { f.Env[realtool.EnvLayer] = t.TempDir() },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := logsAt("ERROR")
			for name, value := range test.orchestrator {
				env[name] = value
			}
			o := options{script: script(look("print(1)"), submit()), env: env, noRetries: true, lifetime: time.Minute}
			if test.tool != nil {
				o.realTool = func(f *lambdahost.Function) {
					for name, value := range logsAt("ERROR") {
						f.Env[name] = value
					}
					test.tool(f)
				}
			}
			w := newWorld(t, o)
			w.fire(event("orders", 1))
			var errors []string
			for _, line := range w.lines() {
				if line["level"] == "ERROR" && line["_aws"] == nil {
					text, err := json.Marshal(line)
					require.NoError(t, err)
					errors = append(errors, string(text))
				}
			}
			assert.Contains(t, strings.Join(errors, "\n"), test.want)
		})
	}
}
