// The tool function runs a model's Python code in a sandbox and returns what the code printed.
//
// It is deployed behind AWS_LAMBDA_EXEC_WRAPPER on Lambda's own Python runtime, which starts it with the path
// of the interpreter as its first argument. Package sandbox explains how it works.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	settings "github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lambdalog"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/sandbox"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func main() {
	log := lambdalog.New()
	if err := run(context.Background(), log); err != nil {
		log.Error("tool cannot start", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	if len(os.Args) < 2 {
		return errors.New("no Python interpreter path given; " +
			"start this program through AWS_LAMBDA_EXEC_WRAPPER on a Python runtime")
	}
	if err := sandbox.Seal(options(log)); err != nil {
		log.Warn("other processes can read the supervisor's environment", "error", err)
	}
	o := options(log) // read again, because Seal recorded its result in the environment
	set, err := settings.ParseTool(os.Getenv)
	if err != nil {
		return err
	}
	handle, err := newHandler(ctx, o, set)
	if err != nil {
		return err
	}
	lambda.Start(handle.invoke)
	return nil
}

func options(log *slog.Logger) sandbox.Options {
	o := sandbox.LambdaOptions(os.Args[1], os.Getenv, os.Environ())
	o.AccessKey, o.Log = broker.DummyAccessKey, log
	return o
}

// handler answers the invocations of the function.
type handler struct {
	python  *sandbox.Supervisor
	calls   *sessions
	answers *provenance.Recorder // AWS's answers to the current call
	clean   *cleaner
	log     *slog.Logger
}

func newHandler(ctx context.Context, o sandbox.Options, set settings.Tool) (*handler, error) {
	clean, err := newCleaner(set)
	if err != nil {
		return nil, err
	}
	answers := &provenance.Recorder{Redact: clean.whole}
	aws, err := newBroker(ctx, set, clean.observer(), answers, o)
	if err != nil {
		return nil, err
	}
	calls := &sessions{broker: aws}
	o.NewSession, o.Clean = calls.next, clean.text
	python, err := sandbox.New(ctx, o)
	if err != nil {
		return nil, err
	}
	return &handler{python: python, calls: calls, answers: answers, clean: clean, log: o.Log}, nil
}

// invoke answers one invocation. If the sandbox failed, the process exits after the error is sent, because
// Lambda would send more invocations to a process that only returned an error.
func (h *handler) invoke(ctx context.Context, request toolcall.Request) (*response, error) {
	answer, err := h.answer(ctx, request)
	if err != nil {
		return nil, messages.InvokeResponse_Error{Message: err.Error(), Type: "SandboxFailed", ShouldExit: true}
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return &response{reader: &encoded, sent: h.settle}, nil
}

func (h *handler) answer(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	if request.Status {
		return statusAnswer(h.python), nil
	}
	defer h.answers.Forget()
	h.calls.limitUSD, h.calls.latest = queryLimit(request), nil
	h.clean.begin(ctx)
	answer, err := h.python.Run(ctx, request.Command)
	if err != nil {
		return toolcall.Answer{}, err
	}
	h.calls.bill(&answer)
	h.clean.answer(&answer)
	answer.Observed = h.answers.Judge(answer.Output, redact.Deadline(ctx, time.Now()))
	return answer, nil
}

// settle cleans up after a call. If the call affected more than itself, the process exits, and Lambda starts a
// new one for the next invocation.
func (h *handler) settle() {
	if err := h.python.Settle(); err != nil {
		h.log.Warn("the tool restarts", "reason", err)
		os.Exit(1)
	}
}

// response is an encoded answer. Lambda's runtime client closes it after the answer was sent and before it asks
// for the next invocation, so the answer does not wait for the clean-up.
type response struct {
	reader io.Reader
	sent   func()
}

// Read implements io.Reader.
func (r *response) Read(p []byte) (int, error) { return r.reader.Read(p) }

// Close implements io.Closer.
func (r *response) Close() error {
	r.sent()
	return nil
}

// ContentType returns the media type for the runtime client.
func (r *response) ContentType() string { return "application/json" }

// sessions creates the broker's session of each call. Calls run one at a time, so the latest session is that
// of the current call.
type sessions struct {
	broker   *broker.Broker
	limitUSD float64 // for the billed queries of the next call
	latest   *broker.Session
}

func (s *sessions) next() sandbox.Session {
	s.latest = s.broker.NewSession(s.limitUSD)
	return s.latest
}

// bill adds to the answer of the current call what AWS bills for it.
func (s *sessions) bill(answer *toolcall.Answer) {
	if s.latest == nil {
		return
	}
	queries, stopped := s.latest.Billed()
	answer.BilledQueries = queries
	if stopped > 0 {
		answer.Notes = append(answer.Notes, fmt.Sprintf("%d CloudWatch Logs Insights queries of this call were stopped, because they "+
			"exceeded the call's share of MaxQueryCostUsd or still ran when the call ended. Wait for the results within the call that "+
			"starts a query, and choose a shorter time range.", stopped))
	}
}

// queryLimit returns what AWS may charge for the queries of a call, in US dollars.
func queryLimit(request toolcall.Request) float64 {
	if request.QueryLimitUSD == nil {
		return toolcall.DefaultQueryLimitUSD
	}
	return *request.QueryLimitUSD
}

// cleaner replaces secrets in the texts of a call, and what looks like the mark of a replaced secret. Calls run one at a
// time, so everything that it learned from AWS's answers belongs to the current call.
type cleaner struct {
	redactor *redact.Redactor // nil: redaction is turned off
	memory   *redact.Memory
	deadline func() time.Time // of the current call
	knowing  *redact.Redactor // of the current call, from its first text on
}

func newCleaner(s settings.Tool) (*cleaner, error) {
	if !s.Redact {
		return &cleaner{}, nil
	}
	patterns, err := settings.Patterns(s.RedactPatterns)
	if err != nil {
		return nil, err
	}
	redactor, err := redact.New(patterns)
	if err != nil {
		return nil, err
	}
	return &cleaner{redactor: redactor, memory: &redact.Memory{MaxBody: broker.MaxObserved}}, nil
}

// observer returns a function that learns from the bodies of AWS's answers, or nil.
func (c *cleaner) observer() func(body []byte) {
	if c.redactor == nil {
		return nil
	}
	return c.memory.Observe
}

// begin starts a call.
func (c *cleaner) begin(ctx context.Context) {
	c.knowing = nil
	c.deadline = func() time.Time { return redact.Deadline(ctx, time.Now()) }
}

// known returns the redactor that knows the secrets in AWS's answers to the call.
func (c *cleaner) known() *redact.Redactor {
	if c.knowing == nil {
		c.knowing = c.memory.Knowing(c.redactor.Until(c.deadline()))
	}
	return c.knowing
}

// text is the sandbox's Clean.
func (c *cleaner) text(text string, isCut bool) string {
	text = redact.ReplaceFakeMarks(text)
	if isCut && c.redactor != nil {
		text, _ = c.known().Text(text)
	}
	return text
}

// whole replaces the secrets in a text of an answer of AWS as in the output of the code.
func (c *cleaner) whole(text string) string {
	text = redact.ReplaceFakeMarks(text)
	if c.redactor != nil {
		text, _ = c.known().Text(text)
	}
	return text
}

// answer redacts the whole answer.
func (c *cleaner) answer(a *toolcall.Answer) {
	if c.redactor != nil {
		c.known().Answer(a)
	}
}

// newBroker returns the broker with the function's credentials, which only this process reads.
func newBroker(
	ctx context.Context, set settings.Tool, observe func(body []byte), answers *provenance.Recorder, o sandbox.Options,
) (*broker.Broker, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the function's AWS settings: %w", err)
	}
	return broker.New(broker.Options{
		Credentials:    loaded.Credentials,
		Endpoints:      broker.EndpointsIn(o.Environment),
		Observe:        observe,
		Record:         func(e broker.Exchange) { answers.Record(provenance.Exchange(e)) },
		Log:            o.Log,
		AllowedActions: set.AllowedActions,
		DeniedActions:  set.DeniedActions,
		OpenReads:      set.OpenReads,

		Account:         ownAccount,
		AllowedAccounts: set.AllowedAccounts,
		DeniedResources: set.DeniedResources,
	})
}

// ownAccount returns the account of the invoked function, whose role is in the same account, or an empty string.
func ownAccount(ctx context.Context) string {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return ""
	}
	function, err := arn.Parse(invocation.InvokedFunctionArn)
	if err != nil {
		return ""
	}
	return function.AccountID
}

func statusAnswer(python *sandbox.Supervisor) toolcall.Answer {
	status := python.Status()
	return toolcall.Answer{
		Success:  true,
		Result:   json.RawMessage("null"),
		Notes:    []string{},
		AWSCalls: []toolcall.AWSCall{},
		Status:   &status,
	}
}
