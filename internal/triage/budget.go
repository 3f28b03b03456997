package triage

import (
	"context"
	"time"
)

const (
	// withoutDeadline is the time of an invocation whose context has no deadline, such as outside Lambda.
	withoutDeadline = 14 * time.Minute

	// tableTime is how long one step that uses the table may take.
	tableTime = 8 * time.Second

	// leaseGrace is how long a lease is valid after the end of its invocation.
	leaseGrace = 5 * time.Second

	// maxDeliver is the longest time that is reserved for storing and notifying.
	maxDeliver = 40 * time.Second

	// maxConclude is the longest time that is also reserved for the model's conclusion.
	maxConclude = 90 * time.Second

	// exitTime is reserved for the handler to return before Lambda kills it.
	exitTime = 500 * time.Millisecond
)

// budget divides the time of an invocation. It always reserves time to store the report and to notify.
type budget struct {
	deadline   time.Time     // when Lambda ends the invocation
	concludeAt time.Time     // when the model is asked for its conclusion
	agentEnds  time.Time     // when the agent's context ends
	evidence   time.Duration // for the tool call that collects the evidence
	table      time.Duration // for claiming
}

// budgetOf divides the time from now until the deadline of ctx.
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

// part returns a context for one step. The step may take a share of the time until the deadline, but never
// longer than most.
func (b budget) part(ctx context.Context, now time.Time, share float64, most time.Duration) (context.Context, context.CancelFunc) {
	left := b.deadline.Add(-exitTime).Sub(now)
	return context.WithTimeout(ctx, min(time.Duration(share*float64(left)), most))
}
