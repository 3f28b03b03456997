package provenance

import (
	"slices"
	"strings"
)

// inventsInOtherLanguage is [inventsText] for queries in SQL, PPL, and languages that are not known. Such a query only selects
// what the logs have if it has no literal, no comment, no operator that joins texts, no call but those of aggregates, and
// no number or truth value but those that are compared or limit the results.
func inventsInOtherLanguage(query string) bool {
	if strings.ContainsAny(query, "'\"\\#") || strings.Contains(query, "--") || strings.Contains(query, "||") ||
		strings.Contains(query, "/*") || strings.Contains(query, "//") || strings.Contains(query, "$$") {
		return true
	}
	var calls []string // what is before each open bracket
	before, isAssigned := "", false
	for i := 0; i < len(query); {
		c, token := query[i], ""
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '`':
			end := strings.IndexByte(query[i+1:], '`')
			if end < 0 {
				return true
			}
			i += end + 2
			token = "``"
		case isQueryWord(c):
			begin := i
			for i < len(query) && isQueryWord(query[i]) {
				i++
			}
			token = strings.ToLower(query[begin:i])
			if token == "not" && before == "is" { // IS NOT TRUE compares, as IS TRUE does
				continue
			}
			isAssigned = isAssigned || token == "eval"
			isTruth := (token == "true" || token == "false") && before != "is"
			if (isTruth || isDigit(token[0]) || token[0] == '.' && len(token) > 1 && isDigit(token[1])) && !isLimit(before, calls, isAssigned) {
				return true
			}
		default:
			i++
			token = string(c)
			if strings.IndexByte("<>=!", c) >= 0 && i < len(query) && strings.IndexByte("<>=", query[i]) >= 0 {
				token += query[i : i+1]
				i++
			}
		}
		switch token {
		case "(", "[":
			if before == "``" || before != "" && isQueryWord(before[0]) && !aggregates[before] && !slices.Contains(clauses, before) {
				return true
			}
			calls = append(calls, before)
		case ")", "]":
			calls = calls[:max(0, len(calls)-1)]
		}
		before = token
	}
	return false
}

// aggregates are functions that count or compare what the logs have, or group it by time.
var aggregates = map[string]bool{"count": true, "sum": true, "avg": true, "min": true, "max": true, "percentile": true, "stddev": true, "span": true}

// clauses are words before a bracket that are no functions.
var clauses = []string{"select", "from", "where", "having", "by", "on", "join", "and", "or", "not", "in", "exists", "as", "union", "all", "distinct", "with"}

// limits are tokens after which a number is compared, or limits the results.
var limits = map[string]bool{"<": true, ">": true, "<=": true, ">=": true, "=": true, "==": true, "!=": true, "<>": true, "limit": true, "offset": true,
	"head": true, "tail": true, "top": true, "rare": true, "between": true, "sort": true, "dedup": true}

// isLimit reports whether a number after a token does not become a result. isAssigned: the query assigns values to names.
func isLimit(before string, calls []string, isAssigned bool) bool {
	if len(calls) > 0 {
		switch last := calls[len(calls)-1]; {
		case last == "in", last == "count", last == "span" && before == ",", last == "percentile" && before == ",":
			return true
		}
	}
	return limits[before] && !(isAssigned && before == "=")
}
