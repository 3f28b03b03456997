package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// checkpointState is the JSON form of a checkpoint.
type checkpointState struct {
	Record *investigation.Record `json:"record"`
	State  *state                `json:"state"`
}

func (r *run) checkpoint(ctx context.Context) {
	if r.Checkpoint == nil {
		return
	}
	text, err := json.Marshal(checkpointState{r.rec, &r.state})
	if err == nil {
		err = r.Checkpoint(ctx, text)
	}
	if err != nil {
		r.Log.Warn("save checkpoint", "error", err)
	}
}

// restore continues from a checkpoint, or returns [investigation.ErrUnreadable]. It keeps the fields of the caller's record that
// describe this invocation, such as how often the investigation was resumed.
func (r *run) restore(resume []byte) error {
	var saved checkpointState
	if err := json.Unmarshal(resume, &saved); err != nil {
		return fmt.Errorf("read the checkpoint of investigation %s: %w: %w", r.rec.ID, investigation.ErrUnreadable, err)
	}
	if saved.Record == nil || saved.State == nil || saved.State.Talk == nil || len(saved.State.Talk.Turns) == 0 {
		return fmt.Errorf("read the checkpoint of investigation %s: %w: it has no conversation", r.rec.ID, investigation.ErrUnreadable)
	}
	r.state = *saved.State
	r.rec.Alarm = saved.Record.Alarm // another transition of it may continue the investigation
	r.rec.Evidence, r.rec.Together = saved.Record.Evidence, saved.Record.Together
	r.rec.Rounds, r.rec.Usage, r.rec.Fallbacks = saved.Record.Rounds, saved.Record.Usage, saved.Record.Fallbacks
	r.rec.Lost = saved.Record.Lost
	r.rec.Model = saved.Record.Model
	r.keepAll()
	if r.state.Model >= len(r.Models) || r.modelID() != saved.Record.Model { // other models were deployed in the meantime
		r.state.Model = 0
		r.state.Talk.DropReasoning()
		r.resetForModel()
	}
	if turns := r.state.Talk.Turns; !turns[len(turns)-1].User { // an older version could save an answer without a reply
		r.state.Talk.Say(r.task.retryPrompt(""))
	}
	return nil
}
