package alarmtriage_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbedrock"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// policies returns the statements of the stack's policies whose logical id begins with prefix, with
// CloudFormation's joins flattened.
func policies(t *testing.T, stack awscdk.Stack, prefix string) []statement {
	t.Helper()
	return policiesOf(t, *synth(stack).ToJSON(), prefix)
}

// policiesOf is policies for a template.
func policiesOf(t *testing.T, synthesized any, prefix string) []statement {
	t.Helper()
	text, err := json.Marshal(synthesized)
	require.NoError(t, err)
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				PolicyDocument struct{ Statement []statement }
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &template))
	var found []statement
	for id, resource := range template.Resources {
		if strings.HasPrefix(id, prefix) && strings.HasPrefix(resource.Type, "AWS::IAM::") && strings.HasSuffix(resource.Type, "Policy") {
			found = append(found, resource.Properties.PolicyDocument.Statement...)
		}
	}
	require.NotEmpty(t, found)
	return found
}

type statement struct {
	Sid         string                    `json:",omitempty"`
	Effect      string                    `json:",omitempty"`
	Action      any                       `json:",omitempty"`
	NotAction   any                       `json:",omitempty"`
	Resource    any                       `json:",omitempty"`
	NotResource any                       `json:",omitempty"`
	Condition   map[string]map[string]any `json:",omitempty"`
}

// filterSid returns the statements with the given Sid.
func filterSid(statements []statement, sid string) []statement {
	return slices.DeleteFunc(statements, func(s statement) bool { return s.Sid != sid })
}

// text flattens a value with Fn::Join, Ref, and Fn::GetAtt.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []any:
		var parts []string
		for _, part := range v {
			parts = append(parts, text(part))
		}
		return strings.Join(parts, " ")
	case map[string]any:
		if join, ok := v["Fn::Join"].([]any); ok {
			var b strings.Builder
			for _, part := range join[1].([]any) {
				b.WriteString(text(part))
			}
			return b.String()
		}
		if ref, ok := v["Ref"].(string); ok {
			return "${" + ref + "}"
		}
		return "${" + text(v["Fn::GetAtt"]) + "}"
	}
	return ""
}

// deployed resolves a value as CloudFormation does, for a guardrail with the id abc.
func deployed(value any) any {
	v, isMap := value.(map[string]any)
	if !isMap {
		return value
	}
	list := func(name string) []any { found, _ := v[name].([]any); return found }
	if attribute := list("Fn::GetAtt"); attribute != nil {
		return map[string]any{"GuardrailId": "abc", "GuardrailArn": "arn:aws:bedrock:eu-west-1:111122223333:guardrail/abc"}[attribute[1].(string)]
	}
	if join := list("Fn::Join"); join != nil {
		var parts []any
		for _, part := range join[1].([]any) {
			parts = append(parts, deployed(part))
		}
		return map[string]any{"Fn::Join": []any{join[0], parts}}
	}
	if choice := list("Fn::Select"); choice != nil {
		split := choice[1].(map[string]any)["Fn::Split"].([]any)
		return strings.Split(text(deployed(split[1])), split[0].(string))[int(choice[0].(float64))]
	}
	return value
}

