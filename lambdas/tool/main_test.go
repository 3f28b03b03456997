package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// built is the compiled tool.
var built func() (realtool.Tool, error)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "alarmtriage-tool-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(directory)
	built = sync.OnceValues(func() (realtool.Tool, error) { return realtool.Build(directory) })
	return m.Run()
}

// tool starts the deployed function with these settings. Its AWS answers every request.
func tool(t *testing.T, settings map[string]string) (invoke func(payload string) lambdahost.Answer, logged *logbuffer.Buffer) {
	t.Helper()
	host, logged := hosted(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json") {
			io.WriteString(w, `{"queryId": "q-1", "statistics": {"bytesScanned": 3e9}, "status": "Running"}`)
			return
		}
		io.WriteString(w, "<Answer/>")
	}, func(function *lambdahost.Function) { maps.Copy(function.Env, settings) })
	return func(payload string) lambdahost.Answer {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		answer, err := host.Invoke(ctx, "tool", []byte(payload))
		require.NoError(t, err)
		return answer
	}, logged
}

// hosted starts the deployed function, changed by change, with answers as those of AWS.
func hosted(t *testing.T, answers http.HandlerFunc, change func(*lambdahost.Function)) (*lambdahost.Host, *logbuffer.Buffer) {
	t.Helper()
	compiled, err := built()
	require.NoError(t, err)
	aws := httptest.NewServer(answers)
	t.Cleanup(aws.Close)
	logged := &logbuffer.Buffer{}
	host, err := lambdahost.New(lambdahost.Options{Log: logged})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = host.Close()
		if t.Failed() {
			t.Log("the function's log:\n" + logged.String())
		}
	})
	function := compiled.Function("tool", aws.URL)
	change(&function)
	require.NoError(t, host.Add(function))
	return host, logged
}

func command(code string) string {
	payload, err := json.Marshal(toolcall.Request{Command: code})
	if err != nil {
		panic(err)
	}
	return string(payload)
}

func decoded(t *testing.T, answer lambdahost.Answer) toolcall.Answer {
	t.Helper()
	require.Empty(t, answer.FunctionError, string(answer.Payload))
	var a toolcall.Answer
	require.NoError(t, json.Unmarshal(answer.Payload, &a), string(answer.Payload))
	return a
}

func TestTool_RedactsAccordingToSettings(t *testing.T) {
	const code = `print("password=hunter2-canary", "ticket INC-4711")`
	for name, test := range map[string]struct {
		settings   map[string]string
		want       string
		redactions int
	}{
		"by default":      {nil, "password=[redacted: secret] ticket INC-4711\n", 1},
		"switched off":    {map[string]string{config.EnvRedact: "false"}, "password=hunter2-canary ticket INC-4711\n", 0},
		"custom patterns": {map[string]string{config.EnvRedactPatterns: `["INC-[0-9]+"]`}, "password=[redacted: secret] ticket [redacted: custom pattern]\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			invoke, _ := tool(t, test.settings)
			a := decoded(t, invoke(command(code)))
			assert.Equal(t, test.want, a.Stdout)
			assert.Equal(t, test.redactions, a.Redactions)
		})
	}
}

// A value that begins like the mark of a redacted secret would not be searched.
func TestTool_RedactsResultsWithMarksOfTheCode(t *testing.T) {
	invoke, _ := tool(t, nil)
	a := decoded(t, invoke(command(`{"password": "[redacted: x] hunter2-canary", "Variables": {"A_KEY": "[redacted: x] hunter2-canary"}, "n": "[redacted: x]"}`)))
	assert.JSONEq(t, `{"password": "[redacted: secret]", "Variables": {"A_KEY": "[redacted: environment variable]"}, "n": "(redacted: x]"}`, string(a.Result))
	assert.NotContains(t, a.Output, "hunter2-canary")
}

