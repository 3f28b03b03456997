package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Names of the parameters that this program uses in more than one place.
const (
	codeBucket        = "CodeBucket"
	codePrefix        = "CodePrefix"
	alarmNamePrefixes = "AlarmNamePrefixes"
	bedrockModelIDs   = "BedrockModelIds"
	resourcePrefix    = "ResourcePrefix"
	organizationID    = "MembersOrganizationId"
)

// everyAlarm is the value of AlarmNamePrefixes that selects every alarm.
const everyAlarm = "*"

// The number of items that parameters with commas may contain.
const (
	maxNamePrefixes = 5
	maxModels       = 2
)

// Patterns of values. Optional parameters may also be empty.
const (
	topicPattern  = `arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+`
	busPattern    = `arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]+`
	queuePattern  = `arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+`
	keyPattern    = `arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+`
	modelPattern  = `[A-Za-z0-9.:_-]+` // no slash, which ARNs have: the permissions need an ID
	prefixPattern = `[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?`
	bucketPattern = `[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]`
	folderPattern = `[^/].*/`
	orgPattern    = `o-[a-z0-9]{10,32}`
	// A Number can also be written as 0.0, which no condition equals to 0, and CloudFormation has patterns for a String only.
	wholePattern = `0|[1-9][0-9]{0,5}`
	// Between the prefixes are commas without spaces.
	namesPattern = `[^,*\s][^,*]*(,[^,*\s][^,*]*){0,4}`
	// The function's environment has room for about 2,400 bytes of instructions as JSON. Characters other than these in brackets
	// need 2 to 4. MaxLength limits the first alternative.
	textPattern = `[ !#-\[\]-~]*([^ !#-\[\]-~][ !#-\[\]-~]*){0,130}|[\s\S]{0,590}`
)

// parameter is a parameter of the template.
type parameter struct {
	name, group, label string
	description        string
	kind               string   // String or Number
	value              string   // the default value
	required           bool     // there is no default value
	pattern            string   // of the value; empty: any
	hint               string   // what the pattern asks for
	min, max           float64  // of numbers; max 0: no upper bound
	allowed            []string // the only values
	maxLength          float64

	// set passes the parameter's value to the construct. The function is called before the construct is created.
	set func(d *deployment, value awscdk.CfnParameter)
	// optional parameters omit the prop at the value off, which is the default value if it is empty.
	optional bool
	off      string
}

// triageDesign returns the design of the template with the construct AlarmTriage.
func triageDesign() design {
	parameters := triageParameters()
	return design{
		stackID: "AlarmTriage", file: "template", indent: " ", parameters: parameters,
		description: "an AI model investigates CloudWatch alarms and reports the cause",
		groups:      []string{"Code", "Notifications", "Alarms", "Members", "Model", "Limits", "Storage and logs", "Monitoring"},
		options:     slices.Concat(optionsOf(parameters), modelOptions(), alarmOptions()),
		create: func(d *deployment) map[string]*string {
			triage := alarmtriage.NewAlarmTriage(d.stack, jsii.String("Triage"), d.props)
			override(triage.ToolRole(), "RoleName", toolRoleName())
			for _, f := range d.later {
				f(triage)
			}
			return outputsOf(triage)
		},
	}
}

// toolRoleName returns the name of the tool's role. Each of two parameters gives it one, so no single option decides.
func toolRoleName() map[string]any {
	prefixed := fn("Join", "", []any{ref(resourcePrefix), "-tool-role"})
	return fn("If", conditionFor(resourcePrefix), prefixed, fn("If", conditionFor(organizationID), "alarmtriage-tool-role", ref("AWS::NoValue")))
}

