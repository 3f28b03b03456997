// Command 07-recipes opens a ticket or an alert for each investigation in PagerDuty, Jira Service Management
// (the successor of Opsgenie), Jira, ServiceNow, and GitHub. The completion events of AlarmTriage go to an event
// bus, whose rules call these products through API destinations of EventBridge. Copy what you need.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	newStack(app)
	app.Synth(nil)
}

func newStack(app awscdk.App) awscdk.Stack {
	stack := awscdk.NewStack(app, jsii.String("TriageRecipes"), nil)
	bus := awsevents.NewEventBus(stack, jsii.String("Completions"), nil)
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic:  awssns.NewTopic(stack, jsii.String("OnCall"), nil),
		CompletionEventBus: bus,
	})
	triage.AttachEventRule(jsii.String("Account"), nil)

	// Events that a product refuses, or does not accept within a day, are kept here.
	failed := awssqs.NewQueue(stack, jsii.String("NotDelivered"), &awssqs.QueueProps{
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)), // as long as SQS can; its default is 4 days
	})

	rules := newRules(stack, bus)
	for _, product := range products(stack) {
		destination := awsevents.NewApiDestination(stack, jsii.String(product.id), &awsevents.ApiDestinationProps{
			Connection:         product.connection,
			Endpoint:           jsii.String(product.endpoint),
			HttpMethod:         awsevents.HttpMethod_POST,
			RateLimitPerSecond: jsii.Number(5),
		})
		for _, rule := range rules {
			rule.AddTarget(awseventstargets.NewApiDestination(destination, &awseventstargets.ApiDestinationProps{
				Event:           awsevents.RuleTargetInput_FromObject(product.body(rule.level)),
				DeadLetterQueue: failed,
			}))
		}
	}
	return stack
}

// level is how urgent a report is, as the severities of a report and in the words of each product. An input
// transformer can't translate values, so there is one rule for each level.
type level struct {
	id         string
	severities []string
	hasSummary bool // whether a model concluded; if none did, the texts of the report are empty
	pagerDuty  string
	alert      string // priority in Jira Service Management
	serviceNow string // urgency and impact
	label      string
}

var levels = []level{
	{id: "Critical", severities: []string{"critical"}, hasSummary: true, pagerDuty: "critical", alert: "P1", serviceNow: "1", label: "critical"},
	{id: "High", severities: []string{"high"}, hasSummary: true, pagerDuty: "error", alert: "P2", serviceNow: "2", label: "high"},
	{id: "Medium", severities: []string{"medium", "unknown"}, hasSummary: true, pagerDuty: "warning", alert: "P3", serviceNow: "2", label: "medium"},
	{id: "Low", severities: []string{"low"}, hasSummary: true, pagerDuty: "info", alert: "P5", serviceNow: "3", label: "low"},
	{id: "NeedsHuman", pagerDuty: "error", alert: "P2", serviceNow: "2", label: "needs-human"},
}

// leveledRule is the rule for reports of a level.
type leveledRule struct {
	awsevents.Rule
	level level
}

// newRules returns a rule for each level. Every completion event matches exactly one of them. A rule has at most
// five targets, which is a quota of EventBridge.
func newRules(stack awscdk.Stack, bus awsevents.IEventBus) []leveledRule {
	var rules []leveledRule
	for _, level := range levels {
		report := map[string]any{"summary": []any{""}}
		if level.hasSummary {
			report = map[string]any{"summary": []any{map[string]any{"anything-but": []any{""}}}, "severity": level.severities}
		}
		rules = append(rules, leveledRule{level: level, Rule: awsevents.NewRule(stack, jsii.String(level.id), &awsevents.RuleProps{
			EventBus: bus,
			EventPattern: &awsevents.EventPattern{
				Source:     jsii.Strings("alarmtriage"),
				DetailType: jsii.Strings("Alarm Investigation Completed"),
				Detail:     &map[string]any{"report": report},
			},
		})})
	}
	return rules
}

// field returns a field of the completion event. Use it as a whole value only: EventBridge inserts a value that is part
// of a longer text without escaping its quotation marks.
func field(path string) *string {
	return awsevents.EventField_FromPath(jsii.String("$.detail." + path))
}

// product is a product that is called, with the body of its request.
type product struct {
	id         string
	endpoint   string
	connection awsevents.Connection
	body       func(level) map[string]any
}

