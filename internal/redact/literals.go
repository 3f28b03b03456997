package redact

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
)

// known finds known secrets in a text, however they are written.
type known struct {
	plain   *literals // secrets and their encodings; searched for in every view of the text
	compact *literals // encodings only; searched for in the compact views
}

// newKnown returns nil if there are no secrets. If it does not end before the deadline, it only knows some of them.
func newKnown(secrets []string, until time.Time) (k *known, ended bool) {
	if len(secrets) == 0 {
		return nil, true
	}
	c := counter{until: until}
	plain, compact := map[string]bool{}, map[string]bool{}
	for _, secret := range secrets {
		if c.isLate() {
			break
		}
		for _, written := range spellings(secret) {
			plain[written] = true
		}
		for _, written := range encodings(secret) {
			plain[written] = true
			compact[strings.Map(withoutSeparators, written)] = true
		}
	}
	return &known{newLiterals(plain), newLiterals(compact)}, !c.expired
}

// replace replaces the secrets, each with what a pattern of the user matches around it.
func (k *known) replace(c *counter, custom []*regexp.Regexp, text string) string {
	var found [][2]int
	for _, v := range viewsOf(text) {
		found = k.plain.find(c, v, found)
		if folded := v.compact(); folded != nil {
			found = k.compact.find(c, folded, found)
		}
		if dumped := v.dumps(); dumped != nil {
			found = k.compact.find(c, dumped, found)
		}
		for decoded := v.numbers(); decoded != nil && decoded.depth <= maxDecodings; decoded, _ = decoded.decode(backslashes | marks) {
			found = k.plain.find(c, decoded, found)
		}
		if c.isLate() {
			return text
		}
	}
	if found = outsideIdentifiers(text, found); len(found) == 0 {
		return text
	}
	// An answer can have the words of somebody who wrote "5432 password=" as a password, or the beginning of a token. If only they were
	// replaced, nothing would show that a password follows, or that the rest is one.
	for _, value := range c.valuesIn(text) {
		end := 0
		for at := strings.Index(text, value); at >= 0; at = strings.Index(text[end:], value) {
			found = append(found, [2]int{end + at, end + at + len(value)})
			end += at + len(value)
		}
		if c.isLate() {
			return text
		}
	}
	first := func(a, b [2]int) int { return cmp.Or(a[0]-b[0], b[1]-a[1]) }
	slices.SortFunc(found, first)
	secrets := slices.Clone(found)
	for _, pattern := range custom {
		next := 0
		for _, match := range pattern.FindAllStringIndex(text, -1) {
			for next < len(secrets) && secrets[next][1] <= match[0] {
				next++
			}
			if next < len(secrets) && secrets[next][0] < match[1] {
				found = append(found, [2]int(match))
			}
		}
		if c.isLate() {
			return text
		}
	}
	slices.SortFunc(found, first)
	var b strings.Builder
	done := 0
	for _, span := range found {
		if span[0] >= done {
			b.WriteString(text[done:span[0]])
			b.WriteString(replacement("secret"))
			c.count++
		}
		done = max(done, span[1])
	}
	b.WriteString(text[done:])
	return b.String()
}

// outsideIdentifiers returns the spans of a text that do not begin or end within an identifier, a time, or an address, or are one. Whoever
// writes log lines can make any text a "secret" of an answer, and must not hide these.
func outsideIdentifiers(text string, spans [][2]int) (kept [][2]int) {
	if len(spans) == 0 {
		return nil
	}
	names := identifiersNear(text, spans)
	isInside := func(at int, span [2]int) bool {
		n := sort.Search(len(names), func(n int) bool { return names[n][1] > at })
		return n < len(names) && names[n][0] <= at && (names[n][0] < span[0] || span[1] < names[n][1] || names[n][0] == span[0] && span[1] == names[n][1])
	}
	for _, span := range spans {
		if !isInside(span[0], span) && !isInside(span[1]-1, span) {
			kept = append(kept, span)
		}
	}
	return kept
}

// identifiersNear returns where identifiers are in the lines that contain the spans.
func identifiersNear(text string, spans [][2]int) (names [][2]int) {
	end := 0
	for _, span := range slices.SortedFunc(slices.Values(spans), func(a, b [2]int) int { return a[0] - b[0] }) {
		if span[1] <= end {
			continue
		}
		from := max(end, strings.LastIndexByte(text[:span[0]], '\n')+1)
		end = lineEnd(text, span[1])
		for _, name := range identifier().FindAllStringIndex(text[from:end], -1) {
			names = append(names, [2]int{from + name[0], from + name[1]})
		}
	}
	return names
}

// identifier matches ARNs, IDs of accounts and resources, times, and IP addresses.
var identifier = lazy.Regexp(`\barn:aws[a-z-]*:[a-z0-9-]+:[\w/.:-]+|` +
	`\b(?:[0-9]{12}|1[0-9]{9}(?:[0-9]{3})?)\b|` +
	`\b(?:(?:i|vpc|subnet|sg|ami|eni|vol|snap|rtb|igw|nat|acl|eipalloc|fs|lt|vpce|tgw)-[0-9a-f]{8}|[a-z]{1,16}-[0-9a-f]{17})\b|` +
	`\b[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?\b|` +
	`\b[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2}\b|` +
	`\b(?:ip-)?[0-9]{1,3}(?:[.-][0-9]{1,3}){3}(?:\.[a-z0-9-]+\.compute\.internal|:[0-9]{1,5})?\b`)

