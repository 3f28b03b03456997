package alarmtriage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsoam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// AlarmTriageMemberProps configures an [AlarmTriageMember]. Either CentralAccount or Triage is required.
type AlarmTriageMemberProps struct {
	// The AlarmTriage

	// The account of the AlarmTriage. Default: that of Triage, which is required without it.
	CentralAccount *string
	// The AlarmTriage, if the same app defines it. It determines the other props of this group, except CreateRole, and
	// the defaults of the permissions. Default: none.
	Triage *AlarmTriage
	// Name of the role of the AlarmTriage's tool. Default: "alarmtriage-tool-role".
	ToolRoleName *string
	// ARN of the bus that receives this account's alarm events. Default: the bus alarmtriage-member-alarms of
	// CentralAccount, in this Region.
	EventBusArn *string
	// Name of the role, as in Members.RoleName. Default: "alarmtriage-member".
	RoleName *string
	// External ID that the role requires, as in Members.ExternalId. Default: "alarmtriage-" and CentralAccount.
	ExternalId *string
	// Create the role. Pass false in all Regions of the account but one. Default: true.
	CreateRole *bool

	// Alarms

	// Only alarms whose name begins with one of these prefixes. Default: every alarm.
	AlarmNamePrefixes *[]*string
	// Exclude alarms whose name begins with one of these prefixes, as ExceptNamePrefixes of EventRuleProps. Default: none.
	ExceptAlarmNamePrefixes *[]*string
	// Only alarms with all of these tags; for each key, one of its values must match. Needs tag propagation. Default:
	// alarms with any tags or none.
	AlarmTags *map[string]*[]*string

	// Observability

	// ARN of a sink of CloudWatch Observability Access Manager in this Region, with which this account shares its
	// metrics, logs, and traces. If the sink is in AlarmTriage's account, all investigations can read them. Default:
	// none.
	ObservabilitySinkArn *string

	// Permissions

	// Base of the role's permissions. Default: that of Triage, or ToolPermissions_READ_ONLY_ACCESS.
	ToolPermissions ToolPermissions
	// More IAM actions that the role is denied. Default: those of Triage, or none.
	ToolDeniedActions *[]*string
	// ARNs of resources that the role must not read. Default: those of Triage, or none.
	ToolDeniedResources *[]*string
	// IAM actions that the role is allowed in addition to ToolPermissions. The AlarmTriage must allow them, too.
	// Default: those of Triage, or none.
	ToolAllowedActions *[]*string
	// Let the role read directories of people. Default: as in Triage, or false.
	ToolAllowPersonalData *bool
	// Let the role read source code and artifacts. Default: as in Triage, or false.
	ToolAllowSourceCode *bool
	// Let the role read console output, command output, and database logs. Default: as in Triage, or false.
	ToolAllowHostOutput *bool
	// Let the role make reads that AWS bills per request or that start a job. Default: as in Triage, or false.
	ToolAllowBilledReads *bool
	// Permissions boundary of the role, and of the role that sends the events. Default: none.
	PermissionsBoundary awsiam.IManagedPolicy
}

// AlarmTriageMember is the part of an account whose alarms an AlarmTriage of another account investigates: a role that the
// tool's broker assumes, and an event rule that sends the account's alarm events. [NewAlarmTriageMember] creates one.
type AlarmTriageMember struct {
	constructs.Construct
	role      awsiam.Role // nil if CreateRole is false
	rule      awsevents.Rule
	link      awsoam.CfnLink // nil without ObservabilitySinkArn
	central   central
	triage    *AlarmTriage // nil without Triage
	path      string
	roleProps []string // the props that only describe the role
	account   string   // empty if it is not known at synth
	home      string   // its account, or that of its stack, for messages; equal if members are in the same account
	app       *appState
	alarms    *EventRuleProps // the alarms whose events it sends
	placeID   string          // as placeID returns it
}

