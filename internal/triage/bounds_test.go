package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// runSwitchCommand does what a put-item command of the AWS CLI does.
func runSwitchCommand(t *testing.T, db awsapi.DynamoDB, command string) {
	t.Helper()
	argument := regexp.MustCompile(`^aws dynamodb put-item --region us-east-1 --table-name investigations --item '(.*)'$`).FindStringSubmatch(command)
	require.NotNil(t, argument, command)
	var item map[string]map[string]string
	require.NoError(t, json.Unmarshal([]byte(argument[1]), &item))
	for name, value := range item {
		if name != "pk" {
			writeItem(t, db, item["pk"]["S"], name, &dynamodbtypes.AttributeValueMemberS{Value: value["S"]})
		}
	}
}

func writeItem(t *testing.T, db awsapi.DynamoDB, pk, name string, value dynamodbtypes.AttributeValue) {
	t.Helper()
	_, err := db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String("investigations"), Key: map[string]dynamodbtypes.AttributeValue{"pk": &dynamodbtypes.AttributeValueMemberS{Value: pk}},
		UpdateExpression: aws.String("SET #name = :value"), ExpressionAttributeNames: map[string]string{"#name": name},
		ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{":value": value},
	})
	require.NoError(t, err)
}

// withTable sets the name of the table, which the switch's commands contain, and the real renderer.
func withTable(b *harness) *harness {
	b.Config.Table = "investigations"
	b.Renderer = report.NewRenderer(report.Home{Region: "us-east-1", Bucket: bucket})
	return b
}

func TestDailyLimit_NotifiesOncePerDay(t *testing.T) {
	b := withTable(newDailyHarness(t, 2))
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			_, err := b.invoke(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
			assert.NoError(t, err)
		})
	}
	group.Wait()
	require.Len(t, b.notices(), 1)
	notice := b.notices()[0]
	assert.Equal(t, "Alarm triage: no more investigations today (triage-handler)", *notice.Subject)
	assert.Contains(t, *notice.Message, "2 investigations and questions already began on "+b.clock.now().UTC().Format(time.DateOnly))
	assert.Equal(t, "investigations", *notice.MessageAttributes["limit"].StringValue)
	assert.Len(t, b.notifications(), 12, "every alarm is reported")
	b.clock.advance(24 * time.Hour)
	for i := range 3 {
		b.mustInvestigate(t, fmt.Sprint("tomorrow-", i), action(fmt.Sprint("b", i), 1))
	}
	assert.Len(t, b.notices(), 2, "another day")
}

func TestDailyLimit_BoundsMoney(t *testing.T) {
	b := withTable(newDailyHarness(t, 0))
	b.Config.MaxCostUSDPerDay = 0.6
	var outcomes []investigation.Outcome
	for i := range 5 { // each costs $0.25
		outcomes = append(outcomes, b.mustInvestigate(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1)).Outcome)
	}
	assert.Equal(t, []investigation.Outcome{"completed", "completed", "completed", "fallback", "fallback"}, outcomes)
	assert.Contains(t, b.notifications()[4], "cost about $0.60, the limit of MaxCostUsdPerDay, so no model was asked")
	require.Len(t, b.notices(), 1)
	assert.Equal(t, "cost", *b.notices()[0].MessageAttributes["limit"].StringValue)
	assert.EqualValues(t, 2, b.metric(t, emf.EvidenceOnly))
}

func TestDailyLimit_CountsWhatInvestigationsReallyCost(t *testing.T) {
	for name, c := range map[string]struct {
		usage investigation.Usage
		want  int
	}{
		"cheap":                      {investigation.Usage{ModelCalls: 1, PriceKnown: true, CostUSD: 0.01}, 7},
		"expensive, then no price":   {investigation.Usage{ModelCalls: 2, CostUSD: 2}, 1},
		"expensive":                  {investigation.Usage{ModelCalls: 1, PriceKnown: true, CostUSD: 2}, 1},
		"a model without a price":    {investigation.Usage{ModelCalls: 1}, 4},
		"a model that never answers": {investigation.Usage{}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			b := newDailyHarness(t, 0)
			b.Config.MaxCostUSDPerDay = 1
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				err := conclude(rec)
				rec.Usage = c.usage
				return err
			}
			for i := range 7 {
				b.mustInvestigate(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
			}
			assert.Equal(t, c.want, b.agent.calls)
		})
	}
}

