package redact_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

// Whoever writes into a log can write a word of a rule on every line, or a command many times on one line. The time of the search must
// be proportional to the length, so that it ends before the invocation.
func TestText_ManyLinesAndCommandsAreSearchedInTime(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for text, want := range map[string]string{
		strings.Repeat("passwd\n", 100_000):      "passwd\n",
		strings.Repeat("chpasswd <<E\n", 60_000): "chpasswd <<E\n",
		strings.Repeat("curl -u a:b ", 80_000):   "curl -u a:[redacted: password] ",
	} {
		clean, _ := r.Until(time.Now().Add(time.Minute)).Text(text)
		assert.True(t, strings.HasPrefix(clean, want+want), clean[:min(len(clean), 100)])
	}
}
