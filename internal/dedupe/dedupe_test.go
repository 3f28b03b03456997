package dedupe_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// harness is a table with a clock that the test advances.
type harness struct {
	*dedupe.Table
	mu  sync.Mutex
	at  time.Time
	ids int
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	db, name := newTable(t)
	b := &harness{at: time.Date(2026, 8, 4, 12, 36, 30, 0, time.UTC)}
	b.Table = dedupe.New(db, name, time.Hour, b.now)
	return b
}

func (b *harness) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *harness) newID() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids++
	return fmt.Sprintf("id%d", b.ids)
}

func (b *harness) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

const lease = 15 * time.Minute

func (b *harness) claim(t *testing.T, alarm *alarmevent.Alarm, owner string) (*dedupe.Claim, *dedupe.Duplicate) {
	t.Helper()
	claim, duplicate, err := b.Claim(t.Context(), alarm, owner, b.newID(), b.now().Add(lease))
	require.NoError(t, err)
	require.True(t, (claim == nil) != (duplicate == nil), "either a claim or a duplicate")
	return claim, duplicate
}

// mustClaim claims the alarm and requires success.
func (b *harness) mustClaim(t *testing.T, alarm *alarmevent.Alarm, owner string) *dedupe.Claim {
	t.Helper()
	claim, _ := b.claim(t, alarm, owner)
	require.NotNil(t, claim)
	return claim
}

// mustBeDuplicate tries to claim the alarm and requires that it is a duplicate.
func (b *harness) mustBeDuplicate(t *testing.T, alarm *alarmevent.Alarm, owner string) *dedupe.Duplicate {
	t.Helper()
	_, duplicate := b.claim(t, alarm, owner)
	require.NotNil(t, duplicate)
	return duplicate
}

func alarm(name string, transition int) *alarmevent.Alarm {
	return &alarmevent.Alarm{
		Name: name, ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + name, State: alarmevent.StateAlarm,
		Time: time.Date(2026, 8, 4, 12, 36, transition, 490e6, time.UTC),
	}
}

func past(c *dedupe.Claim) investigation.Past {
	return investigation.Past{
		ID: c.ID, Time: c.StartedAt, Outcome: investigation.OutcomeCompleted, Cause: "a lost grant", Confidence: investigation.Likely, ReportURI: "s3://b/" + c.ID,
	}
}

func TestClaim_OncePerWindow(t *testing.T) {
	b := newHarness(t)
	a := alarm("a", 1)
	c := b.mustClaim(t, a, "request-1")
	assert.False(t, c.Resumed)
	assert.EqualValues(t, 1, c.Attempt)
	assert.True(t, b.mustBeDuplicate(t, a, "request-2").Running)

	require.NoError(t, b.Settle(t.Context(), c, past(c)))
	d := b.mustBeDuplicate(t, alarm("a", 2), "request-3")
	assert.False(t, d.Running)
	assert.Equal(t, c.ID, d.ID)
	assert.Equal(t, "s3://b/"+c.ID, d.ReportURI)
}

// vanishingDB loses all items after some writes: somebody deletes them, or replaces the table.
type vanishingDB struct {
	awsapitest.DynamoDB
	writes int // until then
}

func (v *vanishingDB) GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if v.writes < 0 {
		return &dynamodb.GetItemOutput{}, nil
	}
	return v.DynamoDB.GetItem(ctx, in, opts...)
}

func (v *vanishingDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if v.writes--; v.writes < 0 {
		return nil, &types.ConditionalCheckFailedException{}
	}
	return v.DynamoDB.UpdateItem(ctx, in, opts...)
}

func TestClaim_IsNoDuplicateOfAnItemThatVanished(t *testing.T) {
	for _, writes := range []int{2, 3} { // before and after the write that finds the item
		b, db := newHarness(t), &vanishingDB{writes: writes}
		b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
		require.NoError(t, b.Free(t.Context(), b.mustClaim(t, alarm("a", 1), "request-1"), false, false))
		claim, duplicate, err := b.Claim(t.Context(), alarm("a", 2), "request-2", b.newID(), b.now().Add(lease))
		require.ErrorContains(t, err, "there is no item of the alarm", "%d", writes)
		assert.Nil(t, claim)
		assert.Nil(t, duplicate)
	}
}

func TestClaim_AfterWindowReturnsPastInvestigations(t *testing.T) {
	b := newHarness(t)
	first := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Settle(t.Context(), first, past(first)))
	b.advance(time.Hour + time.Second)
	second := b.mustClaim(t, alarm("a", 2), "request-2")
	assert.NotEqual(t, first.ID, second.ID)
	assert.False(t, second.Resumed)
	assert.Equal(t, []investigation.Past{past(first)}, second.Past)
}

