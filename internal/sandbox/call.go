package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

const (
	maxFrame    = 8 << 20                // bytes of the result message
	exitWait    = time.Second            // for the exit status of a child that gave no result
	drainWait   = 200 * time.Millisecond // for the output of a child that was killed
	maxNotes    = 50
	maxNote     = 2 << 10               // bytes
	maxError    = MaxResult / 4         // bytes of an error text
	memoryWatch = 20 * time.Millisecond // between two looks at the child's memory
	unboundTime = 24 * time.Hour        // soft deadline of a call whose context has none
	longCall    = 20 * time.Millisecond // after which a call most likely waits for AWS, and the next child is made
)

// memoryHeadroom is what a child may hold above its limit in order to report that it was reached: confine.py's
// MEMORY_HEADROOM.
const memoryHeadroom = 64 << 20 // bytes

// request is what the child reads; pythonlayer/alarmtriage_tool/runner.py has the same names.
type request struct {
	Code      string  `json:"code"`
	Seconds   float64 `json:"seconds"`
	Memory    int64   `json:"memory"`
	FileSize  int64   `json:"file_size"`
	Processes int     `json:"processes"`
	Directory string  `json:"directory"`
}

// result is what the child answers. The code may forge it: it is the code's own answer anyway.
type result struct {
	OK     bool     `json:"ok"`
	Result string   `json:"result"` // JSON text
	Kind   string   `json:"kind"`
	Error  string   `json:"error"`
	Notes  []string `json:"notes"`
}

// call is one run of a model's code.
type call struct {
	request request
	start   time.Time
	soft    time.Duration
	session Session

	theirs []*os.File // the child's ends: request, stdout, stderr, result, broker
	input  *os.File
	stdout *os.File
	stderr *os.File
	frame  *os.File
	broker *os.File

	out, err *capture
	flooded  sync.Once
	flood    chan struct{}
	fat      chan struct{} // closed when the child holds more memory than it may
	child    int
	before   snapshot // of the moment when the child had nothing to run yet
}

func newCall(o Options, directory, command string, start time.Time, soft time.Duration) (*call, error) {
	if soft == 0 {
		soft = unboundTime
	}
	c := &call{
		request: request{
			Code:      strings.ToValidUTF8(command, "\uFFFD"),
			Seconds:   soft.Seconds(),
			Memory:    int64(o.MemoryMB) << 20,
			FileSize:  MaxFile,
			Directory: directory,
		},
		start: start, soft: soft, session: o.NewSession(),
		out: newCapture(KeptOutput), err: newCapture(KeptOutput), flood: make(chan struct{}), fat: make(chan struct{}),
	}
	if err := c.open(); err != nil {
		c.close()
		return nil, fmt.Errorf("open the call's pipes: %w", err)
	}
	return c, nil
}

func (c *call) open() error {
	var theirs [5]*os.File
	var err error
	if theirs[0], c.input, err = os.Pipe(); err != nil {
		return err
	}
	c.theirs = append(c.theirs, theirs[0])
	for _, end := range []**os.File{&c.stdout, &c.stderr, &c.frame} {
		ours, their, err := os.Pipe()
		if err != nil {
			return err
		}
		*end = ours
		c.theirs = append(c.theirs, their)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.theirs = append(c.theirs, os.NewFile(uintptr(pair[1]), "child's broker socket"))
	if err := unix.SetNonblock(pair[0], true); err != nil {
		unix.Close(pair[0])
		return err
	}
	c.broker = os.NewFile(uintptr(pair[0]), "broker socket")
	return nil
}

func (c *call) close() {
	for _, file := range append(c.theirs, c.input, c.stdout, c.stderr, c.frame, c.broker) {
		if file != nil {
			file.Close()
		}
	}
}

// run hands the call over, waits for its end, and makes the answer. The child has its files, and wakes,
// while the snapshot is made; it gets the code afterwards.
func (c *call) run(ctx context.Context, z *zygote, snapshot func() snapshot) (toolcall.Answer, error) {
	serving := c.serve(ctx)
	pid, err := z.handOver(ctx, c.theirs)
	for _, file := range c.theirs {
		file.Close()
	}
	c.theirs = nil
	if err != nil {
		z.stop()
		c.hangUp()
		<-serving
		return toolcall.Answer{}, fmt.Errorf("start the call: %w", err)
	}
	c.child = pid
	c.before = snapshot()
	c.request.Processes = c.before.threads + MaxProcesses
	go c.send()
	// Forking slows a call down that computes, and is free while one waits.
	timer := time.AfterFunc(longCall, func() { z.replace(pid) })
	output := c.collect()
	frame := c.read()
	stopWatching := c.watchMemory()
	ended := c.wait(ctx, z, output, frame)
	timer.Stop()
	stopWatching()
	z.replace(pid)
	c.kill()
	c.settle(output)
	c.hangUp()
	<-serving
	return c.answer(ended), nil
}

// hangUp ends the session: the socket is shut down for whoever reads it here.
func (c *call) hangUp() {
	if conn, err := c.broker.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	}
	c.broker.Close()
}

