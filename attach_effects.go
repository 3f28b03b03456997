package alarmtriage

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
)

// warnOfNoSources adds a warning if no alarm starts an investigation, or if only alarms do that the app connects to
// Orchestrator() itself.
func (t *AlarmTriage) warnOfNoSources() {
	if len(t.attached) > 0 || len(t.all) > 0 || t.hasSources {
		return
	}
	users := t.otherPermissions()
	if len(users) == 0 { // one permission of AlarmTriage covers all alarms
		alarms := alarmjs.NotifyingOf(t, []*string{t.orchestratorARN})
		users = pathsOf(alarms, func(alarm alarmjs.Notifying) bool { return alarm.Alarm })
	}
	if len(users) > 0 {
		t.warn("unchecked-source", "alarms can only start investigations through Orchestrator(), which the app itself makes a target (%s), so their sources are "+
			"not checked, and NotifyRecovery may have no effect: use AlarmAction, AttachTopic, or AttachEventRule instead of Orchestrator()", listed(users))
		return
	}
	t.warn("nothing-attached", "no alarm starts an investigation: use AttachAlarms, AlarmAction, AttachAll, AttachEventRule, or AttachTopic")
}

// otherPermissions returns the paths of the app's permissions to invoke the orchestrator, without those of AlarmTriage. CDK
// creates one for each alarm, topic, or rule that has the function as a target.
func (t *AlarmTriage) otherPermissions() (paths []string) {
	var candidates []string
	functions := []*string{t.orchestratorARN, t.orchestrator.FunctionName()}
	for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		permission, isPermission := construct.(awslambda.CfnPermission)
		if !isPermission || slices.Contains(t.permissions, *permission.Node().Path()) {
			continue
		}
		candidates, functions = append(candidates, *permission.Node().Path()), append(functions, permission.FunctionName())
	}
	identified := alarmjs.Identify(t, functions...)
	for i, path := range candidates {
		if slices.Contains(identified[:2], identified[i+2]) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// permissionsOf returns the paths of the permissions below a construct.
func permissionsOf(construct constructs.IConstruct) (paths []string) {
	for _, child := range *construct.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if _, isPermission := child.(awslambda.CfnPermission); isPermission {
			paths = append(paths, *child.Node().Path())
		}
	}
	return paths
}

// manyPermissions is the number of permissions to invoke a function for which its resource policy usually has room. The policy has at
// most 20,480 bytes ("Lambda quotas"), and a permission has about 300 to 400, with very long names up to 500.
const manyPermissions = 50

// warnOfPermissions adds a warning if the orchestrator's resource policy may be too long.
func (t *AlarmTriage) warnOfPermissions() {
	if n := len(permissionsOf(t)); n > manyPermissions {
		t.warn("many-permissions", "%d topics, rules, and other sources may invoke the orchestrator, and Lambda rejects a resource policy of more than 20,480 bytes, "+
			"which has room for about %d: call AttachTopic and AttachEventRule for fewer topics and rules, or attach the alarms themselves, which share one permission",
			n, manyPermissions)
	}
}

// warnOfDefaultBus adds a warning for each rule of the default bus that only selects alarms of other accounts, or of other Regions,
// unless the app sends events to this bus, or lets others send them.
func (t *AlarmTriage) warnOfDefaultBus() {
	for _, rule := range t.rules {
		p, id := rule.props, path.Base(rule.path)
		if !p.onDefaultBus() {
			continue
		}
		own := accountOf(t)
		fromAccounts := own != "" && isElsewhere(p.Accounts, own)
		region := regionOf(t)
		fromRegions := region != "" && isElsewhere(p.Regions, region)
		if !fromAccounts && !fromRegions || t.receivesOnDefaultBus() {
			continue
		}
		if fromAccounts && t.areMembers(stringsOf(p.Accounts)) {
			t.warn("default-bus", "the rule %s only selects alarms of members (%s), which arrive on MemberEventBus and are investigated without it, not on the "+
				"default bus: remove it", id, listed(stringsOf(p.Accounts)))
		} else if fromAccounts {
			t.warn("default-bus", "the rule %s only selects alarms of other accounts (%s), and the default bus only receives them if these accounts send them to it: "+
				"set the prop Members, with an AlarmTriageMember in each account, or pass a bus as EventBus that receives their events", id,
				listed(stringsOf(p.Accounts)))
		}
		if fromRegions {
			t.warn("default-bus", "the rule %s only selects alarms of other Regions (%s), and the default bus only receives them if rules in these Regions send them "+
				"to it: pass a bus as EventBus to which rules in these Regions send their events", id, listed(stringsOf(p.Regions)))
		}
	}
}

