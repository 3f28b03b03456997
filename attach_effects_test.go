package alarmtriage_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Each of these apps is valid, but something in it has no effect, or not the expected one.
func TestSynth_WarnsOfWhatHasNoEffect(t *testing.T) {
	named := func(stack awscdk.Stack, name string) awscloudwatch.Alarm {
		return awscloudwatch.NewAlarm(stack, jsii.String("Alarm-"+name), &awscloudwatch.AlarmProps{AlarmName: jsii.String(name),
			Metric:    awscloudwatch.NewMetric(&awscloudwatch.MetricProps{Namespace: jsii.String("Shop"), MetricName: jsii.String("Errors")}),
			Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1)})
	}
	resource := func(alarm awscloudwatch.Alarm) awscloudwatch.CfnAlarm {
		return alarm.Node().DefaultChild().(awscloudwatch.CfnAlarm)
	}
	propagate := func(alarm awscloudwatch.Alarm, enabled bool) {
		resource(alarm).SetActionConfiguration(&awscloudwatch.CfnAlarm_ActionConfigurationProperty{
			AlarmTagsPropagation: &awscloudwatch.CfnAlarm_AlarmTagsPropagationProperty{Enabled: jsii.Bool(enabled)}})
	}
	rule := func(props *alarmtriage.EventRuleProps, change func(p *alarmtriage.AlarmTriageProps)) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", change).AttachEventRule(jsii.String("Rule"), props)
		}
	}
	accountNames := func(names ...string) func(p *alarmtriage.AlarmTriageProps) {
		return func(p *alarmtriage.AlarmTriageProps) {
			all := map[string]*string{}
			for _, name := range names {
				all[name] = jsii.String("team")
			}
			p.AccountNames, p.Members = &all, membersOf("444455556666")
		}
	}
	rules := func(n int) func(awscdk.Stack) { // the alarms and the self-check have permissions, too
		return func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", nil)
			for i := range n {
				triage.AttachEventRule(jsii.Sprintf("Rule%d", i), &alarmtriage.EventRuleProps{NamePrefixes: &[]*string{jsii.Sprintf("team-%d-", i)}})
			}
		}
	}
	denies := func(change func(p *alarmtriage.AlarmTriageProps)) func(awscdk.Stack) { return rule(nil, change) }
	vpc := func(stack awscdk.Stack) awsec2.IVpc {
		return awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{NatGateways: jsii.Number(0), SubnetConfiguration: &[]*awsec2.SubnetConfiguration{
			{Name: jsii.String("inner"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}}})
	}
	const unchecked = "/Test/Triage alarmtriage:unchecked-source: alarmtriage: alarms can only start investigations through Orchestrator(), which the app itself makes a target ("
	const instead = "), so their sources are not checked, and NotifyRecovery may have no effect: use AlarmAction, AttachTopic, or AttachEventRule instead of Orchestrator()"
	for _, tt := range []struct {
		name  string
		build func(stack awscdk.Stack)
		want  []string
	}{
		{"the orchestrator as an alarm action", func(stack awscdk.Stack) {
			newAlarm(stack, "One").AddAlarmAction(awscloudwatchactions.NewLambdaAction(triageNamed(stack, "Triage", nil).Orchestrator(), nil))
		}, []string{unchecked + "Test/Triage/Orchestrator/AlarmPermission" + instead}},
		{"the orchestrator as a subscription", func(stack awscdk.Stack) {
			awssns.NewTopic(stack, jsii.String("Alarms"), nil).AddSubscription(awssnssubscriptions.NewLambdaSubscription(triageNamed(stack, "Triage", nil).Orchestrator(), nil))
		}, []string{unchecked + "Test/Triage/Orchestrator/AllowInvoke:TestAlarmsD5DB998B" + instead}},
		{"the orchestrator as a target", func(stack awscdk.Stack) {
			awsevents.NewRule(stack, jsii.String("Rule"), &awsevents.RuleProps{EventPattern: &awsevents.EventPattern{Source: jsii.Strings("aws.cloudwatch")},
				Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(triageNamed(stack, "Triage", nil).Orchestrator(), nil)}})
		}, []string{unchecked + "Test/Rule/AllowEventRuleTestTriageOrchestratorAAC7D607" + instead}},
		{"another function as a target", func(stack awscdk.Stack) {
			other := awslambda.NewFunction(stack, jsii.String("Other"), &awslambda.FunctionProps{Runtime: awslambda.Runtime_PYTHON_3_13(),
				Handler: jsii.String("index.handler"), Code: awslambda.Code_FromInline(jsii.String("def handler(event, context): pass"))})
			newAlarm(stack, "One").AddAlarmAction(awscloudwatchactions.NewLambdaAction(other, nil))
			triageNamed(stack, "Triage", nil)
		}, []string{
			"/Test/Triage alarmtriage:nothing-attached: alarmtriage: no alarm starts an investigation: use AttachAlarms, AlarmAction, AttachAll, AttachEventRule, or AttachTopic"}},
		{"a topic of one AlarmTriage, and alarms of another", func(stack awscdk.Stack) {
			topic := awssns.NewTopic(stack, jsii.String("Alarms"), nil)
			one, two, other := named(stack, "shop-one"), named(stack, "shop-two"), named(stack, "other")
			for _, alarm := range []awscloudwatch.Alarm{one, two, other} {
				alarm.AddAlarmAction(awscloudwatchactions.NewSnsAction(topic))
			}
			triageNamed(stack, "A", nil).AttachTopic(topic, &alarmtriage.AlarmTopicProps{NamePrefixes: jsii.Strings("shop-")})
			triageNamed(stack, "B", nil).AttachAlarms(two, other)
			triageNamed(stack, "C", nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings("shop-o")})
		}, []string{
			"/Test/A alarmtriage:shared-source: alarmtriage: alarms that notify the topic Test/Alarms of AttachTopic are attached to AlarmTriage Test/B (Test/Alarm-shop-two): both investigate them, send reports, and cost money. Select different alarms, for example with NamePrefixes of AttachTopic",
			"/Test/A alarmtriage:shared-source: alarmtriage: the rule Test/C/Rule of AlarmTriage Test/C selects alarms that notify the topic Test/Alarms of AttachTopic (Test/Alarm-shop-one): both investigate them, send reports, and cost money. Select different alarms, for example with NamePrefixes of AttachTopic"}},
		{"alarms that notify a topic only in ALARM", func(stack awscdk.Stack) {
			topic, triage := awssns.NewTopic(stack, jsii.String("Alarms"), nil), triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) })
			action := awscloudwatchactions.NewSnsAction(topic)
			named(stack, "one").AddAlarmAction(action)
			both := named(stack, "both")
			both.AddAlarmAction(action)
			both.AddOkAction(action)
			attached := named(stack, "attached")
			attached.AddAlarmAction(action)
			triage.AttachAlarms(attached)
			awscloudwatch.NewCfnCompositeAlarm(stack, jsii.String("Plain"), &awscloudwatch.CfnCompositeAlarmProps{
				AlarmRule: jsii.String("ALARM(x)"), AlarmActions: &[]any{topic.TopicArn()}})
			triage.AttachTopic(topic, nil)
		}, []string{
			"/Test/Triage alarmtriage:no-ok-action: alarmtriage: NotifyRecovery has no effect for 2 alarms, because they notify the topic Test/Alarms of AttachTopic only when they go to ALARM: Test/Alarm-one, Test/Plain. Also add the topic with AddOkAction"}},
		{"runbooks that nobody reads", func(stack awscdk.Stack) {
			for name, description := range map[string]string{"line": "Orders fail.\n runbook: orders.md", "s3": "Runbook: s3://texts/a.md", "link": "runbook: https://wiki/a", "both": "Runbook: https://wiki/a\nrunbook: orders.md", "none": "See the runbook", "empty": "runbook:"} {
				resource(named(stack, name)).SetAlarmDescription(jsii.String(description))
			}
			triageNamed(stack, "Triage", nil).AttachAll(stack, nil)
		}, []string{
			"/Test/Triage alarmtriage:attached: alarmtriage: attached to 6 alarms",
			"/Test/Triage alarmtriage:no-runbooks: alarmtriage: the descriptions of 3 alarms name runbooks, which no investigation reads, because the prop Runbooks is not set: Test/Alarm-both, Test/Alarm-line, Test/Alarm-s3. Set it to the bucket of the runbooks"}},
		{"tags that events do not contain", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.NewBucket(stack, jsii.String("Texts"), nil)}
			})
			for name, tag := range map[string]string{"off": "Runbook", "on": "runbook", "disabled": "runbook", "described": "runbook"} {
				alarm := named(stack, name)
				awscdk.Tags_Of(alarm).Add(jsii.String(tag), jsii.String("orders.md"), nil)
				triage.AttachAlarms(alarm)
				switch name {
				case "on", "disabled":
					propagate(alarm, name == "on")
				case "described":
					resource(alarm).SetAlarmDescription(jsii.String("runbook: orders.md"))
				}
			}
			overridden := named(stack, "overridden")
			awscdk.Tags_Of(overridden).Add(jsii.String("runbook"), jsii.String("orders.md"), nil)
			resource(overridden).AddPropertyOverride(jsii.String("ActionConfiguration.AlarmTagsPropagation.Enabled"), true)
			triage.AttachAlarms(overridden)
		}, []string{
			`/Test/Triage alarmtriage:runbook-tag: alarmtriage: 2 alarms have the tag runbook, which has no effect, because events only contain tags if the alarm's tag propagation is on: Test/Alarm-disabled, Test/Alarm-off. Set AlarmTagsPropagation in the ActionConfiguration of the CfnAlarm, or write the line "runbook: KEY" in the description`}},
		{"a rule for other accounts on the default bus", rule(&alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666")}, nil), []string{
			"/Test/Triage alarmtriage:default-bus: alarmtriage: the rule Rule only selects alarms of other accounts (444455556666), and the default bus only receives them if these accounts send them to it: set the prop Members, with an AlarmTriageMember in each account, or pass a bus as EventBus that receives their events"}},
		{"a rule for members on the default bus", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf("444455556666") }).
				AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666")})
		}, []string{
			"/Test/Triage alarmtriage:default-bus: alarmtriage: the rule Rule only selects alarms of members (444455556666), which arrive on MemberEventBus and are investigated without it, not on the default bus: remove it"}},
		{"a rule for a member and another account on the default bus", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf("444455556666") }).
				AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666", "777788889999")})
		}, []string{
			"/Test/Triage alarmtriage:default-bus: alarmtriage: the rule Rule only selects alarms of other accounts (444455556666, 777788889999), and the default bus only receives them if these accounts send them to it: set the prop Members, with an AlarmTriageMember in each account, or pass a bus as EventBus that receives their events"}},
		{"a rule for other Regions on the default bus", func(stack awscdk.Stack) {
			bus := awsevents.EventBus_FromEventBusName(stack, jsii.String("Default"), jsii.String("default"))
			rule(&alarmtriage.EventRuleProps{Regions: jsii.Strings("us-east-1", "us-west-2"), EventBus: bus}, nil)(stack)
		}, []string{
			"/Test/Triage alarmtriage:default-bus: alarmtriage: the rule Rule only selects alarms of other Regions (us-east-1, us-west-2), and the default bus only receives them if rules in these Regions send them to it: pass a bus as EventBus to which rules in these Regions send their events"}},
		{"a rule for its own account and others", rule(&alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666", "111122223333"), Regions: jsii.Strings("eu-west-1", "us-east-1")}, nil), nil},
		{"a rule for others on another bus", func(stack awscdk.Stack) {
			rule(&alarmtriage.EventRuleProps{EventBus: awsevents.NewEventBus(stack, jsii.String("Bus"), nil), Accounts: jsii.Strings("444455556666"), Regions: jsii.Strings("us-east-1")}, nil)(stack)
		}, nil},
		{"names of unknown accounts", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", accountNames("111122223333", "444455556666", "444455556667"))
		}, []string{
			"/Test/Triage alarmtriage:unused-name: alarmtriage: AccountNames names 1 account whose alarms start no investigation (444455556667): it is neither AlarmTriage's account nor one of Members.Accounts, and no event rule or topic brings its alarms. Correct or remove it"}},
		{"names of accounts of a rule", rule(&alarmtriage.EventRuleProps{Accounts: jsii.Strings("111122223333", "444455556667")}, accountNames("444455556667")), nil},
		{"names of accounts of any rule", rule(nil, accountNames("444455556667")), nil},
		{"denies of the tool's own log, which is exempt, and of its traces", denies(func(p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedActions, p.Tracing = jsii.Strings("logs:*", "logs:Put*", "logs:Get*", "xray:*"), awslambda.Tracing_ACTIVE
			p.ToolDeniedResources = jsii.Strings("arn:aws:logs:*:*:log-group:*", "arn:aws:logs:us-east-1:*:log-group:*", "arn:aws:logs:*:444455556666:log-group:*",
				"arn:*:logs:eu-*:*:log-group:Test-*", "arn:aws:logs:*:*:log-group:/shop/*", "arn:aws:s3:::*")
		}), []string{
			`/Test/Triage alarmtriage:denied-traces: alarmtriage: ToolDeniedActions contains "xray:*", which also denies the tool to write its own traces, although Tracing is on: deny reads instead, such as "xray:Get*" and "xray:BatchGet*"`}},
		{"denies of traces without Tracing, and of a log group by its name", denies(func(p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedActions, p.ResourcePrefix = jsii.Strings("xray:*"), jsii.String("shop")
			p.ToolDeniedResources = jsii.Strings("arn:aws:logs:*:*:log-group:/aws/lambda/shop-*", "arn:aws:logs:*:*:log-group:Test-*")
		}), nil},
		{"isolated subnets and other Regions", func(stack awscdk.Stack) {
			network := vpc(stack)
			triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.Vpc, p.CreateVpcEndpoints, p.Members = network, jsii.Bool(true), membersOf("444455556666")
			})
			triage.AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{
				EventBus: awsevents.NewEventBus(stack, jsii.String("Bus"), nil), Regions: jsii.Strings("eu-west-1", "us-east-1")})
			for _, region := range []string{"eu-west-1", "us-east-1"} {
				member := awscdk.NewStack(stack.Node().Root().(awscdk.App), jsii.String("Member-"+region), &awscdk.StackProps{
					Env: &awscdk.Environment{Account: jsii.String("444455556666"), Region: jsii.String(region)}})
				alarmtriage.NewAlarmTriageMember(member, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage, CreateRole: jsii.Bool(region == "eu-west-1")})
			}
		}, []string{
			"/Test/Triage alarmtriage:isolated-region: alarmtriage: the functions' subnets are isolated, and VPC endpoints only reach services in eu-west-1, so investigations of alarms of us-east-1 (rule Test/Triage/Rule, AlarmTriageMember Member-us-east-1/Member) can't read their metrics, logs, and CloudTrail events: use subnets with a route to a NAT gateway, or an AlarmTriage in each Region"}},
		{"as many rules as the function's policy has room for", rules(48), nil},
		{"more rules than the function's policy has room for", rules(49), []string{
			"/Test/Triage alarmtriage:many-permissions: alarmtriage: 51 topics, rules, and other sources may invoke the orchestrator, and Lambda rejects a resource policy of more than 20,480 bytes, which has room for about 50: call AttachTopic and AttachEventRule for fewer topics and rules, or attach the alarms themselves, which share one permission"}},
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

