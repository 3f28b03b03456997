// Package terminal removes terminal control sequences from text. Log lines are full of colors, which hide
// secrets from redaction and split the words that a report quotes.
package terminal

import (
	"regexp"
	"strings"
	"sync"
)

// Sequences that set colors, move the cursor, or erase ("Control functions for coded character sets",
// ECMA-48, 5.4), and sequences that select a character set ("Code extension techniques", ECMA-35, 14.3),
// which tput writes. Rarer kinds, with other bytes before the last one, are kept: in JSON, those bytes may
// end the string.
var (
	sequence = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\x1b(?:\[[0-9:;?]*[A-Za-z]|[()][A-Z0-9])`)
	})

	// inJSON also matches every other escape. Otherwise the second backslash of an escaped backslash could be
	// mistaken for the start of a sequence.
	inJSON = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\\u001[bB](?:\[[0-9:;?]*[A-Za-z]|[()][A-Z0-9])|\\.`)
	})
)

// Plain returns text without control sequences.
func Plain(text string) string {
	if !strings.Contains(text, "\x1b") {
		return text
	}
	return sequence().ReplaceAllString(text, "")
}

// PlainJSON returns a JSON value without control sequences in its strings, and otherwise unchanged.
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
