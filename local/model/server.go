package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Server answers Converse requests from a script. AWS_ENDPOINT_URL_BEDROCK_RUNTIME is its URL.
type Server struct {
	URL      string
	listener net.Listener
	server   *http.Server

	mu            sync.Mutex
	script        Script
	conversations map[string]*conversation
	requests      []Recorded
	cached        map[[32]byte]bool
}

// conversation is how far a conversation is.
type conversation struct {
	next  int
	given reasoning // what the model gave out
}

// Recorded is one request and what became of it.
type Recorded struct {
	Request  Request
	Problems string // what the service would refuse; empty: valid
	Status   int
	At       time.Time
	Done     time.Time
	Usage    Usage
}

// maxRequest is larger than any window, in bytes.
const maxRequest = 64 << 20

// Start serves a script on a free port. Close it.
func Start(script Script) (*Server, error) {
	if err := script.check(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the model's port: %w", err)
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(), listener: listener, script: script,
		conversations: map[string]*conversation{}, cached: map[[32]byte]bool{},
	}
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(listener)
	return s, nil
}

// Close ends the server and every open request.
func (s *Server) Close() error { return s.server.Close() }

// Requests lists all requests so far, in order of arrival.
func (s *Server) Requests() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Recorded(nil), s.requests...)
}

// Play changes the script; every conversation begins anew.
func (s *Server) Play(script Script) error {
	if err := script.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script, s.conversations = script, map[string]*conversation{}
	return nil
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	modelID, ok := strings.CutPrefix(r.URL.EscapedPath(), "/model/")
	modelID, isConverse := strings.CutSuffix(modelID, "/converse")
	if !ok || !isConverse || r.Method != http.MethodPost {
		refuse(w, Error{Type: "UnknownOperationException", Status: 404, Message: "only Converse is served here"})
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return // the caller is gone
	}
	request := Request{Raw: body}
	if request.ModelID, err = url.PathUnescape(modelID); err != nil {
		request.ModelID = modelID
	}
	if err := json.Unmarshal(body, &request); err != nil {
		refuse(w, Error{Type: "SerializationException", Status: 400, Message: err.Error()})
		return
	}
	s.answer(w, r, request)
}

// answer finds the request's step and plays it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, request Request) {
	s.mu.Lock()
	talk := s.conversations[request.firstText()]
	if talk == nil {
		talk = &conversation{given: reasoning{signed: map[string]string{}, before: map[string]bool{}}}
		s.conversations[request.firstText()] = talk
	}
	index := len(s.requests)
	s.requests = append(s.requests, Recorded{Request: request, At: time.Now()})
	script := s.script
	problem := s.problem(request, talk)
	var step Step
	if problem == nil {
		step, problem = script.at(talk.next)
		if problem == nil {
			talk.next++
		}
	}
	s.mu.Unlock()

	record := func(status int, problems string, usage Usage) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests[index].Status, s.requests[index].Problems, s.requests[index].Usage, s.requests[index].Done = status, problems, usage, time.Now()
	}
	if problem != nil {
		record(problem.status(), problem.Message, Usage{})
		refuse(w, *problem)
		return
	}
	if !pause(r, step.DelayMS) {
		record(0, "", Usage{})
		return
	}
	switch {
	case step.Reset:
		record(0, "", Usage{})
		panic(http.ErrAbortHandler)
	case step.Error != nil:
		record(step.Error.status(), "", Usage{})
		refuse(w, *step.Error)
	case step.Raw != "":
		record(200, "", Usage{})
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, step.Raw)
	default:
		s.say(w, request, talk, step, index, record)
	}
}

func pause(r *http.Request, ms int) bool {
	if ms == 0 {
		return true
	}
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// problem is why the service would refuse the request. It is called under the lock.
func (s *Server) problem(request Request, talk *conversation) *Error {
	if err := request.validate(talk.given); err != nil {
		return &Error{Type: "ValidationException", Message: err.Error()}
	}
	if s.script.RejectTools && request.ToolConfig != nil {
		return &Error{Type: "ValidationException", Message: "This model doesn't support tool use."}
	}
	if s.script.RejectCachePoints && strings.Contains(string(request.Raw), `"cachePoint"`) {
		return &Error{Type: "AccessDeniedException", Message: "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information."}
	}
	if window := s.script.ContextWindow; window > 0 && tokens(len(request.Raw)) > window {
		return &Error{Type: "ValidationException", Message: "Input is too long for requested model."}
	}
	return nil
}

func (s Script) at(n int) (Step, *Error) {
	if n >= len(s.Steps) && s.Loop != nil {
		n = *s.Loop + (n-len(s.Steps))%(len(s.Steps)-*s.Loop)
	}
	if n >= len(s.Steps) {
		return Step{}, &Error{Type: "ValidationException", Message: fmt.Sprintf("the script has %d steps and was asked for one more", len(s.Steps))}
	}
	return s.Steps[n], nil
}

// say plays a step that is an answer.
func (s *Server) say(w http.ResponseWriter, request Request, talk *conversation, step Step, index int, record func(int, string, Usage)) {
	texts := request.texts()
	last := texts[len(texts)-1]
	for _, expression := range step.Expect {
		if !regexp.MustCompile(expression).MatchString(last) {
			message := fmt.Sprintf("the script expects the last user message to match %s, got: %.2000s", expression, last)
			record(400, message, Usage{})
			refuse(w, Error{Type: "ValidationException", Message: message})
			return
		}
	}
	content, err := step.blocks(strings.Join(texts, "\n"), index)
	if err != nil {
		record(400, err.Error(), Usage{})
		refuse(w, Error{Type: "ValidationException", Message: err.Error()})
		return
	}
	s.mu.Lock()
	talk.given.remember(content)
	usage := s.count(request, content)
	s.mu.Unlock()
	if step.Usage != nil {
		usage = *step.Usage
	}
	stop := step.StopReason
	if stop == "" {
		stop = "end_turn"
		if len(step.Tools) > 0 || strings.Contains(string(step.Content), `"toolUse"`) {
			stop = "tool_use"
		}
	}
	record(200, "", usage)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"output":     map[string]any{"message": map[string]any{"role": "assistant", "content": content}},
		"stopReason": stop,
		"usage":      usage,
		"metrics":    map[string]any{"latencyMs": max(1, step.DelayMS)},
	})
}