// central is an AlarmTriage from the view of a member. Its values may be tokens.
type central struct {
	account    string
	toolRole   string
	bus        string // ARN
	role       string // name of the member's role
	externalID string
}

// NewAlarmTriageMember adds to scope what a member account of an [AlarmTriage] with the prop Members needs. It can be in
// another app than the AlarmTriage. If props has mistakes, it panics once and lists all of them.
//
// The role has the same reads and the same denies as the tool's role. Only the tool's role may assume it, and only with the
// external ID. Its trust policy names the AlarmTriage's account as principal, and the role in a condition on
// aws:PrincipalArn.
func NewAlarmTriageMember(scope constructs.Construct, id *string, props *AlarmTriageMemberProps) *AlarmTriageMember {
	panicOn(append(validateScope("NewAlarmTriageMember", scope, id), validateMember(scope, props)...))
	p := props.tool()
	m := &AlarmTriageMember{app: joinApp(scope), account: accountOf(scope), central: centralOf(scope, props), triage: props.Triage}
	constructs.NewConstruct_Override(m, scope, id)
	m.path = *m.Node().Path()
	if m.home = "account " + m.account; m.account == "" {
		m.home = "the account of stack " + *awscdk.Stack_Of(m).Node().Path()
	}
	m.placeID = placeID(awscdk.Stack_Of(m))
	m.app.members = append(m.app.members, m)
	m.roleProps = propsOfRole(props)

	if props.CreateRole == nil || *props.CreateRole {
		m.role = m.newRole(p)
		grantToolReads(m, m.role, p)
		annotateActions(m, p, props.ToolDeniedActions, props.ToolAllowedActions) // Triage has warnings about its own
		annotateResources(m, props.ToolDeniedResources)
		m.annotateBroker(props)
	}
	warnOfWildcards(m, "AlarmTriageMember", props.AlarmNamePrefixes, props.ExceptAlarmNamePrefixes)
	warnOfCovered(m, "AlarmTriageMember", props.AlarmNamePrefixes, props.ExceptAlarmNamePrefixes)
	m.rule = m.newRule(props)
	if props.ObservabilitySinkArn != nil {
		m.link = awsoam.NewCfnLink(m, jsii.String("Link"), &awsoam.CfnLinkProps{
			SinkIdentifier: props.ObservabilitySinkArn, LabelTemplate: jsii.String("$AccountName"),
			ResourceTypes: jsii.Strings("AWS::CloudWatch::Metric", "AWS::Logs::LogGroup", "AWS::XRay::Trace"),
		})
	}
	m.Node().AddValidation(&memberCheck{member: m})
	return m
}

// tool returns the props of a tool with the permissions of the member's role.
func (p *AlarmTriageMemberProps) tool() *AlarmTriageProps {
	tool := AlarmTriageProps{}
	if p.Triage != nil {
		tool = p.Triage.reads
	}
	if p.ToolPermissions != "" {
		tool.ToolPermissions = p.ToolPermissions
	}
	override(&tool.ToolDeniedActions, p.ToolDeniedActions)
	override(&tool.ToolDeniedResources, p.ToolDeniedResources)
	override(&tool.ToolAllowedActions, p.ToolAllowedActions)
	override(&tool.ToolAllowPersonalData, p.ToolAllowPersonalData)
	override(&tool.ToolAllowSourceCode, p.ToolAllowSourceCode)
	override(&tool.ToolAllowHostOutput, p.ToolAllowHostOutput)
	override(&tool.ToolAllowBilledReads, p.ToolAllowBilledReads)
	tool.PermissionsBoundary = p.PermissionsBoundary // it belongs to an account
	return &tool
}

