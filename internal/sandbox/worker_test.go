package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// The tests drive a supervisor in a separate process, as in Lambda: sealed, unprivileged even if the tests
// run as root, and, in one of two configurations, under a filter that refuses the system calls that AWS
// Lambda is reported to refuse. The process is this test binary in another role.
const (
	envRole    = "ALARMTRIAGE_TEST_ROLE"
	envWorker  = "ALARMTRIAGE_TEST_WORKER" // JSON of workerOptions
	envPythons = "ALARMTRIAGE_PYTHONS"     // interpreters to test with, separated by colons

	roleWorker = "worker"
	roleRefuse = "refuse, then worker"
)

// Secrets that every worker holds. No answer may contain them.
const (
	plantedKey    = "ASIAPLANTEDKEY000000"
	plantedSecret = "planted-secret-of-the-supervisor"
)

type workerOptions struct {
	Interpreter string
	Layer       string
	SearchPath  []string
	Scratch     string
	Readable    []string
	MemoryMB    int
	OwnUser     bool
	Spared      []string
	Warm        []string
	Endpoint    string // used instead of AWS's own endpoints
	Stuck       bool   // sessions end while a request is still being checked
}

// stuckSession is a session whose last request is still being checked when it ends.
type stuckSession struct{ Session }

func (s stuckSession) Serve(ctx context.Context, control *os.File) (allEnded bool) {
	s.Session.Serve(ctx, control)
	return false
}

type workerRequest struct {
	Command string
	Place   Place
	Seconds float64
	Status  bool
}

// workerSettled follows each answer.
type workerSettled struct {
	Spent  traceKind // why the worker exits now; empty: it does not
	Detail string
}

func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case roleRefuse:
		exit(refuseAndBecomeWorker())
	case roleWorker:
		exit(work())
	}
	code := m.Run()
	removeAll(stagedPythons.root, time.Now().Add(time.Minute))
	os.Exit(code)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "test worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// refuseAndBecomeWorker installs a filter like the one that AWS Lambda is reported to use.
func refuseAndBecomeWorker() error {
	p := newProgram()
	p.refuse(answerEPERM, unix.SYS_PRCTL, unix.SYS_SECCOMP, unix.SYS_PTRACE, unix.SYS_CHROOT, unix.SYS_UNSHARE,
		unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_BPF, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
		unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF)
	p.answer(answerAllow)
	path, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := loadFilter(p); err != nil {
		return err
	}
	os.Setenv(envRole, roleWorker)
	return syscall.Exec(path, os.Args[:1], os.Environ())
}

// work replaces lambda.Start: it reads requests and writes answers as lines of JSON.
func work() error {
	var w workerOptions
	if err := json.Unmarshal([]byte(os.Getenv(envWorker)), &w); err != nil {
		return err
	}
	var endpoints []string
	if w.Endpoint != "" {
		endpoints = []string{w.Endpoint}
		os.Setenv("AWS_ENDPOINT_URL", w.Endpoint)
	}
	o := Options{
		Interpreter: w.Interpreter, Layer: w.Layer, SearchPath: w.SearchPath, Scratch: w.Scratch, Readable: w.Readable, AccessKey: broker.DummyAccessKey,
		Environment: os.Environ(), MemoryMB: w.MemoryMB, OwnUser: w.OwnUser, Spared: w.Spared, Warm: w.Warm, OwnScratch: true, Reap: true, Stderr: os.Stderr,
	}
	if err := Seal(o); err != nil {
		return err
	}
	o.Launched = Launched(os.Getenv)
	o.Sealed, _ = Sealed(os.Getenv)
	aws, err := broker.New(broker.Options{Endpoints: endpoints,
		Credentials: credentials.NewStaticCredentialsProvider(plantedKey, plantedSecret, plantedSecret)})
	if err != nil {
		return err
	}
	o.NewSession = func() Session {
		session := aws.NewSession(toolcall.DefaultQueryLimitUSD)
		if w.Stuck {
			return stuckSession{session}
		}
		return session
	}
	s, err := New(context.Background(), o)
	if err != nil {
		return err
	}
	defer s.Close()
	decoder, encoder := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var request workerRequest
		if err := decoder.Decode(&request); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := encoder.Encode(serve(s, request)); err != nil {
			return err
		}
		// As in the tool function: the clean-up follows the answer, and a spent environment exits.
		var settled workerSettled
		spent := s.Settle()
		if trace := (*SpentError)(nil); errors.As(spent, &trace) {
			settled = workerSettled{Spent: trace.Kind, Detail: trace.Detail}
		}
		if err := encoder.Encode(settled); err != nil || spent != nil {
			return err
		}
	}
}

