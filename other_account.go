package alarmtriage

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// sharedResource is a resource that may be in another account. AWS then requires two permissions: that of the caller, and a
// statement in the resource's own policy.
type sharedResource struct {
	given
	arn      *string  // that its policy names; nil if the statement is not needed: a key
	actions  []string // that the caller needs
	byAlarms bool     // CloudWatch calls it, not the orchestrator
}

// resourcePolicy is a resource that CDK can add statements to.
type resourcePolicy interface {
	AddToResourcePolicy(awsiam.PolicyStatement) *awsiam.AddToResourcePolicyResult
}

// sharedResources returns the resources in props that may be in another account.
func (t *AlarmTriage) sharedResources(p *AlarmTriageProps) []sharedResource {
	var list []sharedResource
	add := func(prop string, resource constructs.IConstruct, arn func() *string, actions ...string) {
		if !isNil(resource) {
			list = append(list, sharedResource{given: given{prop: prop, resource: resource}, arn: arn(), actions: actions, byAlarms: prop == "SelfAlarmTopic"})
		}
	}
	publish := []string{"sns:Publish"}
	if *p.SelfCheck {
		publish = append(publish, "sns:GetTopicAttributes")
	}
	add("NotificationTopic", p.NotificationTopic, func() *string { return p.NotificationTopic.TopicArn() }, publish...)
	add("ChatCardTopic", p.ChatCardTopic, func() *string { return p.ChatCardTopic.TopicArn() }, publish...)
	add("SelfAlarmTopic", p.SelfAlarmTopic, func() *string { return p.SelfAlarmTopic.TopicArn() }, "sns:Publish")
	add("CompletionEventBus", p.CompletionEventBus, func() *string { return p.CompletionEventBus.EventBusArn() }, "events:PutEvents")
	add("OnFailureQueue", p.OnFailureQueue, func() *string { return p.OnFailureQueue.QueueArn() }, "sqs:SendMessage")
	objects := func(prop string, bucket awss3.IBucket, keys string, actions ...string) {
		add(prop, bucket, func() *string { return bucket.ArnForObjects(jsii.String(keys)) }, actions...)
	}
	objects("ReportsBucket", p.ReportsBucket, config.ReportsPrefix+"*", "s3:PutObject", "s3:GetObject")
	if p.InstructionsObject != nil {
		objects("InstructionsObject", p.InstructionsObject.Bucket, *p.InstructionsObject.Key, "s3:GetObject")
	}
	if p.Runbooks != nil {
		objects("Runbooks", p.Runbooks.Bucket, deref(p.Runbooks.Prefix)+"*", "s3:GetObject")
	}
	key := func(prop string, key awskms.IKey, actions ...string) {
		if !isNil(key) && !isOfApp(key) {
			add(prop, key, func() *string { return nil }, actions...)
		}
	}
	key(keyProp(p.ReportsEncryptionKey, "ReportsEncryptionKey", "ReportsBucket"), t.reportsKey, reportsKeyActions...)
	key(keyProp(p.TableEncryptionKey, "TableEncryptionKey", "InvestigationsTable"), firstKey(p.TableEncryptionKey, t.table.EncryptionKey()), tableKeyActions...)
	key("TopicEncryptionKey", p.TopicEncryptionKey, topicKeyActions...)
	key("the key of NotificationTopic", masterKey(p.NotificationTopic), topicKeyActions...)
	key("the key of ChatCardTopic", masterKey(p.ChatCardTopic), topicKeyActions...)
	if !isNil(p.OnFailureQueue) {
		key("the key of OnFailureQueue", p.OnFailureQueue.EncryptionMasterKey(), topicKeyActions...)
	}
	if p.InstructionsObject != nil {
		key("the key of InstructionsObject", p.InstructionsObject.Bucket.EncryptionKey(), "kms:Decrypt")
	}
	if p.Runbooks != nil {
		key("the key of Runbooks", p.Runbooks.Bucket.EncryptionKey(), "kms:Decrypt")
	}
	return list
}