// readsOf returns the props that grant the tool its reads, for its members.
func readsOf(p *AlarmTriageProps) AlarmTriageProps {
	return AlarmTriageProps{
		ToolPermissions: p.ToolPermissions, ToolDeniedActions: p.ToolDeniedActions, ToolDeniedResources: p.ToolDeniedResources,
		ToolAllowedActions: p.ToolAllowedActions, ToolAllowPersonalData: p.ToolAllowPersonalData, ToolAllowSourceCode: p.ToolAllowSourceCode,
		ToolAllowHostOutput: p.ToolAllowHostOutput, ToolAllowBilledReads: p.ToolAllowBilledReads,
	}
}

// override sets a field to an optional value if the value is given.
func override[T any](field **T, value *T) {
	if value != nil {
		*field = value
	}
}

// centralOf returns the AlarmTriage of valid props.
func centralOf(scope constructs.Construct, p *AlarmTriageMemberProps) central {
	if p.Triage != nil {
		return p.Triage.central()
	}
	stack := awscdk.Stack_Of(scope)
	c := central{
		account: *p.CentralAccount, toolRole: defaultToolRole, role: config.DefaultMemberRole, externalID: config.DefaultExternalID(*p.CentralAccount),
		bus: memberBusARN(*stack.Partition(), *stack.Region(), *p.CentralAccount, defaultMemberBus),
	}
	for field, value := range map[*string]*string{&c.toolRole: p.ToolRoleName, &c.bus: p.EventBusArn, &c.role: p.RoleName, &c.externalID: p.ExternalId} {
		if value != nil {
			*field = *value
		}
	}
	return c
}

// central returns an AlarmTriage with the prop Members from the view of its members.
func (t *AlarmTriage) central() central {
	stack := awscdk.Stack_Of(t)
	return central{
		account: *stack.Account(), toolRole: t.place.role, role: t.members.Role, externalID: t.members.ExternalID,
		bus: memberBusARN(*stack.Partition(), *stack.Region(), *stack.Account(), t.memberBusName),
	}
}

// newRole returns the role that the tool's broker assumes, without permissions. If the principal of its trust policy were the tool's
// role itself, IAM would reject the policy while that role does not exist, and store the role's unique ID, so that the trust would be
// lost if the role were replaced.
func (m *AlarmTriageMember) newRole(p *AlarmTriageProps) awsiam.Role {
	toolRole := fmt.Sprintf("arn:%s:iam::%s:role/%s", *awscdk.Stack_Of(m).Partition(), m.central.account, m.central.toolRole)
	return awsiam.NewRole(m, jsii.String("Role"), &awsiam.RoleProps{
		RoleName:    jsii.String(m.central.role),
		Description: jsii.String("What the AlarmTriage of another account may read in this account"),
		AssumedBy: awsiam.NewPrincipalWithConditions(awsiam.NewAccountPrincipal(m.central.account), &map[string]any{
			"ArnEquals":    map[string]any{"aws:PrincipalArn": toolRole},
			"StringEquals": map[string]any{"sts:ExternalId": m.central.externalID},
		}),
		PermissionsBoundary: p.PermissionsBoundary,
	})
}

// newRule returns the rule that sends alarm events to the AlarmTriage's bus. It sends both states; the AlarmTriage's own
// rule drops the returns to OK unless NotifyRecovery is set.
func (m *AlarmTriageMember) newRule(p *AlarmTriageMemberProps) awsevents.Rule {
	// EventBridge only delivers to a bus of another account under a role. The condition is that of EventBridge's documentation
	// ("Cross-service confused deputy prevention in Amazon EventBridge").
	sender := awsiam.NewRole(m, jsii.String("SenderRole"), &awsiam.RoleProps{
		Description: jsii.String("Sends alarm events to the AlarmTriage of another account"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(m).Account()}},
		}),
		PermissionsBoundary: p.PermissionsBoundary,
	})
	bus := awsevents.EventBus_FromEventBusArn(m, jsii.String("Bus"), jsii.String(m.central.bus))
	alarms := &EventRuleProps{
		NamePrefixes: p.AlarmNamePrefixes, ExceptNamePrefixes: p.ExceptAlarmNamePrefixes, Tags: p.AlarmTags,
		Accounts: &[]*string{awscdk.Stack_Of(m).Account()}, // not what other accounts send to the default bus
	}
	m.alarms = alarms
	pattern, wildcards := alarms.pattern(jsii.Strings("ALARM", "OK"))
	rule := awsevents.NewRule(m, jsii.String("Rule"), &awsevents.RuleProps{
		Description:  jsii.String("Alarms that the AlarmTriage of another account investigates"),
		EventPattern: pattern,
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewEventBus(bus, &awseventstargets.EventBusProps{Role: sender})},
	})
	warnOfPattern(rule, "AlarmNamePrefixes", "ExceptAlarmNamePrefixes", "", wildcards)
	return rule
}

