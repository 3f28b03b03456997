// Package canary_test plants secrets in many places of an account and runs code in the real tool that reads
// them. No answer may contain a secret, and text that is not secret must remain.
package canary_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// ways are snippets that output a value that the code has read.
var ways = []struct{ name, code string }{
	{"as the result", "result = value"},
	{"as a last expression", "value"},
	{"printed", "print(value)"},
	{"printed as JSON", "print(json.dumps(value, default=str))"},
	{"printed as JSON over many lines", "print(json.dumps(value, default=str, indent=2))"},
	{"pretty printed", "pprint(value)"},
	{"pretty printed on narrow lines", "import pprint as p\np.pprint(value, width=40)"},
	{"JSON as the result", "result = json.dumps(value, default=str)"},
	{"JSON in JSON", "print(json.dumps({'message': json.dumps(value, default=str)}))"},
	{"on standard error", "print(value, file=sys.stderr)"},
	{"written to the file descriptor", "os.write(1, repr(value).encode())"},
	{"in an exception", "raise RuntimeError(value)"},
	{"in chained exceptions", "try:\n    raise KeyError(str(value))\nexcept KeyError as e:\n    raise ValueError('outer') from e"},
	{"in sys.exit", "sys.exit(str(value))"},
	{"logged", "import logging\nlogging.basicConfig(level=logging.DEBUG)\nlogging.getLogger('boto').error('%s', value)"},
	{"each value alone, without names", walk + "for leaf in walk(value): print(leaf)"},
	{"each value alone, decoded", walk + `
for leaf in walk(value):
    try: print(base64.b64decode(str(leaf), validate=True).decode())
    except ValueError: print('leaf', leaf)`},
	{"in a table", walk + "print('\\n'.join(f'{n:>4} | {leaf!s:<60} |' for n, leaf in enumerate(walk(value))))"},
	{"in a forged answer", "for fd in range(3, 256):\n    try: os.write(fd, json.dumps({'ok': True, 'result': json.dumps(value, default=str), 'notes': [str(value)]}).encode())\n    except OSError: pass\nos._exit(0)"},
	{"before os._exit", "print(value, flush=True)\nos._exit(3)"},
	{"before the time limit", "print(value)\nraise TimeoutError('over')"},
}

// walk yields the leaves of a value without their names.
const walk = `def walk(v):
    if not isinstance(v, (dict, list)): yield v; return
    for x in v.values() if isinstance(v, dict) else v: yield from walk(x)
`

type account struct {
	secrets    map[string]string // by name of the place
	tool       func(t *testing.T, code string) toolcall.Answer
	unredacted func(t *testing.T, code string) toolcall.Answer // the same tool without redaction
}

func TestAnswers_HoldNoSecretOfTheAccount(t *testing.T) {
	a := newAccount(t)
	for _, p := range shown {
		t.Run(p.name, func(t *testing.T) {
			secret := a.secrets[p.name]
			seen := marshal(t, a.unredacted(t, "value = "+p.read+"\nprint(value)"))
			require.NotEmpty(t, around(seen, secret), "without redaction the code must be able to read the secret: %s", seen)
			for _, way := range ways {
				answer := a.tool(t, "value = "+p.read+"\n"+way.code)
				text := marshal(t, answer)
				assert.Empty(t, around(text, secret), way.name)
				assert.True(t, strings.Contains(text, p.shows) && strings.Contains(text, "[redacted: "), "%s: %.3000s", way.name, text)
				assert.NotEmpty(t, answer.AWSCalls, way.name)
			}
		})
	}
}

func TestReads_ThatReturnSecretsAreRefused(t *testing.T) {
	a := newAccount(t)
	for _, p := range withheld {
		t.Run(p.name, func(t *testing.T) {
			for _, tool := range []func(*testing.T, string) toolcall.Answer{a.tool, a.unredacted} {
				answer := tool(t, "try:\n    value = "+p.read+"\nexcept Exception as e:\n    print(repr(e))\n    raise\nprint(value)")
				text := marshal(t, answer)
				assert.Empty(t, around(text, a.secrets[p.name]))
				assert.Equal(t, "RequestRefused", answer.ErrorType, text)
				assert.Contains(t, answer.Output, p.refused)
				assert.Positive(t, answer.Refusals)
			}
		})
	}
}

func TestLogLines_LoseOnlyTheirSecrets(t *testing.T) {
	a := newAccount(t)
	const read = `[e["message"] for page in boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName="app") for e in page["events"]]`
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			text := marshal(t, a.tool(t, "value = "+read+"\n"+way.code))
			for _, l := range lines {
				assert.Empty(t, around(text, a.secrets[l.name]), l.name)
			}
		})
	}
	answer := a.tool(t, "for message in "+read+":\n    print(message)\n    print('<end>')")
	messages := strings.Split(answer.Stdout, "\n<end>\n")
	seen := a.unredacted(t, "result = "+read)
	var whole []string
	require.NoError(t, json.Unmarshal(seen.Result, &whole))
	require.Len(t, messages[:len(messages)-1], len(lines)+len(plain))
	for i, l := range lines {
		t.Run(l.name, func(t *testing.T) {
			require.Contains(t, whole[i], a.secrets[l.name])
			before, after, _ := strings.Cut(terminal.Plain(l.text), "{}")
			before, _, _ = strings.Cut(before, "‹")
			if _, rest, marked := strings.Cut(after, "›"); marked {
				after = rest
			}
			assert.True(t, strings.HasPrefix(messages[i], before) && strings.HasSuffix(messages[i], after), messages[i])
			assert.Equal(t, 1, strings.Count(messages[i], "[redacted: "), messages[i])
		})
	}
	for i, text := range plain {
		assert.Equal(t, text, messages[len(lines)+i])
	}
}

