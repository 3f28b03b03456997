package lambdahost

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// function is a deployed function and its running environments.
type function struct {
	Function
	host  *Host
	slots chan struct{} // one for each environment that may run at the same time

	mu   sync.Mutex
	idle []*environment
	all  map[*environment]bool
	gone bool
}

func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (f *function) invoke(ctx context.Context, payload []byte, requestID string) (Answer, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	default:
		return Answer{}, ErrThrottled
	}
	for {
		env, err := f.environment()
		if err != nil {
			return failure("Runtime.InitError", err.Error(), requestID), nil
		}
		answer, outcome := env.run(ctx, payload, requestID)
		if outcome == usable {
			f.release(env)
			return answer, nil
		}
		f.discard(env)
		if outcome == broken {
			return answer, nil
		}
	}
}

// outcome is the state of an environment after it was asked to run an event.
type outcome int

const (
	usable outcome = iota // it can serve another event
	broken                // it cannot, and the event has an answer
	ended                 // its process exited after an earlier answer, and it never received the event
)

// environment returns an idle environment, or starts a new one.
func (f *function) environment() (*environment, error) {
	f.mu.Lock()
	for len(f.idle) > 0 {
		env := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if env.alive() {
			f.mu.Unlock()
			return env, nil
		}
		delete(f.all, env)
		go env.close()
	}
	f.mu.Unlock()
	env, err := start(f)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		go env.close()
		return nil, errors.New("the host is closing")
	}
	if f.all == nil {
		f.all = map[*environment]bool{}
	}
	f.all[env] = true
	return env, nil
}

// release makes an environment available for the next invocation.
func (f *function) release(env *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, env)
}

// discard stops an environment that cannot serve another invocation.
func (f *function) discard(env *environment) {
	f.mu.Lock()
	delete(f.all, env)
	f.mu.Unlock()
	env.close()
}

func (f *function) close() {
	f.mu.Lock()
	f.gone = true
	environments := make([]*environment, 0, len(f.all))
	for env := range f.all {
		environments = append(environments, env)
	}
	f.mu.Unlock()
	for _, env := range environments {
		env.close()
	}
}

// environment is one process with its own Runtime API.
type environment struct {
	function *function
	cmd      *exec.Cmd
	server   *http.Server
	next     chan invocation
	exited   chan struct{}
	initErr  chan string
	served   bool // whether it has answered an event; used by one event at a time

	mu      sync.Mutex
	current *invocation
}

type invocation struct {
	id      string
	payload []byte
	answer  chan Answer
}

// start starts the process of a function and serves its Runtime API.
func start(f *function) (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the Runtime API: %w", err)
	}
	env := &environment{function: f, next: make(chan invocation), exited: make(chan struct{}), initErr: make(chan string, 1)}
	env.server = &http.Server{Handler: env.runtimeAPI(), ReadHeaderTimeout: 10 * time.Second}
	go env.server.Serve(listener)

	env.cmd = exec.Command(f.Command[0], f.Command[1:]...)
	env.cmd.Dir = f.Dir
	env.cmd.Env = f.environ(listener.Addr().String())
	logged := newLevelFilter(f.Log, f.Env)
	env.cmd.Stdout, env.cmd.Stderr = logged, logged
	// The process gets its own group, which close kills together with processes that the function has left
	// behind.
	env.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: f.Credential}
	env.cmd.WaitDelay = time.Second
	if err := env.cmd.Start(); err != nil {
		env.server.Close()
		return nil, fmt.Errorf("start %s: %w", f.Command[0], err)
	}
	go func() {
		env.cmd.Wait()
		logged.Close()
		close(env.exited)
	}()
	return env, nil
}

// environ returns Lambda's environment variables ("Defined runtime environment variables", AWS Lambda
// Developer Guide), overridden by the function's own. The SDKs would otherwise find the files of the host's user.
func (f *function) environ(runtimeAPI string) []string {
	values := map[string]string{
		"PATH":                            os.Getenv("PATH"),
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"AWS_REGION":                      f.host.options.Region,
		"AWS_DEFAULT_REGION":              f.host.options.Region,
		"AWS_ACCESS_KEY_ID":               "ASIAHOSTEDFUNCTION00",
		"AWS_SECRET_ACCESS_KEY":           "hosted-function-secret",
		"AWS_SESSION_TOKEN":               "hosted-function-token",
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      time.Now().UTC().Format("2006/01/02") + "/[$LATEST]" + strings.ReplaceAll(newRequestID(), "-", ""),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_CONFIG_FILE":                 os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE":     os.DevNull,
		"LAMBDA_TASK_ROOT":                f.Dir,
		"_HANDLER":                        f.Handler,
	}
	for name, value := range f.Env {
		values[name] = value
	}
	values["AWS_LAMBDA_RUNTIME_API"] = runtimeAPI
	list := make([]string, 0, len(values))
	for name, value := range values {
		list = append(list, name+"="+value)
	}
	return list
}

