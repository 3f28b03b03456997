// Package lambdahost simulates AWS Lambda on one machine. It serves the Runtime API to real Lambda binaries
// and the Invoke API to their callers, synchronously and asynchronously, with Lambda's timeouts, payload
// limits, retries, reserved concurrency, log levels, and on-failure queue. A process that exits after its answer is
// replaced before the next event.
//
//	host, err := lambdahost.New(lambdahost.Options{})
//	err = host.Add(lambdahost.Function{Name: "tool", Command: []string{"/path/to/binary"}, Timeout: time.Minute})
//	answer, err := host.Invoke(ctx, "tool", payload)   // or any AWS SDK with AWS_ENDPOINT_URL_LAMBDA=host.URL()
//
// It is for development and tests. It does not freeze environments between calls and does not limit memory.
// Where that matters, set Function.Credential and run the host in a cgroup.
package lambdahost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Lambda's limits ("Lambda quotas", AWS Lambda Developer Guide).
const (
	maxSyncPayload  = 6 << 20 // bytes, request and answer
	maxAsyncPayload = 1 << 20 // bytes
	maxConcurrency  = 1000    // environments of one function that has no reserved concurrency
	initTimeout     = 10 * time.Second
)

// Function is one deployed function.
type Function struct {
	Name    string
	Command []string          // the process: bootstrap, or the wrapper with the interpreter's arguments
	Dir     string            // where it starts: the unpacked package
	Env     map[string]string // as configured; the host adds Lambda's own variables
	Handler string
	Timeout time.Duration
	// Memory in MB, which the function reads from its environment. It is not enforced.
	MemoryMB int
	// Number of environments that may run at the same time. 0: 1,000, the default quota of an account.
	ReservedConcurrency int
	// ARN of the queue for events that failed in all attempts. Empty: only Host.Failed returns them.
	OnFailureQueueARN string
	// Retries of a failed asynchronous event, 0 to 2. Nil: 2.
	MaximumRetryAttempts *int
	// User and group of the process. Nil: those of this process.
	Credential *syscall.Credential
	// Receives stdout and stderr. Nil: Options.Log. If Env sets the log format JSON, as Lambda does for a
	// function with JSON logging, lines below the log level of Env are dropped, as in Lambda.
	Log io.Writer
}

// Options configures a Host.
type Options struct {
	Region  string // default us-east-1
	Account string // default 123456789012
	// Delays before the first and second retry of a failed asynchronous event. Default: one and two minutes,
	// as in Lambda.
	RetryDelays []time.Duration
	// URL that receives all requests except invocations of the functions, such as moto's.
	Fallback string
	// Sends to an SQS queue by its ARN, for on-failure destinations. Nil: nothing is sent.
	SendToQueue func(ctx context.Context, queueARN string, body []byte) error
	// Receives the output of functions that have no Log. Default: the output is discarded.
	Log    io.Writer
	Logger *slog.Logger // of the host itself. Default: none
}

// Host runs functions. Its methods may be called from any goroutine.
type Host struct {
	options  Options
	listener net.Listener
	server   *http.Server
	ctx      context.Context
	stop     context.CancelFunc

	mu        sync.Mutex
	functions map[string]*function
	failed    []FailedEvent
	pending   int
	idle      chan struct{} // closed when pending falls to 0; replaced when it rises
}

// FailedEvent is an asynchronous event that failed in all attempts.
type FailedEvent struct {
	Function string
	Payload  []byte
	Attempts int
	Error    string
}

// APIError is an error of the Lambda API.
type APIError struct {
	Status  int    // of the HTTP response
	Type    string // such as ResourceNotFoundException
	Message string
}

// Error returns the type and the message.
func (e *APIError) Error() string { return e.Type + ": " + e.Message }

// ErrThrottled is Lambda's error when the reserved concurrency is used up.
var ErrThrottled error = &APIError{
	Status: http.StatusTooManyRequests, Type: "TooManyRequestsException",
	Message: "the function's reserved concurrency is used up",
}

func tooLarge(size, limit int, kind string) error {
	return &APIError{
		Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLargeException",
		Message: fmt.Sprintf("%d bytes exceed the limit of %d for %s request", size, limit, kind),
	}
}

// New starts a host. The caller must close it.
func New(o Options) (*Host, error) {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "123456789012"
	}
	if o.RetryDelays == nil {
		o.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the host's port: %w", err)
	}
	h := &Host{options: o, listener: listener, functions: map[string]*function{}, idle: closedChannel()}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.server = &http.Server{Handler: h.api(), ReadHeaderTimeout: 10 * time.Second}
	go h.server.Serve(listener)
	return h, nil
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// URL returns the endpoint of the Lambda API, the value for AWS_ENDPOINT_URL_LAMBDA.
func (h *Host) URL() string { return "http://" + h.listener.Addr().String() }

// ARN returns the ARN of the function with this name.
func (h *Host) ARN(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", h.options.Region, h.options.Account, name)
}

// Add adds a function. Its first environment starts with the first call.
func (h *Host) Add(f Function) error {
	if f.Name == "" || len(f.Command) == 0 || f.Timeout <= 0 {
		return errors.New("a function needs Name, Command, and Timeout")
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = 128
	}
	if f.Log == nil {
		f.Log = h.options.Log
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, there := h.functions[f.Name]; there {
		return fmt.Errorf("function %s already exists", f.Name)
	}
	limit := f.ReservedConcurrency
	if limit == 0 {
		limit = maxConcurrency
	}
	h.functions[f.Name] = &function{Function: f, host: h, slots: make(chan struct{}, limit)}
	return nil
}

// lookup returns a function by its name or its partial or full ARN, with or without a qualifier.
func (h *Host) lookup(ref string) (*function, error) {
	name := ref
	if _, after, found := strings.Cut(ref, ":function:"); found {
		name = after
	}
	name, _, _ = strings.Cut(name, ":")
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.functions[name]
	if !ok {
		return nil, &APIError{
			Status: http.StatusNotFound, Type: "ResourceNotFoundException", Message: "Function not found: " + ref,
		}
	}
	return f, nil
}

// Answer is the result of a synchronous invocation.
type Answer struct {
	Payload       []byte
	FunctionError string // "Unhandled" when the function failed; Payload then holds errorMessage and errorType
	RequestID     string

	refused bool // Lambda refused the function's answer
}

// Invoke runs a function and waits for its answer. If the function fails, the Answer has a FunctionError. The
// error is an [APIError]: the function does not exist, is throttled, or the payload is too large.
func (h *Host) Invoke(ctx context.Context, name string, payload []byte) (Answer, error) {
	f, err := h.lookup(name)
	if err != nil {
		return Answer{}, err
	}
	if len(payload) > maxSyncPayload {
		return Answer{}, tooLarge(len(payload), maxSyncPayload, "a synchronous")
	}
	return f.invoke(ctx, payload, newRequestID())
}

// Failed returns the asynchronous events that have failed in all attempts so far.
func (h *Host) Failed() []FailedEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]FailedEvent(nil), h.failed...)
}

// Close stops all functions and the API.
func (h *Host) Close() error {
	h.stop()
	err := h.server.Close()
	h.mu.Lock()
	functions := make([]*function, 0, len(h.functions))
	for _, f := range h.functions {
		functions = append(functions, f)
	}
	h.mu.Unlock()
	for _, f := range functions {
		f.close()
	}
	return err
}
