package alarmtriage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/iamactions"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// deniedToolActions returns the actions that the tool role is denied under these props, deduplicated. A role that may start
// queries of Logs Insights, but not read what they scan and stop them, would make their cost unlimited. The broker refuses such
// queries by the props of the AlarmTriage only, and the role can be that of a member.
func deniedToolActions(p *AlarmTriageProps) []string {
	denied := toolpolicy.Denied(openReads(p)...)
	denied = append(denied, stringsOf(p.ToolDeniedActions)...)
	if slices.ContainsFunc(knownTexts(p.ToolDeniedActions), func(deny string) bool {
		return iamactions.Match(deny, "logs:GetQueryResults") || iamactions.Match(deny, "logs:StopQuery")
	}) {
		denied = append(denied, "logs:StartQuery")
	}
	slices.Sort(denied)
	return slices.Compact(denied)
}

// openReads returns the groups of sensitive reads that these props open.
func openReads(p *AlarmTriageProps) []toolpolicy.Group {
	var open []toolpolicy.Group
	for _, group := range sensitiveReads {
		if isTrue(group.allow(p)) {
			open = append(open, group.name)
		}
	}
	return open
}

// triageResources are AlarmTriage's storage, topics, and logs. The tool is denied access to them: if a text
// in a log misleads an investigation, it must not see other investigations.
type triageResources struct {
	data []*string // ARNs of table, bucket, and topics, and of what is below table and bucket
	logs []*string // ARNs of log groups, which end with the :* of their streams
}

// resources returns the resources that the tool is denied.
func (t *AlarmTriage) resources(p *AlarmTriageProps) triageResources {
	table := t.table.TableArn()
	data := []*string{table, jsii.String(*table + "/*"), t.reports.BucketArn(), t.reports.ArnForObjects(jsii.String("*"))}
	return triageResources{
		data: append(data, topicARNs(p.NotificationTopic, p.ChatCardTopic)...),
		logs: []*string{t.orchestratorLogGroup.LogGroupArn(), t.toolLogGroup.LogGroupArn()},
	}
}

// withOwnElsewhere returns props whose ToolDeniedResources also contain AlarmTriage's topics and bucket that are in other accounts. Such
// an account may be a member. The tool's role is denied them anyway, but the role of the member is not. scope may be invalid.
func withOwnElsewhere(scope constructs.Construct, p *AlarmTriageProps) *AlarmTriageProps {
	if p.Members == nil || scopeProblem(scope) != "" {
		return p
	}
	var resources []constructs.IConstruct
	var arns []*string
	for _, topic := range []awssns.ITopic{p.NotificationTopic, p.ChatCardTopic} {
		if !isNil(topic) {
			resources, arns = append(resources, topic), append(arns, topic.TopicArn())
		}
	}
	if !isNil(p.ReportsBucket) {
		resources, arns = append(resources, p.ReportsBucket), append(arns, p.ReportsBucket.BucketArn())
	}
	var denied []*string
	here, places := alarmjs.Places(scope, resources)
	for i, there := range places {
		if elsewhere(here.Account, there.Account) {
			denied = append(denied, arns[i])
		}
	}
	if len(denied) == 0 {
		return p
	}
	if p.ToolDeniedResources != nil {
		denied = append(slices.Clone(*p.ToolDeniedResources), denied...)
	}
	with := *p
	with.ToolDeniedResources = &denied
	return &with
}

// logReads are the actions that read a log group. The tool may write to its own.
var logReads = []string{
	"logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:Get*", "logs:StartLiveTail", "logs:StartQuery", "logs:Unmask",
}

// newToolRole returns the role under which the model's code runs. Its permissions are the reads of the tool, without
// AlarmTriage's own resources.
func (t *AlarmTriage) newToolRole(p *AlarmTriageProps) awsiam.Role {
	role := awsiam.NewRole(t, jsii.String("ToolRole"), &awsiam.RoleProps{
		RoleName:            toolRoleName(p),
		Description:         jsii.String("What the investigating model's code may read"),
		AssumedBy:           awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		PermissionsBoundary: p.PermissionsBoundary,
	})
	grantToolReads(t, role, t.withoutLogDenies(role, p))
	denyTriageResources(t, role, t.resources(p))
	t.toolLogGroup.GrantWrite(role)
	return role
}

