package alarmtriage

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
)

// metric returns a metric that the orchestrator logs, with its function name as the dimension. props may be
// nil.
func (t *AlarmTriage) metric(name, statistic string, props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	base := awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace:     jsii.String(emf.Namespace),
		MetricName:    jsii.String(name),
		DimensionsMap: &map[string]*string{emf.Dimension: t.orchestrator.FunctionName()},
		Statistic:     jsii.String(statistic),
		Period:        awscdk.Duration_Minutes(jsii.Number(5)),
	}).AttachTo(t) // dashboards of other accounts and Regions need to know its account and Region
	if props == nil {
		return base
	}
	return base.With(props)
}

// MetricInvestigations counts investigations that ended with a report. Default: Sum over 5 minutes; props
// may be nil.
func (t *AlarmTriage) MetricInvestigations(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Investigations, "Sum", props)
}

// MetricFallbacks counts investigations that ended without a conclusion of a model. Default: Sum over 5
// minutes; props may be nil.
func (t *AlarmTriage) MetricFallbacks(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Fallback, "Sum", props)
}

// MetricCompleted counts investigations that the model ended by itself, with a report or in prose, whatever it found. Together with
// [AlarmTriage.MetricConcluded] and [AlarmTriage.MetricFallbacks], it adds up to [AlarmTriage.MetricInvestigations]. Default: Sum over 5 minutes;
// props may be nil.
func (t *AlarmTriage) MetricCompleted(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Completed, "Sum", props)
}

// MetricConcluded counts investigations that were cut short: a limit was near, so the model was asked to conclude, or it did not submit a
// corrected report.
// Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricConcluded(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Concluded, "Sum", props)
}

// MetricFailures counts failed attempts to investigate an alarm, which Lambda retries. Default: Sum over 5 minutes; props may
// be nil.
func (t *AlarmTriage) MetricFailures(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Failed, "Sum", props)
}

// MetricDuplicates counts events of alarms that already were or are being investigated. Default: Sum over 5
// minutes; props may be nil.
func (t *AlarmTriage) MetricDuplicates(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Duplicates, "Sum", props)
}

// MetricRounds is the number of rounds of an investigation. Default: Average over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricRounds(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Rounds, "Average", props)
}

// MetricToolCalls is the number of tool calls of an investigation. Default: Average over 5 minutes; props
// may be nil.
func (t *AlarmTriage) MetricToolCalls(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.ToolCalls, "Average", props)
}

// MetricDuration is the duration of an investigation in milliseconds. Default: Average over 5 minutes;
// props may be nil.
func (t *AlarmTriage) MetricDuration(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Duration, "Average", props)
}

// MetricInputTokens counts tokens sent to the model, except those read from its cache. Default: Sum over 5
// minutes; props may be nil.
func (t *AlarmTriage) MetricInputTokens(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.InputTokens, "Sum", props)
}

// MetricModelFallbacks counts model fallbacks: a model could not continue an investigation, and the next
// one was asked. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricModelFallbacks(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.ModelFallbacks, "Sum", props)
}

// MetricOutputTokens counts tokens of the model's answers. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricOutputTokens(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.OutputTokens, "Sum", props)
}

// MetricCost is the estimated cost of investigations in US dollars. Default: Sum over 5 minutes; props may
// be nil.
func (t *AlarmTriage) MetricCost(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.CostUSD, "Sum", props)
}

// MetricQueryCost is the estimated cost of AWS queries that are billed by use, in US dollars. It is not part
// of MetricCost. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricQueryCost(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.QueryCostUSD, "Sum", props)
}

// MetricEvidenceOnly counts investigations for which no model was asked, because a limit of the day was reached or the
// kill switch was on. MetricFallbacks counts them, too. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricEvidenceOnly(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.EvidenceOnly, "Sum", props)
}

// MetricRedactions counts secrets that were replaced in tool answers. Default: Sum over 5 minutes; props
// may be nil.
func (t *AlarmTriage) MetricRedactions(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Redactions, "Sum", props)
}

// MetricBrokerRefusals counts AWS requests that the broker refused to send. Default: Sum over 5 minutes;
// props may be nil.
func (t *AlarmTriage) MetricBrokerRefusals(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.BrokerRefusals, "Sum", props)
}

// MetricSkipped counts events that need no investigation: other states than ALARM, muted alarms, suppressed composite alarms, and
// self-alarms. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricSkipped(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Skipped, "Sum", props)
}

// MetricUnconfirmedEvents counts events that somebody else than CloudWatch may have written, and that CloudWatch did not
// confirm. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricUnconfirmedEvents(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Unconfirmed, "Sum", props)
}

// MetricUnknownEvents counts events that are not understood. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricUnknownEvents(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.UnknownEvents, "Sum", props)
}

// MetricHandOvers counts continuations of investigations in a fresh invocation. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricHandOvers(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.HandOvers, "Sum", props)
}

// MetricResumed counts investigations that resumed from a checkpoint. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricResumed(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Resumed, "Sum", props)
}

// MetricCacheReadTokens counts input tokens that Bedrock read from the prompt cache. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricCacheReadTokens(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.CacheReadTokens, "Sum", props)
}

// MetricStoreFailures counts reports that could not be stored. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricStoreFailures(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.StoreFailures, "Sum", props)
}

// MetricNotificationFailures counts notifications that could not be sent. Default: Sum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricNotificationFailures(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.NotificationFailures, "Sum", props)
}

// MetricLeaseFailures counts failures of the table that concern claims, limits, the kill switch, or feedback. Default: Sum over 5
// minutes; props may be nil.
func (t *AlarmTriage) MetricLeaseFailures(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.LeaseFailures, "Sum", props)
}

// MetricSelfCheckProblems is the number of problems and warnings that a self-check found. Default: Maximum over 5 minutes; props may be nil.
func (t *AlarmTriage) MetricSelfCheckProblems(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.SelfCheckProblems, "Maximum", props)
}
