package redact

import "strings"

// wordIndex finds words in lower case by their first two bytes, so one pass over a text finds the words of all rules
// and shapes. It ignores case.
type wordIndex struct {
	list  [1 << 16]uint16 // index in lists; 0: none
	lists [][]indexed
	owner int // the next owner
}

// indexed is a word without its first two bytes.
type indexed struct {
	rest  string
	owner int
}

func newWordIndex() *wordIndex { return &wordIndex{lists: make([][]indexed, 1)} }

// add adds the words of one owner and returns its number.
func (x *wordIndex) add(words []string) int {
	for _, word := range words {
		word = fold(word)
		at := &x.list[uint16(word[0])<<8|uint16(word[1])]
		if *at == 0 {
			*at = uint16(len(x.lists))
			x.lists = append(x.lists, nil)
		}
		x.lists[*at] = append(x.lists[*at], indexed{rest: word[2:], owner: x.owner})
	}
	x.owner++
	return x.owner - 1
}

// find reports, by owner, which of them have a word in the text. If first is set, it stops at the first one.
func (x *wordIndex) find(text string, first bool) (found []bool, any bool) {
	if strings.Contains(text, "\u017f") || strings.Contains(text, "\u212a") { // they count as s and k
		text = fold(text)
	}
	found = make([]bool, x.owner)
	if text == "" {
		return found, false
	}
	before := lowerOf[text[0]]
	for i := 1; i < len(text); i++ {
		this := lowerOf[text[i]]
		at := x.list[uint16(before)<<8|uint16(this)]
		before = this
		if at == 0 {
			continue
		}
		for _, word := range x.lists[at] {
			if !found[word.owner] && hasLower(text, i+1, word.rest) {
				found[word.owner], any = true, true
				if first {
					return found, true
				}
			}
		}
	}
	return found, any
}

// hasLower reports whether a text contains a word in lower case at a position, ignoring case.
func hasLower(text string, at int, word string) bool {
	if len(text)-at < len(word) {
		return false
	}
	for i := range len(word) {
		if lowerOf[text[at+i]] != word[i] {
			return false
		}
	}
	return true
}

// lowerOf maps capitals to small letters.
var lowerOf = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if isUpper(byte(i)) {
			table[i] += 'a' - 'A'
		}
	}
	return table
}()
