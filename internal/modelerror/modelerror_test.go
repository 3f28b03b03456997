package modelerror_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
)

// answer is an HTTP answer of the service.
type answer struct {
	status int
	kind   string // error type in the header; empty: no header
	body   string
	length int // Content-Length; 0: the body's
}

func refused(status int, kind, message string) answer {
	return answer{status: status, kind: kind, body: fmt.Sprintf(`{"message": %q}`, message)}
}

func validation(message string) answer { return refused(400, "ValidationException", message) }

// errorOf returns the SDK's own error for an answer.
func errorOf(t *testing.T, a answer) error {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if a.kind != "" {
			w.Header().Set("X-Amzn-Errortype", a.kind)
		}
		if a.length > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(a.length))
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	defer server.Close()
	return ask(t, server.URL)
}

func ask(t *testing.T, url string) error {
	t.Helper()
	client := bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: &url, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	_, err := client.Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String("m"), Messages: []types.Message{{
		Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "x"}},
	}}})
	require.Error(t, err)
	return err
}

func TestClassify_StatusDecidesBeforeCodeAndText(t *testing.T) {
	const page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
	tests := []struct {
		name string
		answer
		want modelerror.Kind
	}{
		{"502 with HTML", answer{status: 502, body: page}, modelerror.Fault},
		{"503 JSON without type", answer{status: 503, body: `{"message": "Service Unavailable"}`}, modelerror.Fault},
		{"503 empty", answer{status: 503}, modelerror.Fault},
		{"504 text", answer{status: 504, body: "upstream request timeout"}, modelerror.Fault},
		{"529 overloaded", answer{status: 529, body: `{"error": {"type": "overloaded_error"}}`}, modelerror.Fault},
		{"500 coral", answer{status: 500, body: `{"Output":{"__type":"com.amazon.coral.service#InternalFailure"},"Version":"1.0"}`}, modelerror.Fault},
		{"500 with a validation error", refused(500, "ValidationException", "Input is too long"), modelerror.Fault},
		{"429 without type", answer{status: 429, body: `{"message": "Too many requests"}`}, modelerror.Throttled},
		{"429 HTML", answer{status: 429, body: page}, modelerror.Throttled},
		{"429 too many tokens", refused(429, "ThrottlingException", "Too many tokens, please wait before trying again."), modelerror.Throttled},
		{"429 not ready", refused(429, "ModelNotReadyException", ""), modelerror.Throttled},
		{"408 without type", answer{status: 408}, modelerror.Timeout},
		{"408", refused(408, "ModelTimeoutException", ""), modelerror.Timeout},
		{"424", refused(424, "ModelErrorException", "Model produced invalid sequence as part of ToolUse."), modelerror.Model},
		{"413", answer{status: 413, body: page}, modelerror.TooLong},
		{"200 with truncated JSON", answer{status: 200, body: `{"output": {"message": {"role": "assi`}, modelerror.Fault},
		{"200 with HTML", answer{status: 200, body: page}, modelerror.Fault},
		{"200 shorter than its Content-Length", answer{status: 200, body: `{"output"`, length: 500}, modelerror.Fault},
		{"400 with HTML", answer{status: 400, body: page}, modelerror.Fatal},
		{"403 with HTML", answer{status: 403, body: page}, modelerror.Fatal},
		{"403 wrong signature", refused(403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided."), modelerror.Fatal},
		{"503", refused(503, "ServiceUnavailableException", "Bedrock is unable to process your request."), modelerror.Fault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, modelerror.Classify(errorOf(t, tt.answer)).Kind)
		})
	}
}

func TestClassify_RecognizesConversationsThatAreTooLong(t *testing.T) {
	for _, message := range []string{
		"Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.",
		"Input exceeds the max input token limit.",
		"too many total text bytes: 9437184 > 9000000",
		"Malformed input request: expected maxLength: 1200000, actual: 1350000, please reformat your input and try again.",
		"The input token count (301234) exceeds the maximum number of tokens allowed (300000).",
		"Input length 301234 exceeds the maximum allowed input length",
		"Input is too long for requested model.",
		"prompt is too long: 210000 tokens > 200000 maximum",
		"This model's maximum context length is 131072 tokens. Please reduce the length of the messages or completion.",
		"input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length or `max_tokens` and try again",
		"The model returned the following errors: Input is too long.",
		"Too many input tokens",
	} {
		assert.Equal(t, modelerror.TooLong, modelerror.Classify(errorOf(t, validation(message))).Kind, message)
	}
}

