package alarmtriage

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// longestName is the number of characters that the budgets grant the user's own names: of topics,
// buses, tables, and keys in S3. AWS allows more for some of them, but nothing would remain for texts
// if all were that long.
const longestName = 64

// longestOrchestrator returns settings without texts, in which every other value has its longest form.
func longestOrchestrator() config.Orchestrator {
	name := strings.Repeat("n", longestName)
	arn := func(service, resource string) string {
		return fmt.Sprintf("arn:aws-us-gov:%s:us-gov-east-1:111122223333:%s", service, resource)
	}
	s3 := "s3://" + strings.Repeat("b", 63) + "/" + name
	return config.Orchestrator{
		ModelID:          arn("bedrock", "application-inference-profile/abcdefghijkl"),
		ToolFunction:     arn("lambda", "function:"+strings.Repeat("f", 64)),
		ToolTimeout:      900 * time.Second,
		Table:            name,
		ReportsBucket:    strings.Repeat("b", 63),
		TopicARN:         arn("sns", name),
		CardTopicARN:     arn("sns", name),
		Window:           7 * 24 * time.Hour,
		MaxRounds:        config.MaxRounds,
		MaxTokens:        unbounded,
		MaxCostUSD:       1234567.89,
		MaxQueryCostUSD:  1234567.89,
		MaxPerDay:        config.MaxInvestigationsPerDay,
		MaxCostUSDPerDay: 1234567.89,
		TimeZone:         "America/Argentina/ComodRivadavia", // the longest name of the database
		GuardrailID:      arn("bedrock", "guardrail/abcdefghijkl"),
		GuardrailVersion: "99999",
		InstructionsURI:  s3,
		RunbooksURI:      s3,
		NotifyRecovery:   true,
		EventBus:         arn("events", "event-bus/"+name),
		Redact:           false, // only false is in the environment
	}
}

// assertBudget checks that texts of at most budget bytes fit into the environment if all other variables have
// their maximum length. The names of the variables with texts count. The quotes of their values do not count,
// because validation counts them as part of the text.
func assertBudget(t *testing.T, budget int, longest map[string]string, texts ...string) {
	t.Helper()
	for _, name := range texts {
		require.NotContains(t, longest, name)
		longest[name] = ""
	}
	text, err := json.Marshal(longest)
	require.NoError(t, err)
	rest := maxEnvironment - (len(text) - len(`""`)*len(texts))
	assert.LessOrEqual(t, budget, rest, "the other variables leave %d bytes for texts: lower the budget, also in the props' "+
		"comments, or shorten what the functions are configured with", rest)
}

// assertAllSet checks that every field of settings except those of texts has a value.
func assertAllSet(t *testing.T, settings any, except ...string) {
	t.Helper()
	value := reflect.ValueOf(settings)
	for i := range value.NumField() {
		if name := value.Type().Field(i).Name; !slices.Contains(except, name) {
			assert.False(t, value.Field(i).IsZero(), "give %s its longest value, since it takes space from the texts", name)
		}
	}
}

func TestEnvironments_TextsFitWithTheLongestOtherValues(t *testing.T) {
	t.Run("orchestrator", func(t *testing.T) {
		longest := longestOrchestrator()
		assertAllSet(t, longest, "Instructions", "Prices", "FallbackModelIDs", "RedactPatterns", "AccountNames", "Redact", "ConsoleURL", "Members")
		assertBudget(t, maxOrchestratorTexts, longest.Environment(),
			config.EnvInstructions, config.EnvPrices, config.EnvFallbackModelIDs, config.EnvRedactPatterns,
			config.EnvAccountNames, config.EnvConsoleURL, config.EnvMembers)
	})
	t.Run("tool", func(t *testing.T) {
		longest := config.Tool{OpenReads: []toolpolicy.Group{toolpolicy.PersonalData, toolpolicy.SourceCode, toolpolicy.HostOutput, toolpolicy.BilledReads}}
		assertAllSet(t, longest, "Redact", "RedactPatterns", "AllowedActions", "DeniedActions", "AllowedAccounts", "DeniedResources", "Members")
		env := longest.Environment()
		env["AWS_LAMBDA_EXEC_WRAPPER"] = "/var/task/" + toolExecutable
		assertBudget(t, maxToolTexts, env, config.EnvRedactPatterns, config.EnvAllowedActions, config.EnvDeniedActions, config.EnvAllowedAccounts,
			config.EnvDeniedResources, config.EnvMembers)
	})
}

// A pattern is JSON within JSON in the environment, so each backslash becomes four.
func TestValidate_CountsTheEscapesOfPatterns(t *testing.T) {
	pattern := strings.Repeat(`\d`, 300) // 600 bytes, and 1,500 in the environment
	problems := validate(nil, &AlarmTriageProps{RedactPatterns: &[]*string{&pattern, &pattern}})
	assert.Contains(t, strings.Join(problems, "\n"), "must have at most 2400 bytes together as JSON, because they share the function's "+
		"environment, got 3013")
}