// triageParameters returns the parameters of the template with the construct AlarmTriage, in the order of the console.
func triageParameters() []parameter {
	topic := func(p parameter, set func(*alarmtriage.AlarmTriageProps, awssns.ITopic)) parameter {
		p.group, p.kind, p.pattern, p.hint = "Notifications", "String", topicPattern, "the ARN of an SNS topic"
		p.set = func(d *deployment, value awscdk.CfnParameter) {
			set(d.props, awssns.Topic_FromTopicArn(d.stack, jsii.String(p.name+"Import"), value.ValueAsString()))
		}
		return p
	}
	number := func(group, name, label, description, value string, low, high float64, set func(*alarmtriage.AlarmTriageProps, *float64)) parameter {
		return parameter{name: name, group: group, label: label, description: description, kind: "Number", value: value, min: low, max: high,
			set: func(d *deployment, value awscdk.CfnParameter) { set(d.props, value.ValueAsNumber()) }}
	}
	optional := func(p parameter) parameter {
		p.optional = true
		return p
	}
	return []parameter{
		{name: codeBucket, group: "Code", label: "Bucket of the code", kind: "String", required: true, pattern: bucketPattern, hint: "the name of a bucket",
			description: "The bucket, in the stack's Region, to which you uploaded the three zip files of this release."},
		{name: codePrefix, group: "Code", label: "Prefix of the code", kind: "String", pattern: folderPattern, hint: "empty, or a prefix that ends with a slash",
			description: "The prefix of the zip files' keys in CodeBucket, such as alarmtriage/."},

		topic(parameter{name: "NotificationTopicArn", label: "Topic of the reports", required: true,
			description: "The ARN of the SNS topic that receives the reports."},
			func(p *alarmtriage.AlarmTriageProps, topic awssns.ITopic) { p.NotificationTopic = topic }),
		optional(topic(parameter{name: "ChatCardTopicArn", label: "Topic of the chat cards",
			description: "The ARN of an SNS topic that receives each report as a custom notification of Amazon Q Developer in chat applications. Empty: no chat cards."},
			func(p *alarmtriage.AlarmTriageProps, topic awssns.ITopic) { p.ChatCardTopic = topic })),
		{name: "TopicKeyArn", group: "Notifications", label: "Key of the topics", kind: "String", optional: true, pattern: keyPattern, hint: "the ARN of a KMS key",
			description: "The ARN of the customer managed key of both topics. Empty: they have none.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.props.TopicEncryptionKey = awskms.Key_FromKeyArn(d.stack, jsii.String("TopicKey"), value.ValueAsString())
			}},
		{name: "NotifyRecovery", group: "Notifications", label: "Report recoveries", kind: "String", value: "false", allowed: []string{"true", "false"}, optional: true,
			description: "Also notify the topics when an investigated alarm returns to OK.",
			set:         func(d *deployment, _ awscdk.CfnParameter) { d.props.NotifyRecovery = jsii.Bool(true) }},
		{name: "CompletionEventBusArn", group: "Notifications", label: "Bus of completion events", kind: "String", optional: true, pattern: busPattern, hint: "the ARN of an event bus",
			description: "The ARN of an event bus that receives an event when an investigation ends. Empty: no events.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.props.CompletionEventBus = awsevents.EventBus_FromEventBusArn(d.stack, jsii.String("CompletionEventBus"), value.ValueAsString())
			}},
		{name: "OnFailureQueueArn", group: "Notifications", label: "Queue of failed events", kind: "String", optional: true, pattern: queuePattern, hint: "the ARN of a standard queue",
			description: "The ARN of a standard SQS queue that receives events whose investigation failed after all retries. Empty: they are dropped.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.props.OnFailureQueue = awssqs.Queue_FromQueueArn(d.stack, jsii.String("OnFailureQueue"), value.ValueAsString())
			}},

		{name: alarmNamePrefixes, group: "Alarms", label: "Prefixes of alarm names", kind: "String", pattern: `\*|` + namesPattern,
			hint: "empty, *, or at most five prefixes with commas and without spaces between them",
			description: "Alarms of this account and Region whose name begins with one of these prefixes start investigations, without an action. " +
				"* means every alarm. Empty: only alarms with the output OrchestratorArn as an action do."},

		{name: organizationID, group: "Members", label: "Organization of the members", kind: "String", optional: true, pattern: orgPattern,
			hint: "the ID of an organization, such as o-a1b2c3d4e5",
			description: "The ID of an organization of AWS Organizations. Each of its accounts that deploys the template for members is a member, " +
				"whose alarms are investigated with its data. Empty: only this account's alarms are.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.props.Members = &alarmtriage.Members{OrganizationId: value.ValueAsString()}
			}},

		{name: bedrockModelIDs, group: "Model", label: "Models", kind: "String", pattern: modelPattern + "(," + modelPattern + ")?",
			hint: "empty, or one or two model IDs or IDs of inference profiles, not ARNs, with a comma and without spaces between them",
			description: "The model that is asked first, and the one that is asked if the first one can't be used: IDs of models or of inference profiles, " +
				"separated by a comma. Empty: Claude Sonnet through the inference profile that fits the Region, then a model that needs no subscription."},
		{name: "Instructions", group: "Model", label: "Instructions", kind: "String", optional: true, maxLength: 2000, pattern: textPattern,
			hint:        "a text of at most 2,000 characters, of which at most 130 are quotation marks, backslashes, line breaks, or not in ASCII, or of at most 590",
			description: "Facts that an engineer new to your system needs. The model reads them. At most 2,000 characters, or 590 if more than 130 are quotation marks, backslashes, line breaks, or not in ASCII.",
			set:         func(d *deployment, value awscdk.CfnParameter) { d.props.Instructions = value.ValueAsString() }},

		number("Limits", "InvestigationWindowSeconds", "Window in seconds", "One investigation per alarm and window.", "3600", 60, 7*24*3600,
			func(p *alarmtriage.AlarmTriageProps, value *float64) {
				p.InvestigationWindow = awscdk.Duration_Seconds(value)
			}),
		number("Limits", "MaxInvestigationsPerDay", "Investigations per day", "The most investigations that may begin on one UTC day. 0: 10,000. Models and billed queries of one day may also cost at most about $50. Beyond a limit, no model is asked.", "200", 0, 10_000,
			func(p *alarmtriage.AlarmTriageProps, value *float64) { p.MaxInvestigationsPerDay = value }),
		{name: "MaxConcurrentInvestigations", group: "Limits", label: "Investigations at the same time", kind: "String", value: "10", off: "0", optional: true,
			pattern: wholePattern, hint: "a whole number without a decimal point",
			description: "The most investigations that may run at the same time. 0: no reserved concurrency, for accounts whose quota of concurrent executions is less than 110.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.after(func(triage *alarmtriage.AlarmTriage) { // the prop would add a separate condition
					override(triage.Orchestrator(), "ReservedConcurrentExecutions", value.ValueAsString())
				})
			}},
		optional(number("Limits", "MaxCostUsd", "Cost of the models in US dollars",
			"The highest estimated cost of the models in one investigation. It does not limit models without a built-in price. 0: no limit.", "0", 0, 0,
			func(p *alarmtriage.AlarmTriageProps, value *float64) { p.MaxCostUsd = value })),
		number("Limits", "MaxQueryCostUsd", "Cost of the queries in US dollars",
			"What AWS may charge for the queries of one investigation.", "1", 0.01, 0,
			func(p *alarmtriage.AlarmTriageProps, value *float64) { p.MaxQueryCostUsd = value }),

		{name: resourcePrefix, group: "Storage and logs", label: "Prefix of names", kind: "String", optional: true, pattern: prefixPattern,
			hint:        "1 to 20 lower-case letters, digits, and inner hyphens",
			description: "Prefix of the names of functions, roles, table, bucket, bus, and dashboard. An account has each role and dashboard once, so use another prefix in each Region. Empty: CloudFormation generates the names, except those of the tool's role and the bus with MembersOrganizationId. A change replaces the resources, existing reports stay in the old bucket, and members need the new names.",
			set:         func(d *deployment, value awscdk.CfnParameter) { d.props.ResourcePrefix = value.ValueAsString() }},
		{name: "ReportsRetentionDays", group: "Storage and logs", label: "Retention of reports in days", kind: "String", value: "0", optional: true,
			pattern: wholePattern, hint: "a whole number without a decimal point",
			description: "How long reports are kept. 0: indefinitely.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.props.ReportsRetention = awscdk.Duration_Days(awscdk.Token_AsNumber(value.Value()))
			}},
		{name: "LogLevel", group: "Storage and logs", label: "Log level", kind: "String", value: "INFO", allowed: []string{"ERROR", "INFO", "DEBUG"},
			description: "Log level of both functions.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.after(func(triage *alarmtriage.AlarmTriage) { // an enumeration of CDK can't be a token
					for _, function := range []awslambda.IFunction{triage.Orchestrator(), triage.Tool()} {
						override(function, "LoggingConfig.ApplicationLogLevel", value.ValueAsString())
					}
				})
			}},
		{name: "LogRetentionDays", group: "Storage and logs", label: "Retention of logs in days", kind: "Number", value: "7",
			allowed:     []string{"1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1096", "1827", "2192", "2557", "2922", "3288", "3653"},
			description: "Retention of both log groups.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.after(func(triage *alarmtriage.AlarmTriage) {
					for _, group := range []awslogs.ILogGroup{triage.OrchestratorLogGroup(), triage.ToolLogGroup()} {
						override(group, "RetentionInDays", value.ValueAsNumber())
					}
				})
			}},

		{name: "Dashboard", group: "Monitoring", label: "Dashboard", kind: "String", value: "false", allowed: []string{"true", "false"}, optional: true,
			description: "Create a CloudWatch dashboard of investigations, their duration and cost, and failures.",
			set:         func(d *deployment, _ awscdk.CfnParameter) { d.props.Dashboard = jsii.Bool(true) }},
		inGroup("Monitoring", optional(topic(parameter{name: "SelfAlarmTopicArn", label: "Topic of the self-alarms",
			description: "The ARN of an SNS topic for alarms on the triage itself. Empty: no such alarms."},
			func(p *alarmtriage.AlarmTriageProps, topic awssns.ITopic) { p.SelfAlarmTopic = topic }))),
	}
}

