package alarmtriage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/iamactions"
)

// Members are other accounts whose alarms an AlarmTriage investigates. Each of them deploys an [AlarmTriageMember], which
// sends the account's alarm events to the bus [AlarmTriage.MemberEventBus] and has a role that the tool's broker assumes. The
// model's code never has the credentials of that role. An investigation of a member's alarm reads the member's account.
//
// With Members, the tool's role and the bus always have physical names, because the stacks of other accounts can't refer to
// resources. Without ResourcePrefix and ResourceSuffix, the names are `alarmtriage-tool-role` and `alarmtriage-member-alarms`.
type Members struct {
	// IDs of the member accounts, 12 digits each. At most 100. Default: none; OrganizationId is required.
	Accounts *[]*string
	// ID of an organization of AWS Organizations, such as `o-a1b2c3d4e5`, whose accounts may be members. Default:
	// none; Accounts is required.
	OrganizationId *string
	// Only accounts in these parts of the organization, such as `o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*`; without the
	// asterisk, the organizational units below it are excluded. At most 10. Default: the whole organization.
	OrganizationPaths *[]*string
	// Name of the role in each member account, without a path. Another AlarmTriage of the same member needs another
	// name. Default: "alarmtriage-member".
	RoleName *string
	// External ID that the role requires. Default: "alarmtriage-" and the ID of AlarmTriage's account.
	ExternalId *string
	// Let an investigation read all members and AlarmTriage's own account. Default: false; it reads the alarm's
	// account and AlarmTriage's own.
	AllowOtherAccounts *bool
}

// Bounds of Members.
const (
	maxMembers           = 100 // accounts; the event pattern, the environment, and the managed policies have room for them
	maxOrganizationPaths = 10
)

var (
	organizationPattern = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
	pathPattern         = regexp.MustCompile(`^o-[a-z0-9]{10,32}/r-[a-z0-9]{4,32}/(ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}/)*(\*|ou-\*)?$`)
	roleNamePattern     = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)
	externalIDPattern   = regexp.MustCompile(`^[A-Za-z0-9+=,.@:/_-]{2,200}$`)
)

// members checks the members that props describe. scope is where AlarmTriage is created; it may be invalid.
func (l *problems) members(scope constructs.Construct, m *Members) {
	if m == nil {
		return
	}
	switch {
	case m.Accounts == nil && m.OrganizationId == nil:
		l.add("Members must have Accounts or an OrganizationId")
	case m.Accounts != nil && m.OrganizationId != nil:
		l.add("Members.Accounts can't be combined with OrganizationId: list accounts, or name an organization and parts of it")
	}
	l.memberAccounts(scope, m.Accounts)
	l.organization(m)
	l.roleName("Members.RoleName", m.RoleName)
	l.externalID("Members.ExternalId", m.ExternalId)
}

// membersDenied checks that the tool may assume the members' roles. scope may be invalid.
func (l *problems) membersDenied(scope constructs.Construct, p *AlarmTriageProps) {
	if p.Members == nil {
		return
	}
	l.memberRolesDenied(scope, p)
	for _, action := range knownTexts(withoutNil(p.ToolDeniedActions)) {
		if iamactions.Match(action, "sts:AssumeRole") {
			l.add("ToolDeniedActions must not deny sts:AssumeRole if Members is set, because the tool reads each member account through a role "+
				"that it assumes, got %q: remove it, or list the other actions that it denies", action)
		}
	}
}

// memberRolesDenied checks that ToolDeniedResources does not contain the role of a member. In an organization, the accounts are
// not known, so only ARNs with wildcards can be judged.
func (l *problems) memberRolesDenied(scope constructs.Construct, p *AlarmTriageProps) {
	const exampleAccount = "999999999999"
	partition := alarmevent.PartitionOf(regionOf(scope))
	role, accounts := config.DefaultMemberRole, knownTexts(withoutNil(p.Members.Accounts))
	if p.Members.RoleName != nil {
		role = *p.Members.RoleName
	}
	named := fmt.Sprintf("the role %q of Members", role)
	if mayBeToken(role) {
		named = "the role of Members"
	}
	if p.Members.OrganizationId != nil {
		accounts = []string{exampleAccount}
	}
	for _, arn := range knownTexts(withoutNil(p.ToolDeniedResources)) {
		var cut []string
		for _, account := range accounts {
			if denies(arn, fmt.Sprintf("arn:%s:iam::%s:role/%s", partition, account, role)) {
				cut = append(cut, account)
			}
		}
		switch {
		case len(cut) == 0:
		case p.Members.OrganizationId != nil:
			l.add("ToolDeniedResources must not contain %s, which the tool assumes to read a member account, got %q: name the other roles", named, arn)
		default:
			l.add("ToolDeniedResources must not contain %s, which the tool assumes to read a member account, got %q, which denies that of %s: "+
				"name the other roles, or remove the account from Members", named, arn, listed(cut))
		}
	}
}

