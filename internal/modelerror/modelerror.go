// Package modelerror classifies errors of Bedrock's Converse API: whether to ask the same model again, what
// to change in the request first, or whether to ask another model. The HTTP status decides first, then the
// error code. The text of the message decides last, because Bedrock reports a dozen different causes as
// ValidationException.
package modelerror

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Kind classifies an error by its remedy.
type Kind int

// The kinds of errors.
const (
	// Asking the same model again does not help:
	Fatal Kind = iota

	// Asking again later may help:
	Throttled
	Fault   // the service or the connection to it failed
	Timeout // no answer in time
	Model   // the model failed or its output was malformed

	// Asking again helps after the request is changed:
	TooLong            // the conversation does not fit the model's context window
	OutputLimit        // the request allows more output tokens than the model supports
	CacheRefused       // a cache checkpoint is not supported, or not in its position
	ToolsRefused       // the model does not support tools
	SystemRefused      // the model does not support a system prompt
	ThinkingRefused    // a reasoning block is invalid in this conversation
	EffortRefused      // the effort setting is not supported
	TemperatureRefused // the temperature setting is not supported
)

// Class is an error's kind with the details that a remedy needs.
type Class struct {
	Kind  Kind
	Cause investigation.ModelCause // why another model is asked, if the remedy for Kind does not help
	Limit int                      // with OutputLimit, the model's limit in tokens; 0 if the error does not name it
}

// Classify returns the class of an error of Converse.
func Classify(err error) Class {
	var api smithy.APIError
	isAPI := errors.As(err, &api)
	status := statusOf(err)
	switch {
	case status >= 500, status >= 200 && status < 300: // the body of a success could not be read
		return unavailable(Fault)
	case status == http.StatusRequestTimeout:
		return unavailable(Timeout)
	case status == http.StatusFailedDependency:
		return unavailable(Model)
	case status == http.StatusTooManyRequests:
		return throttled(messageOf(err))
	case status == http.StatusRequestEntityTooLarge:
		return Class{Kind: TooLong, Cause: investigation.CauseOther}
	case isAPI:
		return classifyCode(api)
	case status >= 400:
		return classifyText(status, "", wordsOf(err.Error()))
	}
	return classifyTransport(err)
}

// statusOf returns the HTTP status of the answer, or 0 if there was no answer.
func statusOf(err error) int {
	return awsapi.StatusCode(err)
}

func messageOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return err.Error()
}

// arnInText matches an ARN. The name of a role can contain words that describe an error, such as "marketplace".
var arnInText = regexp.MustCompile(`\barn:[^\s"',;)]+`)

// wordsOf returns the words of a message that describe the error: in lower case, and without ARNs.
func wordsOf(message string) string {
	return strings.ToLower(arnInText.ReplaceAllString(message, "arn"))
}

func unavailable(kind Kind) Class { return Class{Kind: kind, Cause: investigation.CauseUnavailable} }

// throttled returns the class of a throttled request. A daily quota does not recover in time for a retry.
func throttled(message string) Class {
	if has(wordsOf(message), "per day", "daily", "/day") {
		return Class{Kind: Fatal, Cause: investigation.CauseDailyQuota}
	}
	return unavailable(Throttled)
}

// kindOfCode maps error codes to kinds, for errors without a status and for codes that share a status.
var kindOfCode = map[string]Kind{
	"ModelNotReadyException":      Throttled,
	"ServiceUnavailableException": Fault,
	"ServiceUnavailable":          Fault,
	"InternalServerException":     Fault,
	"InternalFailure":             Fault,
	"ModelTimeoutException":       Timeout,
	"ModelErrorException":         Model,
}

func classifyCode(api smithy.APIError) Class {
	code, text := api.ErrorCode(), wordsOf(api.ErrorMessage())
	switch code {
	case "ThrottlingException", "TooManyRequestsException":
		return throttled(text)
	case "ServiceQuotaExceededException":
		return Class{Kind: Fatal, Cause: investigation.CauseDailyQuota}
	}
	if kind, ok := kindOfCode[code]; ok {
		return unavailable(kind)
	}
	if awsapi.CredentialsRefused(api) {
		return Class{Kind: Fatal, Cause: investigation.CauseDenied}
	}
	if api.ErrorFault() == smithy.FaultServer {
		return unavailable(Fault)
	}
	return classifyText(0, code, text)
}

