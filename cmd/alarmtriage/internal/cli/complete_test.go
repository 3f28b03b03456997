package cli

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bash writes what several names have in common to the command line without quotes, and evaluates the line.
func TestCompleted_MatchesOnlyNamesThatNoShellInterprets(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	for _, name := range []string{
		"orders", "orders-errors", "Orders errors 5xx", "High CPU - web1", "TargetTracking-service/web/orders-AlarmHigh-0123", "99 % of p99, 5min",
		"a:b=c@d+e", "größe", "监控.x_y",
	} {
		assert.True(t, completed.MatchString(name), name)
		shown, err := exec.Command(bash, "--norc", "-c", `printf '%s\n' `+name).Output()
		require.NoError(t, err, name)
		assert.Equal(t, strings.Fields(name), strings.Split(strings.TrimSpace(string(shown)), "\n"), name)
	}
	for _, name := range []string{
		"$(touch x)1", "a`touch x`", "a;b", "a&b", "a|b", "a>b", "a<b", "a\nb", "!rm", "a'b", `a"b`, `a\b`, "a*", "a?", "[a]", "{a,b}", "~", "#a", "=(a)",
		"-a", "--python", "a --python b", "a\tb", " a", "a ", "a  b", "a\u202eb", "a\u009bb", "",
	} {
		assert.False(t, completed.MatchString(name), "%q", name)
	}
}
