package alarmtriage

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// sameRoleInStack returns the members of the same stack that create the same role, if the stack's account is not known at synth.
func (m *AlarmTriageMember) sameRoleInStack() (problems []string) {
	for _, other := range m.app.members {
		if other == m {
			return problems // the later one reports
		}
		if m.account == "" && m.role != nil && other.role != nil && m.central.role == other.central.role && awscdk.Stack_Of(m) == awscdk.Stack_Of(other) {
			problems = append(problems, fmt.Sprintf("alarmtriage: AlarmTriageMember %s creates the role %s, and so does AlarmTriageMember %s of the same "+
				"stack, but an account has each role once: remove one of the two, or set another RoleName", m.path, m.central.role, other.path))
		}
	}
	return problems
}

// propsOfRole returns the names of the given props that only describe the member's role, sorted by their place in the type.
func propsOfRole(p *AlarmTriageMemberProps) (names []string) {
	for _, prop := range []struct {
		name  string
		given bool
	}{
		{"ToolRoleName", p.ToolRoleName != nil}, {"RoleName", p.RoleName != nil}, {"ExternalId", p.ExternalId != nil},
		{"ToolPermissions", p.ToolPermissions != ""}, {"ToolDeniedActions", p.ToolDeniedActions != nil},
		{"ToolDeniedResources", p.ToolDeniedResources != nil}, {"ToolAllowedActions", p.ToolAllowedActions != nil},
		{"ToolAllowPersonalData", p.ToolAllowPersonalData != nil}, {"ToolAllowSourceCode", p.ToolAllowSourceCode != nil},
		{"ToolAllowHostOutput", p.ToolAllowHostOutput != nil}, {"ToolAllowBilledReads", p.ToolAllowBilledReads != nil},
	} {
		if prop.given {
			names = append(names, prop.name)
		}
	}
	return names
}

// warnOfIgnoredProps adds a warning if props describe a role that neither this member nor another one of its account creates. If
// another one does, the app probably passes the same props in all Regions.
func (m *AlarmTriageMember) warnOfIgnoredProps() {
	if m.role != nil || len(m.roleProps) == 0 {
		return
	}
	for _, other := range m.app.members {
		if other.role != nil && other.account == m.account {
			return
		}
	}
	awscdk.Annotations_Of(m).AddWarningV2(jsii.String("alarmtriage:ignored-props"), jsii.Sprintf(
		"alarmtriage: %s %s no effect, because CreateRole is false: the member that creates the role in this account, in another Region, "+
			"needs %s", strings.Join(m.roleProps, ", "), agreeing(len(m.roleProps), "has", "have"), agreeing(len(m.roleProps), "it", "them")), nil)
}