// blocks are the step's content blocks with its references filled in.
func (step Step) blocks(seen string, index int) ([]any, error) {
	var content []any
	if step.Content != nil {
		decoder := json.NewDecoder(bytes.NewReader(step.Content))
		decoder.UseNumber() // digit by digit, as the service writes them
		if err := decoder.Decode(&content); err != nil {
			return nil, fmt.Errorf("content of a step must be a list of blocks: %w", err)
		}
		return content, nil
	}
	if r := step.Reasoning; r != nil {
		if r.Redacted != "" {
			content = append(content, map[string]any{"reasoningContent": map[string]any{"redactedContent": r.Redacted}})
		} else {
			content = append(content, map[string]any{"reasoningContent": map[string]any{"reasoningText": map[string]any{"text": r.Text, "signature": r.Signature}}})
		}
	}
	if step.Text != "" {
		text, err := fillText(step.Text, seen)
		if err != nil {
			return nil, err
		}
		content = append(content, map[string]any{"text": text})
	}
	for i, tool := range step.Tools {
		id := tool.ID
		if id == "" {
			id = fmt.Sprintf("tooluse_%d_%d", index, i)
		}
		input, err := fill(deepCopy(tool.Input), seen)
		if err != nil {
			return nil, err
		}
		content = append(content, map[string]any{"toolUse": map[string]any{"toolUseId": id, "name": tool.Name, "input": input}})
	}
	if content == nil {
		content = []any{}
	}
	return content, nil
}

func deepCopy(value map[string]any) map[string]any {
	text, err := json.Marshal(value)
	copied := map[string]any{}
	if err == nil {
		err = json.Unmarshal(text, &copied)
	}
	if err != nil { // it came out of JSON
		panic(err)
	}
	return copied
}

func refuse(w http.ResponseWriter, e Error) {
	if e.Message == "" {
		e.Message = e.Type + " from the script"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", e.Type)
	w.WriteHeader(e.status())
	json.NewEncoder(w).Encode(map[string]string{"message": e.Message})
}

// tokens estimates: four bytes a token.
func tokens(bytes int) int { return (bytes + 3) / 4 }

const minimumCachePrefix = 1024 // tokens

// count makes up the usage as a model with prompt caching does: the longest prefix that ends at a
// checkpoint and was sent before is read, what lies between it and the last checkpoint is written.
// It is called under the lock.
func (s *Server) count(request Request, content []any) Usage {
	minimum := s.script.MinimumCachePrefix
	if minimum == 0 {
		minimum = minimumCachePrefix
	}
	var prefix strings.Builder
	var written, read int // bytes
	var seen [][32]byte
	point := func() {
		if tokens(prefix.Len()) < minimum {
			return
		}
		sum := sha256.Sum256([]byte(request.ModelID + prefix.String()))
		if s.cached[sum] {
			read = prefix.Len()
		}
		written = prefix.Len()
		seen = append(seen, sum)
	}
	add := func(value any, isPoint bool) {
		if isPoint {
			point()
			return
		}
		text, _ := json.Marshal(value)
		prefix.Write(text)
	}
	if request.ToolConfig != nil {
		for _, tool := range request.ToolConfig.Tools {
			add(tool, tool.CachePoint != nil)
		}
	}
	for _, block := range request.System {
		add(block, block.CachePoint != nil)
	}
	for _, message := range request.Messages {
		prefix.WriteString(message.Role)
		for _, block := range message.Content {
			add(block, block.CachePoint != nil)
		}
	}
	for _, sum := range seen {
		s.cached[sum] = true
	}
	out, _ := json.Marshal(content)
	u := Usage{
		CacheReadInputTokens:  tokens(read),
		CacheWriteInputTokens: tokens(written) - tokens(read),
		OutputTokens:          tokens(len(out)),
	}
	u.InputTokens = tokens(prefix.Len()) - tokens(written)
	u.TotalTokens = u.InputTokens + u.OutputTokens + u.CacheReadInputTokens + u.CacheWriteInputTokens
	return u
}