func (env *environment) alive() bool {
	select {
	case <-env.exited:
		return false
	default:
		return true
	}
}

func (env *environment) close() {
	syscall.Kill(-env.cmd.Process.Pid, syscall.SIGKILL)
	<-env.exited
	env.server.Close()
}

// failure returns the answer of a function that failed.
func failure(kind, message, requestID string) Answer {
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	return Answer{Payload: payload, FunctionError: "Unhandled", RequestID: requestID}
}

// run sends one event to the process.
func (env *environment) run(ctx context.Context, payload []byte, requestID string) (Answer, outcome) {
	f := env.function
	one := invocation{id: requestID, payload: payload, answer: make(chan Answer, 1)}
	initialized := time.NewTimer(initTimeout)
	defer initialized.Stop()

	select {
	case env.next <- one:
	case problem := <-env.initErr:
		return failure("Runtime.InitError", problem, requestID), broken
	case <-env.exited:
		if env.served {
			return Answer{}, ended
		}
		select { // the process may have reported the reason just before it exited
		case problem := <-env.initErr:
			return failure("Runtime.InitError", problem, requestID), broken
		default:
		}
		return failure("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", requestID, env.cmd.ProcessState), requestID), broken
	case <-initialized.C:
		return failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Init timed out after %s", requestID, initTimeout), requestID), broken
	case <-ctx.Done():
		return failure("Host.Closed", ctx.Err().Error(), requestID), broken
	}
	timeout := time.NewTimer(f.Timeout) // the timeout does not include the start
	defer timeout.Stop()
	select {
	case answer := <-one.answer:
		if answer.refused { // runtime clients exit some time after that
			return answer, broken
		}
		env.served = true
		return answer, usable
	case <-env.exited:
		select { // the answer may have arrived just before the process exited
		case answer := <-one.answer:
			return answer, broken
		default:
		}
		return failure("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", requestID, env.cmd.ProcessState), requestID), broken
	case <-timeout.C:
		return failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", requestID, f.Timeout.Seconds()), requestID), broken
	case <-f.host.ctx.Done():
		return failure("Host.Closed", "the host is closing", requestID), broken
	}
}

// runtimeAPI serves the Runtime API of 2018-06-01 ("Using the Lambda runtime API", AWS Lambda Developer
// Guide).
func (env *environment) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime"
	mux.HandleFunc("GET "+base+"/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case one := <-env.next:
			env.mu.Lock()
			env.current = &one
			env.mu.Unlock()
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", one.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(env.function.Timeout).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", env.function.host.ARN(env.function.Name))
			w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
			w.Header().Set("Content-Type", "application/json")
			w.Write(one.payload)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST "+base+"/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxSyncPayload+1))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if len(body) > maxSyncPayload {
			tooLarge := failure("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxSyncPayload), r.PathValue("id"))
			tooLarge.refused = true
			env.finish(w, r, tooLarge, http.StatusRequestEntityTooLarge)
			return
		}
		env.finish(w, r, Answer{Payload: body, RequestID: r.PathValue("id")}, http.StatusAccepted)
	})
	mux.HandleFunc("POST "+base+"/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxSyncPayload))
		env.finish(w, r, Answer{Payload: body, FunctionError: "Unhandled", RequestID: r.PathValue("id")}, http.StatusAccepted)
	})
	mux.HandleFunc("POST "+base+"/init/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxSyncPayload))
		select {
		case env.initErr <- string(body):
		default:
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// finish passes the answer of the process to the caller of the current invocation. It refuses answers to other
// invocations.
func (env *environment) finish(w http.ResponseWriter, r *http.Request, answer Answer, status int) {
	env.mu.Lock()
	one := env.current
	if one != nil && one.id == r.PathValue("id") {
		env.current = nil
	} else {
		one = nil
	}
	env.mu.Unlock()
	if one == nil {
		http.Error(w, `{"errorType":"InvalidRequestID","errorMessage":"that invocation is not running"}`, http.StatusBadRequest)
		return
	}
	w.WriteHeader(status)
	one.answer <- answer
}