// Half a secret would not be recognized, so secrets are replaced before a text is shortened.
func TestTool_ShowsNoPartOfASecretWhereATextIsCut(t *testing.T) {
	invoke, _ := tool(t, nil)
	cases := map[string]string{
		"one line":             `print(text)`,
		"many lines":           `print(text.replace(", ", ",\n"))`,
		"standard error":       `sys.stderr.write(text)`,
		"a little too long":    `print(text[:2 * 65536 + 100])`,
		"as long as is kept":   `print(text[:2 * (65536 + 24576)])`,
		"a result as text":     `result = text`,
		"a result as a list":   `result = [text]`,
		"a very long result":   `result = text * 4`,
		"an exception":         `raise ValueError(text)`,
		"a short exception":    `raise ValueError(text[:17000])`,
		"other characters":     `print(text.replace("x", "é🔑"))`,
		"both streams":         `print(text); sys.stderr.write(text)`,
		"a fake mark at a cut": `print(text.replace("x", "[redacted: "))`,
	}
	for name, code := range cases {
		t.Run(name, func(t *testing.T) {
			for shift := range 12 {
				a := decoded(t, invoke(command(fmt.Sprintf("import sys\ntext = 'x' * %d + ', '.join('\"password\": \"hunter2-canary-%%06d\"' %% i for i in range(10000))\n%s", 3*shift, code))))
				whole, err := json.Marshal(a)
				require.NoError(t, err)
				assert.NotRegexp(t, `hunt|unter2|canar|nary|-[0-9]{2,6}\W`, string(whole), "shift %d", shift)
				assert.Equal(t, strings.Count(string(whole), "[redacted: "), strings.Count(string(whole), "[redacted: secret]")+strings.Count(string(whole), "[redacted: kind]"))
				assert.Equal(t, strings.Count(a.Output, "[redacted: "), a.Redactions)
				if !strings.Contains(code, "text[:") || strings.Contains(code, "24576") { // the others fit when they are redacted
					assert.Contains(t, a.Output, "left out")
				}
				assert.Greater(t, len(a.Output), 8<<10)
			}
		})
	}
}

// User data has up to 16 KB, which base64 makes longer.
func TestTool_ShowsNoPartOfUserDataWhereATextIsCut(t *testing.T) {
	invoke, _ := tool(t, nil)
	const code = `import base64
data = '{"UserData": "' + base64.b64encode(b"MIME-Version: 1.0 " + b"canary" * 2728).decode() + '"}'
print(%s)`
	for name, text := range map[string]string{
		"at the end of the head":       `"x" * (65536 - 1000) + data + "x" * 300000`,
		"in the head":                  `"x" * (65536 - 20000) + data + "x" * 300000`,
		"at the beginning of the tail": `"x" * 300000 + data + "x" * (65536 - 1000)`,
		"in the tail":                  `"x" * 300000 + data + "x" * (65536 - 20000)`,
	} {
		t.Run(name, func(t *testing.T) {
			a := decoded(t, invoke(command(fmt.Sprintf(code, text))))
			assert.NotContains(t, a.Stdout, "Y2FuYXJ5")
			assert.Contains(t, a.Output, "left out")
		})
	}
}

// A refusal quotes what the code sent, in the error that the code gets and in the list of requests.
func TestTool_ShowsNoPartOfASecretInARefusal(t *testing.T) {
	invoke, _ := tool(t, map[string]string{config.EnvRedactPatterns: `["(?i)canary[0-9]{20}"]`})
	const code = `
import botocore.awsrequest, botocore.httpsession
def send(method="POST", url="https://lambda.us-east-1.amazonaws.com/", region="us-east-1", body=b"", **headers):
    key = boto3.Session().get_credentials().access_key
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/20260102/{region}/lambda/aws4_request, SignedHeaders=host, Signature=0"
    request = botocore.awsrequest.AWSRequest(method, url, headers, body).prepare()
    return botocore.httpsession.URLLib3Session().send(request).status_code
refused = 0
for n in range(FROM, FROM + 33, 3):
    text = "a" * n + "CANARY" + "0123456789" * 2
    for call in (
        lambda: boto3.client("lambda").get_function_configuration(FunctionName="arn:aws:lambda:us-east-1:999988887777:function:" + text),
        lambda: send(url="https://lambda.us-east-1.amazonaws.com/" + text),
        lambda: send(url="https://" + text + ".example.com/"),
        lambda: send(url="https://lambda.us-east-1.amazonaws.com/%zz" + text),
        lambda: send(region=text),
        lambda: send(method=text),
        lambda: send(X_Amz_Target=text, Content_Type="application/x-amz-json-1.1"),
        lambda: send(Content_Type="text/" + text),
        lambda: send(body=f"{text}=1&{text}=2".encode(), Content_Type="application/x-www-form-urlencoded; charset=utf-8"),
    ):
        try: print("sent", call())
        except Exception as problem: refused += 1; print(problem)
result = refused
`
	for _, from := range []int{140, 990, 2010, 5000} {
		a := decoded(t, invoke(command(strings.ReplaceAll(code, "FROM", strconv.Itoa(from)))))
		whole, err := json.Marshal(a)
		require.NoError(t, err)
		assert.Empty(t, regexp.MustCompile(`(?i).{0,60}(cana|01234).{0,40}`).FindAllString(string(whole), 5), from)
		assert.JSONEq(t, "99", string(a.Result), "%.3000s", a.Output)
		require.NotEmpty(t, a.AWSCalls)
		for _, call := range a.AWSCalls {
			assert.NotEmpty(t, call.Refused)
			assert.LessOrEqual(t, len(call.Refused), 1024)
			assert.LessOrEqual(t, len(call.Operation), 200)
		}
	}
}

