package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// fakeAsker answers every question, or do does.
type fakeAsker struct {
	asked   []string
	earlier [][]investigation.Answer
	limits  []investigation.Limits
	do      func(rec *investigation.Record) (*investigation.Answer, error)
}

func (f *fakeAsker) Ask(
	_ context.Context, limits investigation.Limits, rec *investigation.Record, earlier []investigation.Answer, question string,
) (*investigation.Answer, error) {
	f.asked, f.earlier, f.limits = append(f.asked, question), append(f.earlier, earlier), append(f.limits, limits)
	if f.do != nil {
		return f.do(rec)
	}
	return &investigation.Answer{
		SchemaVersion: investigation.SchemaVersion, Investigation: rec.ID, Question: question, Outcome: investigation.OutcomeCompleted,
		Text: "The table Orders.", Confidence: investigation.Confirmed, Model: "model", ReportURI: rec.ReportURI,
		Findings: []investigation.Finding{{Statement: "It is denied.", Confidence: investigation.Confirmed, Verified: true,
			Evidence: []investigation.Citation{{Call: 0, Quote: "orders-errors", Found: true, Source: investigation.SourceAWS}}}},
		Rounds: []investigation.Round{{Number: 2}}, Usage: investigation.Usage{ModelCalls: 1, CostUSD: 0.5, PriceKnown: true},
	}, nil
}

// newAskHarness returns a harness with chat cards and an asker, in which one alarm was investigated.
func newAskHarness(t *testing.T) (b *harness, asker *fakeAsker, reported triage.Result) {
	b, asker = newHarness(t), &fakeAsker{}
	b.CardTopic, b.Asker = notify.New(&b.SNS, cardARN), asker
	return b, asker, b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
}

func askEvent(t *testing.T, report, question string) string {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"ask": map[string]any{"report": report, "question": question}})
	require.NoError(t, err)
	return string(raw)
}

// ask sends a question that must not fail the invocation.
func (b *harness) ask(t *testing.T, owner, event string) *triage.AskResult {
	t.Helper()
	answer, err := b.invoke(t, owner, event)
	require.NoError(t, err)
	require.NotNil(t, answer.Ask)
	assert.Empty(t, answer.Results)
	if answer.Ask.Answer != nil { // the schema requires both
		assert.NotEmpty(t, answer.Ask.Model)
		assert.Equal(t, investigation.ParseConfidence(string(answer.Ask.Confidence)), answer.Ask.Confidence)
	}
	return answer.Ask
}

func TestAsk_AnswerIsReturnedStoredAndSentToTheThread(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	result := b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))
	assert.Empty(t, result.Problem)
	assert.Equal(t, "The table Orders.", result.Text)
	assert.Empty(t, result.Rounds, "they are in the bucket")
	base := strings.TrimSuffix(reported.ReportURI, ".txt") + "/answers/1"
	assert.Equal(t, base+".txt", result.URI)
	key := strings.TrimPrefix(base, "s3://"+bucket+"/")
	var stored investigation.Answer
	require.NoError(t, json.Unmarshal(b.S3.Object(bucket, key+".json"), &stored))
	assert.Equal(t, 1, stored.Number)
	assert.Len(t, stored.Rounds, 1)
	text := string(b.S3.Object(bucket, key+".txt"))
	for _, want := range []string{"Question 1 about the report of alarm orders-errors", "Which table?", "■ ANSWER (confirmed)", "The table Orders.", `▌ tool call 0: "orders-errors"`} {
		assert.Contains(t, text, want)
	}
	cards := b.SNS.Published(cardARN)
	require.Len(t, cards, 2)
	var answer struct {
		Content  struct{ Title, Description string }
		Metadata struct{ EventType string }
	}
	require.NoError(t, json.Unmarshal([]byte(*cards[1].Message), &answer))
	assert.Equal(t, "alarmtriage-answer", answer.Metadata.EventType)
	assert.Contains(t, answer.Content.Description, "*Question:* Which table?\n*Answer (confirmed):* The table Orders.")
	assert.Len(t, b.notifications(), 1, "nobody is notified but the thread")

	second := b.ask(t, "request-3", askEvent(t, strings.TrimSuffix(strings.TrimPrefix(reported.ReportURI, "s3://"+bucket+"/"), ".txt")+".html", "And since when?"))
	assert.Equal(t, 2, second.Number)
	require.Len(t, asker.earlier[1], 1)
	assert.Equal(t, "Which table?", asker.earlier[1][0].Question)
	assert.False(t, asker.limits[1].MayHandOver)
	assert.False(t, asker.limits[1].ConcludeAt.IsZero())
}

