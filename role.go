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
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// deniedToolActions returns the actions that the tool role is denied under these props, deduplicated.
func deniedToolActions(props *AlarmTriageProps) []string {
	denied := toolpolicy.Denied(openReads(props)...)
	if props.ToolDeniedActions != nil {
		for _, action := range *props.ToolDeniedActions {
			denied = append(denied, *action)
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied)
}

// openReads returns the groups of sensitive reads that these props open.
func openReads(props *AlarmTriageProps) []toolpolicy.Group {
	var open []toolpolicy.Group
	for _, group := range []struct {
		name  toolpolicy.Group
		allow *bool
	}{
		{toolpolicy.PersonalData, props.ToolAllowPersonalData},
		{toolpolicy.SourceCode, props.ToolAllowSourceCode},
		{toolpolicy.HostOutput, props.ToolAllowHostOutput},
	} {
		if group.allow != nil && *group.allow {
			open = append(open, group.name)
		}
	}
	return open
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
	for i, actions := range inPolicies(toolpolicy.TriageReads()) {
		statements := []awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:       jsii.String("TriageReads"),
			Actions:   jsii.Strings(actions...),
			Resources: jsii.Strings("*"),
		})}
		if i == 0 {
			statements = append(statements, awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:       jsii.String("ApiGateway"),
				Actions:   jsii.Strings("apigateway:GET"),
				Resources: apiGatewayPaths(scope, toolpolicy.APIGatewayReads()),
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
				Resources: apiGatewayPaths(scope, toolpolicy.DeniedAPIGatewayPaths()),
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

// bedrockARN takes the kind and the id from an ARN, whose partition, Region and account may be tokens.
var bedrockARN = regexp.MustCompile(`^arn:[^:]+:bedrock:[^:]*:[^:]*:([a-z-]+)/(.+)$`)

// modelGrant allows the invocation of one resource.
type modelGrant struct {
	sid      string
	resource string // ARN
	through  string // ARN of the only inference profile that it may be invoked through; empty: any or none
	from     string // the only value of aws:RequestedRegion; empty: any
}

// statement returns the grant as a policy's statement.
func (g modelGrant) statement(sid *string) awsiam.PolicyStatement {
	p := &awsiam.PolicyStatementProps{Sid: sid, Actions: jsii.Strings("bedrock:InvokeModel"), Resources: jsii.Strings(g.resource)}
	equals := map[string]any{}
	if g.through != "" {
		equals["bedrock:InferenceProfileArn"] = g.through
	}
	if g.from != "" {
		equals["aws:RequestedRegion"] = g.from
	}
	if len(equals) > 0 {
		p.Conditions = &map[string]any{"StringEquals": equals}
	}
	return awsiam.NewPolicyStatement(p)
}

// foundationARN returns the ARN of a foundation model.
func foundationARN(stack awscdk.Stack, region, id string) string {
	return fmt.Sprintf("arn:%s:bedrock:%s::foundation-model/%s", *stack.Partition(), region, id)
}

// profileARN returns the ARN of a system-defined inference profile in the stack's Region.
func profileARN(stack awscdk.Stack, id string) string {
	return fmt.Sprintf("arn:%s:bedrock:%s:%s:inference-profile/%s", *stack.Partition(), *stack.Region(), *stack.Account(), id)
}

// behindProfile allows a model in every Region, but only through one profile. The destination Regions of a profile
// change and can't be read at synth.
func behindProfile(stack awscdk.Stack, profile, model string) []modelGrant {
	return []modelGrant{
		{sid: "InvokeProfile", resource: profile},
		{sid: "InvokeModelBehindProfile", resource: foundationARN(stack, "*", model), through: profile},
	}
}

// modelGrants allows the invocation of one model, whichever way it is named: a model id, a geographic or global
// inference profile id, or the ARN of a profile or of a custom, imported or provisioned model.
func modelGrants(stack awscdk.Stack, id string) []modelGrant {
	const anyModel = "*" // for profiles that don't say which model is behind them
	if arn := bedrockARN.FindStringSubmatch(id); arn != nil {
		switch arn[1] {
		case "inference-profile": // a system-defined profile: its id names the model
			return modelGrants(stack, arn[2])
		case "application-inference-profile":
			return behindProfile(stack, id, anyModel)
		default:
			return []modelGrant{{sid: "InvokeModel", resource: id}}
		}
	}
	region := *stack.Region()
	switch parsed := models.Parse(id); {
	case parsed.Profile == models.GlobalProfile:
		// A global profile is checked three times: profile, the Region's model, and the model without a
		// Region (Bedrock User Guide, "Prerequisites for inference profiles").
		profile := profileARN(stack, id)
		return []modelGrant{
			{sid: "InvokeProfile", resource: profile, from: region},
			{sid: "InvokeModelInRegion", resource: foundationARN(stack, region, parsed.Model), through: profile, from: region},
			{sid: "InvokeModelGlobally", resource: foundationARN(stack, "", parsed.Model), through: profile, from: "unspecified"},
		}
	case parsed.Profile != "":
		return behindProfile(stack, profileARN(stack, id), parsed.Model)
	case isARNAttribute(stack, id):
		return behindProfile(stack, id, anyModel)
	case unresolved(id):
		return append(behindProfile(stack, profileARN(stack, id), anyModel),
			modelGrant{sid: "InvokeModel", resource: foundationARN(stack, region, id)})
	default:
		return []modelGrant{{sid: "InvokeModel", resource: foundationARN(stack, region, id)}}
	}
}

// grants allows the invocation of a default model whose id only the deployment knows. Grants that don't fit the shape of
// the Region's id name nothing there. A global profile needs none of its own: the * for a Region also matches no Region.
func (m *mappedModel) grants(stack awscdk.Stack) []modelGrant {
	grants := behindProfile(stack, profileARN(stack, m.profile), m.model)
	if m.direct != "" {
		grants = append(grants, modelGrant{sid: "InvokeModel", resource: foundationARN(stack, *stack.Region(), m.direct)})
	}
	return grants
}

// allowModels lets the orchestrator invoke exactly its models.
func (t *AlarmTriage) allowModels(role awsiam.Role) {
	stack := awscdk.Stack_Of(t)
	granted := map[modelGrant]bool{}
	for i, m := range t.models {
		grants := modelGrants(stack, m.id)
		if m.perRegion != nil {
			grants = m.perRegion.grants(stack)
		}
		for _, grant := range grants {
			if !granted[grant] { // two names of one profile have the same grants
				granted[grant] = true
				role.AddToPolicy(grant.statement(numbered(grant.sid, i)))
			}
		}
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

// allowSubscriptions lets Bedrock subscribe the account to the models that are sold through AWS Marketplace, on behalf of
// a role, as their first call in an account does (Bedrock User Guide, "Request access to models": the caller's role needs
// these three actions). No resource can be named. What AWS offers to narrow them: aws:CalledViaLast, as in AWS's managed
// policy AmazonBedrockLimitedAccess, so that the role's own code can't call AWS Marketplace; and for Subscribe alone
// aws-marketplace:ProductId ("Grant IAM permissions to request access to Amazon Bedrock foundation models with a product
// ID"). The product ids are on the models' cards.
func (t *AlarmTriage) allowSubscriptions(role awsiam.Role) {
	products, complete := t.products()
	if complete && len(products) == 0 {
		return // no model needs a subscription
	}
	viaBedrock := map[string]any{"aws:CalledViaLast": "bedrock.amazonaws.com"}
	subscribe := map[string]any{"StringEquals": viaBedrock}
	if complete {
		subscribe["ForAnyValue:StringEquals"] = map[string]any{"aws-marketplace:ProductId": products}
	}
	for _, s := range []*awsiam.PolicyStatementProps{
		{Sid: jsii.String("AllowModelSubscriptions"), Actions: jsii.Strings("aws-marketplace:Subscribe"), Conditions: &subscribe},
		{Sid: jsii.String("ModelSubscriptions"), Actions: jsii.Strings("aws-marketplace:Unsubscribe", "aws-marketplace:ViewSubscriptions"),
			Conditions: &map[string]any{"StringEquals": viaBedrock}},
	} {
		s.Resources = jsii.Strings("*")
		role.AddToPolicy(awsiam.NewPolicyStatement(s))
	}
}

// products returns the ids in AWS Marketplace of the models that need a subscription. They are incomplete if one of
// these models has an id that is not known.
func (t *AlarmTriage) products() (ids []string, complete bool) {
	complete = true
	for _, m := range t.models {
		if m.perRegion != nil {
			if m.perRegion.product != "" {
				ids = append(ids, m.perRegion.product)
			}
			continue
		}
		known := models.Lookup(m.id)
		switch {
		case known.Access == models.AccessNone:
		case known.Product == "" || unresolved(m.id):
			complete = false
			t.inform("subscription", "the AWS Marketplace product of %s is not known: AllowModelSubscriptions lets Bedrock subscribe "+
				"to any product on behalf of the orchestrator's role", m.described(m.id))
		case !slices.Contains(ids, known.Product):
			ids = append(ids, known.Product)
		}
	}
	return ids, complete
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
	t.allowModels(role)
	if props.AllowModelSubscriptions != nil && *props.AllowModelSubscriptions {
		t.allowSubscriptions(role)
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
