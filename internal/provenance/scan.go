package provenance

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of reading one answer.
const (
	maxUnpacked = 16 << 20 // bytes of a decompressed answer
	maxNested   = 4        // levels of JSON in strings
	maxDepth    = 200      // levels of containers
	// maxLookahead is how many bytes of an XML element are read to find out whether another one follows.
	maxLookahead  = 16 << 10
	maxLookaheads = 16 << 20 // bytes that are read so in one answer
)

// visitor receives the content of an answer: names of fields, values, and the containers that hold them.
type visitor interface {
	enter(isList bool)
	enterEntry() // of a list that has no container of its own, as in XML
	leave()
	name(text string)
	value(text string)
	number(text string) // a value that is a number in the answer's own types
}

// scanBody reads an answer in JSON, XML, CBOR, or plain text. It reads as far as it can: a body may be
// incomplete.
func scanBody(body []byte, v visitor) {
	body, _ = unpacked(body)
	trimmed := bytes.TrimLeft(body, " \t\r\n\xef\xbb\xbf")
	if len(trimmed) == 0 {
		return
	}
	switch c := trimmed[0]; {
	case (c == '{' || c == '[') && hasSeveral(trimmed): // each is a record, as an object in a list is
		v.enter(true)
		scanJSON(string(trimmed), v)
		v.leave()
	case c == '{' || c == '[' || c == '"':
		scanJSON(string(trimmed), v)
	case c == '<':
		scanXML(string(trimmed), v)
	case isMapOfCBOR(body):
		(&cborReader{data: body, visitor: v}).item(0)
		if c >= 0xc0 && utf8.Valid(trimmed) { // or a text that begins like a tag
			v.value(string(trimmed))
		}
	default:
		v.value(string(trimmed))
	}
}

// unpacked decompresses a body, or returns it unchanged. isWhole reports whether all of it was decompressed.
func unpacked(body []byte) (plain []byte, isWhole bool) {
	if len(body) < 3 || body[0] != 0x1f || body[1] != 0x8b {
		return body, true
	}
	reader, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	plain, err = io.ReadAll(io.LimitReader(reader, maxUnpacked+1))
	if len(plain) > maxUnpacked {
		return plain[:maxUnpacked], false
	}
	return plain, err == nil
}

// isMapOfCBOR reports whether a body begins with a map of CBOR, which can have tags.
func isMapOfCBOR(body []byte) bool {
	c := cborReader{data: body}
	for range maxDepth {
		switch major, _, _, ok := c.head(); {
		case !ok || major != 5 && major != 6:
			return false
		case major == 5:
			return true
		}
	}
	return false
}

// closingQuote returns the index of the quote that closes the string of JSON that begins at i. Without one, it is len(text) or more.
func closingQuote[T ~string | ~[]byte](text T, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// hasSeveral reports whether a body is a sequence of objects or lists of JSON, such as one on each line.
func hasSeveral(body []byte) bool {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = closingQuote(body, i)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				rest := bytes.TrimLeft(body[i+1:], " \t\r\n,")
				return len(rest) > 0 && (rest[0] == '{' || rest[0] == '[')
			}
		}
	}
	return false
}

// countObjects counts the objects of JSON in a text that are in no other one and in no list, up to most.
func countObjects(text string, most int) (count int) {
	depth := 0
	for i := 0; i < len(text) && count < most; i++ {
		switch text[i] {
		case '"':
			i = closingQuote(text, i)
		case '{', '[':
			if text[i] == '{' && depth == 0 {
				count++
			}
			depth++
		case '}', ']':
			depth = max(0, depth-1)
		}
	}
	return count
}