func TestAsk_CardHasTheNameOfTheAccount(t *testing.T) {
	b := newHarness(t)
	b.CardTopic, b.Asker = notify.New(&b.SNS, cardARN), &fakeAsker{}
	b.AccountNames = map[string]string{"123456789012": "prod"}
	reported := b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))

	cards := b.SNS.Published(cardARN)
	require.Len(t, cards, 2)
	for _, name := range []string{"account", "account_name", "region"} {
		require.Contains(t, cards[0].MessageAttributes, name)
		assert.Equal(t, cards[0].MessageAttributes[name], cards[1].MessageAttributes[name])
	}
}

func TestAsk_ThreadIsThatOfTheReport(t *testing.T) {
	b := newHarness(t)
	b.CardTopic, b.Asker = notify.New(&b.SNS, cardARN), &fakeAsker{}
	b.Renderer = report.NewRenderer(report.Home{Region: "us-east-1", Bucket: bucket})
	reported := b.mustInvestigate(t, "request-1", fixture(t, "action-metric"))
	b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))
	var threads []string
	for _, sent := range b.SNS.Published(cardARN) {
		var card struct{ Metadata struct{ ThreadID string } }
		require.NoError(t, json.Unmarshal([]byte(*sent.Message), &card))
		threads = append(threads, card.Metadata.ThreadID)
	}
	require.Len(t, threads, 2)
	assert.NotEmpty(t, threads[0])
	assert.Equal(t, threads[0], threads[1])
}

func TestAsk_ReadsNothingButReportsOfItsBucket(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	key := strings.TrimPrefix(reported.ReportURI, "s3://"+bucket+"/")
	plant := func(key string) string {
		raw := b.S3.Object(bucket, strings.TrimSuffix(strings.TrimPrefix(reported.ReportURI, "s3://"+bucket+"/"), ".txt")+".json")
		require.NotNil(t, raw)
		require.NoError(t, b.Store.SaveCheckpoint(t.Context(), key, raw))
		return key
	}
	plant("stolen")
	reads := b.S3.Calls()
	for _, name := range []string{
		"", " ", "s3://other-bucket/" + key, "s3://" + bucket + "-2/" + key, "https://" + bucket + ".s3.amazonaws.com/" + key, "file:///etc/passwd",
		"reports/checkpoints/stolen.json", "s3://" + bucket + "/reports/checkpoints/stolen.json", "other/" + key, "/" + key, "../" + key,
		strings.Replace(key, "reports/", "reports/../reports/", 1), strings.Replace(key, "reports/", "reports//", 1), key + "?versionId=1",
		strings.TrimSuffix(key, ".txt") + "/answers/1.json", "reports/2026/08/04/", reported.ID, strings.ToUpper(key), strings.Repeat("a", 100_000),
	} {
		result := b.ask(t, "request-2", askEvent(t, name, "Which table?"))
		assert.NotEmpty(t, result.Problem, "%.100q", name)
		assert.Less(t, len(result.Problem), 600)
		assert.Nil(t, result.Answer)
		assert.False(t, result.NotFound, "%.100q", name)
	}
	assert.Equal(t, reads, b.S3.Calls(), "no object was read")
	missing := b.ask(t, "request-2", askEvent(t, strings.Replace(key, "-"+reported.ID, "-0123456789ab", 1), "Which table?"))
	assert.Contains(t, missing.Problem, "does not exist, or may not be read")
	assert.True(t, missing.NotFound)
	assert.Empty(t, asker.asked)
	assert.Len(t, b.SNS.Published(cardARN), 1)
}

