package alarmevent

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// RunbookTag is the tag of an alarm that names its runbook.
const RunbookTag = "runbook"

// Tag returns the value of one of the alarm's tags, whose key may be in upper or lower case, or "".
func (a *Alarm) Tag(key string) string {
	value := a.Tags[key]
	for _, name := range slices.Sorted(maps.Keys(a.Tags)) { // every reader must get the same one
		if value == "" && strings.EqualFold(name, key) {
			value = a.Tags[name]
		}
	}
	return value
}

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