func TestOrchestratorRole_InvokesOnlyItsModels(t *testing.T) {
	const profile = "arn:${AWS::Partition}:bedrock:eu-west-1:111122223333:inference-profile/"
	const models = "arn:${AWS::Partition}:bedrock:"
	tests := []struct {
		name  string
		model string
		want  map[string]string // resource to the conditions, as "key=value key=value"
	}{
		{"model in the Region", "amazon.nova-pro-v1:0", map[string]string{
			models + "eu-west-1::foundation-model/amazon.nova-pro-v1:0": ""}},
		{"geographic profile", "eu.amazon.nova-pro-v1:0", map[string]string{
			profile + "eu.amazon.nova-pro-v1:0":                 "",
			models + "*::foundation-model/amazon.nova-pro-v1:0": "bedrock:InferenceProfileArn=" + profile + "eu.amazon.nova-pro-v1:0"}},
		{"profile of GovCloud", "us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0", map[string]string{
			profile + "us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0": "",
			models + "*::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0": "bedrock:InferenceProfileArn=" + profile +
				"us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0"}},
		{"global profile", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", map[string]string{
			profile + "global.anthropic.claude-sonnet-4-5-20250929-v1:0": "aws:RequestedRegion=eu-west-1",
			models + "eu-west-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0": "aws:RequestedRegion=eu-west-1 bedrock:InferenceProfileArn=" +
				profile + "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
			models + "::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0": "aws:RequestedRegion=unspecified bedrock:InferenceProfileArn=" +
				profile + "global.anthropic.claude-sonnet-4-5-20250929-v1:0"}},
		{"application profile", "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc", map[string]string{
			"arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc": "",
			models + "*::foundation-model/*":                                           "bedrock:InferenceProfileArn=arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc"}},
		{"profile of India", "in.anthropic.claude-sonnet-5", map[string]string{
			profile + "in.anthropic.claude-sonnet-5": "",
			models + "*::foundation-model/anthropic.claude-sonnet-5": "bedrock:InferenceProfileArn=" + profile +
				"in.anthropic.claude-sonnet-5"}},
		{"profile of an unknown geography", "zz.anthropic.claude-sonnet-9", map[string]string{
			profile + "zz.anthropic.claude-sonnet-9": "",
			models + "*::foundation-model/anthropic.claude-sonnet-9": "bedrock:InferenceProfileArn=" + profile +
				"zz.anthropic.claude-sonnet-9"}},
		{"maker with a short name", "zai.glm-5", map[string]string{models + "eu-west-1::foundation-model/zai.glm-5": ""}},
		{"imported model", "arn:aws:bedrock:eu-west-1:111122223333:imported-model/abc", map[string]string{
			"arn:aws:bedrock:eu-west-1:111122223333:imported-model/abc": ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stack := newStack()
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.BedrockModelId, p.FallbackModelIds = jsii.String(test.model), jsii.Strings()
			})
			assert.Equal(t, test.want, invocable(t, policies(t, stack, "TriageOrchestratorRole")))
		})
	}
}

// invocable returns the resources that statements allow to invoke, with their conditions as "key=value
// key=value".
func invocable(t *testing.T, statements []statement) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, s := range statements {
		if s.Sid == "ReadModelLifecycle" { // another test checks it
			assert.Equal(t, "bedrock:GetFoundationModel", s.Action)
			continue
		}
		if s.Action != "bedrock:InvokeModel" {
			assert.NotContains(t, text(s.Action), "bedrock", s.Sid)
			continue
		}
		var conditions []string
		for _, key := range []string{"aws:RequestedRegion", "bedrock:InferenceProfileArn"} {
			if value, ok := s.Condition["StringEquals"][key]; ok {
				conditions = append(conditions, key+"="+text(value))
			}
		}
		found[text(s.Resource)] = strings.Join(conditions, " ")
	}
	return found
}

func TestModels_WarnAboutProfilesOfAnotherGeography(t *testing.T) {
	for _, test := range []struct {
		region, model string
		warned        bool
	}{
		{"eu-west-1", "us.amazon.nova-premier-v1:0", true}, {"us-gov-west-1", "us.amazon.nova-premier-v1:0", true}, {"us-east-1", "eu.amazon.nova-pro-v1:0", true},
		{"us-west-2", "us.amazon.nova-premier-v1:0", false}, {"us-gov-west-1", "us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0", false},
		{"ap-northeast-1", "jp.anthropic.claude-sonnet-4-5-20250929-v1:0", false}, {"eu-west-1", "amazon.nova-pro-v1:0", false},
		{"eu-west-1", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", false}, {"ca-central-1", "us.amazon.nova-lite-v1:0", false}, {"", "us.amazon.nova-premier-v1:0", false},
	} {
		app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
		props := &awscdk.StackProps{}
		if test.region != "" {
			props.Env = &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String(test.region)}
		}
		stack := awscdk.NewStack(app, jsii.String("Test"), props)
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.BedrockModelId = jsii.String(test.model) })
		warnings := assertions.Annotations_FromStack(stack).FindWarning(jsii.String("/Test/Triage"), assertions.Match_StringLikeRegexp(jsii.String("can't be invoked from "+test.region)))
		assert.Equal(t, test.warned, len(*warnings) == 1, "%s in %q", test.model, test.region)
	}
}

