package main

import (
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// snippets is the code of the model's twelve calls, as an engineer would look at a function that fails.
var snippets = []string{
	`for e in boto3.client("logs").filter_log_events(logGroupName="/aws/lambda/orders", filterPattern="ERROR")["events"]: print(e["message"])`,
	`print(boto3.client("lambda").get_function_configuration(FunctionName="orders"))`,
	`print(boto3.client("iam").list_role_policies(RoleName="orders-role")["PolicyNames"])`,
	`print(boto3.client("iam").get_role_policy(RoleName="orders-role", PolicyName="orders")["PolicyDocument"])`,
	`print(boto3.client("iam").list_attached_role_policies(RoleName="orders-role")["AttachedPolicies"])`,
	`print(boto3.client("dynamodb").describe_table(TableName="orders")["Table"])`,
	`print(boto3.client("cloudtrail").lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": "orders-role"}])["Events"])`,
	`print(boto3.client("cloudwatch").describe_alarms()["MetricAlarms"])`,
	`print(boto3.client("lambda").list_versions_by_function(FunctionName="orders")["Versions"])`,
	`print(boto3.client("lambda").list_event_source_mappings(FunctionName="orders")["EventSourceMappings"])`,
	`sqs = boto3.client("sqs"); url = sqs.get_queue_url(QueueName="orders-dlq")["QueueUrl"]; ` +
		`print(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])`,
	`now = datetime.utcnow(); print(boto3.client("cloudwatch").get_metric_statistics(Namespace="AWS/Lambda", MetricName="Errors", ` +
		`Dimensions=[{"Name": "FunctionName", "Value": "orders"}], StartTime=now - timedelta(hours=1), EndTime=now, ` +
		`Period=60, Statistics=["Sum"])["Datapoints"])`,
}

// script returns the answers of the model: the calls, some in each answer, and then the report.
func script(callsPerAnswer int, delay time.Duration) model.Script {
	var steps []model.Step
	for i, code := range snippets {
		if i%callsPerAnswer == 0 {
			steps = append(steps, model.Step{Text: "I look further.", DelayMS: int(delay.Milliseconds())})
		}
		step := &steps[len(steps)-1]
		step.Tools = append(step.Tools, model.ToolUse{Name: "python_executor", Input: map[string]any{"command": code}})
	}
	return model.Script{Steps: append(steps, model.Step{DelayMS: int(delay.Milliseconds()), Tools: []model.ToolUse{{
		Name: "submit_report", Input: map[string]any{
			"summary": "The function may not read the table.", "root_cause": "The role lost dynamodb:GetItem.", "confidence": "confirmed",
			"severity": "high", "impact": "No orders.",
			"findings": []any{map[string]any{
				"statement": "Reads are denied.", "confidence": "confirmed",
				"evidence": []any{map[string]any{"call": 1, "quote": cause}},
			}},
			"immediate_actions": []any{map[string]any{"text": "Give the grant back."}},
			"prevention":        []any{"Review changes of the role."}, "monitoring": []any{"Alarm on denied requests."}, "not_seen": []any{},
		},
	}}})}
}
