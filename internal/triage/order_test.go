package triage_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// slowAnswer is how long the services in this file take to carry out a write. A request that does not wait for a write that
// must precede it arrives before the write has happened.
const slowAnswer = 50 * time.Millisecond

// slowTable delays every update.
type slowTable struct {
	awsapi.DynamoDB
	read func(key string) // is called before each read
}

func (s slowTable) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	time.Sleep(slowAnswer) // a slow service is under test
	return s.DynamoDB.UpdateItem(ctx, in, o...)
}

func (s slowTable) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	s.read(in.Key[config.TableKey].(*types.AttributeValueMemberS).Value)
	return s.DynamoDB.GetItem(ctx, in, o...)
}

// slowBucket delays the checkpoint of the finished investigation.
type slowBucket struct{ awsapi.S3 }

func (s slowBucket) PutObject(ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(body), `"stage":"finished"`) {
		time.Sleep(slowAnswer) // a slow service is under test
	}
	in.Body = strings.NewReader(string(body))
	return s.S3.PutObject(ctx, in, o...)
}

// topics calls a function before it publishes.
type topics struct {
	awsapi.SNS
	publish func(topic string)
}

func (s topics) Publish(ctx context.Context, in *sns.PublishInput, o ...func(*sns.Options)) (*sns.PublishOutput, error) {
	s.publish(*in.TopicArn)
	return s.SNS.Publish(ctx, in, o...)
}

// A retry after the notification must find the finished investigation: a model that is asked again may report something else.
func TestDeliver_NotifiesAfterTheInvestigationIsSaved(t *testing.T) {
	b := newHarness(t)
	b.Store = store.New(slowBucket{&b.S3}, bucket)
	saved := ""
	b.Topic = notify.New(topics{&b.SNS, func(string) {
		for _, key := range b.S3.Keys("checkpoints/") {
			saved = string(b.S3.Object(bucket, strings.TrimPrefix(key, bucket+"/")))
		}
	}}, topicARN)
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	assert.Contains(t, saved, `"stage":"finished"`)
	assert.Len(t, b.notifications(), 1)
}

// The claim is settled after the card is sent: no retry would send it.
func TestDeliver_SettlesAfterTheCardIsSent(t *testing.T) {
	b := newHarness(t)
	state := ""
	b.CardTopic = notify.New(topics{&b.SNS, func(string) {
		time.Sleep(slowAnswer) // a slow service is under test
		state = b.state(ordersARN)
	}}, cardARN)
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	assert.Contains(t, state, "running")
	assert.Contains(t, b.state(ordersARN), "done")
	assert.Len(t, b.SNS.Published(cardARN), 1)
}

// Of two alarms that fire at the same moment, at least one must see the other.
func TestTogether_IsReadAfterTheAlarmIsRecorded(t *testing.T) {
	b := newHarness(t)
	var mu sync.Mutex
	var missing []string
	b.Table = dedupe.New(slowTable{&b.DB, func(key string) {
		isRecorded := b.DB.Item(slotAt(transition)) != nil
		if strings.HasPrefix(key, "fired#") && !isRecorded {
			mu.Lock()
			defer mu.Unlock()
			missing = append(missing, key)
		}
	}}, "investigations", time.Hour, b.clock.now)
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	assert.Empty(t, missing, "read before the alarm was recorded")
}

// slotAt returns the key of the item with the alarms that fired in the same five minutes.
func slotAt(t time.Time) string {
	return "fired#" + t.UTC().Truncate(5*time.Minute).Format("2006-01-02T15:04Z")
}
