// Package tool answers a tool call: it runs the model's Python code in the sandbox, with the broker as its only way to
// AWS, and returns what the code printed without secrets. The tool function and the command alarmtriage run it.
package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/sandbox"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Options are what the tool needs from the program that runs it.
type Options struct {
	Sandbox     sandbox.Options // New sets its sessions and its cleaner
	Settings    config.Tool
	Credentials aws.CredentialsProvider // signs the requests of the model's code, which never sees it

	// Account returns the account of these credentials, or an empty string if it is not known.
	Account func(context.Context) string

	STS       broker.STS                   // assumes the roles of Settings.Members; nil without members
	Function  string                       // name of the sessions of these roles
	Partition func(context.Context) string // of these roles and of the credentials; nil or an empty text: unknown
}

// Handler answers the invocations of the tool, one at a time.
type Handler struct {
	python  *sandbox.Supervisor
	broker  *broker.Broker
	calls   *sessions
	answers *provenance.Recorder // AWS's answers to the current call
	clean   *cleaner
	log     *slog.Logger
}

// New starts the sandbox and returns the handler of its calls.
func New(ctx context.Context, o Options) (*Handler, error) {
	clean, err := newCleaner(o.Settings)
	if err != nil {
		return nil, err
	}
	answers := &provenance.Recorder{Redact: clean.whole}
	requests, err := newBroker(o, clean.observer(), answers)
	if err != nil {
		return nil, err
	}
	calls := &sessions{}
	o.Sandbox.NewSession, o.Sandbox.Clean = calls.next, clean.text
	python, err := sandbox.New(ctx, o.Sandbox)
	if err != nil {
		return nil, err
	}
	return &Handler{python: python, broker: requests, calls: calls, answers: answers, clean: clean, log: o.Sandbox.Log}, nil
}

// Invoke answers one invocation. If the sandbox failed, the process exits after the error is sent, because
// Lambda would send more invocations to a process that only returned an error.
func (h *Handler) Invoke(ctx context.Context, request toolcall.Request) (*Response, error) {
	answer, err := h.answer(ctx, request)
	if err != nil {
		h.python.Close()
		return nil, messages.InvokeResponse_Error{Message: err.Error(), Type: "SandboxFailed", ShouldExit: true}
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return &Response{reader: &encoded, sent: h.settle}, nil
}

func (h *Handler) answer(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	if request.Status {
		return statusAnswer(h.python, h.broker.Status(ctx)), nil
	}
	defer h.answers.Forget()
	session := h.broker.NewSession(queryLimit(request))
	h.calls.session = session
	h.clean.begin(ctx)
	at := session.Begin(ctx, request.Account)
	answer, err := h.python.Run(ctx, request.Command, sandbox.Place{
		Account: at.Account, Own: at.Own, Problem: at.Problem, Others: at.Others, Region: broker.KnownRegion(request.Region),
	})
	if err != nil {
		return toolcall.Answer{}, err
	}
	answer.Unreadable = session.Unreadable()
	bill(&answer, session)
	kind := answer.ErrorType
	h.clean.answer(&answer)
	if sandbox.IsFailureKind(kind) { // which is no secret, although there may be no time to search it
		answer.ErrorType = kind
	}
	broker.Shorten(answer.AWSCalls)
	answer.Observed = h.judge(answer.Output)
	return answer, nil
}

// judge compares an output with AWS's answers, as long as there is time.
func (h *Handler) judge(output string) *toolcall.Observed {
	answers := h.answers.Succeeded() // Judge forgets them
	observed, ended := within(h.clean, func() *toolcall.Observed { return h.answers.Judge(output, h.clean.deadline()) })
	if !ended {
		return &toolcall.Observed{Answers: answers, Spans: []toolcall.Span{}, Partial: answers > 0}
	}
	return observed
}

var errLate = errors.New("a search of the answer takes too long")

// settle cleans up after a call. If the call affected more than itself, or is still being searched, the process exits, and Lambda
// starts a new one for the next invocation.
func (h *Handler) settle() {
	err := h.python.Settle()
	if err == nil && h.clean.late {
		err = errLate
	}
	if err != nil {
		h.log.Warn("the tool restarts", "reason", err)
		h.python.Close()
		os.Exit(1)
	}
}

// Response is an encoded answer. Lambda's runtime client closes it after the answer was sent and before it asks
// for the next invocation, so the answer does not wait for the clean-up.
type Response struct {
	reader io.Reader
	sent   func()
}

// Read implements io.Reader.
func (r *Response) Read(p []byte) (int, error) { return r.reader.Read(p) }

// Close implements io.Closer.
func (r *Response) Close() error {
	r.sent()
	return nil
}

// ContentType returns the media type for the runtime client.
func (r *Response) ContentType() string { return "application/json" }

// sessions passes the broker's session of each call to the sandbox. Calls run one at a time.
type sessions struct{ session *broker.Session }

func (s *sessions) next() sandbox.Session { return s.session }

// bill adds to the answer of a call what AWS bills for it.
func bill(answer *toolcall.Answer, session *broker.Session) {
	queries, stopped := session.Billed()
	answer.BilledQueries = queries
	if stopped > 0 {
		answer.Notes = append(answer.Notes, fmt.Sprintf("%d CloudWatch Logs Insights queries of this call were stopped, because they "+
			"exceeded the call's share of MaxQueryCostUsd, still ran when the call ended, or did not report what they scanned. "+
			"Wait for the results within the call that starts a query, and choose a shorter time range.", stopped))
	}
	if running := session.QueriesNotStopped(); running > 0 {
		answer.Notes = append(answer.Notes, fmt.Sprintf("%d CloudWatch Logs Insights queries of this call may still run and cost more "+
			"than billed_queries states, because AWS did not stop them or did not answer their start. AWS ends them after 60 minutes.", running))
	}
}

// queryLimit returns what AWS may charge for the queries of a call, in US dollars.
func queryLimit(request toolcall.Request) float64 {
	if request.QueryLimitUSD == nil {
		return toolcall.DefaultQueryLimitUSD
	}
	return *request.QueryLimitUSD
}

// newBroker returns the broker with the credentials, which only this process reads.
func newBroker(o Options, observe func(body []byte, isCut bool), answers *provenance.Recorder) (*broker.Broker, error) {
	return broker.New(broker.Options{
		Credentials:    o.Credentials,
		Endpoints:      broker.EndpointsIn(o.Sandbox.Environment),
		Observe:        observe,
		Record:         func(e broker.Exchange) { answers.Record(provenance.Exchange(e)) },
		Log:            o.Sandbox.Log,
		AllowedActions: o.Settings.AllowedActions,
		DeniedActions:  o.Settings.DeniedActions,
		OpenReads:      o.Settings.OpenReads,

		Members:   o.Settings.Members,
		STS:       o.STS,
		Function:  o.Function,
		Partition: o.Partition,

		Account:         o.Account,
		AllowedAccounts: o.Settings.AllowedAccounts,
		DeniedResources: o.Settings.DeniedResources,
	})
}

func statusAnswer(python *sandbox.Supervisor, members *toolcall.MembersStatus) toolcall.Answer {
	status := python.Status()
	status.Members = members
	return toolcall.Answer{
		Success:  true,
		Result:   json.RawMessage("null"),
		Notes:    []string{},
		AWSCalls: []toolcall.AWSCall{},
		Status:   &status,
	}
}
