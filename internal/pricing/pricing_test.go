package pricing

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestLookup_FindsThePriceByAnyID(t *testing.T) {
	table, err := Parse("")
	require.NoError(t, err)
	tests := []struct {
		name, model string
		want        float64 // dollars per million input tokens; 0: not known
	}{
		{"id", "amazon.nova-pro-v1:0", 0.8},
		{"geographic profile", "us.anthropic.claude-sonnet-5-5", 2.2},
		{"global profile", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", 3},
		{"a later version", "global.anthropic.claude-opus-4-5-20251101-v1:0", 5},
		{"an earlier version", "us.anthropic.claude-opus-4-1-20250805-v1:0", 15},
		{"profile by its ARN", "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0", 0.06},
		{"application profile", "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc", 0},
		{"unknown model", "example.unheard-of", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			price, known := table.Lookup(test.model)
			assert.Equal(t, test.want, price.Input)
			assert.Equal(t, test.want > 0, known)
		})
	}
}

func TestParse_OverridesWinAndMayNameARNs(t *testing.T) {
	const arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"
	table, err := Parse(`{"amazon.nova-pro": {"input": 9, "output": 1}, "` + arn + `": {"input": 4, "output": 2}}`)
	require.NoError(t, err)
	price, _ := table.Lookup("eu.amazon.nova-pro-v1:0")
	assert.Equal(t, 9.0, price.Input)
	price, known := table.Lookup(arn)
	assert.True(t, known)
	assert.Equal(t, 4.0, price.Input)
}

func TestLookup_OverridesMatchWholeWords(t *testing.T) {
	table, err := Parse(`{"anthropic.claude-opus-4": {"input": 1, "output": 1}, "anthropic.claude-opus": {"input": 2, "output": 2}}`)
	require.NoError(t, err)
	for id, want := range map[string]float64{
		"us.anthropic.claude-opus-4-20250514-v1:0": 1, "us.anthropic.claude-opus-4-8": 2, "global.anthropic.claude-opus-7": 2,
	} {
		price, _ := table.Lookup(id)
		assert.Equal(t, want, price.Input, id)
	}
	assert.Equal(t, "anthropic.claude-opus", table.Key("us.anthropic.claude-opus-4-8"))
	assert.Empty(t, table.Key("us.amazon.nova-pro-v1:0"))
}

func TestCost_CountsEachKindOfToken(t *testing.T) {
	table, err := Parse(`{"example.model": {"input": 2, "output": 10, "cache_read": 0.5, "cache_write": 3}}`)
	require.NoError(t, err)
	usage := investigation.Usage{InputTokens: 1_000_000, OutputTokens: 100_000, CacheReadTokens: 2_000_000, CacheWriteTokens: 1_000_000}
	usd, known := table.Cost("us.example.model", usage)
	assert.True(t, known)
	assert.InDelta(t, 2+1+1+3, usd, 1e-9)
	_, known = table.Cost("us.example.other", usage)
	assert.False(t, known)
}

func TestParse_RejectsInvalidPricesWithTheModelsName(t *testing.T) {
	for _, override := range []string{`[]`, `{"amazon.nova-pro": 3}`, `{"amazon.nova-pro": {"input": -1}}`} {
		_, err := Parse(override)
		assert.ErrorContains(t, err, "price", override)
	}
}
