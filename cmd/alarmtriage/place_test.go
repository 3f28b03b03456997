package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// recorder passes requests on to moto and records which operations AWS received.
type recorder struct {
	URL string

	mu         sync.Mutex
	operations []string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	target, err := url.Parse(cloud.URL)
	require.NoError(t, err)
	r := &recorder{}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		operation := request.Header.Get("X-Amz-Target")
		operation = operation[strings.LastIndexByte(operation, '.')+1:]
		if operation == "" && request.Method == http.MethodPost && request.URL.Path == "/" {
			_ = request.ParseForm() // not read by the proxy again, so it is only done for Query's protocol
			operation = request.PostForm.Get("Action")
			request.Body, request.ContentLength = bodyOf(request.PostForm)
		}
		if operation == "" {
			operation = request.Method + " " + request.URL.Path
		}
		r.mu.Lock()
		r.operations = append(r.operations, operation)
		r.mu.Unlock()
		proxy.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func bodyOf(form url.Values) (body *readCloser, length int64) {
	encoded := form.Encode()
	return &readCloser{strings.NewReader(encoded)}, int64(len(encoded))
}

type readCloser struct{ *strings.Reader }

// Close implements io.Closer.
func (*readCloser) Close() error { return nil }

// all returns the operations so far.
func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.operations...)
}

// hostile is code that tries what the credentials of an administrator allow, and looks for the user's files.
const hostile = `# try everything
def attempt(what, call):
    try: print(what, "done", call())
    except BaseException as problem: print(what, "refused:", type(problem).__name__, problem)
attempt("write", lambda: boto3.client("logs").delete_log_group(logGroupName="` + logGroup + `"))
attempt("secret", lambda: boto3.client("ssm").get_parameter(Name="x", WithDecryption=True))
attempt("data", lambda: boto3.client("dynamodb").scan(TableName="x"))
attempt("role", lambda: boto3.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/admin", RoleSessionName="x"))
attempt("account", lambda: boto3.client("lambda").get_function_configuration(FunctionName="arn:aws:lambda:us-east-1:111122223333:function:f"))
attempt("partition", lambda: boto3.client("logs", "cn-north-1", endpoint_url="https://logs.cn-north-1.amazonaws.com.cn").describe_log_groups())
attempt("file", lambda: open(HOME + "/credentials").read())
attempt("folder", lambda: os.listdir(HOME))
attempt("environment", lambda: [v for v in os.environ.values() if "canary" in v])
attempt("network", lambda: __import__("socket").create_connection(("127.0.0.1", 9)))
attempt("program", lambda: __import__("subprocess").run(["id"]))`

func hostileScript(home string) model.Script {
	script := concluding()
	script.Steps[0].Tools[0].Input = map[string]any{"command": "HOME = '" + home + "'\n" + hostile}
	script.Steps[1].Expect = nil
	script.Steps[1].Tools[0].Input = map[string]any{
		"summary": "Nothing was done.", "root_cause": "", "confidence": "unknown", "severity": "low", "impact": "none",
	}
	return script
}

// The profile of the user may be an administrator's. The broker is the guard then: moto accepts everything that it sends.
func TestInvestigate_OnlyReadsWithTheCredentialsOfAnAdministrator(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	b := newBench(t, hostileScript(home))
	require.NoError(t, os.WriteFile(filepath.Join(home, "credentials"), []byte("[default]\naws_secret_access_key = canary-file\n"), 0o600))
	aws := newRecorder(t)
	b.set("HOME="+home, "AWS_ENDPOINT_URL="+aws.URL, "AWS_ENDPOINT_URL_S3="+aws.URL, "AWS_SECRET_ACCESS_KEY=canary-secret", "AWS_SESSION_TOKEN=canary-token")

	ran := b.run("investigate", alarmName)

	require.Equal(t, 0, ran.code, ran.stderr)
	output := b.file("conversation.json")
	for _, what := range []string{"write", "secret", "data", "role", "account", "partition", "file", "folder", "network", "program"} {
		assert.Contains(t, output, what+" refused: ")
		assert.NotContains(t, output, what+" done")
	}
	assert.Contains(t, output, "logs:DeleteLogGroup is refused: its access level is Write, and this tool only reads")
	assert.Contains(t, output, "is in the partition aws-cn")
	assert.Contains(t, output, "environment done []")
	for _, name := range []string{"report.txt", "report.html", "report.json", "card.json", "conversation.json"} {
		assert.NotContains(t, b.file(name), "canary-", name)
	}
	operations := aws.all()
	assert.Contains(t, operations, "GetCallerIdentity")
	assert.Contains(t, operations, "DescribeAlarms")
	for _, operation := range operations {
		assert.Regexp(t, `^(Describe|Get(CallerIdentity|Metric|Function)|List|Lookup|Filter|GET )`, operation, "only reads reach AWS")
	}
}

