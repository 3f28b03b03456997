package alarmtriage_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbedrock"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func newTestApp() awscdk.App {
	return awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
}

func stackIn(scope constructs.Construct, id, region string) awscdk.Stack {
	return awscdk.NewStack(scope, jsii.String(id), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String(region)}})
}

// triageNamed adds an AlarmTriage with its own topic.
func triageNamed(stack awscdk.Stack, id string, change func(*alarmtriage.AlarmTriageProps)) *alarmtriage.AlarmTriage {
	props := &alarmtriage.AlarmTriageProps{NotificationTopic: awssns.NewTopic(stack, jsii.String(id+"Topic"), nil)}
	if change != nil {
		change(props)
	}
	return alarmtriage.NewAlarmTriage(stack, jsii.String(id), props)
}

// listToken returns a list that is a parameter of a stack.
func listToken(stack awscdk.Stack) *[]*string {
	name := fmt.Sprintf("List%d", len(*stack.Node().Children()))
	return awscdk.NewCfnParameter(stack, jsii.String(name), &awscdk.CfnParameterProps{Type: jsii.String("CommaDelimitedList")}).ValueAsList()
}

func alarmOn(scope constructs.Construct, id string, metric awscloudwatch.IMetric) awscloudwatch.Alarm {
	return awscloudwatch.NewAlarm(scope, jsii.String(id), &awscloudwatch.AlarmProps{
		Metric: metric, Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1)})
}

// metricOf returns a metric with one dimension.
func metricOf(namespace, name, dimension string, value *string) awscloudwatch.IMetric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(namespace), MetricName: jsii.String(name), DimensionsMap: &map[string]*string{dimension: value}})
}

var acknowledgment = regexp.MustCompile(` \[ack: (.*)\]$`)