// unnamedRole returns the queues and keys of the app in other accounts whose policies can't name the orchestrator's role, because
// CloudFormation generates its name. CDK's own error names neither of both.
func (t *AlarmTriage) unnamedRole(p *AlarmTriageProps) (problems []string) {
	if physicalName(p, orchestratorRoleName) != nil {
		return nil
	}
	var names []string
	var resources []constructs.IConstruct
	add := func(name string, resource constructs.IConstruct) {
		if !isNil(resource) && isOfApp(resource) {
			names, resources = append(names, name), append(resources, resource)
		}
	}
	add("OnFailureQueue", p.OnFailureQueue)
	add("ReportsEncryptionKey", p.ReportsEncryptionKey)
	add("TableEncryptionKey", p.TableEncryptionKey)
	add("TopicEncryptionKey", p.TopicEncryptionKey)
	for prop, topic := range t.reportTopics {
		add("the key of "+prop, masterKey(topic))
	}
	buckets := map[string]awss3.IBucket{"ReportsBucket": p.ReportsBucket}
	if p.InstructionsObject != nil {
		buckets["InstructionsObject"] = p.InstructionsObject.Bucket
	}
	if p.Runbooks != nil {
		buckets["Runbooks"] = p.Runbooks.Bucket
	}
	for prop, bucket := range buckets {
		if !isNil(bucket) {
			add("the key of "+prop, bucket.EncryptionKey())
		}
	}
	here, places := alarmjs.Places(t, resources)
	for i, there := range places {
		switch {
		case mayBeElsewhere(here, there):
			problems = append(problems, unknownAccount(names[i], here, there)+", so its policy can't name the orchestrator's role: pass Env to both stacks")
		case elsewhere(here.Account, there.Account):
			problems = append(problems, fmt.Sprintf("%s %s is in account %s, and its policy must name the orchestrator's role, whose name CloudFormation "+
				"generates: set ResourcePrefix or ResourceSuffix", names[i], there.Path, there.Account))
		}
	}
	return problems
}

// mayBeElsewhere reports whether only one of two accounts is known at synth.
func mayBeElsewhere(here, there alarmjs.Place) bool {
	return (here.Account == "") != (there.Account == "")
}

// unknownAccount describes a resource whose account, or that of AlarmTriage, is not known at synth.
func unknownAccount(prop string, here, there alarmjs.Place) string {
	return fmt.Sprintf("%s %s is in stack %s, AlarmTriage is in stack %s, and only one of their accounts is known at synth", prop, there.Path, there.Stack, here.Stack)
}

// isOfApp reports whether the app defines a queue or a key, so that their policies can be completed.
func isOfApp(resource constructs.IConstruct) bool { return resource.Node().DefaultChild() != nil }

// isInOtherAccount reports whether a resource is certainly in another account than AlarmTriage.
func (t *AlarmTriage) isInOtherAccount(resource constructs.IConstruct) bool {
	here, places := alarmjs.Places(t, []constructs.IConstruct{resource})
	return elsewhere(here.Account, places[0].Account)
}

// allowFromHere completes the policies of resources in other accounts, if the app defines them. Otherwise, or if only one of both
// accounts is known, it adds a warning: without the policy, no report arrives.
func (t *AlarmTriage) allowFromHere(p *AlarmTriageProps) {
	list := t.sharedResources(p)
	resources := make([]constructs.IConstruct, len(list))
	for i, shared := range list {
		resources[i] = shared.resource
	}
	here, places := alarmjs.Places(t, resources)
	done := map[string]bool{}
	for i, there := range places {
		shared := list[i]
		if mayBeElsewhere(here, there) && isOfApp(shared.resource) {
			t.warn("other-account", "%s. If they differ, the policy of %s is wrong, and AWS denies %s. Pass Env to both stacks, or acknowledge this warning if the "+
				"account is the same", unknownAccount(shared.prop, here, there), there.Path, strings.Join(shared.actions, " and "))
			continue
		}
		if !elsewhere(here.Account, there.Account) {
			continue
		}
		principal := "the orchestrator's role (OrchestratorRole) of account " + here.Account
		if name := physicalName(p, orchestratorRoleName); name != nil {
			principal = "the role " + *name + " of account " + here.Account
		}
		if shared.byAlarms {
			principal = "the service cloudwatch.amazonaws.com, with aws:SourceAccount " + here.Account + ","
		}
		use := strings.Join(shared.actions, " and ")
		if key := there.Path + principal + use + deref(shared.arn); done[key] || t.completePolicy(shared, p, here.Account, there.Account) {
			done[key] = true
			continue
		}
		t.warn("other-account", "%s %s is in account %s, and its policy is not known here: without a statement that allows %s to call %s, AWS "+
			"denies it. Add the statement in that account (docs/operations.md, \"One topic for many accounts\"), or acknowledge this warning if "+
			"it exists", shared.prop, there.Path, there.Account, principal, use)
	}
}

