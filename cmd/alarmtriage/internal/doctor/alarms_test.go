package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/deployment"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// alarmsOf is CloudWatch with two pages of alarms. As AWS does, it only returns log alarms to a request for them alone.
type alarmsOf struct{ logs error }

func (f alarmsOf) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	switch {
	case len(in.AlarmTypes) == 1 && in.AlarmTypes[0] == types.AlarmTypeLogAlarm:
		return &cloudwatch.DescribeAlarmsOutput{LogAlarms: []types.LogAlarm{{AlarmName: aws.String("b-log"), ActionsEnabled: aws.Bool(true)}}}, f.logs
	case in.NextToken == nil:
		return &cloudwatch.DescribeAlarmsOutput{NextToken: aws.String("more"), MetricAlarms: []types.MetricAlarm{{AlarmName: aws.String("c-metric")},
			{AlarmName: aws.String("alarmtriage-self-failures")}}}, nil
	}
	return &cloudwatch.DescribeAlarmsOutput{CompositeAlarms: []types.CompositeAlarm{{AlarmName: aws.String("a-composite")}}}, nil
}

func TestListAlarms_ReturnsEveryKindOfAlarm(t *testing.T) {
	for _, tt := range []struct {
		name   string
		logs   error
		want   []string
		failed bool
	}{
		{"all kinds", nil, []string{"a-composite", "b-log", "c-metric"}, false},
		{"a Region without log alarms", &smithy.GenericAPIError{Code: "ValidationError", Message: "LogAlarm is not a valid type"}, []string{"a-composite", "c-metric"}, false},
		{"log alarms are denied", awsapitest.Denied("cloudwatch:DescribeAlarms"), nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := listAlarms(t.Context(), alarmsOf{tt.logs})
			assert.Equal(t, tt.failed, err != nil)
			var names []string
			for _, one := range found {
				names = append(names, one.name)
			}
			require.Equal(t, tt.want, names)
		})
	}
}

// CloudWatch enables the actions of at most 100 alarms at once.
func TestJudgeAlarms_RemedyWorksForManyAlarms(t *testing.T) {
	var disabled []string
	for n := range 250 {
		disabled = append(disabled, fmt.Sprintf("alarm %d", n))
	}
	check := judgeAlarms(Alarms{ByAction: []string{"x"}, Disabled: disabled}, "eu-west-1")
	commands := strings.Split(check.Remedy, " && ")
	require.Len(t, commands, 3)
	for _, command := range commands {
		assert.True(t, strings.HasPrefix(command, "aws cloudwatch enable-alarm-actions --region eu-west-1 --alarm-names 'alarm "))
		assert.LessOrEqual(t, strings.Count(command, "'"), 200)
	}
	for _, name := range disabled {
		assert.Contains(t, check.Remedy, "'"+name+"'")
	}
}

// Anybody who may create alarms chooses their names. The AWS CLI would take some of them for options or files.
func TestJudgeAlarms_RemedyOnlyHasNames(t *testing.T) {
	const command = "aws cloudwatch enable-alarm-actions --region eu-west-1 --alarm-names "
	for name, want := range map[string]string{
		"--endpoint-url=https://evil.example": `'["orders","--endpoint-url=https://evil.example"]'`,
		"file:///etc/passwd":                  `'["orders","file:///etc/passwd"]'`,
		`["it's"]`:                            `'["orders","[\"it'\''s\"]"]'`,
		"<orders> & a-b":                      `'orders' '<orders> & a-b'`,
		"two  spaces":                         `'["orders","two \u0020spaces"]'`, // a terminal shows one
		"no\u00a0break":                       `'["orders","no\u00a0break"]'`,
		"\u202egnp":                           `'["orders","\u202egnp"]'`,
		"B\u00fcro":                           `'orders' 'Büro'`,
	} {
		check := judgeAlarms(Alarms{ByAction: []string{"x"}, Disabled: []string{"orders", name}}, "eu-west-1")
		assert.Equal(t, command+want, check.Remedy)
	}
}

// Alarms of scaling policies go to ALARM when all is well.
func TestAlarm_OnlyScales(t *testing.T) {
	const policy = "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:1:resource/ecs/service/shop/web:policyName/in"
	for _, tt := range []struct {
		name    string
		actions []string
		want    bool
	}{
		{"no actions", nil, false},
		{"a policy", []string{policy}, true},
		{"two policies", []string{policy, strings.Replace(policy, "aws", "aws-cn", 1)}, true},
		{"a policy and a topic", []string{policy, "arn:aws:sns:eu-west-1:123456789012:oncall"}, false},
		{"a function", []string{"arn:aws:lambda:eu-west-1:123456789012:function:autoscaling:scalingPolicy"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, alarm{actions: tt.actions}.onlyScales())
		})
	}
}

