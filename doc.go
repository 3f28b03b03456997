// Package alarmtriage is an AWS CDK construct that investigates CloudWatch alarms. When an alarm fires, a
// model on Amazon Bedrock investigates it with read-only Python in a sandbox, and the on-call engineer
// receives a report with the cause, the evidence, and what to do first.
//
//	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
//		NotificationTopic: topic,
//	})
//	triage.AttachAlarms(errors, latency)
//
// [NewAlarmTriage] adds two Lambda functions (the orchestrator and the tool) with their roles and log groups,
// a table of claims, and a bucket of reports. Both functions are compiled at synth, which only requires Go on
// the PATH.
//
// # Configuring
//
// [AlarmTriageProps] has one required prop, NotificationTopic. If props have mistakes, [NewAlarmTriage] panics
// once and lists all of them. Possible problems in the environment, such as a model that retires soon, become
// CDK annotations.
//
// # Attaching alarms
//
//   - [AlarmTriage.AttachAlarms] attaches alarms of the app.
//   - [AlarmTriage.AlarmAction] returns an alarm action, for alarms that are defined elsewhere in your code.
//   - [AlarmTriage.AttachAll] attaches every alarm of a stack, a stage, or an app; [AlarmFilter] selects
//     by name.
//   - [AlarmTriage.AttachEventRule] covers alarms that the app does not define; [EventRuleProps] selects
//     them by name, tag, account, and Region.
//   - [AlarmTriage.AttachTopic] covers alarms that already notify an SNS topic; [AlarmTopicProps] selects
//     them by name.
//
// One alarm is investigated once per InvestigationWindow, even if its events arrive through several of
// these.
//
// # Reports
//
// Reports are stored in [AlarmTriage.ReportsBucket] and sent to NotificationTopic.
// [AlarmTriage.GrantReadReports] lets people and programs read them.
//
// # Permissions
//
// [AlarmTriage.OrchestratorRole] has exactly the permissions that the orchestrator uses. The model's code runs
// under [AlarmTriage.ToolRole], which allows ReadOnlyAccess, or this library's own list of reads, and denies
// reads of credentials, data, and code.
//
// # Monitoring
//
// The props Dashboard and SelfAlarmTopic add a dashboard and alarms. The Metric… methods return the metrics for
// your alarms and dashboards. A self-check runs weekly unless the prop SelfCheck is false.
package alarmtriage
