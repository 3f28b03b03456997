package alarmevent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

const forgedARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"

// everyText are events whose every field has a text that ¤ replaces. Some of these fields cannot have it.
func everyText(text string) []string {
	value := string(mustMarshal(text))
	return []string{
		`{"AlarmName":"a","AlarmArn":"` + forgedARN + `","NewStateValue":"ALARM","OldStateValue":` + value + `,"AlarmDescription":` + value + `,"NewStateReason":` + value +
			`,"NewStateReasonData":` + value + `,"StateChangeTime":` + value + `,"AlarmContributorId":` + value + `,"AlarmContributorAttributes":{"host":` + value + `},"AlarmTags":{"t":` + value +
			`},"Extra":` + value + `,"TriggeringChildren":[{"Arn":` + value + `}],"Trigger":{"ComparisonOperator":` + value + `,"Unit":` + value + `,"Statistic":` + value + `,"Threshold":` + value +
			`,"MetricName":"Errors","Namespace":"AWS/Lambda","Period":` + value + `,"Dimensions":[{"name":"x","value":` + value + `}],"Metrics":[{"Id":` + value + `,"Label":` + value +
			`,"Expression":` + value + `,"AccountId":` + value + `,"Period":` + value + `},` + value + `]}}`,
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM","reason":` + value + `,"actionsSuppressedBy":` + value + `,"actionsSuppressedReason":` + value +
			`},"previousState":{"value":` + value + `},"muteDetail":{"mutedByArn":` + value + `},"alarmContributor":{"id":` + value + `,"attributes":{"a":` + value + `}},"configuration":{"aggregationExpression":` + value +
			`,"scheduleExpression":` + value + `,"logGroupIdentifiers":[` + value + `],"queryString":` + value + `,"startTimeOffset":` + value + `},"logLines":[` + value + `]}}`,
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM"},"configuration":{"metrics":[{"id":` + value + `,"metricStat":{"metric":{"name":"Errors","namespace":"AWS/Lambda","dimensions":{"a":` + value +
			`}},"stat":` + value + `,"unit":` + value + `,"period":` + value + `}}]}}}`,
	}
}

func mustMarshal(v any) []byte {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return encoded
}

func TestParse_RedactsEveryTextOfAnEvent(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	for _, raw := range everyText("db password=Kq8vN3xB6w9Z") {
		alarms, err := alarmevent.Parser{Redact: redactor.Document}.Parse([]byte(raw))
		require.NoError(t, err)
		encoded := strings.ToLower(string(mustMarshal(alarms)))
		assert.NotContains(t, encoded, "kq8vn3", raw)
		assert.Positive(t, alarms[0].Redactions)
	}
}

