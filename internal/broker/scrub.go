package broker

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// AWS quotes requests in some errors: S3's SignatureDoesNotMatch contains the canonical request with the session
// token, as text and as hexadecimal bytes. A scrubber replaces the credentials that the broker signs with in an
// answer, so that the code never receives them. A replacement has as many bytes as the text that it replaces:
// lengths and ranges stay true.
type scrubber struct {
	secrets []scrubbed
	isError bool // the answer is an error
	longest int  // bytes of the longest encoded form of a secret
	held    []byte
}

// scrubbed is one text to replace.
type scrubbed struct {
	text        string
	replacement string // used for the plain text if it is as long; otherwise, asterisks are used
	anchor      int    // index of the longest run of letters and digits, which no encoding changes
	anchorEnd   int
	hexAnchors  [][]byte
}

const (
	minScrubbed  = 16 // characters; shorter texts are not credentials of AWS and would match by chance
	minAnchor    = 4
	hexAnchor    = 8  // characters of a secret by whose hexadecimal form it is searched
	maxExpansion = 10 // bytes of the longest form of one character, "%25" and "&#x" forms included
)

// newScrubber returns a scrubber for the key ID and session token of the role that signed, and for the secret keys and
// session tokens of the roles that the code assumed. Only errors quote requests as hexadecimal bytes.
func newScrubber(role identity, roles []identity, isError bool) *scrubber {
	c := &scrubber{isError: isError}
	c.add(role.credentials.AccessKeyID, DummyAccessKey)
	c.add(role.credentials.SessionToken, "")
	for _, who := range roles {
		c.add(who.credentials.SecretAccessKey, "")
		c.add(who.credentials.SessionToken, "")
	}
	return c
}

func (c *scrubber) add(text, replacement string) {
	if len(text) < minScrubbed {
		return
	}
	s := scrubbed{text: text, replacement: replacement}
	s.anchor, s.anchorEnd = longestRun(text)
	if s.anchorEnd-s.anchor < minAnchor {
		return
	}
	if c.isError {
		for _, format := range []string{"%x", "%X", "% x", "% X"} {
			s.hexAnchors = append(s.hexAnchors, fmt.Appendf(nil, format, []byte(text[:hexAnchor])))
		}
	}
	c.secrets = append(c.secrets, s)
	c.longest = max(c.longest, maxExpansion*len(text))
}

