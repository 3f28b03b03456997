package toolclient_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolclient"
)

func answering(payload, functionError string, err error) *toolclient.Client {
	fake := &awsapitest.Lambda{Answer: func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		out := &lambda.InvokeOutput{Payload: []byte(payload)}
		if functionError != "" {
			out.FunctionError = &functionError
		}
		return out, err
	}}
	return toolclient.New(fake, "tool", time.Minute)
}

func TestRun_SendsCommandAndReadsAnswer(t *testing.T) {
	var sent *lambda.InvokeInput
	fake := &awsapitest.Lambda{Answer: func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		sent = in
		deadline, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.Greater(t, time.Until(deadline), time.Minute, "the client waits longer than the function may run")
		return &lambda.InvokeOutput{Payload: []byte(`{"success":false,"output":"boom","error":"NameError: x","error_type":"NameError"}`)}, nil
	}}
	answer, err := toolclient.New(fake, "tool", time.Minute).Run(t.Context(), toolcall.Request{Command: "print(\"é\")"})
	require.NoError(t, err, "a failed snippet is an answer, not an error")
	assert.False(t, answer.Success)
	assert.Equal(t, "NameError", answer.ErrorType)
	assert.Equal(t, "tool", aws.ToString(sent.FunctionName))
	assert.JSONEq(t, `{"command":"print(\"é\")"}`, string(sent.Payload))
}

func TestRun_ErrorsTellModelWhatToDo(t *testing.T) {
	tests := []struct {
		name                   string
		payload, functionError string
		err                    error
		want                   string
	}{
		{"timed out", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 1 Error: Task timed out after 60.00 seconds"}`, "Unhandled", nil, "timed out; ask for less data"},
		{"crashed", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: exit status 7"}`, "Unhandled", nil, "crashed (Runtime.ExitError"},
		{"out of memory", `{"errorType":"Runtime.OutOfMemory","errorMessage":"Runtime exited"}`, "Unhandled", nil, "ran out of memory"},
		{"answer too large", `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`, "Unhandled", nil, "Lambda's limit of 6 MB"},
		{"an error that is not JSON", `<html>`, "Unhandled", nil, "crashed (unknown error: <html>)"},
		{"an answer that is not JSON", `<html>`, "", nil, "not valid JSON"},
		{"throttled", "", "", &types.TooManyRequestsException{}, "throttled"},
		{"denied", "", "", awsapitest.Denied("lambda:InvokeFunction"), "Grant lambda:InvokeFunction"},
		{"gone", "", "", &types.ResourceNotFoundException{}, "conclude without it"},
		{"code too large", "", "", &types.RequestTooLargeException{}, "send less"},
		{"unreachable", "", "", awsapitest.ErrDown, "could not be reached"},
		{"slow", "", "", context.DeadlineExceeded, "did not answer within 1m15s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := answering(tt.payload, tt.functionError, tt.err).Run(t.Context(), toolcall.Request{Command: "1"})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// Code that escaped from the sandbox can forge an answer.
func TestRun_AnswerWithAnImpossibleCostIsLost(t *testing.T) {
	for queries, possible := range map[string]bool{
		`{"cost_usd": 0.25}`:                      true,
		`{"cost_usd": -1e-18}`:                    true, // rounding
		`{"cost_usd": -1000}`:                     false,
		`{"cost_usd": -1e-6},{"cost_usd": -1e-6}`: false, // each of them could be rounding
		`{"cost_usd": 1e9}`:                       false,
		`{"cost_usd": 1e308},{"cost_usd":1e308}`:  false, // infinite
	} {
		_, err := answering(`{"success": true, "billed_queries": [`+queries+`]}`, "", nil).Run(t.Context(), toolcall.Request{Command: "1"})
		if possible {
			assert.NoError(t, err, queries)
			continue
		}
		assert.ErrorContains(t, err, "impossible cost", queries)
		assert.True(t, toolcall.IsLost(err), "its limit counts as spent")
	}
}

func TestRun_ReportsEndOfInvestigationTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := answering("", "", context.Canceled).Run(ctx, toolcall.Request{Command: "1"})
	require.ErrorContains(t, err, "investigation's time ran out")
	assert.ErrorIs(t, err, context.Canceled)
}

// If the code may have run, its AWS calls are not known. If it cannot have run, there are none.
func TestRun_ReportsWhetherTheCodeMayHaveRun(t *testing.T) {
	for name, tt := range map[string]struct {
		payload, functionError string
		err                    error
		lost                   bool
	}{
		"the process was killed":    {`{"errorType":"Runtime.ExitError","errorMessage":"signal: killed"}`, "Unhandled", nil, true},
		"the function timed out":    {`{"errorType":"Sandbox.Timedout","errorMessage":"timed out"}`, "Unhandled", nil, true},
		"the answer was too large":  {`{"errorType":"Function.ResponseSizeTooLarge"}`, "Unhandled", nil, true},
		"the answer is not JSON":    {`<html>`, "", nil, true},
		"the connection was closed": {"", "", awsapitest.ErrDown, true},
		"no answer in time":         {"", "", context.DeadlineExceeded, true},
		"throttled":                 {"", "", &types.TooManyRequestsException{}, false},
		"denied":                    {"", "", awsapitest.Denied("lambda:InvokeFunction"), false},
		"no such function":          {"", "", &types.ResourceNotFoundException{}, false},
		"code too large":            {"", "", &types.RequestTooLargeException{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(tt.payload, tt.functionError, tt.err).Run(t.Context(), toolcall.Request{Command: "1"})
			require.Error(t, err)
			assert.Equal(t, tt.lost, toolcall.IsLost(err))
		})
	}
}
