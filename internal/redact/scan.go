package redact

import (
	"strings"
)

// Limits of the scanner.
const (
	maxBare    = 2 << 10  // bytes of an unquoted value whose name alone does not make it a secret
	maxQuoted  = 64 << 10 // bytes of a quoted value, a list, or an object
	maxBlanks  = 64       // bytes of blanks around an operator
	maxPairGap = 120      // bytes between a name and its value in objects such as {"name": …, "value": …}
	maxTag     = 300      // bytes of the attributes of an XML element
	maxEscapes = 31       // backslashes before a quote: JSON in JSON up to five levels

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

	hasSecret *bool // whether the text contains a Kubernetes secret; nil: not known yet
}

// replaceNamed replaces values whose name indicates a secret, and variables of programs.
func (c *counter) replaceNamed(text string) string {
	if !c.wants(named) {
		return text
	}
	s := scanner{counter: c, text: text, kinds: map[string]sensitivity{}, ahead: lookAhead*len(text) + 1<<20}
	for at := 0; at < len(text); {
		if !inName[text[at]] {
			at++
			continue
		}
		start := at
		for at < len(text) && inName[text[at]] {
			at++
		}
		if start >= s.done && at-start >= minName {
			s.look(start, at)
			at = max(at, s.done)
		}
		if s.ahead < 0 {
			c.expired = true
			return text
		}
	}
	if s.done == 0 {
		return text
	}
	s.out.WriteString(text[s.done:])
	return s.out.String()
}

// scanHints are substrings in lower case. The scanner finds nothing in a text that contains none of them.
var scanHints = append([]string{"environment", "variables", "env", "kind"}, nameHints...)

// kind returns the sensitivity of a name.
func (s *scanner) kind(name string) sensitivity {
	kind, known := s.kinds[name]
	if !known {
		kind = classify(name)
		s.kinds[name] = kind
	}
	return kind
}

// replace replaces a part of the text, unless it was replaced before.
func (s *scanner) replace(from, to int, kind string) {
	if from < s.done || to <= from || isMarked(s.text[from:to]) {
		return
	}
	s.out.WriteString(s.text[s.done:from])
	s.out.WriteString(s.counter.mark(kind, s.text[from:to]))
	s.done = to
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
	if start > 0 && text[start-1] == '\\' && strings.HasPrefix(text[start:end], "u003c") { // < in JSON
		start += len("u003c")
	}
	if start > 0 && text[start-1] == '\\' && end-start > minName && strings.IndexByte("nrt", text[start]) >= 0 { // \n in JSON
		start++
	}
	isFlag := start < end && text[start] == '-' && (start == 0 || strings.IndexByte(" \t\n\"'[", text[start-1]) >= 0)
	nameEnd := start + len(strings.TrimRight(text[start:end], ".-"))
	start += len(text[start:end]) - len(strings.TrimLeft(text[start:end], "-"))
	if nameEnd-start < minName {
		return
	}
	name := text[start:nameEnd]
	if end-nameEnd > 1 { // password.........value, as in aligned settings
		if kind := s.kind(name); kind != harmless {
			s.assigned(kind, start, operator{value: end})
		}
		return
	}
	if op, ok := assignment(text, end); ok {
		switch kind := s.kind(name); {
		case kind != harmless && isInARN(text, start):
		case kind != harmless:
			s.assigned(kind, start, op)
		case holdsName(name):
			s.pair(op)
		case isValueField(name):
			s.pairBackwards(op)
		default:
			s.region(name, start, op)
		}
		return
	}
	if end >= len(text) {
		return
	}
	if closer := closesTag(text, end); closer > 0 && holdsName(name) {
		s.elements(start, end+closer)
		return
	}
	if !couldBeSecret(name) || s.kind(name) < ambiguous {
		return
	}
	switch kind := s.kind(name); {
	case isFlag:
		s.argument(end)
	case strings.IndexByte("\"'`", text[end]) >= 0:
		s.quotedName(end)
	case closesTag(text, end) > 0 || text[end] == ' ' && isElement(text, start):
		s.element(kind, start, end)
	case strings.IndexByte(" \t|", text[end]) >= 0 || strings.HasPrefix(text[end:], "│"):
		s.word(name, end)
	}
}

