package permissions

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestToolDeniedResources_DenyTheResourceAndItsPartsOnly(t *testing.T) {
	const logs = "arn:aws:logs:eu-west-1:111122223333:log-group:"
	tests := []struct { // few, because each resource is evaluated with all actions
		resource, action string
		want             bool
	}{
		{logs + "/shop/payments-eu:log-stream:s", "logs:getlogevents", false},
		{logs + "audit", "logs:filterlogevents", false},
		{"arn:aws:s3:::vault/key", "s3:getobjecttagging", false},
		{"arn:aws:lambda:eu-west-1:111122223333:function:checkout:7", "lambda:getfunctionconfiguration", false},

		{logs + "audit-trail:*", "logs:filterlogevents", true},
		{"arn:aws:lambda:eu-west-1:111122223333:function:checkout2", "lambda:getfunctionconfiguration", true},
	}
	var resources []string
	for _, test := range tests {
		resources = append(resources, test.resource)
	}
	stack := synthIn(t, func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		audit := awslogs.LogGroup_FromLogGroupName(stack, jsii.String("Audit"), jsii.String("audit"))
		p.ToolDeniedResources = &[]*string{
			audit.LogGroupArn(), // ends with :*
			jsii.String(logs + "/shop/payments*"), jsii.String("arn:aws:s3:::vault"),
			jsii.String("arn:aws:lambda:eu-west-1:111122223333:function:checkout"),
		}
	})
	verdict := simulate(t, map[string]role{"tool": stack.roleOf(t, "TriageToolRole", resources...)})
	for _, test := range tests {
		assert.Equal(t, test.want, verdict.may("tool", test.resource)[test.action], "%s on %s", test.action, test.resource)
	}
}