func TestParse_RedactsTheErrorOfAnEvent(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	const secret = "db password=Kq8vN3xB6w9Z"
	for _, raw := range []string{
		`{"detail-type":"` + secret + `"}`,
		`{"` + secret + `":1,"another":2}`,
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"` + secret + `"}}}`,
		`{"alarmArn":"` + secret + `","alarmData":{"state":{"value":"ALARM"}}}`,
		record(`{"AlarmName":"a","AlarmArn":"`+forgedARN+`","NewStateValue":"`+secret+`"}`, "arn:aws:sns:us-east-1:123456789012:t"),
		record(`{"AlarmName":"a","AlarmArn":"`+forgedARN+`","NewStateValue":"ALARM `+strings.Repeat("x", 60)+secret+strings.Repeat("y", 60)+`"}`, "t"),
		record(`{"AlarmName":"`+secret+`","AlarmArn":"`+forgedARN+`","NewStateValue":"ALARM"}`, "t"),
		`{"Records":[{"Sns":{"Message":"` + secret + `"}}]}`,
	} {
		_, err := alarmevent.Parser{Redact: redactor.Document}.Parse([]byte(raw))
		require.Error(t, err, raw)
		assert.NotContains(t, strings.ToLower(err.Error()), "kq8vn3", raw)
	}
	_, err = alarmevent.Parser{Redact: redactor.Document}.Parse([]byte(`{"detail-type":"CloudWatch Alarm Configuration Change","x":"` + secret + `"}`))
	assert.ErrorIs(t, err, alarmevent.ErrIgnored)
}

// The end of such a secret shows what it is.
func TestParse_RedactsWhatCouldNotBeReadBeforeTruncation(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	const secret = "postgres://admin:Tr0ub4dor-and-3-horses-and-a-long-staple-x9@db.example.com:5432/orders"
	const state = `"alarmData":{"state":{"value":"ALARM","timestamp":"`
	for _, raw := range []string{
		`{"alarmArn":"` + forgedARN + `",` + state + secret + `"}}}`,
		`{"alarmArn":"` + forgedARN + `",` + state + `"},"configuration":{"metrics":["` + secret + `"]}}}`,
		`{"alarmArn":"` + forgedARN + `",` + state + `"},"configuration":{"metrics":[{"id":"m1","accountId":"` + secret + `","period":"x"}]}}}`,
		`{"alarmArn":"` + forgedARN + `",` + state + `"},"configuration":{"metrics":[{"id":"m1","period":"` + secret + `"}]}}}`,
		`{"alarmArn":"` + forgedARN + `",` + state + `"},"previousState":{"value":"` + secret + `"}}}`,
		record(`{"AlarmName":"a","AWSAccountId":"123456789012","AlarmArn":"`+secret+`","NewStateValue":"ALARM"}`, "arn:aws:sns:us-east-1:123456789012:t"),
		record(`{"AlarmName":"a","AlarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a","NewStateValue":"ALARM","TriggeringChildren":[{"Arn":"`+
			strings.Repeat("word ", 8)+secret+`"}]}`, "t"),
	} {
		alarms, err := alarmevent.Parser{Redact: redactor.Document}.Parse([]byte(raw))
		require.NoError(t, err, raw)
		require.NotEmpty(t, alarms[0].NotUnderstood, raw)
		assert.NotContains(t, strings.ToLower(string(mustMarshal(alarms))), "tr0ub4dor", raw)
		assert.Positive(t, alarms[0].Redactions, raw)
	}
}

func TestParse_SaysHowManyFieldsAreNotListed(t *testing.T) {
	metrics := strings.TrimSuffix(strings.Repeat(`"no query",`, 30), ",")
	alarms, err := alarmevent.Parse([]byte(`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM"},"configuration":{"metrics":[` + metrics + `]}}}`))
	require.NoError(t, err)
	notes := alarms[0].NotUnderstood
	require.Len(t, notes, 21)
	assert.Regexp(t, `^fields that were not understood: \d+ of \d+ are omitted$`, notes[20])
}

func TestParse_BoundsEveryTextOfAnEvent(t *testing.T) {
	const most = 17 << 10 // bytes of a document, with the note that it was shortened
	for _, raw := range everyText(strings.Repeat("x", 100<<10)) {
		alarms, err := alarmevent.Parse([]byte(raw))
		require.NoError(t, err)
		var decoded any
		require.NoError(t, json.Unmarshal(mustMarshal(alarms), &decoded))
		eachText(decoded, func(text string) { assert.LessOrEqual(t, len(text), most, "%.100s", text) })
	}
}

func TestParse_SaysHowManyLogLinesAreOmitted(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	trace := strings.Repeat("  at orders\n", 30) + "  at main"
	key := "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEA7y8Nf3kqLwPz9x1vB2mC4dE5fG6hJ8kL\n", 60) + "-----END PRIVATE KEY-----"
	for _, tt := range []struct {
		name string
		line any
		want []string
	}{
		{"messages of several lines", []map[string]string{{"message": trace}, {"message": trace}}, []string{"log lines: 12 of 62 are omitted"}},
		{"a private key, which is one secret", append(strings.Split(key, "\n"), "failed"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alarms, err := alarmevent.Parser{Redact: redactor.Document}.Parse([]byte(
				`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM","timestamp":"2026-01-15T03:12:00.000+0000"},"logEvents":` + string(mustMarshal(tt.line)) + `}}`))
			require.NoError(t, err)
			assert.NotEmpty(t, alarms[0].LogLines)
			assert.Equal(t, tt.want, alarms[0].NotUnderstood)
		})
	}
}