func TestAlarmTriageMember_WarnsIfNobodyCreatesTheRole(t *testing.T) {
	const want = "/Member%/Member alarmtriage:no-member-role: alarmtriage: no AlarmTriageMember of this app creates the role alarmtriage-member in account 444455556666, because " +
		"CreateRole is false, and without the role the account can't be read: omit CreateRole in one Region of the account, or acknowledge this warning if another app creates the role"
	for _, tt := range []struct {
		name    string
		creates []bool // for each member
		triage  bool
		want    []string
	}{
		{"no member creates it", []bool{false, false}, true, []string{strings.ReplaceAll(want, "%", "0")}},
		{"the only member does not create it", []bool{false}, true, []string{strings.ReplaceAll(want, "%", "0")}},
		{"the second member creates it", []bool{false, true}, true, nil},
		{"the AlarmTriage is in another app", []bool{false}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			props := alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String("111122223333")}
			if tt.triage {
				props = alarmtriage.AlarmTriageMemberProps{Triage: triageNamed(stackIn(app, "Test", "eu-west-1"), "Triage", func(p *alarmtriage.AlarmTriageProps) {
					p.Members = membersOf("444455556666")
				})}
			}
			var found []string
			var stacks []awscdk.Stack
			for i, creates := range tt.creates {
				stack := awscdk.NewStack(app, jsii.Sprintf("Member%d", i), &awscdk.StackProps{
					Env: &awscdk.Environment{Account: jsii.String("444455556666"), Region: jsii.String([]string{"eu-west-1", "us-east-1"}[i])}})
				props.CreateRole = jsii.Bool(creates)
				alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &props)
				stacks = append(stacks, stack)
			}
			for _, stack := range stacks {
				found = append(found, slices.DeleteFunc(messagesOf(stack), func(text string) bool { return !strings.Contains(text, "no-member-role") })...)
			}
			assert.Equal(t, tt.want, found)
		})
	}
}

