package dedupe_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
)

// unconfirmed returns the same event, not confirmed.
func unconfirmed(a *alarmevent.Alarm) *alarmevent.Alarm {
	a.Unconfirmed = "not found"
	return a
}

func TestClaim_UnconfirmedEventOnlyClaimsItsTransition(t *testing.T) {
	b := newHarness(t)
	forged := b.mustClaim(t, unconfirmed(composite("p", 1, "a", "b")), "request-1")
	assert.Empty(t, forged.Covers)
	require.NoError(t, b.Settle(t.Context(), forged, past(forged)))
	_, duplicate, err := b.Claim(t.Context(), unconfirmed(composite("p", 1, "a", "b")), "request-2", "id", b.now().Add(lease))
	require.NoError(t, err)
	assert.NotNil(t, duplicate, "the same event again")
	for i, genuine := range []*alarmevent.Alarm{composite("p", 1, "c"), alarm("a", 1), alarm("b", 2), unconfirmed(alarm("p", 2))} {
		claim := b.mustClaim(t, genuine, fmt.Sprint("genuine-", i))
		assert.False(t, claim.Resumed)
		assert.Empty(t, claim.Past)
	}
	_, duplicate, err = b.Claim(t.Context(), alarm("c", 3), "request-3", "id", b.now().Add(lease))
	require.NoError(t, err)
	assert.NotNil(t, duplicate, "the confirmed composite alarm covers its trigger")
}

func TestFirstVerdict_FindsTheClaimOfTheSameDelivery(t *testing.T) {
	b := newHarness(t)
	b.mustClaim(t, composite("p", 1, "a"), "request-1")
	b.mustClaim(t, unconfirmed(alarm("q", 1)), "request-2")
	for _, tt := range []struct {
		alarm    *alarmevent.Alarm
		owner    string
		want     dedupe.Verdict
		wantCopy bool
	}{
		{alarm("p", 1), "request-1", dedupe.VerdictConfirmed, false},
		{unconfirmed(alarm("p", 1)), "request-1", dedupe.VerdictConfirmed, false},
		{alarm("p", 1), "request-2", dedupe.VerdictNone, true},
		{alarm("p", 2), "request-2", dedupe.VerdictNone, false},
		{alarm("a", 2), "request-1", dedupe.VerdictNone, false}, // covered, not claimed
		{alarm("q", 1), "request-2", dedupe.VerdictUnconfirmed, false},
		{alarm("q", 2), "request-2", dedupe.VerdictNone, false},
		{alarm("x", 1), "request-1", dedupe.VerdictNone, false},
	} {
		got, copyOf, err := b.FirstVerdict(t.Context(), tt.alarm, tt.owner)
		require.NoError(t, err)
		assert.Equal(t, tt.want, got, "%s %s", tt.alarm.Name, tt.owner)
		assert.Equal(t, tt.wantCopy, copyOf != nil, "%s %s", tt.alarm.Name, tt.owner)
	}
	b.advance(2 * lease)
	_, copyOf, err := b.FirstVerdict(t.Context(), alarm("p", 1), "request-2")
	require.NoError(t, err)
	assert.Nil(t, copyOf, "the lease has expired, so a copy could take it over")
}

func TestAdmitUnconfirmed_BoundsEachDay(t *testing.T) {
	b := newHarness(t)
	started := b.now()
	admitted := func(id string) bool {
		t.Helper()
		ok, err := b.AdmitUnconfirmed(t.Context(), id, started)
		require.NoError(t, err)
		return ok
	}
	for i := range dedupe.MaxUnconfirmedPerDay {
		assert.True(t, admitted(fmt.Sprint("id-", i)))
		assert.True(t, admitted(fmt.Sprint("id-", i)), "the same investigation again counts once")
	}
	assert.False(t, admitted("one more"))
	assert.True(t, admitted("id-0"), "an investigation that was admitted stays admitted")
	b.advance(24 * time.Hour)
	assert.False(t, admitted("one more"), "its retry belongs to the day on which it began")
	started = b.now()
	assert.True(t, admitted("another"))
}

func TestTogether_OmitsUnconfirmedEvents(t *testing.T) {
	b := newHarness(t)
	require.NoError(t, b.Fired(t.Context(), unconfirmed(alarm("forged", 1))))
	require.NoError(t, b.Fired(t.Context(), alarm("genuine", 1)))
	related, err := b.Together(t.Context(), alarm("a", 1))
	require.NoError(t, err)
	require.Len(t, related, 1)
	assert.Equal(t, "genuine", related[0].Name)
}
