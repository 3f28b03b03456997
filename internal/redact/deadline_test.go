package redact

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDeadline_LeavesTimeToSendTheAnswer(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name       string
		left, want time.Duration
	}{
		{"an invocation with time left", 10 * time.Second, 10*time.Second - sendTime},
		{"an invocation that is almost over", 210 * time.Millisecond, minRedactTime},
		{"an invocation that is over", -time.Second, minRedactTime},
	} {
		ctx, cancel := context.WithDeadline(t.Context(), now.Add(c.left))
		assert.Equal(t, c.want, Deadline(ctx, now).Sub(now), c.name)
		cancel()
	}
	assert.Zero(t, Deadline(t.Context(), now), "without a deadline")
}

// inCapitals returns a word with the letters in capitals whose bits are set.
func inCapitals(word string, bits int) string {
	letters := []byte(word)
	for i := range letters {
		if bits>>i&1 == 1 {
			letters[i] -= 'a' - 'A'
		}
	}
	return string(letters)
}

func TestDocument_WithNamesThatDifferInCase(t *testing.T) {
	document := func(names, values int) string {
		o := map[string]any{}
		for i := range names {
			o[inCapitals("parametername", i)] = "db password"
		}
		for i := range values {
			o[inCapitals("parametervalue", i)] = "Kq8vN3xB6w"
		}
		encoded, err := json.Marshal(o)
		require.NoError(t, err)
		return string(encoded)
	}
	r, err := New(nil)
	require.NoError(t, err)
	for _, c := range []struct {
		name          string
		names, values int
		isWithheld    bool
	}{
		{"as real objects have them", 2, 3, false},
		{"many values", 2, 8000, false},
		{"many names", 8000, 2, true},
		{"many of both", 8000, 8000, true},
	} {
		started := time.Now()
		clean, count := r.Document(document(c.names, c.values))
		assert.Less(t, time.Since(started), 5*time.Second, c.name)
		assert.NotContains(t, clean, "Kq8vN3xB6w", c.name)
		assert.NotZero(t, count, c.name)
		assert.Equal(t, c.isWithheld, clean == withheld, c.name)
	}
}

func TestKnowing_EndsAtTheDeadlineWithLongSecrets(t *testing.T) {
	for _, c := range []struct{ size, answers int }{
		{16 << 10, 500},
		{maxSecret - 100, 80},
		{maxSecret + 100, 80},
	} {
		var m Memory
		for i := range c.answers {
			m.Observe(fmt.Appendf(nil, `{"password": "Kq8vN3xB6w-%d-%s"}`, i, strings.Repeat(`aB3$%&\"é`, c.size/12)), false)
		}
		r, err := New(nil)
		require.NoError(t, err)
		started := time.Now()
		knowing := m.Knowing(r.Until(started.Add(200 * time.Millisecond)))
		assert.Less(t, time.Since(started), 4*time.Second, c)
		if knowing.ignorant {
			assert.Contains(t, first(knowing.Text("it begins with Kq8vN3xB6w")), withheld, c)
			continue
		}
		assert.NotZero(t, knowing.gaps, c)
	}
}

func first(text string, _ int) string { return text }
