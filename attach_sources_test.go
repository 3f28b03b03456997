package alarmtriage_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestAttachEventRule_MatchesTagsAndReportsProblems(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	team := &map[string]*[]*string{"team": jsii.Strings("payments", "orders")}
	triage.AttachEventRule(jsii.String("Tagged"), &alarmtriage.EventRuleProps{Tags: team})
	message := panicOf(t, func() {
		triage.AttachEventRule(jsii.String("Wrong"), &alarmtriage.EventRuleProps{
			Accounts: jsii.Strings("12"), Regions: jsii.Strings("eu-west1", "us-gov-west-1"), NamePrefixes: jsii.Strings(""), ExceptNamePrefixes: &[]*string{}, Tags: &map[string]*[]*string{"team": {}}})
	})
	assert.Contains(t, panicOf(t, func() {
		triage.AttachEventRule(jsii.String("Empty"), &alarmtriage.EventRuleProps{Tags: &map[string]*[]*string{}})
	}), "alarmtriage: EventRuleProps.Tags must contain at least one key; omit it to match alarms with any tags or none")
	assert.NotContains(t, message, "us-gov-west-1", "it is a Region")
	for _, want := range []string{
		`EventRuleProps.Accounts must contain account IDs of 12 digits, got "12"`,
		`EventRuleProps.Regions must contain Regions such as "eu-west-1", got "eu-west1"`, "EventRuleProps.NamePrefixes must contain only non-empty",
		"EventRuleProps.ExceptNamePrefixes must contain only non-empty", `none for "team"`,
	} {
		assert.Contains(t, message, want)
	}
	synth(stack).HasResourceProperties(jsii.String("AWS::Events::Rule"), like("EventPattern", like("detail", like(
		"alarmTags", object("team", []string{"payments", "orders"})))))
}

func TestAttachEventRule_RejectsAnIDThatExists(t *testing.T) {
	triage := newTriage(newStack(), nil)
	triage.AttachEventRule(jsii.String("Rule"), nil)
	for _, id := range []string{"Rule", "Tool"} {
		want := `alarmtriage: AttachEventRule needs an id that is unique within AlarmTriage Test/Triage, got "` + id + `", which exists: choose another one`
		assert.PanicsWithValue(t, want, func() { triage.AttachEventRule(jsii.String(id), nil) })
	}
}

func TestAttach_WarnsOfPrefixesThatLookLikePatterns(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	triage.AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("pro", "all*"), ExceptNamePrefixes: jsii.Strings("except*")})
	newAlarm(stack, "prod-errors")
	triage.AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings("rule*", "a*b", "prod-"), ExceptNamePrefixes: jsii.Strings("rule-noise*")})
	triage.AttachTopic(awssns.NewTopic(stack, jsii.String("Alarms"), nil), &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("topic*")})
	var got []string
	for _, message := range messagesOf(stack) {
		if _, text, found := strings.Cut(message, "alarmtriage:wildcard-prefix: alarmtriage: "); found {
			text, _, _ = strings.Cut(text, ", which")
			got = append(got, text)
		}
	}
	assert.ElementsMatch(t, []string{`AttachAll got the prefix "all*"`, `AttachAll got the prefix "except*"`, `AttachEventRule got the prefix "rule*"`,
		`AttachEventRule got the prefix "rule-noise*"`, `AttachTopic got the prefix "topic*"`}, got)
}

// actionsOf returns the number of alarm actions of each alarm in a template, by logical id without its hash.
func actionsOf(template assertions.Template, kind string) map[string]int {
	found := map[string]int{}
	for id, resource := range *template.FindResources(jsii.String(kind), nil) {
		actions, _ := (*resource)["Properties"].(map[string]any)["AlarmActions"].([]any)
		found[id[:len(id)-8]] = len(actions)
	}
	return found
}

func TestAttachAll_AttachesEveryAlarmOnceExceptItsOwn(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	triage.AttachAll(stack, nil)
	byHand := newAlarm(stack, "ByHand")
	triage.AttachAlarms(byHand)
	newAlarm(stack, "Later")
	awscloudwatch.NewCompositeAlarm(stack, jsii.String("Any"), &awscloudwatch.CompositeAlarmProps{
		AlarmRule: awscloudwatch.AlarmRule_FromString(jsii.String("ALARM(x)"))})
	awscloudwatch.NewAlarm(triage, jsii.String("Own"), &awscloudwatch.AlarmProps{
		Metric: triage.MetricFailures(nil), Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1)})
	annotations := assertions.Annotations_FromStack(stack)
	annotations.HasInfo(jsii.String("/Test/Triage"), assertions.Match_StringLikeRegexp(jsii.String("^alarmtriage: attached to 3 alarms \\[ack")))
	assert.Len(t, *annotations.FindInfo(jsii.String("*"), assertions.Match_StringLikeRegexp(jsii.String("attached to"))), 1, "one line for all alarms")
	template := synth(stack)
	assert.Equal(t, map[string]int{"ByHand": 1, "Later": 1, "TriageOwn": 0}, actionsOf(template, "AWS::CloudWatch::Alarm"))
	assert.Equal(t, map[string]int{"Any": 1}, actionsOf(template, "AWS::CloudWatch::CompositeAlarm"))
	template.ResourceCountIs(jsii.String("AWS::Lambda::Permission"), jsii.Number(2)) // one for all alarms, and one for the self-check
}

func TestAttachAll_FiltersByName(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	triage.AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("Prod"), ExceptNamePrefixes: jsii.Strings("ProdTest")})
	for _, id := range []string{"ProdErrors", "ProdTestErrors", "DevErrors"} {
		newAlarm(stack, id)
	}
	assert.Equal(t, map[string]int{"ProdErrors": 1, "ProdTestErrors": 0, "DevErrors": 0}, actionsOf(synth(stack), "AWS::CloudWatch::Alarm"))
}

