package provenance

import (
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
)

// Limits of the comparison of one output with the answers.
const (
	maxSteps       = 20 << 20 // comparisons of words, which take 0.2 s to 1 s
	maxQuick       = 200_000  // comparisons of one record before the others are compared
	maxShared      = 200      // values outside of records that are combined with each record
	minCutRun      = 4        // words before a word that the code truncated
	minCut         = 6        // letters of that word; fewer are easily another word: error of errorless
	maxAcronym     = 3        // letters of an acronym in a field's name, such as ARN
	minShortened   = 4        // letters of a word that abbreviates a word of a field's name
	maxRare        = 6        // occurrences in the output of a word that shows where a record was printed
	maxGroup       = 2000     // words outside of records that are compared at once
	maxRecord      = 20_000   // words of a record that are compared at once
	maxParts       = 12       // parts of an ARN or a path
	minLocated     = 500      // words of an output that is not compared as a whole with each record
	nearby         = 128      // words around a rare value in which it is combined with other values
	maxPieces      = 1 << 20  // pieces of one record
	maxOuterPieces = 4 << 20  // pieces of one group, and of those outside of records that wait
	maxOuter       = 30_000   // fields outside of records whose names are kept
	maxWaiting     = 100      // groups outside of records that are combined after all of them were read
	context        = 32       // words before a group with which a run can begin
)

// matcher finds the parts of an output that occur in answers.
//
// A part occurs in an answer if it repeats the answer's words in their order. It also occurs if it consists
// of complete values of one record, such as one log event, in any order: code selects fields. The first value
// may lack its beginning, and the last one its end. A name of a field counts only before a value of that
// field. Values of different records never make one part, so code cannot make a statement of pieces that AWS
// did not return together. An object in a list of a record is a separate record (see node).
type matcher struct {
	output   string
	normal   normalText // of the output
	words    []word
	idOf     []int32            // by word of the output
	ids      map[string]int32   // words of the output, numbers as they are written
	numbers  map[string][]int32 // numbers of the output, by value
	at       [][]int32          // by id: where the word occurs
	lower    map[string][]int32 // by word in lower case: where it occurs
	likely   [256]uint32        // by first byte: the lengths of words of the output, as bits
	times    times
	fields   map[string]bool    // by name of a field: whether its numbers can be times
	paths    map[string][]label // by last segment: words of the output that can be paths of names, such as State.Name
	segments map[string]bool    // of these paths, but the last one
	reach    []int32            // by word of the output: the end of the longest part that begins there
	steps    int
	partial  bool // not everything was compared, and nothing else is
	leftOut  bool // pieces of a group were left out
	until    time.Time

	// Somebody can write a log line that repeats a few words, which takes as many comparisons as all other lines. So what takes
	// many is compared last.
	isQuick    bool
	hasSkipped bool
	quickEnd   int // steps after which the rest of the current record is skipped
	asked      asked
	askedTo    int // position of the output up to which it is known what the code sent

	// The state within one answer.
	body        []byte
	folded      []byte          // body in lower case, if it was needed
	addresses   map[string]bool // by name: whether an address contains it
	foldedAsked string          // the requests in lower case, if they were needed
	own         [2]int32        // words of the request
	isError     bool
	isSearch    bool
	hasIDs      bool     // the answer repeats IDs of the request
	requestIDs  []string // IDs of the request, in lower case
	isLabeled   bool     // the request asks for labels
	column      int32    // name of the column of Logs Insights whose value follows, or -1
	containers  []container
	keys        []key
	named       int32 // the name before the next value, or -1
	inRecord    int   // number of containers inside the current record, 0 outside
	isWhole     bool  // only whole names count
	firstOwn    int32 // keys of the record that is compared
	lastOwn     int32
	groupKey    int32 // first key of the current group outside of records
	nodes       []node
	node        int32  // in which the current value is, within a record
	lists       []list // containers of the current record, which can be lists
	isSplit     bool   // the current record has several groups
	records     uint64
	pieces      int // in the nodes of the current record
	nested      int
	group       []token // of the current record, or since the last one
	before      int     // tokens at the start of group that belong to the group before it
	shared      []piece
	sharedKeys  []int32        // of shared, with those around them
	outer       map[field]bool // fields outside of records
	waiting     []outerGroup
	// waitingPieces is the number of their pieces.
	waitingPieces int

	labels   map[string]fieldName // by name of a field
	foldedOf map[string]string    // words of the output in the form of [folded]
	done     map[uint64]bool      // groups without rare words, by their hash
	values   []piece
	parts    []int32 // positions in the current value at which its parts begin
	active   runs
	windows  []window

	redact   func(string) string // replaces secrets as in the output, or nil
	nearMark []bool              // by id: whether a redacted secret is before or after the word
	isMarked bool                // the secrets in the value that is being added are redacted
	isNumber bool                // the value that is being added is a number
}