// statementID returns the Sid of a statement for a prop of AlarmTriage. Several AlarmTriages of an account can use one resource:
// SNS rejects two statements with one Sid, and so does CloudFormation for all buses of an account and Region.
func (t *AlarmTriage) statementID(prop, account string) *string {
	const most = 16 // characters; EventBridge allows 64 for the whole
	unique := awscdk.Names_UniqueResourceName(t, &awscdk.UniqueResourceNameOptions{MaxLength: jsii.Number(most)})
	return jsii.Sprintf("AlarmTriage%s%s%s", prop, account, *unique)
}

// byOrchestrator returns the condition that the orchestrator's role makes a request, or nil if CloudFormation generates its name.
func (t *AlarmTriage) byOrchestrator(p *AlarmTriageProps, account string) *map[string]any {
	name := physicalName(p, orchestratorRoleName)
	if name == nil {
		return nil
	}
	role := fmt.Sprintf("arn:%s:iam::%s:role/%s", *awscdk.Stack_Of(t).Partition(), account, *name)
	return &map[string]any{"ArnEquals": map[string]any{"aws:PrincipalArn": role}}
}

// failureQueue returns OnFailureQueue as the orchestrator's destination. For a queue of the app in another account, it returns an
// import, so that CDK does not name the role in the queue's policy; allowFromHere completes the policy.
func (t *AlarmTriage) failureQueue(p *AlarmTriageProps) awssqs.IQueue {
	queue := p.OnFailureQueue
	if !isOfApp(queue) || !t.isInOtherAccount(queue) {
		return queue
	}
	if key := queue.EncryptionMasterKey(); !isNil(key) {
		t.allowKey(p, key, keyProp(nil, "", "OnFailureQueue"), "kms:GenerateDataKey*", "kms:Decrypt")
	}
	return awssqs.Queue_FromQueueArn(t, jsii.String("OnFailureQueue"), queue.QueueArn())
}

// completePolicy adds a statement to the policy of a resource in another account. It reports whether CDK can. The principal is
// the account, because the role may not exist yet, and AWS rejects policies that name roles that do not exist.
func (t *AlarmTriage) completePolicy(shared sharedResource, p *AlarmTriageProps, here, there string) bool {
	policy, can := shared.resource.(resourcePolicy)
	if !can || shared.arn == nil {
		return false
	}
	topic, isTopic := shared.resource.(awssns.ITopic)
	isFirst := isTopic && topic.Node().TryFindChild(jsii.String("Policy")) == nil
	statement := &awsiam.PolicyStatementProps{
		Sid: t.statementID(shared.prop, here), Actions: jsii.Strings(shared.actions...), Resources: &[]*string{shared.arn},
		Principals: &[]awsiam.IPrincipal{awsiam.NewAccountPrincipal(here)},
	}
	switch {
	case shared.byAlarms:
		statement.Principals = &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)}
		statement.Conditions = &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": here}}
	default:
		statement.Conditions = t.byOrchestrator(p, here)
	}
	if !*policy.AddToResourcePolicy(awsiam.NewPolicyStatement(statement)).StatementAdded {
		return false
	}
	if isFirst { // the first statement replaces the default policy, which lets the services of the topic's account publish
		topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String("OwnAccount"), Actions: jsii.Strings("sns:Publish"), Resources: &[]*string{shared.arn},
			Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
			Conditions: &map[string]any{"StringEquals": map[string]any{"AWS:SourceOwner": there}},
		}))
	}
	return true
}