// Some names contain tokens, such as the Region, or are an intrinsic function of an included template.
func TestAttachAll_ComparesTheKnownBeginningOfNames(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	named := func(id string, name *string) {
		newAlarm(stack, id).Node().DefaultChild().(awscloudwatch.CfnAlarm).SetAlarmName(name)
	}
	region := awscdk.Aws_REGION()
	named("ProdText", jsii.String("prod-"+*region))
	named("ProdJoin", awscdk.Fn_Join(jsii.String("-"), &[]*string{jsii.String("prod"), region}))
	named("ProdSub", awscdk.Fn_Sub(jsii.String("prod-${AWS::Region}-errors"), nil))
	named("ProdSubMap", awscdk.Fn_Sub(jsii.String("prod-${R}-errors"), &map[string]*string{"R": region}))
	named("DevText", jsii.String("dev-"+*region))
	named("Noise", jsii.String("prod-noise-"+*region))
	named("prod-id", jsii.String(*region+"-prod-")) // nothing of the name is known
	triage.AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: jsii.Strings("prod-"), ExceptNamePrefixes: jsii.Strings("prod-noise-")})
	assert.Equal(t, []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 5 alarms; 2 excluded (2 by the filter)"}, messagesOf(stack))
	assert.Equal(t, map[string]int{"ProdText": 1, "ProdJoin": 1, "ProdSub": 1, "ProdSubMap": 1, "DevText": 0, "Noise": 0, "prodid": 1},
		actionsOf(synth(stack), "AWS::CloudWatch::Alarm"))
}

// Alarms that only scale a service go to ALARM when all is well.
func TestAttachAll_ExcludesAlarmsThatOnlyScale(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	scale := func(id string) awsapplicationautoscaling.StepScalingPolicy {
		target := awsapplicationautoscaling.NewScalableTarget(stack, jsii.String(id), &awsapplicationautoscaling.ScalableTargetProps{
			MinCapacity: jsii.Number(1), MaxCapacity: jsii.Number(9), ResourceId: jsii.String("service/shop/" + id),
			ScalableDimension: jsii.String("ecs:service:DesiredCount"), ServiceNamespace: awsapplicationautoscaling.ServiceNamespace_ECS})
		return target.ScaleOnMetric(jsii.String("Depth"), &awsapplicationautoscaling.BasicStepScalingPolicyProps{
			Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Depth")}),
			ScalingSteps: &[]*awsapplicationautoscaling.ScalingInterval{{Upper: jsii.Number(10), Change: jsii.Number(-1)},
				{Lower: jsii.Number(50), Change: jsii.Number(1)}, {Lower: jsii.Number(90), Change: jsii.Number(2)}}})
	}
	plain := func(id string, actions ...any) {
		awscloudwatch.NewCfnAlarm(stack, jsii.String(id), &awscloudwatch.CfnAlarmProps{
			ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1), AlarmActions: &actions})
	}
	scale("Silent")
	notifies := scale("Notifies") // people want to know when it is at its limit
	notifies.UpperAlarm().AddAlarmAction(awscloudwatchactions.NewSnsAction(awssns.NewTopic(stack, jsii.String("Topic"), nil)))
	const group = "arn:aws:autoscaling:eu-west-1:111122223333:scalingPolicy:1:autoScalingGroupName/web:policyName/"
	policy := awsautoscaling.NewCfnScalingPolicy(stack, jsii.String("Policy"), &awsautoscaling.CfnScalingPolicyProps{AutoScalingGroupName: jsii.String("web")})
	plain("PlainRefXXXXXXXX", policy.Ref())
	plain("PlainArnXXXXXXXX", group+"out", group+"more")
	plain("PlainBothXXXXXXXX", group+"out", "arn:aws:sns:eu-west-1:111122223333:pager")
	plain("PlainRecoverXXXXXXXX", "arn:aws:automate:eu-west-1:ec2:recover")
	wanted := scale("Wanted")
	triage.AttachAlarms(wanted.LowerAlarm())
	triage.AttachAll(stack, nil)
	assert.Equal(t, []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 4 alarms; 6 excluded (6 that only scale)"}, messagesOf(stack))
	assert.Equal(t, map[string]int{
		"SilentDepthLowerAlarm": 1, "SilentDepthUpperAlarm": 1, "NotifiesDepthLowerAlarm": 1, "NotifiesDepthUpperAlarm": 3,
		"PlainRef": 1, "PlainArn": 2, "PlainBoth": 3, "PlainRecover": 2, "WantedDepthLowerAlarm": 2, "WantedDepthUpperAlarm": 1,
	}, actionsOf(synth(stack), "AWS::CloudWatch::Alarm"))
}

