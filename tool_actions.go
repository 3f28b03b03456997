package alarmtriage

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/iamactions"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// annotateActions adds warnings about ToolDeniedActions and ToolAllowedActions to an AlarmTriage or a member, whose other props
// are p. They do not stop the synth, because AWS adds actions that this version does not know.
func annotateActions(c constructs.Construct, p *AlarmTriageProps, denied, allowed *[]*string) {
	for _, action := range knownTexts(denied) {
		if len(iamactions.Matching(action)) == 0 {
			warn(c, "unknown-action", "ToolDeniedActions contains %q, which denies nothing: %s", action, unknownAction(action))
		}
	}
	for _, action := range knownTexts(allowed) {
		annotateAllowed(c, p, action)
	}
}

// warnOfDeniedTraces adds a warning for each deny of the user that keeps the tool from writing its own traces. Its log is exempt from
// such denies.
func (t *AlarmTriage) warnOfDeniedTraces(p *AlarmTriageProps) {
	for _, action := range knownTexts(p.ToolDeniedActions) {
		if p.Tracing != awslambda.Tracing_DISABLED && iamactions.Match(action, "xray:PutTraceSegments") {
			t.warn("denied-traces", "ToolDeniedActions contains %q, which also denies the tool to write its own traces, although Tracing is on: deny reads instead, "+
				"such as \"xray:Get*\" and \"xray:BatchGet*\"", action)
		}
	}
}

// unknownAction describes an action that IAM does not have.
func unknownAction(action string) string {
	if nearest := iamactions.Nearest(action); nearest != "" {
		return fmt.Sprintf("IAM has no such action; did you mean %s? Correct it, or acknowledge this warning if the action is new", nearest)
	}
	return "IAM has no such action. Correct it, or acknowledge this warning if the action is new"
}

// annotateResources adds warnings about ARNs of ToolDeniedResources that match no resource in IAM's documentation.
func annotateResources(c constructs.Construct, resources *[]*string) {
	for _, arn := range knownTexts(resources) {
		names, nearest := iamactions.NamesResource(arn)
		for _, part := range stringsOf(withParts([]*string{&arn})) {
			below, _ := iamactions.NamesResource(part)
			names = names || below
		}
		if names {
			continue
		}
		but := ""
		if nearest != "" {
			but = ", but " + nearest
		}
		warn(c, "unknown-resource", "ToolDeniedResources contains %q, which denies nothing: IAM has no such resource%s; correct it, or acknowledge this "+
			"warning if the resource is new", arn, but)
	}
}

// annotateAllowed adds warnings about one of ToolAllowedActions.
func annotateAllowed(c constructs.Construct, p *AlarmTriageProps, pattern string) {
	matching := iamactions.Matching(pattern)
	if len(matching) == 0 {
		warn(c, "unknown-action", "ToolAllowedActions contains %q, which allows nothing: %s", pattern, unknownAction(pattern))
		return
	}
	denies := slices.DeleteFunc(deniedToolActions(p), func(deny string) bool { return unresolved(deny) })
	var denied, writes []string
	for _, action := range matching {
		switch {
		case slices.ContainsFunc(denies, func(deny string) bool { return iamactions.Match(deny, action.Name) }):
			denied = append(denied, action.Name)
		case action.Writes():
			writes = append(writes, action.Name)
		}
	}
	if len(denied) == len(matching) {
		warn(c, "denied-action", "ToolAllowedActions contains %q, which has no effect, because %s", pattern, remedyOfDeny(p, denied))
	}
	if len(writes) > 0 {
		slices.Sort(writes)
		warn(c, "write-action", "ToolAllowedActions contains %q, with which the model's code can change resources (%s): the model reads "+
			"texts that attackers may have written. Allow single reads instead, or acknowledge this warning", pattern, listed(writes))
	}
}

// remedyOfDeny names the origin of the denies of some actions, and what to do.
func remedyOfDeny(p *AlarmTriageProps, denied []string) string {
	if allDenied(knownTexts(p.ToolDeniedActions), denied) {
		return "ToolDeniedActions overrides it: remove it from one of the two"
	}
	for _, group := range sensitiveReads {
		if allDenied(toolpolicy.DeniedOnly(group.name), denied) {
			return "a built-in deny overrides it: remove it, or set " + group.prop
		}
	}
	return "a built-in deny overrides it (docs/permissions.md): remove it"
}

// allDenied reports whether patterns deny each of the actions.
func allDenied(denies, actions []string) bool {
	return !slices.ContainsFunc(actions, func(action string) bool {
		return !slices.ContainsFunc(denies, func(deny string) bool { return iamactions.Match(deny, action) })
	})
}

// annotateBroker adds warnings about what a member allows its role, and the broker of its AlarmTriage does not forward.
func (m *AlarmTriageMember) annotateBroker(p *AlarmTriageMemberProps) {
	if m.triage == nil {
		return
	}
	triage := m.triage.reads
	allowed := knownTexts(triage.ToolAllowedActions)
	if len(allowed) < len(stringsOf(triage.ToolAllowedActions)) {
		allowed = append(allowed, "*") // a token may allow anything
	}
	for _, pattern := range knownTexts(p.ToolAllowedActions) {
		var missing []string
		for _, action := range iamactions.Matching(pattern) {
			if !slices.ContainsFunc(allowed, func(other string) bool { return iamactions.Match(other, action.Name) }) {
				missing = append(missing, action.Name)
			}
		}
		if len(missing) > 0 {
			warn(m, "not-forwarded", "ToolAllowedActions contains %q, and those of AlarmTriage %s do not contain %s: its broker only forwards such "+
				"requests if they are reads of AWS's policy ReadOnlyAccess. Allow the same actions in both", pattern, m.triage.path, listed(missing))
		}
	}
	own := p.tool()
	for _, group := range sensitiveReads {
		if isTrue(group.allow(own)) && !isTrue(group.allow(&triage)) {
			warn(m, "not-forwarded", "%s is true, and that of AlarmTriage %s is not, so its broker refuses these reads: set it in both", group.prop, m.triage.path)
		}
	}
}

// sensitiveReads are the groups of sensitive reads and the props that open them.
var sensitiveReads = []struct {
	name  toolpolicy.Group
	prop  string
	allow func(p *AlarmTriageProps) *bool
}{
	{toolpolicy.PersonalData, "ToolAllowPersonalData", func(p *AlarmTriageProps) *bool { return p.ToolAllowPersonalData }},
	{toolpolicy.SourceCode, "ToolAllowSourceCode", func(p *AlarmTriageProps) *bool { return p.ToolAllowSourceCode }},
	{toolpolicy.HostOutput, "ToolAllowHostOutput", func(p *AlarmTriageProps) *bool { return p.ToolAllowHostOutput }},
	{toolpolicy.BilledReads, "ToolAllowBilledReads", func(p *AlarmTriageProps) *bool { return p.ToolAllowBilledReads }},
}

// knownTexts returns the texts of a list prop that are no tokens.
func knownTexts(list *[]*string) []string {
	return slices.DeleteFunc(stringsOf(list), func(text string) bool { return unresolved(text) })
}
