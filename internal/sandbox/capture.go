package sandbox

import (
	"io"
	"strings"
	"sync"
	"unicode/utf8"

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

// text returns the head and tail as valid UTF-8, and how many bytes are missing between them.
func (c *capture) text() (text string, missing int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tail := append(append([]byte{}, c.tail[c.at:]...), c.tail[:c.at]...)
	missing = c.total - int64(len(c.head)+len(tail))
	if missing == 0 {
		return strings.ToValidUTF8(string(append(append([]byte{}, c.head...), tail...)), "\uFFFD"), 0
	}
	head := strings.ToValidUTF8(string(wholeRunesEnd(c.head)), "\uFFFD")
	end := strings.ToValidUTF8(string(wholeRunesStart(tail)), "\uFFFD")
	return truncate.Join(head, missing, end), missing
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
