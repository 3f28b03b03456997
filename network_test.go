package alarmtriage_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestCreateVpcEndpoints_OnlyTheFunctionsHaveAccess(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{NatGateways: jsii.Number(0),
			SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("in"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}}})
		p.VpcSubnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
		p.CreateVpcEndpoints = jsii.Bool(true)
		p.VpcEndpointServices = &[]awsec2.InterfaceVpcEndpointAwsService{awsec2.InterfaceVpcEndpointAwsService_RDS(), awsec2.InterfaceVpcEndpointAwsService_SNS()}
	})
	template := synth(stack)
	var services []string
	for _, resource := range *template.FindResources(jsii.String("AWS::EC2::VPCEndpoint"), nil) {
		name := text((*resource)["Properties"].(map[string]any)["ServiceName"])
		services = append(services, name[strings.LastIndex(name, ".")+1:])
	}
	assert.ElementsMatch(t, []string{"s3", "dynamodb", "bedrock-runtime", "lambda", "sns", "sts", "logs", "monitoring", "cloudtrail", "rds"}, services)
	// Both functions can reach each of eight interface endpoints.
	template.ResourceCountIs(jsii.String("AWS::EC2::SecurityGroupIngress"), jsii.Number(2*8))
	template.AllResourcesProperties(jsii.String("AWS::EC2::SecurityGroupIngress"), like("FromPort", 443, "ToPort", 443, "SourceSecurityGroupId", assertions.Match_AnyValue()))
}

func TestVpc_WarnsWhenIsolatedSubnetsLackEndpoints(t *testing.T) {
	annotations := func(kind awsec2.SubnetType, change func(*alarmtriage.AlarmTriageProps)) assertions.Annotations {
		stack := newStack()
		triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{
				SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("in"), SubnetType: kind}, {Name: jsii.String("out"), SubnetType: awsec2.SubnetType_PUBLIC}}})
			p.VpcSubnets = &awsec2.SubnetSelection{SubnetType: kind}
			p.BedrockModelId = jsii.String("eu.amazon.nova-pro-v1:0")
			if change != nil {
				change(p)
			}
		})
		triage.AttachAlarms(newAlarm(stack, "Errors"))
		return assertions.Annotations_FromStack(stack)
	}
	everywhere, anything := jsii.String("*"), assertions.Match_AnyValue()
	annotations(awsec2.SubnetType_PRIVATE_ISOLATED, nil).HasWarning(jsii.String("/Test/Triage"), assertions.Match_StringLikeRegexp(
		jsii.String("must have endpoints for s3, dynamodb, bedrock-runtime, lambda, sns, sts, logs, monitoring, cloudtrail")))
	annotations(awsec2.SubnetType_PRIVATE_ISOLATED, func(p *alarmtriage.AlarmTriageProps) { p.CreateVpcEndpoints = jsii.Bool(true) }).HasNoWarning(everywhere, anything)
	annotations(awsec2.SubnetType_PRIVATE_WITH_EGRESS, nil).HasNoWarning(everywhere, anything)
}