// Templates that an app includes, and other libraries, define alarms as plain resources.
func TestAttachAll_AttachesPlainResources(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) })
	awscloudwatch.NewCfnAlarm(stack, jsii.String("Plain"), &awscloudwatch.CfnAlarmProps{
		ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1), AlarmActions: &[]any{"arn:aws:sns:eu-west-1:111122223333:pager"}})
	awscloudwatch.NewCfnCompositeAlarm(stack, jsii.String("PlainAny"), &awscloudwatch.CfnCompositeAlarmProps{AlarmRule: jsii.String("ALARM(x)")})
	awscloudwatch.NewCfnAlarm(stack, jsii.String("Noise"), &awscloudwatch.CfnAlarmProps{
		AlarmName: jsii.String("noise-1"), ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1)})
	newAlarm(stack, "Whole")
	triage.AttachAll(stack, &alarmtriage.AlarmFilter{ExceptNamePrefixes: jsii.Strings("noise-")})
	template := synth(stack)
	target := object("Fn::GetAtt", []any{"TriageOrchestratorAAEB3CE1", "Arn"})
	template.HasResourceProperties(jsii.String("AWS::CloudWatch::Alarm"), like(
		"AlarmActions", []any{"arn:aws:sns:eu-west-1:111122223333:pager", target}, "OKActions", []any{target}))
	template.HasResourceProperties(jsii.String("AWS::CloudWatch::Alarm"), like("AlarmName", "noise-1", "AlarmActions", assertions.Match_Absent()))
	template.HasResourceProperties(jsii.String("AWS::CloudWatch::Alarm"), like("MetricName", "Whole", "AlarmActions", []any{target}, "OKActions", []any{target}))
	template.HasResourceProperties(jsii.String("AWS::CloudWatch::CompositeAlarm"), like("AlarmActions", []any{target}, "OKActions", []any{target}))
}

func TestAttachAll_WarnsAboutAlarmsItCannotAttach(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	stackIn := func(id, region string) awscdk.Stack {
		return awscdk.NewStack(app, jsii.String(id), &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String(region)}})
	}
	home, away := stackIn("Home", "eu-west-1"), stackIn("Away", "us-east-1")
	triage := newTriage(home, nil)
	newAlarm(home, "Near")
	distant := newAlarm(away, "Distant")
	const arn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:imported"
	imported := awscloudwatch.Alarm_FromAlarmArn(home, jsii.String("Imported"), jsii.String(arn)).(awscloudwatch.AlarmBase)
	triage.AttachAll(app, nil)
	assert.Contains(t, panicOf(t, func() { triage.AttachAlarms(distant) }), "alarm Away/Distant can't be attached to AlarmTriage Home/Triage: it is in aws://111122223333/us-east-1")
	assert.Contains(t, panicOf(t, func() { triage.AttachAlarms(imported) }), "it is imported")
	assert.Contains(t, panicOf(t, func() { triage.AttachAlarms(nil) }), "needs alarms, got nil")

	assert.Equal(t, map[string]int{"Near": 1}, actionsOf(synth(home), "AWS::CloudWatch::Alarm"))
	assert.Equal(t, map[string]int{"Distant": 0}, actionsOf(synth(away), "AWS::CloudWatch::Alarm"))
	attached := assertions.Match_StringLikeRegexp(jsii.String("attached to 1 alarm; 2 excluded .2 out of reach. \\[ack"))
	assert.Len(t, *assertions.Annotations_FromStack(home).FindInfo(jsii.String("*"), attached), 1)
	assertions.Annotations_FromStack(away).HasWarning(jsii.String("/Away"), assertions.Match_StringLikeRegexp(jsii.String(
		"1 alarm is not attached to AlarmTriage Home/Triage .Away/Distant.: it is in aws.*AttachEventRule")))
	assertions.Annotations_FromStack(home).HasWarning(jsii.String("/Home"), assertions.Match_StringLikeRegexp(jsii.String(
		"1 alarm is not attached to AlarmTriage Home/Triage .Home/Imported.: it is imported")))
}

// CloudFormation rejects an alarm with the same action twice.
func TestAttachAlarms_AddsTheActionOnce(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) })
	alarm := newAlarm(stack, "One")
	alarm.AddAlarmAction(triage.AlarmAction())
	triage.AttachAlarms(alarm, alarm)
	triage.AttachAll(stack, nil)
	target := []any{object("Fn::GetAtt", []any{"TriageOrchestratorAAEB3CE1", "Arn"})}
	synth(stack).HasResourceProperties(jsii.String("AWS::CloudWatch::Alarm"), like("AlarmActions", target, "OKActions", target))
}

// An app may have added the orchestrator without AlarmAction, to a construct or to a plain resource.
func TestAttachAlarms_KeepsActionsThatTheAppAdded(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	pager := "arn:aws:sns:eu-west-1:111122223333:pager"
	whole := newAlarm(stack, "Whole")
	whole.AddAlarmAction(&fixedAction{pager}, &fixedAction{*triage.Orchestrator().FunctionArn()})
	plain := func(id string, actions *[]any) awscloudwatch.CfnAlarm {
		return awscloudwatch.NewCfnAlarm(stack, jsii.String(id+"Resource"), &awscloudwatch.CfnAlarmProps{
			ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1), AlarmActions: actions})
	}
	triage.AttachAlarms(whole, plain("Plain", &[]any{pager, triage.Orchestrator().FunctionArn()}), plain("Other", &[]any{pager}), plain("Empty", &[]any{}))
	assert.Equal(t, map[string]int{"Whole": 2, "Plain": 2, "Other": 2, "Empty": 1}, actionsOf(synth(stack), "AWS::CloudWatch::Alarm"))
}