func TestDailyCost_CountsWhileReportsCannotBeDelivered(t *testing.T) {
	for name, breakDown := range map[string]func(b *harness){
		"S3":  func(b *harness) { b.S3.Fail(awsapitest.ErrDown, -1) },
		"SNS": func(b *harness) { b.SNS.Fail(awsapitest.ErrDown, -1) },
		"S3 and SNS": func(b *harness) {
			b.S3.Fail(awsapitest.ErrDown, -1)
			b.SNS.Fail(awsapitest.ErrDown, -1)
		},
		"S3, and the record is too large to park": func(b *harness) {
			b.S3.Fail(awsapitest.ErrDown, -1)
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				concludeAtLength(rec)
				rec.Usage.CostUSD = 1.5
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newDailyHarness(t, 0)
			b.Config.MaxCostUSDPerDay = 5
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				err := conclude(rec)
				rec.Usage.CostUSD = 1.5
				return err
			}
			breakDown(b)
			for i := range 8 {
				for range 3 { // the attempts of Lambda
					_, err := b.invoke(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
					assert.Error(t, err)
				}
			}
			assert.Equal(t, 4, b.agent.calls, "the fourth investigation reaches $5")
			spent := b.DB.Item("day#" + b.clock.now().UTC().Format(time.DateOnly))["spent"]
			assert.Equal(t, &dynamodbtypes.AttributeValueMemberN{Value: "6000000"}, spent)
		})
	}
}

func TestLimitNotice_IsSentLaterIfTheTopicFails(t *testing.T) {
	b := newDailyHarness(t, 1)
	b.mustInvestigate(t, "request-1", action("first", 1))
	b.SNS.Fail(awsapitest.ErrDown, 1) // the notice is published before the report
	b.mustInvestigate(t, "request-2", action("second", 1))
	assert.Empty(t, b.notices())
	assert.Len(t, b.notifications(), 2, "the alarm's own report is sent")
	b.mustInvestigate(t, "request-3", action("third", 1))
	assert.Len(t, b.notices(), 1)
}

func TestEvidenceOnly_MayNotRunLogQueries(t *testing.T) {
	b := newDailyHarness(t, 1)
	b.Config.MaxQueryCostUSD = 2
	b.mustInvestigate(t, "request-1", action("first", 1))
	b.mustInvestigate(t, "request-2", action("second", 1))
	require.Len(t, b.tool.requests, 2)
	assert.Equal(t, 0.5, *b.tool.requests[0].QueryLimitUSD)
	assert.Equal(t, 0.01, *b.tool.requests[1].QueryLimitUSD)
}

func TestWaiting_IsReportedAndNotifiedOnce(t *testing.T) {
	for _, off := range []string{"", config.SwitchModel, config.SwitchAll} {
		b := withTable(newHarnessAtTransition(t))
		if off != "" {
			b.turnSwitch(t, off)
		}
		b.clock.advance(39 * time.Minute)
		for i := range 3 {
			b.mustInvestigate(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 36*60+15))
		}
		require.Len(t, b.notices(), 1)
		assert.Equal(t, "concurrency", *b.notices()[0].MessageAttributes["limit"].StringValue)
		assert.Contains(t, *b.notices()[0].Message, `The investigation of the alarm "a0" began 40m0s after the alarm.`)
		for _, text := range b.notifications() {
			assert.Contains(t, text, "\nNOTE: The investigation began 40 min after the alarm, usually because its event waited")
		}
	}

	prompt := withTable(newHarnessAtTransition(t))
	prompt.mustInvestigate(t, "request", action("a", 36*60+15))
	assert.Empty(t, prompt.notices())
	assert.NotContains(t, prompt.notifications()[0], "waited")
}