func serve(s *Supervisor, request workerRequest) toolcall.Answer {
	if request.Status {
		status := s.Status()
		return toolcall.Answer{Status: &status}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(request.Seconds*float64(time.Second)))
	defer cancel()
	answer, err := s.Run(ctx, request.Command, request.Place)
	if err != nil {
		return toolcall.Answer{ErrorType: "HarnessLost", Error: err.Error()}
	}
	return answer
}

// worker is the test's connection to a supervisor process.
type worker struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	uid     int
	scratch string
	spent   traceKind // why the worker exited after the last call; empty: it did not
	detail  string
	start   func() // starts the process again
}

// configuration is one way to run the supervisor.
type configuration struct {
	name string
	role string
}

var configurations = []configuration{
	{name: "full", role: roleWorker},
	{name: "prctl refused", role: roleRefuse},
}

// nextUID gives each worker its own user ID if the tests run as root.
var nextUID = func() *atomic.Uint32 {
	var first atomic.Uint32
	first.Store(uint32(300_000 + os.Getpid()%100_000*16))
	return &first
}()

func startWorker(t *testing.T, python stagedPython, role string, endpoint ...string) *worker {
	t.Helper()
	return startWorkerWith(t, python, role, workerOptions{Endpoint: strings.Join(endpoint, "")})
}

// startWorkerWith starts a worker with options that the test has chosen; it sets the others.
func startWorkerWith(t *testing.T, python stagedPython, role string, options workerOptions) *worker {
	t.Helper()
	w := &worker{t: t, uid: os.Getuid(), scratch: publicDirectory(t)}
	options.Interpreter, options.Layer, options.SearchPath = python.interpreter, python.layer, python.search
	options.Scratch, options.MemoryMB, options.OwnUser = w.scratch, 512, os.Getuid() == 0
	encoded, err := json.Marshal(options)
	require.NoError(t, err)
	if os.Getuid() == 0 {
		w.uid = int(nextUID.Add(1))
		require.NoError(t, os.Chown(w.scratch, w.uid, w.uid))
	}
	w.start = func() { w.startProcess(python, role, encoded) }
	w.start()
	t.Cleanup(w.stop)
	return w
}

// startProcess starts the supervisor. It starts again if the environment is spent.
func (w *worker) startProcess(python stagedPython, role string, encoded []byte) {
	t := w.t
	t.Helper()
	w.cmd = exec.Command(python.testBinary)
	w.cmd.Env = []string{
		envRole + "=" + role, envWorker + "=" + string(encoded), "LD_LIBRARY_PATH=" + python.libraries,
		"PATH=" + os.Getenv("PATH"), "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=" + plantedKey,
		"AWS_SECRET_ACCESS_KEY=" + plantedSecret, "AWS_SESSION_TOKEN=" + plantedSecret, "TZ=IST-5:30",
	}
	w.cmd.Dir = w.scratch
	w.cmd.Stderr = testLog{t}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Getuid() == 0 {
		w.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid)}
	}
	var err error
	w.in, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	w.out = bufio.NewReader(out)
	require.NoError(t, w.cmd.Start())
}

