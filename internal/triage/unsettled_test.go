package triage_test

import (
	"context"
	"errors"
	"strings"
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
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
)

// unsettledDB does not settle the items of some alarms.
type unsettledDB struct {
	*awsapitest.DynamoDB
	alarms string // their names, separated by blanks
}

func (d *unsettledDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	name := strings.TrimPrefix(in.Key[config.TableKey].(*types.AttributeValueMemberS).Value, arnPrefix)
	if strings.HasPrefix(*in.UpdateExpression, "SET #state = :done") && strings.Contains(" "+d.alarms+" ", " "+name+" ") {
		return nil, awsapitest.ErrDown
	}
	return d.DynamoDB.UpdateItem(ctx, in, opts...)
}

// newUnsettledHarness returns a harness whose window is shorter than an invocation may take.
func newUnsettledHarness(t *testing.T) (*harness, *unsettledDB) {
	b := newHarnessAtTransition(t)
	db := &unsettledDB{DynamoDB: &b.DB}
	b.Config.Window = 5 * time.Minute
	b.Table = dedupe.New(db, "investigations", b.Config.Window, b.clock.now)
	return b, db
}

// Until its lease expires, an item that was not settled looks like that of an investigation that runs.
func TestUnsettled_NextTransitionAfterTheWindowIsInvestigated(t *testing.T) {
	orders := func(after time.Duration) string { return stateChange("orders", "ALARM", after, "") }
	shop := func(after time.Duration) string {
		return stateChange("shop", "ALARM", after, "ALARM(orders)", trigger("orders", "ALARM"))
	}
	for name, tt := range map[string]struct {
		unsettled string
		first     string
	}{
		"the alarm itself":                 {"orders", orders(0)},
		"an alarm that a composite covers": {"orders", shop(0)},
		"both":                             {"orders shop", shop(0)},
	} {
		t.Run(name, func(t *testing.T) {
			b, db := newUnsettledHarness(t)
			db.alarms = tt.unsettled
			b.mustInvestigate(t, "1", tt.first)
			db.alarms = ""
			b.mustBeDuplicate(t, "2", orders(time.Minute))
			b.clock.advance(7 * time.Minute)
			b.mustBeDuplicate(t, "3", tt.first)
			b.mustBeDuplicate(t, "4", orders(time.Minute))
			b.mustInvestigate(t, "5", orders(7*time.Minute))
			assert.Len(t, b.agent.runs, 2)
		})
	}
}

// The delivery that was recorded last can be that of an attempt that was killed, while a retry investigates again.
func TestUnsettled_RetryKeepsItsInvestigation(t *testing.T) {
	b, _ := newUnsettledHarness(t)
	topic := b.Topic
	b.Topic = notify.New(dyingSNS{&b.SNS}, topicARN)
	b.invokeAndKill(t, "1", stateChange("orders", "ALARM", 0, ""))
	b.Topic = topic
	b.clock.advance(6 * time.Minute)
	b.S3.Fail(errors.New("no checkpoint"), 1)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		b.agent.do = nil
		b.mustBeDuplicate(t, "2", stateChange("orders", "ALARM", 6*time.Minute, ""))
		return conclude(rec)
	}
	b.mustInvestigate(t, "1", stateChange("orders", "ALARM", 0, ""))
	assert.Len(t, b.agent.runs, 2)
}

// A composite alarm does not give way to an investigation that has ended longer ago than the item of its trigger shows.
func TestUnsettled_CompositeDoesNotGiveWay(t *testing.T) {
	b, db := newUnsettledHarness(t)
	db.alarms = "orders"
	b.mustInvestigate(t, "1", stateChange("shop", "ALARM", 0, "ALARM(orders)", trigger("orders", "ALARM")))
	db.alarms = ""
	b.clock.advance(7 * time.Minute)
	b.mustInvestigate(t, "2", stateChange("site", "ALARM", 7*time.Minute, "ALARM(orders)", trigger("orders", "ALARM")))
	require.Len(t, b.notifications(), 2)
}
