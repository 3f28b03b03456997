package redact

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Limits of learning secrets from AWS's answers during one tool call.
const (
	maxObserved   = 16 << 20    // bytes of answers
	maxLearned    = 500         // secrets
	maxSearched   = 4 << 20     // bytes of texts that the rules search, which usually takes 0.2 s
	maxSearchTime = time.Second // of that search; a text with the keywords of all rules would take longer
	maxNested     = 100         // levels of XML elements
	maxDepth      = 3           // levels of JSON in strings of JSON
	minSecret     = 8           // bytes of a secret that is searched for in all texts
	maxSecret     = 128 << 10   // bytes of such a secret; Secrets Manager has up to 64 KB, which base64 makes longer
	minUnnamed    = 16          // bytes of a value that counts as a secret although its name does not indicate one
)

// Memory keeps the answers that AWS gave to one tool call. Secrets in them are then found in the code's
// output, however it is formatted. The code itself may use them.
type Memory struct {
	mu     sync.Mutex
	bodies []observed
	size   int
	missed int // answers that were not kept although they can contain secrets

	searchTime time.Duration // 0: maxSearchTime
}

// observed is the body of an answer, or its beginning.
type observed struct {
	body  []byte
	isCut bool
}

// Observe keeps a copy of an answer's body if it can contain secrets. isCut: the answer has more.
func (m *Memory) Observe(body []byte, isCut bool) {
	holdsSecrets := mayHoldSecrets(body)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !holdsSecrets {
		if isCut {
			m.missed++ // nobody looked at its rest
		}
		return
	}
	if m.size+len(body) > maxObserved {
		m.missed++
		return
	}
	m.bodies = append(m.bodies, observed{bytes.Clone(body), isCut})
	m.size += len(body)
}

// Knowing returns a copy of the redactor that also replaces the secrets in the observed answers. The memory
// then forgets the answers.
func (m *Memory) Knowing(r *Redactor) *Redactor {
	knowing := *r
	secrets, gaps, late := m.takeSecrets(r)
	known, ended := newKnown(secrets, r.until)
	knowing.known, knowing.gaps, knowing.ignorant = known, gaps, late || !ended
	return &knowing
}

// takeSecrets returns the secrets in the observed answers, the gaps of the search, and whether the redactor's deadline caused a gap.
// It forgets the answers.
func (m *Memory) takeSecrets(r *Redactor) (secrets []string, gaps toolcall.SearchGap, late bool) {
	m.mu.Lock()
	bodies, missed := m.bodies, m.missed
	m.bodies, m.size, m.missed = nil, 0, 0
	m.mu.Unlock()
	l := learner{redactor: r, found: map[string]bool{}, until: time.Now().Add(cmp.Or(m.searchTime, maxSearchTime))}
	if !r.until.IsZero() && r.until.Before(l.until) {
		l.until = r.until
	}
	gaps = toolcall.SearchGap{Answers: missed}
	for _, b := range bodies {
		l.isIncomplete = b.isCut
		l.learnBody(b.body)
		if l.isIncomplete {
			gaps.Answers++
		}
	}
	gaps.Secrets = len(l.excess)
	return slices.Sorted(maps.Keys(l.found)), gaps, l.late
}

// secretHints are words by which the learner finds more secrets than the rules for texts. It finds no secret in a text
// that contains none of them, and no word of a rule or shape.
var secretHints = []string{`"env"`, "optionsettings", "userdata", "shared_key", "-----end", `"content"`}

var hintsOfSecrets = sync.OnceValue(func() *wordIndex {
	index := newWordIndex()
	index.add(secretHints)
	for _, r := range knownRules() {
		index.add(r.Keywords)
	}
	for _, s := range shapes() {
		index.add(s.needles)
	}
	return index
})

// mayHoldSecrets reports whether the learner may find secrets in a body.
func mayHoldSecrets(body []byte) bool {
	if isGzip(body) {
		return true
	}
	_, any := hintsOfSecrets().find(string(body), true)
	return any
}

