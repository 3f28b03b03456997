package broker

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// guard decides which operations may pass, in addition to IAM: reads that are part of ReadOnlyAccess and not
// denied, and operations that the user allowed.
type guard struct {
	denied        []string // patterns of IAM actions in lower case
	billed        []string // those of denied that are only billed or start a job
	deniedByUser  []string
	allowedByUser []string

	// verdicts and suggestions cache the results of checkOne and nearest by *operation, because there are many
	// patterns to match.
	verdicts, suggestions *sync.Map
}

func newGuard(open []toolpolicy.Group, allowed, denied []string) guard {
	return guard{
		denied:        lower(toolpolicy.Denied(open...)),
		billed:        lower(toolpolicy.DeniedOnly(toolpolicy.BilledReads, open...)),
		deniedByUser:  lower(denied),
		allowedByUser: lower(allowed),
		verdicts:      &sync.Map{},
		suggestions:   &sync.Map{},
	}
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, entry := range list {
		out[i] = strings.ToLower(entry)
	}
	return out
}

// check returns why one of the operations is refused, or an empty string if all may pass.
func (g guard) check(ops []*operation) string {
	for _, op := range ops {
		if reason := g.checkOne(op); reason != "" {
			suggestion, known := g.suggestions.Load(op)
			if !known {
				suggestion, _ = g.suggestions.LoadOrStore(op, g.suggestion(op.service, op.name))
			}
			return reason + suggestion.(string)
		}
	}
	return ""
}

// The broker watches the queries of the code that it serves, and stops them. The code must not use stopLogQuery, because it
// could stop queries of other people.
const (
	watchLogQuery = "logs:GetQueryResults"
	stopLogQuery  = "logs:StopQuery"
)

// isDeniedByUser reports whether the settings deny an operation, by its action or by its own name if that is another one: IAM can
// have actions that the tables do not know yet.
func (g guard) isDeniedByUser(op *operation) bool {
	return matches(g.deniedByUser, op.action) || matches(g.deniedByUser, op.service.prefix+":"+op.name)
}

// allows reports whether the settings allow each of the operations by name.
func (g guard) allows(ops []*operation) bool {
	for _, op := range ops {
		if !matches(g.allowedByUser, op.action) {
			return false
		}
	}
	return true
}

// checkOne returns why an operation is refused, or an empty string.
func (g guard) checkOne(op *operation) string {
	verdict, known := g.verdicts.Load(op)
	if !known {
		verdict, _ = g.verdicts.LoadOrStore(op, g.judge(op))
	}
	return verdict.(string)
}

// judge is checkOne without the cache.
func (g guard) judge(op *operation) string {
	name := op.service.prefix + ":" + op.name
	if op.action != name {
		name += " (IAM action " + op.action + ")"
	}
	switch {
	case op.action == stopLogQuery:
		return name + " is refused: the broker itself stops the queries that a tool call leaves running"
	case g.isDeniedByUser(op):
		return name + " is refused: the settings of this tool deny it"
	case op.action == startLogQuery && (matches(g.deniedByUser, watchLogQuery) || matches(g.deniedByUser, stopLogQuery)):
		return name + " is refused: the settings of this tool deny logs:GetQueryResults or logs:StopQuery, with which the broker limits " +
			"what a query costs"
	case matches(g.billed, op.action):
		return name + " is refused: AWS bills it per request, or it starts a job; the settings of this tool do not allow it"
	case matches(g.denied, op.action):
		return name + " is refused: it can return credentials, data, or code, or has side effects; " +
			"this tool must not use it"
	case op.level == levelSecret: // no setting opens it, because IAM's action is the HTTP method and allows other reads too
		return name + " is refused: its answer can contain secret keys"
	case matches(g.allowedByUser, op.action):
		return ""
	case op.level == levelRead || op.level == levelList:
		return ""
	case op.level == levelOutside:
		return name + " is refused: it is not part of ReadOnlyAccess, and the settings of this tool do not allow it"
	case op.level == levelUnknown:
		return name + " is refused: IAM's authorization data does not state whether it only reads"
	}
	return fmt.Sprintf("%s is refused: its access level is %s, and this tool only reads", name, op.level)
}

// matches reports whether one of the patterns, with IAM's wildcards, matches the action, ignoring case.
func matches(patterns []string, action string) bool {
	action = strings.ToLower(action)
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, action); err == nil && ok {
			return true
		}
	}
	return false
}

// Passing returns the IAM actions of all operations that pass with the default settings, whatever the credentials allow.
// Parameters of a request can still make the broker refuse it. The tests compare the actions with the permissions of the
// tool's role: where the broker signs with other credentials, it must not let more pass than the role would.
func Passing() []string {
	g := newGuard(nil, nil, nil)
	var passing []string
	for id := range theTables().blocks {
		for _, op := range theTables().service(id).operations {
			if g.checkOne(op) == "" {
				passing = append(passing, op.action)
			}
		}
	}
	slices.Sort(passing)
	return slices.Compact(passing)
}
