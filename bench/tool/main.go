// Command tool compares three ways to run a model's Python code, in one run on one machine: this
// library's tool (the real binary behind a Runtime API), the same code executed in the process of a
// warm Python, and a fresh python3 per call.
//
//	go run ./bench/tool -python python3 -calls 50
//
// AWS is a small server of its own on this machine, so that what is measured is the way there. It
// prints a Markdown table of medians in milliseconds.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The codes that are measured.
const (
	codeSum  = `result = 1 + 1`
	codeLogs = `result = len(boto3.client("logs").describe_log_groups()["logGroups"])`
	codeEC2  = `result = len(boto3.client("ec2").describe_instances()["Reservations"])`
)

// codeWarmCall measures itself: milliseconds of one more call.
const codeWarmCall = `
c = boto3.client("logs"); c.describe_log_groups()
t = time.perf_counter()
for _ in range(200): c.describe_log_groups()
result = (time.perf_counter() - t) / 200 * 1000`

func main() {
	python := flag.String("python", "python3", "interpreter with boto3")
	calls := flag.Int("calls", 50, "calls per row")
	rounds := flag.Int("starts", 5, "cold starts per row")
	flag.Parse()
	if err := run(*python, *calls, *rounds); err != nil {
		log.Fatal(err)
	}
}