// areMembers reports whether accounts certainly are members.
func (t *AlarmTriage) areMembers(accounts []string) bool {
	return len(accounts) > 0 && !slices.ContainsFunc(accounts, func(account string) bool { return !slices.Contains(t.members.Accounts, account) })
}

// receivesOnDefaultBus reports whether the app has a policy of a default bus, or a rule that sends events to one.
func (t *AlarmTriage) receivesOnDefaultBus() bool {
	if t.sentToDefaultBus == nil {
		isSent := slices.ContainsFunc(*t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER), sendsToDefaultBus)
		t.sentToDefaultBus = &isSent
	}
	return *t.sentToDefaultBus
}

// sendsToDefaultBus reports whether a construct is a policy of a default bus, or a rule that sends events to one.
func sendsToDefaultBus(construct constructs.IConstruct) bool {
	switch resource := construct.(type) {
	case awsevents.CfnEventBusPolicy:
		name := resource.EventBusName()
		return name == nil || *name == "default"
	case awsevents.CfnRule:
		targets, _ := awscdk.Stack_Of(resource).Resolve(resource.Targets()).([]any)
		return slices.ContainsFunc(targets, func(target any) bool { return strings.Contains(fmt.Sprint(target), ":event-bus/default") })
	}
	return false
}

// sendersTo returns the places, as placeID identifies them, of the app's rules that send events to a bus.
func (t *AlarmTriage) sendersTo(bus awsevents.IEventBus) []string {
	if t.senders == nil {
		t.senders = map[string][]string{}
		for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
			rule, isRule := construct.(awsevents.CfnRule)
			if !isRule {
				continue
			}
			for _, target := range listOf(alarmjs.Properties(rule)["Targets"]) {
				properties, _ := target.(map[string]any)
				arn, _ := properties["Arn"].(string)
				t.senders[arn] = append(t.senders[arn], placeID(awscdk.Stack_Of(rule)))
			}
		}
	}
	return t.senders[alarmjs.Identify(bus, bus.EventBusArn())[0]]
}

// isElsewhere reports whether an optional list only contains texts that certainly are not the own one.
func isElsewhere(list *[]*string, own string) bool {
	return list != nil && !slices.ContainsFunc(stringsOf(list), func(text string) bool { return text == own || unresolved(text) })
}

// warnOfUnusedNames adds a warning if AccountNames has accounts whose alarms can't start an investigation. Several AlarmTriages of an
// app may have the same names.
func (t *AlarmTriage) warnOfUnusedNames() {
	if len(t.accounts) == 0 || len(t.alarmTopics) > 0 || len(t.otherPermissions()) > 0 {
		return
	}
	var used []string
	for _, triage := range t.app.triages {
		own := accountOf(triage)
		if own == "" || triage.members.Organization {
			return
		}
		used = append(append(used, own), triage.members.Accounts...)
	}
	for _, rule := range t.rules {
		if rule.props.Accounts == nil {
			return
		}
		used = append(used, stringsOf(rule.props.Accounts)...)
	}
	if slices.ContainsFunc(used, func(account string) bool { return unresolved(account) }) {
		return
	}
	unused := slices.DeleteFunc(slices.Clone(t.accounts), func(account string) bool { return slices.Contains(used, account) || unresolved(account) })
	if n := len(unused); n > 0 {
		t.warn("unused-name", "AccountNames names %s whose alarms start no investigation (%s): %s neither AlarmTriage's account nor one of Members.Accounts, and "+
			"no event rule or topic brings %s alarms. Correct or remove %s", counted(n, "account"), listed(unused), agreeing(n, "it is", "they are"),
			agreeing(n, "its", "their"), agreeing(n, "it", "them"))
	}
}

// warnOfIsolatedRegions adds a warning if the functions can't read the data of alarms of other Regions, because their subnets
// are isolated.
func (t *AlarmTriage) warnOfIsolatedRegions() {
	own := regionOf(t)
	if !t.isolated || own == "" {
		return
	}
	senders := map[string][]string{} // by Region
	add := func(region, path string) {
		if region != "" && region != own && !unresolved(region) {
			senders[region] = append(senders[region], path)
		}
	}
	for _, rule := range t.rules {
		for _, region := range stringsOf(rule.props.Regions) {
			add(region, "rule "+rule.path)
		}
	}
	for _, m := range t.app.members {
		if m.isOf(t) {
			add(regionOf(m), "AlarmTriageMember "+m.path)
		}
	}
	for _, region := range slices.Sorted(maps.Keys(senders)) {
		t.warn("isolated-region", "the functions' subnets are isolated, and VPC endpoints only reach services in %s, so investigations of alarms of %s (%s) can't read "+
			"their metrics, logs, and CloudTrail events: use subnets with a route to a NAT gateway, or an AlarmTriage in each Region", own, region,
			listed(senders[region]))
	}
}
