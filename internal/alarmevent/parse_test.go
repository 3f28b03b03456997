package alarmevent_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
)

var (
	metricTime    = time.Date(2026, 8, 4, 12, 36, 15, 490e6, time.UTC)
	compositeTime = time.Date(2026, 8, 4, 12, 36, 16, 1e6, time.UTC)
)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	require.NoError(t, err)
	return raw
}

func parseOne(t *testing.T, name string) alarmevent.Alarm {
	t.Helper()
	alarms, err := alarmevent.Parse(fixture(t, name))
	require.NoError(t, err)
	require.Len(t, alarms, 1)
	return alarms[0]
}

func TestParse_EveryPathGivesSameAlarm(t *testing.T) {
	sources := map[string]alarmevent.Source{
		"action": alarmevent.SourceAction, "eventbridge": alarmevent.SourceEventBridge, "sns": alarmevent.SourceSNS,
	}
	kinds := []struct {
		kind     string
		wantName string
		wantKind alarmevent.Kind
		wantTime time.Time
	}{
		{"metric", "orders-errors", alarmevent.KindMetric, metricTime},
		{"math", "orders-error-rate", alarmevent.KindMetric, metricTime},
		{"anomaly", "cpu-unusual", alarmevent.KindAnomaly, metricTime},
		{"composite", "orders-down", alarmevent.KindComposite, compositeTime},
	}
	for shape, source := range sources {
		for _, k := range kinds {
			t.Run(shape+"-"+k.kind, func(t *testing.T) {
				a := parseOne(t, shape+"-"+k.kind)
				assert.Equal(t, k.wantName, a.Name)
				assert.Equal(t, "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"+k.wantName, a.ARN)
				assert.Equal(t, "123456789012", a.Account)
				assert.Equal(t, "us-east-1", a.Region, "the region is the ARN's, not SNS's display name")
				assert.Equal(t, "aws", a.Partition)
				assert.Equal(t, k.wantKind, a.Kind)
				assert.Equal(t, source, a.Source)
				assert.Equal(t, alarmevent.StateAlarm, a.State)
				assert.NotEmpty(t, a.Reason)
				assert.True(t, k.wantTime.Equal(a.Time), "got %v", a.Time)
				assert.Equal(t, time.UTC, a.Time.Location())
				assert.Empty(t, a.SuppressedBy, "the suppression of the previous state does not apply to this one")
			})
		}
	}
}

func TestParse_MetricsWithDimensions(t *testing.T) {
	for _, shape := range []string{"action", "eventbridge", "sns"} {
		t.Run(shape, func(t *testing.T) {
			plain := parseOne(t, shape+"-metric")
			require.Len(t, plain.Metrics, 1)
			m := plain.Metrics[0]
			assert.Equal(t, "AWS/Lambda", m.Namespace)
			assert.Equal(t, "Errors", m.Name)
			assert.Equal(t, map[string]string{"FunctionName": "orders"}, m.Dimensions)
			assert.Equal(t, 60, m.Period)
			assert.Equal(t, "Sum", m.Stat)
			assert.True(t, m.ReturnData)
			require.NotNil(t, plain.Threshold)
			assert.Zero(t, *plain.Threshold)

			math := parseOne(t, shape+"-math")
			require.Len(t, math.Metrics, 3)
			assert.Equal(t, "100 * m1 / m2", math.Metrics[0].Expression)
			assert.True(t, math.Metrics[0].ReturnData)
			assert.Equal(t, "5XXError", math.Metrics[1].Name)
			assert.Equal(t, map[string]string{"ApiName": "orders", "Stage": "prod"}, math.Metrics[1].Dimensions)
			assert.Equal(t, 300, math.Metrics[1].Period)
			assert.False(t, math.Metrics[1].ReturnData)

			anomaly := parseOne(t, shape+"-anomaly")
			assert.Nil(t, anomaly.Threshold, "a band is not a threshold")
		})
	}
}

func TestParse_TriggersOfCompositeAlarm(t *testing.T) {
	want := []string{
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-errors",
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders latency/p99",
	}
	for _, shape := range []string{"action", "eventbridge", "sns"} {
		a := parseOne(t, shape+"-composite")
		assert.Equal(t, want, a.Children, shape)
		assert.Contains(t, a.Rule, `ALARM("orders-errors")`, shape)
	}
}

func TestParse_ReadsBrokenSamples(t *testing.T) {
	a := parseOne(t, "action-stray-blanks")
	assert.True(t, compositeTime.Equal(a.Time), "got %v", a.Time)
	assert.Equal(t, []string{"arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-errors"}, a.Children)
	assert.NotEmpty(t, a.ReasonData, "JSON that cannot be parsed is kept as it was sent")
}

