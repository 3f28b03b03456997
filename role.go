package alarmtriage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/denies"
)

// deniedToolActions is what the tool role may not do under these props, without doubles.
func deniedToolActions(props *AlarmTriageProps) []string {
	denied := denies.Denied(openReads(props))
	if props.ToolDeniedActions != nil {
		for _, action := range *props.ToolDeniedActions {
			denied = append(denied, *action)
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied)
}

// openReads are the groups of reads that these props open.
func openReads(props *AlarmTriageProps) denies.Open {
	is := func(prop *bool) bool { return prop != nil && *prop }
	return denies.Open{PersonalData: is(props.ToolAllowPersonalData), SourceCode: is(props.ToolAllowSourceCode), HostOutput: is(props.ToolAllowHostOutput)}
}

// ownResources are the construct's own: what the model has no business to read, as an investigation that
// was talked into something must not see the others.
type ownResources struct {
	data []*string // ARNs of table, bucket and topics
	logs []*string // ARNs of log groups, with the :* of their streams
}

// logReads are the ways to read a log group. Writing stays: the tool logs itself.
var logReads = []string{
	"logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:Get*", "logs:StartLiveTail", "logs:StartQuery", "logs:Unmask",
}

// newToolRole makes the role that the model's code acts under: ReadOnlyAccess or the allow-list, less the
// denies.
func newToolRole(scope constructs.Construct, props *AlarmTriageProps, name *string, own ownResources) awsiam.Role {
	role := awsiam.NewRole(scope, jsii.String("ToolRole"), &awsiam.RoleProps{
		RoleName:            name,
		Description:         jsii.String("What the investigating model's code may read"),
		AssumedBy:           awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		PermissionsBoundary: props.PermissionsBoundary,
	})
	if props.ToolPermissions == ToolPermissions_ALLOW_LIST {
		allowTriageReads(scope, role)
	} else {
		role.AddManagedPolicy(awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("ReadOnlyAccess")))
	}
	denySensitiveReads(scope, role, props)
	denyOwn(scope, role, own)
	allowNetwork(role, props)
	if props.ToolAllowedActions != nil && len(*props.ToolAllowedActions) > 0 {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:       jsii.String("AllowedByTheUser"),
			Actions:   props.ToolAllowedActions,
			Resources: jsii.Strings("*"),
		}))
	}
	return role
}

// maxPolicyActions is how many characters of actions one managed policy is given, of the 6,144 that IAM
// takes in all ("IAM and STS character limits").
const maxPolicyActions = 5000

// inPolicies splits actions into as many lists as there must be policies of them.
func inPolicies(actions []string) [][]string {
	const quotesAndComma = 3
	lists, used := [][]string{nil}, 0
	for _, action := range actions {
		if used += len(action) + quotesAndComma; used > maxPolicyActions {
			lists, used = append(lists, nil), len(action)+quotesAndComma
		}
		lists[len(lists)-1] = append(lists[len(lists)-1], action)
	}
	return lists
}

// numbered is id for the first of several, and id2, id3 … for the others.
func numbered(id string, i int) *string {
	if i == 0 {
		return jsii.String(id)
	}
	return jsii.Sprintf("%s%d", id, i+1)
}

func apiGatewayPaths(scope constructs.Construct, paths []string) *[]*string {
	arns := make([]*string, len(paths))
	for i, path := range paths {
		arns[i] = jsii.Sprintf("arn:%s:apigateway:*::%s", *awscdk.Stack_Of(scope).Partition(), path)
	}
	return &arns
}

// allowTriageReads gives a role the reads of the allow-list.
func allowTriageReads(scope constructs.Construct, role awsiam.Role) {
	for i, actions := range inPolicies(triageReads.Names()) {
		statements := []awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:       jsii.String("TriageReads"),
			Actions:   jsii.Strings(actions...),
			Resources: jsii.Strings("*"),
		})}
		if i == 0 {
			statements = append(statements, awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:       jsii.String("ApiGateway"),
				Actions:   jsii.Strings("apigateway:GET"),
				Resources: apiGatewayPaths(scope, apiGatewayReads),
			}))
		}
		awsiam.NewManagedPolicy(scope, numbered("ToolReads", i), &awsiam.ManagedPolicyProps{
			Description: jsii.String("The reads that an investigation needs"),
			Roles:       &[]awsiam.IRole{role},
			Statements:  &statements,
		})
	}
}