// isInARN reports whether a position is in an ARN, such as arn:aws:secretsmanager:…:secret:name.
func isInARN(text string, at int) bool {
	if at == 0 || text[at-1] != ':' {
		return false
	}
	before := text[max(0, at-maxTag):at]
	before = before[strings.LastIndexAny(before, " \t\n\"'")+1:]
	return strings.Contains(before, "arn:aws")
}

// couldBeSecret reports whether a name can be more than unsure, by its last letter. Most words of prose are not.
func couldBeSecret(name string) bool {
	switch name[len(name)-1] | 0x20 {
	case 'd', 's', 't', 'n', 'y', 'e', 'w', 'l':
		return true
	}
	return isDigit(name[len(name)-1])
}

// operator is an assignment after a name.
type operator struct {
	value   int  // position of the value
	loose   bool // "name: value", which is also how prose looks
	newline bool // the value is on a later line
	encoded bool // percent-encoded
}

// assignment reads an operator after the name that ends at a position: =, :, =>, ->, or :=, after a closing quote with
// any number of backslashes, or percent-encoded.
func assignment(text string, at int) (operator, bool) {
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
	case strings.HasPrefix(text[i:], "&quot;"):
		i, quoted = i+len("&quot;"), true
	case hasFold(text[i:], "%22"):
		i, quoted = i+3, true
	case i > at:
		return operator{}, false
	}
	if !quoted && i+1 < len(text) && text[i] == ']' && text[i+1] == '=' { // [name]=value
		i++
	}
	i = skipBlanks(text, i)
	if i >= len(text) {
		return operator{}, false
	}
	op := operator{}
	switch {
	case text[i] == '=' && strings.HasPrefix(text[i:], "=="):
		return operator{}, false
	case text[i] == '=':
		i++
		if i < len(text) && text[i] == '>' {
			i++
		}
	case strings.HasPrefix(text[i:], ":="):
		i += 2
	case text[i] == ':' && strings.HasPrefix(text[i:], "::"):
		return operator{}, false
	case text[i] == ':':
		i++
		op.loose = !quoted && (i == len(text) || isSpace[text[i]])
	case strings.HasPrefix(text[i:], "->"):
		i, op.loose = i+2, true
	case hasFold(text[i:], "%3a"), hasFold(text[i:], "%3d"):
		i, op.encoded = i+3, true
	default:
		return operator{}, false
	}
	op.value = skipBlanks(text, i)
	if after := skipSpace(text, op.value); after > op.value && strings.HasPrefix(strings.TrimLeft(text[op.value:after], "\r"), "\n") {
		op.value, op.newline = after, true
	}
	return op, op.value < len(text)
}

// assigned looks at the value after an operator.
func (s *scanner) assigned(kind sensitivity, start int, op operator) {
	text := s.text
	at := op.value
	if at >= len(text) || strings.HasPrefix(text[at:], strings.TrimSpace(markStart)) {
		return
	}
	if from, to, end := s.quoted(at); end > 0 {
		isProse := op.loose && kind < certain && strings.Count(text[from:to], " ") > 1 // token: "unexpected end of input"
		if !isProse && kind.matches(text[from:to]) {
			s.replace(from, to, "secret")
		}
		return
	}
	if op.newline {
		s.below(kind, start, op)
		return
	}
	if tag := yamlTag().FindStringIndex(text[at:min(len(text), at+maxName)]); tag != nil { // password: !vault value
		op.value += tag[1] - 1 // the tag ends before the first byte of the value
		s.assigned(kind, start, op)
		return
	}
	switch text[at] {
	case '|', '>':
		s.block(kind, start, at)
		return
	case '[':
		s.list(kind, at)
		return
	case '{':
		s.object(kind, at)
		return
	case '<':
		if end := strings.IndexAny(text[at:min(len(text), at+maxBare)], ">\n"); end > 0 && text[at+end] == '>' {
			if kind.matches(text[at : at+end+1]) {
				s.replace(at+1, at+end, "secret")
			}
			return
		}
	}
	end := s.bareEnd(kind, at, op.encoded)
	if end == at || s.isBareHarmless(kind, start, at, end, op) {
		return
	}
	s.replace(at, end, "secret")
}