func TestClassify_ReadsTheOutputLimitFromTheMessage(t *testing.T) {
	for message, want := range map[string]int{
		"8192 is not less or equal to 2048": 2048,
		"Malformed input request: #/inferenceConfig/maxTokens: 8192 is not less or equal to 5120, please reformat your input and try again.": 5120,
		"The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096.":   4096,
		"max_tokens: 32768 > 8192, which is the maximum allowed number of output tokens for claude-3-5-haiku":                                8192,
		"The number of output tokens requested (8192) is higher than the limit":                                                              8192,
		"max_tokens must be at most 16,384": 16384,
	} {
		got := modelerror.Classify(errorOf(t, validation(message)))
		assert.Equal(t, modelerror.OutputLimit, got.Kind, message)
		assert.Equal(t, want, got.Limit, message)
	}
}

func TestClassify_RecognizesRefusedPartsOfARequest(t *testing.T) {
	const cache = "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information."
	tests := []struct {
		name string
		answer
		want modelerror.Kind
	}{
		{"cache by 403", refused(403, "AccessDeniedException", cache), modelerror.CacheRefused},
		{"position of the cache point", validation("Malformed input request: #/messages/2/content/1: extraneous key [cachePoint] is not permitted, please reformat your input and try again."), modelerror.CacheRefused},
		{"tools", validation("This model doesn't support tool use."), modelerror.ToolsRefused},
		{"tools in streaming", validation("This model doesn't support the toolConfig field. Remove toolConfig and try again."), modelerror.ToolsRefused},
		{"system", validation("This model doesn't support system messages. Try again without a system message or use a model that supports system messages."), modelerror.SystemRefused},
		{"bound reasoning", validation("messages.3.content.0: `signature` in `thinking` block is bound to a different conversation"), modelerror.ThinkingRefused},
		{"signature", validation("messages.1.content.0: Invalid `signature` in `thinking` block"), modelerror.ThinkingRefused},
		{"missing reasoning", validation("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."), modelerror.ThinkingRefused},
		{"effort", validation("output_config: Extra inputs are not permitted"), modelerror.EffortRefused},
		{"effort by name", validation("Malformed input request: extraneous key [effort] is not permitted"), modelerror.EffortRefused},
		{"temperature", validation("`temperature` is deprecated for this model."), modelerror.TemperatureRefused},
		{"cache with a guardrail", validation("Guardrails do not support prompt caching for this model. Remove the cachePoint."), modelerror.CacheRefused},
		{"length for a guardrail", validation("The guardrail's input exceeds the maximum allowed number of text units."), modelerror.TooLong},
		{"guardrail itself", validation("The guardrail identifier is invalid."), modelerror.Fatal},
		{"something else", validation("The moon is in the wrong phase."), modelerror.Fatal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, modelerror.Classify(errorOf(t, tt.answer)).Kind)
		})
	}
}