// isGzip reports whether a body is compressed.
func isGzip(body []byte) bool { return len(body) > 2 && body[0] == 0x1f && body[1] == 0x8b }

// learner collects the secrets in answers.
type learner struct {
	redactor *Redactor
	found    map[string]bool
	searched int // bytes so far
	unpacked int // bytes decompressed so far
	until    time.Time

	excess map[string]bool // secrets beyond maxLearned
	// isIncomplete records that a part of the answer was not searched.
	isIncomplete bool
	late         bool // the deadline of the redactor passed
	key          keyReader
}

// add stores a secret, unless it is so short or regular that replacing it everywhere would damage other
// texts.
func (l *learner) add(secret string) {
	if shown := terminal.Plain(secret); shown != secret { // answers show it like that
		l.add(shown)
	}
	if n := len(secret); n > 2 && secret[0] == '\'' && secret[n-1] == '\'' { // a static value of API Gateway
		l.add(secret[1 : n-1])
	}
	if len(secret) < minSecret || !hasDigit(secret) || entropy(secret) <= 2.5 || l.found[secret] {
		return
	}
	if len(secret) > maxSecret {
		l.isIncomplete = true
		return
	}
	if len(l.found) < maxLearned {
		l.found[secret] = true
	} else if len(l.excess) < maxLearned {
		if l.excess == nil {
			l.excess = map[string]bool{}
		}
		l.excess[secret] = true
	}
}

// addFound stores a secret that was found in a text, also without what can be around a password there: a user, a line break of printf, and
// signs.
func (l *learner) addFound(secret string) {
	for line := range strings.Lines(secret) { // private keys
		line = strings.TrimSpace(line)
		l.add(line)
		for part := range strings.SplitSeq(line, `\n`) {
			part = strings.TrimLeft(strings.Trim(part, "`*$.,;\\\"'"), "=")
			l.add(part)
			if login := loginLook().FindStringSubmatch(part); login != nil {
				l.add(login[1])
			}
		}
	}
}

// loginLook matches a user and a password, as curl takes them.
var loginLook = lazy.Regexp(`^[\w.@-]+:([^\s/].*)$`)

// unpack decompresses data, up to the limit of all decompressed data.
func (l *learner) unpack(body []byte) []byte {
	unpacked, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	plain, _ := io.ReadAll(io.LimitReader(unpacked, int64(maxObserved-l.unpacked)))
	l.unpacked += len(plain)
	if l.unpacked >= maxObserved {
		l.isIncomplete = true
	}
	return plain
}

// isLate reports whether the redaction must end now. Then a part of the answer is not searched.
func (l *learner) isLate() bool {
	end := l.redactor.until
	if end.IsZero() || time.Now().Before(end) {
		return false
	}
	l.isIncomplete, l.late = true, true
	return true
}

// learnBody learns from an answer in JSON or XML.
func (l *learner) learnBody(body []byte) {
	if l.isLate() {
		return
	}
	if isGzip(body) {
		body = l.unpack(body)
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return
	}
	if body[0] == '<' {
		if tree, err := elements(xml.NewDecoder(bytes.NewReader(body)), 0); err == nil {
			l.learnValue("", tree, false, 0)
			if isAnswerOfAPI(body) {
				return
			}
		}
	}
	var decoded any
	if json.Unmarshal(body, &decoded) == nil {
		l.learnValue("", decoded, false, 0)
		return
	}
	l.searchText(string(body)) // truncated, in another format, or XML with attributes
}

// maxNamespace is the length in bytes of the beginning of an answer in XML that has its namespace.
const maxNamespace = 1000