// isOf reports whether the member sends its events to an AlarmTriage.
func (m *AlarmTriageMember) isOf(t *AlarmTriage) bool {
	if m.triage != nil || t.memberBus == nil {
		return m.triage == t
	}
	bus := knownBus(m.central.bus)
	return bus != "" && bus == knownBus(t.central().bus)
}

// memberOf returns the member in the account and Region of an alarm that sends the alarm's events, and true. If no member
// certainly sends them, it returns one that may, or nil, and false.
func (t *AlarmTriage) memberOf(alarm alarmjs.Alarm) (member *AlarmTriageMember, sends bool) {
	if alarm.Stack == nil || t.memberBus == nil || len(t.app.members) == 0 {
		return nil, false
	}
	place := placeID(alarm.Stack)
	for _, m := range t.app.members {
		if m.placeID != place || !m.isOf(t) {
			continue
		}
		if m.alarms.selects(alarm) {
			return m, true
		}
		member = m
	}
	return member, false
}

// Role returns the role that the tool's broker assumes, or nil if CreateRole is false. Permissions that are added to it do
// not change which requests the broker forwards.
func (m *AlarmTriageMember) Role() awsiam.IRole { return m.role }

// Rule returns the rule that sends the account's alarm events.
func (m *AlarmTriageMember) Rule() awsevents.Rule { return m.rule }

var (
	busPattern  = regexp.MustCompile(`^arn:[a-z-]+:events:([a-z0-9-]+):([0-9]{12}):event-bus/[A-Za-z0-9._/-]+$`)
	sinkPattern = regexp.MustCompile(`^arn:[a-z-]+:oam:([a-z0-9-]+):([0-9]{12}):sink/[A-Za-z0-9-]+$`)
)

// validateMember returns every problem of the props of a member, sorted.
func validateMember(scope constructs.Construct, p *AlarmTriageMemberProps) []string {
	if p == nil {
		return []string{"props are missing: AlarmTriageMemberProps needs at least CentralAccount or Triage"}
	}
	var l problems
	account := deref(p.CentralAccount)
	switch {
	case p.Triage != nil:
		account = l.triageOfMember(scope, p)
	case p.CentralAccount == nil:
		l.add("CentralAccount or Triage is required: the ID of the AlarmTriage's account, or the AlarmTriage itself if this app defines it")
	case !unresolved(account) && !accountPattern.MatchString(account):
		l.add("CentralAccount must be an account ID of 12 digits such as \"123456789012\", got %q", account)
	}
	if own := accountOf(scope); own != "" && own == account {
		l.add("the member can't be in the AlarmTriage's own account %s, whose alarms are investigated without it: create it in the stack of "+
			"another account, and send the alarm events of other Regions of this account to a bus that you pass to AttachEventRule", own)
	}
	l.roleName("ToolRoleName", p.ToolRoleName)
	l.roleName("RoleName", p.RoleName)
	l.externalID("ExternalId", p.ExternalId)
	l.bus(p.EventBusArn, account)
	l.sink(p.ObservabilitySinkArn, regionOf(scope), accountOf(scope))
	l.arnPartition("EventBusArn", p.EventBusArn, regionOf(scope))
	l.arnPartition("ObservabilitySinkArn", p.ObservabilitySinkArn, regionOf(scope))
	l.alarms("AlarmNamePrefixes", p.AlarmNamePrefixes, "ExceptAlarmNamePrefixes", p.ExceptAlarmNamePrefixes, "AlarmTags", p.AlarmTags)
	l.permissions(p.tool())
	l.deniedResources(p.ToolDeniedResources)
	l.partition(scope, "ToolDeniedResources", p.ToolDeniedResources)
	l.places(scope, boundary(p.PermissionsBoundary))
	if !isNil(p.PermissionsBoundary) {
		l.arnOf("PermissionsBoundary", *p.PermissionsBoundary.ManagedPolicyArn(), policyForm, regionOf(scope))
	}
	slices.Sort(l)
	return l
}

