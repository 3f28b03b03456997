package dedupe_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// fired returns the event of a composite alarm.
func fired(source alarmevent.Source, at time.Time) alarmevent.Alarm {
	return alarmevent.Alarm{
		Name: "down", ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:down", Kind: alarmevent.KindComposite,
		State: alarmevent.StateAlarm, Source: source, Time: at,
	}
}

// messageOf returns the message of a topic that reports the event as an update.
func messageOf(event alarmevent.Alarm) alarmevent.Alarm {
	event.Source, event.IsUpdate = alarmevent.SourceSNS, true
	return event
}

// conclude ends an investigation with the conclusion of a model.
func conclude(t *testing.T, table *dedupe.Table, claim *dedupe.Claim, at time.Time) {
	t.Helper()
	require.NoError(t, table.Settle(t.Context(), claim, investigation.Past{ID: claim.ID, Time: at, Outcome: investigation.OutcomeCompleted}))
}

// Whoever may publish to a topic can report the update of an alarm before CloudWatch's own event arrives. If that got no model,
// the event of CloudWatch must get one.
func TestClaim_EventOfCloudWatchIsNoDuplicateOfAnUpdateWithoutConclusion(t *testing.T) {
	for outcome, isDuplicate := range map[investigation.Outcome]bool{
		investigation.OutcomeFallback: false, investigation.OutcomeCompleted: true, investigation.OutcomeConcluded: true,
	} {
		t.Run(string(outcome), func(t *testing.T) {
			now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
			table := dedupe.New(&awsapitest.DynamoDB{}, "table", time.Hour, func() time.Time { return now })
			event := fired(alarmevent.SourceAction, now)
			update := messageOf(event)
			claim, _, err := table.Claim(t.Context(), &update, "publisher", "id-1", now.Add(time.Minute))
			require.NoError(t, err)
			require.NotNil(t, claim)
			_, duplicate, err := table.Claim(t.Context(), &event, "cloudwatch-1", "id-2", now.Add(-time.Second))
			require.NoError(t, err)
			assert.Nil(t, duplicate, "nobody knows yet whether the update gets a conclusion")

			other := dedupe.New(&awsapitest.DynamoDB{}, "table", time.Hour, func() time.Time { return now })
			claim, _, err = other.Claim(t.Context(), &update, "publisher", "id-1", now.Add(time.Minute))
			require.NoError(t, err)
			require.NoError(t, other.Settle(t.Context(), claim, investigation.Past{ID: claim.ID, Time: now, Outcome: outcome}))
			_, duplicate, err = other.Claim(t.Context(), &event, "cloudwatch-2", "id-3", now.Add(time.Minute))
			require.NoError(t, err)
			assert.Equal(t, isDuplicate, duplicate != nil)
		})
	}
}

// A message and CloudWatch's own event can report the same update. If both are investigated, the one that ends first must not turn
// the other one's retry or hand-over into a duplicate: nobody would deliver its report, and its lease would silence the alarm.
func TestClaim_ConcludedUpdateEndsNoInvestigationThatRuns(t *testing.T) {
	const owner, id = "cloudwatch", "id-2"
	for name, interrupt := range map[string]func(*dedupe.Table, *dedupe.Claim) (string, error){
		"killed": func(*dedupe.Table, *dedupe.Claim) (string, error) { return owner, nil },
		"handed over": func(table *dedupe.Table, c *dedupe.Claim) (string, error) {
			return "fresh", table.HandOver(t.Context(), c, "fresh", time.Now().Add(time.Minute))
		},
		"not delivered": func(table *dedupe.Table, c *dedupe.Claim) (string, error) {
			return owner, table.Park(t.Context(), c, []byte("record"), true, false)
		},
		"expired, and sent again": func(*dedupe.Table, *dedupe.Claim) (string, error) { return "human", nil },
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			table := dedupe.New(&awsapitest.DynamoDB{}, "table", time.Hour, func() time.Time { return now })
			event := fired(alarmevent.SourceEventBridge, now)
			update := messageOf(event)
			ofUpdate, _, err := table.Claim(t.Context(), &update, "publisher", "id-1", now.Add(time.Minute))
			require.NoError(t, err)
			ofEvent, duplicate, err := table.Claim(t.Context(), &event, owner, id, now.Add(time.Minute))
			require.NoError(t, err)
			require.Nil(t, duplicate)
			conclude(t, table, ofUpdate, now)

			next, err := interrupt(table, ofEvent)
			require.NoError(t, err)
			nextID := id
			if next == "human" {
				nextID, now = "id-3", now.Add(2*time.Minute)
			}
			again, duplicate, err := table.Claim(t.Context(), &event, next, nextID, now.Add(time.Minute))
			require.NoError(t, err)
			require.Nil(t, duplicate)
			assert.Equal(t, id, again.ID)
			assert.True(t, again.Resumed)
		})
	}
}

