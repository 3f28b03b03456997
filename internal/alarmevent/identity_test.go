package alarmevent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
)

func TestParse_AcceptsEveryFixture(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 25)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		if _, err := alarmevent.Parse(raw); err != nil {
			assert.ErrorIs(t, err, alarmevent.ErrIgnored, file)
		}
	}
}

// "Invoke a Lambda function from an alarm" in the CloudWatch User Guide has a sample of a composite alarm whose name
// is not the one in its ARN.
func TestParse_AcceptsNameThatIsNotTheARNsFromCloudWatch(t *testing.T) {
	const arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:SuppressionDemo.Main"
	const body = `{"alarmName":"CompositeDemo.Main","state":{"value":"ALARM","timestamp":"2023-08-04T12:56:46.138+0000"}}`
	for name, event := range map[string]string{
		"alarm action": `{"source":"aws.cloudwatch","alarmArn":"` + arn + `","accountId":"111122223333","region":"us-east-1","alarmData":` + body + `}`,
		"EventBridge":  `{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm State Change","resources":["` + arn + `"],"detail":` + body + `}`,
	} {
		a := one(t, event)
		assert.Equal(t, arn, a.ARN, name)
		assert.Equal(t, "CompositeDemo.Main", a.Name, name)
		assert.Contains(t, strings.Join(a.NotUnderstood, "\n"), `alarmName: "CompositeDemo.Main" is not the name in the ARN`, name)
		_, err := alarmevent.Parse([]byte(record(event, "arn:aws:sns:us-east-1:111122223333:t")))
		assert.ErrorContains(t, err, "is that of another alarm", "%s in an SNS message", name)
	}
	custom := `{"source":"com.example","detail-type":"CloudWatch Alarm State Change","resources":["` + arn + `"],"detail":` + body + `}`
	_, err := alarmevent.Parse([]byte(custom))
	assert.ErrorContains(t, err, "is that of another alarm")
}

func TestParse_RejectsIdentitiesThatNoAlarmCanHave(t *testing.T) {
	long := strings.Repeat("é", 256)
	for name, tt := range map[string]struct{ arn, want string }{
		"no digits":            {"arn:aws:cloudwatch:us-east-1:account:alarm:a", "must have 12 digits"},
		"13 digits":            {"arn:aws:cloudwatch:us-east-1:1234567890123:alarm:a", "must have 12 digits"},
		"digits of a script":   {"arn:aws:cloudwatch:us-east-1:١٢٣٤٥٦٧٨٩٠١٢:alarm:a", "must have 12 digits"},
		"a blank":              {"arn:aws:cloudwatch:us-east-1: 12345678901:alarm:a", "must have 12 digits"},
		"a Region in capitals": {"arn:aws:cloudwatch:US-EAST-1:123456789012:alarm:a", "the code of a Region"},
		"a host as Region":     {"arn:aws:cloudwatch:evil.example:123456789012:alarm:a", "the code of a Region"},
		"a line as Region":     {"arn:aws:cloudwatch:us-east-1\nx:123456789012:alarm:a", "the code of a Region"},
		"a long Region":        {"arn:aws:cloudwatch:us" + strings.Repeat("-a", 2000) + "-1:123456789012:alarm:a", "an ARN has at most 1600"},
		"an empty partition":   {"arn::cloudwatch:us-east-1:123456789012:alarm:a", "the partition"},
		"a made-up partition":  {"arn:awsx:cloudwatch:us-east-1:123456789012:alarm:a", "the partition"},
		"a long name":          {"arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + long, "at most 255"},
		"a control character":  {"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a\x00b", "control characters"},
		"a delete":             {"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a\x7fb", "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			for shape, event := range map[string]string{
				"action": fmt.Sprintf(`{"alarmArn":%s,"alarmData":{"state":{"value":"ALARM"}}}`, jsonOf(tt.arn)),
				"sns":    record(fmt.Sprintf(`{"AlarmName":"a","NewStateValue":"ALARM","AlarmArn":%s}`, jsonOf(tt.arn)), "arn:aws:sns:us-east-1:123456789012:t"),
			} {
				alarms, err := alarmevent.Parse([]byte(event))
				assert.ErrorContains(t, err, "does not identify its alarm", shape)
				assert.ErrorContains(t, err, tt.want, shape)
				assert.Less(t, len(err.Error()), 1500, shape)
				assert.Empty(t, alarms, shape)
			}
		})
	}
	longest := strings.Repeat("é", 255)
	for _, arn := range []string{
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + longest, "arn:aws-us-gov:cloudwatch:us-gov-west-1:123456789012:alarm:a",
		"arn:aws-iso-b:cloudwatch:us-isob-east-1:123456789012:alarm:a", "arn:aws-eusc:cloudwatch:eusc-de-east-1:123456789012:alarm:a",
		"arn:aws:cloudwatch:ap-southeast-7:123456789012:alarm:a:b/c \"d\" 🚨",
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a\u0092b", // CloudWatch only rejects control characters of ASCII
	} {
		assert.Equal(t, arn, one(t, fmt.Sprintf(`{"alarmArn":%s,"alarmData":{"state":{"value":"ALARM"}}}`, jsonOf(arn))).ARN)
	}
}