// token is a word of an answer, or a break in it.
type token struct {
	id    int32  // of the word in the output, unknownWord, broken, or border
	other int32  // of another way to write a time in the output, or unknownWord
	key   int32  // of the value, or isName
	ends  bool   // whether a value ends after it
	part  bool   // whether a part of an ARN or a path begins with it
	isNot bool   // whether the word before it negates it, or it is a negation that ends a value: no run begins with it
	text  string // of an unknown word after which the value continues
}

const (
	unknownWord = -1 // does not occur in the output
	broken      = -2 // no run goes on here
	border      = -3 // a record ends and another one begins; a run only goes on if the output shows that
	closed      = -4 // a record within a record ends; a run only goes on if the output shows that
	isName      = -2 // the word belongs to the name of a field
)

// window is a part of the output in which a record may have been printed, in words.
type window struct{ from, to int32 }

type container struct {
	isList   bool
	isRecord bool
	isNode   bool // a record within a record
	key      int32
	number   int // its position in the lists of the record
}

// key is an occurrence of a field's name.
type key struct {
	name   string
	parent int32
	isTime bool // whether its numbers can be times
	isPair bool // whether it is the name in an object of a name and a value
	isSent bool // whether it does not count, because the code sent it: PromQL lets a query name the labels of its answer
}

// piece is a part of the output that matches a value or the name of a field.
type piece struct {
	from, to   int32
	key        int32
	isKey      bool
	isHead     bool  // begins where the value begins
	isTail     bool  // ends where the value ends
	isOfPair   bool  // the value of a name and a value, outside of it
	isPairName bool  // the name in an object of a name and a value
	hasValue   bool  // the name or one that is joined with it has a value
	isFullName bool  // the whole name of a field
	pairValue  int32 // the key of the value of that object
	isPath     bool  // of a name: it is a path, such as State.Name
	best       int32 // where the longest sequence of pieces that begins here ends
	whole      int32 // the same, if its last piece ends where its value ends; 0: none does
}

// run is a sequence of words that output and answer share: it ends with word at of the output.
type run struct{ at, from int32 }

type runs struct {
	list  []run
	spare []run   // memory for the next list
	start []int32 // by word of the output: where the run that ends there begins
	stamp []int32
	now   int32
}

func newMatcher(output string, a asked, redact func(string) string) *matcher {
	m := &matcher{
		output: output, normal: normalized(output), asked: a, redact: redact,
		times: newTimes(), fields: map[string]bool{}, ids: map[string]int32{}, numbers: map[string][]int32{}, lower: map[string][]int32{}, labels: map[string]fieldName{}, foldedOf: map[string]string{}, done: map[uint64]bool{},
		paths: map[string][]label{}, segments: map[string]bool{},
	}
	take := func(w word) {
		written := w.written(m.normal.text)
		id, known := m.ids[written]
		if !known {
			id = int32(len(m.at))
			m.ids[written] = id
			m.at = append(m.at, nil)
			m.likely[written[0]] |= 1 << (len(written) & 31)
			m.times.add(w.text, id)
			if isNumber(written) {
				m.numbers[w.text] = append(m.numbers[w.text], id)
			}
		}
		position := int32(len(m.words))
		m.at[id] = append(m.at[id], position)
		m.words, m.idOf = append(m.words, w), append(m.idOf, id)
	}
	eachOutputWord(m.normal.text, func(from, to int) bool { return isMark(m.output, m.normal, from, to) }, func(w word) bool {
		if n := len(m.words); n > 0 && m.joinsThousands(m.words[n-1], w) {
			take(word{m.words[n-1].to, w.from, joined})
		}
		take(w)
		return true
	})
	for text, id := range m.ids {
		folded := strings.ToLower(text)
		m.lower[folded] = append(m.lower[folded], m.at[id]...)
		m.addPath(folded, m.at[id])
	}
	for _, list := range m.paths {
		slices.SortFunc(list, func(a, b label) int { return int(a.from - b.from) })
	}
	m.findMarks()
	m.clear()
	return m
}