// After the first alarm of a stack, alarms take a shorter way, which must make the same decisions.
func TestAttachAlarms_DecidesAlikeForLaterAlarms(t *testing.T) {
	app := newTestApp()
	stack, far := stackIn(app, "Test", "eu-west-1"), stackIn(app, "Far", "us-east-1")
	triage := triageNamed(stack, "Triage", nil)
	other := triageNamed(stack, "TriageOther", func(p *alarmtriage.AlarmTriageProps) { // its path only begins like the first one's
		p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
	})
	other.AttachEventRule(jsii.String("All"), nil)
	triage.AttachAlarms(newAlarm(stack, "First"))

	byResource, good := newAlarm(stack, "ByResource"), newAlarm(stack, "Good")
	triage.AttachAlarms(byResource.Node().DefaultChild(), byResource)
	triage.AttachAlarms(other.SelfAlarms()[0], alarmOn(other, "Inside", other.MetricRounds(nil)), newAlarm(stack, "AfterSelfAlarm"))
	for _, bad := range []awscloudwatch.Alarm{newAlarm(far, "Distant"), alarmOn(triage, "Own", triage.MetricRounds(nil))} {
		assert.Contains(t, panicOf(t, func() { triage.AttachAlarms(good, bad) }), "can't be attached to")
	}
	got := actionsOf(synth(stack), "AWS::CloudWatch::Alarm")
	for _, attached := range []string{"First", "ByResource", "AfterSelfAlarm", "TriageOtherInside"} {
		assert.Equal(t, 1, got[attached], attached)
	}
	assert.Equal(t, 0, got["Good"], "a rejected call attaches nothing")
	assert.Equal(t, 0, got["TriageOwn"])
	assert.Contains(t, strings.Join(messagesOf(stack), "\n"), "/Test/TriageOther/SelfFailures alarmtriage:self-alarm")
}

// fixedAction is an alarm action of an app.
type fixedAction struct{ arn string }

func (a *fixedAction) Bind(constructs.Construct, awscloudwatch.IAlarm) *awscloudwatch.AlarmActionConfig {
	return &awscloudwatch.AlarmActionConfig{AlarmActionArn: jsii.String(a.arn)}
}

// Resources of two stacks can have the same logical ID.
func TestAttach_DistinguishesAlarmTriagesOfTwoStacks(t *testing.T) {
	app := newTestApp()
	one, two, shop := stackIn(app, "One", "eu-west-1"), stackIn(app, "Two", "eu-west-1"), stackIn(app, "Shop", "eu-west-1")
	first, second := triageNamed(one, "Triage", nil), triageNamed(two, "Triage", nil)
	second.AttachAlarms(
		alarmOn(two, "Sum", awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{Expression: jsii.String("a * 2"),
			UsingMetrics: &map[string]awscloudwatch.IMetric{"a": first.Tool().MetricErrors(nil)}})),
		alarmOn(two, "Single", first.Tool().MetricErrors(nil)))
	plain := awscloudwatch.NewCfnAlarm(shop, jsii.String("PlainResource"), &awscloudwatch.CfnAlarmProps{
		ComparisonOperator: jsii.String("GreaterThanThreshold"), EvaluationPeriods: jsii.Number(1)})
	for _, triage := range []*alarmtriage.AlarmTriage{first, second} {
		triage.AttachAlarms(plain)
		triage.AttachAll(shop, nil)
	}
	newAlarm(shop, "Whole")
	assert.Equal(t, map[string]int{"Plain": 2, "Whole": 2}, actionsOf(synth(shop), "AWS::CloudWatch::Alarm"))
	assert.NotContains(t, strings.Join(messagesOf(two), "\n"), "own-metric", "they watch the other one")
}

func TestAttach_ReachesAlarmsInNestedStacks(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	nested := awscdk.NewNestedStack(stack, jsii.String("Nested"), nil)
	triage.AttachAlarms(newAlarm(nested, "ByHand"))
	triage.AttachAll(stack, nil)
	newAlarm(nested, "Later")
	alarmOn(constructs.NewConstruct(nested, jsii.String("Deep")), "Own", awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Errors")}))
	synth(stack)
	assert.Equal(t, map[string]int{"ByHand": 1, "Later": 1, "DeepOwn": 1}, actionsOf(assertions.Template_FromStack(nested, nil), "AWS::CloudWatch::Alarm"))
}

// CDK has no typed actions for a resource that is only named by its type.
func TestAttachAlarms_RejectsUntypedResources(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	untyped := awscdk.NewCfnResource(stack, jsii.String("UntypedResource"), &awscdk.CfnResourceProps{
		Type: jsii.String("AWS::CloudWatch::Alarm"), Properties: &map[string]any{"AlarmName": "untyped"}})
	assert.PanicsWithValue(t, "alarmtriage: alarm Test/UntypedResource can't be attached to AlarmTriage Test/Triage: it is a generic CfnResource, whose actions AlarmTriage can't add to; use CfnAlarm or AttachEventRule", func() {
		triage.AttachAlarms(newAlarm(stack, "First"), untyped)
	})
	assert.Equal(t, map[string]int{"First": 0, "Untyped": 0}, actionsOf(synth(stack), "AWS::CloudWatch::Alarm"), "a rejected call attaches nothing")
}

func TestAttach_RejectsEmptyArguments(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	message := panicOf(t, func() {
		triage.AttachAll(stack, &alarmtriage.AlarmFilter{NamePrefixes: &[]*string{nil}, ExceptNamePrefixes: jsii.Strings("")})
	})
	assert.Contains(t, message, "AlarmFilter.NamePrefixes must contain only non-empty")
	assert.Contains(t, message, "AlarmFilter.ExceptNamePrefixes must contain only non-empty")
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(nil, nil) }), "AttachTopic needs a topic")
	fifo := awssns.NewTopic(stack, jsii.String("Fifo"), &awssns.TopicProps{Fifo: jsii.Bool(true)})
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(fifo, nil) }), "topic Test/Fifo is a FIFO topic")
	assert.Contains(t, panicOf(t, func() {
		triage.AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{Accounts: &[]*string{nil}})
	}), "EventRuleProps.Accounts must contain only non-empty")
}

