package permissions

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

const (
	member, otherMember, stranger = "444455556666", "777788889999", "222233334444"

	externalID   = "alarmtriage-" + account
	organization = "o-a1b2c3d4e5"
	part         = organization + "/r-ab12/ou-ab12-11111111/"
)

// synthMember returns the template of a stack of a member account.
func synthMember(t *testing.T, change func(*alarmtriage.AlarmTriageMemberProps)) template {
	t.Helper()
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("Member"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: jsii.String(member), Region: jsii.String(region)},
	})
	props := &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String(account)}
	if change != nil {
		change(props)
	}
	alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), props)
	return resolved(t, stack, region)
}

// synthCentral returns the template of a stack with an AlarmTriage that has members.
func synthCentral(t *testing.T, members *alarmtriage.Members) template {
	t.Helper()
	return synth(t, func(p *alarmtriage.AlarmTriageProps) { p.Members = members })
}

// request is a question to the policy engine about one request.
type request struct {
	Principal       string         `json:"principal"` // ARN of a session, a user, or an account
	Policies        []any          `json:"policies"`  // of the principal
	Action          string         `json:"action"`
	Resource        string         `json:"resource"`
	ResourceAccount string         `json:"resourceAccount"`
	ResourcePolicy  any            `json:"resourcePolicy"` // for sts:AssumeRole, the trust policy
	Context         map[string]any `json:"context"`
}

// decide asks the policy engine whether requests are allowed.
func decide(t *testing.T, requests []request) []bool {
	t.Helper()
	var result struct{ Decisions []bool }
	ask(t, map[string]any{"requests": requests}, &result)
	require.Len(t, result.Decisions, len(requests))
	return result.Decisions
}

// everything is a policy that allows everything.
var everything = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}}

// trusting returns a trust policy that lets every principal of an account assume the role.
func trusting(account string) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"AWS": "arn:aws:iam::" + account + ":root"},
	}}}
}

func roleARN(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }
func sessionARN(account, name string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + name + "/s"
}

// Every caller has a policy that allows everything, so only the trust policy decides.
func TestMemberRole_TrustsOnlyTheTool(t *testing.T) {
	stack := synthMember(t, nil)
	id := stack.find(t, "MemberRole", "AWS::IAM::Role")
	name, trust := stack[id].Properties["RoleName"].(string), stack.resolve(stack[id].Properties["AssumeRolePolicyDocument"])
	require.Equal(t, "alarmtriage-member", name)
	tests := []struct {
		name       string
		principal  string
		externalID string // empty: none
		want       bool
	}{
		{"the tool", sessionARN(account, "alarmtriage-tool-role"), externalID, true},
		{"the tool without external ID", sessionARN(account, "alarmtriage-tool-role"), "", false},
		{"the tool with the external ID of another triage", sessionARN(account, "alarmtriage-tool-role"), "alarmtriage-" + stranger, false},
		{"the tool with the external ID in upper case", sessionARN(account, "alarmtriage-tool-role"), "ALARMTRIAGE-" + account, false},
		{"another role of the account", sessionARN(account, "admin"), externalID, false},
		{"a role whose name begins with the tool's", sessionARN(account, "alarmtriage-tool-role-2"), externalID, false},
		{"a role whose session has the tool's name", "arn:aws:sts::" + account + ":assumed-role/admin/alarmtriage-tool-role", externalID, false},
		{"a user with the tool's name", "arn:aws:iam::" + account + ":user/alarmtriage-tool-role", externalID, false},
		{"the root user of the account", "arn:aws:iam::" + account + ":root", externalID, false},
		{"a role with the tool's name in another account", sessionARN(stranger, "alarmtriage-tool-role"), externalID, false},
		{"a role with the tool's name in the member's account", sessionARN(member, "alarmtriage-tool-role"), externalID, false},
		{"an administrator of the member's account", sessionARN(member, "admin"), externalID, false},
	}
	var requests []request
	for _, test := range tests {
		context := map[string]any{}
		if test.externalID != "" {
			context["sts:ExternalId"] = test.externalID
		}
		requests = append(requests, request{
			Principal: test.principal, Policies: []any{everything}, Action: "sts:AssumeRole", Resource: roleARN(member, name), ResourceAccount: member,
			ResourcePolicy: trust, Context: context,
		})
	}
	for i, allowed := range decide(t, requests) {
		assert.Equal(t, tests[i].want, allowed, tests[i].name)
	}

	// The trust must not come from a second statement, such as one for tags or web identities.
	var document struct{ Statement []map[string]any }
	text, err := json.Marshal(trust)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &document))
	require.Len(t, document.Statement, 1)
	assert.Equal(t, "sts:AssumeRole", document.Statement[0]["Action"])
}