func TestClaim_LateDeliveryOfSameTransitionIsDuplicate(t *testing.T) {
	b := newHarness(t)
	c := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Settle(t.Context(), c, past(c)))
	b.advance(5 * time.Hour)
	b.mustBeDuplicate(t, alarm("a", 1), "request-2")
	b.mustBeDuplicate(t, alarm("a", 2), "request-1") // Lambda's retry of an invocation that had settled
	b.mustClaim(t, alarm("a", 2), "request-3")
}

func TestClaim_EventWithoutTimeIsNewTransition(t *testing.T) {
	b := newHarness(t)
	a := alarm("a", 0)
	a.Time = time.Time{}
	c := b.mustClaim(t, a, "request-1")
	require.NoError(t, b.Settle(t.Context(), c, past(c)))
	b.advance(2 * time.Hour)
	b.mustClaim(t, a, "request-2")
}

func TestHandOver_OfAnEventWithoutTimeIsNoRepeat(t *testing.T) {
	b := newHarness(t)
	event := alarm("a", 0)
	event.Time = time.Time{}
	c := b.mustClaim(t, event, "request-1")
	require.NoError(t, b.HandOver(t.Context(), c, "token", b.now().Add(time.Minute)))
	assert.False(t, b.mustClaim(t, event, "token").IsRepeat)
	repeats, err := b.Repeats(t.Context(), event)
	require.NoError(t, err)
	assert.Zero(t, repeats)
}

func TestClaim_RetryResumesItsClaim(t *testing.T) {
	b := newHarness(t)
	crashed := b.mustClaim(t, alarm("a", 1), "request-1")
	retried := b.mustClaim(t, alarm("a", 1), "request-1")
	assert.True(t, retried.Resumed)
	assert.Equal(t, crashed.ID, retried.ID)
	assert.EqualValues(t, 2, retried.Attempt)
	assert.Equal(t, crashed.StartedAt, retried.StartedAt)
}

func TestClaim_LostClaimCannotWrite(t *testing.T) {
	b := newHarness(t)
	slow := b.mustClaim(t, alarm("a", 1), "request-1")
	b.mustClaim(t, alarm("a", 1), "request-1")
	assert.ErrorIs(t, b.Confirm(t.Context(), slow), dedupe.ErrLost)
	assert.ErrorIs(t, b.Settle(t.Context(), slow, past(slow)), dedupe.ErrLost)
	assert.ErrorIs(t, b.Free(t.Context(), slow, false, false), dedupe.ErrLost)
	assert.ErrorIs(t, b.Park(t.Context(), slow, []byte("x"), true, false), dedupe.ErrLost)
	assert.ErrorIs(t, b.HandOver(t.Context(), slow, "x", b.now()), dedupe.ErrLost)
}

func TestClaim_ExpiredLeaseIsTakenOver(t *testing.T) {
	b := newHarness(t)
	crashed := b.mustClaim(t, alarm("a", 1), "request-1")
	b.mustBeDuplicate(t, alarm("a", 1), "request-2")
	b.advance(lease + time.Second)
	taken := b.mustClaim(t, alarm("a", 1), "request-2")
	assert.True(t, taken.Resumed)
	assert.Equal(t, crashed.ID, taken.ID)
	b.mustBeDuplicate(t, alarm("a", 1), "request-1")
}

func TestClaim_NewTransitionLongAfterCrashStartsNewInvestigation(t *testing.T) {
	b := newHarness(t)
	crashed := b.mustClaim(t, alarm("a", 1), "request-1")
	b.advance(3 * time.Hour)
	for range 2 { // also if the invocation is killed before it ends the earlier investigation
		earlier := b.mustClaim(t, alarm("a", 2), "request-2")
		assert.True(t, earlier.Earlier)
		assert.Equal(t, crashed.ID, earlier.ID)
		b.mustBeDuplicate(t, alarm("a", 1), "request-1")
	}
	earlier := b.mustClaim(t, alarm("a", 2), "request-2")
	require.NoError(t, b.Abandon(t.Context(), earlier))
	fresh := b.mustClaim(t, alarm("a", 2), "request-2")
	assert.False(t, fresh.Resumed)
	assert.False(t, fresh.Earlier)
	assert.Empty(t, fresh.Past, "an investigation that was dropped is not remembered")
	assert.NotEqual(t, crashed.ID, fresh.ID)
	assert.ErrorIs(t, b.Confirm(t.Context(), crashed), dedupe.ErrLost)
}