// Each case is a state of a model or of an account's access, with the advice in the report.
func TestExplain_NamesTheCauseAndTheRemedy(t *testing.T) {
	notFound := func(message string) answer { return refused(404, "ResourceNotFoundException", message) }
	denied := func(message string) answer { return refused(403, "AccessDeniedException", message) }
	const unauthorized = "User: arn:aws:sts::123456789012:assumed-role/triage/f is not authorized to perform: bedrock:InvokeModel on resource: " +
		"arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-2-lite-v1:0 "
	tests := []struct {
		name string
		answer
		cause  investigation.ModelCause
		model  string // default: us.anthropic.claude-sonnet-5-5
		region string // default: us-east-1
		want   string
		not    string
	}{
		{name: "retired", answer: notFound("This model version has reached the end of its life. Please refer to the AWS documentation for more details."),
			cause: investigation.CauseRetired, want: "Set BedrockModelId to a current model"},
		{name: "legacy", answer: notFound("Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days. Please upgrade to an active model on Amazon Bedrock"),
			cause: investigation.CauseLegacy, want: "close to its end of life"},
		{name: "form", answer: notFound("Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model. If you have already filled out the form, try again in 15 minutes."),
			cause: investigation.CauseForm, want: "bedrock:PutUseCaseForModelAccess"},
		{name: "subscription", answer: denied("Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model."),
			cause: investigation.CauseSubscription, want: "aws-marketplace:Subscribe"},
		{name: "payment method", answer: denied("Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment instrument must be provided. Your AWS Marketplace subscription for this model cannot be completed at this time. If you recently fixed this issue, try again after 2 minutes."),
			cause: investigation.CauseSubscription, want: "Billing console", not: "AllowModelSubscriptions"},
		{name: "daily quota", answer: refused(429, "ThrottlingException", "Too many tokens per day, please wait before trying again."),
			cause: investigation.CauseDailyQuota, want: "Service Quotas"},
		{name: "not in the Region", answer: validation("The provided model identifier is invalid."),
			cause: investigation.CauseNotInRegion, want: "model catalog"},
		{name: "needs a profile", answer: validation("Invocation of model ID anthropic.claude-sonnet-5-5 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."),
			cause: investigation.CauseNotInRegion, want: "inference profile"},
		{name: "unknown model", answer: notFound("Could not resolve the foundation model from the provided model identifier."),
			cause: investigation.CauseNotInRegion, want: "model catalog"},
		{name: "grant", answer: denied(unauthorized + "because no identity-based policy allows the bedrock:InvokeModel action"),
			cause: investigation.CauseDenied, want: "role lacks the grant"},
		{name: "service control policy", answer: denied(unauthorized + "with an explicit deny in a service control policy"),
			cause: investigation.CauseDenied, want: "every destination Region"},
		{name: "service control policy and a global profile", model: "global.anthropic.claude-sonnet-5-5", answer: denied(unauthorized + "with an explicit deny in a service control policy"),
			cause: investigation.CauseDenied, want: "\"unspecified\""},
		{name: "service control policy and no profile", model: "mistral.mistral-large-3-675b-instruct", answer: denied(unauthorized + "with an explicit deny in a service control policy"),
			cause: investigation.CauseDenied, want: "Allow bedrock:InvokeModel there", not: "profile"},
		{name: "service control policy and an application profile", model: "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x", answer: denied(unauthorized + "with an explicit deny in a service control policy"),
			cause: investigation.CauseDenied, want: "every destination Region"},
		{name: "credentials", answer: refused(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
			cause: investigation.CauseDenied, want: "does not accept the credentials", not: "BedrockModelId"},
		{name: "credentials that expired", answer: refused(403, "ExpiredTokenException", "The security token included in the request is expired"),
			cause: investigation.CauseDenied, want: "does not accept the credentials", not: "BedrockModelId"},
		{name: "not ready", answer: refused(429, "ModelNotReadyException", "Model is not ready for inference."),
			cause: investigation.CauseUnavailable, want: "has not loaded the model", not: "quota"},
		{name: "no access", answer: denied("You don't have access to the model with the specified model ID."),
			cause: investigation.CauseDenied, want: "playground", not: "Model access"},
		{name: "account", answer: denied("Your account is not authorized to invoke this API operation."),
			cause: investigation.CauseDenied, want: "Check that the account may use the model", not: "role lacks the grant"},
		{name: "account without Bedrock", answer: validation("Operation not allowed"),
			cause: investigation.CauseDenied, want: "Check that the account may use the model", not: "report this"},
		{name: "country", answer: validation("Access to Anthropic models is not allowed from unsupported countries, regions, or territories."),
			cause: investigation.CauseDenied, want: "Check that the account may use the model", not: "report this"},
		{name: "guardrail that does not exist", answer: validation("The guardrail identifier or version provided in the request does not exist."),
			cause: investigation.CauseOther, want: "Check the prop Guardrail", not: "BedrockModelId"},
		{name: "guardrail that is not found", answer: notFound("The guardrail abc does not exist."),
			cause: investigation.CauseOther, want: "Check the prop Guardrail", not: "BedrockModelId"},
		{name: "guardrail in another Region", answer: validation("Guardrails are not supported in this Region."),
			cause: investigation.CauseOther, want: "Check the prop Guardrail", not: "BedrockModelId"},
		{name: "grant of a guardrail", answer: denied(strings.Replace(unauthorized, "bedrock:InvokeModel", "bedrock:ApplyGuardrail", 1) + "because no identity-based policy allows it"),
			cause: investigation.CauseDenied, want: "role lacks the grant for bedrock:ApplyGuardrail on", not: "bedrock:InvokeModel"},
		{name: "grant of a key", answer: denied(strings.Replace(unauthorized, "bedrock:InvokeModel", "kms:Decrypt", 1) + "because no identity-based policy allows the kms:Decrypt action"),
			cause: investigation.CauseDenied, want: "role lacks the grant for kms:Decrypt on", not: "bedrock:InvokeModel"},
		{name: "service control policy and a key", answer: denied(strings.Replace(unauthorized, "bedrock:InvokeModel", "kms:Decrypt", 1) + "with an explicit deny in a service control policy"),
			cause: investigation.CauseDenied, want: "The service control policy blocks the call, as the message says. Allow kms:Decrypt there", not: "bedrock:InvokeModel"},
		{name: "VPC endpoint", answer: denied(unauthorized + "because no VPC endpoint policy allows the bedrock:InvokeModel action"),
			cause: investigation.CauseDenied, want: "The VPC endpoint policy blocks the call", not: "role lacks the grant"},
		{name: "permissions boundary", answer: denied(unauthorized + "because no permissions boundary allows the bedrock:InvokeModel action"),
			cause: investigation.CauseDenied, want: "The permissions boundary blocks the call", not: "role lacks the grant"},
		{name: "deny of the role", answer: denied(unauthorized + "with an explicit deny in an identity-based policy: arn:aws:iam::123456789012:policy/no-models"),
			cause: investigation.CauseDenied, want: "The identity-based policy blocks the call", not: "role lacks the grant"},
		{name: "role named marketplace", answer: denied(strings.Replace(unauthorized, "role/triage/f", "role/marketplace-triage-role/legacy-guardrail", 1)),
			cause: investigation.CauseDenied, want: "role lacks the grant", not: "AWS Marketplace"},
		{name: "role named payments", answer: denied(strings.NewReplacer("role/triage", "role/payments-triage-role", "bedrock:InvokeModel", "aws-marketplace:Subscribe").Replace(unauthorized)),
			cause: investigation.CauseSubscription, want: "aws-marketplace:ViewSubscriptions", not: "Billing console"},
		{name: "grant of streaming", answer: denied(strings.Replace(unauthorized, "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", 1)),
			cause: investigation.CauseDenied, want: "Check that the stack was deployed with this model", not: "guardrail"},
		{name: "no access in GovCloud", region: "us-gov-west-1", answer: denied("You don't have access to the model with the specified model ID."),
			cause: investigation.CauseDenied, want: "page \"Model access\""},
		{name: "untyped 503", answer: answer{status: 503, body: "<html>"},
			cause: investigation.CauseUnavailable, want: "HTTP status 503", not: "VPC"},
		{name: "truncated answer", answer: answer{status: 200, body: `{"output"`},
			cause: investigation.CauseUnavailable, want: "could not be read", not: "VPC"},
		{name: "throttled", answer: refused(429, "ThrottlingException", "Too many tokens, please wait before trying again."),
			cause: investigation.CauseUnavailable, want: "MaxConcurrentInvestigations"},
		{name: "too long", answer: validation("Input is too long for requested model."),
			cause: investigation.CauseOther, want: "even when shortened"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.model == "" {
				tt.model = "us.anthropic.claude-sonnet-5-5"
			}
			if tt.region == "" {
				tt.region = "us-east-1"
			}
			err := errorOf(t, tt.answer)
			assert.Equal(t, tt.cause, modelerror.Classify(err).Cause)
			got := modelerror.Explain(err, tt.model, tt.region, modelerror.Orchestrator)
			assert.Contains(t, got, tt.model)
			assert.Contains(t, got, tt.want)
			assert.NotContains(t, got, "..", "one period")
			if tt.not != "" {
				assert.NotContains(t, got, tt.not)
			}
		})
	}
}

