package triage_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// repeatingDB loses the answer to one write after it was applied. The SDK then sends the write again, and only returns the second
// answer: mostly that a condition is false. If isEmpty, the answer to that write is lost on a proxy, which answers without an item.
type repeatingDB struct {
	*awsapitest.DynamoDB
	mu      sync.Mutex
	writes  int
	lost    int // number of the write whose answer is lost; 0: none
	isEmpty bool
}

func (r *repeatingDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	r.mu.Lock()
	r.writes++
	isLost := r.writes == r.lost
	r.mu.Unlock()
	if isLost {
		if _, err := r.DynamoDB.UpdateItem(ctx, in, opts...); err != nil {
			return nil, err // an error of DynamoDB is an answer
		}
		if r.isEmpty {
			return &dynamodb.UpdateItemOutput{}, nil
		}
	}
	return r.DynamoDB.UpdateItem(ctx, in, opts...)
}

// deliver invokes the orchestrator as Lambda does: at most three times, until an attempt succeeds.
func (b *harness) deliver(t *testing.T, owner, event string) {
	t.Helper()
	var err error
	for range 3 {
		if _, err = b.invoke(t, owner, event); err == nil {
			return
		}
	}
	require.NoError(t, err)
}

// A write whose answer is lost must not look like the write of another invocation, which would then seem to work on the alarm.
func TestLostAnswer_SilencesNoAlarm(t *testing.T) {
	fires := func(after time.Duration) string { return stateChange("orders-errors", "ALARM", after, "") }
	isKilled := func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
		die()
		return nil
	}
	cannotSend := func(t *testing.T, b *harness) {
		b.SNS.Fail(awsapitest.ErrDown, 3)
		for range 3 {
			_, err := b.invoke(t, "request-1", fires(0))
			require.Error(t, err)
		}
	}
	tests := []struct {
		name string
		run  func(t *testing.T, b *harness)
		want int // notifications
	}{
		{"the first attempt succeeds", func(t *testing.T, b *harness) { b.deliver(t, "request-1", fires(0)) }, 1},
		{"a retry delivers the report", func(t *testing.T, b *harness) {
			b.SNS.Fail(awsapitest.ErrDown, 1)
			b.deliver(t, "request-1", fires(0))
		}, 1},
		{"a retry after a crash", func(t *testing.T, b *harness) {
			b.agent.do = isKilled
			b.invokeAndKill(t, "request-1", fires(0))
			b.agent.do = nil
			b.deliver(t, "request-1", fires(0))
		}, 1},
		{"a hand-over", func(t *testing.T, b *harness) {
			b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
				if resume != nil || !run.MayHandOver {
					return conclude(rec)
				}
				require.NoError(t, run.Checkpoint(ctx, []byte("state")))
				return investigation.ErrHandOver
			}
			b.deliver(t, "request-1", fires(0))
			for _, in := range b.Self.Events() {
				b.deliver(t, "request-2", string(in.Payload))
			}
		}, 1},
		{"another transition delivers the report", func(t *testing.T, b *harness) {
			cannotSend(t, b)
			b.clock.advance(20 * time.Minute)
			b.deliver(t, "request-2", fires(20*time.Minute))
		}, 1},
		{"another transition after the window delivers the report and begins its own", func(t *testing.T, b *harness) {
			cannotSend(t, b)
			b.clock.advance(2 * time.Hour)
			b.deliver(t, "request-2", fires(2*time.Hour))
		}, 2},
		{"another transition after the window drops the unfinished one", func(t *testing.T, b *harness) {
			b.agent.do = isKilled
			b.invokeAndKill(t, "request-1", fires(0))
			b.agent.do = nil
			b.clock.advance(2 * time.Hour)
			b.deliver(t, "request-2", fires(2*time.Hour))
		}, 1},
		{"the return to OK delivers the report", func(t *testing.T, b *harness) {
			b.Config.NotifyRecovery = true
			cannotSend(t, b)
			b.deliver(t, "request-2", stateChange("orders-errors", "OK", time.Minute, ""))
		}, 2},
		{"an event that is not confirmed", func(t *testing.T, b *harness) {
			b.SNS.Fail(awsapitest.ErrDown, 1)
			b.deliver(t, "request-1", notification("forged", nil))
		}, 1},
		{"a composite alarm", func(t *testing.T, b *harness) {
			b.SNS.Fail(awsapitest.ErrDown, 1)
			b.deliver(t, "request-1", stateChange("p", "ALARM", 0, "ALARM(a) OR ALARM(b)", triggers("ALARM", "a", "b")...))
			b.deliver(t, "request-2", stateChange("a", "ALARM", 0, ""))
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, isEmpty := range []bool{false, true} {
				writes := 1
				for lost := 0; lost <= writes; lost++ {
					b := newHarnessAtTransition(t)
					db := &repeatingDB{DynamoDB: &b.DB, lost: lost, isEmpty: isEmpty}
					b.Table = dedupe.New(db, "investigations", time.Hour, b.clock.now)
					tt.run(t, b)
					assert.GreaterOrEqual(t, len(b.notifications()), tt.want, "the answer to write %d is lost (empty: %v)", lost, isEmpty)
					if lost == 0 {
						require.Len(t, b.notifications(), tt.want)
						writes = db.writes
					}
				}
			}
		})
	}
}

