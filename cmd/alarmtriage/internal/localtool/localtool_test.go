package localtool

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func TestWeakLayers_NamesWhatProtectsFiles(t *testing.T) {
	status := func(seccomp, landlock string) toolcall.Status {
		return toolcall.Status{Layers: map[string]string{"seccomp": seccomp, "landlock": landlock}}
	}
	assert.Empty(t, weakLayers(status("active", "active")))
	assert.Equal(t, []string{"Landlock"}, weakLayers(status("active", "refused: operation not permitted")))
	assert.Equal(t, []string{"seccomp", "Landlock"}, weakLayers(status("off", "off")))
	assert.Equal(t, []string{"seccomp", "Landlock"}, weakLayers(toolcall.Status{}))
}

func TestDockerfile_CompilesAReleaseWhereTheProgramDoesNotRun(t *testing.T) {
	text := dockerfile("", "v0.1.0")
	assert.Contains(t, text, "RUN CGO_ENABLED=0 GOBIN=/out go install github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage@v0.1.0\n")
	assert.Contains(t, text, "COPY --from=build /out/alarmtriage /usr/local/bin/alarmtriage\n")
	for version, want := range map[string]bool{
		"v0.1.0": true, "v0.1.1-0.20261126054600-0123456789ab": true, "(devel)": false, "v0.1.1-0.20261126054600-0123456789ab+dirty": false, "": false,
	} {
		assert.Equal(t, want, isRelease(version), version)
	}
}

func TestContainers_NeedSeccomp(t *testing.T) {
	for _, tt := range []struct {
		seccomp, landlock string
		want              string // in the reason
	}{
		{"active", "refused: function not implemented", ""},
		{"refused: invalid argument", "active", "does not allow seccomp"},
	} {
		answer := fmt.Sprintf(`{"answer": {"status": {"layers": {"seccomp": %q, "landlock": %q}}}}`, tt.seccomp, tt.landlock)
		script := "#!/bin/sh\ntest \"$1\" = image && exit\nread call; echo '" + answer + "'; " + settled + "read call"
		program := withDocker(t, script)
		tool, reason, err := openContainers(t.Context(), Options{
			AWS: aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "token")}, Program: program, Version: "v0.1.0", Cache: t.TempDir(),
		})
		require.NoError(t, err)
		if tool != nil {
			tool.Close()
		}
		assert.Equal(t, tt.want == "", tool != nil)
		assert.Contains(t, reason, tt.want)
	}
}

// withDocker makes a script the only container engine, and returns a program for its image.
func withDocker(t *testing.T, script string) (program string) {
	t.Helper()
	engines := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(engines, "docker"), []byte(script), 0o700))
	t.Setenv("PATH", engines)
	program = filepath.Join(engines, "program")
	require.NoError(t, os.WriteFile(program, nil, 0o600))
	return program
}

func TestOpen_AfterAnInterruptionTriesNoOtherPlace(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	program := withDocker(t, "#!/bin/sh\nexit 1")
	tool, err := Open(ctx, Options{Getenv: os.Getenv, Program: program, Version: "v0.1.0", Cache: t.TempDir(), Say: func(text string) { t.Error(text) }})
	assert.Nil(t, tool)
	assert.ErrorIs(t, err, context.Canceled)
}

// shellPool returns a pool whose processes are shell scripts.
func shellPool(t *testing.T, script string) *pool {
	t.Helper()
	o := Options{AWS: aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "token")}, Account: "123456789012", Partition: "aws-cn"}
	p := newPool(o, func() (command, error) {
		return command{path: "/bin/sh", arguments: []string{"-c", script}, environment: []string{"PATH=" + os.Getenv("PATH")}}, nil
	})
	t.Cleanup(p.close)
	return p
}

const settled = `echo '{"settled": true}'; `

func TestPool_ReportsHowACallEnded(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		want   string // in the error
	}{
		"it crashes":          {`read call; echo "out of luck" >&2; exit 3`, "the tool crashed, and the output of this call is lost (out of luck)"},
		"it never starts":     {`echo "no such library" >&2; exit 127`, "no such library"},
		"the sandbox failed":  {`read call; echo '{"error": "make the directory: no space left"}'`, "make the directory: no space left"},
		"not an answer":       {`read call; echo '{"answer": "text"}'`, "the tool's answer is not valid JSON"},
		"not even a reply":    {`read call; echo 'hello'`, "the tool crashed"},
		"an interrupted call": {`read call; exec sleep 10`, "the call was canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if strings.Contains(test.script, "sleep") {
				time.AfterFunc(200*time.Millisecond, cancel)
			}
			_, err := shellPool(t, test.script).run(ctx, toolcall.Request{Command: "1"})
			assert.ErrorContains(t, err, test.want)
			if name != "it never starts" { // then the write of the call may fail, and no code has run
				assert.True(t, toolcall.IsLost(err), "the code may have run")
			}
		})
	}
}