// triageOfMember checks the props that Triage replaces. It returns the account of the AlarmTriage; empty if it is not known.
func (l *problems) triageOfMember(scope constructs.Construct, p *AlarmTriageMemberProps) string {
	for prop, value := range map[string]*string{
		"CentralAccount": p.CentralAccount, "ToolRoleName": p.ToolRoleName, "EventBusArn": p.EventBusArn, "RoleName": p.RoleName, "ExternalId": p.ExternalId,
	} {
		if value != nil {
			l.add("%s can't be combined with Triage, which determines it", prop)
		}
	}
	if p.Triage.memberBus == nil {
		l.add("Triage must have the prop Members, got AlarmTriage %s without it", p.Triage.path)
	}
	account := accountOf(p.Triage)
	if account == "" || regionOf(p.Triage) == "" {
		l.add("Triage must be in a stack with an explicit account and Region, because stacks of other accounts can't refer to its resources, "+
			"got AlarmTriage %s: pass Env to its stack, or pass CentralAccount instead of Triage", p.Triage.path)
	}
	l.otherPartition(regionOf(scope), regionOf(p.Triage))
	l.references(scope, p)
	return account
}

// references checks that the stack of a member can refer to the resources in the permissions that it takes from Triage.
func (l *problems) references(scope constructs.Construct, p *AlarmTriageMemberProps) {
	if scopeProblem(scope) != "" {
		return
	}
	reads := p.Triage.reads
	for _, list := range []struct {
		prop       string
		own, taken *[]*string
	}{
		{"ToolDeniedActions", p.ToolDeniedActions, reads.ToolDeniedActions}, {"ToolDeniedResources", p.ToolDeniedResources, reads.ToolDeniedResources},
		{"ToolAllowedActions", p.ToolAllowedActions, reads.ToolAllowedActions},
	} {
		if list.own != nil || list.taken == nil || !unresolved(list.taken) && !slices.ContainsFunc(*list.taken, func(text *string) bool { return unresolved(text) }) {
			continue
		}
		if cause := errorOf(func() { awscdk.Stack_Of(scope).Resolve(list.taken) }); cause != "" {
			l.add("%s of AlarmTriage %s contains a resource to which the stack of the member can't refer: give the resource a physical name, or set %s of the "+
				"member, too. CDK's reason: %s", list.prop, p.Triage.path, list.prop, cause)
		}
	}
}

// otherPartition checks that the Regions of a member and of its AlarmTriage, if they are known, are in one partition.
func (l *problems) otherPartition(region, central string) {
	if region != "" && central != "" && alarmevent.PartitionOf(region) != alarmevent.PartitionOf(central) {
		l.add("the member must be in the partition %s of the AlarmTriage's Region %s, got the Region %s of %s: roles can't be assumed, and events can't be sent, "+
			"across partitions, so create an AlarmTriage there", alarmevent.PartitionOf(central), central, region, alarmevent.PartitionOf(region))
	}
}

