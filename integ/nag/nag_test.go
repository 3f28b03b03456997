// Package nag checks every variant of the integration stack with cdk-nag's AwsSolutions rules.
package nag

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/cxapi"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/integ/stacks"
	"github.com/cloudwatch-alarm-triage/alarmtriage/integ/templatetest"
)

func TestMain(m *testing.M) { os.Exit(templatetest.Run(m)) }

func TestVariants_PassAwsSolutions(t *testing.T) {
	used := map[string]bool{}
	for _, variant := range stacks.Variants() {
		t.Run(variant, func(t *testing.T) {
			app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
			stack, _ := stacks.New(app, variant, "")
			for _, s := range suppressions() {
				if node := find(stack, s.path); node != nil {
					used[s.path] = true
					cdknag.NagSuppressions_AddResourceSuppressions(node, s.rules, nil)
				}
			}
			awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
			assert.Empty(t, findings(stack))
		})
	}
	for _, s := range suppressions() {
		assert.True(t, used[s.path], "no variant has %s", s.path)
	}
}

func TestMember_PassesAwsSolutions(t *testing.T) {
	app := awscdk.NewApp(nil)
	stack := stacks.NewMember(app, "111122223333", "eu-west-1")
	for _, s := range []suppression{
		ignore("Member/Role/Resource", "AwsSolutions-IAM4", "The reasons are those of the tool's role.", "/^Policy::arn:<AWS::Partition>:iam::aws:policy/ReadOnlyAccess$/"),
	} {
		node := find(stack, s.path)
		require.NotNil(t, node, s.path)
		cdknag.NagSuppressions_AddResourceSuppressions(node, s.rules, nil)
	}
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
	assert.Empty(t, findings(stack))
}

// suppression suppresses rules for one resource, with the reason. Users of the construct need the same ones.
type suppression struct {
	path  string // below the stack
	rules *[]*cdknag.NagPackSuppression
}

// ignore returns a suppression. If it is about wildcards, appliesTo must list them as "Action::…" or
// "Resource::…"; /…/ is a regular expression.
func ignore(path, rule, reason string, appliesTo ...string) suppression {
	s := &cdknag.NagPackSuppression{Id: jsii.String(rule), Reason: jsii.String(reason)}
	if len(appliesTo) > 0 {
		var list []any
		for _, text := range appliesTo {
			if strings.HasPrefix(text, "/") {
				list = append(list, map[string]any{"regex": text + "g"})
				continue
			}
			list = append(list, text)
		}
		s.AppliesTo = &list
	}
	return suppression{path, &[]*cdknag.NagPackSuppression{s}}
}

func suppressions() []suppression {
	const iam4, iam5 = "AwsSolutions-IAM4", "AwsSolutions-IAM5"
	const orchestrator = "Triage/OrchestratorRole/DefaultPolicy/Resource"
	const byLambda = "The network interfaces that Lambda creates for a function in a VPC (Vpc) and X-Ray's writes (Tracing) can't be limited " +
		"to resources; the function's own code is denied the former (e2e/permissions)."
	return []suppression{
		ignore("Triage/Reports/Resource", "AwsSolutions-S1", "The access log is the user's choice: ReportsAccessLogs turns it on, as the variant encrypted does."),
		ignore("Triage/Tool/Resource", "AwsSolutions-L1", "The harness around the model's code is tested with Python 3.13; a release that is tested with a newer runtime will use it."),
		ignore("Triage/ToolRole/Resource", iam4, "The default reads every service. Actions that return data are denied, which e2e/permissions proves action by action; "+
			"ToolPermissions_ALLOW_LIST does not use the managed policy.", "/^Policy::arn:<AWS::Partition>:iam::aws:policy/ReadOnlyAccess$/"),
		ignore("Triage/ToolReads/Resource", iam5, "An investigation must be able to look at any resource; the actions describe and list, and none reads data (e2e/permissions).",
			"/^Action::[a-z0-9-]+:(Describe|List|GetBucket|GetInsight)\\*$/", "Resource::*", "/^Resource::arn:<AWS::Partition>:apigateway:.*$/"),
		ignore("Triage/ToolReads2/Resource", iam5, "As in ToolReads.",
			"/^Action::[a-z0-9-]+:(Describe|List|GetBucket|GetInsight)\\*$/", "Resource::*"),
		ignore(orchestrator, iam5, "A cross-Region profile decides in which Region its model runs; a condition limits the model to calls through the profile.",
			"/^Resource::arn:<AWS::Partition>:bedrock:\\*::foundation-model/.*$/"),
		ignore(orchestrator, iam5, "The orchestrator chooses the keys of its reports and checkpoints, below one prefix.", "/^Resource::<TriageReports.*/reports/.*\\*$/"),
		ignore(orchestrator, iam5, "CDK grants the use of a key with these wildcards; they are limited to that key.", "Action::kms:ReEncrypt*", "Action::kms:GenerateDataKey*"),
		ignore(orchestrator, iam5, byLambda, "Resource::*"),
		ignore("Triage/ToolRole/DefaultPolicy/Resource", iam5, byLambda, "Resource::*"),
		ignore("Failed/Resource", "AwsSolutions-SQS3", "This is the dead-letter queue."),
		ignore("AccessLogs/Resource", "AwsSolutions-S1", "This is the bucket for access logs."),
	}
}

// find returns the construct at a path below the stack, or nil.
func find(stack awscdk.Stack, path string) constructs.IConstruct {
	var node constructs.IConstruct = stack
	for part := range strings.SplitSeq(path, "/") {
		if node = node.Node().TryFindChild(jsii.String(part)); node == nil {
			return nil
		}
	}
	return node
}

// findings returns cdk-nag's findings in a stack, as "path: rule".
func findings(stack awscdk.Stack) []string {
	annotations := assertions.Annotations_FromStack(stack)
	about := assertions.Match_StringLikeRegexp(jsii.String("AwsSolutions-.*|CdkNag.*"))
	var found []string
	for _, list := range []*[]*cxapi.SynthesisMessage{
		annotations.FindError(jsii.String("*"), about), annotations.FindWarning(jsii.String("*"), about),
	} {
		for _, message := range *list {
			text, _, _ := strings.Cut(fmt.Sprint(message.Entry.Data), ": ")
			found = append(found, fmt.Sprintf("%s: %v", *message.Id, text))
		}
	}
	return found
}
