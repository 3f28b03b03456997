// Package alarmtriage is an AWS CDK construct that investigates CloudWatch alarms. When an alarm fires, a
// model on Amazon Bedrock investigates it with read-only Python in a sandbox, and the on-call engineer
// receives a report with the cause, the evidence, and what to do first.
//
//	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
//		NotificationTopic: topic,
//	})
//	triage.AttachAlarms(errors, latency)
//
// [NewAlarmTriage] deploys two Lambda functions (the orchestrator and the tool), a table of claims, a
// bucket of reports, and their roles and log groups. Both functions are compiled at synth; this requires
// only Go on the PATH.
//
// # Configuring
//
// [AlarmTriageProps] has one required prop, NotificationTopic, and groups the others: models, instructions
// and runbooks ([Runbooks], [InstructionsObject]), limits, functions, names and tags, storage, logs,
// encryption, network, permissions ([ToolPermissions]), notifications, and monitoring. If props have
// mistakes, [NewAlarmTriage] panics once and lists all of them. Doubts about the environment, such as a
// model that retires soon, are CDK annotations.
//
// # Attaching alarms
//
//   - [AlarmTriage.AttachAlarms] attaches alarms of the app.
//   - [AlarmTriage.AlarmAction] is the same as an alarm action, for alarms that are defined elsewhere.
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
// [AlarmTriage.OrchestratorRole] has exactly the rights that the orchestrator uses. [AlarmTriage.ToolRole]
// is the role under which the model's code runs: ReadOnlyAccess, or this library's own list, minus reads of
// credentials, data, and code.
//
// # Monitoring
//
// The props Dashboard and SelfAlarmTopic add a dashboard and alarms ([AlarmTriage.Dashboard],
// [AlarmTriage.SelfAlarms]). The Metric… methods, such as [AlarmTriage.MetricInvestigations] and
// [AlarmTriage.MetricCost], return the metrics for alarms and dashboards of your own. A self-check runs
// weekly unless the prop SelfCheck is false.
package alarmtriage