func TestClaim_NewTransitionAfterTheWindowEndsAParkedReportFirst(t *testing.T) {
	b := newHarness(t)
	failed := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Park(t.Context(), failed, []byte("report"), true, false))
	b.advance(2 * time.Hour)
	earlier := b.mustClaim(t, alarm("a", 2), "request-2")
	assert.True(t, earlier.Earlier)
	assert.Equal(t, []byte("report"), earlier.Parked)
	assert.True(t, earlier.Stored)
	assert.False(t, earlier.MaybeSent)
	require.NoError(t, b.Confirm(t.Context(), earlier))
	earlier = b.mustClaim(t, alarm("a", 2), "request-2")
	assert.True(t, earlier.MaybeSent, "killed while it delivered")
	require.NoError(t, b.Settle(t.Context(), earlier, past(earlier)))
	fresh := b.mustClaim(t, alarm("a", 2), "request-2")
	assert.False(t, fresh.Resumed)
	assert.Empty(t, fresh.Parked)
	assert.False(t, fresh.Stored || fresh.Notified || fresh.MaybeSent)
	require.Len(t, fresh.Past, 1)
	b.mustBeDuplicate(t, alarm("a", 1), "request-1")
}

func TestClaim_TransitionIsInvestigatedOnceAmongTheLastTen(t *testing.T) {
	b := newHarness(t)
	for i := range 12 {
		c := b.mustClaim(t, alarm("a", 2*i), fmt.Sprint("request-", i))
		require.NoError(t, b.Settle(t.Context(), c, past(c)))
		b.advance(2 * time.Hour)
	}
	late := alarm("a", 20)
	late.Time = late.Time.Add(dedupe.SameTransition) // another path reports it with another time
	d := b.mustBeDuplicate(t, late, "late")
	assert.Equal(t, "id11", d.ID)
	assert.Equal(t, "s3://b/id11", d.ReportURI)
	b.mustBeDuplicate(t, alarm("a", 4), "late")
	b.mustClaim(t, alarm("a", 2), "late") // the eleventh
}

func TestClaim_ItemOfAnOlderVersionRemembersNoTransitions(t *testing.T) {
	db := &awsapitest.DynamoDB{}
	b := newHarness(t)
	b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
	c := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Settle(t.Context(), c, past(c)))
	list := db.Item(alarm("a", 1).ARN)["past"].(*types.AttributeValueMemberL)
	delete(list.Value[0].(*types.AttributeValueMemberM).Value, "transition")
	b.advance(2 * time.Hour)
	c = b.mustClaim(t, alarm("a", 3), "request-2")
	require.Len(t, c.Past, 1)
	require.NoError(t, b.Settle(t.Context(), c, past(c)))
}

func TestClaimOwn_TakesOverNoOtherInvestigation(t *testing.T) {
	b := newHarness(t)
	parked := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Park(t.Context(), parked, []byte("report"), false, true))
	own, err := b.ClaimOwn(t.Context(), alarm("a", 2), "request-2", "other", b.now().Add(lease))
	require.NoError(t, err)
	assert.Nil(t, own)
	own, err = b.ClaimOwn(t.Context(), alarm("a", 1), "request-1", parked.ID, b.now().Add(lease))
	require.NoError(t, err)
	require.NotNil(t, own)
	assert.True(t, own.Notified)
	own, err = b.ClaimOwn(t.Context(), alarm("b", 1), "request-1", "new", b.now().Add(lease))
	require.NoError(t, err)
	assert.Equal(t, "new", own.ID)
	own, err = b.ClaimOwn(t.Context(), composite("p", 1, "c"), "request-1", "parent", b.now().Add(lease))
	require.NoError(t, err)
	assert.Len(t, own.Covers, 1)
	b.mustBeDuplicate(t, alarm("c", 2), "request-2")
}

func TestHandOver_FormerOwnerResumesUntilTheFreshInvocationBegins(t *testing.T) {
	a := alarm("a", 1)
	t.Run("killed before the invocation", func(t *testing.T) {
		b := newHarness(t)
		c := b.mustClaim(t, a, "request-1")
		require.NoError(t, b.HandOver(t.Context(), c, c.ID+"/1", b.now().Add(lease)))
		b.mustBeDuplicate(t, a, "request-2")
		again := b.mustClaim(t, a, "request-1")
		assert.Equal(t, c.ID, again.ID)
		assert.EqualValues(t, 2, again.Attempt)
		assert.Equal(t, 1, again.HandOvers)
		b.mustBeDuplicate(t, a, c.ID+"/1")
		require.NoError(t, b.HandOver(t.Context(), again, c.ID+"/2", b.now().Add(lease)))
		assert.ErrorIs(t, b.Confirm(t.Context(), c), dedupe.ErrLost)
		b.mustBeDuplicate(t, a, c.ID+"/1")
		b.mustClaim(t, a, c.ID+"/2")
	})
	t.Run("killed after it", func(t *testing.T) {
		b := newHarness(t)
		c := b.mustClaim(t, a, "request-1")
		require.NoError(t, b.HandOver(t.Context(), c, c.ID+"/1", b.now().Add(lease)))
		fresh := b.mustClaim(t, a, c.ID+"/1")
		b.mustBeDuplicate(t, a, "request-1")
		require.NoError(t, b.Settle(t.Context(), fresh, past(fresh)))
		b.mustBeDuplicate(t, a, "request-1")
	})
	t.Run("taken back", func(t *testing.T) {
		b := newHarness(t)
		c := b.mustClaim(t, a, "request-1")
		require.NoError(t, b.HandOver(t.Context(), c, c.ID+"/1", b.now().Add(lease)))
		require.NoError(t, b.TakeBack(t.Context(), c, b.now().Add(lease)))
		b.mustBeDuplicate(t, a, c.ID+"/1")
		require.NoError(t, b.Settle(t.Context(), c, past(c)))
	})
	t.Run("taken back too late", func(t *testing.T) {
		b := newHarness(t)
		c := b.mustClaim(t, a, "request-1")
		require.NoError(t, b.HandOver(t.Context(), c, c.ID+"/1", b.now().Add(lease)))
		b.mustClaim(t, a, c.ID+"/1")
		assert.ErrorIs(t, b.TakeBack(t.Context(), c, b.now().Add(lease)), dedupe.ErrLost)
	})
}

