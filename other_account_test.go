package alarmtriage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestOtherAccount_WarnsOfResourcesWhosePolicyIsNotKnown(t *testing.T) {
	const role, cloudWatch = "the orchestrator's role (OrchestratorRole) of account 111122223333", "the service cloudwatch.amazonaws.com, with aws:SourceAccount 111122223333,"
	for prop, want := range map[string]string{
		"NotificationTopic": role + " to call sns:Publish and sns:GetTopicAttributes", "ChatCardTopic": role + " to call sns:Publish and sns:GetTopicAttributes",
		"SelfAlarmTopic": cloudWatch + " to call sns:Publish", "CompletionEventBus": role + " to call events:PutEvents",
		"OnFailureQueue": role + " to call sqs:SendMessage", "ReportsBucket": role + " to call s3:PutObject and s3:GetObject",
		"InstructionsObject": role + " to call s3:GetObject", "Runbooks": role + " to call s3:GetObject",
		"ReportsEncryptionKey": role + " to call kms:GenerateDataKey and kms:Decrypt", "TopicEncryptionKey": role + " to call kms:GenerateDataKey* and kms:Decrypt",
		"TableEncryptionKey": role + " to call kms:Decrypt and kms:Encrypt and kms:ReEncrypt* and kms:GenerateDataKey*", "ToolLayers": "",
	} {
		for _, account := range []string{"111122223333", "444455556666"} {
			stack := newStackIn("eu-west-1")
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { importedResources[prop](stack, p, account, "eu-west-1") })
			got := strings.Join(messagesOf(stack), "\n")
			if want == "" || account == "111122223333" {
				assert.NotContains(t, got, "other-account", prop)
				continue
			}
			assert.Contains(t, got, fmt.Sprintf("alarmtriage:other-account: alarmtriage: %s Test/Given is in account 444455556666, and its policy is not known here: "+
				"without a statement that allows %s, AWS denies it", prop, want), prop)
			assert.Equal(t, 1, strings.Count(got, "other-account:"), got)
		}
	}
}

// CDK knows the key of an imported resource if the import names it.
func TestOtherAccount_WarnsOfKeysOfImportedResources(t *testing.T) {
	stack := newStackIn("eu-west-1")
	const arn = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	key := awskms.Key_FromKeyArn(stack, jsii.String("Given"), jsii.String(arn))
	bucket := func(name string) awss3.IBucket {
		return awss3.Bucket_FromBucketAttributes(stack, jsii.String(name), &awss3.BucketAttributes{BucketName: jsii.String("my-" + strings.ToLower(name)), EncryptionKey: key})
	}
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ReportsBucket = bucket("Reports")
		p.NotificationTopic = awssns.Topic_FromTopicAttributes(stack, jsii.String("Topic"), &awssns.TopicAttributes{
			TopicArn: jsii.String("arn:aws:sns:eu-west-1:111122223333:oncall"), KeyArn: jsii.String(arn)})
		p.InvestigationsTable = awsdynamodb.Table_FromTableAttributes(stack, jsii.String("Table"), &awsdynamodb.TableAttributes{TableName: jsii.String("t"), EncryptionKey: key})
		p.OnFailureQueue = awssqs.Queue_FromQueueAttributes(stack, jsii.String("Queue"), &awssqs.QueueAttributes{
			QueueArn: jsii.String("arn:aws:sqs:eu-west-1:111122223333:failed"), KeyArn: jsii.String(arn)})
		p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: bucket("Instructions"), Key: jsii.String("a.md")}
		p.Runbooks = &alarmtriage.Runbooks{Bucket: bucket("Runbooks")}
	})
	got := strings.Join(messagesOf(stack), "\n")
	for use, of := range map[string]string{
		"kms:GenerateDataKey and kms:Decrypt": "ReportsBucket Test/Given", "kms:GenerateDataKey* and kms:Decrypt": "OnFailureQueue Test/Queue/Key",
		"kms:Decrypt and kms:Encrypt and kms:ReEncrypt* and kms:GenerateDataKey*": "InvestigationsTable Test/Given", "kms:Decrypt, AWS": "InstructionsObject Test/Given",
	} {
		assert.Contains(t, got, "alarmtriage: the key of "+of+" is in account 444455556666, and its policy is not known here", of)
		assert.Contains(t, got, "to call "+use, of)
	}
	assert.Contains(t, got, "the key of NotificationTopic Test/Topic/")
	assert.Contains(t, got, "the key of Runbooks Test/Given")
	assert.Equal(t, 6, strings.Count(got, "other-account:"), got)
}

