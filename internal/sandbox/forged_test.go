package sandbox

import (
	"encoding/json"
	"strings"
	"testing"
)

// Code can write the result message itself, shortly before it is killed.
func TestDecodeResult_RefusesManyStrings(t *testing.T) {
	for name, test := range map[string]struct {
		result string
		isOne  bool
	}{
		"many strings": {"[" + strings.Repeat("\"\x7f\",", 1_390_000) + "1]", false},
		"the longest":  {"[" + strings.Repeat("\"\x7f\",", maxValue/4-1) + "1]", true},
		"a text":       {`"` + strings.Repeat("x", 2*maxValue) + `"`, true},
	} {
		message, err := json.Marshal(result{OK: true, Result: test.result})
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeResult(message) != nil; got != test.isOne {
			t.Errorf("%s: a result: %v, want %v", name, got, test.isOne)
		}
	}
}