func TestClaim_ItemOfAParkedReportStaysBounded(t *testing.T) {
	db := &awsapitest.DynamoDB{}
	b := newHarness(t)
	b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
	for i := range 300 { // events of a restless alarm, while reports cannot be sent, within and after the window
		c := b.mustClaim(t, alarm("a", i), fmt.Sprint("request-", i))
		require.NoError(t, b.Park(t.Context(), c, []byte("report"), true, false))
		b.advance(20 * time.Second)
	}
	assert.Len(t, db.Item(alarm("a", 0).ARN)["owners"].(*types.AttributeValueMemberSS).Value, 100)
}

func TestFirstVerdict_SurvivesAHandOver(t *testing.T) {
	b := newHarness(t)
	event := unconfirmed(alarm("a", 1))
	c := b.mustClaim(t, event, "request-1")
	require.NoError(t, b.HandOver(t.Context(), c, c.ID+"/1", b.now().Add(lease)))
	for range 2 {
		v, _, err := b.FirstVerdict(t.Context(), alarm("a", 1), "request-1")
		require.NoError(t, err)
		assert.Equal(t, dedupe.VerdictUnconfirmed, v)
		b.mustClaim(t, event, c.ID+"/1")
	}
}

func TestFree_NextEventResumesAtOnce(t *testing.T) {
	b := newHarness(t)
	failed := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Free(t.Context(), failed, false, false))
	c := b.mustClaim(t, alarm("a", 1), "request-2")
	assert.True(t, c.Resumed)
	assert.Equal(t, failed.ID, c.ID)
}

func TestPark_RetryReceivesReport(t *testing.T) {
	b := newHarness(t)
	c := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Park(t.Context(), c, []byte("report"), false, true))
	again := b.mustClaim(t, alarm("a", 1), "request-1")
	assert.Equal(t, []byte("report"), again.Parked)
	assert.False(t, again.Stored)
	assert.True(t, again.Notified)
	require.NoError(t, b.Settle(t.Context(), again, past(again)))
	b.advance(2 * time.Hour)
	assert.Empty(t, b.mustClaim(t, alarm("a", 2), "request-2").Parked)
}

func TestHandOver_OnlyTokenTakesLeaseUntilItExpires(t *testing.T) {
	b := newHarness(t)
	c := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.HandOver(t.Context(), c, "token", b.now().Add(lease)))
	b.mustBeDuplicate(t, alarm("a", 1), "request-2")
	next := b.mustClaim(t, alarm("a", 1), "token")
	assert.True(t, next.Resumed)
	assert.Equal(t, 1, next.HandOvers)
	assert.Equal(t, c.ID, next.ID)
}

func TestSettle_KeepsLatestTenInvestigations(t *testing.T) {
	b := newHarness(t)
	for i := range 13 {
		c := b.mustClaim(t, alarm("a", i), fmt.Sprintf("request-%d", i))
		require.NoError(t, b.Settle(t.Context(), c, past(c)))
		b.advance(2 * time.Hour)
	}
	c := b.mustClaim(t, alarm("a", 50), "request-50")
	require.Len(t, c.Past, 10)
	assert.Equal(t, "id13", c.Past[9].ID)
}

func TestCountRepeat_CountsEachTransitionOnce(t *testing.T) {
	b := newHarness(t)
	b.mustClaim(t, alarm("a", 1), "request-1")
	for _, transition := range []int{1, 2, 3, 3, 2} {
		require.NoError(t, b.CountRepeat(t.Context(), alarm("a", transition), "id1", "x"))
	}
	n, err := b.Repeats(t.Context(), alarm("a", 1))
	require.NoError(t, err)
	assert.Equal(t, 2, n, "the investigated transition is not a repeat; each other one counts once")
}