// isAnswerOfAPI reports whether a document in XML is the answer of an operation, which has no attributes, and no text beside elements. A
// document of somebody else, such as an object of S3, can have them.
func isAnswerOfAPI(body []byte) bool {
	head := body[:min(len(body), maxNamespace)]
	return bytes.Contains(head, []byte("amazonaws.com/doc/")) || bytes.Contains(head, []byte("amazonaws.com/docs/")) // of Elastic Beanstalk
}

// elements converts the content of an XML element to the form of decoded JSON: a text, or the children by
// name. Children with the same name form a list.
func elements(decoder *xml.Decoder, nested int) (any, error) {
	if nested > maxNested {
		return nil, errors.New("the answer is nested too deeply")
	}
	children, text := map[string]any{}, strings.Builder{}
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return children, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			child, err := elements(decoder, nested+1)
			if err != nil {
				return nil, err
			}
			name := token.Name.Local
			if before, there := children[name]; there {
				list, _ := before.([]any)
				if list == nil {
					list = []any{before}
				}
				child = append(list, child)
			}
			children[name] = child
		case xml.CharData:
			text.Write(token)
		case xml.EndElement:
			if len(children) == 0 {
				return text.String(), nil
			}
			return children, nil
		}
	}
}

// pairs are the field names, in lower case, that lists of names and values use.
var pairs = [][2]string{
	{"name", "value"}, {"key", "value"}, {"field", "value"}, {"optionname", "value"}, {"name", "plaintextvalue"},
	{"parameterkey", "parametervalue"}, {"outputkey", "outputvalue"}, {"attributename", "attributevalue"},
	{"propertyname", "propertyvalue"}, {"apikeyname", "apikeyvalue"}, {"name", "data"}, {"key", "data"}, {"field", "data"},
	{headerName, "headervalue"}, {"httpheadername", "values"}, {"parametername", "parametervalue"}, {"valuename", "value"},
	{"key", "stringvalue"}, {"id", "stringvalue"},
}

// learnValue learns from a decoded value. variable reports whether it is a variable of a program.
func (l *learner) learnValue(name string, v any, variable bool, depth int) {
	if l.isLate() {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		if isReference(v) && secretFields[name] != secretFields["Variables"] { // no variable that is named Ref
			return
		}
		namespace, _ := v["Namespace"].(string)
		option, _ := v["OptionName"].(string)
		variable = variable && !isSetting(namespace, option)
		l.learnPair(v, variable)
		isKubernetesSecret := v["kind"] == "Secret"
		for key, child := range v {
			switch folded := strings.ToLower(key); {
			case folded == "userdata" || folded == "userdataoverride" || folded == "content":
				l.learnUserData(child)
				l.learnValue(key, child, variable, depth)
			case isKubernetesSecret && (folded == "data" || folded == "stringdata"):
				l.learnData(child)
			case isValueField(folded) && classify(name) != harmless: // "password": {"value": "…"}
				l.learnValue(name, child, variable, depth)
			case isSecretText(name, key, child): // "password": {"orders": "…"}
				l.add(child.(string))
			default:
				isVariable := holdsVariables(strings.ToLower(name)) && environmentName().MatchString(key)
				l.learnValue(key, child, variable || isVariable || consistsOfVariables(folded, child), depth)
			}
		}
	case []any:
		if command := argumentsOf(v); command != nil {
			l.searchText(strings.Join(command, " "))
		}
		flag := name // of a command line, such as --password
		for _, child := range v {
			l.learnValue(flag, child, variable, depth)
			flag = name
			if text, ok := child.(string); ok && isFlag(text) {
				flag = text
			}
		}
	case string:
		l.learnText(name, v, variable, depth)
	}
}

// learnData learns the values of a Kubernetes secret, as they are and decoded.
func (l *learner) learnData(v any) {
	values, _ := v.(map[string]any)
	for _, value := range values {
		text, _ := value.(string)
		l.add(text)
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
			l.add(string(decoded))
		}
	}
}