func TestParse_ReportsStateMuteAndSuppression(t *testing.T) {
	assert.Equal(t, alarmevent.StateOK, parseOne(t, "action-ok").State)
	assert.Equal(t, alarmevent.StateInsufficientData, parseOne(t, "eventbridge-insufficient-data").State)
	assert.Equal(t, "arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:nightly", parseOne(t, "eventbridge-muted").MutedBy)
	muted := string(fixture(t, "eventbridge-muted"))
	for detail, want := range map[string]string{ // an alarm is only silent if the event says so
		`{}`: "", `null`: "", `""`: "", `"{}"`: "", `[]`: "", `false`: "", `{"mutedByArn": null}`: "", `{"mutedByArn": ""}`: "", `[{}]`: "", `0`: "",
		`{"until": "2026-08-05"}`: "a mute rule", `true`: "a mute rule", `"nightly"`: "a mute rule", `["nightly"]`: "a mute rule", `{"mutedByArn": "x"}`: "x",
	} {
		event := regexp.MustCompile(`(?s)"muteDetail": \{.*?\}`).ReplaceAllLiteralString(muted, `"muteDetail": `+detail)
		alarms, err := alarmevent.Parse([]byte(event))
		require.NoError(t, err, event)
		assert.Equal(t, want, alarms[0].MutedBy, detail)
	}
	suppressed := parseOne(t, "eventbridge-suppressed")
	assert.Equal(t, "Alarm", suppressed.SuppressedBy)
	assert.Contains(t, suppressed.SuppressedWhy, "deployment-running")
	bySuppressor := string(fixture(t, "eventbridge-suppressed"))
	for by, want := range map[string]string{
		`null`: "", `""`: "", `" "`: "", `{}`: "", `[]`: "", `false`: "", `0`: "", `"WaitPeriod"`: "WaitPeriod", `true`: "true", `{"alarm": "x"}`: `{"alarm":"x"}`,
	} {
		event := strings.Replace(bySuppressor, `"actionsSuppressedBy": "Alarm"`, `"actionsSuppressedBy": `+by, 1)
		alarms, err := alarmevent.Parse([]byte(event))
		require.NoError(t, err, by)
		assert.Equal(t, want, alarms[0].SuppressedBy, by)
	}
}

func TestParse_AcceptsContributorWithoutPreviousState(t *testing.T) {
	for _, shape := range []string{"action", "eventbridge"} {
		a := parseOne(t, shape+"-contributor")
		require.NotNil(t, a.Contributor, shape)
		assert.Equal(t, "6d442278dba546f6", a.Contributor.ID)
		assert.Equal(t, "orders-prod", a.Contributor.Attributes["FunctionName"])
		assert.Empty(t, a.PreviousState)
		assert.Equal(t, alarmevent.StateAlarm, a.State)
	}
}

func TestParse_FindsTagsInEveryPlace(t *testing.T) {
	assert.Equal(t, map[string]string{"team": "orders", "runbook": "s3://runbooks/orders.md"}, parseOne(t, "action-tags").Tags)
	assert.Equal(t, map[string]string{"team": "orders"}, parseOne(t, "action-tags-at-top").Tags)
}

func TestParse_KeepsNamesInAnyScriptAndPartitions(t *testing.T) {
	a := parseOne(t, "action-odd-name")
	assert.Equal(t, "注文 エラー/本番: \"high\" <5xx> 🚨", a.Name)
	assert.Equal(t, "aws-cn", a.Partition)
	assert.Equal(t, "cn-north-1", a.Region)
}

func TestParse_KeepsPercentilesOfNotifications(t *testing.T) {
	a := parseOne(t, "sns-percentile")
	require.Len(t, a.Metrics, 1)
	assert.Equal(t, "p99", a.Metrics[0].Stat)
}

func TestParse_EventBridgeEventInSNSMessage(t *testing.T) {
	a := parseOne(t, "sns-of-eventbridge")
	assert.Equal(t, "orders-errors", a.Name)
	assert.Equal(t, alarmevent.SourceSNS, a.Source)
}

func TestParse_EveryRecordOfSNSEvent(t *testing.T) {
	alarms, err := alarmevent.Parse(fixture(t, "sns-two-records"))
	require.NoError(t, err)
	require.Len(t, alarms, 2)
	assert.Equal(t, []string{"orders-errors", "cpu-unusual"}, []string{alarms[0].Name, alarms[1].Name})
}

func TestParse_BadRecordDoesNotHideGoodRecord(t *testing.T) {
	alarms, err := alarmevent.Parse([]byte(`{"Records":[{"Sns":{"Message":"hello"}},{"Sns":{"Message":` +
		`"{\"AlarmName\":\"a\",\"NewStateValue\":\"ALARM\",\"AlarmArn\":\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a\"}"}}]}`))
	require.ErrorContains(t, err, "SNS record 0")
	require.Len(t, alarms, 1)
	assert.Equal(t, "a", alarms[0].Name)
	assert.True(t, alarms[0].Time.IsZero())
}

func TestParse_IgnoresConfigurationChanges(t *testing.T) {
	_, err := alarmevent.Parse(fixture(t, "eventbridge-configuration-change"))
	assert.ErrorIs(t, err, alarmevent.ErrIgnored)
}

