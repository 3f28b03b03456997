// Package redact removes secrets from everything that leaves the tool. IDs, ARNs, timestamps, hashes, and
// stack traces stay, because logs must remain readable. Secrets are recognized by:
//
//   - the detection rules of gitleaks (rules.go, rules.json)
//   - the shapes of tokens, and the fields in which AWS's answers contain secrets (shapes.go)
//   - the text before a value, such as a command (commands.go)
//   - the name of a value (names.go), in all forms of text (scan.go, values.go, forms.go)
//   - the variables of programs, and the data of Kubernetes secrets (variables.go)
//   - a [Memory] of the answers that AWS gave to the same call (memory.go), in all encodings (literals.go, decode.go)
//
// One pass finds the words of all rules and shapes (index.go), so only those whose words occur are tried.
package redact

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Redactor replaces secrets with a text that names their kind.
type Redactor struct {
	custom []*regexp.Regexp   // patterns of the user
	known  *known             // secrets that AWS's answers contain; may be nil
	gaps   toolcall.SearchGap // what was not searched for these secrets
	until  time.Time          // zero: no deadline

	ignorant bool // the deadline passed before all secrets in AWS's answers were learned
}

// Every replacement starts with markStart, by which later passes recognize it.
const (
	markStart = toolcall.MarkStart
	markEnd   = toolcall.MarkEnd
)

// isMarked reports whether a text contains the beginning of a replacement. A pattern may have matched only a part.
func isMarked(text string) bool { return strings.Contains(text, strings.TrimSpace(markStart)) }

// replacement returns the text that replaces a secret of this kind.
func replacement(kind string) string { return markStart + kind + markEnd }

// withheld replaces a text whose redaction did not end in time.
const withheld = markStart + "the whole text, because searching it for secrets took too long; " +
	"print less, and only the data that you need" + markEnd

const (
	sendTime      = 300 * time.Millisecond // of the invocation, reserved for sending an answer
	minRedactTime = 100 * time.Millisecond // granted even if the invocation is almost over: most answers take less
)

// Deadline returns the time at which the redaction of an answer must end. The time between it and ctx's
// deadline is needed to send the answer. Deadline returns the zero time if ctx has no deadline.
func Deadline(ctx context.Context, now time.Time) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	end := deadline.Add(-sendTime)
	if least := now.Add(minRedactTime); end.Before(least) {
		return least
	}
	return end
}

// New returns a redactor with additional patterns in RE2 syntax. Its error names the invalid pattern.
func New(patterns []string) (*Redactor, error) {
	go func() { // build the indexes while Python starts
		keywords()
		hintsOfSecrets()
		hintsOfNames()
	}()
	r := &Redactor{}
	for _, pattern := range patterns {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("redaction pattern %q is not a regular expression (RE2): %w", pattern, err)
		}
		r.custom = append(r.custom, compiled)
	}
	return r, nil
}

// Until returns the redactor with a deadline. A text whose redaction has not ended by then is withheld
// completely: the rules take seconds for a text with the keywords of all rules on each line.
func (r *Redactor) Until(deadline time.Time) *Redactor {
	bounded := *r
	bounded.until = deadline
	return &bounded
}

// Late returns the redactor after its deadline, without the secrets in AWS's answers. It withholds what it cannot search at once.
func (r *Redactor) Late() *Redactor {
	late := r.Until(time.Now())
	late.ignorant = true
	return late
}