// arnPartition checks that an optional ARN, and its Region, are in the partition of the member's Region, if that is known.
func (l *problems) arnPartition(prop string, arn *string, region string) {
	if arn == nil || unresolved(arn) || region == "" {
		return
	}
	parts := strings.SplitN(*arn, ":", 5)
	if len(parts) < 5 || !regionPattern.MatchString(parts[3]) {
		return // the check of its form reports it
	}
	if own := alarmevent.PartitionOf(region); parts[1] != own || alarmevent.PartitionOf(parts[3]) != own {
		l.add("%s must be in the partition %s of the member's Region %s, got %q: events and data can't be sent across partitions, so create an AlarmTriage in "+
			"this partition", prop, own, region, *arn)
	}
}

// bus checks the ARN of the AlarmTriage's bus.
func (l *problems) bus(arn *string, account string) {
	if arn == nil || mayBeToken(*arn) {
		return
	}
	switch parts := busPattern.FindStringSubmatch(*arn); {
	case parts == nil:
		l.add("EventBusArn must be the ARN of an event bus such as \"arn:aws:events:eu-west-1:111122223333:event-bus/alarmtriage-member-alarms\", got %q", *arn)
	case account != "" && !unresolved(account) && parts[2] != account:
		l.add("EventBusArn must be a bus of CentralAccount %q, got %q", account, *arn)
	}
}

// sink checks the ARN of an observability sink. A link must be in the Region of its sink, and in another account.
func (l *problems) sink(arn *string, region, account string) {
	if arn == nil || unresolved(arn) {
		return
	}
	parts := sinkPattern.FindStringSubmatch(*arn)
	if parts == nil {
		l.add("ObservabilitySinkArn must be the ARN of a sink such as \"arn:aws:oam:eu-west-1:111122223333:sink/1a2b3c\", got %q", *arn)
		return
	}
	if region != "" && parts[1] != region {
		l.add("ObservabilitySinkArn must be a sink of the stack's Region %s, got %q", region, *arn)
	}
	if account != "" && parts[2] == account {
		l.add("ObservabilitySinkArn must be a sink of another account than the member's, got %q", *arn)
	}
}

// memberCheck reports what does not fit together when the whole app is defined.
type memberCheck struct {
	member   *AlarmTriageMember
	reported bool // the warnings were added; a second synth must not add them again
}

// Validate implements [constructs.IValidation].
func (c *memberCheck) Validate() *[]*string {
	m := c.member
	problems := append(m.differences(), m.sameRole()...)
	if !c.reported {
		c.reported = true
		m.warnOfIgnoredProps()
		m.warnOfMissingRole()
	}
	return jsii.Strings(problems...)
}

// differences returns how the member differs from what the AlarmTriage of the same app expects. An AlarmTriage of another app
// is not known.
func (m *AlarmTriageMember) differences() []string {
	var found []string
	for _, triage := range m.app.triages {
		if accountOf(triage) != m.central.account {
			continue
		}
		differences := triage.differencesOf(m)
		if len(differences) == 0 {
			return nil
		}
		found = append(found, differences...)
	}
	return found
}

// differencesOf returns how a member differs from what this AlarmTriage expects. Values that are not known at synth do not
// differ.
func (t *AlarmTriage) differencesOf(m *AlarmTriageMember) (differences []string) {
	add := func(format string, args ...any) {
		differences = append(differences, fmt.Sprintf("alarmtriage: AlarmTriageMember %s does not fit AlarmTriage %s: ", m.path, t.path)+fmt.Sprintf(format, args...))
	}
	if t.memberBus == nil {
		add("the AlarmTriage has no Members: set its prop Members")
		return differences
	}
	if accounts := t.members.Accounts; m.account != "" && len(accounts) > 0 && !slices.Contains(accounts, m.account) && !slices.ContainsFunc(accounts, func(a string) bool { return unresolved(a) }) {
		add("its account %s is not one of Members.Accounts: add it", m.account)
	}
	want := t.central()
	for _, pair := range []struct{ prop, want, got string }{
		{"RoleName", want.role, m.central.role}, {"ExternalId", want.externalID, m.central.externalID},
		{"ToolRoleName", want.toolRole, m.central.toolRole},
	} {
		if differ(pair.want, pair.got) {
			add("its %s is %q, and the AlarmTriage's is %q: pass Triage, or the same value to both", pair.prop, pair.got, pair.want)
		}
	}
	if want, got := knownBus(want.bus), knownBus(m.central.bus); want != "" && got != "" && want != got {
		add("it sends alarm events to the bus %s, and the AlarmTriage's bus is %s: pass Triage, or its ARN as EventBusArn", got, want)
	}
	return differences
}