// scanJSON reads JSON. What is not JSON is skipped, because text may surround it.
func scanJSON(text string, v visitor) {
	var lists []bool
	isName := func(end int) bool {
		for end < len(text) && (text[end] == ' ' || text[end] == '\n' || text[end] == '\t' || text[end] == '\r') {
			end++
		}
		return end < len(text) && text[end] == ':' && len(lists) > 0 && !lists[len(lists)-1]
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '{' || c == '[':
			if len(lists) == maxDepth {
				return
			}
			lists = append(lists, c == '[')
			v.enter(c == '[')
			i++
		case c == '}' || c == ']':
			if len(lists) > 0 {
				lists = lists[:len(lists)-1]
				v.leave()
			}
			i++
		case c == '"':
			content, end := jsonString(text, i)
			if isName(end) {
				v.name(content)
			} else {
				v.value(content)
			}
			i = end
		case isDigit(c) || c == '-' || c >= 'a' && c <= 'z':
			end := i + 1
			for end < len(text) && (isASCIIWord(text[end]) || text[end] == '.' || text[end] == '+' || text[end] == '-') {
				end++
			}
			if isDigit(c) || c == '-' {
				v.number(text[i:end])
			} else {
				v.value(text[i:end])
			}
			i = end
		default:
			i++
		}
	}
	for range lists {
		v.leave()
	}
}

// jsonString returns the content of the string that begins at a quote, and the position after it.
func jsonString(text string, i int) (content string, end int) {
	i++
	plain := strings.IndexAny(text[i:], `"\`)
	if plain < 0 {
		return text[i:], len(text)
	}
	if text[i+plain] == '"' {
		return text[i : i+plain], i + plain + 1
	}
	var b strings.Builder
	for i < len(text) {
		next := strings.IndexAny(text[i:], `"\`)
		if next < 0 {
			b.WriteString(text[i:])
			return b.String(), len(text)
		}
		b.WriteString(text[i : i+next])
		i += next
		if text[i] == '"' {
			return b.String(), i + 1
		}
		if i+1 == len(text) {
			break
		}
		switch c := text[i+1]; c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'b', 'f':
			b.WriteByte(' ')
		case 'u': // resolved by the normal form, which also knows pairs
			b.WriteString(`\u`)
		default:
			b.WriteByte(c)
		}
		i += 2
	}
	return b.String(), len(text)
}

// listElements are the elements of XML that AWS repeats for the entries of a list, besides those that
// isListOf finds.
var listElements = map[string]bool{
	"member": true, "item": true, "Contents": true, "Version": true, "DeleteMarker": true, "CommonPrefixes": true, "Rule": true,
	"DistributionSummary": true,
}

// element is an element of XML that is being read.
type element struct {
	name string
	last string // name of the last element in it
	// isOfMap: it has a name and a value of a map.
	isOfMap bool
}

// isListOf reports whether a list has the plural of the name of its entries, such as DBInstances.
func isListOf(list, entry string) bool {
	end, ok := strings.CutPrefix(list, entry)
	return ok && (end == "s" || end == "es" || end == "Set" || end == "List") || list == strings.TrimSuffix(entry, "y")+"ies"
}