// Answer redacts every text of an answer in place and counts the secrets.
func (r *Redactor) Answer(a *toolcall.Answer) {
	output, inOutput := a.Output, map[string]bool{}
	var count int
	a.Output, count = r.textWith(output, func(secret string) { inOutput[secret] = true })
	count = max(count, strings.Count(a.Output, markStart)) // parts that were shortened have been redacted before
	text := func(text string) string {
		if text == output { // usually the output is one stream
			return a.Output
		}
		clean, _ := r.textWith(text, func(secret string) {
			if !inOutput[secret] { // such as what a pattern of the user with ^ matches
				inOutput[secret] = true
				count++
			}
		})
		return clean
	}
	a.Stdout, a.Stderr, a.Error, a.ErrorType = text(a.Stdout), text(a.Stderr), text(a.Error), text(a.ErrorType)
	for i := range a.AWSCalls {
		if call := &a.AWSCalls[i]; call.Refused != "" { // other calls contain no text from the code
			call.Service, call.Operation, call.Refused = text(call.Service), text(call.Operation), text(call.Refused)
			call.Region, call.AccessKey = text(call.Region), text(call.AccessKey)
		}
	}
	for i := range a.Notes {
		a.Notes[i] = text(a.Notes[i])
	}
	result, inResult := r.json(a.Result)
	if inResult > 0 && len(r.custom) > 0 { // in the output, the result is text, in which some patterns of the user do not match
		_, asText := r.Text(shownResult(a.Result))
		count += max(inResult-asText, 0)
	}
	a.Result = result
	a.Redactions += count
	if r.gaps != (toolcall.SearchGap{}) {
		gaps := r.gaps
		a.SearchGap = &gaps
		a.Notes = append(a.Notes, gaps.String())
	}
	if count > 0 {
		were := "secrets were"
		if count == 1 {
			were = "secret was"
		}
		a.Notes = append(a.Notes, fmt.Sprintf("%d %s replaced with %s", count, were, replacement("kind")))
	}
}

// ReplaceFakeMarks changes the parts of a text of the code that look like a mark of the redaction, so that every mark in
// an answer is one of the redaction. Call it before the text is redacted.
func ReplaceFakeMarks(text string) string {
	start := strings.TrimSpace(markStart)
	return strings.ReplaceAll(text, start, "("+start[1:])
}

// Text redacts a text and counts the secrets.
func (r *Redactor) Text(text string) (string, int) { return r.textWith(text, nil) }

// textWith is Text, and calls each for each secret that it replaces. each may be nil.
func (r *Redactor) textWith(text string, each func(secret string)) (clean string, count int) {
	c := counter{until: r.until, each: each}
	return r.text(&c, text), c.count
}

// Document redacts a text that may be a JSON document and counts the secrets. In a document, the names of
// fields also identify secrets. Control sequences are removed first, because colors hide names and values.
func (r *Redactor) Document(text string) (string, int) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid([]byte(trimmed)) {
		return r.Text(terminal.Plain(text))
	}
	text = terminal.PlainJSON(text)
	clean, count, isLate := r.document(json.RawMessage(text))
	switch {
	case isLate:
		return withheld, count
	case count == 0: // of a name that is repeated, the document only has the last value
		return r.Text(text)
	case r.missesPattern(text, string(clean)):
		return r.Text(text)
	}
	return string(clean), count
}

// missesPattern reports whether a pattern of the user that matches in a document can still match in its redacted form. A document is
// redacted value by value, without its blanks and in another order, and a pattern can match several values.
func (r *Redactor) missesPattern(text, clean string) bool {
	if len(r.custom) == 0 {
		return false
	}
	if replaced, isLate := r.replacePatterns(clean); isLate || replaced != clean {
		return true
	}
	replaced, isLate := r.replacePatterns(text)
	return isLate || !json.Valid([]byte(replaced)) && !isCompact(text)
}

// replacePatterns replaces only what the patterns of the user match. If isLate, it did not end in time.
func (r *Redactor) replacePatterns(text string) (clean string, isLate bool) {
	c := counter{until: r.until}
	for _, pattern := range r.custom {
		text = c.replaceCustom(pattern, text)
	}
	return text, c.expired
}

// isCompact reports whether a document has the form of its redacted form: no blanks, and its names in order.
func isCompact(text string) bool {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var decoded any
	if decoder.Decode(&decoded) != nil {
		return false
	}
	encoded, err := encode(decoded)
	if escaped, problem := json.Marshal(decoded); problem == nil && string(escaped) == text { // with the signs of HTML as escapes
		return true
	}
	return err == nil && encoded == text
}

