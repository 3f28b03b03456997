package alarmtriage_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

const centralAccount, memberAccount = "111122223333", "444455556666"

// membersOf returns the prop Members with accounts.
func membersOf(accounts ...string) *alarmtriage.Members {
	return &alarmtriage.Members{Accounts: jsii.Strings(accounts...)}
}

// stackOf returns a stack in an account and a Region; empty ones are not known at synth.
func stackOf(scope constructs.Construct, id, account, region string) awscdk.Stack {
	env := &awscdk.Environment{}
	if account != "" {
		env.Account = &account
	}
	if region != "" {
		env.Region = &region
	}
	return awscdk.NewStack(scope, &id, &awscdk.StackProps{Env: env})
}

func newMember(stack awscdk.Stack, change func(*alarmtriage.AlarmTriageMemberProps)) *alarmtriage.AlarmTriageMember {
	props := &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String(centralAccount)}
	if change != nil {
		change(props)
	}
	return alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), props)
}

func newMemberStack() awscdk.Stack { return stackOf(newTestApp(), "Test", memberAccount, "eu-west-1") }

// find returns the properties of the resources of a type, as JSON with resolved partitions, by their logical ids.
func find(t *testing.T, template assertions.Template, kind string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for id, resource := range (*template.ToJSON())["Resources"].(map[string]any) {
		if resource := resource.(map[string]any); resource["Type"] == kind {
			text, err := json.Marshal(joined(resource["Properties"]))
			require.NoError(t, err)
			found[id] = string(text)
		}
	}
	return found
}

// joined replaces Fn::Join and the partition as CloudFormation does.
func joined(value any) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = joined(v[i])
		}
		return list
	case map[string]any:
		if v["Ref"] == "AWS::Partition" {
			return "aws"
		}
		if join, isJoin := v["Fn::Join"].([]any); isJoin {
			text := ""
			for _, part := range join[1].([]any) {
				text += fmt.Sprint(joined(part))
			}
			return text
		}
		object := map[string]any{}
		for key := range v {
			object[key] = joined(v[key])
		}
		return object
	}
	return value
}

func TestMembers_ToolAssumesExactlyTheirRoles(t *testing.T) {
	for _, test := range []struct {
		name    string
		members *alarmtriage.Members
		policy  string // of the tool's role
		bus     string // the statement of the bus
		rule    string // the accounts of the rule
		setting string
	}{
		{
			"accounts", membersOf(memberAccount, "777788889999"),
			`{"Action":"sts:AssumeRole","Effect":"Allow","Resource":["arn:aws:iam::444455556666:role/alarmtriage-member","arn:aws:iam::777788889999:role/alarmtriage-member"],"Sid":"AssumeMembers"}`,
			`"Principal":{"AWS":["arn:aws:iam::444455556666:root","arn:aws:iam::777788889999:root"]}`,
			`"account":["444455556666","777788889999"]`,
			`{"accounts":["444455556666","777788889999"],"role":"alarmtriage-member","externalId":"alarmtriage-111122223333"}`,
		},
		{
			"names of the user", &alarmtriage.Members{
				Accounts: jsii.Strings(memberAccount), RoleName: jsii.String("triage-reader"), ExternalId: jsii.String("shared/1"), AllowOtherAccounts: jsii.Bool(true),
			},
			`{"Action":"sts:AssumeRole","Effect":"Allow","Resource":"arn:aws:iam::444455556666:role/triage-reader","Sid":"AssumeMembers"}`,
			`"Principal":{"AWS":"arn:aws:iam::444455556666:root"}`,
			`"account":["444455556666"]`,
			`{"accounts":["444455556666"],"role":"triage-reader","externalId":"shared/1","others":true}`,
		},
		{
			"organization", &alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5")},
			`{"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:ResourceOrgID":"o-a1b2c3d4e5"}},"Effect":"Allow","Resource":"arn:aws:iam::*:role/alarmtriage-member","Sid":"AssumeMembers"},
			{"Action":"sts:AssumeRole","Effect":"Deny","Resource":"arn:aws:iam::111122223333:role/alarmtriage-member","Sid":"DenyOwnAccount"},
			{"Action":"sts:AssumeRole","Condition":{"StringNotEquals":{"aws:ResourceOrgID":"o-a1b2c3d4e5"}},"Effect":"Deny","Resource":"arn:aws:iam::*:role/alarmtriage-member","Sid":"DenyOtherOrganizations"}`,
			`"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}},"Effect":"Allow","Principal":"*"`,
			"", `{"org":true,"role":"alarmtriage-member","externalId":"alarmtriage-111122223333"}`,
		},
		{
			"part of an organization", &alarmtriage.Members{
				OrganizationId: jsii.String("o-a1b2c3d4e5"), OrganizationPaths: jsii.Strings("o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"),
			},
			`{"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:ResourceOrgID":"o-a1b2c3d4e5"},"ForAnyValue:StringLike":{"aws:ResourceOrgPaths":["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"]}},"Effect":"Allow","Resource":"arn:aws:iam::*:role/alarmtriage-member","Sid":"AssumeMembers"},
			{"Action":"sts:AssumeRole","Effect":"Deny","Resource":"arn:aws:iam::111122223333:role/alarmtriage-member","Sid":"DenyOwnAccount"},
			{"Action":"sts:AssumeRole","Condition":{"StringNotEquals":{"aws:ResourceOrgID":"o-a1b2c3d4e5"}},"Effect":"Deny","Resource":"arn:aws:iam::*:role/alarmtriage-member","Sid":"DenyOtherOrganizations"},
			{"Action":"sts:AssumeRole","Condition":{"ForAllValues:StringNotLike":{"aws:ResourceOrgPaths":["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"]}},"Effect":"Deny","Resource":"arn:aws:iam::*:role/alarmtriage-member","Sid":"DenyOtherPaths"}`,
			`"Condition":{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"]},"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}},"Effect":"Allow","Principal":"*"`,
			"", `{"org":true,"role":"alarmtriage-member","externalId":"alarmtriage-111122223333"}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			stack := newStack()
			triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Members = test.members })
			template := synth(stack)

			var assuming []string
			for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"} {
				for id, policy := range find(t, template, kind) {
					if strings.Contains(policy, "sts:AssumeRole") {
						assuming = append(assuming, id)
						var document struct{ PolicyDocument struct{ Statement []any } }
						require.NoError(t, json.Unmarshal([]byte(policy), &document))
						text, _ := json.Marshal(document.PolicyDocument.Statement)
						assert.JSONEq(t, "["+test.policy+"]", string(text))
						assert.Contains(t, policy, `"Roles":[{"Ref":"TriageToolRole`)
					}
				}
			}
			assert.Len(t, assuming, 1)
			buses := find(t, template, "AWS::Events::EventBusPolicy")
			require.Len(t, buses, 1)
			for _, bus := range buses {
				assert.Contains(t, bus, test.bus)
				assert.Contains(t, bus, `"Action":"events:PutEvents"`)
			}
			template.HasResourceProperties(jsii.String("AWS::IAM::Role"), like("RoleName", "alarmtriage-tool-role"))
			template.HasResourceProperties(jsii.String("AWS::Events::EventBus"), like("Name", "alarmtriage-member-alarms"))
			for id, rule := range find(t, template, "AWS::Events::Rule") {
				if strings.Contains(id, "MemberAlarms") {
					assert.Contains(t, rule, test.rule)
					assert.Equal(t, test.rule != "", strings.Contains(rule, `"account"`))
				}
			}
			for _, name := range []string{"provided.al2023", "python3.13"} {
				template.HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", name, "Environment", like("Variables", like("MEMBERS", test.setting))))
			}
			assert.NotNil(t, triage.MemberEventBus())
			assert.Empty(t, messagesOf(stack), "a triage of members needs no alarm of its own")
		})
	}
}

func TestMembers_NoneByDefault(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, nil)
	assert.Nil(t, triage.MemberEventBus())
	text, err := json.Marshal(*synth(stack).ToJSON())
	require.NoError(t, err)
	for _, word := range []string{"MEMBERS", "AssumeMembers", "EventBus", "alarmtriage-tool-role"} {
		assert.NotContains(t, string(text), word)
	}
}

func TestMembers_NamesHavePrefixAndSuffix(t *testing.T) {
	app := newTestApp()
	stack := stackOf(app, "Central", centralAccount, "eu-west-1")
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.ResourcePrefix, p.ResourceSuffix, p.Members = jsii.String("prod"), jsii.String("eu"), membersOf(memberAccount)
	})
	member := stackOf(app, "Member", memberAccount, "eu-west-1")
	alarmtriage.NewAlarmTriageMember(member, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage})
	synth(stack).HasResourceProperties(jsii.String("AWS::IAM::Role"), like("RoleName", "prod-tool-role-eu"))
	synth(stack).HasResourceProperties(jsii.String("AWS::Events::EventBus"), like("Name", "prod-member-alarms-eu"))
	assert.Contains(t, find(t, synth(member), "AWS::IAM::Role")["MemberRoleE39D66BB"], `"aws:PrincipalArn":"arn:aws:iam::111122223333:role/prod-tool-role-eu"`)
	assert.Contains(t, find(t, synth(member), "AWS::Events::Rule")["MemberRule16AF9DC4"], `"Arn":"arn:aws:events:eu-west-1:111122223333:event-bus/prod-member-alarms-eu"`)
}

