package models

// Price is the price of a model in US dollars per million tokens, in the Standard tier.
type Price struct {
	Input      float64 `json:"input"`
	Output     float64 `json:"output"`
	CacheRead  float64 `json:"cache_read"`
	CacheWrite float64 `json:"cache_write"`
	Long       *Tier   `json:"long,omitempty"` // nil if requests of any length have the same price
	// GeographicSurcharge is the share by which geographic profiles cost more, such as 0.1.
	GeographicSurcharge float64 `json:"geographic_surcharge,omitempty"`
}

// Tier is the price of a request whose input is longer than a limit. It applies to the whole request.
type Tier struct {
	Over       int     `json:"over"` // tokens of input, including cached ones
	Input      float64 `json:"input"`
	Output     float64 `json:"output"`
	CacheRead  float64 `json:"cache_read"`
	CacheWrite float64 `json:"cache_write"`
}

// Tokens counts the tokens of one request.
type Tokens struct{ Input, Output, CacheRead, CacheWrite int }

// PriceOf returns the price of the model with that ID, including the surcharge of a geographic profile.
func PriceOf(id string) (Price, bool) {
	m := Lookup(id)
	if m.Price == nil {
		return Price{}, false
	}
	price := *m.Price
	if factor := 1 + price.GeographicSurcharge; Parse(id).Geographic() {
		price.Input, price.Output = price.Input*factor, price.Output*factor
		price.CacheRead, price.CacheWrite = price.CacheRead*factor, price.CacheWrite*factor
		if price.Long != nil {
			long := *price.Long
			long.Input, long.Output = long.Input*factor, long.Output*factor
			long.CacheRead, long.CacheWrite = long.CacheRead*factor, long.CacheWrite*factor
			price.Long = &long
		}
	}
	price.GeographicSurcharge = 0
	return price, true
}

// Cost returns the cost of one request in US dollars.
func (p Price) Cost(t Tokens) float64 {
	in, out, read, write := p.Input, p.Output, p.CacheRead, p.CacheWrite
	if long := p.Long; long != nil && t.Input+t.CacheRead+t.CacheWrite > long.Over {
		in, out, read, write = long.Input, long.Output, long.CacheRead, long.CacheWrite
	}
	const million = 1e6
	return (in*float64(t.Input) + out*float64(t.Output) + read*float64(t.CacheRead) + write*float64(t.CacheWrite)) / million
}