func TestClassify_RequestsWithoutAnAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	assert.Equal(t, modelerror.Fault, modelerror.Classify(ask(t, server.URL)).Kind, "connection closed")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	unreachable := ask(t, url)
	assert.Equal(t, modelerror.Fault, modelerror.Classify(unreachable).Kind, "connection refused")
	assert.Contains(t, modelerror.Explain(unreachable, "m", "us-east-1", modelerror.Orchestrator), "interface endpoint for bedrock-runtime")

	late := fmt.Errorf("converse: %w", context.DeadlineExceeded)
	assert.Equal(t, modelerror.Timeout, modelerror.Classify(late).Kind)
	assert.Contains(t, modelerror.Explain(late, "m", "us-east-1", modelerror.Orchestrator), "did not answer in time")
	assert.Equal(t, modelerror.Fatal, modelerror.Classify(errors.New("no credentials")).Kind)
}

func TestExplain_AdviceToACommandNamesNothingOfADeployment(t *testing.T) {
	refused := func(code, message string) error { return &smithy.GenericAPIError{Code: code, Message: message} }
	for _, err := range []error{
		refused("ResourceNotFoundException", "This model version has reached the end of its life."),
		refused("ResourceNotFoundException", "Access denied. This Model is marked by provider as Legacy"),
		refused("ResourceNotFoundException", "Model use case details have not been submitted for this account."),
		refused("AccessDeniedException", "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions"),
		refused("ValidationException", "The provided model identifier is invalid."),
		refused("ThrottlingException", "Too many tokens per day, please wait before trying again."),
		refused("ThrottlingException", "Too many requests"),
		refused("ValidationException", "The guardrail identifier or version is not valid."),
		refused("AccessDeniedException", "User: x is not authorized to perform: bedrock:ApplyGuardrail on resource: y"),
		refused("AccessDeniedException", "User: x is not authorized to perform: bedrock:InvokeModel on resource: y"),
		refused("ExpiredTokenException", "The security token included in the request is expired"),
		refused("ModelNotReadyException", "Model is not ready for inference."),
		refused("ValidationException", "odd"),
		refused("InternalServerException", "odd"),
		&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		context.DeadlineExceeded,
	} {
		why := modelerror.Explain(err, "us.anthropic.claude-sonnet-5-5", "us-east-1", modelerror.Command)
		assert.NotRegexp(t, `(?i)orchestrator|deploy|\bstack\b|\bprop\b|ModelIds?\b|Max[A-Z]`, why)
	}
}