func TestParse_SaysThatPairsAreWithheld(t *testing.T) {
	breaks := func(string) (string, int) { return "[redacted: secret]", 1 }
	alarms, err := alarmevent.Parser{Redact: breaks}.Parse([]byte(`{"AlarmName":"a","AlarmArn":"` + forgedARN + `","NewStateValue":"ALARM","AlarmTags":{"team":"orders"}}`))
	require.NoError(t, err)
	assert.Empty(t, alarms[0].Tags)
	assert.Positive(t, alarms[0].Redactions)
	assert.NotEmpty(t, alarms[0].NotUnderstood)
}

func TestParse_BoundsPairs(t *testing.T) {
	tags := map[string]string{}
	for i := range 1000 {
		tags[fmt.Sprint("tag", i)] = "x"
	}
	alarms, err := alarmevent.Parse([]byte(`{"AlarmName":"a","AlarmArn":"` + forgedARN + `","NewStateValue":"ALARM","AlarmTags":` + string(mustMarshal(tags)) + `}`))
	require.NoError(t, err)
	assert.Len(t, alarms[0].Tags, 100)
	assert.Contains(t, alarms[0].NotUnderstood, "tags: 900 of 1000 are omitted")
}

func eachText(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, element := range v {
			eachText(element, visit)
		}
	case map[string]any:
		for name, value := range v {
			visit(name)
			eachText(value, visit)
		}
	}
}

// The schema of reports allows no other values.
func TestParse_KeepsOnlyValuesOfTheSchema(t *testing.T) {
	for raw, note := range map[string]string{
		`{"AlarmName":"a","AlarmArn":"` + forgedARN + `","NewStateValue":"ALARM","OldStateValue":"PANIC"}`:                                                                   `OldStateValue: "PANIC" is not a state`,
		`{"AlarmName":"a","AlarmArn":"` + forgedARN + `","NewStateValue":"ALARM","Trigger":{"MetricName":"Errors","Period":-60}}`:                                            "Trigger.Period: -60 is out of range",
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM"},"previousState":{"value":"panic"}}}`:                                                         `previousState: "PANIC" is not a state`,
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM"},"configuration":{"logGroupIdentifiers":["a"],"queryString":"q","startTimeOffset":-300}}}`:    "StartTimeOffset: -300 is out of range",
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM"},"configuration":{"metrics":[{"id":"m1","accountId":"12","expression":"a","period":-1}]}}}`:   "metric m1 period: -1 is out of range",
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM"},"configuration":{"metrics":[{"id":"m1","accountId":"orders","expression":"a"}]}}}`:           `metric m1 accountId: "orders" is not the ID of an account`,
		`{"alarmArn":"` + forgedARN + `","alarmData":{"state":{"value":"ALARM"},"alarmContributor":{"id":"c"},"configuration":{"promql":"up","evaluationInterval":-1e300}}}`: "EvaluationInterval: -1e+300 is out of range",
	} {
		alarms, err := alarmevent.Parse([]byte(raw))
		require.NoError(t, err)
		assert.Contains(t, strings.Join(alarms[0].NotUnderstood, "\n"), note)
		alarms[0].Configuration = "" // as it was sent
		encoded := string(mustMarshal(alarms))
		assert.NotContains(t, encoded, ":-", raw)
		assert.NotContains(t, encoded, "null", raw)
		assert.NotContains(t, encoded, `"previous_state"`, raw)
	}
}