func inGroup(group string, p parameter) parameter {
	p.group = group
	return p
}

// allowedPattern returns the pattern of the parameter's value.
func (p parameter) allowedPattern() string {
	if p.required || p.value != "" { // only an empty default gives an empty value a meaning
		return "^(" + p.pattern + ")$"
	}
	return "^(" + p.pattern + ")?$"
}

// construct adds the parameter to a stack.
func (p parameter) construct(stack awscdk.Stack) awscdk.CfnParameter {
	props := &awscdk.CfnParameterProps{Type: jsii.String(p.kind), Description: jsii.String(p.description)}
	if !p.required {
		props.Default = p.value
	}
	if p.pattern != "" {
		props.AllowedPattern = jsii.String(p.allowedPattern())
		props.ConstraintDescription = jsii.Sprintf("%s must be %s", p.name, p.hint)
	}
	if p.allowed != nil {
		props.AllowedValues = jsii.Strings(p.allowed...)
	}
	if p.maxLength > 0 {
		props.MaxLength = jsii.Number(p.maxLength)
	}
	if p.kind == "Number" && p.allowed == nil {
		props.MinValue = jsii.Number(p.min)
		if p.max > 0 {
			props.MaxValue = jsii.Number(p.max)
		}
	}
	return awscdk.NewCfnParameter(stack, jsii.String(p.name), props)
}