// placeholders are what log_patterns writes in the place of numbers, ids, times, and addresses. They can stand in a secret.
var placeholders = []string{"<n>", "<id>", "<time>", "<address>"}

// text applies every way of finding secrets to a text.
func (r *Redactor) text(c *counter, text string) string {
	var back []string
	for i, placeholder := range placeholders {
		if !strings.Contains(text, placeholder) {
			continue
		}
		number := unused(text, strconv.Itoa(4+i))
		if number == "" { // a secret with a placeholder would not be recognized
			c.count++
			return withheld
		}
		text = strings.ReplaceAll(text, placeholder, number)
		back = append(back, number, placeholder)
	}
	text = r.plainText(c, text)
	if c.expired {
		return text
	}
	if back != nil {
		text = strings.NewReplacer(back...).Replace(text)
	}
	for _, pattern := range r.custom { // which must not match the numbers that stand for placeholders
		if c.isLate() {
			c.count++
			return withheld
		}
		if text = c.replaceCustom(pattern, text); c.expired {
			c.count++
			return withheld
		}
	}
	return text
}

// maxFill limits the length of the numbers of unused with equal digits. Only hostile texts have more of every digit in a row.
const maxFill = 64

// unused returns a number that a text does not contain, or an empty string. A number in a value makes nobody take the value
// for a secret. Its first digit does not follow again, so that no digit of the text can be taken for a part of it.
func unused(text, first string) string {
	for _, fill := range []byte("0123") { // not those with which numbers begin
		longest, run := 0, 0
		for i := range len(text) {
			run++
			if text[i] != fill {
				run = 0
			}
			longest = max(longest, run)
		}
		if longest <= maxFill {
			return first + strings.Repeat(string(fill), max(longest+1, 7))
		}
	}
	for range 100 {
		number := []byte(first)
		for range 15 {
			number = append(number, "0123"[rand.IntN(4)])
		}
		if !strings.Contains(text, string(number)) {
			return string(number)
		}
	}
	return ""
}

// maxLateText is the length in bytes of a text whose search begins even after the deadline.
const maxLateText = 4 << 10

// canHoldLearned reports whether a text can contain a secret of an answer (see [learner.add]).
func canHoldLearned(text string) bool { return len(text) >= minSecret && hasDigit(text) }

// plainText applies every way of finding secrets, except the patterns of the user, to a text without placeholders.
func (r *Redactor) plainText(c *counter, text string) string {
	if (len(text) > maxLateText || r.ignorant && canHoldLearned(text)) && c.isLate() {
		c.count++
		return withheld
	}
	c.wanted = keywordsOf(text)
	text = c.replaceInFields(text)
	if r.known != nil {
		text = r.known.replace(c, r.custom, text)
	}
	text = c.replaceTokens(text)
	text = c.replaceByRules(text)
	text = c.replaceByContext(text)
	text = c.replaceNamed(text)
	if c.expired {
		c.count++
		return withheld
	}
	return text
}

// counter counts the secrets of one text and reports them to found.
type counter struct {
	count int
	found func(secret string) // of an answer of AWS; may be nil
	each  func(secret string) // of another text; may be nil

	wanted []bool // by number of rule or shape: whether the text contains one of its words

	until   time.Time // zero: no deadline
	expired bool      // the deadline passed before the redaction ended
}

// isLate reports whether the deadline has passed.
func (c *counter) isLate() bool {
	c.expired = c.expired || !c.until.IsZero() && time.Now().After(c.until)
	return c.expired
}

// mark counts a secret and returns its replacement.
func (c *counter) mark(kind, secret string) string {
	c.count++
	if c.found != nil {
		c.found(secret)
	}
	if c.each != nil {
		c.each(secret)
	}
	return replacement(kind)
}

// markOver is mark for a text that can contain marks, which counted before.
func (c *counter) markOver(kind, text string) string {
	c.count = max(c.count-strings.Count(text, markStart), 0)
	return c.mark(kind, text)
}

