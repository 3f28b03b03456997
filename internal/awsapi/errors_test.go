package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

func status(code int) error {
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: errors.New("x")}
}

func withStatus(code int, kind string) error {
	err, response := &smithy.GenericAPIError{Code: kind}, &http.Response{StatusCode: code}
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: err}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want awsapi.Class
	}{
		{"throttled", &smithy.GenericAPIError{Code: "ThrottlingException"}, awsapi.ClassThrottled},
		{"throttled by status", status(429), awsapi.ClassThrottled},
		{"denied", &smithy.GenericAPIError{Code: "AccessDenied"}, awsapi.ClassDenied},
		{"denied by status", status(403), awsapi.ClassDenied},
		{"not found", &smithy.GenericAPIError{Code: "NoSuchKey"}, awsapi.ClassNotFound},
		{"not found by status", status(404), awsapi.ClassNotFound},
		{"too large", status(413), awsapi.ClassTooLarge},
		{"invalid", &smithy.GenericAPIError{Code: "ValidationException"}, awsapi.ClassInvalid},
		{"invalid by status", status(400), awsapi.ClassInvalid},
		{"unavailable by status", status(503), awsapi.ClassUnavailable},
		{"an error without a response", &smithyhttp.ResponseError{Err: errors.New("x")}, awsapi.ClassUnavailable},
		{"no connection", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, awsapi.ClassUnavailable},
		{"key of a function", withStatus(502, "KMSDisabledException"), awsapi.ClassInvalid},
		{"own deadline", fmt.Errorf("put: %w", context.DeadlineExceeded), awsapi.ClassTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, awsapi.Classify(tt.err))
			assert.NotEmpty(t, awsapi.Advice(tt.err))
			assert.NotEmpty(t, awsapi.CallerAdvice(tt.err))
			assert.NotContains(t, awsapi.CallerAdvice(tt.err), "orchestrator")
		})
	}
}

func TestMissingGrant_NamesAction(t *testing.T) {
	err := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: " +
		"sns:Publish on resource: arn:aws:sns:us-east-1:1:t because no identity-based policy allows the sns:Publish action"}
	assert.Equal(t, "sns:Publish", awsapi.MissingGrant(err))
	assert.Contains(t, awsapi.Advice(err), "Grant sns:Publish")
	assert.Equal(t, "Use credentials that allow sns:Publish.", awsapi.CallerAdvice(err))
	blocked := &smithy.GenericAPIError{Code: "AccessDenied", Message: "is not authorized to perform: s3:GetObject with an explicit deny in a VPC endpoint policy"}
	assert.Contains(t, awsapi.CallerAdvice(blocked), "The VPC endpoint policy blocks s3:GetObject")
	sent := &smithy.OperationError{ServiceID: "SNS", OperationName: "Publish", Err: &smithyhttp.ResponseError{Err: err}}
	assert.Regexp(t, `^AccessDeniedException: User: arn:aws:sts::1:assumed-role/r/s is not authorized`, awsapi.Answer(fmt.Errorf("publish: %w", sent)))
	assert.Contains(t, awsapi.CallerAdvice(&smithy.GenericAPIError{Code: "ExpiredToken"}), "log in again")
	assert.Empty(t, awsapi.MissingGrant(errors.New("not authorized to perform: sns:Publish")))
	assert.Empty(t, awsapi.MissingGrant(nil))
}

// The advice names the kind of policy that the error names. A key can fail although its policy allows the call.
func TestAdvice_NamesWhatBlocksTheCall(t *testing.T) {
	const unauthorized = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b "
	for _, tt := range []struct{ code, message, want string }{
		{"AccessDenied", unauthorized + "with an explicit deny in a resource-based policy", "The resource-based policy blocks s3:PutObject"},
		{"AccessDenied", unauthorized + "because no VPC endpoint policy allows the s3:PutObject action", "The VPC endpoint policy blocks s3:PutObject"},
		{"AccessDenied", unauthorized + "with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/p", "The identity-based policy blocks s3:PutObject"},
		{"AccessDenied", unauthorized + "because no identity-based policy allows the s3:PutObject action", "Grant s3:PutObject"},
		{"AccessDenied", "Access Denied", "KMS key"},
		{"KMSAccessDenied", "", "KMS key"},
		{"KMSDisabled", "", "exists and is enabled"},
		{"KMS.NotFoundException", "", "exists and is enabled"},
		{"KMSAccessDeniedException", "KMS Message: " + unauthorized, "the function's role"}, // of Lambda
		{"NoSuchKey", "", "The object does not exist"},
		{"NoSuchBucket", "", "pass another one"},
		{"KMSThrottling", "", "throttled"},
		{"KMS.ThrottlingException", "", "throttled"}, // of S3
		{"Throttled", "", "throttled"},               // of SNS
		{"EC2ThrottledException", "", "throttled"},   // of Lambda
	} {
		assert.Contains(t, awsapi.Advice(&smithy.GenericAPIError{Code: tt.code, Message: tt.message}), tt.want, "%s: %s", tt.code, tt.message)
	}
}

// Lambda's errors about a function have the status 502, and are neither the network's nor the caller's.
func TestCallerAdvice_OfWhatAWSAnswered(t *testing.T) {
	for _, tt := range []struct{ code, want string }{
		{"KMSAccessDeniedException", "the function's role"},
		{"KMSDisabledException", "exists and is enabled"},
		{"EC2AccessDeniedException", "correct what it names"},
		{"EC2ThrottledException", "throttled"},
	} {
		assert.Contains(t, awsapi.CallerAdvice(withStatus(502, tt.code)), tt.want, tt.code)
		assert.False(t, awsapi.CallerDenied(withStatus(502, tt.code)), tt.code)
	}
	assert.Contains(t, awsapi.CallerAdvice(withStatus(301, "PermanentRedirect")), "in another Region")
	assert.Contains(t, awsapi.CallerAdvice(errors.New("no route")), "cannot be reached")
	assert.True(t, awsapi.CallerDenied(withStatus(403, "AccessDeniedException")))
}

func TestConditionFailed_ReturnsItem(t *testing.T) {
	item, failed := awsapi.ConditionFailed(fmt.Errorf("x: %w", &types.ConditionalCheckFailedException{
		Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}},
	}))
	assert.True(t, failed)
	assert.Len(t, item, 1)
	_, failed = awsapi.ConditionFailed(errors.New("x"))
	assert.False(t, failed)
}

func TestBrief_IsOneShortLine(t *testing.T) {
	brief := awsapi.Brief(errors.New("a\n\tb " + strings.Repeat("é", 1000)))
	assert.Contains(t, brief, "a b é")
	assert.NotContains(t, brief, "\n")
	assert.Len(t, []rune(brief), 400)
}