func TestAsk_RecordMustBeThatOfItsKey(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	key := strings.TrimPrefix(reported.ReportURI, "s3://"+bucket+"/")
	other := strings.Replace(key, "-"+reported.ID, "-0123456789ab", 1)
	raw := b.S3.Object(bucket, strings.TrimSuffix(key, ".txt")+".json")
	require.NoError(t, b.Store.PutAll(t.Context(), []store.Object{{Key: strings.TrimSuffix(other, ".txt") + ".json", Body: raw}}))
	assert.Contains(t, b.ask(t, "request-2", askEvent(t, other, "Which table?")).Problem, "is the record of another investigation")
	require.NoError(t, b.Store.PutAll(t.Context(), []store.Object{{Key: strings.TrimSuffix(other, ".txt") + ".json", Body: []byte("{")}}))
	assert.Contains(t, b.ask(t, "request-2", askEvent(t, other, "Which table?")).Problem, "is not the record of an investigation")
	assert.Empty(t, asker.asked)
}

func TestAsk_MistakesAreToldAndDoNotFailTheInvocation(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	uri := reported.ReportURI
	for event, want := range map[string]string{
		`{"ask":{"report":"` + uri + `","question":""}}`:                           "question is empty",
		`{"ask":{"report":"` + uri + `","question":"a","model":"x"}}`:              `unknown field "model"`,
		`{"ask":{"report":"` + uri + `","question":7}}`:                            "cannot unmarshal number",
		`{"ask":"` + uri + `"}`:                                                    "cannot unmarshal string",
		`{"ask":null}`:                                                             "question is empty",
		`{"ask":{"report":"` + uri + `","question":"a"},"selfCheck":true}`:         `unknown field "selfCheck"`,
		`{"ask":{"report":"` + uri + `","question":"a"},"feedback":{"report":""}}`: `want either "ask" or "feedback", not both`,
		askEvent(t, uri, strings.Repeat("x", 2001)):                                "question has 2001 characters",
		askEvent(t, uri, "a\x1b[2J"):                                               "control character U+001B",
	} {
		assert.Contains(t, b.ask(t, "request-2", event).Problem, want, event)
	}
	assert.Empty(t, asker.asked)
	assert.Zero(t, b.metric(t, "UnknownEvents"))
	assert.Zero(t, b.metric(t, "InvestigationsFailed"))
}

func TestAsk_RefusalsRedactionsAndTokensAreMeasured(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	refusals, redactions, tokens := b.metric(t, "BrokerRefusals"), b.metric(t, "Redactions"), b.metric(t, "InputTokens")
	answer := &toolcall.Answer{Success: true, Refusals: 60, Redactions: 2}
	asker.do = func(rec *investigation.Record) (*investigation.Answer, error) {
		return &investigation.Answer{Investigation: rec.ID, Outcome: investigation.OutcomeCompleted, Text: "No.", Rounds: []investigation.Round{
			{Number: 2, Calls: []investigation.ToolCall{{Number: 1, Answer: answer}, {Number: 2, Answer: answer, Cached: 1}}},
		}, Usage: investigation.Usage{InputTokens: 6, CacheWriteTokens: 4, CacheReadTokens: 90}}, nil
	}
	b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))
	assert.Equal(t, refusals+60, b.metric(t, "BrokerRefusals"), "the self-alarm depends on it")
	assert.Equal(t, redactions+2, b.metric(t, "Redactions"))
	assert.Equal(t, tokens+10, b.metric(t, "InputTokens"), "without what the cache served")
	assert.Equal(t, 1.0, b.metric(t, "Investigations"))
}

func TestAsk_CountsInTheLimitsOfTheDay(t *testing.T) {
	b := newDailyHarness(t, 2)
	asker := &fakeAsker{}
	b.CardTopic, b.Asker = notify.New(&b.SNS, cardARN), asker
	reported := b.mustInvestigate(t, "request-1", action("first", 1))
	event := askEvent(t, reported.ReportURI, "Which table?")
	assert.Empty(t, b.ask(t, "request-2", event).Problem)
	assert.Empty(t, b.ask(t, "request-2", event).Problem, "a retry counts once")
	refused := b.ask(t, "request-3", event)
	assert.Contains(t, refused.Problem, "the limit of MaxInvestigationsPerDay, so no model was asked")
	assert.Empty(t, refused.Text)
	assert.Len(t, asker.asked, 2)
	card := *b.SNS.Published(cardARN)[len(b.SNS.Published(cardARN))-1].Message
	assert.Contains(t, card, "*Why there is no answer:* 2 investigations and questions already began")
	late := b.mustInvestigate(t, "request-4", action("second", 1))
	assert.Equal(t, investigation.OutcomeFallback, late.Outcome, "the question counted as an investigation")
}