// replaceAll replaces every match of a pattern.
func (c *counter) replaceAll(pattern *regexp.Regexp, text string, replace func(groups []string) string) string {
	return pattern.ReplaceAllStringFunc(text, func(found string) string {
		groups := pattern.FindStringSubmatch(found)
		if groups == nil {
			// The pattern matched only because of the surrounding text.
			return c.mark("secret", found)
		}
		return replace(groups)
	})
}

// customPattern is the kind of what a pattern of the user matches.
const customPattern = "custom pattern"

// replaceCustom replaces the matches of a pattern of the user. A match in a mark stays, and a mark in a match becomes a part
// of the new mark.
func (c *counter) replaceCustom(pattern *regexp.Regexp, text string) string {
	var b strings.Builder
	var marks [][]int
	if isMarked(text) {
		marks = wholeMark().FindAllStringIndex(text, -1)
	}
	done := 0
	for _, found := range c.customMatches(pattern, text) {
		from, to := found[0], found[1]
		for len(marks) > 0 && marks[0][1] <= from {
			marks = marks[1:]
		}
		for _, mark := range marks {
			if mark[0] >= to {
				break
			}
			if mark[0] <= from && to <= mark[1] {
				from, to = 0, 0 // in a mark
				break
			}
			from, to = min(from, mark[0]), max(to, mark[1])
		}
		if from < done || to <= from {
			continue
		}
		b.WriteString(text[done:from])
		b.WriteString(c.markOver(customPattern, text[from:to]))
		done = to
	}
	b.WriteString(text[done:])
	return b.String()
}

// customMatches returns where a pattern of the user matches in a text or in one of its decoded forms, in order: JSON and Python
// escape letters, quotes, and backslashes, and addresses are percent-encoded. Answers of AWS are long and only searched as they are.
func (c *counter) customMatches(pattern *regexp.Regexp, text string) (found [][2]int) {
	for v := (&view{text: text}); v != nil && v.depth <= maxDecodings; v, _ = v.decode(backslashes | marks) {
		if v.from != nil && c.isLate() {
			return nil // the whole text is withheld
		}
		for _, match := range pattern.FindAllStringIndex(v.text, -1) {
			from, to := v.original(match[0], match[1])
			if strings.Count(text[from:max(from, to)], "\n") > strings.Count(v.text[match[0]:match[1]], "\n") {
				continue // of two lines that end and begin with quotes, which a decoded form joins
			}
			found = append(found, [2]int{from, to})
		}
		if c.found != nil { // of an answer
			break
		}
	}
	slices.SortFunc(found, func(a, b [2]int) int { return cmp.Or(a[0]-b[0], b[1]-a[1]) })
	merged := found[:0]
	for _, span := range found {
		if last := len(merged) - 1; last >= 0 && span[0] < merged[last][1] {
			merged[last][1] = max(merged[last][1], span[1])
			continue
		}
		merged = append(merged, span)
	}
	return merged
}

var wholeMark = lazy.Regexp(regexp.QuoteMeta(markStart) + `[^\]\n]*` + regexp.QuoteMeta(markEnd))

// replaceGroup replaces the second group of each match of a shape.
func (c *counter) replaceGroup(s *shape, text string) string {
	return c.replaceAll(s.pattern(), text, func(g []string) string {
		if isMarked(g[2]) {
			return g[0]
		}
		return g[1] + c.mark(s.kind, g[2])
	})
}

// json redacts a JSON value, strings as texts, and fields by their names, and counts the secrets.
func (r *Redactor) json(raw json.RawMessage) (clean json.RawMessage, count int) {
	clean, count, isLate := r.document(raw)
	if isLate {
		return json.RawMessage(`"` + withheld + `"`), count
	}
	return clean, count
}