// memberAccounts checks the list of accounts.
func (l *problems) memberAccounts(scope constructs.Construct, accounts *[]*string) {
	if accounts == nil {
		return
	}
	if unresolved(accounts) {
		l.add("Members.Accounts must be a list whose length is known at synth, because the role names each account, got a token: " +
			"its elements may be tokens")
		return
	}
	if n := len(*accounts); n == 0 || n > maxMembers {
		l.add("Members.Accounts must contain 1 to %d accounts, got %d: use OrganizationId for more", maxMembers, n)
	}
	l.accounts("Members.Accounts", accounts)
	own, seen := accountOf(scope), map[string]bool{}
	for _, account := range stringsOf(withoutNil(accounts)) {
		if seen[account] {
			l.add("Members.Accounts must contain each account once, got %q twice", account)
		}
		seen[account] = true
		if account == own {
			l.add("Members.Accounts must not contain AlarmTriage's own account, whose alarms are investigated anyway, got %q", account)
		}
	}
}

// withoutNil returns an optional list without its elements that are nil.
func withoutNil(list *[]*string) *[]*string {
	if list == nil {
		return nil
	}
	all := slices.DeleteFunc(slices.Clone(*list), func(s *string) bool { return s == nil })
	return &all
}

// accountOf returns the account of a construct; empty if it is not known at synth.
func accountOf(scope constructs.Construct) string {
	return known(scope, awscdk.Stack.Account)
}

// regionOf returns the Region of a construct; empty if it is not known at synth.
func regionOf(scope constructs.Construct) string {
	return known(scope, awscdk.Stack.Region)
}

// known returns a part of the environment of a construct's stack. It is empty if there is no stack, or the part is a token.
func known(scope constructs.Construct, part func(awscdk.Stack) *string) string {
	if scopeProblem(scope) != "" {
		return ""
	}
	if value := part(awscdk.Stack_Of(scope)); !unresolved(value) {
		return *value
	}
	return ""
}

// organization checks the organization and the parts of it.
func (l *problems) organization(m *Members) {
	if id := m.OrganizationId; id != nil && !unresolved(id) && !organizationPattern.MatchString(*id) {
		l.add("Members.OrganizationId must be the ID of an organization such as \"o-a1b2c3d4e5\", got %q", *id)
	}
	paths := m.OrganizationPaths
	if paths == nil {
		return
	}
	if m.OrganizationId == nil {
		l.add("Members.OrganizationPaths needs OrganizationId")
	}
	if unresolved(paths) {
		return
	}
	if n := len(*paths); n == 0 || n > maxOrganizationPaths {
		l.add("Members.OrganizationPaths must contain 1 to %d paths, got %d: omit it to mean the whole organization", maxOrganizationPaths, n)
	}
	for _, path := range *paths {
		switch text := deref(path); {
		case path != nil && unresolved(path):
		case !pathPattern.MatchString(text):
			l.add("Members.OrganizationPaths must contain paths such as \"o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*\", which end with a slash "+
				"or a wildcard, got %q", text)
		case m.OrganizationId != nil && !unresolved(m.OrganizationId) && !strings.HasPrefix(text, *m.OrganizationId+"/"):
			l.add("Members.OrganizationPaths must begin with OrganizationId %q, got %q", *m.OrganizationId, text)
		}
	}
}

func (l *problems) roleName(prop string, name *string) {
	if name != nil && !mayBeToken(*name) && !roleNamePattern.MatchString(*name) {
		l.add("%s must be the name of a role, without a path, of 1 to 64 letters, digits, and characters of +=,.@_-, got %q", prop, *name)
	}
}

func (l *problems) externalID(prop string, id *string) {
	if id != nil && !unresolved(id) && !externalIDPattern.MatchString(*id) {
		l.add("%s must be 2 to 200 letters, digits, and characters of +=,.@:/_-, got %q", prop, *id)
	}
}