// A profile and a guardrail of the same app are tokens at synth.
func TestOrchestratorRole_GrantsModelsAndGuardrailsOfTheAppByARN(t *testing.T) {
	const partition, region, account = "${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}"
	const here = "arn:" + partition + ":bedrock:" + region
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	stack := awscdk.NewStack(app, jsii.String("Test"), nil)
	profile := awsbedrock.NewCfnApplicationInferenceProfile(stack, jsii.String("Profile"), &awsbedrock.CfnApplicationInferenceProfileProps{
		InferenceProfileName: jsii.String("triage"), ModelSource: map[string]any{"copyFrom": "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0"}})
	guardrail := awsbedrock.NewCfnGuardrail(stack, jsii.String("Guardrail"), &awsbedrock.CfnGuardrailProps{
		Name: jsii.String("triage"), BlockedInputMessaging: jsii.String("no"), BlockedOutputsMessaging: jsii.String("no")})
	parameter := awscdk.NewCfnParameter(stack, jsii.String("Model"), nil)
	const lookedUp = "arn:aws:bedrock:{{resolve:ssm:/region}}:"
	tests := []struct {
		name             string
		model, guardrail *string
		want             []string
	}{
		{"application profile", profile.AttrInferenceProfileArn(), guardrail.AttrGuardrailArn(),
			[]string{"${Profile InferenceProfileArn}", "arn:" + partition + ":bedrock:*::foundation-model/*"}},
		{"system profile in the stack's Region", stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("bedrock"), Resource: jsii.String("inference-profile"), ResourceName: jsii.String("eu.amazon.nova-pro-v1:0")}), guardrail.AttrGuardrailId(),
			[]string{here + ":" + account + ":inference-profile/eu.amazon.nova-pro-v1:0", "arn:" + partition + ":bedrock:*::foundation-model/amazon.nova-pro-v1:0"}},
		{"parameter", parameter.ValueAsString(), jsii.String("abc"), []string{here + ":" + account + ":inference-profile/${Model}",
			"arn:" + partition + ":bedrock:*::foundation-model/*", here + "::foundation-model/${Model}"}},
		{"dynamic references", jsii.String(lookedUp + "111122223333:imported-model/abc"), jsii.String(lookedUp + "444455556666:guardrail/abc"),
			[]string{lookedUp + "111122223333:imported-model/abc"}},
	}
	for i, test := range tests {
		alarmtriage.NewAlarmTriage(stack, jsii.Sprintf("Triage%d", i), &alarmtriage.AlarmTriageProps{
			NotificationTopic: awssns.NewTopic(stack, jsii.Sprintf("OnCall%d", i), nil), BedrockModelId: test.model, FallbackModelIds: jsii.Strings(),
			Guardrail: &alarmtriage.Guardrail{GuardrailId: test.guardrail, GuardrailVersion: jsii.String("1")}})
	}
	for i, test := range tests {
		var models, guardrails []string
		for _, s := range policies(t, stack, fmt.Sprintf("Triage%dOrchestratorRole", i)) {
			switch s.Action {
			case "bedrock:InvokeModel":
				models = append(models, text(s.Resource))
				if strings.HasSuffix(text(s.Resource), "/*") {
					assert.NotEmpty(t, s.Condition["StringEquals"]["bedrock:InferenceProfileArn"], "every model, but only through this profile")
				}
			case "bedrock:ApplyGuardrail":
				guardrails = append(guardrails, text(deployed(s.Resource)))
				assert.Empty(t, s.Condition)
			}
		}
		assert.ElementsMatch(t, test.want, models, test.name)
		want, owner := here+":"+account+":guardrail/abc", account
		if strings.HasPrefix(*test.guardrail, lookedUp) {
			want, owner = *test.guardrail, "444455556666"
		}
		profiles := "arn:" + partition + ":bedrock:*:" + owner + ":guardrail-profile/*" // for cross-Region inference
		assert.ElementsMatch(t, []string{want, profiles}, guardrails, test.name)
	}
}