// A hundred accounts fit into the policies of a role, of which IAM attaches ten, into the pattern of the rule, and into the
// environments of the functions.
func TestMembers_AHundredAccountsFit(t *testing.T) {
	var accounts []string
	for i := range 100 {
		accounts = append(accounts, fmt.Sprintf("4444555566%02d", i))
	}
	for _, permissions := range []alarmtriage.ToolPermissions{alarmtriage.ToolPermissions_READ_ONLY_ACCESS, alarmtriage.ToolPermissions_ALLOW_LIST} {
		stack := newStackIn("us-gov-west-1")
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.Members, p.ToolPermissions = membersOf(accounts...), permissions
			p.Members.RoleName = jsii.String(strings.Repeat("r", 64))
		})
		template := synth(stack)
		attached, text := 0, ""
		for _, policy := range find(t, template, "AWS::IAM::ManagedPolicy") {
			if strings.Contains(policy, "TriageToolRole") {
				attached++
				var document struct{ PolicyDocument json.RawMessage }
				require.NoError(t, json.Unmarshal([]byte(policy), &document))
				assert.LessOrEqual(t, utf8.RuneCount(document.PolicyDocument)+len("-us-gov")*strings.Count(policy, "arn:aws:"), 6144, "IAM's limit")
				text += policy
			}
		}
		if permissions == alarmtriage.ToolPermissions_READ_ONLY_ACCESS {
			attached++
		}
		assert.LessOrEqual(t, attached, 10, "managed policies of the role")
		assert.Equal(t, 100, strings.Count(text, "role/"+strings.Repeat("r", 64)+`"`))
	}
}

func TestMember_HasARoleForTheToolAndSendsItsAlarms(t *testing.T) {
	stack := newMemberStack()
	member := newMember(stack, nil)
	template := synth(stack)
	roles := find(t, template, "AWS::IAM::Role")
	require.Len(t, roles, 2)
	assert.JSONEq(t, `{
		"RoleName": "alarmtriage-member", "Description": "What the AlarmTriage of another account may read in this account",
		"ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
		"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
			"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole",
			"Condition": {
				"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/alarmtriage-tool-role"},
				"StringEquals": {"sts:ExternalId": "alarmtriage-111122223333"}}}]}}`, roles["MemberRoleE39D66BB"])
	rules := find(t, template, "AWS::Events::Rule")
	require.Len(t, rules, 1)
	assert.JSONEq(t, `{
		"Description": "Alarms that the AlarmTriage of another account investigates", "State": "ENABLED",
		"EventPattern": {
			"source": ["aws.cloudwatch"], "account": ["444455556666"], "detail-type": ["CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change"],
			"detail": {"state": {"value": ["ALARM", "OK"]}, "alarmName": [{"anything-but": {"prefix": "alarmtriage-self-"}}]}},
		"Targets": [{
			"Id": "Target0", "Arn": "arn:aws:events:eu-west-1:111122223333:event-bus/alarmtriage-member-alarms",
			"RoleArn": {"Fn::GetAtt": ["MemberSenderRole14DA7463", "Arn"]}}]}`, rules["MemberRule16AF9DC4"])
	template.HasResourceProperties(jsii.String("AWS::IAM::Policy"), like(
		"Roles", []any{map[string]any{"Ref": "MemberSenderRole14DA7463"}},
		"PolicyDocument", like("Statement", []any{like("Action", "events:PutEvents", "Effect", "Allow")})))
	template.ResourceCountIs(jsii.String("AWS::Oam::Link"), jsii.Number(0))
	assert.NotNil(t, member.Role())
	assert.NotNil(t, member.Rule())
}

func TestMember_UsesTheSettingsOfItsProps(t *testing.T) {
	stack := newMemberStack()
	member := newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) {
		p.ToolRoleName, p.RoleName, p.ExternalId = jsii.String("prod-tool-role"), jsii.String("triage-reader"), jsii.String("shared/1")
		p.EventBusArn = jsii.String("arn:aws:events:us-east-1:111122223333:event-bus/prod-member-alarms")
		p.AlarmNamePrefixes, p.AlarmTags = jsii.Strings("prod-"), &map[string]*[]*string{"team": jsii.Strings("orders")}
		p.ObservabilitySinkArn = jsii.String("arn:aws:oam:eu-west-1:111122223333:sink/1a2b")
		p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String("Boundary"), jsii.String("arn:aws:iam::444455556666:policy/boundary"))
		p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST
		p.ToolDeniedActions, p.ToolAllowedActions = jsii.Strings("iam:ListUsers"), jsii.Strings("athena:StartQueryExecution")
		p.ToolDeniedResources, p.ToolAllowHostOutput = jsii.Strings("arn:aws:logs:*:*:log-group:payments-*"), jsii.Bool(true)
	})
	member.Role().AddToPrincipalPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("shop:Look"), Resources: jsii.Strings("*")}))
	template := synth(stack)
	roles := find(t, template, "AWS::IAM::Role")
	role := roles["MemberRoleE39D66BB"]
	for _, want := range []string{
		`"RoleName":"triage-reader"`, `"aws:PrincipalArn":"arn:aws:iam::111122223333:role/prod-tool-role"`, `"sts:ExternalId":"shared/1"`,
	} {
		assert.Contains(t, role, want)
	}
	assert.NotContains(t, role, "ReadOnlyAccess")
	for id, role := range roles {
		assert.Contains(t, role, `"PermissionsBoundary":"arn:aws:iam::444455556666:policy/boundary"`, id)
	}
	rule := find(t, template, "AWS::Events::Rule")["MemberRule16AF9DC4"]
	for _, want := range []string{`"alarmName":[{"prefix":"prod-"}]`, `"alarmTags":{"team":["orders"]}`, `"Arn":"arn:aws:events:us-east-1:111122223333:event-bus/prod-member-alarms"`} {
		assert.Contains(t, rule, want)
	}
	template.HasResourceProperties(jsii.String("AWS::Oam::Link"), object("SinkIdentifier", "arn:aws:oam:eu-west-1:111122223333:sink/1a2b",
		"LabelTemplate", "$AccountName", "ResourceTypes", []string{"AWS::CloudWatch::Metric", "AWS::Logs::LogGroup", "AWS::XRay::Trace"}))
	var policies string
	for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"} {
		for _, policy := range find(t, template, kind) {
			policies += policy
		}
	}
	for _, want := range []string{`"iam:ListUsers"`, `"athena:StartQueryExecution"`, `"arn:aws:logs:*:*:log-group:payments-*:*"`, `"shop:Look"`, `"Sid":"TriageReads"`} {
		assert.Contains(t, policies, want)
	}
	assert.NotContains(t, policies, `"ec2:GetConsoleOutput"`, "ToolAllowHostOutput opens it")
}

// The broker stops queries that cost too much, with the role that started them.
func TestMember_StartsOnlyQueriesThatTheBrokerCanStop(t *testing.T) {
	for denied, mayStart := range map[string]bool{
		"logs:StopQuery": false, "logs:GetQueryResults": false, "logs:stop*": false, "logs:GetLogEvents": true,
	} {
		stack := newMemberStack()
		newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) { p.ToolDeniedActions = jsii.Strings(denied) })
		policies := fmt.Sprint(find(t, synth(stack), "AWS::IAM::ManagedPolicy"))
		assert.Contains(t, policies, `"`+denied+`"`)
		assert.Equal(t, mayStart, !strings.Contains(policies, `"logs:StartQuery"`), denied)
	}
}

func TestMember_TakesItsPermissionsFromTheTriage(t *testing.T) {
	app := newTestApp()
	central := stackOf(app, "Central", centralAccount, "eu-west-1")
	triage := newTriage(central, func(p *alarmtriage.AlarmTriageProps) {
		p.Members = membersOf(memberAccount)
		p.Members.RoleName = jsii.String("reader")
		p.ToolPermissions, p.ToolDeniedActions = alarmtriage.ToolPermissions_ALLOW_LIST, jsii.Strings("iam:ListUsers")
		p.ToolAllowHostOutput = jsii.Bool(true)
		p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(central, jsii.String("Boundary"), jsii.String("arn:aws:iam::111122223333:policy/boundary"))
	})
	stack := stackOf(app, "Member", memberAccount, "us-east-1")
	alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage, ToolAllowHostOutput: jsii.Bool(false)})
	template := synth(stack)
	role := find(t, template, "AWS::IAM::Role")["MemberRoleE39D66BB"]
	assert.Contains(t, role, `"RoleName":"reader"`)
	assert.NotContains(t, role, "ReadOnlyAccess")
	assert.NotContains(t, role, "PermissionsBoundary", "a policy of the triage's account")
	policies := fmt.Sprint(find(t, template, "AWS::IAM::ManagedPolicy"))
	assert.Contains(t, policies, `"iam:ListUsers"`)
	assert.Contains(t, policies, `"ec2:GetConsoleOutput"`, "the member's own setting overrides the triage's")
	assert.Contains(t, find(t, template, "AWS::Events::Rule")["MemberRule16AF9DC4"], "arn:aws:events:eu-west-1:111122223333:event-bus/", "the bus is in the triage's Region")
	app.Synth(nil) // the two fit together
}