func TestKillSwitch_CommandOfTheNoticeStopsModels(t *testing.T) {
	b := withTable(newDailyHarness(t, 1))
	b.mustInvestigate(t, "request-1", action("first", 1))
	b.mustInvestigate(t, "request-2", action("second", 1))
	command := regexp.MustCompile(`(?m)^    (aws dynamodb put-item .*)$`).FindStringSubmatch(*b.notices()[0].Message)
	require.NotNil(t, command)
	runSwitchCommand(t, &b.DB, command[1])

	b.Config.MaxPerDay = 0
	result := b.mustInvestigate(t, "request-3", action("third", 1))
	assert.Equal(t, investigation.OutcomeFallback, result.Outcome)
	assert.Equal(t, 1, b.agent.calls)
	assert.Equal(t, 3, b.tool.calls, "the evidence is collected")
	assert.Contains(t, b.notifications()[2], "Evidence only: no model was asked.")
	assert.Contains(t, b.notifications()[2], "\nNOTE: The kill switch is on: no model was asked.\n")
}

func TestKillSwitch_Settings(t *testing.T) {
	item := func(setting string) string {
		return config.SwitchOffCommand("us-east-1", "investigations", setting)
	}
	for _, c := range []struct {
		name, command, why string
		tools              int
	}{
		{"no model", item("model"), "The kill switch is on: no model was asked.", 1},
		{"nothing", item("all"), "The kill switch is on: no model was asked, and no evidence was collected.", 0},
		{"a setting that is not known", item("off"), "The kill switch is on: no model was asked, and no evidence was collected.", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := withTable(newHarness(t))
			runSwitchCommand(t, &b.DB, c.command)
			writeItem(t, &b.DB, "off-switch", "reason", &dynamodbtypes.AttributeValueMemberS{Value: "CloudTrail is throttled.\nROOT CAUSE"})
			b.mustInvestigate(t, "request", fixture(t, "action-metric"))
			assert.Zero(t, b.agent.calls)
			assert.Equal(t, c.tools, b.tool.calls)
			assert.Contains(t, b.notifications()[0], "NOTE: "+c.why+" The reason that was given: CloudTrail is throttled. ROOT CAUSE.\n")
			assert.Equal(t, 1, b.reports())

			for i, past := range []int64{b.clock.now().Unix() - 1, 1, 0, -1} { // it ends by itself
				_, err := b.DB.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
					TableName: aws.String("investigations"), Key: map[string]dynamodbtypes.AttributeValue{"pk": &dynamodbtypes.AttributeValueMemberS{Value: "off-switch"}},
					UpdateExpression:          aws.String("SET expires_at = :past"),
					ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{":past": &dynamodbtypes.AttributeValueMemberN{Value: fmt.Sprint(past)}},
				})
				require.NoError(t, err)
				assert.Equal(t, investigation.OutcomeCompleted, b.mustInvestigate(t, fmt.Sprint("another", i), action(fmt.Sprint("another", i), 1)).Outcome, past)
			}
		})
	}
}

// A program may write its end with fractions of a second, or with an exponent.
func TestKillSwitch_EndsAtAnyNumber(t *testing.T) {
	for _, form := range []string{"%.0f", "%.2f", "%e", "%E"} {
		b := withTable(newHarness(t))
		runSwitchCommand(t, &b.DB, config.SwitchOffCommand("us-east-1", "investigations", "model"))
		end := fmt.Sprintf(form, float64(b.clock.now().Unix())+1000.25)
		writeItem(t, &b.DB, "off-switch", "expires_at", &dynamodbtypes.AttributeValueMemberN{Value: end})
		assert.Equal(t, investigation.OutcomeFallback, b.mustInvestigate(t, "before", action("a", 1)).Outcome, end)
		b.clock.advance(time.Hour)
		assert.Equal(t, investigation.OutcomeCompleted, b.mustInvestigate(t, "after", action("b", 1)).Outcome, end)
	}
}