// shownResult returns a result as the output shows it: a string without its quotes.
func shownResult(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// document redacts a JSON value and counts the secrets. If isLate, it did not end in time.
func (r *Redactor) document(raw json.RawMessage) (clean json.RawMessage, count int, isLate bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var decoded any
	if len(raw) == 0 || decoder.Decode(&decoded) != nil {
		return raw, 0, false
	}
	w := walk{redactor: r, keys: map[string]string{}}
	if !r.until.IsZero() && len(raw) > maxLateText {
		w.until = r.until.Add(lateTime)
	}
	value := w.value("", decoded)
	switch {
	case w.late:
		return nil, w.changes + 1, true
	case w.changes == 0:
		return raw, 0, false
	}
	encoded, err := encode(value)
	if err != nil {
		return json.RawMessage(`"` + replacement("result") + `"`), w.changes, false
	}
	return json.RawMessage(encoded), w.changes, false
}

// lateTime is how long after the deadline the values of a long document are searched. Each of them can be short; see maxLateText.
const lateTime = 50 * time.Millisecond

// walk redacts one decoded JSON value.
type walk struct {
	redactor *Redactor
	until    time.Time // zero: no deadline
	late     bool      // the deadline passed before the walk ended, or an object is hostile; the value is not redacted completely
	changes  int
	keys     map[string]string // names of fields to their redacted form
	lines    keyReader
}

// secretFields maps the names of fields in which every text is a secret to the kind of the secret. The names
// of the fields below them are not replaced.
var secretFields = map[string]string{
	"Variables": "environment variable", "EnvironmentVariables": "environment variable", "environmentVariables": "environment variable",
	"RuntimeEnvironmentVariables": "environment variable", "ContainerEnvironmentVariables": "environment variable",
	"UserData": "user data", "userData": "user data", "userDataOverride": "user data", "CustomerGatewayConfiguration": "VPN configuration",
	"SecretString": "secret", "SecretBinary": "secret", "PreSharedKey": "secret", "KeyMaterial": "secret",
}

// isLate reports whether the deadline has passed.
func (w *walk) isLate() bool {
	w.late = w.late || !w.until.IsZero() && time.Now().After(w.until)
	return w.late
}

func (w *walk) value(name string, v any) any {
	if w.isLate() {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		return w.object(name, v)
	case json.Number:
		return w.number(name, v)
	case []any:
		if isDatapoint(v) {
			v[1] = w.value(name, v[1])
			return v
		}
		w.command(v)
		w.row(v)
		flag := name // of a command line, such as --password
		for i := range v {
			text, _ := v[i].(string)
			if option, value, isOption := strings.Cut(text, "="); isOption && isFlagOfSecret(option, value) {
				v[i] = option + "=" + replacement("secret")
				w.changes++
				continue
			}
			if isProse(text) { // a message about a password
				flag = ""
			}
			if isLongText(text) {
				flag = name
			}
			v[i] = w.value(flag, v[i])
			flag = name
			if isFlag(text) {
				flag = text
			}
		}
	case string:
		if w.lines.reads(v) {
			var c counter
			v = c.replaceKeyLines(v)
			w.changes += c.count
		}
		if isSecret(name, v) {
			w.changes++
			return replacement("secret")
		}
		clean, count := w.redactor.field(name, v)
		if w.redactor.matchesMember(name, v, `"`) {
			w.changes++
			return replacement(customPattern)
		}
		w.changes += count
		return clean
	}
	return v
}

// field redacts a text with a name. Some headers, such as Authorization, contain a credential without a name.
func (r *Redactor) field(name, text string) (string, int) {
	if header, isHeader := headerWith(name, text); isHeader {
		clean, count := r.Text(header)
		if value, isWhole := strings.CutPrefix(clean, name+headerSign); isWhole {
			return value, count
		}
	}
	return r.Text(text)
}

const headerSign = ": "

// headerWith returns the line of a header with credentials or cookies, and whether a name is that of one.
func headerWith(name, value string) (line string, isHeader bool) {
	if len(name) > maxName || !isName(name) {
		return "", false
	}
	folded := fold(name)
	return name + headerSign + value, strings.HasSuffix(folded, "authorization") || strings.HasSuffix(folded, "cookie")
}

// isFlag reports whether a text of a list can be an option of a command. The first line of a private key is none.
func isFlag(text string) bool { return strings.HasPrefix(text, "-") && !strings.HasPrefix(text, "---") }

// isFlagOfSecret reports whether an argument of a command, such as --password=value, has a secret.
func isFlagOfSecret(option, value string) bool {
	name := strings.TrimLeft(option, "-")
	return name != option && isName(name) && likely.matches(value) && classify(name) >= ambiguous && !isProse(value)
}

// minNumber is the length of a number that can be a secret. Shorter ones are counts, sizes, and statuses.
const minNumber = 6

// number redacts a whole number. In JSON, a password can be one, and so can what a pattern of the user describes.
func (w *walk) number(name string, v json.Number) any {
	text := v.String()
	digits := strings.TrimPrefix(text, "-")
	if len(digits) < minNumber || !isNumber(digits) {
		return v
	}
	switch {
	case isSecret(name, digits) && !strings.ContainsAny(name, " /"): // of a message, it is a count
		w.changes++
		return replacement("secret")
	case w.redactor.matchesAlone(text) || w.redactor.matchesMember(name, text, ""):
		w.changes++
		return replacement(customPattern)
	case w.redactor.known != nil:
		if clean, count := w.redactor.Text(text); count > 0 {
			w.changes += count
			return clean
		}
	}
	return v
}

// isDatapoint reports whether a list is a datapoint: a time in seconds since 1970, which is no secret, and a number.
func isDatapoint(list []any) bool {
	if len(list) != 2 {
		return false
	}
	at, isTime := list[0].(json.Number)
	_, hasValue := list[1].(json.Number)
	seconds, err := at.Float64()
	return isTime && hasValue && err == nil && seconds > 1e9 && seconds < 4e9
}

// matchesAlone reports whether a pattern of the user matches a part of a value.
func (r *Redactor) matchesAlone(value string) bool {
	return slices.ContainsFunc(r.custom, func(pattern *regexp.Regexp) bool { return pattern.FindString(value) != "" })
}

// matchesMember reports whether a pattern of the user that does not match in a value of JSON alone matches a part of it together with
// the name before it or the quote after it. quote is what is around the value.
func (r *Redactor) matchesMember(name, value, quote string) bool {
	if len(r.custom) == 0 {
		return false
	}
	for _, sign := range []string{`": `, `":`} {
		before := `"` + name + sign + quote
		member := before + value + quote
		if slices.ContainsFunc(r.custom, func(pattern *regexp.Regexp) bool {
			return pattern.FindString(value) == "" && slices.ContainsFunc(pattern.FindAllStringIndex(member, -1), func(found []int) bool {
				return found[0] < len(before)+len(value) && found[1] > len(before)
			})
		}) {
			return true
		}
	}
	return false
}

// row redacts a list of a name and its value, such as a row of a result: ["db_password", "value"].
func (w *walk) row(list []any) {
	if len(list) != 2 {
		return
	}
	name, isText := list[0].(string)
	value, hasValue := list[1].(string)
	if isText && hasValue {
		list[1] = w.header(name, value)
	}
	if isText && hasValue && isPairName(name) && classify(name) >= operation && looksPassword(value) && !isHarmlessValue(value) &&
		!isProse(value) && (!strings.Contains(name, " ") || !isMessage(value)) {
		list[1] = replacement("secret")
		w.changes++
	}
}

// maxCommand is the number of arguments of a command.
const maxCommand = 100

// command redacts a list of texts that is a command with its arguments: ["mysql", "-ppassword"].
func (w *walk) command(list []any) {
	if argumentsOf(list) == nil {
		return
	}
	encoded, err := json.Marshal(list)
	if err != nil {
		return
	}
	c := counter{until: w.redactor.until, wanted: keywordsOf(string(encoded))}
	text := c.replaceInContexts(string(encoded))
	var clean []any
	if c.count > 0 && json.Unmarshal([]byte(text), &clean) == nil && len(clean) == len(list) {
		copy(list, clean)
		w.changes += c.count
	}
}

// argumentsOf returns the texts of a list with an option, or of a command without one, or nil if it is no command.
func argumentsOf(list []any) []string {
	if len(list) < 2 || len(list) > maxCommand {
		return nil
	}
	words, hasOption := make([]string, 0, len(list)), false
	for _, v := range list {
		text, isText := v.(string)
		if !isText {
			return nil
		}
		words, hasOption = append(words, text), hasOption || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "/")
	}
	if !hasOption && !slices.Contains(commandsWithoutOptions, path.Base(words[0])) {
		return nil
	}
	return words
}