func TestAsk_NotifiesOfTheLimitThatItReaches(t *testing.T) {
	for name, limit := range map[string]func(b *harness){
		"investigations": func(b *harness) { b.Config.MaxPerDay = 1 },
		"cost":           func(b *harness) { b.Config.MaxCostUSDPerDay = 0.2 },
	} {
		t.Run(name, func(t *testing.T) {
			b := withTable(newDailyHarness(t, 0))
			limit(b)
			b.Asker = &fakeAsker{}
			reported := b.mustInvestigate(t, "request-1", action("first", 1))
			for i := range 3 {
				problem := b.ask(t, fmt.Sprint("question-", i), askEvent(t, reported.ReportURI, fmt.Sprint("Which table? ", i))).Problem
				assert.Contains(t, problem, "so no model was asked")
			}
			b.mustInvestigate(t, "request-2", action("second", 1))
			require.Len(t, b.notices(), 1)
			assert.Equal(t, name, *b.notices()[0].MessageAttributes["limit"].StringValue)
			assert.Contains(t, *b.notices()[0].Message, "so no model was asked. The same applies to all other alarms and questions until midnight UTC.")
		})
	}
}

func TestAsk_CostOfAnUnansweredQuestionCounts(t *testing.T) {
	used := investigation.Usage{ModelCalls: 1, CostUSD: 2, PriceKnown: true}
	for name, c := range map[string]struct {
		do   func(*investigation.Record) (*investigation.Answer, error)
		want string // in millionths of a dollar
	}{
		"the time ran out": {func(*investigation.Record) (*investigation.Answer, error) {
			return &investigation.Answer{Usage: used}, context.Canceled
		}, "2250000"},
		"a bug": {func(*investigation.Record) (*investigation.Answer, error) { panic("a bug") }, "500000"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newDailyHarness(t, 0)
			b.Config.MaxCostUSDPerDay = 10
			b.Asker = &fakeAsker{do: c.do}
			reported := b.mustInvestigate(t, "request-1", action("first", 1))
			assert.NotEmpty(t, b.ask(t, "question", askEvent(t, reported.ReportURI, "Which table?")).Problem)
			spent := b.DB.Item("day#" + b.clock.now().UTC().Format("2006-01-02"))["spent"]
			assert.Equal(t, &types.AttributeValueMemberN{Value: c.want}, spent)
		})
	}
}

func TestAsk_CostCountsInTheLimitOfTheDay(t *testing.T) {
	b := newDailyHarness(t, 0)
	b.Config.MaxCostUSDPerDay = 0.7 // 0.25 for the investigation, 0.50 for the answer
	asker := &fakeAsker{}
	b.Asker = asker
	reported := b.mustInvestigate(t, "request-1", action("first", 1))
	event := askEvent(t, reported.ReportURI, "Which table?")
	assert.Empty(t, b.ask(t, "request-2", event).Problem)
	assert.Contains(t, b.ask(t, "request-3", event).Problem, "the limit of MaxCostUsdPerDay")
	assert.Len(t, asker.asked, 1)
}

func TestAsk_KillSwitchAppliesAndAnUnknownSwitchDoesToo(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	event := askEvent(t, reported.ReportURI, "Which table?")
	_, err := b.DB.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		Key:                       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "off-switch"}},
		UpdateExpression:          aws.String("SET off = :off, reason = :reason"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":off": &types.AttributeValueMemberS{Value: "model"}, ":reason": &types.AttributeValueMemberS{Value: "too expensive"}},
	})
	require.NoError(t, err)
	assert.Equal(t, "The kill switch is on: no model was asked. The reason that was given: too expensive.", b.ask(t, "request-2", event).Problem)
	assert.Contains(t, *b.SNS.Published(cardARN)[1].Message, "No answer: orders-errors")
	b.DB.Fail(awsapitest.ErrDown, -1)
	_, err = b.invoke(t, "request-3", event)
	assert.ErrorContains(t, err, "kill switch", "Lambda retries an asynchronous question")
	assert.Empty(t, asker.asked)
}