func TestAlarmTriageMember_RejectsArnsOfAnotherPartition(t *testing.T) {
	create := func(region string, change func(p *alarmtriage.AlarmTriageMemberProps)) func() {
		return func() {
			stack := awscdk.NewStack(newTestApp(), jsii.String("Member"), &awscdk.StackProps{
				Env: &awscdk.Environment{Account: jsii.String("444455556666"), Region: jsii.String(region)}})
			props := &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String("111122223333")}
			change(props)
			alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), props)
		}
	}
	bus := func(arn string) func(p *alarmtriage.AlarmTriageMemberProps) {
		return func(p *alarmtriage.AlarmTriageMemberProps) { p.EventBusArn = jsii.String(arn) }
	}
	for _, arn := range []string{"arn:aws:events:us-east-1:111122223333:event-bus/x", "arn:aws-us-gov:events:us-east-1:111122223333:event-bus/x", "arn:aws:events:us-gov-west-1:111122223333:event-bus/x"} {
		assert.Contains(t, panicOf(t, create("us-gov-west-1", bus(arn))), `EventBusArn must be in the partition aws-us-gov of the member's Region us-gov-west-1, got "`+arn+`"`)
	}
	assert.NotPanics(t, create("us-gov-west-1", bus("arn:aws-us-gov:events:us-gov-east-1:111122223333:event-bus/x")))
	assert.Contains(t, panicOf(t, create("us-east-1", func(p *alarmtriage.AlarmTriageMemberProps) {
		p.ObservabilitySinkArn = jsii.String("arn:aws-cn:oam:us-east-1:111122223333:sink/1a2b3c")
	})), "ObservabilitySinkArn must be in the partition aws of the member's Region us-east-1")
}

