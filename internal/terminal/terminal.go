// Package terminal takes out of texts what programs write for a terminal: log lines are full of colors, which hide
// secrets from whatever looks for them, and stand within the words that a report quotes.
package terminal

import (
	"regexp"
	"strings"
	"sync"
)

// Sequences that set colors, move the cursor or erase ("Control functions for coded character sets", ECMA-48, 5.4),
// and those that choose a character set ("Code extension techniques", ECMA-35, 14.3), which tput writes. Their rarer kinds, with other bytes before the last one, stay: in JSON those bytes may be the string's end.
var (
	sequence = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\x1b(?:\[[0-9:;?]*[A-Za-z]|[()][A-Z0-9])`) })

	// The same as JSON has it, or any other escape, so that an escaped backslash is not taken for the beginning of one.
	inJSON = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\u001[bB](?:\[[0-9:;?]*[A-Za-z]|[()][A-Z0-9])|\\.`) })
)

// Plain returns a text without such sequences.
func Plain(text string) string {
	if !strings.Contains(text, "\x1b") {
		return text
	}
	return sequence().ReplaceAllString(text, "")
}

// PlainJSON returns a JSON value whose strings are without such sequences, and otherwise as it was.
func PlainJSON(encoded string) string {
	if !strings.Contains(encoded, `\u001b`) && !strings.Contains(encoded, `\u001B`) {
		return encoded
	}
	return inJSON().ReplaceAllStringFunc(encoded, func(escape string) string {
		if len(escape) > len(`\n`) {
			return ""
		}
		return escape
	})
}