// around returns the text around the secret, or an empty string if the text does not contain the secret. It
// finds the secret as plain text and in base64, in each of the three alignments.
func around(text, secret string) string {
	forms := []string{secret}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		forms = append(forms, encoded[4:len(encoded)-4])
	}
	for _, form := range forms {
		if at := strings.Index(text, form); at >= 0 {
			return "…" + text[max(0, at-150):min(len(text), at+len(form)+60)] + "…"
		}
	}
	return ""
}

func marshal(t *testing.T, answer toolcall.Answer) string {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(answer))
	return b.String()
}

var prepared *account

// newAccount returns moto with all secrets planted, and the real tool. All tests share it.
func newAccount(t *testing.T) *account {
	t.Helper()
	if prepared == nil {
		prepared = prepare(t)
	}
	return prepared
}

func prepare(t *testing.T) *account {
	t.Helper()
	a := &account{secrets: plantAll(t)}
	host, err := lambdahost.New(lambdahost.Options{Log: os.Stderr})
	require.NoError(t, err)
	stopLater(func() { _ = host.Close() })
	tool, err := realtool.Build(shared.dir)
	require.NoError(t, err)
	unredacted := tool.Function("unredacted", shared.cloud.URL)
	unredacted.Env[config.EnvRedact] = "false"
	for _, f := range []lambdahost.Function{tool.Function("tool", shared.cloud.URL), unredacted} {
		f.MemoryMB = 512
		require.NoError(t, host.Add(f))
	}
	run := func(name string) func(*testing.T, string) toolcall.Answer {
		return func(t *testing.T, code string) toolcall.Answer { return invoke(t, host, name, code) }
	}
	a.tool, a.unredacted = run("tool"), run("unredacted")
	return a
}

func invoke(t *testing.T, host *lambdahost.Host, function, code string) toolcall.Answer {
	t.Helper()
	request, err := json.Marshal(toolcall.Request{Command: code})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := host.Invoke(ctx, function, request)
	require.NoError(t, err)
	require.Empty(t, got.FunctionError, string(got.Payload))
	var answer toolcall.Answer
	require.NoError(t, json.Unmarshal(got.Payload, &answer))
	return answer
}

// plantAll plants a different secret in every place and every log line.
func plantAll(t *testing.T) map[string]string {
	t.Helper()
	type piece struct {
		Name   string `json:"name"`
		Secret string `json:"secret"`
		Code   string `json:"code"`
	}
	var pieces []piece
	for _, p := range append(append([]place{}, shown...), withheld...) {
		pieces = append(pieces, piece{p.name, newSecret(), p.plant})
	}
	secrets := map[string]string{}
	log := `import time
logs = boto3.client("logs")
logs.create_log_group(logGroupName="app")
logs.create_log_stream(logGroupName="app", logStreamName="s")
now = int(time.time() * 1000)
logs.put_log_events(logGroupName="app", logStreamName="s", logEvents=[{"timestamp": now + i, "message": m} for i, m in enumerate(json.loads(%s))])`
	var messages []string
	for _, l := range lines {
		secrets[l.name] = newSecret()
		messages = append(messages, strings.NewReplacer("{}", secrets[l.name], "‹", "", "›", "").Replace(l.text))
	}
	encoded, err := json.Marshal(append(messages, plain...))
	require.NoError(t, err)
	literal, err := json.Marshal(string(encoded))
	require.NoError(t, err)
	pieces = append(pieces, piece{"log", newSecret(), fmt.Sprintf(log, literal)})
	for name, secret := range plant(t, pieces) {
		secrets[name] = secret
	}
	return secrets
}

func plant(t *testing.T, pieces any) map[string]string {
	t.Helper()
	python, err := moto.Tool("python")
	require.NoError(t, err)
	input, err := json.Marshal(pieces)
	require.NoError(t, err)
	command := exec.Command(python, "plant.py")
	command.Env = append(os.Environ(), shared.cloud.Environ()...)
	command.Stdin = bytes.NewReader(input)
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.Output()
	require.NoError(t, err, problem.String())
	var planted map[string]string
	require.NoError(t, json.Unmarshal(out, &planted))
	return planted
}

// newSecret returns a unique word of 40 letters and digits.
func newSecret() string {
	return "Q7" + rand.Text() + strings.ToLower(rand.Text()[:12])
}

// shared holds the resources that all tests use.
var shared struct {
	cloud *moto.Server
	dir   string
	stop  []func()
}

// stopLater registers a function that runs after the last test.
func stopLater(f func()) { shared.stop = append(shared.stop, f) }

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	var err error
	if shared.dir, err = os.MkdirTemp("", "alarmtriage-canary-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared.dir)
	if shared.cloud, err = moto.Start(context.Background()); err != nil {
		return 1, err
	}
	defer shared.cloud.Stop()
	defer func() {
		for _, stop := range shared.stop {
			stop()
		}
	}()
	return m.Run(), nil
}