func (c *call) serve(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.session.Serve(ctx, c.broker)
	}()
	return done
}

func (c *call) send() {
	// A child that dies before it has read its request is noticed by the missing result.
	_ = json.NewEncoder(c.input).Encode(c.request)
	c.input.Close()
}

func (c *call) collect() <-chan struct{} {
	var streams sync.WaitGroup
	flood := func() { c.flooded.Do(func() { close(c.flood) }) }
	streams.Go(func() { drain(c.stdout, c.out, MaxOutput, flood) })
	streams.Go(func() { drain(c.stderr, c.err, MaxOutput, flood) })
	done := make(chan struct{})
	go func() { streams.Wait(); close(done) }()
	return done
}

// watchMemory looks again and again at how much memory the child holds: the kernel's limit on its data leaves
// out what is shared, such as mmap's, which is the child's alone here.
func (c *call) watchMemory() (stop func()) {
	most := c.request.Memory + memoryHeadroom
	if c.request.Memory == 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(memoryWatch)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if held(c.child) > most {
					close(c.fat)
					return
				}
			}
		}
	}()
	return func() { close(done) }
}

// read delivers the result message, or nothing when there is none that can be understood.
func (c *call) read() <-chan *result {
	got := make(chan *result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(c.frame, maxFrame+1))
		if err != nil || len(data) > maxFrame {
			got <- nil
			return
		}
		got <- decode(data)
	}()
	return got
}

func decode(data []byte) *result {
	var r result
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&r) != nil || decoder.More() || r.OK && !json.Valid([]byte(r.Result)) {
		return nil
	}
	return &r
}

// wait returns what ended the call: its own result, or what had to be done about it.
func (c *call) wait(ctx context.Context, z *zygote, output <-chan struct{}, frame <-chan *result) result {
	hard := time.NewTimer(time.Until(c.start.Add(c.soft + HardDelay)))
	defer hard.Stop()
	select {
	case r := <-frame:
		if r != nil {
			c.waitOutput(output, hard.C)
			return *r
		}
		return c.died(ctx, z)
	case <-c.flood:
		return result{Kind: "OutputLimit", Error: fmt.Sprintf(
			"the code was ended after printing more than %d MB. Print less: aggregate, or slice what you print.", MaxOutput>>20)}
	case <-c.fat:
		return result{Kind: "MemoryLimit", Error: fmt.Sprintf(
			"the code was ended at its memory limit of %d MB, which shared memory counts against. Keep less in memory: process pages as they come instead of collecting them.",
			c.request.Memory>>20)}
	case <-hard.C:
		return result{Kind: "TimeLimit", Error: fmt.Sprintf(
			"time limit of %.1f s reached, and the code did not stop. Do less in one call: narrow the time range, set limits, or split the work over several calls.",
			c.soft.Seconds())}
	case <-ctx.Done():
		return result{Kind: "TimeLimit", Error: "the invocation ended before the code did: " + ctx.Err().Error()}
	}
}

// waitOutput waits for the ends of stdout and stderr, which a thread may hold open a little longer.
func (c *call) waitOutput(output <-chan struct{}, hard <-chan time.Time) {
	select {
	case <-output:
	case <-c.flood:
	case <-time.After(drainWait):
	case <-hard:
	}
}