// learnPair learns from an object that consists of a name and a value.
func (l *learner) learnPair(o map[string]any, variable bool) {
	folded := make(map[string]any, len(o))
	for key, v := range o {
		folded[strings.ToLower(key)] = v
	}
	for _, p := range pairs {
		name, _ := folded[p[0]].(string)
		for _, value := range valuesOf(folded[p[1]]) {
			if name != "" && value != "" {
				l.learnText(name, value, variable || p[0] == headerName, maxDepth)
			}
		}
	}
}

// valuesOf returns a text, or the texts of a list, which an object contains in XML.
func valuesOf(v any) (texts []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, child := range v {
			if text, isText := child.(string); isText {
				texts = append(texts, text)
			}
		}
	case map[string]any:
		if list := v["member"]; len(v) == 1 && list != nil {
			return valuesOf(list)
		}
	}
	return texts
}

// learnText learns from a text with a name.
func (l *learner) learnText(name, text string, variable bool, depth int) {
	switch {
	case isSecret(strings.TrimLeft(name, "-"), text):
		l.add(text)
	case variable && (looksSecret(text) || looksPassword(text) && !isUUID(text) && !hexLook().MatchString(text)) && !cannotBeSecret(name, text):
		l.add(text)
	case variable && isIrregularWord(text) && !cannotBeSecret(name, text) && (!mayHaveDocument(text) || documentIn(text) == nil):
		l.add(text)
	case depth < maxDepth && mayHaveDocument(text):
		if decoded := documentIn(text); decoded != nil {
			l.learnValue(name, decoded, variable, depth+1)
		}
	case strings.Contains(text, "pre_shared_key"):
		for _, key := range sharedKey().FindAllStringSubmatch(text, -1) {
			l.add(key[1])
		}
	}
	if header, isHeader := headerWith(name, text); isHeader {
		text = header
	}
	l.searchText(text)
}

// isIrregularWord reports whether a text without blanks has signs that looksPassword does not accept, and either many signs or a part that
// no name has.
func isIrregularWord(text string) bool {
	if strings.ContainsAny(text, " \t\r\n") || !strings.ContainsAny(text, `/\():,<>[]{}"'`) || placeLook().MatchString(text) {
		return false
	}
	return isIrregular(text) || slices.ContainsFunc(strings.FieldsFunc(text, func(r rune) bool { return r < 0x80 && !isAlphanumeric(byte(r)) }),
		func(part string) bool { return isMixed(part) && (numbersIn(part) > 1 || isJumbled(part)) })
}

// maxHead is the length in bytes of what a log line has before a document: a time, a level, and some words.
const maxHead = 200

// mayHaveDocument reports whether a text may be a JSON document, or may have one after a short beginning.
func mayHaveDocument(text string) bool {
	return len(text) > 1 && text[0] == '[' || strings.IndexByte(text[:min(len(text), maxHead)], '{') >= 0
}

// documentIn returns the JSON document that a text is, or the object after its beginning, as in log lines. It returns nil if there is
// none.
func documentIn(text string) any {
	var decoded any
	if json.Unmarshal([]byte(text), &decoded) == nil {
		return decoded
	}
	if start := strings.IndexByte(text, '{'); start > 0 && json.NewDecoder(strings.NewReader(text[start:])).Decode(&decoded) == nil {
		return decoded
	}
	return nil
}

// searchText learns the secrets that the rules find in a text. The code may print a secret without the context by
// which the rules recognize it.
func (l *learner) searchText(text string) {
	if line := strings.TrimSpace(text); l.key.reads(text) && keyLine().MatchString(line) {
		l.add(line)
	}
	text = terminal.Plain(text) // as answers show it
	if _, any := hintsOfSecrets().find(text, true); len(text) < minSecret || !any {
		return
	}
	if l.searched+len(text) > maxSearched || time.Now().After(l.until) {
		l.isIncomplete = true
		return
	}
	l.searched += len(text)
	c := counter{until: l.until, found: l.addFound}
	l.redactor.text(&c, text)
	l.isIncomplete = l.isIncomplete || c.expired
}

