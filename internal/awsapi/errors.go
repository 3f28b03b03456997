package awsapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Class is what an error means for the caller.
type Class string

// The classes of errors.
const (
	ClassThrottled   Class = "throttled"   // retry later
	ClassUnavailable Class = "unavailable" // the service or the network failed or was too slow
	ClassDenied      Class = "denied"      // a permission is missing
	ClassNotFound    Class = "not found"   // the resource does not exist
	ClassTooLarge    Class = "too large"   // the request or the response exceeds a limit
	ClassInvalid     Class = "invalid"     // the request is wrong
	ClassTimeout     Class = "timeout"     // our own deadline passed
)

// classOfCode maps error codes to classes. Codes are more specific than statuses: DynamoDB, for example,
// reports throttling with status 400, and S3 with 503.

var classOfCode = map[string]Class{
	"TooManyRequestsException":               ClassThrottled,
	"ProvisionedThroughputExceededException": ClassThrottled,
	"RequestLimitExceeded":                   ClassThrottled,
	"SlowDown":                               ClassThrottled,
	"AccessDenied":                           ClassDenied,
	"AccessDeniedException":                  ClassDenied,
	"AuthorizationError":                     ClassDenied,
	"KMSAccessDenied":                        ClassDenied,
	"KMSAccessDeniedException":               ClassDenied, // of Lambda
	"UnrecognizedClientException":            ClassDenied,
	"ExpiredTokenException":                  ClassDenied,
	"ExpiredToken":                           ClassDenied,
	"ResourceNotFoundException":              ClassNotFound,
	"NotFound":                               ClassNotFound,
	"NoSuchBucket":                           ClassNotFound,
	"NoSuchKey":                              ClassNotFound,
	"RequestTooLargeException":               ClassTooLarge,
	"RequestEntityTooLargeException":         ClassTooLarge,
}

// Classify returns the class of an error that an AWS client returned.
func Classify(err error) Class {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return ClassTimeout
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if class, ok := classOfCode[api.ErrorCode()]; ok {
			return class
		}
		if strings.Contains(api.ErrorCode(), "Throttl") { // each service has other codes, such as KMS.ThrottlingException of S3
			return ClassThrottled
		}
		if keyFailed(err) { // Lambda reports keys with status 502
			return ClassInvalid
		}
	}
	if status := StatusCode(err); status > 0 {
		return classOfStatus(status)
	}
	var network net.Error
	if errors.As(err, &network) || api == nil {
		return ClassUnavailable
	}
	return ClassInvalid
}

// StatusCode returns the HTTP status of the response that err is about, or 0 if there was no response.
func StatusCode(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

func classOfStatus(status int) Class {
	switch {
	case status == http.StatusTooManyRequests:
		return ClassThrottled
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return ClassDenied
	case status == http.StatusNotFound:
		return ClassNotFound
	case status == http.StatusRequestEntityTooLarge:
		return ClassTooLarge
	case status >= 400 && status < 500:
		return ClassInvalid
	}
	return ClassUnavailable
}

// ConditionFailed reports whether DynamoDB rejected a write because its condition is false. It returns the
// current item, if the response contains it.
func ConditionFailed(err error) (item map[string]types.AttributeValue, failed bool) {
	var condition *types.ConditionalCheckFailedException
	if !errors.As(err, &condition) {
		return nil, false
	}
	return condition.Item, true
}

// AlreadyExists reports whether S3 rejected a conditional write because the object exists, or because another request
// writes it at the same time.
func AlreadyExists(err error) bool {
	status := StatusCode(err)
	if status == http.StatusPreconditionFailed || status == http.StatusConflict {
		return true
	}
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "PreconditionFailed" || api.ErrorCode() == "ConditionalRequestConflict")
}

// deniedAction finds the action in the message of an access-denied error: "… is not authorized to perform:
// sns:Publish on resource: …".
var deniedAction = regexp.MustCompile(`not authorized to perform:? ([A-Za-z0-9-]+:[A-Za-z0-9*]+)`)

// MissingGrant returns the IAM action that err reports as denied, or "".
func MissingGrant(err error) string {
	if err == nil || Classify(err) != ClassDenied {
		return ""
	}
	if found := deniedAction.FindStringSubmatch(err.Error()); found != nil {
		return found[1]
	}
	return ""
}

// blockingPolicy matches the reason of a denial: the kind of policy that does not allow the call, or denies it.
var blockingPolicy = regexp.MustCompile(`(because no|with an explicit deny in an?) ((?:[\w-]+ ){1,4}?(?:policy|boundary))\b`)

// BlockedBy returns the kind of policy that blocks a denied call, such as "VPC endpoint policy". It returns "" if the message does
// not name one, or if the call only lacks the grant of an identity-based policy.
func BlockedBy(message string) string {
	found := blockingPolicy.FindStringSubmatch(message)
	if found == nil || found[1] == "because no" && found[2] == "identity-based policy" {
		return ""
	}
	return found[2]
}

