package dedupe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// investigated settles an investigation of the alarm a and ends its window.
func (b *harness) investigated(t *testing.T, transition int) *dedupe.Claim {
	t.Helper()
	c := b.mustClaim(t, alarm("a", transition), fmt.Sprintf("request-%d", transition))
	require.NoError(t, b.Settle(t.Context(), c, past(c)))
	b.advance(2 * time.Hour)
	return c
}

func (b *harness) judge(t *testing.T, id string, verdict investigation.FeedbackVerdict, cause string) error {
	t.Helper()
	return b.PutFeedback(t.Context(), alarm("a", 0).ARN, id, investigation.Feedback{Verdict: verdict, Cause: cause, By: "Ana", At: b.now()})
}

func TestFeedback_IsPartOfTheAlarmsPast(t *testing.T) {
	b := newHarness(t)
	first, second := b.investigated(t, 1), b.investigated(t, 2)
	at := b.now()
	require.NoError(t, b.judge(t, first.ID, investigation.FeedbackWrong, "a deployment"))
	third := b.mustClaim(t, alarm("a", 3), "request-3")
	require.Len(t, third.Past, 2)
	want := past(first)
	want.Feedback = &investigation.Feedback{Verdict: investigation.FeedbackWrong, Cause: "a deployment", By: "Ana", At: at}
	assert.Equal(t, want, third.Past[0], "the cause that was reported stays")
	assert.Equal(t, past(second), third.Past[1])

	require.NoError(t, b.judge(t, second.ID, investigation.FeedbackRight, ""), "while an investigation runs")
	require.NoError(t, b.judge(t, first.ID, investigation.FeedbackRight, "a lost grant after all"), "replaces the earlier one")
	require.NoError(t, b.Settle(t.Context(), third, past(third)))
	b.advance(2 * time.Hour)
	fourth := b.mustClaim(t, alarm("a", 4), "request-4")
	require.Len(t, fourth.Past, 3)
	assert.Equal(t, "a lost grant after all", fourth.Past[0].Feedback.Cause)
	assert.Equal(t, investigation.FeedbackRight, fourth.Past[1].Feedback.Verdict, "settling another investigation does not erase it")
	assert.Nil(t, fourth.Past[2].Feedback)
}

func TestFeedback_OnlyAboutInvestigationsThatAreRemembered(t *testing.T) {
	b := newHarness(t)
	require.ErrorIs(t, b.judge(t, "id1", investigation.FeedbackRight, ""), dedupe.ErrNotRemembered, "no item")
	running := b.mustClaim(t, alarm("a", 1), "request-1")
	require.ErrorIs(t, b.judge(t, running.ID, investigation.FeedbackRight, ""), dedupe.ErrNotRemembered, "not finished")
	require.NoError(t, b.Settle(t.Context(), running, past(running)))
	require.ErrorIs(t, b.judge(t, "other", investigation.FeedbackRight, ""), dedupe.ErrNotRemembered)
	require.NoError(t, b.judge(t, running.ID, investigation.FeedbackRight, ""))
}

func TestFeedback_IsForgottenWithItsInvestigation(t *testing.T) {
	db := &awsapitest.DynamoDB{}
	b := newHarness(t)
	b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
	arn := alarm("a", 0).ARN
	first := b.investigated(t, 0)
	require.NoError(t, b.judge(t, first.ID, investigation.FeedbackWrong, "a deployment"))
	for i := 1; i < 10; i++ {
		b.investigated(t, i)
	}
	assert.Contains(t, db.Item(arn), "feedback_"+first.ID, "the investigation is one of the last ten")
	b.investigated(t, 10)
	assert.NotContains(t, db.Item(arn), "feedback_"+first.ID)

	_, err := db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{ // as a version left it that did not remove it
		Key:                       map[string]types.AttributeValue{config.TableKey: &types.AttributeValueMemberS{Value: arn}},
		UpdateExpression:          aws.String("SET feedback_older = :feedback"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":feedback": &types.AttributeValueMemberM{}},
	})
	require.NoError(t, err)
	require.Contains(t, db.Item(arn), "feedback_older")
	b.investigated(t, 11)
	assert.NotContains(t, db.Item(arn), "feedback_older")
}

func TestFeedback_StaysBounded(t *testing.T) {
	db := &awsapitest.DynamoDB{}
	b := newHarness(t)
	b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
	for i := range 25 {
		c := b.investigated(t, i)
		require.NoError(t, b.judge(t, c.ID, investigation.FeedbackRight, strings.Repeat("x", investigation.MaxFeedbackCause)))
	}
	kept := 0
	for attribute := range db.Item(alarm("a", 0).ARN) {
		if strings.HasPrefix(attribute, "feedback_") {
			kept++
		}
	}
	assert.Equal(t, 10, kept, "as many as investigations are remembered")
}

func TestFeedback_KeepsTheItemAsLongAsAnInvestigation(t *testing.T) {
	db := &awsapitest.DynamoDB{}
	b := newHarness(t)
	b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
	c := b.investigated(t, 1)
	b.advance(80 * 24 * time.Hour)
	require.NoError(t, b.judge(t, c.ID, investigation.FeedbackRight, ""))
	want := b.now().Add(time.Hour + 90*24*time.Hour).Unix()
	assert.Contains(t, fmt.Sprint(db.Item(alarm("a", 0).ARN)["expires_at"]), fmt.Sprint(want))
}

func TestFeedback_UnavailableTableIsAnError(t *testing.T) {
	db := &awsapitest.DynamoDB{}
	b := newHarness(t)
	b.Table = dedupe.New(db, "investigations", time.Hour, b.now)
	c := b.investigated(t, 1)
	db.Fail(awsapitest.ErrDown, -1)
	err := b.judge(t, c.ID, investigation.FeedbackRight, "")
	require.Error(t, err)
	assert.NotErrorIs(t, err, dedupe.ErrNotRemembered)
}
