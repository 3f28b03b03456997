// Package toolclient runs Python in the tool function by invoking it.
package toolclient

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// graceTime is what an invocation may take beyond the tool's own timeout: a cold start, and the way
// there and back. A caller that gives up before the function does would never learn what happened.
const graceTime = 15 * time.Second

// maxMessage is how much of a crash message is worth a model's tokens, in bytes.
const maxMessage = 300

// Client invokes one tool function. Its errors are sentences for the model: what happened, and what
// to do differently.
type Client struct {
	lambda   awsapi.Lambda
	function string
	timeout  time.Duration
}

// New returns a Client of the function with this name or ARN, whose own timeout is given.
func New(client awsapi.Lambda, function string, timeout time.Duration) *Client {
	return &Client{lambda: client, function: function, timeout: timeout}
}

// Run executes command and returns the tool's answer. A failed snippet is an Answer with Success
// false; the error is for calls to which the tool could not answer.
func (c *Client) Run(ctx context.Context, command string) (toolcall.Answer, error) {
	payload, err := json.Marshal(toolcall.Request{Command: command})
	if err != nil {
		return toolcall.Answer{}, fmt.Errorf("encode the command for the tool: %w", err)
	}
	call, cancel := context.WithTimeout(ctx, c.timeout+graceTime)
	defer cancel()
	out, err := c.lambda.Invoke(call, &lambda.InvokeInput{FunctionName: &c.function, Payload: payload})
	if err != nil {
		return toolcall.Answer{}, c.explain(ctx, err)
	}
	if out.FunctionError != nil {
		return toolcall.Answer{}, c.explainFunctionError(out.Payload)
	}
	var answer toolcall.Answer
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return toolcall.Answer{}, fmt.Errorf("the tool's answer is not the JSON it should be (%d bytes): %w", len(out.Payload), err)
	}
	return answer, nil
}

func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the call was given up because the investigation's time was up: %w", ctx.Err())
	}
	switch awsapi.Classify(err) {
	case awsapi.ClassThrottled:
		return fmt.Errorf("the tool function is throttled (its concurrency is used up); try again with fewer calls at the same time: %w", err)
	case awsapi.ClassTimeout:
		return fmt.Errorf("the tool did not answer within %v; ask for less data at a time", c.timeout+graceTime)
	case awsapi.ClassTooLarge:
		return fmt.Errorf("the code is too large for one call (limit 6 MB); send less: %w", err)
	case awsapi.ClassDenied, awsapi.ClassNotFound:
		return fmt.Errorf("the tool function cannot be invoked; conclude without it. %s %w", awsapi.Advice(err), err)
	}
	return fmt.Errorf("the tool function could not be reached: %w", err)
}

// functionError is what Lambda answers in place of a function that failed.
type functionError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// Kinds of function errors, as far as the model should act on them differently.
var (
	errTimedOut    = errors.New("the tool function timed out; ask for less data at a time, or for a shorter time range")
	errTooLarge    = errors.New("the answer was larger than the 6 MB that Lambda allows; print less, for example only a summary")
	errOutOfMemory = errors.New("the tool function ran out of memory; handle less data at a time")
)

func (c *Client) explainFunctionError(payload []byte) error {
	var failure functionError
	if err := json.Unmarshal(payload, &failure); err != nil {
		failure.Message = string(payload)
	}
	brief := truncate.Bytes(failure.Message, maxMessage)
	text := strings.ToLower(failure.Type + " " + failure.Message)
	switch {
	case strings.Contains(text, "timed out") || strings.Contains(text, "sandbox.timedout"):
		return fmt.Errorf("%w (%s)", errTimedOut, brief)
	case strings.Contains(text, "responsesizetoolarge") || strings.Contains(text, "payload size exceeded"):
		return errTooLarge
	case strings.Contains(text, "outofmemory") || strings.Contains(text, "signal: killed"):
		return fmt.Errorf("%w (%s)", errOutOfMemory, brief)
	}
	return fmt.Errorf("the tool function crashed (%s: %s); nothing of this call is known. Try something simpler",
		cmp.Or(failure.Type, "unknown error"), brief)
}
