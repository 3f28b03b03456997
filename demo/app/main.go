// Command app is the CDK app of the demo: an order service that reads a table, an AlarmTriage, and its
// topics.
package main

import (
	"runtime"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

const orderCode = `
import boto3, os

def handler(event, context):
    item = boto3.client("dynamodb").get_item(TableName=os.environ["ORDERS_TABLE"], Key={"id": {"S": event["id"]}})
    return item["Item"]
`

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("TriageDemo"), nil)

	orders := awsdynamodb.NewTable(stack, jsii.String("Orders"), &awsdynamodb.TableProps{
		PartitionKey:  &awsdynamodb.Attribute{Name: jsii.String("id"), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:   awsdynamodb.BillingMode_PAY_PER_REQUEST,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := awsiam.NewRole(stack, jsii.String("OrderRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"orders": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
				awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
					Actions:   jsii.Strings("dynamodb:GetItem", "dynamodb:DescribeTable"),
					Resources: &[]*string{orders.TableArn()},
				}),
			}}),
		},
	})
	service := awslambda.NewFunction(stack, jsii.String("OrderService"), &awslambda.FunctionProps{
		FunctionName: jsii.String("order-service"),
		Runtime:      awslambda.Runtime_PYTHON_3_13(),
		Handler:      jsii.String("index.handler"),
		Code:         awslambda.Code_FromInline(jsii.String(orderCode)),
		Role:         role,
		Environment:  &map[string]*string{"ORDERS_TABLE": orders.TableName()},
	})

	topic := awssns.NewTopic(stack, jsii.String("OnCall"), nil)
	chat := awssns.NewTopic(stack, jsii.String("Chat"), nil)

	// The demo runs the functions on this machine.
	architecture := awslambda.Architecture_X86_64()
	if runtime.GOARCH == "arm64" {
		architecture = awslambda.Architecture_ARM_64()
	}
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: topic,
		ChatCardTopic:     chat,
		Architecture:      architecture,
		RemovalPolicy:     awscdk.RemovalPolicy_DESTROY,
	})

	for name, value := range map[string]*string{
		"Orchestrator":  triage.Orchestrator().FunctionName(),
		"Tool":          triage.Tool().FunctionName(),
		"ReportsBucket": triage.ReportsBucket().BucketName(),
		"Topic":         topic.TopicArn(),
		"CardTopic":     chat.TopicArn(),
		"OrderService":  service.FunctionName(),
		"OrderRole":     role.RoleName(),
		"OrdersTable":   orders.TableName(),
	} {
		awscdk.NewCfnOutput(stack, jsii.String("Out"+name), &awscdk.CfnOutputProps{Value: value})
	}
	app.Synth(nil)
}
