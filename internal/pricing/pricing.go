// Package pricing estimates what an investigation cost. The prices are data (prices.json) and can be
// overridden, since they differ by Region and change.
package pricing

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

//go:embed prices.json
var builtIn []byte

// Price is in US dollars per million tokens.
type Price struct {
	Input      float64 `json:"input"`
	Output     float64 `json:"output"`
	CacheRead  float64 `json:"cache_read"`
	CacheWrite float64 `json:"cache_write"`
}

// Table maps the beginning of a model id, without the prefix of an inference profile, to its price.
type Table map[string]Price

// Parse returns the built-in table with override on top: a JSON object of the same shape, which may be
// empty. A key may also be a whole ARN.
func Parse(override string) (Table, error) {
	table := Table{}
	for _, text := range [][]byte{builtIn, []byte(override)} {
		if len(text) == 0 {
			continue
		}
		var entries map[string]json.RawMessage
		if err := json.Unmarshal(text, &entries); err != nil {
			return nil, fmt.Errorf(`prices must be a JSON object such as {"amazon.nova-pro": {"input": 0.8, "output": 3.2}}: %w`, err)
		}
		for model, entry := range entries {
			if model == "_" { // a comment
				continue
			}
			var p Price
			if err := json.Unmarshal(entry, &p); err != nil {
				return nil, fmt.Errorf("price of %s: %w", model, err)
			}
			if p.Input < 0 || p.Output < 0 || p.CacheRead < 0 || p.CacheWrite < 0 {
				return nil, fmt.Errorf("price of %s must not be negative", model)
			}
			table[model] = p
		}
	}
	return table, nil
}

// Lookup finds the price of a model by its id, profile id or ARN: the longest key that it begins with
// wins. Application profiles and custom models are found only by an overriding key.
func (t Table) Lookup(modelID string) (Price, bool) {
	if p, ok := t[modelID]; ok {
		return p, true
	}
	id := modelID[strings.LastIndex(modelID, "/")+1:]
	candidates := []string{id}
	if _, after, found := strings.Cut(id, "."); found {
		candidates = append(candidates, after) // behind us., eu., global. …
	}
	best := ""
	for key := range t {
		for _, candidate := range candidates {
			if strings.HasPrefix(candidate, key) && len(key) > len(best) {
				best = key
			}
		}
	}
	p, ok := t[best]
	return p, ok
}

// Cost is the price of u in US dollars.
func (p Price) Cost(u investigation.Usage) float64 {
	const million = 1e6
	return (p.Input*float64(u.InputTokens) + p.Output*float64(u.OutputTokens) +
		p.CacheRead*float64(u.CacheReadTokens) + p.CacheWrite*float64(u.CacheWriteTokens)) / million
}
