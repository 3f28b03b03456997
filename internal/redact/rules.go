package redact

import (
	_ "embed"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// rulesJSON is the detection rules of a well-kept scanner as data, made by tools/redactrules, where the
// format is described.
//
//go:embed rules.json
var rulesJSON []byte

// rule finds one kind of secret: where one of its keywords stands on the lines of a match, the group of
// the match that is the secret, unless that is too regular or on an allowlist.
type rule struct {
	ID       string   `json:"id"`
	Regex    string   `json:"regex"`
	Group    int      `json:"group"`
	Entropy  float64  `json:"entropy"`
	Keywords []string `json:"keywords"`
	Allow    []allow  `json:"allow"`

	compiled func() *regexp.Regexp // on first use: most rules are never needed
	allowed  func() []permit
}

// allow is a list of what is no secret.
type allow struct {
	Target    string   `json:"target"` // match or line; else the secret
	Regexes   []string `json:"regexes"`
	StopWords []string `json:"stopwords"`
}

type permit struct {
	target string
	any    []*regexp.Regexp
	words  []string
}

func (a allow) compile() permit {
	p := permit{target: a.Target, words: a.StopWords}
	for _, expression := range a.Regexes {
		p.any = append(p.any, regexp.MustCompile(expression))
	}
	return p
}

var knownRules = sync.OnceValue(func() []*rule {
	var file struct {
		Allow allow   `json:"allow"`
		Rules []*rule `json:"rules"`
	}
	if err := json.Unmarshal(rulesJSON, &file); err != nil {
		panic("redact: rules.json: " + err.Error()) // embedded, and read by every test
	}
	everywhere := sync.OnceValue(file.Allow.compile)
	for _, r := range file.Rules {
		r.compiled = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(r.Regex) })
		r.allowed = sync.OnceValue(func() []permit {
			list := []permit{everywhere()}
			for _, a := range r.Allow {
				list = append(list, a.compile())
			}
			return list
		})
	}
	return file.Rules
})

// byRules replaces what the rules find.
func (c *counter) byRules(text string) string {
	wanted := keywordsOf(text)
	for i, r := range knownRules() {
		if !wanted[i] {
			continue
		}
		if c.late() {
			break
		}
		if clean := r.replace(c, text); clean != text {
			text, wanted = clean, keywordsOf(clean)
		}
	}
	return text
}

// keyword is one of a rule's, without the two bytes that lead to it in an index.
type keyword struct {
	rest string
	rule int
}

// keywordIndex leads from the first two bytes of keywords to them, so that one pass over a text finds
// those of all rules.
type keywordIndex struct {
	list  [1 << 16]uint16 // place in lists; 0: none
	lists [][]keyword
}

var keywords = sync.OnceValue(func() *keywordIndex {
	index := &keywordIndex{lists: make([][]keyword, 1)}
	for i, r := range knownRules() {
		for _, word := range r.Keywords {
			at := &index.list[uint16(word[0])<<8|uint16(word[1])]
			if *at == 0 {
				*at = uint16(len(index.lists))
				index.lists = append(index.lists, nil)
			}
			index.lists[*at] = append(index.lists[*at], keyword{rest: word[2:], rule: i})
		}
	}
	return index
})

// keywordsOf tells which rules, by their places, have a keyword in the text.
func keywordsOf(text string) map[int]bool {
	index, found := keywords(), map[int]bool{}
	text = strings.ToLower(text)
	for i := 0; i+1 < len(text); i++ {
		at := index.list[uint16(text[i])<<8|uint16(text[i+1])]
		if at == 0 {
			continue
		}
		for _, word := range index.lists[at] {
			if strings.HasPrefix(text[i+2:], word.rest) {
				found[word.rule] = true
			}
		}
	}
	return found
}

func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func (r *rule) replace(c *counter, text string) string {
	var b strings.Builder
	var around lines
	end := 0
	for _, found := range r.compiled().FindAllStringSubmatchIndex(text, -1) {
		from, to := r.secretIn(found)
		if from < end || !r.looksSecret(text[from:to]) {
			continue
		}
		if !around.hold(found[0], found[1]) {
			around = r.linesAround(text, found[0], found[1])
		}
		if !around.keyword || around.allowed || r.isAllowed(text[found[0]:found[1]], text[from:to]) {
			continue
		}
		b.WriteString(text[end:from])
		b.WriteString(c.mark(r.ID, text[from:to]))
		end = to
	}
	b.WriteString(text[end:])
	return b.String()
}

// secretIn is the part of a match that is the secret: the rule's group, or the first group that took
// part, or the whole.
func (r *rule) secretIn(found []int) (from, to int) {
	if r.Group > 0 && 2*r.Group+1 < len(found) && found[2*r.Group] >= 0 {
		return found[2*r.Group], found[2*r.Group+1]
	}
	for i := 2; i+1 < len(found); i += 2 {
		if found[i] >= 0 && found[i+1] > found[i] {
			return found[i], found[i+1]
		}
	}
	return found[0], found[1]
}

func (r *rule) looksSecret(secret string) bool {
	return secret != "" && !strings.Contains(secret, "[redacted: ") && (r.Entropy <= 0 || entropy(secret) > r.Entropy)
}

// isAllowed tells whether a match or the secret in it is on an allowlist.
func (r *rule) isAllowed(match, secret string) bool {
	for _, p := range r.allowed() {
		target := secret
		if p.target == "match" {
			target = match
		}
		if p.target != "line" && p.allows(target) || containsAny(strings.ToLower(secret), p.words) {
			return true
		}
	}
	return false
}

func (p permit) allows(text string) bool {
	return slices.ContainsFunc(p.any, func(expression *regexp.Regexp) bool { return expression.MatchString(text) })
}

// lines are the whole lines around a match, and what a rule says of them: many matches may share them.
type lines struct {
	from, to int
	keyword  bool // one of the rule's stands there
	allowed  bool // they are on an allowlist
}

func (l lines) hold(from, to int) bool { return l.to > 0 && l.from <= from && to <= l.to }

func (r *rule) linesAround(text string, from, to int) lines {
	l := lines{from: strings.LastIndexByte(text[:from], '\n') + 1, to: len(text)}
	if end := strings.IndexByte(text[to:], '\n'); end >= 0 {
		l.to = to + end
	}
	whole := text[l.from:l.to]
	l.keyword = containsAny(strings.ToLower(whole), r.Keywords)
	for _, p := range r.allowed() {
		l.allowed = l.allowed || p.target == "line" && p.allows(whole)
	}
	return l
}

// entropy is Shannon's, in bits a character.
func entropy(text string) float64 {
	counts := map[rune]int{}
	for _, r := range text {
		counts[r]++
	}
	total := float64(utf8.RuneCountInString(text))
	bits := 0.0
	for _, n := range counts {
		share := float64(n) / total
		bits -= share * math.Log2(share)
	}
	return bits
}