// knownBus returns the ARN of a bus without its partition, which is a token in most stacks; empty if another part is a token.
func knownBus(arn string) string {
	_, rest, _ := strings.Cut(arn, ":events:")
	if unresolved(rest) {
		return ""
	}
	return rest
}

// sameRole returns the members of the app that have the same role in the same account, although they can't share it.
func (m *AlarmTriageMember) sameRole() (problems []string) {
	for _, other := range m.app.members {
		if other == m {
			return problems // the later one reports
		}
		if m.home != other.home || !sameName(m.central.role, other.central.role) {
			continue
		}
		if problem := m.sharedRole(other); problem != "" {
			problems = append(problems, "alarmtriage: "+problem)
		}
	}
	return problems
}

// sharedRole returns why this member and another one can't have the same role, or an empty string if they can.
func (m *AlarmTriageMember) sharedRole(other *AlarmTriageMember) string {
	creator, user := m, other
	if m.role == nil {
		creator, user = other, m
	}
	trusts, requires := creator.central, user.central
	otherTool := differ(trusts.account, requires.account) || differ(trusts.toolRole, requires.toolRole)
	otherID := differ(trusts.externalID, requires.externalID)
	switch {
	case creator.role == nil: // another app creates it
		return ""
	case user.role != nil:
		problem := fmt.Sprintf("AlarmTriageMember %s creates the role %s in %s, and so does AlarmTriageMember %s, but an account has each "+
			"role once, in whatever Region", m.path, m.central.role, m.home, other.path)
		if otherTool {
			return fmt.Sprintf("%s, and a role trusts one tool only. The first one trusts %s, and the second one %s: set another %s", problem,
				m.central.tool(), other.central.tool(), m.roleProp())
		}
		if otherID {
			problem += ", with one ExternalId"
		}
		return problem + ": pass CreateRole false to one of them"
	case otherTool:
		return fmt.Sprintf("AlarmTriageMember %s can't use the role %s in %s, because AlarmTriageMember %s creates it, and it trusts %s, not "+
			"%s: set another %s, and create that role in one Region", user.path, m.central.role, m.home, creator.path, trusts.tool(),
			requires.tool(), user.roleProp())
	case otherID:
		return fmt.Sprintf("AlarmTriageMember %s can't use the role %s in %s, because AlarmTriageMember %s creates it with the ExternalId %q, "+
			"not %q: set the same one", user.path, m.central.role, m.home, creator.path, trusts.externalID, requires.externalID)
	}
	return ""
}

// roleProp describes the props that name the member's role.
func (m *AlarmTriageMember) roleProp() string {
	if m.triage != nil {
		return "Members.RoleName of AlarmTriage " + m.triage.path
	}
	return "RoleName, which is also Members.RoleName of its AlarmTriage"
}

// tool describes the role of the AlarmTriage's tool.
func (c central) tool() string { return fmt.Sprintf("%s of account %s", c.toolRole, c.account) }

// differ reports whether two texts differ. Texts that are not known at synth do not.
func differ(a, b string) bool { return a != b && !unresolved(a) && !unresolved(b) }
