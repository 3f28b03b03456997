package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
)

// children returns the process IDs of this process's children.
func children(t *testing.T) (pids []int) {
	t.Helper()
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	require.NoError(t, err)
	for _, path := range statuses {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "\nPPid:\t"+strconv.Itoa(os.Getpid())+"\n") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

// If the process is killed, the answer with its list of AWS calls is lost. The log still lists them.
func TestTool_AuditTrailSurvivesKilledProcess(t *testing.T) {
	host, logged := hosted(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeMetricFilters") {
			for _, pid := range children(t) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		io.WriteString(w, "{}")
	}, func(function *lambdahost.Function) { function.Env["AWS_LAMBDA_LOG_FORMAT"] = "JSON" })

	answer, err := host.Invoke(t.Context(), "tool", []byte(command(`c = boto3.client("logs")
c.describe_log_groups(); c.describe_metric_filters()`)))
	require.NoError(t, err)
	require.NotEmpty(t, answer.FunctionError, string(answer.Payload))

	var operations []any
	for line := range strings.Lines(logged.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["message"] == "AWS request" {
			assert.Equal(t, answer.RequestID, fields["requestId"], line)
			operations = append(operations, fields["operation"])
		}
	}
	assert.Equal(t, []any{"DescribeLogGroups", "DescribeMetricFilters"}, operations)
	answer, err = host.Invoke(t.Context(), "tool", []byte(command("1 + 1")))
	require.NoError(t, err)
	assert.True(t, decoded(t, answer).Success, "a new environment serves the next call")
}

// A function that only returns an error stays in service. A tool whose sandbox failed must not.
func TestTool_ExitsAfterFailureOfTheSandbox(t *testing.T) {
	scratch := filepath.Join(t.TempDir(), "scratch")
	require.NoError(t, os.Mkdir(scratch, 0o777))
	invoke, _ := tool(t, map[string]string{"TMPDIR": scratch})
	require.True(t, decoded(t, invoke(command("1"))).Success)
	before := children(t)
	require.NotEmpty(t, before)

	require.NoError(t, os.Remove(scratch))
	failed := invoke(command("1"))
	require.NotEmpty(t, failed.FunctionError)
	assert.Contains(t, string(failed.Payload), "SandboxFailed")
	assert.Contains(t, string(failed.Payload), "make the call's directory")

	require.NoError(t, os.Mkdir(scratch, 0o777))
	assert.True(t, decoded(t, invoke(command("1"))).Success)
	assert.Eventually(t, func() bool {
		for _, pid := range children(t) {
			if pid == before[0] {
				return false
			}
		}
		return true
	}, 10*time.Second, 10*time.Millisecond, "the process was replaced")
}

// A step of the search for secrets can take seconds, such as a pattern of the user whose counts are high, in a long text. It is not
// interrupted at the deadline. The answer does not wait for it.
func TestTool_AnswersThoughTheSearchForSecretsDoesNotEnd(t *testing.T) {
	host, logged := hosted(t, func(w http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, json.NewEncoder(w).Encode(map[string]any{"nextToken": "password=aB3xZ9qLm2 token: Xy7Kp1Rt5W secret api_key=Qw8Er4Ty6U AKIA "}))
	}, func(function *lambdahost.Function) {
		function.Timeout = 5 * time.Second
		function.Env[config.EnvRedactPatterns] = `["[^#]{990}#"]`
	})

	answer, err := host.Invoke(t.Context(), "tool", []byte(command(`import signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print(boto3.client("logs").describe_log_groups()["nextToken"] * 1_400, flush=True)
while True: pass`)))
	require.NoError(t, err)
	a := decoded(t, answer)
	assert.False(t, a.Success)
	assert.Equal(t, "TimeLimit", a.ErrorType)
	assert.NotContains(t, a.Output, "aB3xZ9qLm2")
	assert.Contains(t, a.Output, "searching it for secrets took too long")
	assert.Len(t, a.AWSCalls, 1)

	answer, err = host.Invoke(t.Context(), "tool", []byte(command("1 + 1")))
	require.NoError(t, err)
	assert.True(t, decoded(t, answer).Success, "a new process serves the next call")
	assert.Contains(t, logged.String(), "the tool restarts")
}

// The files of a call are gone when the next one is taken, though its answer did not wait for that.
func TestTool_CleansUpBeforeTheNextCall(t *testing.T) {
	scratch := filepath.Join(t.TempDir(), "scratch")
	require.NoError(t, os.Mkdir(scratch, 0o777))
	invoke, _ := tool(t, map[string]string{"TMPDIR": scratch})
	for range 3 {
		a := decoded(t, invoke(command(`
before = os.listdir("..")
for n in range(3000): open(str(n), "w").close()
result = before`)))
		require.True(t, a.Success, a.Output)
		var before []string
		require.NoError(t, json.Unmarshal(a.Result, &before))
		assert.Len(t, before, 1, "only the directory of this call")
	}
}