var yamlTag = lazy(`^!!?[A-Za-z]+ +[^\s!]`)

// wrapped looks at the value in Some("…") or SecretStr('…'). Names, as in getenv("TOKEN"), are not secrets.
func (s *scanner) wrapped(at int) {
	from, to, end := s.quoted(at)
	if end == 0 {
		from, to = at, s.bareEnd(unsure, at, false)
	}
	if looksPassword(s.text[from:to]) && !isHarmlessValue(s.text[from:to]) {
		s.replace(from, to, "secret")
	}
}

// quotedName looks at the value after a name in quotes: ("password", "…"), or 'password' has the value '…'.
func (s *scanner) quotedName(end int) {
	text := s.text
	at := skipBlanks(text, end+1)
	if at < len(text) && text[at] == ',' {
		if at = skipBlanks(text, at+1); at < len(text) && strings.IndexByte(`"'`, text[at]) >= 0 {
			s.wrapped(at)
		}
		return
	}
	s.sentence(end + 1)
}

// maxSentence is the length in bytes of the words between a name and its value: password for user bob: …
const maxSentence = 48

// sentence looks at a value that a short sentence about a name ends with.
func (s *scanner) sentence(at int) {
	text := s.text[at:min(len(s.text), at+maxSentence)]
	found := endOfSentence().FindStringIndex(text)
	s.ahead -= len(text)
	if found != nil {
		s.wrapped(at + found[1])
	}
}

var endOfSentence = lazy(`^(?: \(?['"]?[A-Za-z0-9_.@-]+['"]?\)?){1,5}?(?: ?[:=]| is| value)[:=]? `)

// isBareHarmless reports whether an unquoted value is not a secret: a word of prose, code, or another name.
func (s *scanner) isBareHarmless(kind sensitivity, start, at, end int, op operator) bool {
	text, value := s.text, s.text[at:end]
	if !kind.matches(value) {
		return true
	}
	next := skipBlanks(text, end)
	switch {
	case op.loose && value[len(value)-1] == ':',
		op.loose && next < len(text) && (text[next] == '=' || text[next] == ':') && !hasDigit(value): // level: name: value
		return true
	case end < len(text) && (text[end] == '(' || text[end] == '[') && isPath(strings.Map(withoutDigits, value)): // a call or an index in code
		s.wrapped(end + 1)
		return true
	case op.loose && text[start:min(len(text), start+len("PASS:"))] == "PASS:": // a result of Go's tests
		return true
	case strings.Contains(value, ".") && isPath(value): // config.password
		return true
	case kind == unsure || !op.loose:
		return false
	case datelike().MatchString(value):
		return true
	case !isWordy(value):
		return false
	}
	return kind != certain || !isWholeLine(text, start, end) || strings.Contains(value, "_")
}

var datelike = lazy(`^\d{4}-\d\d-\d\d`)

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
	before := text[strings.LastIndexByte(text[:start], '\n')+1 : start]
	return strings.Trim(before, " \t-") == "" && (end == len(text) || text[end] == '\n' || text[end] == '\r')
}

