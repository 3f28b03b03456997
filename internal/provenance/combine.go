package provenance

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// combine finds the parts of the output that consist of values of one record with these names.
func (m *matcher) combine(values []piece, keys []int32) {
	if len(values) == 0 || m.ended() {
		return
	}
	pieces, ok := m.withNames(values, keys)
	if !ok {
		return
	}
	if m.spend(4 * len(pieces)); !m.partial {
		slices.SortFunc(pieces, func(a, b piece) int { return int(b.from - a.from) })
		m.join(pieces)
	}
}

// withNames returns the values and the names of fields near them. It returns false if the comparison ended, or continues later.
func (m *matcher) withNames(values []piece, keys []int32) (pieces []piece, ok bool) {
	near := m.windowsOf(values)
	if len(near) == 0 {
		near = []window{{0, int32(len(m.words))}}
	}
	fields := sync.OnceValue(func() map[field]bool { return m.fieldsOf(keys) })
	pieces = slices.Clone(values)
	for _, key := range keys {
		if m.keys[key].isSent {
			continue
		}
		pieces = m.addNames(pieces, key, near, fields)
		if m.ended() || m.skips(len(pieces)) {
			return nil, false
		}
	}
	if pieces = m.addPaths(pieces, keys, near, fields); m.ended() || m.skips(len(pieces)) {
		return nil, false
	}
	return withoutParts(pieces), true
}

// withoutParts removes names that are only the beginning of the whole name of another field: with the tag "Recommended value",
// RecommendedActions is not "Recommended".
func withoutParts(pieces []piece) []piece {
	longest := map[int32]int32{}
	for _, p := range pieces {
		if p.isFullName && p.to-p.from > 1 {
			longest[p.from] = max(longest[p.from], p.to)
		}
	}
	if len(longest) == 0 {
		return pieces
	}
	return slices.DeleteFunc(pieces, func(p piece) bool { return p.isKey && !p.isFullName && p.to < longest[p.from] })
}

// addNames adds the parts of the windows that name the field of a key. A text that is the name of another one of the fields
// does not count. Beside fields outside of records, only whole names count.
func (m *matcher) addNames(pieces []piece, key int32, windows []window, fields func() map[field]bool) []piece {
	name := m.labelsOf(m.keys[key].name)
	isOther := remembering(func(text string) bool { return m.isNameAround(text, key, fields()) })
	for _, w := range windows {
		labels := labelsIn(w, name.labels)
		m.spend(1 + 4*len(labels))
		for _, l := range labels {
			l.isFullName = l.isFullName || l.text == name.folded
			if l.isFullName || !m.isWhole && !isOther(l.text) {
				l.key = key
				pieces = append(pieces, l.piece)
			}
		}
	}
	return pieces
}

// addPaths adds the words of the windows that name the field of a key with those around it, such as State.Name. If several fields
// have a path, it names those of the record itself, and of these the least deep one: Endpoint.Port is not Pending.Endpoint.Port.
// Of PrimaryEndpoint and ReaderEndpoint, it names neither.
func (m *matcher) addPaths(pieces []piece, keys []int32, windows []window, fields func() map[field]bool) []piece {
	if len(m.paths) == 0 {
		return pieces
	}
	nearest := map[string]pathField{}
	var found []label
	for _, key := range keys {
		list := m.paths[lastSegment(strings.ToLower(m.keys[key].name))]
		if len(list) == 0 || m.keys[key].isSent {
			continue
		}
		isPath := remembering(func(text string) bool { return m.isPath(text, key, fields) })
		distance := m.distance(key)
		for _, w := range windows {
			labels := labelsIn(w, list)
			m.spend(4 * len(labels))
			for _, l := range labels {
				if isPath(l.text) {
					other, isKnown := nearest[l.text]
					if !isKnown || distance < other.distance {
						nearest[l.text] = pathField{key: key, distance: distance}
					} else if distance == other.distance && !m.haveSameNames(key, other.key) {
						nearest[l.text] = pathField{key: key, distance: distance, isUnclear: true}
					}
					l.key = key
					found = append(found, l)
				}
			}
		}
		if m.ended() || m.skips(len(pieces)+len(found)) {
			return pieces
		}
	}
	for _, l := range found {
		if n := nearest[l.text]; !n.isUnclear && m.haveSameNames(l.key, n.key) {
			pieces = append(pieces, l.piece)
		}
	}
	return pieces
}

