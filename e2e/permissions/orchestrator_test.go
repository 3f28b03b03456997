package permissions

import (
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestOrchestratorRole_AllowsExactlyWhatItUses(t *testing.T) {
	const (
		profile      = "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.amazon.nova-pro-v1:0"
		otherProfile = "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.amazon.nova-lite-v1:0"
		model        = "arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-pro-v1:0"
		modelHere    = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0"
		otherHere    = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0"
		otherModel   = "arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-lite-v1:0"
	)
	stack := synth(t, func(p *alarmtriage.AlarmTriageProps) {
		p.BedrockModelId, p.FallbackModelIds = jsii.String("eu.amazon.nova-pro-v1:0"), jsii.Strings()
	})
	arn := func(prefix, kind string) string { return stack.arn(stack.find(t, prefix, kind)) }
	const function, logs = "AWS::Lambda::Function", "AWS::Logs::LogGroup"
	bucket := arn("TriageReports", "AWS::S3::Bucket")
	stream := func(group string) string { return group[:len(group)-1] + "log-stream:one" }

	want := map[string][]string{
		profile:                             {"bedrock:InvokeModel"},
		model:                               {"bedrock:InvokeModel"}, // through the profile, see below
		otherProfile:                        nil,
		modelHere:                           {"bedrock:GetFoundationModel", "bedrock:InvokeModel"},
		otherModel:                          nil,
		otherHere:                           nil,
		arn("TriageTool", function):         {"lambda:InvokeFunction"},
		arn("TriageOrchestrator", function): {"lambda:InvokeFunction"}, // for the hand-over
		"arn:aws:lambda:eu-west-1:111122223333:function:other": nil,
		arn("TriageInvestigations", "AWS::DynamoDB::Table"):    {"dynamodb:GetItem", "dynamodb:UpdateItem"},
		"arn:aws:dynamodb:eu-west-1:111122223333:table/other":  nil,
		bucket: nil,
		bucket + "/reports/2026/01/02/report.txt":       {"s3:GetObject", "s3:PutObject"},
		bucket + "/reports/2026/01/02/r/answers/1.json": {"s3:GetObject", "s3:PutObject"},
		bucket + "/reports/other.txt":                   {"s3:PutObject"},
		bucket + "/reports/checkpoints/some.json":       {"s3:GetObject", "s3:PutObject"},
		bucket + "/other":                               nil,
		"arn:aws:s3:::other/reports/2026/01/02/one.txt": nil,
		arn("OnCall", "AWS::SNS::Topic"):                {"sns:GetTopicAttributes", "sns:Publish"},
		"arn:aws:sns:eu-west-1:111122223333:other":      nil,
		stream(arn("TriageOrchestratorLogs", logs)):     {"logs:CreateLogStream", "logs:PutLogEvents"},
		stream(arn("TriageToolLogs", logs)):             nil,
		anything:                                        nil,
	}
	var resources []string
	for resource := range want {
		resources = append(resources, resource)
	}
	asked := stack.roleOf(t, "TriageOrchestratorRole", resources...)
	asked.Context = map[string]any{"bedrock:InferenceProfileArn": profile}
	direct := stack.roleOf(t, "TriageOrchestratorRole", model)
	verdict := simulate(t, map[string]role{"orchestrator": asked, "direct": direct})

	for resource, actions := range want {
		got := verdict.Allowed["orchestrator"][resource]
		slices.Sort(got)
		assert.ElementsMatch(t, append([]string{alarmState}, actions...), got, resource)
	}
	assert.Equal(t, []string{alarmState}, verdict.Allowed["direct"][model], "the model without its profile")
}

func TestOrchestratorRole_EachPropAddsOnlyItsOwnPermissions(t *testing.T) {
	stack := synthIn(t, func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		docs := awss3.Bucket_FromBucketName(stack, jsii.String("Docs"), jsii.String("docs"))
		p.BedrockModelId, p.FallbackModelIds = jsii.String("amazon.nova-pro-v1:0"), jsii.Strings()
		p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("abc"), GuardrailVersion: jsii.String("1")}
		p.CompletionEventBus = awsevents.NewEventBus(stack, jsii.String("Bus"), nil)
		p.TopicEncryptionKey = awskms.NewKey(stack, jsii.String("TopicKey"), nil)
		p.ChatCardTopic = awssns.NewTopic(stack, jsii.String("Chat"), &awssns.TopicProps{MasterKey: p.TopicEncryptionKey})
		p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: docs, Key: jsii.String("triage.txt")}
		p.Runbooks = &alarmtriage.Runbooks{Bucket: docs, Prefix: jsii.String("runbooks/")}
		p.ReportsEncryptionKey = awskms.NewKey(stack, jsii.String("ReportsKey"), nil)
		p.TableEncryptionKey = awskms.NewKey(stack, jsii.String("TableKey"), nil)
		p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failed"), nil)
		p.Tracing = awslambda.Tracing_ACTIVE
	})
	arn := func(prefix, kind string) string { return stack.arn(stack.find(t, prefix, kind)) }
	const kms, otherKey = "AWS::KMS::Key", "arn:aws:kms:eu-west-1:111122223333:key/other"
	dataKeys := []string{"kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext", "kms:GenerateDataKeyWithoutPlaintext"}
	want := map[string][]string{
		"arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0": {"bedrock:GetFoundationModel", "bedrock:InvokeModel"},
		"arn:aws:bedrock:eu-west-1:111122223333:guardrail/abc":             {"bedrock:ApplyGuardrail"},
		"arn:aws:bedrock:eu-west-1:111122223333:guardrail/other":           nil,
		"arn:aws:bedrock:eu-west-3:111122223333:guardrail-profile/eu.g":    {"bedrock:ApplyGuardrail"},
		"arn:aws:bedrock:eu-west-1:444455556666:guardrail-profile/eu.g":    nil,
		arn("Bus", "AWS::Events::EventBus"):                                {"events:PutEvents"},
		arn("Chat", "AWS::SNS::Topic"):                                     {"sns:GetTopicAttributes", "sns:Publish"},
		arn("TopicKey", kms):                                               dataKeys,
		arn("ReportsKey", kms):                                             {"kms:Decrypt", "kms:GenerateDataKey"},
		arn("TableKey", kms):                                               append([]string{"kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}, dataKeys...),
		otherKey:                                                           nil,
		arn("Failed", "AWS::SQS::Queue"):                                   {"sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"},
		anything:                                                           nil,
		"arn:aws:s3:::docs/triage.txt":                                     {"s3:GetObject"},
		"arn:aws:s3:::docs/runbooks/orders.md":                             {"s3:GetObject"},
		"arn:aws:s3:::docs/secret.txt":                                     nil,
	}
	var resources []string
	for resource := range want {
		resources = append(resources, resource)
	}
	asked := stack.roleOf(t, "TriageOrchestratorRole", resources...)
	keyPolicy := stack.resolve(stack[stack.find(t, "TopicKey", kms)].Properties["KeyPolicy"])
	asked.ResourcePolicies = map[string]any{arn("TopicKey", kms): keyPolicy, arn("ReportsKey", kms): keyPolicy, arn("TableKey", kms): keyPolicy, otherKey: keyPolicy}
	verdict := simulate(t, map[string]role{"orchestrator": asked})
	everywhere := []string{alarmState, "xray:PutTelemetryRecords", "xray:PutTraceSegments"} // X-Ray has no resources
	for resource, actions := range want {
		assert.ElementsMatch(t, append(everywhere, actions...), verdict.Allowed["orchestrator"][resource], resource)
	}
}

// alarmState is the read that the orchestrator may make of every resource: CloudWatch only describes composite alarms to a role
// that may describe all alarms.
const alarmState = "cloudwatch:DescribeAlarms"

func TestOrchestratorRole_AttachTopicAddsNoOtherReads(t *testing.T) {
	env := &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}
	stack := synthFor(t, env, region, func(awscdk.Stack, *alarmtriage.AlarmTriageProps) {}, func(stack awscdk.Stack, triage *alarmtriage.AlarmTriage) {
		for _, id := range []string{"Alarms", "OtherAlarms"} {
			triage.AttachTopic(awssns.NewTopic(stack, jsii.String(id), nil), nil)
		}
	})
	topic := stack.arn(stack.find(t, "Alarms", "AWS::SNS::Topic"))
	const alarm = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:orders"
	verdict := simulate(t, map[string]role{"orchestrator": stack.roleOf(t, "TriageOrchestratorRole", anything, topic, alarm)})
	reads := []string{alarmState} // the IAM data has no action for DescribeAlarmContributors, which AttachTopic adds
	for _, resource := range []string{anything, topic, alarm} {
		assert.ElementsMatch(t, reads, verdict.Allowed["orchestrator"][resource], resource)
	}
}

