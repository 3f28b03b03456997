// Package truncate shortens text. A shortened text is valid UTF-8 and never ends within a character. [Bytes],
// [Runes], and [OneLine] keep the beginning and end with an ellipsis, which counts toward the limit. [Middle]
// keeps both ends.
package truncate

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Ellipsis ends a shortened text.
const Ellipsis = "…"

// Bytes returns text in at most max bytes.
func Bytes(text string, max int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	switch {
	case len(text) <= max:
		return text
	case max < len(Ellipsis):
		return ""
	}
	return text[:Before(text, max-len(Ellipsis))] + Ellipsis
}

// Runes returns text in at most max characters.
func Runes(text string, max int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= max {
		return text
	}
	if max < 1 {
		return ""
	}
	kept := 0
	for at := range text {
		if kept == max-1 {
			return text[:at] + Ellipsis
		}
		kept++
	}
	return text
}

// OneLine returns text as one line in at most max bytes: every run of white space becomes one blank.
func OneLine(text string, max int) string {
	return Bytes(strings.Join(strings.Fields(text), " "), max)
}

// Middle returns text without its middle if it has more than max bytes: max/2 bytes of its beginning, and at
// most as many of its end. Between them is a line that counts the missing bytes and does not count toward
// max.
func Middle(text string, max int) (short string, missing int) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= max {
		return text, 0
	}
	head, tail := text[:Before(text, max/2)], text[After(text, len(text)-max/2):]
	missing = len(text) - len(head) - len(tail)
	return Join(head, int64(missing), tail), missing
}

// Join returns the beginning and the end of a text with a line between them that counts the missing bytes.
func Join(head string, missing int64, tail string) string {
	return fmt.Sprintf("%s\n%s %d bytes left out %s\n%s", head, Ellipsis, missing, Ellipsis, tail)
}

// Before returns the position of the last character in text that starts at or before at, or the end of text.
func Before(text string, at int) int {
	if at >= len(text) {
		return len(text)
	}
	at = max(at, 0)
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// After returns the position of the first character in text that starts at or after at, or the end of text.
func After(text string, at int) int {
	at = max(at, 0)
	for at < len(text) && !utf8.RuneStart(text[at]) {
		at++
	}
	return min(at, len(text))
}