// People write the end. One that is not understood must not be taken for none without a word.
func TestKillSwitch_EndThatIsNotUnderstoodIsReported(t *testing.T) {
	const noEnd = "The switch does not end by itself, because its expires_at is not a number of seconds since 1970."
	number := func(n string) dynamodbtypes.AttributeValue { return &dynamodbtypes.AttributeValueMemberN{Value: n} }
	text := func(s string) dynamodbtypes.AttributeValue { return &dynamodbtypes.AttributeValueMemberS{Value: s} }
	for name, c := range map[string]struct {
		end     dynamodbtypes.AttributeValue
		isKnown bool
	}{
		"seconds": {number("9999999999"), true}, "milliseconds": {number("1700000000000"), false}, "an exponent": {number("1.7E12"), false},
		"a text": {text("1700000000"), false}, "a date": {text("2026-01-01T00:00:00Z"), false},
		"null": {&dynamodbtypes.AttributeValueMemberNULL{Value: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := withTable(newHarness(t))
			runSwitchCommand(t, &b.DB, config.SwitchOffCommand("us-east-1", "investigations", "model"))
			writeItem(t, &b.DB, "off-switch", "expires_at", c.end)
			assert.Equal(t, investigation.OutcomeFallback, b.mustInvestigate(t, "request", action("a", 1)).Outcome)
			assert.Equal(t, !c.isKnown, strings.Contains(b.notifications()[0], "NOTE: The kill switch is on: no model was asked. "+noEnd))
		})
	}
	b := newCheckHarness(t)
	runSwitchCommand(t, &b.db, config.SwitchOffCommand("us-east-1", "investigations", config.SwitchAll))
	writeItem(t, &b.db, "off-switch", "expires_at", number("1700000000000"))
	_, err := b.invoke(t, "request", config.SelfCheckEvent)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(strings.Fields(b.notifications()[0]), " "), noEnd)
}

func TestKillSwitch_ReasonIsBounded(t *testing.T) {
	b := withTable(newHarness(t))
	runSwitchCommand(t, &b.DB, config.SwitchOffCommand("us-east-1", "investigations", "model"))
	writeItem(t, &b.DB, "off-switch", "reason", &dynamodbtypes.AttributeValueMemberS{Value: strings.Repeat("Ärger ", 50_000)})
	b.mustInvestigate(t, "request", action("a", 1))
	assert.Contains(t, b.notifications()[0], "The reason that was given: Ärger Ärger")
	assert.Less(t, len(b.notifications()[0]), 20_000)
}

func TestKillSwitch_StopsARetryBeforeItsModel(t *testing.T) {
	b := withTable(newHarness(t))
	b.agent.do = func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
		die()
		return nil
	}
	b.invokeAndKill(t, "request", fixture(t, "action-metric"))
	runSwitchCommand(t, &b.DB, config.SwitchOffCommand("us-east-1", "investigations", config.SwitchModel))
	b.mustInvestigate(t, "request", fixture(t, "action-metric"))
	assert.Equal(t, 1, b.agent.calls)
	assert.Contains(t, b.notifications()[0], "The kill switch is on")
}

func TestKillSwitch_RetryReportsTheEvidenceThatItHas(t *testing.T) {
	const noEvidence = "no model was asked, and no evidence was collected."
	for _, c := range []struct {
		name, first, second string // settings of the switch for the first attempt and the retry
		hasEvidence         bool
	}{
		{"all after the evidence", "", config.SwitchAll, true},
		{"model, then all", config.SwitchModel, config.SwitchAll, true},
		{"all, then model", config.SwitchAll, config.SwitchModel, false},
		{"all, then off", config.SwitchAll, "", false},
		{"all", config.SwitchAll, config.SwitchAll, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := withTable(newDailyHarness(t, 10))
			turn := func(setting string) {
				if setting == "" {
					setting = "nothing"
					writeItem(t, &b.DB, "off-switch", "expires_at", &dynamodbtypes.AttributeValueMemberN{Value: "1"})
				} else {
					writeItem(t, &b.DB, "off-switch", "expires_at", &dynamodbtypes.AttributeValueMemberN{Value: "9999999999"})
				}
				writeItem(t, &b.DB, "off-switch", "off", &dynamodbtypes.AttributeValueMemberS{Value: setting})
			}
			turn(c.first)
			b.agent.do = func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
				waitForCheckpoint(&b.S3)
				die()
				return nil
			}
			if c.first == "" {
				b.invokeAndKill(t, "request", fixture(t, "action-metric"))
			} else { // no model is asked: the invocation is killed after the checkpoint of the evidence
				b.Table = dedupe.New(dyingConfirm{&b.DB, &b.S3}, "investigations", time.Hour, b.clock.now)
				b.invokeAndKill(t, "request", fixture(t, "action-metric"))
				b.Table = dedupe.New(&b.DB, "investigations", time.Hour, b.clock.now)
			}
			turn(c.second)
			b.mustInvestigate(t, "request", fixture(t, "action-metric"))
			text := b.notifications()[0]
			assert.Contains(t, text, "The kill switch is on: no model was asked")
			assert.Equal(t, !c.hasEvidence, strings.Contains(text, noEvidence), text)
			assert.Equal(t, c.hasEvidence, strings.Contains(text, "this report has the evidence that was collected"), text)
			assert.Equal(t, !c.hasEvidence, strings.Contains(text, "this report has no evidence"), text)
			day := b.DB.Item("day#" + b.clock.now().UTC().Format(time.DateOnly))
			if c.first == "" {
				assert.Equal(t, &dynamodbtypes.AttributeValueMemberN{Value: "0"}, day["spent"], "the reserved amount is free again")
			} else {
				assert.Empty(t, day["spent"])
			}
		})
	}
}

