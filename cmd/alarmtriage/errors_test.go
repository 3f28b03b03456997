package main_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// profileARN is that of an application inference profile, whose model and price nobody can know.
const profileARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"

// Every error is one line with a remedy, and has the exit code that docs/command.md lists.
func TestErrors_HaveExitCodesAndRemedies(t *testing.T) {
	t.Parallel()
	denied := model.Step{Error: &model.Error{Status: 403, Type: "AccessDeniedException", Message: "You don't have access to the model with the specified model ID."}}
	for name, test := range map[string]struct {
		arguments []string
		script    model.Script
		set       []string
		code      int
		want      []string
	}{
		"no such subcommand":            {[]string{"investigat", "x"}, model.Script{}, nil, 2, []string{"unknown command", "investigate", "see `alarmtriage --help`"}},
		"no such flag":                  {[]string{"investigate", "x", "--modle", "y"}, model.Script{}, nil, 2, []string{"unknown flag: --modle", "see `alarmtriage investigate --help`"}},
		"no alarm":                      {[]string{"investigate"}, model.Script{}, nil, 2, []string{"ALARM is missing: see `alarmtriage investigate --help`"}},
		"no report, no question":        {[]string{"ask"}, model.Script{}, nil, 2, []string{"REPORT and QUESTION are missing: see `alarmtriage ask --help`"}},
		"two alarms":                    {[]string{"investigate", "x", "y"}, model.Script{}, nil, 2, []string{`there is an argument too many, "y": put each value with blanks in quotes, here ALARM`}},
		"an argument of doctor":         {[]string{"doctor", "x"}, model.Script{}, nil, 2, []string{`there is an argument too many, "x": this command takes none`}},
		"no such subcommand of reports": {[]string{"reports", "lst"}, model.Script{}, nil, 2, []string{`unknown command "lst": did you mean "list"? see `}},
		"no such subcommand at all":     {[]string{"frobnicate"}, model.Script{}, nil, 2, []string{"unknown command \"frobnicate\": see `alarmtriage --help`"}},
		"help for no command":           {[]string{"help", "investigat"}, model.Script{}, nil, 2, []string{`unknown command "investigat": did you mean "investigate"?`}},
		"completion for no shell":       {[]string{"completion", "ksh"}, model.Script{}, nil, 2, []string{`unknown command "ksh"`}},
		"a cost in words":               {[]string{"investigate", "x", "--max-cost", "abc"}, model.Script{}, nil, 2, []string{`--max-cost must be a number, such as 1.50, and not "abc": see `}},
		"half a round":                  {[]string{"investigate", "x", "--max-rounds", "1.5"}, model.Script{}, nil, 2, []string{`--max-rounds must be a whole number, and not "1.5"`}},
		"a time without a unit":         {[]string{"investigate", "x", "--timeout", "5"}, model.Script{}, nil, 2, []string{`--timeout must be a duration, such as 90s or 15m, and not "5"`}},
		"a switch with a value":         {[]string{"investigate", "x", "--json=maybe"}, model.Script{}, nil, 2, []string{`--json must be true or false, and not "maybe"`}},
		"no value":                      {[]string{"investigate", "x", "--at"}, model.Script{}, nil, 2, []string{"--at needs a value"}},
		"no such short flag":            {[]string{"investigate", "x", "-z"}, model.Script{}, nil, 2, []string{"unknown flag: -z"}},
		"no flag at all":                {[]string{"investigate", "x", "---y"}, model.Script{}, nil, 2, []string{`"---y" is not a flag`}},
		"right and wrong":               {[]string{"feedback", "x", "--right", "--wrong"}, model.Script{}, nil, 2, []string{"--right and --wrong exclude each other: see `alarmtriage feedback --help`"}},
		"neither right nor wrong":       {[]string{"feedback", "x"}, model.Script{}, nil, 2, []string{"--right or --wrong is missing: see `alarmtriage feedback --help`"}},
		"two sources":                   {[]string{"reports", "list", "--bucket", "a", "--folder", "b"}, model.Script{}, nil, 2, []string{"--bucket and --folder exclude each other"}},
		"no model":                      {[]string{"investigate", "x", "--model", ""}, model.Script{}, []string{"AWS_ACCESS_KEY_ID="}, 2, []string{"--model must be the ID or ARN of a model"}},
		"one model and none":            {[]string{"ask", "x", "Why?", "--model", "a,,b"}, model.Script{}, nil, 2, []string{"--model must be the ID or ARN of a model"}},
		"a replay with no model":        {[]string{"replay", "x", "--model", " "}, model.Script{}, nil, 2, []string{"--model must be the ID or ARN of a model"}},
		"no known price":                {[]string{"investigate", "x", "--model", profileARN}, model.Script{}, nil, 2, []string{"no price of the model " + profileARN + " is known", "add --max-cost 0"}},
		"no known price of the second":  {[]string{"ask", "x", "Why?", "--model", "us.amazon.nova-2-lite-v1:0,my-model", "--max-cost", "1"}, model.Script{}, nil, 2, []string{"no price of the model my-model is known"}},
		"a replay without a price":      {[]string{"replay", "x", "--model", profileARN}, model.Script{}, nil, 2, []string{"no price of the model " + profileARN + " is known", "add --max-cost 0"}},
		"no price and no limit":         {[]string{"investigate", "x", "--model", profileARN, "--max-cost", "0"}, model.Script{}, nil, 5, []string{`there is no alarm "x"`}},
		"no network":                    {[]string{"investigate", "x"}, model.Script{}, []string{"AWS_ENDPOINT_URL_STS=http://127.0.0.1:1"}, 4, []string{"AWS cannot be asked whose credentials these are", "check the network"}},
		"no network for credentials":    {[]string{"doctor"}, model.Script{}, []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/"}, 4, []string{"the AWS credentials cannot be requested (dial tcp", "check the network"}},
		"credentials of Bedrock only":   {[]string{"investigate", "x"}, model.Script{}, []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_BEARER_TOKEN_BEDROCK=x"}, 4, []string{"there are no AWS credentials", "aws sso login"}},
		"a misspelled Region":           {[]string{"investigate", "x", "--region", "eu-wst-1"}, model.Script{}, []string{"AWS_ACCESS_KEY_ID="}, 2, []string{`"eu-wst-1" is not the name of an AWS Region: write it as in us-east-1`}},
		"a Region of the environment":   {[]string{"reports", "list"}, model.Script{}, []string{"AWS_REGION=us-est-1", "AWS_ACCESS_KEY_ID="}, 2, []string{`"us-est-1" is not the name of an AWS Region`}},
		"an invalid time":               {[]string{"investigate", "x", "--at", "yesterday"}, model.Script{}, nil, 2, []string{`--at "yesterday"`, "such as 6h"}},
		"a negative cost":               {[]string{"investigate", "x", "--max-cost", "-1"}, model.Script{}, nil, 2, []string{"--max-cost must be a number of dollars that is not negative"}},
		"a cost without limit":          {[]string{"investigate", "x", "--max-cost", "NaN"}, model.Script{}, nil, 2, []string{"--max-cost must be a number of dollars"}},
		"no Region of AWS":              {[]string{"investigate", "arn:aws:cloudwatch:evil.example#:123456789012:alarm:x"}, model.Script{}, nil, 2, []string{`"evil.example#" is not the name of an AWS Region`}},
		"settings of nobody":            {[]string{"ask", "s3://b/x", "Why?", "--function", "f", "--model", "m", "--json"}, model.Script{}, nil, 2, []string{"--function and --model exclude each other"}},
		"reports, no login":             {[]string{"reports", "list"}, model.Script{}, []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, 4, []string{"there are no AWS credentials", "aws sso login"}},
		"two forms":                     {[]string{"reports", "show", "x", "--json", "--form", "html"}, model.Script{}, nil, 2, []string{"--json and --form html exclude each other"}},
		"too many rounds":               {[]string{"investigate", "x", "--max-rounds", "101"}, model.Script{}, nil, 2, []string{"--max-rounds must be from 1 to 100"}},
		"a replay without a round":      {[]string{"replay", "x", "--max-rounds", "0"}, model.Script{}, nil, 2, []string{"alarmtriage: --max-rounds must be from 1 to 100"}},
		"two places":                    {[]string{"investigate", "x", "--container", "--tool-function", "f"}, model.Script{}, nil, 2, []string{"--container and --tool-function exclude each other"}},
		"another ARN":                   {[]string{"investigate", "arn:aws:sns:us-east-1:123456789012:x"}, model.Script{}, nil, 2, []string{"is not the ARN of a CloudWatch alarm"}},
		"two Regions":                   {[]string{"investigate", alarmARN, "--region", "eu-west-1"}, model.Script{}, nil, 2, []string{"names the Region us-east-1, and --region is eu-west-1"}},
		"no such stack":                 {[]string{"doctor", "--stack", "nobody"}, model.Script{}, nil, 5, []string{"in the stack nobody, because there is no such stack (us-east-1): check --region and --profile"}},
		"reports of no stack":           {[]string{"reports", "list", "--stack", "nobody"}, model.Script{}, nil, 5, []string{"there is no such stack"}},
		"no such orchestrator":          {[]string{"doctor", "--function", "nobody"}, model.Script{}, nil, 5, []string{"there is no AlarmTriage with the orchestrator nobody (us-east-1)"}},
		"an answer of nobody":           {[]string{"ask", "s3://b/reports/x.txt", "Why?", "--function", "nobody"}, model.Script{}, nil, 5, []string{"there is no function nobody (us-east-1): check --function"}},
		"no such runbook":               {[]string{"investigate", alarmName, "--runbook", "missing.md"}, model.Script{}, nil, 2, []string{"missing.md cannot be read", "check the path"}},
		"no such instructions":          {[]string{"investigate", alarmName, "--instructions", "rules/style.md"}, model.Script{}, nil, 2, []string{"rules/style.md cannot be read", "check the path"}},
		"no credentials":                {[]string{"investigate", alarmName}, model.Script{}, []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, 4, []string{"there are no AWS credentials", "aws sso login"}},
		"no Region":                     {[]string{"investigate", alarmName}, model.Script{}, []string{"AWS_REGION=", "AWS_DEFAULT_REGION="}, 4, []string{"no AWS Region is set", "add --region"}},
		"no such profile":               {[]string{"investigate", alarmName, "--profile", "nobody"}, model.Script{}, nil, 4, []string{"nobody", "check --profile"}},
		"a profile with MFA":            {[]string{"investigate", alarmName, "--profile", "mfa"}, model.Script{}, []string{"AWS_CONFIG_FILE=" + absolute(t, "testdata/mfa.ini")}, 4, []string{"needs a code of an MFA device", "aws configure export-credentials"}},
		"a profile without a login":     {[]string{"investigate", alarmName, "--profile", "sso"}, model.Script{}, []string{"AWS_CONFIG_FILE=" + absolute(t, "testdata/sso.ini"), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, 4, []string{"there are no AWS credentials", "aws sso login"}},
		"settings of no file":           {[]string{"investigate", alarmName}, model.Script{}, []string{"AWS_CA_BUNDLE=/nonexistent"}, 4, []string{"the AWS settings cannot be loaded", "the variables that begin with AWS_"}},
		"a profile without its source":  {[]string{"investigate", alarmName, "--profile", "orphan"}, model.Script{}, []string{"AWS_CONFIG_FILE=" + absolute(t, "testdata/sso.ini"), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, 4, []string{`there is no AWS profile "missing"`}},
		"another account":               {[]string{"investigate", strings.Replace(alarmARN, "123456789012", "111122223333", 1)}, model.Script{}, nil, 5, []string{"the alarm is in account 111122223333", "choose another --profile"}},
		"a misspelled alarm":            {[]string{"investigate", "order-service-eror"}, model.Script{}, nil, 5, []string{`there is no alarm "order-service-eror" in account 123456789012, us-east-1`, `did you mean "order-service-errors"?`}},
		"no alarm like it":              {[]string{"investigate", "payments"}, model.Script{}, nil, 5, []string{`there is no alarm "payments"`, "check --region and --profile"}},
		"an alarm that is OK":           {[]string{"investigate", "quiet"}, model.Script{}, nil, 5, []string{`the alarm "quiet" is in state OK, not ALARM`, "add --at 20"}},
		"an older transition":           {[]string{"investigate", "quiet", "--at", "2020-01-01"}, model.Script{}, nil, 5, []string{"no transition to ALARM before 2020-01-01T00:00:00Z", "30 days"}},
		"nowhere to run": {[]string{"investigate", alarmName}, model.Script{}, []string{"PATH=/nonexistent", "ALARMTRIAGE_PYTHON=python3"}, 6,
			[]string{"there is no python3 on the PATH", "there is no docker, finch, or podman on the PATH", "`python3 -m pip install boto3`", "another one with --python", "install Docker, Finch, or Podman", "--tool-function"}},
		"no container engine": {[]string{"investigate", alarmName, "--container"}, model.Script{}, []string{"PATH=/nonexistent"}, 6, []string{"install Docker, Finch, or Podman", "--tool-function"}},
		"no conclusion":       {[]string{"investigate", alarmName}, model.Script{Steps: []model.Step{denied}, Loop: new(int)}, nil, 3, []string{"the model came to no conclusion"}},
		"a request that the model refuses": {[]string{"investigate", alarmName}, model.Script{Steps: []model.Step{{Error: &model.Error{Type: "ValidationException", Message: "odd"}}}, Loop: new(int)},
			nil, 3, []string{"Set --model to another model, or report this to the alarmtriage project."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.script.Steps == nil {
				test.script = concluding()
			}
			b := newBench(t, test.script)
			b.set(test.set...)
			ran := b.run(test.arguments...)
			assert.Equal(t, test.code, ran.code, ran.stderr)
			lines := strings.Split(strings.TrimSpace(ran.stderr), "\n")
			last := lines[len(lines)-1]
			assert.True(t, strings.HasPrefix(last, "alarmtriage: "), ran.stderr)
			for _, want := range test.want {
				assert.Contains(t, last, want)
			}
			assert.Equal(t, 1, strings.Count(ran.stderr, "alarmtriage: "), "the error is shown once")
			if test.code == 2 {
				assert.Len(t, lines, 1, ran.stderr)
			}
		})
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	return path
}

// A service that accepts connections and never answers must not keep the command waiting forever.
func TestErrors_AWSDoesNotAnswer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	for _, service := range []string{"STS", "CLOUDWATCH"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, concluding())
			b.set("AWS_MAX_ATTEMPTS=1", "AWS_ENDPOINT_URL_"+service+"=http://"+silent.Addr().String())
			ran := b.run("investigate", alarmName)
			assert.Equal(t, 4, ran.code, ran.stderr)
			assert.Contains(t, ran.stderr, "AWS did not answer in time")
		})
	}
}

// Not every error of AWS means that a new login helps, and not every error of a function that another name does.
func TestErrors_OfAWSHaveTheirRemedy(t *testing.T) {
	t.Parallel()
	assumed := []string{"AWS_PROFILE=assumed", "AWS_CONFIG_FILE=" + absolute(t, "testdata/sso.ini"), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
	for name, test := range map[string]struct {
		service, code, want string
		exit                int
		env                 []string
	}{
		"expired login":      {"STS", "ExpiredToken", "does not accept the credentials (ExpiredToken: odd): log in, for example with `aws sso login`", 4, nil},
		"disabled Region":    {"STS", "InvalidClientTokenId", "another --region if the account has not enabled this one", 4, nil},
		"throttled":          {"STS", "Throttling", "whose credentials these are (Throttling: odd): AWS throttled the request: try again in a minute.", 4, nil},
		"expired function":   {"LAMBDA", "ExpiredTokenException", "f does not answer (ExpiredTokenException: odd): AWS does not accept the credentials: log in again", 6, nil},
		"denied function":    {"LAMBDA", "AccessDeniedException", "check the name of the tool function, and that these credentials may invoke it", 6, nil},
		"throttled role":     {"STS", "Throttling", "credentials cannot be requested (Throttling: odd): AWS throttled the request: try again in a minute.", 4, assumed},
		"denied role":        {"STS", "AccessDenied", "credentials cannot be requested (AccessDenied: odd): Use credentials that may do this.", 4, assumed},
		"expired role":       {"STS", "ExpiredToken", "there are no AWS credentials (ExpiredToken: odd): log in", 4, assumed},
		"throttled function": {"LAMBDA", "TooManyRequestsException", "f does not answer (TooManyRequestsException: odd): AWS throttled the request: try again in a minute.", 6, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Amzn-ErrorType", test.code)
				w.WriteHeader(http.StatusBadRequest)
				if test.service == "LAMBDA" {
					_, _ = io.WriteString(w, `{"message": "odd"}`)
					return
				}
				_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>`+test.code+`</Code><Message>odd</Message></Error></ErrorResponse>`)
			}))
			t.Cleanup(service.Close)
			b := newBench(t, concluding())
			b.set(append(test.env, "AWS_MAX_ATTEMPTS=1", "AWS_ENDPOINT_URL_"+test.service+"="+service.URL)...)
			ran := b.run("investigate", alarmName, "--tool-function", "f")
			assert.Equal(t, test.exit, ran.code, ran.stderr)
			assert.Contains(t, ran.stderr, test.want)
		})
	}
}

// The SDK asks the metadata service of an instance last, and logs that to the standard error.
func TestErrors_MetadataServiceAddsNoWords(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusUnauthorized} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
			t.Cleanup(service.Close)
			b := newBench(t, concluding())
			b.set("AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+service.URL)
			ran := b.run("investigate", alarmName)
			assert.Equal(t, 4, ran.code)
			assert.Equal(t, "alarmtriage: there are no AWS credentials: log in, for example with `aws sso login`, or choose another --profile\n", ran.stderr)
		})
	}
}

// The credentials of the user lack the permission, so the role of a deployment needs no other one.
func TestErrors_CallerGetsTheAdvice(t *testing.T) {
	t.Parallel()
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "GetCallerIdentity") {
			_, _ = io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/x</Arn>`+
				`<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
			return
		}
		w.Header().Set("X-Amzn-ErrorType", "AccessDenied")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"__type": "AccessDenied", "message": "User: x is not authorized to perform: svc:Action on resource: *"}`)
	}))
	t.Cleanup(aws.Close)
	for _, arguments := range [][]string{{"investigate", alarmName}, {"doctor"}, {"reports", "list"}, {"reports", "list", "--bucket", "b"}} {
		b := newBench(t, concluding())
		b.set("AWS_ENDPOINT_URL="+aws.URL, "AWS_ENDPOINT_URL_S3="+aws.URL)
		ran := b.run(arguments...)
		assert.Equal(t, 4, ran.code, "%v", arguments)
		for _, word := range []string{"orchestrator", "operation error", "StatusCode", "Deploy"} {
			assert.NotContains(t, ran.stderr+ran.stdout, word, "%v", arguments)
		}
		assert.Regexp(t, `: Use credentials that (?:allow svc:Action\.|may do this\.)`, ran.stderr, "%v", arguments)
	}
}

// The remedy for an alarm that is OK again works when it is copied.
func TestInvestigate_FindsAPastTransition(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	remedy := regexp.MustCompile(`add (--at) (\S+)`).FindStringSubmatch(b.run("investigate", "quiet").stderr)
	require.NotNil(t, remedy)

	ran := b.run("investigate", "quiet", remedy[1], remedy[2])

	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "Alarm: quiet, ALARM at ")
	alarm := decoded(t, b.file("report.json"))["alarm"].(map[string]any)
	assert.Equal(t, "ALARM", alarm["state"])
	assert.Equal(t, "OK", alarm["previous_state"])
	assert.Contains(t, b.file("report.txt"), "OK since", "the state at the end")
}

