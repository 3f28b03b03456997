package provenance

import (
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// endGroup compares the collected words with the output. isShared: they are outside of records, and can be combined with
// the values of those that follow.
func (m *matcher) endGroup(isShared bool) {
	fresh := len(m.group) > m.before
	if m.inRecord == 0 {
		m.quickEnd = m.steps + maxQuick
	}
	if fresh && !m.ended() && m.locate() {
		m.values = m.values[:0]
		m.follow()
		if m.inRecord > 0 {
			m.keep(m.values)
		} else {
			group := outerGroup{append(slices.Clone(m.values), m.shared...), m.keysFrom(m.groupKey)}
			if len(m.waiting) < maxWaiting && m.waitingPieces+len(group.values) <= maxOuterPieces {
				group.keys = append(group.keys, m.sharedKeys...)
				m.waiting = append(m.waiting, group)
				m.waitingPieces += len(group.values)
			} else {
				m.combine(group.values, group.keys)
			}
			if room := maxShared - len(m.shared); isShared && room > 0 {
				m.share(m.values[:min(room, len(m.values))])
			}
		}
	}
	if isShared {
		m.groupKey = int32(len(m.keys))
	}
	if fresh {
		m.before = copy(m.group, m.group[m.contextFrom():])
		m.group = m.group[:m.before]
	}
}

// contextFrom returns the position in the group at which the last [context] words begin. Borders are no words, but not many are kept.
func (m *matcher) contextFrom() int {
	from := len(m.group)
	for words := 0; from > 0 && words < context && len(m.group)-from < 2*context; from-- {
		if id := m.group[from-1].id; id != border && id != closed {
			words++
		}
	}
	return from
}

// share keeps values outside of records, and their names.
func (m *matcher) share(values []piece) {
	m.shared = append(m.shared, values...)
	for _, p := range values {
		for key := p.key; key >= 0 && !slices.Contains(m.sharedKeys, key); key = m.keys[key].parent {
			m.sharedKeys = append(m.sharedKeys, key)
		}
	}
}

// ended reports whether the comparison has ended before all was compared: after the most comparisons, or too late.
func (m *matcher) ended() bool {
	m.partial = m.partial || !m.until.IsZero() && time.Now().After(m.until)
	return m.partial
}

// outerGroup is a group outside of records. It is combined when the names of all fields outside of records are known.
type outerGroup struct {
	values []piece
	keys   []int32
}

// combineOuter combines the groups outside of records.
func (m *matcher) combineOuter() {
	for _, group := range m.waiting {
		m.quickEnd = m.steps + maxQuick
		m.combine(group.values, group.keys)
	}
	clear(m.waiting) // their pieces take memory
	m.waiting, m.waitingPieces = m.waiting[:0], 0
}

// endAt adds a break after the words of the last group.
func (m *matcher) endAt(kind int32) {
	m.group = append(m.group, token{id: kind, other: unknownWord})
	m.before = len(m.group)
}

// locate determines the parts of the output in which the group may have been printed: around its rare words,
// or else the whole output. It reports whether there is anything to compare: groups of the same words, as
// logs have many, are compared once.
func (m *matcher) locate() bool {
	isKnown, hash := false, m.groupSeed()
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
		for i := max(0, m.before-context); i < len(m.group); i++ { // a rare word far before the new ones does not show where they are
			for _, id := range []int32{m.group[i].id, m.group[i].other} {
				if id >= 0 && len(m.at[id]) <= maxRare {
					for _, at := range m.at[id] {
						m.windows = append(m.windows, window{at - reach, at + reach})
					}
				}
			}
		}
	}
	if len(m.windows) == 0 {
		m.windows = append(m.windows, whole)
	}
	m.windows = merged(m.windows)
	return !m.skips(m.comparisons())
}

// comparisons returns about how many comparisons the group takes.
func (m *matcher) comparisons() int {
	room, sum := 0, 0
	for _, w := range m.windows {
		room += int(w.to - w.from)
	}
	for i := range m.group {
		for _, id := range []int32{m.group[i].id, m.group[i].other} {
			if id >= 0 {
				sum += min(len(m.at[id]), room)
			}
		}
	}
	return sum
}