func TestToolDenies_ApplyToEveryRequest(t *testing.T) {
	stack := newStack()
	newTriage(stack, nil)
	denied := map[string]bool{}
	for _, s := range policies(t, stack, "TriageToolDenies") {
		assert.Equal(t, "Deny", s.Effect)
		if s.Sid == "TemplateUrls" {
			assert.Equal(t, "cloudformation:GetTemplateSummary", s.Action)
			assert.Equal(t, "false", s.Condition["Null"]["cloudformation:TemplateUrl"], "denied if the request has the key")
			continue
		}
		assert.Empty(t, s.Condition, "a deny does not apply to requests that lack the key of its condition")
		if s.Sid == "SensitiveReads" {
			assert.Equal(t, "*", s.Resource)
			for _, action := range s.Action.([]any) {
				denied[action.(string)] = true
			}
		}
	}
	for _, action := range []string{
		"s3:GetObject", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParametersByPath",
		"sts:GetSessionToken", "ecr:GetAuthorizationToken", "sqs:ReceiveMessage", "lambda:GetFunction", "ec2:GetConsoleOutput", "identitystore:ListUsers", "kms:Decrypt",
	} {
		assert.True(t, denied[action], action)
	}
}

func TestToolDenies_OpenGroupsByProp(t *testing.T) {
	tests := []struct {
		name        string
		open        func(*alarmtriage.AlarmTriageProps)
		opened      string
		stillDenied string
	}{
		{"personal data", func(p *alarmtriage.AlarmTriageProps) { p.ToolAllowPersonalData = jsii.Bool(true) }, "identitystore:ListUsers", "lambda:GetFunction"},
		{"source code", func(p *alarmtriage.AlarmTriageProps) { p.ToolAllowSourceCode = jsii.Bool(true) }, "lambda:GetFunction", "ec2:GetConsoleOutput"},
		{"host output", func(p *alarmtriage.AlarmTriageProps) { p.ToolAllowHostOutput = jsii.Bool(true) }, "ec2:GetConsoleOutput", "s3:GetObject"},
		{"billed reads", func(p *alarmtriage.AlarmTriageProps) { p.ToolAllowBilledReads = jsii.Bool(true) }, "ce:*", "mediaconvert:Probe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stack := newStack()
			newTriage(stack, test.open)
			denied := " "
			for _, s := range policies(t, stack, "TriageToolDenies") {
				if s.Sid == "SensitiveReads" {
					denied += text(s.Action) + " "
				}
			}
			assert.NotContains(t, denied, " "+test.opened+" ")
			assert.Contains(t, denied, " "+test.stillDenied+" ")
		})
	}
}

func TestToolAllowedActions_ReachTheRoleAndTheBroker(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolAllowedActions, p.ToolDeniedActions = jsii.Strings("athena:StartQueryExecution", "shop:Look*"), jsii.Strings("iam:ListUsers")
		p.ToolAllowPersonalData, p.ToolAllowHostOutput = jsii.Bool(true), jsii.Bool(true)
		p.ToolAllowedAccounts = jsii.Strings("111122223333", "444455556666")
	})
	allowed := filterSid(policies(t, stack, "TriageToolRole"), "AllowedByTheUser")
	require.Len(t, allowed, 1)
	assert.Equal(t, "Allow", allowed[0].Effect)
	assert.Contains(t, text(allowed[0].Action), "athena:StartQueryExecution")
	assert.Contains(t, text(allowed[0].Action), "shop:Look*")

	functions := jsii.String("AWS::Lambda::Function")
	synth(stack).HasResourceProperties(functions, like("Runtime", "python3.13", "Environment", like("Variables", like(
		"ALLOWED_ACTIONS", "athena:StartQueryExecution,shop:Look*", "DENIED_ACTIONS", "iam:ListUsers", "OPEN_READS", "personal-data,host-output",
		"ALLOWED_ACCOUNTS", "111122223333,444455556666"))))
	plain := newStack()
	newTriage(plain, nil)
	assert.Empty(t, filterSid(policies(t, plain, "TriageToolRole"), "AllowedByTheUser"))
	synth(plain).HasResourceProperties(functions, like("Runtime", "python3.13", "Environment", like("Variables", like(
		"ALLOWED_ACTIONS", assertions.Match_Absent(), "DENIED_ACTIONS", assertions.Match_Absent(), "OPEN_READS", assertions.Match_Absent(),
		"ALLOWED_ACCOUNTS", assertions.Match_Absent()))))
}