// dyingConfirm kills the invocation when it is about to deliver and its first checkpoint is saved.
type dyingConfirm struct {
	*awsapitest.DynamoDB
	s3 *awsapitest.S3
}

func (d dyingConfirm) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if strings.Contains(*in.UpdateExpression, "delivering = :now") {
		waitForCheckpoint(d.s3)
		die()
	}
	return d.DynamoDB.UpdateItem(ctx, in, o...)
}

// waitForCheckpoint waits until a checkpoint is saved, which happens in the background.
func waitForCheckpoint(s3 *awsapitest.S3) {
	for end := time.Now().Add(time.Minute); len(s3.Keys("checkpoints/")) == 0 && time.Now().Before(end); {
		runtime.Gosched()
	}
}

const memberARN = "arn:aws:cloudwatch:us-east-1:444455556666:alarm:orders-errors"

// ofMember returns an event as the alarm of a member sends it.
func ofMember(event string) string {
	return strings.ReplaceAll(strings.ReplaceAll(event, "123456789012:alarm", "444455556666:alarm"), `"123456789012"`, `"444455556666"`)
}

// invokeWithMember runs an invocation of an AlarmTriage that has a member.
func (b *harness) invokeWithMember(t *testing.T, owner, event string) (triage.Answer, error) {
	t.Helper()
	b.Config.Members = config.Members{Accounts: []string{"444455556666"}, Role: "alarmtriage-member"}
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: "arn:aws:lambda:us-east-1:123456789012:function:triage-handler"})
	return b.Handle(shifted{ctx, b.clock.now().Add(lifetime)}, owner, []byte(event))
}

func (b *harness) turnSwitch(t *testing.T, setting string) {
	t.Helper()
	runSwitchCommand(t, &b.DB, config.SwitchOffCommand("us-east-1", "investigations", setting))
}

// With the setting "all", no code runs and CloudWatch is not asked, whichever way the invocation comes to its delivery.
func TestKillSwitch_AllAsksNothingOfAnAccount(t *testing.T) {
	const notAsked = "State: unknown: CloudWatch was not asked, because the kill switch is on"
	failed := func(t *testing.T, b *harness, fail func(error, int)) {
		fail(awsapitest.ErrDown, -1)
		_, err := b.invokeWithMember(t, "request", ofMember(fixture(t, "eventbridge-metric")))
		require.Error(t, err)
		fail(nil, 0)
	}
	for name, first := range map[string]func(t *testing.T, b *harness){
		"a new investigation":   func(*testing.T, *harness) {},
		"only the notification": func(t *testing.T, b *harness) { failed(t, b, b.SNS.Fail) },
		"only the report, again": func(t *testing.T, b *harness) {
			failed(t, b, b.SNS.Fail)
			b.turnSwitch(t, config.SwitchModel)
			failed(t, b, b.SNS.Fail)
		},
		"an invocation that was killed": func(t *testing.T, b *harness) {
			b.agent.do = func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
				waitForCheckpoint(&b.S3)
				die()
				return nil
			}
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = b.invokeWithMember(t, "request", ofMember(fixture(t, "eventbridge-metric"))) })
			wg.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := withTable(newHarness(t))
			first(t, b)
			b.turnSwitch(t, config.SwitchAll)
			before := b.tool.calls
			answer, err := b.invokeWithMember(t, "request", ofMember(fixture(t, "eventbridge-metric")))
			require.NoError(t, err)
			require.Equal(t, triage.StatusInvestigated, answer.Results[0].Status, answer.Results[0].Reason)
			assert.Equal(t, before, b.tool.calls, "no code runs")
			require.Len(t, b.notifications(), 1)
			assert.Contains(t, b.notifications()[0], notAsked)
		})
	}
	t.Run("the own account", func(t *testing.T) {
		b := withTable(newHarness(t))
		b.turnSwitch(t, config.SwitchAll)
		b.mustInvestigate(t, "request", fixture(t, "action-metric"))
		assert.Empty(t, b.Watch.Asked())
		assert.Contains(t, b.notifications()[0], notAsked)
	})
	t.Run("after a hand-over", func(t *testing.T) {
		b := withTable(newHarness(t))
		b.handsOverFor(0.1)
		_, err := b.invoke(t, "request", fixture(t, "action-metric"))
		require.NoError(t, err)
		b.turnSwitch(t, config.SwitchAll)
		b.mustInvestigate(t, "fresh", string(b.Self.Events()[0].Payload))
		assert.Empty(t, b.Watch.Asked())
	})
	t.Run("only the models are off", func(t *testing.T) {
		b := withTable(newHarness(t))
		b.turnSwitch(t, config.SwitchModel)
		b.mustInvestigate(t, "request", fixture(t, "action-metric"))
		assert.Len(t, b.Watch.Asked(), 1)
	})
}

