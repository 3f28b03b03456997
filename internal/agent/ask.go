package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
)

// How the model is asked.
const (
	maxOutputTokens   = 8192              // of one answer; a report takes about 2,000
	leastOutputTokens = 2048              // the least that a report fits in
	modelTimeout      = 300 * time.Second // of one call: a long answer of a large model
	backoffBase       = time.Second
	backoffLimit      = 30 * time.Second
	maxThrottles      = 12 // retries of one question
	maxFaults         = 5
	maxTimeouts       = 2
	maxModelErrors    = 3
)

// errorKind is what can be done about an error of the model.
type errorKind int

const (
	errFatal errorKind = iota
	errThrottled
	errFault
	errTimeout
	errModel
	errTooLong
	errNoCache
	errNoTools
	errMaxTokens
)

// classify says what an error is. The texts are the service's own; several features are refused with the
// same error type and told apart by the text only.
func classify(err error) errorKind {
	var api smithy.APIError
	if errors.As(err, &api) {
		text := strings.ToLower(api.ErrorMessage())
		switch api.ErrorCode() {
		case "ThrottlingException", "TooManyRequestsException", "ModelNotReadyException":
			return errThrottled
		case "ServiceUnavailableException", "InternalServerException", "InternalFailure", "ServiceUnavailable":
			return errFault
		case "ModelTimeoutException":
			return errTimeout
		case "ModelErrorException":
			return errModel
		case "ValidationException", "AccessDeniedException":
			return classifyRefusal(text)
		}
		if api.ErrorFault() == smithy.FaultServer {
			return errFault
		}
		return errFatal
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return errTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.As(err, &netErr):
		return errFault
	}
	return errFatal
}

func classifyRefusal(text string) errorKind {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("cachepoint", "cache point", "prompt caching", "cache_control", "caching"):
		return errNoCache
	case has("tool use", "toolconfig", "tool_use") && has("support", "not allowed", "unsupported"):
		return errNoTools
	case has("too long", "too many input tokens", "context window", "context length", "input length and"):
		return errTooLong
	case has("maximum tokens", "max_tokens", "maxtokens", "max tokens"):
		return errMaxTokens
	}
	return errFatal
}

// ask puts the conversation to the model until it answers, as long as trying again can help and the time
// lasts.
func (r *run) ask(ctx context.Context) (*bedrockruntime.ConverseOutput, error) {
	tries := map[errorKind]int{}
	for {
		r.fitWindow()
		out, err := r.call(ctx)
		if err == nil {
			if out.StopReason == types.StopReasonModelContextWindowExceeded && tries[errTooLong] == 0 && r.compact(1) {
				r.count(out) // it is paid for all the same
				tries[errTooLong]++
				continue
			}
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
		kind := classify(err)
		tries[kind]++
		r.Log.Warn("model call failed", "error", err, "attempt", tries[kind])
		again, wait := r.remedy(kind, tries[kind])
		if !again {
			return nil, err
		}
		if wait > 0 {
			if deadline, ok := ctx.Deadline(); ok && r.Now().Add(wait).After(deadline) {
				return nil, err
			}
			if err := r.Sleep(ctx, wait); err != nil {
				return nil, err
			}
		}
	}
}

// remedy changes what can be changed about an error, or says how long to wait.
func (r *run) remedy(kind errorKind, try int) (again bool, wait time.Duration) {
	limit := 0
	switch kind {
	case errThrottled:
		limit = maxThrottles
	case errFault:
		limit = maxFaults
	case errTimeout:
		limit = maxTimeouts
	case errModel:
		if try == 1 {
			r.state.Talk.Say(goOn(types.StopReasonMalformedToolUse))
		}
		limit = maxModelErrors
	case errNoCache:
		refused := !r.state.Talk.NoCache
		r.state.Talk.NoCache = true
		return refused, 0
	case errNoTools:
		refused := !r.state.Talk.TextTools
		r.state.Talk.TextTools = true
		return refused, 0
	case errMaxTokens:
		r.state.MaxOutput /= 2
		return r.state.MaxOutput >= leastOutputTokens, 0
	case errTooLong:
		return r.compact(max(0, 2-try)), 0
	default:
		return false, 0
	}
	if try > limit {
		return false, 0
	}
	ceiling := min(backoffLimit, backoffBase<<min(try-1, 10))
	return true, time.Duration(r.Random() * float64(ceiling)) // full jitter
}

// call is one request.
func (r *run) call(ctx context.Context) (*bedrockruntime.ConverseOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, modelTimeout)
	defer cancel()
	in := r.state.Talk.Request(r.ModelID, r.system(), tools)
	in.InferenceConfig = &types.InferenceConfiguration{MaxTokens: aws.Int32(int32(r.state.MaxOutput))}
	if familyOf(r.ModelID).greedy {
		in.InferenceConfig.Temperature = aws.Float32(0)
	}
	if r.GuardrailID != "" {
		in.GuardrailConfig = &types.GuardrailConfiguration{
			GuardrailIdentifier: aws.String(r.GuardrailID), GuardrailVersion: aws.String(r.GuardrailVersion),
		}
	}
	return r.Model.Converse(ctx, in)
}