// The mark of a secret that is longer than what is kept is shown.
func TestTool_ShowsTheMarkOfASecretThatFillsAnOutput(t *testing.T) {
	invoke, _ := tool(t, nil)
	a := decoded(t, invoke(command(`print("-----BEGIN PRIVATE" + " KEY-----\n" + ("QUJD" * 16 + "\n") * 6000)`)))
	assert.True(t, strings.HasPrefix(a.Output, "[redacted: private key]\n… "), "%.100s", a.Output)
}

// Log lines contain colors for terminals. Colors would hide the names of secrets from the rules, and words
// from the check of quotes.
func TestTool_RemovesColorsFromAnswers(t *testing.T) {
	invoke, _ := tool(t, nil)

	a := decoded(t, invoke(command(`print("\x1b[36mpassword\x1b[0m=\x1b[1mhunter2-canary\x1b[0m is \x1b[31mwrong\x1b[0m")
print("\x1b[33mwarn", file=sys.stderr)
result = {"line": "\x1b[31mERROR\x1b[0m at C:\\u001b[31m", "ratio": 1.50}`)))
	assert.Equal(t, "password=[redacted: secret] is wrong\n", a.Stdout)
	assert.Equal(t, "warn\n", a.Stderr)
	assert.JSONEq(t, `{"line": "ERROR at C:\\u001b[31m", "ratio": 1.5}`, string(a.Result))
	assert.NotContains(t, a.Output, "\x1b")

	a = decoded(t, invoke(command(`"\x1b[1mbold\x1b[0m"`)))
	assert.Equal(t, "bold", a.Output)
	a = decoded(t, invoke(command(`raise ValueError("\x1b[31mred\x1b[0m")`)))
	assert.Contains(t, a.Error, "ValueError: red")
}

// The broker refuses or sends each request according to the settings, regardless of the role.
func TestTool_BrokerFollowsSettings(t *testing.T) {
	const code = `
import contextlib
for service, operation, parameters in (
    ("logs", "describe_log_groups", {}),
    ("ec2", "get_console_output", {"InstanceId": "i-1"}),
    ("lambda", "get_function", {"FunctionName": "f"}),
    ("cognito-idp", "list_users", {"UserPoolId": "eu-west-1_aaaaaaaaa"}),
    ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/x", "RoleSessionName": "investigation"}),
    ("ssm", "get_parameter", {"Name": "x"}),
    ("cloudformation", "detect_stack_drift", {"StackName": "s"}),
):
    with contextlib.suppress(Exception):
        getattr(boto3.client(service), operation)(**parameters)
`
	all := []string{"logs:DescribeLogGroups", "ec2:GetConsoleOutput", "lambda:GetFunction", "cognito-idp:ListUsers", "sts:AssumeRole", "ssm:GetParameter", "cloudformation:DetectStackDrift"}
	for name, test := range map[string]struct {
		settings map[string]string
		sent     []string
	}{
		"by default":         {nil, []string{"logs:DescribeLogGroups"}},
		"opened reads":       {map[string]string{config.EnvOpenReads: string(toolpolicy.HostOutput + "," + toolpolicy.SourceCode)}, []string{"logs:DescribeLogGroups", "ec2:GetConsoleOutput", "lambda:GetFunction"}},
		"billed reads":       {map[string]string{config.EnvOpenReads: string(toolpolicy.BilledReads)}, []string{"logs:DescribeLogGroups", "cloudformation:DetectStackDrift"}},
		"personal data":      {map[string]string{config.EnvOpenReads: string(toolpolicy.PersonalData)}, []string{"logs:DescribeLogGroups", "cognito-idp:ListUsers"}},
		"allowed actions":    {map[string]string{config.EnvAllowedActions: "sts:AssumeRole,ssm:*"}, []string{"logs:DescribeLogGroups", "sts:AssumeRole"}},
		"denied actions":     {map[string]string{config.EnvDeniedActions: "logs:Describe*"}, nil},
		"denied and allowed": {map[string]string{config.EnvDeniedActions: "sts:*", config.EnvAllowedActions: "sts:AssumeRole"}, []string{"logs:DescribeLogGroups"}},
	} {
		t.Run(name, func(t *testing.T) {
			invoke, _ := tool(t, test.settings)
			a := decoded(t, invoke(command(code)))
			require.True(t, a.Success, a.Output)
			var listed, sent []string
			for _, call := range a.AWSCalls {
				listed = append(listed, call.Service+":"+call.Operation)
				if call.Refused == "" {
					sent = append(sent, call.Service+":"+call.Operation)
				}
			}
			assert.Equal(t, all, listed, "every request is listed, refused or not")
			assert.Equal(t, test.sent, sent)
			assert.Equal(t, len(all)-len(sent), a.Refusals)
		})
	}
}

