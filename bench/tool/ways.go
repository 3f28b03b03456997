package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// way executes code and measures its duration.
type way interface {
	call(code string) (time.Duration, json.RawMessage, error)
	memory() int // MB of all its processes when idle
	close()
}

// stage is the environment of the ways: an interpreter with boto3, the tool as the construct builds it, and
// AWS.
type stage struct {
	directory, interpreter, search string
	bundle                         string // path of the certificate bundle
	plain, secure                  string // endpoints of AWS over HTTP and HTTPS
}

func (s *stage) path(elements ...string) string {
	return filepath.Join(append([]string{s.directory}, elements...)...)
}

// locate finds the binary of an interpreter and the directory of its boto3.
func (s *stage) locate(python string) (usualBundle string, err error) {
	out, err := exec.Command(python, "-c", `import boto3, botocore, os, sys
print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
print(os.path.dirname(os.path.dirname(boto3.__file__)))
print(os.path.join(os.path.dirname(botocore.__file__), "cacert.pem"))`).Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its boto3: %w", python, err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 3 {
		return "", fmt.Errorf("%s gave %q for its paths", python, out)
	}
	s.interpreter, s.search = lines[0], lines[1]
	return lines[2], nil
}

// built is a version of the tool.
type built struct{ binary, layer string }

// build builds the tool's binary and its layer as the construct does, from a checkout of this repository.
func (s *stage) build(root, name string) (built, error) {
	b := built{binary: s.path(name, "alarmtriage-tool"), layer: s.path(name, "layer")}
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "./lambdas/tool")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return b, fmt.Errorf("build the tool: %w", err)
	}
	layer := filepath.Join(b.layer, "python", "alarmtriage_tool")
	if err := os.CopyFS(layer, os.DirFS(filepath.Join(root, "pythonlayer", "alarmtriage_tool"))); err != nil {
		return b, fmt.Errorf("stage the layer: %w", err)
	}
	compile := exec.Command(s.interpreter, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", layer)
	compile.Stderr = os.Stderr
	return b, compile.Run()
}

func (s *stage) environment(endpoint string, extra ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.directory, "TMPDIR=" + s.directory, "PYTHONPATH=" + s.search,
		"LD_LIBRARY_PATH=" + filepath.Join(filepath.Dir(filepath.Dir(s.interpreter)), "lib"),
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL=" + endpoint,
		"AWS_ACCESS_KEY_ID=AKIAEXAMPLE000000000", "AWS_SECRET_ACCESS_KEY=example",
	}, extra...)
}

// function is the runtime of a Lambda function with a Runtime API that serves one invocation at a time.
type function struct {
	cmd      *exec.Cmd
	server   *http.Server
	requests chan []byte
	answers  chan []byte
}

// startTool starts the real tool with all its layers, the redaction, and the broker's guard.
func (s *stage) startTool(b built, endpoint string) (way, error) {
	return s.startFunction([]string{b.binary, s.interpreter}, s.environment(endpoint,
		"ALARMTRIAGE_LAYER="+b.layer, "AWS_LAMBDA_LOG_LEVEL=ERROR", "SSL_CERT_FILE="+s.bundle))
}

//go:embed handler.py
var handler string

// startHandler starts Python with a handler that executes the code itself.
func (s *stage) startHandler(endpoint string) (way, error) {
	return s.startFunction([]string{s.interpreter, "-c", handler}, s.environment(endpoint, "AWS_CA_BUNDLE="+s.bundle))
}

func (s *stage) startFunction(argv, environment []string) (way, error) {
	f := &function{requests: make(chan []byte), answers: make(chan []byte)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{outcome}", f.answer)
	f.server = &http.Server{Handler: mux}
	go f.server.Serve(listener)
	f.cmd = exec.Command(argv[0], argv[1:]...)
	f.cmd.Env = append(environment, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	f.cmd.Stderr = os.Stderr
	return f, f.cmd.Start()
}

func (f *function) next(w http.ResponseWriter, r *http.Request) {
	select {
	case request := <-f.requests:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "bench")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		w.Write(request)
	case <-r.Context().Done():
	}
}

func (f *function) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.WriteHeader(http.StatusAccepted)
	f.answers <- body
}

func (f *function) call(code string) (time.Duration, json.RawMessage, error) {
	request, err := json.Marshal(map[string]string{"command": code})
	if err != nil {
		return 0, nil, err
	}
	start := time.Now()
	f.requests <- request
	select {
	case body := <-f.answers:
		d := time.Since(start)
		var answer struct {
			Success bool
			Result  json.RawMessage
		}
		if err := json.Unmarshal(body, &answer); err != nil || !answer.Success {
			return 0, nil, fmt.Errorf("%s", body)
		}
		return d, answer.Result, nil
	case <-time.After(time.Minute):
		return 0, nil, context.DeadlineExceeded
	}
}

func (f *function) memory() int { return residentTree(f.cmd.Process.Pid) }

// close ends all processes and waits for them, because a running process would distort the next measurement.
func (f *function) close() {
	all := tree(f.cmd.Process.Pid)
	for _, pid := range all {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	f.cmd.Wait()
	f.server.Close()
	for _, pid := range all {
		for syscall.Kill(pid, 0) == nil && field(filepath.Join("/proc", strconv.Itoa(pid), "status"), "VmRSS:") > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// fresh is the way that starts an interpreter for each call.
type fresh struct {
	stage    *stage
	endpoint string
}

func (s *stage) startFresh(endpoint string) (way, error) { return fresh{s, endpoint}, nil }

func (f fresh) call(code string) (time.Duration, json.RawMessage, error) {
	cmd := exec.Command(f.stage.interpreter, "-c", "import boto3, time, json\n"+code+"\nprint(json.dumps(result))")
	cmd.Env, cmd.Stderr = f.stage.environment(f.endpoint, "AWS_CA_BUNDLE="+f.stage.bundle), os.Stderr
	start := time.Now()
	out, err := cmd.Output()
	return time.Since(start), bytes.TrimSpace(out), err
}

func (fresh) memory() int { return 0 }
func (fresh) close()      {}