// logWrites are the actions with which Lambda writes a function's log, under the function's role.
var logWrites = []string{"logs:CreateLogStream", "logs:PutLogEvents"}

// withoutLogDenies returns props without those of ToolDeniedActions, such as logs:*, that would keep the tool from writing its log.
// The role is denied these actions on all other resources.
func (t *AlarmTriage) withoutLogDenies(role awsiam.Role, p *AlarmTriageProps) *AlarmTriageProps {
	var others, denied []*string
	for _, action := range stringsOf(p.ToolDeniedActions) {
		isDenied := func(write string) bool { return iamactions.Match(action, write) }
		if !unresolved(action) && slices.ContainsFunc(logWrites, isDenied) {
			denied = append(denied, jsii.String(action))
		} else {
			others = append(others, jsii.String(action))
		}
	}
	if len(denied) == 0 {
		return p
	}
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:          jsii.String("DeniedByTheUserExceptItsLog"),
		Effect:       awsiam.Effect_DENY,
		Actions:      &denied,
		NotResources: &[]*string{t.toolLogGroup.LogGroupArn()},
	}))
	rest := *p
	rest.ToolDeniedActions = &others
	return &rest
}

// grantToolReads grants a role what the model's code may read in an account, AlarmTriage's or a member's: ReadOnlyAccess or
// the allow list, minus the denies.
func grantToolReads(scope constructs.Construct, role awsiam.Role, p *AlarmTriageProps) {
	if p.ToolPermissions == ToolPermissions_ALLOW_LIST {
		allowTriageReads(scope, role)
	} else {
		role.AddManagedPolicy(awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("ReadOnlyAccess")))
	}
	denySensitiveReads(scope, role, p)
	if p.ToolAllowedActions != nil && len(*p.ToolAllowedActions) > 0 {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:       jsii.String("AllowedByTheUser"),
			Actions:   p.ToolAllowedActions,
			Resources: jsii.Strings("*"),
		}))
	}
	if p.ToolDeniedResources != nil && len(*p.ToolDeniedResources) > 0 {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String("DeniedByTheUser"),
			Effect:     awsiam.Effect_DENY,
			NotActions: jsii.Strings(logWrites...), // the tool's own log group may be one of them
			Resources:  withParts(*p.ToolDeniedResources),
		}))
	}
}

// withParts returns the ARNs of resources and of what is below them, such as the streams of a log group, the objects of a
// bucket, and the versions of a function. CloudFormation may return an ARN that already ends with the parts.
func withParts(arns []*string) *[]*string {
	var all []*string
	for _, arn := range arns {
		whole := *arn
		for _, parts := range []string{":*", "/*"} {
			whole = strings.TrimSuffix(whole, parts)
		}
		if whole != *arn && !isResource(whole) {
			all = append(all, arn) // every resource of a kind, such as role/*
			continue
		}
		all = append(all, jsii.String(whole), jsii.String(whole+":*"), jsii.String(whole+"/*"))
	}
	return &all
}

// tokens matches the tokens in a text.
var tokens = regexp.MustCompile(regexp.QuoteMeta(tokenMark) + `[^\]]*\]\}`)

// withoutTokens returns a message in which tokens, whose texts mean nothing to a reader, are {token}.
func withoutTokens(message string) string { return tokens.ReplaceAllLiteralString(message, "{token}") }

// isResource reports whether a text may be the ARN of resources. It is not if it ends with their kind: IAM rejects a policy
// with arn:aws:iam::*:role or arn:aws:s3::, which are what remains of role/* and of every bucket.
func isResource(arn string) bool {
	const region, resource, parts = 3, 5, 6
	if strings.HasPrefix(arn, tokenMark) {
		return true // CloudFormation knows the whole ARN
	}
	arn = tokens.ReplaceAllString(arn, "token") // such as the account
	fields := strings.SplitN(arn, ":", parts)
	if len(fields) < parts {
		return false
	}
	if fields[2] == "s3" && fields[region] != "" && !strings.Contains(fields[resource], "/") {
		return false // buckets have no Region
	}
	names, _ := iamactions.NamesResource(arn)
	return names
}