// scanXML reads XML. An element that holds elements is a container; one that holds text is a named value.
func scanXML(text string, v visitor) {
	var open []element
	budget := maxLookaheads
	for i := 0; i < len(text); {
		if text[i] != '<' {
			end := strings.IndexByte(text[i:], '<')
			if end < 0 {
				end = len(text) - i
			}
			if content := text[i : i+end]; strings.TrimSpace(content) != "" {
				xmlText(content, v)
			}
			i += end
			continue
		}
		if content, isData := strings.CutPrefix(text[i:], "<![CDATA["); isData {
			content, _, _ = strings.Cut(content, "]]>")
			v.value(content)
			i = min(len(text), i+len("<![CDATA[")+len(content)+len("]]>"))
			continue
		}
		length := strings.IndexByte(text[i:], '>')
		if length < 0 {
			break
		}
		tag := text[i+1 : i+length]
		i += length + 1
		switch {
		case tag == "" || tag[0] == '?' || tag[0] == '!':
		case tag[0] == '/':
			if len(open) > 0 {
				open = open[:len(open)-1]
				v.leave()
			}
		case len(open) == maxDepth:
			return
		default:
			isEmpty := strings.HasSuffix(tag, "/")
			name, _, _ := strings.Cut(strings.TrimSuffix(tag, "/"), " ")
			if _, local, ok := strings.Cut(name, ":"); ok {
				name = local
			}
			end := endOfText(text[i:], tag)
			isEntry := listElements[name] && (end == 0 || name == "member" || name == "item") // <Version> can also be a field
			if key, length := keyOfEntry(name, text[i:]); length > 0 {
				v.name(key)
				v.enter(false)
				open = append(open, element{name: name, isOfMap: true})
				i += length
				continue
			}
			isValue := name == "value" && len(open) > 0 && open[len(open)-1].isOfMap
			if n := len(open); n > 0 {
				isEntry = isEntry || open[n-1].last == name || isListOf(open[n-1].name, name) ||
					isRepeated(text[i:], name, &budget)
				open[n-1].last = name
			}
			if !isEntry && !isValue {
				v.name(name)
			}
			if isEmpty {
				continue
			}
			if isEntry && end > 0 { // as a text in a list of JSON
				xmlText(text[i:i+end], v)
				i += end + len("</>") + len(tag)
				continue
			}
			if isEntry {
				v.enterEntry()
			} else {
				v.enter(false)
			}
			open = append(open, element{name: name})
		}
	}
	for range open {
		v.leave()
	}
}

// endOfText returns the length of the content of an element without attributes that consists of text, or 0.
func endOfText(content, tag string) int {
	end := max(0, strings.IndexByte(content, '<'))
	if strings.HasPrefix(content[end:], "</"+tag+">") {
		return end
	}
	return 0
}

// keyOfEntry returns the name in an entry of a map, and the length of the element that has it: <entry><key>name</key><value>….
func keyOfEntry(element, content string) (key string, length int) {
	if element != "entry" {
		return "", 0
	}
	rest, isKey := strings.CutPrefix(strings.TrimLeft(content, " \t\r\n"), "<key>")
	key, after, isClosed := strings.Cut(rest, "</key>")
	if !isKey || !isClosed || strings.ContainsRune(key, '<') {
		return "", 0
	}
	return key, len(content) - len(after)
}

// isRepeated reports whether the element whose content begins a text is followed by another one of its name.
func isRepeated(text, name string, budget *int) bool {
	text = text[:min(len(text), maxLookahead, *budget)]
	within, after, isClosed := strings.Cut(text, "</"+name+">")
	*budget -= len(within)
	after = strings.TrimLeft(after, " \t\r\n")
	next, isSame := strings.CutPrefix(after, "<"+name)
	return isClosed && isSame && (strings.HasPrefix(next, ">") || strings.HasPrefix(next, " "))
}

// xmlText reports the text of an element. IAM encodes policies for URLs.
func xmlText(content string, v visitor) {
	if strings.HasPrefix(content, "%7B") {
		if plain, err := url.PathUnescape(content); err == nil {
			v.value(plain)
			return
		}
	}
	v.value(content)
}

// cborReader reads CBOR (RFC 8949), which newer AWS protocols use.
type cborReader struct {
	data    []byte
	at      int
	visitor visitor
	broken  bool // a part could not be read
}

// indefinite is the count of an item whose end is marked.
const indefinite = math.MaxUint64

// isBroken reports whether a body that is compressed, or that begins as CBOR, cannot be read completely.
func isBroken(body []byte) bool {
	body, isWhole := unpacked(body)
	if !isWhole || !isMapOfCBOR(body) {
		return !isWhole
	}
	c := cborReader{data: body, visitor: &requestReader{}}
	c.item(0)
	return c.broken || c.at < len(body)
}

