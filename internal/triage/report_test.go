package triage_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// reports renders as the orchestrator does.
var reports triage.Renderer = report.NewRenderer(report.Home{Bucket: bucket})

// cards returns the cards that were sent to the chat topic.
func (b *harness) cards(t *testing.T) (threads, titles []string) {
	t.Helper()
	for _, published := range b.SNS.Published(cardARN) {
		var card struct {
			Content  struct{ Title string }
			Metadata struct{ ThreadID string }
		}
		require.NoError(t, json.Unmarshal([]byte(*published.Message), &card))
		threads, titles = append(threads, card.Metadata.ThreadID), append(titles, card.Content.Title)
	}
	return threads, titles
}

// recoveredWithCards returns a harness with a topic of cards, after an alarm that recovered.
func recoveredWithCards(t *testing.T) *harness {
	t.Helper()
	b := newHarness(t)
	b.Renderer, b.CardTopic = reports, notify.New(&b.SNS, cardARN)
	b.Config.NotifyRecovery = true
	b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	_, err := b.invoke(t, "request-2", fixture(t, "action-ok"))
	require.NoError(t, err)
	return b
}

func TestCards_ShareOneThreadPerAlarm(t *testing.T) {
	b := recoveredWithCards(t)
	b.mustInvestigate(t, "request-3", action("another", 1))

	threads, titles := b.cards(t)
	require.Len(t, threads, 3)
	assert.Equal(t, "[ALARM] orders-errors: cause confirmed", titles[0])
	assert.Equal(t, "Recovered: orders-errors", titles[1])
	assert.Equal(t, threads[0], threads[1])
	assert.NotEqual(t, threads[0], threads[2])
	for _, body := range b.notifications() {
		assert.NotContains(t, body, "client-markdown", "cards are only sent to the chat topic")
	}
}

// A subscription to the topic of the cards may have a filter policy, too.
func TestCards_HaveTheAttributesOfTheNotifications(t *testing.T) {
	b := recoveredWithCards(t)

	sent, cards := b.SNS.Published(topicARN), b.SNS.Published(cardARN)
	require.Len(t, sent, 2)
	require.Len(t, cards, 2)
	assert.Contains(t, cards[0].MessageAttributes, "severity")
	for i, card := range cards {
		assert.Equal(t, sent[i].MessageAttributes, card.MessageAttributes)
	}
}

func TestReport_ShowsPastInvestigationsInEveryForm(t *testing.T) {
	b := newHarness(t)
	b.Renderer = reports
	b.mustInvestigate(t, "request-1", action("a", 1))
	b.clock.advance(2 * time.Hour)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		err := conclude(rec)
		rec.Report.RootCause = "the table is gone"
		return err
	}
	second := b.mustInvestigate(t, "request-2", action("a", 7300))

	require.Len(t, b.notifications(), 2)
	assert.NotContains(t, b.notifications()[0], "SEEN BEFORE")
	assert.Contains(t, b.notifications()[1], "SEEN BEFORE")
	assert.Contains(t, unwrapped(b.notifications()[1]), `confirmed then: "the role lost dynamodb:GetItem`)
	base := second.ReportURI[len("s3://"+bucket+"/") : len(second.ReportURI)-len(".txt")]
	for _, form := range []string{".txt", ".html", ".json"} {
		assert.Contains(t, unwrapped(string(b.S3.Object(bucket, base+form))), "the role lost dynamodb:GetItem", form)
	}
}

// unwrapped returns a text without line breaks.
func unwrapped(text string) string { return strings.Join(strings.Fields(text), " ") }
