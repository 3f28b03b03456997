package faults_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// realToolTimeout is the function's timeout. The code's deadline is a little earlier.
const realToolTimeout = 6 * time.Second

// newRealTool returns the real tool with its harness and a real Python, configured as if it were deployed.
func newRealTool(t *testing.T) lambdahost.Function {
	t.Helper()
	tool, err := buildTool()
	require.NoError(t, err)
	f := tool.Function("tool", cloud.URL)
	f.Timeout, f.MemoryMB = realToolTimeout, 512
	return f
}

var buildTool = sync.OnceValues(func() (realtool.Tool, error) { return realtool.Build(filepath.Dir(orchestrator)) })

// Abuse by the model's code ends only its own call: earlier output still counts as evidence, the report
// describes the failure, and the next call works.
func TestRealTool_ReportsAbuseByTheCode(t *testing.T) {
	topic, err := sns.NewFromConfig(cloud.Config()).CreateTopic(t.Context(), &sns.CreateTopicInput{
		Name: aws.String("note"), Attributes: map[string]string{"DisplayName": "orders-role may not dynamodb:GetItem"},
	})
	require.NoError(t, err)
	found := "print(boto3.client('sns').get_topic_attributes(TopicArn='" + *topic.TopicArn + "')['Attributes']['DisplayName'], flush=True)\n"
	for name, abuse := range map[string]struct {
		code string
		want string
	}{
		"endless loop":              {"while True: pass", "time limit"},
		"allocates too much memory": {"x = bytearray(10**12)", "memory"},
		"prints too much":           {"for _ in range(40): print('x' * 1_000_000)", "output"},
		"ends its process":          {"import os; os._exit(9)", "exit"},
		"kills the supervisor":      {"import os, signal; os.kill(os.getppid(), signal.SIGKILL)", "PermissionError"},
		"tries to write":            {"boto3.client('sqs').create_queue(QueueName='q')", "sqs:CreateQueue is refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{
				lifetime: time.Minute, realTool: func(*lambdahost.Function) {}, env: map[string]string{config.EnvToolTimeout: "6"},
				script: script(look(found+abuse.code), look("print(40 + 2, 'is the answer of the next call')"), submit()),
			})
			w.fire(event("orders", 1))
			inbox, reports := w.inbox(), w.reports()
			require.Len(t, inbox, 1)
			assert.Contains(t, inbox[0].Subject, "cause confirmed", "earlier output counts as evidence")
			assert.Contains(t, inbox[0].Body, cause)
			require.Len(t, reports, 1)
			for _, report := range reports {
				assert.Contains(t, strings.ToLower(report), strings.ToLower(abuse.want))
				assert.Contains(t, report, "42 is the answer of the next call")
			}
			assert.Equal(t, "done", w.claim(alarmARNPrefix+"orders"))
			if t.Failed() {
				t.Log(w.log)
				t.Log(reports)
			}
		})
	}
}

func TestRealTool_StartFailureIsInTheNotification(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{
		lifetime: time.Minute, script: script(look("print(1)"), submit()),
		realTool: func(f *lambdahost.Function) { f.Env[realtool.EnvLayer] = t.TempDir() },
	})
	w.fire(event("orders", 1))
	inbox := w.inbox()
	require.Len(t, inbox, 1)
	assert.Contains(t, strings.ToLower(inbox[0].Body), "the tool function")
	assert.NotContains(t, inbox[0].Subject, "confirmed", "no tool call succeeded")
	assert.Len(t, w.reports(), 1)
	if t.Failed() {
		t.Log(inbox[0].Body, w.log)
	}
}
