package provenance

import (
	"slices"
	"strings"
	"unicode"
)

// Limits of the comparison of one output with the answers.
const (
	maxSteps     = 20 << 20 // comparisons of words, which take about 0.2 s
	maxShared    = 200      // values outside of records that are combined with each record
	minCutRun    = 4        // words before a word that the code truncated
	minShortened = 4        // letters of a word that abbreviates a word of a field's name
)

// matcher finds the parts of an output that occur in answers.
//
// A part occurs in an answer if it repeats the answer's words in their order. It also occurs if it consists of complete
// values of one record, such as one log event, in any order: code selects fields. The first value may lack its
// beginning, and the last one its end. A name of a field counts only before a value of that field. Values of different
// records never make one part, so code cannot make a statement of pieces that AWS did not return together.
type matcher struct {
	output  string
	normal  normalText // of the output
	words   []word
	ids     map[string]int32 // words of the output
	at      [][]int32        // by id: where the word occurs
	lower   map[string][]int32
	reach   []int32 // by word of the output: the end of the longest part that begins there
	steps   int
	partial bool // not everything was compared
	asked   asked

	// The state within one answer.
	containers []container
	keys       []key
	named      int32 // the name before the next value, or -1
	inRecord   int   // number of containers inside the current record, 0 outside
	values     []piece
	shared     []piece
	recordKey  int32 // first key of the current record
	labels     map[string][]piece
	nested     int
	active     runs
}

type container struct {
	isList   bool
	isRecord bool
	key      int32
}

// key is an occurrence of a field's name.
type key struct {
	name   string
	parent int32
}

// piece is a part of the output that matches a value or the name of a field.
type piece struct {
	from, to int32
	key      int32
	isKey    bool
	isHead   bool // begins where the value begins
	isTail   bool // ends where the value ends
	best     int32
	hasValue bool
}

// run is a sequence of words that output and answer share: it ends with word at of the output.
type run struct{ at, from int32 }

type runs struct {
	list  []run
	start []int32 // by word of the output: where the run that ends there begins
	stamp []int32
	now   int32
}

func newMatcher(output string, a asked) *matcher {
	m := &matcher{
		output: output, normal: normalized(output), asked: a,
		ids: map[string]int32{}, lower: map[string][]int32{}, labels: map[string][]piece{},
	}
	eachWord(m.normal.text, func(w word) bool {
		id, known := m.ids[w.text]
		if !known {
			id = int32(len(m.at))
			m.ids[w.text] = id
			m.at = append(m.at, nil)
		}
		position := int32(len(m.words))
		m.at[id] = append(m.at[id], position)
		m.words = append(m.words, w)
		folded := strings.ToLower(w.text)
		m.lower[folded] = append(m.lower[folded], position)
		return true
	})
	m.reach = make([]int32, len(m.words))
	m.active.start, m.active.stamp = make([]int32, len(m.words)), make([]int32, len(m.words))
	return m
}

// compare compares the output with an answer.
func (m *matcher) compare(body []byte) {
	m.containers, m.keys, m.named, m.inRecord = m.containers[:0], m.keys[:0], -1, 0
	m.values, m.shared, m.recordKey = m.values[:0], m.shared[:0], 0
	m.interrupt()
	scanBody(body, m)
	m.endRecord()
}

func (m *matcher) interrupt() { m.active.list, m.active.now = m.active.list[:0], m.active.now+1 }

// spend counts comparisons and reports whether more are allowed.
func (m *matcher) spend(n int) bool {
	m.steps += n
	m.partial = m.partial || m.steps > maxSteps
	return !m.partial
}

func (m *matcher) enter(isList bool) { m.open(isList, m.isInList()) }

func (m *matcher) enterEntry() { m.open(false, true) }

func (m *matcher) open(isList, isEntry bool) {
	c := container{isList: isList, key: m.takeName()}
	if m.inRecord > 0 {
		m.inRecord++
	} else if isEntry {
		c.isRecord = true
		m.endShared()
		m.inRecord, m.recordKey = 1, int32(len(m.keys))
	}
	m.containers = append(m.containers, c)
}

func (m *matcher) isInList() bool {
	return len(m.containers) > 0 && m.containers[len(m.containers)-1].isList
}

func (m *matcher) leave() {
	if len(m.containers) == 0 {
		return
	}
	last := m.containers[len(m.containers)-1]
	m.containers, m.named = m.containers[:len(m.containers)-1], -1
	if m.inRecord > 0 {
		m.inRecord--
		if last.isRecord {
			m.endRecord()
			m.inRecord = 0
		}
	}
}

// takeName returns the key of the next value: its own name, or the name of its container.
func (m *matcher) takeName() int32 {
	if named := m.named; named >= 0 {
		m.named = -1
		return named
	}
	if len(m.containers) > 0 {
		return m.containers[len(m.containers)-1].key
	}
	return -1
}