// valuesIn returns the values in a text that their shape or the text before them shows to be secrets.
func (c *counter) valuesIn(text string) (values []string) {
	own := counter{until: c.until, wanted: c.wanted, found: func(secret string) {
		secret = strings.TrimSuffix(secret, "…") // of a text that was cut
		if len(secret) >= minValue && strings.Trim(secret, " .") != "" && !isMarked(secret) && !slices.Contains(values, secret) {
			values = append(values, secret)
		}
	}}
	own.replaceNamed(own.replaceByContext(own.replaceByRules(own.replaceTokens(text))))
	c.expired = c.expired || own.expired
	return values
}

// literals finds many texts in one pass. Each of them has at least minSecret bytes.
type literals struct {
	first [1 << 16 / 64]uint64 // set of the first two bytes of the texts
	lists map[uint32][]string  // by their first four bytes, longest first
}

// newLiterals returns nil if no text is long enough.
func newLiterals(texts map[string]bool) *literals {
	l := &literals{lists: map[uint32][]string{}}
	for text := range texts {
		if len(text) < minSecret {
			continue
		}
		pair := uint16(text[0])<<8 | uint16(text[1])
		l.first[pair/64] |= 1 << (pair % 64)
		key := binary.BigEndian.Uint32([]byte(text[:4]))
		l.lists[key] = append(l.lists[key], text)
	}
	if len(l.lists) == 0 {
		return nil
	}
	for _, list := range l.lists {
		slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	}
	return l
}

// find appends the parts of the original text that are one of the texts in a view of it.
func (l *literals) find(c *counter, v *view, found [][2]int) [][2]int {
	if l == nil {
		return found
	}
	text := v.text
	for at := 0; at+minSecret <= len(text); at++ {
		pair := uint16(text[at])<<8 | uint16(text[at+1])
		if l.first[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		size := 0
		for _, literal := range l.lists[binary.BigEndian.Uint32([]byte(text[at:at+4]))] {
			if strings.HasPrefix(text[at:], literal) {
				size = max(size, len(literal))
				break
			}
			size = max(size, cutSize(text[at:], literal))
		}
		if size > 0 {
			from, to := v.original(at, at+size)
			found = append(found, [2]int{from, to})
			at += size - 1
		}
		if at%maxQuoted == 0 && c.isLate() {
			return found
		}
	}
	return found
}

// cutSize returns the length of the beginning of a secret at the start of a text if the secret is cut there, or 0. Code shows
// a part of a value, and the functions for the code shorten log lines.
func cutSize(text, secret string) int {
	size := 0
	for size < len(text) && text[size] == secret[size] { // they differ before the end of the secret, or the text ends
		size++
	}
	if size < minSecret || 3*size < len(secret) || 2*size < len(secret) && !hasDigit(secret[:size]) {
		return 0
	}
	rest := text[size:]
	if rest == "" || strings.IndexByte("\"'\n", rest[0]) >= 0 || strings.HasPrefix(rest, "…") || strings.HasPrefix(rest, "...") {
		return size
	}
	return 0
}

// maxEncoded is the length in bytes of a secret that is also found in base64 and in hexadecimal digits. Longer ones, such
// as scripts, are encoded already.
const maxEncoded = 256

// spellings returns a secret in the forms that remain when a text is decoded. Decoding a text also decodes the secret, if it
// contains what looks like an escape.
func spellings(secret string) []string {
	list := []string{
		secret,
		terminal.Plain(secret),                   // as answers show it
		strings.ReplaceAll(secret, " ", "+"),     // in forms
		strings.ReplaceAll(secret, "'", "''"),    // in SQL and YAML
		strings.ReplaceAll(secret, `"`, `""`),    // in CSV
		strings.ReplaceAll(secret, "'", `'"'"'`), // in shells: Python's shlex
		strings.ReplaceAll(secret, "'", `'\''`),  // in shells
		strings.ReplaceAll(secret, "'", `'''`),   // the same, decoded
	}
	for _, v := range viewsOf(secret) {
		list = append(list, v.text)
	}
	return list
}

// encodings returns a secret in base64, alone and as a part of a longer text, and in hexadecimal digits. The text may also have
// been JSON, or a part of an address.
func encodings(secret string) (list []string) {
	inQuery := url.QueryEscape(secret)
	written := map[string]bool{
		secret: true, inQuery: true, strings.ReplaceAll(inQuery, "+", "%20"): true, strings.NewReplacer("+", "%20", "%2F", "/").Replace(inQuery): true,
	}
	quoted := inJSON(secret)
	forms := []string{quoted, toASCII(quoted)}
	if escaped, err := json.Marshal(secret); err == nil { // as Go's programs write it, with the signs of HTML as escapes
		forms = append(forms, string(escaped[1:len(escaped)-1]))
	}
	for _, text := range forms {
		written[text], written[strings.ReplaceAll(text, "/", `\/`)] = true, true
	}
	for text := range written {
		list = append(list, encodingsOf(text)...)
	}
	return list
}

// inJSON returns a text as a string of JSON without its quotes.
func inJSON(text string) string {
	written, err := encode(text)
	if err != nil {
		return text
	}
	return written[1 : len(written)-1]
}

// encode returns a value in JSON. Unlike json.Marshal, it does not escape the signs of HTML.
func encode(v any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// toASCII escapes all but the visible characters of ASCII, as Python's json.dumps does.
func toASCII(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x7f {
			b.WriteByte(byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func encodingsOf(secret string) []string {
	if len(secret) > maxEncoded {
		return nil
	}
	list := []string{hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		// Only the characters that depend on nothing but the secret.
		encoded = encoded[(shift*8+5)/6 : (shift+len(secret))*8/6]
		list = append(list, encoded, strings.NewReplacer("+", "-", "/", "_").Replace(encoded))
	}
	return list
}