// CDK adds the statements to the policies of resources that the app defines.
func TestOtherAccount_CompletesThePoliciesOfTheApp(t *testing.T) {
	app := newTestApp()
	central := stackOf(app, "Central", "444455556666", "eu-west-1")
	topic := awssns.NewTopic(central, jsii.String("Topic"), &awssns.TopicProps{TopicName: jsii.String("on-call")})
	selfAlarms := awssns.NewTopic(central, jsii.String("SelfAlarms"), &awssns.TopicProps{TopicName: jsii.String("self-alarms")})
	for i, prefix := range []*string{jsii.String("prod"), nil} {
		home := stackOf(app, fmt.Sprint("Home", i), fmt.Sprint("11112222333", i), "eu-west-1")
		props := &alarmtriage.AlarmTriageProps{
			NotificationTopic: topic, SelfAlarmTopic: selfAlarms, ResourcePrefix: prefix, SelfCheck: jsii.Bool(false),
			CompletionEventBus: awsevents.NewEventBus(central, jsii.String(fmt.Sprint("Bus", i)), &awsevents.EventBusProps{EventBusName: jsii.String(fmt.Sprint("bus-", i))}),
			ReportsBucket: awss3.NewBucket(central, jsii.String(fmt.Sprint("Reports", i)), &awss3.BucketProps{
				BucketName: jsii.String(fmt.Sprint("the-reports-", i)), Versioned: jsii.Bool(true)}),
		}
		if prefix != nil { // the queue's policy must name the role
			props.OnFailureQueue = awssqs.NewQueue(central, jsii.String("Queue"), &awssqs.QueueProps{QueueName: jsii.String("failed")})
		}
		alarmtriage.NewAlarmTriage(home, jsii.String("Triage"), props).AttachEventRule(jsii.String("All"), nil)
		assert.NotContains(t, strings.Join(messagesOf(home), "\n"), "other-account")
		synth(home).ResourceCountIs(jsii.String("AWS::CloudWatch::Alarm"), jsii.Number(8)) // without that of the queue, whose metrics are there
	}
	template := synth(central)
	root := func(account string) any {
		return object("Fn::Join", []any{"", []any{"arn:", object("Ref", "AWS::Partition"), ":iam::" + account + ":root"}})
	}
	has := func(kind, document string, statements ...any) {
		t.Helper()
		template.HasResourceProperties(jsii.String(kind), like(document, like("Statement", statements)))
	}
	byRole := object("ArnEquals", object("aws:PrincipalArn", object("Fn::Join", []any{"", []any{"arn:", object("Ref", "AWS::Partition"),
		":iam::111122223330:role/prod-triage-role"}})))
	ref := func(id string) any {
		return object("Ref", *central.GetLogicalId(central.Node().FindChild(jsii.String(id)).Node().DefaultChild().(awscdk.CfnElement)))
	}
	own := like("Sid", "OwnAccount", "Condition", object("StringEquals", object("AWS:SourceOwner", "444455556666")))
	has("AWS::SNS::TopicPolicy", "PolicyDocument",
		like("Sid", assertions.Match_StringLikeRegexp(jsii.String("^AlarmTriageNotificationTopic111122223330[A-Za-z0-9]+$")), "Effect", "Allow", "Action", "sns:Publish", "Resource", ref("Topic"),
			"Principal", object("AWS", root("111122223330")), "Condition", byRole),
		own,
		like("Sid", assertions.Match_StringLikeRegexp(jsii.String("^AlarmTriageNotificationTopic111122223331[A-Za-z0-9]+$")), "Effect", "Allow", "Action", "sns:Publish", "Resource", ref("Topic"),
			"Principal", object("AWS", root("111122223331"))))
	has("AWS::SNS::TopicPolicy", "PolicyDocument",
		like("Principal", object("Service", "cloudwatch.amazonaws.com"), "Condition", object("StringEquals", object("aws:SourceAccount", "111122223330"))),
		own,
		like("Principal", object("Service", "cloudwatch.amazonaws.com"), "Condition", object("StringEquals", object("aws:SourceAccount", "111122223331"))))
	has("AWS::SQS::QueuePolicy", "PolicyDocument", like("Action", "sqs:SendMessage", "Principal", object("AWS", root("111122223330")), "Condition", byRole))
	has("AWS::S3::BucketPolicy", "PolicyDocument", like("Action", []any{"s3:PutObject", "s3:GetObject"}, "Principal", object("AWS", root("111122223330")), "Condition", byRole))
	template.HasResourceProperties(jsii.String("AWS::Events::EventBusPolicy"), like("Statement",
		like("Action", "events:PutEvents", "Principal", object("AWS", root("111122223330")), "Condition", byRole)))
}