func TestAsk_FailuresAreToldAndTheAnswerIsNotLost(t *testing.T) {
	t.Run("the bucket fails after the model answered", func(t *testing.T) {
		b, asker, reported := newAskHarness(t)
		do := func(rec *investigation.Record) (*investigation.Answer, error) {
			b.S3.Fail(awsapitest.ErrDown, -1)
			return &investigation.Answer{Investigation: rec.ID, Text: "The table Orders.", Outcome: investigation.OutcomeCompleted}, nil
		}
		asker.do = do
		result := b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))
		assert.Equal(t, "The table Orders.", result.Text)
		assert.Contains(t, result.Problem, "The answer is not stored")
		assert.Empty(t, result.URI)
		assert.Len(t, b.SNS.Published(cardARN), 2)
		assert.Equal(t, 1.0, b.metric(t, "StoreFailures"))
	})
	t.Run("the report has as many answers as it may have", func(t *testing.T) {
		b, _, reported := newAskHarness(t)
		for number := range store.MaxAnswers {
			b.ask(t, fmt.Sprintf("request-%d", number+2), askEvent(t, reported.ReportURI, "Which table?"))
		}
		result := b.ask(t, "request-last", askEvent(t, reported.ReportURI, "And which other table?")) // at the same time
		assert.Equal(t, "The table Orders.", result.Text)
		assert.Contains(t, result.Problem, "the report has 50 answers, the most that it may have")
		assert.Empty(t, result.URI)
		assert.Zero(t, b.metric(t, "StoreFailures"), "the bucket did not fail, so nobody has to look at it")
	})
	t.Run("the agent panics", func(t *testing.T) {
		b, asker, reported := newAskHarness(t)
		asker.do = func(*investigation.Record) (*investigation.Answer, error) { panic("a bug") }
		result := b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))
		assert.Contains(t, result.Problem, "the agent failed: a bug")
		assert.Contains(t, string(b.S3.Object(bucket, strings.TrimPrefix(result.URI, "s3://"+bucket+"/"))), "■ NO ANSWER")
	})
	t.Run("time runs out", func(t *testing.T) {
		b, asker, reported := newAskHarness(t)
		asker.do = func(*investigation.Record) (*investigation.Answer, error) {
			return nil, fmt.Errorf("ask: %w", context.DeadlineExceeded)
		}
		assert.Contains(t, b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?")).Problem, "The time for the question ran out")
	})
	t.Run("the topic fails", func(t *testing.T) {
		b, _, reported := newAskHarness(t)
		b.SNS.Fail(awsapitest.ErrDown, -1)
		assert.Empty(t, b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?")).Problem)
	})
	t.Run("the record cannot be read now", func(t *testing.T) {
		b, _, reported := newAskHarness(t)
		b.S3.Fail(awsapitest.ErrDown, -1)
		_, err := b.invoke(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))
		assert.ErrorContains(t, err, "question not answered")
	})
}

func TestAsk_SimultaneousAnswersGetDifferentNumbers(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	asker.do = func(rec *investigation.Record) (*investigation.Answer, error) {
		asker.do = nil // another question is answered while this one is
		b.ask(t, "request-3", askEvent(t, reported.ReportURI, "And who?"))
		return &investigation.Answer{Investigation: rec.ID, Text: "Late.", Outcome: investigation.OutcomeCompleted}, nil
	}
	late := b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))
	assert.Equal(t, 2, late.Number)
	keys := b.S3.Keys("/answers/")
	slices.Sort(keys)
	require.Len(t, keys, 4)
	assert.Contains(t, string(b.S3.Object(bucket, strings.TrimPrefix(keys[1], bucket+"/"))), "And who?")
}

func TestAsk_QuestionIsRedacted(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	var err error
	b.Redactor, err = redact.New(nil)
	require.NoError(t, err)
	b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Is password=hunter2-canary still valid?"))
	require.Len(t, asker.asked, 1)
	assert.NotContains(t, asker.asked[0], "hunter2")
	for _, key := range b.S3.Keys("") {
		assert.NotContains(t, string(b.S3.Object(bucket, strings.TrimPrefix(key, bucket+"/"))), "hunter2", key)
	}
}

func feedbackEvent(t *testing.T, members map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"feedback": members})
	require.NoError(t, err)
	return string(raw)
}

// judge sends a feedback that must not fail the invocation.
func (b *harness) judge(t *testing.T, event string) *triage.FeedbackResult {
	t.Helper()
	answer, err := b.invoke(t, "request-f", event)
	require.NoError(t, err)
	require.NotNil(t, answer.Feedback)
	return answer.Feedback
}

