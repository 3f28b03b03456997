package model

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// Server answers Converse requests from a script. Clients find it by its URL in
// AWS_ENDPOINT_URL_BEDROCK_RUNTIME.
type Server struct {
	URL      string
	listener net.Listener
	server   *http.Server

	mu            sync.Mutex
	script        Script
	conversations map[string]*conversation
	thoughts      map[string][]thought
	used          usedByModel
	requests      []Recorded
	cached        map[[32]byte]bool
}

// conversation is the state of a conversation.
type conversation struct {
	next  map[string]int // the next step by the name of the script in Models; the empty name is the top-level script
	given reasoning      // that the models returned
}

// Recorded is one request and its result.
type Recorded struct {
	Request  Request
	Region   string // for which the request is signed
	Problems string // reasons for which the service would refuse the request; empty: it is valid
	Status   int
	At       time.Time
	Done     time.Time
	Usage    Usage
}

// maxRequest bounds a request, in bytes. It is larger than any window.
const maxRequest = 64 << 20

// Start serves a script on a free port. The caller must close the server.
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
		cached: map[[32]byte]bool{},
	}
	s.begin()
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(listener)
	return s, nil
}

// Close stops the server and every open request.
func (s *Server) Close() error { return s.server.Close() }

// Requests returns all requests so far in the order of their arrival.
func (s *Server) Requests() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Recorded(nil), s.requests...)
}

// Play replaces the script. Every conversation and the usage of the account start again.
func (s *Server) Play(script Script) error {
	if err := script.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
	s.begin()
	return nil
}

