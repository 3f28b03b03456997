package investigation

import (
	"context"
	"log/slog"
	"time"
)

// Limits are the conditions under which one invocation works on an investigation.
type Limits struct {
	// ConcludeAt is the latest time at which the model is asked to conclude. Zero: there is no such time.
	ConcludeAt time.Time

	// Conclude is why the model is asked to conclude at once. Empty: it is not.
	Conclude string

	// Stop is why no model is asked any more: the record only gets what the state of an earlier invocation has. Empty: a model
	// is asked.
	Stop string

	// MayHandOver allows [ErrHandOver] instead of a conclusion when the invocation is almost out of time.
	MayHandOver bool

	// Instructions are added to the system prompt.
	Instructions string

	// Checkpoint is called after each round with the state from which another invocation can resume. Its
	// error is logged. Nil: there are no checkpoints.
	Checkpoint func(ctx context.Context, state []byte) error

	// Kept waits until the last checkpoint is saved, if Checkpoint writes in the background. It is called
	// before code runs, so that a killed invocation repeats no finished tool call. Nil: Checkpoint returns
	// after saving.
	Kept func(ctx context.Context)

	// Log receives the progress of the investigation. Nil: nothing is logged.
	Log *slog.Logger
}