// keyOfFunctionDenied is the code of Lambda if a function may not use the key of its environment. The message can name kms:Decrypt,
// which is the function's role that lacks it, and not whoever invokes the function.
const keyOfFunctionDenied = "KMSAccessDeniedException"

const adviceOfFunctionKey = "The function cannot use the KMS key of its environment variables: check the key, its policy, and the function's role. " +
	"If somebody created the role again, update the function, too."

// CallerDenied reports whether whoever sent the request lacks a permission.
func CallerDenied(err error) bool {
	return Classify(err) == ClassDenied && CodeOf(err) != keyOfFunctionDenied
}

// CodeOf returns the code of AWS's error, or "".
func CodeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// keyFailed reports whether the error's code is one of KMS: the key of the resource is disabled, does not exist, or is in another
// state in which it cannot be used.
func keyFailed(err error) bool {
	return strings.HasPrefix(CodeOf(err), "KMS")
}

const adviceOfKey = "The KMS key of the resource cannot be used: check that it exists and is enabled."

// Advice returns a sentence about what to do about err, which the orchestrator received.
func Advice(err error) string {
	switch class := Classify(err); {
	case CodeOf(err) == keyOfFunctionDenied:
		return adviceOfFunctionKey
	case class == ClassDenied:
		action := MissingGrant(err)
		if policy := BlockedBy(err.Error()); policy != "" && action != "" {
			return "The " + policy + " blocks " + action + ", as the error says: allow it there for the orchestrator's role."
		}
		if action != "" {
			return "Grant " + action + " to the orchestrator's role, and check whether a service control policy denies it."
		}
		return "Check the orchestrator's role, the resource's policy, its KMS key, and service control policies."
	case class == ClassThrottled:
		return "The service throttled the call. If this happens often, request a higher quota."
	case keyFailed(err):
		return adviceOfKey
	case CodeOf(err) == "NoSuchKey":
		return "The object does not exist: put it there, or correct its address."
	case class == ClassNotFound:
		return "The resource does not exist, and CloudFormation does not create it again. Create it with the same name, pass another one to AlarmTriage, or remove AlarmTriage and deploy it again."
	case class == ClassTimeout:
		return "The call did not end within the remaining time."
	case class == ClassTooLarge, class == ClassInvalid:
		return "The service rejected the request. Please report this to the alarmtriage project."
	}
	return "The service or the network was unavailable. See the AWS Health Dashboard."
}

// expired are codes of credentials that AWS does not accept.
var expired = map[string]bool{
	"ExpiredToken": true, "ExpiredTokenException": true, "RequestExpired": true, "InvalidClientTokenId": true, "InvalidAccessKeyId": true,
	"UnrecognizedClientException": true, "InvalidToken": true,
}

// ofOtherRegion are codes of S3 for a request to a Region in which the bucket is not.
var ofOtherRegion = map[string]bool{"PermanentRedirect": true, "AuthorizationHeaderMalformed": true, "IllegalLocationConstraintException": true}

// CredentialsRefused reports whether AWS does not accept the credentials of a request.
func CredentialsRefused(err error) bool { return expired[CodeOf(err)] }

// CallerAdvice returns a sentence about what to do about err for somebody whose own credentials sent the request.
func CallerAdvice(err error) string {
	switch {
	case CredentialsRefused(err):
		return "AWS does not accept the credentials: log in again, or use others."
	case CodeOf(err) == keyOfFunctionDenied:
		return adviceOfFunctionKey
	case ofOtherRegion[CodeOf(err)]:
		return "The bucket is in another Region: choose that Region."
	}
	switch Classify(err) {
	case ClassDenied:
		action, policy := MissingGrant(err), BlockedBy(err.Error())
		if action != "" && policy != "" {
			return "The " + policy + " blocks " + action + ", as the error says: allow it there, or use other credentials."
		}
		if action != "" {
			return "Use credentials that allow " + action + "."
		}
		return "Use credentials that may do this. The policy of the resource, its KMS key, or a service control policy can forbid it, too."
	case ClassNotFound:
		return "It does not exist in this account and Region: check the name, the profile, and the Region."
	case ClassTimeout:
		return "AWS did not answer in time: try again."
	case ClassThrottled:
		return "AWS throttled the request: try again in a minute."
	case ClassTooLarge, ClassInvalid:
		if keyFailed(err) {
			return adviceOfKey
		}
		return "AWS rejected the request: check the names, the profile, and the Region."
	}
	if StatusCode(err) > 0 {
		return "AWS answered with an error: correct what it names, or try again later, and see the AWS Health Dashboard."
	}
	return "AWS cannot be reached: check the network, the endpoints, and the AWS Health Dashboard."
}

// Answer returns what AWS answered, or why it could not be reached, on one line and without the words of the SDK.
func Answer(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return Brief(errors.New(api.ErrorCode() + ": " + api.ErrorMessage()))
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		return Brief(request.Err)
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok {
		return Brief(operation.Err)
	}
	return Brief(err)
}

// Brief returns err's text on one line, short enough for a report.
func Brief(err error) string {
	const limit = 400 // characters
	return truncate.Runes(strings.Join(strings.Fields(err.Error()), " "), limit)
}
