package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

const (
	maxResultMessage = 8 << 20                // bytes of the message, not of the result in it
	exitWait         = time.Second            // for the exit status of a child that gave no result
	drainWait        = 200 * time.Millisecond // for the output of a child that ended
	maxNotes         = 50
	maxNote          = 2 << 10               // bytes of one note
	maxError         = 16 << 10              // bytes of an error text
	watchPoll        = 20 * time.Millisecond // between two looks at the child's memory and files
	networkPoll      = 5                     // watchPolls between two looks at network sockets
	filesPoll        = 50                    // watchPolls between two counts of the call's files
	unboundTime      = 24 * time.Hour        // soft deadline of a call whose context has none
	longCall         = 20 * time.Millisecond // after which a call probably waits for AWS, and the next child is forked
)

// memoryHeadroom is the memory that a child may use above its limit in order to report that the limit was
// reached.
const memoryHeadroom = 64 << 20 // bytes

// call is one run of a model's code.
type call struct {
	request request
	start   time.Time
	soft    time.Duration
	session Session

	childEnds   []*os.File // request, stdout, stderr, result, broker
	requestPipe *os.File
	stdoutPipe  *os.File
	stderrPipe  *os.File
	resultPipe  *os.File
	broker      *os.File // socket

	stdoutCapture *capture
	stderrCapture *capture

	reportOutputLimit sync.Once
	overOutput        chan struct{} // closed when the child printed more than it may
	overMemory        chan struct{} // closed when the child uses more memory than it may
	overFiles         chan struct{} // closed when the child created more files than it may
	usedNetwork       atomic.Bool   // whether the child was seen with a network socket

	clean func(text string, isCut bool) string // Options.Clean

	spare *spare // the child
}

// newCall returns a call whose soft deadline is soft after start. If soft is 0, the call gets unboundTime.
func newCall(o Options, directory, command string, at Place, start time.Time, soft time.Duration) (*call, error) {
	if soft == 0 {
		soft = unboundTime
	}
	c := &call{
		request: request{
			Code:       strings.ToValidUTF8(command, "\uFFFD"),
			Seconds:    soft.Seconds(),
			Memory:     int64(o.MemoryMB) << 20,
			MemoryHard: hardMemory(o.MemoryMB),
			FileSize:   MaxFile,
			Directory:  directory,
			Account:    at.Account,
			Own:        at.Own,
			Region:     at.Region,
			Problem:    at.Problem,
			Others:     append([]string{}, at.Others...),
		},
		start: start, soft: soft, session: o.NewSession(), clean: o.Clean,
		stdoutCapture: newCapture(KeptOutput + CutMargin), stderrCapture: newCapture(KeptOutput + CutMargin),
		overOutput: make(chan struct{}), overMemory: make(chan struct{}), overFiles: make(chan struct{}),
	}
	if err := c.open(); err != nil {
		c.close()
		return nil, fmt.Errorf("open the call's pipes: %w", err)
	}
	return c, nil
}

// hardMemory returns the number of bytes to which a child may raise its memory limit in order to report that
// it reached limitMB. Without a limit, it returns 0.
func hardMemory(limitMB int) int64 {
	if limitMB == 0 {
		return 0
	}
	return int64(limitMB)<<20 + memoryHeadroom
}

// open creates the pipes and the broker's socket.
func (c *call) open() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	c.requestPipe, c.childEnds = write, append(c.childEnds, read)
	for _, end := range []**os.File{&c.stdoutPipe, &c.stderrPipe, &c.resultPipe} {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		*end = read
		c.childEnds = append(c.childEnds, write)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.childEnds = append(c.childEnds, os.NewFile(uintptr(pair[1]), "child's broker socket"))
	if err := unix.SetNonblock(pair[0], true); err != nil {
		unix.Close(pair[0])
		return err
	}
	c.broker = os.NewFile(uintptr(pair[0]), "broker socket")
	return nil
}

// close closes every file of the call that is still open.
func (c *call) close() {
	for _, file := range append(c.childEnds, c.requestPipe, c.stdoutPipe, c.stderrPipe, c.resultPipe, c.broker) {
		if file != nil {
			file.Close()
		}
	}
}