// denySensitiveReads takes from a role what must not be read whatever else allows it.
func denySensitiveReads(scope constructs.Construct, role awsiam.Role, props *AlarmTriageProps) {
	for i, actions := range inPolicies(deniedToolActions(props)) {
		statements := []awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:       jsii.String("SensitiveReads"),
			Effect:    awsiam.Effect_DENY,
			Actions:   jsii.Strings(actions...),
			Resources: jsii.Strings("*"),
		})}
		if i == 0 {
			statements = append(statements, awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:       jsii.String("ApiKeyValues"),
				Effect:    awsiam.Effect_DENY,
				Actions:   jsii.Strings("apigateway:GET"),
				Resources: apiGatewayPaths(scope, apiKeyPaths),
			}))
		}
		awsiam.NewManagedPolicy(scope, numbered("ToolDenies", i), &awsiam.ManagedPolicyProps{
			Description: jsii.String("Reads that hand out credentials, data or code, taken away from the tool"),
			Roles:       &[]awsiam.IRole{role},
			Statements:  &statements,
		})
	}
}

// denyOwn keeps a role from what the triage itself stores and logs.
func denyOwn(scope constructs.Construct, role awsiam.Role, own ownResources) {
	awsiam.NewManagedPolicy(scope, jsii.String("ToolDeniesOwn"), &awsiam.ManagedPolicyProps{
		Description: jsii.String("The triage's own data, which an investigation must not see"),
		Roles:       &[]awsiam.IRole{role},
		Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:       jsii.String("TriageData"),
				Effect:    awsiam.Effect_DENY,
				Actions:   jsii.Strings("*"),
				Resources: &own.data,
			}),
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:       jsii.String("TriageLogs"),
				Effect:    awsiam.Effect_DENY,
				Actions:   jsii.Strings(logReads...),
				Resources: &own.logs,
			}),
		},
	})
}

// geographic prefixes of cross-Region inference profiles, as in the Bedrock User Guide, "Supported
// Regions and models for inference profiles".
var profilePrefixes = []string{"us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"}

// continents are the beginnings of Region names within which geographic profiles route, by prefix. Other Regions, such
// as Canada's, are the source of profiles of several geographies.
var continents = map[string]string{"us": "us-", "us-gov": "us-gov-", "eu": "eu-", "apac": "ap-", "jp": "ap-", "au": "ap-"}

// continentOf is the continent of a Region; empty: one that no geographic profile is bound to.
func continentOf(region string) string {
	for _, continent := range []string{"us-gov-", "us-", "eu-", "ap-"} {
		if strings.HasPrefix(region, continent) {
			return continent
		}
	}
	return ""
}

// warnOfGeography warns where the model is a profile of another geography, which can't be invoked from here: that the
// default model is one of the USA would only be told by the first report, which has no conclusion.
func (t *AlarmTriage) warnOfGeography() {
	region := *awscdk.Stack_Of(t).Region()
	prefix, _, _ := strings.Cut(*t.modelID, ".")
	of, here := continents[prefix], continentOf(region)
	if unresolved(region) || of == "" || here == "" || of == here {
		return
	}
	awscdk.Annotations_Of(t).AddWarningV2(jsii.String("alarmtriage:geography"), jsii.Sprintf("BedrockModelId %s is an inference profile of %s… Regions "+
		"and can't be invoked from %s: set it to a model or a profile of this Region", *t.modelID, of, region), nil)
}

// bedrockARN takes the kind and the id from an ARN, whose partition, Region and account may be tokens.
var bedrockARN = regexp.MustCompile(`^arn:[^:]+:bedrock:[^:]*:[^:]*:([a-z-]+)/(.+)$`)