// The process stops the queries of the call, which AWS would bill otherwise.
func TestPool_LetsAnInterruptedCallEnd(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "ended")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := shellPool(t, `read call; read input; echo stopped > `+trace).run(ctx, toolcall.Request{Command: "1"})
	assert.ErrorContains(t, err, "the call was canceled")
	assert.FileExists(t, trace, "the process was killed")
}

func TestPool_CloseWaitsForAProcessThatIsDropped(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "input ended")
	p := shellPool(t, `read call; echo > '`+trace+`'; exec sleep 30`)
	worker, err := p.take()
	require.NoError(t, err)
	go p.drop(worker)
	require.Eventually(t, func() bool { _, err := os.Stat(trace); return err == nil }, 5*time.Second, 10*time.Millisecond)
	p.close()
	select {
	case <-worker.done:
	default:
		assert.Fail(t, "the process outlives the command")
		worker.kill()
	}
}

func TestPool_PassesCallsAndReplacesSpentProcesses(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	// The process answers two calls. After the second one it exits, as a process does whose call affected more than itself.
	p := shellPool(t, `echo start >> `+calls+`; answer='{"answer": {"success": true, "output": "done"}}'
read call; echo "$call" >> `+calls+`; echo "$answer"; `+settled+`
read call; echo "$call" >> `+calls+`; echo "$answer"`)
	for range 3 {
		answer, err := p.run(t.Context(), toolcall.Request{Command: "print(1)"})
		require.NoError(t, err)
		assert.Equal(t, "done", answer.Output)
		for range cap(p.slots) { // the process is given back when it has settled
			p.slots <- struct{}{}
		}
		for range cap(p.slots) {
			<-p.slots
		}
	}
	recorded, err := os.ReadFile(calls)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(recorded)), "\n")
	require.Len(t, lines, 5)
	assert.Equal(t, []string{"start", "start"}, []string{lines[0], lines[3]})
	var sent call
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &sent))
	assert.Equal(t, call{
		Request: toolcall.Request{Command: "print(1)"}, TimeoutMS: 60_000, Account: "123456789012", Partition: "aws-cn",
		Credentials: keys{AccessKeyID: "AKIA", SecretAccessKey: "secret", SessionToken: "token"},
	}, sent)
	p.close()
	_, err = p.run(t.Context(), toolcall.Request{Command: "print(1)"})
	assert.ErrorContains(t, err, "the tool is closed")
}

func TestEnvironment_TrustsTheBundleOfTheSDKs(t *testing.T) {
	values := map[string]string{"SSL_CERT_FILE": "/system.pem"}
	o := Options{Getenv: func(name string) string { return values[name] }}
	trusted := func() (last string) { // of equal names, the last one applies
		for _, entry := range processEnvironment(o, python{}, "/layer", "/packages", "/scratch") {
			if file, found := strings.CutPrefix(entry, "SSL_CERT_FILE="); found {
				last = file
			}
		}
		return last
	}
	assert.Equal(t, "/system.pem", trusted())
	values["AWS_CA_BUNDLE"] = "/proxy.pem"
	assert.Equal(t, "/proxy.pem", trusted())
}

func TestEnvironment_HasNoSecrets(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "canary", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_SESSION_TOKEN": "canary", "GITHUB_TOKEN": "canary",
		"AWS_PROFILE": "canary", "HOME": "/home/canary", "AWS_ENDPOINT_URL_LOGS": "http://localhost:1", "TZ": "Europe/Berlin",
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://canary.example.com",
	} {
		t.Setenv(name, value)
	}
	o := Options{AWS: aws.Config{Region: "eu-west-1"}, Settings: config.Tool{Redact: true}, Getenv: os.Getenv}
	env := strings.Join(processEnvironment(o, python{Packages: []string{"/site/boto3", "/site/six.py"}, Readable: []string{"/stdlib"}}, "/layer", "/packages", "/scratch"), "\n")
	assert.NotContains(t, env, "canary")
	for _, want := range []string{"AWS_REGION=eu-west-1", "AWS_ENDPOINT_URL_LOGS=http://localhost:1", "TZ=Europe/Berlin", "REDACT=true", "TMPDIR=/scratch", "PYTHONPATH=/packages", envOwnScratch + "=yes"} {
		assert.Contains(t, env, want)
	}
	for _, entry := range strings.Split(env, "\n") {
		if paths, found := strings.CutPrefix(entry, envReadable+"="); found {
			for _, path := range filepath.SplitList(paths) {
				assert.NotContains(t, []string{"/", "/home", "/root", "/etc", "/etc/ssl", "/etc/pki", "/usr", "/usr/local", "/usr/share", "/var", "/tmp"}, path)
			}
			assert.Subset(t, filepath.SplitList(paths), []string{"/stdlib", "/layer", "/packages", "/site/boto3", "/site/six.py"})
			assert.NotContains(t, filepath.SplitList(paths), "/site")
		}
	}
	arguments := strings.Join(runArguments(o, "image"), " ")
	assert.NotContains(t, arguments, "canary")
}