// The tool's role is denied AlarmTriage's own resources. If they are in the account of a member, the member's role must be denied
// them, too, and the broker must refuse them.
func TestMember_IsDeniedResourcesOfTheTriageInItsAccount(t *testing.T) {
	for _, account := range []string{centralAccount, memberAccount} {
		app := newTestApp()
		central := stackOf(app, "Central", centralAccount, "eu-west-1")
		triage := alarmtriage.NewAlarmTriage(central, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
			Members:             membersOf(memberAccount),
			NotificationTopic:   awssns.Topic_FromTopicArn(central, jsii.String("Topic"), jsii.Sprintf("arn:aws:sns:eu-west-1:%s:on-call", account)),
			ChatCardTopic:       awssns.NewTopic(central, jsii.String("Cards"), &awssns.TopicProps{TopicName: jsii.String("cards")}),
			ReportsBucket:       awss3.Bucket_FromBucketAttributes(central, jsii.String("Bucket"), &awss3.BucketAttributes{BucketName: jsii.String("the-reports"), Account: &account}),
			ToolDeniedResources: jsii.Strings("arn:aws:logs:*:*:log-group:payments"),
		})
		stack := stackOf(app, "Member", memberAccount, "eu-west-1")
		alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage})
		role := fmt.Sprint(find(t, synth(stack), "AWS::IAM::Policy"))
		tool := find(t, synth(central), "AWS::Lambda::Function")["TriageTool627A4E39"]
		for _, text := range []string{role, tool} {
			assert.Contains(t, text, "log-group:payments")
			assert.Equal(t, account == memberAccount, strings.Contains(text, "on-call"), account)
			assert.Equal(t, account == memberAccount, strings.Contains(text, "the-reports"), account)
			assert.NotContains(t, text, "cards")
		}
	}
}

// The recipe for one log group passes the ARN of a resource, to which the stack of another account can't always refer.
func TestMember_RejectsResourcesOfTheTriageWithoutAName(t *testing.T) {
	for name, isNamed := range map[string]bool{"": false, "/shop/audit": true} {
		app := newTestApp()
		central, member := stackOf(app, "Central", centralAccount, "eu-west-1"), stackOf(app, "Member", memberAccount, "eu-west-1")
		props := &awslogs.LogGroupProps{}
		if isNamed {
			props.LogGroupName = &name
		}
		audit := awslogs.NewLogGroup(central, jsii.String("Audit"), props)
		triage := newTriage(central, func(p *alarmtriage.AlarmTriageProps) {
			p.Members, p.ToolDeniedResources = membersOf(memberAccount), &[]*string{audit.LogGroupArn()}
		})
		if !isNamed {
			assert.Contains(t, panicOf(t, func() {
				alarmtriage.NewAlarmTriageMember(member, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage})
			}), "alarmtriage: ToolDeniedResources of AlarmTriage Central/Triage contains a resource to which the stack of the member can't refer: "+
				"give the resource a physical name, or set ToolDeniedResources of the member, too")
			other := &alarmtriage.AlarmTriageMemberProps{Triage: triage, ToolDeniedResources: jsii.Strings("arn:aws:logs:*:*:log-group:/shop/audit*")}
			alarmtriage.NewAlarmTriageMember(member, jsii.String("Other"), other)
		} else {
			alarmtriage.NewAlarmTriageMember(member, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage})
		}
		text, err := json.Marshal(*synth(member).ToJSON())
		require.NoError(t, err)
		assert.Contains(t, string(text), "log-group:/shop/audit")
	}
}

func TestMember_CreatesNoRoleInFurtherRegions(t *testing.T) {
	app := newTestApp()
	first, second := stackOf(app, "First", memberAccount, "eu-west-1"), stackOf(app, "Second", memberAccount, "us-east-1")
	newMember(first, nil)
	member := newMember(second, func(p *alarmtriage.AlarmTriageMemberProps) {
		p.CreateRole, p.EventBusArn = jsii.Bool(false), jsii.String("arn:aws:events:eu-west-1:111122223333:event-bus/alarmtriage-member-alarms")
	})
	assert.Nil(t, member.Role())
	template := synth(second)
	template.ResourceCountIs(jsii.String("AWS::IAM::Role"), jsii.Number(1)) // that of the rule
	template.ResourceCountIs(jsii.String("AWS::IAM::ManagedPolicy"), jsii.Number(0))
	template.ResourceCountIs(jsii.String("AWS::Events::Rule"), jsii.Number(1))
}

func TestMember_WorksInStagesAndStacksWithoutAnEnvironment(t *testing.T) {
	app := newTestApp()
	stage := awscdk.NewStage(app, jsii.String("Prod"), nil)
	nested := awscdk.NewNestedStack(stackOf(stage, "Parent", memberAccount, "eu-west-1"), jsii.String("Nested"), nil)
	newMember(nested, nil)
	anywhere := stackOf(app, "Anywhere", "", "")
	newMember(anywhere, nil)
	assert.Contains(t, find(t, synth(anywhere), "AWS::Events::Rule")["MemberRule16AF9DC4"], `arn:aws:events:map[Ref:AWS::Region]:111122223333:event-bus/`)
	synth(nested).ResourceCountIs(jsii.String("AWS::Events::Rule"), jsii.Number(1))
}

func TestMember_CentralAccountMayBeADynamicReference(t *testing.T) {
	const account = "{{resolve:ssm:/triage/account}}"
	stack := newMemberStack()
	newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) { p.CentralAccount = jsii.String(account) })
	template := synth(stack)
	role := find(t, template, "AWS::IAM::Role")["MemberRoleE39D66BB"]
	assert.Contains(t, role, `"aws:PrincipalArn":"arn:aws:iam::`+account+`:role/alarmtriage-tool-role"`)
	assert.Contains(t, role, `"AWS":"arn:aws:iam::`+account+`:root"`)
	assert.Contains(t, role, `"sts:ExternalId":"alarmtriage-`+account+`"`)
	bus := `"arn:aws:events:eu-west-1:` + account + `:event-bus/alarmtriage-member-alarms"`
	assert.Contains(t, find(t, template, "AWS::Events::Rule")["MemberRule16AF9DC4"], bus)
	assert.Contains(t, strings.Join(slices.Collect(maps.Values(find(t, template, "AWS::IAM::Policy"))), "\n"), bus)
}

func TestMember_PropsAreNotModified(t *testing.T) {
	props := &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String(centralAccount)}
	alarmtriage.NewAlarmTriageMember(newMemberStack(), jsii.String("Member"), props)
	assert.Equal(t, &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String(centralAccount)}, props)
}

