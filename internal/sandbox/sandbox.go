package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	KeptOutput   = 64 << 10               // bytes of the head, and of the tail, that are shown of stdout and of stderr
	CutMargin    = 24 << 10               // bytes beyond them that Clean sees: the length of a secret that is found at the cut, such as user data
	MaxOutput    = 16 << 20               // bytes of one stream after which a call is killed
	MaxResult    = 128 << 10              // bytes of a result that is returned as JSON
	MaxFile      = 64 << 20               // bytes of one file that a call may write
	MaxProcesses = 128                    // threads and processes of a call
	HardDelay    = 500 * time.Millisecond // from the soft deadline, which Python enforces, to the kill

	maxMargin   = 2 * time.Second        // of the invocation, reserved for the kill, running queries, the search for secrets, and the answer
	minMargin   = 700 * time.Millisecond // a little more than HardDelay
	marginShare = 5                      // a fifth of the invocation is reserved, within these limits: 2 s of a tool's shortest timeout, 10 s
	minTime     = 50 * time.Millisecond  // that every call gets, however late it starts
)

// Session serves the AWS requests of one call.
type Session interface {
	// Serve answers requests on the control socket until the socket is closed. It reports whether everything that it
	// started has ended.
	Serve(ctx context.Context, control *os.File) (allEnded bool)
	// Audit returns the requests made, the number of those that are not listed, and the number of those
	// refused.
	Audit() (calls []toolcall.AWSCall, unlisted, refusals int)
}

// Options configure how Python is started and confined.
type Options struct {
	Interpreter string   // path of the Python interpreter
	Layer       string   // directory that holds python/alarmtriage_tool
	SearchPath  []string // directories added to Python's module search path
	AccessKey   string   // dummy access key ID that the code signs with; the broker replaces its signatures
	Scratch     string   // directory in which calls may write, such as /tmp
	Readable    []string // paths that code may read, with everything below them; none: all but the kernel's own file systems. Needs Landlock
	Environment []string // of this process; Python sees only the variables in visibleVariables
	Sealed      string   // whether this process is unreadable, see Sealed; for Status
	Launched    string   // the Python that Seal started, see Launched; empty: New starts it
	MemoryMB    int      // limit of a call's data; 0: none
	Warm        []string // services whose clients the zygote creates in advance, in this order
	OwnUser     bool     // only the sandbox uses this user ID: processes that are not its own are killed at start and after a call
	Spared      []string // directories in which no call can write; with OwnUser, programs in them that run at start are not killed
	OwnScratch  bool     // only the sandbox uses Scratch: every file of this user is removed, at start and after a call
	Reap        bool     // this process has no children but the sandbox's: adopt and kill orphans of calls
	NewSession  func() Session
	// Clean returns a text that the code wrote as the answer shows it. If isCut is set, the text is shortened afterwards, so
	// Clean must also replace secrets: a part of a secret would not be recognized. Nil: texts are shown as they are.
	Clean  func(text string, isCut bool) string
	Stderr *os.File // receives the zygote's own errors; nil: they are dropped
	Log    *slog.Logger
}

// Supervisor runs calls, one at a time.
type Supervisor struct {
	options      Options
	reaper       layer           // whether orphans are adopted
	condition    condition       // of this process at start
	ancestors    map[int]bool    // process IDs of this process's ancestors
	tolerated    []int           // process IDs of the user's other processes at start
	alone        bool            // whether all other processes of the user are the sandbox's
	lastPID      int             // that a process can have
	keys         int             // the user's keys in the kernel at start
	watchNetwork bool            // whether network sockets of the user must be the call's
	opened       int             // descriptors at start
	scratch      attributes      // of the scratch directory at start
	foreign      map[string]bool // names of other users' files in the scratch directory at start

	mu      sync.Mutex
	zygote  *zygote
	cleanUp func() *SpentError // removes what the last call left behind; nil: nothing
	spent   *SpentError        // why no more calls can run here; nil: they can
}