// maxPolicyActions is the number of characters of actions, or of ARNs, in one managed policy. IAM's limit for the whole
// policy is 6,144 characters ("IAM and STS character limits").
const maxPolicyActions = 5000

// inPolicies splits actions, or ARNs, into one list per managed policy.
func inPolicies(texts []string) [][]string {
	const quotesAndComma = 3
	lists, used := [][]string{nil}, 0
	for _, text := range texts {
		if used += len(text) + quotesAndComma; used > maxPolicyActions {
			lists, used = append(lists, nil), len(text)+quotesAndComma
		}
		lists[len(lists)-1] = append(lists[len(lists)-1], text)
	}
	return lists
}

// numbered returns id, id2, id3, … for the indexes 0, 1, 2, …
func numbered(id string, i int) *string {
	if i == 0 {
		return jsii.String(id)
	}
	return jsii.Sprintf("%s%d", id, i+1)
}

// apiGatewayPaths returns the ARNs of paths of the API Gateway API.
func apiGatewayPaths(scope constructs.Construct, paths []string) *[]*string {
	partition := *awscdk.Stack_Of(scope).Partition()
	arns := make([]*string, len(paths))
	for i, path := range paths {
		arns[i] = jsii.Sprintf("arn:%s:apigateway:*::%s", partition, path)
	}
	return &arns
}

// allowTriageReads grants a role the reads of the allow list.
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

// denySensitiveReads denies a role the sensitive reads. A deny takes precedence over every allow.
func denySensitiveReads(scope constructs.Construct, role awsiam.Role, p *AlarmTriageProps) {
	for i, actions := range inPolicies(deniedToolActions(p)) {
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
			}), awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:        jsii.String("TemplateUrls"), // AWS would fetch the template
				Effect:     awsiam.Effect_DENY,
				Actions:    jsii.Strings("cloudformation:GetTemplateSummary"),
				Resources:  jsii.Strings("*"),
				Conditions: &map[string]any{"Null": map[string]any{"cloudformation:TemplateUrl": "false"}},
			}))
		}
		awsiam.NewManagedPolicy(scope, numbered("ToolDenies", i), &awsiam.ManagedPolicyProps{
			Description: jsii.String("Reads that hand out credentials, data or code, taken away from the tool"),
			Roles:       &[]awsiam.IRole{role},
			Statements:  &statements,
		})
	}
}

// denyTriageResources denies a role everything that AlarmTriage stores and logs.
func denyTriageResources(scope constructs.Construct, role awsiam.Role, denied triageResources) {
	awsiam.NewManagedPolicy(scope, jsii.String("ToolDeniesOwn"), &awsiam.ManagedPolicyProps{
		Description: jsii.String("The triage's own data, which an investigation must not see"),
		Roles:       &[]awsiam.IRole{role},
		Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:       jsii.String("TriageData"),
				Effect:    awsiam.Effect_DENY,
				Actions:   jsii.Strings("*"),
				Resources: &denied.data,
			}),
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid:       jsii.String("TriageLogs"),
				Effect:    awsiam.Effect_DENY,
				Actions:   jsii.Strings(logReads...),
				Resources: &denied.logs,
			}),
		},
	})
}

// orchestratorRoleName is the name of the orchestrator's role without the prefix and the suffix.
const orchestratorRoleName = "triage-role"

// newOrchestratorRole returns the orchestrator's role without any permissions. The allow… methods add them.
func (t *AlarmTriage) newOrchestratorRole(p *AlarmTriageProps) awsiam.Role {
	return awsiam.NewRole(t, jsii.String("OrchestratorRole"), &awsiam.RoleProps{
		RoleName:            physicalName(p, orchestratorRoleName),
		Description:         jsii.String("Claims alarms, asks the model, runs the tool, stores and sends reports"),
		AssumedBy:           awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		PermissionsBoundary: p.PermissionsBoundary,
	})
}

// allow grants the orchestrator actions on resources.
func (t *AlarmTriage) allow(sid string, resources []*string, actions ...string) {
	t.orchestratorRole.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String(sid), Actions: jsii.Strings(actions...), Resources: &resources,
	}))
}

// allowTool lets the orchestrator run the model's code.
func (t *AlarmTriage) allowTool() {
	t.allow("RunTool", []*string{t.tool.FunctionArn()}, "lambda:InvokeFunction")
}

