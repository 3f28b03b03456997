// Package iamactions knows the actions of IAM and their access levels, and the resources in IAM's policies. The construct checks
// with it that the actions in its props exist and only read, and that the ARNs in its props can match a resource.
package iamactions

import (
	_ "embed"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/typo"
)

//go:generate python3 ../../scripts/iam_actions.py actions.txt resources.txt
//go:embed actions.txt
var table string

// Level is the first letter of an action's access level in IAM's documentation.
type Level byte

// The access levels.
const (
	Read        Level = 'R'
	List        Level = 'L'
	Write       Level = 'W'
	Tagging     Level = 'T'
	Permissions Level = 'P'
)

// Action is an action of IAM.
type Action struct {
	Name  string // such as ec2:TerminateInstances
	Level Level
}

// Writes reports whether the action changes something.
func (a Action) Writes() bool { return a.Level != Read && a.Level != List }

// services holds the actions by service prefix: those of IAM's documentation, those that the broker forwards, and those that the
// library itself denies. The documentation lacks a few of them, such as logs:GetLogObject and sso:GetRoleCredentials.
var services = sync.OnceValue(func() map[string][]Action {
	parsed := map[string][]Action{}
	for block := range strings.SplitSeq(strings.TrimPrefix(table, "@"), "\n@") {
		prefix, lines, _ := strings.Cut(block, "\n")
		for line := range strings.Lines(lines) {
			level, names, _ := strings.Cut(line, "\t")
			for _, name := range strings.Fields(names) {
				parsed[prefix] = append(parsed[prefix], Action{Name: prefix + ":" + name, Level: Level(level[0])})
			}
		}
	}
	for _, name := range toolpolicy.Denied() {
		prefix, _, _ := strings.Cut(name, ":")
		documented := slices.ContainsFunc(parsed[prefix], func(a Action) bool { return Match(name, a.Name) })
		if !documented && !strings.Contains(name, "*") {
			parsed[prefix] = append(parsed[prefix], Action{Name: name, Level: Read})
		}
	}
	return parsed
})

// Matching returns the actions that a pattern such as "s3:Get*" matches, ignoring case as IAM does. There are none if
// the pattern has no service prefix that is known.
func Matching(pattern string) []Action {
	prefix, _, _ := strings.Cut(pattern, ":")
	var matching []Action
	for _, action := range services()[strings.ToLower(prefix)] {
		if Match(pattern, action.Name) {
			matching = append(matching, action)
		}
	}
	return matching
}

// Match reports whether a pattern with IAM's wildcards matches an action, ignoring case.
func Match(pattern, action string) bool {
	matched, err := path.Match(strings.ToLower(pattern), strings.ToLower(action))
	return err == nil && matched
}

// Nearest returns the pattern with its most likely spelling, or an empty string if nothing is similar. It corrects the
// service prefix or the name of a single action, but no name with wildcards.
func Nearest(pattern string) string {
	prefix, name, _ := strings.Cut(pattern, ":")
	var candidates []string
	if actions, known := services()[strings.ToLower(prefix)]; known {
		if strings.ContainsAny(name, "*?") {
			return ""
		}
		for _, action := range actions {
			candidates = append(candidates, action.Name)
		}
	} else {
		for _, other := range slices.Sorted(maps.Keys(services())) {
			if len(Matching(other+":"+name)) > 0 {
				candidates = append(candidates, other+":"+name)
			}
		}
	}
	return typo.Nearest(pattern, candidates)
}