// New starts the warm Python process. If it returns an error, no code can run on this host.
func New(ctx context.Context, o Options) (*Supervisor, error) {
	if o.Interpreter == "" || o.Layer == "" || o.Scratch == "" || o.AccessKey == "" || o.NewSession == nil {
		return nil, errors.New("the sandbox needs Interpreter, Layer, Scratch, AccessKey, and NewSession")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{options: o, reaper: layer{State: stateOff}}
	if o.Reap {
		s.reaper = layerOf(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	}
	if err := s.lookAround(); err != nil { // while Python imports its modules, if Seal started it
		return nil, err
	}
	if err := s.ensureZygote(ctx); err != nil {
		return nil, err
	}
	o.Log.Info("sandbox ready", "layers", s.layers())
	return s, nil
}

// lookAround records the state from which calls must not deviate, and removes what an earlier run of this function
// left behind.
func (s *Supervisor) lookAround() (err error) {
	s.ancestors = findAncestors()
	killed := 0
	s.tolerated, killed, err = survivors{s.options, s.ancestors}.end()
	warnOfSurvivors(s.options.Log, killed)
	if err != nil {
		return err
	}
	s.alone, s.lastPID = s.isAlone(), lastPID()
	if err := s.emptyScratch(); err != nil {
		return err
	}
	if s.options.OwnUser {
		s.removeShared()
	}
	s.condition, s.keys, s.opened = conditionOf(os.Getpid()), keys(os.Getuid()), len(names(ownDescriptors))
	s.watchNetwork = s.ownsNetwork()
	return nil
}

// warnOfSurvivors logs that code of an earlier call ran until now, which the operator must know.
func warnOfSurvivors(log *slog.Logger, killed int) {
	if killed > 0 {
		log.Error("processes of an earlier call were running when the tool started, and were ended; "+
			"they could read the role's credentials", "processes", killed)
	}
}

func (s *Supervisor) ensureZygote(ctx context.Context) error {
	if s.zygote != nil && s.zygote.isAlive() {
		return nil
	}
	if s.zygote != nil {
		s.zygote.stop()
		s.zygote = nil
	}
	z, err := startZygote(ctx, s.options)
	s.options.Launched = "" // a launched Python can be adopted only once
	if err != nil {
		return err
	}
	s.zygote = z
	return nil
}

// Status returns the state of the layers, the limits of a call, and versions.
func (s *Supervisor) Status() toolcall.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := toolcall.Status{Layers: s.layers(), Limits: s.limits()}
	if s.zygote != nil {
		status.Python, status.Boto3 = s.zygote.ready.Python, s.zygote.ready.Boto3
		status.Layers["seccomp in calls"] = s.zygote.callFilter().String()
	}
	return status
}

// layers returns the state of each layer, except for the filter that a child reports.
func (s *Supervisor) layers() map[string]string {
	layers := map[string]string{
		"no credentials":        string(stateActive),
		"resource limits":       string(stateActive),
		"audit hook":            string(stateActive),
		"supervisor unreadable": s.options.Sealed,
		"orphans adopted":       s.reaper.String(),
		"files swept":           activeIf(s.options.OwnScratch).String(),
		"zygote unreadable":     string(stateOff),
		"seccomp":               string(stateOff),
		"landlock":              string(stateOff),
	}
	if s.zygote != nil {
		for name, layer := range s.zygote.layers {
			layers[name] = layer.String()
		}
	}
	return layers
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
		"files":     strconv.Itoa(MaxFiles),
		"processes": strconv.Itoa(MaxProcesses),
		"deadline":  fmt.Sprintf("the invocation's, less at most %s", maxMargin),
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

// emptyScratch removes what an earlier run of this function left in the scratch directory, if that is the
// sandbox's own. Files of other users stay. It fails if there are too many to remove them in time, because the code of a call
// must not find them. The next start removes more.
func (s *Supervisor) emptyScratch() error {
	s.scratch = attributesOf(s.options.Scratch)
	if s.options.OwnScratch && s.scratch.mode != 0 {
		s.scratch.mode |= ownerMode // an earlier run may have ended before it restored the mode
		s.scratch.restoreMode(s.options.Scratch)
	}
	s.foreign = map[string]bool{}
	deadline := time.Now().Add(cleanTime)
	for _, name := range s.scratchFiles() {
		path := filepath.Join(s.options.Scratch, name)
		if isForeign(path) {
			s.foreign[name] = true
			continue
		}
		if err := removeAll(path, deadline); errors.Is(err, errTooSlow) {
			return err
		}
	}
	return nil
}

// isForeign reports whether a file belongs to another user.
func isForeign(path string) bool {
	var stat unix.Stat_t
	return unix.Lstat(path, &stat) == nil && int(stat.Uid) != os.Getuid()
}

// scratchFiles returns the names in the scratch directory that only the sandbox can have created. The code can replace the file of
// another user by its own file with the same name, and give that user's file another name.
func (s *Supervisor) scratchFiles() (files []string) {
	if !s.options.OwnScratch {
		return nil
	}
	for _, name := range names(s.options.Scratch) {
		if !s.foreign[name] || !isForeign(filepath.Join(s.options.Scratch, name)) {
			files = append(files, name)
		}
	}
	return files
}

// Place is where the code of a call reads, which the code learns. It decides nothing: the broker does.
type Place struct {
	Account string   // that clients read unless the code names another one; empty: not known
	Own     string   // the account of the tool; empty: not known
	Region  string   // of clients unless the code names another one; empty: that of the environment
	Problem string   // why Account cannot be read; empty: it can
	Others  []string // other accounts that the code may name; "*": any
}

// Run runs one call until ctx's deadline less a margin. A failure of the code is part of the answer. The
// error means that the sandbox itself failed. After the caller has passed the answer or the error on, it must
// call Settle.
func (s *Supervisor) Run(ctx context.Context, command string, at Place) (toolcall.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return toolcall.Answer{}, err
	}
	s.keys = min(s.keys, keys(os.Getuid())) // the kernel removes released keys later
	answer, err := s.runCall(ctx, command, at)
	if err != nil {
		s.spend(&SpentError{traceHarness, err.Error()})
	}
	return answer, err
}

// Settle removes what the last call left behind. If it returns an error, which is a [SpentError], a call
// affected more than itself, and this process must exit.
func (s *Supervisor) Settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settle()
}