// The processes of an investigation answer several calls. A call must not find what an earlier one wrote beside its directory.
func TestInvestigate_CallsShareNoFiles(t *testing.T) {
	t.Parallel()
	script := concluding()
	look := script.Steps[0]
	script.Steps[0].Tools = slices.Clone(look.Tools)
	script.Steps[0].Tools[0].Input = map[string]any{"command": `open("../left-behind", "w").close(); print("written")`}
	look.Tools = slices.Clone(look.Tools)
	look.Tools[0].Input = map[string]any{"command": `print("beside:", [name for name in os.listdir("..") if not name.startswith("call-")])`}
	look.Expect = nil
	script.Steps = slices.Insert(script.Steps, 1, look)
	for i := range script.Steps {
		script.Steps[i].Expect = nil
	}
	script.Steps[2].Tools[0].Input = map[string]any{
		"summary": "Nothing was done.", "root_cause": "", "confidence": "unknown", "severity": "low", "impact": "none",
	}
	b := newBench(t, script)

	ran := b.run("investigate", alarmName)

	require.Equal(t, 0, ran.code, ran.stderr)
	output := b.file("conversation.json")
	assert.Contains(t, output, "written")
	assert.Contains(t, output, "beside: []")
}

// Somebody else can have created a folder with a known name in the folder of temporary files, with other code for the sandbox.
func TestInvestigate_WithoutFolderForCachesUsesNoSharedOne(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", "/dev/null/cache"} { // there is none, or it cannot be created
		b := newBench(t, concluding())
		temporary := t.TempDir()
		b.set("HOME=", "XDG_CACHE_HOME="+folder, "TMPDIR="+temporary)
		require.NoError(t, os.Mkdir(filepath.Join(temporary, "alarmtriage"), 0o755))
		ran := b.run("investigate", alarmName)
		require.Equal(t, 0, ran.code, ran.stderr)
		left, err := filepath.Glob(filepath.Join(temporary, "*"))
		require.NoError(t, err)
		assert.Equal(t, []string{filepath.Join(temporary, "alarmtriage")}, left)
		inside, err := os.ReadDir(left[0])
		require.NoError(t, err)
		assert.Empty(t, inside)
	}
}

// A deployed tool needs no folder on this machine; the sandbox does.
func TestInvestigate_WithoutAnyFolderForFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	b.set("HOME=", "XDG_CACHE_HOME=", "TMPDIR=/dev/null/temporary")
	ran := b.run("investigate", alarmName)
	assert.Equal(t, 6, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "set TMPDIR to a folder in which you may create files")
	ran = b.run("investigate", alarmName, "--tool-function", "f")
	assert.Contains(t, ran.stderr, "the function f does not answer")
}