func TestJudgeAlarms_WarnsOfRulesThatSelectAlarmsThatOnlyScale(t *testing.T) {
	a := Alarms{ByAction: []string{"orders"}, ByRule: []string{"TargetTracking-web", "errors"}, Scaling: []string{"TargetTracking-mail", "TargetTracking-web"}}
	check := judgeAlarms(a, "eu-west-1")
	assert.Equal(t, selfcheck.StateWarning, check.State)
	assert.Equal(t, "3 of 3 alarms start investigations: 1 by their action, 0 through a topic, 2 through a rule. 1 of them only scales something, "+
		"and goes to ALARM when all is well: TargetTracking-web.", check.Detail)
	assert.Equal(t, `Exclude them from the rule, for example with ExceptNamePrefixes and the prefix "TargetTracking-", and deploy.`, check.Remedy)
	a.Disabled = []string{"payments"}
	check = judgeAlarms(a, "eu-west-1")
	assert.Contains(t, check.Remedy, "enable-alarm-actions")
	assert.Contains(t, check.Notes, "1 alarm that starts investigations only scales something, and goes to ALARM when all is well: TargetTracking-web. Exclude them from the rule.")
	a.Disabled, a.ByRule = nil, []string{"errors"}
	assert.Equal(t, selfcheck.StateOK, judgeAlarms(a, "eu-west-1").State)
}

func TestJudgeAlarms_AttachedAlarmsWhoseActionsAreAllDisabledAreAProblem(t *testing.T) {
	check := judgeAlarms(Alarms{Disabled: []string{"orders"}}, "eu-west-1")
	assert.Equal(t, selfcheck.StateProblem, check.State)
	assert.Equal(t, "aws cloudwatch enable-alarm-actions --region eu-west-1 --alarm-names 'orders'", check.Remedy)
	check = judgeAlarms(Alarms{Without: []string{"orders"}}, "eu-west-1")
	assert.Contains(t, check.Remedy, "Attach alarms")
	check = judgeAlarms(Alarms{Scaling: []string{"TargetTracking-web"}}, "eu-west-1")
	assert.Equal(t, "The account has no alarms in this Region, except those that watch AlarmTriage or only scale something.", check.Detail)
}

// A finding about some alarms must not hide that others start no investigation.
func TestJudgeAlarms_NamesAlarmsWithoutInvestigations(t *testing.T) {
	for name, a := range map[string]Alarms{
		"nothing else":    {ByAction: []string{"errors"}},
		"disabled ones":   {ByAction: []string{"errors"}, Disabled: []string{"latency"}},
		"only disabled":   {Disabled: []string{"latency"}},
		"none starts one": {},
		"scaling ones":    {ByRule: []string{"TargetTracking-web"}, Scaling: []string{"TargetTracking-web"}},
		"unknown ones":    {ByAction: []string{"errors"}, Unknown: []string{"shared"}},
		"both":            {Disabled: []string{"latency"}, Unknown: []string{"shared"}},
	} {
		a.Without = []string{"orders", "payments"}
		check := judgeAlarms(a, "eu-west-1")
		assert.Contains(t, check.Notes, "2 alarms start no investigation: orders, payments.", name)
		all := strings.Join(append(check.Notes, check.Detail), " ")
		assert.Equal(t, len(a.Unknown), strings.Count(all, "It is not known whether 1 more does, because the subscriptions of a topic cannot be read: shared."), name)
	}
}

// withTagPropagation adds the tag propagation of alarms, by their names, to the answers of DescribeAlarms. moto does not keep it.
func withTagPropagation(propagation map[string]*types.AlarmTagsPropagation) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("TagPropagation", func(ctx context.Context, in middleware.InitializeInput,
			next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if answer, isAlarms := out.Result.(*cloudwatch.DescribeAlarmsOutput); isAlarms {
				for i, one := range answer.MetricAlarms {
					if sends := propagation[*one.AlarmName]; sends != nil {
						answer.MetricAlarms[i].ActionConfiguration = &types.ActionConfiguration{AlarmTagsPropagation: sends}
					}
				}
			}
			return out, metadata, err
		}), middleware.Before)
	}
}

