package alarmevent

import "regexp"

// RunbookTag is the tag of an alarm that names its runbook.
const RunbookTag = "runbook"

var runbookLine = regexp.MustCompile(`(?im)^[ \t]*runbook:[ \t]*(\S.*?)[ \t\r]*$`)

// RunbookIn returns the runbook that a line of an alarm's description names, or "" if none does.
func RunbookIn(description string) string {
	if line := runbookLine.FindStringSubmatch(description); line != nil {
		return line[1]
	}
	return ""
}
