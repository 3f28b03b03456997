package redact

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDeadline_LeavesTimeToSendTheAnswer(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name       string
		left, want time.Duration
	}{
		{"an invocation with time left", 10 * time.Second, 10*time.Second - sendTime},
		{"an invocation that is almost over", 210 * time.Millisecond, minRedactTime},
		{"an invocation that is over", -time.Second, minRedactTime},
	} {
		ctx, cancel := context.WithDeadline(t.Context(), now.Add(c.left))
		assert.Equal(t, c.want, Deadline(ctx, now).Sub(now), c.name)
		cancel()
	}
	assert.Zero(t, Deadline(t.Context(), now), "without a deadline")
}
