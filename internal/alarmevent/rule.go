package alarmevent

import "strings"

// ruleWords are the words of a composite alarm's rule that are not names of alarms. An alarm with such a name
// is quoted in the rule.
var ruleWords = map[string]bool{
	"ALARM": true, "OK": true, "INSUFFICIENT_DATA": true, "AND": true, "OR": true, "NOT": true,
	"TRUE": true, "FALSE": true, "AT_LEAST": true,
}

// NamesInRule returns the names and ARNs of alarms in the rule of a composite alarm, such as
// ALARM("orders errors") AND NOT OK(arn:aws:cloudwatch:…:alarm:a) or AT_LEAST(2, ALARM, (a, b, c)). CloudWatch
// requires quotes around a name with blanks or parentheses. Other words of the rule, such as numbers, may be
// among the result.
func NamesInRule(rule string) map[string]bool {
	names := map[string]bool{}
	for rest := rule; rest != ""; {
		if rest[0] == '"' {
			var name string
			name, rest = quotedName(rest)
			if name != "" {
				names[name] = true
			}
			continue
		}
		end := strings.IndexAny(rest, " \t\r\n(),\"")
		if end < 0 {
			end = len(rest)
		}
		if word := rest[:end]; word != "" && !ruleWords[strings.ToUpper(word)] {
			names[word] = true
		}
		if end < len(rest) && rest[end] != '"' {
			end++
		}
		rest = rest[end:]
	}
	return names
}

// quotedName returns the name at the start of a text that begins with a quote, and the text after the name. A
// backslash escapes the next character.
func quotedName(text string) (name, rest string) {
	var b strings.Builder
	escaped := false
	for i, r := range text[1:] {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			return b.String(), text[1+i+1:]
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), ""
}