// option is a part of the template that a condition turns on.
type option struct {
	condition string // its name
	within    string // the condition without which this one is never true; empty: none
	when      any    // the condition
	turnOn    func(d *deployment)
}

func ref(name string) map[string]any { return map[string]any{"Ref": name} }

func fn(name string, arguments ...any) map[string]any {
	return map[string]any{"Fn::" + name: arguments}
}

func not(condition any) map[string]any { return fn("Not", condition) }

// conditionFor returns the name of the condition that an optional parameter has another value than its default.
func conditionFor(parameter string) string { return "Has" + parameter }

// optionsOf returns an option for each optional parameter.
func optionsOf(parameters []parameter) []option {
	var all []option
	for _, p := range parameters {
		if !p.optional {
			continue
		}
		all = append(all, option{
			condition: conditionFor(p.name), when: not(fn("Equals", ref(p.name), cmp.Or(p.off, p.value))),
			turnOn: func(d *deployment) { p.set(d, d.values[p.name]) },
		})
	}
	return all
}

// modelOptions returns the options of BedrockModelIds: the first model, which replaces all default models, and the second.
func modelOptions() []option {
	const models = "HasModels"
	model := func(index int) *string { return awscdk.Token_AsString(item(bedrockModelIDs, index, maxModels), nil) }
	return []option{
		{condition: "HasSecondModel", within: models, when: not(fn("Equals", item(bedrockModelIDs, 1, maxModels), "")),
			turnOn: func(d *deployment) { d.props.FallbackModelIds = &[]*string{model(1)} }},
		{condition: models, when: not(fn("Equals", ref(bedrockModelIDs), "")), turnOn: func(d *deployment) {
			d.props.BedrockModelId = model(0)
			if d.props.FallbackModelIds == nil {
				d.props.FallbackModelIds = &[]*string{}
			}
		}},
	}
}

