package provenance

import (
	"slices"
	"strings"
	"unicode"
)

// combine finds the parts of the output that consist of values of one record. firstKey is the record's first
// name.
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
				if !q.isHead || p.isKey && !m.belongs(q.key, p.key) {
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
			if isShouted(m.words[at].text, name) {
				continue
			}
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