// addPath remembers where the output has a word, in lower case, that can be a path of names.
func (m *matcher) addPath(text string, positions []int32) {
	segments := strings.Split(text, ".")
	if len(segments) == 1 || len(text) > maxName || isNumber(text) {
		return
	}
	last := len(segments) - 1
	for _, segment := range segments[:last] {
		m.segments[segment] = true
	}
	for _, at := range positions {
		p := piece{from: at, to: at + 1, isKey: true, isPath: true, isHead: true, isTail: true, isFullName: true}
		m.paths[segments[last]] = append(m.paths[segments[last]], label{p, text})
	}
}

// joined is the word of a blank that makes one number of two, as in 10\u202f500. No answer has it.
const joined = "\x00joined"

// joinsThousands reports whether the output has a blank between two numbers that is not of ASCII, as between thousands.
func (m *matcher) joinsThousands(before, after word) bool {
	if before.to >= after.from || !isDigit(m.normal.text[before.to-1]) || !isDigit(m.normal.text[after.from]) {
		return false
	}
	return hasOtherBlank(m.output[m.normal.to[before.to-1]:m.normal.from[after.from]])
}

// findMarks remembers which words are beside a redacted secret.
func (m *matcher) findMarks() {
	id, hasMarks := m.ids[redactedWord]
	if !hasMarks || m.redact == nil {
		return
	}
	m.nearMark = make([]bool, len(m.at))
	for _, at := range m.at[id] {
		for _, beside := range []int32{at - 1, at + 1} {
			if beside >= 0 && int(beside) < len(m.words) {
				m.nearMark[m.idOf[beside]] = true
			}
		}
	}
}

// clear forgets what was found.
func (m *matcher) clear() {
	for _, list := range []*[]int32{&m.reach, &m.active.start, &m.active.stamp} {
		*list = make([]int32, len(m.words))
	}
}

// compare compares the output with an answer.
func (m *matcher) compare(e exchange) {
	m.containers, m.keys, m.named, m.inRecord, m.groupKey = m.containers[:0], m.keys[:0], -1, 0, 0
	m.group, m.before, m.shared, m.sharedKeys = m.group[:0], 0, m.shared[:0], m.sharedKeys[:0]
	m.body, m.folded, m.isError, m.isSearch = e.answer, nil, e.isError, e.isSearch
	m.addresses, m.outer = nil, map[field]bool{}
	m.hasIDs, m.requestIDs, m.isLabeled = e.hasIDs, m.asked.ids[e.request], m.asked.labeled[e.request]
	if m.own = m.asked.of[e.request]; e.isError {
		m.own = m.asked.all() // an error can repeat the name of a session
	}
	m.column = -1
	scanBody(e.answer, m)
	m.endGroup(false)
	m.combineOuter()
}

// spend counts comparisons.
func (m *matcher) spend(n int) {
	m.steps += n
	m.partial = m.partial || m.steps > maxSteps
}

// skips reports whether a number of comparisons is left for later.
func (m *matcher) skips(comparisons int) bool {
	if !m.isQuick || m.steps+comparisons <= m.quickEnd {
		return false
	}
	m.hasSkipped = true
	return true
}

func (m *matcher) enter(isList bool) { m.open(isList, m.isInList()) }

func (m *matcher) enterEntry() { m.open(false, true) }