// Each role trusts the whole account of the AlarmTriage, so only the policies of the tool's role decide.
func TestToolRole_AssumesOnlyTheRolesOfMembers(t *testing.T) {
	type target struct {
		account, role string
		organization  string // aws:ResourceOrgID; empty: none
		path          string
		want          bool
	}
	const own = "alarmtriage-member"
	for _, test := range []struct {
		name    string
		members *alarmtriage.Members
		targets []target
	}{
		{"no members", nil, []target{{account: member, role: own}, {account: account, role: "admin"}, {account: account, role: own}}},
		{"accounts", &alarmtriage.Members{Accounts: jsii.Strings(member, otherMember)}, []target{
			{account: member, role: own, want: true}, {account: otherMember, role: own, want: true},
			{account: stranger, role: own}, {account: account, role: own},
			{account: member, role: "admin"}, {account: member, role: own + "-2"}, {account: member, role: "path/" + own}, {account: account, role: "admin"},
			{account: stranger, role: own, organization: organization, path: part},
		}},
		{"an organization", &alarmtriage.Members{OrganizationId: jsii.String(organization)}, []target{
			{account: member, role: own, organization: organization, path: part, want: true},
			{account: member, role: own, organization: "o-other00000", path: "o-other00000/r-ab12/"},
			{account: member, role: own}, // of no organization
			{account: member, role: "admin", organization: organization, path: part},
			{account: account, role: own, organization: organization, path: part},
		}},
		{"a part of an organization", &alarmtriage.Members{OrganizationId: jsii.String(organization), OrganizationPaths: jsii.Strings(part + "*")}, []target{
			{account: member, role: own, organization: organization, path: part, want: true},
			{account: member, role: own, organization: organization, path: part + "ou-ab12-22222222/", want: true},
			{account: member, role: own, organization: organization, path: organization + "/r-ab12/ou-ab12-33333333/"},
			{account: member, role: own, organization: "o-other00000", path: part},
			{account: member, role: "admin", organization: organization, path: part},
			{account: account, role: own, organization: organization, path: part},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			policies := synthCentral(t, test.members).roleOf(t, "TriageToolRole").Policies
			var requests []request
			for _, one := range test.targets {
				context := map[string]any{"sts:ExternalId": externalID}
				if one.organization != "" {
					context["aws:ResourceOrgID"], context["aws:ResourceOrgPaths"] = one.organization, []string{one.path}
				}
				requests = append(requests, request{
					Principal: sessionARN(account, "alarmtriage-tool-role"), Policies: policies, Action: "sts:AssumeRole",
					Resource: roleARN(one.account, one.role), ResourceAccount: one.account, ResourcePolicy: trusting(account), Context: context,
				})
			}
			for i, allowed := range decide(t, requests) {
				assert.Equal(t, test.targets[i].want, allowed, "%+v", test.targets[i])
			}
		})
	}
}