func run(python string, calls, starts int) error {
	directory, err := os.MkdirTemp("", "alarmtriage-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	aws := httptest.NewServer(http.HandlerFunc(answerAWS))
	defer aws.Close()
	b := bench{directory: directory, endpoint: aws.URL, calls: calls}
	if b.interpreter, b.search, err = locate(python); err != nil {
		return err
	}
	if err := b.build(); err != nil {
		return err
	}
	return b.compare(starts)
}

// answerAWS answers the two operations that are measured.
func answerAWS(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	if r.Header.Get("X-Amz-Target") != "" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		io.WriteString(w, `{"logGroups":[{"logGroupName":"/aws/lambda/a","arn":"arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/a:*"}]}`)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	io.WriteString(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet/></DescribeInstancesResponse>`)
}

type bench struct {
	directory, endpoint, interpreter, search string
	calls                                    int
}

// locate finds the binary behind an interpreter's name and where its boto3 lies.
func locate(python string) (interpreter, search string, err error) {
	out, err := exec.Command(python, "-c", `import boto3, os, sys
print(os.path.realpath(getattr(sys, "_base_executable", sys.executable))); print(os.path.dirname(os.path.dirname(boto3.__file__)))`).Output()
	if err != nil {
		return "", "", fmt.Errorf("ask %s for its boto3: %w", python, err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2 {
		return "", "", fmt.Errorf("%s gave %q for its paths", python, out)
	}
	return lines[0], lines[1], nil
}

// build makes the tool's binary and its layer as the construct does.
func (b *bench) build() error {
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", b.path("alarmtriage-tool"), "./lambdas/tool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the tool (run this in the module's directory): %w", err)
	}
	layer := b.path("layer", "python", "alarmtriage_tool")
	if err := os.CopyFS(layer, os.DirFS(filepath.Join("pythonlayer", "alarmtriage_tool"))); err != nil {
		return fmt.Errorf("stage the layer: %w", err)
	}
	compile := exec.Command(b.interpreter, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", layer)
	compile.Stderr = os.Stderr
	return compile.Run()
}

func (b *bench) path(elements ...string) string {
	return filepath.Join(append([]string{b.directory}, elements...)...)
}

func (b *bench) environment(extra ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.directory, "TMPDIR=" + b.directory, "PYTHONPATH=" + b.search,
		"LD_LIBRARY_PATH=" + filepath.Join(filepath.Dir(filepath.Dir(b.interpreter)), "lib"),
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL=" + b.endpoint,
		"AWS_ACCESS_KEY_ID=AKIAEXAMPLE000000000", "AWS_SECRET_ACCESS_KEY=example",
	}, extra...)
}

// runner executes code and tells how long it took.
type runner interface {
	call(code string) (time.Duration, json.RawMessage, error)
	memory() int // MB, of all its processes, when idle
	close()
}

func (b *bench) compare(starts int) error {
	ways := []struct {
		name  string
		start func() (runner, error)
	}{
		{"this tool", b.startTool},
		{"warm Python, in-process", b.startInProcess},
		{"fresh python3 per call", b.startFresh},
	}
	type row struct {
		name  string
		cells []string
	}
	rows := []row{{name: "cold start to the first `1+1`"}, {name: "first use of logs after a cold start"}, {name: "warm `1+1`, p50"}, {name: "warm `1+1`, p99"},
		{name: "new logs client and a call, p50"}, {name: "new ec2 client and a call, p50"}, {name: "one more call of a client"}, {name: "memory when idle, MB (Pss of all processes)"}}
	for _, way := range ways {
		var cold, first []time.Duration
		for range starts {
			begin := time.Now()
			r, err := way.start()
			if err != nil {
				return fmt.Errorf("start %s: %w", way.name, err)
			}
			_, _, err = r.call(codeSum)
			cold = append(cold, time.Since(begin))
			if err == nil {
				var d time.Duration
				d, _, err = r.call(codeLogs)
				first = append(first, d)
			}
			r.close()
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
		}
		r, err := way.start()
		if err != nil {
			return err
		}
		cells, err := b.warm(r)
		r.close()
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		for i, cell := range append([]string{milliseconds(cold, 0.5), milliseconds(first, 0.5)}, cells...) {
			rows[i].cells = append(rows[i].cells, cell)
		}
	}
	fmt.Printf("| milliseconds, %d calls a row | this tool | warm Python, in-process | fresh python3 per call |\n|---|---|---|---|\n", b.calls)
	for _, row := range rows {
		fmt.Printf("| %s | %s |\n", row.name, strings.Join(row.cells, " | "))
	}
	return nil
}

func (b *bench) warm(r runner) ([]string, error) {
	series := map[string][]time.Duration{}
	for _, code := range []string{codeSum, codeLogs, codeEC2} {
		for i := range b.calls + 3 {
			d, _, err := r.call(code)
			if err != nil {
				return nil, err
			}
			if i >= 3 {
				series[code] = append(series[code], d)
			}
		}
	}
	_, each, err := r.call(codeWarmCall)
	if err != nil {
		return nil, err
	}
	one, err := strconv.ParseFloat(string(each), 64)
	if err != nil {
		return nil, err
	}
	memory := "–"
	if mb := r.memory(); mb > 0 {
		memory = strconv.Itoa(mb)
	}
	return []string{milliseconds(series[codeSum], 0.5), milliseconds(series[codeSum], 0.99), milliseconds(series[codeLogs], 0.5),
		milliseconds(series[codeEC2], 0.5), fmt.Sprintf("%.2f", one), memory}, nil
}

func milliseconds(series []time.Duration, quantile float64) string {
	slices.Sort(series)
	at := series[min(int(float64(len(series))*quantile), len(series)-1)]
	return fmt.Sprintf("%.1f", float64(at.Microseconds())/1000)
}

// tool is the real binary behind a Runtime API of one invocation at a time.
type tool struct {
	cmd      *exec.Cmd
	server   *http.Server
	requests chan []byte
	answers  chan []byte
}

func (b *bench) startTool() (runner, error) {
	t := &tool{requests: make(chan []byte), answers: make(chan []byte)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", t.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{outcome}", t.answer)
	t.server = &http.Server{Handler: mux}
	go t.server.Serve(listener)
	t.cmd = exec.Command(b.path("alarmtriage-tool"), b.interpreter)
	t.cmd.Env = b.environment("AWS_LAMBDA_RUNTIME_API="+listener.Addr().String(), "ALARMTRIAGE_LAYER="+b.path("layer"), "AWS_LAMBDA_LOG_LEVEL=ERROR")
	t.cmd.Stderr = os.Stderr
	return t, t.cmd.Start()
}

func (t *tool) next(w http.ResponseWriter, r *http.Request) {
	select {
	case request := <-t.requests:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "bench")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		w.Write(request)
	case <-r.Context().Done():
	}
}

func (t *tool) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.WriteHeader(http.StatusAccepted)
	t.answers <- body
}

func (t *tool) call(code string) (time.Duration, json.RawMessage, error) {
	request, err := json.Marshal(map[string]string{"command": code})
	if err != nil {
		return 0, nil, err
	}
	start := time.Now()
	t.requests <- request
	select {
	case body := <-t.answers:
		d := time.Since(start)
		var answer struct {
			Success bool
			Output  string
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

func (t *tool) memory() int { return residentTree(t.cmd.Process.Pid) }

func (t *tool) close() {
	t.cmd.Process.Kill()
	t.cmd.Wait()
	t.server.Close()
}

// loop executes each code in the process itself, as a handler written in Python would that offers the
// same modules.
const loop = `
import sys, json, csv, base64, datetime, time, re, string, textwrap, difflib, fnmatch, glob, collections, itertools, functools
import operator, copy, ipaddress, hashlib, urllib.parse, urllib.request, uuid, math, statistics, random, decimal, fractions, os
import platform, traceback, warnings, pprint, enum, dataclasses, typing, io, gzip, zlib, tarfile, zipfile, ast, concurrent.futures
import boto3, botocore.exceptions, botocore.config
for line in sys.stdin:
    names = {"boto3": boto3, "time": time, "json": json}
    exec(json.loads(line), names)
    print(json.dumps(names["result"]), flush=True)
`

type inProcess struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *json.Decoder
}

func (b *bench) startInProcess() (runner, error) {
	cmd := exec.Command(b.interpreter, "-c", loop)
	cmd.Env, cmd.Stderr = b.environment(), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &inProcess{cmd: cmd, in: json.NewEncoder(in), out: json.NewDecoder(out)}, cmd.Start()
}

func (p *inProcess) call(code string) (time.Duration, json.RawMessage, error) {
	start := time.Now()
	if err := p.in.Encode(code); err != nil {
		return 0, nil, err
	}
	var result json.RawMessage
	err := p.out.Decode(&result)
	return time.Since(start), result, err
}

func (p *inProcess) memory() int { return residentTree(p.cmd.Process.Pid) }

func (p *inProcess) close() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// fresh starts an interpreter for each call.
type fresh struct{ b *bench }

func (b *bench) startFresh() (runner, error) { return fresh{b}, nil }

func (f fresh) call(code string) (time.Duration, json.RawMessage, error) {
	cmd := exec.Command(f.b.interpreter, "-c", "import boto3, time, json\n"+code+"\nprint(json.dumps(result))")
	cmd.Env, cmd.Stderr = f.b.environment(), os.Stderr
	start := time.Now()
	out, err := cmd.Output()
	return time.Since(start), bytes.TrimSpace(out), err
}

func (fresh) memory() int { return 0 }
func (fresh) close()      {}

// residentTree sums the memory of a process and all below it: its proportional share of what several
// processes have in common where the kernel tells it to this user, else all of it.
func residentTree(root int) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	parent := map[int]int{}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			parent[pid] = number(filepath.Join("/proc", entry.Name(), "status"), "PPid:")
		}
	}
	sum := 0
	for pid := range parent {
		for at := pid; at != 0; at = parent[at] {
			if at == root {
				sum += share(pid)
				break
			}
		}
	}
	return sum >> 10
}

func share(pid int) int {
	directory := filepath.Join("/proc", strconv.Itoa(pid))
	if kb := number(filepath.Join(directory, "smaps_rollup"), "Pss:"); kb > 0 {
		return kb
	}
	return number(filepath.Join(directory, "status"), "VmRSS:")
}

// number returns the number behind a name in one of /proc's files.
func number(path, name string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	return 0
}