// Names of resources to which the stacks of members refer, without ResourcePrefix and ResourceSuffix.
const (
	defaultToolRole  = "alarmtriage-tool-role"
	defaultMemberBus = "alarmtriage-member-alarms"
)

// toolRoleName returns the name of the tool's role, or nil if CloudFormation generates the name.
func toolRoleName(p *AlarmTriageProps) *string {
	if name := physicalName(p, "tool-role"); name != nil || p.Members == nil {
		return name
	}
	return jsii.String(defaultToolRole)
}

// memberBusName returns the name of the bus that receives the alarm events of members.
func memberBusName(p *AlarmTriageProps) *string {
	if name := physicalName(p, "member-alarms"); name != nil {
		return name
	}
	return jsii.String(defaultMemberBus)
}

// memberSettings returns the members as the functions read them.
func memberSettings(m *Members, account string) config.Members {
	if m == nil {
		return config.Members{}
	}
	settings := config.Members{
		Accounts: stringsOf(withoutNil(m.Accounts)), Organization: m.OrganizationId != nil, OtherAccounts: isTrue(m.AllowOtherAccounts),
		Role: config.DefaultMemberRole, ExternalID: config.DefaultExternalID(account),
	}
	if m.RoleName != nil {
		settings.Role = *m.RoleName
	}
	if m.ExternalId != nil {
		settings.ExternalID = *m.ExternalId
	}
	return settings
}

// membersText returns the members as they are in a function's environment, with an account of usual length.
func membersText(m *Members) string {
	return config.Tool{Members: memberSettings(m, "123456789012")}.Environment()[config.EnvMembers]
}

// allowMembers lets the tool's role assume the role of each member, and no other role.
func (t *AlarmTriage) allowMembers(p *AlarmTriageProps) {
	if p.Members == nil {
		return
	}
	partition := *awscdk.Stack_Of(t).Partition()
	if p.Members.OrganizationId != nil {
		t.allowOrganization(p.Members, t.members.RoleARN(partition, "*"))
		return
	}
	var roles []string
	for _, account := range t.members.Accounts {
		roles = append(roles, t.members.RoleARN(partition, account))
	}
	for i, some := range inPolicies(roles) {
		t.addMembersPolicy(i, assumeRole(awsiam.Effect_ALLOW, "AssumeMembers", nil, some...))
	}
}

// allowOrganization lets the tool's role assume a role in each other account of an organization. Unlike with a list, the broker
// does not know the accounts, so it tries to assume the role of whatever account an event names. The role is therefore denied in
// all other accounts, also if ToolAllowedActions or a policy of the user allows sts:AssumeRole.
func (t *AlarmTriage) allowOrganization(m *Members, role string) {
	stack := awscdk.Stack_Of(t)
	statements := []awsiam.PolicyStatement{
		assumeRole(awsiam.Effect_ALLOW, "AssumeMembers", inOrganization(m, "Resource"), role),
		assumeRole(awsiam.Effect_DENY, "DenyOwnAccount", nil, t.members.RoleARN(*stack.Partition(), *stack.Account())),
		assumeRole(awsiam.Effect_DENY, "DenyOtherOrganizations", &map[string]any{"StringNotEquals": map[string]any{"aws:ResourceOrgID": m.OrganizationId}}, role),
	}
	if m.OrganizationPaths != nil { // without the key, ForAllValues is true
		statements = append(statements, assumeRole(awsiam.Effect_DENY, "DenyOtherPaths",
			&map[string]any{"ForAllValues:StringNotLike": map[string]any{"aws:ResourceOrgPaths": m.OrganizationPaths}}, role))
	}
	t.addMembersPolicy(0, statements...)
}

// addMembersPolicy attaches a policy to the tool's role.
func (t *AlarmTriage) addMembersPolicy(i int, statements ...awsiam.PolicyStatement) {
	awsiam.NewManagedPolicy(t, numbered("ToolMembers", i), &awsiam.ManagedPolicyProps{
		Description: jsii.String("The roles in the member accounts, which the tool's broker assumes"),
		Roles:       &[]awsiam.IRole{t.toolRole},
		Statements:  &statements,
	})
}

// assumeRole returns a statement about assuming roles.
func assumeRole(effect awsiam.Effect, sid string, conditions *map[string]any, roles ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String(sid), Effect: effect, Actions: jsii.Strings("sts:AssumeRole"), Resources: jsii.Strings(roles...), Conditions: conditions,
	})
}

