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
	maxRare      = 6        // occurrences in the output of a word that shows where a record was printed
	maxGroup     = 2000     // words outside of records that are compared at once
	maxRecord    = 20_000   // words of a record that are compared at once
	maxParts     = 12       // parts of an ARN or a path
	minLocated   = 500      // words of an output that is not compared as a whole with each record
	context      = 32       // words before a group with which a run can begin
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
	body       []byte
	containers []container
	keys       []key
	named      int32 // the name before the next value, or -1
	inRecord   int   // number of containers inside the current record, 0 outside
	recordKey  int32 // first key of the current record
	nested     int
	group      []token // of the current record, or since the last one
	before     int     // tokens at the start of group that belong to the group before it
	shared     []piece

	labels  map[string][]piece // by name of a field
	done    map[uint64]bool    // groups without rare words, by their hash
	values  []piece
	parts   []int32 // positions in the current value at which its parts begin
	active  runs
	windows []window
	serial  int32 // of the group
}

// token is a word of an answer, or a break in it.
type token struct {
	id   int32  // of the word in the output, unknownWord, or broken
	key  int32  // of the value, or isName
	ends bool   // whether a value ends after it
	part bool   // whether a part of an ARN or a path begins with it
	text string // of an unknown word after which the value continues
}

const (
	unknownWord = -1 // does not occur in the output
	broken      = -2 // no run goes on here
	isName      = -2 // the word belongs to the name of a field
)

// window is a part of the output in which a record may have been printed, in words.
type window struct{ from, to int32 }

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
	list   []run
	spare  []run   // memory for the next list
	start  []int32 // by word of the output: where the run that ends there begins
	stamp  []int32
	groups []int32 // by word of the output: the last group with a run that ends there
	now    int32
}

