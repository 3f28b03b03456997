package lambdahost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// throttleWait is the time until a throttled asynchronous event is retried. Lambda waits between one second
// and five minutes.
const throttleWait = 50 * time.Millisecond

// InvokeAsync queues an event as Lambda's asynchronous invocation does and returns its request id, which is
// the same for all attempts.
func (h *Host) InvokeAsync(name string, payload []byte) (requestID string, err error) {
	f, err := h.lookup(name)
	if err != nil {
		return "", err
	}
	if len(payload) > maxAsyncPayload {
		return "", tooLarge(len(payload), maxAsyncPayload, "an asynchronous")
	}
	requestID = newRequestID()
	h.begin()
	go func() {
		defer h.end()
		h.deliver(f, append([]byte(nil), payload...), requestID)
	}()
	return requestID, nil
}

// deliver runs the event until it succeeds or has no attempts left. A throttled invocation does not count as
// an attempt.
func (h *Host) deliver(f *function, payload []byte, requestID string) {
	retries := 2
	if f.MaximumRetryAttempts != nil {
		retries = *f.MaximumRetryAttempts
	}
	attempts := 0
	for {
		answer, err := f.invoke(h.ctx, payload, requestID)
		if errors.Is(err, ErrThrottled) {
			if !h.sleep(throttleWait) {
				return
			}
			continue
		}
		if h.ctx.Err() != nil {
			return
		}
		attempts++
		if err == nil && answer.FunctionError == "" {
			return
		}
		problem := string(answer.Payload)
		if err != nil {
			problem = err.Error()
		}
		h.options.Logger.Warn("asynchronous event failed", "function", f.Name, "attempt", attempts, "error", problem)
		if attempts > retries {
			h.giveUp(f, payload, requestID, attempts, problem)
			return
		}
		if !h.sleep(h.options.RetryDelays[min(attempts, len(h.options.RetryDelays))-1]) {
			return
		}
	}
}

// giveUp records the failed event and sends it to the on-failure queue in the format of Lambda's
// destinations.
func (h *Host) giveUp(f *function, payload []byte, requestID string, attempts int, problem string) {
	h.mu.Lock()
	h.failed = append(h.failed, FailedEvent{Function: f.Name, Payload: payload, Attempts: attempts, Error: problem})
	h.mu.Unlock()
	if f.OnFailureQueueARN == "" || h.options.SendToQueue == nil {
		return
	}
	var response any = problem
	if json.Valid([]byte(problem)) { // the problem is the function's answer
		response = json.RawMessage(problem)
	}
	body, err := json.Marshal(map[string]any{
		"version":   "1.0",
		"timestamp": time.Now().UTC().Format(time.RFC3339Nano),
		"requestContext": map[string]any{
			"requestId": requestID, "functionArn": h.ARN(f.Name) + ":$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": attempts,
		},
		"requestPayload":  json.RawMessage(payload),
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"responsePayload": response,
	})
	if err == nil {
		ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
		defer cancel()
		err = h.options.SendToQueue(ctx, f.OnFailureQueueARN, body)
	}
	if err != nil {
		h.options.Logger.Error("on-failure destination failed", "function", f.Name, "error", err)
	}
}

// sleep waits for d. It reports whether the host is still running.
func (h *Host) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.ctx.Done():
		return false
	}
}

// begin counts an asynchronous event as pending.
func (h *Host) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending == 0 {
		h.idle = make(chan struct{})
	}
	h.pending++
}

// end counts an asynchronous event as done.
func (h *Host) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending--; h.pending == 0 {
		close(h.idle)
	}
}

// WaitIdle waits until no asynchronous event is queued or running.
func (h *Host) WaitIdle(ctx context.Context) error {
	for {
		h.mu.Lock()
		idle, pending := h.idle, h.pending
		h.mu.Unlock()
		if pending == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("%d asynchronous events are still running: %w", pending, ctx.Err())
		}
	}
}