func TestToolDeniedResources_ReachTheRoleAndTheBroker(t *testing.T) {
	stack := newStack()
	logs := awslogs.NewLogGroup(stack, jsii.String("Audit"), nil)
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolDeniedResources = &[]*string{logs.LogGroupArn(), jsii.String("arn:aws:s3:::vault"), jsii.String("arn:aws:logs:*:*:log-group:payments-*:*")}
	})
	denied := filterSid(policies(t, stack, "TriageToolRole"), "DeniedByTheUser")
	require.Len(t, denied, 1)
	assert.Equal(t, "Deny", denied[0].Effect)
	assert.Equal(t, "logs:CreateLogStream logs:PutLogEvents", text(denied[0].NotAction))
	resources := text(denied[0].Resource)
	for _, want := range []string{"Audit", "arn:aws:s3:::vault", "arn:aws:s3:::vault/*", "arn:aws:logs:*:*:log-group:payments-*", "arn:aws:logs:*:*:log-group:payments-*:*"} {
		assert.Contains(t, resources, want)
	}
	environment, err := json.Marshal(synth(stack).FindResources(jsii.String("AWS::Lambda::Function"), like("Properties", like("Runtime", "python3.13"))))
	require.NoError(t, err)
	assert.Contains(t, string(environment), `\narn:aws:s3:::vault\narn:aws:logs:*:*:log-group:payments-*:*`)

	plain := newStack()
	newTriage(plain, nil)
	assert.Empty(t, filterSid(policies(t, plain, "TriageToolRole"), "DeniedByTheUser"))
	synth(plain).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "python3.13",
		"Environment", like("Variables", like("DENIED_RESOURCES", assertions.Match_Absent()))))
}

// The inline policies of a role have at most 10,240 characters, without blanks.
func TestToolDeniedResources_FitIntoThePolicy(t *testing.T) {
	stack := newStack()
	var resources, actions []string
	for i := range 135 { // 2,296 bytes; short ones, because each is followed by its parts
		resources = append(resources, fmt.Sprintf("arn:aws:s3:::%c", 'a'+rune(i)))
		if i >= 26 {
			resources[i] = fmt.Sprintf("arn:*:s3:::%03d", i)
		}
	}
	for i := range 38 { // 1,445 bytes
		actions = append(actions, fmt.Sprintf("someservice:DescribeThingNumber%03d", i))
	}
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolDeniedResources, p.ToolAllowedActions = jsii.Strings(resources...), jsii.Strings(actions...)
		p.Vpc, p.Tracing = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), awslambda.Tracing_ACTIVE
	})
	size := 0
	for _, statement := range append(policies(t, stack, "TriageToolRole"), policies(t, stack, "TriageToolNetwork")...) {
		encoded, err := json.Marshal(statement)
		require.NoError(t, err)
		size += len(encoded)
	}
	const namesOfTheFunction = 250 // more characters than the references to it have
	assert.Greater(t, size, 9000)
	assert.Less(t, size, 10_240-namesOfTheFunction)
}