// quoted reads a quoted value: between quotes with any number of backslashes, or percent-encoded. It returns the
// inside and the end of the whole, or end 0. A value without a closing quote ends with its line.
func (s *scanner) quoted(at int) (from, to, end int) {
	text := s.text
	if at+1 < len(text) && strings.IndexByte("bruf@$", text[at]) >= 0 && (text[at+1] == '\'' || text[at+1] == '"') {
		at++ // a prefix of a Python literal
	}
	i := at
	for i < len(text) && text[i] == '\\' && i-at < maxEscapes {
		i++
	}
	for _, mark := range []string{"&quot;", "%22"} {
		if i == at && strings.HasPrefix(text[at:], mark) {
			from = at + len(mark)
			rest := text[from:min(len(text), from+maxQuoted)]
			if n := strings.Index(rest, mark); n >= 0 && !strings.Contains(rest[:n], "\n") {
				return from, from + n, from + n + len(mark)
			}
			return from, from + bareLength(rest), from + bareLength(rest)
		}
	}
	if i >= len(text) || text[i] != '"' && text[i] != '\'' {
		return 0, 0, 0
	}
	from = i + 1
	to, end = closing(text, from, text[i], i-at)
	s.ahead -= end - from
	return from, to, end
}

// closing finds the closing quote of a value that a quote with a number of backslashes opened. Quotes with more
// backslashes belong to the value, unless the backslashes do.
func closing(text string, from int, quote byte, escapes int) (to, end int) {
	slashes := 0
	last := min(len(text), from+maxQuoted)
	for at := from; at < last; at++ {
		switch c := text[at]; {
		case c == '\\':
			slashes++
			continue
		case c == quote && escapes == 0 && slashes == 0 && at > from && at+1 < last && text[at+1] == quote: // doubled
			at++
		case c == quote && (slashes < escapes || slashes%(2*escapes+2) == escapes):
			return at - min(slashes, escapes), at + 1
		case c == '\n':
			return at, at
		}
		slashes = 0
	}
	return last, last
}

