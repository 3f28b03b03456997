package localtool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

const (
	// maxProcesses is how many calls run at the same time. Each process needs about 150 MB.
	maxProcesses = 4

	// startTime is how long the first process, or a container, may take to start.
	startTime = 60 * time.Second

	// graceTime is how long an answer may arrive after the call's time limit.
	graceTime = 5 * time.Second

	// settleTime is how long a process may take to clean up after an answer.
	settleTime = 10 * time.Second

	// closeTime is how long a process may take to exit after its input was closed.
	closeTime = 3 * time.Second

	maxStderr  = 4 << 10 // bytes of a process's standard error that are kept for the error of a failed start
	maxMessage = 300     // bytes of such an error that are shown
)

// command is how a process is started.
type command struct {
	path        string
	arguments   []string
	environment []string
}

// pool keeps the processes that answer calls. A process answers one call at a time.
type pool struct {
	credentials aws.CredentialsProvider
	account     string
	partition   string
	command     func() (command, error)
	slots       chan struct{} // one element for each call that runs

	mu     sync.Mutex
	idle   []*process
	all    map[*process]bool
	closed bool
}

func newPool(o Options, command func() (command, error)) *pool {
	return &pool{
		credentials: o.AWS.Credentials, account: o.Account, partition: o.Partition, command: command,
		slots: make(chan struct{}, maxProcesses), all: map[*process]bool{},
	}
}

// start starts the first process and returns the status of its sandbox.
func (p *pool) start(ctx context.Context) (toolcall.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	answer, err := p.run(ctx, toolcall.Request{Status: true})
	switch {
	case err != nil:
		return toolcall.Status{}, err
	case answer.Status == nil:
		return toolcall.Status{}, errors.New("it reported no status")
	}
	return *answer.Status, nil
}

// run passes a request to a process that is idle, or to a new one.
func (p *pool) run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return toolcall.Answer{}, fmt.Errorf("the call was canceled before it started: %w", ctx.Err())
	}
	release := func() { <-p.slots }
	credentials, err := p.credentials.Retrieve(ctx)
	if err != nil {
		release()
		return toolcall.Answer{}, fmt.Errorf("the AWS credentials cannot be renewed; conclude without more calls: %w", err)
	}
	worker, err := p.take()
	if err != nil {
		release()
		return toolcall.Answer{}, err
	}
	answer, err := worker.ask(ctx, call{
		Request: request, TimeoutMS: callTime.Milliseconds(), Account: p.account, Partition: p.partition, Credentials: keysOf(credentials),
	})
	if err != nil {
		p.drop(worker)
		release()
		return toolcall.Answer{}, err
	}
	go func() { // the answer does not wait for the clean-up
		defer release()
		if worker.settles() {
			p.give(worker)
		} else {
			p.drop(worker)
		}
	}()
	return answer, nil
}

// take returns an idle process, or starts one.
func (p *pool) take() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the tool is closed")
	}
	if last := len(p.idle) - 1; last >= 0 {
		worker := p.idle[last]
		p.idle = p.idle[:last]
		return worker, nil
	}
	started, err := p.command()
	if err != nil {
		return nil, fmt.Errorf("the tool cannot be started: %w", err)
	}
	worker, err := startProcess(started)
	if err != nil {
		return nil, fmt.Errorf("the tool cannot be started: %w", err)
	}
	p.all[worker] = true
	return worker, nil
}

func (p *pool) give(worker *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, worker)
}

// drop lets a process exit. If a call was canceled, the process first stops the call's queries, for which AWS would charge
// otherwise. The pool keeps the process until then, so that close waits for it.
func (p *pool) drop(worker *process) {
	worker.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, worker)
}

// close ends all processes.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var group sync.WaitGroup
	for worker := range p.all {
		group.Go(worker.close)
	}
	p.all, p.idle = map[*process]bool{}, nil
	p.mu.Unlock()
	group.Wait()
}

// process is one process of the tool.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan reply    // closed when its output ends
	done    chan struct{} // closed when it has exited
	stderr  *tail
}

func startProcess(c command) (*process, error) {
	p := &process{cmd: exec.Command(c.path, c.arguments...), replies: make(chan reply), done: make(chan struct{}), stderr: &tail{}}
	p.cmd.Env, p.cmd.Stderr = c.environment, p.stderr
	p.cmd.WaitDelay = closeTime
	separate(p.cmd)
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.in = in
	go p.read(out)
	return p, nil
}

// read passes replies on until the output ends, and then waits for the process.
func (p *process) read(out io.Reader) {
	defer close(p.done)
	for decoder := json.NewDecoder(out); ; {
		var next reply
		if decoder.Decode(&next) != nil {
			break
		}
		p.replies <- next
	}
	close(p.replies)
	_ = p.cmd.Wait()
}

// settles waits until the process can take the next call. It returns false if the process exits instead.
func (p *process) settles() bool {
	late := time.NewTimer(settleTime)
	defer late.Stop()
	select {
	case r, ok := <-p.replies:
		return ok && r.Settled
	case <-late.C:
		return false
	}
}

// ask passes a call to the process and waits for the answer. After an error, the process must not be used again.
func (p *process) ask(ctx context.Context, c call) (toolcall.Answer, error) {
	line, err := json.Marshal(c)
	if err != nil {
		return toolcall.Answer{}, fmt.Errorf("encode the call: %w", err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return toolcall.Answer{}, fmt.Errorf("the tool ended before the call: %s", p.why())
	}
	late := time.NewTimer(time.Duration(c.TimeoutMS)*time.Millisecond + graceTime)
	defer late.Stop()
	select {
	case r, ok := <-p.replies:
		switch {
		case !ok:
			return toolcall.Answer{}, &toolcall.LostError{Err: fmt.Errorf("the tool crashed, and the output of this call is lost (%s). "+
				"Try something simpler", p.why())}
		case r.Error != "":
			return toolcall.Answer{}, &toolcall.LostError{Err: errors.New(truncate.Bytes(r.Error, maxMessage))}
		}
		var answer toolcall.Answer
		if err := json.Unmarshal(r.Answer, &answer); err != nil {
			return toolcall.Answer{}, &toolcall.LostError{Err: fmt.Errorf("the tool's answer is not valid JSON: %w", err)}
		}
		return answer, nil
	case <-ctx.Done():
		return toolcall.Answer{}, &toolcall.LostError{Err: fmt.Errorf("the call was canceled: %w", ctx.Err())}
	case <-late.C:
		return toolcall.Answer{}, &toolcall.LostError{Err: fmt.Errorf("the tool did not answer within %v; ask for less data at a time", callTime)}
	}
}

// why returns the last line that the process wrote to its standard error.
func (p *process) why() string {
	select { // what it wrote last may not have been read yet
	case <-p.done:
	case <-time.After(closeTime):
	}
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	if last := truncate.Bytes(lines[len(lines)-1], maxMessage); last != "" {
		return last
	}
	return "it wrote no error"
}

// close lets the process exit, and kills it if it does not.
func (p *process) close() {
	_ = p.in.Close()
	select {
	case <-p.done:
	case <-p.drained():
	case <-time.After(closeTime):
		p.kill()
	}
}

// drained discards replies that nobody waits for, so that the reader can end.
func (p *process) drained() <-chan struct{} {
	go func() {
		for range p.replies {
		}
	}()
	return p.done
}

func (p *process) kill() {
	_ = p.in.Close()
	_ = p.cmd.Process.Kill()
	<-p.drained()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

// Write implements io.Writer.
func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.Write(data)
	if over := t.kept.Len() - maxStderr; over > 0 {
		t.kept.Next(over)
	}
	return len(data), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