// run passes the call to a child, waits until it ends, and makes the answer. The child receives its files
// before the processes are counted, so that it wakes early. It receives the code after that.
func (c *call) run(ctx context.Context, s *Supervisor) (toolcall.Answer, error) {
	z := s.zygote
	serving := c.serve(ctx)
	child, err := z.startCall(ctx, c.childEnds)
	for _, file := range c.childEnds {
		file.Close()
	}
	c.childEnds = nil
	if err != nil {
		z.stop()
		c.endSession()
		<-serving
		return toolcall.Answer{}, fmt.Errorf("start the call: %w", err)
	}
	c.spare = child
	c.request.Processes = threads(processes(os.Getuid())) + MaxProcesses
	go c.send()
	// Forking slows down a call that computes. It costs nothing while a call waits for AWS. Code without a filter could reach
	// the child, which would be discarded.
	timer := time.AfterFunc(longCall, func() {
		if child.isFiltered() {
			z.requestSpare(child.pid)
		}
	})
	output := c.captureOutput()
	answered := c.readResult()
	stopWatching := c.watch(s)
	ended := c.wait(ctx, z, output, answered)
	timer.Stop()
	stopWatching()
	if child.isFiltered() {
		z.requestSpare(child.pid) // early, because the next call may already be waiting
	}
	c.kill()
	s.inspect(z, c)
	// A child that the zygote forks during the inspection would be suspect until it is announced.
	z.requestSpare(child.pid)
	c.drainOutput(output)
	c.endSession()
	if !<-serving {
		s.spend(&SpentError{traceRequest, "the check of a request takes too long"})
	}
	return c.answer(ended), nil
}

// endSession shuts the broker's socket down, which also ends reads on it in this process.
func (c *call) endSession() {
	if conn, err := c.broker.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	}
	c.broker.Close()
}

// serve answers the child's AWS requests. When the session has ended, the channel delivers whether its requests have ended, too.
func (c *call) serve(ctx context.Context) <-chan bool {
	done := make(chan bool, 1)
	go func() { done <- c.session.Serve(ctx, c.broker) }()
	return done
}

// send sends the request.
func (c *call) send() {
	// An error means that the child died before it read the request. Then readResult delivers nil.
	_ = json.NewEncoder(c.requestPipe).Encode(c.request)
	c.requestPipe.Close()
}

// captureOutput captures stdout and stderr. The channel is closed when both have ended.
func (c *call) captureOutput() <-chan struct{} {
	var streams sync.WaitGroup
	overLimit := func() { c.reportOutputLimit.Do(func() { close(c.overOutput) }) }
	streams.Go(func() { drain(c.stdoutPipe, c.stdoutCapture, MaxOutput, overLimit) })
	streams.Go(func() { drain(c.stderrPipe, c.stderrCapture, MaxOutput, overLimit) })
	done := make(chan struct{})
	go func() { streams.Wait(); close(done) }()
	return done
}

// watch polls what the kernel's limits do not count: the child's shared memory and page tables, the number of its files, and,
// if its system calls are not filtered, memory and network sockets outside of it. Counting files can take long, so it does not
// delay the rest.
func (c *call) watch(s *Supervisor) (stop func()) {
	done := make(chan struct{})
	go c.watchMemory(s, done)
	go c.watchFiles(s, done)
	return func() { close(done) }
}

// watchMemory polls the child's memory, and network sockets outside of it.
func (c *call) watchMemory(s *Supervisor, done <-chan struct{}) {
	z := s.zygote
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		unfiltered := s.options.OwnUser && !z.confines(c.spare.isFiltered())
		if c.isOverMemory(s, unfiltered) {
			close(c.overMemory)
			return
		}
		if unfiltered && n%networkPoll == 0 && s.watchNetwork && usesNetwork(os.Getuid()) {
			c.usedNetwork.Store(true)
		}
	}
}

// watchFiles polls the number of the call's files. The number of used inodes shows when counting is due, unless others remove files.
func (c *call) watchFiles(s *Supervisor, done <-chan struct{}) {
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	atStart := usedInodes(s.options.Scratch)
	inodes := atStart
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := usedInodes(s.options.Scratch)
		if now <= inodes+MaxFiles && n%filesPoll != 0 {
			continue
		}
		// The inodes of the file system include files that cannot be counted, and those of others.
		count, hidden := countFiles(c.newFiles(s), MaxFiles+1) // with the working directory
		if count > MaxFiles+1 || hidden && now > atStart+MaxFiles {
			close(c.overFiles)
			return
		}
		inodes = now
	}
}

// isOverMemory reports whether the child uses more memory than it may.
func (c *call) isOverMemory(s *Supervisor, unfiltered bool) bool {
	if c.request.MemoryHard == 0 {
		return false
	}
	used := usedMemory(c.spare.pid)
	if unfiltered {
		used += s.sharedMemory()
	}
	return used > c.request.MemoryHard
}

// newFiles returns the call's directory and, if the whole scratch directory is the sandbox's, what is new in it.
func (c *call) newFiles(s *Supervisor) []string {
	paths := []string{c.request.Directory}
	if s.options.OwnScratch {
		s.scratch.restoreMode(s.options.Scratch)
	}
	for _, name := range s.scratchFiles() {
		if path := filepath.Join(s.options.Scratch, name); path != c.request.Directory {
			paths = append(paths, path)
		}
	}
	return paths
}

