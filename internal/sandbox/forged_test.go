package sandbox

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
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

// quiet is a session without requests.
type quiet struct{ Session }

func (quiet) Audit() (calls []toolcall.AWSCall, unlisted, refusals int) { return nil, 0, 0 }

// The result message also says how much the child has left out, and the code can write any number.
func TestAnswer_SaysThatAResultIsTruncatedWhateverTheCodeLeftOut(t *testing.T) {
	c := &call{session: quiet{}, stdoutCapture: newCapture(1), stderrCapture: newCapture(1)}
	for _, leftOut := range []int64{math.MinInt64, 0, 1, math.MaxInt64} {
		answer := c.answer(result{OK: true, Result: `"` + strings.Repeat("x", 2*MaxResult) + `"`, LeftOut: leftOut})
		if len(answer.Truncated) != 1 || answer.Truncated[0].LeftOut <= 0 || len(answer.Notes) != 1 || strings.Contains(answer.Notes[0], "-") {
			t.Errorf("left out %d: %v, notes %q", leftOut, answer.Truncated, answer.Notes)
		}
	}
}
