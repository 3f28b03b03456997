package alarmtriage

import (
	"fmt"
	"slices"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/iamactions"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// annotateActions adds warnings about ToolDeniedActions and ToolAllowedActions. They do not stop the synth, because AWS
// adds actions that this version does not know.
func (t *AlarmTriage) annotateActions(p *AlarmTriageProps) {
	for _, action := range knownTexts(p.ToolDeniedActions) {
		if len(iamactions.Matching(action)) == 0 {
			t.warn("unknown-action", "ToolDeniedActions contains %q, which denies nothing: %s", action, unknownAction(action))
		}
	}
	for _, action := range knownTexts(p.ToolAllowedActions) {
		t.annotateAllowed(p, action)
	}
}

// unknownAction describes an action that IAM does not have.
func unknownAction(action string) string {
	if nearest := iamactions.Nearest(action); nearest != "" {
		return fmt.Sprintf("IAM has no such action; did you mean %s? Correct it, or acknowledge this warning if the action is new", nearest)
	}
	return "IAM has no such action. Correct it, or acknowledge this warning if the action is new"
}

// annotateAllowed adds warnings about one of ToolAllowedActions.
func (t *AlarmTriage) annotateAllowed(p *AlarmTriageProps, pattern string) {
	matching := iamactions.Matching(pattern)
	if len(matching) == 0 {
		t.warn("unknown-action", "ToolAllowedActions contains %q, which allows nothing: %s", pattern, unknownAction(pattern))
		return
	}
	denies := deniedToolActions(p)
	var denied, writes []string
	for _, action := range matching {
		switch {
		case slices.ContainsFunc(denies, func(deny string) bool { return !unresolved(deny) && iamactions.Match(deny, action.Name) }):
			denied = append(denied, action.Name)
		case action.Writes():
			writes = append(writes, action.Name)
		}
	}
	if len(denied) == len(matching) {
		t.warn("denied-action", "ToolAllowedActions contains %q, which has no effect, because %s", pattern, remedyOfDeny(p, denied))
	}
	if len(writes) > 0 {
		slices.Sort(writes)
		t.warn("write-action", "ToolAllowedActions contains %q, with which the model's code can change resources (%s): the model reads "+
			"texts that attackers may have written. Allow single reads instead, or acknowledge this warning", pattern, listed(writes))
	}
}

// remedyOfDeny names the origin of the denies of some actions, and what to do.
func remedyOfDeny(p *AlarmTriageProps, denied []string) string {
	if allDenied(knownTexts(p.ToolDeniedActions), denied) {
		return "ToolDeniedActions overrides it: remove it from one of the two"
	}
	for _, group := range []struct {
		name toolpolicy.Group
		prop string
	}{
		{toolpolicy.PersonalData, "ToolAllowPersonalData"}, {toolpolicy.SourceCode, "ToolAllowSourceCode"},
		{toolpolicy.HostOutput, "ToolAllowHostOutput"}, {toolpolicy.BilledReads, "ToolAllowBilledReads"},
	} {
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

// knownTexts returns the texts of a list prop that are no tokens.
func knownTexts(list *[]*string) []string {
	return slices.DeleteFunc(stringsOf(list), func(text string) bool { return unresolved(text) })
}