func TestCommand_ExplainsItself(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	assert.Equal(t, "alarmtriage "+version+"\n", b.run("version").stdout)
	help := b.run("investigate", "--help")
	assert.Equal(t, 0, help.code)
	assert.Contains(t, help.stdout, "Examples:\n  alarmtriage investigate order-service-errors --open\n")
	assert.NotContains(t, b.run("--help").stdout, "serve-tool-calls")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		completion := b.run("completion", shell)
		assert.Equal(t, 0, completion.code)
		assert.Contains(t, completion.stdout, "alarmtriage")
	}
	assert.Equal(t, alarmName+"\n:4\n", b.run("__complete", "investigate", "order").stdout, "the names of alarms in ALARM")
	assert.Equal(t, ":4\n", b.run("__complete", "investigate", "qui").stdout, "an alarm that is OK")
	const region = "eu-central-1"
	for _, name := range []string{"order-errors", "order $(touch x)"} {
		client := awsapi.NewCloudWatch(cloud.In(region).Config())
		_, err := client.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
			AlarmName: &name, Namespace: aws.String("n"), MetricName: aws.String("m"), Statistic: types.StatisticSum, Period: aws.Int32(60),
			EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
		})
		require.NoError(t, err)
		_, err = client.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: &name, StateValue: types.StateValueAlarm, StateReason: aws.String("x")})
		require.NoError(t, err)
	}
	b.set("AWS_REGION=" + region)
	assert.Equal(t, "order-errors\n:4\n", b.run("__complete", "investigate", "order").stdout, "a shell would interpret the other name")
	b.set("AWS_REGION=", "AWS_DEFAULT_REGION=")
	assert.Equal(t, ":4\n", b.run("__complete", "investigate", "order").stdout, "without a Region")
	entries, err := os.ReadDir(b.dir)
	require.NoError(t, err)
	assert.Empty(t, entries, "help writes no files")
	_, err = os.Stat(filepath.Join(b.dir, "cache"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