// messagesOf returns the warnings and the summaries of a stack, as "PATH ID: MESSAGE", sorted.
func messagesOf(stack awscdk.Stack) []string {
	annotations := assertions.Annotations_FromStack(stack)
	found := []string{}
	anything := assertions.Match_AnyValue()
	for _, message := range slices.Concat(*annotations.FindWarning(jsii.String("*"), anything), *annotations.FindInfo(jsii.String("*"), anything)) {
		//lint:ignore SA1019 it is the type that assertions.Annotations returns
		text := fmt.Sprint(message.Entry.Data)
		if ack := acknowledgment.FindStringSubmatch(text); ack != nil {
			text = ack[1] + ": " + acknowledgment.ReplaceAllString(text, "")
		}
		//lint:ignore SA1019 as above
		found = append(found, *message.Id+" "+text)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Each of these apps is valid for CDK, but does not do what its author expects.
func TestSynth_WarnsOfMistakes(t *testing.T) {
	withNumbers := func(prefix string, n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("%s%03d-production-", prefix, i))
		}
		return names
	}
	tool := func(denied, allowed []string, change func(*alarmtriage.AlarmTriageProps)) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.ToolDeniedActions, p.ToolAllowedActions = jsii.Strings(denied...), jsii.Strings(allowed...)
				if change != nil {
					change(p)
				}
			}).AttachEventRule(jsii.String("All"), nil)
		}
	}
	model := func(id string) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.BedrockModelId, p.FallbackModelIds = jsii.String(id), &[]*string{}
			}).AttachEventRule(jsii.String("All"), nil)
		}
	}
	keepsCheckpoints := func(id, what string) string {
		return fmt.Sprintf("/Test/Triage%s alarmtriage:bucket-checkpoints: alarmtriage: ReportsBucket Test/%s has no lifecycle rule that expires "+
			"%sreports/checkpoints/, so the checkpoints of all investigations, which contain their conversations, are kept: add a rule with the Prefix "+
			"reports/checkpoints/, and one day as Expiration and NoncurrentVersionExpiration", id, id, what)
	}
	for _, tt := range []struct {
		name  string
		build func(stack awscdk.Stack)
		want  []string
	}{
		{"nothing is attached", func(stack awscdk.Stack) { triageNamed(stack, "Triage", nil) }, []string{
			"/Test/Triage alarmtriage:nothing-attached: alarmtriage: no alarm starts an investigation: use AttachAlarms, AlarmAction, AttachAll, AttachEventRule, or AttachTopic"}},
		{"an access log in a bucket with a key", func(stack awscdk.Stack) {
			bucket := func(id string, encryption awss3.BucketEncryption) *alarmtriage.ReportsAccessLogs {
				return &alarmtriage.ReportsAccessLogs{Bucket: awss3.NewBucket(stack, jsii.String(id), &awss3.BucketProps{Encryption: encryption})}
			}
			for id, encryption := range map[string]awss3.BucketEncryption{"Key": awss3.BucketEncryption_KMS, "Aws": awss3.BucketEncryption_KMS_MANAGED, "Dual": awss3.BucketEncryption_DSSE,
				"S3": awss3.BucketEncryption_S3_MANAGED} {
				triageNamed(stack, id, func(p *alarmtriage.AlarmTriageProps) { p.ReportsAccessLogs = bucket(id+"Logs", encryption) }).AttachAlarms(newAlarm(stack, "One"+id))
			}
		}, []string{
			"/Test/Aws alarmtriage:access-log-key: alarmtriage: the bucket Test/AwsLogs of ReportsAccessLogs is encrypted with KMS, and S3 only delivers access logs to buckets with SSE-S3: use BucketEncryption S3_MANAGED for it",
			"/Test/Dual alarmtriage:access-log-key: alarmtriage: the bucket Test/DualLogs of ReportsAccessLogs is encrypted with KMS, and S3 only delivers access logs to buckets with SSE-S3: use BucketEncryption S3_MANAGED for it",
			"/Test/Key alarmtriage:access-log-key: alarmtriage: the bucket Test/KeyLogs of ReportsAccessLogs is encrypted with KMS, and S3 only delivers access logs to buckets with SSE-S3: use BucketEncryption S3_MANAGED for it",
		}},
		{"a model by the ARN that CDK forms", func(stack awscdk.Stack) {
			id := awsbedrock.NewFoundationModelIdentifier(jsii.String("anthropic.claude-sonnet-5-5"))
			arn := awsbedrock.FoundationModel_FromFoundationModelId(stack, jsii.String("Model"), id).ModelArn()
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.BedrockModelId, p.FallbackModelIds = arn, &[]*string{}
			}).AttachEventRule(jsii.String("All"), nil)
		}, []string{
			"/Test/Triage alarmtriage:needs-profile: alarmtriage: BedrockModelId anthropic.claude-sonnet-5-5 can only be invoked through an inference profile: use eu.anthropic.claude-sonnet-5-5 or global.anthropic.claude-sonnet-5-5"}},
		{"a rule is enough", func(stack awscdk.Stack) { triageNamed(stack, "Triage", nil).AttachEventRule(jsii.String("All"), nil) }, nil},
		{"a topic is enough", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachTopic(awssns.NewTopic(stack, jsii.String("Alarms"), nil), nil)
		}, nil},
		{"AttachAlarms is enough", func(stack awscdk.Stack) { triageNamed(stack, "Triage", nil).AttachAlarms(newAlarm(stack, "One")) }, nil},
		{"AttachAlarms without alarms", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachAlarms(alarmtriage.Alarms([]awscloudwatch.Alarm{})...)
		}, []string{
			"/Test/Triage alarmtriage:nothing-attached: alarmtriage: no alarm starts an investigation: use AttachAlarms, AlarmAction, AttachAll, AttachEventRule, or AttachTopic"}},
		{"AttachAll finds no alarm", func(stack awscdk.Stack) { triageNamed(stack, "Triage", nil).AttachAll(stack, nil) }, []string{
			"/Test/Triage alarmtriage:nothing-found: alarmtriage: AttachAll over Test finds no alarm that it may attach: pass the stack or the app that contains the alarms, and use AttachEventRule for alarms that this app does not define"}},
		{"AttachAll finds alarms that only scale", func(stack awscdk.Stack) {
			for _, id := range []string{"In", "Out"} {
				awscloudwatch.NewCfnAlarm(stack, jsii.String(id), &awscloudwatch.CfnAlarmProps{ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1),
					AlarmActions: &[]any{"arn:aws:autoscaling:eu-west-1:111122223333:scalingPolicy:1:autoScalingGroupName/web:policyName/x"}})
			}
			newAlarm(stack, "noise")
			triageNamed(stack, "Triage", nil).AttachAll(stack, &alarmtriage.AlarmFilter{ExceptNamePrefixes: jsii.Strings("noise")})
		}, []string{
			"/Test/Triage alarmtriage:nothing-found: alarmtriage: AttachAll over Test finds no alarm that it may attach, because 2 alarms only scale something: pass the stack or the app that contains the alarms, and use AttachEventRule for alarms that this app does not define"}},
		{"a filter selects no alarm", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachAll(stack.Node().Root(), &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod_")})
			newAlarm(stack, "prod-errors")
			newAlarm(stack, "prod-latency")
		}, []string{
			`/Test/Triage alarmtriage:nothing-matches: alarmtriage: the filter of AttachAll over the app selects none of its 2 alarms, such as "prod-errors", "prod-latency". It compares prefixes with the name of an alarm, or with the id of its construct if it has no name: correct NamePrefixes or ExceptNamePrefixes`}},
		{"a filter that matches something", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachAll(stack, &alarmtriage.AlarmFilter{ExceptNamePrefixes: jsii.Strings("dev-")})
			newAlarm(stack, "dev-errors")
			newAlarm(stack, "dev-latency")
			newAlarm(stack, "prod-errors")
		}, []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm; 2 excluded (2 by the filter)"}},
		{"prefixes that match nothing", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachAll(stack, &alarmtriage.AlarmFilter{
				NamePrefixes: jsii.Strings("prod-", "porduction-", "test-"), ExceptNamePrefixes: jsii.Strings("prod-canary", "staging-")})
			newAlarm(stack, "prod-errors")
			newAlarm(stack, "prod-canary-errors")
			newAlarm(stack, "other")
		}, []string{
			"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm; 2 excluded (2 by the filter)",
			`/Test/Triage alarmtriage:unmatched-prefix: alarmtriage: the filter of AttachAll over Test has NamePrefixes "porduction-", "test-" and ExceptNamePrefixes "staging-", with which the name of no alarm begins. It compares prefixes with the name of an alarm, or with the id of its construct if it has no name: correct or remove them`}},
		{"a prefix that matches nothing, and an alarm that only a rule selects", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", nil)
			triage.AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{
				EventBus: awsevents.NewEventBus(stack, jsii.String("Bus"), nil), Regions: jsii.Strings("us-east-1")})
			newAlarm(stackIn(stack.Node().Root().(constructs.Construct), "Away", "us-east-1"), "prod-errors")
			newAlarm(stack, "staging-errors")
			triage.AttachAll(stack.Node().Root(), &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod-", "stagin_")})
		}, []string{
			"/Test/Triage alarmtriage:attached: alarmtriage: attached to 0 alarms; 2 excluded (1 by the filter, 1 investigated through an event rule)",
			`/Test/Triage alarmtriage:unmatched-prefix: alarmtriage: the filter of AttachAll over the app has NamePrefixes "stagin_", with which the name of no alarm begins. It compares prefixes with the name of an alarm, or with the id of its construct if it has no name: correct or remove them`}},
		{"alarms that another AlarmTriage investigates", func(stack awscdk.Stack) {
			away := stackIn(stack.Node().Root().(constructs.Construct), "Away", "us-east-1")
			triageNamed(away, "Triage", nil).AttachAlarms(newAlarm(away, "Orders"))
			triageNamed(stack, "Triage", nil).AttachAll(stack.Node().Root(), nil)
		}, []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 0 alarms; 1 excluded (1 investigated by another AlarmTriage)"}},
		{"prefixes, and alarms in a Stage", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod-", "staging-")})
			newAlarm(stack, "prod-errors")
			newAlarm(stackIn(awscdk.NewStage(stack, jsii.String("Staging"), nil), "Shop", "eu-west-1"), "staging-errors")
		}, []string{
			"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm",
			"/Test/Triage alarmtriage:stage: alarmtriage: AttachAll over Test does not attach the alarms of Stage Test/Staging (1 alarm), because CDK does not apply aspects across Stage boundaries: add an AlarmTriage to each Stage, and pass the Stage to its AttachAll"}},
		{"a prefix that an exception covers", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", nil)
			triage.AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{
				NamePrefixes: jsii.Strings("prod-a", "shop-"), ExceptNamePrefixes: jsii.Strings("prod-", "shop-test-")})
			triage.AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod-a", "shop-"), ExceptNamePrefixes: jsii.Strings("prod-")})
			newAlarm(stack, "prod-a")
			newAlarm(stack, "shop-errors")
		}, []string{
			"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm; 1 excluded (1 by the filter)",
			`/Test/Triage alarmtriage:unmatched-prefix: alarmtriage: AttachAll got the prefix "prod-a", which selects no alarm, because the exception "prod-" excludes all of them: correct one of both`,
			`/Test/Triage alarmtriage:unmatched-prefix: alarmtriage: AttachEventRule got the prefix "prod-a", which selects no alarm, because the exception "prod-" excludes all of them: correct one of both`}},
		{"alarms in a Stage", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachAll(stack.Node().Root(), nil)
			newAlarm(stack, "Pipeline")
			inner := stackIn(awscdk.NewStage(stack, jsii.String("Prod"), nil), "Shop", "eu-west-1")
			newAlarm(inner, "Orders")
			awscloudwatch.NewCfnAlarm(inner, jsii.String("Plain"), &awscloudwatch.CfnAlarmProps{
				ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1)})
			awscdk.NewStage(stack, jsii.String("Empty"), nil)
		}, []string{
			"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm",
			"/Test/Triage alarmtriage:stage: alarmtriage: AttachAll over the app does not attach the alarms of Stage Test/Prod (2 alarms), because CDK does not apply aspects across Stage boundaries: add an AlarmTriage to each Stage, and pass the Stage to its AttachAll"}},
		{"actions are disabled", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", nil)
			for i := range 7 {
				triage.AttachAlarms(awscloudwatch.NewAlarm(stack, jsii.Sprintf("Off%d", i), &awscloudwatch.AlarmProps{ActionsEnabled: jsii.Bool(false),
					Metric:    awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Errors")}),
					Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1)}))
			}
			triage.AttachAlarms(awscloudwatch.NewCfnCompositeAlarm(stack, jsii.String("OffToo"), &awscloudwatch.CfnCompositeAlarmProps{
				ActionsEnabled: jsii.Bool(false), AlarmRule: jsii.String("ALARM(x)")}))
		}, []string{
			"/Test/Triage alarmtriage:actions-disabled: alarmtriage: ActionsEnabled is false for 8 alarms that AlarmTriage is attached to, so they never start an investigation: Test/Off0, Test/Off1, Test/Off2, Test/Off3, Test/Off4, and 3 more. Enable the actions, or use AttachEventRule, which does not need actions"}},
		{"AlarmAction is no alarm action", func(stack awscdk.Stack) {
			newAlarm(stack, "One").AddOkAction(triageNamed(stack, "Triage", nil).AlarmAction())
		}, []string{
			"/Test/Triage alarmtriage:no-alarm-action: alarmtriage: AlarmAction was added to 1 alarm, but not as an alarm action, so it never starts an investigation: Test/One. Use AddAlarmAction or AttachAlarms"}},
		{"AlarmAction without an OK action", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) })
			newAlarm(stack, "One").AddAlarmAction(triage.AlarmAction())
			newAlarm(stack, "OnlyOK").AddOkAction(triage.AlarmAction())
			both := newAlarm(stack, "Both")
			both.AddAlarmAction(triage.AlarmAction())
			both.AddOkAction(triage.AlarmAction())
			triage.AttachAlarms(newAlarm(stack, "Attached"))
		}, []string{
			"/Test/Triage alarmtriage:no-alarm-action: alarmtriage: AlarmAction was added to 1 alarm, but not as an alarm action, so it never starts an investigation: Test/OnlyOK. Use AddAlarmAction or AttachAlarms",
			"/Test/Triage alarmtriage:no-ok-action: alarmtriage: NotifyRecovery has no effect for 1 alarm, because AlarmAction was only added as an alarm action: Test/One. Use AttachAlarms or AttachAll, which also add the OK action, or AddOkAction"}},
		{"alarms on AlarmTriage, by AttachAlarms", func(stack awscdk.Stack) {
			queue := awssqs.NewQueue(stack, jsii.String("Failed"), nil)
			triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.OnFailureQueue = queue })
			triage.AttachAlarms(
				alarmOn(stack, "Failures", triage.MetricFailures(nil)), alarmOn(stack, "Errors", triage.Tool().MetricErrors(nil)),
				alarmOn(stack, "Query", awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
					Expression: jsii.Sprintf("SELECT SUM(Errors) FROM \"AWS/Lambda\" WHERE FunctionName = '%s'", *triage.Orchestrator().FunctionName())})),
				alarmOn(stack, "OtherQuery", awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
					Expression: jsii.Sprintf("SELECT SUM(Errors) FROM \"AWS/Lambda\" WHERE FunctionName = '%s-canary'", *triage.Orchestrator().FunctionName())})),
				alarmOn(stack, "Dead", queue.MetricApproximateNumberOfMessagesVisible(nil)),
				alarmOn(stack, "Math", awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{Expression: jsii.String("a / b"),
					UsingMetrics: &map[string]awscloudwatch.IMetric{"a": triage.Orchestrator().MetricErrors(nil), "b": triage.Orchestrator().MetricInvocations(nil)}})),
				awscloudwatch.NewCfnAlarm(stack, jsii.String("Plain"), &awscloudwatch.CfnAlarmProps{
					ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1), Namespace: jsii.String("AWS/Lambda"),
					Dimensions: &[]any{&awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String("FunctionName"), Value: triage.Tool().FunctionName()}}}),
				alarmOn(stack, "Log", metricOf("AWS/Logs", "IncomingBytes", "LogGroupName", triage.OrchestratorLogGroup().LogGroupName())),
				alarmOn(stack, "ToolLog", metricOf("AWS/Logs", "IncomingBytes", "LogGroupName", triage.ToolLogGroup().LogGroupName())),
				alarmOn(stack, "Bucket", metricOf("AWS/S3", "NumberOfObjects", "BucketName", triage.ReportsBucket().BucketName())),
				alarmOn(stack, "OtherBucket", metricOf("AWS/S3", "NumberOfObjects", "BucketName", jsii.String("orders"))),
				alarmOn(stack, "Other", awslambda.Function_FromFunctionName(stack, jsii.String("F"), jsii.String("orders")).MetricErrors(nil)))
		}, func() (want []string) {
			for _, id := range []string{"Bucket", "Dead", "Errors", "Failures", "Log", "Math", "Plain", "Query", "ToolLog"} {
				want = append(want, "/Test/"+id+" alarmtriage:own-metric: alarmtriage: it watches AlarmTriage Test/Triage, to which it is attached: a failing investigation would start another one. Let it notify a topic instead, such as that of SelfAlarmTopic")
			}
			return want
		}()},
		{"a composite alarm on self-alarms", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
			})
			triage.AttachAlarms(awscloudwatch.NewCompositeAlarm(stack, jsii.String("Any"), &awscloudwatch.CompositeAlarmProps{
				AlarmRule: awscloudwatch.AlarmRule_FromAlarm(triage.SelfAlarms()[0], awscloudwatch.AlarmState_ALARM)}))
		}, []string{
			"/Test/Any alarmtriage:own-metric: alarmtriage: it watches AlarmTriage Test/Triage, to which it is attached: a failing investigation would start another one. Let it notify a topic instead, such as that of SelfAlarmTopic"}},
		{"composite alarms on own alarms", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", nil)
			other := newAlarm(stack, "Other")
			failures, errors := alarmOn(stack, "Failures", triage.MetricFailures(nil)), alarmOn(stack, "Errors", triage.Tool().MetricErrors(nil))
			rule := func(alarm awscloudwatch.IAlarm) awscloudwatch.IAlarmRule {
				return awscloudwatch.AlarmRule_FromAlarm(alarm, awscloudwatch.AlarmState_ALARM)
			}
			composite := func(id string, rules ...awscloudwatch.IAlarmRule) awscloudwatch.CompositeAlarm {
				return awscloudwatch.NewCompositeAlarm(stack, jsii.String(id), &awscloudwatch.CompositeAlarmProps{AlarmRule: awscloudwatch.AlarmRule_AnyOf(rules...)})
			}
			both := composite("Both", rule(failures), rule(errors))
			mixed := composite("Mixed", rule(failures), rule(other))
			triage.AttachAlarms(both, composite("Above", rule(both)), mixed, composite("AboveMixed", rule(mixed), rule(failures)),
				awscloudwatch.NewCfnCompositeAlarm(stack, jsii.String("Plain"), &awscloudwatch.CfnCompositeAlarmProps{
					AlarmRule: jsii.Sprintf("ALARM(%s)", *failures.AlarmName())}))
		}, []string{
			"/Test/Above alarmtriage:own-metric: alarmtriage: it watches AlarmTriage Test/Triage, to which it is attached: a failing investigation would start another one. Let it notify a topic instead, such as that of SelfAlarmTopic",
			"/Test/Both alarmtriage:own-metric: alarmtriage: it watches AlarmTriage Test/Triage, to which it is attached: a failing investigation would start another one. Let it notify a topic instead, such as that of SelfAlarmTopic",
			"/Test/Plain alarmtriage:own-metric: alarmtriage: it watches AlarmTriage Test/Triage, to which it is attached: a failing investigation would start another one. Let it notify a topic instead, such as that of SelfAlarmTopic"}},
		{"alarms on AlarmTriage, by AttachAll", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", nil)
			triage.AttachAll(stack, nil)
			alarmOn(stack, "Failures", triage.MetricFailures(nil))
			newAlarm(stack, "One")
		}, []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm; 1 excluded (1 because it watches this AlarmTriage)"}},
		{"a self-alarm of another AlarmTriage, by AttachAlarms", func(stack awscdk.Stack) {
			other := triageNamed(stack, "Other", func(p *alarmtriage.AlarmTriageProps) {
				p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
			})
			other.AttachEventRule(jsii.String("Some"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings("orders-")})
			triage := triageNamed(stack, "Triage", nil)
			triage.AttachEventRule(jsii.String("Some"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings("payments-")})
			triage.AttachAlarms(other.SelfAlarms()[0])
		}, []string{
			"/Test/Other/SelfFailures alarmtriage:self-alarm: alarmtriage: not attached to AlarmTriage Test/Triage: its name begins with alarmtriage-self-, and no AlarmTriage investigates such alarms. Notify people with SelfAlarmTopic instead"}},
		{"two AlarmTriages over one app", func(stack awscdk.Stack) {
			platform := awssns.NewTopic(stack, jsii.String("Platform"), nil)
			for _, id := range []string{"A", "B"} {
				triageNamed(stack, id, func(p *alarmtriage.AlarmTriageProps) { p.SelfAlarmTopic = platform }).AttachAll(stack.Node().Root(), nil)
			}
			newAlarm(stack, "One")
			newAlarm(stack, "Two")
		}, []string{
			"/Test/A alarmtriage:attached: alarmtriage: attached to 2 alarms; 8 excluded (8 as self-alarms)",
			"/Test/B alarmtriage:attached: alarmtriage: attached to 2 alarms; 8 excluded (8 as self-alarms)",
			"/Test/B alarmtriage:shared-alarm: alarmtriage: 2 alarms are also attached to AlarmTriage Test/A: both investigate them, send reports, and cost money. Attach an alarm to one of the two, for example with ExceptNamePrefixes of AttachAll: Test/One, Test/Two"}},
		{"an alarm in two AlarmTriages", func(stack awscdk.Stack) {
			alarm := newAlarm(stack, "One")
			triageNamed(stack, "A", nil).AttachAlarms(alarm)
			alarm.AddAlarmAction(triageNamed(stack, "B", nil).AlarmAction())
		}, []string{
			"/Test/B alarmtriage:shared-alarm: alarmtriage: 1 alarm is also attached to AlarmTriage Test/A: both investigate it, send reports, and cost money. Attach an alarm to one of the two, for example with ExceptNamePrefixes of AttachAll: Test/One"}},
		{"denied actions that do not exist", tool([]string{"cloudtrial:LookupEvents", "s3:GetBucketPolicyy", "nonsense:*", "s3:Got*", "logs:FilterLogEvents", "iam:List*"}, nil, nil), []string{
			`/Test/Triage alarmtriage:unknown-action: alarmtriage: ToolDeniedActions contains "cloudtrial:LookupEvents", which denies nothing: IAM has no such action; did you mean cloudtrail:LookupEvents? Correct it, or acknowledge this warning if the action is new`,
			`/Test/Triage alarmtriage:unknown-action: alarmtriage: ToolDeniedActions contains "nonsense:*", which denies nothing: IAM has no such action. Correct it, or acknowledge this warning if the action is new`,
			`/Test/Triage alarmtriage:unknown-action: alarmtriage: ToolDeniedActions contains "s3:GetBucketPolicyy", which denies nothing: IAM has no such action; did you mean s3:GetBucketPolicy? Correct it, or acknowledge this warning if the action is new`,
			`/Test/Triage alarmtriage:unknown-action: alarmtriage: ToolDeniedActions contains "s3:Got*", which denies nothing: IAM has no such action. Correct it, or acknowledge this warning if the action is new`}},
		{"allowed actions without effect", tool([]string{"iot:Describe*"}, []string{"s3:GetObject", "iot:DescribeThing", "iot:ListThings", "lamda:GetFunction", "cognito-idp:ListUsers"}, nil), []string{
			`/Test/Triage alarmtriage:denied-action: alarmtriage: ToolAllowedActions contains "cognito-idp:ListUsers", which has no effect, because a built-in deny overrides it: remove it, or set ToolAllowPersonalData`,
			`/Test/Triage alarmtriage:denied-action: alarmtriage: ToolAllowedActions contains "iot:DescribeThing", which has no effect, because ToolDeniedActions overrides it: remove it from one of the two`,
			`/Test/Triage alarmtriage:denied-action: alarmtriage: ToolAllowedActions contains "s3:GetObject", which has no effect, because a built-in deny overrides it (docs/permissions.md): remove it`,
			`/Test/Triage alarmtriage:unknown-action: alarmtriage: ToolAllowedActions contains "lamda:GetFunction", which allows nothing: IAM has no such action; did you mean lambda:GetFunction? Correct it, or acknowledge this warning if the action is new`}},
		{"an allowed action of an open group", tool(nil, []string{"cognito-idp:ListUsers"}, func(p *alarmtriage.AlarmTriageProps) { p.ToolAllowPersonalData = jsii.Bool(true) }), nil},
		{"allowed actions that write", tool(nil, []string{"ec2:TerminateInstances", "sqs:*"}, nil), []string{
			`/Test/Triage alarmtriage:write-action: alarmtriage: ToolAllowedActions contains "ec2:TerminateInstances", with which the model's code can change resources (ec2:TerminateInstances): the model reads texts that attackers may have written. Allow single reads instead, or acknowledge this warning`,
			`/Test/Triage alarmtriage:write-action: alarmtriage: ToolAllowedActions contains "sqs:*", with which the model's code can change resources (sqs:AddPermission, sqs:CancelMessageMoveTask, sqs:ChangeMessageVisibility, sqs:CreateQueue, sqs:DeleteMessage, and 8 more): the model reads texts that attackers may have written. Allow single reads instead, or acknowledge this warning`}},
		{"denied resources that do not exist", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.ToolDeniedResources = jsii.Strings("arn:aws:log:*:*:log-group:/shop*", "arn:aws:logs:eu-west-1:111122223333:loggroup:/shop",
					"arn:aws:s3:eu-west-1:111122223333:vault", "arn:aws:s3:::vault/*", "arn:aws:s3:::vault", "arn:*:logs:*:*:log-group:/shop:*", "arn:aws:dynamodb:*:*:table",
					"arn:aws:nonsense:*:*:x", *awscdk.Token_AsString(map[string]any{"Ref": "Arn"}, nil))
			}).AttachEventRule(jsii.String("All"), nil)
		}, []string{
			`/Test/Triage alarmtriage:unknown-resource: alarmtriage: ToolDeniedResources contains "arn:aws:log:*:*:log-group:/shop*", which denies nothing: IAM has no such resource, but arn:aws:logs:*:*:log-group:/shop*; correct it, or acknowledge this warning if the resource is new`,
			`/Test/Triage alarmtriage:unknown-resource: alarmtriage: ToolDeniedResources contains "arn:aws:logs:eu-west-1:111122223333:loggroup:/shop", which denies nothing: IAM has no such resource, but arn:aws:logs:*:*:log-group:*; correct it, or acknowledge this warning if the resource is new`,
			`/Test/Triage alarmtriage:unknown-resource: alarmtriage: ToolDeniedResources contains "arn:aws:nonsense:*:*:x", which denies nothing: IAM has no such resource; correct it, or acknowledge this warning if the resource is new`,
			`/Test/Triage alarmtriage:unknown-resource: alarmtriage: ToolDeniedResources contains "arn:aws:s3:eu-west-1:111122223333:vault", which denies nothing: IAM has no such resource, but arn:aws:s3:::*; correct it, or acknowledge this warning if the resource is new`}},
		{"an imported key for logs", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.LogsEncryptionKey = awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/abc"))
			}).AttachEventRule(jsii.String("All"), nil)
		}, []string{
			`/Test/Triage alarmtriage:logs-key: alarmtriage: LogsEncryptionKey is imported, so its policy is not known here: the deployment fails unless it lets the service principal logs.REGION.amazonaws.com use the key for log groups (CloudWatch Logs User Guide, "Encrypt log data using KMS")`}},
		{"a pattern that is too long", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachEventRule(jsii.String("Some"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings(withNumbers("service-", 80)...)})
		}, []string{
			"/Test/Triage/Some alarmtriage:long-pattern: alarmtriage: the event pattern has 3134 characters, and EventBridge accepts 2048 unless the account's quota is higher: use fewer or shorter prefixes, or call AttachEventRule several times, with a part of the prefixes each"}},
		{"a pattern with many wildcards", func(stack awscdk.Stack) {
			teams := withNumbers("team-", 12)
			triage := triageNamed(stack, "Triage", nil)
			triage.AttachEventRule(jsii.String("Many"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings(teams[:4]...), ExceptNamePrefixes: jsii.Strings(
				teams[0]+"a", teams[1]+"a", teams[2]+"a", teams[3]+"a")})
			triage.AttachEventRule(jsii.String("Few"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings(teams...), ExceptNamePrefixes: jsii.Strings(teams[0] + "canary")})
			triage.AttachEventRule(jsii.String("None"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings(teams...), ExceptNamePrefixes: jsii.Strings("canary")})
		}, []string{
			"/Test/Triage/Many alarmtriage:complex-pattern: alarmtriage: NamePrefixes and ExceptNamePrefixes together need 4 wildcard patterns, and EventBridge rejects rules with too many of them; 3 are accepted: omit ExceptNamePrefixes, use fewer NamePrefixes, or call AttachEventRule several times, with at most 3 prefixes each"}},
		{"a table that keeps old items", func(stack awscdk.Stack) {
			for id, attribute := range map[string]*string{"None": nil, "Other": jsii.String("ttl"), "Right": jsii.String("expires_at")} {
				triageNamed(stack, "Triage"+id, func(p *alarmtriage.AlarmTriageProps) {
					p.InvestigationsTable = awsdynamodb.NewTable(stack, jsii.String(id), &awsdynamodb.TableProps{TimeToLiveAttribute: attribute,
						PartitionKey: &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING}})
				}).AttachAlarms(newAlarm(stack, "Alarm"+id))
			}
		}, []string{
			`/Test/TriageNone alarmtriage:table-ttl: alarmtriage: InvestigationsTable Test/None does not delete old items: set its TimeToLiveAttribute to "expires_at"`,
			`/Test/TriageOther alarmtriage:table-ttl: alarmtriage: InvestigationsTable Test/Other does not delete old items: set its TimeToLiveAttribute to "expires_at"`}},
		{"one table for two AlarmTriages", func(stack awscdk.Stack) {
			table := awsdynamodb.NewTable(stack, jsii.String("Claims"), &awsdynamodb.TableProps{TimeToLiveAttribute: jsii.String("expires_at"),
				PartitionKey: &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING}})
			again := awsdynamodb.Table_FromTableArn(stack, jsii.String("Again"), table.TableArn())
			byName := awsdynamodb.Table_FromTableName(stack, jsii.String("ByName"), jsii.String("claims"))
			sameName := awsdynamodb.Table_FromTableName(stack, jsii.String("SameName"), jsii.String("claims"))
			for i, given := range []awsdynamodb.ITable{table, again, byName, sameName, nil, nil} {
				id := strconv.Itoa(i)
				triageNamed(stack, "Triage"+id, func(p *alarmtriage.AlarmTriageProps) { p.InvestigationsTable = given }).AttachAlarms(newAlarm(stack, "Alarm"+id))
			}
		}, []string{
			"/Test/Triage1 alarmtriage:shared-table: alarmtriage: the table Test/Again is also the InvestigationsTable of AlarmTriage Test/Triage0: only one of the two investigates an alarm that starts both, and both count its investigations. Pass another table, or omit InvestigationsTable",
			"/Test/Triage3 alarmtriage:shared-table: alarmtriage: the table Test/SameName is also the InvestigationsTable of AlarmTriage Test/Triage2: only one of the two investigates an alarm that starts both, and both count its investigations. Pass another table, or omit InvestigationsTable"}},
		{"a global table that keeps old items", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.InvestigationsTable = awsdynamodb.NewTableV2(stack, jsii.String("Claims"), &awsdynamodb.TablePropsV2{
					PartitionKey: &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING}})
			}).AttachEventRule(jsii.String("All"), nil)
		}, []string{
			`/Test/Triage alarmtriage:table-ttl: alarmtriage: InvestigationsTable Test/Claims does not delete old items: set its TimeToLiveAttribute to "expires_at"`}},
		{"a bucket that keeps checkpoints", func(stack awscdk.Stack) {
			day := awscdk.Duration_Days(jsii.Number(1))
			for id, rules := range map[string][]*awss3.LifecycleRule{
				"None": nil, "Right": {{Prefix: jsii.String("reports/checkpoints/"), Expiration: day, NoncurrentVersionExpiration: day}},
				"Wider": {{Prefix: jsii.String("reports/"), Expiration: day}, {NoncurrentVersionExpiration: day}},
				"All":   {{AbortIncompleteMultipartUploadAfter: day}, {Expiration: day, NoncurrentVersionExpiration: day}},
				"Off":   {{Expiration: day, Enabled: jsii.Bool(false)}}, "Large": {{Expiration: day, ObjectSizeGreaterThan: jsii.Number(1e6)}},
				"Other": {{Prefix: jsii.String("reports/2"), Expiration: day}}, "Keeps": {{NoncurrentVersionExpiration: day}},
				"Versions": {{Prefix: jsii.String("reports/checkpoints/"), Expiration: day}},
			} {
				triageNamed(stack, "Triage"+id, func(p *alarmtriage.AlarmTriageProps) {
					p.ReportsBucket = awss3.NewBucket(stack, jsii.String(id), &awss3.BucketProps{Versioned: jsii.Bool(true), LifecycleRules: &rules})
				}).AttachAlarms(newAlarm(stack, "Alarm"+id))
			}
			later := awss3.NewBucket(stack, jsii.String("Later"), &awss3.BucketProps{Versioned: jsii.Bool(true)})
			triageNamed(stack, "TriageLater", func(p *alarmtriage.AlarmTriageProps) { p.ReportsBucket = later }).AttachAlarms(newAlarm(stack, "AlarmLater"))
			later.AddLifecycleRule(&awss3.LifecycleRule{Expiration: day, NoncurrentVersionExpiration: day})
		}, []string{
			keepsCheckpoints("Keeps", ""), keepsCheckpoints("Large", ""), keepsCheckpoints("None", ""), keepsCheckpoints("Off", ""), keepsCheckpoints("Other", ""),
			keepsCheckpoints("Versions", "the versions of ")}},
		{"a bucket without versions", func(stack awscdk.Stack) {
			for id, versioned := range map[string]bool{"With": true, "Without": false} {
				triageNamed(stack, "Triage"+id, func(p *alarmtriage.AlarmTriageProps) {
					p.ReportsBucket = awss3.NewBucket(stack, jsii.String(id), &awss3.BucketProps{Versioned: jsii.Bool(versioned),
						LifecycleRules: &[]*awss3.LifecycleRule{{Expiration: awscdk.Duration_Days(jsii.Number(1)), NoncurrentVersionExpiration: awscdk.Duration_Days(jsii.Number(1))}}})
				}).AttachAlarms(newAlarm(stack, "Alarm"+id))
			}
			triageNamed(stack, "TriageImported", func(p *alarmtriage.AlarmTriageProps) {
				p.ReportsBucket = awss3.Bucket_FromBucketName(stack, jsii.String("Imported"), jsii.String("reports"))
			}).AttachAlarms(newAlarm(stack, "AlarmImported"))
		}, []string{
			"/Test/TriageWithout alarmtriage:bucket-versions: alarmtriage: ReportsBucket Test/Without has no versions, so a report that is overwritten or deleted is lost: set its prop Versioned"}},
		{"a layer for another architecture", func(stack awscdk.Stack) {
			layer := awslambda.NewLayerVersion(stack, jsii.String("Layer"), &awslambda.LayerVersionProps{
				Code: awslambda.Code_FromAsset(jsii.String("testdata"), nil), CompatibleArchitectures: &[]awslambda.Architecture{awslambda.Architecture_X86_64()}})
			for id, architecture := range map[string]awslambda.Architecture{"Default": nil, "X86": awslambda.Architecture_X86_64()} {
				triageNamed(stack, id, func(p *alarmtriage.AlarmTriageProps) {
					p.ToolLayers, p.Architecture = &[]awslambda.ILayerVersion{layer}, architecture
				}).AttachAlarms(newAlarm(stack, "Alarm"+id))
			}
		}, []string{
			"/Test/Default alarmtriage:layer-architecture: alarmtriage: CompatibleArchitectures of the layer Test/Layer are x86_64, and the functions' Architecture is arm64: native code in the layer can't be loaded. Build the layer for this architecture, or set Architecture"}},
		{"one alarm that a filter does not select", func(stack awscdk.Stack) {
			newAlarm(stack, "orders")
			triageNamed(stack, "Triage", nil).AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod-")})
		}, []string{
			`/Test/Triage alarmtriage:nothing-matches: alarmtriage: the filter of AttachAll over Test selects no alarm. The only one is "orders". It compares prefixes with the name of an alarm, or with the id of its construct if it has no name: correct NamePrefixes or ExceptNamePrefixes`}},
		{"the actions of one alarm are disabled", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachAlarms(awscloudwatch.NewCfnCompositeAlarm(stack, jsii.String("Off"), &awscloudwatch.CfnCompositeAlarmProps{
				ActionsEnabled: jsii.Bool(false), AlarmRule: jsii.String("ALARM(x)")}))
		}, []string{
			"/Test/Triage alarmtriage:actions-disabled: alarmtriage: ActionsEnabled is false for 1 alarm that AlarmTriage is attached to, so it never starts an investigation: Test/Off. Enable the actions, or use AttachEventRule, which does not need actions"}},
		{"a misspelled model", model("eu.amazon.nova-2-light-v1:0"), []string{
			"/Test/Triage alarmtriage:unknown-model: alarmtriage: BedrockModelId eu.amazon.nova-2-light-v1:0 is not in this version's catalog (docs/models.md), but eu.amazon.nova-2-lite-v1:0 is: correct it, or acknowledge this warning if the model is new"}},
		{"an unknown model", model("writer.palmyra-x5-v1:0"), []string{
			"/Test/Triage alarmtriage:unknown-model: alarmtriage: BedrockModelId writer.palmyra-x5-v1:0 is not in this version's catalog (docs/models.md): check its spelling. If it is right, sizes are assumed, and the price is only known if ModelPrices contains it"}},
		{"an embeddings model", model("amazon.titan-embed-text-v2:0"), []string{
			"/Test/Triage alarmtriage:no-conversation: alarmtriage: BedrockModelId amazon.titan-embed-text-v2:0 is not a model for conversations, so every request fails: choose a model of docs/models.md"}},
		{"a model that needs a profile", model("anthropic.claude-sonnet-5-5"), []string{
			"/Test/Triage alarmtriage:needs-profile: alarmtriage: BedrockModelId anthropic.claude-sonnet-5-5 can only be invoked through an inference profile: use eu.anthropic.claude-sonnet-5-5 or global.anthropic.claude-sonnet-5-5"}},
		{"a model that is retired and misspelled", model("us.amazon.nova-premire-v1:0"), []string{
			"/Test/Triage alarmtriage:geography: alarmtriage: BedrockModelId us.amazon.nova-premire-v1:0 is an inference profile of another geography and can't be invoked from eu-west-1: set it to a model or a profile of this Region",
			"/Test/Triage alarmtriage:unknown-model: alarmtriage: BedrockModelId us.amazon.nova-premire-v1:0 is not in this version's catalog (docs/models.md), but us.amazon.nova-premier-v1:0 is, which reached the end of its life: choose another model, or acknowledge this warning if the model is new"}},
		{"a custom model", model("arn:aws:bedrock:eu-west-1:111122223333:imported-model/embedder"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			tt.build(stack)
			want := tt.want
			if want == nil {
				want = []string{}
			}
			assert.Equal(t, want, messagesOf(stack))
		})
	}
}