func TestTogether_ReturnsAlarmsThatFiredWithinFiveMinutes(t *testing.T) {
	b := newHarness(t)
	for name, seconds := range map[string]int{"a": 0, "early": -301, "before": -299, "b": 2, "c: d/é": 240, "late": 301} {
		require.NoError(t, b.Fired(t.Context(), alarm(name, seconds)))
	}
	require.NoError(t, b.Fired(t.Context(), alarm("b", 9)))
	b.advance(3 * time.Hour)
	require.NoError(t, b.Fired(t.Context(), alarm("waited", 1)))
	related, err := b.Together(t.Context(), alarm("a", 0))
	require.NoError(t, err)
	var names []string
	for _, other := range related {
		names = append(names, other.Name)
	}
	assert.Equal(t, []string{"c: d/é", "b", "waited", "before"}, names)
	assert.Equal(t, alarm("b", 9).Time, related[1].Since)
	related, err = b.Together(t.Context(), alarm("a", 3600))
	require.NoError(t, err)
	assert.Empty(t, related)
}

// Each slot of five minutes has up to 100 alarms. A report lists the nearest.
func TestTogether_ReturnsTheNearestAlarms(t *testing.T) {
	b := newHarness(t)
	for i := range 50 {
		for _, seconds := range []int{-280, -20, 20, 280} {
			require.NoError(t, b.Fired(t.Context(), alarm(fmt.Sprint(seconds, "-", i), seconds)))
		}
	}
	related, err := b.Together(t.Context(), alarm("a", 0))
	require.NoError(t, err)
	require.Len(t, related, 100)
	assert.Equal(t, alarm("a", 20).Time, related[0].Since, "the latest is first")
	assert.Equal(t, alarm("a", -20).Time, related[99].Since)
}

func TestFired_BoundsAlarmsPerSlot(t *testing.T) {
	b := newHarness(t)
	for i := range 130 {
		require.NoError(t, b.Fired(t.Context(), alarm(fmt.Sprintf("a%d", i), 1)))
	}
	related, err := b.Together(t.Context(), alarm("a", 1))
	require.NoError(t, err)
	assert.Len(t, related, 100)
}

func composite(name string, transition int, children ...string) *alarmevent.Alarm {
	a := alarm(name, transition)
	a.Kind = alarmevent.KindComposite
	for _, child := range children {
		a.Children = append(a.Children, alarm(child, 0).ARN)
	}
	return a
}

func TestClaim_CompositeAlarmCoversItsTriggers(t *testing.T) {
	b := newHarness(t)
	parent := b.mustClaim(t, composite("p", 1, "a", "b"), "request-1")
	assert.Len(t, parent.Covers, 2)
	d := b.mustBeDuplicate(t, alarm("a", 1), "request-2")
	assert.Equal(t, composite("p", 1).ARN, d.CoveredBy)
	assert.Equal(t, parent.ID, d.ID)
	require.NoError(t, b.Settle(t.Context(), parent, past(parent)))
	assert.Equal(t, "s3://b/"+parent.ID, b.mustBeDuplicate(t, alarm("b", 1), "request-3").ReportURI)
}

func TestClaim_CompositeAlarmIsDuplicateOfInvestigatedTriggers(t *testing.T) {
	b := newHarness(t)
	b.mustClaim(t, alarm("a", 1), "request-1")
	d := b.mustBeDuplicate(t, composite("p", 1, "a"), "request-2")
	assert.Equal(t, alarm("a", 1).ARN, d.CoveredBy)
	b.mustBeDuplicate(t, composite("p", 1, "a"), "request-3")
}

func TestClaim_CompositeAlarmCoversRemainingTrigger(t *testing.T) {
	b := newHarness(t)
	b.mustClaim(t, alarm("a", 1), "request-1")
	c := b.mustClaim(t, composite("p", 1, "a", "b"), "request-2")
	assert.Equal(t, []string{alarm("b", 0).ARN}, c.Covers)
}

func TestClaim_OldInvestigationOfTriggerDoesNotSuppressCompositeAlarm(t *testing.T) {
	b := newHarness(t)
	child := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Settle(t.Context(), child, past(child)))
	b.advance(20 * time.Minute)
	b.mustClaim(t, composite("p", 2, "a"), "request-2")
}

func TestClaim_RetriedCompositeAlarmKeepsItsTriggers(t *testing.T) {
	b := newHarness(t)
	b.mustClaim(t, composite("p", 1, "a", "b"), "request-1")
	again := b.mustClaim(t, composite("p", 1, "a", "b"), "request-1")
	assert.Len(t, again.Covers, 2)
	require.NoError(t, b.Free(t.Context(), again, false, false))
	assert.False(t, b.mustClaim(t, alarm("a", 1), "request-2").Resumed, "a child does not resume the investigation of its parent")
}