func (w *walk) object(parent string, o map[string]any) any {
	w.pair(parent, o)
	isKubernetesSecret, isReferring := o["kind"] == "Secret", isReference(o)
	clean := make(map[string]any, len(o))
	numbers := map[string]int{} // of the last one of several equal keys
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if w.isLate() {
			return nil
		}
		redacted := w.key(name)
		key := redacted
		for n := max(numbers[redacted], 1) + 1; taken(clean, key); n++ {
			key, numbers[redacted] = fmt.Sprintf("%s (%d)", redacted, n), n
		}
		kind, isSecretField := secretFields[name]
		folded := fold(name)
		if !isSecretField && holdsVariables(folded) {
			w.variables(o[name])
		}
		switch {
		case isReferring:
			clean[key] = w.value("", o[name])
		case isSecretField:
			clean[key] = w.hide(kind, "", o[name])
		case isKubernetesSecret && (folded == "data" || folded == "stringdata"):
			clean[key] = w.hide("secret", "", o[name])
		case isValueField(folded) && classify(parent) != harmless:
			clean[key] = w.value(parent, o[name])
		case isSecretText(parent, name, o[name]):
			clean[key] = w.hide("secret", "", o[name])
		default:
			clean[key] = w.value(name, o[name])
		}
	}
	return clean
}