// IAM rejects a policy with the ARN of a kind of resources, as moto does. Such an ARN remains if the end of role/* is omitted.
func TestToolDeniedResources_OfAWholeKindAreAccepted(t *testing.T) {
	stack := newStack()
	whole := []string{
		"arn:aws:iam::*:role/*", "arn:aws:iam::*:*", "arn:aws:s3:::*", "arn:aws:s3:*:*:accesspoint/*", "arn:aws:sqs:*:*:*", "arn:aws:dynamodb:*:*:table/*",
		"arn:aws:logs:*:*:log-group:*", "arn:aws:lambda:*:*:function:*",
	}
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolDeniedResources = jsii.Strings(append(whole, "arn:aws:s3:::vault/*")...)
	})
	denied := filterSid(policies(t, stack, "TriageToolRole"), "DeniedByTheUser")
	require.Len(t, denied, 1)
	assert.ElementsMatch(t, append(whole, "arn:aws:s3:::vault", "arn:aws:s3:::vault:*", "arn:aws:s3:::vault/*"), denied[0].Resource)

	unknown := awscdk.NewStack(newTestApp(), jsii.String("Test"), nil)
	newTriage(unknown, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolDeniedResources = &[]*string{
			jsii.Sprintf("arn:%s:iam::%s:role/*", *unknown.Partition(), *unknown.Account()), jsii.Sprintf("arn:aws:iam::%s:role/a", *unknown.Account()),
		}
	})
	denied = filterSid(policies(t, unknown, "TriageToolRole"), "DeniedByTheUser")
	require.Len(t, denied, 1)
	const role = "arn:aws:iam::${AWS::AccountId}:role/a"
	assert.Equal(t, "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/* "+role+" "+role+":* "+role+"/*", text(denied[0].Resource))
}

// Lambda writes the tool's log under the tool's role, and the log says what the model's code read.
func TestToolDeniedActions_KeepTheToolsLog(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolDeniedActions = jsii.Strings("logs:*", "logs:FilterLogEvents", "logs:Put*", "iam:ListUsers")
		p.Members = membersOf(memberAccount)
	})
	own := filterSid(policies(t, stack, "TriageToolRole"), "DeniedByTheUserExceptItsLog")
	require.Len(t, own, 1)
	assert.Equal(t, "Deny", own[0].Effect)
	assert.Equal(t, "logs:* logs:Put*", text(own[0].Action))
	assert.Contains(t, text(own[0].NotResource), "TriageToolLogs")
	var others []string
	for _, denied := range policies(t, stack, "TriageToolDenies") {
		others = append(others, text(denied.Action))
	}
	everywhere := strings.Split(strings.Join(others, " "), " ")
	assert.Contains(t, everywhere, "iam:ListUsers")
	assert.Contains(t, everywhere, "logs:FilterLogEvents")
	assert.NotContains(t, everywhere, "logs:*")
	synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", "python3.13",
		"Environment", like("Variables", like("DENIED_ACTIONS", "logs:*,logs:FilterLogEvents,logs:Put*,iam:ListUsers"))))
}

// Denies also apply to Lambda, which connects the function to the VPC under its role.
func TestVpc_RejectsDeniesOfItsNetworkActions(t *testing.T) {
	create := func(vpc bool, actions, resources []string) func() {
		return func() {
			stack := newStack()
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.ToolDeniedActions, p.ToolDeniedResources = jsii.Strings(actions...), jsii.Strings(resources...)
				if vpc {
					p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
				}
			})
		}
	}
	for _, action := range []string{"ec2:*", "ec2:Describe*", "ec2:createnetworkinterface", "ec2:DescribeSubnets"} {
		assert.Contains(t, panicOf(t, create(true, []string{"iam:ListUsers", action}, nil)), "because Lambda needs it under the tool's role to connect the "+
			fmt.Sprintf("function to Vpc, got %q: list the other actions that it denies", action))
	}
	for _, arn := range []string{"arn:aws:ec2:*:*:*", "arn:aws:ec2:eu-west-1:111122223333:network-interface/*", "arn:*:ec2:*:*:subnet/*", "arn:aws:ec2:*:*:s*"} {
		assert.Contains(t, panicOf(t, create(true, nil, []string{arn})), fmt.Sprintf("to connect the function to Vpc, got %q: name single ones", arn))
	}
	other := []string{"arn:aws:ec2:*:*:instance/*", "arn:aws:ec2:*:*:network-interface/eni-1", "arn:aws:s3:::*"}
	assert.NotPanics(t, create(true, []string{"ec2:DescribeInstances", "ec2:Get*", "logs:*"}, other))
	assert.NotPanics(t, create(false, []string{"ec2:*"}, []string{"arn:aws:ec2:*:*:*"}))
}