// merged returns windows in their order, without overlaps.
func merged(windows []window) []window {
	if len(windows) == 0 {
		return windows
	}
	slices.SortFunc(windows, func(a, b window) int { return int(a.from - b.from) })
	list := windows[:1]
	for _, w := range windows[1:] {
		if last := &list[len(list)-1]; w.from <= last.to {
			last.to = max(last.to, w.to)
		} else {
			list = append(list, w)
		}
	}
	return list
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
	isOver := int32(0) // the border of two records that was passed, or 0
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
		if t.id == border || t.id == closed {
			isOver = t.id
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
			m.extend(t, isOver)
		}
		isOver = 0
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
		if len(m.values) >= maxOuterPieces {
			m.leftOut = true
			return
		}
		have, isWhole := r.at-r.from+1, false
		for _, begin := range m.parts {
			if need := length - begin; have >= need {
				whole := piece{from: r.at + 1 - need, to: r.at + 1, key: key, isHead: true, isTail: true}
				m.values = append(m.values, whole)
				isWhole = isWhole || begin == 0
			}
		}
		if !isWhole {
			m.values = append(m.values, piece{from: r.from, to: r.at + 1, key: key, isTail: true})
		}
	}
}

// find returns the ids of a word of an answer that occurs in the output, at most two. A time also matches if the output has
// it without seconds or without the date. isTime: a number can be a time, which the output may show as one. A number of the
// answer also matches if the output writes it in another way, but a text that looks like one, such as a version, does not.
func (m *matcher) find(text, written string, isTime bool) (id, other int32) {
	id, other = unknownWord, unknownWord
	if m.likely[written[0]]&(1<<(len(written)&31)) != 0 {
		if found, ok := m.ids[written]; ok {
			id = found
		}
	}
	if isNumber(written) && (m.isNumber || javaNumber().MatchString(written)) {
		for _, found := range m.numbers[text] {
			if id < 0 {
				id = found
			} else if found != id && other < 0 {
				other = found
			}
		}
	}
	if isTime || strings.HasPrefix(text, timePrefix) {
		for _, found := range m.times.find(text, isTime) {
			if id < 0 {
				id = found
			} else if found != id && other < 0 {
				other = found
			}
		}
	}
	return id, other
}

// extend continues the runs with a word, or begins them. isOver: the border of two records before the word, or 0. A word that
// is negated begins none: not healthy is not healthy.
func (m *matcher) extend(t *token, isOver int32) {
	a := &m.active
	before := a.now
	a.now++
	next := a.spare[:0]
	take := func(at int32) {
		from := at
		if at > 0 && a.stamp[at-1] == before && (isOver == 0 || m.showsBorder(at, isOver)) {
			from = a.start[at-1]
		} else if t.isNot {
			return
		}
		next = append(next, run{at, from})
		m.reach[from] = max(m.reach[from], at+1)
	}
	m.positions(t.id, take)
	if t.other >= 0 {
		m.positions(t.other, take)
	}
	m.spend(len(next))
	for _, r := range next {
		a.start[r.at], a.stamp[r.at] = r.from, a.now
	}
	a.list, a.spare = next, a.list
}

// recordBorder matches the end of a record and the beginning of the next one, as JSON and Python write them.
var recordBorder = lazy.Regexp(`\}[\s"'\\]*,?[\s"'\\]*\{|\][\s"'\\]*,[\s"'\\]*\[`)

// showsBorder reports whether the output shows that a record ends before a word, and unless the border is closed, that
// another one begins there.
func (m *matcher) showsBorder(at, border int32) bool {
	between := m.normal.text[m.words[at-1].to:m.words[at].from]
	return recordBorder().MatchString(between) || border == closed && strings.ContainsAny(between, "}]")
}

// endHeads reports the pieces that begin a value and do not continue with its next word.
func (m *matcher) endHeads(next *token, length int32) {
	for _, r := range m.active.list {
		after := r.at + 1
		if r.at-r.from+1 < length {
			continue
		}
		if int(after) < len(m.words) {
			if id := m.idOf[after]; id == next.id || id == next.other {
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
	if len(short) < minCut || len(short) >= len(whole) || !strings.HasPrefix(whole, short) {
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