// bareEnd returns the end of an unquoted value.
func (s *scanner) bareEnd(kind sensitivity, at int, encoded bool) int {
	text, most := s.text, len(s.text)
	if kind == unsure {
		most = min(most, at+maxBare)
	}
	end := at
	for ; end < most && !endsValue[text[end]]; end++ {
		switch text[end] {
		case '\\':
			if end+1 < len(text) && strings.IndexByte(`nrt"'\`, text[end+1]) >= 0 {
				s.ahead -= end - at
				return end
			}
		case '%':
			if hasFold(text[end:], "%26") || hasFold(text[end:], "%22") || hasFold(text[end:], "%27") ||
				encoded && (hasFold(text[end:], "%2c") || hasFold(text[end:], "%7d")) {
				s.ahead -= end - at
				return end
			}
		}
	}
	s.ahead -= end - at
	for end > at+1 && (text[end-1] == ']' || text[end-1] == '>' || text[end-1] == '`') {
		end--
	}
	return end
}

// bareLength returns the length of an unquoted value at the start of a text.
func bareLength(text string) int {
	for i := range len(text) {
		if endsValue[text[i]] {
			return i
		}
	}
	return len(text)
}

// below looks at a value on the line below its name: a deeper line that is no name itself.
func (s *scanner) below(kind sensitivity, start int, op operator) {
	text := s.text
	line := strings.LastIndexByte(text[:op.value], '\n') + 1
	if op.value-line <= s.indent(start) {
		return
	}
	if strings.HasPrefix(text[op.value:], "- ") { // the first entry of a list
		op.value = skipBlanks(text, op.value+1)
	}
	end := lineEnd(text, op.value)
	value := strings.TrimRight(text[op.value:end], " \t\r")
	if value == "" || strings.ContainsAny(value, ": {}[]=") || !kind.matches(value) || isWordy(value) {
		return
	}
	s.replace(op.value, op.value+len(value), "secret")
}

// indent returns the number of blanks, and of signs of lists, before the first name of the line.
func (s *scanner) indent(at int) int {
	line := strings.LastIndexByte(s.text[:at], '\n') + 1
	s.ahead -= at - line
	indent := 0
	for line+indent < at && (s.text[line+indent] == ' ' || s.text[line+indent] == '\t') {
		indent++
	}
	return indent
}

func lineEnd(text string, at int) int {
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(text)
}

// block looks at a block of YAML lines after | or >.
func (s *scanner) block(kind sensitivity, start, at int) {
	text := s.text
	head := lineEnd(text, at)
	if strings.Trim(text[at:head], "|>+-0123456789 \r") != "" || head == len(text) {
		return
	}
	indent := s.indent(start)
	from := skipBlanks(text, head+1)
	end := head
	for next := head + 1; next < len(text); {
		stop := lineEnd(text, next)
		line := text[next:stop]
		if blanks := len(line) - len(strings.TrimLeft(line, " \t")); blanks <= indent && strings.TrimSpace(line) != "" {
			break
		}
		end, next = stop, stop+1
	}
	s.ahead -= end - at
	if end > from && (kind > unsure || looksRandom(strings.TrimSpace(text[from:lineEnd(text, from)]))) {
		s.replace(from, end, "secret")
	}
}

// list looks at the values between brackets.
func (s *scanner) list(kind sensitivity, at int) {
	text := s.text
	if first := skipSpace(text, at+1); first < len(text) && strings.IndexByte(`"'\`, text[first]) >= 0 {
		for i := first; i < len(text); {
			from, to, end := s.quoted(i)
			if end == 0 {
				return
			}
			if kind.matches(text[from:to]) {
				s.replace(from, to, "secret")
			}
			if i = skipSpace(text, end); i >= len(text) || text[i] != ',' {
				return
			}
			i = skipSpace(text, i+1)
		}
		return
	}
	end := strings.IndexAny(text[at:min(len(text), at+maxBare)], "]\n")
	if end > 1 && text[at+end] == ']' {
		if value := text[at+1 : at+end]; kind.matches(value) && !strings.ContainsAny(value, " ,") && (hasDigit(value) || !isWordy(value)) {
			s.replace(at+1, at+end, "secret")
		}
	}
}

// object looks at an object that is the value of a secret name, such as {"value": "…"}.
func (s *scanner) object(kind sensitivity, at int) {
	text := s.text
	end := at + 1
	for last := min(len(text), at+2*maxPairGap); end < last && text[end] != '}'; {
		if !inName[text[end]] {
			end++
			continue
		}
		start := end
		for end < last && inName[text[end]] {
			end++
		}
		if op, ok := assignment(text, end); ok && isValueField(text[start:end]) {
			if from, to, after := s.quoted(op.value); after > 0 && kind.matches(text[from:to]) {
				s.replace(from, to, "secret")
			}
			return
		}
	}
	s.ahead -= end - at
}

// holdsName reports whether the value of a field is the name of another value.
func holdsName(field string) bool {
	switch fold(field) {
	case "name", "key", "field", "parameterkey", "outputkey", "optionname", "attributename", "propertyname", "variable", "id":
		return true
	}
	return false
}

// isValueField reports whether a field contains the value for a name in another field.
func isValueField(field string) bool {
	switch fold(field) {
	case "value", "val", "s", "parametervalue", "outputvalue", "optionvalue", "attributevalue", "propertyvalue", "plaintext":
		return true
	}
	return false
}

// pair looks at an object that consists of a name and a value, such as {"name": "DB_PASSWORD", "value": "…"}.
func (s *scanner) pair(op operator) {
	text := s.text
	from, to, end := s.quoted(op.value)
	if end == 0 {
		from, to = op.value, op.value
		for to < len(text) && to-from <= maxName && inName[text[to]] {
			to++
		}
		end = to
	}
	if to-from < minName || to-from > maxName || !isName(text[from:to]) || s.kind(text[from:to]) == harmless {
		return
	}
	kind := s.kind(text[from:to])
	if closer := closesTag(text, end); closer > 0 { // <property name="password">value</property>
		if last, ok := s.content(end + closer); ok && kind.matches(text[end+closer:last]) {
			s.replace(end+closer, last, "secret")
		}
		return
	}
	for last := min(len(text), end+maxPairGap); end < last && text[end] != '}' && text[end] != '{'; {
		if !inName[text[end]] {
			end++
			continue
		}
		start := end
		for end < len(text) && inName[text[end]] {
			end++
		}
		value, ok := assignment(text, end)
		if !ok {
			continue
		}
		if holdsName(text[start:end]) {
			break
		}
		if isValueField(text[start:end]) {
			value.loose = false
			s.assigned(kind, start, value)
			return
		}
	}
	s.ahead -= maxPairGap
}

// pairBackwards looks at such an object whose value comes before its name.
func (s *scanner) pairBackwards(op operator) {
	text := s.text
	from, to, end := s.quoted(op.value)
	if end == 0 || to-from < minValue {
		return
	}
	for last := min(len(text), end+maxPairGap); end < last && text[end] != '}' && text[end] != '{'; {
		if !inName[text[end]] {
			end++
			continue
		}
		start := end
		for end < len(text) && inName[text[end]] {
			end++
		}
		name, ok := assignment(text, end)
		if !ok {
			continue
		}
		if isValueField(text[start:end]) {
			return
		}
		if nameFrom, nameTo, after := s.quoted(name.value); after > 0 && holdsName(text[start:end]) {
			if field := text[nameFrom:nameTo]; isName(field) && s.kind(field).matches(text[from:to]) {
				s.replace(from, to, "secret")
			}
			return
		}
	}
	s.ahead -= maxPairGap
}

func isName(text string) bool {
	for i := range len(text) {
		if !inName[text[i]] {
			return false
		}
	}
	return true
}

// argument looks at the value of a flag of a command line: --password value, or "--password", "value" in a list.
func (s *scanner) argument(at int) {
	text := s.text
	if strings.IndexByte(`"'`, text[at]) >= 0 { // in a list
		at = skipSpace(text, at+1)
		if at >= len(text) || text[at] != ',' {
			return
		}
		at = skipSpace(text, at+1)
		if from, to, end := s.quoted(at); end > 0 && likely.matches(text[from:to]) {
			s.replace(from, to, "secret")
		}
		return
	}
	value := skipBlanks(text, at)
	if value == at || value >= len(text) || strings.IndexByte("-<${[|=", text[value]) >= 0 {
		return
	}
	if from, to, end := s.quoted(value); end > 0 {
		if likely.matches(text[from:to]) {
			s.replace(from, to, "secret")
		}
		return
	}
	end := s.bareEnd(likely, value, false)
	if word := text[value:end]; likely.matches(word) && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_]") != "" {
		s.replace(value, end, "secret")
	}
}