// readResult delivers the result message, or nil if there is no valid one.
func (c *call) readResult() <-chan *result {
	got := make(chan *result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(c.resultPipe, maxResultMessage+1))
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || len(data) > maxResultMessage {
			got <- nil
			return
		}
		got <- decodeResult(data)
	}()
	return got
}

// decodeResult returns nil for a message that is not exactly one result.
func decodeResult(data []byte) *result {
	var r result
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&r) != nil || decoder.More() || r.OK && (!isResult(r.Result) || isTooLong(r.Result)) {
		return nil
	}
	return &r
}

// maxValue is the number of characters of a result other than a text. The child shortens a longer one to a text (MAX_TEXT in values.py).
const maxValue = 500_000

// isTooLong reports whether a result is one that only code can have written: with so many strings that making them plain takes
// longer than the rest of the invocation.
func isTooLong(encoded string) bool {
	return !strings.HasPrefix(encoded, `"`) && utf8.RuneCountInString(encoded) > maxValue
}

// maxAround is how many values can be around a result in an answer and in a record. encoding/json refuses to decode values that
// are nested too deeply.
const maxAround = 16

// isResult reports whether a text is JSON that can be decoded as a part of an answer.
func isResult(encoded string) bool {
	around := strings.Repeat("[", maxAround) + encoded + strings.Repeat("]", maxAround)
	return json.Valid([]byte(encoded)) && json.Valid([]byte(around))
}

// wait returns the call's own result, or a result that explains why the call was stopped.
func (c *call) wait(ctx context.Context, z *zygote, output <-chan struct{}, answered <-chan *result) result {
	end := c.start.Add(c.soft + HardDelay)
	hard := time.NewTimer(time.Until(end))
	defer hard.Stop()
	finish := func(r *result) result {
		if r != nil {
			c.waitOutput(output, hard.C)
			return *r
		}
		return c.explainExit(ctx, z)
	}
	select {
	case r := <-answered:
		return finish(r)
	case <-z.ended(c.spare.pid):
		// A process that the code has started can keep the pipe open.
		_ = c.resultPipe.SetReadDeadline(time.Now().Add(min(exitWait, time.Until(end))))
		return finish(<-answered)
	case <-c.overOutput:
		return result{Kind: kindOutputLimit, Error: fmt.Sprintf(
			"the code was stopped after printing more than %d MB. Print less: aggregate, or print slices.", MaxOutput>>20)}
	case <-c.overMemory:
		return result{Kind: kindMemoryLimit, Error: fmt.Sprintf(
			"the code was stopped at its memory limit of %d MB, which includes shared memory. "+
				"Keep less in memory: process pages as they arrive instead of collecting them.",
			c.request.Memory>>20)}
	case <-c.overFiles:
		return result{Kind: kindFileLimit, Error: fmt.Sprintf(
			"the code was stopped after creating more than %d files. Keep the data in memory, or in fewer files.", MaxFiles)}
	case <-hard.C:
		return result{Kind: kindTimeLimit, Error: fmt.Sprintf(
			"time limit of %.1f s reached, and the code did not stop by itself. "+
				"Do less in one call: narrow the time range, set limits, or split the work over several calls.",
			c.soft.Seconds())}
	case <-ctx.Done():
		return result{Kind: kindTimeLimit, Error: "the invocation ended before the code did: " + ctx.Err().Error()}
	}
}

// waitOutput waits briefly until stdout and stderr end. A thread of the code may keep them open.
func (c *call) waitOutput(output <-chan struct{}, hard <-chan time.Time) {
	select {
	case <-output:
	case <-c.overOutput:
	case <-time.After(drainWait):
	case <-hard:
	}
}

// explainExit returns a result for a child that ended without one.
func (c *call) explainExit(ctx context.Context, z *zygote) result {
	ctx, cancel := context.WithTimeout(ctx, exitWait)
	defer cancel()
	status, known := z.waitExit(ctx, c.spare.pid)
	switch {
	case !known && !z.isAlive():
		return result{Kind: kindCrashed, Error: "the code killed the sandbox that it ran in; " +
			"the sandbox is replaced before the next call, and this call has no result"}
	case !known:
		return result{Kind: kindCrashed, Error: "the code closed the file descriptor for its result and went on running; " +
			"it was killed. Do not close file descriptors that you did not open"}
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return result{Kind: kindCrashed, Error: "the process that ran the code was killed, " +
			"most likely because memory ran out; keep less in memory"}
	case status.Signaled():
		return result{Kind: kindCrashed, Error: fmt.Sprintf("the process that ran the code died: %s", status.Signal())}
	}
	return result{Kind: kindCrashed, Error: fmt.Sprintf(
		"the code ended without a result (exit status %d): it called os._exit or damaged the sandbox; "+
			"assign to `result` or print instead",
		status.ExitStatus())}
}

