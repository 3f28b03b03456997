package model

import (
	"crypto/sha256"
	"encoding/json"
	"math"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// tokens estimates the tokens of a text: four bytes per token.
func tokens(bytes int) int { return (bytes + 3) / 4 }

// jsonTokens estimates the tokens of content blocks.
func jsonTokens(content []any) int {
	text, err := json.Marshal(content)
	if err != nil { // it came out of JSON
		panic(err)
	}
	return tokens(len(text))
}

// minimumCachePrefix is the shortest cached prefix of models whose minimum is unknown, in tokens.
const minimumCachePrefix = 1024

// cacheable returns the lengths of the shortest and the longest prefix that a model caches, in tokens.
func cacheable(m models.Model, script Script) (shortest, longest int) {
	shortest, longest = m.Cache.Minimum, m.Cache.Maximum
	if shortest == 0 {
		shortest = minimumCachePrefix
	}
	if script.MinimumCachePrefix != 0 {
		shortest = script.MinimumCachePrefix
	}
	if longest == 0 {
		longest = math.MaxInt
	}
	return shortest, longest
}

// count returns the usage as a model with prompt caching counts it. The longest earlier prefix that ends at a
// checkpoint is read from the cache, and the part between it and the last checkpoint is written to the cache.
// A checkpoint after a prefix that is too short or too long for the model's cache has no effect. The caller
// holds the lock.
func (s *Server) count(t turn, content []any) Usage {
	request := t.request
	shortest, longest := cacheable(models.Lookup(request.ModelID), t.script)
	var prefix strings.Builder
	var written, read int // bytes
	var seen [][32]byte
	point := func() {
		if length := tokens(prefix.Len()); length < shortest || length > longest {
			return
		}
		sum := sha256.Sum256([]byte(request.ModelID + prefix.String()))
		if s.cached[sum] {
			read = prefix.Len()
		}
		written = prefix.Len()
		seen = append(seen, sum)
	}
	add := func(value any, isPoint bool) {
		if isPoint {
			point()
			return
		}
		text, _ := json.Marshal(value)
		prefix.Write(text)
	}
	if request.ToolConfig != nil {
		for _, tool := range request.ToolConfig.Tools {
			add(tool, tool.CachePoint != nil)
		}
	}
	for _, block := range request.System {
		add(block, block.CachePoint != nil)
	}
	for _, message := range request.Messages {
		prefix.WriteString(message.Role)
		for _, block := range message.Content {
			add(block, block.CachePoint != nil)
		}
	}
	for _, sum := range seen {
		s.cached[sum] = true
	}
	u := Usage{
		CacheReadInputTokens:  tokens(read),
		CacheWriteInputTokens: tokens(written) - tokens(read),
		OutputTokens:          min(t.thinks()+jsonTokens(content), max(t.maxTokens(), jsonTokens(content))),
	}
	u.InputTokens = tokens(prefix.Len()) - tokens(written)
	u.TotalTokens = u.InputTokens + u.OutputTokens + u.CacheReadInputTokens + u.CacheWriteInputTokens
	return u
}