// The container is tested with an engine that only claims to run containers: it records its arguments and starts the
// program of the image on this machine. That the image can be built, and what a real engine confines, is not tested.
func TestContainer_RunsTheToolOfTheImage(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	python, err := moto.Tool("python")
	require.NoError(t, err)
	described, err := exec.Command(python, "-c", "import boto3, os, sys; print(os.path.realpath(sys._base_executable)); print(os.path.dirname(os.path.dirname(boto3.__file__)))").Output()
	require.NoError(t, err)
	interpreter, packages, _ := strings.Cut(strings.TrimSpace(string(described)), "\n")
	store := filepath.Join(b.dir, "engine")
	require.NoError(t, os.MkdirAll(filepath.Join(store, "tmp"), 0o755))
	b.program("docker", strings.NewReplacer("STORE", store, "INTERPRETER", interpreter, "PACKAGES", packages).Replace(`
echo "$@" >> STORE/log
case "$1" in
image) test -e "STORE/$3"; exit ;;
build) cp -R "$4" STORE/context && touch "STORE/$3"; exit ;;
esac
variables=""
while test $# -gt 1; do
  if test "$1" = --env; then variables="$variables $2"; fi
  shift
done
test -e "STORE/$1" || exit 125
tee -a STORE/calls | env -i PATH=/usr/bin:/bin TMPDIR=STORE/tmp ALARMTRIAGE_LAYER=STORE/context PYTHONPATH=PACKAGES $variables \
  STORE/context/alarmtriage serve-tool-calls INTERPRETER`))
	b.set("AWS_SECRET_ACCESS_KEY=canary-secret")

	ran := b.run("investigate", alarmName, "--container")

	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "Building the image of the container")
	assert.Contains(t, ran.stderr, "Code: runs in a container of docker, in the sandbox (Python 3.")
	assert.Contains(t, b.file("report.txt"), "7 error lines")
	log := readFile(t, filepath.Join(store, "log"))
	for _, want := range []string{"run --rm --interactive --read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--user 65534:65534", "--env AWS_REGION=us-east-1"} {
		assert.Contains(t, log, want)
	}
	assert.NotContains(t, log, "canary-secret", "the credentials are on no command line")
	assert.NotContains(t, log, "--volume")
	assert.Contains(t, readFile(t, filepath.Join(store, "calls")), `"secret_access_key":"canary-secret"`, "they come with each call")
	dockerfile := readFile(t, filepath.Join(store, "context", "Dockerfile"))
	assert.Contains(t, dockerfile, "FROM public.ecr.aws/lambda/python:3.13\nCOPY alarmtriage /usr/local/bin/alarmtriage\nCOPY python /opt/python\n")
	assert.Contains(t, dockerfile, `ENTRYPOINT ["/usr/local/bin/alarmtriage", "serve-tool-calls", "/var/lang/bin/python3.13"]`)
	assert.FileExists(t, filepath.Join(store, "context", "python", "alarmtriage_evidence", "collector.py"))

	again := newBench(t, concluding())
	again.env = append([]string{}, b.env...)
	again.set("AWS_ENDPOINT_URL_BEDROCK_RUNTIME=" + again.model.URL)
	ran = again.run("investigate", alarmName, "--container", "--json")
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.NotContains(t, ran.stderr, "Building", "the image is built once")
	assert.Equal(t, "completed", decoded(t, ran.stdout)["outcome"])
}

// With a deployed tool, the code runs there, with the permissions of its role.
func TestToolFunction_RunsTheCode(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	tool, err := realtool.Build(t.TempDir())
	require.NoError(t, err)
	host, err := lambdahost.New(lambdahost.Options{Region: moto.Region, Account: moto.Account, Log: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = host.Close() })
	require.NoError(t, host.Add(tool.Function("triage-tool", cloud.URL)))
	b.set("AWS_ENDPOINT_URL_LAMBDA="+host.URL(), "PATH=/nonexistent")

	ran := b.run("investigate", alarmName, "--tool-function", "triage-tool")

	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "Code: runs in the deployed tool function triage-tool, with the credentials of its role (Python 3.")
	assert.Contains(t, ran.stderr, "It only reads. The settings and the role of the tool function decide what it may read.")
	assert.Contains(t, b.file("report.txt"), "7 error lines")

	wrong := b.run("investigate", alarmName, "--tool-function", "no-such-tool")
	assert.Equal(t, 6, wrong.code, wrong.stderr)
	assert.Contains(t, wrong.stderr, "the function no-such-tool does not answer (ResourceNotFoundException: ")
	assert.NotContains(t, wrong.stderr, "asking the model")
}

func TestInvestigate_FollowsItsFlags(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	b.program("xdg-open", `echo "$1" > `+filepath.Join(b.dir, "opened"))
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "runbook.md"), []byte("Call the orders team."), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "style.txt"), []byte("Answer in short sentences."), 0o600))

	ran := b.run("investigate", alarmName, "--runbook", "runbook.md", "--instructions", "style.txt", "--out", "here", "--open", "--json",
		"--model", "us.amazon.nova-2-lite-v1:0", "--max-cost", "0")

	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Equal(t, readFile(t, filepath.Join(b.dir, "here", "report.json")), strings.TrimSuffix(ran.stdout, "\n"), "the JSON and nothing else")
	assert.Equal(t, "here/report.html\n", readFile(t, filepath.Join(b.dir, "opened")))
	assert.Contains(t, ran.stderr, "Model: us.amazon.nova-2-lite-v1:0, no limit of its cost")
	asked := b.model.Requests()
	system, err := json.Marshal(asked[0].Request)
	require.NoError(t, err)
	assert.Contains(t, string(system), "Answer in short sentences.\\n\\nThe team's runbook for this alarm:\\nCall the orders team.")
	assert.Equal(t, "us.amazon.nova-2-lite-v1:0", decoded(t, ran.stdout)["model"])

	require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "bin")))
	b = newBench(t, concluding())
	b.program("xdg-open", "exit 3")
	ran = b.run("investigate", alarmName, "--open", "--instructions", "Only words.")
	assert.Equal(t, 0, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "The page cannot be opened (xdg-open: exit status 3): open alarmtriage-reports/")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(body)
}