func (m *matcher) name(text string) {
	parent := int32(-1)
	if len(m.containers) > 0 {
		parent = m.containers[len(m.containers)-1].key
	}
	m.keys = append(m.keys, key{text, parent})
	m.named = int32(len(m.keys) - 1)
	if m.partial || len(text) > maxName {
		m.interrupt()
		return
	}
	m.follow(Normal(text), nil)
}

// maxName is the length of the longest text that is taken for the name of a field.
const maxName = 200

func (m *matcher) value(text string) {
	key := m.takeName()
	if m.partial || text == "" {
		return
	}
	plain := text
	if needsNormal(text) {
		plain = Normal(text)
	}
	if m.asked.contains(plain) {
		m.interrupt() // code cannot prove anything with its own words
		return
	}
	m.segments(text, plain, key)
	if m.nested < maxNested && strings.ContainsAny(text, `{[`) && strings.ContainsAny(text, `":`) {
		saved := m.active.list
		m.active.list = nil
		m.interrupt()
		m.nested++
		before := len(m.containers)
		m.containers = append(m.containers, container{key: key})
		scanJSON(text[strings.IndexAny(text, `{[`):], m)
		m.containers, m.named = m.containers[:before], -1
		m.nested--
		m.interrupt()
		m.active.restore(saved)
	}
}

// needsNormal reports whether a text may differ from its normal form in more than white space.
func needsNormal(text string) bool {
	for _, c := range []byte(text) {
		if c >= 0x80 || c < ' ' || c == '\\' || c == '&' || c == 0x7f {
			return true
		}
	}
	return false
}

// segments follows a value. Code often prints only a line of a text, a column, or a part of an ARN or a path, so each
// of these counts as a value.
func (m *matcher) segments(text, plain string, key int32) {
	if strings.ContainsAny(text, "\n\t") {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\t' }) {
			m.segment(Normal(part), key)
		}
		return
	}
	if strings.ContainsAny(plain, ":/") && !strings.ContainsAny(plain, " \"{[") && !isTime(plain) {
		for part := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == ':' || r == '/' }) {
			m.segment(part, key)
		}
		return
	}
	m.segment(plain, key)
}

func isTime(text string) bool {
	if !isDigit(text[0]) {
		return false
	}
	end, _ := timeAt(text, 0)
	return end > 0
}

func (m *matcher) segment(plain string, key int32) {
	m.follow(plain, func(p piece) {
		p.key = key
		m.values = append(m.values, p)
	})
}

// follow continues the runs with the words of a value or name, and reports its pieces.
func (m *matcher) follow(plain string, found func(piece)) {
	length := int32(0) // words of the value so far
	eachWord(plain, func(w word) bool {
		before, known := m.active.list, false
		var next []run
		if id, ok := m.id(w.text); ok {
			known = true
			next = m.extend(m.at[id])
		}
		if found != nil && length > 0 {
			m.endHeads(before, w, length, found)
		}
		if !known {
			m.interrupt()
		} else {
			m.active.list = next
		}
		length++
		return !m.partial
	})
	if found == nil || m.partial || length == 0 {
		return
	}
	for _, r := range m.active.list {
		if have := r.at - r.from + 1; have >= length {
			found(piece{from: r.at + 1 - length, to: r.at + 1, isHead: true, isTail: true})
		} else {
			found(piece{from: r.from, to: r.at + 1, isTail: true})
		}
	}
}

// id returns the id of a word that occurs in the output. A time also matches if the output has it without seconds or
// without the date.
func (m *matcher) id(text string) (int32, bool) {
	if id, ok := m.ids[text]; ok {
		return id, true
	}
	if text[0] == 'T' && len(text) == len("T1200000000") && isDigit(text[1]) {
		for _, other := range coarser(text) {
			if id, ok := m.ids[other]; ok {
				return id, true
			}
		}
	}
	return 0, false
}

// extend returns the runs that a word at these positions of the output continues or begins.
func (m *matcher) extend(positions []int32) []run {
	if !m.spend(len(positions)) {
		return nil
	}
	a := &m.active
	before := a.now
	a.now++
	next := make([]run, 0, len(positions))
	for _, at := range positions {
		from := at
		if at > 0 && a.stamp[at-1] == before && before > 0 {
			from = a.start[at-1]
		}
		next = append(next, run{at, from})
		m.reach[from] = max(m.reach[from], at+1)
	}
	for _, r := range next {
		a.start[r.at], a.stamp[r.at] = r.from, a.now
	}
	return next
}

// restore continues with runs that a nested text interrupted.
func (a *runs) restore(list []run) {
	a.list = list
	a.now++
	for _, r := range list {
		a.start[r.at], a.stamp[r.at] = r.from, a.now
	}
}

// endHeads reports the pieces that begin a value and do not continue with its next word.
func (m *matcher) endHeads(before []run, next word, length int32, found func(piece)) {
	for _, r := range before {
		after := r.at + 1
		if r.at-r.from+1 < length || int(after) < len(m.words) && m.words[after].text == next.text {
			continue
		}
		if length >= minCutRun && int(after) < len(m.words) && isCutFrom(m.words[after].text, next.text) && m.endsLine(after) {
			after++
			m.reach[r.from] = max(m.reach[r.from], after)
		}
		found(piece{from: r.at + 1 - length, to: after, isHead: true})
	}
}