func (w *worker) stop() {
	w.in.Close()
	done := make(chan struct{})
	go func() { w.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		w.t.Error("the worker did not exit after its input was closed")
	}
	syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL)
}

func (w *worker) run(command string, seconds float64) toolcall.Answer {
	w.t.Helper()
	return w.ask(workerRequest{Command: command, Seconds: seconds})
}

func (w *worker) ask(request workerRequest) toolcall.Answer {
	w.t.Helper()
	encoded, err := json.Marshal(request)
	require.NoError(w.t, err)
	const mostStarts = 5 // a busy machine can need several to remove the files of a call
	var answer toolcall.Answer
	var data []byte
	for starts := 1; ; starts++ {
		if w.spent != "" {
			w.stop()
			w.start()
		}
		if _, err = w.in.Write(append(encoded, '\n')); err == nil {
			data, err = w.next(request)
		}
		if err == nil || w.spent == "" || starts == mostStarts {
			break
		}
	}
	require.NoError(w.t, err, "the worker ended")
	require.NotContains(w.t, string(data), plantedKey)
	require.NotContains(w.t, string(data), plantedSecret)
	require.NoError(w.t, json.Unmarshal(data, &answer))
	var settled workerSettled
	require.NoError(w.t, json.Unmarshal(w.line(request), &settled))
	w.spent, w.detail = settled.Spent, settled.Detail
	return answer
}

// line reads one line of the worker.
func (w *worker) line(request workerRequest) []byte {
	w.t.Helper()
	data, err := w.next(request)
	require.NoError(w.t, err, "the worker ended")
	return data
}

// next reads one line of the worker. It fails if the worker ended.
func (w *worker) next(request workerRequest) ([]byte, error) {
	w.t.Helper()
	type line struct {
		data []byte
		err  error
	}
	got := make(chan line, 1)
	go func() {
		data, err := w.out.ReadBytes('\n')
		got <- line{data, err}
	}()
	select {
	case l := <-got:
		return l.data, l.err
	case <-time.After(time.Minute + time.Duration(request.Seconds*float64(time.Second))):
		require.FailNow(w.t, "the worker did not answer", "command: %s", request.Command)
		return nil, nil
	}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(data []byte) (int, error) {
	l.t.Logf("worker: %s", data)
	return len(data), nil
}

// stagedPython holds the paths of an interpreter, boto3, the layer, and this binary, which every user can read.
type stagedPython struct {
	name        string
	interpreter string
	libraries   string
	search      []string
	layer       string
	testBinary  string
}

var stagedPythons struct {
	root string
	list []stagedPython
}

// envAll makes the tests fail that the machine cannot run. Without it, they are skipped.
const envAll = "ALARMTRIAGE_ALL_TESTS"

// skip ends a test that this machine cannot run.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv(envAll) != "" {
		t.Fatalf("%s is set, so no test may be skipped: %s", envAll, reason)
	}
	t.Skip(reason)
}