func jsonOf(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

func TestParse_TellsForgeableEventsApart(t *testing.T) {
	for name, want := range map[string]bool{
		"action-metric": false, "eventbridge-metric": false, "eventbridge-contributor": false, "eventbridge-log": false,
		"sns-metric": true, "sns-composite": true, "sns-of-eventbridge": true, "sns-log": true, "sns-without-alarm-arn": true,
	} {
		assert.Equal(t, want, parseOne(t, name).Source.IsForgeable(), name)
	}
	const event = `{%s"detail-type":"CloudWatch Alarm State Change","resources":["arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"],"detail":{"state":{"value":"ALARM"}}}`
	for source, want := range map[string]alarmevent.Source{
		`"source":"aws.cloudwatch",`: alarmevent.SourceEventBridge, `"source":"com.example",`: alarmevent.SourceCustomEvent, ``: alarmevent.SourceCustomEvent,
		`"source":"aws.cloudwatch ",`: alarmevent.SourceCustomEvent, `"source":["aws.cloudwatch"],`: alarmevent.SourceCustomEvent,
	} {
		assert.Equal(t, want, one(t, fmt.Sprintf(event, source)).Source, source)
	}
	forged := one(t, record(`{"AlarmName":"a","NewStateValue":"ALARM","AlarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a",
		"source":"alarm-action","Source":"eventbridge","unconfirmed":"","Unconfirmed":null}`, "arn:aws:sns:us-east-1:123456789012:t"))
	assert.Equal(t, alarmevent.SourceSNS, forged.Source, "a message cannot choose its source")
}

func TestParse_KeepsOnlyARNsOfOtherAlarmsAsTriggers(t *testing.T) {
	const self, other = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:b"
	a := one(t, `{"alarmArn":"`+self+`","alarmData":{"state":{"value":"ALARM"},"configuration":{"alarmRule":"ALARM(b)"}},"x":1}`)
	assert.Empty(t, a.Children)
	message := `{"AlarmName":"a","NewStateValue":"ALARM","AlarmArn":"` + self + `","AlarmRule":"ALARM(b)","TriggeringChildren":[
		"` + self + `","` + other + `","` + other + `","fired#2026-08-04T12:35Z","","arn:aws:s3:::b","arn:aws:cloudwatch:us-east-1:1:alarm:b",{"Arn":"` + self + `"}]}`
	a = one(t, record(message, "arn:aws:sns:us-east-1:123456789012:t"))
	assert.Equal(t, []string{other}, a.Children)
	assert.Len(t, a.NotUnderstood, 3, "%v", a.NotUnderstood)
}

// The composite alarm could otherwise be a duplicate of the investigations of the others.
func TestParse_TriggerThatIsNotUnderstoodCounts(t *testing.T) {
	const self, child = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:b"
	for other, want := range map[string]int{
		`{"state":{"value":"ALARM"}}`: 1, `{"arn":"","state":"ALARM"}`: 1, `{"Arn":"` + child + `2","state":{"value":"IN_ALARM"}}`: 1, `7`: 1,
		`{"arn":"` + child + `2","state":{"value":"OK"}}`: 0, `{"state":{"value":"INSUFFICIENT_DATA"}}`: 0, `""`: 0, `null`: 0, `{}`: 0,
	} {
		reasonData := fmt.Sprintf(`{"triggeringAlarms":[{"arn":%q,"state":{"value":"ALARM"}},%s]}`, child, other)
		a := one(t, fmt.Sprintf(`{"alarmArn":%q,"alarmData":{"alarmName":"a","configuration":{"alarmRule":"ALARM(b) OR ALARM(b2)"},
			"state":{"value":"ALARM","reasonData":%q}}}`, self, reasonData))
		assert.Equal(t, []string{child}, a.Children, other)
		assert.Equal(t, want, a.MoreChildren, other)
		assert.Len(t, a.NotUnderstood, want, other)
	}
}

// A member account could otherwise keep the alarms of other accounts from being investigated: SetAlarmState takes any reasonData.
func TestParse_TriggersAreOfTheAlarmsAccountAndRegion(t *testing.T) {
	const self, child = "arn:aws:cloudwatch:us-east-1:444455556666:alarm:a", "arn:aws:cloudwatch:us-east-1:444455556666:alarm:b"
	for name, foreign := range map[string]string{
		"another account": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:b", "another Region": "arn:aws:cloudwatch:eu-west-1:444455556666:alarm:b",
		"the same name": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:a",
	} {
		reasonData := fmt.Sprintf(`{"triggeringAlarms":[{"arn":%q,"state":{"value":"ALARM"}},{"arn":%q,"state":{"value":"ALARM"}}]}`, foreign, child)
		event := func(configuration string) string {
			return fmt.Sprintf(`{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm State Change","account":"444455556666","resources":[%q],
				"detail":{"alarmName":"a","configuration":%s,"state":{"value":"ALARM","timestamp":"2023-08-04T12:56:46.138+0000","reasonData":%q}}}`,
				self, configuration, reasonData)
		}
		a := one(t, event(`{"alarmRule":"ALARM(b) OR ALARM(`+foreign+`)"}`))
		assert.Equal(t, []string{child}, a.Children, name)
		assert.Equal(t, 1, a.MoreChildren, name)
		require.NotEmpty(t, a.NotUnderstood)
		assert.Contains(t, strings.Join(a.NotUnderstood, " "), foreign)
		assert.Empty(t, one(t, event(`{"metrics":[]}`)).Children, "%s: only composite alarms have triggering alarms", name)
		a = one(t, record(fmt.Sprintf(`{"AlarmName":"a","NewStateValue":"ALARM","AlarmArn":%q,"AlarmRule":"ALARM(b)","TriggeringChildren":[{"Arn":%q},{"Arn":%q}]}`,
			self, foreign, child), "arn:aws:sns:us-east-1:444455556666:t"))
		assert.Equal(t, []string{child}, a.Children, "%s, SNS", name)
	}
}

func TestParse_TheARNDecidesWhichNameIsExact(t *testing.T) {
	for _, tt := range []struct{ arn, name, want string }{
		{"orders ", "orders", "orders "}, {"orders", "orders ", "orders"}, {"orders ", "orders ", "orders "}, {" orders", "orders", " orders"},
		{"orders\u00a0", "orders", "orders\u00a0"},
	} {
		const arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:"
		body := fmt.Sprintf(`{"alarmName":%q,"state":{"value":"ALARM","timestamp":"2023-08-04T12:56:46.138+0000"}}`, tt.name)
		for form, event := range map[string]string{
			"alarm action": fmt.Sprintf(`{"source":"aws.cloudwatch","alarmArn":%q,"accountId":"111122223333","region":"us-east-1","alarmData":%s}`, arn+tt.arn, body),
			"EventBridge":  fmt.Sprintf(`{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm State Change","resources":[%q],"detail":%s}`, arn+tt.arn, body),
			"SNS": record(fmt.Sprintf(`{"AlarmName":%q,"AlarmArn":%q,"NewStateValue":"ALARM","StateChangeTime":"2023-08-04T12:56:46.138+0000"}`, tt.name, arn+tt.arn),
				"arn:aws:sns:us-east-1:111122223333:t"),
			"stray blank before the ARN": fmt.Sprintf(`{"source":"aws.cloudwatch","alarmArn":%q,"accountId":"111122223333","region":"us-east-1","alarmData":%s}`, " "+arn+tt.arn, body),
		} {
			a := one(t, event)
			assert.Equal(t, arn+tt.arn, a.ARN, form)
			assert.Equal(t, tt.want, a.Name, form)
			assert.Equal(t, tt.name != tt.want, strings.Contains(strings.Join(a.NotUnderstood, "\n"), "is not the name in the ARN"), form)
		}
	}
}