// isSecretText reports whether a member of an object below a name is a secret: {"credentials": {"orders": "…"}}.
func isSecretText(parent, name string, v any) bool {
	text, isText := v.(string)
	return isText && holdsSecrets(parent) && classify(parent).matches(text) && isSecretMember(name, text)
}

// holdsSecrets reports whether the members of an object below a name, or of the objects in its list, are secrets: apiToken, apiKeys, or
// creds. The members of other objects whose name is only sometimes that of a secret, such as a session, code, or keys, describe it.
func holdsSecrets(name string) bool {
	name = name[max(0, len(name)-maxName):] // as in classify
	folded := fold(name)
	return classify(name) >= ambiguous || classify(strings.TrimSuffix(name, "s")) >= ambiguous ||
		strings.HasSuffix(folded, "cred") || strings.HasSuffix(folded, "creds")
}

// maxNames is the number of fields of an object that have the name of a value. Only hostile objects have more, which differ in case.
const maxNames = 16

// pair redacts the value of an object that consists of a name and a value. An object with more than maxNames is withheld.
func (w *walk) pair(parent string, o map[string]any) {
	var names, values []string // of fields
	for field, v := range o {
		if name, isText := v.(string); isText && holdsName(field) && isPairName(name) {
			names = append(names, field)
		}
		if isPairValue(field) {
			values = append(values, field)
		}
	}
	if len(names) > maxNames && len(values) > 0 {
		w.late = true
		return
	}
	for _, field := range names {
		name := o[field].(string)
		for _, other := range values {
			if w.isLate() {
				return
			}
			if list, isList := o[other].([]any); isList {
				w.values(name, list)
				continue
			}
			value, isText := o[other].(string)
			if !isText || strings.HasPrefix(value, markStart) {
				continue
			}
			if fold(field) == headerName && !cannotBeSecret(name, value) {
				o[other] = replacement(customHeader)
				w.changes++
				continue
			}
			isVariable := namesVariable(field, parent) && environmentName().MatchString(name)
			if namespace, _ := o["Namespace"].(string); namespace != "" && field == "OptionName" {
				isVariable = isVariable && !isSetting(namespace, name) || hasVariables(namespace, name)
			}
			// A list without its name can consist of variables, or of dimensions, which can be digests, but seldom look like keys.
			isVariable = isVariable || field == "Name" && parent == "" && environmentName().MatchString(name) && looksRandom(value) && !hexLook().MatchString(value)
			if isVariable = isVariable && !cannotBeSecret(name, value); isVariable || isSecret(name, value) && (isName(name) || !isSentence(value)) {
				o[other] = replacement(map[bool]string{true: "environment variable", false: "secret"}[isVariable])
				w.changes++
				continue
			}
			o[other] = w.header(name, value)
		}
	}
}

