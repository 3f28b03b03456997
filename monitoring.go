package alarmtriage

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// Width and height of the dashboard's widgets in CloudWatch's grid units; a row has 24.
const (
	widgetWidth  = 12
	widgetHeight = 6
)

// addDashboard adds the dashboard of the prop Dashboard.
func (t *AlarmTriage) addDashboard(p *AlarmTriageProps) {
	if !*p.Dashboard {
		return
	}
	t.dashboard = awscloudwatch.NewDashboard(t, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DashboardName: physicalName(p, "alarm-triage"),
	})
	graph := func(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
		return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
			Title: jsii.String(title), Left: &metrics, Width: jsii.Number(widgetWidth), Height: jsii.Number(widgetHeight),
		})
	}
	t.dashboard.AddWidgets(
		graph("Investigations", t.MetricInvestigations(nil), t.MetricFallbacks(nil), t.MetricDuplicates(nil)),
		graph("Failures", t.MetricFailures(nil), t.orchestrator.MetricErrors(nil), t.tool.MetricErrors(nil), t.orchestrator.MetricThrottles(nil)),
	)
	t.dashboard.AddWidgets(
		graph("Duration of an investigation", t.MetricDuration(nil)),
		graph("Estimated cost, US dollars", t.MetricCost(nil), t.MetricQueryCost(nil)),
	)
	t.dashboard.AddWidgets(
		graph("Rounds and tool calls of an investigation", t.MetricRounds(nil), t.MetricToolCalls(nil)),
		graph("Refused requests and redacted secrets", t.MetricBrokerRefusals(nil), t.MetricRedactions(nil)),
	)
}

// selfAlarm is an alarm on AlarmTriage itself.
type selfAlarm struct {
	id, name, meaning string
	metric            awscloudwatch.IMetric
	threshold         float64
}

// manyRefusals is the number of refused requests within an hour that sets off an alarm. A model that
// attempts so many writes or denied reads was misled, or its instructions ask for reads that the role
// denies.
const manyRefusals = 50

// addSelfAlarms adds the alarms of the prop SelfAlarmTopic.
func (t *AlarmTriage) addSelfAlarms(p *AlarmTriageProps) {
	if p.SelfAlarmTopic == nil {
		return
	}
	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(5))}
	lambda := func(name string) awscloudwatch.Metric { return t.orchestrator.Metric(jsii.String(name), sum) }
	alarms := []selfAlarm{
		{"SelfFailures", "failures", "An invocation of the orchestrator failed; Lambda retries it twice.", lambda("Errors"), 1},
		{"SelfThrottles", "throttles", "Invocations of the orchestrator are waiting because its concurrency is used up.", lambda("Throttles"), 1},
		{"SelfLostEvents", "lost-events", "Alarm events were dropped without an investigation.", lambda("AsyncEventsDropped"), 1},
		{"SelfFallbacks", "fallbacks", "An investigation ended without a conclusion of a model; its report says why.", t.MetricFallbacks(nil), 1},
		{"SelfStoreFailures", "store-failures", "A report could not be stored in the bucket.", t.MetricStoreFailures(nil), 1},
		{"SelfNotificationFailures", "notification-failures", "A report could not be sent to the topic.", t.MetricNotificationFailures(nil), 1},
		{"SelfLeaseFailures", "lease-failures", "The table could not be read or written. Alarms can be reported twice, and the limits of a day may not hold.", t.MetricLeaseFailures(nil), 1},
		{"SelfRefusals", "refusals", "The broker refused many requests of the model's code.",
			t.MetricBrokerRefusals(&awscloudwatch.MetricOptions{Period: awscdk.Duration_Hours(jsii.Number(1))}), manyRefusals},
	}
	if p.OnFailureQueue != nil && !t.isInOtherAccount(p.OnFailureQueue) { // CloudWatch has the metrics of a queue in the queue's account
		alarms = append(alarms, selfAlarm{"SelfDeadLetters", "dead-letters", "OnFailureQueue contains alarm events that could not be investigated.",
			p.OnFailureQueue.MetricApproximateNumberOfMessagesVisible(nil), 1})
	}
	t.allowSelfAlarmKey(p)
	t.allowSelfAlarms(p.SelfAlarmTopic)
	action := awscloudwatchactions.NewSnsAction(p.SelfAlarmTopic)
	for _, a := range alarms {
		alarm := awscloudwatch.NewAlarm(t, jsii.String(a.id), &awscloudwatch.AlarmProps{
			AlarmName:          t.selfAlarmName(p, a.name),
			AlarmDescription:   jsii.String(a.meaning),
			Metric:             a.metric,
			Threshold:          jsii.Number(a.threshold),
			EvaluationPeriods:  jsii.Number(1),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING,
		})
		alarm.AddAlarmAction(action)
		t.selfAlarms = append(t.selfAlarms, alarm)
	}
}

// allowSelfAlarmKey lets CloudWatch use the key of SelfAlarmTopic. Without this permission, it can't publish to the topic (Amazon
// SNS Developer Guide, "Enable compatibility between event sources from AWS services and encrypted topics"). If the key's policy
// can't be changed, it adds a warning.
func (t *AlarmTriage) allowSelfAlarmKey(p *AlarmTriageProps) {
	const lost = "and no alarm about AlarmTriage is delivered"
	resource, isResource := p.SelfAlarmTopic.Node().DefaultChild().(awssns.CfnTopic)
	key := masterKey(p.SelfAlarmTopic)
	if key == nil && !isResource && sameTopic(p.SelfAlarmTopic, p.NotificationTopic) { // an imported topic does not know its key
		key = firstKey(p.TopicEncryptionKey, masterKey(p.NotificationTopic))
	}
	switch {
	case key != nil && isKeyOfAWS(key), isResource && strings.Contains(deref(resource.KmsMasterKeyId()), "alias/aws/"):
		t.warn("self-alarm-key", "SelfAlarmTopic %s is encrypted with AWS's key for SNS, which CloudWatch may not use, %s: encrypt the topic with "+
			"a customer managed key", *p.SelfAlarmTopic.Node().Path(), lost)
		return
	case key == nil:
		return
	}
	result := key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey*"),
		Resources:  jsii.Strings("*"),
	}), jsii.Bool(true))
	if !*result.StatementAdded {
		t.warn("self-alarm-key", "the key %s of SelfAlarmTopic is imported, so its policy is not known here: unless it lets the service principal "+
			"cloudwatch.amazonaws.com call kms:Decrypt and kms:GenerateDataKey*, CloudWatch can't publish to the topic, %s",
			*key.Node().Path(), lost)
	}
}

// selfAlarmName returns a name with the prefix of self-alarms, which every orchestrator skips however their
// events are delivered.
func (t *AlarmTriage) selfAlarmName(p *AlarmTriageProps, name string) *string {
	const most = 170 // characters of CloudWatch's 255; the rest is for the prefix and the name, at their longest
	if physical := lowerName(p, name); physical != nil {
		name = *physical
	}
	unique := awscdk.Names_UniqueResourceName(t, &awscdk.UniqueResourceNameOptions{MaxLength: jsii.Number(most), Separator: jsii.String("-")})
	return jsii.Sprintf("%s%s-%s", config.SelfAlarmPrefix, strings.ToLower(*unique), name)
}