// head reads the major type and the argument of an item.
func (c *cborReader) head() (major byte, argument uint64, info byte, ok bool) {
	if c.at >= len(c.data) {
		return 0, 0, 0, false
	}
	first := c.data[c.at]
	c.at++
	major, info = first>>5, first&31
	switch {
	case info < 24:
		return major, uint64(info), info, true
	case info == 31:
		return major, indefinite, info, true
	case info > 27:
		return 0, 0, 0, false
	}
	size := 1 << (info - 24)
	if c.at+size > len(c.data) {
		return 0, 0, 0, false
	}
	var padded [8]byte
	copy(padded[8-size:], c.data[c.at:c.at+size])
	c.at += size
	return major, binary.BigEndian.Uint64(padded[:]), info, true
}

// item reads one item and reports it. It returns false at the end of the data or of the container.
func (c *cborReader) item(depth int) bool {
	major, n, info, ok := c.head()
	if !ok || depth > maxDepth {
		c.at, c.broken = len(c.data), true
		return false
	}
	switch major {
	case 0:
		c.visitor.number(strconv.FormatUint(n, 10))
	case 1:
		c.visitor.number(strconv.FormatInt(-1-int64(n), 10))
	case 2, 3:
		c.visitor.value(c.text(n))
	case 4:
		c.visitor.enter(true)
		for i := uint64(0); i < n && c.item(depth+1); i++ {
		}
		c.visitor.leave()
	case 5:
		c.visitor.enter(false)
		for i := uint64(0); i < n && c.pair(depth+1); i++ {
		}
		c.visitor.leave()
	case 6:
		return c.item(depth + 1)
	default:
		return c.simple(n, info)
	}
	return true
}

func (c *cborReader) pair(depth int) bool {
	major, n, info, ok := c.head()
	if !ok || major != 3 {
		c.broken = c.broken || !ok || major != 7 || info != 31 // another key, instead of the end
		return false
	}
	c.visitor.name(c.text(n))
	return c.item(depth)
}

// text reads the content of a text or of bytes. A character can be split between the chunks of a text of unknown length.
func (c *cborReader) text(n uint64) string {
	content := c.bytes(n)
	if n == indefinite {
		var whole []byte
		for {
			major, size, info, ok := c.head()
			if !ok || major != 2 && major != 3 || size == indefinite {
				c.broken = c.broken || !ok || major != 7 || info != 31 // it must be the end
				break
			}
			whole = append(whole, c.bytes(size)...)
		}
		content = whole
	}
	if !utf8.Valid(content) {
		c.broken = true
		return ""
	}
	return string(content)
}

// bytes reads n bytes, or all that are left.
func (c *cborReader) bytes(n uint64) []byte {
	if n == indefinite {
		return nil
	}
	end := len(c.data)
	if n <= uint64(len(c.data)-c.at) {
		end = c.at + int(n)
	} else {
		c.broken = true
	}
	content := c.data[c.at:end]
	c.at = end
	return content
}

func (c *cborReader) simple(n uint64, info byte) bool {
	switch info {
	case 20, 21:
		c.visitor.value(strconv.FormatBool(info == 21))
	case 22, 23:
		c.visitor.value("null")
	case 25:
		c.visitor.number(strconv.FormatFloat(halfFloat(uint16(n)), 'g', -1, 64))
	case 26:
		c.visitor.number(strconv.FormatFloat(float64(math.Float32frombits(uint32(n))), 'g', -1, 32))
	case 27:
		c.visitor.number(strconv.FormatFloat(math.Float64frombits(n), 'g', -1, 64))
	case 31:
		return false // the end of a container of unknown length
	}
	return true
}

// halfFloat returns the value of a float of 16 bits (RFC 8949, appendix D).
func halfFloat(bits uint16) float64 {
	exponent, fraction := int(bits>>10)&31, float64(bits&1023)
	value := math.Inf(1)
	switch {
	case exponent == 0:
		value = math.Ldexp(fraction, -24)
	case exponent < 31:
		value = math.Ldexp(fraction+1024, exponent-25)
	}
	if bits&0x8000 != 0 {
		return -value
	}
	return value
}