// alarmOptions returns the options of AlarmNamePrefixes: a rule for every alarm, a rule for alarms by name, and each prefix
// of that rule except the first.
func alarmOptions() []option {
	isEvery := fn("Equals", ref(alarmNamePrefixes), everyAlarm)
	return append(prefixOptions(),
		option{condition: byName, when: fn("And", not(fn("Equals", ref(alarmNamePrefixes), "")), not(isEvery)), turnOn: func(d *deployment) {
			d.prefixes = append(d.prefixes, 0)
			d.after(func(triage *alarmtriage.AlarmTriage) {
				triage.AttachEventRule(jsii.String(byName), d.ownAlarms(d.namePrefixes()))
			})
		}},
		option{condition: "EveryAlarm", when: isEvery, turnOn: func(d *deployment) {
			d.after(func(triage *alarmtriage.AlarmTriage) {
				triage.AttachEventRule(jsii.String("EveryAlarm"), d.ownAlarms(nil))
			})
		}})
}

// ownAlarms selects alarms of the stack's account and Region. Others may send their events to the account's default bus.
func (d *deployment) ownAlarms(prefixes *[]*string) *alarmtriage.EventRuleProps {
	return &alarmtriage.EventRuleProps{NamePrefixes: prefixes, Accounts: &[]*string{d.stack.Account()}, Regions: &[]*string{d.stack.Region()}}
}

// byName is the condition that alarms are selected by the prefixes of their names.
const byName = "AlarmsByName"

// prefixOptions returns an option for each prefix of AlarmNamePrefixes except the first.
func prefixOptions() []option {
	var all []option
	for i := 1; i < maxNamePrefixes; i++ {
		all = append(all, option{
			condition: fmt.Sprintf("%s%d", byName, i+1), within: byName, when: not(fn("Equals", item(alarmNamePrefixes, i, maxNamePrefixes), "")),
			turnOn: func(d *deployment) { d.prefixes = append(d.prefixes, i) },
		})
	}
	return all
}

// item returns an expression for an item of a parameter with commas. It is empty if there is no such item.
func item(parameter string, index, most int) map[string]any {
	padded := fn("Join", "", []any{ref(parameter), strings.Repeat(",", most-1)})
	return fn("Select", index, fn("Split", ",", padded))
}

// console returns the metadata by which the console groups and labels the parameters.
func (d design) console() map[string]any {
	var grouped []any
	labels := map[string]any{}
	for _, group := range d.groups {
		var names []any
		for _, p := range d.parameters {
			if p.group == group {
				names = append(names, p.name)
			}
		}
		grouped = append(grouped, map[string]any{"Label": map[string]any{"default": group}, "Parameters": names})
	}
	for _, p := range d.parameters {
		labels[p.name] = map[string]any{"default": p.label}
		if !slices.Contains(d.groups, p.group) {
			panic(fmt.Sprintf("parameter %s is in the unknown group %q", p.name, p.group))
		}
	}
	return map[string]any{"AWS::CloudFormation::Interface": map[string]any{"ParameterGroups": grouped, "ParameterLabels": labels}}
}

// canonical returns a value as JSON, with sorted keys.
func canonical(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // values come from JSON
		panic(err)
	}
	return string(text)
}
