package modelerror

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// maxMessage limits the part of Bedrock's message that a report quotes, in bytes.
const maxMessage = 500

// Caller is who asks the models. Advice names its settings.
type Caller int

// The callers.
const (
	Orchestrator Caller = iota // of a deployment: its settings are props of the construct
	Command                    // on a user's machine: its settings are flags
)

// pick returns the words for the caller.
func (c Caller) pick(orchestrator, command string) string {
	if c == Command {
		return command
	}
	return orchestrator
}

// ModelSetting returns the name of the setting with the model that is asked first.
func (c Caller) ModelSetting() string { return c.pick("BedrockModelId", "--model") }

// FallbackSetting returns the name of the setting with the models that are asked after it.
func (c Caller) FallbackSetting() string { return c.pick("FallbackModelIds", "--model") }

// Explain returns a few sentences for the report: which model failed, what Bedrock answered, and what the caller can do
// about it. region is where the model was asked.
func Explain(err error, modelID, region string, caller Caller) string {
	class := Classify(err)
	advice := Advice(err, modelID, region, caller)
	var api smithy.APIError
	status := statusOf(err)
	switch {
	case errors.As(err, &api) && !isUntyped(api):
		return fmt.Sprintf("Model %s failed: %s: %s %s",
			modelID, api.ErrorCode(), sentence(api.ErrorMessage()), advice)
	case class.Kind == Timeout && status == 0:
		return fmt.Sprintf("Model %s did not answer in time. %s", modelID, advice)
	case status >= 400:
		return fmt.Sprintf("Model %s failed: Bedrock answered with HTTP status %d and an unreadable "+
			"error. %s",
			modelID, status, advice)
	case status > 0:
		return fmt.Sprintf("Model %s failed: Bedrock's answer could not be read. %s", modelID, advice)
	}
	return fmt.Sprintf("Model %s could not be asked: %s %s", modelID, sentence(err.Error()), advice)
}

// isUntyped reports whether the error has no type. The SDK then makes up a code.
func isUntyped(api smithy.APIError) bool {
	return api.ErrorCode() == "" || api.ErrorCode() == "UnknownError"
}

// adviceOfCause returns the advice for causes that need no more detail, or "".
func adviceOfCause(cause investigation.ModelCause, caller Caller) string {
	deploy := caller.pick(", and deploy.", ".")
	switch cause {
	case investigation.CauseRetired:
		return "Bedrock no longer serves this model version. Set " + caller.ModelSetting() + " to a current model, or update " +
			"alarmtriage, whose default models follow Bedrock's" + deploy
	case investigation.CauseLegacy:
		return "The model is close to its end of life, and accounts that have not used it recently cannot start to. Set " +
			caller.ModelSetting() + " to a current model, or update alarmtriage" + deploy
	case investigation.CauseForm:
		return "Anthropic requires a use case form once per account: open the model in the Bedrock console's model catalog and " +
			"submit the form, or call bedrock:PutUseCaseForModelAccess. In an organization, the management account can do it for " +
			"all accounts. It takes effect after about 15 minutes."
	case investigation.CauseSubscription:
		return "The account has no AWS Marketplace subscription to this model. Invoke the model once as a principal with " +
			"aws-marketplace:Subscribe, aws-marketplace:Unsubscribe, and aws-marketplace:ViewSubscriptions, for example in the " +
			"Bedrock console's playground" + caller.pick(", or set the prop AllowModelSubscriptions", "") + ". Once per account is enough."
	case investigation.CauseNotInRegion:
		return "The model is not offered under this ID in this Region. Set " + caller.ModelSetting() + " to an ID that the Bedrock " +
			"console's model catalog shows for this Region, often with the prefix of an inference profile such as us., eu., or global."
	case investigation.CauseDailyQuota:
		return "The account's daily quota for this model is used up, or is zero, as in some new accounts. Request a higher quota " +
			"in Service Quotas (Amazon Bedrock), or add another model to " + caller.FallbackSetting() + "."
	}
	return ""
}

