// Package pricing estimates the cost of an investigation from the list prices in the model catalog. The
// user's own prices override them, because prices differ by Region and contract.
package pricing

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// Table holds the prices of models. The zero Table has the list prices only.
type Table struct {
	overrides map[string]models.Price // by the prefix of a model ID, or by a complete ID or ARN
}

// Parse returns the list prices with overrides: a JSON object that maps the prefix of a model ID, without an
// inference profile, to US dollars per million tokens. A key may also be a complete ARN. An empty text
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

// Lookup returns the price of a model by its ID, profile ID, or ARN. If several of the user's keys match, the
// longest wins; it applies to every profile. Application profiles and custom models only have a price if the
// user sets one.
func (t Table) Lookup(modelID string) (models.Price, bool) {
	if key := t.Key(modelID); key != "" {
		return t.overrides[key], true
	}
	return models.PriceOf(modelID)
}

// Key returns the user's key whose price applies to a model, or an empty string if there is none.
func (t Table) Key(modelID string) (best string) {
	if _, ok := t.overrides[modelID]; ok {
		return modelID
	}
	name := models.Parse(modelID).Model
	for key := range t.overrides {
		if models.Begins(name, key) && len(key) > len(best) {
			best = key
		}
	}
	return best
}

// Cost returns the cost of one answer in US dollars, and whether the model's price is known.
func (t Table) Cost(modelID string, u investigation.Usage) (usd float64, known bool) {
	price, known := t.Lookup(modelID)
	return price.Cost(models.Tokens{
		Input: u.InputTokens, Output: u.OutputTokens, CacheRead: u.CacheReadTokens, CacheWrite: u.CacheWriteTokens,
	}), known
}
