package alarmevent

import (
	"regexp"
	"strings"
)

// RunbookTag is the tag of an alarm that names its runbook.
const RunbookTag = "runbook"

var runbookLine = regexp.MustCompile(`(?im)^[ \t]*runbook:[ \t]*(\S.*?)[ \t\r]*$`)

// RunbookIn returns the runbook in the first line of an alarm's description that begins with "runbook:" and has no link, or "".
func RunbookIn(description string) string {
	for _, line := range runbookLine.FindAllStringSubmatch(description, -1) {
		if NamesRunbook(line[1]) {
			return line[1]
		}
	}
	return ""
}

// NamesRunbook reports whether a text may name an object with a runbook. Other addresses are links for people.
func NamesRunbook(text string) bool {
	return text != "" && (strings.HasPrefix(text, "s3://") || !strings.Contains(text, "://"))
}
