// Package pricing estimates what an investigation costs: the list prices of the model catalog, and the user's own
// prices before them, since prices differ by Region and contract.
package pricing

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// Table is the prices of models. The zero Table has the list prices alone.
type Table struct {
	overrides map[string]models.Price // by the beginning of a model id, or by a whole id or ARN
}

// Parse returns the list prices with override on top: a JSON object that maps the beginning of a model id, without
// the prefix of an inference profile, to US dollars per million tokens. A key may also be a whole ARN. Empty text
// overrides nothing.
func Parse(override string) (Table, error) {
	if override == "" {
		return Table{}, nil
	}
	var table Table
	if err := json.Unmarshal([]byte(override), &table.overrides); err != nil {
		return Table{}, fmt.Errorf(`prices must be a JSON object such as {"amazon.nova-pro": {"input": 0.8, "output": 3.2}}: %w`, err)
	}
	for model, p := range table.overrides {
		if slices.Min([]float64{p.Input, p.Output, p.CacheRead, p.CacheWrite}) < 0 {
			return Table{}, fmt.Errorf("price of %s must not be negative", model)
		}
	}
	return table, nil
}

// Lookup returns the price of a model by its id, profile id, or ARN. Of the user's prices the one with the longest
// matching key wins, and it covers every profile. Application profiles and custom models have a price only if
// the user gives one.
func (t Table) Lookup(modelID string) (models.Price, bool) {
	if p, ok := t.overrides[modelID]; ok {
		return p, true
	}
	name, best := models.Parse(modelID).Model, ""
	for key := range t.overrides {
		if models.Begins(name, key) && len(key) > len(best) {
			best = key
		}
	}
	if p, ok := t.overrides[best]; ok && best != "" {
		return p, true
	}
	return models.PriceOf(modelID)
}

// Cost is what one answer of a model cost in US dollars, and whether the model's price is known.
func (t Table) Cost(modelID string, u investigation.Usage) (usd float64, known bool) {
	price, known := t.Lookup(modelID)
	return price.Cost(models.Tokens{
		Input: u.InputTokens, Output: u.OutputTokens, CacheRead: u.CacheReadTokens, CacheWrite: u.CacheWriteTokens,
	}), known
}
