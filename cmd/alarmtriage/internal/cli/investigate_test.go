package cli

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
)

func TestOwnWords_AdviceNamesNothingOfADeployment(t *testing.T) {
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
		refused("ValidationException", "odd"),
		refused("InternalServerException", "odd"),
		&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		context.DeadlineExceeded,
	} {
		why := modelerror.Explain(err, "us.anthropic.claude-sonnet-5-5", "us-east-1")
		fallbacks := []investigation.Fallback{{Why: why}}
		ownWords(&why, fallbacks)
		assert.NotRegexp(t, `(?i)orchestrator|deploy|\bstack\b|\bprop\b|ModelIds?\b|Max[A-Z]`, why)
		assert.Equal(t, why, fallbacks[0].Why)
	}
}