// longestRun returns the bounds of the longest run of letters and digits.
func longestRun(text string) (start, end int) {
	for i := 0; i < len(text); i++ {
		j := i
		for j < len(text) && isAlphanumeric(text[j]) {
			j++
		}
		if j-i > end-start {
			start, end = i, j
		}
		i = j
	}
	return start, end
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// write returns the next bytes of the answer that are complete. Those that may be the beginning of a credential are held back until
// the next chunk; the others are not, so that events of a stream arrive. The last chunk is returned whole. The result is valid
// until the next call.
func (c *scrubber) write(chunk []byte, last bool) []byte {
	if len(c.secrets) == 0 {
		return chunk
	}
	if last && len(c.held) == 0 {
		c.clean(chunk)
		return chunk
	}
	c.held = append(c.held, chunk...)
	c.clean(c.held)
	ready := len(c.held)
	switch {
	case last:
	case c.isError: // a hexadecimal form can begin anywhere
		ready = max(ready-c.longest, 0)
	default:
		ready = c.beginning(c.held)
	}
	out := bytes.Clone(c.held[:ready])
	c.held = append(c.held[:0], c.held[ready:]...)
	return out
}

// beginning returns the index of the first text at the end of data that may go on as a credential, or the length of data.
func (c *scrubber) beginning(data []byte) int {
	for at := max(len(data)-c.longest, 0); at < len(data); at++ {
		for i := range c.secrets {
			if c.secrets[i].beginsWith(data[at:]) {
				return at
			}
		}
	}
	return len(data)
}

// beginsWith reports whether an encoded form of the secret begins with data and is longer.
func (s *scrubbed) beginsWith(data []byte) bool {
	for i := range len(s.text) {
		n := encodedPrefix(data, s.text[i])
		if n == 0 {
			isBegun := func(form string) bool { return strings.HasPrefix(form, string(data)) }
			return len(data) < maxExpansion && slices.ContainsFunc(formsOf()[s.text[i]], isBegun) // most data is longer than any form
		}
		data = data[n:]
	}
	return false
}

// whole replaces the credentials in a complete text.
func (c *scrubber) whole(text string) string {
	data := []byte(text)
	if !c.clean(data) {
		return text
	}
	return string(data)
}

// clean replaces the credentials in data and reports whether there were any.
func (c *scrubber) clean(data []byte) bool {
	found := false
	for _, s := range c.secrets {
		anchor := []byte(s.text[s.anchor:s.anchorEnd])
		for from := 0; ; {
			at := bytes.Index(data[from:], anchor)
			if at < 0 {
				break
			}
			at += from
			from = at + 1
			if start, end, ok := s.around(data, at); ok {
				s.replace(data[start:end])
				found, from = true, end
			}
		}
		for _, anchor := range s.hexAnchors {
			for from := 0; ; {
				at := bytes.Index(data[from:], anchor)
				if at < 0 {
					break
				}
				at += from
				from = at + 1
				if end := s.hexEnd(data[at:]); end > 0 {
					s.replace(data[at : at+end])
					found, from = true, at+end
				}
			}
		}
	}
	return found
}

// replace overwrites one occurrence.
func (s *scrubbed) replace(occurrence []byte) {
	if len(occurrence) == len(s.replacement) {
		copy(occurrence, s.replacement)
		return
	}
	for i := range occurrence {
		occurrence[i] = '*'
	}
}

// around returns the bounds of the secret whose anchor is at an index of data, however its signs are encoded.
func (s *scrubbed) around(data []byte, at int) (start, end int, ok bool) {
	end = at + s.anchorEnd - s.anchor
	for i := s.anchorEnd; i < len(s.text); i++ {
		n := encodedPrefix(data[end:], s.text[i])
		if n == 0 {
			return 0, 0, false
		}
		end += n
	}
	start = at
	for i := s.anchor - 1; i >= 0; i-- {
		n := encodedSuffix(data[:start], s.text[i])
		if n == 0 {
			return 0, 0, false
		}
		start -= n
	}
	return start, end, true
}

// hexEnd returns the length of the secret in hexadecimal form at the beginning of data, or 0.
func (s *scrubbed) hexEnd(data []byte) int {
	end := 0
	for i := range len(s.text) {
		if i > 0 && end < len(data) && data[end] == ' ' {
			end++
		}
		if end+2 > len(data) {
			return 0
		}
		var got [1]byte
		if _, err := hex.Decode(got[:], data[end:end+2]); err != nil || got[0] != s.text[i] {
			return 0
		}
		end += 2
	}
	return end
}

// forms returns the ways in which AWS writes a character: unchanged, escaped for URLs once or twice, for XML and
// HTML, and for JSON.
func forms(c byte) []string {
	if isAlphanumeric(c) {
		return []string{string(rune(c))}
	}
	list := []string{string(rune(c))}
	for _, format := range []string{"%%%02X", "%%%02x", "%%25%02X", "%%25%02x", "&#%d;", "&#x%X;", "&#x%x;", "&#X%X;", `\u%04x`, `\u%04X`, `\%c`} {
		list = append(list, fmt.Sprintf(format, c))
	}
	if c == '+' {
		list = append(list, " ") // in a form
	}
	return list
}

// formsOf caches forms.
var formsOf = sync.OnceValue(func() *[256][]string {
	var table [256][]string
	for c := range table {
		table[c] = forms(byte(c))
	}
	return &table
})

func encodedPrefix(data []byte, c byte) int {
	for _, form := range formsOf()[c] {
		if len(data) >= len(form) && string(data[:len(form)]) == form {
			return len(form)
		}
	}
	return 0
}

// encodedSuffix prefers the longest form, because the unchanged character also ends escaped ones.
func encodedSuffix(data []byte, c byte) int {
	longest := 0
	for _, form := range formsOf()[c] {
		if len(form) > longest && strings.HasSuffix(string(data[max(len(data)-maxExpansion, 0):]), form) {
			longest = len(form)
		}
	}
	return longest
}