// Events only contain the tags of an alarm whose tag propagation is on, so a rule that selects by tags misses the others.
func TestAlarms_RuleByTagsSelectsAlarmsThatSendTheTag(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	propagation := map[string]*types.AlarmTagsPropagation{
		"all tags":         {Enabled: aws.Bool(true)},
		"this tag":         {Enabled: aws.Bool(true), IncludedTagKeys: []string{"team"}},
		"another tag":      {Enabled: aws.Bool(true), IncludedTagKeys: []string{"owner"}},
		"all but this tag": {Enabled: aws.Bool(true), ExcludedTagKeys: []string{"team"}},
		"off":              {Enabled: aws.Bool(false)},
		"not configured":   nil,
	}
	cfg := cloud.Config()
	cfg.APIOptions = append(cfg.APIOptions, withTagPropagation(propagation))
	orchestrator := "arn:aws:lambda:us-east-1:" + moto.Account + ":function:orchestrator"
	d := New(cfg, moto.Account, &deployment.Deployment{ARN: orchestrator}, true)
	_, err = d.rules.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("orders"),
		EventPattern: aws.String(`{"source": ["aws.cloudwatch"], "detail": {"alarmTags": {"team": ["orders"]}}}`)})
	require.NoError(t, err)
	_, err = d.rules.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("orders"),
		Targets: []ebtypes.Target{{Id: aws.String("1"), Arn: &orchestrator}}})
	require.NoError(t, err)
	for name := range propagation {
		_, err := d.cloudwatch.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{AlarmName: &name, Namespace: aws.String("Shop"),
			MetricName: aws.String("Errors"), Statistic: types.StatisticSum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1),
			ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("orders")}}})
		require.NoError(t, err)
	}

	found, check := d.alarms(t.Context())
	require.NotNil(t, found, check.Detail)
	assert.Equal(t, []string{"all tags", "this tag"}, found.ByRule)
	assert.Equal(t, []string{"all but this tag", "another tag", "not configured", "off"}, found.Without)
}

// People can't read chat cards, so the remedy must not subscribe them.
func TestSubscriptions_RemedyDependsOnTheTopic(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	found := &deployment.Deployment{}
	d := New(cloud.Config(), moto.Account, found, true)
	for name, arn := range map[string]*string{"oncall": &found.Config.TopicARN, "cards": &found.Config.CardTopicARN} {
		topic, err := d.topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
		require.NoError(t, err)
		*arn = *topic.TopicArn
	}

	checks := d.subscriptions(t.Context())
	require.Len(t, checks, 2)
	for i, want := range []string{"--protocol email", "Amazon Q Developer in chat applications"} {
		assert.Equal(t, selfcheck.StateProblem, checks[i].State)
		assert.Contains(t, checks[i].Remedy, want)
	}
	assert.NotContains(t, checks[1].Remedy, "email")
}

// A confirmed subscription is not yet somebody who reads the reports.
func TestSubscriptions_TellWhoReadsReports(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	type subscriber struct{ protocol, endpoint, filter string }
	email := subscriber{"email", "oncall@example.com", ""}
	pager := subscriber{"https", "https://pager.example.com/", `{"severity": ["critical"]}`}
	chat := subscriber{"https", "https://global.sns-api.chatbot.amazonaws.com", ""}
	const showsNone = "Amazon Q Developer does not show the texts of reports"
	for i, tt := range []struct {
		name        string
		subscribers []subscriber
		cards       bool // the topic is that of chat cards
		state       selfcheck.State
		detail      string
		note        string
	}{
		{"a person", []subscriber{email}, false, selfcheck.StateOK, "1 confirmed subscription: email oncall@example.com.", ""},
		{"a person, and a filter", []subscriber{email, pager}, false, selfcheck.StateOK, "2 confirmed subscriptions: ",
			"With a filter policy: https https://pager.example.com/."},
		{"only a filter", []subscriber{pager}, false, selfcheck.StateWarning, "a message that all of them exclude reaches nobody", ""},
		{"only a chat channel", []subscriber{chat}, false, selfcheck.StateProblem, showsNone, ""},
		{"a person, and a chat channel", []subscriber{email, chat}, false, selfcheck.StateOK, "1 confirmed subscription: email ", showsNone},
		{"a chat channel that receives some cards", []subscriber{{chat.protocol, chat.endpoint, pager.filter}}, true, selfcheck.StateOK,
			"1 confirmed subscription: https ", "With a filter policy: https "},
		{"a chat channel that receives cards", []subscriber{chat}, true, selfcheck.StateOK, "1 confirmed subscription: https ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := &deployment.Deployment{}
			d := New(cloud.Config(), moto.Account, found, true)
			topic, err := d.topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(fmt.Sprintf("topic-%d", i))})
			require.NoError(t, err)
			if found.Config.TopicARN = *topic.TopicArn; tt.cards {
				found.Config.TopicARN, found.Config.CardTopicARN = "", *topic.TopicArn
			}
			for _, one := range tt.subscribers {
				in := &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: &one.protocol, Endpoint: &one.endpoint}
				if one.filter != "" {
					in.Attributes = map[string]string{"FilterPolicy": one.filter}
				}
				_, err := d.topics.Subscribe(t.Context(), in)
				require.NoError(t, err)
			}
			checks := d.subscriptions(t.Context())
			require.Len(t, checks, 1)
			assert.Equal(t, tt.state, checks[0].State)
			assert.Contains(t, checks[0].Detail, tt.detail)
			assert.Contains(t, strings.Join(checks[0].Notes, " "), tt.note)
		})
	}
}

