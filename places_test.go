package alarmtriage_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// importedResources set each prop to an imported resource of an account and a Region.
var importedResources = map[string]func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string){
	"NotificationTopic": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.NotificationTopic = importedTopic(stack, account, region)
	},
	"ChatCardTopic": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.ChatCardTopic = importedTopic(stack, account, region)
	},
	"SelfAlarmTopic": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.SelfAlarmTopic = importedTopic(stack, account, region)
	},
	"CompletionEventBus": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.CompletionEventBus = importedBus(stack, account, region)
	},
	"OnFailureQueue": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.OnFailureQueue = awssqs.Queue_FromQueueArn(stack, jsii.String("Given"), jsii.Sprintf("arn:aws:sqs:%s:%s:given", region, account))
	},
	"InvestigationsTable": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.InvestigationsTable = awsdynamodb.Table_FromTableArn(stack, jsii.String("Given"), jsii.Sprintf("arn:aws:dynamodb:%s:%s:table/given", region, account))
	},
	"ReportsBucket": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.ReportsBucket = importedBucket(stack, account, region)
	},
	"ReportsAccessLogs": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.ReportsAccessLogs = &alarmtriage.ReportsAccessLogs{Bucket: importedBucket(stack, account, region)}
	},
	"InstructionsObject": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: importedBucket(stack, account, region), Key: jsii.String("instructions.md")}
	},
	"Runbooks": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.Runbooks = &alarmtriage.Runbooks{Bucket: importedBucket(stack, account, region)}
	},
	"ReportsEncryptionKey": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.ReportsEncryptionKey = importedKey(stack, account, region)
	},
	"TableEncryptionKey": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.TableEncryptionKey = importedKey(stack, account, region)
	},
	"TopicEncryptionKey": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.NotificationTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Reports"), jsii.Sprintf("arn:aws:sns:%s:111122223333:reports", *stack.Region()))
		p.TopicEncryptionKey = importedKey(stack, account, region)
	},
	"LogsEncryptionKey": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.LogsEncryptionKey = importedKey(stack, account, region)
	},
	"ToolLayers": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, region string) {
		p.ToolLayers = &[]awslambda.ILayerVersion{awslambda.LayerVersion_FromLayerVersionArn(stack, jsii.String("Given"),
			jsii.Sprintf("arn:aws:lambda:%s:%s:layer:given:1", region, account))}
	},
	"PermissionsBoundary": func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, account, _ string) {
		p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String("Given"), jsii.Sprintf("arn:aws:iam::%s:policy/given", account))
	},
}

func importedTopic(stack awscdk.Stack, account, region string) awssns.ITopic {
	return awssns.Topic_FromTopicArn(stack, jsii.String("Given"), jsii.Sprintf("arn:aws:sns:%s:%s:given", region, account))
}

func importedBus(stack awscdk.Stack, account, region string) awsevents.IEventBus {
	return awsevents.EventBus_FromEventBusArn(stack, jsii.String("Given"), jsii.Sprintf("arn:aws:events:%s:%s:event-bus/given", region, account))
}

func importedBucket(stack awscdk.Stack, account, region string) awss3.IBucket {
	return awss3.Bucket_FromBucketAttributes(stack, jsii.String("Given"), &awss3.BucketAttributes{
		BucketName: jsii.String("given"), Account: jsii.String(account), Region: jsii.String(region)})
}

func importedKey(stack awscdk.Stack, account, region string) awskms.IKey {
	return awskms.Key_FromKeyArn(stack, jsii.String("Given"), jsii.Sprintf("arn:aws:kms:%s:%s:key/1234abcd-12ab-34cd-56ef-1234567890ab", region, account))
}