func TestNotifyRecovery_AttachesTheOKState(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) })
	triage.AttachAlarms(newAlarm(stack, "One"))
	triage.AttachAll(stack, nil)
	newAlarm(stack, "Two")
	triage.AttachEventRule(jsii.String("Rule"), nil)
	template := synth(stack)
	target := []any{object("Fn::GetAtt", []any{"TriageOrchestratorAAEB3CE1", "Arn"})}
	template.AllResourcesProperties(jsii.String("AWS::CloudWatch::Alarm"), like("AlarmActions", target, "OKActions", target))
	template.HasResourceProperties(jsii.String("AWS::Events::Rule"), like("EventPattern", like("detail", like("state", object("value", []string{"ALARM", "OK"})))))
}

// The app adds the action to one state only, before or after AttachAll, and AttachAll adds the other one.
func TestAttachAll_CompletesAlarmAction(t *testing.T) {
	for _, recovery := range []bool{true, false} {
		stack := newStack()
		triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = &recovery })
		newAlarm(stack, "OnlyAlarm").AddAlarmAction(triage.AlarmAction())
		newAlarm(stack, "OnlyOK").AddOkAction(triage.AlarmAction())
		triage.AttachAll(stack, nil)
		triage.AttachAll(stack, nil)
		newAlarm(stack, "Later").AddAlarmAction(triage.AlarmAction())
		awscloudwatch.NewCompositeAlarm(stack, jsii.String("Any"), &awscloudwatch.CompositeAlarmProps{
			AlarmRule: awscloudwatch.AlarmRule_FromString(jsii.String("ALARM(x)"))}).AddAlarmAction(triage.AlarmAction())
		template := synth(stack)
		target := []any{object("Fn::GetAtt", []any{"TriageOrchestratorAAEB3CE1", "Arn"})}
		for _, kind := range []string{"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"} {
			template.AllResourcesProperties(jsii.String(kind), like("AlarmActions", target))
			if recovery {
				template.AllResourcesProperties(jsii.String(kind), like("OKActions", target))
			}
		}
		assert.Equal(t, []string{"/Test/Triage alarmtriage:attached: alarmtriage: attached to 4 alarms"}, messagesOf(stack))
	}
}