// A query that AWS does not stop at the end of a call can cost more than the answer states.
func TestTool_NotesQueriesThatMayStillRun(t *testing.T) {
	host, _ := hosted(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"queryId": "q-1", "success": false, "statistics": {"bytesScanned": 3e9}, "status": "Running"}`)
	}, func(*lambdahost.Function) {})
	answered, err := host.Invoke(t.Context(), "tool", []byte(command(`boto3.client("logs").start_query(logGroupName="g", queryString="fields @message", startTime=0, endTime=1)`)))
	require.NoError(t, err)
	answer := decoded(t, answered)
	require.True(t, answer.Success, answer.Output)
	require.Len(t, answer.Notes, 1)
	assert.Contains(t, answer.Notes[0], "1 CloudWatch Logs Insights queries of this call may still run and cost more than billed_queries states")
}

// The answer has what the broker counted. Code can neither change nor hide it.
func TestTool_LimitsAndReportsBilledQueries(t *testing.T) {
	const code = `
logs, refused = boto3.client("logs"), []
start = dict(logGroupName="g", queryString="fields @message", startTime=0, endTime=1)
logs.start_query(**start)
try:
    boto3.client("cloudwatch").get_metric_data(StartTime=0, EndTime=60, MetricDataQueries=[
        {"Id": "e%d" % i, "Expression": "SEARCH('{AWS/EC2,InstanceId}', 'Average', 60)"} for i in range(100)])
except Exception as error:
    refused.append(str(error))
print(refused, json.dumps({"billed_queries": []}))
`
	invoke, _ := tool(t, nil)
	ask := func(limit float64) toolcall.Answer {
		payload, err := json.Marshal(toolcall.Request{Command: code, QueryLimitUSD: &limit})
		require.NoError(t, err)
		return decoded(t, invoke(string(payload)))
	}
	answer := ask(0.10)
	require.True(t, answer.Success, answer.Output)
	require.Len(t, answer.BilledQueries, 1)
	assert.Equal(t, toolcall.BilledQueries{Operation: "logs:StartQuery", Requests: 1, Units: 3e9, Unit: toolcall.UnitBytes, CostUSD: answer.BilledQueries[0].CostUSD}, answer.BilledQueries[0])
	assert.InDelta(t, 0.015, answer.QueryCostUSD(), 1e-9)
	assert.Contains(t, answer.Output, "cloudwatch:GetMetricData is refused: AWS bills it, this request could cost $0.501 (50100 metrics)")
	require.NotEmpty(t, answer.Notes)
	assert.Contains(t, strings.Join(answer.Notes, "\n"), "1 CloudWatch Logs Insights queries of this call were stopped")

	answer = ask(0)
	assert.False(t, answer.Success)
	assert.Contains(t, answer.Error, "of the $0.00 that MaxQueryCostUsd leaves")
	assert.Empty(t, answer.BilledQueries, "nothing of the call before")

	answer = decoded(t, invoke(command("1 + 1")))
	assert.Empty(t, answer.BilledQueries)
	assert.Empty(t, answer.Notes)
}

// The code of a call may use the roles that it assumed in the call, without receiving their secrets.
func TestTool_AssumesRolesOfAllowedAccounts(t *testing.T) {
	const secret, token = "secretOfTheRole/0000000000000000000000+0", "IQoJb3JpZ2luX2VjTokenOfTheRole//+=="
	var mu sync.Mutex
	var keys []string
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, r.Header.Get("Authorization")+" "+r.Header.Get("X-Amz-Security-Token"))
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json") {
			io.WriteString(w, "{}")
			return
		}
		io.WriteString(w, `<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/x/investigation</Arn>`+
			`<AssumedRoleId>A:investigation</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>ASIAROLE000000000000</AccessKeyId><SecretAccessKey>`+secret+
			`</SecretAccessKey><SessionToken>`+token+`</SessionToken><Expiration>2036-11-09T13:34:41Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	}))
	t.Cleanup(aws.Close)
	const assume = `
c = boto3.client("sts").assume_role(RoleArn="arn:aws:iam::111122223333:role/x", RoleSessionName="investigation")["Credentials"]
`
	const use = `
logs = boto3.client("logs", aws_access_key_id=KEY, aws_secret_access_key="s", aws_session_token="t")
print(logs.describe_log_groups()["ResponseMetadata"]["HTTPStatusCode"])
`
	code := assume + "print(c)\n" + strings.Replace(use, "KEY", `c["AccessKeyId"]`, 1)
	settings := map[string]string{config.EnvAllowedActions: "sts:AssumeRole", "AWS_ENDPOINT_URL": aws.URL}

	t.Run("of another account", func(t *testing.T) {
		invoke, _ := tool(t, settings)
		a := decoded(t, invoke(command(code)))
		assert.Equal(t, "RequestRefused", a.ErrorType)
		assert.Contains(t, a.Error, "belongs to the account 111122223333")
		assert.Empty(t, keys)
	})
	t.Run("of an allowed account", func(t *testing.T) {
		settings := maps.Clone(settings)
		settings[config.EnvAllowedAccounts], settings[config.EnvRedact] = "444455556666,111122223333", "false"
		invoke, _ := tool(t, settings)

		a := decoded(t, invoke(command(code)))

		require.True(t, a.Success, a.Output)
		assert.Contains(t, a.Stdout, "200")
		assert.NotContains(t, a.Stdout, secret)
		assert.NotContains(t, a.Stdout, token)
		require.Len(t, keys, 2)
		assert.NotContains(t, keys[0], "ASIAROLE000000000000")
		assert.Contains(t, keys[1], "Credential=ASIAROLE000000000000/")
		assert.Contains(t, keys[1], " "+token)
		require.Len(t, a.AWSCalls, 2)
		assert.Equal(t, []string{"", ""}, []string{a.AWSCalls[0].AccessKey, a.AWSCalls[0].Account})
		assert.Equal(t, []string{"ASIAROLE000000000000", "111122223333"}, []string{a.AWSCalls[1].AccessKey, a.AWSCalls[1].Account})

		later := decoded(t, invoke(command(strings.Replace(use, "KEY", `"ASIAROLE000000000000"`, 1))))
		assert.Equal(t, "RequestRefused", later.ErrorType)
		assert.Contains(t, later.Error, "assume the role again in this call")
	})
}