func TestValidate_ResourcesOfAnotherPlace(t *testing.T) {
	global, ofAccount := []string{"PermissionsBoundary"}, []string{"InvestigationsTable", "ReportsAccessLogs", "PermissionsBoundary"}
	has := func(list []string, prop string) bool { return strings.Contains(strings.Join(list, " "), prop) }
	for prop, give := range importedResources {
		t.Run(prop, func(t *testing.T) {
			for _, tt := range []struct {
				name, home, account, region string
				want                        string
			}{
				{"here", "eu-west-1", "111122223333", "eu-west-1", ""},
				{"another Region", "eu-west-1", "111122223333", "us-east-1", map[bool]string{
					false: "alarmtriage: " + prop + " must be in the stack's Region eu-west-1, got Test/Given in us-east-1: use one of that Region"}[has(global, prop)]},
				{"another account", "eu-west-1", "444455556666", "eu-west-1", map[bool]string{
					true: "alarmtriage: " + prop + " must be in the stack's account 111122223333, got Test/Given in 444455556666: use one of that account"}[has(ofAccount, prop)]},
				{"a Region that is not known at synth", "", "444455556666", "us-east-1", ""},
				{"a token", "eu-west-1", *awscdk.Token_AsString(map[string]any{"Ref": "Account"}, nil), *awscdk.Token_AsString(map[string]any{"Ref": "Region"}, nil), ""},
			} {
				create := func() {
					stack := newStackIn(tt.home)
					newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { give(stack, p, tt.account, tt.region) })
				}
				if tt.want == "" {
					assert.NotPanics(t, create, tt.name)
					continue
				}
				assert.Equal(t, tt.want, panicOf(t, create), tt.name)
			}
		})
	}
}

// A key, a VPC, and the like can't have a physical name.
func TestValidate_ResourcesWithoutNamesOfStacksThatCannotBeReferredTo(t *testing.T) {
	for prop, give := range map[string]func(other awscdk.Stack, p *alarmtriage.AlarmTriageProps){
		"LogsEncryptionKey": func(other awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.LogsEncryptionKey = awskms.NewKey(other, jsii.String("Given"), nil)
		},
		"Vpc": func(other awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(other, jsii.String("Given"), &awsec2.VpcProps{MaxAzs: jsii.Number(1)})
		},
	} {
		app := newTestApp()
		other := stackOf(app, "Other", "444455556666", "eu-west-1")
		got := panicOf(t, func() {
			newTriage(stackIn(app, "Home", "eu-west-1"), func(p *alarmtriage.AlarmTriageProps) { give(other, p) })
		})
		assert.Equal(t, "alarmtriage: "+prop+" is Other/Given, to which stack Home can't refer: import it by its ARN or ID, because its stack has another account or Region", got)
	}
}

// The resources are defined in other stacks of the app.
func TestValidate_ResourcesOfStacksThatCannotBeReferredTo(t *testing.T) {
	const unknown = "alarmtriage: NotificationTopic is Other/Topic, to which stack Home can't refer: the account and Region of stack Other are not known at synth: pass the same Env to both stacks"
	for _, tt := range []struct {
		name, account, region, topic string
		want                         string
	}{
		{"without environment", "", "", "", unknown},
		{"without account", "", "eu-west-1", "", "alarmtriage: NotificationTopic is Other/Topic, to which stack Home can't refer: the account of stack Other is not known at synth: pass the same Env to both stacks"},
		{"without environment, with a name", "", "", "named", ""},
		{"another account", "444455556666", "eu-west-1", "", "alarmtriage: NotificationTopic is Other/Topic, to which stack Home can't refer: " +
			"give the resource a physical name, because its stack has another account or Region"},
		{"another account, with a name", "444455556666", "eu-west-1", "named", ""},
		{"another account, with a name of CDK", "444455556666", "eu-west-1", *awscdk.PhysicalName_GENERATE_IF_NEEDED(), ""},
		{"another Region, with a name", "111122223333", "us-east-1", "named", "alarmtriage: NotificationTopic must be in the stack's Region eu-west-1, got Other/Topic in us-east-1: use one of that Region"},
		{"the same environment", "111122223333", "eu-west-1", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			props := &awssns.TopicProps{}
			if tt.topic != "" {
				props.TopicName = &tt.topic
			}
			topic := awssns.NewTopic(stackOf(app, "Other", tt.account, tt.region), jsii.String("Topic"), props)
			create := func() {
				alarmtriage.NewAlarmTriage(stackIn(app, "Home", "eu-west-1"), jsii.String("Triage"), &alarmtriage.AlarmTriageProps{NotificationTopic: topic})
				app.Synth(nil)
			}
			if tt.want == "" {
				assert.NotPanics(t, create)
				return
			}
			assert.Equal(t, tt.want, panicOf(t, create))
		})
	}
}