// A transition can take over the unfinished investigation of an earlier one. Its retry must end that, too.
func TestClaim_ConcludedUpdateEndsNoInvestigationThatItsEventTookOver(t *testing.T) {
	for name, isEarlier := range map[string]bool{"within the window": false, "after the window": true} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			table := dedupe.New(&awsapitest.DynamoDB{}, "table", time.Hour, func() time.Time { return now })
			first := fired(alarmevent.SourceEventBridge, now)
			claim, _, err := table.Claim(t.Context(), &first, "first", "id-1", now.Add(time.Minute))
			require.NoError(t, err)
			require.NoError(t, table.Park(t.Context(), claim, []byte("record"), true, false))

			now = now.Add(10 * time.Minute)
			if isEarlier {
				now = now.Add(2 * time.Hour)
			}
			event := first
			event.Time = now
			update := messageOf(event)
			ofUpdate, _, err := table.Claim(t.Context(), &update, "publisher", "id-2", now.Add(time.Minute))
			require.NoError(t, err)
			_, duplicate, err := table.Claim(t.Context(), &event, "second", "id-3", now.Add(time.Minute))
			require.NoError(t, err)
			require.Nil(t, duplicate)
			conclude(t, table, ofUpdate, now)

			again, duplicate, err := table.Claim(t.Context(), &event, "second", "id-3", now.Add(time.Minute))
			require.NoError(t, err)
			require.Nil(t, duplicate)
			assert.Equal(t, "id-1", again.ID)
			assert.Equal(t, []byte("record"), again.Parked)
			assert.Equal(t, isEarlier, again.Earlier)
		})
	}
}

// An investigation of another alarm that covered the alarm, and gave up, is not one that the event of the alarm must end.
func TestClaim_ConcludedUpdateEndsACoveredAlarm(t *testing.T) {
	now := time.Now()
	table := dedupe.New(&awsapitest.DynamoDB{}, "table", time.Hour, func() time.Time { return now })
	event := fired(alarmevent.SourceEventBridge, now)
	update, parent := messageOf(event), event
	parent.Name, parent.ARN, parent.Children = "all-down", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:all-down", []string{event.ARN}
	ofParent, _, err := table.Claim(t.Context(), &parent, "parent", "id-1", now.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, parent.Children, ofParent.Covers)
	require.NoError(t, table.Free(t.Context(), ofParent, false, false))
	ofUpdate, _, err := table.Claim(t.Context(), &update, "publisher", "id-2", now.Add(time.Minute))
	require.NoError(t, err)
	conclude(t, table, ofUpdate, now)

	_, duplicate, err := table.Claim(t.Context(), &event, "cloudwatch", "id-3", now.Add(time.Minute))
	require.NoError(t, err)
	require.NotNil(t, duplicate)
	assert.Equal(t, "id-2", duplicate.ID)
}

// Everybody can read when an alarm that stays in ALARM was updated. It fired earlier.
func TestFired_DoesNotRecordUpdates(t *testing.T) {
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	table := dedupe.New(&awsapitest.DynamoDB{}, "table", time.Hour, func() time.Time { return now })
	const prefix = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
	for name, isUpdate := range map[string]bool{"updated": true, "fired": false} {
		require.NoError(t, table.Fired(t.Context(), &alarmevent.Alarm{Name: name, ARN: prefix + name, Time: now, IsUpdate: isUpdate}))
	}
	together, err := table.Together(t.Context(), &alarmevent.Alarm{Name: "other", ARN: prefix + "other", Time: now})
	require.NoError(t, err)
	require.Len(t, together, 1)
	assert.Equal(t, "fired", together[0].Name)
}

// If both arrive at the same time, the message gives way, unless nobody works on the event or it is about another transition.
func TestHolds_UpdateGivesWayToTheEventOfCloudWatch(t *testing.T) {
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		after time.Duration // the event after the update
		lease time.Duration // of the event
		want  error
	}{
		"the same time":         {0, time.Minute, dedupe.ErrLost},
		"almost the same time":  {300 * time.Millisecond, time.Minute, dedupe.ErrLost},
		"an attempt that ended": {0, -time.Second, nil},
		"another transition":    {time.Minute, time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			table := dedupe.New(&awsapitest.DynamoDB{}, "table", time.Hour, func() time.Time { return now })
			event := fired(alarmevent.SourceAction, now.Add(tt.after))
			update := messageOf(fired(alarmevent.SourceAction, now))
			claim, _, err := table.Claim(t.Context(), &update, "publisher", "id-1", now.Add(time.Minute))
			require.NoError(t, err)
			require.NoError(t, table.Holds(t.Context(), claim))
			own, _, err := table.Claim(t.Context(), &event, "cloudwatch", "id-2", now.Add(tt.lease))
			require.NoError(t, err)
			assert.ErrorIs(t, table.Holds(t.Context(), claim), tt.want)
			assert.ErrorIs(t, table.Confirm(t.Context(), claim), tt.want)
			assert.NoError(t, table.Confirm(t.Context(), own), "the event never gives way to the message")
		})
	}
}