// header returns a value without its credential if it has the name of a header with one.
func (w *walk) header(name, value string) string {
	if _, isHeader := headerWith(name, value); !isHeader {
		return value
	}
	clean, count := w.redactor.field(name, value)
	w.changes += count
	return clean
}

// values redacts the values of a name in a list.
func (w *walk) values(name string, list []any) {
	for i, v := range list {
		if w.isLate() {
			return
		}
		if value, isText := v.(string); isText && isSecret(name, value) && !isProse(value) {
			list[i] = replacement("secret")
			w.changes++
		}
	}
}

// taken reports whether an object has a key.
func taken(o map[string]any, key string) bool { _, there := o[key]; return there }

// key redacts a field's name. It can contain secrets because code counts log lines in dictionaries.
func (w *walk) key(name string) string {
	if clean, known := w.keys[name]; known {
		return clean
	}
	clean, count := w.redactor.Text(name)
	w.changes += count
	w.keys[name] = clean
	return clean
}

var environmentName = lazy.Regexp(`^[A-Z][A-Z0-9_]*$`)

// variables redacts the variables in an object, by their names in capitals, or in a list of names and values.
func (w *walk) variables(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if _, isText := value.(string); isText && environmentName().MatchString(name) {
				v[name] = w.hide(secretFields["Variables"], name, value)
			}
		}
	case []any:
		for _, entry := range v {
			if o, isEntry := entry.(map[string]any); isEntry && nameField(o) != "" {
				w.hideEntry(secretFields["Variables"], o)
			}
		}
	}
}

// hide replaces every text in a value, except variables that cannot be secrets, and what describes an entry of a list.
func (w *walk) hide(kind, name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if isReference(v) && (name != "" || kind != secretFields["Variables"]) { // no variable that is named Ref
			return w.object("", v)
		}
		for field := range v {
			v[field] = w.hide(kind, field, v[field])
		}
	case []any:
		for i := range v {
			switch entry, isEntry := v[i].(map[string]any); {
			case !isEntry:
				v[i] = w.hide(kind, name, v[i])
			case isReference(entry):
				v[i] = w.object("", entry)
			default:
				w.hideEntry(kind, entry)
			}
		}
	case string:
		if v == "" || kind == secretFields["Variables"] && name != "" && cannotBeSecret(name, v) || strings.HasPrefix(v, markStart) {
			return v
		}
		w.changes++
		return replacement(kind)
	}
	return v
}

// nameField returns the field of an entry of a list that has the name of a variable, or an empty string.
func nameField(entry map[string]any) string {
	for _, field := range []string{"name", "Name", "key", "Key", "variable", "Variable"} {
		if _, isText := entry[field].(string); isText {
			return field
		}
	}
	return ""
}

// hideEntry is hide for an entry of a list, which can have a name.
func (w *walk) hideEntry(kind string, entry map[string]any) {
	named := nameField(entry)
	of, _ := entry[named].(string)
	for field, v := range entry {
		switch {
		case field == named:
		case describesVariable(fold(field)):
			entry[field] = w.value(field, v)
		case isValueField(field):
			entry[field] = w.hide(kind, cmp.Or(of, field), v)
		default:
			entry[field] = w.hide(kind, field, v)
		}
	}
}