// classifyText distinguishes errors that share one code. text is that of [wordsOf].
func classifyText(status int, code, text string) Class {
	if cause, ok := causeOfText(code, text); ok {
		return Class{Kind: Fatal, Cause: cause}
	}
	if kind, ok := refusedPart(text); ok {
		return Class{Kind: kind, Cause: investigation.CauseOther, Limit: limitIn(kind, text)}
	}
	switch {
	case has(text, "guardrail") && code != "AccessDeniedException": // it is missing, not the model
		return Class{Kind: Fatal, Cause: investigation.CauseOther}
	case code == "ResourceNotFoundException", status == http.StatusNotFound:
		return Class{Kind: Fatal, Cause: investigation.CauseNotInRegion}
	case code == "AccessDeniedException", status == http.StatusForbidden, status == http.StatusUnauthorized:
		return Class{Kind: Fatal, Cause: investigation.CauseDenied}
	}
	return Class{Kind: Fatal, Cause: investigation.CauseOther}
}

// causeOfText returns the cause of an error that every request to the model would have: the state of the model, or
// the account's access to it.
func causeOfText(code, text string) (investigation.ModelCause, bool) {
	switch {
	case has(text, "end of its life", "end of life", "has been retired"):
		return investigation.CauseRetired, true
	case has(text, "as legacy", "is legacy"):
		return investigation.CauseLegacy, true
	case has(text, "use case"):
		return investigation.CauseForm, true
	case has(text, "marketplace"):
		return investigation.CauseSubscription, true
	case has(text, "not authorized to perform", "not allowed from unsupported"), strings.HasPrefix(text, "operation not allowed"):
		return investigation.CauseDenied, true
	case has(text, "model identifier", "on-demand throughput", "resolve the foundation model"),
		has(text, "region") && !has(text, "guardrail") && has(text, "not supported", "isn't supported", "not available", "isn't available", "doesn't support", "does not support"):
		return investigation.CauseNotInRegion, true
	}
	return "", false
}

// refusedPart returns the kind of an error that is about one part of the request.
func refusedPart(text string) (Kind, bool) {
	switch {
	case has(text, "cachepoint", "cache point", "prompt caching", "cache_control", "caching", "cache checkpoint"):
		return CacheRefused, true
	case has(text, "signature") && has(text, "thinking", "reasoning"),
		has(text, "thinking block", "redacted_thinking", "`thinking`", "reasoningcontent", "reasoning content", "reasoning block", "different conversation"):
		return ThinkingRefused, true
	case has(text, "output_config", "reasoning_effort"), has(text, "effort") && has(text, "permitted", "support", "invalid", "extraneous", "unknown"):
		return EffortRefused, true
	case isOutputLimit(text):
		return OutputLimit, true
	case isTooLong(text):
		return TooLong, true
	case has(text, "temperature", "top_p", "topp"):
		return TemperatureRefused, true
	case has(text, "system message", "system prompt", "system role", "system instruction") && has(text, "support", "not allowed"):
		return SystemRefused, true
	case has(text, "tool use", "toolconfig", "tool_use", "tool calling", "function calling") && has(text, "support", "not allowed"):
		return ToolsRefused, true
	}
	return Fatal, false
}

// notLessOrEqual matches how Bedrock's own validation reports a number above its limit.
var notLessOrEqual = regexp.MustCompile(`(\d+) is not less (?:than )?or equal to (\d+)`)

// isOutputLimit reports whether the limit of output tokens is too high, and not the input too long.
func isOutputLimit(text string) bool {
	if has(text, "context", "input length", "input token", "prompt is too long", "input is too long") {
		return false
	}
	return has(text, "max_tokens", "maxtokens", "max tokens", "maximum tokens", "output token", "completion token", "max_new_tokens", "max_gen_len") ||
		notLessOrEqual.MatchString(text)
}

// isTooLong reports whether the conversation is too long for the model. Each provider words this differently.
func isTooLong(text string) bool {
	return has(text, "too long", "context window", "context length", "context limit", "maxlength", "text bytes", "request too large", "reduce the length") ||
		has(text, "input", "prompt", "context", "conversation") && has(text, "exceed", "too many", "too large", "longer than", "maximum allowed", "larger than")
}

var number = regexp.MustCompile(`\d+`)

// limitIn returns the limit that an OutputLimit error names: the smallest plausible number in its text.
func limitIn(kind Kind, text string) int {
	if kind != OutputLimit {
		return 0
	}
	const least, most = 256, 1_000_000 // tokens; smaller numbers are positions or versions, larger ones are no limits
	limit := 0
	for _, digits := range number.FindAllString(strings.ReplaceAll(text, ",", ""), -1) {
		if n, err := strconv.Atoi(digits); err == nil && n >= least && n <= most && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return limit
}

// classifyTransport classifies the error of a request without an answer.
func classifyTransport(err error) Class {
	var network net.Error
	isNetwork := errors.As(err, &network)
	switch {
	case errors.Is(err, context.DeadlineExceeded), isNetwork && network.Timeout():
		return unavailable(Timeout)
	case isNetwork, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return unavailable(Fault)
	}
	return Class{Kind: Fatal, Cause: investigation.CauseUnavailable}
}

func has(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
