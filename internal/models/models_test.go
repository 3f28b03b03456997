package models_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

func TestLookup_MatchesIDsByTheirShape(t *testing.T) {
	tests := []struct {
		id   string
		want string // the entry's id; empty: not in the catalog
	}{
		{"anthropic.claude-sonnet-5-5", "anthropic.claude-sonnet-5-5"},
		{"us.anthropic.claude-sonnet-5-5", "anthropic.claude-sonnet-5-5"},
		{"in.anthropic.claude-sonnet-5", "anthropic.claude-sonnet-5"},
		{"global.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5"},
		{"anthropic.claude-opus-4-8", "anthropic.claude-opus-4-8"},
		{"us.anthropic.claude-opus-4-20250514-v1:0", "anthropic.claude-opus-4"},
		{"us.anthropic.claude-opus-4-9", ""},
		{"anthropic.claude-sonnet-5-6", ""},
		{"anthropic.claude-sonnet-50", ""},
		{"us.amazon.nova-2-lite-v1:0", "amazon.nova-2-lite"},
		{"amazon.nova-lite-v1:0:300k", "amazon.nova-lite"},
		{"apac.amazon.nova-pro-v1:0", "amazon.nova-pro"},
		{"amazon.nova-2-pro-v1:0", ""},
		{"amazon.nova-premier-v1:0:mm", "amazon.nova-premier"},
		{"openai.gpt-oss-120b-1:0", "openai.gpt-oss-120b"},
		{"global.openai.gpt-6.1-sol", "openai.gpt-6.1-sol"},
		{"openai.gpt-6-luna", "openai.gpt-6-luna"},
		{"openai.gpt-6", ""},
		{"deepseek.v3.2", "deepseek.v3.2"},
		{"eu.deepseek.v3.2", "deepseek.v3.2"},
		{"deepseek.v3", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-2-lite-v1:0", "amazon.nova-2-lite"},
		{"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro"},
		{"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", ""},
		{"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			got := models.Lookup(tt.id)
			if tt.want == "" {
				assert.False(t, got.Known, got.ID)
				return
			}
			assert.True(t, got.Known)
			assert.Equal(t, tt.want, got.ID)
		})
	}
}

func TestLookup_UnlistedModelsGetTheDefaultsOfTheirFamily(t *testing.T) {
	tests := []struct {
		id    string
		cache models.Checkpoints
	}{
		{"us.anthropic.claude-sonnet-7", models.CheckpointsAnywhere},
		{"us.amazon.nova-3-pro-v1:0", models.CheckpointsAfterText},
		{"qwen.qwen4-coder", models.CheckpointsNone},
		{"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", models.CheckpointsAnywhere},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			got := models.Lookup(tt.id)
			assert.Equal(t, tt.cache, got.Cache.Checkpoints)
			assert.Equal(t, models.StateActive, got.Lifecycle.State)
			assert.Positive(t, got.Window)
			assert.Positive(t, got.MaxOutput)
			assert.False(t, got.Temperature.Accepted, "a setting that the model may refuse is not sent")
			assert.Nil(t, got.Thinking.Effort)
			assert.Nil(t, got.Price)
		})
	}
}

func TestParse_SplitsIDs(t *testing.T) {
	tests := []struct {
		id   string
		want models.ID
	}{
		{"amazon.nova-pro-v1:0", models.ID{Model: "amazon.nova-pro-v1:0"}},
		{"in.anthropic.claude-sonnet-5", models.ID{Profile: "in", Model: "anthropic.claude-sonnet-5"}},
		{"zz.anthropic.claude-sonnet-5", models.ID{Profile: "zz", Model: "anthropic.claude-sonnet-5"}},
		{"us-gov.anthropic.claude-x", models.ID{Profile: "us-gov", Model: "anthropic.claude-x"}},
		{"ai21.jamba-1-5-large-v1:0", models.ID{Model: "ai21.jamba-1-5-large-v1:0"}},
		{"zai.glm-4.7", models.ID{Model: "zai.glm-4.7"}},
		{"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0",
			models.ID{Profile: "eu", Model: "amazon.nova-pro-v1:0", Kind: "inference-profile"}},
		{"arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/ab12cd", models.ID{Model: "ab12cd", Kind: "provisioned-model"}},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) { assert.Equal(t, tt.want, models.Parse(tt.id)) })
	}
}

func TestBegins_MatchesWholeWords(t *testing.T) {
	for text, want := range map[string]bool{
		"anthropic.claude-opus-4": false, "anthropic.claude-opus": true, "anthropic.claude-opus-4-8": true, "anthropic.claude-op": false,
		"anthropic.": true, "": false,
	} {
		assert.Equal(t, want, models.Begins("anthropic.claude-opus-4-8", text), text)
	}
	assert.True(t, models.Begins("anthropic.claude-opus-4-20250514-v1:0", "anthropic.claude-opus-4"))
	assert.True(t, models.Begins("amazon.nova-pro-v1:0", "amazon.nova-pro"))
	assert.True(t, models.Begins("amazon.nova-2-lite-v1:0", "amazon.nova"))
	assert.False(t, models.Begins("amazon.nova-2-lite-v1:0", "amazon.nova-2-l"))
}

