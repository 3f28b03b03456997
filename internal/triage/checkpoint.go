package triage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// stage is how far a checkpoint's run had come.
type stage string

const (
	stageNone     stage = ""         // there is no checkpoint
	stageEvidence stage = "evidence" // the evidence is there, no model was asked
	stageAgent    stage = "agent"    // the agent's own state is there
	stageFinished stage = "finished" // only the delivery is left to do
)

const (
	// checkpointTime is what writing or reading one checkpoint may take.
	checkpointTime = 10 * time.Second

	// firstLookTime is what looking for one may take when there most likely is none.
	firstLookTime = 2 * time.Second

	// flushShare is the share of the time that is left which waiting for a checkpoint may take.
	flushShare = 0.2
)

// A checkpoint is one line of JSON, and behind it the agent's state as the agent gave it.
type checkpointHead struct {
	Stage  stage                 `json:"stage"`
	ID     string                `json:"id"`
	Record *investigation.Record `json:"record,omitempty"` // not of an agent's state, which contains it
}

type checkpoint struct {
	stage stage
	state []byte
}

func encodeCheckpoint(at stage, rec *investigation.Record, state []byte) []byte {
	head := checkpointHead{Stage: at, ID: rec.ID}
	if at != stageAgent {
		head.Record = rec
	}
	line, err := json.Marshal(head)
	if err != nil {
		return nil // cannot be: the record holds nothing that does not encode
	}
	return append(append(line, '\n'), state...)
}

// lastCheckpoint reads where an earlier run left off, into the record. A fresh claim looks too: the table
// may have been down when the event was delivered first.
func (r *attempt) lastCheckpoint(ctx context.Context) checkpoint {
	most := checkpointTime
	if r.claim != nil && !r.claim.Resumed {
		most = firstLookTime
	}
	quick, cancel := r.budget.part(ctx, r.Now(), flushShare, most)
	defer cancel()
	raw, err := r.Store.LoadCheckpoint(quick, r.rec.ID)
	if err != nil || raw == nil {
		r.log.Debug("no checkpoint, beginning anew", "error", err)
		return checkpoint{}
	}
	line, state, _ := bytes.Cut(raw, []byte("\n"))
	var head checkpointHead
	if err := json.Unmarshal(line, &head); err != nil || head.ID != r.rec.ID || (head.Stage != stageAgent && head.Record == nil) {
		r.log.Warn("checkpoint not understood, beginning anew", "error", err)
		return checkpoint{}
	}
	if head.Record != nil {
		*r.rec = *head.Record
	}
	r.resumed = true
	r.log.Info("going on from a checkpoint", "stage", string(head.Stage))
	at := checkpoint{stage: head.Stage}
	if head.Stage == stageAgent {
		at.state = state
	}
	return at
}

func (r *attempt) saveState(ctx context.Context, state []byte) error {
	quick, cancel := context.WithTimeout(ctx, checkpointTime)
	defer cancel()
	return r.Store.SaveCheckpoint(quick, r.rec.ID, state)
}

// saver writes checkpoints while the investigation goes on, always the latest, never two at a time: a
// slow S3 does not slow the rounds.
type saver struct {
	save func([]byte) error
	rec  *investigation.Record
	log  *slog.Logger

	mu      sync.Mutex
	pending []byte
	last    []byte // the agent's state, as it gave it last
	idle    chan struct{}
	err     error // of the last write
	slow    bool  // a write took longer than anybody should wait for
}

// keptTime is how long code waits for the checkpoint before it. The model's answer has taken longer than
// a write does, as a rule, so that nothing is waited for.
const keptTime = 2 * time.Second

// kept waits until the last checkpoint is written. Where S3 is slow or down it gives up once and for all:
// the investigation matters more than a call that may run twice.
func (s *saver) kept(ctx context.Context) {
	s.mu.Lock()
	slow := s.slow
	s.mu.Unlock()
	if slow {
		return
	}
	quick, cancel := context.WithTimeout(ctx, keptTime)
	defer cancel()
	if _ = s.flush(quick); quick.Err() != nil && ctx.Err() == nil {
		s.mu.Lock()
		s.slow = true
		s.mu.Unlock()
		s.log.Warn("checkpoints are slow, code no longer waits for them")
	}
}

func newSaver(rec *investigation.Record, save func([]byte) error, log *slog.Logger) *saver {
	return &saver{rec: rec, save: save, log: log}
}

// checkpoint is what the agent calls after every round.
func (s *saver) checkpoint(_ context.Context, state []byte) error {
	s.mu.Lock()
	s.last = state
	s.mu.Unlock()
	s.put(encodeCheckpoint(stageAgent, s.rec, state))
	return nil
}

func (s *saver) lastState() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *saver) put(state []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = state
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.work(s.idle)
	}
}

func (s *saver) work(idle chan struct{}) {
	defer close(idle)
	for {
		s.mu.Lock()
		state := s.pending
		s.pending = nil
		if state == nil {
			s.idle = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		err := s.save(state)
		if err != nil {
			s.log.Warn("checkpoint not saved", "error", err)
		}
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
}

// flush waits until all is written or ctx ends, and returns the last write's error.
func (s *saver) flush(ctx context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("wait for the checkpoint: %w", ctx.Err())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