// replaceableDB is a table that can be replaced by an empty one.
type replaceableDB struct {
	mu    sync.Mutex
	table *awsapitest.DynamoDB
}

func (r *replaceableDB) current() *awsapitest.DynamoDB {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table
}

func (r *replaceableDB) replace() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table = &awsapitest.DynamoDB{}
}

func (r *replaceableDB) GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return r.current().GetItem(ctx, in, opts...)
}

func (r *replaceableDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return r.current().UpdateItem(ctx, in, opts...)
}

// A composite alarm that gave way without knowing it would be investigated until its first check of the claim.
func TestLostAnswer_CompositeAlarmGivesWayAllTheSame(t *testing.T) {
	composite := stateChange("shop", "ALARM", time.Second, "ALARM(orders)", trigger("orders", "ALARM"))
	writesOf := func(lost int) int {
		b := newHarnessAtTransition(t)
		b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
		db := &repeatingDB{DynamoDB: &b.DB, lost: lost}
		b.Table = dedupe.New(db, "investigations", time.Hour, b.clock.now)
		b.mustBeDuplicate(t, "2", composite)
		assert.Len(t, b.agent.runs, 1, "write %d", lost)
		return db.writes
	}
	writes := writesOf(0)
	for lost := 2; lost <= writes; lost++ { // if that of the first one is lost, the claim is resumed, and does not give way
		writesOf(lost)
	}
}

func TestLostAnswer_LimitOfTheDayIsNotifiedOnce(t *testing.T) {
	writesOf := func(lost int) int {
		b := newDailyHarness(t, 1)
		b.mustInvestigate(t, "1", action("a", 1))
		db := &repeatingDB{DynamoDB: &b.DB, lost: lost}
		b.Table = dedupe.New(db, "investigations", time.Hour, b.clock.now)
		b.mustInvestigate(t, "2", action("b", 1))
		b.mustInvestigate(t, "3", action("c", 1))
		assert.Len(t, b.notices(), 1, "write %d", lost)
		return db.writes
	}
	writes := writesOf(0)
	for lost := 1; lost <= writes; lost++ {
		writesOf(lost)
	}
}

// The table can be replaced by an empty one, or somebody deletes the alarm's item. That is no other invocation's doing.
func TestLostItem_ReportIsDelivered(t *testing.T) {
	b := newHarness(t)
	db := &replaceableDB{table: &b.DB}
	b.Table = dedupe.New(db, "investigations", time.Hour, b.clock.now)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		db.replace()
		return conclude(rec)
	}
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	assert.Len(t, b.notifications(), 1)
}

// brokenItemDB cannot write one item. The write may be applied, but its answer is lost.
type brokenItemDB struct {
	*awsapitest.DynamoDB
	key       string
	isApplied bool
}

func (d *brokenItemDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if in.Key[config.TableKey].(*types.AttributeValueMemberS).Value != d.key {
		return d.DynamoDB.UpdateItem(ctx, in, opts...)
	}
	if d.isApplied {
		_, _ = d.DynamoDB.UpdateItem(ctx, in, opts...)
	}
	return nil, awsapitest.ErrDown
}

func TestComposite_TriggersAreFreedIfOneCannotBeCovered(t *testing.T) {
	for _, isApplied := range []bool{false, true} {
		b := newHarnessAtTransition(t)
		db := &brokenItemDB{DynamoDB: &b.DB, key: arnPrefix + "b", isApplied: isApplied}
		b.Table = dedupe.New(db, "investigations", time.Hour, b.clock.now)
		b.SNS.Fail(awsapitest.ErrDown, 1)
		_, err := b.invoke(t, "request-1", stateChange("p", "ALARM", 0, "ALARM(a) OR ALARM(b)", triggers("ALARM", "a", "b")...))
		require.Error(t, err)
		b.mustInvestigate(t, "request-2", stateChange("a", "ALARM", 0, ""))
	}
}
