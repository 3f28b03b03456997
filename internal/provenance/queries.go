package provenance

import (
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// inventsText reports whether the results of a Logs Insights query can contain text that the query itself
// contains: a literal that is not only compared with the logs, a number that stands for a value, or a call that joins
// pieces of the logs. Functions can join, cut, and replace texts, so the results cannot be told from text of the logs.
// What different readers could understand differently counts as invented, too.
func inventsText(query, language string) bool {
	if language != "" && !strings.EqualFold(language, "CWLI") {
		return inventsInOtherLanguage(query)
	}
	q := queryReader{text: query, command: "fields", isFirst: true}
	return q.invents()
}

// queryReader reads a query of Logs Insights, token by token.
type queryReader struct {
	text        string
	at          int      // position in text
	command     string   // in lower case
	isFirst     bool     // the next word names a command
	first       bool     // the next token is the first one after the command
	before      string   // last token, in lower case
	calls       []string // open brackets: the function before each, in lower case
	hasField    bool     // the current expression names a field
	hasConstant bool     // the current expression has a number, a truth value, or null
}

// onlyCompare are commands whose literals do not become results.
var onlyCompare = map[string]bool{"filter": true, "filterindex": true, "source": true, "sort": true, "limit": true, "dedup": true}

// comparisons are tokens after which a literal is compared with a text of the logs.
var comparisons = map[string]bool{"like": true, "=": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true, "=~": true, "~=": true}

// invents reads the query to its end, or to the first token that becomes a result.
func (q *queryReader) invents() bool {
	for q.at < len(q.text) {
		c := q.text[q.at]
		switch {
		case c == '#':
			if q.comment() {
				return true
			}
			continue
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			q.at++
			continue
		case c == '\'' || c == '"':
			if text := q.quoted(c); !q.isCompared() || strings.Contains(text, `\`+string(c)) {
				return true // with an escaped quote, it is not certain where AWS sees the end
			}
			q.took("''")
		case c == '`':
			if strings.Contains(q.quoted(c), `\`) {
				return true // it may escape the end, or not
			}
			q.hasField = true
			q.took("``")
		case c == '/' && (comparisons[q.before] || q.command == "parse" && !q.first):
			if text := q.quoted(c); strings.LastIndexByte(text, '[') > strings.LastIndexByte(text, ']') || strings.Contains(text, `\\/`) {
				return true // the slash may belong to the expression
			}
			q.took("//")
		case isQueryWord(c):
			begin := q.at
			for q.at < len(q.text) && isQueryWord(q.text[q.at]) {
				q.at++
			}
			if q.word(strings.ToLower(q.text[begin:q.at])) {
				return true
			}
		default:
			if q.punctuation(c) {
				return true
			}
		}
	}
	return q.isConstant()
}

func isQueryWord(c byte) bool { return c == '@' || c == '.' || c == '$' || c >= 0x80 || isASCIIWord(c) }

// quoted reads a literal and returns it.
func (q *queryReader) quoted(end byte) string {
	begin := q.at
	for q.at++; q.at < len(q.text) && q.text[q.at] != end; q.at++ {
		if q.text[q.at] == '\\' {
			q.at++
		}
	}
	q.at = min(q.at+1, len(q.text))
	return q.text[begin:q.at]
}

// otherBreaks matches the characters, without the line feed, at which a comment could end, also as escapes of JSON.
var otherBreaks = lazy.Regexp(`[\r\v\f\x{85}\x{2028}\x{2029}]|\\u(?:0085|2028|2029)`)

// comment reads a comment. It reports whether it is not certain where it ends.
func (q *queryReader) comment() bool {
	line, _, _ := strings.Cut(q.text[q.at:], "\n")
	q.at += len(line)
	return otherBreaks().MatchString(strings.TrimSuffix(line, "\r"))
}

// took records a token.
func (q *queryReader) took(token string) { q.before, q.first = token, false }

// isCompared reports whether the literal at the current position is only compared with texts of the logs.
func (q *queryReader) isCompared() bool {
	switch {
	case onlyCompare[q.command], comparisons[q.before]:
		return true
	case q.command == "parse":
		return !q.first && len(q.calls) == 0
	case len(q.calls) > 0:
		call := q.calls[len(q.calls)-1]
		return call == "in" || (call == "strcontains" || call == "isipinsubnet") && q.before == ","
	}
	return false
}

// joining are functions that join or replace texts, so that the result is no text of the logs.
var joining = map[string]bool{"concat": true, "replace": true, "regexp_replace": true, "strformat": true}

// queryWords are words of an expression that are not fields. Functions are not either, except for count, which counts log lines.
var queryWords = map[string]bool{"as": true, "by": true, "in": true, "like": true, "and": true, "or": true, "not": true,
	"asc": true, "desc": true}

// word reads a name or a number. It reports whether the expression is a constant, or a call joins texts.
func (q *queryReader) word(word string) bool {
	isNumber := isDigit(word[0]) || len(word) > 1 && word[0] == '.' && isDigit(word[1])
	isCall := strings.HasPrefix(strings.TrimLeft(q.text[q.at:], " \t\r\n"), "(")
	switch {
	case q.isFirst:
		q.command, q.isFirst = word, false
		q.took(word)
		q.first = true
		return false
	case isCall && joining[word] && !onlyCompare[q.command]:
		return true
	case word == "true" || word == "false" || word == "null":
		q.hasConstant = true
	case isNumber:
		q.hasConstant = q.hasConstant || !slices.Contains(q.calls, "bin") // the length of a period
	case word == "by" && q.isConstant():
		return true
	case queryWords[word], q.before == "as", isCall && word != "count":
	default:
		q.hasField = true
	}
	q.took(word)
	return false
}

// punctuation reads one character. It reports whether an expression ended that is a constant.
func (q *queryReader) punctuation(c byte) bool {
	q.at++
	token := string(c)
	if q.at < len(q.text) && (q.text[q.at] == '=' || c == '=' && q.text[q.at] == '~') {
		token += q.text[q.at : q.at+1]
		q.at++
	}
	isEnd := false
	switch {
	case c == '(' || c == '[':
		q.calls = append(q.calls, q.before)
	case c == ')' || c == ']':
		q.calls = q.calls[:max(0, len(q.calls)-1)]
	case c == ',' && len(q.calls) == 0:
		isEnd = q.isConstant()
	case c == '|':
		isEnd = q.isConstant()
		q.calls, q.isFirst = nil, true
	}
	q.took(token)
	return isEnd
}

// isConstant reports whether the expression that ends here is a value that the query contains, and begins the next one.
func (q *queryReader) isConstant() bool {
	is := q.hasConstant && !q.hasField && (q.command == "fields" || q.command == "display" || q.command == "stats")
	q.hasConstant, q.hasField = false, false
	return is
}
