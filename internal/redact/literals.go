package redact

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"html"
	"net/url"
	"slices"
	"strings"
)

// literals finds many texts in one pass. Each of them has at least minSecret bytes.
type literals struct {
	first [1 << 16 / 64]uint64 // set of the first two bytes of the texts
	lists map[uint32][]string  // by their first four bytes, longest first
}

// newLiterals returns nil if there are no texts.
func newLiterals(texts []string) *literals {
	if len(texts) == 0 {
		return nil
	}
	l := &literals{lists: map[uint32][]string{}}
	for _, text := range texts {
		pair := uint16(text[0])<<8 | uint16(text[1])
		l.first[pair/64] |= 1 << (pair % 64)
		key := binary.BigEndian.Uint32([]byte(text[:4]))
		l.lists[key] = append(l.lists[key], text)
	}
	for _, list := range l.lists {
		slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	}
	return l
}

// replace replaces the texts.
func (l *literals) replace(c *counter, text string) string {
	var b strings.Builder
	done := 0
	for at := 0; at+minSecret <= len(text); at++ {
		pair := uint16(text[at])<<8 | uint16(text[at+1])
		if l.first[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		for _, literal := range l.lists[binary.BigEndian.Uint32([]byte(text[at:at+4]))] {
			if strings.HasPrefix(text[at:], literal) {
				b.WriteString(text[done:at])
				b.WriteString(replacement("secret"))
				c.count++
				done = at + len(literal)
				at = done - 1
				break
			}
		}
		if at%maxQuoted == 0 && c.isLate() {
			return text
		}
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// maxEncoded is the length in bytes of a secret that is also found in base64, in hexadecimal digits, and encoded for
// URLs and HTML. Longer ones, such as scripts, are encoded already.
const maxEncoded = 256

// How Python and other languages differ from Go when they encode for URLs and HTML.
var (
	withSlashes = strings.NewReplacer("%2F", "/", "+", "%20")
	withoutPlus = strings.NewReplacer("+", "%20")
	pythonHTML  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;")
	xmlText     = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")
	plainHTML   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// encodings returns a secret in base64, alone and as a part of a longer text, in hexadecimal digits, and as URLs and
// HTML contain it.
func encodings(secret string) []string {
	if len(secret) > maxEncoded {
		return nil
	}
	list := []string{
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
		url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret),
		withSlashes.Replace(url.QueryEscape(secret)), withoutPlus.Replace(url.QueryEscape(secret)),
		pythonHTML.Replace(secret), xmlText.Replace(secret), plainHTML.Replace(secret),
	}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		// Only the characters that depend on nothing but the secret.
		encoded = encoded[(shift*8+5)/6 : (shift+len(secret))*8/6]
		list = append(list, encoded, strings.NewReplacer("+", "-", "/", "_").Replace(encoded))
	}
	return list
}