func TestPriceOf_AppliesSurchargesAndLongRequestTiers(t *testing.T) {
	usage := models.Tokens{Input: 1_000_000, Output: 1_000_000}
	for id, want := range map[string]float64{
		"global.anthropic.claude-sonnet-5-5": 12, "us.anthropic.claude-sonnet-5-5": 13.2,
		"us.amazon.nova-2-lite-v1:0": 3.08, "global.amazon.nova-2-lite-v1:0": 2.8, "us.amazon.nova-pro-v1:0": 4,
		"global.anthropic.claude-haiku-5-5": 3, "eu.anthropic.claude-haiku-5-5": 3.3,
	} {
		price, known := models.PriceOf(id)
		require.True(t, known, id)
		assert.InDelta(t, want, price.Cost(usage), 1e-9, id)
	}
	haiku, _ := models.PriceOf("global.anthropic.claude-haiku-5-5")
	assert.InDelta(t, 0.01, haiku.Cost(models.Tokens{Input: 100_000}), 1e-9, "a request of exactly the limit has the price of a short one")
	assert.InDelta(t, 0.1*0.5+0.00005, haiku.Cost(models.Tokens{Input: 100_000, CacheRead: 1_000}), 1e-9, "cached tokens count toward the limit")
	_, known := models.PriceOf("us.anthropic.claude-sonnet-7")
	assert.False(t, known)
}

func TestDefaults_FitEveryRegion(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for _, region := range append(models.Regions(), "ap-southeast-9", "eusc-de-east-1") {
		ids, unconfirmed := models.Defaults(region)
		require.Len(t, ids, 2, region)
		for _, id := range ids {
			m := models.Lookup(id)
			assert.True(t, m.Known, "%s: %s", region, id)
			assert.False(t, m.Retired(now), "%s: %s", region, id)
			assert.NotNil(t, m.Price, "%s: %s", region, id)
			profile := models.Parse(id)
			assert.Equal(t, m.ID+m.Suffix, profile.Model, region)
			assert.True(t, profile.InvokableFrom(region), "%s: %s", region, id)
			if profile.Profile == "" {
				assert.True(t, m.InRegion, id)
			} else {
				assert.Contains(t, m.Profiles, profile.Profile, id)
			}
		}
		assert.Subset(t, ids, unconfirmed)
		for _, id := range ids {
			if m := models.Lookup(id); m.Access != models.AccessNone {
				assert.NotEmpty(t, m.Product, "%s: a subscription to %s can be limited to its product", region, id)
			}
		}
		last := models.Lookup(ids[1])
		assert.Equal(t, models.AccessNone, last.Access, "%s: the last default needs no manual step", region)
	}
}

func TestModel_RetiresAtItsEndOfLife(t *testing.T) {
	premier := models.Lookup("us.amazon.nova-premier-v1:0")
	assert.False(t, premier.Retired(time.Date(2026, 9, 13, 0, 0, 0, 0, time.UTC)))
	assert.True(t, premier.Retired(time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC)))
	end, soon := premier.RetiresBy(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC))
	assert.True(t, soon)
	assert.Equal(t, "2026-09-14", end.String())

	announced := models.Model{Lifecycle: models.Lifecycle{State: models.StateLegacy, EndOfLife: end}}
	assert.True(t, announced.Retired(end.Time), "an announced date overrides the state in the catalog")
	assert.False(t, announced.Retired(end.AddDate(0, 0, -1)))
	assert.True(t, models.Lookup("anthropic.claude-3-opus-20240229-v1:0").Retired(time.Time{}), "no date is known")
}

func TestCatalog_EntriesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range models.All() {
		assert.False(t, seen[m.ID], m.ID)
		seen[m.ID] = true
		assert.NotEmpty(t, m.Name, m.ID)
		assert.NotEmpty(t, m.Source, m.ID)
		assert.False(t, m.Checked.IsZero(), m.ID)
		assert.Contains(t, []models.State{models.StateActive, models.StateLegacy, models.StateEndOfLife}, m.Lifecycle.State, m.ID)
		assert.Contains(t, []models.Access{models.AccessNone, models.AccessMarketplace, models.AccessMarketplaceAndForm, models.AccessUnknown}, m.Access, m.ID)
		assert.Contains(t, []models.Checkpoints{models.CheckpointsNone, models.CheckpointsAfterText, models.CheckpointsAnywhere}, m.Cache.Checkpoints, m.ID)
		assert.Contains(t, []models.ThinkingMode{models.ThinkingNever, models.ThinkingOptional, models.ThinkingAlways}, m.Thinking.Mode, m.ID)
		assert.Positive(t, m.Window, m.ID)
		assert.Positive(t, m.MaxOutput, m.ID)
		assert.Less(t, m.MaxOutput, m.Window, m.ID)
		assert.True(t, m.InRegion || len(m.Profiles) > 0, m.ID)
		assert.Regexp(t, `^(prod-[a-z0-9]{13})?$`, m.Product, m.ID)
		assert.False(t, m.Product != "" && m.Access == models.AccessNone, m.ID)
		assert.Equal(t, m, models.Lookup(m.ID), "the entry is found by its own id")
		assert.Equal(t, m, models.Lookup(m.ID+m.Suffix), "the entry is found by the id that Bedrock accepts")
		if m.Price != nil {
			for _, price := range []float64{m.Price.Input, m.Price.Output, m.Price.CacheRead, m.Price.CacheWrite} {
				assert.False(t, price < 0 || math.IsNaN(price), m.ID)
			}
		}
	}
}
