package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

func lookup(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

// requireComplete requires a value in every field, since a new field could be forgotten in the test.
func requireComplete(t *testing.T, settings any) {
	t.Helper()
	value := reflect.ValueOf(settings)
	for i := range value.NumField() {
		require.False(t, value.Field(i).IsZero(), "give %s a value in this test", value.Type().Field(i).Name)
	}
}

func TestEnvironment_RoundTrips(t *testing.T) {
	orchestrator := Orchestrator{
		ModelID: "amazon.nova-pro-v1:0", FallbackModelIDs: []string{"amazon.nova-lite-v1:0", "m"}, ToolFunction: "arn:aws:lambda:eu-west-1:111122223333:function:tool", ToolTimeout: 90 * time.Second, Table: "claims",
		ReportsBucket: "reports", TopicARN: "arn:aws:sns:eu-west-1:111122223333:oncall", CardTopicARN: "arn:aws:sns:eu-west-1:111122223333:chat",
		Window: 7 * 24 * time.Hour, MaxRounds: 40, MaxTokens: 500_000, MaxCostUSD: 0.000125, MaxQueryCostUSD: 0.5, MaxPerDay: 25, MaxCostUSDPerDay: 12.5, AccountNames: `{"123456789012":"prod"}`, TimeZone: "Europe/Berlin", ConsoleURL: "https://example.awsapps.com/start/#/console?account_id={account}&destination={url}", GuardrailID: "abc", GuardrailVersion: "DRAFT",
		Instructions: "The shop is busiest\nat noon = 12:00.", InstructionsURI: "s3://docs/triage.txt", RunbooksURI: "s3://docs/runbooks/",
		Prices: `{"amazon.":{"input":1,"output":2}}`, NotifyRecovery: true, EventBus: "arn:aws:events:eu-west-1:111122223333:event-bus/triage",
		Redact: true, RedactPatterns: `["INC-[0-9]+"]`,
		Members: Members{Organization: true, Role: "alarmtriage-member", ExternalID: "alarmtriage-111122223333"},
	}
	requireComplete(t, orchestrator)
	got, err := ParseOrchestrator(lookup(orchestrator.Environment()))
	require.NoError(t, err)
	assert.Equal(t, orchestrator, got)

	least := Orchestrator{ModelID: "m", ToolFunction: "f", ToolTimeout: time.Second, Table: "t", ReportsBucket: "b", TopicARN: "a", Window: time.Minute, MaxRounds: 1}
	got, err = ParseOrchestrator(lookup(least.Environment()))
	require.NoError(t, err)
	assert.Equal(t, least, got, "options that are omitted stay unset")

	got, err = ParseOrchestrator(func(name string) string {
		if name == EnvRedact {
			return ""
		}
		return orchestrator.Environment()[name]
	})
	require.NoError(t, err)
	assert.True(t, got.Redact, "redaction is on unless it was turned off")

	tool := Tool{Redact: true, RedactPatterns: `["a,b c"]`, OpenReads: []toolpolicy.Group{toolpolicy.PersonalData, toolpolicy.HostOutput},
		AllowedActions: []string{"athena:StartQueryExecution", "shop:Look*"}, DeniedActions: []string{"iam:ListUsers"},
		AllowedAccounts: []string{"111122223333", "444455556666"},
		DeniedResources: []string{"arn:aws:logs:*:*:log-group:payments-*", "arn:aws:iam::111122223333:role/a,b"},
		Members:         Members{Accounts: []string{"444455556666"}, Role: "reader", ExternalID: "shared", OtherAccounts: true}}
	requireComplete(t, tool)
	parsed := func(env map[string]string) Tool {
		t.Helper()
		set, err := ParseTool(lookup(env))
		require.NoError(t, err)
		return set
	}
	assert.Equal(t, tool, parsed(tool.Environment()))
	assert.False(t, parsed(Tool{}.Environment()).Redact)
	assert.True(t, parsed(nil).Redact, "redaction is on unless it was turned off")
}

func TestParseOrchestrator_NamesEveryInvalidVariable(t *testing.T) {
	_, err := ParseOrchestrator(lookup(map[string]string{EnvMaxRounds: "101", EnvMaxCostUSD: "much", EnvWindow: "0", EnvMaxTokens: "-1", EnvMaxQueryCostUSD: "NaN", EnvMaxPerDay: "10001", EnvMaxCostUSDPerDay: "-1"}))
	for _, name := range []string{EnvModelID, EnvToolFunction, EnvToolTimeout, EnvTable, EnvReportsBucket, EnvTopicARN, EnvWindow, EnvMaxRounds, EnvMaxTokens, EnvMaxCostUSD, EnvMaxQueryCostUSD, EnvMaxPerDay, EnvMaxCostUSDPerDay} {
		assert.ErrorContains(t, err, "variable "+name+" ")
	}
}

func TestParseOrchestrator_LimitsSpendingByDefault(t *testing.T) {
	got, _ := ParseOrchestrator(lookup(nil))
	assert.Equal(t, DefaultMaxQueryCostUSD, got.MaxQueryCostUSD)
	assert.Equal(t, DefaultMaxInvestigationsPerDay, got.MaxPerDay)
	assert.Equal(t, DefaultMaxCostUSDPerDay, got.MaxCostUSDPerDay)
}

// CloudFormation accepts numbers with a point and with an exponent, and passes them on as they are.
func TestParseOrchestrator_ReadsNumbersOfCloudFormation(t *testing.T) {
	for value, want := range map[string]int{"50": 50, "50.0": 50, "5e1": 50, "1.5": 2, "0.5": 1, "0": 0, "0.0": 0} {
		env := Orchestrator{ModelID: "m", ToolFunction: "f", ToolTimeout: time.Minute, Table: "t", ReportsBucket: "b", TopicARN: "a", Window: time.Hour, MaxRounds: 5}.Environment()
		env[EnvMaxPerDay], env[EnvWindow] = value, "3600.0"
		got, err := ParseOrchestrator(lookup(env))
		require.NoError(t, err, value)
		assert.Equal(t, want, got.MaxPerDay, value)
		assert.Equal(t, time.Hour, got.Window)
	}
	for _, value := range []string{"many", "1e99", "NaN", "Inf", "-0.5e9", "10000.5"} {
		_, err := ParseOrchestrator(lookup(map[string]string{EnvMaxPerDay: value}))
		assert.ErrorContains(t, err, "variable "+EnvMaxPerDay+" must be a whole number", value)
	}
}