func (m *matcher) open(isList, isEntry bool) {
	c := container{isList: isList, key: m.takeName()}
	switch {
	case m.inRecord > 0:
		m.inRecord++
		if c.isNode = isEntry; isEntry {
			m.enterNode()
		}
	case isEntry:
		c.isRecord = true
		m.endGroup(true)
		m.inRecord = 1
		m.beginRecord()
	}
	if m.inRecord > 0 {
		c.number = len(m.lists)
		m.lists = append(m.lists, list{})
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
	if m.inRecord == 0 {
		return
	}
	switch {
	case last.isRecord:
		m.endRecord()
		m.endAt(border)
	case last.isNode:
		m.leaveNode()
	}
	m.inRecord--
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
	m.named = m.addKey(key{name: text, parent: parent, isTime: m.isTimeField(text)})
	if m.partial {
		return
	}
	if len(text) > maxName {
		m.keys[m.named].name = ""
	}
	if len(text) > maxName || m.isSent(plainOf(text), "") {
		m.keys[m.named].isSent = true
		m.interrupt()
		return
	}
	m.add(plainOf(text), isName)
}

// isTimeField reports whether numbers in a field can be times.
func (m *matcher) isTimeField(name string) bool {
	is, isKnown := m.fields[name]
	if !isKnown {
		is = len(name) <= maxName && timeName().MatchString(name)
		m.fields[name] = is
	}
	return is
}

// maxName is the length of the longest text that is taken for the name of a field.
const maxName = 200

// interrupt makes sure that no run goes on.
func (m *matcher) interrupt() {
	if n := len(m.group); n == 0 || m.group[n-1].id != broken {
		m.group = append(m.group, token{id: broken, other: unknownWord})
	}
}

func (m *matcher) number(text string) {
	m.isNumber = true
	m.value(text)
	m.isNumber = false
}

func (m *matcher) value(text string) {
	key := m.takeName()
	if m.partial || text == "" {
		return
	}
	look := lookAt(text)
	plain := text
	if look.isEncoded {
		plain = Normal(text)
	}
	if m.isColumn(key, plain) {
		return
	}
	if key >= 0 && m.column >= 0 && m.keys[key].name == "value" {
		key, m.column = m.column, -1
	}
	isSent := m.isSent(plain, m.nameOf(key))
	m.countValue(plain, key, isSent)
	if isSent {
		m.interrupt() // code cannot prove anything with its own words
		return
	}
	m.limitGroup()
	if parts, isCut := m.unsent(plain); isCut {
		for _, part := range parts {
			m.add(part.text, key)
			if !m.isError && part.next != "" { // one word is no text, so a run may end with it
				m.add(part.next, key)
				m.group[len(m.group)-1].ends = false
			}
			m.interrupt()
		}
	} else {
		m.addShown(text, plain, key, look)
		if shown := withoutControls(text); look.isEncoded && shown != text {
			m.interrupt() // either form
			m.addShown(shown, plainOf(shown), key, lookAt(shown))
		}
	}
	if look.isJSON && m.nested < maxNested {
		m.nest(text[strings.IndexAny(text, `{[`):], key)
	}
}

// addShown adds a value as the output shows it: without secrets.
func (m *matcher) addShown(text, plain string, key int32, look look) {
	clean := m.withMarks(text, plain)
	if clean == text {
		m.addValue(text, plain, key, look)
		return
	}
	m.isMarked = true
	m.addValue(clean, Normal(clean), key, lookAt(clean))
	m.isMarked = false
}

// escapedControl replaces the escapes of JSON for the character with which control sequences begin.
var escapedControl = strings.NewReplacer(`\u001b`, "\x1b", `\u001B`, "\x1b")

// withoutControls returns a text of an answer without control sequences, such as colors. The output has none.
func withoutControls(text string) string {
	if !strings.Contains(text, "\x1b") && !strings.Contains(text, `\u001`) {
		return text
	}
	return terminal.Plain(escapedControl.Replace(text))
}

// withMarks replaces the secrets in a value if the output has a redacted secret beside one of its words, or beside the name
// of the value. So a mark in the output only stands for a secret that the answer has at that place.
func (m *matcher) withMarks(text, plain string) string {
	if m.nearMark == nil {
		return text
	}
	isNear := false
	if n := len(m.group); n > 0 && m.group[n-1].id >= 0 {
		isNear = m.nearMark[m.group[n-1].id]
	}
	if !isNear {
		eachWord(plain, func(w word) bool {
			id, isKnown := m.ids[w.written(plain)]
			isNear = isKnown && m.nearMark[id]
			return !isNear
		})
	}
	if !isNear {
		return text
	}
	return m.redact(text)
}

// aggregate matches the name of a column without an alias, such as bin(5m) or pct(@duration, 99).
var aggregate = lazy.Regexp(`^(?i:bin|count|count_distinct|avg|sum|min|max|pct|median|stddev|earliest|latest|sortsfirst|sortslast|datefloor|dateceil)` +
	`\((\*|[@\w.]*)(, ?\d+)?\)$`)

// isColumn reports whether a value is the name of a column in a result of Logs Insights, and adds it as the name of the
// value that follows: a query chooses the names of its columns, so they prove nothing alone.
func (m *matcher) isColumn(at int32, plain string) bool {
	if !m.isSearch || at < 0 || m.keys[at].name != "field" || len(plain) > maxName {
		return false
	}
	m.column = m.addKey(key{name: plain, parent: m.keys[at].parent, isTime: m.isTimeField(plain)})
	if !aggregate().MatchString(plain) && m.isSent(plain, "") {
		m.keys[m.column].isSent = true
		m.interrupt()
		return true
	}
	m.add(plain, isName)
	return true
}

func (m *matcher) nameOf(key int32) string {
	if key < 0 {
		return ""
	}
	return m.keys[key].name
}

// limitGroup ends a group that is too long.
func (m *matcher) limitGroup() {
	if m.inRecord == 0 && len(m.group) > maxGroup || len(m.group) > maxRecord {
		m.isSplit = true
		m.endGroup(m.inRecord == 0)
	}
}

// nest adds the fields and values of JSON in a string. Several objects, such as one on each line, are like those in a list.
func (m *matcher) nest(text string, key int32) {
	m.interrupt()
	m.nested++
	before := len(m.containers)
	m.containers = append(m.containers, container{key: key})
	if countObjects(text, 2) < 2 {
		scanJSON(text, m)
	} else {
		m.enter(true)
		scanJSON(text, m)
		m.leave()
	}
	m.containers, m.named = m.containers[:before], -1
	m.nested--
	m.interrupt()
}

// look is what the characters of a value tell about it.
type look struct {
	isEncoded bool // its normal form may differ
	hasBreaks bool // it has several lines or columns
	isPath    bool // it may be an ARN, an address, or a path
	isJSON    bool // it may contain JSON
}

// characters that decide how a value is read.
const (
	charEncoded = 1 << iota
	charBreak
	charPath
	charNoPath
	charOpen
	charJSON
)

var characters = func() (table [256]uint8) {
	for c := range table {
		if needsNormal(string([]byte{byte(c)})) {
			table[c] |= charEncoded
		}
	}
	for flag, list := range map[uint8]string{
		charBreak: "\n\t", charPath: ":/", charNoPath: " \"{[", charOpen: "{[", charJSON: "\":",
	} {
		for _, c := range []byte(list) {
			table[c] |= flag
		}
	}
	return table
}()

func lookAt(text string) look {
	found := uint8(0)
	for i := range len(text) {
		found |= characters[text[i]]
	}
	return look{
		isEncoded: found&charEncoded != 0,
		hasBreaks: found&charBreak != 0,
		isPath:    found&charPath != 0 && found&charNoPath == 0,
		isJSON:    found&charOpen != 0 && found&charJSON != 0,
	}
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

// addValue adds a value. Code often prints only a line of a text, a column, or the end of an ARN or a path,
// so each of these counts as a value.
func (m *matcher) addValue(text, plain string, key int32, look look) {
	if look.hasBreaks {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\t' }) {
			m.limitGroup()
			m.add(plainOf(part), key)
		}
		return
	}
	first := len(m.group)
	m.add(plain, key)
	if first == len(m.group) || !look.isPath || m.isMarked || isTime(plain) {
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
	first, last := len(m.group), word{}
	hasBorders := strings.IndexByte(plain, '}') >= 0
	isTime := key >= 0 && m.keys[key].isTime
	take := func(w word) bool {
		if hasBorders && last.to > 0 && recordBorder().MatchString(plain[last.to:w.from]) {
			m.group = append(m.group, token{id: border, other: unknownWord, key: key})
		}
		t := token{key: key, isNot: last.to > 0 && negates(plain, last, w.from)}
		last = w
		if t.id, t.other = m.find(w.text, w.written(plain), isTime); t.id < 0 && len(m.group) > first && m.group[len(m.group)-1].id >= 0 {
			t.text = w.text
		}
		m.group = append(m.group, t)
		return true
	}
	if m.isMarked {
		eachMarkedWord(plain, take)
	} else {
		eachWord(plain, take)
	}
	if n := len(m.group); n > first {
		end := &m.group[n-1]
		end.ends = true
		end.isNot = end.isNot || n > first+1 && negations[strings.ToLower(last.text)] // it is not about the next field
	}
}
