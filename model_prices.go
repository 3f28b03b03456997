package alarmtriage

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
)

// oddPrice is how many times more or less than the built-in price a price may be without a warning. Contracts and Regions
// differ by less; prices per thousand tokens, or in cents, differ by more.
const oddPrice = 10

// annotatePrices adds warnings about keys of ModelPrices that apply to no model, and about prices that seem to have another
// unit. They do not stop the synth, because prices can change.
func (t *AlarmTriage) annotatePrices(prices *map[string]*ModelPrice) {
	if prices == nil {
		return
	}
	table, uses, known := priceKeys(prices), map[string][]string{}, true
	for _, m := range t.models {
		known = known && len(m.ids()) > 0
		for _, id := range m.ids() {
			uses[table.Key(id)] = append(uses[table.Key(id)], id)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(*prices)) {
		switch ids := uses[key]; {
		case len(ids) > 0:
			t.annotatePrice(key, (*prices)[key], ids)
		case known && !unresolved(key):
			t.warn("unused-price", "ModelPrices has a price for %q, which applies to no model of BedrockModelId and FallbackModelIds: use the "+
				"beginning of a model's ID without its inference profile, such as \"anthropic.claude-sonnet\", or a complete ID or ARN, or "+
				"remove it", key)
		}
	}
}

// annotatePrice warns about a price of ModelPrices that differs much from the built-in one of a model.
func (t *AlarmTriage) annotatePrice(key string, price *ModelPrice, ids []string) {
	for _, id := range ids {
		builtIn, known := models.PriceOf(id)
		if !known {
			continue
		}
		for _, field := range []struct {
			name     string
			value    *float64
			builtIn  float64
			optional bool // 0 means that the cache costs nothing, or is not used
		}{
			{"Input", price.Input, builtIn.Input, false}, {"Output", price.Output, builtIn.Output, false},
			{"CacheRead", price.CacheRead, builtIn.CacheRead, true}, {"CacheWrite", price.CacheWrite, builtIn.CacheWrite, true},
		} {
			value := field.value
			if value == nil || unresolved(value) || field.builtIn == 0 || field.optional && *value == 0 ||
				*value >= field.builtIn/oddPrice && *value <= field.builtIn*oddPrice {
				continue
			}
			t.warn("odd-price", "ModelPrices has the %s price %s for %q, but the built-in one of %s is %.4g: prices are US dollars per million "+
				"tokens. Correct it, or acknowledge this warning if it is right", field.name, strconv.FormatFloat(*value, 'f', -1, 64), key, id, field.builtIn)
			return
		}
	}
}

// annotateBudgets adds warnings about budgets with which the first model is not asked, or reads nothing. They are calculated like
// the orchestrator's.
func (t *AlarmTriage) annotateBudgets(p *AlarmTriageProps) {
	if most := p.MaxTokens; most != nil && !unresolved(most) {
		t.annotateBudget("MaxTokens", *most, func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) + " tokens" },
			func(input, output int) float64 { return float64(input + output) })
	}
	most := p.MaxCostUsd
	if most == nil || unresolved(most) {
		return
	}
	table, err := pricing.Parse(pricesJSON(awscdk.Stack_Of(t), p.ModelPrices))
	if err != nil { // some prices are tokens
		return
	}
	t.annotateBudget("MaxCostUsd", *most, func(usd float64) string { return fmt.Sprintf("$%.3g", usd) }, func(input, output int) float64 {
		least := math.Inf(1) // of the models that the Region may have
		for _, id := range t.models[0].ids() {
			plain, known := table.Cost(id, investigation.Usage{InputTokens: input, OutputTokens: output})
			cached, _ := table.Cost(id, investigation.Usage{CacheWriteTokens: input, OutputTokens: output})
			if known {
				least = min(least, max(plain, cached))
			}
		}
		if math.IsInf(least, 1) {
			return 0
		}
		return least
	})
}

// annotateBudget adds a warning if a budget is too small. need returns what a request uses at most, in the budget's unit.
func (t *AlarmTriage) annotateBudget(prop string, most float64, written func(float64) string, need func(input, output int) float64) {
	asked := need(config.FirstRequest, config.LeastConclusion)
	reads := need(config.FirstRequest, config.LeastRound) + need(config.FirstRequest+config.LeastRound+config.AnswersOfCalls, config.LeastRound)
	if most >= reads {
		return
	}
	effect := "the model concludes without reading anything"
	if most < asked {
		effect = "no model may be asked, not even one of FallbackModelIds"
	}
	t.warn("small-budget", "%s %s is too little for an investigation, because one request may use about %s, and an investigation with one round "+
		"about %s: %s. Raise it (docs/cost.md)", prop, written(most), written(asked), written(reads), effect)
}
