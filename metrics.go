package alarmtriage

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
)

// GrantReadReports lets an identity read the stored reports, and use their key, without the checkpoints of
// running investigations.
func (t *AlarmTriage) GrantReadReports(grantee awsiam.IGrantable) awsiam.Grant {
	grant := t.reports.GrantRead(grantee, jsii.String(config.ReportsPrefix+"2*")) // all years of this millennium
	if t.reportsKey != nil && t.reports.EncryptionKey() == nil {                  // CDK doesn't know that an imported bucket has it
		return grant.Combine(t.reportsKey.GrantDecrypt(grantee))
	}
	return grant
}

// metric is one of the orchestrator's, whose FunctionName is the dimension. props may be nil.
func (t *AlarmTriage) metric(name, statistic string, props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	base := awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace:     jsii.String(emf.Namespace),
		MetricName:    jsii.String(name),
		DimensionsMap: &map[string]*string{emf.Dimension: t.orchestrator.FunctionName()},
		Statistic:     jsii.String(statistic),
		Period:        awscdk.Duration_Minutes(jsii.Number(5)),
	}).AttachTo(t) // so that dashboards of other accounts and Regions know where it is
	if props == nil {
		return base
	}
	return base.With(props)
}

// MetricInvestigations counts investigations that ended in a report. Sum over 5 minutes unless props say
// otherwise; props may be nil.
func (t *AlarmTriage) MetricInvestigations(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Investigations, "Sum", props)
}

// MetricFallbacks counts investigations without a conclusion of a model. Sum over 5 minutes unless props
// say otherwise; props may be nil.
func (t *AlarmTriage) MetricFallbacks(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Fallback, "Sum", props)
}

// MetricCompleted counts investigations that the model concluded by itself. Sum over 5 minutes unless props
// say otherwise; props may be nil.
func (t *AlarmTriage) MetricCompleted(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Completed, "Sum", props)
}

// MetricConcluded counts investigations that were asked to conclude near a limit. Sum over 5 minutes unless
// props say otherwise; props may be nil.
func (t *AlarmTriage) MetricConcluded(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Concluded, "Sum", props)
}

// MetricFailures counts invocations that failed and are tried again. Sum over 5 minutes unless props say
// otherwise; props may be nil.
func (t *AlarmTriage) MetricFailures(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Failed, "Sum", props)
}

// MetricDuplicates counts events of alarms that are or were investigated. Sum over 5 minutes unless props
// say otherwise; props may be nil.
func (t *AlarmTriage) MetricDuplicates(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Duplicates, "Sum", props)
}

// MetricRounds is the model's rounds of an investigation. Average over 5 minutes unless props say
// otherwise; props may be nil.
func (t *AlarmTriage) MetricRounds(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Rounds, "Average", props)
}

// MetricToolCalls is the tool calls of an investigation. Average over 5 minutes unless props say
// otherwise; props may be nil.
func (t *AlarmTriage) MetricToolCalls(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.ToolCalls, "Average", props)
}

// MetricDuration is how long an investigation took, in milliseconds. Average over 5 minutes unless props
// say otherwise; props may be nil.
func (t *AlarmTriage) MetricDuration(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Duration, "Average", props)
}

// MetricInputTokens counts tokens sent to the model, without those read from its cache. Sum over 5 minutes
// unless props say otherwise; props may be nil.
func (t *AlarmTriage) MetricInputTokens(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.InputTokens, "Sum", props)
}

// MetricModelFallbacks counts the models that could not go on with an investigation, so that the next one was asked.
// Sum over 5 minutes unless props say otherwise.
func (t *AlarmTriage) MetricModelFallbacks(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.ModelFallbacks, "Sum", props)
}

// MetricOutputTokens counts tokens that the model answered with. Sum over 5 minutes unless props say
// otherwise; props may be nil.
func (t *AlarmTriage) MetricOutputTokens(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.OutputTokens, "Sum", props)
}

// MetricCost is the estimated price of investigations in US dollars. Sum over 5 minutes unless props say
// otherwise; props may be nil.
func (t *AlarmTriage) MetricCost(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.CostUSD, "Sum", props)
}

// MetricRedactions counts secrets that were replaced in tool answers. Sum over 5 minutes unless props say
// otherwise; props may be nil.
func (t *AlarmTriage) MetricRedactions(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.Redactions, "Sum", props)
}

// MetricBrokerRefusals counts AWS requests that the broker refused to send. Sum over 5 minutes unless
// props say otherwise; props may be nil.
func (t *AlarmTriage) MetricBrokerRefusals(props *awscloudwatch.MetricOptions) awscloudwatch.Metric {
	return t.metric(emf.BrokerRefusals, "Sum", props)
}