// pathField is a field that a path can name.
type pathField struct {
	key       int32
	distance  int
	isUnclear bool // another one is as near
}

// haveSameNames reports whether two fields and those around them have the same names, as those of objects in one list have.
func (m *matcher) haveSameNames(a, b int32) bool {
	for a != b && a >= 0 && b >= 0 && m.keys[a].name == m.keys[b].name {
		m.spend(1)
		a, b = m.keys[a].parent, m.keys[b].parent
	}
	return a == b
}

// distance tells how deep a field is. Those around a record are farther away than its own ones.
func (m *matcher) distance(key int32) (distance int) {
	if m.inRecord > 0 && (key < m.firstOwn || key > m.lastOwn) {
		distance = 1 << 20
	}
	for at := m.keys[key].parent; at >= 0; at = m.keys[at].parent {
		distance++
	}
	m.spend(distance)
	return distance
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// isPath reports whether a text in lower case consists of the name of a field and of those around it. These can lack their
// beginning, as the names of boto3 for EC2 do: State.Name of instanceState.
func (m *matcher) isPath(path string, key int32, fields func() map[field]bool) bool {
	m.spend(8 + len(path)/4)
	rest, ok := strings.CutSuffix(path, "."+strings.ToLower(m.keys[key].name))
	if !ok {
		return false
	}
	at := m.keys[key].parent
	if m.keys[key].isPair { // the name of a tag is in the list of tags
		at = m.keys[at].parent
	}
	for ; at >= 0 && !m.keys[at].isSent; at = m.keys[at].parent {
		name := strings.ToLower(m.keys[at].name)
		if rest == name {
			return true
		}
		if before, ok := strings.CutSuffix(rest, "."+name); ok {
			rest = before
			continue
		}
		m.spend(8 + len(name))
		segment := lastSegment(rest)
		if !endsWithWords(m.keys[at].name, segment) || m.isNameAround(segment, at, fields()) {
			return false
		}
		if rest = strings.TrimSuffix(strings.TrimSuffix(rest, segment), "."); rest == "" {
			return true
		}
	}
	return false
}

// endsWithWords reports whether a text in lower case consists of the last words of a name, with those that change what they mean.
func endsWithWords(name, text string) bool {
	parts := nameParts(name)
	first, _ := changingParts(parts)
	for i, part := range parts[:first+1] {
		if strings.Join(parts[i:], "") == text {
			return true
		}
		if part == "last" { // lastState is beside state
			return false
		}
	}
	return false
}

// remembering returns a function that calls another one only once for each text.
func remembering(is func(text string) bool) func(text string) bool {
	var known map[string]bool
	return func(text string) bool {
		result, ok := known[text]
		if !ok {
			if known == nil {
				known = map[string]bool{}
			}
			result = is(text)
			known[text] = result
		}
		return result
	}
}

// join joins pieces that follow each other in the output, which are sorted from the last to the first.
func (m *matcher) join(pieces []piece) {
	first := make(map[int32]int, len(pieces)) // position of the output to the first piece that begins there
	named := map[[2]int32][]int32{}           // part of the output to the fields whose whole name it is
	for i := range pieces {
		if p := &pieces[i]; p.isFullName {
			part := [2]int32{p.from, p.to}
			named[part] = append(named[part], p.key)
		}
	}
	for i := range pieces {
		if m.partial || m.skips(0) {
			return
		}
		p := &pieces[i]
		if _, ok := first[p.from]; !ok {
			first[p.from] = i
		}
		p.best, p.hasValue = p.to, !p.isKey
		if p.isTail && !p.isKey {
			p.whole = p.to
		}
		if next, ok := first[p.to]; ok && p.isTail {
			m.joinNext(p, pieces[next:], named[[2]int32{p.from, p.to}])
		}
		if p.hasValue {
			m.reach[p.from] = max(m.reach[p.from], p.best)
		}
	}
}

// joinNext joins a piece with the longest one that directly follows it. The pieces that do are the first of the others. named are
// the fields whose whole name the piece is, too.
func (m *matcher) joinNext(p *piece, others []piece, named []int32) {
	for i := range others {
		next := &others[i]
		if next.from != p.to {
			return
		}
		m.spend(1)
		if !next.isHead || !next.hasValue || p.isKey && !m.names(p, next) || p.swaps(next) || p.isWordOf(next) || m.misnames(p, next, named) {
			continue
		}
		p.hasValue, p.whole = true, max(p.whole, next.whole)
		if p.isHead {
			p.best = max(p.best, next.best)
		} else { // with a cut beginning and a cut end, the end of a value could come before its beginning
			p.best = max(p.best, next.whole)
		}
	}
}

// names reports whether a piece is the name of a field, and the next one is its value or the name of a field in it. A list can have
// the same name as the field in it. A path names no deeper value.
func (m *matcher) names(p, next *piece) bool {
	if p.isPath && !next.isKey {
		return next.key == p.key
	}
	return m.belongs(next.key, p.key) && !(next.isKey && next.key == p.key && !strings.ContainsAny(m.between(p.to), "{["))
}

// misnames reports whether a value is also the name of a field, and the next one is another value: "owner: failed" of a tag and a
// status, or "Enabled: false" of {"State": "Enabled", "MultiRegion": false, "Enabled": true}.
func (m *matcher) misnames(p, next *piece, named []int32) bool {
	if p.isKey || next.isKey {
		return false
	}
	if p.isPairName {
		return !m.belongs(next.key, p.pairValue)
	}
	isValue := func(name int32) bool { return m.belongs(next.key, name) }
	return len(named) > 0 && !slices.ContainsFunc(named, isValue) && strings.ContainsAny(m.between(p.to), ":=")
}

// between returns the characters of the output before a word, from the end of the word before it.
func (m *matcher) between(at int32) string { return m.normal.text[m.words[at-1].to:m.words[at].from] }

// isWordOf reports whether one of two values that follow each other is cut to a single word, which can mean something else: the name
// of a parameter and "enabled" of the values "enabled,disabled" that it can have.
func (p *piece) isWordOf(next *piece) bool {
	isCut := func(p *piece) bool { return !p.isKey && p.to-p.from == 1 && !(p.isHead && p.isTail) }
	return isCut(p) || !p.isKey && isCut(next)
}

// swaps reports whether the end of a value comes before its beginning, or the value: "succeeded 57 failed 0" of "57 failed 0 succeeded".
func (p *piece) swaps(next *piece) bool {
	return !p.isKey && !next.isKey && p.key == next.key && !(p.isHead && next.isTail)
}

// windowsOf returns the parts of a long output in which values can be combined: around those with a rare word. It returns
// nothing if that is the whole output.
func (m *matcher) windowsOf(values []piece) (list []window) {
	if len(m.words) <= minLocated {
		return nil
	}
	for _, p := range values {
		if len(m.at[m.idOf[p.from]]) <= maxRare {
			list = append(list, window{p.from - nearby, p.to + nearby})
		}
	}
	return merged(list)
}

// labelsIn returns the labels that begin in a window.
func labelsIn(w window, labels []label) []label {
	begin := func(l label, at int32) int { return int(l.from - at) }
	from, _ := slices.BinarySearchFunc(labels, w.from, begin)
	to, _ := slices.BinarySearchFunc(labels, w.to+1, begin)
	return labels[from:to]
}

// isIn reports whether a piece is in one of the windows, if there are any.
func isIn(windows []window, p piece) bool {
	if len(windows) == 0 {
		return true
	}
	i, _ := slices.BinarySearchFunc(windows, p.from, func(w window, at int32) int { return int(w.to - at) })
	return i < len(windows) && windows[i].from <= p.from
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

// field is the folded name of a field and the key that it is below, or -1.
type field struct {
	folded string
	parent int32
	isDeep bool // there may be others between them
}

// addField adds a field that is below a key.
func (m *matcher) addField(fields map[field]bool, folded string, parent int32) {
	fields[field{folded: folded, parent: parent}] = true
	for ; parent >= 0; parent = m.keys[parent].parent {
		fields[field{folded, parent, true}] = true
	}
	fields[field{folded, -1, true}] = true
}

// fieldsOf returns the fields with these keys that the output can name.
func (m *matcher) fieldsOf(keys []int32) map[field]bool {
	fields := map[field]bool{}
	for _, key := range keys {
		if name := m.labelsOf(m.keys[key].name); len(name.labels) > 0 || m.segments[name.folded] {
			m.addField(fields, name.folded, m.keys[key].parent)
			if m.keys[key].isPair { // it is beside the names of the other pairs
				m.addField(fields, name.folded, m.keys[m.keys[key].parent].parent)
			}
		}
	}
	return fields
}

// isNameAround reports whether a field in a key, beside it, or around it, has this name. In a record that has both, Status does not
// stand for LastUpdateStatus.
func (m *matcher) isNameAround(folded string, key int32, own map[field]bool) bool {
	if f := (field{folded, key, true}); own[f] || m.outer[f] {
		return true
	}
	for at := key; ; at = m.keys[at].parent {
		if f := (field{folded: folded, parent: at}); own[f] || m.outer[f] {
			return true
		}
		if at < 0 {
			return false
		}
	}
}

// fieldName is a field's name with the pieces of the output that stand for it.
type fieldName struct {
	folded string // its words, without anything between them
	labels []label
}

// label is a piece with its words in the same form.
type label struct {
	piece
	text string
}

func folded(name string) string { return strings.Join(nameParts(name), "") }

// foldedWord returns [folded] of a word of the output.
func (m *matcher) foldedWord(at int32) string {
	text := m.words[at].text
	f, ok := m.foldedOf[text]
	if !ok {
		f = folded(text)
		m.foldedOf[text] = f
	}
	return f
}

// labelsOf returns the pieces of the output that name a field: the name itself, or words of it in any case, but not without
// one that changes what they mean.
func (m *matcher) labelsOf(name string) fieldName {
	if found, ok := m.labels[name]; ok {
		return found
	}
	if m.ended() {
		return fieldName{}
	}
	list := m.fullLabels(name)
	parts := nameParts(name)
	first, last := changingParts(parts)
	for i := range parts[:first+1] {
		for _, at := range m.abbreviations(parts[i]) {
			if m.partial {
				return fieldName{}
			}
			if m.spend(1); !isShouted(m.words[at].text, name) && !m.beginsARN(at) {
				list = m.addLabels(list, at, parts[i:], last-i)
			}
		}
	}
	slices.SortFunc(list, func(a, b label) int { return int(a.from - b.from) })
	m.labels[name] = fieldName{folded(name), list}
	return m.labels[name]
}

// fullLabels returns where the output has a whole name, which can have several words, as the tag aws:cloudformation:stack-name has.
func (m *matcher) fullLabels(name string) (list []label) {
	words := wordsOf(plainOf(name))
	if len(words) == 0 {
		return nil
	}
	for _, from := range m.lower[strings.ToLower(words[0])] {
		if m.partial {
			break
		}
		to := from + 1
		for _, word := range words[1:] {
			if int(to) == len(m.words) || !strings.EqualFold(m.words[to].text, word) {
				break
			}
			to++
		}
		if m.spend(int(to - from)); int(to-from) == len(words) && !m.beginsARN(from) {
			l := m.newLabel(from, to)
			l.isFullName = true
			list = append(list, l)
		}
	}
	return list
}

// beginsARN reports whether an ARN begins with a word, so that it is not the name of a field such as Arn.
func (m *matcher) beginsARN(at int32) bool {
	return m.words[at].text == "arn" && int(at+1) < len(m.words) && m.between(at+1) == ":" && strings.HasPrefix(m.words[at+1].text, "aws")
}

// addLabels adds the labels that begin at a word of the output, which is or abbreviates the first of the parts of a name. last is
// the index of the last part that changes what the others mean: each label contains it.
func (m *matcher) addLabels(list []label, from int32, parts []string, last int) []label {
	for i, part := range parts {
		at := from + int32(i)
		if int(at) >= len(m.words) || i > 0 && !abbreviates(strings.ToLower(m.words[at].text), part) {
			break
		}
		m.spend(2)
		if i >= last && !(i == 0 && negations[part]) { // "not" alone says nothing of NotBefore
			list = append(list, m.newLabel(from, at+1))
		}
	}
	return list
}

func (m *matcher) newLabel(from, to int32) label {
	m.spend(8 + 4*int(to-from))
	text := m.foldedWord(from)
	for at := from + 1; at < to; at++ {
		text += m.foldedWord(at)
	}
	return label{piece{from: from, to: to, isKey: true, isHead: true, isTail: true}, text}
}

// changing are words of a name without which the other words mean something else: "compliant count" of NonCompliantCount.
var changing = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq("un non not no never without anti disable disabled ignore ignored exclude excluded block blocked prevent deny denied " +
		"skip skipped failed invalid missing unhealthy inactive expired rejected unused unprocessed pending max maximum min minimum previous prior " +
		"old former desired expected requested unavailable unreserved reserved delayed throttled suspended dropped lost evicted " +
		"threshold limit quota remaining available free used idle deleted terminated cancelled canceled " +
		"estimated predicted forecast forecasted projected recommended stale obsolete incomplete insecure insufficient inconsistent " +
		"inaccessible incompatible disassociated disconnected deregistered detached revoked removed suppressed hidden offline impaired degraded " +
		"next scheduled planned proposed suggested potential out dead " +
		"original initial peak partial outstanding queued waiting paused closed aborted abandoned interrupted discarded refused missed errored " +
		"restrict restricted corrupt corrupted duplicate conflicting mismatched violated violating timeout timeouts") {
		words[word] = true
	}
	return words
}()

// negated matches other words with a prefix that negates: unencrypted, nonCompliant.
var negated = lazy.Regexp(`^(?:non[a-z]{3}|un(?:[a-hj-z]|in)[a-z]{2})`)

// notNegated are words that [negated] matches, without which the other words mean the same: the cost of UnblendedCost, or the
// time of LockedUntil.
var notNegated = map[string]bool{"unblended": true, "until": true}

// changingParts returns the first and the last of the words of a name that change what the others mean. If there are none, the
// first is the last word of the name, and the last is -1.
func changingParts(parts []string) (first, last int) {
	first, last = len(parts)-1, -1
	for i, part := range parts {
		if changing[part] || negated().MatchString(part) && !notNegated[part] {
			first, last = min(first, i), i
		}
	}
	return first, last
}

// isShouted reports whether a word has only capital letters, unlike the name. It is then rather a value, such as the
// state ALARM before the name of an alarm. Acronyms such as ARN are no values.
func isShouted(word, name string) bool {
	return len(word) > maxAcronym && word == strings.ToUpper(word) && !strings.Contains(name, word)
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
		isEnd := i == len(name) || !isASCIIWord(name[i]) || name[i] == '_'
		if isEnd || unicode.IsUpper(rune(name[i])) && !unicode.IsUpper(rune(name[i-1])) {
			if part := strings.Trim(strings.ToLower(name[begin:i]), "_-.:@ (),*"); part != "" {
				parts = append(parts, part)
			}
			begin = i
		}
	}
	return parts
}