func TestAttachEventRule_ExcludesAlarmsByName(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	triage.AttachEventRule(jsii.String("Except"), &alarmtriage.EventRuleProps{ExceptNamePrefixes: jsii.Strings("noise-", "test-")})
	triage.AttachEventRule(jsii.String("Both"), &alarmtriage.EventRuleProps{
		NamePrefixes: jsii.Strings("prod-", `a*b\`), ExceptNamePrefixes: jsii.Strings("prod-noise-", `a*b\c`)})
	triage.AttachEventRule(jsii.String("Few"), &alarmtriage.EventRuleProps{
		NamePrefixes: jsii.Strings("prod-", "stage-"), ExceptNamePrefixes: jsii.Strings("prod-noise-")})
	triage.AttachEventRule(jsii.String("Apart"), &alarmtriage.EventRuleProps{
		NamePrefixes: jsii.Strings("shop-"), ExceptNamePrefixes: jsii.Strings("noise-")})
	template := synth(stack)
	but := func(prefixes ...string) any {
		return []any{object("anything-but", object("prefix", append([]string{"alarmtriage-self-"}, prefixes...)))}
	}
	rule := jsii.String("AWS::Events::Rule")
	template.HasResourceProperties(rule, like("EventPattern", like(
		"resources", assertions.Match_Absent(), "detail", like("alarmName", but("noise-", "test-")))))
	template.HasResourceProperties(rule, like("EventPattern", like(
		"resources", []any{object("wildcard", "arn:*:alarm:prod-*"), object("wildcard", `arn:*:alarm:a\*b\\*`)},
		"detail", like("alarmName", but("prod-noise-", `a*b\c`)))))
	prefixes := func(names ...string) (list []any) {
		for _, name := range names {
			list = append(list, object("prefix", name))
		}
		return list
	}
	template.HasResourceProperties(rule, like("EventPattern", like( // fewer exceptions than prefixes
		"resources", []any{object("anything-but", object("wildcard", "arn:*:alarm:prod-noise-*"))},
		"detail", like("alarmName", prefixes("prod-", "stage-")))))
	template.HasResourceProperties(rule, like("EventPattern", like( // no alarm has both prefixes
		"resources", assertions.Match_Absent(), "detail", like("alarmName", prefixes("shop-")))))
}

func TestAttachEventRule_CoversAlarmsOfOtherAccounts(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	triage.AttachEventRule(jsii.String("Everything"), nil)
	triage.AttachEventRule(jsii.String("Central"), &alarmtriage.EventRuleProps{
		EventBus: awsevents.NewEventBus(stack, jsii.String("Bus"), nil), NamePrefixes: jsii.Strings("prod-"),
		Accounts: jsii.Strings("444455556666"), Regions: jsii.Strings("us-east-1"),
	})
	template := synth(stack)
	template.HasResourceProperties(jsii.String("AWS::Events::Rule"), object("State", "ENABLED", "Description", assertions.Match_AnyValue(), "Targets", assertions.Match_AnyValue(),
		"EventPattern", object("source", []string{"aws.cloudwatch"}, "detail-type", []string{"CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change"},
			"detail", object("state", object("value", []string{"ALARM"})))))
	template.HasResourceProperties(jsii.String("AWS::Events::Rule"), like("EventBusName", assertions.Match_AnyValue(),
		"EventPattern", like("account", []string{"444455556666"}, "region", []string{"us-east-1"},
			"detail", like("alarmName", []any{object("prefix", "prod-")}))))
	template.HasResourceProperties(jsii.String("AWS::Lambda::Permission"), like("Principal", "events.amazonaws.com"))
}

func TestAttachTopic_RejectsOwnNotificationTopic(t *testing.T) {
	stack := newStack()
	var reports awssns.ITopic
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { reports = p.NotificationTopic })
	triage.AttachTopic(awssns.NewTopic(stack, jsii.String("Alarms"), nil), nil)
	triage.AttachTopic(awssns.NewTopic(stack, jsii.String("Shared"), nil), &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("prod-", "stage-")})
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(reports, nil) }), "can't be subscribed to it")
	wrong := &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("")}
	assert.Contains(t, panicOf(t, func() { triage.AttachTopic(awssns.NewTopic(stack, jsii.String("T"), nil), wrong) }), "NamePrefixes must contain only non-empty")
	template := synth(stack)
	template.HasResourceProperties(jsii.String("AWS::SNS::Subscription"), like("Protocol", "lambda", "FilterPolicy", assertions.Match_Absent()))
	template.HasResourceProperties(jsii.String("AWS::SNS::Subscription"), like("Protocol", "lambda", "FilterPolicyScope", "MessageBody",
		"FilterPolicy", object("AlarmName", []any{object("prefix", "prod-"), object("prefix", "stage-")})))
}

// CDK names a subscription after the construct of its topic, below the function, and makes the stack of the function depend on that
// of the topic.
func TestAttachTopic_TopicsOfAnyStackAndID(t *testing.T) {
	app := newTestApp()
	outer := stackOf(app, "Outer", "111122223333", "eu-west-1")
	inner := awscdk.NewNestedStack(outer, jsii.String("Inner"), nil)
	triage := newTriage(inner, nil)
	for _, stack := range []awscdk.Stack{
		outer, awscdk.NewNestedStack(outer, jsii.String("Sibling"), nil), stackOf(app, "Orders", "111122223333", "eu-west-1"),
		stackOf(app, "Payments", "111122223333", "eu-west-1"),
	} {
		triage.AttachTopic(awssns.NewTopic(stack, jsii.String("Alarms"), nil), &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("prod-")})
	}
	triage.AttachTopic(awssns.NewTopic(outer, jsii.String("Resource"), nil), nil) // the function has a construct with this id
	template := synth(inner)
	subscriptions := map[string]any{}
	for _, subscription := range *template.FindResources(jsii.String("AWS::SNS::Subscription"), nil) {
		properties := (*subscription)["Properties"].(map[string]any)
		subscriptions[fmt.Sprint(properties["TopicArn"])] = properties["FilterPolicy"]
	}
	assert.Len(t, subscriptions, 5)
	permissions := template.FindResources(jsii.String("AWS::Lambda::Permission"), like("Properties", like("Principal", "sns.amazonaws.com")))
	assert.Len(t, *permissions, 5)
	filtered := slices.DeleteFunc(slices.Collect(maps.Values(subscriptions)), func(policy any) bool { return policy == nil })
	assert.Len(t, filtered, 4)
}

func TestAttachTopic_WarnsOfPublishers(t *testing.T) {
	publish := func(principal awsiam.IPrincipal, conditions *map[string]any, actions ...string) func(awssns.Topic) {
		return func(topic awssns.Topic) {
			topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Actions: jsii.Strings(actions...), Principals: &[]awsiam.IPrincipal{principal}, Resources: &[]*string{topic.TopicArn()}, Conditions: conditions}))
		}
	}
	cloudWatch := func() awsiam.IPrincipal {
		return awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)
	}
	statement := func(changes awsiam.PolicyStatementProps) func(awssns.Topic) {
		return func(topic awssns.Topic) {
			changes.Resources = &[]*string{topic.TopicArn()}
			topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&changes))
		}
	}
	everybody := &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()}
	beside := func(topics func(awssns.Topic) *[]*string, changes map[string]any) func(awssns.Topic) {
		return func(topic awssns.Topic) {
			open := map[string]any{"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}
			maps.Copy(open, changes)
			awssns.NewCfnTopicPolicy(topic.Stack(), jsii.String("Beside"), &awssns.CfnTopicPolicyProps{
				Topics: topics(topic), PolicyDocument: map[string]any{"Version": "2012-10-17", "Statement": []any{open}}})
		}
	}
	itsARN := func(topic awssns.Topic) *[]*string { return &[]*string{topic.TopicArn()} }
	everybodyMayPublish := map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}}}
	ownAccount := &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": "111122223333"}}
	for name, tt := range map[string]struct {
		change func(awssns.Topic)
		want   bool
	}{
		"no policy":                      {func(awssns.Topic) {}, false},
		"CloudWatch of this account":     {publish(cloudWatch(), ownAccount, "sns:Publish"), false},
		"CloudWatch of every account":    {publish(cloudWatch(), nil, "sns:Publish"), true},
		"everybody":                      {publish(awsiam.NewAnyPrincipal(), nil, "sns:Publish"), true},
		"everybody, as an AWS principal": {publish(awsiam.NewStarPrincipal(), nil, "SNS:Publish"), true},
		"everybody, every action":        {publish(awsiam.NewAnyPrincipal(), nil, "sns:*"), true},
		"everybody, one of several":      {publish(awsiam.NewAnyPrincipal(), nil, "sns:Subscribe", "sns:Publish"), true},
		"everybody of the account":       {publish(awsiam.NewAnyPrincipal(), ownAccount, "sns:Publish"), false},
		"everybody may subscribe":        {publish(awsiam.NewAnyPrincipal(), nil, "sns:Subscribe"), false},
		"everybody, a wildcard":          {publish(awsiam.NewAnyPrincipal(), nil, "sns:Publ*"), true},
		"everybody, another wildcard":    {beside(itsARN, map[string]any{"Action": "SNS:?ublish"}), true},
		"everybody, other actions":       {publish(awsiam.NewAnyPrincipal(), nil, "sns:Get*"), false},
		"everybody, all other actions":   {statement(awsiam.PolicyStatementProps{NotActions: jsii.Strings("sns:DeleteTopic"), Principals: everybody}), true},
		"everybody, all but publishing":  {statement(awsiam.PolicyStatementProps{NotActions: jsii.Strings("sns:Publish"), Principals: everybody}), false},
		"a policy beside the topic":      {beside(itsARN, nil), true},
		"one with no conditions":         {beside(itsARN, map[string]any{"Condition": map[string]any{}}), true},
		"one by its reference": {beside(func(topic awssns.Topic) *[]*string {
			return &[]*string{topic.Node().DefaultChild().(awssns.CfnTopic).Ref()}
		}, nil), true},
		"one with NotPrincipal": {beside(itsARN, map[string]any{"Principal": nil, "NotPrincipal": map[string]any{"AWS": "444455556666"}}), true},
		"one of another topic": {beside(func(topic awssns.Topic) *[]*string {
			return &[]*string{awssns.NewTopic(topic.Stack(), jsii.String("Other"), nil).TopicArn()}
		}, nil), false},
		"a construct beside the topic": {func(topic awssns.Topic) {
			policy := awssns.NewTopicPolicy(topic.Stack(), jsii.String("Policy"), &awssns.TopicPolicyProps{Topics: &[]awssns.ITopic{topic}})
			policy.Document().AddStatements(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Actions: jsii.Strings("sns:Publish"), Principals: everybody, Resources: &[]*string{topic.TopicArn()}}))
		}, true},
		"a policy of this topic only": {func(topic awssns.Topic) {
			awssns.NewCfnTopicInlinePolicy(topic.Stack(), jsii.String("Inline"), &awssns.CfnTopicInlinePolicyProps{
				TopicArn: topic.TopicArn(), PolicyDocument: everybodyMayPublish})
		}, true},
		"one by its attribute": {func(topic awssns.Topic) {
			awssns.NewCfnTopicInlinePolicy(topic.Stack(), jsii.String("Inline"), &awssns.CfnTopicInlinePolicyProps{
				TopicArn: topic.Node().DefaultChild().(awssns.CfnTopic).AttrTopicArn(), PolicyDocument: everybodyMayPublish})
		}, true},
		"a policy of another topic only": {func(topic awssns.Topic) {
			awssns.NewCfnTopicInlinePolicy(topic.Stack(), jsii.String("Inline"), &awssns.CfnTopicInlinePolicyProps{
				TopicArn: awssns.NewTopic(topic.Stack(), jsii.String("Other"), nil).TopicArn(), PolicyDocument: everybodyMayPublish})
		}, false},
		"a generic resource": {func(topic awssns.Topic) {
			awscdk.NewCfnResource(topic.Stack(), jsii.String("Generic"), &awscdk.CfnResourceProps{Type: jsii.String("AWS::SNS::TopicPolicy"),
				Properties: &map[string]any{"Topics": []any{topic.TopicArn()}, "PolicyDocument": everybodyMayPublish}})
		}, true},
		"a property override": {func(topic awssns.Topic) {
			awssns.NewCfnTopicPolicy(topic.Stack(), jsii.String("Beside"), &awssns.CfnTopicPolicyProps{Topics: itsARN(topic),
				PolicyDocument: map[string]any{"Version": "2012-10-17", "Statement": []any{}},
			}).AddPropertyOverride(jsii.String("PolicyDocument"), everybodyMayPublish)
		}, true},
		"another account": {publish(awsiam.NewAccountPrincipal("444455556666"), nil, "sns:Publish"), false},
		"another service": {publish(awsiam.NewServicePrincipal(jsii.String("s3.amazonaws.com"), nil), ownAccount, "sns:Publish"), false},
	} {
		t.Run(name, func(t *testing.T) {
			stack := newStack()
			topic := awssns.NewTopic(stack, jsii.String("Alarms"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
			newTriage(stack, nil).AttachTopic(topic, nil)
			tt.change(topic) // after the topic was attached
			synth(stack)
			annotations := assertions.Annotations_FromStack(stack)
			about := assertions.Match_StringLikeRegexp(jsii.String("policy lets principals of every account publish.*aws:SourceAccount"))
			assert.Equal(t, tt.want, len(*annotations.FindWarning(jsii.String("/Test/Alarms"), about)) == 1)
		})
	}

	stack := newStack()
	triage := newTriage(stack, nil)
	for _, id := range []string{"Imported", "Known"} {
		triage.AttachTopic(awssns.Topic_FromTopicArn(stack, jsii.String(id), jsii.String("arn:aws:sns:eu-west-1:111122223333:"+id)), nil)
	}
	awscdk.Annotations_Of(stack.Node().FindChild(jsii.String("Known"))).AcknowledgeWarning(jsii.String("alarmtriage:topic-policy"), nil)
	template := synth(stack)
	about := assertions.Match_StringLikeRegexp(jsii.String("policy of the imported topic is not known here.*aws:SourceAccount"))
	annotations := assertions.Annotations_FromStack(stack)
	assert.Len(t, *annotations.FindWarning(jsii.String("/Test/Imported"), about), 1)
	assert.Empty(t, *annotations.FindWarning(jsii.String("/Test/Known"), about), "it is acknowledged")
	grants := *template.FindResources(jsii.String("AWS::IAM::Policy"), object("Properties", like("PolicyDocument", like("Statement",
		assertions.Match_ArrayWith(&[]any{object("Sid", "ConfirmAlarms", "Effect", "Allow", "Resource", "*",
			"Action", "cloudwatch:DescribeAlarmContributors")})))))
	assert.Len(t, grants, 1, "one grant for all topics")

	none := newStack()
	newTriage(none, nil)
	synth(none).ResourcePropertiesCountIs(jsii.String("AWS::IAM::Policy"), like("PolicyDocument", like("Statement",
		assertions.Match_ArrayWith(&[]any{like("Sid", "ConfirmAlarms")}))), jsii.Number(0))
}

// newKinds adds a log alarm and two PromQL alarms, as a construct and as a plain resource.
func newKinds(stack awscdk.Stack) (log awscloudwatch.CfnLogAlarm, promQL awscloudwatch.PromQLAlarm, plain awscloudwatch.CfnAlarm) {
	log = awscloudwatch.NewCfnLogAlarm(stack, jsii.String("Errors"), &awscloudwatch.CfnLogAlarmProps{
		ComparisonOperator: jsii.String("GreaterThanThreshold"), Threshold: jsii.Number(100),
		QueryResultsToAlarm: jsii.Number(3), QueryResultsToEvaluate: jsii.Number(5),
		ScheduledQueryConfiguration: &awscloudwatch.CfnLogAlarm_ScheduledQueryConfigurationProperty{
			QueryString: jsii.String("filter @message like /ERROR/"), AggregationExpression: jsii.String("count(*)"),
			LogGroupIdentifiers: jsii.Strings("/aws/lambda/orders"), ScheduledQueryRoleArn: jsii.String("arn:aws:iam::111122223333:role/query"),
			ScheduleConfiguration: &awscloudwatch.CfnLogAlarm_ScheduleConfigurationProperty{
				ScheduleExpression: jsii.String("rate(5 minutes)"), StartTimeOffset: jsii.Number(300)},
		},
	})
	promQL = awscloudwatch.NewPromQLAlarm(stack, jsii.String("Latency"), &awscloudwatch.PromQLAlarmProps{
		Query: jsii.String("avg(latency) > 0.5"), EvaluationInterval: awscdk.Duration_Seconds(jsii.Number(60))})
	plain = awscloudwatch.NewCfnAlarm(stack, jsii.String("PlainLatency"), &awscloudwatch.CfnAlarmProps{
		EvaluationInterval: jsii.Number(60),
		EvaluationCriteria: &awscloudwatch.CfnAlarm_EvaluationCriteriaProperty{
			PromQlCriteria: &awscloudwatch.CfnAlarm_AlarmPromQLCriteriaProperty{Query: jsii.String("avg(latency) > 0.5")}},
	})
	return log, promQL, plain
}

func TestAttachAlarms_AcceptsLogAndPromQLAlarms(t *testing.T) {
	for name, attach := range map[string]func(*alarmtriage.AlarmTriage, awscdk.Stack){
		"by AttachAlarms, two of them twice": func(triage *alarmtriage.AlarmTriage, stack awscdk.Stack) {
			log, promQL, plain := newKinds(stack)
			triage.AttachAlarms(log, promQL, plain)
			triage.AttachAlarms(log, promQL)
		},
		"by AttachAll": func(triage *alarmtriage.AlarmTriage, stack awscdk.Stack) {
			triage.AttachAll(stack, nil)
			newKinds(stack)
		},
		"by both": func(triage *alarmtriage.AlarmTriage, stack awscdk.Stack) {
			triage.AttachAll(stack, nil)
			log, promQL, plain := newKinds(stack)
			triage.AttachAlarms(log, promQL, plain)
		},
	} {
		t.Run(name, func(t *testing.T) {
			stack := newStack()
			attach(newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) }), stack)
			template := synth(stack)
			assert.Equal(t, map[string]int{"Latency": 1, "PlainLatency": 1}, shortActions(template, "AWS::CloudWatch::Alarm"))
			assert.Equal(t, map[string]int{"Errors": 1}, shortActions(template, "AWS::CloudWatch::LogAlarm"))
			template.HasResourceProperties(jsii.String("AWS::CloudWatch::LogAlarm"), like("OKActions", assertions.Match_AnyValue()))
			assert.Len(t, *template.FindResources(jsii.String("AWS::Lambda::Permission"),
				object("Properties", like("Principal", "lambda.alarms.cloudwatch.amazonaws.com"))), 1)
		})
	}
}

// shortActions returns the number of alarm actions of the alarms of newKinds, by construct id.
func shortActions(template assertions.Template, kind string) map[string]int {
	found := map[string]int{}
	for id, resource := range *template.FindResources(jsii.String(kind), nil) {
		actions, _ := (*resource)["Properties"].(map[string]any)["AlarmActions"].([]any)
		for _, name := range []string{"PlainLatency", "Latency", "Errors"} {
			if strings.HasPrefix(id, name) {
				found[name] = len(actions)
				break
			}
		}
	}
	return found
}

func TestAttachAlarms_RejectsOtherConstructs(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	topic := awssns.NewTopic(stack, jsii.String("NoAlarm"), nil)
	assert.PanicsWithValue(t, "alarmtriage: alarm Test/NoAlarm can't be attached to AlarmTriage Test/Triage: it is not an alarm; use AttachAll for all alarms of a stack, of the app, or below another construct", func() {
		triage.AttachAlarms(topic)
	})
	var none awscloudwatch.CfnLogAlarm
	assert.PanicsWithValue(t, "alarmtriage: AttachAlarms needs alarms, got nil", func() { triage.AttachAlarms(none) })
}