// inOrganization returns the condition that the account of a request's principal or resource belongs to the organization of
// the members, and to the parts of it. side is Principal or Resource.
func inOrganization(m *Members, side string) *map[string]any {
	conditions := map[string]any{"StringEquals": map[string]any{"aws:" + side + "OrgID": m.OrganizationId}}
	if m.OrganizationPaths != nil {
		conditions["ForAnyValue:StringLike"] = map[string]any{"aws:" + side + "OrgPaths": m.OrganizationPaths}
	}
	return &conditions
}

// receiveMemberAlarms adds the bus for the alarm events of members, and the rule that starts their investigations.
func (t *AlarmTriage) receiveMemberAlarms(p *AlarmTriageProps) {
	if p.Members == nil {
		return
	}
	bus := awsevents.NewEventBus(t, jsii.String("MemberBus"), &awsevents.EventBusProps{
		EventBusName: memberBusName(p), // without Description, which CloudFormation does not know in GovCloud
	})
	statement := &awsiam.PolicyStatementProps{
		Sid: jsii.String("Members"), Actions: jsii.Strings("events:PutEvents"), Resources: &[]*string{bus.EventBusArn()},
	}
	if p.Members.OrganizationId != nil {
		statement.Principals = &[]awsiam.IPrincipal{awsiam.NewStarPrincipal()}
		statement.Conditions = inOrganization(p.Members, "Principal")
	} else {
		var principals []awsiam.IPrincipal
		for _, account := range *p.Members.Accounts {
			principals = append(principals, awsiam.NewAccountPrincipal(account))
		}
		statement.Principals = &principals
	}
	bus.AddToResourcePolicy(awsiam.NewPolicyStatement(statement))
	for _, child := range *bus.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if policy, isPolicy := child.(awsevents.CfnEventBusPolicy); isPolicy {
			// CloudFormation identifies policies by this id, whatever their bus is. It must be unique in an account and Region, as the
			// name of the bus is.
			policy.SetStatementId(memberBusName(p))
			policy.AddPropertyOverride(jsii.String("Statement.Sid"), memberBusName(p))
		}
	}
	t.AttachEventRule(jsii.String("MemberAlarms"), &EventRuleProps{EventBus: bus, Accounts: p.Members.Accounts})
	t.memberBus = bus
}

// warnOfMemberRole adds a warning for each other AlarmTriage of the app with the same role in the same members: a role trusts the
// tool of one of them.
func (t *AlarmTriage) warnOfMemberRole(m *Members) {
	if m == nil {
		return
	}
	t.memberSets = membersOf(m)
	for _, other := range t.app.triages {
		if other != t && sameName(t.members.Role, other.members.Role) && !unresolved(t.members.Role) && t.memberSets.overlap(other.memberSets) {
			t.warn("member-role", "it has the same Members.RoleName %q as AlarmTriage %s, and members in common, but the role of a member trusts one "+
				"tool only, so one AlarmTriage can't read these members: set another Members.RoleName", t.members.Role, other.path)
		}
	}
}

// memberSets are the members of an AlarmTriage: accounts, or an organization and the parts of it.
type memberSets struct {
	accounts, paths []string
	organization    string
}

func membersOf(m *Members) memberSets {
	return memberSets{accounts: knownTexts(m.Accounts), paths: knownTexts(m.OrganizationPaths), organization: deref(m.OrganizationId)}
}

// overlap reports whether two AlarmTriages have members in common, as far as the texts tell.
func (s memberSets) overlap(other memberSets) bool {
	if s.organization != "" {
		return s.organization == other.organization && (s.paths == nil || other.paths == nil || intersect(s.paths, other.paths))
	}
	return intersect(s.accounts, other.accounts)
}

// intersect reports whether two lists have a text in common.
func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(text string) bool { return slices.Contains(b, text) })
}

// MemberEventBus returns the bus that receives the alarm events of member accounts, or nil without the prop Members.
func (t *AlarmTriage) MemberEventBus() awsevents.IEventBus { return t.memberBus }

// memberBusARN returns the ARN of the bus for stacks of other accounts.
func memberBusARN(partition, region, account, name string) string {
	return fmt.Sprintf("arn:%s:events:%s:%s:event-bus/%s", partition, region, account, name)
}
