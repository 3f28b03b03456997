package main_test

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// console is a run of the command in a pseudo-terminal.
type console struct {
	t      *testing.T
	tty    *os.File
	wait   func() int
	signal func(os.Signal) error

	mu   sync.Mutex
	seen bytes.Buffer
}

const columns = 80

func (b *bench) console(arguments ...string) *console {
	b.t.Helper()
	cmd := b.command(arguments...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: columns})
	require.NoError(b.t, err)
	c := &console{t: b.t, tty: tty, signal: cmd.Process.Signal}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(c, tty) // ends with EIO when the command has ended
	}()
	c.wait = func() int {
		_ = cmd.Wait()
		<-read
		_ = tty.Close()
		return cmd.ProcessState.ExitCode()
	}
	return c
}

// Write collects what the command writes.
func (c *console) Write(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.Write(data)
}

// text returns everything that was written so far.
func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.String()
}

// until waits until the command has written a text.
func (c *console) until(want string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return strings.Contains(c.text(), want) }, time.Minute, 20*time.Millisecond, "%q is not in the output", want)
}

// style matches the sequences that change colors and weights.
var style = regexp.MustCompile(`\x1b\[\d*m`)

func TestTerminal_RedrawsTheStatusAndKeepsWhatWasDone(t *testing.T) {
	t.Parallel()
	for _, noColor := range []string{"", "1"} {
		t.Run("NO_COLOR="+noColor, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, concluding())
			b.set("TERM=xterm-256color", "NO_COLOR="+noColor)
			c := b.console("investigate", alarmName)
			require.Equal(t, 0, c.wait(), c.text())

			text := c.text()
			assert.Equal(t, noColor == "", style.MatchString(text), "styles")
			plain := style.ReplaceAllString(text, "")
			assert.Contains(t, plain, "✓ Round 1: read the latest error lines of the order service (1 AWS call)\r\n")
			assert.Contains(t, plain, "✓ Collecting evidence (")
			assert.Regexp(t, `\r\x1b\[KRound 2: asking the model · \d+ AWS calls · [\d,]+ tokens · \$0\.\d\d · \d+s`, plain)
			assert.Contains(t, plain, "■ ROOT CAUSE (confirmed)\r\n  dynamodb:GetItem is denied.")
			for _, drawn := range regexp.MustCompile(`\r\x1b\[K([^\r\n]*)`).FindAllStringSubmatch(plain, -1) {
				if strings.Contains(drawn[1], " · ") {
					assert.Less(t, utf8.RuneCountInString(drawn[1]), columns, drawn[1])
				}
			}
			assert.Regexp(t, `\r\x1b\[K[^\r\n]*Report: alarmtriage-reports/|Report: alarmtriage-reports/`, plain)
		})
	}
}

func TestTerminal_ADumbOneGetsLines(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	b.set("TERM=dumb")
	c := b.console("investigate", alarmName)
	require.Equal(t, 0, c.wait(), c.text())
	assert.NotContains(t, c.text(), "\x1b")
	assert.Contains(t, c.text(), "Round 1 ended: ")
}

// waiting is the script of a model that reads the errors, and then thinks for longer than anybody waits.
func waiting() model.Script {
	script := concluding()
	script.Steps[1].DelayMS = 110_000
	return script
}

func TestInterrupt_WritesAPartialReport(t *testing.T) {
	t.Parallel()
	hangups := make(chan os.Signal, 1) // A program inherits that a signal is ignored, for example below nohup, but not that it is caught.
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for name, interrupt := range map[string]func(c *console){
		"Ctrl-C": func(c *console) {
			_, err := c.tty.WriteString("\x03") // which the terminal turns into a signal
			require.NoError(c.t, err)
			c.until("interrupted: the report has what was found until then")
		},
		"the terminal is closed": func(c *console) {
			require.NoError(c.t, c.tty.Close())
			_ = c.signal(syscall.SIGHUP) // which the kernel and the shell send
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, waiting())
			b.set("TERM=xterm")
			c := b.console("investigate", alarmName)
			c.until("Round 2: asking the model")

			interrupt(c)

			assert.Equal(t, 130, c.wait(), c.text())
			recorded := decoded(t, b.file("report.json"))
			assert.Equal(t, "fallback", recorded["outcome"])
			assert.Equal(t, "The investigation was interrupted before the model concluded.", recorded["outcome_why"])
			assert.Contains(t, b.file("report.txt"), "7 error lines", "the finished tool call")
			assert.Empty(t, b.processes(), "no process of the tool remains")
			left, err := filepath.Glob(filepath.Join(b.dir, "cache", "alarmtriage", "scratch-*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// A report that the model has to correct was found, too.
func TestInterrupt_KeepsAReportThatWasReturnedForCorrection(t *testing.T) {
	t.Parallel()
	script := concluding()
	submitted := script.Steps[1].Tools[0].Input
	submitted["findings"] = []any{map[string]any{"statement": "The errors are denied reads.", "confidence": "confirmed",
		"evidence": []any{map[string]any{"call": 1, "quote": "in no output of any call"}}}}
	script.Steps = append(script.Steps, model.Step{Text: "Never.", DelayMS: 110_000})
	b := newBench(t, script)
	b.set("TERM=xterm")
	c := b.console("investigate", alarmName)
	c.until("Round 3: asking the model")

	_, err := c.tty.WriteString("\x03")
	require.NoError(t, err)

	assert.Equal(t, 130, c.wait(), c.text())
	text := b.file("report.txt")
	assert.Contains(t, text, "dynamodb:GetItem is denied.")
	assert.Contains(t, text, "returned for correction and never resubmitted; unverified statements are marked. The investigation was interrupted.")
}

func TestInterrupt_ASecondOneEndsTheCommandAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	// A program that does not end keeps the command busy after the first interrupt.
	b.program("xdg-open", "echo opened; exec sleep 10")
	cmd := b.command("investigate", alarmName, "--open")
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "Report: ") }, time.Minute, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "Press Ctrl-C again") }, time.Minute, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	err := cmd.Wait()
	require.Error(t, err)
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.True(t, status.Signaled() && status.Signal() == syscall.SIGINT, "%v %s", err, out.String())
}

// syncBuffer is a buffer that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *syncBuffer) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(data)
}

// String returns what was written.
func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The files of a report may come from somebody else.
func TestTerminal_ShowsNoControlSequencesOfAReport(t *testing.T) {
	t.Parallel()
	b := newBench(t, model.Script{})
	folder := filepath.Join(b.dir, "reports", "one")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	for form, name := range map[string]string{"text": "report.txt", "html": "report.html", "json": "report.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("\"a\x1b]0;title\ab \u009b31mc\""), 0o600))
		shown := b.console("reports", "show", folder, "--form", form)
		require.Equal(t, 0, shown.wait(), shown.text())
		assert.Equal(t, "\"ab c\"", strings.TrimSpace(shown.text()), form)
	}
}
