package dedupe_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCountInvestigation_AllowsTheFirstOfEachDay(t *testing.T) {
	b := newHarness(t)
	day := time.Date(2026, 8, 4, 23, 59, 59, 0, time.UTC)
	count := func(id string, started time.Time) bool {
		within, err := b.CountInvestigation(t.Context(), id, started, 2)
		require.NoError(t, err)
		return within
	}
	assert.True(t, count("a", day))
	assert.True(t, count("b", day))
	assert.False(t, count("c", day))
	assert.True(t, count("a", day), "an investigation counts once")
	assert.False(t, count("c", day), "a refused one is not added")
	assert.True(t, count("c", day.Add(time.Second)), "the next day begins at midnight UTC")
	assert.True(t, count("d", day.Add(time.Second).In(time.FixedZone("", -8*3600))), "in any time zone")
	assert.False(t, count("e", day.Add(time.Second)))
}

func TestCountInvestigation_IsAtomic(t *testing.T) {
	b := newHarness(t)
	day := time.Date(2026, 8, 4, 12, 0, 0, 0, time.UTC)
	var allowed atomic.Int32
	var group sync.WaitGroup
	for i := range 60 {
		group.Go(func() {
			within, err := b.CountInvestigation(t.Context(), fmt.Sprint("id", i%30), day, 7) // each one twice
			assert.NoError(t, err)
			if within {
				allowed.Add(1)
			}
		})
	}
	group.Wait()
	assert.GreaterOrEqual(t, allowed.Load(), int32(7))
	assert.LessOrEqual(t, allowed.Load(), int32(14), "seven investigations, each at most twice")
	within, err := b.CountInvestigation(t.Context(), "another", day, 7)
	require.NoError(t, err)
	assert.False(t, within)
}
