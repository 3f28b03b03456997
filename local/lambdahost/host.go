// Package lambdahost stands in for AWS Lambda on one machine: it gives real Lambda binaries the Runtime
// API and answers the Invoke API for them, synchronously and asynchronously, with Lambda's timeouts,
// payload limits, retries, reserved concurrency, log levels and on-failure queue.
//
//	host, err := lambdahost.New(lambdahost.Options{})
//	err = host.Add(lambdahost.Function{Name: "tool", Command: []string{"/path/to/binary"}, Timeout: time.Minute})
//	answer, err := host.Invoke(ctx, "tool", payload)   // or any AWS SDK with AWS_ENDPOINT_URL_LAMBDA=host.URL()
//
// It is for development and tests. What it does not do: freeze environments between calls, or limit
// memory (set Function.Credential and cgroups around it where that matters).
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
	Env     map[string]string // as configured; the host adds what Lambda adds
	Handler string
	Timeout time.Duration
	// Memory in MB; told to the function.
	MemoryMB int
	// How many environments may run at once. 0: as many as an account has.
	ReservedConcurrency int
	// ARN of the queue for events that failed for good. Empty: they are only kept in Host.Failed.
	OnFailureQueueARN string
	// Retries of a failed asynchronous event, 0 to 2. Nil: 2.
	MaximumRetryAttempts *int
	// Whom the process runs as. Nil: as this process.
	Credential *syscall.Credential
	// Where its stdout and stderr go. Nil: Options.Log. If Env sets the log format JSON, as Lambda does for a function that is
	// configured so, lines below the log level of Env are dropped, as Lambda drops them.
	Log io.Writer
}

// Options configures a Host.
type Options struct {
	Region  string // default us-east-1
	Account string // default 123456789012
	// Waits before the first and second retry of a failed asynchronous event. Default: Lambda's own,
	// one and two minutes.
	RetryDelays []time.Duration
	// Where requests go that are not about invoking one of the functions, such as moto's URL.
	Fallback string
	// Sends to an SQS queue by its ARN, for on-failure destinations. Nil: none is sent.
	SendToQueue func(ctx context.Context, queueARN string, body []byte) error
	// Where functions without a log of their own write. Default: nowhere.
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

// FailedEvent is an asynchronous event that failed for good.
type FailedEvent struct {
	Function string
	Payload  []byte
	Attempts int
	Error    string
}

// ErrThrottled is Lambda's answer when the reserved concurrency is used up.
var ErrThrottled = errors.New("TooManyRequestsException: the function's reserved concurrency is used up")

// New starts a host. Close it.
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
	h := &Host{options: o, listener: listener, functions: map[string]*function{}, idle: closed()}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.server = &http.Server{Handler: h.api(), ReadHeaderTimeout: 10 * time.Second}
	go h.server.Serve(listener)
	return h, nil
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// URL is the endpoint of the Lambda API: the value for AWS_ENDPOINT_URL_LAMBDA.
func (h *Host) URL() string { return "http://" + h.listener.Addr().String() }

// ARN is the ARN of a function of that name.
func (h *Host) ARN(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", h.options.Region, h.options.Account, name)
}

// Add makes a function known. Its first environment starts with the first call.
func (h *Host) Add(f Function) error {
	if f.Name == "" || len(f.Command) == 0 || f.Timeout <= 0 {
		return errors.New("a function needs Name, Command and Timeout")
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
		return fmt.Errorf("function %s is there already", f.Name)
	}
	limit := f.ReservedConcurrency
	if limit == 0 {
		limit = maxConcurrency
	}
	h.functions[f.Name] = &function{Function: f, host: h, slots: make(chan struct{}, limit)}
	return nil
}

// lookup finds a function by name, partial or full ARN, with or without qualifier.
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
		return nil, fmt.Errorf("ResourceNotFoundException: Function not found: %s", ref)
	}
	return f, nil
}

// Answer is what a synchronous invocation brought.
type Answer struct {
	Payload       []byte
	FunctionError string // "Unhandled" when the function failed; Payload then holds errorMessage and errorType
	RequestID     string

	refused bool // Lambda did not take what the function answered
}

// Invoke runs a function and waits for its answer. The error is Lambda's own (unknown function,
// throttled); a failed function is an Answer with FunctionError.
func (h *Host) Invoke(ctx context.Context, name string, payload []byte) (Answer, error) {
	f, err := h.lookup(name)
	if err != nil {
		return Answer{}, err
	}
	if len(payload) > maxSyncPayload {
		return Answer{}, fmt.Errorf("RequestEntityTooLargeException: %d bytes are more than the %d of a synchronous request", len(payload), maxSyncPayload)
	}
	return f.invoke(ctx, payload, newRequestID())
}

// Failed lists the asynchronous events that failed for good so far.
func (h *Host) Failed() []FailedEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]FailedEvent(nil), h.failed...)
}

// Close ends all functions and the API.
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