const (
	keyStart   = "-----BEGIN "
	keyEnd     = "-----END "
	maxKeySize = 500 // texts with the lines of a private key, and with what is between them, such as the other fields of events
)

// keyReader recognizes a private key that is split over texts, such as the events of a log. The newest event can be the first.
type keyReader struct {
	end     string // the mark that ends the key; empty: no key has begun
	left    int    // texts that can belong to the key
	hasLine bool   // a line of the key was read
}

// reads reports whether a text is between the first and the last line of a private key.
func (k *keyReader) reads(text string) bool {
	if k.end != "" {
		k.left--
		isEnd := strings.Contains(text, k.end)
		if !isEnd && k.left >= 0 {
			k.hasLine = k.hasLine || hasKeyLine(text)
			return true
		}
		k.end = ""
		if !isEnd || k.hasLine {
			return false
		}
		// The texts began within a key, and another key begins here.
	}
	if !strings.Contains(text, " PRIVATE KEY") {
		return false
	}
	starts, ends := strings.Contains(text, keyStart), strings.Contains(text, keyEnd)
	switch {
	case starts && !ends:
		*k = keyReader{end: keyEnd, left: maxKeySize}
	case ends && !starts:
		*k = keyReader{end: keyStart, left: maxKeySize}
	}
	return false
}

var keyLine = lazy.Regexp(`^[A-Za-z0-9+/]{8,}={0,2}$`)

var sharedKey = lazy.Regexp(`<pre_shared_key>\s*([^<\s]{6,})\s*<`)

// learnUserData learns a base64 script as a whole, and the words in it that look like secrets or passwords.
func (l *learner) learnUserData(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			l.learnUserData(child)
		}
	case []any:
		for _, child := range v {
			l.learnUserData(child)
		}
	case string:
		script, err := base64.StdEncoding.DecodeString(strings.TrimSpace(v))
		if err != nil || len(script) == 0 {
			return
		}
		if isGzip(script) {
			script = l.unpack(script)
		} else if !utf8.Valid(script) { // a word of four, eight, or more letters is base64, too
			return
		}
		l.add(strings.TrimSpace(v))
		for _, word := range strings.FieldsFunc(string(script), func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'=:;,@(){}[]<>|&", r) }) {
			if looksSecret(word) || looksPassword(word) && (isMixed(word) || hexLook().MatchString(word)) {
				l.add(word)
			}
		}
		c := counter{until: l.until, found: l.addFound, wanted: keywordsOf(string(script))}
		c.replaceNamed(c.replaceByContext(string(script)))
	}
}

// looksSecret reports whether a variable's value looks like a secret regardless of its name: it is long, has
// no words, and consists of letters and digits. Names, IDs, addresses, and hashes do not look like secrets.
func looksSecret(value string) bool {
	return len(value) >= minUnnamed && secretLook().MatchString(value) && !nameLook().MatchString(value) &&
		strings.ContainsAny(value, "0123456789") && entropy(value) > 3.2
}

var (
	secretLook = lazy.Regexp(`^[A-Za-z0-9+][A-Za-z0-9+/=_.~!@#$%^&*-]*$`)
	nameLook   = lazy.Regexp(`^(?:arn:.*|.*://.*|[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+|[a-z]+[0-9]{0,3}(?:[_.-][a-z0-9]+)+|(?:[a-z][a-z0-9]*\.){2,}[A-Z][A-Za-z0-9]*|[a-z]{2}-[a-z]+-[0-9]_[A-Za-z0-9]{9}|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.[a-z]{2,}|[0-9.]+|[A-Za-z]+[0-9]{1,3}|[0-9a-f]{40}|[0-9a-f]{64}|[\w.-]+(?:/[\w.-]+)*/[a-z_.-]+|.*@.*\.[a-z]{2,})$`)
)