// Only an event all of whose records are ignored is ignored as a whole.
func TestParse_IgnoredRecordHidesNoOther(t *testing.T) {
	const (
		ignored = `{"Sns":{"Message":"{\"detail-type\":\"CloudWatch Alarm Configuration Change\"}"}}`
		bad     = `{"Sns":{"Message":"hello"}}`
		good    = `{"Sns":{"Message":"{\"AlarmName\":\"a\",\"NewStateValue\":\"ALARM\",\"AlarmArn\":\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a\"}"}}`
	)
	for _, parser := range []alarmevent.Parser{{}, {Redact: func(text string) (string, int) { return text, 0 }}} {
		parse := func(records ...string) ([]alarmevent.Alarm, error) {
			return parser.Parse([]byte(`{"Records":[` + strings.Join(records, ",") + `]}`))
		}
		_, err := parse(ignored, ignored)
		assert.ErrorIs(t, err, alarmevent.ErrIgnored)
		for _, records := range [][]string{{ignored, bad}, {bad, ignored}} {
			_, err = parse(records...)
			require.Error(t, err)
			assert.NotErrorIs(t, err, alarmevent.ErrIgnored)
		}
		alarms, err := parse(ignored, good)
		require.NoError(t, err)
		assert.Len(t, alarms, 1)
		alarms, err = parse(good, ignored, bad)
		assert.Len(t, alarms, 1)
		require.ErrorContains(t, err, "SNS record 2")
		assert.NotErrorIs(t, err, alarmevent.ErrIgnored)
	}
}

func TestParse_RejectsOtherEventsWithClearError(t *testing.T) {
	tests := []struct {
		name, raw, want string
	}{
		{"not JSON", `hello`, "must be a JSON object"},
		{"a list", `[1]`, "must be a JSON object"},
		{"an empty object", `{}`, "unknown event: expected an alarm action"},
		{"another service's event", `{"detail-type":"EC2 Instance State-change Notification","detail":{}}`, "EC2 Instance State-change Notification"},
		{"a console test event", `{"key1":"value1","key2":"value2"}`, "key1, key2"},
		{"no ARN", `{"alarmData":{"alarmName":"a","state":{"value":"ALARM"}}}`, "does not identify its alarm"},
		{"another resource", `{"alarmArn":"arn:aws:s3:::bucket","alarmData":{"state":{"value":"ALARM"}}}`, "does not identify its alarm"},
		{"an unknown state", `{"alarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a","alarmData":{"state":{"value":"PANIC"}}}`, "PANIC"},
		{"a record of another service", `{"Records":[{"s3":{}}]}`, "no SNS message"},
		{"a plain SNS message", `{"Records":[{"Sns":{"Message":"\"hi\""}}]}`, "SNS record 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			alarms, err := alarmevent.Parse([]byte(tt.raw))
			require.ErrorContains(t, err, tt.want)
			assert.NotErrorIs(t, err, alarmevent.ErrIgnored)
			assert.Empty(t, alarms)
		})
	}
}

func TestParse_TimesInEveryForm(t *testing.T) {
	want := time.Date(2026, 8, 4, 12, 36, 15, 0, time.UTC)
	for _, text := range []string{
		"2026-08-04T12:36:15.000+0000", "2026-08-04T12:36:15Z", "2026-08-04T14:36:15+02:00", "2026-08-04T14:36:15.000+0200",
		"2026-08-04T12: 36: 15.000+0000", "2026-08-04 12:36:15", " 2026-08-04T12:36:15 ", "1785846975", "1785846975000",
	} {
		raw := `{"alarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a","alarmData":{"state":{"value":"ALARM","timestamp":"` + text + `"}}}`
		alarms, err := alarmevent.Parse([]byte(raw))
		require.NoError(t, err, text)
		assert.True(t, want.Equal(alarms[0].Time), "%s became %v", text, alarms[0].Time)
	}
}

func TestParse_TimesThatJSONCannotHoldAreUnknown(t *testing.T) {
	for _, text := range []string{
		"9999-12-31T23:59:59.000-2300", "9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00+23:00", "0001-01-01T00:00:00Z",
		"1969-12-31T23:59:59Z", "9999-06-01T00:00:00", "999999999999999", "-1",
	} {
		raw := `{"alarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a","alarmData":{"state":{"value":"ALARM","timestamp":"` + text + `"}}}`
		alarms, err := alarmevent.Parse([]byte(raw))
		require.NoError(t, err, text)
		assert.True(t, alarms[0].Time.IsZero(), text)
		_, err = json.Marshal(alarms[0])
		assert.NoError(t, err, text)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		alarms, _ := alarmevent.Parse(raw)
		for _, a := range alarms {
			assert.NotEmpty(t, a.Name)
			assert.NotEmpty(t, a.ARN)
			_, err := json.Marshal(a)
			assert.NoError(t, err, "a checkpoint contains the alarm")
		}
	})
}