func TestKillSwitch_AllDoesNotAskMembersAboutMessages(t *testing.T) {
	for name, state := range map[string]string{"ALARM": "ALARM", "a recovery": "OK"} {
		t.Run(name, func(t *testing.T) {
			b := withTable(newHarnessAtTransition(t))
			b.Config.NotifyRecovery = true
			b.turnSwitch(t, config.SwitchAll)
			event := ofMember(notification("orders-errors", fields{"NewStateValue": state}))
			answer, err := b.invokeWithMember(t, "request", event)
			require.NoError(t, err)
			assert.Zero(t, b.tool.calls, "no code runs")
			if state == "OK" {
				assert.Contains(t, answer.Results[0].Reason, "not confirmed: the kill switch is on, so CloudWatch of account 444455556666 was not asked")
				return
			}
			assert.Contains(t, b.notifications()[0], "the kill switch is on, so CloudWatch of account 444455556666 was not asked")
			assert.Empty(t, b.DB.Item(memberARN), "an event that is not confirmed does not claim the alarm")
		})
	}
	b := withTable(newHarnessAtTransition(t))
	b.turnSwitch(t, config.SwitchAll)
	b.mustInvestigate(t, "request", notification("orders-errors", nil))
	assert.Len(t, b.Watch.Asked(), 1, "a message about an alarm of the own account is confirmed")
}

// handsOverFor makes the agent hand over once, after it spent usd.
func (b *harness) handsOverFor(usd float64) {
	b.agent.do = func(ctx context.Context, run investigation.Limits, rec *investigation.Record, resume []byte) error {
		rec.Usage = investigation.Usage{ModelCalls: 1, CostUSD: usd, PriceKnown: true}
		if resume == nil {
			if err := run.Checkpoint(ctx, []byte("state")); err != nil {
				return err
			}
			return investigation.ErrHandOver
		}
		return conclude(rec)
	}
}

func TestKillSwitch_StopsAnInvestigationThatWaitedForItsHandOver(t *testing.T) {
	for _, setting := range []string{config.SwitchModel, config.SwitchAll} {
		t.Run(setting, func(t *testing.T) {
			b := withTable(newHarness(t))
			b.handsOverFor(0.1)
			_, err := b.invoke(t, "request", fixture(t, "action-metric"))
			require.NoError(t, err)
			runSwitchCommand(t, &b.DB, config.SwitchOffCommand("us-east-1", "investigations", setting))
			b.clock.advance(5 * time.Hour)
			b.mustInvestigate(t, "fresh", string(b.Self.Events()[0].Payload))
			require.Len(t, b.agent.runs, 2)
			assert.Contains(t, b.agent.runs[1].Stop, "The kill switch is on: the model was not asked again.")
		})
	}
}