// products returns all products. Replace the hosts, and keep the secrets in Secrets Manager under these names.
func products(stack awscdk.Stack) []product {
	secret := func(id, name string) awscdk.SecretValue {
		return awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String(id), jsii.String(name)).SecretValue()
	}
	connect := func(id string, props *awsevents.ConnectionProps) awsevents.Connection {
		return awsevents.NewConnection(stack, jsii.String(id+"Connection"), props)
	}
	header := func(name string, value awscdk.SecretValue) awsevents.Authorization {
		return awsevents.Authorization_ApiKey(jsii.String(name), value)
	}
	jiraToken := secret("JiraToken", "alarmtriage/jira-token")
	return []product{
		{
			// Events API v2. The secret is the integration key of a service. EventBridge adds it to the body, and requires
			// an authorization, so it is also sent as a header.
			id: "PagerDuty", endpoint: "https://events.pagerduty.com/v2/enqueue", body: pagerDuty,
			connection: connect("PagerDuty", &awsevents.ConnectionProps{
				Authorization:  header("X-Routing-Key", secret("PagerDutyHeader", "alarmtriage/pagerduty-key")),
				BodyParameters: &map[string]awsevents.HttpParameter{"routing_key": awsevents.HttpParameter_FromSecret(secret("PagerDutyKey", "alarmtriage/pagerduty-key"))},
			}),
		}, {
			// The secret is the text `GenieKey KEY`, with the key of an API integration of a team.
			id: "JiraServiceManagement", endpoint: "https://api.atlassian.com/jsm/ops/integration/v2/alerts", body: alert,
			connection: connect("JiraServiceManagement", &awsevents.ConnectionProps{
				Authorization: header("Authorization", secret("AlertKey", "alarmtriage/jsm-genie-key")),
			}),
		}, {
			// The secret is an API token of the user.
			id: "Jira", endpoint: "https://example.atlassian.net/rest/api/3/issue", body: jira,
			connection: connect("Jira", &awsevents.ConnectionProps{
				Authorization: awsevents.Authorization_Basic(jsii.String("alarmtriage@example.com"), jiraToken),
			}),
		}, {
			// The secret is the password of a user with the role `itil`.
			id: "ServiceNow", endpoint: "https://example.service-now.com/api/now/table/incident", body: serviceNow,
			connection: connect("ServiceNow", &awsevents.ConnectionProps{
				Authorization: awsevents.Authorization_Basic(jsii.String("alarmtriage"), secret("ServiceNowPassword", "alarmtriage/servicenow-password")),
			}),
		}, {
			// The secret is the text `Bearer TOKEN`, with a fine-grained token that may write issues of this repository.
			id: "GitHub", endpoint: "https://api.github.com/repos/example/operations/issues", body: gitHub,
			connection: connect("GitHub", &awsevents.ConnectionProps{
				Authorization: header("Authorization", secret("GitHubToken", "alarmtriage/github-token")),
			}),
		},
	}
}

func pagerDuty(l level) map[string]any {
	return map[string]any{
		"event_action": "trigger",
		"dedup_key":    field("id"), // at most 255 characters, which the ARN of an alarm can exceed
		"client":       "alarmtriage",
		"payload": map[string]any{
			"summary": field("alarm.name"), "source": field("alarm.arn"), "severity": l.pagerDuty, "timestamp": field("started_at"),
			"custom_details": map[string]any{
				"summary": field("report.summary"), "root_cause": field("report.root_cause"), "confidence": field("report.confidence"),
				"impact": field("report.impact"), "account": field("alarm.account"), "region": field("alarm.region"),
				"report": field("report_uri"),
			},
		},
	}
}

// alert has no text of the report, because Jira Service Management can show HTML in its fields, with links.
func alert(l level) map[string]any {
	return map[string]any{
		"message": field("alarm.name"), "alias": field("id"), "description": field("report_uri"),
		"entity": field("alarm.arn"), "priority": l.alert, "source": "alarmtriage", "tags": []string{"alarmtriage", l.label},
	}
}

// jira writes the description in the Atlassian Document Format, whose texts Jira shows as they are. A text must not be
// empty.
func jira(l level) map[string]any {
	paragraph := func(text any) map[string]any {
		return map[string]any{"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": text}}}
	}
	content := []any{paragraph(field("alarm.arn"))}
	if l.hasSummary {
		content = append(content, paragraph(field("report.summary")))
	}
	return map[string]any{"fields": map[string]any{
		"project":     map[string]any{"key": "OPS"},
		"issuetype":   map[string]any{"name": "Task"},
		"summary":     field("alarm.name"),
		"labels":      []string{"alarmtriage", l.label},
		"description": map[string]any{"type": "doc", "version": 1, "content": content},
	}}
}

// serviceNow has no text of the report but in the description: ServiceNow renders HTML in work notes and comments, between
// [code] and [/code].
func serviceNow(l level) map[string]any {
	return map[string]any{
		"short_description": field("alarm.name"), "description": field("report.summary"), "work_notes": field("report_uri"),
		"urgency": l.serviceNow, "impact": l.serviceNow, "correlation_id": field("id"), "correlation_display": "alarmtriage",
	}
}

// gitHub has no text of the report, because GitHub would render it as Markdown, with links and mentions.
func gitHub(l level) map[string]any {
	return map[string]any{"title": field("alarm.name"), "body": field("report_uri"), "labels": []string{"alarmtriage", l.label}}
}