func TestVpc_OnlyLambdaMayCreateNetworkInterfaces(t *testing.T) {
	stack := synthIn(t, func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
		p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
	})
	const orchestrator, tool = "TriageOrchestrator", "TriageTool"
	asked := map[string]role{}
	for _, name := range []string{orchestrator, tool} {
		lambda := stack.roleOf(t, name+"Role", anything)
		code := lambda
		code.Context = map[string]any{"lambda:SourceFunctionArn": stack.arn(stack.find(t, name, "AWS::Lambda::Function"))}
		asked["Lambda for "+name], asked["code of "+name] = lambda, code
	}
	verdict := simulate(t, asked)
	network := []string{"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
		"ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"}
	assert.ElementsMatch(t, append([]string{alarmState}, network...), verdict.Allowed["Lambda for "+orchestrator][anything])
	assert.Subset(t, verdict.Allowed["Lambda for "+tool][anything], network)
	assert.Equal(t, []string{alarmState}, verdict.Allowed["code of "+orchestrator][anything])
	may := verdict.may("code of "+tool, anything)
	assert.True(t, may["ec2:describenetworkinterfaces"], "the tool describes networks")
	for _, action := range verdict.Allowed["code of "+tool][anything] {
		assert.Contains(t, []string{"Read", "List"}, verdict.Actions[action].Level, "level of %s", action)
	}
}