func TestValidate_VpcOfAnotherRegion(t *testing.T) {
	app := newTestApp()
	far := stackIn(app, "Far", "us-east-1")
	vpc := awsec2.NewVpc(far, jsii.String("Vpc"), nil)
	group := awsec2.NewSecurityGroup(far, jsii.String("Group"), &awsec2.SecurityGroupProps{Vpc: vpc})
	message := panicOf(t, func() {
		triageNamed(stackIn(app, "Home", "eu-west-1"), "Triage", func(p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.SecurityGroups = vpc, &[]awsec2.ISecurityGroup{group}
		})
	})
	assert.Equal(t, "alarmtriage: SecurityGroups must be in the stack's Region eu-west-1, got Far/Group in us-east-1: use one of that Region\n"+
		"alarmtriage: Vpc must be in the stack's Region eu-west-1, got Far/Vpc in us-east-1: use one of that Region", message)
}

func TestValidate_ModelsOfAnotherRegion(t *testing.T) {
	create := func(home, region string) func() {
		return func() {
			newTriage(newStackIn(home), func(p *alarmtriage.AlarmTriageProps) {
				p.BedrockModelId = jsii.String("arn:aws:bedrock:" + region + ":111122223333:application-inference-profile/abc")
				p.FallbackModelIds = jsii.Strings("eu.amazon.nova-2-lite-v1:0", "arn:aws:bedrock:"+region+":111122223333:imported-model/abc")
				p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("arn:aws:bedrock:" + region + ":111122223333:guardrail/abc"), GuardrailVersion: jsii.String("1")}
				p.MaxCostUsdPerDay = jsii.Number(0)
			})
		}
	}
	assert.NotPanics(t, create("eu-west-1", "eu-west-1"))
	assert.NotPanics(t, create("", "us-east-1"))
	assert.NotPanics(t, create("eu-west-1", *awscdk.Token_AsString(map[string]any{"Ref": "Region"}, nil)))
	const want = "must be in the stack's Region eu-west-1, got \"arn:aws:bedrock:us-east-1:111122223333:"
	assert.Equal(t, "alarmtriage: BedrockModelId "+want+"application-inference-profile/abc\": use one of that Region\n"+
		"alarmtriage: FallbackModelIds "+want+"imported-model/abc\": use one of that Region\n"+
		"alarmtriage: Guardrail.GuardrailId "+want+"guardrail/abc\": use one of that Region", panicOf(t, create("eu-west-1", "us-east-1")))
}

// AWS's managed policies are in no account, and no constructs in CDK.
func TestPermissionsBoundary_MayBeAPolicyOfAWS(t *testing.T) {
	for _, policy := range []func(stack awscdk.Stack) awsiam.IManagedPolicy{
		func(awscdk.Stack) awsiam.IManagedPolicy {
			return awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("PowerUserAccess"))
		},
		func(stack awscdk.Stack) awsiam.IManagedPolicy {
			return awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String("Given"), jsii.String("arn:aws:iam::aws:policy/PowerUserAccess"))
		},
	} {
		stack := newStack()
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.PermissionsBoundary = policy(stack) })
		assert.NotPanics(t, func() { synth(stack) })
		member := newMemberStack()
		newMember(member, func(p *alarmtriage.AlarmTriageMemberProps) { p.PermissionsBoundary = policy(member) })
		assert.NotPanics(t, func() { synth(member) })
	}
	stack := newMemberStack()
	assert.Equal(t, "alarmtriage: PermissionsBoundary must be in the stack's account 444455556666, got Test/Given in 111122223333: use one of that account", panicOf(t, func() {
		newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String("Given"), jsii.String("arn:aws:iam::111122223333:policy/given"))
		})
	}))
}

// A boundary of the same account may be defined in a stack of another Region, if CDK can refer to it from there.
func TestPermissionsBoundary_OfAStackInAnotherRegion(t *testing.T) {
	create := func(crossRegion bool, name *string) func() {
		return func() {
			app := newTestApp()
			home := awscdk.NewStack(app, jsii.String("Home"), &awscdk.StackProps{CrossRegionReferences: &crossRegion,
				Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String("eu-west-1")}})
			policy := awsiam.NewManagedPolicy(stackIn(app, "Global", "us-east-1"), jsii.String("Boundary"), &awsiam.ManagedPolicyProps{
				ManagedPolicyName: name, Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
					Actions: jsii.Strings("logs:*"), Resources: jsii.Strings("*")})}})
			triageNamed(home, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.PermissionsBoundary = policy })
		}
	}
	assert.NotPanics(t, create(true, nil))
	assert.NotPanics(t, create(false, jsii.String("boundary")))
	assert.Equal(t, "alarmtriage: PermissionsBoundary is Global/Boundary, to which stack Home can't refer: give the resource a physical name, because its stack has "+
		"another account or Region", panicOf(t, create(false, nil)))
}