// Advice returns what the caller can do about the error of a model.
func Advice(err error, modelID, region string, caller Caller) string {
	class, message := Classify(err), messageOf(err)
	text := wordsOf(message)
	if class.Cause == investigation.CauseSubscription && strings.Contains(text, "payment") {
		return "AWS Marketplace does not accept the account's payment method, so the account cannot subscribe to this " +
			"model. Correct it in the Billing console, and then invoke the model once, for example in the Bedrock " +
			"console's playground."
	}
	if advice := adviceOfCause(class.Cause, caller); advice != "" {
		return advice
	}
	if awsapi.CredentialsRefused(err) {
		return "AWS does not accept " + caller.pick("the credentials of the orchestrator's role: check that the role exists, and deploy.",
			"these credentials: log in again, or use others.")
	}
	place := caller.pick("the orchestrator", "this machine")
	switch {
	case class.Cause == investigation.CauseDenied:
		return adviceOfDenial(message, modelID, region, caller)
	case awsapi.CodeOf(err) == "ModelNotReadyException":
		return "Bedrock has not loaded the model, as after a time without requests, and all retries failed. Try again in a few minutes, or use " +
			"a model that Bedrock keeps ready."
	case class.Kind == Throttled:
		return "The account's quota for this model is temporarily used up, and all retries failed. " +
			"Request a higher quota in Service Quotas" +
			caller.pick(", use a cross-Region inference profile, or lower MaxConcurrentInvestigations.", ", or use a cross-Region inference profile.")
	case class.Kind == Timeout && statusOf(err) == 0:
		return "Try a smaller or less busy model, raise " + caller.pick("OrchestratorTimeout", "--timeout") + ", or check Bedrock in " +
			"the AWS Health Dashboard."
	case class.Kind == Fault && statusOf(err) == 0:
		return "Check Bedrock in the AWS Health Dashboard. In a VPC without internet access, " + place +
			" needs an interface endpoint for bedrock-runtime."
	case class.Kind == Fault, class.Kind == Timeout, class.Kind == Model:
		return "This is a fault of the service, and all retries failed. Check Bedrock in the AWS Health " +
			"Dashboard."
	case class.Kind == TooLong:
		return "The conversation does not fit the model's context window, even when shortened. Use a " +
			"model with a larger window."
	case class.Kind == OutputLimit:
		return "The model cannot write an answer as long as a report. Use another model."
	case strings.Contains(text, "guardrail"):
		return caller.pick("Check the prop Guardrail: the guardrail and", "Check the guardrail that the account or the organization enforces: it and") +
			" its version must exist in this Region, and the model must support guardrails."
	case statusOf(err) == 0 && class.Cause == investigation.CauseUnavailable:
		return "In a VPC without internet access, " + place + " needs an interface endpoint for bedrock-runtime."
	}
	return "Set " + caller.ModelSetting() + " to another model, or report this to the alarmtriage project" +
		caller.pick(" with the orchestrator's log.", ".")
}

// deniedAction matches the action that IAM denies. Some calls of a model need another one than bedrock:InvokeModel.
var deniedAction = regexp.MustCompile(`not authorized to perform: ([\w-]+:\w+)`)

// invokeModel is the action of most calls of a model.
const invokeModel = "bedrock:InvokeModel"

const serviceControlPolicy = "service control policy"

// adviceOfDenial returns what to do about a denied call. message is Bedrock's.
func adviceOfDenial(message, modelID, region string, caller Caller) string {
	text, profile := wordsOf(message), models.Parse(modelID)
	lacks := caller.pick("The orchestrator's role lacks the grant for ", "These credentials lack the grant for ")
	denied, policy := deniedAction.FindStringSubmatch(message), awsapi.BlockedBy(message)
	isInvoke := denied == nil || strings.HasPrefix(denied[1], invokeModel)
	if denied != nil && policy != "" && !(isInvoke && policy == serviceControlPolicy) {
		return fmt.Sprintf("The %s blocks the call, as the message says. Allow %s there on the resource that the message names.", policy, denied[1])
	}
	if !isInvoke {
		return lacks + denied[1] + " on the resource that the message names. Check that " +
			caller.pick("the stack was deployed with this model and guardrail, and that ", "") + "no permissions boundary or policy blocks the call."
	}
	switch {
	case strings.Contains(text, serviceControlPolicy) && profile.Profile == models.GlobalProfile:
		return "A service control policy forbids the call. A global inference profile needs " +
			"bedrock:InvokeModel with aws:RequestedRegion \"unspecified\" allowed; or use a model or " +
			"profile of your own geography."
	case strings.Contains(text, serviceControlPolicy) && profile.Profile == "" && !strings.HasSuffix(profile.Kind, "inference-profile"):
		return "A service control policy forbids the call. Allow bedrock:InvokeModel there on the resource that the message names, or use another model."
	case strings.Contains(text, serviceControlPolicy):
		return "A service control policy forbids Bedrock in a Region that the inference profile routes " +
			"to. Allow bedrock:InvokeModel in every destination Region of the profile, or use a model " +
			"in your own Region."
	case strings.Contains(text, "not authorized") && !strings.Contains(text, "your account is not authorized"):
		return lacks + "bedrock:InvokeModel on the resource that the message names. Check that " +
			caller.pick("the stack was deployed with this model and that ", "") + "no permissions boundary or policy blocks the call."
	case strings.HasPrefix(region, "us-gov-"):
		return "Request access to the model on the Bedrock console's page \"Model access\", and check " +
			"that bedrock:InvokeModel is granted on it."
	}
	return "Check that the account may use the model: open it in the Bedrock console's playground in " +
		"this Region, which shows a missing subscription or use case form, and check that " +
		"bedrock:InvokeModel is granted on it."
}

// sentence returns Bedrock's message as one sentence.
func sentence(text string) string {
	text = truncate.OneLine(text, maxMessage)
	switch {
	case text == "":
		return "no message."
	case strings.HasSuffix(text, truncate.Ellipsis):
		return text
	}
	return strings.TrimRight(text, ". ") + "."
}