func TestDailyCost_CountsAtEachHandOverAndConcludesWhatWaited(t *testing.T) {
	b := newHarness(t)
	b.Config.MaxCostUSDPerDay = 3
	b.handsOverFor(2)
	for i := range 2 {
		_, err := b.invoke(t, fmt.Sprint("request-", i), action(fmt.Sprint("a", i), 1))
		require.NoError(t, err)
	}
	third := b.mustInvestigate(t, "request-2", action("a2", 1))
	assert.Equal(t, investigation.OutcomeFallback, third.Outcome, "$4 were spent, although no investigation has ended")
	b.mustInvestigate(t, "fresh-0", string(b.Self.Events()[0].Payload))
	require.Len(t, b.agent.runs, 3)
	assert.Contains(t, b.agent.runs[2].Conclude, "the limit of MaxCostUsdPerDay")
	assert.False(t, b.agent.runs[2].MayHandOver)

	b = newHarness(t)
	b.Config.MaxCostUSDPerDay = 5
	b.handsOverFor(2)
	_, err := b.invoke(t, "request", action("a", 1))
	require.NoError(t, err)
	b.mustInvestigate(t, "fresh", string(b.Self.Events()[0].Payload))
	assert.Empty(t, b.agent.runs[1].Conclude)
	assert.True(t, b.agent.runs[1].MayHandOver)
}

// The limit can affect the report of a hand-over first, and no other alarm may follow on that day.
// A retry can wait behind many new investigations, like a hand-over.
func TestDailyCost_RetryThatWaitedAsksNoModel(t *testing.T) {
	for name, bucketErr := range map[string]error{"with a checkpoint": nil, "without a checkpoint": awsapitest.ErrDown} {
		t.Run(name, func(t *testing.T) {
			b := newDailyHarness(t, 100)
			b.Config.MaxCostUSDPerDay = 1
			b.agent.do = func(context.Context, investigation.Limits, *investigation.Record, []byte) error {
				b.agent.do = nil
				die()
				return nil
			}
			b.S3.Fail(bucketErr, -1)
			b.invokeAndKill(t, "request-1", action("first", 1))
			b.S3.Fail(nil, 0)
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				defer func() { rec.Usage.CostUSD = 3 }()
				return conclude(rec)
			}
			b.mustInvestigate(t, "request-2", action("second", 1))
			asked := b.agent.calls
			rec := b.record(t, b.mustInvestigate(t, "request-1", action("first", 1)))
			assert.Equal(t, asked, b.agent.calls)
			assert.True(t, rec.EvidenceOnly)
			assert.Contains(t, rec.OutcomeWhy, "the limit of MaxCostUsdPerDay, so no model was asked.")
			assert.NotNil(t, rec.Evidence.Definition)
		})
	}
}

func TestDailyCost_NotifiesIfAHandOverHasToConclude(t *testing.T) {
	b := newHarness(t)
	b.Config.MaxCostUSDPerDay = 1
	b.handsOverFor(2)
	_, err := b.invoke(t, "request", action("a", 1))
	require.NoError(t, err)
	b.mustInvestigate(t, "fresh", string(b.Self.Events()[0].Payload))
	require.Contains(t, b.agent.runs[1].Conclude, "the limit of MaxCostUsdPerDay")
	require.Len(t, b.notices(), 1)
	assert.Equal(t, "cost", *b.notices()[0].MessageAttributes["limit"].StringValue)
	assert.Contains(t, *b.notices()[0].Message, `The model that investigates the alarm "a" was asked to conclude, because the investigations`)
}

func TestKillSwitch_IsOffWhileTheTableIsDown(t *testing.T) {
	b := newHarness(t)
	b.DB.Fail(awsapitest.ErrDown, -1)
	b.mustInvestigate(t, "request", fixture(t, "action-metric"))
	assert.Equal(t, 1, b.agent.calls)
}

