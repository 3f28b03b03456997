package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/integ/templatetest"
)

var update = flag.Bool("update", false, "rewrite the table of parameters in docs/template.md")

func TestMain(m *testing.M) { os.Exit(templatetest.Run(m)) }

// app is what a user of the construct writes.
type app struct {
	stack awscdk.Stack
	props *alarmtriage.AlarmTriageProps
	after []func(*alarmtriage.AlarmTriage)
}

// choice is a value of a parameter, and the code with which a user of the construct makes the same choice.
type choice struct {
	parameter, value string
	code             func(a *app)
}

const arn = "arn:aws:%s:eu-west-1:111122223333:%s"

func (a *app) topic(name string) awssns.ITopic {
	return awssns.Topic_FromTopicArn(a.stack, &name, jsii.Sprintf(arn, "sns", name))
}

// choices has a value other than the default for each parameter that can be omitted, except those of code. The second
// argument selects among several values.
func choices(variation int) []choice {
	set := func(parameter, value string, code func(p *alarmtriage.AlarmTriageProps)) choice {
		return choice{parameter, value, func(a *app) { code(a.props) }}
	}
	// CDK grants more for a model that is not known at synth, so the construct gets a parameter, too.
	models := func(value string, count int) choice {
		return choice{"BedrockModelIds", value, func(a *app) {
			model := func(index int) *string {
				return awscdk.NewCfnParameter(a.stack, jsii.Sprintf("Model%d", index), nil).ValueAsString()
			}
			a.props.BedrockModelId, a.props.FallbackModelIds = model(0), &[]*string{}
			if count > 1 {
				a.props.FallbackModelIds = &[]*string{model(1)}
			}
		}}
	}
	byName := func(prefixes ...string) choice {
		return choice{"AlarmNamePrefixes", strings.Join(prefixes, ","), func(a *app) {
			a.after = append(a.after, func(triage *alarmtriage.AlarmTriage) {
				triage.AttachEventRule(jsii.String("AlarmsByName"), &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings(prefixes...),
					Accounts: &[]*string{a.stack.Account()}, Regions: &[]*string{a.stack.Region()}})
			})
		}}
	}
	alarms := []choice{
		byName("prod-"), byName("prod-", "shop-"), byName("a", "b", "c"), byName("a", "b", "c", "d"), byName("a", "b", "c", "d", "e"),
		{"AlarmNamePrefixes", "*", func(a *app) {
			a.after = append(a.after, func(triage *alarmtriage.AlarmTriage) {
				triage.AttachEventRule(jsii.String("EveryAlarm"), &alarmtriage.EventRuleProps{Accounts: &[]*string{a.stack.Account()}, Regions: &[]*string{a.stack.Region()}})
			})
		}},
	}
	return []choice{
		{"ChatCardTopicArn", fmt.Sprintf(arn, "sns", "chat"), func(a *app) { a.props.ChatCardTopic = a.topic("chat") }},
		{"SelfAlarmTopicArn", fmt.Sprintf(arn, "sns", "platform"), func(a *app) { a.props.SelfAlarmTopic = a.topic("platform") }},
		{"TopicKeyArn", fmt.Sprintf(arn, "kms", "key/0a1b-2c"), func(a *app) {
			a.props.TopicEncryptionKey = awskms.Key_FromKeyArn(a.stack, jsii.String("Key"), jsii.Sprintf(arn, "kms", "key/0a1b-2c"))
		}},
		{"CompletionEventBusArn", fmt.Sprintf(arn, "events", "event-bus/done"), func(a *app) {
			a.props.CompletionEventBus = awsevents.EventBus_FromEventBusArn(a.stack, jsii.String("Bus"), jsii.Sprintf(arn, "events", "event-bus/done"))
		}},
		{"OnFailureQueueArn", fmt.Sprintf(arn, "sqs", "failed"), func(a *app) {
			a.props.OnFailureQueue = awssqs.Queue_FromQueueArn(a.stack, jsii.String("Queue"), jsii.Sprintf(arn, "sqs", "failed"))
		}},
		set("NotifyRecovery", "true", func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) }),
		set("MembersOrganizationId", "o-a1b2c3d4e5", func(p *alarmtriage.AlarmTriageProps) {
			p.Members = &alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5")}
		}),
		[]choice{models("us.amazon.nova-2-lite-v1:0", 1), models("openai.gpt-oss-120b-1:0,us.amazon.nova-2-lite-v1:0", 2)}[variation%2],
		set("Instructions", "The shop is busiest at noon.", func(p *alarmtriage.AlarmTriageProps) {
			p.Instructions = jsii.String("The shop is busiest at noon.")
		}),
		set("InvestigationWindowSeconds", "21600", func(p *alarmtriage.AlarmTriageProps) {
			p.InvestigationWindow = awscdk.Duration_Hours(jsii.Number(6))
		}),
		set("MaxInvestigationsPerDay", "50", func(p *alarmtriage.AlarmTriageProps) { p.MaxInvestigationsPerDay = jsii.Number(50) }),
		set("MaxConcurrentInvestigations", []string{"5", "0"}[variation%2], func(p *alarmtriage.AlarmTriageProps) {
			p.MaxConcurrentInvestigations = jsii.Number([]float64{5, 0}[variation%2])
		}),
		set("MaxCostUsd", "2.5", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsd = jsii.Number(2.5) }),
		set("MaxQueryCostUsd", "0.5", func(p *alarmtriage.AlarmTriageProps) { p.MaxQueryCostUsd = jsii.Number(0.5) }),
		set("ResourcePrefix", "prod", func(p *alarmtriage.AlarmTriageProps) { p.ResourcePrefix = jsii.String("prod") }),
		set("ReportsRetentionDays", "90", func(p *alarmtriage.AlarmTriageProps) {
			p.ReportsRetention = awscdk.Duration_Days(jsii.Number(90))
		}),
		set("LogLevel", "DEBUG", func(p *alarmtriage.AlarmTriageProps) { p.LogLevel = alarmtriage.LogLevel_DEBUG }),
		set("LogRetentionDays", "30", func(p *alarmtriage.AlarmTriageProps) { p.LogRetention = awslogs.RetentionDays_ONE_MONTH }),
		set("Dashboard", "true", func(p *alarmtriage.AlarmTriageProps) { p.Dashboard = jsii.Bool(true) }),
		alarms[variation%len(alarms)],
	}
}

