package redact

import (
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// Limits of the scanner.
const (
	maxBare       = 2 << 10  // bytes of an unquoted value whose name alone does not make it a secret
	maxQuoted     = 64 << 10 // bytes of a quoted value, a list, or an object
	maxBlanks     = 64       // bytes of blanks around an operator
	maxPairBlanks = 3        // blanks in the name of such an object
	maxPairGap    = 120      // bytes between a name and its value in objects such as {"name": …, "value": …}
	maxTag        = 300      // bytes of the attributes of an XML element
	maxComments   = 5        // lines of comments between a name and its value
	maxEscapes    = 31       // backslashes before a quote: JSON in JSON up to five levels

	// lookAhead bounds the bytes that the scanner reads more than once, per byte of the text. Only hostile texts
	// exceed it, and they are withheld.
	lookAhead = 256
)

// scanner replaces values by their names: name = value, "name": "value", <name>value</name>, --name value, and the
// forms of YAML, tables, and prose. It looks at every name once, so the value of one name never hides another.
type scanner struct {
	counter *counter
	text    string
	kinds   map[string]sensitivity // of the names seen so far
	out     strings.Builder
	done    int // bytes of the text that are in out
	ahead   int // bytes that may still be read ahead

	at     int // position up to which names were looked at
	looked int // names that were looked at
	depth  int // calls of scan that have not returned

	name int       // position of the name that is looked at
	line structure // before it

	hasSecret *bool // whether the text contains a Kubernetes secret; nil: not known yet
}

// replaceNamed replaces values whose name indicates a secret, and variables of programs.
func (c *counter) replaceNamed(text string) string {
	if !c.wants(named) {
		return text
	}
	s := scanner{counter: c, text: text, kinds: map[string]sensitivity{}, ahead: lookAhead*len(text) + 1<<20}
	s.scan(len(text))
	if s.done == 0 || c.expired {
		return text
	}
	s.out.WriteString(text[s.done:])
	return s.out.String()
}

// scan looks at the names up to a position. What looks at several values calls it before it replaces one behind other names, and
// must not replace one if scan returns false: too many names were found while others are looked at.
func (s *scanner) scan(to int) bool {
	if s.depth == maxScans {
		return false
	}
	s.depth++
	defer func() { s.depth-- }()
	text := s.text
	for s.at < to && !s.counter.expired {
		if !inName[text[s.at]] {
			s.at++
			continue
		}
		start := s.at
		for s.at < len(text) && inName[text[s.at]] {
			s.at++
		}
		if start >= s.done && s.at-start >= minName {
			s.name = start
			s.look(start, s.at)
			s.at = max(s.at, s.done)
			if s.looked++; s.looked%looksPerTime == 0 && s.counter.isLate() {
				return true
			}
		}
		if s.ahead < 0 {
			s.counter.expired = true
		}
	}
	return true
}

const (
	looksPerTime = 64 // names that are looked at between two looks at the time
	maxScans     = 16 // only hostile texts have more lists and objects of secrets in each other's texts
)

// scanHints are substrings in lower case. The scanner finds nothing in a text that contains none of them.
var scanHints = append([]string{"environment", "variables", "env", "kind", "userdata", "gatewayconfiguration", headerName}, nameHints...)

// kind returns the sensitivity of a name.
func (s *scanner) kind(name string) sensitivity {
	kind, known := s.kinds[name]
	if !known {
		kind = classify(name)
		s.kinds[name] = kind
	}
	return kind
}

// keyName returns the start of a name of two words such as "API key" or "client secret", whose second word alone can be something
// else, or the position of that word.
func (s *scanner) keyName(start, end int) int {
	last := strings.ToLower(s.text[start:end])
	if start < 2 || s.text[start-1] != ' ' || last != "key" && last != "secret" || keyID().MatchString(s.text[end:min(len(s.text), end+maxName)]) {
		return start
	}
	first := start - 1
	for first > 0 && start-first <= maxName && inName[s.text[first-1]] {
		first--
	}
	s.ahead -= start - first
	name := s.text[first:end]
	if before := wordsOf(s.text[first : start-1]); len(before) == 0 || !secretKeys[before[len(before)-1]] {
		return start
	}
	s.kinds[name] = ambiguous // "service key orders-db-2" is the name of a key
	return first
}

// keyID matches the ID of a key after its name. An ID is not secret.
var keyID = lazy.Regexp(`^[ :=]+["']?[A-Z0-9]{16,}\b`)

// replace replaces a part of the text, unless it was replaced before.
func (s *scanner) replace(from, to int, kind string) {
	if from < s.done || to <= from || isMarked(s.text[from:to]) {
		return
	}
	s.line.skip(s.text, from, to)
	s.out.WriteString(s.text[s.done:from])
	s.out.WriteString(s.counter.mark(kind, s.text[from:to]))
	s.done = to
}

// goesOnInLine reports whether several words are at a position, as after "Loading the token...".
func goesOnInLine(text string, at int) bool {
	line, _, _ := strings.Cut(text[at:min(len(text), at+maxName)], "\n")
	return strings.ContainsAny(strings.TrimSpace(line), " \t")
}

// look looks at one name.
func (s *scanner) look(start, end int) {
	text := s.text
	if text[start] == '.' || end < len(text) && text[end] == '.' {
		start += len(text[start:end]) - len(strings.TrimLeft(text[start:end], "."))
	}
	if start > 0 && text[start-1] == '%' && end-start > 2+minName { // %22password%22%3A
		start += 2
	}
	if start > 0 && text[start-1] == '\\' && hasFold(text[start:end], "u003c") { // < in JSON
		start += len("u003c")
	}
	if start > 0 && text[start-1] == '\\' && end-start > minName && strings.IndexByte("nrt", text[start]) >= 0 { // \n in JSON
		start++
	}
	if start > 0 && text[start-1] == '[' && escapeBefore().MatchString(text[max(0, start-maxEscapes):start]) { // \x1b[36mpassword
		start += max(0, strings.IndexByte(text[start:end], 'm')+1)
	}
	isFlag := start < end && text[start] == '-' && (start == 0 || strings.IndexByte(" \t\n\"'[", text[start-1]) >= 0)
	flag := start
	nameEnd := start + len(strings.TrimRight(text[start:end], ".-"))
	start += len(text[start:end]) - len(strings.TrimLeft(text[start:end], "-"))
	if nameEnd-start < minName {
		return
	}
	if dots := strings.Index(text[start:nameEnd], "..."); dots >= minName { // password.........value
		value := start + dots + len(text[start+dots:nameEnd]) - len(strings.TrimLeft(text[start+dots:nameEnd], "."))
		if kind := s.kind(text[start : start+dots]); kind != harmless {
			s.assigned(kind, start, operator{value: value})
		}
		return
	}
	start = s.keyName(start, nameEnd)
	name := text[start:nameEnd]
	if end-nameEnd > 1 { // password.........value, as in aligned settings
		if kind := s.kind(name); kind != harmless {
			op := operator{value: end}
			sign := skipBlanks(text, end)
			switch {
			case sign < len(text) && (text[sign] == ':' || text[sign] == '='): // password......: value
				op = operator{value: skipBlanks(text, sign+1), loose: true}
			case sign > end && (end-nameEnd > len("...") || !goesOnInLine(text, sign)): // password...... value
				s.word(name, nameEnd)
				return
			}
			s.assigned(kind, start, op)
		}
		return
	}
	if sign := greaterSign(text, end); sign > 0 && end > nameEnd && text[nameEnd] == '-' {
		s.arrow(name, start, skipBlanks(text, end+sign))
		return
	}
	if op, ok := assignment(text, end); ok {
		switch kind := s.kind(name); {
		case kind != harmless && (isInARN(text, start) || op.loose && isLinkTarget(text, start, op.value) || isDirectory(name, text[op.value:min(len(text), op.value+maxTag)])):
		case kind != harmless && s.isCell(op.value): // <th>password:</th><td>value
			s.cell(op.value)
		case kind != harmless:
			s.assigned(kind, start, op)
		case holdsName(name):
			s.pair(name, op)
		case isValueField(name):
			s.pairBackwards(op)
		case strings.EqualFold(name, "data"):
			s.pairBackwards(op)
			s.region(name, start, op)
		default:
			s.region(name, start, op)
		}
		return
	}
	if end >= len(text) {
		return
	}
	if closer := greaterSign(text, end); closer > 0 && holdsName(name) {
		s.elements(start, end+closer)
		return
	}
	if !couldBeSecret(name) || s.kind(name) < operation {
		return
	}
	if strings.HasSuffix(text[:start], "::") && text[end] != '(' { // AWS::IAM::AccessKey and the name of a resource
		return
	}
	switch kind := s.kind(name); {
	case isFlag:
		s.argument(flag, end)
	case strings.IndexByte(",;", text[end]) >= 0:
		s.row(start, end)
	case strings.IndexByte("\"'`", text[end]) >= 0:
		s.quotedName(start, end)
	case text[end] == '(' && kind >= likely && end+1 < len(text) && strings.IndexByte(`"'`, text[end+1]) >= 0: // setPassword("…")
		if from, to, _ := s.quoted(end + 1); hasFold(name[strings.LastIndexByte(name, '.')+1:], "set") && isPunctuatedLiteral(text[from:to]) {
			s.replace(from, to, "secret")
		}
		s.wrapped(end + 1)
	case strings.HasPrefix(text[end:], "** "): // bold in Markdown
		s.word(name, end+len("**"))
	case strings.HasPrefix(text[end:], "**"):
		s.quotedName(start, end+1)
	case s.isCell(skipBlanks(text, end)):
		s.cell(skipBlanks(text, end))
	case greaterSign(text, end) > 0 || text[end] == ' ' && isElement(text, start):
		s.element(kind, start, end)
	case strings.IndexByte(" \t|", text[end]) >= 0 || strings.HasPrefix(text[end:], "│"):
		s.word(name, end)
	}
}

// arrow looks at the value after an arrow without blanks. The arrow is also how code selects a member, so a value must not look like a name.
func (s *scanner) arrow(name string, start, at int) {
	kind := s.kind(name)
	if kind == harmless || at == len(s.text) || start > 0 && strings.IndexByte("$>.", s.text[start-1]) >= 0 {
		return
	}
	end := s.bareEnd(kind, at, false)
	value := s.text[at:end]
	if isQuote(s.text[at]) || looksPassword(value) && (hasMixedPart(value) || hasJumbledPart(value)) && !strings.Contains(value, "->") {
		s.assigned(kind, start, operator{value: at})
	}
}

// isInARN reports whether a position is in an ARN, such as arn:aws:secretsmanager:…:secret:name.
func isInARN(text string, at int) bool {
	if at == 0 || text[at-1] != ':' {
		return false
	}
	before := text[max(0, at-maxTag):at]
	before = before[strings.LastIndexAny(before, " \t\n\"'")+1:]
	return strings.Contains(before, "arn:aws") || strings.HasPrefix(before, "arn:*:") // in a policy
}

// isLinkTarget reports whether a name and the address after it define the target of a link in reStructuredText: .. _`password`: https://…
func isLinkTarget(text string, name, value int) bool {
	if !linkedAddress().MatchString(text[value:min(len(text), value+len("https://"))]) {
		return false
	}
	line := text[max(0, name-maxTag) : name+1]
	line = strings.TrimLeft(line[strings.LastIndexByte(line, '\n')+1:], " \t")
	return strings.HasPrefix(line, ".. _") && strings.IndexByte(line, ':') < 0
}

var linkedAddress = lazy.Regexp(`^https?://`)

// couldBeSecret reports whether a name can be more than unsure, by its last letter. Most words of prose are not.
func couldBeSecret(name string) bool {
	switch name[len(name)-1] | 0x20 {
	case 'a', 'b', 'd', 'e', 'g', 'h', 'k', 'l', 'm', 'n', 'o', 'p', 's', 't', 'v', 'w', 'y':
		return true
	}
	return isDigit(name[len(name)-1])
}

// The escaped code of a color, as in a log that somebody prints as JSON or with repr, and its beginning.
var (
	colors       = lazy.Regexp(`^(?:\\+(?:x1[bB]|u001[bB]|033|e)\[[0-9;]*m)+`)
	escapeBefore = lazy.Regexp(`\\(?:x1[bB]|u001[bB]|033|e)\[$`)
)

// skipColors returns the position after the escaped codes of colors.
func skipColors(text string, at int) int {
	if at >= len(text) || text[at] != '\\' {
		return at
	}
	if found := colors().FindStringIndex(text[at:min(len(text), at+maxName)]); found != nil {
		return at + found[1]
	}
	return at
}

// operator is an assignment after a name.
type operator struct {
	value   int  // position of the value
	loose   bool // "name: value", which is also how prose looks
	newline bool // the value is on a later line
	encoded bool // percent-encoded
	equal   bool // "name==value": a comparison, or a value that begins with the sign
	wide    bool // a full-width sign, as in Chinese and Japanese texts
}

// assignment reads an operator after the name that ends at a position: =, :, =>, ->, :=, or ||=, after a closing quote with
// any number of backslashes, or percent-encoded.
func assignment(text string, at int) (operator, bool) {
	at = skipColors(text, at)
	i, quoted := at, false
	for i < len(text) && text[i] == '\\' && i-at < maxEscapes {
		i++
	}
	switch {
	case i < len(text) && (text[i] == '"' || text[i] == '\''):
		i, quoted = i+1, true
		if i < len(text) && text[i] == ']' { // environ["NAME"] = value
			i++
		}
		i = skipColors(text, i)
	case strings.HasPrefix(text[i:], "&quot;"):
		i, quoted = i+len("&quot;"), true
	case hasFold(text[i:], "%22"):
		i, quoted = i+3, true
	case i > at && endOfLabel(text, at) == 0:
		return operator{}, false
	case i > at:
		i = at
	}
	if !quoted && i+1 < len(text) && text[i] == ']' && (text[i+1] == '=' || strings.HasPrefix(text[skipBlanks(text, i+1):], "=>")) { // [name]=value, [name] => value
		i++
	}
	if !quoted && hasFold(text[i:], "%5d") { // user%5Bname%5D=value
		i += 3
	}
	indexed := false
	if !quoted && i < len(text) && text[i] == '[' { // name["key"] = value
		end := strings.IndexAny(text[i:min(len(text), i+maxName)], "]\n")
		if end < 1 || text[i+end] != ']' {
			return operator{}, false
		}
		i, indexed = i+end+1, true
	}
	isLabel := false
	if end := endOfLabel(text, i); !quoted && end > 0 { // **name**: value
		i, isLabel = end, true
	}
	i = skipBlanks(text, i)
	if i >= len(text) {
		return operator{}, false
	}
	op := operator{}
	if n := unlessSet(text[i:]); n > 0 { // like "="
		i += n - 1
	}
	switch {
	case text[i] == '=' && strings.HasPrefix(text[i:], "=="):
		op.value, op.equal = i+1, true
		return op, i == at && i+2 < len(text) && !isSpace[text[i+2]] && !isQuote(text[i+2])
	case indexed && text[i] != '=' && !strings.HasPrefix(text[i:], ":="):
		return operator{}, false
	case strings.HasPrefix(text[i:], "："), strings.HasPrefix(text[i:], "＝"):
		i, op.loose, op.wide = i+len("："), true, true
	case text[i] == '=':
		i++
		i += greaterSign(text, i) // =>
	case strings.HasPrefix(text[i:], ":="):
		i += 2
	case text[i] == ':' && strings.HasPrefix(text[i:], "::"):
		return operator{}, false
	case text[i] == ':':
		i++
		if end := endOfLabel(text, i); !quoted && end > 0 { // **name:** value
			i, isLabel = end, true
		}
		op.loose = !quoted && (isLabel || i == len(text) || isSpace[text[i]])
	case isLabel:
		return operator{}, false
	case text[i] == '-' && greaterSign(text, i+1) > 0: // ->
		i, op.loose = i+1+greaterSign(text, i+1), true
	case hasFold(text[i:], "%3a"), hasFold(text[i:], "%3d"):
		i, op.encoded = i+3, true
	default:
		return operator{}, false
	}
	op.value = skipBlanks(text, skipColors(text, skipBlanks(text, skipColors(text, i))))
	if next := skipContinued(text, op.value); next > op.value && !op.loose && !op.encoded && !beginsArgument(text[next:min(len(text), next+maxName)]) {
		op.value = next
	}
	if after := skipSpace(text, op.value); after > op.value && strings.HasPrefix(strings.TrimLeft(text[op.value:after], "\r"), "\n") {
		op.value, op.newline = after, true
	}
	return op, op.value < len(text)
}

// endOfLabel returns the end of the tags of HTML or the signs of Markdown after a label at a position, or 0 if there are none:
// <b>name:</b> <code>value</code>.
func endOfLabel(text string, at int) int {
	first := skipBlanks(text, at)
	if first == len(text) || strings.IndexByte(`<&\`, text[first]) < 0 {
		return endOfEmphasis(text, at)
	}
	if found := labelTags().FindStringIndex(text[at:min(len(text), at+maxTag)]); found != nil {
		return at + found[1]
	}
	return 0
}

var labelTags = lazy.Regexp(`^(?:(?:[ \t]|&nbsp;)*(?:<|&lt;|\\+u003[cC])/?(?:b|strong|em|i|u|code|kbd|span|label|font|br)(?: [^<>\n\\]*)?/?(?:>|&gt;|\\+u003[eE]))+`)

// endOfEmphasis returns the end of the signs of Markdown at a position that end a word in bold, in italics, or in code. It returns 0 if there
// are none, or if the same signs are not before the word.
func endOfEmphasis(text string, at int) int {
	end := at
	for end < len(text) && end-at <= maxEmphasis && strings.IndexByte("*_`", text[end]) >= 0 {
		end++
	}
	if end == at || end-at > maxEmphasis || end < len(text) && !isSpace[text[end]] && text[end] != ':' && text[end] != '=' {
		return 0
	}
	signs := []byte(text[at:end])
	slices.Reverse(signs) // **`name`**
	before := text[max(0, at-maxName):at]
	before = before[strings.LastIndexByte(before, '\n')+1:]
	opening := strings.LastIndex(before, string(signs))
	if opening < 0 || opening+len(signs) == len(before) || isSpace[before[opening+len(signs)]] {
		return 0
	}
	return end
}

// maxEmphasis is the number of signs around a word in bold, italics, and code.
const maxEmphasis = 4

// beginsArgument reports whether a text begins with an option or with another assignment, which is not the value of the assignment before
// it. A password can have an equals sign, and one in base64 can end with it.
func beginsArgument(text string) bool {
	found := nextArgument().FindStringSubmatch(text)
	return found != nil && !isMixed(found[1])
}

var nextArgument = lazy.Regexp(`^(?:-|([A-Za-z_][\w.]*)=(?:\\*["'])?[^\s='"\\;,)\]}&|])`)

// skipContinued returns where the next line begins if the line ends with a backslash at a position. Otherwise it returns the position.
func skipContinued(text string, at int) int {
	for _, continued := range []string{continuedLine, "\\\r\n"} {
		if strings.HasPrefix(text[at:], continued) {
			return skipBlanks(text, at+len(continued))
		}
	}
	for _, form := range inStrings {
		if strings.HasPrefix(text[at:], form.continued) {
			return skipBlanks(text, at+len(form.continued))
		}
	}
	return at
}

// unlessSet returns the length of an assignment at the start of a text to what has no value yet, or 0: of JavaScript, Ruby, and make.
func unlessSet(text string) int {
	for _, sign := range []string{"||=", "??=", "?="} {
		if strings.HasPrefix(text, sign) {
			return len(sign)
		}
	}
	return 0
}

// assigned looks at the value after an operator.
func (s *scanner) assigned(kind sensitivity, start int, op operator) {
	text := s.text
	at := op.value
	if at >= len(text) || strings.HasPrefix(text[at:], strings.TrimSpace(markStart)) {
		return
	}
	if op.newline && op.loose && !isFirstOfLine(text, start) { // the next line of a log
		return
	}
	if op.equal {
		end := s.valueEnd(at, false)
		if value := text[at+1 : max(end, at+1)]; looksPassword(value) && !isHarmlessValue(value) || kind.looksPunctuated(value, true) {
			s.replace(at, end, "secret")
		}
		return
	}
	if from, to, end := s.quotedWithin(at); end > 0 {
		if s.goesOn(end) { // a password that begins with a quote
			if whole := s.valueEnd(at, op.encoded); kind.matches(text[from:to]) || kind.looksPunctuated(text[at:whole], true) {
				s.replace(at, whole, "secret")
			}
			return
		}
		prose := op.loose && kind < certain && strings.Count(text[from:to], " ") > 1 // token: "unexpected end of input"
		if !prose && (kind.matches(text[from:to]) || to == end && kind.looksPunctuated(text[from:to], true)) {
			s.replace(from, to, "secret")
		}
		if arrow := changed().FindString(text[end:min(len(text), end+maxName)]); arrow != "" {
			if from, to, end := s.quotedWithin(end + len(arrow) - 1); end > 0 && !prose && !s.goesOn(end) && kind.matches(text[from:to]) {
				s.replace(from, to, "secret")
			}
		}
		return
	}
	if s.typed(kind, op) {
		return
	}
	for n := 0; n < maxComments && op.loose && strings.HasPrefix(text[at:], "# "); n++ { // password: # comment
		next := skipSpace(text, lineEnd(text, at))
		if next == len(text) {
			break
		}
		op.value, op.newline = next, true
		at = next
	}
	if op.newline {
		if isFirstOfLine(text, start) {
			s.below(kind, start, op)
		}
		return
	}
	if tag := yamlTag().FindStringIndex(text[at:min(len(text), at+maxName)]); tag != nil && op.loose { // password: !vault value
		op.value += tag[1] - 1 // the tag ends before the first byte of the value
		s.assigned(kind, start, op)
		return
	}
	switch text[at] {
	case '|', '>':
		if isFirstOfLine(text, start) && s.block(kind, start, at) {
			return
		}
		if text[at] == '|' && op.loose && beginsCell().MatchString(text[at:min(len(text), at+maxName)]) { // | password: | value |
			s.word("", at)
			return
		}
	case '[', '{', '(':
		if end := s.braced(start, at); end > 0 {
			s.replace(at, end, "secret")
			return
		}
		if s.flow(kind, at) {
			return
		}
	case '<':
		end := strings.IndexAny(text[at:min(len(text), at+maxBare)], ">\n")
		if end > 0 && text[at+end] == '>' && !s.goesOnAfter(at+end+1) {
			if kind.matches(text[at : at+end+1]) {
				s.replace(at+1, at+end, "secret")
			}
			return
		}
	}
	s.bare(kind, start, op)
}

// braced returns the end of a value in braces in a connection string of ODBC or JDBC, as in ";PWD={value};", or 0 if there is none.
func (s *scanner) braced(start, at int) int {
	found := inBraces().FindStringSubmatchIndex(s.text[at:min(len(s.text), at+maxBare)])
	if found == nil || s.text[at-1] != '=' || found[1] == found[3]+1 && (start == 0 || s.text[start-1] != ';') {
		return 0
	}
	if value := s.text[at+found[2] : at+found[3]]; !looksPassword(value) || s.kind(value) != harmless {
		return 0
	}
	return at + found[3] + 1
}

// inBraces matches a word in braces, and the semicolon after it if there is one.
var inBraces = lazy.Regexp(`^\{([^\s{}"']+)\};?`)

// beginsCell matches the border and the beginning of the next cell of a table.
var beginsCell = lazy.Regexp(`^\|[ \t]+[^\s|]`)

// changed matches what is between an old and a new value in a plan of Terraform, up to the quote.
var changed = lazy.Regexp(`^ *[-=]> *["']`)

// bare looks at an unquoted value after an operator. Its beginning, up to the first sign of a structure, decides whether it is a
// secret, unless what follows cannot be a structure.
func (s *scanner) bare(kind sensitivity, start int, op operator) {
	text, at := s.text, op.value
	end := s.bareEnd(kind, at, op.encoded)
	if op.wide {
		end = at + len(strings.TrimRight(text[at:end], "。，、；）」』】"))
	}
	isHarmless := end == at || s.isBareHarmless(kind, start, at, end, op)
	whole := end
	if end < len(text) && !isSpace[text[end]] {
		whole = max(end, s.valueEnd(at, op.encoded))
	}
	switch {
	case isHarmless && whole > end:
		if (end == at || !s.isCode(at, end)) && kind.looksPunctuated(text[at:whole], op.loose || end == at) {
			s.replace(at, whole, "secret")
		}
		return
	case end == at:
		return
	}
	if to := s.quotedSetting(start, at); to > whole {
		whole = to
	} else if line := s.wholeValue(start, at, whole); line > whole && (kind == certain || kind == likely && !isHarmless) {
		whole = line
	} else if isHarmless {
		return
	}
	s.replace(at, whole, "secret")
}

// otherSetting matches the beginning of another name and its value, or an escaped line break.
var otherSetting = lazy.Regexp(`\s[A-Za-z_][\w.-]*=|\\[nr]`)

// optionBefore matches an option of a command before its quoted value, such as --set "…".
var optionBefore = lazy.Regexp(`(?:^|\s)--?[\w-]+[ =]\\*$`)

// quotedSetting returns the end of a value in a quoted text that consists of a name and its value: a variable, as in
// "DB_PASSWORD=value", an option, as in "--password=value", or the argument of an option, as in --set "password=value". It returns 0 if there
// is none.
func (s *scanner) quotedSetting(start, at int) int {
	text := s.text
	flag := start
	for flag > 0 && start-flag < 2 && text[flag-1] == '-' {
		flag--
	}
	if flag == 0 || !isShellQuote(text[flag-1]) || text[at-1] != '=' {
		return 0
	}
	before := text[:flag-1]
	if flag == start && !environmentName().MatchString(text[start:at-1]) && !optionBefore().MatchString(before[max(0, len(before)-maxName):]) {
		return 0
	}
	end, isClosed := closingQuote(text, at, text[flag-1], len(before)-len(strings.TrimRight(before, `\`)))
	s.ahead -= end - at
	if value := text[at:max(at, end)]; !isClosed || isProse(value) || otherSetting().MatchString(value) {
		return 0
	}
	return end
}

// goesOnAfter is goesOn for the position after a bracket.
func (s *scanner) goesOnAfter(bracket int) bool {
	return bracket < len(s.text) && !isSpace[s.text[bracket]] && strings.IndexByte(",;.:)]}<\"'`|&\\", s.text[bracket]) < 0
}

// goesOn reports whether a sign that does not end a value follows what closes one.
func (s *scanner) goesOn(end int) bool {
	return end < len(s.text) && (isAlphanumeric(s.text[end]) || strings.IndexByte("!#$*-?@^~", s.text[end]) >= 0) && !isSpace[s.text[end-1]]
}

// typed looks at a literal in code after the type of its variable, or in the call of a function that makes a value of
// it. It reports whether there is one.
func (s *scanner) typed(kind sensitivity, op operator) bool {
	rest := s.text[op.value:min(len(s.text), op.value+maxName)]
	if !strings.ContainsAny(rest, "(=") {
		return false
	}
	found, isCall := makingCall().FindStringIndex(rest), true
	if found == nil && op.loose {
		found = typeOfVariable().FindStringSubmatchIndex(rest)
		isCall = found != nil && found[2] >= 0
	}
	if found == nil {
		return false
	}
	at := op.value + found[1] - 1 // the quote
	around := s.around(at)
	if around.closes(s.text, at) || looksPassword(s.text[op.value:at]) { // msg="password: value=", in base64
		return false
	}
	from, to, end := at+1, 0, 0
	if s.text[at] == '`' {
		to = from + max(strings.IndexByte(s.text[from:min(len(s.text), from+maxQuoted)], '`'), 0)
	} else if from, to, end = s.quoted(at); end == 0 {
		return false
	}
	if end := around.firstClose(s.text, from, to); end >= 0 { // see quotedWithin
		to = end
	}
	value := s.text[from:to]
	if !isOneValue(value) {
		return true
	}
	if kind.matches(value) && (isCall && looksPassword(value) || !isCall && !isProse(value)) {
		s.replace(from, to, "secret")
	}
	return true
}

var (
	// makingCall matches new String("…, []byte("…, str("…, or String::from("…, up to the quote.
	makingCall = lazy.Regexp("^(?:new [A-Za-z_][\\w.<>]*|\\w+(?:::\\w+)+|\\[\\]\\w+|string|str|bytes)\\([ \\t]*[\"'`]")
	// typeOfVariable matches string = "…, Optional[str] = '…, &str = "…, or, with a call, String = String::from("…, up to the quote.
	typeOfVariable = lazy.Regexp("^&?(?:'\\w+ )?[A-Za-z_][\\w.]*(?:[<\\[][\\w., <>\\[\\]]*[>\\]])?\\??(?: ?\\| ?\\w+)* ?= ?(?:(?:new [A-Za-z_][\\w.<>]*|\\w+(?:::[\\w<>]+)+|(?:\\w+\\.)*[A-Z]\\w*(?:\\.from|\\.of)?|str|bytes)(\\()[ \\t]*)*b?[\"'`]")
)

// isObject matches the beginning of an object of JSON, YAML, or code, or a placeholder.
var isObject = lazy.Regexp(`^\{(?:[\s"'{}\\$%]|$|[\w.-]+["']?\s*(?:[:=},]|$))`)

var yamlTag = lazy.Regexp(`^(?:!!?[A-Za-z]+|&[\w-]+) +\S`) // or an anchor

// isDirectory reports whether the value of a variable is the directory in which a program runs.
func isDirectory(name, value string) bool {
	return (name == "PWD" || name == "OLDPWD") && directory().MatchString(value) && !hasMixedPart(value)
}

var directory = lazy.Regexp(`^["']?/[\w./-]*(?:["'\s]|$)`)

// isBareHarmless reports whether an unquoted value is not a secret: a word of prose, code, or another name.
func (s *scanner) isBareHarmless(kind sensitivity, start, at, end int, op operator) bool {
	text, value := s.text, s.text[at:end]
	if !kind.matches(value) || isSpace[text[at-1]] && s.isOtherName(value) {
		return true
	}
	next := skipBlanks(text, end)
	switch {
	case op.loose && value[len(value)-1] == ':' && !kind.looksPunctuated(value[:len(value)-1], true),
		op.loose && next < len(text) && (text[next] == '=' || text[next] == ':') && !hasDigit(value): // level: name: value
		return true
	case s.isCode(at, end):
		s.wrapped(end + 1)
		return true
	case op.wide && strings.ContainsFunc(value, func(r rune) bool { return r > 0x7f }): // prose
		return true
	case op.loose && value[0] == '*' && isPath(value[1:]): // a reference in YAML
		return true
	case op.loose && text[start:min(len(text), start+len("PASS:"))] == "PASS:": // a result of Go's tests
		return true
	case strings.Contains(value, ".") && isPath(value): // config.password
		return true
	case isNumber(value) && start > 0 && strings.IndexByte(" /", text[start-1]) >= 0 && isLastInQuotes(text, start): // a count of messages
		return true
	case kind == unsure || !op.loose:
		return false
	case datelike().MatchString(value):
		return true
	case !isWordy(value), isJumbled(value) && !shortWords().MatchString(value):
		return false
	}
	return kind != certain || !isWholeLine(text, start, end) || strings.Contains(value, "_")
}

// isOtherName reports whether a value is a flag or a name, whose value follows. Whoever writes "password=" into a log would otherwise
// hide it.
func (s *scanner) isOtherName(value string) bool {
	value = strings.Trim(value, "*`") // of Markdown
	name := strings.TrimRight(strings.TrimLeft(value, "-"), ":")
	return name != value && (strings.HasPrefix(value, "-") || strings.HasSuffix(value, ":")) && isName(name) && s.kind(name) != harmless
}

// isLastInQuotes reports whether a quote follows the name at a position.
func isLastInQuotes(text string, name int) bool {
	for name < len(text) && inName[text[name]] {
		name++
	}
	return name < len(text) && (isQuote(text[name]) || text[name] == '\\')
}

// shortWords matches names of words that are so short that they look jumbled, such as NoSuchKey and UpToDate. Unlike QwErTyUiOp, they have
// two lower-case letters in a row.
var shortWords = lazy.Regexp(`^(?:[A-Z]?[a-z])?(?:[A-Z][a-z])*[A-Z]?[a-z]{2,}(?:[A-Z][a-z]+)*$`)

var datelike = lazy.Regexp(`^\d{4}-\d\d-\d\d`)

// isWordy reports whether a value consists of words: it has no digits and only the signs that names have.
func isWordy(value string) bool {
	for i := range len(value) {
		if c := value[i]; !isLetter(c) && c != '-' && c != '_' && c != '.' && c != '\'' && c != '/' && c < 0x80 {
			return false
		}
	}
	return true
}

func withoutDigits(r rune) rune {
	if '0' <= r && r <= '9' {
		return -1
	}
	return r
}

// isPath reports whether a value is a name in code: letters, dots, and underscores.
func isPath(value string) bool {
	for i := range len(value) {
		if c := value[i]; !isLetter(c) && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func hasDigit(value string) bool { return strings.ContainsAny(value, "0123456789") }

// isWholeLine reports whether a name and its value are all that a line contains, as in YAML.
func isWholeLine(text string, start, end int) bool {
	before := strings.TrimRight(text[:start], " \t-") // from the end, because a line can be long and have many names
	return (before == "" || strings.HasSuffix(before, "\n")) && (end == len(text) || text[end] == '\n' || text[end] == '\r')
}
