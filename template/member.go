package main

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Patterns of values of the member's parameters.
const (
	accountPattern    = `[0-9]{12}`
	rolePattern       = `[A-Za-z0-9+=,.@_-]{1,64}`
	externalIDPattern = `[A-Za-z0-9+=,.@:/_-]{2,200}`
	sinkPattern       = `arn:[a-z-]+:oam:[a-z0-9-]+:[0-9]{12}:sink/[A-Za-z0-9-]+`
	policyPattern     = `arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+`
)

const createRole = "CreateRole"

// memberDesign returns the design of the template with the construct AlarmTriageMember.
func memberDesign() design {
	parameters := memberParameters()
	return design{
		stackID: "AlarmTriageMember", file: "member", parameters: parameters,
		indent:      "", // CloudFormation accepts 51,200 bytes without a bucket
		description: "the AlarmTriage of another account investigates the CloudWatch alarms of this account",
		groups:      []string{"AlarmTriage", "Alarms", "Role", "Observability"},
		options: slices.Concat(optionsOf(parameters), prefixOptions(), []option{
			{condition: byName, when: not(fn("Equals", ref(alarmNamePrefixes), "")), turnOn: func(d *deployment) {
				d.prefixes = append(d.prefixes, 0)
				d.member.AlarmNamePrefixes = d.namePrefixes()
			}},
			{condition: "CreatesRole", when: fn("Equals", ref(createRole), "true"), turnOn: func(d *deployment) { d.member.CreateRole = jsii.Bool(true) }},
		}),
		create: func(d *deployment) map[string]*string {
			alarmtriage.NewAlarmTriageMember(d.stack, jsii.String("Member"), d.member)
			return nil
		},
	}
}

// memberParameters returns the parameters of the template with the construct AlarmTriageMember, in the order of the console.
func memberParameters() []parameter {
	text := func(set func(*alarmtriage.AlarmTriageMemberProps, *string)) func(*deployment, awscdk.CfnParameter) {
		return func(d *deployment, value awscdk.CfnParameter) { set(d.member, value.ValueAsString()) }
	}
	return []parameter{
		{name: "CentralAccount", group: "AlarmTriage", label: "Account of the AlarmTriage", kind: "String", required: true, pattern: accountPattern, hint: "an account ID of 12 digits",
			description: "The account of the AlarmTriage, which must have this account as a member.",
			set:         text(func(p *alarmtriage.AlarmTriageMemberProps, value *string) { p.CentralAccount = value })},
		{name: "EventBusArn", group: "AlarmTriage", label: "Bus of the alarm events", kind: "String", optional: true, pattern: busPattern, hint: "the ARN of an event bus",
			description: "The ARN of the bus that receives this account's alarm events. Empty: alarmtriage-member-alarms of CentralAccount, in this Region.",
			set:         text(func(p *alarmtriage.AlarmTriageMemberProps, value *string) { p.EventBusArn = value })},
		{name: "ToolRoleName", group: "AlarmTriage", label: "Role of the tool", kind: "String", value: "alarmtriage-tool-role", pattern: rolePattern, hint: "the name of a role, without a path",
			description: "The name of the role of the AlarmTriage's tool, which is the only one that may assume the role of this account.",
			set:         text(func(p *alarmtriage.AlarmTriageMemberProps, value *string) { p.ToolRoleName = value })},
		{name: "ExternalId", group: "AlarmTriage", label: "External ID", kind: "String", optional: true, pattern: externalIDPattern, hint: "2 to 200 letters, digits, and characters of +=,.@:/_-",
			description: "The external ID of the AlarmTriage's Members. Empty: alarmtriage- and CentralAccount.",
			set:         text(func(p *alarmtriage.AlarmTriageMemberProps, value *string) { p.ExternalId = value })},

		{name: alarmNamePrefixes, group: "Alarms", label: "Prefixes of alarm names", kind: "String", pattern: namesPattern,
			hint:        "empty, or at most five prefixes with commas and without spaces between them",
			description: "Alarms whose name begins with one of these prefixes are investigated. Empty: every alarm of this account and Region is."},

		{name: createRole, group: "Role", label: "Create the role", kind: "String", value: "true", allowed: []string{"true", "false"},
			description: "An account has the role once: false in all Regions of the account but one."},
		{name: "RoleName", group: "Role", label: "Name of the role", kind: "String", value: "alarmtriage-member", pattern: rolePattern, hint: "the name of a role, without a path",
			description: "The name of the role, as in the AlarmTriage's Members.",
			set:         text(func(p *alarmtriage.AlarmTriageMemberProps, value *string) { p.RoleName = value })},
		{name: "ToolPermissions", group: "Role", label: "Base of the permissions", kind: "String", value: string(alarmtriage.ToolPermissions_READ_ONLY_ACCESS), optional: true,
			allowed:     []string{string(alarmtriage.ToolPermissions_READ_ONLY_ACCESS), string(alarmtriage.ToolPermissions_ALLOW_LIST)},
			description: "AWS's managed policy ReadOnlyAccess, or the shorter list of reads of this release. Both without the denied reads.",
			set: func(d *deployment, _ awscdk.CfnParameter) {
				d.member.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST
			}},
		{name: "PermissionsBoundaryArn", group: "Role", label: "Permissions boundary", kind: "String", optional: true, pattern: policyPattern, hint: "the ARN of a managed policy",
			description: "The ARN of the permissions boundary of the role, and of the role that sends the events. Empty: none.",
			set: func(d *deployment, value awscdk.CfnParameter) {
				d.member.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(d.stack, jsii.String("Boundary"), value.ValueAsString())
			}},

		{name: "ObservabilitySinkArn", group: "Observability", label: "Observability sink", kind: "String", optional: true, pattern: sinkPattern, hint: "the ARN of a sink",
			description: "The ARN of a sink of CloudWatch Observability Access Manager in this Region, with which this account shares metrics, logs, and traces. " +
				"Investigations do not need it. If the sink is in AlarmTriage's account, all of them can read this data. Empty: nothing is shared.",
			set: text(func(p *alarmtriage.AlarmTriageMemberProps, value *string) { p.ObservabilitySinkArn = value })},
	}
}