// died says how a child ended that gave no result.
func (c *call) died(ctx context.Context, z *zygote) result {
	ctx, cancel := context.WithTimeout(ctx, exitWait)
	defer cancel()
	status, known := z.exited(ctx, c.child)
	switch {
	case !known && !z.alive():
		return result{Kind: "Crashed", Error: "the code ended the sandbox it ran in; it was rebuilt, and nothing of this call remains"}
	case !known:
		return result{Kind: "Crashed", Error: "the code ended without a result: it closed the way to give one, but went on running, and was ended"}
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return result{Kind: "Crashed", Error: "the process that ran the code was killed, most likely for lack of memory; keep less in memory"}
	case status.Signaled():
		return result{Kind: "Crashed", Error: fmt.Sprintf("the process that ran the code died: %s", status.Signal())}
	}
	return result{Kind: "Crashed", Error: fmt.Sprintf(
		"the code ended without a result (exit status %d): os._exit was called, or the sandbox was damaged; assign to `result` or print instead",
		status.ExitStatus())}
}

func (c *call) kill() {
	syscall.Kill(-c.child, syscall.SIGKILL)
	syscall.Kill(c.child, syscall.SIGKILL)
}

// settle gives the output of a killed child time to arrive, then stops reading.
func (c *call) settle(output <-chan struct{}) {
	select {
	case <-output:
	case <-time.After(drainWait):
	}
	now := time.Now()
	for _, file := range []*os.File{c.stdout, c.stderr, c.frame, c.input} {
		if err := file.SetDeadline(now); errors.Is(err, os.ErrNoDeadline) {
			file.Close()
		}
	}
}

func (c *call) answer(r result) toolcall.Answer {
	a := toolcall.Answer{
		Success:       r.OK,
		Result:        json.RawMessage("null"),
		ExecutionTime: time.Since(c.start).Seconds(),
		Notes:         boundedNotes(r.Notes),
	}
	a.Stdout = terminal.Plain(keep(c.out, "stdout", &a))
	a.Stderr = terminal.Plain(keep(c.err, "stderr", &a))
	shown := ""
	if r.OK {
		a.Result, shown = shorten(terminal.PlainJSON(r.Result), &a)
	} else {
		a.Error, a.ErrorType = terminal.Plain(bounded(r.Error, maxError)), bounded(r.Kind, maxError)
		shown = "Error: " + a.Error
	}
	a.Output = join(a.Stdout, a.Stderr, shown)
	a.AWSCalls, a.AWSCallsCut, a.Refusals = c.session.Audit()
	if a.AWSCalls == nil {
		a.AWSCalls = []toolcall.AWSCall{}
	}
	return a
}

func keep(c *capture, name string, a *toolcall.Answer) string {
	text, missing := c.text()
	if missing > 0 {
		a.Truncated = append(a.Truncated, toolcall.Truncation{Part: name, LeftOut: missing})
		a.Notes = append(a.Notes, fmt.Sprintf("%s was truncated: %d bytes in its middle are missing", name, missing))
	}
	return text
}

// shorten returns the result as JSON and as a reader wants it; one that is too long becomes text.
func shorten(encoded string, a *toolcall.Answer) (json.RawMessage, string) {
	shown := encoded
	var text *string
	if json.Unmarshal([]byte(encoded), &text) == nil {
		shown = ""
		if text != nil {
			shown = *text
		}
	}
	if len(encoded) <= MaxResult {
		return json.RawMessage(encoded), shown
	}
	short, missing := truncate.Middle(shown, MaxResult)
	a.Truncated = append(a.Truncated, toolcall.Truncation{Part: "result", LeftOut: int64(missing)})
	a.Notes = append(a.Notes, fmt.Sprintf("the result was truncated: %d of its %d bytes are missing, and it is text instead of JSON", missing, len(encoded)))
	encodedShort, err := json.Marshal(short)
	if err != nil {
		return json.RawMessage("null"), short
	}
	return encodedShort, short
}

// boundedNotes returns the notes, which the code may forge, within the limits of an answer.
func boundedNotes(notes []string) []string {
	list := []string{}
	for _, note := range notes[:min(len(notes), maxNotes)] {
		list = append(list, bounded(note, maxNote))
	}
	return list
}

// bounded returns a text of the child, which the code may forge, in about max bytes.
func bounded(text string, max int) string {
	short, _ := truncate.Middle(text, max)
	return short
}

func join(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part == "" {
			continue
		}
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(part)
	}
	return b.String()
}
