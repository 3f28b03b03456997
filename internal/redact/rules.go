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

// rulesJSON contains the detection rules of gitleaks as data. tools/redactrules generates it and describes
// its format.
//
//go:embed rules.json
var rulesJSON []byte

// rule finds one kind of secret. A match counts if its lines contain one of the keywords, its entropy is high
// enough, and it is not on an allow list.
type rule struct {
	ID       string   `json:"id"`
	Regex    string   `json:"regex"`
	Group    int      `json:"group"`   // of the match that is the secret; 0: see secretIn
	Entropy  float64  `json:"entropy"` // that the secret must exceed
	Keywords []string `json:"keywords"`
	Allow    []allow  `json:"allow"`

	compiled func() *regexp.Regexp // compiled on first use, because most rules are never needed
	allowed  func() []permit
}

// allow lists texts that are not secrets.
type allow struct {
	Target    string   `json:"target"` // match or line; otherwise the secret
	Regexes   []string `json:"regexes"`
	StopWords []string `json:"stopwords"`
}

// permit is a compiled allow list.
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
		panic("redact: rules.json: " + err.Error()) // a broken embedded file fails every test
	}
	everywhere := sync.OnceValue(file.Allow.compile)
	for _, r := range file.Rules {
		r.compiled = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(inText(r.Regex)) })
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

const (
	afterName = `{0,50}?` // is part of the expressions that search for a name before a value
	orToken   = `|\b(`    // separates such an expression from that of a token
	inFileEnd = `(?:[\x60'"\s;]|\\[nr]|$)`
	azureEnd  = `(?:$|[\\'"\x60\s<),])`
	inTextEnd = `(?:[^\w.+/=~$^({\[-]|\.(?:\W|$)|$)` // not what a token can contain, or what follows a name in code
)

// inText returns an expression of gitleaks, which searches files, for other texts: in a log, a comma, the end of a sentence, a bracket,
// an escape, or the code of a color can follow a token. The end of a value that only its name identifies stays.
func inText(expression string) string {
	tokens := 0
	if strings.Contains(expression, afterName) {
		if tokens = strings.LastIndex(expression, orToken); tokens < 0 {
			return expression
		}
	}
	return expression[:tokens] + strings.NewReplacer(inFileEnd, inTextEnd, azureEnd, inTextEnd).Replace(expression[tokens:])
}

// replaceByRules replaces the secrets that the rules find.
func (c *counter) replaceByRules(text string) string {
	wanted := c.wanted
	for i, r := range knownRules() {
		if !wanted[i] {
			continue
		}
		if c.isLate() {
			break
		}
		if clean := r.replace(c, text); clean != text {
			text, wanted = clean, keywordsOf(clean)
		}
	}
	return text
}

// keywords is the index of the keywords of all rules, which come first, and of the needles of all shapes.
var keywords = sync.OnceValue(func() *wordIndex {
	index := newWordIndex()
	for _, r := range knownRules() {
		index.add(r.Keywords)
	}
	for _, s := range shapes() {
		s.number = index.add(s.needles)
	}
	return index
})

// keywordsOf reports, by rule and shape, which of them have a keyword or needle in the text.
func keywordsOf(text string) []bool {
	found, _ := keywords().find(text, false)
	return found
}

// containsAny reports whether a text contains one of the words.
func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// replace replaces the secrets that the rule finds.
func (r *rule) replace(c *counter, text string) string {
	var b strings.Builder
	var around lines
	var quotes structure
	end := 0
	for _, found := range r.compiled().FindAllStringSubmatchIndex(text, -1) {
		from, to := r.secretIn(found)
		if from < end || !r.looksSecret(text[from:to]) || !isOneValue(text[from:to]) {
			continue
		}
		to = endOfToken(text, to)
		if strings.ContainsAny(text[from:to], "\"'`") {
			quotes.read(text, from)
			if n := quotes.firstClose(text, from, to); n == from {
				continue
			} else if n > from {
				to = n
			}
		}
		if !around.contain(found[0], found[1]) {
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

// endOfToken returns the end of the word that a token is a part of. Some rules only describe the beginning of a token.
func endOfToken(text string, to int) int {
	if to == 0 || to == len(text) || !isAlphanumeric(text[to-1]) || !isAlphanumeric(text[to]) {
		return to
	}
	for to < len(text) && (isAlphanumeric(text[to]) || strings.IndexByte("+/=-", text[to]) >= 0) {
		to++
	}
	return to
}

// secretIn returns the part of a match that is the secret: the rule's group, or else the first group that
// matched, or else the whole match.
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

// looksSecret reports whether a match has not been replaced yet and is irregular enough to be a secret.
func (r *rule) looksSecret(secret string) bool {
	return secret != "" && !isMarked(secret) && (r.Entropy <= 0 || entropy(secret) > r.Entropy)
}

// isAllowed reports whether a match or the secret in it is on an allow list.
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

// lines are the whole lines around a match and the result of checking them. Later matches on the same lines
// reuse the result.
type lines struct {
	from, to int
	keyword  bool // they contain a keyword of the rule
	allowed  bool // they are on an allow list
}

// contain reports whether a match is on these lines.
func (l lines) contain(from, to int) bool { return l.to > 0 && l.from <= from && to <= l.to }

// linesAround returns the lines around a match.
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

// entropy returns the Shannon entropy of a text in bits per character.
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