// Filters that cannot be read are not known to let a notification through.
func TestSubscriptions_FiltersThatCannotBeReadAreNotHealthy(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	found := &deployment.Deployment{}
	d := New(cloud.Config(), moto.Account, found, true)
	topic, err := d.topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("oncall")})
	require.NoError(t, err)
	found.Config.TopicARN = *topic.TopicArn
	subscribe := func(endpoint string) string {
		out, err := d.topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: &endpoint})
		require.NoError(t, err)
		return *out.SubscriptionArn
	}
	closed := subscribe("closed@example.com")
	stage(t, cloud, `{"call": "sns.get_subscription_attributes", "when": {"SubscriptionArn": "`+closed+`"}, "error": {"code": "AuthorizationError", "message": "no", "status": 403}}`)
	checks := d.subscriptions(t.Context())
	require.Len(t, checks, 1)
	assert.Equal(t, selfcheck.StateSkipped, checks[0].State)
	assert.Contains(t, checks[0].Remedy, "sns:GetSubscriptionAttributes")
	assert.Contains(t, strings.Join(checks[0].Notes, " "), "cannot be read: email closed@example.com.")

	subscribe("open@example.com")
	checks = d.subscriptions(t.Context())
	assert.Equal(t, selfcheck.StateOK, checks[0].State, "a subscription without a filter receives everything")
}

// An account that investigates the alarms of other accounts may have no alarms.
func TestJudgeAlarms_OtherAccountsHaveTheAlarms(t *testing.T) {
	for name, a := range map[string]Alarms{"no alarms": {}, "alarms that are not attached": {Without: []string{"orders"}}} {
		assert.NotEqual(t, selfcheck.StateOK, judgeAlarms(a, "eu-west-1").State, name)
		a.hasOthers = true
		check := judgeAlarms(a, "eu-west-1")
		assert.Equal(t, selfcheck.StateOK, check.State, name)
		assert.Contains(t, check.Notes, "The alarms of other accounts and Regions are not listed here.", name)
	}
	check := judgeAlarms(Alarms{hasOthers: true, Disabled: []string{"orders"}}, "eu-west-1")
	assert.Equal(t, selfcheck.StateProblem, check.State)
}

// SNS lists a subscription for some days after somebody has left it, with the ARN "Deleted".
func TestJudgeAlarms_DeniedBusesAreNoProblem(t *testing.T) {
	found := Alarms{Without: []string{"orders-errors"}, busesDenied: true}
	check := judgeAlarms(found, "us-east-1")
	assert.Equal(t, selfcheck.StateSkipped, check.State, check.Detail)
	assert.Contains(t, check.Detail, "0 of 1 alarm start investigations")
	assert.Contains(t, check.Remedy, "events:ListRuleNamesByTarget")
	assert.Len(t, check.Notes, 2)
	assert.Contains(t, check.Notes[1], "not certain")
	found.busesDenied = false
	assert.Equal(t, selfcheck.StateProblem, judgeAlarms(found, "us-east-1").State)
}

