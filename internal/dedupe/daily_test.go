package dedupe_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
)

func TestCountInvestigation_AllowsTheFirstOfEachDay(t *testing.T) {
	b := newHarness(t)
	day := time.Date(2026, 8, 4, 23, 59, 59, 0, time.UTC)
	count := func(id string, started time.Time) bool {
		reached, err := b.CountInvestigation(t.Context(), id, started, dedupe.Day{Investigations: 2})
		require.NoError(t, err)
		assert.Contains(t, []dedupe.Limit{dedupe.LimitNone, dedupe.LimitInvestigations}, reached)
		return reached == dedupe.LimitNone
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
			reached, err := b.CountInvestigation(t.Context(), fmt.Sprint("id", i%30), day, dedupe.Day{Investigations: 7}) // each one twice
			assert.NoError(t, err)
			if reached == dedupe.LimitNone {
				allowed.Add(1)
			}
		})
	}
	group.Wait()
	assert.GreaterOrEqual(t, allowed.Load(), int32(7))
	assert.LessOrEqual(t, allowed.Load(), int32(14), "seven investigations, each at most twice")
	reached, err := b.CountInvestigation(t.Context(), "another", day, dedupe.Day{Investigations: 7})
	require.NoError(t, err)
	assert.Equal(t, dedupe.LimitInvestigations, reached)
}

func TestCountInvestigation_BoundsTheCostOfADay(t *testing.T) {
	b := newHarness(t)
	day := time.Date(2026, 8, 4, 12, 0, 0, 0, time.UTC)
	limit := dedupe.Day{Investigations: 100, CostUSD: 1}
	count := func(id string) dedupe.Limit {
		reached, err := b.CountInvestigation(t.Context(), id, day, limit)
		require.NoError(t, err)
		return reached
	}
	cost := func(id string, usd float64) { require.NoError(t, b.CountCost(t.Context(), id, day, usd)) }
	for i := range 4 {
		require.Equal(t, dedupe.LimitNone, count(fmt.Sprint("running", i)), "a running investigation counts $0.25")
	}
	assert.Equal(t, dedupe.LimitCost, count("next"))
	assert.Equal(t, dedupe.LimitNone, count("running0"), "it was counted before")
	cost("running0", 0.02)
	assert.Equal(t, dedupe.LimitNone, count("next"), "cheaper than reserved")
	cost("next", 5)
	for i := range 4 {
		cost(fmt.Sprint("running", i), 0.01)
		cost(fmt.Sprint("running", i), 0.01) // a retry
	}
	cost("another", -100)
	assert.Equal(t, dedupe.LimitNone, count("next"), "its retry: the others cost less than the limit")
	assert.Equal(t, dedupe.LimitCost, count("running1"), "its retry")
	assert.Equal(t, dedupe.LimitCost, count("last"), "one expensive investigation uses up the day; retries and others change nothing")
	limit.CostUSD = 5.06
	assert.Equal(t, dedupe.LimitNone, count("last"), "5 + 0.02 + 3 * 0.01 dollars are spent")
	limit = dedupe.Day{Investigations: 2, CostUSD: 0.01}
	assert.Equal(t, dedupe.LimitInvestigations, count("beyond both"))
	limit = dedupe.Day{CostUSD: 100}
	assert.Equal(t, dedupe.LimitNone, count("only money counts"))
}

func TestCountCost_CountsWhatAnInvestigationCostSoFar(t *testing.T) {
	db := &awsapitest.DynamoDB{}
	b := newHarness(t)
	b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
	day := time.Date(2026, 8, 4, 12, 0, 0, 0, time.UTC)
	_, err := b.CountInvestigation(t.Context(), "a", day, dedupe.Day{CostUSD: 1})
	require.NoError(t, err)
	for _, usd := range []float64{0.7, 0.7, 0.3, 1.5, 1.2} {
		require.NoError(t, b.CountCost(t.Context(), "a", day, usd))
	}
	assert.Equal(t, "1500000", db.Item("day#2026-08-04")["spent"].(*types.AttributeValueMemberN).Value)
	for limit, want := range map[float64]bool{0: false, 1.49: true, 1.5: true, 1.51: false} {
		reached, err := b.CostReached(t.Context(), day, dedupe.Day{CostUSD: limit})
		require.NoError(t, err)
		assert.Equal(t, want, reached, limit)
	}
	var group sync.WaitGroup
	for i := range 3 { // attempts of one investigation at the same time
		group.Go(func() { _ = b.CountCost(t.Context(), "a", day, 2+float64(i)) })
	}
	group.Wait()
	item := db.Item("day#2026-08-04")
	assert.Equal(t, item["cost_a"], item["spent"], "each amount replaces the one before")
}

func TestCountCost_DayOfTheMostInvestigationsFitsIntoAnItem(t *testing.T) {
	const entry = len("0123456789ab")                       // an id in the set of ids
	const cost = len("cost_0123456789ab") + 1 + (8+1)/2 + 1 // an attribute with a number of at most 8 digits
	assert.Less(t, config.MaxInvestigationsPerDay*(entry+1+cost), 400<<10)
}

func TestFirstOfDay_IsTrueOncePerDayAndLimit(t *testing.T) {
	b := newHarness(t)
	day := time.Date(2026, 8, 4, 23, 0, 0, 0, time.UTC)
	first := func(limit dedupe.Limit, at time.Time) bool {
		is, err := b.FirstOfDay(t.Context(), limit, at)
		require.NoError(t, err)
		return is
	}
	var won atomic.Int32
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			if is, err := b.FirstOfDay(t.Context(), dedupe.LimitCost, day); assert.NoError(t, err) && is {
				won.Add(1)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, won.Load())
	assert.True(t, first(dedupe.LimitInvestigations, day))
	assert.True(t, first(dedupe.LimitCost, day.Add(2*time.Hour)), "the next day")
	require.NoError(t, b.ForgetFirst(t.Context(), dedupe.LimitCost, day))
	assert.True(t, first(dedupe.LimitCost, day), "the notification could not be sent")
	assert.False(t, first(dedupe.LimitInvestigations, day))
}