// begin resets all conversations and the usage of the account.
func (s *Server) begin() {
	s.conversations, s.thoughts = map[string]*conversation{}, map[string][]thought{}
	s.used = usedByModel{calls: map[string]int{}, tokens: map[string]int{}}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	modelID, ok := strings.CutPrefix(r.URL.EscapedPath(), "/model/")
	modelID, isConverse := strings.CutSuffix(modelID, "/converse")
	if !ok || !isConverse || r.Method != http.MethodPost {
		refuse(w, Error{Type: "UnknownOperationException", Status: 404, Message: "the model stand-in only supports Converse"})
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return // the client has closed the connection
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

// turn is one request with the script's step that answers it.
type turn struct {
	request Request
	talk    *conversation
	script  Script
	step    Step
	index   int // of the request among all requests
}

// answer answers a request with its step.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, request Request) {
	t, problem := s.accept(request, signedFor(r))
	switch {
	case problem != nil:
		s.record(t, problem.status(), problem.Message, Usage{})
		refuse(w, *problem)
	case !pause(r, t.step.DelayMS):
		s.record(t, 0, "", Usage{})
	case t.step.Reset:
		s.record(t, 0, "", Usage{})
		panic(http.ErrAbortHandler)
	case t.step.Error != nil:
		s.record(t, t.step.Error.status(), "", Usage{})
		refuse(w, *t.step.Error)
	case t.step.HTTP != nil:
		s.record(t, t.step.HTTP.Status, "", Usage{})
		t.step.HTTP.send(w)
	case t.step.Raw != "":
		s.record(t, 200, "", Usage{})
		HTTP{Status: 200, ContentType: "application/json", Body: t.step.Raw}.send(w)
	default:
		s.sendStep(w, t)
	}
}

// accept records a request and returns its step, or the error with which it is refused.
func (s *Server) accept(request Request, region string) (turn, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	talk := s.conversations[request.firstText()]
	if talk == nil {
		talk = &conversation{next: map[string]int{}, given: reasoning{thoughts: s.thoughts, ledTo: map[string]string{}}}
		s.conversations[request.firstText()] = talk
	}
	name, script := s.script.of(request.ModelID)
	t := turn{request: request, talk: talk, script: script, index: len(s.requests)}
	s.requests = append(s.requests, Recorded{Request: request, Region: region, At: time.Now()})
	if problem := s.script.Account.refusal(request.ModelID, region, s.used); problem != nil {
		return t, problem
	}
	s.used.calls[models.Parse(request.ModelID).Model]++
	if problem := s.problem(t); problem != nil {
		return t, problem
	}
	step, problem := script.at(talk.next[name])
	if problem != nil {
		return t, problem
	}
	talk.next[name]++
	t.step = step
	return t, nil
}

// record records the result of a request.
func (s *Server) record(t turn, status int, problems string, usage Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	recorded := &s.requests[t.index]
	recorded.Status, recorded.Problems, recorded.Usage, recorded.Done = status, problems, usage, time.Now()
}

// send writes the answer unchanged. If the body is shorter than its Content-Length, send closes the
// connection.
func (h HTTP) send(w http.ResponseWriter) {
	header := w.Header()
	header["Content-Type"] = nil // otherwise the server sets one
	if h.ContentType != "" {
		header.Set("Content-Type", h.ContentType)
	}
	if h.ErrorType != "" {
		header.Set("X-Amzn-Errortype", h.ErrorType)
	}
	header.Set("Content-Length", strconv.Itoa(len(h.Body)+h.MissingBytes))
	w.WriteHeader(h.Status)
	io.WriteString(w, h.Body)
	if h.MissingBytes > 0 {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// pause waits. It reports whether the client still waits for the answer.
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

// problem returns the error with which the service would refuse the request, or nil. The caller holds the
// lock.
func (s *Server) problem(t turn) *Error {
	if err := t.request.validate(t.talk.given, s.script.Account); err != nil {
		return &Error{Type: "ValidationException", Message: err.Error()}
	}
	if t.script.RejectTools && t.request.ToolConfig != nil {
		return &Error{Type: "ValidationException", Message: noTools}
	}
	if t.script.RejectSystem && len(t.request.System) > 0 {
		return &Error{Type: "ValidationException", Message: noSystem}
	}
	m := models.Lookup(t.request.ModelID)
	if problem := t.request.refuseCheckpoints(m, t.script); problem != nil {
		return problem
	}
	return t.request.refuseLength(m, t.script)
}

// at returns the step for the nth request of a conversation, counted from 0.
func (s Script) at(n int) (Step, *Error) {
	if n >= len(s.Steps) && s.Loop != nil {
		n = *s.Loop + (n-len(s.Steps))%(len(s.Steps)-*s.Loop)
	}
	if n >= len(s.Steps) {
		return Step{}, &Error{Type: "ValidationException", Message: fmt.Sprintf("the script has %d steps, and there was one more request", len(s.Steps))}
	}
	return s.Steps[n], nil
}

// sendStep answers a request with the content of its step.
func (s *Server) sendStep(w http.ResponseWriter, t turn) {
	content, stop, err := t.compose()
	if err != nil {
		s.record(t, 400, err.Error(), Usage{})
		refuse(w, Error{Type: "ValidationException", Message: err.Error()})
		return
	}
	s.mu.Lock()
	t.talk.given.remember(&t.request, content)
	usage := s.count(t, content)
	if t.step.Usage != nil {
		usage = *t.step.Usage
	}
	s.used.tokens[models.Parse(t.request.ModelID).Model] += usage.TotalTokens
	s.mu.Unlock()
	s.record(t, 200, "", usage)
	answer := map[string]any{
		"output":     map[string]any{"message": map[string]any{"role": "assistant", "content": content}},
		"stopReason": stop,
		"usage":      usage,
		"metrics":    map[string]any{"latencyMs": max(1, t.step.DelayMS)},
	}
	if fields := t.responseFields(); len(fields) > 0 {
		answer["additionalModelResponseFields"] = fields
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// compose returns the content of the answer and its stop reason.
func (t turn) compose() (content []any, stop string, err error) {
	texts := t.request.texts()
	last := texts[len(texts)-1]
	for _, expression := range t.step.Expect {
		if !regexp.MustCompile(expression).MatchString(last) {
			return nil, "", fmt.Errorf("the script expects the last user message to match %s, got: %.2000s", expression, last)
		}
	}
	step := t.step
	if t.thinks() > 0 && step.Reasoning == nil {
		step.Reasoning = t.thought()
	}
	if content, err = step.blocks(strings.Join(texts, "\n"), t.index); err != nil {
		return nil, "", err
	}
	if t.thinks() > 0 && t.thinks()+jsonTokens(content) > t.maxTokens() {
		content, err = Step{Reasoning: step.Reasoning}.blocks("", t.index)
		return content, "max_tokens", err
	}
	switch {
	case step.StopReason != "":
		return content, step.StopReason, nil
	case len(step.Tools) > 0 || strings.Contains(string(step.Content), `"toolUse"`):
		return content, "tool_use", nil
	}
	return content, "end_turn", nil
}

// thinks returns the number of tokens that the model thinks about the request.
func (t turn) thinks() int {
	if thinking := t.request.additional().Thinking; thinking != nil && thinking.Type == "disabled" {
		return 0
	}
	return t.step.ThinkTokens
}

// thought returns a reasoning block for a step that sets only ThinkTokens. Claude's blocks have a signature.
func (t turn) thought() *Reasoning {
	thought := &Reasoning{Text: "I think about this."}
	if providerOf(t.request.ModelID) == "anthropic" {
		thought.Signature = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "thought %d", t.index))
	}
	return thought
}

// maxTokens returns the maximum length of the answer, including thinking.
func (t turn) maxTokens() int {
	if asked, isNumber := t.request.InferenceConfig["maxTokens"].(float64); isNumber {
		return int(asked)
	}
	return models.Lookup(t.request.ModelID).MaxOutput
}

// responseFields returns the additional fields that the request asks for.
func (t turn) responseFields() map[string]json.RawMessage {
	asked := map[string]json.RawMessage{}
	for _, path := range t.request.ResponsePaths {
		if name, isPath := strings.CutPrefix(path, "/"); isPath && t.step.ResponseFields[name] != nil {
			asked[name] = t.step.ResponseFields[name]
		}
	}
	return asked
}

// blocks returns the step's content blocks with its references replaced.
func (step Step) blocks(seen string, index int) ([]any, error) {
	var content []any
	if step.Content != nil {
		decoder := json.NewDecoder(bytes.NewReader(step.Content))
		decoder.UseNumber() // keeps the digits as they are
		if err := decoder.Decode(&content); err != nil {
			return nil, fmt.Errorf("content of a step must be a list of blocks: %w", err)
		}
		return content, nil
	}
	if r := step.Reasoning; r != nil {
		if r.Redacted != "" {
			content = append(content, map[string]any{"reasoningContent": map[string]any{"redactedContent": r.Redacted}})
		} else {
			content = append(content, map[string]any{"reasoningContent": map[string]any{"reasoningText": reasoningText(r)}})
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

func reasoningText(r *Reasoning) map[string]any {
	text := map[string]any{"text": r.Text}
	if r.Signature != "" {
		text["signature"] = r.Signature
	}
	return text
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
	if !e.Untyped {
		w.Header().Set("X-Amzn-Errortype", e.Type)
	}
	w.WriteHeader(e.status())
	json.NewEncoder(w).Encode(map[string]string{"message": e.Message})
}