// closesTag returns the length of the sign that closes an XML tag at a position: >, &gt;, or its form in JSON.
func closesTag(text string, at int) int {
	for _, sign := range []string{">", "&gt;", `\u003e`} {
		if strings.HasPrefix(text[at:], sign) {
			return len(sign)
		}
	}
	return 0
}

// isElement reports whether a name is that of an XML element.
func isElement(text string, start int) bool {
	before := text[max(0, start-32):start]
	if at := strings.LastIndexByte(before, ':'); at > 0 && at == len(before)-1 { // a prefix
		before = strings.TrimRight(before[:at], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
		before = strings.TrimSuffix(before, `\`) + map[bool]string{true: `\u003c`}[strings.HasSuffix(before, `\`)]
	}
	return strings.HasSuffix(before, "<") || strings.HasSuffix(before, "&lt;") || strings.HasSuffix(before, `\u003c`)
}

// content returns the content of an XML element from the position after its tag.
func (s *scanner) content(from int) (to int, ok bool) {
	rest := s.text[from:min(len(s.text), from+maxQuoted)]
	to = strings.IndexByte(rest, '<')
	for _, sign := range []string{"&lt;", `\u003c`} {
		if at := strings.Index(rest[:max(to, 0)], sign); at >= 0 {
			to = at
		} else if to < 0 {
			to = strings.Index(rest, sign)
		}
	}
	s.ahead -= max(to, 0)
	return from + to, to > 0
}

// element looks at the content of an XML element.
func (s *scanner) element(kind sensitivity, start, end int) {
	text := s.text
	if !isElement(text, start) {
		return
	}
	closer := closesTag(text, end)
	if closer == 0 { // attributes
		head := strings.IndexAny(text[end:min(len(text), end+maxTag)], "<>\n")
		if head < 0 || text[end+head] != '>' || text[end+head-1] == '/' {
			return
		}
		closer = head + 1
	}
	from := end + closer
	if to, ok := s.content(from); ok {
		if value := strings.TrimSpace(text[from:to]); kind.matches(value) {
			from += strings.Index(text[from:], value)
			s.replace(from, from+len(value), "secret")
		}
	}
}

// elements looks at two XML elements that contain a name and its value.
func (s *scanner) elements(start, from int) {
	text := s.text
	to, ok := s.content(from)
	if !ok || !isElement(text, start) || to-from > maxName || !isName(text[from:to]) {
		return
	}
	kind := s.kind(text[from:to])
	if kind == harmless {
		return
	}
	next := strings.IndexByte(text[to:min(len(text), to+maxName)], '>')
	if next < 0 {
		return
	}
	at := skipSpace(text, to+next+1)
	if at >= len(text) || text[at] != '<' {
		return
	}
	end := at + 1
	for end < len(text) && inName[text[end]] {
		end++
	}
	if end < len(text) && isValueField(text[at+1:end]) {
		s.element(kind, at+1, end)
	}
}

// word looks at the word after a name in prose or in a table.
func (s *scanner) word(name string, end int) {
	text := s.text
	at, isTable := end, false
	for at < len(text) && at-end < maxBlanks*2 {
		if strings.HasPrefix(text[at:], "│") {
			at, isTable = at+len("│"), true
		} else if text[at] == ' ' || text[at] == '\t' || text[at] == '|' {
			isTable = isTable || text[at] != ' '
			at++
		} else {
			break
		}
	}
	isTable = isTable || at-end > 1
	for _, verb := range []string{"is: ", "is ", "was ", "to ", "of "} {
		if !isTable && strings.HasPrefix(text[at:], verb) {
			at = skipBlanks(text, at+len(verb))
			break
		}
	}
	if !isTable && (strings.EqualFold(name, "secret") || strings.EqualFold(name, "credentials")) {
		return // "secret prod-db-2" is the name of a secret
	}
	from, to, quotedEnd := at, at, 0
	if at < len(text) && strings.IndexByte(`"'`, text[at]) >= 0 {
		from, to, quotedEnd = s.quoted(at)
	}
	if quotedEnd == 0 {
		from = at
		to = s.bareEnd(unsure, at, false)
		to = from + len(strings.TrimRight(text[from:to], ".,:?`"))
	}
	if looksPassword(text[from:to]) && !isHarmlessValue(text[from:to]) {
		s.replace(from, to, "secret")
	} else if !isTable {
		s.sentence(end)
	}
}

// hasFold reports whether a text starts with a prefix in lower case, ignoring case.
func hasFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// skipBlanks returns the position of the first character that is not a blank of the same line.
func skipBlanks(text string, at int) int {
	for end := at + maxBlanks; at < len(text) && at < end && (text[at] == ' ' || text[at] == '\t'); {
		at++
	}
	return at
}

func skipSpace(text string, at int) int {
	for end := at + 4*maxBlanks; at < len(text) && at < end && isSpace[text[at]]; {
		at++
	}
	return at
}

var (
	inName    = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
	isSpace   = bytesOf("\t\n\f\r ")
	endsValue = bytesOf("\t\n\f\r \"',;&{}()[<|")
)

func bytesOf(text string) (set [256]bool) {
	for i := range len(text) {
		set[text[i]] = true
	}
	return set
}