func TestSelfCheck_WarnsOfTheKillSwitch(t *testing.T) {
	b := newCheckHarness(t)
	runSwitchCommand(t, &b.db, config.SwitchOffCommand("us-east-1", "investigations", config.SwitchAll))
	answer, err := b.invoke(t, "request", config.SelfCheckEvent)
	require.NoError(t, err)
	require.Len(t, answer.SelfCheck.Findings(), 1)
	found := answer.SelfCheck.Findings()[0]
	assert.Equal(t, "kill switch", found.Part)
	assert.Contains(t, found.Detail, "Alarms are reported without a model and without evidence.")
	require.Len(t, b.notifications(), 1)
	assert.Contains(t, b.notifications()[0], `aws dynamodb delete-item --region us-east-1 --table-name investigations --key '{"pk":{"S":"off-switch"}}'`)
}

// atDelivery returns the state in the stored record.
func (b *harness) atDelivery(t *testing.T) *investigation.AtDelivery {
	t.Helper()
	var rec investigation.Record
	for _, key := range b.S3.Keys(".json") {
		if !strings.HasSuffix(key, "-conversation.json") && !strings.Contains(key, "checkpoints") {
			_, name, _ := strings.Cut(key, "/")
			require.NoError(t, json.Unmarshal(b.S3.Object(bucket, name), &rec), key)
		}
	}
	require.NotNil(t, rec.AtDelivery)
	return rec.AtDelivery
}

func TestState_IsAskedJustBeforeTheReportIsSent(t *testing.T) {
	recovered := transition.Add(90 * time.Second)
	tests := []struct {
		name  string
		setUp func(b *harness)
		want  string
	}{
		{"still in ALARM", func(*harness) {}, "still in ALARM at "},
		{"OK again", func(b *harness) {
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				b.Watch.Put(metricAlarm("orders-errors", types.StateValueOk, recovered))
				return conclude(rec)
			}
		}, "no longer in ALARM: OK since 12:37 UTC"},
		{"a deleted alarm", func(b *harness) {
			other := metricAlarm("orders-errors", types.StateValueAlarm, transition) // that of another account
			other.AlarmArn = aws.String("arn:aws:cloudwatch:us-east-1:999999999999:alarm:orders-errors")
			b.Watch.Put(other)
		},
			"unknown: CloudWatch has no such alarm in the account and Region that were asked"},
		{"another Region", func(b *harness) { b.Region = "eu-west-1" }, "unknown: the alarm is in Region us-east-1, and AlarmTriage runs in eu-west-1"},
		{"CloudWatch is down", func(b *harness) { b.Watch.Fail(awsapitest.ErrDown, -1) }, "unknown: CloudWatch could not be asked"},
		{"the role lacks the permission", func(b *harness) { b.Watch.Fail(awsapitest.Denied("cloudwatch:DescribeAlarms"), -1) },
			"unknown: the orchestrator may not ask CloudWatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := withTable(newHarness(t))
			tt.setUp(b)
			b.mustInvestigate(t, "request", fixture(t, "action-metric"))
			assert.Contains(t, b.notifications()[0], "\nState: "+tt.want)
			assert.False(t, b.atDelivery(t).At.IsZero())
		})
	}
}

func TestState_DoesNotDelayTheReport(t *testing.T) {
	b := withTable(newHarness(t))
	b.Watch.Hang(true)
	started := time.Now()
	b.Handler.Investigator = b.agent
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answer, err := b.Handle(ctx, "request", []byte(fixture(t, "action-metric")))
	require.NoError(t, err)
	assert.Equal(t, triage.StatusInvestigated, answer.Results[0].Status)
	assert.Contains(t, b.notifications()[0], "\nState: unknown: ")
	assert.Less(t, time.Since(started), 10*time.Second)
}

func TestAccountName_IsPartOfRecordAndNotifications(t *testing.T) {
	b := withTable(newHarness(t))
	b.AccountNames = map[string]string{"123456789012": "prod"}
	b.Config.NotifyRecovery = true
	b.mustInvestigate(t, "request", fixture(t, "action-metric"))
	_, err := b.invoke(t, "recovered", fixture(t, "action-ok"))
	require.NoError(t, err)
	subjects := b.SNS.Published(topicARN)
	require.Len(t, subjects, 2)
	assert.Contains(t, *subjects[0].Subject, " [prod] orders-errors: cause confirmed (123456789012 us-east-1)")
	assert.Equal(t, "RECOVERED: [prod] orders-errors (123456789012 us-east-1)", *subjects[1].Subject)
	assert.Equal(t, "prod", *subjects[0].MessageAttributes["account_name"].StringValue)
}
