package redact

import (
	"strings"
)

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