// pythons stages the interpreters to test with, once.
func pythons(t *testing.T) []stagedPython {
	t.Helper()
	if stagedPythons.list != nil {
		return stagedPythons.list
	}
	root, err := os.MkdirTemp("", "alarmtriage-sandbox-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(root, 0o755))
	stagedPythons.root = root
	self, err := os.Executable()
	require.NoError(t, err)
	binary := filepath.Join(root, "sandbox.test")
	copyFile(t, self, binary)
	layer := filepath.Join(root, "layer")
	linkTree(t, filepath.Join("..", "..", "pythonlayer", "alarmtriage_tool"), filepath.Join(layer, "python", "alarmtriage_tool"))
	keepHook(t, filepath.Join(layer, "python", "alarmtriage_tool", "guard.py"))
	names := os.Getenv(envPythons)
	if names == "" {
		names = "python3"
	}
	for _, name := range filepath.SplitList(names) {
		p := stagePython(t, root, name)
		p.layer, p.testBinary = layer, binary
		stagedPythons.list = append(stagedPythons.list, p)
	}
	return stagedPythons.list
}

// keepHook makes a copy of the guard keep a reference to its audit hook, which [disarm] needs. Nothing else differs.
func keepHook(t *testing.T, guard string) {
	t.Helper()
	source, err := os.ReadFile(guard)
	require.NoError(t, err)
	const adds = "    sys.addaudithook(_hook())\n"
	require.Contains(t, string(source), adds)
	require.NoError(t, os.Remove(guard)) // it may be a link to the original
	kept := strings.Replace(string(source), adds, "    global hook_of_test\n    hook_of_test = _hook()\n    sys.addaudithook(hook_of_test)\n", 1)
	require.NoError(t, os.WriteFile(guard, []byte(kept), 0o644))
}

const probe = `
import json, os, sys, boto3, botocore, s3transfer, jmespath, urllib3, dateutil, six
print(json.dumps({
  "version": "%d.%d" % sys.version_info[:2],
  "executable": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
  "prefix": sys.base_prefix,
  "packages": [os.path.dirname(m.__file__) for m in (boto3, botocore, s3transfer, jmespath, urllib3, dateutil)] + [six.__file__],
}))`

// stagePython finds the interpreter with a name. If the tests run as root, it makes a copy that the
// unprivileged worker can read, because interpreters are often in a home directory.
func stagePython(t *testing.T, root, name string) stagedPython {
	t.Helper()
	out, err := exec.Command(name, "-c", probe).Output()
	require.NoError(t, err, "%s with boto3 is needed; set %s", name, envPythons)
	var found struct {
		Version, Executable, Prefix string
		Packages                    []string
	}
	require.NoError(t, json.Unmarshal(out, &found))
	libraries := filepath.Join(found.Prefix, "lib")
	if os.Getuid() != 0 {
		return stagedPython{name: found.Version, interpreter: found.Executable, libraries: libraries,
			search: []string{filepath.Dir(found.Packages[0])}}
	}
	own := filepath.Join(root, "python"+found.Version)
	p := stagedPython{
		name: found.Version, interpreter: filepath.Join(own, "bin", "python"+found.Version),
		libraries: filepath.Join(own, "lib"), search: []string{filepath.Join(own, "packages")},
	}
	copyFile(t, found.Executable, p.interpreter)
	standard := filepath.Join("lib", "python"+found.Version)
	linkTree(t, filepath.Join(found.Prefix, standard), filepath.Join(own, standard))
	shared, err := filepath.Glob(filepath.Join(libraries, "libpython*.so*"))
	require.NoError(t, err)
	for _, library := range shared {
		copyFile(t, library, filepath.Join(own, "lib", filepath.Base(library)))
	}
	for _, path := range found.Packages {
		linkTree(t, path, filepath.Join(own, "packages", filepath.Base(path)))
	}
	return p
}

// notNeeded are the parts of a Python installation that no test needs.
var notNeeded = map[string]bool{"site-packages": true, "test": true, "idlelib": true, "tkinter": true, "ensurepip": true, "lib2to3": true}

// linkTree hard-links the files of a tree, or copies them across file systems.
func linkTree(t *testing.T, from, to string) {
	t.Helper()
	from, err := filepath.EvalSymlinks(from)
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir() && notNeeded[entry.Name()]:
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0 || strings.HasSuffix(path, ".a"):
			return nil
		}
		if os.MkdirAll(filepath.Dir(target), 0o755) == nil && os.Link(path, target) == nil {
			return nil
		}
		copyFile(t, path, target)
		return nil
	}))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	info, err := os.Stat(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.WriteFile(to, data, info.Mode().Perm()|0o444))
}

// publicDirectory creates a temporary directory that other users can read.
func publicDirectory(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "alarmtriage-scratch-")
	require.NoError(t, err)
	t.Cleanup(func() { removeAll(directory, time.Now().Add(time.Minute)) })
	require.NoError(t, os.Chmod(directory, 0o755))
	return directory
}