func TestSubscriptions_ThoseThatWereDeletedReceiveNothing(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	const topic = "arn:aws:sns:us-east-1:123456789012:oncall"
	response, err := http.Post(cloud.URL+"/alarmtriage/world", "application/json", strings.NewReader(`{"answers": [{"call": "sns.list_subscriptions_by_topic",
		"answer": {"Subscriptions": [{"SubscriptionArn": "Deleted", "Protocol": "email", "Endpoint": "left@example.com"}]}}]}`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	found := &deployment.Deployment{}
	found.Config.TopicARN = topic

	checks := New(cloud.Config(), moto.Account, found, true).subscriptions(t.Context())
	require.Len(t, checks, 1)
	assert.Equal(t, selfcheck.StateProblem, checks[0].State)
	assert.Equal(t, "The topic has no subscription. Nobody receives its messages.", checks[0].Detail)
}

func TestAlarms_OfOtherAccountsComeFromMembersAndBuses(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	found := &deployment.Deployment{ARN: "arn:aws:lambda:us-east-1:123456789012:function:orchestrator"}
	d := New(cloud.Config(), moto.Account, found, true)
	check := func(want bool) {
		t.Helper()
		lists, check := d.alarms(t.Context())
		require.NotNil(t, lists, check.Detail)
		assert.Equal(t, want, lists.hasOthers)
	}
	ruleOn := func(bus, target string) {
		putRule(t, d, bus, bus, target, `{"source": ["aws.cloudwatch"]}`, ebtypes.RuleStateEnabled)
	}
	for _, bus := range []string{"alarms", "other"} {
		_, err := d.rules.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &bus})
		require.NoError(t, err)
	}
	ruleOn("default", found.ARN)
	ruleOn("other", found.ARN+"-2")
	check(false)
	ruleOn("alarms", found.ARN)
	check(true)

	found.ARN = "arn:aws:lambda:us-east-1:123456789012:function:central"
	check(false)
	found.Config.Members.Role = "alarmtriage-member"
	check(true)
}

// A rule of the default bus may send the events to the bus that also receives those of other accounts.
func TestAlarms_RulesOfAnotherBusAreReachedThroughTheDefaultBus(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	found := &deployment.Deployment{ARN: "arn:aws:lambda:us-east-1:123456789012:function:orchestrator"}
	d := New(cloud.Config(), moto.Account, found, true)
	bus, err := d.rules.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("central")})
	require.NoError(t, err)
	putAlarms(t, d, "orders-errors", "orders-noise", "payments-errors")
	byRule := func() []string {
		t.Helper()
		lists, check := d.alarms(t.Context())
		require.NotNil(t, lists, check.Detail)
		assert.Len(t, lists.Without, 3-len(lists.ByRule))
		return lists.ByRule
	}
	const orders, errors = `{"source": ["aws.cloudwatch"], "detail": {"alarmName": [{"prefix": "orders-"}], "previousState": {"value": ["OK"]}}}`, `{"detail": {"alarmName": [{"suffix": "-errors"}]}}`

	putRule(t, d, "investigate", "central", found.ARN, errors, ebtypes.RuleStateEnabled)
	assert.Empty(t, byRule(), "nothing sends the events to the bus")
	putRule(t, d, "forward", "default", aws.ToString(bus.EventBusArn), orders, ebtypes.RuleStateEnabled)
	assert.Equal(t, []string{"orders-errors"}, byRule(), "both rules must select an alarm")
	putRule(t, d, "forward", "default", aws.ToString(bus.EventBusArn), orders, ebtypes.RuleStateDisabled)
	assert.Empty(t, byRule(), "the rule is disabled")
}

// putRule puts a rule on a bus, with one target.
func putRule(t *testing.T, d *Doctor, name, bus, target, pattern string, state ebtypes.RuleState) {
	t.Helper()
	_, err := d.rules.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &name, EventBusName: &bus, EventPattern: &pattern, State: state})
	require.NoError(t, err)
	_, err = d.rules.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &bus, Targets: []ebtypes.Target{{Id: aws.String("a"), Arn: &target}}})
	require.NoError(t, err)
}

// putAlarms creates alarms without actions.
func putAlarms(t *testing.T, d *Doctor, names ...string) {
	t.Helper()
	for _, name := range names {
		putAlarm(t, d, name, true)
	}
}

func putAlarm(t *testing.T, d *Doctor, name string, enabled bool, actions ...string) {
	t.Helper()
	_, err := d.cloudwatch.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{AlarmName: &name, Namespace: aws.String("Shop"),
		MetricName: aws.String("Errors"), Statistic: types.StatisticSum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, AlarmActions: actions, ActionsEnabled: &enabled})
	require.NoError(t, err)
}