// explain tells a human what stands between the investigation and its model, and what to do about it.
func explain(err error, modelID string) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if classify(err) == errTimeout {
			return fmt.Sprintf("Model %s did not answer in time. Try a smaller or less busy model, or look at the Bedrock service health.", modelID)
		}
		return fmt.Sprintf("Bedrock could not be reached for model %s: %s. In a VPC without internet access the orchestrator needs an interface endpoint for bedrock-runtime.", modelID, shorten(err.Error(), 300))
	}
	message := shorten(api.ErrorMessage(), 500)
	lower := strings.ToLower(api.ErrorMessage())
	advice := ""
	switch code := api.ErrorCode(); {
	case code == "AccessDeniedException" && strings.Contains(lower, "service control policy"):
		advice = "A service control policy forbids Bedrock in a Region that the inference profile routes to. Allow bedrock:InvokeModel in every destination Region of the profile, or use a model in your own Region."
	case code == "AccessDeniedException" && strings.Contains(lower, "marketplace"):
		advice = "The account has not subscribed to this model yet: invoke it once as a principal with aws-marketplace:Subscribe."
	case code == "AccessDeniedException" && strings.Contains(lower, "not authorized"):
		advice = "The orchestrator's role lacks the grant for bedrock:InvokeModel on the resource that the message names. Is BedrockModelId the model that the stack was deployed with, and is there a permissions boundary or policy in the way?"
	case code == "AccessDeniedException":
		advice = "Request access to the model on the Bedrock console's page \"Model access\" in this Region, and check that bedrock:InvokeModel is granted on it."
	case code == "ResourceNotFoundException", code == "ValidationException" && (strings.Contains(lower, "model identifier") || strings.Contains(lower, "on-demand throughput")):
		advice = "The model is not offered like this in this Region. Choose one that is, or an inference profile (us., eu., apac., global.), with the prop BedrockModelId."
	case classify(err) == errThrottled:
		advice = "The account's quota for this model is used up. Ask for a higher one in Service Quotas, use a cross-Region inference profile, or lower MaxConcurrentInvestigations."
	case classify(err) == errFault, classify(err) == errTimeout:
		advice = "This is a fault of the service; it was tried again until the time for it was over."
	case classify(err) == errTooLong:
		advice = "The conversation does not fit the model's window even when shortened. Use a model with a larger one."
	case code == "ServiceQuotaExceededException":
		advice = "Ask for a higher quota in Service Quotas."
	}
	return strings.TrimSpace(fmt.Sprintf("Model %s refused or failed: %s: %s. %s", modelID, api.ErrorCode(), message, advice))
}

// shorten cuts text to max bytes on a rune boundary.
func shorten(text string, max int) string {
	if len(text) <= max {
		return text
	}
	return strings.ToValidUTF8(text[:max], "") + " …"
}
