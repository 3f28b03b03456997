package triage

import (
	"context"
	"time"
)

const (
	// withoutDeadline is assumed when the context has no deadline, as outside of Lambda.
	withoutDeadline = 14 * time.Minute

	// tableTime is what one visit to the table may take.
	tableTime = 8 * time.Second

	// leaseGrace is how long a lease outlives the invocation that holds it.
	leaseGrace = 5 * time.Second

	// maxDeliver is the most time that is kept back to store and notify.
	maxDeliver = 40 * time.Second

	// maxConclude is the most time that is kept back, beyond that, for the model's conclusion.
	maxConclude = 90 * time.Second

	// exitTime is kept back for the handler to return before Lambda kills it.
	exitTime = 500 * time.Millisecond
)

// budget divides an invocation's time, so that there is always enough left to store and to notify.
type budget struct {
	deadline   time.Time     // Lambda ends the invocation
	concludeAt time.Time     // the model is asked for its conclusion
	agentEnds  time.Time     // whatever it is doing
	evidence   time.Duration // for the fixed tool call
	table      time.Duration // for claiming
}

func budgetOf(ctx context.Context, now time.Time) budget {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = now.Add(withoutDeadline)
	}
	left := max(deadline.Sub(now), 0)
	deliver := min(left/4, maxDeliver)
	conclude := min(left/4, maxConclude)
	return budget{
		deadline:   deadline,
		agentEnds:  deadline.Add(-deliver),
		concludeAt: deadline.Add(-deliver - conclude),
		evidence:   left / 4,
		table:      min(left/8, tableTime),
	}
}

// part returns a context for a step that may take a share of what is left until the deadline.
func (b budget) part(ctx context.Context, now time.Time, share float64, most time.Duration) (context.Context, context.CancelFunc) {
	left := b.deadline.Add(-exitTime).Sub(now)
	return context.WithTimeout(ctx, min(time.Duration(share*float64(left)), most))
}