// isCutFrom reports whether a word is the beginning of another one, truncated between two letters.
func isCutFrom(short, whole string) bool {
	if len(short) >= len(whole) || !strings.HasPrefix(whole, short) {
		return false
	}
	return isLetter(short[len(short)-1]) && isLetter(whole[len(short)])
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// endsLine reports whether the output or one of its lines ends after a word, or punctuation follows the word.
func (m *matcher) endsLine(position int32) bool {
	at := m.words[position].to
	if at >= len(m.normal.text) || m.normal.text[at] != ' ' {
		return true
	}
	return strings.Contains(m.output[m.normal.from[at]:m.normal.to[at]], "\n")
}

// endShared keeps the values outside of records that can be combined with the values of each record.
func (m *matcher) endShared() {
	if room := maxShared - len(m.shared); room > 0 {
		m.shared = append(m.shared, m.values[:min(room, len(m.values))]...)
	}
	m.combine(m.values, 0)
	m.values = m.values[:0]
}

// endRecord combines the values of a record.
func (m *matcher) endRecord() {
	if len(m.values) > 0 {
		m.combine(append(m.values, m.shared...), m.recordKey)
	}
	m.values = m.values[:0]
}

// combine finds the parts of the output that consist of values of one record. firstKey is the record's first name.
func (m *matcher) combine(values []piece, firstKey int32) {
	if len(values) == 0 || m.partial {
		return
	}
	pieces := slices.Clone(values)
	for i := firstKey; i < int32(len(m.keys)); i++ {
		for _, p := range m.labelsOf(m.keys[i].name) {
			p.key = i
			pieces = append(pieces, p)
		}
	}
	if !m.spend(len(pieces)) {
		return
	}
	slices.SortFunc(pieces, func(a, b piece) int { return int(b.from - a.from) })
	first := make(map[int32]int, len(pieces)) // position of the output to the first piece that begins there
	for i := range pieces {
		p := &pieces[i]
		if _, ok := first[p.from]; !ok {
			first[p.from] = i
		}
		p.best, p.hasValue = p.to, !p.isKey
		if !p.isKey && !p.isTail {
			m.reach[p.from] = max(m.reach[p.from], p.best)
			continue
		}
		if j, ok := first[p.to]; ok {
			for ; j < len(pieces) && pieces[j].from == p.to; j++ {
				q := &pieces[j]
				m.steps++
				if !q.isHead || p.isKey && !q.isKey && !m.belongs(q.key, p.key) {
					continue
				}
				if q.hasValue && q.best > p.best || q.hasValue && !p.hasValue {
					p.best, p.hasValue = q.best, true
				}
			}
		}
		if p.hasValue {
			m.reach[p.from] = max(m.reach[p.from], p.best)
		}
	}
}

// belongs reports whether the value of a key is the value of a name, or part of it.
func (m *matcher) belongs(value, name int32) bool {
	for k := value; k >= 0; k = m.keys[k].parent {
		if k == name {
			return true
		}
	}
	return false
}

// labelsOf returns the pieces of the output that name a field: the name itself, or words of it in any case.
func (m *matcher) labelsOf(name string) []piece {
	if found, ok := m.labels[name]; ok {
		return found
	}
	var list []piece
	add := func(from, to int32) {
		list = append(list, piece{from: from, to: to, isKey: true, isHead: true, isTail: true})
	}
	for _, at := range m.lower[strings.ToLower(name)] {
		add(at, at+1)
	}
	parts := nameParts(name)
	for i := range parts {
		for _, at := range m.abbreviations(parts[i]) {
			add(at, at+1)
			for n := 1; i+n < len(parts) && int(at)+n < len(m.words); n++ {
				if !abbreviates(strings.ToLower(m.words[int(at)+n].text), parts[i+n]) {
					break
				}
				add(at, at+int32(n)+1)
			}
		}
	}
	m.labels[name] = list
	return list
}

// abbreviations returns where a word of a name occurs in the output, possibly shortened.
func (m *matcher) abbreviations(part string) []int32 {
	list := m.lower[part]
	for length := minShortened; length < len(part); length++ {
		if found := m.lower[part[:length]]; len(found) > 0 {
			list = append(slices.Clip(list), found...)
		}
	}
	return list
}

func abbreviates(word, part string) bool {
	return word == part || len(word) >= minShortened && strings.HasPrefix(part, word)
}

// nameParts returns the words of a field's name in lower case: "log", "group", "name" of logGroupName.
func nameParts(name string) []string {
	var parts []string
	begin := 0
	for i := 1; i <= len(name); i++ {
		if i == len(name) || unicode.IsUpper(rune(name[i])) && !unicode.IsUpper(rune(name[i-1])) || !isASCIIWord(name[i]) || name[i] == '_' {
			if part := strings.Trim(strings.ToLower(name[begin:i]), "_-.:@ "); part != "" {
				parts = append(parts, part)
			}
			begin = i
		}
	}
	return parts
}
