// Package alarmtriage is an AWS CDK construct that investigates CloudWatch alarms: when an alarm goes to
// ALARM, a model on Amazon Bedrock looks into it with read-only Python code in a sandbox, and the on-call
// engineer receives a report with the cause, the evidence and what to do first.
//
//	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
//		NotificationTopic: topic,
//	})
//	triage.AttachAlarms(errors, latency)
//
// It deploys two Lambda functions (the orchestrator and the tool), a table of claims, a bucket of
// reports, and their roles and log groups. Both functions are built from embedded sources at synth,
// which takes Go on the PATH and nothing else.
package alarmtriage