// modelStatements grants the invocation of one model, whichever way it is named: a model id, a geographic
// or global inference profile id, or the ARN of a profile or of a custom, imported or provisioned model.
func modelStatements(stack awscdk.Stack, modelID string) []awsiam.PolicyStatement {
	invoke := func(sid string, conditions map[string]any, resources ...string) awsiam.PolicyStatement {
		p := &awsiam.PolicyStatementProps{
			Sid:       jsii.String(sid),
			Actions:   jsii.Strings("bedrock:InvokeModel"),
			Resources: jsii.Strings(resources...),
		}
		if conditions != nil {
			p.Conditions = &conditions
		}
		return awsiam.NewPolicyStatement(p)
	}
	equals := func(pairs ...string) map[string]any {
		values := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = pairs[i+1]
		}
		return map[string]any{"StringEquals": values}
	}
	partition, region, account := *stack.Partition(), *stack.Region(), *stack.Account()
	foundation := func(region, id string) string {
		return fmt.Sprintf("arn:%s:bedrock:%s::foundation-model/%s", partition, region, id)
	}

	// behind is for profiles that don't say which model they are made of; the condition ties every model to them.
	behind := func(profile string) []awsiam.PolicyStatement {
		return []awsiam.PolicyStatement{
			invoke("InvokeProfile", nil, profile),
			invoke("InvokeModelBehindProfile", equals("bedrock:InferenceProfileArn", profile), foundation("*", "*")),
		}
	}
	if arn := bedrockARN.FindStringSubmatch(modelID); arn != nil {
		switch arn[1] {
		case "inference-profile":
			// A system-defined profile by its ARN: its id names the model.
			return modelStatements(stack, arn[2])
		case "application-inference-profile":
			return behind(modelID)
		default:
			return []awsiam.PolicyStatement{invoke("InvokeModel", nil, modelID)}
		}
	}
	prefix, model, found := strings.Cut(modelID, ".")
	if isProfile := found && slices.Contains(profilePrefixes, prefix); !isProfile && unresolved(modelID) {
		if isARNAttribute(stack, modelID) {
			return behind(modelID)
		}
		profile := fmt.Sprintf("arn:%s:bedrock:%s:%s:inference-profile/%s", partition, region, account, modelID)
		return append(behind(profile), invoke("InvokeModel", nil, foundation(region, modelID)))
	}
	if !found || !slices.Contains(profilePrefixes, prefix) {
		return []awsiam.PolicyStatement{invoke("InvokeModel", nil, foundation(region, modelID))}
	}
	profile := fmt.Sprintf("arn:%s:bedrock:%s:%s:inference-profile/%s", partition, region, account, modelID)
	const byProfile, requested = "bedrock:InferenceProfileArn", "aws:RequestedRegion"
	if prefix == "global" {
		// A global profile is checked three times: profile, the Region's model, and the model without a
		// Region (Bedrock User Guide, "Prerequisites for inference profiles").
		return []awsiam.PolicyStatement{
			invoke("InvokeProfile", equals(requested, region), profile),
			invoke("InvokeModelInRegion", equals(requested, region, byProfile, profile), foundation(region, model)),
			invoke("InvokeModelGlobally", equals(requested, "unspecified", byProfile, profile), foundation("", model)),
		}
	}
	// The destination Regions of a geographic profile change and can't be read at synth.
	return []awsiam.PolicyStatement{
		invoke("InvokeProfile", nil, profile),
		invoke("InvokeModelBehindProfile", equals(byProfile, profile), foundation("*", model)),
	}
}

// isARNAttribute tells whether a token is an attribute of a resource that gives an ARN, as
// CfnApplicationInferenceProfile.AttrInferenceProfileArn is. Of other tokens nothing is known before the deployment.
func isARNAttribute(stack awscdk.Stack, token string) bool {
	resolved, _ := stack.Resolve(token).(map[string]any)
	attribute, _ := resolved["Fn::GetAtt"].([]any)
	if len(attribute) == 0 {
		return false
	}
	name, _ := attribute[len(attribute)-1].(string)
	return strings.HasSuffix(name, "Arn")
}

// guardrailARN is the ARN of a guardrail that is named by its id or its ARN.
func guardrailARN(stack awscdk.Stack, name *string) *string {
	if strings.HasPrefix(*name, "arn:") {
		return name
	}
	if unresolved(name) {
		// CloudFormation will know which of the two it is. What stands behind the separator of "X:guardrail/X" is
		// the id either way.
		const separator = ":guardrail/"
		name = awscdk.Fn_Select(jsii.Number(1), awscdk.Fn_Split(jsii.String(separator), jsii.String(*name+separator+*name), nil))
	}
	return stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("bedrock"), Resource: jsii.String("guardrail"), ResourceName: name})
}

// networkActions are what Lambda does under a function's role to put it into a VPC, as in AWS's managed policy
// AWSLambdaVPCAccessExecutionRole. CDK gives them to the roles alone that it makes itself.
var networkActions = []string{
	"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
	"ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}

// allowNetwork lets Lambda put the functions of a role into the VPC.
func allowNetwork(role awsiam.Role, props *AlarmTriageProps) {
	if props.Vpc == nil {
		return
	}
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("NetworkOfTheFunction"), Actions: jsii.Strings(networkActions...), Resources: jsii.Strings("*"),
	}))
}

