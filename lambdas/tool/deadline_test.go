package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAnAnswerIsLookedThroughWithinItsInvocation(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name       string
		left, want time.Duration
	}{
		{"an invocation with time left", 10 * time.Second, 10*time.Second - sendingTime},
		{"one that is almost over", 210 * time.Millisecond, leastRedaction},
		{"one that is over", -time.Second, leastRedaction},
	} {
		ctx, cancel := context.WithDeadline(t.Context(), now.Add(c.left))
		assert.Equal(t, c.want, redactionEnd(ctx, now).Sub(now), c.name)
		cancel()
	}
	assert.Zero(t, redactionEnd(t.Context(), now), "nothing presses")
}