// CDK moves statements of a large policy to managed policies, but does not count the role's other inline policies.
func TestOrchestratorRole_RejectsPoliciesThatAreTooLong(t *testing.T) {
	for _, tt := range []struct {
		length int    // of the longest names
		letter string // of the keys
		want   string
	}{
		{256, "k", "alarmtriage: the inline policies of the role Test/Triage/OrchestratorRole have at least 10"},
		{256, " ", ""}, // IAM does not count white space
		{20, "k", ""},
	} {
		stack := stackIn(newTestApp(), "Test", "eu-west-1")
		name := func(most int) string { return strings.Repeat("n", min(tt.length, most)) }
		topic := func(id string) awssns.ITopic {
			return awssns.Topic_FromTopicArn(stack, jsii.String(id), jsii.String("arn:aws:sns:eu-west-1:111122223333:"+id+name(250)))
		}
		bucket := func(id string) awss3.IBucket {
			return awss3.Bucket_FromBucketName(stack, jsii.String(id), jsii.String(id+name(50)))
		}
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.NotificationTopic, p.ChatCardTopic = topic("reports"), topic("cards")
			p.BedrockModelId = jsii.String("global.anthropic.claude-sonnet-4-5-20250929-v1:0")
			p.FallbackModelIds = jsii.Strings("global.anthropic.claude-opus-4-5-20251101-v1:0", "global.anthropic.claude-haiku-4-5-20251001-v1:0",
				"arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abcdefghijkl", "global.amazon.nova-2-lite-v1:0")
			p.CompletionEventBus = awsevents.EventBus_FromEventBusArn(stack, jsii.String("Bus"), jsii.String("arn:aws:events:eu-west-1:111122223333:event-bus/"+name(256)))
			p.InvestigationsTable = awsdynamodb.Table_FromTableArn(stack, jsii.String("Claims"), jsii.String("arn:aws:dynamodb:eu-west-1:111122223333:table/"+name(255)))
			p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: bucket("texts"), Key: jsii.String(strings.Repeat(tt.letter, 7*tt.length/2))}
			p.Runbooks = &alarmtriage.Runbooks{Bucket: bucket("runbooks"), Prefix: jsii.String(strings.Repeat(tt.letter, 7*tt.length/2) + "/")}
			p.AllowModelSubscriptions = jsii.Bool(true)
			p.Guardrail = &alarmtriage.Guardrail{GuardrailId: jsii.String("arn:aws:bedrock:eu-west-1:111122223333:guardrail/abcdefghijkl"), GuardrailVersion: jsii.String("1")}
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
		})
		if tt.want == "" {
			assert.NotPanics(t, func() { synth(stack) })
			continue
		}
		assert.Contains(t, panicOf(t, func() { synth(stack) }), tt.want)
	}
}

func TestToolDeniedActions_FitIntoPolicies(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST // needs more policies than ReadOnlyAccess
		var many []string
		for i := range 100 { // 3,501 bytes
			many = append(many, fmt.Sprintf("someservice:DescribeThingNumber%03d", i))
		}
		p.ToolDeniedActions = jsii.Strings(many...)
	})
	const most = 6144 // characters, IAM's limit for a managed policy
	managed := *synth(stack).FindResources(jsii.String("AWS::IAM::ManagedPolicy"), nil)
	const mostPerRole = 10 // IAM's default quota of managed policies per role
	assert.Less(t, len(managed), mostPerRole, "users attach some of their own")
	for id, resource := range managed {
		document, err := json.Marshal((*resource)["Properties"].(map[string]any)["PolicyDocument"])
		require.NoError(t, err)
		assert.Less(t, len(document), most, id)
		t.Logf("%s has %d characters", id, len(document))
	}
	last := policies(t, stack, "TriageToolDenies")
	var denied []string
	for _, s := range last {
		denied = append(denied, text(s.Action))
	}
	assert.Contains(t, strings.Join(denied, " "), "someservice:DescribeThingNumber099")
}

