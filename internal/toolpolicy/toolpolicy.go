// Package toolpolicy lists the AWS actions that the tool may and may not use.
//
//   - [TriageReads] are the reads of the construct's allow list, which replaces ReadOnlyAccess if the user chooses it.
//   - [Denied] are sensitive reads that are denied although ReadOnlyAccess allows them.
//
// The construct writes both into the policy of the tool's role. The broker checks the denied actions a second
// time. Some sensitive reads belong to a [Group] that the user can open.
package toolpolicy

import "slices"

// Actions maps an IAM service prefix to actions of that service. An action may contain * for any characters.
type Actions map[string][]string

// Names returns the actions as IAM writes them, "service:Action", sorted.
func (a Actions) Names() []string {
	var names []string
	for service, operations := range a {
		for _, operation := range operations {
			names = append(names, service+":"+operation)
		}
	}
	slices.Sort(names)
	return names
}

// Group names a group of sensitive reads that are denied unless the user opens the group.
type Group string

// The groups of sensitive reads that can be opened.
const (
	PersonalData Group = "personal-data" // directories of people (ToolAllowPersonalData)
	SourceCode   Group = "source-code"   // source code, images, and artifacts (ToolAllowSourceCode)
	HostOutput   Group = "host-output"   // output of hosts, commands, and databases (ToolAllowHostOutput)
	BilledReads  Group = "billed-reads"  // reads that AWS bills per request or that start a job (ToolAllowBilledReads)
)

// groups holds the reads of each group.
var groups = map[Group]Actions{
	PersonalData: personalDataReads,
	SourceCode:   codeReads,
	HostOutput:   hostReads,
	BilledReads:  billedReads,
}

// Denied returns the IAM actions that are denied while these groups are open, sorted and deduplicated.
func Denied(open ...Group) []string {
	denied := slices.Concat(credentialReads.Names(), dataReads.Names(), sideEffects.Names(), neverReads.Names())
	for group, reads := range groups {
		if !slices.Contains(open, group) {
			denied = append(denied, reads.Names()...)
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied)
}

// DeniedOnly returns the IAM actions of one group that are denied while these groups are open, sorted. There are none
// if the group is open.
func DeniedOnly(group Group, open ...Group) []string {
	if slices.Contains(open, group) {
		return nil
	}
	return groups[group].Names()
}
