package alarmtriage

import (
	"maps"
	"slices"
	"strconv"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
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