// CDK only grants the network actions to roles that it creates itself, and Lambda rejects a function in a
// VPC without them.
func TestVpc_OnlyLambdaMayUseTheNetworkActions(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil) })
	for _, role := range []string{"TriageOrchestrator", "TriageTool"} {
		allowed := filterSid(policies(t, stack, role+"Role"), "NetworkOfTheFunction")
		require.Len(t, allowed, 1, role)
		denied := filterSid(policies(t, stack, role+"Network"), "NotByItsCode")
		require.Len(t, denied, 1, role)
		for _, action := range []string{"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"} {
			assert.Contains(t, text(allowed[0].Action), action, role)
			assert.Contains(t, text(denied[0].Action), action, role)
		}
		assert.Contains(t, text(allowed[0].Action), "ec2:DescribeNetworkInterfaces", role)
		assert.Equal(t, "Deny", denied[0].Effect)
		assert.Contains(t, text(denied[0].Condition["ArnEquals"]["lambda:SourceFunctionArn"]), role, "the function's own code")
	}
	stack = newStack()
	newTriage(stack, nil)
	assert.NotContains(t, fmt.Sprint(*synth(stack).ToJSON()), "NetworkInterface", "without a VPC, the permission is not granted")
}

func TestToolPermissions_AllowListReplacesReadOnlyAccess(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST })
	assert.NotContains(t, fmt.Sprint(*synth(stack).ToJSON()), "ReadOnlyAccess")
	var allowed []string
	for _, s := range policies(t, stack, "TriageToolReads") {
		assert.Equal(t, "Allow", s.Effect)
		allowed = append(allowed, text(s.Action))
	}
	assert.Contains(t, strings.Join(allowed, " "), "cloudwatch:GetMetricData")
	assert.NotEmpty(t, policies(t, stack, "TriageToolDenies"))
}

func TestToolRole_DeniesTriageResourcesAndAllowsLogging(t *testing.T) {
	stack := newStack()
	newTriage(stack, nil)
	var data, logs statement
	for _, s := range policies(t, stack, "TriageToolDenies") {
		switch s.Sid {
		case "TriageData":
			data = s
		case "TriageLogs":
			logs = s
		}
	}
	assert.Equal(t, "*", data.Action)
	for _, part := range []string{"TriageInvestigations", "TriageReports", "OnCall"} {
		assert.Contains(t, text(data.Resource), part)
	}
	assert.NotContains(t, text(data.Resource), "Logs")
	assert.Contains(t, text(logs.Resource), "TriageToolLogs")
	assert.NotContains(t, text(logs.Action), "PutLogEvents")
}

// Roles that an organization creates for CDK get no policies from the template. CDK reports what they must allow.
func TestRoles_CreatedBeforehandHaveNoPoliciesInTheTemplate(t *testing.T) {
	directory := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &directory, Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	awsiam.Role_CustomizeRoles(app, &awsiam.CustomizeRolesOptions{UsePrecreatedRoles: &map[string]*string{
		"S/Triage/ToolRole": jsii.String("alarmtriage-tool-role"), "S/Triage/OrchestratorRole": jsii.String("my-orchestrator")}})
	stack := stackIn(app, "S", "eu-west-1")
	triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
		p.Members = membersOf("444455556666")
		p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{RestrictDefaultSecurityGroup: jsii.Bool(false)})
		p.Tracing = awslambda.Tracing_ACTIVE
		p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failures"), nil)
	}).AttachTopic(awssns.NewTopic(stack, jsii.String("Incoming"), nil), nil)
	app.Synth(nil)
	template, err := os.ReadFile(filepath.Join(directory, "S.template.json"))
	require.NoError(t, err)
	assert.NotContains(t, string(template), `"AWS::IAM::`)
	assert.Contains(t, string(template), ":role/my-orchestrator")
	report, err := os.ReadFile(filepath.Join(directory, "iam-policy-report.txt"))
	require.NoError(t, err)
	for sid, roles := range map[string]int{"HandOver": 1, "AssumeMembers": 1, "NetworkOfTheFunction": 2, "NotByItsCode": 2, "ConfirmAlarms": 1} {
		assert.Equal(t, roles, strings.Count(string(report), `"Sid": "`+sid+`"`), "%s", sid)
	}
}
