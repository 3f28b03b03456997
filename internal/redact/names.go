package redact

import (
	"strings"
)

// secretName matches names of secrets.
var secretName = lazy(`(?i)(?:pass(?:word|wd|phrase)|passwd|^pwd$|_pwd$|secret|api[_.-]?key|private[_.-]?key|access[_.-]?token|auth[_.-]?token|` +
	`security[_.-]?token|session[_.-]?token|refresh[_.-]?token|id[_.-]?token|bearer[_.-]?token|bot[_.-]?token|^token$|[_.-]token$|connection[_.-]?string|encryption[_.-]?key|signing[_.-]?key|account[_.-]?key|credentials?$)`)

// secretNameParts are substrings. Every match of secretName contains one of them, so a quick search for them
// can rule a name out.
var secretNameParts = []string{"pass", "pwd", "secret", "key", "token", "string", "credential"}

// harmlessName matches names that secretName matches although their values are not secrets.
var harmlessName = lazy(`(?i)(?:next|continuation|pagination|client|starting|page|request|sequence|sync|resume|change)[_.-]?token$|` +
	`(?:arn|id|ids|name|names|version|versions|policy|length|age|count|type|status|date|path|rotation|enabled|lastchanged\w*|lastused|expir\w*|url|uri|list|source|provider)$`)

// harmlessValue matches values that are never secrets.
var harmlessValue = lazy(`(?i)^(?:|true|false|none|null|nil|undefined|\*+|<[^>]*>|\$\{?[^}]*\}?|\{\{.*|arn:aws.*|\[redacted.*|-?\d{1,5}|not|is|was|and|for|the|in|of|to|has|with|invalid|expired|missing|required|incorrect|wrong|failed|denied|error)$`)

// isSecret reports whether a name indicates that its value is a secret.
func isSecret(name, value string) bool {
	return len(value) >= 4 && containsAny(fold(name), secretNameParts) &&
		secretName().MatchString(name) && !harmlessName().MatchString(name) && !harmlessValue().MatchString(value)
}

// replaceNamed replaces values whose name indicates a secret: name = value, name: value, or "name": "value", in
// code, JSON, YAML, and logs.
func (c *counter) replaceNamed(text string) string {
	var b strings.Builder
	done := 0
	for p, ok := nextPair(text, 0); ok; p, ok = nextPair(text, p.next(text)) {
		whole := text[p.value:p.end]
		plain := strings.Trim(whole, `\"'`)
		if !isSecret(text[p.name:p.nameEnd], plain) {
			continue
		}
		b.WriteString(text[done:p.value])
		b.WriteString(strings.Replace(whole, plain, c.mark("secret", plain), 1))
		done, p.value = p.end, p.end
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// pair holds the positions of a name and its value in a text.
type pair struct{ name, nameEnd, value, end int }

// next returns where the search continues: in the value if it may contain pairs ("error": "login with
// password=x"), and after it if the value is so long that searching its parts repeatedly would take too long.
func (p pair) next(text string) int {
	value, longest := text[p.value:p.end], maxBare
	if value == "" {
		return p.end
	}
	inside := strings.IndexByte(value, '=') >= 0
	if value[0] == '"' || value[0] == '\'' || value[0] == '\\' {
		longest = maxQuoted
		inside = inside || strings.Contains(value, ": ")
	}
	if !inside || len(value) > longest {
		return p.end
	}
	return p.value
}

const (
	maxBare   = 1 << 10  // bytes of an unquoted value that is searched for pairs
	maxQuoted = 64 << 10 // bytes of a quoted value that is searched for pairs

	minName = 2  // bytes of a name
	maxName = 64 // bytes of a name
)

// nextPair finds the next name with a value at or after a position. It is equivalent to the pattern
//
//	([A-Za-z0-9_.-]{2,64})(\\?["']?\s*(?:=>|[:=])\s*)(\\?"(?:[^"\\\n]|\\[^"\n])*\\?"|'(?:[^'\\\n]|\\.)*'|[^\s"',;&{}()\[\]]+)
//
// but takes one pass. Names are frequent in logs, and the pattern took most of the time of a redaction.
func nextPair(text string, from int) (pair, bool) {
	for at := from; at < len(text); {
		if !inName[text[at]] {
			at++
			continue
		}
		start := at
		for at < len(text) && inName[text[at]] {
			at++
		}
		if at-start < minName {
			continue
		}
		if value, end := assignment(text, at); end > 0 {
			return pair{name: max(start, at-maxName), nameEnd: at, value: value, end: end}, true
		}
	}
	return pair{}, false
}

// assignment reads an assignment operator and a value after a name. It returns end 0 if either is missing.
func assignment(text string, at int) (value, end int) {
	if at < len(text) && text[at] == '\\' {
		at++
	}
	if at < len(text) && (text[at] == '"' || text[at] == '\'') {
		at++
	}
	at = skipSpace(text, at)
	if at >= len(text) || text[at] != ':' && text[at] != '=' {
		return 0, 0
	}
	if strings.HasPrefix(text[at:], "=>") {
		value = skipSpace(text, at+2)
		if end = valueEnd(text, value); end > 0 {
			return value, end
		}
	}
	value = skipSpace(text, at+1)
	return value, valueEnd(text, value)
}

// valueEnd returns the end of the value that starts at a position, or 0 if there is none.
func valueEnd(text string, at int) int {
	if strings.HasPrefix(text[at:], `"`) {
		return doubleQuotedEnd(text, at+1)
	}
	if strings.HasPrefix(text[at:], `\"`) {
		if end := doubleQuotedEnd(text, at+2); end > 0 {
			return end
		}
	}
	if strings.HasPrefix(text[at:], "'") {
		return singleQuotedEnd(text, at+1)
	}
	start := at
	for at < len(text) && !endsValue[text[at]] {
		at++
	}
	if at == start {
		return 0
	}
	return at
}

// doubleQuotedEnd reads up to the next double quote, escaped or not, because JSON in JSON ends with \".
func doubleQuotedEnd(text string, at int) int {
	for at < len(text) && text[at] != '\n' {
		switch {
		case text[at] == '"':
			return at + 1
		case text[at] == '\\' && at+1 < len(text) && text[at+1] == '"':
			return at + 2
		case text[at] == '\\':
			if at++; at < len(text) && text[at] == '\n' {
				return 0
			}
		}
		at++
	}
	return 0
}

// singleQuotedEnd reads up to the next single quote that is not escaped.
func singleQuotedEnd(text string, at int) int {
	for at < len(text) && text[at] != '\n' {
		switch text[at] {
		case '\'':
			return at + 1
		case '\\':
			if at++; at < len(text) && text[at] == '\n' {
				return 0
			}
		}
		at++
	}
	return 0
}

func skipSpace(text string, at int) int {
	for at < len(text) && isSpace[text[at]] {
		at++
	}
	return at
}

var (
	inName    = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
	isSpace   = bytesOf("\t\n\f\r ")
	endsValue = bytesOf("\t\n\f\r \"',;&{}()[]")
)

func bytesOf(text string) (set [256]bool) {
	for i := range len(text) {
		set[text[i]] = true
	}
	return set
}
