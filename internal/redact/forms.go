package redact

import (
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// wrapped looks at the value in Some("…") or SecretStr('…'). Names, as in getenv("TOKEN"), are not secrets.
func (s *scanner) wrapped(at int) {
	from, to, end := s.quoted(at)
	if end == 0 {
		from, to = at, s.bareEnd(unsure, at, false)
	}
	value := s.text[from:to]
	if end == 0 {
		value = strings.TrimSuffix(value, ".") // of the sentence
	}
	if looksPassword(value) && !isHarmlessValue(value) && !isMessage(value) {
		if end == 0 {
			to = max(to, s.valueEnd(from, false))
		}
		s.replace(from, to, "secret")
	}
}

// isMessage reports whether a value of several words is a message: none of its words looks like a password, or one is a word of prose.
func isMessage(value string) bool {
	return strings.Contains(value, " ") && (isProse(value) || !slices.ContainsFunc(strings.Fields(value), looksPassword))
}

// quotedName looks at the value after a name in quotes: ("password", "…"), or 'password' has the value '…'. The name can be the end of a
// message, and another message can follow in a list.
func (s *scanner) quotedName(start, end int) {
	text := s.text
	if part := formPart().FindStringSubmatchIndex(text[end+1 : min(len(text), end+1+maxBare)]); part != nil && strings.HasSuffix(text[:start-1], " name=") {
		if from, to := end+1+part[2], end+1+part[3]; s.kind(text[start:end]).matches(text[from:to]) {
			s.replace(from, to, "secret")
		}
		return
	}
	at := skipBlanks(text, end+1)
	if at < len(text) && (text[at] == '|' || strings.HasPrefix(text[at:], "│")) { // a table of Markdown
		s.word(text[end:end], end+1)
		return
	}
	if at < len(text) && (text[at] == ',' || text[at] == ';') {
		at = skipBlanks(text, at+1)
		quote := at
		if strings.HasPrefix(text[at:], "b") { // of bytes in Python
			quote++
		}
		if quote < len(text) && isShellQuote(text[quote]) {
			from, to, _ := s.quoted(at)
			value := text[from:to]
			isWhole := start > 0 && isShellQuote(text[start-1])
			if isPunctuatedLiteral(value) || isWhole && looksPassword(value) && !isHarmlessValue(value) && !isProse(value) {
				s.replace(from, to, "secret")
			}
			s.wrapped(at)
		}
		return
	}
	s.sentence(end + 1)
}

// formPart matches what follows the name of a part of multipart/form-data, with the value.
var formPart = lazy.Regexp(`^(?:\r?\n[A-Za-z-]+:[^\r\n]*){0,3}\r?\n\r?\n([^\s]+)\r?(?:\n|$)`)

// isPunctuatedLiteral reports whether a text in quotes is a password with signs that looksPassword does not accept.
func isPunctuatedLiteral(value string) bool {
	return strings.ContainsAny(value, `/\():,;<>[]{}`) && !strings.ContainsAny(value, " \t\"'") && !placeLook().MatchString(value) && likely.looksPunctuated(value, true)
}

// maxSentence is the length in bytes of the words between a name and its value: password for user bob: …
const maxSentence = 48

// sentence looks at a value that a short sentence about a name ends with. It reports whether there is such a sentence.
func (s *scanner) sentence(at int) (found bool) {
	text := s.text[at:min(len(s.text), at+maxSentence)]
	end := endOfSentence().FindStringIndex(text)
	s.ahead -= len(text)
	if end != nil {
		s.wrapped(at + end[1])
	}
	return end != nil
}

var endOfSentence = lazy.Regexp(`^(?: \(?['"]?[A-Za-z0-9_.@-]+['"]?\)?){1,5}?(?: ?[:=]| is| (?:was )?(?:re)?(?:set|changed) to| was| value)[:=]? `)

// below looks at a value on the line below its name: a deeper line that is no name itself.
func (s *scanner) below(kind sensitivity, start int, op operator) {
	text := s.text
	line := strings.LastIndexByte(text[:op.value], '\n') + 1
	isList := strings.HasPrefix(text[op.value:], "- ")
	if indent := s.indent(start); op.value-line < indent || op.value-line == indent && !isList {
		return
	}
	blanks := text[line:op.value]
	if done := s.done; s.flow(kind, op.value) && s.done > done {
		return
	}
	if s.entries(kind, line, blanks, isList) {
		return
	}
	if !isList {
		s.entry(kind, op.value)
		return
	}
	for strings.HasPrefix(text[line:], blanks+"- ") { // a list
		s.entry(kind, skipBlanks(text, line+len(blanks)+1))
		end := lineEnd(text, line)
		s.ahead -= end - line
		if end == len(text) {
			return
		}
		line = end + 1
	}
}

// flow looks at a list, a tuple, or an object in brackets. It reports whether there is one.
func (s *scanner) flow(kind sensitivity, at int) bool {
	text := s.text
	switch text[at] {
	case '[':
		if first := skipSpace(text, at+1); first < len(text) && text[first] == '{' && isObject().MatchString(text[first:min(len(text), first+maxName)]) {
			s.object(kind, at)
			return true
		}
		return s.list(kind, at)
	case '(':
		return tupleOfTexts().MatchString(text[at:min(len(text), at+maxName)]) && s.list(kind, at)
	case '{':
		if isObject().MatchString(text[at:min(len(text), at+maxName)]) {
			s.object(kind, at)
			return true
		}
	}
	return false
}

var tupleOfTexts = lazy.Regexp(`^\(\s*(?:"[^"\n]*"|'[^'\n]*')\s*,\s*["']`)

// entries looks at the lines of an object without quotes below the name of secrets, and of those in it. It reports whether there is one:
//
//	passwords:
//	  orders: value
//	  payments:
//	    current: value
func (s *scanner) entries(kind sensitivity, line int, blanks string, isList bool) (found bool) {
	text, parents := s.text, 0
	for kind >= likely && parents <= maxParents && strings.HasPrefix(text[line:], blanks) {
		start, end := line+len(blanks), lineEnd(text, line)
		s.ahead -= end - line
		if isList && start < end && text[start] != ' ' && text[start] != '-' { // the next member of the object that the list is in
			break
		}
		start += len(yamlIndent().FindString(text[start:end]))
		rest := text[start:min(end, start+maxBare)]
		if last := s.listOf(line, start, rest); last > 0 {
			found, parents, end = true, 0, lineEnd(text, last)
		} else if member := yamlMember().FindStringSubmatchIndex(rest); member != nil {
			found, parents = true, 0
			name, from, to := text[start+member[2]:start+member[3]], start+member[4], start+member[5]
			if isShellQuote(text[from]) && to-from > 2 && text[to-1] == text[from] {
				from, to = from+1, to-1
			}
			if value := text[from:to]; s.kind(name) == harmless && isSecretMember(name, value) && !isProse(value) {
				if !s.scan(line) { // the lines above
					return true
				}
				s.replace(from, to, "secret")
			} else if !s.scan(end) { // it can be found by its own name
				return true
			}
		} else if parents++; !yamlParent().MatchString(rest) {
			break
		}
		if end == len(text) {
			break
		}
		line = end + 1
	}
	return found
}

// maxParents is the number of lines between two members of an object: the names of objects in it.
const maxParents = 5

// yamlIndent matches what is before the first name of an object in a list, and yamlParent the name of an object on a line of YAML.
var (
	yamlIndent = lazy.Regexp(`^ *(?:- +)*`)
	yamlParent = lazy.Regexp(`^["']?[\w.-]+["']?:[ \t\r]*(?:#.*)?$`)
)

// yamlMember matches a name and its value on a line of YAML.
var yamlMember = lazy.Regexp(`^["']?([\w.-]+)["']?:[ \t]+([^\s#][^\s]*)[ \t\r]*(?:#.*)?$`)

// listOf looks at a list in brackets that is a member of an object. It returns where the list ends, or 0 if there is none.
func (s *scanner) listOf(line, start int, rest string) int {
	list := yamlList().FindStringSubmatchIndex(rest)
	if list == nil || s.kind(rest[list[2]:list[3]]) != harmless || !s.scan(line) {
		return 0
	}
	end := s.members(rest[list[2]:list[3]], start+list[1])
	s.ahead -= max(0, end-start)
	if next := skipSpace(s.text, end); end > 0 && next < len(s.text) && s.text[next] == ']' {
		return next
	}
	return end
}

// yamlList matches a name and the beginning of a list on a line of YAML.
var yamlList = lazy.Regexp(`^["']?([\w.-]+)["']?:[ \t]+\[`)

// entry looks at a value that is a whole line or the entry of a list.
func (s *scanner) entry(kind sensitivity, at int) {
	text := s.text
	if from, to, end := s.quoted(at); end > 0 {
		if kind.matches(text[from:to]) && !isProse(text[from:to]) {
			s.replace(from, to, "secret")
		}
		return
	}
	if done := s.done; at < len(text) && s.flow(kind, at) && s.done > done {
		return
	}
	value := strings.TrimRight(text[at:lineEnd(text, at)], " \t\r")
	if value == "" || strings.Contains(value, " ") || value[len(value)-1] == ':' || !kind.matches(value) || isWordy(value) {
		return
	}
	if strings.ContainsAny(strings.TrimRight(value, "="), ":{}[]=") && !kind.looksPunctuated(value, true) {
		return
	}
	s.replace(at, at+len(value), "secret")
}

// isProse reports whether a text is a sentence: it has a word that no password consists of.
func isProse(text string) bool {
	if !strings.Contains(text, " ") {
		return false
	}
	for word := range strings.FieldsSeq(text) {
		if word = strings.ToLower(strings.Trim(word, ".,:;!?()'\"")); harmlessWords[word] || proseWords[word] {
			return true
		}
	}
	return false
}

// proseWords are words of sentences about passwords, in addition to harmlessWords. They are in lower case.
var proseWords = setOf("a", "an", "by", "at", "on", "as", "be", "been", "are", "were", "will", "must", "should", "can", "cannot", "could",
	"may", "does", "do", "did", "too", "your", "user", "from", "this", "that", "no", "or", "if", "it", "at", "least", "contain",
	"contains", "match", "matches", "characters", "short", "long", "authentication", "please", "see", "use", "used", "using", "rotation",
	"change", "entered", "provided", "given", "attempt", "attempts", "retry", "than", "policy", "hash", "length", "only", "again", "login",
	"files", "compat")

// wholeValue returns the end of an unquoted value with blanks, which a line of YAML or an INI file consists of. Without other
// such lines around it, a line of several words is a sentence.
func (s *scanner) wholeValue(start, at, end int) int {
	text := s.text
	next := skipBlanks(text, end)
	if next == end || next >= len(text) || text[next] == '\n' || text[next] == '\r' || text[next] == '#' {
		return end
	}
	line, isFirst := startOfLine(text, start, " \t-")
	if !isFirst {
		return end
	}
	stop := lineEnd(text, at)
	s.ahead -= stop - line
	if stop-at > maxBare {
		return end
	}
	value := text[at:stop]
	if comment := strings.Index(value, " #"); comment > 0 {
		value = value[:comment]
	}
	value = strings.TrimRight(value, " \t\r")
	if strings.ContainsAny(value, "=:|[]{}()<>\"`,;\\") || strings.Contains(value, " '") || strings.Contains(value, " + ") || isProse(value) || !s.isAmongSettings(line, stop) {
		return end
	}
	return at + len(value)
}

// startOfLine returns the start of the line of a name that is the first of its line, after some signs.
func startOfLine(text string, name int, signs string) (line int, isFirst bool) {
	line = name
	for line > 0 && name-line < maxBlanks && strings.IndexByte(signs, text[line-1]) >= 0 {
		line--
	}
	return line, line == 0 || text[line-1] == '\n'
}

// isFirstOfLine reports whether a name is the first of its line, as in YAML. Whoever writes a name into a log line must not hide the
// next lines, such as a stack trace.
func isFirstOfLine(text string, name int) bool {
	_, isFirst := startOfLine(text, name, " \t-\"'")
	return isFirst
}

// isAmongSettings reports whether the line before or after a line is a setting or the beginning of settings.
func (s *scanner) isAmongSettings(line, stop int) bool {
	if line > 0 {
		before := strings.LastIndexByte(s.text[:line-1], '\n') + 1
		s.ahead -= line - before
		if settingLine().MatchString(s.text[before:min(line-1, before+maxTag)]) {
			return true
		}
	}
	if stop < len(s.text) {
		end := min(lineEnd(s.text, stop+1), stop+1+maxTag)
		s.ahead -= end - stop
		return settingLine().MatchString(s.text[stop+1 : end])
	}
	return false
}

var settingLine = lazy.Regexp(`^\s*(?:- )?(?:[\w.-]+:(?:\s*$|\s+\S)|[\w.-]+\s*=\s*\S|\[[\w. -]+\]\s*$)`)

// block looks at a block of YAML lines after | or >. It reports whether there is one.
func (s *scanner) block(kind sensitivity, start, at int) bool {
	text := s.text
	head := lineEnd(text, at)
	if strings.Trim(text[at:head], "|>+-0123456789 \r") != "" || head == len(text) {
		return false
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
	s.ahead -= 2 * (end - at)
	if end > from && isOneValue(strings.TrimRight(text[from:end], " \t\r\n")) && (kind > unsure || looksRandom(strings.TrimSpace(text[from:lineEnd(text, from)]))) {
		s.replace(from, end, "secret")
	} else if kind > unsure {
		s.passwords(head+1, end)
	}
	return true
}

// passwords looks at lines that may consist of several secrets. The other lines between them stay.
func (s *scanner) passwords(line, end int) {
	text := s.text
	for line < end {
		stop := lineEnd(text, line)
		word := strings.TrimSpace(text[line:stop])
		if looksPassword(word) && !strings.ContainsAny(word, " \t") && !isHarmlessValue(word) && !isUUID(word) {
			if !s.scan(line) { // the lines above
				return
			}
			start := skipBlanks(text, line)
			s.replace(start, start+len(word), "secret")
		}
		line = stop + 1
	}
}

// isOneValue reports whether a text can be one secret: it is on one line, or one word on its own line, or its lines consist of base64.
// Whoever writes the signs around a value into a log must not hide the lines between them.
func isOneValue(text string) bool {
	if !strings.Contains(text, "\n") {
		return true
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) == 1 {
		return !strings.ContainsAny(lines[0], " \t") && !strings.HasPrefix(lines[0], "{")
	}
	for i, line := range lines {
		if line = strings.TrimSpace(line); !encodedLine().MatchString(line) || i < len(lines)-1 && len(line) < minUnnamed {
			return false
		}
	}
	return true
}

var encodedLine = lazy.Regexp(`^[A-Za-z0-9+/=_-]+$`)

// list looks at the values between brackets. It reports whether there is a list.
func (s *scanner) list(kind sensitivity, at int) bool {
	text := s.text
	if first := skipSpace(text, at+1); first < len(text) && strings.IndexByte(`"'\`, text[first]) >= 0 {
		around := s.around(first)
		for i := first; i < len(text); {
			from, to, end := s.quoted(i)
			if end == 0 {
				return true
			}
			ends := around.firstClose(text, i, end) // the text that the list is a part of
			if ends == i {
				return true
			} else if ends > i {
				from, to, end = min(from, ends), ends, ends
			}
			if kind.matches(text[from:to]) && !isProse(text[from:to]) {
				s.replace(from, to, "secret")
			} else if !s.scan(end) {
				return true
			}
			if i = skipSpace(text, end); i >= len(text) || text[i] != ',' {
				return true
			}
			i = skipSpace(text, i+1)
		}
		return true
	}
	end := strings.IndexByte(text[at:min(len(text), at+maxBare)], ']')
	if end < 0 || s.goesOnAfter(at+end+1) {
		return false
	}
	isOneLine, done := strings.IndexByte(text[at:at+end], '\n') < 0, s.done
	if around := s.around(at); around.firstClose(text, at, at+end) >= 0 { // the bracket is not in the text that the list begins in
		return false
	}
	for from, last := at+1, at+end; from < last; {
		to := last
		if n := strings.IndexByte(text[from:last], ','); n >= 0 {
			to = from + n
		}
		value := strings.TrimSpace(text[from:to])
		if kind.matches(value) && !strings.ContainsAny(value, " \t\n()") && (hasDigit(value) || !isWordy(value)) && (isOneLine || looksPassword(value)) {
			start := from + strings.Index(text[from:to], value)
			s.replace(start, start+len(value), "secret")
		}
		from = to + 1
	}
	s.ahead -= end
	return isOneLine || s.done > done // otherwise, the bracket can be the beginning of a password
}

// object looks at an object that is the value of a secret name, such as {"value": "…"}.
func (s *scanner) object(kind sensitivity, at int) {
	text := s.text
	end := at + 1
	depth := 1
	for last := min(len(text), at+2*maxPairGap); end < last && depth > 0; {
		if !inName[text[end]] {
			switch text[end] {
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			end++
			continue
		}
		start := end
		for end < last && inName[text[end]] {
			end++
		}
		op, ok := assignment(text, end)
		if ok && kind == unsure && dynamoValue().MatchString(text[op.value:min(len(text), op.value+maxName)]) {
			break
		}
		if ok && text[op.value] == '[' && s.kind(text[start:end]) == harmless {
			if last := s.members(text[start:end], op.value+1); last > end {
				end = last
				depth++ // of the bracket
			}
		}
		if !ok || text[op.value] == '{' || text[op.value] == '[' {
			continue
		}
		from, to, after := s.quotedWithin(op.value)
		if after == 0 {
			from, to = op.value, s.bareEnd(kind, op.value, op.encoded)
			after = to
			if to < len(text) && text[to] == '(' { // a call in code
				continue
			}
		}
		value, isSecret := text[from:to], false
		switch name := text[start:end]; {
		case isValueField(name):
			isSecret = kind.matches(value) && (to > from && text[op.value] != text[from] || hasDigit(value))
		case s.kind(name) != harmless: // found by its own name
			if !s.scan(end) {
				return
			}
			continue
		default:
			isSecret = isSecretMember(name, value)
		}
		if isSecret {
			if to == after { // without quotes
				to = max(to, s.valueEnd(from, op.encoded))
				after = to
			}
			s.replace(from, to, "secret")
		}
		end = max(end, after)
	}
	s.ahead -= end - at
}

// members looks at the texts in a list that is a member of an object with the name of a secret. It returns where they end, or 0 if
// there are none.
func (s *scanner) members(name string, at int) (end int) {
	for {
		at = skipSpace(s.text, at)
		from, to, after := s.quotedWithin(at)
		if after == 0 {
			word := bareMember().FindStringSubmatchIndex(s.text[at:min(len(s.text), at+maxName)])
			if word == nil {
				return end
			}
			from, to, after = at, at+word[3], at+word[3]
		}
		if isSecretMember(name, s.text[from:to]) {
			s.replace(from, to, "secret")
		}
		end, at = after, skipSpace(s.text, after)
		if at >= len(s.text) || s.text[at] != ',' {
			return end
		}
		at++
	}
}

// bareMember matches a text without quotes and what follows it in a list.
var bareMember = lazy.Regexp(`^([^\s,\[\]{}"']+)\s*[,\]]`)

// dynamoValue matches the beginning of an attribute of DynamoDB, as in "Keys": {"pk": {"S": "…"}}.
var dynamoValue = lazy.Regexp(`^\{\s*\\*["'][SNB]\\*["']\s*:`)

// isSecretMember reports whether a member of an object with the name of a secret is one: {"password": {"orders": "…"}}. Most
// members describe the secret.
func isSecretMember(name, value string) bool {
	if holdsName(name) && !strings.EqualFold(name, "key") || hasFold(name, "version") || hasFold(name, "digest") || hasFold(name, "fingerprint") ||
		strings.HasSuffix(fold(name), "id") {
		return false
	}
	return looksPassword(value) && !isHarmlessValue(value) && !isUUID(value) && !nameOfSecret().MatchString(value)
}

// holdsName reports whether the value of a field is the name of another value.
func holdsName(field string) bool {
	switch fold(field) {
	case "name", "key", "field", "parameterkey", "outputkey", "optionname", "attributename", "propertyname", "variable", "id",
		headerName, "httpheadername", "parametername", "valuename":
		return true
	}
	return false
}

// isValueField reports whether a field contains the value for a name in another field.
func isValueField(field string) bool {
	switch fold(field) {
	case "value", "val", "s", "parametervalue", "outputvalue", "optionvalue", "attributevalue", "propertyvalue", "plaintext", "plain", "cleartext",
		"raw", "headervalue", "stringvalue":
		return true
	}
	return false
}

// isPairValue is isValueField for objects that consist of a name and a value, or a list of values.
func isPairValue(field string) bool {
	return isValueField(field) || strings.EqualFold(field, "data") || strings.EqualFold(field, "values")
}

// headerName is the field, in lower case, with the name of a header that CloudFront adds to its requests. The value is often a secret
// that only the origin knows, whatever the name is; botocore marks it as sensitive.
const headerName = "headername"

// pair looks at an object that consists of a name and a value, such as {"name": "DB_PASSWORD", "value": "…"}. field has the name.
func (s *scanner) pair(field string, op operator) {
	isHeader := fold(field) == headerName
	text := s.text
	from, to, end := s.quoted(op.value)
	if end == 0 {
		from, to = op.value, op.value
		for to < len(text) && to-from <= maxName && inName[text[to]] {
			to++
		}
		end = to
	}
	if to-from < minName || to-from > maxName || !isPairName(text[from:to]) || s.kind(text[from:to]) == harmless && !isHeader {
		return
	}
	kind := s.kind(text[from:to])
	if closer := greaterSign(text, end); closer > 0 { // <property name="password">value</property>
		if s.elementWithin(kind, end+closer) {
			return
		}
		if from, to, ok := s.content(end + closer); ok && kind.matches(text[from:to]) {
			s.replace(from, to, "secret")
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
		if isPairValue(text[start:end]) {
			value.loose = false
			if isHeader {
				if s.scan(start) {
					s.customHeader(text[from:to], value.value)
				}
				return
			}
			valueFrom, valueTo, _ := s.quoted(value.value)
			if (isName(text[from:to]) || !isSentence(text[valueFrom:valueTo])) && s.scan(start) {
				s.assigned(kind, start, value)
			}
			return
		}
	}
	s.ahead -= maxPairGap
}

// customHeader looks at the value in quotes of a header.
func (s *scanner) customHeader(name string, at int) {
	if from, to, end := s.quotedWithin(at); end > 0 && !cannotBeSecret(name, s.text[from:to]) {
		s.replace(from, to, customHeader)
	}
}

// customHeader is the kind of the value of a header that CloudFront adds.
const customHeader = "custom header"

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
			if field := text[nameFrom:nameTo]; isPairName(field) && s.kind(field).matches(text[from:to]) && (isName(field) || !isSentence(text[from:to])) {
				s.replace(from, to, "secret")
			}
			return
		}
	}
	s.ahead -= maxPairGap
}

// isPairName is isName for a name in an object of a name and a value, which can have several words or be a path.
func isPairName(text string) bool {
	return isName(strings.Map(func(r rune) rune {
		if r == ' ' || r == '/' || r == ':' || r == '*' { // a field of Data Pipeline can begin with *
			return '-'
		}
		return r
	}, text)) && strings.Count(text, " ") <= maxPairBlanks
}

// isSentence reports whether a value is a word or several of them, which a name of several words can describe.
func isSentence(value string) bool {
	return isProse(value) || !hasDigit(value) && isWordy(strings.ReplaceAll(value, " ", ""))
}

func isName(text string) bool {
	for i := range len(text) {
		if !inName[text[i]] {
			return false
		}
	}
	return true
}

// argument looks at the value of a flag of a command line: --password value, or "--password", "value" in a list. A text that only ends
// with a flag, and a long one with blanks, are messages in a list.
func (s *scanner) argument(flag, at int) {
	text := s.text
	quote := at + len(text[at:]) - len(strings.TrimLeft(text[at:], `\`))
	if quote < len(text) && isShellQuote(text[quote]) { // in a list, or quoted
		if flag == 0 || !isShellQuote(text[flag-1]) {
			return
		}
		at = skipSpace(text, quote+1)
		if at >= len(text) || text[at] != ',' && at == quote+1 {
			return
		}
		if text[at] == ',' {
			at = skipSpace(text, at+1)
		}
		if from, to, end := s.quotedWithin(at); end > 0 && likely.matches(text[from:to]) && !isLongText(text[from:to]) {
			s.replace(from, to, "secret")
		}
		return
	}
	value := skipBlanks(text, at)
	if value > at {
		value = skipContinued(text, value)
	}
	if value == at || value >= len(text) || strings.IndexByte("-$", text[value]) >= 0 {
		return
	}
	if strings.IndexByte("<{[|=", text[value]) >= 0 {
		if whole := s.valueEnd(value, false); likely.looksPunctuated(text[value:whole], true) {
			s.replace(value, whole, "secret")
		}
		return
	}
	if from, to, end := s.quotedWithin(value); end > 0 && !s.goesOn(end) {
		if likely.matches(text[from:to]) {
			s.replace(from, to, "secret")
		}
		return
	}
	end := s.bareEnd(likely, value, false)
	if s.isOtherName(text[value:end]) {
		return
	}
	whole := max(end, s.valueEnd(value, false))
	if word := text[value:end]; likely.matches(word) && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_]") != "" ||
		whole > end && likely.looksPunctuated(text[value:whole], true) {
		s.replace(value, whole, "secret")
	}
}

// maxArgument is the largest length in bytes of a secret argument with blanks.
const maxArgument = 100

func isLongText(value string) bool { return len(value) > maxArgument && strings.Contains(value, " ") }

// greaterSign returns the length of the sign > at a position, which closes an XML tag or ends an arrow: >, &gt;, or its form in JSON.
func greaterSign(text string, at int) int {
	if strings.HasPrefix(text[at:], ">") {
		return len(">")
	}
	if strings.HasPrefix(text[at:], "&gt;") {
		return len("&gt;")
	}
	sign := at
	for sign < len(text) && text[sign] == '\\' && sign-at < maxEscapes { // several in JSON in JSON
		sign++
	}
	if sign > at && hasFold(text[sign:], "u003e") {
		return sign + len("u003e") - at
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
	return strings.HasSuffix(before, "<") || strings.HasSuffix(before, "&lt;") || strings.HasSuffix(before, `\u003c`) || strings.HasSuffix(before, `\u003C`)
}

// cdata are the signs around the content of an XML element that is not parsed, also in JSON and in escapes of XML.
var cdata = [][2]string{{"<![CDATA[", "]]>"}, {`\u003c![CDATA[`, `]]\u003e`}, {`\u003C![CDATA[`, `]]\u003E`}, {"&lt;![CDATA[", "]]&gt;"}}

// content returns the content of an XML element from the position after its tag. It is one value, and within the quotes around the element.
func (s *scanner) content(at int) (from, to int, ok bool) {
	from, to = s.contentOf(at)
	if to <= from {
		return from, to, false
	}
	s.ahead -= to - from
	if around := s.around(at); around.isQuoted() {
		if end := around.firstClose(s.text, from, to); end >= 0 {
			to = end
		}
	}
	return from, to, to > from && isOneValue(s.text[from:to])
}

// contentOf returns the text after a tag, up to the next one. It is empty if there is none.
func (s *scanner) contentOf(at int) (from, to int) {
	rest := s.text[at:min(len(s.text), at+maxQuoted)]
	for _, signs := range cdata {
		if first := skipSpace(s.text, at); first > at && strings.HasPrefix(s.text[first:], signs[0]) {
			at, rest = first, s.text[first:min(len(s.text), first+maxQuoted)]
		}
		if inner, isData := strings.CutPrefix(rest, signs[0]); isData {
			from = at + len(signs[0])
			return from, from + strings.Index(inner, signs[1])
		}
	}
	to = strings.IndexByte(rest, '<')
	signs := []string{`\u003c`, `\u003C`}
	if tag := s.text[max(0, at-maxTag):at]; strings.LastIndex(tag, "&lt;") > strings.LastIndexByte(tag, '<') { // otherwise it belongs to the content
		signs = append(signs, "&lt;")
	}
	for _, sign := range signs {
		if at := strings.Index(rest[:max(to, 0)], sign); at >= 0 {
			to = at
		} else if to < 0 {
			to = strings.Index(rest, sign)
		}
	}
	if to > 0 && rest[to] == '\\' { // in JSON in JSON
		to = len(strings.TrimRight(rest[:to], `\`))
	}
	return at, at + to
}

// element looks at the content of an XML element.
func (s *scanner) element(kind sensitivity, start, end int) {
	text := s.text
	if !isElement(text, start) {
		return
	}
	closer := greaterSign(text, end)
	if closer == 0 { // attributes
		head := strings.IndexAny(text[end:min(len(text), end+maxTag)], "<>\n")
		if head < 0 || text[end+head] != '>' {
			return
		}
		if text[end+head-1] == '/' { // <password value="value"/>
			if value := valueAttribute().FindStringSubmatchIndex(text[end : end+head]); value != nil && kind.matches(text[end+value[2]:end+value[3]]) {
				s.replace(end+value[2], end+value[3], "secret")
			}
			return
		}
		closer = head + 1
	}
	from, to, ok := s.content(end + closer)
	value := strings.TrimSpace(text[from:max(from, to)])
	switch {
	case value == "": // <adminPassword><Value>value</Value>
		s.elementWithin(kind, end+closer)
	case ok && kind.matches(value):
		from += strings.Index(text[from:], value)
		s.replace(from, from+len(value), "secret")
	}
}

// valueAttribute matches the attribute of an XML element with its value.
var valueAttribute = lazy.Regexp(`\svalue=\\*["']([^"'<>\\]+)`)

// elementWithin looks at the element with a value within an element that names it: <property name="password"><value>. It reports
// whether there is one.
func (s *scanner) elementWithin(kind sensitivity, at int) bool {
	start := skipSpace(s.text, at) + 1
	end := start
	for end < len(s.text) && inName[s.text[end]] {
		end++
	}
	if start >= len(s.text) || s.text[start-1] != '<' || !isValueField(s.text[start:end]) {
		return false
	}
	s.element(kind, start, end)
	return true
}

// elements looks at two XML elements that contain a name and its value.
func (s *scanner) elements(start, from int) {
	text := s.text
	from, to, ok := s.content(from)
	if !ok || !isElement(text, start) || to-from > maxName || !isName(text[from:to]) {
		return
	}
	kind := s.kind(text[from:to])
	if kind == harmless {
		return
	}
	for range maxElements {
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
		if end == len(text) {
			return
		}
		field := text[at+1 : end]
		if isValueField(field) || field == "string" || field == "data" { // of a property list of Apple
			s.element(kind, at+1, end)
			return
		}
		closer := greaterSign(text, end)
		if field == "" || holdsName(field) || closer == 0 { // the next pair
			return
		}
		if _, to, ok = s.content(end + closer); !ok || to-end > maxName {
			return
		}
	}
}

// maxElements is the number of elements up to the value, as in <key>password</key><type>String</type><value>.
const maxElements = 3

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
	if dots := len(text[at:]) - len(strings.TrimLeft(text[at:], ".")); dots > 2 { // aligned settings
		at, isTable = skipBlanks(text, at+dots), true
		if at < len(text) && (text[at] == ':' || text[at] == '=') {
			at = skipBlanks(text, at+1)
		}
	}
	verb := verbs().FindString(text[at:min(len(text), at+maxSentence)])
	if !isTable && verb != "" {
		at = skipBlanks(text, at+len(verb))
	}
	if !isTable && at < len(text) && text[at] == '(' {
		at++
	}
	isAmbiguous := !isTable && (strings.EqualFold(name, "secret") || strings.EqualFold(name, "credentials"))
	from, to, quotedEnd := at, at, 0
	if isTable && at < len(text) && text[at] == '`' { // of Markdown
		at++
	}
	if at < len(text) && strings.IndexByte(`"'`, text[at]) >= 0 {
		from, to, quotedEnd = s.quoted(at)
	}
	if quotedEnd == 0 || s.goesOn(quotedEnd) {
		quotedEnd = 0
		from = at
		to = s.bareEnd(unsure, at, false)
		to = from + len(strings.TrimRight(text[from:to], ".,:?`"))
	}
	value := text[from:to]
	switch {
	case isAmbiguous && (!isJumbled(value) || !hasDigit(value) || logicalID().MatchString(value)):
		// "secret prod-db-2" is the name of a secret
	case looksPassword(value) && !isHarmlessValue(value) && (isTable || !isMessage(value)):
		if quotedEnd == 0 && !isTable {
			to = s.endOfWord(from, to)
		}
		s.replace(from, to, "secret")
	case !isTable && s.kind(name) == certain && isPunctuatedWord(verb, s.text[from:s.endOfWord(from, to)]):
		s.replace(from, s.endOfWord(from, to), "secret")
	case !isTable && !isAmbiguous:
		if !s.sentence(end) && s.kind(name) == certain && !strings.HasSuffix(name, "s") && text[end-1] != '.' {
			s.nextLine(end)
		}
	}
}

// nextLine looks at a value alone on the line after a sentence about a password, or on the one after a blank line: Use this password for the
// installation:⏎value.
func (s *scanner) nextLine(at int) {
	text := s.text
	line, _, isLine := strings.Cut(text[at:min(len(text), at+maxTag)], "\n")
	s.ahead -= len(line)
	sentence, isSentence := strings.CutSuffix(strings.TrimRight(line, " \t\r"), ":")
	if !isLine || !isSentence || sentence == "" || strings.Contains(sentence, ":") || strings.Contains(sentence, ". ") {
		return
	}
	end := at + len(line)
	from := skipSpace(text, end)
	to := from
	for to < len(text) && to-from < maxTag && !isSpace[text[to]] {
		to++
	}
	s.ahead -= to - end
	value, rest := text[from:to], skipBlanks(text, to)
	isNext := strings.Count(text[end:from], "\n") <= 2 && (rest == len(text) || text[rest] == '\n' || text[rest] == '\r')
	if isNext && looksPassword(value) && !isUUID(value) && !isHarmlessValue(value) {
		start := strings.LastIndexByte(text[max(0, at-maxTag):at], '\n') + 1 + max(0, at-maxTag)
		if !aboutFailure().MatchString(text[start:at]+sentence) && !aboutOther().MatchString(sentence) {
			s.replace(from, to, "secret")
		}
	}
}

var (
	// aboutFailure matches a line about a password that does not announce one. The next line is a user, a host, or an ID of a request.
	aboutFailure = lazy.Regexp(`(?i)\b(?:fail(?:s|ed|ure)?|invalid|wrong|bad|incorrect|rejected|mismatch|denied|refused|un(?:supported|known|able)|errors?|expired|could(?: no|n'?)t|can(?:no|'?)t)\b`)
	// aboutOther matches a sentence that ends with the name of something else.
	aboutOther = lazy.Regexp(`(?i:\b(?:ids?|by|commit|method|class|algorithm|encoding|type|template|hash))$|[a-z]I[Dd]$`)
)

// endOfWord returns the end of a word in prose that is a secret, at least to a position.
func (s *scanner) endOfWord(from, to int) int {
	whole := s.valueEnd(from, false)
	return max(to, from+len(strings.TrimRight(s.text[from:whole], ".,:?")))
}

// isPunctuatedWord reports whether a word after "the password is" is a password with signs of code or of a structure.
func isPunctuatedWord(verb, word string) bool {
	if verb == "" || strings.HasSuffix(verb, "of ") || strings.HasSuffix(verb, "as ") || strings.Contains(word, " ") || isHarmlessValue(word) {
		return false
	}
	return (hasJumbledPart(word) || hasMixedPart(word)) && !strings.Contains(word, "://") || !placeLook().MatchString(word) && certain.looksPunctuated(word, true)
}

// placeLook matches a path, or the beginning of an address.
var placeLook = lazy.Regexp(`^(?:/?[\w.-]+(?:/[\w.@-]+)*/?$|[A-Za-z][A-Za-z0-9+.-]*:/)`)

var (
	// verbs matches the words between a name and its value in prose.
	verbs = lazy.Regexp(`^(?:(?:has been|have been|had been|was|is|were|are|will be|ist|war|lautet|wurde auf|es|est) )?(?:now )?(?:(?:set|reset|changed|updated|rotated) )?(?:to |of |as )?(?:is: |is |was )?`)
	// logicalID matches the names of resources that CDK creates.
	logicalID = lazy.Regexp(`^[A-Z][A-Za-z0-9]*[0-9A-F]{8}$`)
)

// isCell reports whether the cell of a table in HTML ends at a position and another one begins.
func (s *scanner) isCell(at int) bool {
	return at < len(s.text) && s.text[at] == '<' && nextCell().MatchString(s.text[at:min(len(s.text), at+maxTag)])
}

// cell looks at the cell of a table in HTML after that of a name, which ends at a position.
func (s *scanner) cell(end int) {
	next := nextCell().FindStringIndex(s.text[end:min(len(s.text), end+maxTag)])
	if next == nil {
		return
	}
	if from, to, ok := s.content(end + next[1]); ok {
		if value := strings.TrimSpace(s.text[from:to]); looksPassword(value) && !isHarmlessValue(value) {
			from += strings.Index(s.text[from:to], value)
			s.replace(from, from+len(value), "secret")
		}
	}
}

var nextCell = lazy.Regexp(`^(?i)(?:</(?:code|b|strong)>)?</(?:td|th|dt)>\s*<(?:td|dd)\b[^<>]*>(?:<(?:code|b|strong)>)?`)

// row looks at a line of a table with commas or semicolons that consists of a name and a value.
func (s *scanner) row(start, end int) {
	text := s.text
	if _, isFirst := startOfLine(text, start, " \t\"'"); !isFirst {
		return
	}
	at := skipBlanks(text, end+1)
	stop := lineEnd(text, at)
	s.ahead -= stop - at
	value := strings.TrimRight(text[at:stop], " \t\r")
	value = strings.TrimRight(value, text[end:end+1]) // an empty column
	isQuoted := false
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		at, value, isQuoted = at+1, value[1:len(value)-1], true
	}
	if looksPassword(value) && !strings.ContainsAny(value, " \t;") && !isHarmlessValue(value) ||
		isQuoted && isPunctuatedLiteral(value) {
		s.replace(at, at+len(value), "secret")
	}
}