func (s *Supervisor) settle() error {
	if s.cleanUp != nil {
		s.spend(s.cleanUp())
		s.cleanUp = nil
	}
	if s.spent == nil {
		return nil
	}
	if s.zygote != nil {
		s.zygote.stop()
		s.zygote = nil
	}
	return s.spent
}

// spend records the first trace. Nil changes nothing.
func (s *Supervisor) spend(trace *SpentError) {
	if s.spent == nil {
		s.spent = trace
	}
}

func (s *Supervisor) runCall(ctx context.Context, command string, at Place) (toolcall.Answer, error) {
	if err := s.ensureZygote(ctx); err != nil {
		return toolcall.Answer{}, fmt.Errorf("restart the sandbox: %w", err)
	}
	directory, err := os.MkdirTemp(s.options.Scratch, "call-")
	if err != nil {
		return toolcall.Answer{}, fmt.Errorf("make the call's directory: %w", err)
	}
	child := 0
	s.cleanUp = func() *SpentError { return s.clean(directory, child) }
	c, err := newCall(s.options, directory, command, at, time.Now(), softTime(ctx))
	if err != nil {
		return toolcall.Answer{}, err
	}
	defer c.close()
	answer, err := c.run(ctx, s)
	if c.spare != nil {
		child = c.spare.pid
	}
	if s.spent != nil {
		answer.Notes = append(answer.Notes, noteSpent)
	}
	return answer, err
}

// noteSpent tells the model that its code did more than the sandbox intends.
const noteSpent = "the code affected more than its own process; the sandbox is replaced before the next call"

// cleanTime bounds the removal of the files of a call.
const cleanTime = 3 * time.Second

// clean removes the files of a call and, with Options.OwnScratch, all others. A child that has not ended could
// still write files.
func (s *Supervisor) clean(directory string, child int) *SpentError {
	if child != 0 && !waitEnded(child) {
		return &SpentError{traceProcess, "the process of the call does not end"}
	}
	if s.zygote != nil {
		s.zygote.clearExits()
	}
	s.scratch.restore(s.options.Scratch)
	deadline := time.Now().Add(cleanTime)
	err := removeAll(directory, deadline)
	for _, name := range s.scratchFiles() {
		err = errors.Join(err, removeAll(filepath.Join(s.options.Scratch, name), deadline))
	}
	if err != nil {
		return &SpentError{traceFiles, err.Error()}
	}
	return nil
}

// inspect kills the processes that a call left behind and records traces of the call.
func (s *Supervisor) inspect(z *zygote, c *call) {
	filtered := c.spare.isFiltered()
	announced := time.Now().Add(announceWait)
	p, ok := readProcess(z.process.Pid)
	lost := !ok || p.zombie || p.stopped
	if lost {
		announced = time.Now()
		s.spend(&SpentError{traceZygote, "the zygote was stopped or has ended"})
	}
	switch n, ended := s.killLeftovers(z, c.spare.pid, filtered, announced); {
	case !ended:
		s.spend(&SpentError{traceProcess, fmt.Sprintf("processes left behind do not end; killed %d", n)})
	case n > 0:
		s.spend(&SpentError{traceProcess, fmt.Sprintf("%d processes left behind", n)})
	}
	if !filtered {
		z.discardSpare() // the code could change the limits and scheduling of a child that was forked during the call
	}
	if !z.confines(filtered) && s.options.OwnUser {
		s.inspectUser(c)
	}
	s.spend(s.condition.compare("supervisor", os.Getpid()))
	if lost {
		return
	}
	s.spend(z.condition.compare("zygote", z.process.Pid))
	if n := len(names(ownDescriptors)) - s.opened; n > maxMoreDescriptors {
		s.spend(&SpentError{traceDescriptor, fmt.Sprintf("%d more than at start", n)})
	}
}

// inspectUser records traces that belong to no process. Only where the sandbox has its own user, they must be
// the call's.
func (s *Supervisor) inspectUser(c *call) {
	if s.removeShared() {
		s.spend(&SpentError{traceShared, "memory, a queue, a semaphore, or a key"})
	}
	if c.usedNetwork.Load() || s.watchNetwork && usesNetwork(os.Getuid()) {
		s.spend(&SpentError{traceSocket, "of the call"})
	}
}

// ownsNetwork reports whether only the sandbox opens network sockets as its user. Lambda extensions do too, and so
// does whoever has one when this process starts.
func (s *Supervisor) ownsNetwork() bool {
	return s.options.OwnUser && len(s.tolerated) == 0 && !usesNetwork(os.Getuid())
}

// softTime returns the time until the soft deadline of a call, or 0 if ctx has no deadline.
func softTime(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	left := time.Until(deadline)
	keep := min(max(left/marginShare, minMargin), maxMargin)
	return max(left-keep, minTime)
}

// LayerPath returns the directory of a layer's Python packages.
func LayerPath(layer string) string { return filepath.Join(layer, "python") }