func TestFeedback_LaterInvestigationsSeeIt(t *testing.T) {
	b := newHarness(t)
	var err error
	b.Redactor, err = redact.New(nil)
	require.NoError(t, err)
	first := b.mustInvestigate(t, "request-1", action("orders", 1))
	result := b.judge(t, feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "right", "by": "Ana"}))
	assert.Empty(t, result.Problem)
	assert.Equal(t, "orders", result.Alarm)
	result = b.judge(t, feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "wrong", "cause": "the pool, password=hunter2-canary", "by": "Ana"}))
	assert.Equal(t, "the pool, password=[redacted: secret]", result.Recorded.Cause)

	b.clock.advance(2 * b.Config.Window)
	var seen []investigation.Past
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		seen = rec.SeenBefore
		return conclude(rec)
	}
	b.mustInvestigate(t, "request-2", action("orders", 7300))
	require.Len(t, seen, 1)
	assert.Equal(t, "the role lost dynamodb:GetItem", seen[0].Cause, "the cause that was reported stays")
	require.NotNil(t, seen[0].Feedback)
	assert.Equal(t, investigation.FeedbackWrong, seen[0].Feedback.Verdict, "the later feedback replaces the earlier one")
	assert.Equal(t, "the pool, password=[redacted: secret]", seen[0].Feedback.Cause)
	assert.Equal(t, "Ana", seen[0].Feedback.By)
	assert.NotContains(t, fmt.Sprint(b.DB.Item(arnPrefix+"orders")), "hunter2")
}

func TestFeedback_RedactedTextsStayWithinTheLimits(t *testing.T) {
	b := newHarness(t)
	var err error
	b.Redactor, err = redact.New([]string{`\d`})
	require.NoError(t, err)
	first := b.mustInvestigate(t, "request-1", action("orders", 1))
	result := b.judge(t, feedbackEvent(t, map[string]any{
		"report": first.ReportURI, "verdict": "wrong",
		"cause": strings.Repeat("1", investigation.MaxFeedbackCause), "by": strings.Repeat("1", investigation.MaxFeedbackBy),
	}))
	require.NotNil(t, result.Recorded, result.Problem)
	assert.Contains(t, result.Recorded.Cause, "[redacted")
	assert.Equal(t, investigation.MaxFeedbackCause, utf8.RuneCountInString(result.Recorded.Cause))
	assert.Equal(t, investigation.MaxFeedbackBy, utf8.RuneCountInString(result.Recorded.By))
}

func TestFeedback_MistakesAreToldAndRecordNothing(t *testing.T) {
	b := newHarness(t)
	first := b.mustInvestigate(t, "request-1", action("orders", 1))
	before := fmt.Sprint(b.DB.Item(arnPrefix + "orders"))
	for event, want := range map[string]string{
		feedbackEvent(t, map[string]any{"report": first.ReportURI}):                                                                   `verdict is "": want "right" or "wrong"`,
		feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "maybe"}):                                               `verdict is "maybe"`,
		feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "right", "cause": strings.Repeat("x", 501)}):            "cause has 501 characters",
		feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "right", "by": "a\nb"}):                                 "by has a line break",
		feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "right", "alarm": "other"}):                             `unknown field "alarm"`,
		feedbackEvent(t, map[string]any{"report": "s3://other/reports/2026/08/04/x.txt", "verdict": "right"}):                         "is not in the reports bucket",
		feedbackEvent(t, map[string]any{"verdict": "right"}):                                                                          "report is empty",
		feedbackEvent(t, map[string]any{"report": strings.Replace(first.ReportURI, first.ID, "0123456789ab", 1), "verdict": "right"}): "does not exist, or may not be read",
		`{"feedback":[]}`:                  "cannot unmarshal array",
		`{"selfCheck":true,"feedback":{}}`: `unknown field "selfCheck"`,
	} {
		assert.Contains(t, b.judge(t, event).Problem, want, event)
	}
	assert.Equal(t, before, fmt.Sprint(b.DB.Item(arnPrefix+"orders")))
}

