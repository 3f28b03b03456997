package broker

import (
	"strings"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// An expression of CloudWatch can be metric math, with searches in it, or a Metrics Insights query. What the broker does
// not recognize as plain metric math counts as a search, because it cannot know how CloudWatch reads it.

var (
	// The words of searches and queries, also with digits and underscores around them. Longer words such as SearchLatency
	// are the names of metrics, unless they are called.
	searchCall = lazy.Regexp(`(?i)(?:^|[^a-z])search(?:[^a-z]|$)|[a-z]search\s*\(`)
	selectCall = lazy.Regexp(`(?i)(?:^|[^a-z])select(?:[^a-z]|$)|[a-z]select\s*\(`)

	comment  = lazy.Regexp(`/\*|//|--|#`)
	inQuotes = lazy.Regexp(`'[^'"]*'|"[^'"]*"`)
	// plainMath matches the signs and words of metric math without its texts: numbers, IDs, which begin with a small
	// letter ("Metric math syntax and functions"), and words in capitals, which isPlain looks up.
	plainMath = lazy.Regexp(`^[A-Za-z0-9_.,()\[\]{}+*/^<>=!&|:%\s-]*$`)
	mathWord  = lazy.Regexp(`[A-Za-z0-9_.]+(?:\s*\()?`)
	mathID    = lazy.Regexp(`^[a-z][A-Za-z0-9_]*$`)
	number    = lazy.Regexp(`^[0-9]*\.?[0-9]*(?:[eE][0-9]+)?$`)
)

// mathWords are the functions and keywords of metric math that read no other metrics than their arguments.
var mathWords = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`ABS ANOMALY_DETECTION_BAND AVG CEIL DATAPOINT_COUNT DAY DB_PERF_INSIGHTS DIFF DIFF_TIME EPOCH FILL
		FIRST FLOOR HOUR IF INSIGHT_RULE_METRIC LAMBDA LAST LOG LOG10 MAX METRICS METRIC_COUNT MIN MINUTE MONTH PERIOD RATE
		REMOVE_EMPTY RUNNING_SUM SERVICE_QUOTA SLICE SORT STDDEV SUM TIME_SERIES DATE YEAR
		AND OR NOT ASC DESC REPEAT LINEAR AVERAGE TRUE FALSE`) {
		words[word] = true
	}
	return words
}()

// metricsInExpression returns how many metrics the searches and queries in an expression read at most.
func metricsInExpression(text string) int64 {
	if isPlainMath(text) {
		return 0
	}
	text = strings.Map(halfWidth, text)
	searches, selects := len(searchCall().FindAllString(text, -1)), len(selectCall().FindAllString(text, -1))
	if comment().MatchString(text) || !isASCII(text) { // a word may be split
		letters := strings.Map(smallLetters, text)
		searches = max(searches, strings.Count(letters, "search"))
		selects = max(selects, strings.Count(letters, "select"))
	}
	return max(int64(searches)*metricsOfSearch+int64(selects)*metricsOfSelect, metricsOfSearch)
}

// isPlainMath reports whether an expression is metric math with known functions only, and without comments.
func isPlainMath(text string) bool {
	if searchCall().MatchString(text) || selectCall().MatchString(text) || comment().MatchString(text) || !isASCII(text) {
		return false
	}
	text = inQuotes().ReplaceAllString(text, " ")
	if !plainMath().MatchString(text) {
		return false
	}
	for _, word := range mathWord().FindAllString(text, -1) {
		name, isCall := strings.CutSuffix(word, "(")
		name = strings.TrimSpace(name)
		if !mathWords[strings.ToUpper(name)] && (isCall || !mathID().MatchString(name)) && !number().MatchString(name) {
			return false
		}
	}
	return true
}

// halfWidth replaces a full-width form by the ASCII character that it looks like, and removes invisible characters.
func halfWidth(r rune) rune {
	const first, last, offset = '\uff01', '\uff5e', '\uff01' - '!'
	switch {
	case r >= first && r <= last:
		return r - offset
	case unicode.Is(unicode.Cf, r):
		return -1
	}
	return r
}

func smallLetters(r rune) rune {
	if r = unicode.ToLower(r); r >= 'a' && r <= 'z' {
		return r
	}
	return -1
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}