// Packages of a layer must be in its folder python. A bundling may create it, so the check needs the bundled folder.
func TestToolLayers_WarnsIfTheFolderIsMissing(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "python"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "python", "shop.py"), []byte("x = 1\n"), 0o600))
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{"Layers"}}})
	layers := stackIn(app, "Layers", "eu-west-1")
	layer := func(stack awscdk.Stack, id, path string) awslambda.ILayerVersion {
		return awslambda.NewLayerVersion(stack, jsii.String(id), &awslambda.LayerVersionProps{Code: awslambda.Code_FromAsset(jsii.String(path), nil)})
	}
	stack := stackIn(app, "Test", "eu-west-1")
	triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
		p.ToolLayers = &[]awslambda.ILayerVersion{layer(layers, "Right", folder), layer(layers, "Wrong", filepath.Join(folder, "python")), layer(stack, "Unbundled", filepath.Join(folder, "python"))}
	}).AttachEventRule(jsii.String("All"), nil)
	assert.Equal(t, []string{"/Test/Triage alarmtriage:layer-folder: alarmtriage: the layer Layers/Wrong has no folder python, from which Python imports the packages of a layer: move the packages into a folder of this name, and pass the folder that contains it"},
		slices.DeleteFunc(messagesOf(stack), func(text string) bool { return !strings.Contains(text, "alarmtriage:") }))
}