// The actions that the orchestrator needs on the keys of the bucket, the table ("Using IAM policies and grants to access a KMS key"
// of DynamoDB), and the topics.
var (
	reportsKeyActions = []string{"kms:GenerateDataKey", "kms:Decrypt"}
	tableKeyActions   = []string{"kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"}
	topicKeyActions   = []string{"kms:GenerateDataKey*", "kms:Decrypt"}
)

// allowStorage lets the orchestrator claim alarms, write reports, resume from checkpoints, read the reports that questions
// and feedback are about, log, and use the keys of these. If a key belongs to the app, CDK also completes the key's policy.
func (t *AlarmTriage) allowStorage(p *AlarmTriageProps) {
	t.allow("HoldClaims", []*string{t.table.TableArn()}, "dynamodb:GetItem", "dynamodb:UpdateItem")
	t.allow("StoreReports", []*string{t.reports.ArnForObjects(jsii.String(config.ReportsPrefix + "*"))}, "s3:PutObject")
	t.allow("ResumeFromCheckpoints", []*string{t.reports.ArnForObjects(jsii.String(config.CheckpointsPrefix + "*"))}, "s3:GetObject")
	t.allow("ReadReports", []*string{t.reports.ArnForObjects(jsii.String(config.ReportsPrefix + "2*"))}, "s3:GetObject") // years 2000 to 2999
	t.orchestratorLogGroup.GrantWrite(t.orchestratorRole)
	if t.reportsKey != nil {
		t.allowKey(p, t.reportsKey, keyProp(p.ReportsEncryptionKey, "ReportsEncryptionKey", "ReportsBucket"), reportsKeyActions...)
	}
	if key := firstKey(p.TableEncryptionKey, t.table.EncryptionKey()); key != nil {
		t.allowKey(p, key, keyProp(p.TableEncryptionKey, "TableEncryptionKey", "InvestigationsTable"), tableKeyActions...)
	}
}

// allowLogsKey lets CloudWatch Logs use the key of the log groups (CloudWatch Logs User Guide, "Encrypt log data using
// KMS"). Without this permission, the log groups can't be created. If the key is imported, it adds a warning.
func (t *AlarmTriage) allowLogsKey(p *AlarmTriageProps) {
	if p.LogsEncryptionKey == nil {
		return
	}
	stack := awscdk.Stack_Of(t)
	logGroups := stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("logs"), Resource: jsii.String("*"), ArnFormat: awscdk.ArnFormat_NO_RESOURCE_NAME})
	service := *jsii.Sprintf("logs.%s.amazonaws.com", *stack.Region())
	result := p.LogsEncryptionKey.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String(service), nil)},
		Actions:    jsii.Strings("kms:Decrypt", "kms:Describe*", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"),
		Resources:  jsii.Strings("*"),
		Conditions: &map[string]any{"ArnLike": map[string]any{"kms:EncryptionContext:aws:logs:arn": logGroups}},
	}), jsii.Bool(true))
	if !*result.StatementAdded {
		t.warn("logs-key", "LogsEncryptionKey is imported, so its policy is not known here: the deployment fails unless it lets the service "+
			"principal logs.REGION.amazonaws.com use the key for log groups (CloudWatch Logs User Guide, \"Encrypt log data using KMS\")")
	}
}

// allowTexts lets the orchestrator read the instructions and the runbooks; either may be nil. CDK's own
// grant is too wide: it also allows listing the bucket and reading its configuration.
func (t *AlarmTriage) allowTexts(p *AlarmTriageProps, instructions, runbooks *s3Texts) {
	if instructions != nil {
		t.allowObjects(p, "ReadInstructions", "InstructionsObject", instructions.bucket, instructions.key)
	}
	if runbooks != nil {
		t.allowObjects(p, "ReadRunbooks", "Runbooks", runbooks.bucket, runbooks.key+"*")
	}
}

// allowObjects lets the orchestrator read and decrypt objects.
func (t *AlarmTriage) allowObjects(p *AlarmTriageProps, sid, prop string, bucket awss3.IBucket, keys string) {
	t.allow(sid, []*string{bucket.ArnForObjects(jsii.String(keys))}, "s3:GetObject")
	if key := bucket.EncryptionKey(); key != nil {
		t.allowKey(p, key, keyProp(nil, "", prop), "kms:Decrypt")
	}
}