// SNS rejects two statements with one Sid, and CloudFormation two policies of buses with one StatementId, in whatever stack.
func TestOtherAccount_StatementsOfTwoTriagesDiffer(t *testing.T) {
	app := newTestApp()
	central, home := stackOf(app, "Central", "444455556666", "eu-west-1"), stackOf(app, "Home", "111122223333", "eu-west-1")
	topic := awssns.NewTopic(central, jsii.String("Topic"), &awssns.TopicProps{TopicName: jsii.String("on-call")})
	shared := awsevents.NewEventBus(central, jsii.String("Shared"), &awsevents.EventBusProps{EventBusName: jsii.String("shared")})
	other := awsevents.NewEventBus(central, jsii.String("Other"), &awsevents.EventBusProps{EventBusName: jsii.String("other")})
	for prefix, bus := range map[string]awsevents.EventBus{"one": shared, "two": shared, "three": other} {
		alarmtriage.NewAlarmTriage(home, jsii.String("Triage-"+prefix), &alarmtriage.AlarmTriageProps{
			NotificationTopic: topic, CompletionEventBus: bus, ResourcePrefix: jsii.String(prefix),
		})
	}
	template := synth(central)
	sids := map[any]bool{}
	for _, policy := range *template.FindResources(jsii.String("AWS::SNS::TopicPolicy"), nil) {
		for _, statement := range (*policy)["Properties"].(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			sids[statement.(map[string]any)["Sid"]] = true
		}
	}
	assert.Len(t, sids, 4, "one for each AlarmTriage, and one for the account of the topic: %v", sids)
	ids := map[any]bool{}
	for _, policy := range *template.FindResources(jsii.String("AWS::Events::EventBusPolicy"), nil) {
		id := (*policy)["Properties"].(map[string]any)["StatementId"]
		assert.Regexp(t, "^[A-Za-z0-9_-]{1,64}$", id)
		ids[id] = true
	}
	assert.Len(t, ids, 3, "%v", ids)
}

func TestOtherAccount_AllowsOnlyTheObjectsThatAreUsed(t *testing.T) {
	app := newTestApp()
	central, home := stackOf(app, "Central", "444455556666", "eu-west-1"), stackOf(app, "Home", "111122223333", "eu-west-1")
	texts := awss3.NewBucket(central, jsii.String("Texts"), &awss3.BucketProps{BucketName: jsii.String("texts")})
	reports := awss3.NewBucket(central, jsii.String("Reports"), &awss3.BucketProps{BucketName: jsii.String("reports")})
	newTriage(home, func(p *alarmtriage.AlarmTriageProps) {
		p.ReportsBucket = reports
		p.InstructionsObject = &alarmtriage.InstructionsObject{Bucket: texts, Key: jsii.String("triage/ops.md")}
		p.Runbooks = &alarmtriage.Runbooks{Bucket: texts, Prefix: jsii.String("runbooks/")}
	})
	objects := func(bucket awss3.Bucket, keys string) any {
		return object("Fn::Join", []any{"", []any{object("Fn::GetAtt", []any{
			*central.GetLogicalId(bucket.Node().DefaultChild().(awscdk.CfnElement)), "Arn"}), "/" + keys}})
	}
	template := synth(central)
	for _, statements := range [][]any{
		{like("Action", "s3:GetObject", "Resource", objects(texts, "triage/ops.md")), like("Action", "s3:GetObject", "Resource", objects(texts, "runbooks/*"))},
		{like("Action", []any{"s3:PutObject", "s3:GetObject"}, "Resource", objects(reports, "reports/*"))},
	} {
		template.HasResourceProperties(jsii.String("AWS::S3::BucketPolicy"), like("PolicyDocument", like("Statement", statements)))
	}
}

