package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
)

// screen writes progress for people. On a terminal, its last line is a status that is redrawn; otherwise, every change is a
// line of its own. Texts may come from AWS or a model, so control characters are removed.
type screen struct {
	out   io.Writer
	live  bool       // the last line is redrawn
	color bool       // styles are used
	width func() int // of the terminal, in characters

	mu     sync.Mutex
	status string // what is on the last line; empty: nothing
	failed error  // of the first line that was not written
}

// defaultWidth is the width of a terminal that does not report one.
const defaultWidth = 80

// newScreen returns the screen of an output. NO_COLOR, and a terminal that is dumb, turn styles off.
func newScreen(out io.Writer, getenv func(string) string) *screen {
	s := &screen{out: out, width: func() int { return defaultWidth }}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || getenv("TERM") == "dumb" {
		return s
	}
	s.live, s.color = true, getenv("NO_COLOR") == ""
	s.width = func() int {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
		return defaultWidth
	}
	return s
}

// Control sequences of terminals.
const (
	eraseLine = "\r\x1b[K"
	bold      = "\x1b[1m"
	dim       = "\x1b[2m"
	red       = "\x1b[31m"
	yellow    = "\x1b[33m"
	green     = "\x1b[32m"
	plainText = "\x1b[0m"
)

// styled returns text in a style, if styles are used.
func (s *screen) styled(style, text string) string {
	if !s.color || style == "" || text == "" {
		return text
	}
	return style + text + plainText
}

// highlighted returns the text form of a report with styles for the lines that code marks.
func (s *screen) highlighted(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "■ "):
			line = s.styled(bold, line)
		case strings.HasPrefix(line, "▲ "):
			line = s.styled(yellow, line)
		case strings.HasPrefix(line, "▌ "):
			line = s.styled(dim, line)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// line writes a line above the status.
func (s *screen) line(format string, arguments ...any) {
	s.write("", fmt.Sprintf(format, arguments...))
}

// write writes a line in a style.
func (s *screen) write(style, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.print(s.styled(style, oneLine(text)))
	s.draw()
}

func (s *screen) print(line string) {
	_, err := fmt.Fprintln(s.out, line)
	s.failed = cmp.Or(s.failed, err)
}

// show replaces the status. Without a terminal, there is none.
func (s *screen) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.status = oneLine(text)
	s.draw()
}

// end removes the status.
func (s *screen) end() { s.show("") }

func (s *screen) erase() {
	if s.live && s.status != "" {
		fmt.Fprint(s.out, eraseLine)
	}
}

func (s *screen) draw() {
	if s.live && s.status != "" {
		fmt.Fprint(s.out, eraseLine+s.styled(dim, cut(s.status, s.width()-1)))
	}
}

// oneLine returns text on one line, without control characters. Other characters that deceive a reader are escaped, as in reports.
func oneLine(text string) string {
	return report.Plain(strings.Join(strings.Fields(terminal.Plain(text)), " "))
}

// cut shortens text to a number of characters.
func cut(text string, most int) string {
	if most < 2 || utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// elapsed returns a duration for people, such as 1m04s.
func elapsed(d time.Duration) string {
	d = d.Round(time.Second)
	if d < time.Minute {
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}