// allowNotifications lets the orchestrator publish to its topics and to the bus for completion events.
func (t *AlarmTriage) allowNotifications(p *AlarmTriageProps) {
	t.allow("Notify", topicARNs(p.NotificationTopic, p.ChatCardTopic), "sns:Publish")
	if p.CompletionEventBus != nil {
		t.allow("TellCompletion", []*string{p.CompletionEventBus.EventBusArn()}, "events:PutEvents")
	}
	done := map[string]bool{}
	for _, use := range []struct {
		prop string
		key  awskms.IKey
	}{
		{"TopicEncryptionKey", p.TopicEncryptionKey},
		{keyProp(nil, "", "NotificationTopic"), masterKey(p.NotificationTopic)},
		{keyProp(nil, "", "ChatCardTopic"), masterKey(p.ChatCardTopic)},
	} {
		if key := use.key; key != nil && !done[*key.Node().Path()] {
			done[*key.Node().Path()] = true
			t.allowKey(p, key, use.prop, topicKeyActions...)
		}
	}
}

// allowKey lets the orchestrator use a key. For a key of the app in another account, CDK's own grant would allow the use of every key
// of AlarmTriage's account, too, and name the role in the key's policy, which AWS rejects as long as the role does not exist.
func (t *AlarmTriage) allowKey(p *AlarmTriageProps, key awskms.IKey, prop string, actions ...string) {
	here, places := alarmjs.Places(t, []constructs.IConstruct{key})
	there := places[0]
	if !isOfApp(key) || !elsewhere(here.Account, there.Account) {
		t.granted(key, key.Grant(t.orchestratorRole, *jsii.Strings(actions...)...), prop)
		return
	}
	stack := awscdk.Stack_Of(t)
	t.orchestratorRole.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(actions...), Resources: jsii.Strings(fmt.Sprintf("arn:%s:kms:%s:%s:key/*", *stack.Partition(), *stack.Region(), there.Account)),
	}))
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(actions...), Resources: jsii.Strings("*"), Principals: &[]awsiam.IPrincipal{awsiam.NewAccountPrincipal(here.Account)},
		Conditions: t.byOrchestrator(p, here.Account),
	}), nil)
}

// granted records a problem if the use of a key was not granted. CDK ignores grants of an alias that it imports by name,
// because it does not know the alias's key.
func (t *AlarmTriage) granted(key awskms.IKey, grant awsiam.Grant, prop string) {
	if !*grant.Success() && strings.Contains(*key.KeyArn(), ":alias/") && !isKeyOfAWS(key) {
		t.keyProblems.add("%s must be a key whose use can be granted, got the alias %s, which CDK imports by name: pass the key by its ARN "+
			"(awskms.Key_FromKeyArn), or set the feature flag %s", prop, *key.Node().Path(), importedAliasFlag)
	}
}

// isKeyOfAWS reports whether a key is one that AWS manages, such as alias/aws/sns. Its policy lets the service use it for all
// principals of the account, so they need no grant (AWS KMS Developer Guide, "AWS managed keys").
func isKeyOfAWS(key awskms.IKey) bool { return strings.Contains(*key.KeyArn(), ":alias/aws/") }

// importedAliasFlag is the feature flag with which CDK grants the use of all keys with the alias.
const importedAliasFlag = "@aws-cdk/aws-kms:applyImportedAliasPermissionsToPrincipal"

// keyProp names a key: the prop that gives it, or the prop of the resource that has it.
func keyProp(given awskms.IKey, prop, resource string) string {
	if given != nil {
		return prop
	}
	return "the key of " + resource
}

// allowAlarmState lets the orchestrator ask CloudWatch whether an alarm is still in ALARM. DescribeAlarms only returns
// composite alarms to a role that may describe all alarms (CloudWatch API Reference, "DescribeAlarms").
func (t *AlarmTriage) allowAlarmState() {
	t.allow("ReadAlarmState", []*string{jsii.String("*")}, "cloudwatch:DescribeAlarms")
}