// AWS rejects the policy of a key that names a role as long as the role does not exist. Which of two accounts is deployed first is not known.
func TestOtherAccount_AllowsOnlyTheKeysThere(t *testing.T) {
	app := newTestApp()
	central, home := stackOf(app, "Central", "444455556666", "eu-west-1"), stackOf(app, "Home", "111122223333", "eu-west-1")
	key := func(id string) awskms.Key {
		return awskms.NewKey(central, jsii.String(id), &awskms.KeyProps{Alias: jsii.String(id)})
	}
	alarmtriage.NewAlarmTriage(home, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(central, jsii.String("Topic"), &awssns.TopicProps{TopicName: jsii.String("on-call"), MasterKey: key("a")}),
		OnFailureQueue:    awssqs.NewQueue(central, jsii.String("Queue"), &awssqs.QueueProps{QueueName: jsii.String("failed"), EncryptionMasterKey: key("b")}),
		Runbooks: &alarmtriage.Runbooks{Bucket: awss3.NewBucket(central, jsii.String("Texts"), &awss3.BucketProps{
			BucketName: jsii.String("texts"), EncryptionKey: key("c")})},
		TableEncryptionKey: awskms.NewAlias(central, jsii.String("Table"), &awskms.AliasProps{AliasName: jsii.String("alias/table"), TargetKey: key("d")}),
		ResourcePrefix:     jsii.String("prod"),
	})
	uses := 0
	for _, s := range policies(t, home, "TriageOrchestratorRole") {
		if actions := text(s.Action); strings.Contains(actions, "kms:") {
			uses++
			assert.Contains(t, text(s.Resource), ":kms:eu-west-1:444455556666:key/*", actions)
		}
	}
	assert.Positive(t, uses)
	byAccount := like("Principal", object("AWS", object("Fn::Join", []any{"", []any{"arn:", object("Ref", "AWS::Partition"), ":iam::111122223333:root"}})),
		"Condition", object("ArnEquals", object("aws:PrincipalArn", object("Fn::Join", []any{"", []any{"arn:", object("Ref", "AWS::Partition"),
			":iam::111122223333:role/prod-triage-role"}}))))
	template := synth(central)
	template.ResourceCountIs(jsii.String("AWS::KMS::Key"), jsii.Number(4))
	template.AllResourcesProperties(jsii.String("AWS::KMS::Key"), like("KeyPolicy", like("Statement", assertions.Match_ArrayWith(&[]any{byAccount}))))
}