func TestValidate_MembersThatDoNotFit(t *testing.T) {
	const elsewhere = "222233334444"
	stack := newStack()
	for _, test := range []struct {
		name    string
		members alarmtriage.Members
		want    []string // empty: valid
	}{
		{"none", alarmtriage.Members{}, []string{"Members must have Accounts or an OrganizationId"}},
		{"both", alarmtriage.Members{Accounts: jsii.Strings(elsewhere), OrganizationId: jsii.String("o-a1b2c3d4e5")}, []string{"Members.Accounts can't be combined with OrganizationId"}},
		{"an empty list", alarmtriage.Members{Accounts: jsii.Strings()}, []string{"Members.Accounts must contain 1 to 100 accounts, got 0"}},
		{"names, nil, and repetitions", alarmtriage.Members{Accounts: &[]*string{jsii.String("prod"), nil, jsii.String(elsewhere), jsii.String(elsewhere)}}, []string{
			`Members.Accounts must contain account IDs with 12 digits such as "123456789012", got "prod"`,
			`Members.Accounts must contain account IDs with 12 digits such as "123456789012", got ""`,
			`Members.Accounts must contain each account once, got "222233334444" twice`,
		}},
		{"its own account", alarmtriage.Members{Accounts: jsii.Strings(elsewhere, centralAccount)}, []string{
			`Members.Accounts must not contain AlarmTriage's own account, whose alarms are investigated anyway, got "111122223333"`,
		}},
		{"a token as list", alarmtriage.Members{Accounts: awscdk.Token_AsList(map[string]any{"Ref": "Accounts"}, nil)}, []string{"Members.Accounts must be a list whose length is known at synth"}},
		{"a token in the list", alarmtriage.Members{Accounts: jsii.Strings(*awscdk.Token_AsString(map[string]any{"Ref": "Account"}, nil))}, nil},
		{"names that IAM rejects", alarmtriage.Members{Accounts: jsii.Strings(elsewhere), RoleName: jsii.String("path/role"), ExternalId: jsii.String("a")}, []string{
			`Members.RoleName must be the name of a role, without a path, of 1 to 64 letters, digits, and characters of +=,.@_-, got "path/role"`,
			`Members.ExternalId must be 2 to 200 letters, digits, and characters of +=,.@:/_-, got "a"`,
		}},
		{"a wildcard", alarmtriage.Members{Accounts: jsii.Strings("*"), RoleName: jsii.String("*")}, []string{`Members.Accounts must contain account IDs`, `Members.RoleName must be the name of a role`}},
		{"an organization by name", alarmtriage.Members{OrganizationId: jsii.String("acme")}, []string{`Members.OrganizationId must be the ID of an organization such as "o-a1b2c3d4e5", got "acme"`}},
		{"parts without an organization", alarmtriage.Members{Accounts: jsii.Strings(elsewhere), OrganizationPaths: jsii.Strings("o-a1b2c3d4e5/r-ab12/")}, []string{"Members.OrganizationPaths needs OrganizationId"}},
		{"no parts", alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5"), OrganizationPaths: jsii.Strings()}, []string{"Members.OrganizationPaths must contain 1 to 10 paths, got 0"}},
		{"parts that match nothing", alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5"), OrganizationPaths: jsii.Strings("ou-ab12-11111111", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111", "o-other00000/r-ab12/*")}, []string{
			`which end with a slash or a wildcard, got "ou-ab12-11111111"`, `got "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111"`,
			`Members.OrganizationPaths must begin with OrganizationId "o-a1b2c3d4e5", got "o-other00000/r-ab12/*"`,
		}},
		{"parts", alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5"), OrganizationPaths: jsii.Strings("o-a1b2c3d4e5/r-ab12/", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-*")}, nil},
		{"no root in a path", alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5"), OrganizationPaths: jsii.Strings("o-a1b2c3d4e5/*")}, []string{`got "o-a1b2c3d4e5/*"`}},
		{"a long external ID", alarmtriage.Members{Accounts: jsii.Strings(elsewhere), ExternalId: jsii.String(strings.Repeat("e", 200)), RoleName: jsii.String("r")}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			message := panicOf(t, func() { // NotificationTopic is missing, so valid members panic, too
				alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{Members: &test.members})
			})
			for _, want := range test.want {
				assert.Contains(t, message, want)
			}
			assert.Len(t, strings.Split(message, "\n"), len(test.want)+1, message)
		})
	}
}

func TestValidate_MembersShareTheEnvironment(t *testing.T) {
	var accounts []string
	for i := range 100 {
		accounts = append(accounts, fmt.Sprintf("4444555566%02d", i))
	}
	message := panicOf(t, func() {
		newTriage(newStack(), func(p *alarmtriage.AlarmTriageProps) {
			p.Members, p.Instructions = membersOf(accounts...), jsii.String(strings.Repeat("x", 1000))
		})
	})
	assert.Contains(t, message, "AccountNames, ConsoleUrl, and Members must have at most 2400 bytes together as JSON")
}

func TestValidate_ConsoleUrl(t *testing.T) {
	stack := newStack()
	for _, test := range []struct {
		url   string
		valid bool
	}{
		{"https://example.awsapps.com/start/#/console?account_id={account}&role_name=ReadOnly&destination={url}", true},
		{"https://sso.example.com/{account}?to={url}&again={account}", true},
		{"https://example.awsapps.com/start/#/console?account_id={account}", false},
		{"https://example.awsapps.com/start/#/console?destination={url}", false},
		{"http://example.com/{account}/{url}", false},
		{"javascript:alert({account},{url})", false},
		{"https://{account}{url}", false},
		{"https:///{account}/{url}", false},
		{"https://example.com/{account}/{url}/{region}", false},
		{"https://example.com/{account}/{url}\nhttps://evil.example", false},
		{"https://example.com/\"{account}/{url}", false},
		{"", false},
	} {
		message := panicOf(t, func() { // NotificationTopic is missing, so a valid address panics, too
			alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{ConsoleUrl: jsii.String(test.url)})
		})
		assert.Equal(t, !test.valid, strings.Contains(message, "ConsoleUrl must be an https address with {account} and {url} and no other braces"), test.url)
	}
}

func TestValidate_MemberThatDoesNotFit(t *testing.T) {
	memberIn := func(account, region string, props *alarmtriage.AlarmTriageMemberProps) func() {
		return func() {
			alarmtriage.NewAlarmTriageMember(stackOf(newTestApp(), "Test", account, region), jsii.String("Member"), props)
		}
	}
	central := func(change func(*alarmtriage.AlarmTriageMemberProps)) *alarmtriage.AlarmTriageMemberProps {
		p := &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String(centralAccount)}
		change(p)
		return p
	}
	withTriage := func(account string, members *alarmtriage.Members, change func(*alarmtriage.AlarmTriageMemberProps)) func() {
		return func() {
			app := newTestApp()
			triage := newTriage(stackOf(app, "Central", account, "eu-west-1"), func(p *alarmtriage.AlarmTriageProps) { p.Members = members })
			props := &alarmtriage.AlarmTriageMemberProps{Triage: triage}
			if change != nil {
				change(props)
			}
			alarmtriage.NewAlarmTriageMember(stackOf(app, "Member", memberAccount, "eu-west-1"), jsii.String("Member"), props)
		}
	}
	for _, test := range []struct {
		name   string
		create func()
		want   []string
	}{
		{"no props", memberIn(memberAccount, "eu-west-1", nil), []string{"props are missing: AlarmTriageMemberProps needs at least CentralAccount or Triage"}},
		{"no scope and no id", func() {
			alarmtriage.NewAlarmTriageMember(nil, nil, central(func(*alarmtriage.AlarmTriageMemberProps) {}))
		}, []string{
			"NewAlarmTriageMember needs an id", "NewAlarmTriageMember needs a scope, such as a stack, got nil",
		}},
		{"no account", memberIn(memberAccount, "eu-west-1", &alarmtriage.AlarmTriageMemberProps{}), []string{"CentralAccount or Triage is required"}},
		{"the central account", memberIn(centralAccount, "eu-west-1", central(func(*alarmtriage.AlarmTriageMemberProps) {})), []string{
			"the member can't be in the AlarmTriage's own account 111122223333, whose alarms are investigated without it",
		}},
		{"another Region of the central account", memberIn(centralAccount, "us-east-1", central(func(*alarmtriage.AlarmTriageMemberProps) {})), []string{
			"the member can't be in the AlarmTriage's own account 111122223333, whose alarms are investigated without it: create it in the stack of another " +
				"account, and send the alarm events of other Regions of this account to a bus that you pass to AttachEventRule",
		}},
		{"everything is wrong", memberIn(memberAccount, "eu-west-1", central(func(p *alarmtriage.AlarmTriageMemberProps) {
			p.CentralAccount, p.ToolRoleName, p.RoleName, p.ExternalId = jsii.String("prod"), jsii.String("a/b"), jsii.String("*"), jsii.String("a b")
			p.EventBusArn, p.ObservabilitySinkArn = jsii.String("alarms"), jsii.String("sink")
			p.AlarmNamePrefixes, p.ExceptAlarmNamePrefixes, p.AlarmTags = jsii.Strings(), jsii.Strings(""), &map[string]*[]*string{"team": nil}
			p.ToolPermissions, p.ToolDeniedActions, p.ToolDeniedResources = "ALL", jsii.Strings("everything"), jsii.Strings("payments")
		})), []string{
			`CentralAccount must be an account ID of 12 digits such as "123456789012", got "prod"`,
			`ToolRoleName must be the name of a role`, `RoleName must be the name of a role`, `ExternalId must be 2 to 200 letters`,
			`EventBusArn must be the ARN of an event bus`, `ObservabilitySinkArn must be the ARN of a sink`,
			"AlarmNamePrefixes must contain only non-empty texts", "ExceptAlarmNamePrefixes must contain only non-empty texts",
			`AlarmTags must contain at least one value for each key, got none for "team"`,
			`ToolPermissions must be one of READ_ONLY_ACCESS, ALLOW_LIST, got "ALL"`, `ToolDeniedActions must contain IAM actions`, `ToolDeniedResources must contain ARNs`,
		}},
		{"other accounts and Regions", memberIn(memberAccount, "eu-west-1", central(func(p *alarmtriage.AlarmTriageMemberProps) {
			p.EventBusArn = jsii.String("arn:aws:events:eu-west-1:222233334444:event-bus/alarmtriage-member-alarms")
			p.ObservabilitySinkArn = jsii.String("arn:aws:oam:us-east-1:444455556666:sink/1a2b")
		})), []string{
			`EventBusArn must be a bus of CentralAccount "111122223333"`, `ObservabilitySinkArn must be a sink of the stack's Region eu-west-1`,
			`ObservabilitySinkArn must be a sink of another account than the member's`,
		}},
		{"a triage without members", withTriage(centralAccount, nil, nil), []string{"Triage must have the prop Members, got AlarmTriage Central/Triage without it"}},
		{"a triage somewhere", withTriage("", membersOf(memberAccount), nil), []string{"Triage must be in a stack with an explicit account and Region"}},
		{"another partition", func() {
			app := newTestApp()
			triage := newTriage(stackOf(app, "Central", centralAccount, "eu-west-1"), func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf(memberAccount) })
			alarmtriage.NewAlarmTriageMember(stackOf(app, "Member", memberAccount, "cn-north-1"), jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage})
		}, []string{"the member must be in the partition aws of the AlarmTriage's Region eu-west-1, got the Region cn-north-1 of aws-cn: roles can't be assumed, " +
			"and events can't be sent, across partitions, so create an AlarmTriage there"}},
		{"a triage and its settings", withTriage(centralAccount, membersOf(memberAccount), func(p *alarmtriage.AlarmTriageMemberProps) {
			p.CentralAccount, p.RoleName, p.ExternalId = jsii.String(centralAccount), jsii.String("r"), jsii.String("ee")
			p.ToolRoleName, p.EventBusArn = jsii.String("t"), jsii.String("arn:aws:events:eu-west-1:111122223333:event-bus/alarmtriage-member-alarms")
		}), []string{
			"CentralAccount can't be combined with Triage", "RoleName can't be combined with Triage", "ExternalId can't be combined with Triage",
			"ToolRoleName can't be combined with Triage", "EventBusArn can't be combined with Triage",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			message := panicOf(t, test.create)
			for _, want := range test.want {
				assert.Contains(t, message, want)
			}
			assert.Len(t, strings.Split(message, "\n"), len(test.want), message)
		})
	}
}

// The AlarmTriages of the app are in three accounts, and the one in Ireland is not the only one of its account. CDK reports
// the problems of all stacks at once.
func TestSynth_ComparesMembersWithTheTriageOfTheirApp(t *testing.T) {
	const withoutMembers, withOrganization, otherApp = "222233334444", "333344445555", "999900001111"
	app := newTestApp()
	member := func(id, account, region string, change func(*alarmtriage.AlarmTriageMemberProps)) {
		newMember(stackOf(app, id, account, region), change)
	}
	of := func(central string) func(*alarmtriage.AlarmTriageMemberProps) {
		return func(p *alarmtriage.AlarmTriageMemberProps) { p.CentralAccount = &central }
	}
	member("DefinedFirst", "444455556601", "eu-west-1", nil)
	newTriage(stackOf(app, "Ireland", centralAccount, "eu-west-1"), func(p *alarmtriage.AlarmTriageProps) {
		p.Members = membersOf("444455556601", "444455556602", "444455556603", "444455556604")
	})
	triageNamed(stackOf(app, "Organization", withOrganization, "eu-west-1"), "Triage", func(p *alarmtriage.AlarmTriageProps) {
		p.Members = &alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5")}
	})
	triageNamed(stackOf(app, "Plain", withoutMembers, "eu-west-1"), "Triage", nil)
	member("Fits", "444455556602", "eu-west-1", nil)
	member("OfTheOrganization", "444455556605", "eu-west-1", of(withOrganization))
	member("OfAnotherApp", "444455556606", "eu-west-1", of(otherApp))
	member("Anywhere", "", "", nil)
	member("OfThePlainOne", "444455556607", "eu-west-1", of(withoutMembers))
	member("NotListed", "444455556608", "eu-west-1", nil)
	member("OtherRegion", "444455556603", "us-east-1", nil)
	member("OtherNames", "444455556604", "eu-west-1", func(p *alarmtriage.AlarmTriageMemberProps) {
		p.RoleName, p.ExternalId, p.ToolRoleName = jsii.String("reader"), jsii.String("other"), jsii.String("tool")
	})
	message := panicOf(t, func() { app.Synth(nil) })
	want := []string{
		"OfThePlainOne/Member does not fit AlarmTriage Plain/Triage: the AlarmTriage has no Members: set its prop Members",
		"NotListed/Member does not fit AlarmTriage Ireland/Triage: its account 444455556608 is not one of Members.Accounts: add it",
		"OtherRegion/Member does not fit AlarmTriage Ireland/Triage: it sends alarm events to the bus us-east-1:111122223333:event-bus/alarmtriage-member-alarms, " +
			"and the AlarmTriage's bus is eu-west-1:111122223333:event-bus/alarmtriage-member-alarms: pass Triage, or its ARN as EventBusArn",
		`OtherNames/Member does not fit AlarmTriage Ireland/Triage: its RoleName is "reader", and the AlarmTriage's is "alarmtriage-member": pass Triage, or the same value to both`,
		`OtherNames/Member does not fit AlarmTriage Ireland/Triage: its ExternalId is "other", and the AlarmTriage's is "alarmtriage-111122223333"`,
		`OtherNames/Member does not fit AlarmTriage Ireland/Triage: its ToolRoleName is "tool", and the AlarmTriage's is "alarmtriage-tool-role"`,
	}
	for _, one := range want {
		assert.Contains(t, message, "alarmtriage: AlarmTriageMember "+one)
	}
	assert.Equal(t, len(want), strings.Count(message, "does not fit"), message)
}

func TestMember_WarnsOfActionsWithoutEffect(t *testing.T) {
	yes, no := jsii.Bool(true), jsii.Bool(false)
	const typo = `/Member/Member alarmtriage:unknown-action: alarmtriage: ToolDeniedActions contains "logs:FilterLogEvent", which denies nothing: IAM has no such action; ` +
		"did you mean logs:FilterLogEvents? Correct it, or acknowledge this warning if the action is new"
	for _, tt := range []struct {
		name   string
		triage func(p *alarmtriage.AlarmTriageProps) // nil: the AlarmTriage is in another app
		member func(p *alarmtriage.AlarmTriageMemberProps)
		want   []string
	}{
		{"a member of another app", nil, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.ToolDeniedActions, p.ToolAllowedActions = jsii.Strings("logs:FilterLogEvent"), jsii.Strings("iam:PassRole", "s3:GetObject")
			p.ToolAllowPersonalData = yes
		}, []string{
			`/Member/Member alarmtriage:denied-action: alarmtriage: ToolAllowedActions contains "s3:GetObject", which has no effect, because a built-in deny overrides it (docs/permissions.md): remove it`,
			typo,
			`/Member/Member alarmtriage:write-action: alarmtriage: ToolAllowedActions contains "iam:PassRole", with which the model's code can change resources (iam:PassRole): the model reads texts that attackers may have written. Allow single reads instead, or acknowledge this warning`,
		}},
		{"without a role", nil, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.CreateRole, p.ToolDeniedActions = no, jsii.Strings("logs:FilterLogEvent")
		}, []string{
			"/Member/Member alarmtriage:ignored-props: alarmtriage: ToolDeniedActions has no effect, because CreateRole is false: the member that creates the role in this account, in another Region, needs it",
		}},
		{"a mistake of the member", func(*alarmtriage.AlarmTriageProps) {}, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.ToolDeniedActions = jsii.Strings("logs:FilterLogEvent")
		}, []string{typo}},
		{"a mistake of Triage", func(p *alarmtriage.AlarmTriageProps) {
			p.ToolDeniedActions, p.ToolAllowedActions = jsii.Strings("logs:FilterLogEvent"), jsii.Strings("sqs:PurgeQueue")
		}, nil, nil},
		{"more than Triage", func(p *alarmtriage.AlarmTriageProps) {
			p.ToolAllowedActions, p.ToolAllowSourceCode = jsii.Strings("athena:Get*"), yes
		}, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.ToolAllowedActions = jsii.Strings("athena:GetDatabase", "codeartifact:ReadFromRepository")
			p.ToolAllowPersonalData, p.ToolAllowSourceCode, p.ToolAllowBilledReads = yes, yes, no
		}, []string{
			`/Member/Member alarmtriage:not-forwarded: alarmtriage: ToolAllowPersonalData is true, and that of AlarmTriage Central/Triage is not, so its broker refuses these reads: set it in both`,
			`/Member/Member alarmtriage:not-forwarded: alarmtriage: ToolAllowedActions contains "codeartifact:ReadFromRepository", and those of AlarmTriage Central/Triage do not contain codeartifact:ReadFromRepository: its broker only forwards such requests if they are reads of AWS's policy ReadOnlyAccess. Allow the same actions in both`,
		}},
		{"more than Triage, with a wildcard", func(p *alarmtriage.AlarmTriageProps) { p.ToolAllowedActions = jsii.Strings("athena:GetDatabase") },
			func(p *alarmtriage.AlarmTriageMemberProps) {
				p.ToolAllowedActions = jsii.Strings("athena:GetDataCatalog*", "athena:GetDatab*")
			}, []string{
				`/Member/Member alarmtriage:not-forwarded: alarmtriage: ToolAllowedActions contains "athena:GetDataCatalog*", and those of AlarmTriage Central/Triage do not contain athena:GetDataCatalog: its broker only forwards such requests if they are reads of AWS's policy ReadOnlyAccess. Allow the same actions in both`}},
		{"as Triage", func(p *alarmtriage.AlarmTriageProps) {
			p.ToolAllowedActions, p.ToolAllowPersonalData = jsii.Strings("athena:GetDatabase"), yes
		}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			stack := stackOf(app, "Member", memberAccount, "eu-west-1")
			newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) {
				if tt.triage != nil {
					p.CentralAccount, p.Triage = nil, newTriage(stackOf(app, "Central", centralAccount, "eu-west-1"), func(p *alarmtriage.AlarmTriageProps) {
						p.Members = membersOf(memberAccount)
						tt.triage(p)
					})
				}
				if tt.member != nil {
					tt.member(p)
				}
			})
			assert.ElementsMatch(t, tt.want, messagesOf(stack))
		})
	}
}

func TestMember_ChecksItsPrefixes(t *testing.T) {
	assert.Equal(t, `alarmtriage: ExceptAlarmNamePrefixes must leave some of the alarms that AlarmNamePrefixes selects, got "prod-", which excludes all of them: correct one of both`,
		panicOf(t, func() {
			newMember(newMemberStack(), func(p *alarmtriage.AlarmTriageMemberProps) {
				p.AlarmNamePrefixes, p.ExceptAlarmNamePrefixes = jsii.Strings("prod-*"), jsii.Strings("prod-")
			})
		}))
	stack := newMemberStack()
	newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) {
		p.AlarmNamePrefixes, p.ExceptAlarmNamePrefixes = jsii.Strings("prod-*", "shop-a"), jsii.Strings("shop-")
	})
	assert.Equal(t, []string{
		`/Test/Member alarmtriage:unmatched-prefix: alarmtriage: AlarmTriageMember got the prefix "shop-a", which selects no alarm, because the exception "shop-" excludes all of them: correct one of both`,
		`/Test/Member alarmtriage:wildcard-prefix: alarmtriage: AlarmTriageMember got the prefix "prod-*", which selects names that contain an asterisk there: every prefix matches all ` +
			"names that begin with it, so omit the asterisk, or acknowledge this warning",
	}, messagesOf(stack))
}

// A member of two AlarmTriages of one account fits one of them.
func TestSynth_MemberFitsOneOfSeveralTriages(t *testing.T) {
	app := newTestApp()
	for region, members := range map[string]*alarmtriage.Members{"eu-west-1": membersOf(memberAccount), "us-east-1": nil} {
		newTriage(stackOf(app, region, centralAccount, region), func(p *alarmtriage.AlarmTriageProps) { p.Members = members })
	}
	newMember(stackOf(app, "Member", memberAccount, "eu-west-1"), nil)
	assert.NotPanics(t, func() { app.Synth(nil) })
}

func TestSynth_RejectsTheSameRoleTwice(t *testing.T) {
	app := newTestApp()
	newMember(stackOf(app, "Ireland", memberAccount, "eu-west-1"), nil)
	newMember(stackOf(app, "Virginia", memberAccount, "us-east-1"), nil)
	newMember(stackOf(app, "Elsewhere", "777788889999", "us-east-1"), nil)
	message := panicOf(t, func() { app.Synth(nil) })
	assert.Contains(t, message, "alarmtriage: AlarmTriageMember Virginia/Member creates the role alarmtriage-member in account 444455556666, and so does "+
		"AlarmTriageMember Ireland/Member, but an account has each role once, in whatever Region: pass CreateRole false to one of them")
	assert.Equal(t, 1, strings.Count(message, "creates the role"))
}

// A role trusts one tool, so the members of two AlarmTriages need two roles in an account, whoever creates them.
func TestSynth_RejectsARoleThatTrustsAnotherTool(t *testing.T) {
	no := jsii.Bool(false)
	const cannotUse = "AlarmTriageMember Virginia/Member can't use the role alarmtriage-member in account 444455556666, because AlarmTriageMember Ireland/Member creates it"
	virginia := func(p *alarmtriage.AlarmTriageMemberProps) {
		p.ToolRoleName = jsii.String("alarmtriage-tool-role-virginia")
	}
	for _, tt := range []struct {
		name            string
		ireland, second *bool // CreateRole
		change          func(p *alarmtriage.AlarmTriageMemberProps)
		want            string // empty: the synth passes
	}{
		{"both create it", nil, nil, virginia,
			"AlarmTriageMember Virginia/Member creates the role alarmtriage-member in account 444455556666, and so does AlarmTriageMember Ireland/Member, " +
				"but an account has each role once, in whatever Region, and a role trusts one tool only. The first one trusts alarmtriage-tool-role-virginia " +
				"of account 111122223333, and the second one alarmtriage-tool-role of account 111122223333: set another RoleName, which is also Members.RoleName of its AlarmTriage"},
		{"the second one does not create it", nil, no, virginia,
			cannotUse + ", and it trusts alarmtriage-tool-role of account 111122223333, not alarmtriage-tool-role-virginia of account 111122223333: " +
				"set another RoleName, which is also Members.RoleName of its AlarmTriage, and create that role in one Region"},
		{"the first one does not create it", no, nil, virginia,
			"AlarmTriageMember Ireland/Member can't use the role alarmtriage-member in account 444455556666, because AlarmTriageMember Virginia/Member creates it, " +
				"and it trusts alarmtriage-tool-role-virginia of account 111122223333, not alarmtriage-tool-role of account 111122223333"},
		{"another account", nil, no, func(p *alarmtriage.AlarmTriageMemberProps) { p.CentralAccount = jsii.String("222233334444") },
			cannotUse + ", and it trusts alarmtriage-tool-role of account 111122223333, not alarmtriage-tool-role of account 222233334444"},
		{"another external ID", nil, no, func(p *alarmtriage.AlarmTriageMemberProps) { p.ExternalId = jsii.String("virginia") },
			cannotUse + ` with the ExternalId "alarmtriage-111122223333", not "virginia": set the same one`},
		{"both create it, with another external ID", nil, nil, func(p *alarmtriage.AlarmTriageMemberProps) { p.ExternalId = jsii.String("virginia") },
			"AlarmTriageMember Virginia/Member creates the role alarmtriage-member in account 444455556666, and so does AlarmTriageMember Ireland/Member, " +
				"but an account has each role once, in whatever Region, with one ExternalId: pass CreateRole false to one of them"},
		{"the same trust", nil, no, nil, ""},
		{"another role", nil, nil, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.ToolRoleName, p.RoleName = jsii.String("alarmtriage-tool-role-virginia"), jsii.String("alarmtriage-member-virginia")
		}, ""},
		{"no member creates it", no, no, virginia, ""},
		{"a name that is not known at synth", nil, no, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.ToolRoleName = awscdk.Token_AsString(map[string]any{"Ref": "ToolRole"}, nil)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			newMember(stackOf(app, "Ireland", memberAccount, "eu-west-1"), func(p *alarmtriage.AlarmTriageMemberProps) { p.CreateRole = tt.ireland })
			newMember(stackOf(app, "Virginia", memberAccount, "us-east-1"), func(p *alarmtriage.AlarmTriageMemberProps) {
				if p.CreateRole = tt.second; tt.change != nil {
					tt.change(p)
				}
			})
			if tt.want == "" {
				assert.NotPanics(t, func() { app.Synth(nil) })
				return
			}
			message := panicOf(t, func() { app.Synth(nil) })
			assert.Contains(t, message, "alarmtriage: "+tt.want)
			assert.Equal(t, 1, strings.Count(message, "alarmtriage: "), message)
		})
	}
}

// The members pass Triage, so the role's name is a prop of the AlarmTriage.
func TestSynth_RejectsARoleForTwoTriages(t *testing.T) {
	build := func(name, createRole bool) awscdk.App {
		app := newTestApp()
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			triage := triageNamed(stackOf(app, "Central-"+region, centralAccount, region), "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.Members, p.ResourceSuffix = membersOf(memberAccount), jsii.String(region)
				if name {
					p.Members.RoleName = jsii.String("alarmtriage-member-" + region)
				}
			})
			create := createRole || region == "eu-west-1"
			alarmtriage.NewAlarmTriageMember(stackOf(app, "Member-"+region, memberAccount, region), jsii.String("Member"),
				&alarmtriage.AlarmTriageMemberProps{Triage: triage, CreateRole: &create})
		}
		return app
	}
	for _, createRole := range []bool{true, false} {
		message := panicOf(t, func() { build(false, createRole).Synth(nil) })
		assert.Contains(t, message, "trust")
		assert.Contains(t, message, "et another Members.RoleName of AlarmTriage Central-us-east-1/Triage")
	}
	assert.NotPanics(t, func() { build(true, true).Synth(nil) })
}

// The stacks of the members may be in another app, so this is a warning. A user may have changed the trust policy.
func TestSynth_WarnsOfTwoTriagesWithOneMemberRole(t *testing.T) {
	list := func(accounts ...string) alarmtriage.Members {
		return alarmtriage.Members{Accounts: jsii.Strings(accounts...)}
	}
	organization := func(id string, paths ...string) alarmtriage.Members {
		m := alarmtriage.Members{OrganizationId: jsii.String(id)}
		if paths != nil {
			m.OrganizationPaths = jsii.Strings(paths...)
		}
		return m
	}
	named := func(m alarmtriage.Members, name string) alarmtriage.Members {
		m.RoleName = jsii.String(name)
		return m
	}
	const prod, dev = "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*", "o-a1b2c3d4e5/r-ab12/ou-ab12-22222222/*"
	for _, tt := range []struct {
		name          string
		first, second alarmtriage.Members
		want          bool
	}{
		{"the same account", list("222233334444", memberAccount), list(memberAccount, "333344445555"), true},
		{"other accounts", list("222233334444"), list(memberAccount), false},
		{"another role", list(memberAccount), named(list(memberAccount), "alarmtriage-member-us"), false},
		{"the same organization", organization("o-a1b2c3d4e5"), organization("o-a1b2c3d4e5"), true},
		{"another organization", organization("o-a1b2c3d4e5"), organization("o-b1b2c3d4e5"), false},
		{"a part of the organization", organization("o-a1b2c3d4e5"), organization("o-a1b2c3d4e5", dev), true},
		{"the same part", organization("o-a1b2c3d4e5", prod, dev), organization("o-a1b2c3d4e5", dev), true},
		{"other parts", organization("o-a1b2c3d4e5", prod), organization("o-a1b2c3d4e5", dev), false},
		{"an account and an organization", list(memberAccount), organization("o-a1b2c3d4e5"), false}, // it is not known
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			create := func(region string, members alarmtriage.Members) awscdk.Stack {
				stack := stackOf(app, region, centralAccount, region)
				triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.Members, p.ResourceSuffix = &members, jsii.String(region) })
				return stack
			}
			create("eu-west-1", tt.first)
			got := messagesOf(create("us-east-1", tt.second))
			if !tt.want {
				assert.Empty(t, got)
				return
			}
			assert.Equal(t, []string{"/us-east-1/Triage alarmtriage:member-role: alarmtriage: it has the same Members.RoleName \"alarmtriage-member\" as AlarmTriage " +
				"eu-west-1/Triage, and members in common, but the role of a member trusts one tool only, so one AlarmTriage can't read these members: set another " +
				"Members.RoleName"}, got)
		})
	}
}

// Both members are in one account, whatever it is.
func TestSynth_RejectsTheSameRoleTwiceInAStackWithoutEnvironment(t *testing.T) {
	app := newTestApp()
	stack := stackOf(app, "Test", "", "")
	newMember(stack, nil)
	alarmtriage.NewAlarmTriageMember(stack, jsii.String("Other"), &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String(centralAccount)})
	newMember(stackOf(app, "Elsewhere", "", ""), nil)
	message := panicOf(t, func() { app.Synth(nil) })
	assert.Contains(t, message, "alarmtriage: AlarmTriageMember Test/Other creates the role alarmtriage-member in the account of stack Test, and so does "+
		"AlarmTriageMember Test/Member, but an account has each role once, in whatever Region: pass CreateRole false to one of them")
	assert.Equal(t, 1, strings.Count(message, "creates the role"))
}

func TestNames_TwoTriagesWithMembersNeedDifferentNames(t *testing.T) {
	app := newTestApp()
	first, second := stackOf(app, "Ireland", centralAccount, "eu-west-1"), stackOf(app, "Virginia", centralAccount, "us-east-1")
	members := func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf(memberAccount) }
	newTriage(first, members)
	assert.Contains(t, panicOf(t, func() { newTriage(second, members) }), `the same names as AlarmTriage Ireland/Triage, such as the role "alarmtriage-tool-role"`)
	triageNamed(second, "Other", func(p *alarmtriage.AlarmTriageProps) {
		members(p)
		p.ResourceSuffix = jsii.String("virginia")
	})
}

// CloudFormation identifies the policies of all buses of an account and Region by their StatementId.
func TestMembers_PoliciesOfTwoBusesHaveDifferentIDs(t *testing.T) {
	stack := stackOf(newTestApp(), "Ireland", centralAccount, "eu-west-1")
	for _, prefix := range []string{"prod", "test"} {
		triageNamed(stack, prefix, func(p *alarmtriage.AlarmTriageProps) {
			p.Members, p.ResourcePrefix = membersOf(memberAccount), &prefix
			p.Members.RoleName = jsii.String(prefix + "-member")
		})
	}
	template := synth(stack)
	for _, id := range []string{"prod-member-alarms", "test-member-alarms"} {
		template.HasResourceProperties(jsii.String("AWS::Events::EventBusPolicy"), like("StatementId", id, "Statement", like("Sid", id)))
	}
}

// The template is a golden file, like those of the AlarmTriage.
func TestMember_TemplateMatchesTheGoldenFile(t *testing.T) {
	const golden = "testdata/member.template.json"
	plain := newStack()
	newTriage(plain, nil)
	stack := newMemberStack()
	newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) {
		p.ObservabilitySinkArn = jsii.String("arn:aws:oam:eu-west-1:111122223333:sink/1a2b")
		p.ToolDeniedResources = jsii.Strings("arn:aws:logs:*:*:log-group:payments-*")
	})
	template := *synth(stack).ToJSON()
	collapseDenies(template, deniedReads(*synth(plain).ToJSON()))
	text, err := json.MarshalIndent(template, "", "  ")
	require.NoError(t, err)
	got := string(text) + "\n"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err, "make it with `go test . -update`")
	assert.Empty(t, cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")), renamedHint)
}

// Props of a role that no member of the app creates have no effect.
func TestAlarmTriageMember_WarnsOfPropsWithoutEffect(t *testing.T) {
	build := func(creatorDenies bool, regions ...string) (stack awscdk.Stack) {
		app := newTestApp()
		for i, region := range regions {
			stack = stackOf(app, fmt.Sprintf("M%d", i), memberAccount, region)
			props := &alarmtriage.AlarmTriageMemberProps{
				CentralAccount: jsii.String("111122223333"), CreateRole: jsii.Bool(i < len(regions)-1),
				RoleName: jsii.String("reader"), ToolDeniedActions: jsii.Strings("logs:FilterLogEvents"), AlarmNamePrefixes: jsii.Strings("prod-")}
			if *props.CreateRole && !creatorDenies {
				props.ToolDeniedActions = nil
			}
			alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), props)
		}
		return stack
	}
	assert.Equal(t, []string{"/M0/Member alarmtriage:ignored-props: alarmtriage: RoleName, ToolDeniedActions have no effect, because CreateRole is false: the member " +
		"that creates the role in this account, in another Region, needs them"}, messagesOf(build(true, "eu-west-1")))
	assert.Empty(t, messagesOf(build(true, "eu-west-1", "us-east-1")), "the first member creates the role with the same props")
	assert.Equal(t, []string{"/M1/Member alarmtriage:ignored-props: alarmtriage: ToolDeniedActions has no effect, because CreateRole is false: the member " +
		"that creates the role in this account, in another Region, needs it"}, messagesOf(build(false, "eu-west-1", "us-east-1")))
}

func ExampleNewAlarmTriageMember() {
	app := newTestApp()
	stack := func(id, account string) awscdk.Stack {
		return awscdk.NewStack(app, jsii.String(id), &awscdk.StackProps{
			Env: &awscdk.Environment{Account: jsii.String(account), Region: jsii.String("eu-west-1")},
		})
	}
	central := stack("Central", "111122223333")
	triage := alarmtriage.NewAlarmTriage(central, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(central, jsii.String("OnCall"), nil),
		Members:           &alarmtriage.Members{Accounts: jsii.Strings("444455556666")},
	})
	alarmtriage.NewAlarmTriageMember(stack("Orders", "444455556666"), jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{
		Triage: triage,
	})
	// Output:
}

func TestMembers_RejectDenyOfAssumeRole(t *testing.T) {
	withDeny := func(members *alarmtriage.Members, denied ...string) func() {
		return func() {
			newTriage(stackOf(newTestApp(), "Central", centralAccount, "eu-west-1"), func(p *alarmtriage.AlarmTriageProps) {
				p.Members, p.ToolDeniedActions = members, jsii.Strings(denied...)
			})
		}
	}
	for _, action := range []string{"sts:AssumeRole", "sts:assumerole", "sts:*", "sts:Assume*", "*"} {
		assert.Contains(t, panicOf(t, withDeny(membersOf(memberAccount), "iam:ListUsers", action)), fmt.Sprintf(
			"alarmtriage: ToolDeniedActions must not deny sts:AssumeRole if Members is set, because the tool reads each member account through a role "+
				"that it assumes, got %q: remove it, or list the other actions that it denies", action))
	}
	assert.NotPanics(t, withDeny(membersOf(memberAccount), "sts:AssumeRoleWithSAML", "sts:Get*", "iam:*"))
	assert.NotPanics(t, withDeny(nil, "sts:AssumeRole"))
}

func TestMembers_RejectDenyOfTheirRole(t *testing.T) {
	withDeny := func(members *alarmtriage.Members, denied ...string) func() {
		return func() {
			newTriage(stackOf(newTestApp(), "Central", centralAccount, "eu-west-1"), func(p *alarmtriage.AlarmTriageProps) {
				p.Members, p.ToolDeniedResources = members, jsii.Strings(denied...)
			})
		}
	}
	organization := func() *alarmtriage.Members {
		return &alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5"), RoleName: jsii.String("reader")}
	}
	const why = `alarmtriage: ToolDeniedResources must not contain the role %q of Members, which the tool assumes to read a member account, got %q`
	for _, arn := range []string{"arn:aws:iam::*:role/*", "arn:aws:iam::*:*", "arn:*:iam::444455556666:role/alarmtriage-member", "arn:aws:iam::4444*:role/alarm?riage-*"} {
		assert.Contains(t, panicOf(t, withDeny(membersOf("777788889999", memberAccount), "arn:aws:s3:::vault", arn)), fmt.Sprintf(why, "alarmtriage-member", arn)+", which denies that of ")
	}
	assert.Contains(t, panicOf(t, withDeny(organization(), "arn:aws:iam::*:role/read*")), fmt.Sprintf(why, "reader", "arn:aws:iam::*:role/read*")+": name the other roles")
	token := &alarmtriage.Members{OrganizationId: jsii.String("o-a1b2c3d4e5"), RoleName: awscdk.Aws_STACK_NAME()}
	assert.Contains(t, panicOf(t, withDeny(token, "arn:aws:iam::*:role/*")), "must not contain the role of Members, which the tool assumes")
	assert.NotPanics(t, withDeny(membersOf(memberAccount), "arn:aws:iam::*:role/payments*", "arn:aws:iam::*:user/*", "arn:aws:iam::777788889999:role/*",
		"arn:aws:iam::*:role/alarmtriage-member/x", "arn:aws:s3:::*"))
	assert.NotPanics(t, withDeny(organization(), "arn:aws:iam::*:role/alarmtriage-member"))
	assert.NotPanics(t, withDeny(nil, "arn:aws:iam::*:role/*"))
}

// The events of a member's alarms arrive without an action.
func TestAttach_AlarmsOfMembers(t *testing.T) {
	const region = "eu-west-1"
	const far = "it is in aws://444455556666/us-east-1 and the orchestrator is in aws://111122223333/eu-west-1; add its account to Members and create an " +
		"AlarmTriageMember in its account and Region, with which alarms need no action, or send its events to a bus there and use AttachEventRule"
	type memberProps = alarmtriage.AlarmTriageMemberProps
	filtered := func(p *memberProps) { p.ExceptAlarmNamePrefixes = jsii.Strings("noise-") }
	central := func(p *memberProps) { p.Triage, p.CentralAccount = nil, jsii.String(centralAccount) }
	for _, tt := range []struct {
		name   string
		region string // of the member
		change func(*memberProps)
		attach string // the panic of AttachAlarms
		warn   bool   // AttachAll adds a warning
		filter *alarmtriage.AlarmFilter
	}{
		{"a member of this AlarmTriage", "us-east-1", nil, "AlarmTriageMember Member/Member already sends its events, so it is investigated without an action", false, nil},
		{"an alarm that the filter of AttachAll excludes", "us-east-1", nil, "AlarmTriageMember Member/Member already sends its events, so it is investigated " +
			"without an action", false, &alarmtriage.AlarmFilter{ExceptNamePrefixes: jsii.Strings("One")}},
		{"a member with CentralAccount and the bus", "us-east-1", func(p *memberProps) {
			central(p)
			p.EventBusArn = jsii.String("arn:aws:events:eu-west-1:111122223333:event-bus/alarmtriage-member-alarms")
		}, "AlarmTriageMember Member/Member already sends its events, so it is investigated without an action", false, nil},
		{"a member of another Region", region, nil, far, true, nil},
		{"a member with a filter, and a name that CloudFormation generates", "us-east-1", filtered, "AlarmTriageMember Member/Member sends the events of its " +
			"account and Region, but maybe not those of this alarm, because of AlarmNamePrefixes, ExceptAlarmNamePrefixes, or AlarmTags; let them select this alarm", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newTestApp()
			home := stackOf(app, "Home", centralAccount, region)
			triage := triageNamed(home, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf(memberAccount) })
			newMember(stackOf(app, "Member", memberAccount, tt.region), func(p *memberProps) {
				p.Triage, p.CentralAccount = triage, nil
				if tt.change != nil {
					tt.change(p)
				}
			})
			orders := stackOf(app, "Orders", memberAccount, "us-east-1")
			alarm := newAlarm(orders, "One")
			triage.AttachAll(app, tt.filter)
			assert.Equal(t, "alarmtriage: alarm Orders/One can't be attached to AlarmTriage Home/Triage: "+tt.attach, panicOf(t, func() { triage.AttachAlarms(alarm) }))
			if tt.warn {
				assert.Equal(t, []string{"/Orders alarmtriage:out-of-reach: alarmtriage: 1 alarm is not attached to AlarmTriage Home/Triage (Orders/One): " + tt.attach}, messagesOf(orders))
				return
			}
			assert.Empty(t, messagesOf(orders))
			assert.Equal(t, []string{"/Home/Triage alarmtriage:attached: alarmtriage: attached to 0 alarms; 1 alarm is investigated through AlarmTriageMember"}, messagesOf(home))
		})
	}
}

// Aspects do not reach the alarms of a Stage, and those with a member need none.
func TestAttachAll_DoesNotWarnAboutStagesWithMembers(t *testing.T) {
	app := newTestApp()
	home := stackOf(app, "Home", centralAccount, "eu-west-1")
	triage := triageNamed(home, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf(memberAccount) })
	prod, test := awscdk.NewStage(app, jsii.String("Prod"), nil), awscdk.NewStage(app, jsii.String("Test"), nil)
	for _, stage := range []awscdk.Stage{prod, test} {
		stack := stackOf(stage, "Orders", memberAccount, "eu-west-1")
		newAlarm(stack, "One")
		newMember(stack, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.Triage, p.CentralAccount, p.CreateRole = triage, nil, jsii.Bool(stage == prod)
			if stage == test {
				p.AlarmNamePrefixes = jsii.Strings("orders-")
			}
		})
		newAlarm(stackOf(stage, "Central", centralAccount, "eu-west-1"), "Two")
	}
	own := triageNamed(stackOf(prod, "Own", centralAccount, "eu-west-1"), "Own", nil)
	own.AttachAll(prod, nil)
	triage.AttachAll(app, nil)
	prod.Synth(nil)
	assert.Equal(t, []string{"/Home/Triage alarmtriage:stage: alarmtriage: AttachAll over the app does not attach the alarms of Stage Test (1 alarm), because CDK does " +
		"not apply aspects across Stage boundaries: add an AlarmTriage to each Stage, and pass the Stage to its AttachAll"}, messagesOf(home))
}

// An app may have one AlarmTriage per account, each with AttachAll over the app.
func TestAttachAll_DoesNotWarnAboutAlarmsOfAnotherAlarmTriage(t *testing.T) {
	app := newTestApp()
	first, second := stackOf(app, "First", centralAccount, "eu-west-1"), stackOf(app, "Second", memberAccount, "eu-west-1")
	third := stackOf(app, "Third", "777788889999", "eu-west-1")
	one := triageNamed(first, "Triage", nil)
	two := triageNamed(second, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf("777788889999") })
	newMember(third, func(p *alarmtriage.AlarmTriageMemberProps) { p.Triage, p.CentralAccount = two, nil })
	for _, stack := range []awscdk.Stack{first, second, third} {
		newAlarm(stack, "Alarm")
	}
	newAlarm(stackOf(app, "Fourth", "999988887777", "eu-west-1"), "Alarm")
	one.AttachAll(app, nil)
	two.AttachAll(app, nil)
	assert.Equal(t, []string{"/First/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm; 3 excluded (2 investigated by another AlarmTriage, 1 out of reach)"}, messagesOf(first))
	assert.Equal(t, []string{"/Second/Triage alarmtriage:attached: alarmtriage: attached to 1 alarm; 1 alarm is investigated through AlarmTriageMember; " +
		"2 excluded (1 investigated by another AlarmTriage, 1 out of reach)"}, messagesOf(second))
	assert.Empty(t, messagesOf(third))
	assert.Len(t, messagesOf(app.Node().FindChild(jsii.String("Fourth")).(awscdk.Stack)), 2, "no AlarmTriage investigates this one")
}
