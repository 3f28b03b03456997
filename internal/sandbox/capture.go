package sandbox

import (
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// capture keeps the head and the tail of a stream and counts the rest.
type capture struct {
	mu    sync.Mutex
	head  []byte
	tail  []byte // ring of the last bytes
	at    int    // oldest byte of tail once it is full
	keep  int    // bytes of head, and bytes of tail
	total int64  // bytes written
}

func newCapture(keep int) *capture { return &capture{keep: keep} }

// Write implements io.Writer and never fails.
func (c *capture) Write(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written := len(data)
	c.total += int64(written)
	if room := c.keep - len(c.head); room > 0 {
		n := min(room, len(data))
		c.head = append(c.head, data[:n]...)
		data = data[n:]
	}
	if len(data) > c.keep {
		data = data[len(data)-c.keep:]
	}
	if room := c.keep - len(c.tail); room > 0 {
		n := min(room, len(data))
		c.tail = append(c.tail, data[:n]...)
		data = data[n:]
	}
	for len(data) > 0 {
		n := copy(c.tail[c.at:], data)
		c.at = (c.at + n) % c.keep
		data = data[n:]
	}
	return written, nil
}

func (c *capture) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// text returns at most show bytes of the head, and of the tail, as clean returns them, and how many bytes are missing
// between them. What is kept of the stream beyond them is not shown.
func (c *capture) text(show int, clean func(text string, isCut bool) string) (text string, missing int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tail := append(append([]byte{}, c.tail[c.at:]...), c.tail[:c.at]...)
	isCut := c.total > int64(2*show)
	if c.total == int64(len(c.head)+len(tail)) {
		whole := clean(strings.ToValidUTF8(string(c.head)+string(tail), "\uFFFD"), isCut)
		if !isCut {
			return whole, 0
		}
		short, left := withoutMiddle(whole, 2*show)
		return short, int64(left)
	}
	head := clean(strings.ToValidUTF8(string(wholeRunesEnd(c.head)), "\uFFFD"), true)
	end := clean(strings.ToValidUTF8(string(wholeRunesStart(tail)), "\uFFFD"), true)
	// The last bytes that are kept can be a part of a secret, unless they are a mark.
	to, from := len(head)-plainLength(c.head[max(len(c.head)-CutMargin, 0):]), plainLength(tail[:min(CutMargin, len(tail))])
	if _, last, ok := markAround(head, len(head)-1); ok && last == len(head) {
		to = len(head)
	}
	if strings.HasPrefix(end, toolcall.MarkStart) {
		from = 0
	}
	to = beforeMark(head, min(show, max(to, 0)))
	from = afterMark(end, max(len(end)-show, min(len(end), from)))
	missing = c.total - int64(len(c.head)+len(tail)) + int64(len(head)-to+from)
	return truncate.Join(head[:to], missing, end[from:]), missing
}

// plainLength returns how long a part of a stream is in a text, which has no control sequences.
func plainLength(part []byte) int { return len(terminal.Plain(string(part))) }

// withoutMiddle is [truncate.Middle], but never cuts the mark of a secret.
func withoutMiddle(text string, most int) (short string, missing int) {
	if len(text) <= most {
		return text, 0
	}
	to, from := beforeMark(text, most/2), afterMark(text, len(text)-most/2)
	if from <= to {
		return text, 0
	}
	return truncate.Join(text[:to], int64(from-to), text[from:]), from - to
}

// beforeMark returns the position of the last character that starts at or before a position, or of the mark of a secret
// that the position is in.
func beforeMark(text string, at int) int {
	at = truncate.Before(text, at)
	if start, _, ok := markAround(text, at); ok {
		return start
	}
	return at
}

// afterMark returns the position of the first character that starts at or after a position, or of the character behind
// the mark of a secret that the position is in.
func afterMark(text string, at int) int {
	at = truncate.After(text, at)
	if _, end, ok := markAround(text, at); ok {
		return end
	}
	return at
}

const maxMark = 300 // bytes of the mark of a secret

// markAround returns the mark that a position is in.
func markAround(text string, at int) (start, end int, ok bool) {
	from := max(at-maxMark, 0)
	start = strings.LastIndex(text[from:min(len(text), at+len(toolcall.MarkStart)-1)], toolcall.MarkStart)
	if start < 0 {
		return 0, 0, false
	}
	start += from
	end = start + strings.Index(text[start:], toolcall.MarkEnd) + len(toolcall.MarkEnd)
	return start, end, start < at && at < end
}

// wholeRunesEnd returns data without an incomplete character at its end.
func wholeRunesEnd(data []byte) []byte {
	for last := 1; last <= utf8.UTFMax && last <= len(data); last++ {
		if utf8.RuneStart(data[len(data)-last]) {
			if !utf8.FullRune(data[len(data)-last:]) {
				return data[:len(data)-last]
			}
			break
		}
	}
	return data
}

// wholeRunesStart returns data without an incomplete character at its start.
func wholeRunesStart(data []byte) []byte {
	for skip := 0; skip < utf8.UTFMax && skip < len(data); skip++ {
		if utf8.RuneStart(data[skip]) {
			return data[skip:]
		}
	}
	return data
}

// drain copies a stream into its capture until the stream ends. It calls overLimit after each read beyond the
// limit.
func drain(from io.Reader, into *capture, limit int64, overLimit func()) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		into.Write(buffer[:n])
		if into.size() > limit {
			overLimit()
		}
		if err != nil {
			return
		}
	}
}