func TestFeedback_AboutAnInvestigationThatIsNotRemembered(t *testing.T) {
	t.Run("too old", func(t *testing.T) {
		b := newHarness(t)
		first := b.mustInvestigate(t, "request-0", action("orders", 0))
		for i := range 10 {
			b.clock.advance(2 * b.Config.Window)
			b.mustInvestigate(t, fmt.Sprint("request-", i+1), action("orders", 7300*(i+1)))
		}
		assert.Contains(t, b.judge(t, feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "right"})).Problem, "it lists the last 10 that ended")
	})
	t.Run("not confirmed", func(t *testing.T) {
		b := newHarnessAtTransition(t)
		b.Watch.Fail(awsapitest.ErrDown, -1)
		first := b.mustInvestigate(t, "request-1", fixture(t, "sns-metric"))
		assert.Contains(t, b.judge(t, feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "right"})).Problem, "CloudWatch did not confirm")
	})
	t.Run("the table is unavailable", func(t *testing.T) {
		b := newHarness(t)
		first := b.mustInvestigate(t, "request-1", action("orders", 0))
		b.DB.Fail(awsapitest.ErrDown, -1)
		_, err := b.invoke(t, "request-2", feedbackEvent(t, map[string]any{"report": first.ReportURI, "verdict": "right"}))
		assert.ErrorContains(t, err, "feedback not recorded")
	})
}

func TestOrders_RejectionsAreRedactedAndShort(t *testing.T) {
	b, _, reported := newAskHarness(t)
	var err error
	b.Redactor, err = redact.New(nil)
	require.NoError(t, err)
	var logs strings.Builder
	b.Log = slog.New(slog.NewTextHandler(&logs, nil))
	const secret = "password=hunter2-canary"
	long := strings.Repeat("long ", 20_000)
	for _, text := range []string{secret, "password=\thunter2-canary", long, long + secret, secret + long} {
		quoted := string(must(json.Marshal(text)))
		for _, event := range []string{
			`{"ask":{"report":"s3://x/y","question":"a",` + quoted + `:1}}`, `{"ask":{"report":` + quoted + `,"question":"a"}}`, `{"ask":{"report":"x","question":"a"},` + quoted + `:1}`,
		} {
			problem := b.ask(t, "request-2", event).Problem
			assert.NotContains(t, problem, "hunter2")
			assert.LessOrEqual(t, len(problem), 1100, "%.60s", event)
			assert.NotEmpty(t, problem)
		}
		for _, event := range []string{
			feedbackEvent(t, map[string]any{"report": reported.ReportURI, "verdict": text}), feedbackEvent(t, map[string]any{"report": text, "verdict": "right"}),
			feedbackEvent(t, map[string]any{"report": reported.ReportURI, "verdict": "right", text: "x"}),
		} {
			problem := b.judge(t, event).Problem
			assert.NotContains(t, problem, "hunter2")
			assert.LessOrEqual(t, len(problem), 1100, "%.60s", event)
			assert.NotEmpty(t, problem)
		}
	}
	for _, begin := range []string{"s3://other/", "reports/"} { // the end of the secret shows what it is
		address := begin + strings.Repeat("x", 140) + " postgres://admin:hunter2-and-3-horses-and-a-long-staple@db.example.com:5432/orders"
		assert.NotContains(t, b.ask(t, "request-2", askEvent(t, address, "a")).Problem, "hunter2")
		assert.NotContains(t, b.judge(t, feedbackEvent(t, map[string]any{"report": address, "verdict": "right"})).Problem, "hunter2")
	}
	assert.NotContains(t, logs.String(), "hunter2")
	assert.NotContains(t, logs.String(), strings.Repeat("long ", 300))
	assert.Contains(t, logs.String(), "question rejected")
	assert.Contains(t, logs.String(), "feedback rejected")
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

// Lists of an answer are lists, even if no model was asked.
func TestAsk_AnswerHasNoNulls(t *testing.T) {
	b, asker, reported := newAskHarness(t)
	for _, given := range []*investigation.Answer{nil, {Findings: []investigation.Finding{{Statement: "a"}}}} {
		asker.do = func(*investigation.Record) (*investigation.Answer, error) { return given, assert.AnError }
		raw := must(json.Marshal(b.ask(t, "request-2", askEvent(t, reported.ReportURI, "Which table?"))))
		assert.NotContains(t, string(raw), "null")
		assert.Contains(t, string(raw), `"findings":[`)
		assert.Contains(t, string(raw), `"not_seen":[]`)
	}
}