func TestClaim_InvestigatedTransitionIsADuplicateUnderAnUnfinishedCover(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, b *harness, parent *dedupe.Claim)
	}{
		{"crashed", func(_ *testing.T, b *harness, _ *dedupe.Claim) { b.advance(lease + time.Second) }},
		{"parked", func(t *testing.T, b *harness, parent *dedupe.Claim) {
			require.NoError(t, b.Park(t.Context(), parent, []byte("record"), true, false))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newHarness(t)
			child := b.mustClaim(t, alarm("a", 1), "request-1")
			require.NoError(t, b.Settle(t.Context(), child, past(child)))
			require.NoError(t, b.CountRepeat(t.Context(), alarm("a", 3), child.ID, "request-2"))
			b.advance(2 * time.Hour)
			parent := b.mustClaim(t, composite("p", 1, "a"), "request-3") // its event waited
			require.Len(t, parent.Covers, 1)
			tt.end(t, b, parent)
			d := b.mustBeDuplicate(t, alarm("a", 1), "request-4")
			assert.Equal(t, child.ID, d.ID)
			assert.True(t, d.IsCopy)
			assert.Equal(t, child.ID, b.mustBeDuplicate(t, alarm("a", 3), "request-5").ID, "a repeat")
			b.mustClaim(t, alarm("a", 5), "request-6")
		})
	}
}

// interleaved runs a function once, right after the first read or the first write.
type interleaved struct {
	awsapi.DynamoDB
	afterRead, afterWrite func()
}

func (d *interleaved) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out, err := d.DynamoDB.GetItem(ctx, in, o...)
	once(&d.afterRead)
	return out, err
}

func (d *interleaved) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	out, err := d.DynamoDB.UpdateItem(ctx, in, o...)
	once(&d.afterWrite)
	return out, err
}

// once runs a function, if there is one, and forgets it first: the function itself may read and write.
func once(f *func()) {
	if other := *f; other != nil {
		*f = nil
		other()
	}
}

// An investigation can last longer than its window. Two events of the alarm's next transition arrive as it ends: one is counted as a
// repeat of it, and the other one begins a new investigation.
func TestClaim_RetryResumesAnInvestigationWhoseTransitionIsARepeat(t *testing.T) {
	db, name := newTable(t)
	first := &interleaved{DynamoDB: db}
	b := newHarness(t)
	b.Table = dedupe.New(first, name, time.Hour, b.now)
	ctx := t.Context()
	before, _, err := b.Claim(ctx, alarm("a", 1), "request-1", "before", b.now().Add(2*time.Hour))
	require.NoError(t, err)
	b.advance(time.Hour + time.Second)
	first.afterRead = func() {
		require.NoError(t, b.CountRepeat(ctx, alarm("a", 2), before.ID, "request-2"))
		require.NoError(t, b.Settle(ctx, before, past(before)))
	}
	next := alarm("a", 2)
	next.Metrics = []alarmevent.Metric{{ID: "m"}} // nothing else is read before the alarm's item
	for range 2 {
		c, _, err := b.Claim(ctx, next, "request-3", "next", b.now().Add(lease))
		require.NoError(t, err)
		require.NotNil(t, c)
		assert.Equal(t, "next", c.ID)
	}
}

// CloudWatch allows cycles of composite alarms.
func TestClaim_OneOfTwoCompositeAlarmsThatTriggerEachOtherIsInvestigated(t *testing.T) {
	db, name := newTable(t)
	simultaneous := &interleaved{DynamoDB: db}
	b := newHarness(t)
	b.Table = dedupe.New(simultaneous, name, time.Hour, b.now)
	var claims [2]*dedupe.Claim
	simultaneous.afterWrite = func() { claims[1], _ = b.claim(t, composite("q", 1, "p"), "request-2") }
	claims[0], _ = b.claim(t, composite("p", 1, "q"), "request-1")
	assert.True(t, claims[0] != nil || claims[1] != nil, "each gave way to the other")

	b = newHarness(t)
	b.mustClaim(t, alarm("a", 1), "request-1")
	b.mustClaim(t, composite("inner", 1, "a", "b"), "request-2")
	d := b.mustBeDuplicate(t, composite("outer", 1, "inner"), "request-3")
	assert.Equal(t, composite("inner", 1).ARN, d.CoveredBy, "the inner alarm has not given way, and is investigated")
}