func TestTool_StatusReportsLayers(t *testing.T) {
	invoke, _ := tool(t, nil)
	a := decoded(t, invoke(`{"status": true}`))
	require.NotNil(t, a.Status)
	assert.Equal(t, "active", a.Status.Layers["no credentials"])
	assert.Equal(t, "active", a.Status.Layers["audit hook"])
	assert.Contains(t, a.Status.Layers, "seccomp")
	assert.Contains(t, a.Status.Layers, "landlock")
	assert.Regexp(t, `^3\.`, a.Status.Python)
	assert.Regexp(t, `^1\.`, a.Status.Boto3)
	assert.NotEmpty(t, a.Status.Limits)
	assert.True(t, decoded(t, invoke(command("1 + 1"))).Success, "the next call works")
}

func TestTool_NamesInvalidSettingsAndEvents(t *testing.T) {
	for name, test := range map[string]struct {
		settings map[string]string
		payload  string
		want     string // in the answer or the log
	}{
		"an invalid pattern":          {map[string]string{config.EnvRedactPatterns: `["("]`}, command("1"), "is not a regular expression (RE2)"},
		"patterns that are not JSON":  {map[string]string{config.EnvRedactPatterns: `(`}, command("1"), config.EnvRedactPatterns + " must be a JSON array"},
		"an invalid endpoint":         {map[string]string{"AWS_ENDPOINT_URL_LOGS": "nowhere"}, command("1"), `endpoint "nowhere" is not a URL`},
		"a layer without the harness": {map[string]string{"ALARMTRIAGE_LAYER": "/nonexistent"}, command("1"), "start Python"},
		"an event of another type":    {nil, `["print(1)"]`, "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			invoke, logged := tool(t, test.settings)
			answer := invoke(test.payload)
			require.NotEmpty(t, answer.FunctionError)
			unquoted := strings.ReplaceAll(logged.String(), `\"`, `"`) // a logged error is a quoted string
			assert.Contains(t, string(answer.Payload)+unquoted, test.want)
		})
	}
}