// The broker does not know the accounts of an organization, so IAM must refuse the account of a forged event, whatever else the
// user allows.
func TestToolRole_ThatMayAssumeOtherRolesAssumesNoMemberOutsideTheOrganization(t *testing.T) {
	const own = "alarmtriage-member"
	elsewhere := organization + "/r-ab12/ou-ab12-33333333/"
	for _, test := range []struct {
		name                     string
		paths                    *[]*string
		role, organization, path string // of the target; no organization: it is in none
		want                     bool
	}{
		{"the organization", nil, own, organization, part, true},
		{"another organization", nil, own, "o-other00000", "o-other00000/r-ab12/", false},
		{"no organization", nil, own, "", "", false},
		{"another role", nil, "reader", "o-other00000", "o-other00000/r-ab12/", true},
		{"a part", jsii.Strings(part + "*"), own, organization, part, true},
		{"another part", jsii.Strings(part + "*"), own, organization, elsewhere, false},
		{"one of two parts", jsii.Strings(part+"*", elsewhere), own, organization, elsewhere, true},
		{"a part of another organization", jsii.Strings(part + "*"), own, "o-other00000", part, false},
		{"a part of no organization", jsii.Strings(part + "*"), own, "", "", false},
	} {
		policies := synth(t, func(p *alarmtriage.AlarmTriageProps) {
			p.Members = &alarmtriage.Members{OrganizationId: jsii.String(organization), OrganizationPaths: test.paths}
			p.ToolAllowedActions = jsii.Strings("sts:AssumeRole")
		}).roleOf(t, "TriageToolRole").Policies
		context := map[string]any{"sts:ExternalId": externalID}
		if test.organization != "" {
			context["aws:ResourceOrgID"], context["aws:ResourceOrgPaths"] = test.organization, []string{test.path}
		}
		allowed := decide(t, []request{{
			Principal: sessionARN(account, "alarmtriage-tool-role"), Policies: policies, Action: "sts:AssumeRole",
			Resource: roleARN(stranger, test.role), ResourceAccount: stranger, ResourcePolicy: trusting(account), Context: context,
		}})
		assert.Equal(t, test.want, allowed[0], test.name)
	}
}

// Neither the orchestrator nor a member's own roles may assume a role.
func TestRoles_OnlyTheToolAssumesRoles(t *testing.T) {
	central, remote := synthCentral(t, &alarmtriage.Members{Accounts: jsii.Strings(member)}), synthMember(t, nil)
	roles := []struct {
		principal string
		policies  []any
	}{
		{sessionARN(account, "orchestrator"), central.roleOf(t, "TriageOrchestratorRole").Policies},
		{sessionARN(member, "alarmtriage-member"), remote.roleOf(t, "MemberRole").Policies},
		{sessionARN(member, "sender"), remote.roleOf(t, "MemberSenderRole").Policies},
	}
	var requests []request
	for _, role := range roles {
		for _, target := range []string{member, otherMember, account} {
			caller := role.principal[len("arn:aws:sts::"):][:len(account)]
			requests = append(requests, request{
				Principal: role.principal, Policies: role.policies, Action: "sts:AssumeRole", Resource: roleARN(target, "alarmtriage-member"), ResourceAccount: target,
				ResourcePolicy: trusting(caller), Context: map[string]any{"sts:ExternalId": externalID},
			})
		}
	}
	for i, allowed := range decide(t, requests) {
		assert.False(t, allowed, "%s assumes %s", requests[i].Principal, requests[i].Resource)
	}
}

func TestMemberBus_TakesEventsOnlyFromMembers(t *testing.T) {
	type sender struct {
		account, organization, path string
		want                        bool
	}
	for _, test := range []struct {
		name    string
		members *alarmtriage.Members
		senders []sender
	}{
		{"accounts", &alarmtriage.Members{Accounts: jsii.Strings(member)}, []sender{
			{account: member, want: true}, {account: otherMember}, {account: stranger, organization: organization, path: part},
		}},
		{"an organization", &alarmtriage.Members{OrganizationId: jsii.String(organization)}, []sender{
			{account: member, organization: organization, path: part, want: true}, {account: member}, {account: stranger, organization: "o-other00000", path: "o-other00000/r-ab12/"},
		}},
		{"a part of an organization", &alarmtriage.Members{OrganizationId: jsii.String(organization), OrganizationPaths: jsii.Strings(part)}, []sender{
			{account: member, organization: organization, path: part, want: true}, {account: otherMember, organization: organization, path: part + "ou-ab12-22222222/"},
			{account: stranger, organization: "o-other00000", path: part},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			stack := synthCentral(t, test.members)
			bus := stack.arn(stack.find(t, "TriageMemberBus", "AWS::Events::EventBus"))
			statement := stack.resolve(stack[stack.find(t, "TriageMemberBus", "AWS::Events::EventBusPolicy")].Properties["Statement"])
			policy := map[string]any{"Version": "2012-10-17", "Statement": []any{statement}}
			var requests []request
			for _, one := range test.senders {
				context := map[string]any{}
				if one.organization != "" {
					context["aws:PrincipalOrgID"], context["aws:PrincipalOrgPaths"] = one.organization, []string{one.path}
				}
				for _, action := range []string{"events:PutEvents", "events:PutRule"} {
					requests = append(requests, request{
						Principal: sessionARN(one.account, "sender"), Policies: []any{everything}, Action: action, Resource: bus, ResourceAccount: account,
						ResourcePolicy: policy, Context: context,
					})
				}
			}
			decisions := decide(t, requests)
			for i, one := range test.senders {
				assert.Equal(t, one.want, decisions[2*i], "%+v puts events", one)
				assert.False(t, decisions[2*i+1], "%+v puts a rule", one)
			}
		})
	}
}