func newMatcher(output string, a asked) *matcher {
	m := &matcher{
		output: output, normal: normalized(output), asked: a,
		ids: map[string]int32{}, lower: map[string][]int32{}, labels: map[string][]piece{}, done: map[uint64]bool{},
	}
	eachOutputWord(m.normal.text, func(w word) bool {
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
	m.active.start, m.active.stamp, m.active.groups = make([]int32, len(m.words)), make([]int32, len(m.words)), make([]int32, len(m.words))
	return m
}

// compare compares the output with an answer.
func (m *matcher) compare(body []byte) {
	m.containers, m.keys, m.named, m.inRecord, m.recordKey = m.containers[:0], m.keys[:0], -1, 0, 0
	m.group, m.before, m.shared = m.group[:0], 0, m.shared[:0]
	m.body = body
	scanBody(body, m)
	m.endGroup(false)
}

// spend counts comparisons.
func (m *matcher) spend(n int) {
	m.steps += n
	m.partial = m.partial || m.steps > maxSteps
}

func (m *matcher) enter(isList bool) { m.open(isList, m.isInList()) }

func (m *matcher) enterEntry() { m.open(false, true) }

func (m *matcher) open(isList, isEntry bool) {
	c := container{isList: isList, key: m.takeName()}
	if m.inRecord > 0 {
		m.inRecord++
	} else if isEntry {
		c.isRecord = true
		m.endGroup(true)
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
			m.endGroup(false)
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
	if len(text) > maxName {
		m.interrupt()
		return
	}
	m.add(plainOf(text), isName)
}

// maxName is the length of the longest text that is taken for the name of a field.
const maxName = 200

// interrupt makes sure that no run goes on.
func (m *matcher) interrupt() {
	if n := len(m.group); n == 0 || m.group[n-1].id != broken {
		m.group = append(m.group, token{id: broken})
	}
}

func (m *matcher) value(text string) {
	key := m.takeName()
	if m.partial || text == "" {
		return
	}
	plain := plainOf(text)
	if m.asked.labels[plain] || m.asked.contains(plain) || m.asked.mayBeEcho(plain, m.body) {
		m.interrupt() // code cannot prove anything with its own words
		return
	}
	m.limitGroup()
	m.addValue(text, plain, key)
	if m.nested < maxNested && strings.ContainsAny(text, `{[`) && strings.ContainsAny(text, `":`) {
		m.nest(text[strings.IndexAny(text, `{[`):], key)
	}
}

// limitGroup ends a group that is too long.
func (m *matcher) limitGroup() {
	if m.inRecord == 0 && len(m.group) > maxGroup || len(m.group) > maxRecord {
		m.endGroup(m.inRecord == 0)
	}
}

// nest adds the fields and values of JSON in a string.
func (m *matcher) nest(text string, key int32) {
	m.interrupt()
	m.nested++
	before := len(m.containers)
	m.containers = append(m.containers, container{key: key})
	scanJSON(text, m)
	m.containers, m.named = m.containers[:before], -1
	m.nested--
	m.interrupt()
}

// plainOf returns the normal form of a text, except that it may have more white space.
func plainOf(text string) string {
	if needsNormal(text) {
		return Normal(text)
	}
	return text
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

// addValue adds a value. Code often prints only a line of a text, a column, or the end of an ARN or a path, so each of
// these counts as a value.
func (m *matcher) addValue(text, plain string, key int32) {
	if strings.ContainsAny(text, "\n\t") {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\t' }) {
			m.limitGroup()
			m.add(plainOf(part), key)
		}
		return
	}
	first := len(m.group)
	m.add(plain, key)
	if first == len(m.group) || !strings.ContainsAny(plain, ":/") || strings.ContainsAny(plain, " \"{[") || isTime(plain) {
		return
	}
	at := first
	for part := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == ':' || r == '/' }) {
		if at < len(m.group) {
			m.group[at].part = true
		}
		eachWord(part, func(word) bool { at++; return true })
	}
}

func isTime(text string) bool {
	if !isDigit(text[0]) {
		return false
	}
	end, _ := timeAt(text, 0)
	return end > 0
}

// add adds the words of a value or of a name to the group.
func (m *matcher) add(plain string, key int32) {
	first := len(m.group)
	eachWord(plain, func(w word) bool {
		t := token{id: unknownWord, key: key}
		if id, ok := m.id(w.text); ok {
			t.id = id
		} else if len(m.group) > first && m.group[len(m.group)-1].id >= 0 {
			t.text = w.text
		}
		m.group = append(m.group, t)
		return true
	})
	if len(m.group) > first {
		m.group[len(m.group)-1].ends = true
	}
}

// endGroup compares the collected words with the output. isShared: they can be combined with the values of records.
func (m *matcher) endGroup(isShared bool) {
	fresh := len(m.group) > m.before
	if fresh && !m.partial && m.locate() {
		m.values = m.values[:0]
		m.follow()
		if isShared {
			if room := maxShared - len(m.shared); room > 0 {
				m.shared = append(m.shared, m.values[:min(room, len(m.values))]...)
			}
		} else {
			m.values = append(m.values, m.shared...)
		}
		m.combine(m.values, m.recordKey)
	}
	if isShared {
		m.recordKey = int32(len(m.keys))
	}
	if fresh {
		m.before = copy(m.group, m.group[max(0, len(m.group)-context):])
		m.group = m.group[:m.before]
	}
}

// locate determines the parts of the output in which the group may have been printed: around its rare words, or else
// the whole output. It reports whether there is anything to compare: groups of the same words, as logs have many, are
// compared once.
func (m *matcher) locate() bool {
	isKnown, hash := false, uint64(0)
	for i := range m.group {
		isKnown = isKnown || m.group[i].id >= 0
		hash = (hash ^ uint64(m.group[i].id+2)) * 0x9e3779b97f4a7c15
		hash ^= hash >> 29
	}
	if !isKnown || m.done[hash] {
		return false
	}
	m.done[hash] = true
	whole := window{0, int32(len(m.words))}
	m.windows = m.windows[:0]
	if len(m.words) > minLocated {
		reach := int32(len(m.group) + context)
		for i := range m.group {
			if id := m.group[i].id; id >= 0 && len(m.at[id]) <= maxRare {
				for _, at := range m.at[id] {
					m.windows = append(m.windows, window{at - reach, at + reach})
				}
			}
		}
	}
	if len(m.windows) == 0 {
		m.windows = append(m.windows, whole)
		return true
	}
	slices.SortFunc(m.windows, func(a, b window) int { return int(a.from - b.from) })
	merged := m.windows[:1]
	for _, w := range m.windows[1:] {
		if last := &merged[len(merged)-1]; w.from <= last.to {
			last.to = max(last.to, w.to)
		} else {
			merged = append(merged, w)
		}
	}
	m.windows = merged
	return true
}

// positions calls yield with the positions of a word in the windows.
func (m *matcher) positions(id int32, yield func(at int32)) {
	list := m.at[id]
	for _, w := range m.windows {
		if len(list) == 0 {
			return
		}
		if list[0] < w.from {
			skip, _ := slices.BinarySearch(list, w.from)
			list = list[skip:]
		}
		for len(list) > 0 && list[0] <= w.to {
			yield(list[0])
			list = list[1:]
		}
	}
}

// follow finds the runs that the group and the output share, and the pieces of values among them.
func (m *matcher) follow() {
	a := &m.active
	a.list = a.list[:0]
	a.now++
	m.serial++
	length := int32(0) // words of the current value so far
	for i := range m.group {
		if m.partial {
			return
		}
		t := &m.group[i]
		isValue := t.key != isName && i >= m.before
		if t.id == broken {
			a.list, a.now, length = a.list[:0], a.now+1, 0
			continue
		}
		if isValue && length > 0 {
			m.endHeads(t, length)
		}
		if length == 0 {
			m.parts = append(m.parts[:0], 0)
		} else if t.part && len(m.parts) < maxParts {
			m.parts = append(m.parts, length)
		}
		if t.id < 0 {
			a.list, a.now = a.list[:0], a.now+1
		} else {
			m.extend(t.id, i >= m.before)
		}
		if length++; !t.ends {
			continue
		}
		if isValue {
			m.endValue(length, t.key)
		}
		length = 0
	}
}

// endValue reports the pieces that end where a value of length words ends.
func (m *matcher) endValue(length, key int32) {
	for _, r := range m.active.list {
		have, isWhole := r.at-r.from+1, false
		for _, begin := range m.parts {
			if need := length - begin; have >= need {
				m.values = append(m.values, piece{from: r.at + 1 - need, to: r.at + 1, key: key, isHead: true, isTail: true})
				isWhole = isWhole || begin == 0
			}
		}
		if !isWhole {
			m.values = append(m.values, piece{from: r.from, to: r.at + 1, key: key, isTail: true})
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

// extend continues the runs with a word, or begins them. isOwn: the word belongs to the group itself.
func (m *matcher) extend(id int32, isOwn bool) {
	a := &m.active
	before := a.now
	a.now++
	next := a.spare[:0]
	m.positions(id, func(at int32) {
		from := at
		if at > 0 && a.stamp[at-1] == before {
			from = a.start[at-1]
		} else if at > 1 && isOwn && m.words[at-1].text == redactedWord && a.groups[at-2] == m.serial {
			from = a.start[at-2] // the answer has a secret here
		}
		next = append(next, run{at, from})
		m.reach[from] = max(m.reach[from], at+1)
	})
	m.spend(len(next))
	for _, r := range next {
		a.start[r.at], a.stamp[r.at] = r.from, a.now
		if isOwn {
			a.groups[r.at] = m.serial
		}
	}
	a.list, a.spare = next, a.list
}

// endHeads reports the pieces that begin a value and do not continue with its next word.
func (m *matcher) endHeads(next *token, length int32) {
	for _, r := range m.active.list {
		after := r.at + 1
		if r.at-r.from+1 < length {
			continue
		}
		if int(after) < len(m.words) {
			if id, ok := m.ids[m.words[after].text]; ok && id == next.id {
				continue
			}
			if length >= minCutRun && isCutFrom(m.words[after].text, m.textOf(next)) && m.endsLine(after) {
				after++
				m.reach[r.from] = max(m.reach[r.from], after)
			}
		}
		m.values = append(m.values, piece{from: r.at + 1 - length, to: after, key: next.key, isHead: true})
	}
}

// textOf returns the word of a token.
func (m *matcher) textOf(t *token) string {
	if t.id >= 0 {
		return m.words[m.at[t.id][0]].text
	}
	return t.text
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
	m.spend(len(pieces))
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
