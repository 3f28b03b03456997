package triage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// stage is the progress of an investigation at its checkpoint.
type stage string

const (
	stageNone     stage = ""         // no checkpoint
	stageEvidence stage = "evidence" // the evidence was collected; no model was asked
	stageAgent    stage = "agent"    // the checkpoint holds the state of the agent
	stageFinished stage = "finished" // only the delivery is missing
)

const (
	// checkpointTime is how long one write or read of a checkpoint may take.
	checkpointTime = 10 * time.Second

	// firstReadTime is how long reading a checkpoint may take when probably none exists.
	firstReadTime = 2 * time.Second

	// flushShare is the share of the remaining time that waiting for a checkpoint may take.
	flushShare = 0.2
)

// checkpointHead is the first line of a checkpoint, as JSON. The state of the agent follows, unchanged.
type checkpointHead struct {
	Stage stage  `json:"stage"`
	ID    string `json:"id"`

	// Time and Confirmation are those of the alarm's event. The state of another event must never be continued.
	Time         time.Time               `json:"time,omitzero"`
	Confirmation alarmevent.Confirmation `json:"confirmation"`

	Record *investigation.Record `json:"record,omitempty"` // absent at stageAgent: the state of the agent contains it
}

type checkpoint struct {
	stage stage
	state []byte
}

// encodeCheckpoint returns a checkpoint: its head on the first line, then the state of the agent.
func encodeCheckpoint(at stage, rec *investigation.Record, state []byte) []byte {
	head := checkpointHead{Stage: at, ID: rec.ID, Time: rec.Alarm.Time, Confirmation: rec.Alarm.Confirmation()}
	if at != stageAgent {
		head.Record = rec
	}
	line, err := json.Marshal(head)
	if err != nil {
		return nil // unreachable: every value of a record encodes
	}
	return append(append(line, '\n'), state...)
}

// lastCheckpoint loads the checkpoint of an earlier attempt into the record. A fresh claim looks for one
// too, since the table may have been unavailable during the first attempt.
func (r *attempt) lastCheckpoint(ctx context.Context) checkpoint {
	most := checkpointTime
	if r.claim != nil && !r.claim.Resumed {
		most = firstReadTime
	}
	quick, cancel := r.budget.part(ctx, r.Now(), flushShare, most)
	defer cancel()
	raw, err := r.Store.LoadCheckpoint(quick, r.rec.ID)
	if err != nil || raw == nil {
		level := slog.LevelDebug
		if r.claim != nil && r.claim.Resumed {
			level = slog.LevelWarn // there may be one
		}
		r.log.Log(ctx, level, "no checkpoint, starting from the beginning", "error", err)
		return checkpoint{}
	}
	line, state, _ := bytes.Cut(raw, []byte("\n"))
	var head checkpointHead
	if err := json.Unmarshal(line, &head); err != nil || head.ID != r.rec.ID || (head.Stage != stageAgent && head.Record == nil) {
		r.log.Warn("checkpoint not understood, starting from the beginning", "error", err)
		return checkpoint{}
	}
	if !r.isOwn(head) {
		r.log.Warn("checkpoint of another event ignored, starting from the beginning")
		return checkpoint{}
	}
	if head.Record != nil {
		*r.rec = *head.Record
	}
	r.resumed = true
	r.log.Info("resuming from a checkpoint", "stage", string(head.Stage))
	at := checkpoint{stage: head.Stage}
	if head.Stage == stageAgent {
		at.state = state
	}
	return at
}

// isOwn reports whether a checkpoint belongs to the event of this attempt. A resumed claim may have been begun by
// another transition of the alarm, which the table guarantees.
func (r *attempt) isOwn(head checkpointHead) bool {
	sameTime := r.alarm.Time.Sub(head.Time).Abs() <= dedupe.SameTransition
	return head.Confirmation == r.alarm.Confirmation() && (sameTime || r.claim != nil && r.claim.Resumed)
}

func (r *attempt) saveState(ctx context.Context, state []byte) error {
	quick, cancel := context.WithTimeout(ctx, checkpointTime)
	defer cancel()
	return r.Store.SaveCheckpoint(quick, r.rec.ID, state)
}

// saver writes checkpoints in the background: always the latest one, and never two at a time. A slow S3
// therefore does not delay the rounds.
type saver struct {
	save func([]byte) error
	rec  *investigation.Record
	log  *slog.Logger

	mu      sync.Mutex
	pending []byte        // the checkpoint to write next; nil: none
	last    []byte        // latest state of the agent
	idle    chan struct{} // closed when nothing is left to write; nil: no write is running
	err     error         // of the last write
	slow    bool          // a write took longer than maxSaveWait
}

// maxSaveWait is how long a tool call waits until the previous checkpoint is written. Usually it does not wait
// at all, since the model takes longer to answer than S3 takes to store the checkpoint.
const maxSaveWait = 2 * time.Second

// waitUntilSaved waits until the last checkpoint is written. If S3 is slow or unavailable, later calls do not
// wait: a repeated tool call is better than a stalled investigation.
func (s *saver) waitUntilSaved(ctx context.Context) {
	s.mu.Lock()
	slow := s.slow
	s.mu.Unlock()
	if slow {
		return
	}
	quick, cancel := context.WithTimeout(ctx, maxSaveWait)
	defer cancel()
	if _ = s.flush(quick); quick.Err() != nil && ctx.Err() == nil {
		s.mu.Lock()
		s.slow = true
		s.mu.Unlock()
		s.log.Warn("checkpoints are slow, tool calls no longer wait for them")
	}
}

func newSaver(rec *investigation.Record, save func([]byte) error, log *slog.Logger) *saver {
	return &saver{rec: rec, save: save, log: log}
}

// checkpoint saves the state of the agent. The agent calls it after every round.
func (s *saver) checkpoint(_ context.Context, state []byte) error {
	s.mu.Lock()
	s.last = state
	s.mu.Unlock()
	s.put(encodeCheckpoint(stageAgent, s.rec, state))
	return nil
}

// lastState returns the latest state of the agent, which may not be written yet.
func (s *saver) lastState() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// put replaces the checkpoint to write next, and starts writing unless a write is running.
func (s *saver) put(state []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = state
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.writePending(s.idle)
	}
}

// writePending writes checkpoints until none is pending, then closes idle.
func (s *saver) writePending(idle chan struct{}) {
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

// flush waits until everything is written or ctx ends, and returns the error of the last write.
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