// kill kills the child and its process group.
func (c *call) kill() {
	syscall.Kill(-c.spare.pid, syscall.SIGKILL)
	syscall.Kill(c.spare.pid, syscall.SIGKILL)
}

// drainOutput gives the output of a killed child time to arrive, then stops reading.
func (c *call) drainOutput(output <-chan struct{}) {
	select {
	case <-output:
	case <-time.After(drainWait):
	}
	now := time.Now()
	for _, file := range []*os.File{c.stdoutPipe, c.stderrPipe, c.resultPipe, c.requestPipe} {
		if err := file.SetDeadline(now); errors.Is(err, os.ErrNoDeadline) {
			file.Close()
		}
	}
}

// answer makes the answer from the call's result, its output, and its AWS requests.
func (c *call) answer(r result) toolcall.Answer {
	a := toolcall.Answer{
		Success:       r.OK,
		Result:        json.RawMessage("null"),
		ExecutionTime: time.Since(c.start).Seconds(),
		Notes:         c.boundedNotes(r.Notes),
	}
	a.Stdout = c.capturedText(c.stdoutCapture, "stdout", &a)
	a.Stderr = c.capturedText(c.stderrCapture, "stderr", &a)
	shown := ""
	if r.OK {
		a.Result, shown = c.fitResult(terminal.PlainJSON(r.Result), min(max(r.LeftOut, 0), math.MaxInt32), &a)
	} else {
		a.Error, a.ErrorType = c.bounded(r.Error, maxError), c.bounded(string(r.Kind), maxError)
		shown = "Error: " + a.Error
	}
	a.Output = join(a.Stdout, a.Stderr, shown)
	a.AWSCalls, a.AWSCallsCut, a.Refusals = c.session.Audit()
	if a.AWSCalls == nil {
		a.AWSCalls = []toolcall.AWSCall{}
	}
	return a
}

// cleaned returns a text without control sequences as Options.Clean shows it.
func (c *call) cleaned(text string, isCut bool) string {
	text = terminal.Plain(text)
	if c.clean == nil {
		return text
	}
	return c.clean(text, isCut)
}

// capturedText returns a stream and records in the answer if its middle is missing.
func (c *call) capturedText(stream *capture, name string, a *toolcall.Answer) string {
	text, missing := stream.text(KeptOutput, c.cleaned)
	if missing > 0 {
		a.Truncated = append(a.Truncated, toolcall.Truncation{Part: name, LeftOut: missing})
		a.Notes = append(a.Notes, fmt.Sprintf("%s was truncated: %d bytes in its middle are missing", name, missing))
	}
	return text
}

// fitResult returns the result as JSON and as text for a reader. A result that is too long becomes a JSON
// string. leftOut is how many bytes of it the child has already removed.
func (c *call) fitResult(encoded string, leftOut int64, a *toolcall.Answer) (json.RawMessage, string) {
	shown := encoded
	var text *string
	if json.Unmarshal([]byte(encoded), &text) == nil {
		shown = ""
		if text != nil {
			shown = *text
		}
	}
	if len(encoded) <= MaxResult && leftOut == 0 {
		result := encoded
		if c.clean != nil {
			result = c.clean(encoded, false)
		}
		return json.RawMessage(result), c.cleaned(shown, false)
	}
	short, missing := c.shortened(shown, MaxResult)
	left := missing + leftOut
	if left > 0 || text == nil {
		a.Truncated = append(a.Truncated, toolcall.Truncation{Part: "result", LeftOut: left})
		a.Notes = append(a.Notes, fmt.Sprintf("the result was truncated: %d of its %d bytes are missing, "+
			"and it is text instead of JSON", left, int64(len(shown))+leftOut))
	}
	encodedShort, err := json.Marshal(short)
	if err != nil {
		return json.RawMessage("null"), short
	}
	return encodedShort, short
}

// boundedNotes returns the notes, which the code may forge, within the limits of an answer.
func (c *call) boundedNotes(notes []string) []string {
	list := []string{}
	for _, note := range notes[:min(len(notes), maxNotes)] {
		list = append(list, c.bounded(note, maxNote))
	}
	return list
}

// bounded truncates a text of the child to about max bytes. The code may have forged the text.
func (c *call) bounded(text string, most int) string {
	short, _ := c.shortened(text, most)
	return short
}

// shortened returns at most most bytes of a text, cleaned, and how many bytes are missing. Only the parts that can be shown are
// cleaned, because that takes long for a text of several MB, which the code may have forged.
func (c *call) shortened(text string, most int) (short string, missing int64) {
	kept := newCapture(most/2 + CutMargin)
	_, _ = kept.Write([]byte(text)) // never fails
	return kept.text(most/2, c.cleaned)
}

// join joins the parts that are not empty. Each part starts on a new line.
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