// These mistakes stop the synth. Without a check, CDK reports them in its own words, or only the deployment fails.
func TestSynth_RejectsMistakes(t *testing.T) {
	directory, err := os.Getwd()
	require.NoError(t, err)
	props := func(change func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps)) func(awscdk.App) {
		return func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { change(stack, p) })
		}
	}
	texts := t.TempDir()
	file := func(name, content string) *string {
		path := filepath.Join(texts, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return jsii.String(path)
	}
	instructionsAt := func(key string) func(awscdk.App) {
		return props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: awss3.NewBucket(stack, jsii.String("Texts"), nil), Key: jsii.String(key)}
		})
	}
	selfCheckAt := func(schedule string) func(awscdk.App) {
		return props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.SelfCheckSchedule = awsevents.Schedule_Expression(jsii.String(schedule))
		})
	}
	triageWithTopic := func(stack awscdk.Stack, topic awssns.ITopic) *alarmtriage.AlarmTriage {
		return alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{NotificationTopic: topic})
	}
	named := func(p *alarmtriage.AlarmTriageProps) { p.ResourcePrefix = jsii.String("prod") }
	table := func(p *awsdynamodb.TableProps) func(awscdk.App) {
		return props(func(stack awscdk.Stack, given *alarmtriage.AlarmTriageProps) {
			given.InvestigationsTable = awsdynamodb.NewTable(stack, jsii.String("Claims"), p)
		})
	}
	text := func(name string) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: jsii.String(name), Type: awsdynamodb.AttributeType_STRING}
	}
	for _, tt := range []struct {
		name  string
		build func(app awscdk.App)
		want  string
	}{
		{"scope and id are nil", func(awscdk.App) { alarmtriage.NewAlarmTriage(nil, nil, nil) },
			"alarmtriage: NewAlarmTriage needs an id, which is unique within its scope, got none\nalarmtriage: NewAlarmTriage needs a scope, such as a stack, got nil\nalarmtriage: props are missing: AlarmTriageProps needs at least NotificationTopic"},
		{"the scope is the app", func(app awscdk.App) {
			alarmtriage.NewAlarmTriage(app, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
				NotificationTopic: awssns.NewTopic(stackIn(app, "S", "eu-west-1"), jsii.String("Topic"), nil)})
		}, `alarmtriage: NewAlarmTriage needs a scope that is a stack or within one, got the app, which contains the stacks: create a stack with awscdk.NewStack, and pass it`},
		{"an id that exists", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			awssns.NewTopic(stack, jsii.String("OnCall"), nil)
			triageNamed(stack, "OnCall", nil)
		}, `alarmtriage: NewAlarmTriage needs an id that is unique within its scope S, got "OnCall", which exists: choose another one`},
		{"an id that a member already has", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			for range 2 {
				alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String("444455556666")})
			}
		}, `alarmtriage: NewAlarmTriageMember needs an id that is unique within its scope S, got "Member", which exists: choose another one`},
		{"an alarm of a Stage", func(app awscdk.App) {
			triage := triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil)
			triage.AttachAlarms(newAlarm(stackIn(awscdk.NewStage(app, jsii.String("Prod"), nil), "Shop", "eu-west-1"), "One"))
		}, "alarmtriage: alarm Prod/Shop/One can't be attached to AlarmTriage S/Triage: it is in Stage Prod and AlarmTriage is in the app, outside of all Stages, and CDK does not let stacks of one refer to stacks of the other: add an AlarmTriage to each Stage that contains alarms, or use AttachEventRule, with which alarms do not refer to AlarmTriage"},
		{"an alarm of another app", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachAlarms(newAlarm(stackIn(newTestApp(), "Shop", "eu-west-1"), "One"))
		}, "alarmtriage: alarm Shop/One can't be attached to AlarmTriage S/Triage: it belongs to another app than AlarmTriage, whose stacks can't refer to it: define both in one app, or use AttachEventRule"},
		{"a topic of another app", func(app awscdk.App) {
			triageWithTopic(stackIn(app, "S", "eu-west-1"), awssns.NewTopic(stackIn(newTestApp(), "Shop", "eu-west-1"), jsii.String("OnCall"), nil))
		}, "alarmtriage: AlarmTriage S/Triage can't use NotificationTopic Shop/OnCall, which belongs to another app: define both in one app, or import the resource"},
		{"a stack of another app", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachAll(stackIn(newTestApp(), "Shop", "eu-west-1"), nil)
		}, "alarmtriage: AttachAll needs a scope in the app of AlarmTriage S/Triage, got Shop of another app: define both in one app, or use AttachEventRule"},
		{"another partition", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ChatCardTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Cards"), jsii.String("arn:aws-cn:sns:eu-west-1:111122223333:cards"))
		}), `alarmtriage: ChatCardTopic must be in the stack's partition aws, got "arn:aws-cn:sns:eu-west-1:111122223333:cards"`},
		{"a queue for AttachTopic", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachTopic(awssns.Topic_FromTopicArn(stack, jsii.String("Alarms"), jsii.String("arn:aws:sqs:eu-west-1:111122223333:alarms")), nil)
		}, `alarmtriage: the topic of AttachTopic must have an ARN such as "arn:aws:sns:eu-west-1:111122223333:oncall", got "arn:aws:sqs:eu-west-1:111122223333:alarms"`},
		{"a queue for AttachEventRule", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachEventRule(jsii.String("All"), &alarmtriage.EventRuleProps{
				EventBus: awsevents.EventBus_FromEventBusArn(stack, jsii.String("Bus"), jsii.String("arn:aws:sqs:eu-west-1:111122223333:alarms"))})
		}, `alarmtriage: EventRuleProps.EventBus must have an ARN such as "arn:aws:events:eu-west-1:111122223333:event-bus/triage", got "arn:aws:sqs:eu-west-1:111122223333:alarms"`},
		{"a topic of another Stage", func(app awscdk.App) {
			shop := stackIn(awscdk.NewStage(app, jsii.String("Prod"), nil), "Shop", "eu-west-1")
			triage := triageNamed(stackIn(awscdk.NewStage(app, jsii.String("Dev"), nil), "S", "eu-west-1"), "Triage", nil)
			triage.AttachTopic(awssns.NewTopic(shop, jsii.String("Alarms"), nil), nil)
		}, "alarmtriage: AlarmTriage Dev/S/Triage can't use AttachTopic Prod/Shop/Alarms: it is in Stage Prod and AlarmTriage is in Stage Dev, and CDK does not let stacks of one refer to stacks of the other: define both in one Stage, or import the resource"},
		{"a layer for another runtime", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ToolLayers = &[]awslambda.ILayerVersion{awslambda.NewLayerVersion(stack, jsii.String("Layer"), &awslambda.LayerVersionProps{
				Code: awslambda.Code_FromAsset(jsii.String("testdata"), nil), CompatibleRuntimes: &[]awslambda.Runtime{awslambda.Runtime_PYTHON_3_11()}})}
		}), "alarmtriage: ToolLayers must contain layers for python3.13, the tool's runtime, got S/Layer, whose CompatibleRuntimes are python3.11: build the layer for this runtime, and add it to CompatibleRuntimes"},
		{"tags that AWS rejects", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Tags = &map[string]*string{"": jsii.String("x"), "AWS:x": jsii.String("x"), "a?": jsii.String("x"), "owner": jsii.String(strings.Repeat("x", 257)), "ok": jsii.String("a b"), strings.Repeat("k", 129): jsii.String("x")}
		}), `alarmtriage: Tags must have keys of 1 to 128 letters, digits, spaces, and characters of _.:/=+-@, got ""
alarmtriage: Tags must have keys of 1 to 128 letters, digits, spaces, and characters of _.:/=+-@, got "a?"
alarmtriage: Tags must have keys of 1 to 128 letters, digits, spaces, and characters of _.:/=+-@, got "` + strings.Repeat("k", 129) + `"
alarmtriage: Tags must have values of at most 256 letters, digits, spaces, and characters of _.:/=+-@, got "` + strings.Repeat("x", 257) + `" for "owner"
alarmtriage: Tags must not have keys that begin with "aws:", which AWS reserves, got "AWS:x"`},
		{"an empty pattern of secrets", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { p.RedactPatterns = jsii.Strings("") }),
			"alarmtriage: RedactPatterns must contain RE2 regular expressions, got an empty one, which replaces nothing: remove it"},
		{"values that are not in an enumeration", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Tracing, p.RemovalPolicy = "ON", "KEEP"
		}), `alarmtriage: RemovalPolicy must be one of RETAIN, DESTROY, RETAIN_ON_UPDATE_OR_DELETE, SNAPSHOT, got "KEEP"
alarmtriage: Tracing must be one of ACTIVE, PASS_THROUGH, DISABLED, got "ON"`},
		{"a pattern with a lookbehind", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.RedactPatterns = jsii.Strings("(?<=key )[a-z0-9]{32}")
		}),
			"alarmtriage: RedactPatterns must contain RE2 regular expressions, got \"(?<=key )[a-z0-9]{32}\": error parsing regexp: invalid named capture: `(?<=key )[a-z0-9]{32}`; " +
				"RE2 has no lookarounds, atomic groups, and references to groups: match the text around the secret, too"},
		{"a model by its name", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId = jsii.String("claude sonnet 4.5")
		}),
			`alarmtriage: BedrockModelId must be a model ID, an inference profile ID, or a Bedrock ARN, got "claude sonnet 4.5": the ID of this model is eu.anthropic.claude-sonnet-4-5-20250929-v1:0 (docs/models.md)`},
		{"no model", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { p.BedrockModelId = jsii.String("") }),
			`alarmtriage: BedrockModelId must be a model ID, an inference profile ID, or a Bedrock ARN, got "": use an ID such as eu.anthropic.claude-sonnet-5-5 (docs/models.md)`},
		{"patterns that replace everything", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.RedactPatterns = jsii.Strings(".*", `\S+`, "(?s).+", "[A-Za-z]", "[0-9]+", "order-[a-z]+", "^.*secret.*$", "(?i)[a-f0-9]{32}")
		}), `alarmtriage: RedactPatterns must match secrets only, got "(?s).+", which matches every word, so that the model and the readers would see nothing else: describe the form of the secrets
alarmtriage: RedactPatterns must match secrets only, got ".*", which matches every word, so that the model and the readers would see nothing else: describe the form of the secrets
alarmtriage: RedactPatterns must match secrets only, got "[A-Za-z]", which matches every word, so that the model and the readers would see nothing else: describe the form of the secrets
alarmtriage: RedactPatterns must match secrets only, got "\\S+", which matches every word, so that the model and the readers would see nothing else: describe the form of the secrets`},
		{"lists that are tokens", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedActions, p.ToolAllowedActions, p.RedactPatterns = listToken(stack), listToken(stack), listToken(stack)
			p.ToolDeniedResources, p.ToolAllowedAccounts = listToken(stack), listToken(stack)
			p.InstructionsFile = awscdk.Fn_Ref(jsii.String("File"))
		}), `alarmtriage: InstructionsFile must be a path that is known at synth, got a token: use InstructionsObject for a text that is not a file of the app
alarmtriage: RedactPatterns must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: ToolAllowedAccounts must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: ToolAllowedActions must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: ToolDeniedActions must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: ToolDeniedResources must be a list whose length is known at synth, got a token: its elements may be tokens`},
		{"lists of a rule that are tokens", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{NamePrefixes: listToken(stack),
				ExceptNamePrefixes: listToken(stack), Accounts: listToken(stack), Regions: listToken(stack), Tags: &map[string]*[]*string{"team": listToken(stack)}})
		}, `alarmtriage: EventRuleProps.Accounts must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: EventRuleProps.ExceptNamePrefixes must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: EventRuleProps.NamePrefixes must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: EventRuleProps.Regions must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: EventRuleProps.Tags["team"] must be a list whose length is known at synth, got a token: its elements may be tokens`},
		{"prefixes of a topic that are a token", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachTopic(awssns.NewTopic(stack, jsii.String("Alarms"), nil), &alarmtriage.AlarmTopicProps{NamePrefixes: listToken(stack)})
		}, `alarmtriage: AlarmTopicProps.NamePrefixes must be a list whose length is known at synth, got a token: its elements may be tokens`},
		{"prefixes of a member that are a token", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{
				CentralAccount: jsii.String("444455556666"), AlarmNamePrefixes: listToken(stack), ToolDeniedActions: listToken(stack)})
		}, `alarmtriage: AlarmNamePrefixes must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: ToolDeniedActions must be a list whose length is known at synth, got a token: its elements may be tokens`},
		{"prefixes of a filter that are tokens", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachAll(stack, &alarmtriage.AlarmFilter{
				NamePrefixes: listToken(stack), ExceptNamePrefixes: &[]*string{awscdk.Fn_Ref(jsii.String("Except")), jsii.String("dev-")}})
		}, `alarmtriage: AlarmFilter.NamePrefixes must be a list whose length is known at synth, got a token: its elements may be tokens
alarmtriage: AlarmFilter.ExceptNamePrefixes must contain texts that are known at synth, because AttachAll compares them with the names of alarms then, got a token: use AttachEventRule, whose prefixes may be tokens`},
		{"GrantReadReports to nobody", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).GrantReadReports(nil)
		}, "alarmtriage: GrantReadReports needs a grantee, such as a role or a function, got nil"},
		{"AttachAlarms with a stack", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachAlarms(stack)
		}, "alarmtriage: alarm S can't be attached to AlarmTriage S/Triage: it is not an alarm; use AttachAll for all alarms of a stack, of the app, or below another construct"},
		{"AttachAll without scope", func(app awscdk.App) { triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachAll(nil, nil) },
			"alarmtriage: AttachAll needs a scope that contains alarms, such as a stack or the app, got nil"},
		{"AttachEventRule without id", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachEventRule(nil, nil)
		}, "alarmtriage: AttachEventRule needs an id, which is unique within AlarmTriage, got none"},
		{"AttachTopic twice", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triage := triageNamed(stack, "Triage", nil)
			topic := awssns.NewTopic(stack, jsii.String("Alarms"), nil)
			triage.AttachTopic(topic, nil)
			triage.AttachTopic(topic, &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("prod-")})
		}, "alarmtriage: topic S/Alarms is attached to AlarmTriage S/Triage already: call AttachTopic once, with all NamePrefixes"},
		{"AttachTopic twice, imported", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triage := triageNamed(stack, "Triage", nil)
			for _, id := range []string{"One", "Two"} {
				triage.AttachTopic(awssns.Topic_FromTopicArn(stack, jsii.String(id), jsii.String("arn:aws:sns:eu-west-1:111122223333:alarms")), nil)
			}
		}, "alarmtriage: topic S/Two is attached to AlarmTriage S/Triage already: call AttachTopic once, with all NamePrefixes"},
		{"AttachTopic with too many prefixes", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachTopic(awssns.NewTopic(stack, jsii.String("Alarms"), nil),
				&alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings(strings.Split(strings.Repeat("x ", 150)+"x", " ")...)})
		}, "alarmtriage: AlarmTopicProps.NamePrefixes must contain at most 150 prefixes, which is SNS's limit of a filter policy, got 151"},
		{"the action twice", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triage := triageNamed(stack, "Triage", nil)
			alarm := newAlarm(stack, "One")
			triage.AttachAlarms(alarm)
			alarm.AddAlarmAction(triage.AlarmAction())
			app.Synth(nil)
		}, "[S/Triage] alarmtriage: the alarm actions of alarm S/One contain AlarmTriage S/Triage twice, and CloudFormation rejects duplicates: attach the alarm with AttachAlarms, or add AlarmAction once, but not both"},
		{"alarms and topic in another stack", func(app awscdk.App) {
			monitoring := stackIn(app, "Monitoring", "eu-west-1")
			triage := alarmtriage.NewAlarmTriage(stackIn(app, "TriageStack", "eu-west-1"), jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
				NotificationTopic: awssns.NewTopic(monitoring, jsii.String("OnCall"), nil)})
			triage.AttachAlarms(newAlarm(monitoring, "orders-errors"))
		}, "alarmtriage: alarm Monitoring/orders-errors can't be attached to AlarmTriage TriageStack/Triage: its stack Monitoring contains resources that AlarmTriage uses (NotificationTopic Monitoring/OnCall), so stack TriageStack depends on it, and stacks can't depend on each other. Define these resources in stack TriageStack or in a third stack, or define AlarmTriage in stack Monitoring, or use AttachEventRule, with which alarms do not refer to AlarmTriage"},
		{"alarms and keys in another stack", func(app awscdk.App) {
			monitoring, stack := stackIn(app, "Monitoring", "eu-west-1"), stackIn(app, "TriageStack", "eu-west-1")
			key := func(id string) awskms.IKey { return awskms.NewKey(monitoring, jsii.String(id), nil) }
			triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
				NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), &awssns.TopicProps{MasterKey: key("A")}),
				ReportsBucket:     awss3.NewBucket(stack, jsii.String("Reports"), &awss3.BucketProps{EncryptionKey: key("B")}),
				OnFailureQueue:    awssqs.NewQueue(stack, jsii.String("Failed"), &awssqs.QueueProps{EncryptionMasterKey: key("C")}),
				Runbooks:          &alarmtriage.Runbooks{Bucket: awss3.NewBucket(stack, jsii.String("Docs"), &awss3.BucketProps{EncryptionKey: key("D")})}})
			triage.AttachAlarms(newAlarm(monitoring, "One"))
		}, "alarmtriage: alarm Monitoring/One can't be attached to AlarmTriage TriageStack/Triage: its stack Monitoring contains resources that AlarmTriage uses (the key of NotificationTopic Monitoring/A, the key of ReportsBucket Monitoring/B, the key of Runbooks Monitoring/D, the key of OnFailureQueue Monitoring/C), so stack TriageStack depends on it"},
		{"AttachTopic and AttachAll over another stack", func(app awscdk.App) {
			monitoring, stack := stackIn(app, "Monitoring", "eu-west-1"), stackIn(app, "TriageStack", "eu-west-1")
			triage := triageNamed(stack, "Triage", nil)
			triage.AttachTopic(awssns.NewTopic(monitoring, jsii.String("Alarms"), nil), nil)
			triage.AttachAll(app, nil)
			newAlarm(monitoring, "orders-errors")
			newAlarm(monitoring, "orders-latency")
			app.Synth(nil)
		}, "[TriageStack/Triage] alarmtriage: AttachAll can't attach 2 alarms of stack Monitoring (Monitoring/orders-errors, Monitoring/orders-latency): its stack Monitoring contains resources that AlarmTriage uses (AttachTopic Monitoring/Alarms), so stack TriageStack depends on it, and stacks can't depend on each other."},
		{"AttachAlarms, then AttachTopic", func(app awscdk.App) {
			monitoring := stackIn(app, "Monitoring", "eu-west-1")
			triage := triageNamed(stackIn(app, "TriageStack", "eu-west-1"), "Triage", nil)
			triage.AttachAlarms(newAlarm(monitoring, "orders-errors"))
			triage.AttachTopic(awssns.NewTopic(monitoring, jsii.String("Alarms"), nil), nil)
		}, "alarmtriage: AlarmTriage TriageStack/Triage can't use AttachTopic Monitoring/Alarms: stack TriageStack would depend on stack Monitoring, and stacks can't depend on each other; the attached alarms Monitoring/orders-errors are in stack Monitoring, too. Define the resource in stack TriageStack or in a third stack, or define AlarmTriage in stack Monitoring, or use AttachEventRule for these alarms"},
		{"a bus in the stack of the alarms", func(app awscdk.App) {
			monitoring := stackIn(app, "Monitoring", "eu-west-1")
			triage := triageNamed(stackIn(app, "TriageStack", "eu-west-1"), "Triage", nil)
			triage.AttachAlarms(newAlarm(monitoring, "orders-errors"))
			triage.AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{EventBus: awsevents.NewEventBus(monitoring, jsii.String("Bus"), nil)})
		}, "alarmtriage: AlarmTriage TriageStack/Triage can't use EventBus Monitoring/Bus: stack TriageStack would depend on stack Monitoring"},
		{"two AlarmTriages in two stacks, each over the app", func(app awscdk.App) {
			for _, id := range []string{"S1", "S2"} {
				stack := stackIn(app, id, "eu-west-1")
				triageNamed(stack, "Triage", nil).AttachAll(app, nil)
				newAlarm(stack, "Errors")
			}
			app.Synth(nil)
		}, "alarmtriage: AttachAll can't attach 1 alarm of stack S"},
		{"the same names in one stack", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "A", named)
			triageNamed(stack, "B", named)
		}, `alarmtriage: ResourcePrefix and ResourceSuffix give AlarmTriage S/B the same names as AlarmTriage S/A, such as the role "prod-tool-role", and an account can have each role and dashboard only once, in whatever Region: set another ResourcePrefix, or a ResourceSuffix such as the Region`},
		{"the same names in two Regions", func(app awscdk.App) {
			triageNamed(stackIn(app, "Ireland", "eu-west-1"), "Triage", named)
			triageNamed(stackIn(app, "Virginia", "us-east-1"), "Triage", named)
		}, `alarmtriage: ResourcePrefix and ResourceSuffix give AlarmTriage Virginia/Triage the same names as AlarmTriage Ireland/Triage, such as the role "prod-tool-role"`},
		{"a service in upper case", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedActions = jsii.Strings("CloudTrail:LookupEvents")
		}), `alarmtriage: ToolDeniedActions must contain IAM actions whose service is in lower case, such as "cloudtrail:LookupEvents", got "CloudTrail:LookupEvents"`},
		{"a wildcard that CDK rejects", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedActions = jsii.Strings("logs:FilterLogEvent?")
		}), `alarmtriage: ToolDeniedActions must contain IAM actions whose only wildcard is *, because CDK rejects the wildcard ?, got "logs:FilterLogEvent?"`},
		{"a rule that matches nothing", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{
				NamePrefixes: jsii.Strings("prod-a", "prod-b", "prod-a", "test-"), ExceptNamePrefixes: jsii.Strings("dev-", "prod-", "test-")})
		}, `alarmtriage: EventRuleProps.ExceptNamePrefixes must leave some of the alarms that EventRuleProps.NamePrefixes selects, got "prod-", "test-", which excludes all of them: correct one of both`},
		{"a filter that matches nothing", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachAll(app, &alarmtriage.AlarmFilter{
				NamePrefixes: jsii.Strings("prod-"), ExceptNamePrefixes: jsii.Strings("prod-")})
		}, `alarmtriage: AlarmFilter.ExceptNamePrefixes must leave some of the alarms that AlarmFilter.NamePrefixes selects, got "prod-", which excludes all of them: correct one of both`},
		{"a rule for self-alarms", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{
				NamePrefixes: jsii.Strings("alarmtriage-self-")})
		}, `alarmtriage: EventRuleProps.NamePrefixes must not select self-alarms, which no AlarmTriage investigates, got "alarmtriage-self-": notify people with SelfAlarmTopic`},
		{"a topic for self-alarms", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			triageNamed(stack, "Triage", nil).AttachTopic(awssns.NewTopic(stack, jsii.String("Alarms"), nil), &alarmtriage.AlarmTopicProps{
				NamePrefixes: jsii.Strings("alarmtriage-self-shop", "prod-")})
		}, `alarmtriage: AlarmTopicProps.NamePrefixes must not select self-alarms, which no AlarmTriage investigates, got "alarmtriage-self-shop": notify people with SelfAlarmTopic`},
		{"denied resources that can't exist", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedResources = jsii.Strings("arn:aws:logs:eu-west-1:11112222333:log-group:/a", "arn:aws:logs:eu-west1:111122223333:log-group:/b", "arn:aws-cn:s3:::b",
				"arn:aws:logs:*:1111222233334*:log-group:/c", "arn:aws*:logs:eu-*:1111*:log-group:/d", "arn:aws:logs:*:????????????:log-group:/e")
		}), `alarmtriage: ToolDeniedResources must contain ARNs of the stack's partition aws, got "aws-cn" in "arn:aws-cn:s3:::b"
alarmtriage: ToolDeniedResources must contain ARNs with Regions such as "eu-west-1", got "eu-west1" in "arn:aws:logs:eu-west1:111122223333:log-group:/b"
alarmtriage: ToolDeniedResources must contain ARNs with account IDs of 12 digits, got "11112222333" in "arn:aws:logs:eu-west-1:11112222333:log-group:/a"
alarmtriage: ToolDeniedResources must contain ARNs with account IDs of 12 digits, got "1111222233334*" in "arn:aws:logs:*:1111222233334*:log-group:/c"`},
		{"infinite tokens", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { p.MaxTokens = jsii.Number(math.Inf(1)) }),
			"alarmtriage: MaxTokens must be a whole number of at least 10000, got +Inf"},
		{"numbers that are none", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.MaxCostUsd, p.ToolMemorySize, p.MaxQueryCostUsd = jsii.Number(math.Inf(1)), jsii.Number(math.NaN()), jsii.Number(math.NaN())
			p.ModelPrices = &map[string]*alarmtriage.ModelPrice{"a": {Input: jsii.Number(math.Inf(1)), Output: jsii.Number(1)}}
		}), "alarmtriage: MaxCostUsd must be more than 0, got +Inf\nalarmtriage: MaxQueryCostUsd must be more than 0, got NaN\nalarmtriage: ModelPrices must be at least 0, got +Inf for \"a\"\nalarmtriage: ToolMemorySize must be a whole number between 512 and 10240, got NaN"},
		{"instructions that do not exist", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { p.InstructionsFile = jsii.String("nowhere.md") }),
			`alarmtriage: InstructionsFile "nowhere.md" does not exist in ` + directory + `, the directory in which the app runs: use a path that is relative to it, or an absolute one`},
		{"instructions that do not exist, absolute", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { p.InstructionsFile = jsii.String("/nowhere.md") }),
			`alarmtriage: InstructionsFile "/nowhere.md" does not exist`},
		{"instructions that are a directory", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { p.InstructionsFile = jsii.String("docs") }),
			`alarmtriage: InstructionsFile must be the path of a text file, got the directory "docs"`},
		{"instructions that are too long", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.InstructionsFile = file("long.md", strings.Repeat("x", 65_537))
		}), `alarmtriage: InstructionsFile must have at most 65536 bytes, because the orchestrator reads no more, and "` + filepath.Join(texts, "long.md") + `" has 65537: shorten it, or move what concerns single alarms to Runbooks`},
		{"instructions that are empty", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.InstructionsFile = file("empty.md", " \n\t\n")
		}),
			`alarmtriage: InstructionsFile must contain a text, and "` + filepath.Join(texts, "empty.md") + `" is empty: write the instructions, or omit InstructionsFile`},
		{"instructions that are binary", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.InstructionsFile = file("image.md", "\x89PNG\x00")
		}),
			`alarmtriage: InstructionsFile must be a text in UTF-8, and "` + filepath.Join(texts, "image.md") + `" is not: convert it, or use another file`},
		{"instructions in UTF-16", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.InstructionsFile = file("wide.md", "h\x00i\x00")
		}),
			`alarmtriage: InstructionsFile must be a text in UTF-8, and "` + filepath.Join(texts, "wide.md") + `" is not`},
		{"keys that are addresses", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			bucket := awss3.NewBucket(stack, jsii.String("Texts"), nil)
			p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: bucket, Key: jsii.String("s3://b/ops.md")}
			p.Runbooks = &alarmtriage.Runbooks{Bucket: bucket, Prefix: jsii.String("s3://b/runbooks/")}
		}), `alarmtriage: InstructionsObject.Key must be the key of an object in Bucket such as "triage/instructions.md", without s3://, the bucket's name, and a slash at its beginning or end, got "s3://b/ops.md"
alarmtriage: Runbooks.Prefix must be the beginning of keys in Bucket such as "runbooks/", without s3:// and the bucket's name, got "s3://b/runbooks/"`},
		{"a key that begins with a slash", instructionsAt("/ops.md"), `alarmtriage: InstructionsObject.Key must be the key of an object in Bucket such as "triage/instructions.md", without s3://, the bucket's name, and a slash at its beginning or end, got "/ops.md"`},
		{"a key of a folder", instructionsAt("ops/"), `alarmtriage: InstructionsObject.Key must be the key of an object in Bucket such as "triage/instructions.md", without s3://, the bucket's name, and a slash at its beginning or end, got "ops/"`},
		{"keys with wildcards of IAM", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			bucket := awss3.NewBucket(stack, jsii.String("Texts"), nil)
			p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: bucket, Key: jsii.String("triage/*")}
			p.Runbooks = &alarmtriage.Runbooks{Bucket: bucket, Prefix: jsii.String("team-?/")}
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("arn:aws:bedrock:eu-west-1:111122223333:guardrail/*"), GuardrailVersion: jsii.String("1")}
		}), `alarmtriage: Guardrail.GuardrailId must be the ID or the ARN of a guardrail, got "arn:aws:bedrock:eu-west-1:111122223333:guardrail/*"
alarmtriage: InstructionsObject.Key must not contain *, ?, and ${, which IAM does not take literally in the policy of the orchestrator's role, got "triage/*": rename the objects
alarmtriage: Runbooks.Prefix must not contain *, ?, and ${, which IAM does not take literally in the policy of the orchestrator's role, got "team-?/": rename the objects`},
		{"ARNs with wildcards of IAM", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.NotificationTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Every"), jsii.String("arn:aws:sns:eu-west-1:111122223333:*"))
			p.TopicEncryptionKey = awskms.Key_FromKeyArn(stack, jsii.String("Keys"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/*"))
			p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.Bucket_FromBucketAttributes(stack, jsii.String("Texts"), &awss3.BucketAttributes{
				BucketName: jsii.String("texts"), EncryptionKey: p.TopicEncryptionKey})}
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("arn:aws:bedrock:" + *awscdk.Aws_REGION() + ":111122223333:guardrail/*"), GuardrailVersion: jsii.String("1")}
		}), `:111122223333:guardrail/*", whose wildcards or variables IAM does not take literally in the policy of the orchestrator's role
alarmtriage: NotificationTopic must be one resource, got the ARN "arn:aws:sns:eu-west-1:111122223333:*", whose wildcards or variables IAM does not take literally in the policy of the orchestrator's role
alarmtriage: TopicEncryptionKey must be one resource, got the ARN "arn:aws:kms:eu-west-1:111122223333:key/*", whose wildcards or variables IAM does not take literally in the policy of the orchestrator's role
alarmtriage: the key of Runbooks must be one resource, got the ARN "arn:aws:kms:eu-west-1:111122223333:key/*", whose wildcards`},
		{"a key with a variable of IAM", instructionsAt("${aws:PrincipalTag/team}.md"), `alarmtriage: InstructionsObject.Key must not contain *, ?, and ${, which IAM does not take literally`},
		{"a key with a token and a wildcard", instructionsAt(*awscdk.Aws_REGION() + "/*"), `alarmtriage: InstructionsObject.Key must not contain *, ?, and ${, which IAM does not take literally`},
		{"a key that is empty", instructionsAt(""), `alarmtriage: InstructionsObject must have Bucket and Key`},
		{"a schedule that EventBridge does not know", selfCheckAt("every monday"), `alarmtriage: SelfCheckSchedule must be an expression such as "rate(7 days)" or "cron(0 6 ? * MON *)", got "every monday"`},
		{"a schedule of EventBridge Scheduler", selfCheckAt("at(2027-01-01T06:00:00)"), `alarmtriage: SelfCheckSchedule must be an expression such as "rate(7 days)" or "cron(0 6 ? * MON *)", got "at(2027-01-01T06:00:00)"`},
		{"a rate whose unit does not agree with its number", selfCheckAt("rate(1 days)"), `alarmtriage: SelfCheckSchedule must be an expression such as "rate(7 days)" or "cron(0 6 ? * MON *)", got "rate(1 days)"`},
		{"a schedule with the days of a month and of a week", selfCheckAt("cron(0 6 * * MON *)"), `alarmtriage: SelfCheckSchedule must be an expression such as "rate(7 days)" or "cron(0 6 ? * MON *)", got "cron(0 6 * * MON *)"`},
		{"a minute that no hour has", selfCheckAt("cron(60 6 ? * MON *)"), `got "cron(60 6 ? * MON *)"`},
		{"a minute that is no number", selfCheckAt("cron(% 6 ? * MON *)"), `got "cron(% 6 ? * MON *)"`},
		{"an hour that no day has", selfCheckAt("cron(0 8-24 ? * MON *)"), `got "cron(0 8-24 ? * MON *)"`},
		{"a day that no month has", selfCheckAt("cron(0 6 1,32 * ? *)"), `got "cron(0 6 1,32 * ? *)"`},
		{"a month that no year has", selfCheckAt("cron(0 6 1 FOO ? *)"), `got "cron(0 6 1 FOO ? *)"`},
		{"a weekday as crontab numbers it", selfCheckAt("cron(0 6 ? * 0 *)"), `got "cron(0 6 ? * 0 *)"`},
		{"a year that EventBridge does not have", selfCheckAt("cron(0 6 ? * MON 26)"), `got "cron(0 6 ? * MON 26)"`},
		{"durations that are tokens of another unit", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			value := awscdk.NewCfnParameter(stack, jsii.String("P"), &awscdk.CfnParameterProps{Type: jsii.String("Number")}).ValueAsNumber()
			p.InvestigationWindow, p.ToolTimeout, p.ReportsRetention = awscdk.Duration_Hours(value), awscdk.Duration_Minutes(value), awscdk.Duration_Hours(value)
			p.OrchestratorTimeout = awscdk.Duration_Seconds(value)
		}), `alarmtriage: InvestigationWindow must be a Duration_Seconds if its value is a token, because CDK can't convert tokens
alarmtriage: ReportsRetention must be a Duration_Days if its value is a token, because CDK can't convert tokens
alarmtriage: ToolTimeout must be a Duration_Seconds if its value is a token, because CDK can't convert tokens`},
		{"the topic and an alarm in a nested stack", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			nested := awscdk.NewNestedStack(stack, jsii.String("N"), nil)
			triageWithTopic(stack, awssns.NewTopic(nested, jsii.String("OnCall"), nil)).AttachAlarms(newAlarm(nested, "One"))
		}, "alarmtriage: alarm S/N/One can't be attached to AlarmTriage S/Triage: its stack S/N contains resources that AlarmTriage uses (NotificationTopic S/N/OnCall), so stack S depends on it, and stacks can't depend on each other. Define these resources in stack S or in a third stack, or define AlarmTriage in stack S/N, or use AttachEventRule"},
		{"the topic and an alarm in stacks of a sibling", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			nested, sibling := awscdk.NewNestedStack(stack, jsii.String("N"), nil), awscdk.NewNestedStack(stack, jsii.String("M"), nil)
			deep := awscdk.NewNestedStack(nested, jsii.String("D"), nil)
			triageWithTopic(sibling, awssns.NewTopic(deep, jsii.String("OnCall"), nil)).AttachAll(app, nil)
			newAlarm(nested, "One")
			app.Synth(nil)
		}, "[S/M/Triage] alarmtriage: AttachAll can't attach 1 alarm of stack S/N (S/N/One): its stack S/N contains resources that AlarmTriage uses (NotificationTopic S/N/D/OnCall), so stack S/M depends on it, and stacks can't depend on each other."},
		{"a topic in the nested stack of an alarm, after the alarm", func(app awscdk.App) {
			stack := stackIn(app, "S", "eu-west-1")
			nested, sibling := awscdk.NewNestedStack(stack, jsii.String("N"), nil), awscdk.NewNestedStack(stack, jsii.String("M"), nil)
			triage := triageNamed(sibling, "Triage", nil)
			triage.AttachAlarms(newAlarm(nested, "One"))
			triage.AttachTopic(awssns.NewTopic(nested, jsii.String("Alarms"), nil), nil)
		}, "alarmtriage: AlarmTriage S/M/Triage can't use AttachTopic S/N/Alarms: stack S/M would depend on stack S/N, and stacks can't depend on each other; the attached alarms S/N/One are in stack S/N, too."},
		{"five layers", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			layers := []awslambda.ILayerVersion{}
			for i := range 5 {
				layers = append(layers, awslambda.LayerVersion_FromLayerVersionArn(stack, jsii.Sprintf("L%d", i), jsii.Sprintf("arn:aws:lambda:eu-west-1:111122223333:layer:l%d:1", i)))
			}
			p.ToolLayers = &layers
		}), "alarmtriage: ToolLayers must contain at most 4 layers, because a function has at most 5, and AlarmTriage's harness is one of them, got 5: combine layers"},
		{"MaxCostUsd without a price", props(func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.MaxCostUsd, p.BedrockModelId = jsii.Number(1), jsii.String("writer.palmyra-x5-v1:0")
		}), `alarmtriage: MaxCostUsd needs the price of each model, and the built-in table has none for "writer.palmyra-x5-v1:0": add it to ModelPrices, or set MaxTokens instead`},
		{"a table with another key", table(&awsdynamodb.TableProps{PartitionKey: text("id")}),
			`alarmtriage: InvestigationsTable must have the HASH key "pk" of type S and no other key, got the HASH key "id" of type S`},
		{"a table with a number as key", table(&awsdynamodb.TableProps{PartitionKey: &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_NUMBER}}),
			`alarmtriage: InvestigationsTable must have the HASH key "pk" of type S and no other key, got the HASH key "pk" of type N`},
		{"a table with a sort key", table(&awsdynamodb.TableProps{PartitionKey: text("pk"), SortKey: text("sk")}),
			`alarmtriage: InvestigationsTable must have the HASH key "pk" of type S and no other key, got the HASH key "pk" of type S and the RANGE key "sk" of type S`},
		{"a global table with another key", props(func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.InvestigationsTable = awsdynamodb.NewTableV2(stack, jsii.String("Claims"), &awsdynamodb.TablePropsV2{PartitionKey: text("id")})
		}), `alarmtriage: InvestigationsTable must have the HASH key "pk" of type S and no other key, got the HASH key "id" of type S`},
		{"an alarm of another Region", func(app awscdk.App) {
			triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil).AttachAlarms(newAlarm(stackIn(app, "Far", "us-east-1"), "One"))
		}, "alarmtriage: alarm Far/One can't be attached to AlarmTriage S/Triage: it is in aws://111122223333/us-east-1 and the orchestrator is in aws://111122223333/eu-west-1; send its events to a bus there and use AttachEventRule"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			message := panicOf(t, func() { tt.build(newTestApp()) })
			if strings.HasPrefix(tt.want, "alarmtriage") && !strings.Contains(message, "Validation failed") {
				assert.True(t, strings.HasPrefix(message, tt.want), "want %s\ngot  %s", tt.want, message)
				return
			}
			assert.Contains(t, message, tt.want)
		})
	}
}

// CDK ignores grants of an alias that it imports by name.
func TestKeys_RejectAnAliasThatIsImportedByName(t *testing.T) {
	problem := func(prop string) string {
		return "alarmtriage: " + prop + " must be a key whose use can be granted, got the alias Test/Alias, which CDK imports by name: pass the key by its ARN " +
			"(awskms.Key_FromKeyArn), or set the feature flag @aws-cdk/aws-kms:applyImportedAliasPermissionsToPrincipal"
	}
	bucket := func(stack awscdk.Stack, key awskms.IKey) awss3.IBucket {
		return awss3.Bucket_FromBucketAttributes(stack, jsii.String("Bucket"), &awss3.BucketAttributes{BucketName: jsii.String("given"), EncryptionKey: key})
	}
	for _, tt := range []struct {
		name   string
		change func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey)
		want   []string // props
	}{
		{"topics", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.NotificationTopic = awssns.Topic_FromTopicArn(stack, jsii.String("Given"), jsii.String("arn:aws:sns:eu-west-1:111122223333:reports"))
			p.TopicEncryptionKey = key
		}, []string{"TopicEncryptionKey"}},
		{"reports and table", func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.ReportsEncryptionKey, p.TableEncryptionKey = key, key
		}, []string{"ReportsEncryptionKey", "TableEncryptionKey"}},
		{"a topic of the app", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.NotificationTopic = awssns.NewTopic(stack, jsii.String("Encrypted"), &awssns.TopicProps{MasterKey: key})
		}, []string{"the key of NotificationTopic"}},
		{"a bucket of reports", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.ReportsBucket = bucket(stack, key)
		},
			[]string{"the key of ReportsBucket"}},
		{"runbooks", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.Runbooks = &alarmtriage.Runbooks{Bucket: bucket(stack, key)}
		}, []string{"the key of Runbooks"}},
		{"instructions", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps, key awskms.IKey) {
			p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: bucket(stack, key), Key: jsii.String("a.md")}
		}, []string{"the key of InstructionsObject"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			create := func(stack awscdk.Stack, key awskms.IKey) func() {
				return func() { newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { tt.change(stack, p, key) }) }
			}
			byName := func(stack awscdk.Stack) awskms.IKey {
				return awskms.Alias_FromAliasName(stack, jsii.String("Alias"), jsii.String("alias/given"))
			}
			var want []string
			for _, prop := range tt.want {
				want = append(want, problem(prop))
			}
			stack := newStack()
			assert.Equal(t, strings.Join(want, "\n"), panicOf(t, create(stack, byName(stack))))

			stack = newStack()
			stack.Node().SetContext(jsii.String("@aws-cdk/aws-kms:applyImportedAliasPermissionsToPrincipal"), true)
			assert.NotPanics(t, create(stack, byName(stack)), "with the flag")
			stack = newStack()
			assert.NotPanics(t, create(stack, awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/abc"))), "by its ARN")
			stack = newStack()
			assert.NotPanics(t, create(stack, awskms.NewAlias(stack, jsii.String("Alias"), &awskms.AliasProps{
				AliasName: jsii.String("alias/given"), TargetKey: awskms.NewKey(stack, jsii.String("Key"), nil)})), "an alias of the app")
			stack = newStack()
			awsiam.Role_CustomizeRoles(stack, &awsiam.CustomizeRolesOptions{UsePrecreatedRoles: &map[string]*string{
				"Test/Triage/ToolRole": jsii.String("tool"), "Test/Triage/OrchestratorRole": jsii.String("orchestrator")}})
			assert.NotPanics(t, create(stack, awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String("arn:aws:kms:eu-west-1:111122223333:key/abc"))), "with existing roles")
		})
	}
}

// CDK can't refer to a stack whose environment is another one or not known, although both may be deployed to the same place.
func TestAttach_AlarmsOfStacksWithUnknownEnvironments(t *testing.T) {
	const account, region = "111122223333", "eu-west-1"
	unknown := func(what string) string {
		return "the " + what + " not known at synth: pass the same Env to both stacks"
	}
	for _, tt := range []struct {
		name                                           string
		homeAccount, homeRegion, farAccount, farRegion string
		want                                           string // empty: the alarm can be attached
	}{
		{"both are unknown", "", "", "", "", ""},
		{"the alarm's stack", account, region, "", "", unknown("account and Region of stack Far are")},
		{"the account of the alarm's stack", account, region, "", region, unknown("account of stack Far is")},
		{"the Region of the alarm's stack", account, region, account, "", unknown("Region of stack Far is")},
		{"the account, and another Region", account, region, "", "us-east-1", "it is in aws://unknown-account/us-east-1 and the orchestrator is in aws://111122223333/eu-west-1; send its events to a bus there and use AttachEventRule"},
		{"AlarmTriage's stack", "", "", account, region, unknown("account and Region of stack Home are")},
		{"a part of each", account, "", "", region, unknown("account of stack Far is")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			build := func(attach func(app awscdk.App, triage *alarmtriage.AlarmTriage, alarm awscloudwatch.Alarm)) awscdk.Stack {
				app := newTestApp()
				triage := triageNamed(stackOf(app, "Home", tt.homeAccount, tt.homeRegion), "Triage", nil)
				far := stackOf(app, "Far", tt.farAccount, tt.farRegion)
				attach(app, triage, newAlarm(far, "One"))
				return far
			}
			byHand := func() {
				build(func(_ awscdk.App, triage *alarmtriage.AlarmTriage, alarm awscloudwatch.Alarm) {
					triage.AttachAlarms(alarm)
				})
			}
			far := build(func(app awscdk.App, triage *alarmtriage.AlarmTriage, _ awscloudwatch.Alarm) {
				triage.AttachAll(app, nil)
			})
			if tt.want == "" {
				assert.NotPanics(t, byHand)
				assert.NotContains(t, strings.Join(messagesOf(far), "\n"), "out-of-reach")
				return
			}
			assert.Equal(t, "alarmtriage: alarm Far/One can't be attached to AlarmTriage Home/Triage: "+tt.want, panicOf(t, byHand))
			assert.Equal(t, []string{"/Far alarmtriage:out-of-reach: alarmtriage: 1 alarm is not attached to AlarmTriage Home/Triage (Far/One): " + tt.want}, messagesOf(far))
		})
	}
}

// CDK calls an action while it adds it, and jsii can't be used after such a call panicked. Another process therefore
// makes each of these mistakes, whose name is in this variable.
const mistakeVariable = "ALARMTRIAGE_TEST_MISTAKE"

var mistakesOfActions = map[string]struct {
	make func(app awscdk.App)
	want string
}{
	"another Region": {func(app awscdk.App) {
		triage := triageNamed(stackIn(app, "S", "eu-west-1"), "Triage", nil)
		newAlarm(stackIn(app, "Far", "us-east-1"), "One").AddAlarmAction(triage.AlarmAction())
	}, "alarmtriage: alarm Far/One can't be attached to AlarmTriage S/Triage: it is in aws://111122223333/us-east-1 and the orchestrator is in aws://111122223333/eu-west-1"},
	"a cycle": {func(app awscdk.App) {
		monitoring := stackIn(app, "Monitoring", "eu-west-1")
		triage := alarmtriage.NewAlarmTriage(stackIn(app, "S", "eu-west-1"), jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
			NotificationTopic: awssns.NewTopic(monitoring, jsii.String("OnCall"), nil)})
		newAlarm(monitoring, "One").AddAlarmAction(triage.AlarmAction())
	}, "alarmtriage: alarm Monitoring/One can't be attached to AlarmTriage S/Triage: its stack Monitoring contains resources that AlarmTriage uses (NotificationTopic Monitoring/OnCall)"},
	"an imported alarm": {func(app awscdk.App) {
		stack := stackIn(app, "S", "eu-west-1")
		imported := awscloudwatch.Alarm_FromAlarmArn(stack, jsii.String("Imported"), jsii.String("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:x"))
		imported.(awscloudwatch.AlarmBase).AddAlarmAction(triageNamed(stack, "Triage", nil).AlarmAction())
	}, "alarmtriage: alarm S/Imported can't be attached to AlarmTriage S/Triage: it is imported, so its actions can't be changed; use AttachEventRule or AttachTopic"},
}

func TestAlarmAction_RejectsMistakes(t *testing.T) {
	if name := os.Getenv(mistakeVariable); name != "" {
		mistakesOfActions[name].make(newTestApp())
		return
	}
	for name, tt := range mistakesOfActions {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestAlarmAction_RejectsMistakes$")
			cmd.Env = append(os.Environ(), mistakeVariable+"="+name)
			output, err := cmd.CombinedOutput()
			assert.Error(t, err, "it must not pass")
			assert.Contains(t, string(output), tt.want)
		})
	}
}

func TestSynth_WarningsCanBeAcknowledged(t *testing.T) {
	stack := stackIn(newTestApp(), "Test", "eu-west-1")
	triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.ToolAllowedActions = jsii.Strings("sqs:PurgeQueue") })
	awscdk.Annotations_Of(triage).AcknowledgeWarning(jsii.String("alarmtriage:nothing-attached"), nil)
	awscdk.Validations_Of(triage).Acknowledge(&awscdk.Acknowledgment{
		Id: jsii.String("Annotation::alarmtriage:write-action"), Reason: jsii.String("the CDK CLI suggests this id")})
	assert.Empty(t, messagesOf(stack))
}

// CDK acknowledges notes in another way than warnings. docs/construct.md describes both.
func TestSynth_NotesCanBeAcknowledged(t *testing.T) {
	const global, attached = "alarmtriage:global-profile", "alarmtriage:attached"
	messages := func(acknowledge func(triage constructs.Construct, id string)) []string {
		stack := stackIn(newTestApp(), "Test", "eu-west-1")
		triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String("global.anthropic.claude-sonnet-4-5-20250929-v1:0"), &[]*string{}
		})
		newAlarm(stack, "One")
		triage.AttachAll(stack, nil)
		for _, id := range []string{global, attached} {
			acknowledge(triage, id)
		}
		var ids []string
		for _, message := range messagesOf(stack) {
			ids = append(ids, strings.Fields(message)[1])
		}
		return ids
	}
	assert.Equal(t, []string{attached + ":", global + ":"}, messages(func(constructs.Construct, string) {}))
	assert.Empty(t, messages(func(triage constructs.Construct, id string) {
		awscdk.Annotations_Of(triage).AcknowledgeInfo(jsii.String(id), jsii.String("it is intended"))
	}))
}

func TestSameNames_OfUnknownAccountsAreAWarning(t *testing.T) {
	app := newTestApp()
	for _, id := range []string{"A", "B", "C"} {
		triage := triageNamed(awscdk.NewStack(app, jsii.String(id), nil), "Triage", func(p *alarmtriage.AlarmTriageProps) {
			if p.ResourcePrefix = jsii.String("prod"); id == "C" {
				p.ResourceSuffix = jsii.String("c")
			}
		})
		triage.AttachEventRule(jsii.String("All"), nil)
	}
	warnings := func(id string) (found []string) {
		for _, text := range messagesOf(app.Node().FindChild(jsii.String(id)).(awscdk.Stack)) {
			if strings.Contains(text, "same-names") {
				found = append(found, text)
			}
		}
		return found
	}
	assert.Equal(t, []string{`/B/Triage alarmtriage:same-names: alarmtriage: it has the same names as AlarmTriage A/Triage, such as the role "prod-tool-role", and an account can have each role and dashboard only once, in whatever Region: set another ResourcePrefix, or a ResourceSuffix such as the Region, unless both are deployed to different accounts`}, warnings("B"))
	assert.Empty(t, warnings("A"))
	assert.Empty(t, warnings("C"))
}

// Stacks that do not depend on each other in both directions stay possible.
func TestAttach_AcrossStacksInOneDirection(t *testing.T) {
	app := newTestApp()
	alarms, home, topics := stackIn(app, "Alarms", "eu-west-1"), stackIn(app, "Home", "eu-west-1"), stackIn(app, "Topics", "eu-west-1")
	triage := alarmtriage.NewAlarmTriage(home, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(topics, jsii.String("OnCall"), nil), LogsEncryptionKey: awskms.NewKey(topics, jsii.String("Key"), nil)})
	triage.AttachAlarms(newAlarm(alarms, "One"))
	triage.AttachAll(app, nil)
	newAlarm(alarms, "Two")
	newAlarm(home, "Three")
	assert.Equal(t, map[string]int{"One": 1, "Two": 1}, actionsOf(synth(alarms), "AWS::CloudWatch::Alarm"))
	assert.Equal(t, map[string]int{"Three": 1}, actionsOf(synth(home), "AWS::CloudWatch::Alarm"))
	assert.Contains(t, messagesOf(home), "/Home/Triage alarmtriage:attached: alarmtriage: attached to 3 alarms")
}

func TestAttach_AcrossNestedStacksInOneDirection(t *testing.T) {
	app := newTestApp()
	stack := stackIn(app, "S", "eu-west-1")
	nested := func(id string) awscdk.Stack { return awscdk.NewNestedStack(stack, jsii.String(id), nil) }
	topics, alarms, home := nested("Topics"), nested("Alarms"), nested("Home")
	topic := func(in awscdk.Stack, id string) awssns.Topic { return awssns.NewTopic(in, jsii.String(id), nil) }
	triageNamed(home, "A", func(p *alarmtriage.AlarmTriageProps) {
		p.NotificationTopic, p.ChatCardTopic = topic(topics, "OnCall"), topic(stack, "Chat")
	}).AttachAlarms(newAlarm(alarms, "One"), newAlarm(stack, "Two"), newAlarm(home, "Three"))
	// Only the self-alarms depend on this topic, not the function.
	triage := triageNamed(stack, "B", func(p *alarmtriage.AlarmTriageProps) { p.SelfAlarmTopic = topic(alarms, "Platform") })
	triage.AttachAlarms(newAlarm(alarms, "Four"))
	alarmTopic := topic(alarms, "Topic")
	triage.AttachTopic(alarmTopic, nil)
	assert.Empty(t, messagesOf(stack))
	assert.Equal(t, map[string]int{"One": 1, "Four": 1}, actionsOf(assertions.Template_FromStack(alarms, nil), "AWS::CloudWatch::Alarm"))
}

func TestAlarms_ConvertsListsOfAnyType(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	triage.AttachAlarms(alarmtriage.Alarms([]awscloudwatch.Alarm{newAlarm(stack, "One"), newAlarm(stack, "Two")})...)
	triage.AttachAlarms(alarmtriage.Alarms([]awscloudwatch.IAlarm{newAlarm(stack, "Three")})...)
	triage.AttachAlarms(alarmtriage.Alarms([]awscloudwatch.AlarmBase{newAlarm(stack, "Four")})...)
	assert.Equal(t, map[string]int{"One": 1, "Two": 1, "Three": 1, "Four": 1}, actionsOf(synth(stack), "AWS::CloudWatch::Alarm"))
}

// The resource of an alarm construct has a list of actions that can't be changed.
func TestAttachAlarms_AcceptsTheResourceOfAConstruct(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	alarm := newAlarm(stack, "One")
	triage.AttachAlarms(alarm.Node().DefaultChild(), alarm)
	assert.Equal(t, map[string]int{"One": 1}, actionsOf(synth(stack), "AWS::CloudWatch::Alarm"))
}

// CDK does not apply the aspects of an app within its Stages.
func TestAttachAll_OverTheAppOfAStage(t *testing.T) {
	app := newTestApp()
	stage := awscdk.NewStage(app, jsii.String("Prod"), nil)
	shop := stackIn(stage, "Shop", "eu-west-1")
	triage := triageNamed(shop, "Triage", nil)
	newAlarm(shop, "Errors")
	newAlarm(stackIn(app, "Shared", "eu-west-1"), "Shared")
	triage.AttachAll(stage, nil)
	triage.AttachAll(app, nil)
	assert.Equal(t, []string{
		"/Prod/Shop/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm",
		"/Prod/Shop/Triage alarmtriage:stage: alarmtriage: AttachAll over the app attaches no alarm, because AlarmTriage is in Stage Prod, and CDK does not apply aspects " +
			"across Stage boundaries: pass this Stage to AttachAll, and add another AlarmTriage for alarms that are not in it",
	}, messagesOf(shop))
}

// Aspects may add alarms, and other aspects run before and after.
func TestAttachAll_AttachesAlarmsThatAspectsAdd(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	triage.AttachAll(stack.Node().Root(), nil)
	awscdk.Aspects_Of(stack).Add(&alarmAdder{}, nil)
	newAlarm(stack, "Before")
	assert.Equal(t, map[string]int{"Before": 1, "ByAspect": 1}, actionsOf(synth(stack), "AWS::CloudWatch::Alarm"))
}

// alarmAdder is an aspect that adds an alarm.
type alarmAdder struct{ done bool }

func (a *alarmAdder) Visit(node constructs.IConstruct) {
	if stack, isStack := node.(awscdk.Stack); isStack && !a.done {
		a.done = true
		newAlarm(stack, "ByAspect")
	}
}

func TestLogsEncryptionKey_IsGrantedToCloudWatchLogs(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.LogsEncryptionKey = awskms.NewKey(stack, jsii.String("Key"), nil)
	})
	synth(stack).HasResourceProperties(jsii.String("AWS::KMS::Key"), like("KeyPolicy", like("Statement", assertions.Match_ArrayWith(&[]any{like(
		"Effect", "Allow", "Principal", object("Service", "logs.eu-west-1.amazonaws.com"),
		"Action", []string{"kms:Decrypt", "kms:Describe*", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"},
		"Condition", object("ArnLike", object("kms:EncryptionContext:aws:logs:arn", object("Fn::Join", []any{"", []any{
			"arn:", object("Ref", "AWS::Partition"), ":logs:eu-west-1:111122223333:*"}}))))}))))
}
