package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Limits of every call.
const (
	KeptOutput   = 64 << 10               // bytes of head, and of tail, kept of stdout and of stderr
	MaxOutput    = 16 << 20               // bytes of one stream after which a call is ended
	MaxResult    = 128 << 10              // bytes of a result that is returned as JSON
	MaxFile      = 64 << 20               // bytes of one file that a call may write
	MaxProcesses = 128                    // threads and processes of a call
	HardDelay    = 500 * time.Millisecond // from the soft deadline, which Python sees, to the kill

	maxMargin = 2 * time.Second        // of a call's own deadline, kept for the kill and the answer
	minMargin = 700 * time.Millisecond // the hard delay and a little
)

// Session is the way of one call to AWS: it answers on the control socket until that is closed.
type Session interface {
	Serve(ctx context.Context, control *os.File)
	// Audit lists the calls made, counts those not listed, and those refused.
	Audit() (calls []toolcall.AWSCall, cut, refusals int)
}

// Options say how Python is started and confined.
type Options struct {
	Interpreter string   // path of the Python interpreter
	Layer       string   // directory that holds python/alarmtriage_tool
	SearchPath  []string // directories added to Python's module search path
	AccessKey   string   // dummy access key ID that the code signs with; the broker replaces its signatures
	Scratch     string   // directory in which calls may write, such as /tmp
	Environment []string // what the zygote may see of it is chosen by name
	Sealed      string   // state of the supervisor's own unreadability, for Status
	Begun       string   // the Python that Seal has started; empty: New starts it
	MemoryMB    int      // limit of a call's data; 0: none
	Warm        []string // services whose clients are made ahead, in this order
	OwnUser     bool     // the user id is the sandbox's alone: whatever process of it is new after a call goes
	OwnScratch  bool     // Scratch is the sandbox's alone: whatever is new in it after a call goes
	Reap        bool     // this process's only children are the sandbox's: adopt and end orphans of calls
	NewSession  func() Session
	Stderr      *os.File // where Python's own complaints go; nil: nowhere
	Log         *slog.Logger
}

// Supervisor runs calls, one at a time.
type Supervisor struct {
	options Options
	reaper  string // state of adopting orphans
	mu      sync.Mutex
	zygote  *zygote
}

// New starts the warm Python process. Its error says that no code can be run here at all.
func New(ctx context.Context, o Options) (*Supervisor, error) {
	if o.Interpreter == "" || o.Layer == "" || o.Scratch == "" || o.AccessKey == "" || o.NewSession == nil {
		return nil, errors.New("the sandbox needs Interpreter, Layer, Scratch, AccessKey, and NewSession")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{options: o, reaper: "off"}
	if o.Reap {
		s.reaper = state(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	}
	if err := s.ensureZygote(ctx); err != nil {
		return nil, err
	}
	o.Log.Info("sandbox ready", "layers", s.layers())
	return s, nil
}

func (s *Supervisor) ensureZygote(ctx context.Context) error {
	if s.zygote != nil && s.zygote.alive() {
		return nil
	}
	if s.zygote != nil {
		s.zygote.stop()
		s.zygote = nil
	}
	z, err := startZygote(ctx, s.options)
	s.options.Begun = "" // that can be adopted once
	if err != nil {
		return err
	}
	s.zygote = z
	return nil
}

// Status says which layers are active, and the limits of a call.
func (s *Supervisor) Status() toolcall.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := toolcall.Status{Layers: s.layers(), Limits: s.limits()}
	if s.zygote != nil {
		status.Python, status.Boto3 = s.zygote.ready.Python, s.zygote.ready.Boto3
		status.Layers["seccomp in calls"] = s.zygote.callFilter()
	}
	return status
}

// layers are those of all calls; what a call adds is known when its child has told.
func (s *Supervisor) layers() map[string]string {
	layers := map[string]string{
		"no credentials":        active,
		"resource limits":       active,
		"audit hook":            active,
		"supervisor unreadable": s.options.Sealed,
		"orphans adopted":       s.reaper,
		"files swept":           onlyIf(s.options.OwnScratch),
		"zygote unreadable":     "off",
		"seccomp":               "off",
		"landlock":              "off",
	}
	if s.zygote != nil {
		maps.Copy(layers, s.zygote.layers)
	}
	return layers
}

func onlyIf(on bool) string {
	if on {
		return active
	}
	return "off"
}

func (s *Supervisor) limits() map[string]string {
	memory := "none"
	if s.options.MemoryMB > 0 {
		memory = strconv.Itoa(s.options.MemoryMB) + " MB"
	}
	return map[string]string{
		"memory":    memory,
		"output":    fmt.Sprintf("%d MB a stream, first and last %d KB kept", MaxOutput>>20, KeptOutput>>10),
		"result":    fmt.Sprintf("%d KB", MaxResult>>10),
		"file":      fmt.Sprintf("%d MB", MaxFile>>20),
		"processes": strconv.Itoa(MaxProcesses),
		"deadline":  fmt.Sprintf("the invocation's, less %s at most", maxMargin),
	}
}

// Close ends all processes of the sandbox.
func (s *Supervisor) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zygote != nil {
		s.zygote.stop()
		s.zygote = nil
	}
}

// Run runs one call until ctx's deadline less a margin. What goes wrong in the code is told in the
// answer; the error says that the sandbox itself could not be had.
func (s *Supervisor) Run(ctx context.Context, command string) (toolcall.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ensureZygote(ctx); err != nil {
		return toolcall.Answer{}, fmt.Errorf("restart the sandbox: %w", err)
	}
	directory, err := os.MkdirTemp(s.options.Scratch, "call-")
	if err != nil {
		return toolcall.Answer{}, fmt.Errorf("make the call's directory: %w", err)
	}
	defer removeAll(directory)
	c, err := newCall(s.options, directory, command, time.Now(), margin(ctx))
	if err != nil {
		return toolcall.Answer{}, err
	}
	defer c.close()
	answer, err := c.run(ctx, s.zygote, s.snapshot)
	if c.child != 0 {
		s.sweep(s.zygote, c.child, c.before)
		s.zygote.forget()
	}
	return answer, err
}

// margin is the time until the soft deadline of a call.
func margin(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	left := time.Until(deadline)
	keep := min(max(left/10, minMargin), maxMargin)
	return max(left-keep, 50*time.Millisecond)
}

// LayerPath is where a layer's packages lie.
func LayerPath(layer string) string { return filepath.Join(layer, "python") }
