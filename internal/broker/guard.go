package broker

import (
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// guard decides what may be asked of AWS, as a second opinion beside IAM's: reads of ReadOnlyAccess that
// are not among the denied ones, and what the user allowed.
type guard struct {
	denied  []string // patterns of IAM actions in lower case
	own     []string // those of them that the user added
	allowed []string // patterns that the user allowed besides reads

	verdicts *sync.Map // *operation to the reason found for it: the patterns are many
}

func newGuard(open []toolpolicy.Group, allowed, denied []string) guard {
	return guard{denied: lower(toolpolicy.Denied(open...)), own: lower(denied), allowed: lower(allowed), verdicts: &sync.Map{}}
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, entry := range list {
		out[i] = strings.ToLower(entry)
	}
	return out
}

// check returns why one of the operations is refused, or nothing when all of them may pass.
func (g guard) check(ops []*operation) string {
	for _, op := range ops {
		verdict, known := g.verdicts.Load(op)
		if !known {
			verdict, _ = g.verdicts.LoadOrStore(op, g.checkOne(op))
		}
		if reason := verdict.(string); reason != "" {
			return reason
		}
	}
	return ""
}

func (g guard) checkOne(op *operation) string {
	name := op.service.prefix + ":" + op.name
	if op.action != name {
		name += " (IAM action " + op.action + ")"
	}
	switch {
	case matches(g.own, op.action):
		return name + " is refused: the settings of this tool deny it"
	case matches(g.denied, op.action):
		return name + " is refused: it can hand out credentials, data or code, or has effects, and this tool must not use it"
	case matches(g.allowed, op.action):
		return ""
	case op.level == levelRead || op.level == levelList:
		return ""
	case op.level == levelSecret:
		return name + " is refused: its answer can hold secret keys"
	case op.level == levelOutside:
		return name + " is refused: ReadOnlyAccess does not have it, and the settings of this tool do not allow it"
	case op.level == levelUnknown:
		return name + " is refused: IAM's authorization data does not say whether it only reads"
	}
	return fmt.Sprintf("%s is refused: its access level is %s, and this tool only reads", name, op.level)
}

// matches tells whether a pattern with IAM's wildcards matches the action, without regard to case.
func matches(patterns []string, action string) bool {
	action = strings.ToLower(action)
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, action); err == nil && ok {
			return true
		}
	}
	return false
}