// allowSelfCheck lets the orchestrator make the two reads that only the self-check makes.
func (t *AlarmTriage) allowSelfCheck(p *AlarmTriageProps) {
	if !*p.SelfCheck {
		return
	}
	t.allow("ReadSubscriptionCounts", topicARNs(p.NotificationTopic, p.ChatCardTopic), "sns:GetTopicAttributes")
	if foundations := foundationARNs(environmentOf(awscdk.Stack_Of(t)), t.models); len(foundations) > 0 {
		t.allow("ReadModelLifecycle", foundations, "bedrock:GetFoundationModel")
	}
}

// allowHandOver lets the orchestrator invoke itself.
func (t *AlarmTriage) allowHandOver() {
	t.addSeparately("HandOver", t.orchestratorRole, awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:       jsii.String("HandOver"),
		Actions:   jsii.Strings("lambda:InvokeFunction"),
		Resources: &[]*string{t.orchestrator.FunctionArn()},
	}))
}

// addSeparately adds a statement that names a function to the function's role, in a separate policy: the function depends on
// its role's default policy, so that policy can't name the function. A role of Role_CustomizeRoles gets no policy in the
// template; CDK reports the statement.
func (t *AlarmTriage) addSeparately(id string, role awsiam.Role, statement awsiam.PolicyStatement) {
	if role.Node().DefaultChild() == nil { // a role of Role_CustomizeRoles
		role.AddToPolicy(statement)
		return
	}
	awsiam.NewPolicy(t, jsii.String(id), &awsiam.PolicyProps{
		Roles:      &[]awsiam.IRole{role},
		Statements: &[]awsiam.PolicyStatement{statement},
	})
}

// networkActions are the actions with which Lambda, under a function's role, connects the function to a
// VPC. They are those of AWS's managed policy AWSLambdaVPCAccessExecutionRole, which CDK only adds to roles
// that it creates itself.
var networkActions = []string{
	"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
	"ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}

// allowNetworkToLambda lets Lambda connect the functions to the VPC, and denies the same actions to the
// functions' own code. A request from a function's code carries the ARN of the function, and a request from
// Lambda doesn't (Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC").
// The tool's code may still describe networks.
func (t *AlarmTriage) allowNetworkToLambda(p *AlarmTriageProps) {
	if p.Vpc == nil {
		return
	}
	isRead := func(action string) bool { return strings.HasPrefix(action, "ec2:Describe") }
	writes := slices.DeleteFunc(slices.Clone(networkActions), isRead)
	for _, f := range []struct {
		id       string
		role     awsiam.Role
		function awslambda.IFunction
		denied   []string
	}{{"OrchestratorNetwork", t.orchestratorRole, t.orchestrator, networkActions}, {"ToolNetwork", t.toolRole, t.tool, writes}} {
		f.role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String("NetworkOfTheFunction"), Actions: jsii.Strings(networkActions...), Resources: jsii.Strings("*"),
		}))
		t.addSeparately(f.id, f.role, awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String("NotByItsCode"),
			Effect:     awsiam.Effect_DENY,
			Actions:    jsii.Strings(f.denied...),
			Resources:  jsii.Strings("*"),
			Conditions: &map[string]any{"ArnEquals": map[string]any{"lambda:SourceFunctionArn": f.function.FunctionArn()}},
		}))
	}
}

// networkDenied checks that the props do not deny Lambda what it does under the tool's role to connect the function to the VPC.
// Otherwise, only the deployment would fail. Denies have no condition, so they also apply to Lambda.
func (l *problems) networkDenied(p *AlarmTriageProps) {
	if isNil(p.Vpc) {
		return
	}
	const remedy = "because Lambda needs it under the tool's role to connect the function to Vpc"
	for _, pattern := range knownTexts(withoutNil(p.ToolDeniedActions)) {
		for _, action := range networkActions {
			if iamactions.Match(pattern, action) {
				l.add("ToolDeniedActions must not deny %s if Vpc is set, %s, got %q: list the other actions that it denies", action, remedy, pattern)
				break
			}
		}
	}
	for _, arn := range knownTexts(withoutNil(p.ToolDeniedResources)) {
		for _, kind := range []string{"network-interface/eni-", "security-group/sg-", "subnet/subnet-"} {
			if fields := strings.SplitN(arn, ":", 6); len(fields) == 6 && fields[2] == "ec2" && denies(arn, strings.Join(append(exampleOf(fields[:5]), kind+"0123456789abcdef0"), ":")) {
				l.add("ToolDeniedResources must not contain every %s if Vpc is set, %s, got %q: name single ones", kind[:strings.Index(kind, "/")], remedy, arn)
				break
			}
		}
	}
}

