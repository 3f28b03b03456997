package alarmtriage

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

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

// warnOfIgnoredProps adds a warning if props describe a role that this member does not create, unless the one that creates the role
// of the account has these props, too. Then, the app probably passes the same props in all Regions.
func (m *AlarmTriageMember) warnOfIgnoredProps() {
	if m.role != nil {
		return
	}
	ignored := m.roleProps
	for _, other := range m.app.members {
		if other.role != nil && other.account == m.account {
			ignored = slices.DeleteFunc(slices.Clone(ignored), func(prop string) bool { return slices.Contains(other.roleProps, prop) })
		}
	}
	if n := len(ignored); n > 0 {
		awscdk.Annotations_Of(m).AddWarningV2(jsii.String("alarmtriage:ignored-props"), jsii.Sprintf(
			"alarmtriage: %s %s no effect, because CreateRole is false: the member that creates the role in this account, in another Region, "+
				"needs %s", strings.Join(ignored, ", "), agreeing(n, "has", "have"), agreeing(n, "it", "them")), nil)
	}
}

// warnOfMissingRole adds a warning, once for each account, if each member of the account has CreateRole false, so that this app
// does not create the role. Members in accounts that are not known at synth may be in one account.
func (m *AlarmTriageMember) warnOfMissingRole() {
	if !slices.ContainsFunc(m.app.triages, m.isOf) {
		return // the app with the AlarmTriage, or another app with this account, may create the role
	}
	first := true
	for _, other := range m.app.members {
		if other.central.role != m.central.role || other.account != m.account && other.account != "" && m.account != "" {
			continue
		}
		if other.role != nil || first && other != m && other.home == m.home {
			return
		}
		first = first && other != m
	}
	warn(m, "no-member-role", "no AlarmTriageMember of this app creates the role %s in %s, because CreateRole is false, and without the role the account can't be "+
		"read: omit CreateRole in one Region of the account, or acknowledge this warning if another app creates the role", m.central.role, m.home)
}
