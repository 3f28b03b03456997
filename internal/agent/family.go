package agent

import "strings"

// family is what models of one maker have in common, as far as it matters here.
type family struct {
	window  int  // tokens of input and output together
	noCache bool // no explicit cache checkpoints
	greedy  bool // calls tools reliably only at temperature 0
}

// families are told by a part of the model's id. Newer models have larger windows; a window assumed too
// small only makes the history shorter.
var families = []struct {
	part string
	family
}{
	{"nova-premier", family{window: 1_000_000, greedy: true}},
	{"nova-micro", family{window: 128_000, greedy: true}},
	{"nova", family{window: 300_000, greedy: true}},
	{"claude", family{window: 200_000}},
	{"llama", family{window: 128_000, noCache: true}},
	{"mistral", family{window: 128_000, noCache: true}},
	{"gpt-oss", family{window: 128_000, noCache: true}},
	{"qwen", family{window: 128_000, noCache: true}},
	{"deepseek", family{window: 128_000, noCache: true}},
}

func familyOf(modelID string) family {
	for _, f := range families {
		if strings.Contains(modelID, f.part) {
			return f.family
		}
	}
	return family{window: 128_000}
}