// exampleOf returns the first fields of an ARN that a pattern of them matches.
func exampleOf(fields []string) []string {
	example := slices.Clone(fields)
	for i, usual := range []string{"arn", "aws", "", "us-east-1", "111122223333"} {
		if strings.ContainsAny(example[i], "*?") {
			example[i] = usual
		}
	}
	return example
}

// denies reports whether the statement for an ARN of ToolDeniedResources matches a resource.
func denies(arn, resource string) bool {
	return slices.ContainsFunc(stringsOf(withParts([]*string{&arn})), func(pattern string) bool { return iamactions.MatchARN(pattern, resource) })
}

// topicARNs returns the ARNs of the topics that are not nil.
func topicARNs(topics ...awssns.ITopic) []*string {
	var arns []*string
	for _, topic := range topics {
		if topic != nil {
			arns = append(arns, topic.TopicArn())
		}
	}
	return arns
}

// firstKey returns the given key, or the one that CDK knows if none is given.
func firstKey(given, known awskms.IKey) awskms.IKey {
	if given != nil {
		return given
	}
	return known
}

// masterKey returns the key of a topic if CDK knows it. The topic may be nil.
func masterKey(topic awssns.ITopic) awskms.IKey {
	if topic == nil {
		return nil
	}
	return topic.MasterKey()
}

// maxInlinePolicies is the number of characters of all inline policies of a role, without white space ("IAM and STS character limits").
const maxInlinePolicies = 10_240

// policyProblems returns a problem for each role whose inline policies certainly are too long. CDK moves statements of a role's default
// policy to managed policies, but it assumes a usual length of names, and does not count the role's other policies.
func (t *AlarmTriage) policyProblems() (problems []string) {
	stack, lengths := awscdk.Stack_Of(t), map[string]int{}
	for _, construct := range *t.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if policy, isPolicy := construct.(awsiam.CfnPolicy); isPolicy {
			lengths[fmt.Sprint(stack.Resolve(policy.Roles()))] += knownLength(stack.Resolve(policy.PolicyDocument()))
		}
	}
	for _, role := range []awsiam.Role{t.orchestratorRole, t.toolRole} {
		if n := lengths[fmt.Sprint([]any{stack.Resolve(role.RoleName())})]; n > maxInlinePolicies {
			problems = append(problems, fmt.Sprintf("alarmtriage: the inline policies of the role %s have at least %d characters, and IAM accepts %d: use shorter "+
				"names of topics, buses, queues, and keys of objects, fewer models, or fewer actions and resources of the tool", *role.Node().Path(), n, maxInlinePolicies))
		}
	}
	return problems
}

// knownLength returns the number of characters of a policy, or of a part of it, as JSON. Intrinsic functions count as nothing, except
// the texts that they join.
func knownLength(value any) int {
	const quotes, punctuation = 2, 1 // each element has a comma or a bracket, and each key a colon
	switch v := value.(type) {
	case string:
		return characters(v) + quotes
	case []any:
		n := punctuation
		for _, element := range v {
			n += knownLength(element) + punctuation
		}
		return n
	case map[string]any:
		n := punctuation
		for key, element := range v {
			if join, isJoin := element.([]any); key == "Fn::Join" && isJoin && len(join) == 2 {
				parts, _ := join[1].([]any)
				for _, part := range parts {
					if text, isText := part.(string); isText {
						n += characters(text)
					}
				}
				continue
			}
			if key != "Ref" && !strings.HasPrefix(key, "Fn::") {
				n += characters(key) + quotes + punctuation + knownLength(element) + punctuation
			}
		}
		return n
	}
	return 0
}

// characters returns the number of characters of a text that IAM counts, which are those except white space.
func characters(text string) int {
	return utf8.RuneCountInString(strings.Join(strings.Fields(text), ""))
}
