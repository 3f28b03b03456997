package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// worker simulates invocations that can crash at any moment, and Lambda's retries.
type worker struct {
	table *dedupe.Table

	mu        sync.Mutex
	completed map[string]int // settled investigations by alarm
	attempts  int
}

// deliver simulates the delivery of one event: up to three attempts with the same request id.
func (w *worker) deliver(t *testing.T, alarm alarmevent.Alarm, request string, chance *rand.Rand) {
	for range 3 {
		if done := w.attempt(t, alarm, request, chance); done {
			return
		}
	}
}

// attempt claims the alarm and then crashes, fails, or settles the claim, at random. done reports whether Lambda
// would not retry the event.
func (w *worker) attempt(t *testing.T, alarm alarmevent.Alarm, request string, chance *rand.Rand) (done bool) {
	w.mu.Lock()
	w.attempts++
	w.mu.Unlock()
	ctx := context.Background()
	claim, duplicate, err := w.table.Claim(ctx, &alarm, request, request, time.Now().Add(lease))
	if !assert.NoError(t, err) {
		return true
	}
	if duplicate != nil {
		return true
	}
	switch chance.IntN(4) {
	case 0: // the invocation is killed: the lease remains
		return false
	case 1: // the invocation fails and frees the claim
		if err := w.table.Free(ctx, claim, false, false); err != nil {
			assert.ErrorIs(t, err, dedupe.ErrLost)
		}
		return false
	}
	err = w.table.Settle(ctx, claim, investigation.Past{ID: claim.ID, Time: claim.StartedAt, Outcome: investigation.OutcomeCompleted})
	if err != nil {
		assert.ErrorIs(t, err, dedupe.ErrLost)
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.completed[alarm.ARN]++
	return true
}

// maxConnections is the number of requests that reach moto at the same time.
const maxConnections = 64

// lease is short, because the test waits until the leases of crashed attempts expire.
const lease = 300 * time.Millisecond

func TestClaim_CompletesOneInvestigationPerAlarmAmongHundredsOfEvents(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			const alarms, events = 12, 480
			w := &worker{
				table: newTable(t), completed: map[string]int{},
			}
			var wg sync.WaitGroup
			for i := range events {
				name := fmt.Sprint("alarm-", i%alarms)
				alarm := alarmevent.Alarm{
					Name: name, ARN: alarmARNPrefix + name, State: alarmevent.StateAlarm,
					Source: []alarmevent.Source{alarmevent.SourceAction, alarmevent.SourceEventBridge, alarmevent.SourceSNS}[i%3],
					Time:   time.Date(2026, 8, 4, 12, 0, i/alarms%4, 0, time.UTC),
				}
				chance := rand.New(rand.NewPCG(seed, uint64(i)))
				wg.Go(func() { w.deliver(t, alarm, fmt.Sprint("request-", i), chance) })
			}
			wg.Wait()
			for arn, n := range w.completed {
				assert.Equal(t, 1, n, "%s was completed more than once", arn)
			}
			// If all attempts of an event crashed, the alarm's next event takes over.
			time.Sleep(lease) // the expiry of a lease is under test
			for i := range alarms {
				name := fmt.Sprint("alarm-", i)
				if w.completed[alarmARNPrefix+name] > 0 {
					continue
				}
				alarm := alarmevent.Alarm{Name: name, ARN: alarmARNPrefix + name, State: alarmevent.StateAlarm, Time: time.Date(2026, 8, 4, 12, 1, 0, 0, time.UTC)}
				claim, duplicate, err := w.table.Claim(t.Context(), &alarm, "late", "late", time.Now().Add(time.Minute))
				require.NoError(t, err)
				require.Nil(t, duplicate, "a crash suppressed %s", name)
				require.NoError(t, w.table.Settle(t.Context(), claim, investigation.Past{ID: claim.ID}))
				w.completed[alarm.ARN]++
			}
			assert.Len(t, w.completed, alarms)
			assert.GreaterOrEqual(t, w.attempts, events)
		})
	}
}

func newTable(t *testing.T) *dedupe.Table {
	t.Helper()
	db := dynamodb.NewFromConfig(cloud.Config(), func(o *dynamodb.Options) {
		// moto's server has a short queue for new connections, so requests wait here.
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxConnsPerHost, t.MaxIdleConnsPerHost = maxConnections, maxConnections
		})
	})
	name := fmt.Sprint("once-", worlds.Add(1))
	_, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(config.TableKey), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(config.TableKey), KeyType: types.KeyTypeHash}},
	})
	require.NoError(t, err)
	return dedupe.New(db, name, time.Hour, time.Now)
}
