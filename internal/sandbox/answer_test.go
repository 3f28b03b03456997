package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Cleaning a long text takes long, so the supervisor cleans only what it can show. Otherwise an answer could miss its deadline.
func TestAnswer_CleansOnlyWhatIsShown(t *testing.T) {
	long := strings.Repeat("password: abcdefghijkl ", 300_000)
	most := 0
	c := &call{clean: func(text string, _ bool) string { most = max(most, len(text)); return text }}
	var a toolcall.Answer
	encoded, err := json.Marshal(long)
	require.NoError(t, err)
	_, shown := c.fitResult(string(encoded), 0, &a)
	assert.NotEmpty(t, a.Truncated)
	for text, limit := range map[string]int{shown: MaxResult, c.bounded(long, maxError): maxError, strings.Join(c.boundedNotes([]string{long}), ""): maxNote} {
		assert.Less(t, len(text), limit+100)
		assert.True(t, strings.HasPrefix(text, "password: abc") && strings.HasSuffix(text, "ijkl "))
	}
	assert.LessOrEqual(t, most, MaxResult+2*CutMargin)

	var whole toolcall.Answer
	encodedShort, _ := c.fitResult(`"`+strings.Repeat("x", MaxResult-1)+`"`, 0, &whole)
	assert.Empty(t, whole.Notes, "nothing is missing")
	assert.Len(t, encodedShort, MaxResult+1)
}

// The first and the last 64 KB of a stream are shown, even if most of them are control sequences, which are not shown.
func TestCapture_ShowsBothEndsOfColoredOutput(t *testing.T) {
	c := &call{}
	stream := newCapture(KeptOutput + CutMargin)
	for n := range 20_000 {
		_, _ = fmt.Fprintf(stream, "\x1b[31m\x1b[1m%06d\x1b[0m\x1b[39m\x1b[49m\n", n)
	}
	text, missing := stream.text(KeptOutput, c.cleaned)
	assert.Positive(t, missing)
	const line = 36 // bytes of a line
	for n := range KeptOutput/line - 2 {
		require.Contains(t, text, fmt.Sprintf("%06d\n", n))
		require.Contains(t, text, fmt.Sprintf("%06d\n", 19_999-n))
	}
}

// encoding/json refuses to decode an answer that is nested too deeply.
func TestDecodeResult_RefusesResultsThatCannotBeDecodedInAnAnswer(t *testing.T) {
	for depth, decodes := range map[int]bool{1: true, 9_000: true, 10_000: false, 100_000: false} {
		message, err := json.Marshal(map[string]any{"ok": true, "result": strings.Repeat("[", depth) + strings.Repeat("]", depth)})
		require.NoError(t, err)
		r := decodeResult(message)
		require.Equal(t, decodes, r != nil, depth)
		if r == nil {
			continue
		}
		encoded, err := json.Marshal(toolcall.Answer{Result: json.RawMessage(r.Result)})
		require.NoError(t, err)
		assert.NoError(t, json.Unmarshal(encoded, &toolcall.Answer{}))
	}
	assert.Nil(t, decodeResult([]byte(`{"ok": true, "result": "1,2"}`)))
}

// After a call whose code ignores its time limit, the broker stops its queries, and the answer is searched for secrets.
func TestSoftTime_LeavesTimeForTheAnswer(t *testing.T) {
	for _, c := range []struct {
		name               string
		invocation, margin time.Duration
	}{
		{"the longest invocation", 15 * time.Minute, maxMargin},
		{"the shortest timeout of a tool", 10 * time.Second, maxMargin},
		{"a short invocation", 5 * time.Second, time.Second},
		{"a very short invocation", 2 * time.Second, minMargin},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.invocation)
		assert.InDelta(t, (c.invocation - c.margin).Seconds(), softTime(ctx).Seconds(), 0.5, c.name)
		cancel()
	}
	assert.Zero(t, softTime(t.Context()), "without a deadline")
}