func TestMemberSender_OnlyPutsEventsOnTheBus(t *testing.T) {
	const bus = "arn:aws:events:eu-west-1:111122223333:event-bus/alarmtriage-member-alarms"
	resources := []string{bus, bus + "-2", "arn:aws:events:eu-west-1:444455556666:event-bus/default", anything}
	verdict := simulate(t, map[string]role{"sender": synthMember(t, nil).roleOf(t, "MemberSenderRole", resources...)})
	for _, resource := range resources {
		want := []string{}
		if resource == bus {
			want = []string{"events:PutEvents"}
		}
		assert.Equal(t, want, verdict.Allowed["sender"][resource], resource)
	}
}

// The suite above judges the default permissions of a member. For all other props, the statements of both roles are the
// same, except for those about the AlarmTriage's own resources and the members' roles.
func TestMemberRole_HasTheReadsAndDeniesOfTheTool(t *testing.T) {
	for _, permissions := range []alarmtriage.ToolPermissions{alarmtriage.ToolPermissions_READ_ONLY_ACCESS, alarmtriage.ToolPermissions_ALLOW_LIST} {
		denied, allowed := jsii.Strings("iam:ListUsers"), jsii.Strings("athena:StartQueryExecution")
		resources := jsii.Strings("arn:aws:logs:*:*:log-group:payments-*")
		tool := synth(t, func(p *alarmtriage.AlarmTriageProps) {
			p.ToolPermissions, p.ToolDeniedActions, p.ToolAllowedActions, p.ToolDeniedResources = permissions, denied, allowed, resources
			p.ToolAllowHostOutput, p.ToolAllowBilledReads, p.Members = jsii.Bool(true), jsii.Bool(true), &alarmtriage.Members{Accounts: jsii.Strings(member)}
		})
		remote := synthMember(t, func(p *alarmtriage.AlarmTriageMemberProps) {
			p.ToolPermissions, p.ToolDeniedActions, p.ToolAllowedActions, p.ToolDeniedResources = permissions, denied, allowed, resources
			p.ToolAllowHostOutput, p.ToolAllowBilledReads = jsii.Bool(true), jsii.Bool(true)
		})
		own := []string{"TriageData", "TriageLogs", "AssumeMembers", ""} // the empty one lets the tool write its log
		assert.ElementsMatch(t, statements(t, tool.roleOf(t, "TriageToolRole"), own), statements(t, remote.roleOf(t, "MemberRole"), nil), permissions)
	}
}

// statements returns the statements of a role's policies, as JSON, without those with some ids.
func statements(t *testing.T, r role, without []string) (found []string) {
	t.Helper()
	for _, policy := range r.Policies {
		document, isDocument := policy.(map[string]any)
		if !isDocument {
			found = append(found, fmt.Sprint(policy)) // a policy that AWS manages
			continue
		}
		for _, statement := range document["Statement"].([]any) {
			sid, _ := statement.(map[string]any)["Sid"].(string)
			if slices.Contains(without, sid) {
				continue
			}
			text, err := json.Marshal(statement)
			require.NoError(t, err)
			found = append(found, string(text))
		}
	}
	require.NotEmpty(t, found)
	return found
}
