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

// graceTime is how long an invocation may take in addition to the tool's timeout, for a cold start and the
// network. A caller that timed out before the function would never learn what happened.
const graceTime = 15 * time.Second

// maxMessage is how much of a crash message is worth a model's tokens, in bytes.
const maxMessage = 300

// Client invokes one tool function. Its errors are sentences for the model: what happened, and what to do
// differently.
type Client struct {
	lambda   awsapi.Lambda
	function string
	timeout  time.Duration
}

// New returns a Client of the function with this name or ARN. timeout is the timeout of that function.
func New(client awsapi.Lambda, function string, timeout time.Duration) *Client {
	return &Client{lambda: client, function: function, timeout: timeout}
}

// Run executes the command of a request and returns the tool's answer. If the code fails, the answer has Success
// false, and the error is nil. Run returns an error only if the tool did not answer. The error is a
// [toolcall.LostError] if the tool may have run the code.
func (c *Client) Run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	payload, err := json.Marshal(request)
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
		return toolcall.Answer{}, &toolcall.LostError{Err: c.explainFunctionError(out.Payload)}
	}
	var answer toolcall.Answer
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		err = fmt.Errorf("the tool's answer is not valid JSON (%d bytes): %w", len(out.Payload), err)
		return toolcall.Answer{}, &toolcall.LostError{Err: err}
	}
	if !isPossible(answer.BilledQueries) {
		return toolcall.Answer{}, &toolcall.LostError{Err: errors.New("the tool's answer states an impossible cost of its queries, so it may be forged")}
	}
	return answer, nil
}

// Limits of what the queries of a call can cost, in US dollars. Sums of prices are not exact, so a cost can be slightly below zero.
const (
	maxBilledUSD = 1e6
	rounding     = 1e-6
)

// isPossible reports whether the queries of a call can have the stated costs. Code that escaped from the sandbox can forge an
// answer. A negative cost would raise the limits, and a record cannot be saved with an infinite one.
func isPossible(queries []toolcall.BilledQueries) bool {
	sum := 0.0
	for _, q := range queries {
		if q.CostUSD < -rounding {
			return false
		}
		sum += q.CostUSD
	}
	return sum >= -rounding && sum <= maxBilledUSD
}

func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &toolcall.LostError{Err: fmt.Errorf(
			"the call was canceled because the investigation's time ran out: %w", ctx.Err())}
	}
	switch awsapi.Classify(err) {
	case awsapi.ClassThrottled:
		return fmt.Errorf("the tool function is throttled (its concurrency is used up); retry with fewer calls at the same time: %w", err)
	case awsapi.ClassTimeout:
		return &toolcall.LostError{Err: fmt.Errorf(
			"the tool did not answer within %v; ask for less data at a time", c.timeout+graceTime)}
	case awsapi.ClassTooLarge:
		return fmt.Errorf("the code is too large for one call (limit 6 MB); send less: %w", err)
	case awsapi.ClassDenied, awsapi.ClassNotFound:
		return fmt.Errorf("the tool function cannot be invoked; conclude without it. %s %w", awsapi.Advice(err), err)
	}
	return &toolcall.LostError{Err: fmt.Errorf("the tool function could not be reached: %w", err)}
}

// functionError is Lambda's response for a function that failed.
type functionError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// Errors of the function on which the model should act differently.
var (
	errTimedOut    = errors.New("the tool function timed out; ask for less data at a time, or for a shorter time range")
	errTooLarge    = errors.New("the answer was larger than Lambda's limit of 6 MB; print less, for example only a summary")
	errOutOfMemory = errors.New("the tool function ran out of memory; process less data at a time")
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
	return fmt.Errorf("the tool function crashed (%s: %s), and the output of this call is lost. Try something simpler",
		cmp.Or(failure.Type, "unknown error"), brief)
}