// The next transition of a composite alarm can have another cause than the triggering alarm to which this one gives way.
func TestClaim_CompositeAlarmDoesNotGiveWayIfAnotherTransitionIsItsDuplicate(t *testing.T) {
	db, name := newTable(t)
	simultaneous := &interleaved{DynamoDB: db}
	b := newHarness(t)
	b.Table = dedupe.New(simultaneous, name, time.Hour, b.now)
	b.mustClaim(t, alarm("a", 1), "request-1")
	var next *dedupe.Duplicate
	simultaneous.afterWrite = func() { next = b.mustBeDuplicate(t, composite("p", 3, "b"), "request-3") }
	c := b.mustClaim(t, composite("p", 2, "a"), "request-2")
	require.NotNil(t, next)
	assert.Equal(t, c.ID, next.ID)
	require.NoError(t, b.Settle(t.Context(), c, past(c)))

	simultaneous.afterWrite = func() { next = b.mustBeDuplicate(t, composite("q", 2, "a"), "request-5") }
	b.mustBeDuplicate(t, composite("q", 2, "a"), "request-4")
	assert.True(t, next.Running, "the same transition through another path prevents nothing")
}

// undecided fails to record that the claim of a composite alarm does not give way.
type undecided struct{ awsapi.DynamoDB }

func (d undecided) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if aws.ToString(in.UpdateExpression) == "REMOVE undecided" {
		return nil, awsapitest.ErrDown
	}
	return d.DynamoDB.UpdateItem(ctx, in, o...)
}

func TestClaim_NextTransitionIsADuplicateAlthoughTheDecisionWasNotRecorded(t *testing.T) {
	db, name := newTable(t)
	b := newHarness(t)
	claim := func(name string) *dedupe.Claim {
		c, _, err := b.Claim(t.Context(), composite(name, 1, name+"-child"), "request-1", name, b.now().Add(lease))
		require.ErrorIs(t, err, awsapitest.ErrDown)
		require.NotNil(t, c)
		return c
	}
	b.Table = dedupe.New(undecided{db}, name, time.Hour, b.now)
	settled, freed := claim("settled"), claim("freed")
	b.Table = dedupe.New(db, name, time.Hour, b.now)

	require.NoError(t, b.Settle(t.Context(), settled, past(settled)))
	b.mustBeDuplicate(t, composite("settled", 2, "settled-child"), "request-2")

	require.NoError(t, b.Free(t.Context(), freed, false, false))
	own, err := b.ClaimOwn(t.Context(), composite("freed", 2, "freed-child"), "request-2", "other", b.now().Add(lease))
	require.NoError(t, err)
	assert.Nil(t, own)
}

// A claim reads the clock before it writes. Another transition can give way in between, which has no window.
func TestClaim_TransitionIsInvestigatedIfAnotherOneGivesWayAtTheSameTime(t *testing.T) {
	db, name := newTable(t)
	first := &interleaved{DynamoDB: db}
	b := newHarness(t)
	b.Table = dedupe.New(first, name, time.Hour, b.now)
	b.mustClaim(t, alarm("a", 1), "request-1")
	next := composite("p", 3, "b")
	next.Metrics = []alarmevent.Metric{{ID: "m"}} // nothing else is read before the alarm's item
	first.afterRead = func() {
		b.advance(time.Millisecond)
		b.mustBeDuplicate(t, composite("p", 2, "a"), "request-2")
	}
	b.mustClaim(t, next, "request-3")
}

func TestRecovered_OncePerInvestigation(t *testing.T) {
	b := newHarness(t)
	ctx := t.Context()
	r, err := b.Recovered(ctx, alarm("a", 9), "ok-1")
	require.NoError(t, err)
	assert.Nil(t, r, "never investigated")
	c := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Settle(ctx, c, past(c)))
	r, err = b.Recovered(ctx, alarm("a", 9), "ok-2")
	require.NoError(t, err)
	assert.Equal(t, &dedupe.Recovery{ID: c.ID, StartedAt: c.StartedAt, ReportURI: "s3://b/" + c.ID, Number: 1}, r)
	r, err = b.Recovered(ctx, alarm("a", 9), "ok-3")
	require.NoError(t, err)
	assert.Nil(t, r, "already notified")
	require.NoError(t, b.ForgetRecovery(ctx, c.Key, "ok-2"))
	r, err = b.Recovered(ctx, alarm("a", 9), "ok-4")
	require.NoError(t, err)
	assert.NotNil(t, r, "the notification was not sent")
}

// The events of a composite alarm arrive in another order: that of its second transition is first, and gives way to a triggering
// alarm. Whoever reads "recovered" after that would not learn that the alarm fired again.
func TestRecovered_NotIfALaterTransitionGaveWay(t *testing.T) {
	b := newHarness(t)
	ctx := t.Context()
	child := b.mustClaim(t, alarm("a", 5), "request-1")
	b.mustBeDuplicate(t, composite("p", 5, "a"), "request-2")
	b.mustBeDuplicate(t, composite("p", 2, "a"), "request-3")
	require.NoError(t, b.Settle(ctx, child, past(child)))
	b.advance(20 * time.Minute)
	c := b.mustClaim(t, composite("p", 1, "a"), "request-4")
	require.NoError(t, b.Settle(ctx, c, past(c)))
	b.mustRecoverOnlyLater(t, composite("p", 3), composite("p", 6))
}