// stage makes moto give answers, each of which is the JSON of an incident.
func stage(t *testing.T, cloud *moto.Server, answers ...string) {
	t.Helper()
	response, err := http.Post(cloud.URL+"/alarmtriage/world", "application/json", strings.NewReader(`{"answers": [`+strings.Join(answers, ", ")+`]}`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

const orchestrator = "arn:aws:lambda:us-east-1:" + moto.Account + ":function:orchestrator"

// policyAnswer is the answer of GetPolicy for a qualifier, or for any. The policy has one statement, about a resource and with a condition.
func policyAnswer(qualifier, resource, condition string) string {
	policy := `{"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.alarms.cloudwatch.amazonaws.com"}, "Action": "lambda:InvokeFunction", ` +
		`"Resource": "` + resource + `", "Condition": ` + condition + `}]}`
	when := ""
	if qualifier != "" {
		when = `"when": {"Qualifier": "` + qualifier + `"}, `
	}
	return fmt.Sprintf(`{"call": "lambda.get_policy", %s"answer": {"Policy": %q}}`, when, policy)
}

// A version or an alias does not inherit the policy of the function.
func TestAlarms_ThoseThatMayNotInvokeTheFunctionAreRefused(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	exists := `{"call": "lambda.get_function_configuration", "answer": {"FunctionName": "orchestrator"}}`
	own := `{"ArnLike": {"AWS:SourceArn": "arn:aws:cloudwatch:us-east-1:` + moto.Account + `:alarm:*"}, "StringEquals": {"AWS:SourceAccount": "` + moto.Account + `"}}`
	denied := `{"call": "lambda.get_policy", "when": {"Qualifier": "live"}, "error": {"code": "AccessDeniedException", "message": "no", "status": 403}}`
	none := `{"call": "lambda.get_policy", "error": {"code": "ResourceNotFoundException", "message": "no policy", "status": 404}}`
	for _, tt := range []struct {
		name    string
		answers []string
		refused []string
		state   selfcheck.State
	}{
		{"the function's policy", []string{policyAnswer("", orchestrator, own)}, []string{"alias"}, selfcheck.StateWarning},
		{"the alias's policy, too", []string{policyAnswer("live", orchestrator+":live", own), policyAnswer("", orchestrator, own)}, []string{}, selfcheck.StateOK},
		{"only the alias's policy", []string{policyAnswer("live", orchestrator+":live", "{}"), none}, []string{"plain"}, selfcheck.StateWarning},
		{"other alarms", []string{policyAnswer("live", orchestrator+":live", strings.Replace(own, "alarm:*", "alarm:orders*", 1)), policyAnswer("", orchestrator, own)},
			[]string{"alias"}, selfcheck.StateWarning},
		{"another account", []string{policyAnswer("live", orchestrator+":live", strings.ReplaceAll(own, `": "`+moto.Account, `": "4444`)), policyAnswer("", orchestrator, own)},
			[]string{"alias"}, selfcheck.StateWarning},
		{"a condition that is not known", []string{policyAnswer("live", orchestrator+":live", `{"Bool": {"aws:X": "true"}}`), policyAnswer("", orchestrator, own)},
			[]string{}, selfcheck.StateOK},
		{"no policy", []string{none}, []string{"alias", "plain"}, selfcheck.StateProblem},
		{"a policy that cannot be read", []string{denied, policyAnswer("", orchestrator, own)}, []string{}, selfcheck.StateSkipped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stage(t, cloud, append(tt.answers, exists)...)
			d := New(cloud.Config(), moto.Account, &deployment.Deployment{ARN: orchestrator, Function: "orchestrator"}, true)
			putAlarm(t, d, "plain", true, orchestrator)
			putAlarm(t, d, "alias", true, orchestrator+":live")
			found, check := d.alarms(t.Context())
			require.NotNil(t, found, check.Detail)
			assert.Equal(t, tt.refused, found.Refused)
			assert.Len(t, found.ByAction, 2-len(tt.refused))
			assert.Equal(t, tt.state, check.State)
			for _, name := range tt.refused {
				assert.Contains(t, check.Detail, name)
				want := map[string]string{"plain": "orchestrator --statement-id", "alias": "orchestrator --qualifier 'live' --statement-id"}[name]
				assert.Contains(t, check.Remedy, "aws lambda add-permission --region us-east-1 --function-name "+want)
			}
		})
	}
}

// withRulesOfClosedBuses lets AWS deny the rules of buses whose names begin with "closed". It counts the events that are compared.
func withRulesOfClosedBuses(compared *atomic.Int64) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("ClosedBuses", func(ctx context.Context, in middleware.InitializeInput,
			next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			switch input := in.Parameters.(type) {
			case *eventbridge.ListRuleNamesByTargetInput:
				if strings.HasPrefix(aws.ToString(input.EventBusName), "closed") {
					return middleware.InitializeOutput{}, middleware.Metadata{}, awsapitest.Denied("events:ListRuleNamesByTarget")
				}
			case *eventbridge.TestEventPatternInput:
				compared.Add(1)
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

func TestAlarms_RulesOfABusAreReadIfThoseOfAnotherAreDenied(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	found := &deployment.Deployment{ARN: "arn:aws:lambda:us-east-1:123456789012:function:orchestrator"}
	d := New(cloud.Config(), moto.Account, found, true)
	var compared atomic.Int64
	d.rules = eventbridge.NewFromConfig(cloud.Config(), eventbridge.WithAPIOptions(withRulesOfClosedBuses(&compared)))
	putAlarms(t, d, "orders-errors", "orders-noise")
	for _, bus := range []string{"closed", "open"} {
		_, err := d.rules.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &bus})
		require.NoError(t, err)
	}
	const rules = 5
	for n := range rules {
		putRule(t, d, fmt.Sprintf("forward-%d", n), "default", "arn:aws:events:us-east-1:123456789012:event-bus/open", fmt.Sprintf(`{"detail": {"alarmName": [{"prefix": "orders-"}, "%d"]}}`, n), ebtypes.RuleStateEnabled)
		putRule(t, d, fmt.Sprintf("investigate-%d", n), "open", found.ARN, fmt.Sprintf(`{"detail": {"alarmName": ["%d", {"suffix": "-errors"}]}}`, n), ebtypes.RuleStateEnabled)
	}

	lists, check := d.alarms(t.Context())
	require.NotNil(t, lists, check.Detail)
	assert.Equal(t, []string{"orders-errors"}, lists.ByRule)
	assert.Equal(t, []string{"1 alarm starts no investigation: orders-noise.",
		"That is not certain, because AWS denied to read some event buses, whose rules can start investigations, too.",
		"The alarms of other accounts and Regions are not listed here."}, check.Notes)
	assert.LessOrEqual(t, compared.Load(), int64(2*2*rules), "each alarm is compared with each rule once at most")
}

// Alarms often notify the topic of another account, whose subscriptions nobody else may read. The other alarms are judged all the same.
func TestAlarms_TopicThatCannotBeReadLeavesItsAlarmsUnknown(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	const central = "arn:aws:sns:us-east-1:999999999999:oncall"
	stage(t, cloud, `{"call": "sns.list_subscriptions_by_topic", "when": {"TopicArn": "`+central+`"}, "error": {"code": "AuthorizationError", "message": "no"}}`,
		policyAnswer("", orchestrator, "{}"))
	d := New(cloud.Config(), moto.Account, &deployment.Deployment{ARN: orchestrator}, true)
	put := func(name string, enabled bool, actions ...string) {
		putAlarm(t, d, name, enabled, actions...)
	}
	put("attached", true, central, orchestrator)
	put("central", true, central)
	put("silent", true)
	put("paused", false, central)

	found, check := d.alarms(t.Context())
	require.NotNil(t, found, check.Detail)
	assert.Equal(t, []string{"attached"}, found.ByAction)
	assert.Equal(t, []string{"central"}, found.Unknown)
	assert.Equal(t, []string{"paused", "silent"}, found.Without, "disabled actions notify no topic")
	assert.Equal(t, selfcheck.StateSkipped, check.State, "what is not known is not healthy")
	assert.Contains(t, check.Detail, "1 of 4 alarms start investigations: 1 by their action, 0 through a topic, 0 through a rule. "+
		"It is not known whether 1 more does, because the subscriptions of a topic cannot be read: central.")

	put("attached", false, central, orchestrator)
	_, check = d.alarms(t.Context())
	assert.Equal(t, selfcheck.StateProblem, check.State)
	assert.Contains(t, check.Remedy, "enable-alarm-actions")
}