// denyNetworkToCode takes what allowNetwork gives from the functions' own code: requests of code carry the ARN of
// its function, those of Lambda don't (Lambda Developer Guide, "Giving Lambda functions access to resources in an
// Amazon VPC"). The tool may go on describing, as its code looks at networks too. The policies are of their own
// for the reason that HandOver's is.
func (t *AlarmTriage) denyNetworkToCode() {
	writes := slices.DeleteFunc(slices.Clone(networkActions), func(action string) bool { return strings.HasPrefix(action, "ec2:Describe") })
	for _, f := range []struct {
		id       string
		role     awsiam.IRole
		function awslambda.IFunction
		denied   []string
	}{{"OrchestratorNetwork", t.orchestratorRole, t.orchestrator, networkActions}, {"ToolNetwork", t.toolRole, t.tool, writes}} {
		awsiam.NewPolicy(t, jsii.String(f.id), &awsiam.PolicyProps{
			Roles: &[]awsiam.IRole{f.role},
			Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:        jsii.String("NotByItsCode"),
				Effect:     awsiam.Effect_DENY,
				Actions:    jsii.Strings(f.denied...),
				Resources:  jsii.Strings("*"),
				Conditions: &map[string]any{"ArnEquals": map[string]any{"lambda:SourceFunctionArn": f.function.FunctionArn()}},
			})},
		})
	}
}

// grantOrchestrator gives the orchestrator exactly what it uses.
func (t *AlarmTriage) grantOrchestrator(props *AlarmTriageProps, role awsiam.Role) {
	stack := awscdk.Stack_Of(t)
	allow := func(sid string, resources []*string, names ...string) {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String(sid), Actions: jsii.Strings(names...), Resources: &resources,
		}))
	}
	for _, statement := range modelStatements(stack, *props.BedrockModelId) {
		role.AddToPolicy(statement)
	}
	if g := props.Guardrail; g != nil {
		allow("ApplyGuardrail", []*string{guardrailARN(stack, g.GuardrailId)}, "bedrock:ApplyGuardrail")
	}
	allow("RunTool", []*string{t.tool.FunctionArn()}, "lambda:InvokeFunction")
	allow("HoldClaims", []*string{t.table.TableArn()}, "dynamodb:GetItem", "dynamodb:UpdateItem")
	allow("StoreReports", []*string{t.reports.ArnForObjects(jsii.String(config.ReportsPrefix + "*"))}, "s3:PutObject")
	allow("ResumeFromCheckpoints", []*string{t.reports.ArnForObjects(jsii.String(config.CheckpointsPrefix + "*"))}, "s3:GetObject")
	topics := []*string{props.NotificationTopic.TopicArn()}
	if props.ChatCardTopic != nil {
		topics = append(topics, props.ChatCardTopic.TopicArn())
	}
	allow("Notify", topics, "sns:Publish")
	if props.CompletionEventBus != nil {
		allow("TellCompletion", []*string{props.CompletionEventBus.EventBusArn()}, "events:PutEvents")
	}
}

// grantKeys lets a role use the keys of what it writes to. The keys' own policies are completed by CDK
// where the key belongs to the app.
func (t *AlarmTriage) grantKeys(role awsiam.IGrantable, props *AlarmTriageProps) {
	if t.reportsKey != nil {
		t.reportsKey.Grant(role, jsii.String("kms:GenerateDataKey"), jsii.String("kms:Decrypt"))
	}
	if key := firstKey(props.TableEncryptionKey, t.table.EncryptionKey()); key != nil {
		key.GrantEncryptDecrypt(role) // as DynamoDB asks for ("Using IAM policies and grants to access a KMS key")
	}
	granted := map[string]bool{}
	for _, key := range []awskms.IKey{props.TopicEncryptionKey, masterKey(props.NotificationTopic), masterKey(props.ChatCardTopic)} {
		if key != nil && !granted[*key.Node().Path()] {
			granted[*key.Node().Path()] = true
			key.Grant(role, jsii.String("kms:GenerateDataKey*"), jsii.String("kms:Decrypt"))
		}
	}
}

// firstKey is the key that was given, or else the one that CDK knows of.
func firstKey(given, known awskms.IKey) awskms.IKey {
	if given != nil {
		return given
	}
	return known
}

// masterKey is the key of a topic as far as CDK knows it; the topic may be nil.
func masterKey(topic awssns.ITopic) awskms.IKey {
	if topic == nil {
		return nil
	}
	return topic.MasterKey()
}
