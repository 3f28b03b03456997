package evals

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/replay"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Recording is one investigation that can be played again offline: what the model and the tool answered, and the score.
type Recording struct {
	Incident    string                 `json:"incident"`
	Model       string                 `json:"model"` // ID of the model, or a name for what answered at another endpoint
	Fingerprint string                 `json:"fingerprint"`
	Alarm       alarmevent.Alarm       `json:"alarm"`
	Evidence    investigation.Evidence `json:"evidence"`
	Answers     []ModelAnswer          `json:"answers"` // in order
	Calls       []RecordedCall         `json:"calls"`
	Score       Score                  `json:"score"`

	MaxRounds    int     `json:"max_rounds,omitempty"`
	MaxCostUSD   float64 `json:"max_cost_usd,omitempty"`
	Instructions string  `json:"instructions,omitempty"`
}

// ModelAnswer is a response of Converse.
type ModelAnswer struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// RecordedCall is an execution of Python.
type RecordedCall struct {
	Command string          `json:"command"`
	Answer  toolcall.Answer `json:"answer"`
}

// Tape records what passes between an investigation and the outside.
type Tape struct {
	Tool agent.Tool

	mu          sync.Mutex
	fingerprint string
	answers     []ModelAnswer
	calls       []RecordedCall
}

// Run runs Python and records it.
func (t *Tape) Run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	answer, err := t.Tool.Run(ctx, request)
	if err == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.calls = append(t.calls, RecordedCall{Command: request.Command, Answer: answer})
	}
	return answer, err
}

// RoundTrip sends a request to the model and records the answer.
func (t *Tape) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := t.identify(request); err != nil {
		return nil, err
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if json.Valid(body) {
		t.mu.Lock()
		t.answers = append(t.answers, ModelAnswer{Status: response.StatusCode, Body: body})
		t.mu.Unlock()
	}
	return response, nil
}

// identify keeps the fingerprint of the first request.
func (t *Tape) identify(request *http.Request) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fingerprint != "" {
		return nil
	}
	text, err := io.ReadAll(request.Body)
	request.Body.Close()
	if err != nil {
		return err
	}
	request.Body = io.NopCloser(bytes.NewReader(text))
	t.fingerprint, err = fingerprint(text)
	return err
}

// fingerprint identifies the system prompt and the tools of a request.
func fingerprint(request []byte) (string, error) {
	var said struct {
		System     json.RawMessage `json:"system"`
		ToolConfig struct {
			Tools json.RawMessage `json:"tools"`
		} `json:"toolConfig"`
	}
	if err := json.Unmarshal(request, &said); err != nil {
		return "", fmt.Errorf("read the request to the model: %w", err)
	}
	sum := sha256.Sum256(slices.Concat(said.System, said.ToolConfig.Tools))
	return hex.EncodeToString(sum[:8]), nil
}

// Recorded returns the recording of an investigation.
func (t *Tape) Recorded(incident *Incident, o Options, rec *investigation.Record, score Score) *Recording {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &Recording{
		Incident: incident.Name, Model: o.Models[0], MaxRounds: o.MaxRounds, MaxCostUSD: o.MaxCostUSD, Instructions: o.Instructions, Fingerprint: t.fingerprint, Alarm: rec.Alarm, Evidence: rec.Evidence,
		Answers: t.answers, Calls: t.calls, Score: score,
	}
}

// Save writes a recording to a file.
func (r *Recording) Save(file string) error {
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(zip).Encode(r); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, packed.Bytes(), 0o644)
}

// Open reads a recording.
func Open(file string) (*Recording, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	unzipped, err := gzip.NewReader(opened)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var r Recording
	if err := json.NewDecoder(unzipped).Decode(&r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &r, nil
}

// player plays the model of a recording.
type player struct {
	*Recording
	mu    sync.Mutex
	asked int
	tape  Tape
}

var errOver = errors.New("the recording has no more answers of the model: the investigation now takes another way")

func (p *player) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := p.tape.identify(request); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == len(p.Answers) {
		return nil, errOver
	}
	answer := p.Answers[p.asked]
	p.asked++
	return &http.Response{
		StatusCode: answer.Status, Header: http.Header{"Content-Type": []string{"application/json"}},
		Body: io.NopCloser(bytes.NewReader(answer.Body)), ContentLength: int64(len(answer.Body)), Request: request,
	}, nil
}

// Tool returns a tool that answers from the recording.
func (r *Recording) Tool() agent.Tool {
	calls := make([]replay.Call, len(r.Calls))
	for i := range r.Calls {
		calls[i] = replay.Call{Command: r.Calls[i].Command, Answer: &r.Calls[i].Answer}
	}
	return replay.NewTool(calls)
}

// Replay plays a recording again with the agent, the checks, and the scorer of today. same reports whether the prompt and the
// tools are those of the recording.
func (r *Recording) Replay(ctx context.Context, incident *Incident) (rec *investigation.Record, score Score, same bool, err error) {
	p := &player{Recording: r}
	client := bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://recording.invalid"), Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: p},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	rec, err = Investigate(ctx, r.Tool(), r.Alarm, r.Evidence, Options{
		Client: client, Models: []string{r.Model}, MaxRounds: r.MaxRounds, MaxCostUSD: r.MaxCostUSD, Instructions: r.Instructions, Pause: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		return nil, Score{}, false, err
	}
	return rec, Judge(&incident.Truth, rec), p.tape.fingerprint == r.Fingerprint, nil
}

// Differences returns what a recording would have scored differently. Time is not compared.
func (s Score) Differences(other Score) []string {
	s.Seconds, other.Seconds = 0, 0
	a, b := s.members(), other.members()
	var found []string
	for _, name := range slices.Sorted(maps.Keys(mergedKeys(a, b))) {
		if !bytes.Equal(a[name], b[name]) {
			found = append(found, fmt.Sprintf("%s: %s, now %s", name, cmp.Or(string(a[name]), "nothing"), cmp.Or(string(b[name]), "nothing")))
		}
	}
	return found
}

func (s Score) members() (members map[string]json.RawMessage) {
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		panic(err) // a score is plain data
	}
	return members
}

func mergedKeys(a, b map[string]json.RawMessage) map[string]bool {
	keys := map[string]bool{}
	for name := range a {
		keys[name] = true
	}
	for name := range b {
		keys[name] = true
	}
	return keys
}
