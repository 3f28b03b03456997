// Command app is the CDK app of the demo: an order service that reads a table, an AlarmTriage, and its
// topics. With DEMO_MEMBER and DEMO_CENTRAL, it also has the stack of a member account.
package main

import (
	"os"
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

// envMember names the account of a member that gets a stack of its own.
const envMember = "DEMO_MEMBER"

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	member := os.Getenv(envMember)
	var members *alarmtriage.Members
	if member != "" {
		members = &alarmtriage.Members{Accounts: jsii.Strings(member)}
	}
	addTriage(app, members)
	if member != "" {
		addMember(app, member)
	}
	app.Synth(nil)
}

// addTriage adds the stack with an AlarmTriage, its topics, and an order service.
func addTriage(app awscdk.App, members *alarmtriage.Members) {
	stack := awscdk.NewStack(app, jsii.String("TriageDemo"), nil)
	addOrders(stack)
	topic := awssns.NewTopic(stack, jsii.String("OnCall"), nil)
	chat := awssns.NewTopic(stack, jsii.String("Chat"), nil)

	// The demo runs the functions on this machine.
	architecture := awslambda.Architecture_X86_64()
	if runtime.GOARCH == "arm64" {
		architecture = awslambda.Architecture_ARM_64()
	}
	props := &alarmtriage.AlarmTriageProps{
		NotificationTopic: topic,
		ChatCardTopic:     chat,
		Architecture:      architecture,
		RemovalPolicy:     awscdk.RemovalPolicy_DESTROY,
		Members:           members,
	}
	if members != nil {
		props.AccountNames = &map[string]*string{*(*members.Accounts)[0]: jsii.String("orders-prod")}
	}
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), props)
	addOutputs(stack, map[string]*string{
		"Orchestrator":  triage.Orchestrator().FunctionName(),
		"Tool":          triage.Tool().FunctionName(),
		"ReportsBucket": triage.ReportsBucket().BucketName(),
		"Topic":         topic.TopicArn(),
		"CardTopic":     chat.TopicArn(),
	})
}

// addMember adds the stack of a member account: another order service, and what the AlarmTriage needs to read the account.
func addMember(app awscdk.App, account string) {
	stack := awscdk.NewStack(app, jsii.String("TriageDemoMember"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: &account, Region: jsii.String(os.Getenv("CDK_DEFAULT_REGION"))},
	})
	addOrders(stack)
	alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{
		CentralAccount: jsii.String(os.Getenv("DEMO_CENTRAL")),
	})
}

// addOrders adds an order service, which reads a table.
func addOrders(stack awscdk.Stack) {
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
	addOutputs(stack, map[string]*string{"OrderService": service.FunctionName(), "OrderRole": role.RoleName(), "OrdersTable": orders.TableName()})
}

func addOutputs(stack awscdk.Stack, values map[string]*string) {
	for name, value := range values {
		awscdk.NewCfnOutput(stack, jsii.String("Out"+name), &awscdk.CfnOutputProps{Value: value})
	}
}