// mustRecoverOnlyLater requires that the recovery is no last word at the first time, because the alarm fired again since, but at the second.
func (b *harness) mustRecoverOnlyLater(t *testing.T, early, late *alarmevent.Alarm) {
	t.Helper()
	r, err := b.Recovered(t.Context(), early, "ok-1")
	require.NoError(t, err)
	assert.Nil(t, r, "the alarm fired again since")
	r, err = b.Recovered(t.Context(), late, "ok-2")
	require.NoError(t, err)
	assert.NotNil(t, r)
}

// The earlier report is delivered late, after the window in which an investigation before it had a repeat.
func TestRecovered_NotIfATransitionFiredWhileAnEarlierReportWithRepeatsWasDelivered(t *testing.T) {
	b := newHarness(t)
	ctx := t.Context()
	first := b.mustClaim(t, alarm("a", 1), "request-1")
	require.NoError(t, b.Settle(ctx, first, past(first)))
	require.NoError(t, b.CountRepeat(ctx, alarm("a", 2), first.ID, "request-2"))
	b.advance(2 * time.Hour)
	late := b.mustClaim(t, alarm("a", 3), "request-3")
	require.NoError(t, b.Park(ctx, late, []byte("record"), false, false))
	b.advance(2 * time.Hour)
	late = b.mustClaim(t, alarm("a", 5), "request-4")
	require.True(t, late.Earlier)
	b.mustBeDuplicate(t, alarm("a", 8), "request-5")
	require.NoError(t, b.RecordFired(ctx, alarm("a", 8)))
	require.NoError(t, b.Settle(ctx, late, past(late)))
	c := b.mustClaim(t, alarm("a", 5), "request-4")
	require.Equal(t, 1, c.Past[0].Repeats)
	require.NoError(t, b.Settle(ctx, c, past(c)))
	b.mustRecoverOnlyLater(t, alarm("a", 7), alarm("a", 9))
}

// Events that waited in a queue arrive in any order, and the last investigation can be that of an early transition.
func TestRecovered_NotIfAnEarlierInvestigationWasOfALaterTransition(t *testing.T) {
	for name, repeats := range map[string][]int{"its own": nil, "a repeat of it": {8}} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			ctx := t.Context()
			latest := 5
			first := b.mustClaim(t, alarm("a", latest), "request-1")
			for _, repeat := range repeats {
				latest = repeat
				require.NoError(t, b.CountRepeat(ctx, alarm("a", repeat), first.ID, "request-2"))
			}
			require.NoError(t, b.Settle(ctx, first, past(first)))
			b.advance(2 * time.Hour)
			second := b.mustClaim(t, alarm("a", 1), "request-3")
			require.NoError(t, b.Settle(ctx, second, past(second)))
			b.mustRecoverOnlyLater(t, alarm("a", latest-1), alarm("a", latest+1))
		})
	}
}

func TestClaim_OneOfManySimultaneousClaimsWins(t *testing.T) {
	b := newHarness(t)
	const events = 200
	var wins, losses int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range events {
		wg.Go(func() {
			c, d, err := b.Claim(context.Background(), alarm("a", i%3), fmt.Sprintf("request-%d", i), b.newID(), b.now().Add(lease))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && c != nil:
				wins++
			case err == nil && d != nil:
				losses++
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 1, wins)
	assert.Equal(t, events-1, losses)
}

// A composite alarm that gives way has no report, and its next transition may give way, too, so that nothing would follow the recovery.
func TestRecovered_CompositeAlarmThatMayStillGiveWayIsNotNotified(t *testing.T) {
	db, name := newTable(t)
	simultaneous := &interleaved{DynamoDB: db}
	b := newHarness(t)
	b.Table = dedupe.New(simultaneous, name, time.Hour, b.now)
	b.mustClaim(t, alarm("a", 1), "request-1")
	var early *dedupe.Recovery
	simultaneous.afterWrite = func() {
		var err error
		early, err = b.Recovered(t.Context(), composite("p", 3), "ok-1")
		require.NoError(t, err)
	}
	b.mustBeDuplicate(t, composite("p", 2, "a"), "request-2")
	assert.Nil(t, early)

	b.mustClaim(t, composite("p", 4, "b"), "request-3")
	r, err := b.Recovered(t.Context(), composite("p", 5), "ok-2")
	require.NoError(t, err)
	assert.NotNil(t, r, "a composite alarm that keeps its claim")
}