// stackOfTheUser is the name of the stack that both the template and the construct are deployed to.
const stackOfTheUser = "triage"

// synthesizeApp returns the template of an app with these choices, and the values of its parameters.
func synthesizeApp(t *testing.T, chosen []choice) (written template, values map[string]string) {
	t.Helper()
	dir := t.TempDir()
	cdk := awscdk.NewApp(&awscdk.AppProps{Outdir: &dir, Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	a := &app{props: &alarmtriage.AlarmTriageProps{}}
	a.stack = awscdk.NewStack(cdk, jsii.String(triageDesign().stackID), &awscdk.StackProps{
		StackName: jsii.String(stackOfTheUser), Synthesizer: awscdk.NewCliCredentialsStackSynthesizer(nil),
	})
	a.props.NotificationTopic = a.topic("oncall")
	values = map[string]string{}
	for _, c := range chosen {
		c.code(a)
		if c.parameter == "BedrockModelIds" {
			for i, model := range strings.Split(c.value, ",") {
				values[fmt.Sprintf("Model%d", i)] = model
			}
		}
	}
	triage := alarmtriage.NewAlarmTriage(a.stack, jsii.String("Triage"), a.props)
	for _, f := range a.after {
		f(triage)
	}
	for name, value := range outputsOf(triage) {
		awscdk.NewCfnOutput(a.stack, jsii.String(name), &awscdk.CfnOutputProps{Value: value})
	}
	cdk.Synth(nil)
	written, err := triageDesign().readTemplate(dir)
	require.NoError(t, err)
	return written, values
}

// withoutCode removes the location of the code, and the hash that follows from the name of the self-alarms' stack.
func withoutCode(resources map[string]any) map[string]any {
	hash := regexp.MustCompile(`-triage-[0-9a-f]{8}-`)
	for _, resource := range resources {
		properties := resource.(map[string]any)["Properties"].(map[string]any)
		for _, property := range []string{"Code", "Content"} {
			delete(properties, property)
		}
		if name, named := properties["AlarmName"].(string); named {
			properties["AlarmName"] = hash.ReplaceAllString(name, "-triage-")
		}
	}
	return resources
}

// selections returns subsets of n choices, in which each two choices occur together, alone, and not at all.
func selections(n int) [][]int {
	everything := make([]int, n)
	for i := range everything {
		everything[i] = i
	}
	subsets := [][]int{nil, everything}
	for bit := 0; 1<<bit < n; bit++ {
		for _, want := range []int{0, 1} {
			subsets = append(subsets, slices.DeleteFunc(slices.Clone(everything), func(i int) bool { return i>>bit&1 != want }))
		}
	}
	return subsets
}

func TestTemplate_EqualsTheConstruct(t *testing.T) {
	dir, design := t.TempDir(), triageDesign()
	design.synthesize(dir, awslambda.Architecture_ARM_64(), false)
	count := len(choices(0))
	for variation, subset := range selections(count) {
		var chosen []choice
		values := map[string]string{
			"NotificationTopicArn": fmt.Sprintf(arn, "sns", "oncall"), codeBucket: "code", "AWS::StackName": stackOfTheUser,
		}
		var names []string
		for _, i := range subset {
			c := choices(variation)[i]
			chosen, names = append(chosen, c), append(names, c.parameter+"="+c.value)
			values[c.parameter] = c.value
		}
		t.Run(fmt.Sprintf("%d of %d parameters", len(chosen), count), func(t *testing.T) {
			t.Log(strings.Join(names, " "))
			generated, err := design.read(dir)
			require.NoError(t, err)
			written, models := synthesizeApp(t, chosen)
			want, got := newResolver(written, models), newResolver(generated, values)
			assert.Empty(t, cmp.Diff(withoutCode(want.resources(written)), withoutCode(got.resources(generated))), "resources")
			assert.Empty(t, cmp.Diff(want.resolve(written["Outputs"]), got.resolve(generated["Outputs"])), "outputs")
			if written["Mappings"] != nil { // which only the default models need
				assert.Empty(t, cmp.Diff(written["Mappings"], generated["Mappings"]), "mappings")
			}
		})
	}
}

func TestParameters_AcceptOnlyWhatTheConstructCanUse(t *testing.T) {
	tests := []patternTest{
		{"MaxConcurrentInvestigations", []string{"0", "10", "1000"}, []string{"", "0.0", "00", "2.5", "-1", "1e1", "10 "}},
		{"ReportsRetentionDays", []string{"0", "1", "3650"}, []string{"", "0.0", "0.5", "-0", "030"}},
		{"CodeBucket", []string{"my-code", "my.code"}, []string{"", "My-Code", "a"}},
		{"CodePrefix", []string{"", "alarmtriage/", "a/b/"}, []string{"/alarmtriage/", "alarmtriage", "/"}},
		{"NotificationTopicArn", []string{"arn:aws:sns:eu-west-1:111122223333:oncall"}, []string{"", "oncall", "arn:aws:sns:eu-west-1:111122223333:oncall.fifo"}},
		{"ChatCardTopicArn", []string{"", "arn:aws-cn:sns:cn-north-1:111122223333:chat"}, []string{"arn:aws:sqs:eu-west-1:111122223333:chat"}},
		{"SelfAlarmTopicArn", []string{"", "arn:aws:sns:eu-west-1:111122223333:platform"}, []string{"platform"}},
		{"TopicKeyArn", []string{"", "arn:aws:kms:eu-west-1:111122223333:key/mrk-1a2b"}, []string{"alias/topics", "arn:aws:kms:eu-west-1:111122223333:alias/topics"}},
		{"OnFailureQueueArn", []string{"", "arn:aws:sqs:eu-west-1:111122223333:failed"}, []string{"arn:aws:sqs:eu-west-1:111122223333:failed.fifo"}},
		{"CompletionEventBusArn", []string{"", "arn:aws:events:eu-west-1:111122223333:event-bus/done"}, []string{"done", "arn:aws:events:eu-west-1:111122223333:event-bus/*"}},
		{
			"BedrockModelIds", []string{"", "openai.gpt-oss-120b-1:0", "us.amazon.nova-2-lite-v1:0,openai.gpt-oss-120b-1:0"},
			[]string{"a, b", "a,b,c", ",a", "a,", "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-2-lite-v1:0"},
		},
		{"AlarmNamePrefixes", []string{"", "*", "prod-", "prod-,shop ", "a,b,c,d,e"}, []string{"a,b,c,d,e,f", "a, b", "*,a", "a,,b", ",a", "a,"}},
		{
			"Instructions", []string{"", "Orders: \"checkout\".\nMünchen", strings.Repeat("a", 2000), strings.Repeat("😀", 590), strings.Repeat("aéa\n", 65)},
			[]string{strings.Repeat("😀", 591), strings.Repeat("aaaaä", 131)},
		},
		{"MembersOrganizationId", []string{"", "o-a1b2c3d4e5"}, []string{"o-1", "a1b2c3d4e5", "o-A1B2C3D4E5", "o-a1b2c3d4e5/r-ab12/*"}},
		{"ResourcePrefix", []string{"", "p", "prod-eu", strings.Repeat("a", 20)}, []string{"Prod", "-prod", "prod-", strings.Repeat("a", 21)}},
	}
	assertPatterns(t, triageParameters(), tests)
}

func TestParameters_LogRetentionDaysAreThoseOfTheConstruct(t *testing.T) {
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("Test"), nil)
	var want []string
	for i, retention := range []awslogs.RetentionDays{
		awslogs.RetentionDays_ONE_DAY, awslogs.RetentionDays_THREE_DAYS, awslogs.RetentionDays_FIVE_DAYS, awslogs.RetentionDays_ONE_WEEK,
		awslogs.RetentionDays_TWO_WEEKS, awslogs.RetentionDays_ONE_MONTH, awslogs.RetentionDays_TWO_MONTHS, awslogs.RetentionDays_THREE_MONTHS,
		awslogs.RetentionDays_FOUR_MONTHS, awslogs.RetentionDays_FIVE_MONTHS, awslogs.RetentionDays_SIX_MONTHS, awslogs.RetentionDays_ONE_YEAR,
		awslogs.RetentionDays_THIRTEEN_MONTHS, awslogs.RetentionDays_EIGHTEEN_MONTHS, awslogs.RetentionDays_TWO_YEARS, awslogs.RetentionDays_THREE_YEARS,
		awslogs.RetentionDays_FIVE_YEARS, awslogs.RetentionDays_SIX_YEARS, awslogs.RetentionDays_SEVEN_YEARS, awslogs.RetentionDays_EIGHT_YEARS,
		awslogs.RetentionDays_NINE_YEARS, awslogs.RetentionDays_TEN_YEARS,
	} {
		group := awslogs.NewLogGroup(stack, jsii.Sprintf("Group%d", i), &awslogs.LogGroupProps{Retention: retention})
		want = append(want, fmt.Sprint(*group.Node().DefaultChild().(awslogs.CfnLogGroup).RetentionInDays()))
	}
	for _, p := range triageParameters() {
		if p.name == "LogRetentionDays" {
			assert.Equal(t, want, p.allowed)
		}
	}
}

// patternTest has values that a parameter accepts and rejects.
type patternTest struct {
	parameter string
	accepted  []string
	rejected  []string
}

// assertPatterns checks the patterns of parameters. Each pattern needs a test.
func assertPatterns(t *testing.T, parameters []parameter, tests []patternTest) {
	t.Helper()
	declared := map[string]parameter{}
	for _, p := range parameters {
		declared[p.name] = p
	}
	for _, test := range tests {
		pattern := regexp.MustCompile(declared[test.parameter].allowedPattern())
		for _, value := range test.accepted {
			assert.True(t, pattern.MatchString(value), "%s=%q", test.parameter, value)
		}
		for _, value := range test.rejected {
			assert.False(t, pattern.MatchString(value), "%s=%q", test.parameter, value)
		}
		delete(declared, test.parameter)
	}
	for name, p := range declared {
		assert.Empty(t, p.pattern, "%s has a pattern and no test", name)
	}
}

func TestMerge_RejectsOptionsThatChangeTheSameValue(t *testing.T) {
	with := func(condition, within string, value any) alternative {
		return alternative{option{condition: condition, within: within}, value}
	}
	_, err := merge(map[string]any{"Name": "both"}, []alternative{
		with("First", "", map[string]any{"Name": "one"}), with("Second", "", map[string]any{"Name": "two"}),
	})
	assert.ErrorContains(t, err, "the options First and Second change the same value")

	merged, err := merge("both", []alternative{with("Inner", "Outer", "outer only"), with("Outer", "", "none")})
	require.NoError(t, err)
	assert.Equal(t, fn("If", "Outer", fn("If", "Inner", "both", "outer only"), "none"), merged)
}

func TestDocs_ListTheParameters(t *testing.T) {
	assertDocumented(t, "parameters", triageParameters())
	assertDocumented(t, "member parameters", memberParameters())
}

// assertDocumented compares a table of docs/template.md with parameters. With -update, it writes the table.
func assertDocumented(t *testing.T, marker string, parameters []parameter) {
	t.Helper()
	const page, end = "../docs/template.md", "<!-- end -->\n"
	begin := "<!-- " + marker + " -->\n"
	table := "| group | parameter | default | |\n|---|---|---|---|\n"
	for _, p := range parameters {
		value := "`" + p.value + "`"
		switch {
		case p.required:
			value = "required"
		case p.value == "":
			value = "empty"
		}
		table += fmt.Sprintf("| %s | `%s` | %s | %s |\n", p.group, p.name, value, p.description)
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + table + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, string(text), "run `go test ./template -update`")
}