func TestAttachEventRule_RejectsABusOfAnotherPlace(t *testing.T) {
	attach := func(account, region string) func() {
		return func() {
			stack := newStack()
			newTriage(stack, nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{EventBus: importedBus(stack, account, region)})
		}
	}
	assert.NotPanics(t, attach("111122223333", "eu-west-1"))
	assert.Equal(t, "alarmtriage: EventRuleProps.EventBus must be in the stack's Region eu-west-1, got Test/Given in us-east-1: use one of that Region", panicOf(t, attach("111122223333", "us-east-1")))
	assert.Equal(t, "alarmtriage: EventRuleProps.EventBus must be in the stack's account 111122223333, got Test/Given in 444455556666: use one of that account", panicOf(t, attach("444455556666", "eu-west-1")))
}

func TestAttachTopic_OfAnotherPlace(t *testing.T) {
	const remedy = ", or send the alarms' events to a bus in the account and Region of stack Home, and use AttachEventRule"
	for _, tt := range []struct {
		name            string
		topic           func(home, other awscdk.Stack) awssns.ITopic
		account, region string // of the other stack
		warning         string
		want            string // the error
	}{
		{"imported, here", func(home, _ awscdk.Stack) awssns.ITopic { return importedTopic(home, "111122223333", "eu-west-1") }, "", "", "", ""},
		{"imported, of another Region", func(home, _ awscdk.Stack) awssns.ITopic { return importedTopic(home, "111122223333", "us-east-1") }, "", "",
			"topic Home/Given in account 111122223333 and Region us-east-1", ""},
		{"imported, of another account", func(home, _ awscdk.Stack) awssns.ITopic { return importedTopic(home, "444455556666", "eu-west-1") }, "", "",
			"topic Home/Given in account 444455556666 and Region eu-west-1", ""},
		{"a topic with a name", func(_, other awscdk.Stack) awssns.ITopic {
			return awssns.NewTopic(other, jsii.String("Alarms"), &awssns.TopicProps{TopicName: jsii.String("alarms")})
		}, "111122223333", "us-east-1", "topic Other/Alarms in account 111122223333 and Region us-east-1", ""},
		{"a topic without a name", func(_, other awscdk.Stack) awssns.ITopic { return awssns.NewTopic(other, jsii.String("Alarms"), nil) }, "111122223333", "us-east-1", "",
			"alarmtriage: AttachTopic got topic Other/Alarms, to which stack Home can't refer: give the resource a physical name, because its stack has another account or Region" + remedy},
		{"a stack without environment", func(_, other awscdk.Stack) awssns.ITopic { return awssns.NewTopic(other, jsii.String("Alarms"), nil) }, "", "", "",
			"alarmtriage: AttachTopic got topic Other/Alarms, to which stack Home can't refer: the account and Region of stack Other are not known at synth: pass the same Env to both stacks" + remedy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			home, other := stackIn(app, "Home", "eu-west-1"), stackOf(app, "Other", tt.account, tt.region)
			attach := func() { triageNamed(home, "Triage", nil).AttachTopic(tt.topic(home, other), nil) }
			if tt.want != "" {
				assert.Equal(t, tt.want, panicOf(t, attach))
				return
			}
			attach()
			var warnings []string
			for _, message := range messagesOf(home) {
				if strings.Contains(message, "topic-elsewhere") {
					warnings = append(warnings, message)
				}
			}
			if tt.warning == "" {
				assert.Empty(t, warnings)
				return
			}
			assert.Equal(t, []string{"/Home/Triage alarmtriage:topic-elsewhere: alarmtriage: AttachTopic got " + tt.warning + ", and AlarmTriage is in account 111122223333 and " +
				"Region eu-west-1: CloudWatch does not confirm messages about alarms there. Send the alarms' events to a bus here, and use AttachEventRule"}, warnings)
		})
	}
}