// The policies of queues and keys in other accounts name the role, so it needs a name. CDK's error says neither why nor how.
func TestOtherAccount_RejectsQueuesAndKeysWithoutTheNameOfTheRole(t *testing.T) {
	const name = ", and its policy must name the orchestrator's role, whose name CloudFormation generates: set ResourcePrefix or ResourceSuffix"
	key := func(stack awscdk.Stack) awskms.IKey {
		return awskms.NewKey(stack, jsii.String("Key"), &awskms.KeyProps{Alias: jsii.String("central")})
	}
	for _, tt := range []struct {
		name  string
		given func(central awscdk.Stack, p *alarmtriage.AlarmTriageProps)
		want  string
	}{
		{"a queue", func(central awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.OnFailureQueue = awssqs.NewQueue(central, jsii.String("Queue"), &awssqs.QueueProps{QueueName: jsii.String("failed")})
		}, "OnFailureQueue Central/Queue"},
		{"the key of a topic", func(central awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.NotificationTopic = awssns.NewTopic(central, jsii.String("Topic"), &awssns.TopicProps{TopicName: jsii.String("on-call"), MasterKey: key(central)})
		}, "the key of NotificationTopic Central/Key"},
		{"the key of a bucket", func(central awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.NewBucket(central, jsii.String("Texts"), &awss3.BucketProps{BucketName: jsii.String("texts"), EncryptionKey: key(central)})}
		}, "the key of Runbooks Central/Key"},
		{"an alias, to which CDK can refer", func(central awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.ReportsEncryptionKey = awskms.NewKey(central, jsii.String("Key"), nil).AddAlias(jsii.String("alias/reports"))
		}, "ReportsEncryptionKey Central/Key/Alias"},
		{"a topic without a key", func(central awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.NotificationTopic = awssns.NewTopic(central, jsii.String("Topic"), &awssns.TopicProps{TopicName: jsii.String("on-call")})
		}, ""},
	} {
		for _, prefix := range []*string{nil, jsii.String("prod")} {
			app := newTestApp()
			home, central := stackOf(app, "Home", "111122223333", "eu-west-1"), stackOf(app, "Central", "444455556666", "eu-west-1")
			create := func() {
				props := &alarmtriage.AlarmTriageProps{NotificationTopic: awssns.NewTopic(home, jsii.String("Topic"), nil), ResourcePrefix: prefix}
				tt.given(central, props)
				alarmtriage.NewAlarmTriage(home, jsii.String("Triage"), props)
				synth(home)
			}
			if tt.want == "" || prefix != nil {
				assert.NotPanics(t, create, tt.name)
				continue
			}
			assert.Equal(t, "alarmtriage: "+tt.want+" is in account 444455556666"+name, panicOf(t, create), tt.name)
		}
	}
}

// If only one of two stacks has an account, CDK writes the account of the other stack into the policies.
func TestOtherAccount_WarnsIfOnlyOneAccountIsKnown(t *testing.T) {
	const one = " is in stack Central, AlarmTriage is in stack Home, and only one of their accounts is known at synth"
	for _, tt := range []struct {
		home, central string // accounts
		want          bool
	}{{"", "", false}, {"111122223333", "", true}, {"", "444455556666", true}, {"111122223333", "111122223333", false}} {
		create := func(prefix *string) string {
			app := newTestApp()
			home, central := stackOf(app, "Home", tt.home, "eu-west-1"), stackOf(app, "Central", tt.central, "eu-west-1")
			alarmtriage.NewAlarmTriage(home, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
				NotificationTopic: awssns.NewTopic(central, jsii.String("Topic"), &awssns.TopicProps{TopicName: jsii.String("on-call")}),
				OnFailureQueue:    awssqs.NewQueue(central, jsii.String("Queue"), &awssqs.QueueProps{QueueName: jsii.String("failed")}), ResourcePrefix: prefix,
			}).AttachEventRule(jsii.String("All"), nil)
			return strings.Join(messagesOf(home), "\n")
		}
		named := create(jsii.String("prod"))
		if !tt.want {
			assert.NotContains(t, named, "other-account")
			assert.NotPanics(t, func() { create(nil) })
			continue
		}
		assert.Contains(t, named, "alarmtriage:other-account: alarmtriage: NotificationTopic Central/Topic"+one+". If they differ, the policy of Central/Topic is wrong, and "+
			"AWS denies sns:Publish and sns:GetTopicAttributes. Pass Env to both stacks, or acknowledge this warning if the account is the same")
		assert.Contains(t, named, "alarmtriage:other-account: alarmtriage: OnFailureQueue Central/Queue"+one)
		assert.Equal(t, "alarmtriage: OnFailureQueue Central/Queue"+one+", so its policy can't name the orchestrator's role: pass Env to both stacks",
			panicOf(t, func() { create(nil) }))
	}
}
