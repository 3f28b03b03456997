package selfcheck

import (
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Remedies that several checks share.
const (
	remedyUnreachable = "See the AWS Health Dashboard. In a VPC, check that the orchestrator's subnets can reach the service: " +
		"endpoint, route, and security groups."
	remedyTool = "See the tool's log group. If ToolLayers changed recently, revert the change and deploy."
)

// failed returns the problem of a failed call to AWS.
func failed(what string, err error) Check {
	remedy := awsapi.Advice(err)
	switch awsapi.Classify(err) {
	case awsapi.ClassTimeout, awsapi.ClassUnavailable:
		remedy = remedyUnreachable
	}
	return problem(sentence(what+": "+awsapi.Answer(err)), remedy)
}

func fine(detail string) Check { return Check{State: StateOK, Detail: detail} }

func skipped(detail string) Check { return Check{State: StateSkipped, Detail: detail} }

func warning(detail, remedy string) Check {
	return Check{State: StateWarning, Detail: detail, Remedy: remedy}
}

func problem(detail, remedy string) Check {
	return Check{State: StateProblem, Detail: detail, Remedy: remedy}
}

// sentence returns text with a period at its end, unless text is truncated.
func sentence(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}

// clip returns text as one line of bounded length.
func clip(text string) string {
	const limit = 300 // characters
	return truncate.Runes(strings.Join(strings.Fields(text), " "), limit)
}
