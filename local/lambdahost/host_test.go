package lambdahost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lambdaruntime "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
)

// The test binary is also the function, a real one built with aws-lambda-go.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambdaruntime.Start(function)
		return
	}
	os.Exit(m.Run())
}

// order is the function's event.
type order struct {
	Do    string
	Bytes int
	File  string // receives a line at each call
	Print string // printed to stdout
}

// environmentReport is the function's answer: what it sees of its environment.
type environmentReport struct {
	RequestID string
	Name      string
	Memory    int
	Greeting  string
	Files     []string // of the SDKs
	Left      float64  // seconds until the deadline
	PID       int
	Fill      string `json:",omitempty"`
}

func function(ctx context.Context, o order) (environmentReport, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	if o.File != "" {
		f, err := os.OpenFile(o.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return environmentReport{}, err
		}
		fmt.Fprintln(f, lc.AwsRequestID)
		f.Close()
	}
	fmt.Print(o.Print)
	switch o.Do {
	case "fail":
		return environmentReport{}, errors.New("asked to fail")
	case "exit":
		os.Exit(3)
	case "hang":
		<-time.After(time.Minute)
	case "wait":
		<-time.After(300 * time.Millisecond)
	}
	deadline, _ := ctx.Deadline()
	return environmentReport{
		RequestID: lc.AwsRequestID, Name: lambdacontext.FunctionName, Memory: lambdacontext.MemoryLimitInMB,
		Greeting: os.Getenv("GREETING"), Files: []string{os.Getenv("AWS_CONFIG_FILE"), os.Getenv("AWS_SHARED_CREDENTIALS_FILE")}, Left: time.Until(deadline).Seconds(), PID: os.Getpid(), Fill: strings.Repeat("x", o.Bytes),
	}, nil
}

// newHost hosts the test binary as the function "f" and returns an SDK client of the host.
func newHost(t *testing.T, o lambdahost.Options, change func(*lambdahost.Function)) (*lambdahost.Host, *lambda.Client) {
	t.Helper()
	host, err := lambdahost.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { host.Close() })
	self, err := os.Executable()
	require.NoError(t, err)
	f := lambdahost.Function{Name: "f", Command: []string{self}, Timeout: 2 * time.Second, MemoryMB: 512, Env: map[string]string{"GREETING": "hello"}}
	if change != nil {
		change(&f)
	}
	require.NoError(t, host.Add(f))
	return host, lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(host.URL()), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
}

func invoke(t *testing.T, client *lambda.Client, name string, o order) (*lambda.InvokeOutput, environmentReport) {
	t.Helper()
	payload, err := json.Marshal(o)
	require.NoError(t, err)
	out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: payload})
	require.NoError(t, err)
	var answer environmentReport
	if out.FunctionError == nil {
		require.NoError(t, json.Unmarshal(out.Payload, &answer))
	}
	return out, answer
}

func TestInvoke_RunsTheFunctionAsConfigured(t *testing.T) {
	host, client := newHost(t, lambdahost.Options{}, nil)
	for _, name := range []string{"f", host.ARN("f"), host.ARN("f") + ":$LATEST"} {
		_, answer := invoke(t, client, name, order{})
		assert.Equal(t, "f", answer.Name)
		assert.Equal(t, 512, answer.Memory)
		assert.Equal(t, "hello", answer.Greeting)
		assert.Equal(t, []string{os.DevNull, os.DevNull}, answer.Files, "those of the user are not Lambda's")
		assert.InDelta(t, 2, answer.Left, 0.5)
		assert.NotEmpty(t, answer.RequestID)
	}
}

func TestEnvironments_AreReusedAndStartedForParallelCalls(t *testing.T) {
	_, client := newHost(t, lambdahost.Options{}, nil)
	_, one := invoke(t, client, "f", order{})
	_, two := invoke(t, client, "f", order{})
	assert.Equal(t, one.PID, two.PID)
	var mu sync.Mutex
	pids := map[int]bool{}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			_, answer := invoke(t, client, "f", order{Do: "wait"})
			mu.Lock()
			defer mu.Unlock()
			pids[answer.PID] = true
		})
	}
	group.Wait()
	assert.Len(t, pids, 3)
}

func TestInvoke_AnswersFailuresLikeLambdaAndContinues(t *testing.T) {
	tests := []struct {
		name string
		do   order
		want string
	}{
		{"error of the handler", order{Do: "fail"}, "asked to fail"},
		{"exit of the process", order{Do: "exit"}, "Runtime.ExitError"},
		{"timeout", order{Do: "hang"}, "Task timed out after 2.00 seconds"},
		{"answer too large", order{Bytes: 7 << 20}, "ResponseSizeTooLarge"},
	}
	_, client := newHost(t, lambdahost.Options{}, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, _ := invoke(t, client, "f", test.do)
			assert.Equal(t, "Unhandled", aws.ToString(out.FunctionError))
			assert.Contains(t, string(out.Payload), test.want)
			_, next := invoke(t, client, "f", order{})
			assert.Equal(t, "hello", next.Greeting)
		})
	}
}

func TestReservedConcurrency_Throttles(t *testing.T) {
	_, client := newHost(t, lambdahost.Options{}, func(f *lambdahost.Function) { f.ReservedConcurrency = 1 })
	file := t.TempDir() + "/calls"
	payload, err := json.Marshal(order{Do: "wait", File: file})
	require.NoError(t, err)
	busy := make(chan error, 1)
	go func() {
		_, err := client.Invoke(context.Background(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: payload})
		busy <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, 10*time.Second, time.Millisecond, "the call has begun")
	var throttled *types.TooManyRequestsException
	_, err = client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{}`)})
	require.ErrorAs(t, err, &throttled)
	require.NoError(t, <-busy)
}

func TestInvoke_RejectsUnknownFunctionsAndBadPayloads(t *testing.T) {
	_, client := newHost(t, lambdahost.Options{}, nil)
	var unknown *types.ResourceNotFoundException
	_, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("nobody")})
	require.ErrorAs(t, err, &unknown)
	var bad *types.InvalidRequestContentException
	_, err = client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{`)})
	require.ErrorAs(t, err, &bad)
	for kind, bytes := range map[types.InvocationType]int{types.InvocationTypeEvent: 1 << 20, types.InvocationTypeRequestResponse: 6 << 20} {
		_, err = client.Invoke(t.Context(), &lambda.InvokeInput{
			FunctionName: aws.String("f"), InvocationType: kind, Payload: []byte(`"` + strings.Repeat("x", bytes) + `"`)})
		assert.ErrorContains(t, err, "RequestEntityTooLargeException", "%s", kind)
	}
}

func TestInvokeAsync_RetriesAndSendsToTheFailureQueue(t *testing.T) {
	var mu sync.Mutex
	var queued []byte
	file := t.TempDir() + "/calls"
	host, client := newHost(t, lambdahost.Options{
		RetryDelays: []time.Duration{time.Millisecond, time.Millisecond},
		SendToQueue: func(_ context.Context, arn string, body []byte) error {
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, "arn:aws:sqs:us-east-1:123456789012:dead", arn)
			queued = body
			return nil
		},
	}, func(f *lambdahost.Function) { f.OnFailureQueueARN = "arn:aws:sqs:us-east-1:123456789012:dead" })
	payload, err := json.Marshal(order{Do: "fail", File: file})
	require.NoError(t, err)
	out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: payload})
	require.NoError(t, err)
	assert.EqualValues(t, 202, out.StatusCode)
	require.NoError(t, host.WaitIdle(t.Context()))

	calls, err := os.ReadFile(file)
	require.NoError(t, err)
	ids := bytes.Fields(calls)
	require.Len(t, ids, 3, "one attempt and two retries")
	assert.Equal(t, ids[0], ids[1], "retries keep the request id")
	assert.Equal(t, ids[0], ids[2], "retries keep the request id")
	require.Len(t, host.Failed(), 1)
	mu.Lock()
	defer mu.Unlock()
	assert.Contains(t, string(queued), `"condition":"RetriesExhausted"`)
	assert.Contains(t, string(queued), `"requestPayload":{"Do":"fail"`)
	assert.Contains(t, string(queued), `"responsePayload":{"errorMessage":`)
}

func TestInvokeAsync_ThrottledEventsWaitInTheQueue(t *testing.T) {
	host, _ := newHost(t, lambdahost.Options{}, func(f *lambdahost.Function) { f.ReservedConcurrency = 1 })
	file := t.TempDir() + "/calls"
	payload, err := json.Marshal(order{File: file})
	require.NoError(t, err)
	for range 10 {
		_, err := host.InvokeAsync("f", payload)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, host.WaitIdle(ctx))
	calls, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Len(t, bytes.Fields(calls), 10)
	assert.Empty(t, host.Failed())
}

// The rules and the first sample are from "Log-level filtering" in the AWS Lambda Developer Guide.
func TestLog_LinesBelowTheLevelAreDropped(t *testing.T) {
	const at = `"timestamp":"2024-11-02T16:51:31.587199Z"`
	tests := []struct {
		name, line string
		least      string // the last level at which the line is kept
	}{
		{"sample of the guide", `{"level": "debug", "msg": "my debug log", "timestamp": "2024-11-02T16:51:31.587199Z"}`, "DEBUG"},
		{"trace", `{"level":"TRACE",` + at + `}`, "TRACE"},
		{"warning", `{"level":"WARN",` + at + `}`, "WARN"},
		{"error", `{"level":"ERROR",` + at + `}`, "ERROR"},
		{"fatal", `{"level":"FATAL",` + at + `}`, "FATAL"},
		{"no level", `{"message":"m",` + at + `}`, "INFO"},
		{"unknown level", `{"level":"ERROR+4",` + at + `}`, "INFO"},
		{"numeric level", `{"level":50,` + at + `}`, "INFO"},
		{"no timestamp", `{"level":"ERROR"}`, "INFO"},
		{"timestamp not in RFC 3339", `{"level":"ERROR","timestamp":"2024/11/02 16:51:31"}`, "INFO"},
		{"numeric timestamp", `{"level":"ERROR","timestamp":1730566291587}`, "INFO"},
		{"text", `ERROR it broke`, "INFO"},
		{"an array", `["ERROR"]`, "INFO"},
	}
	levels := []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}
	var all string
	for _, test := range tests {
		all += test.line + "\n"
	}
	for i, level := range levels {
		var log bytes.Buffer
		host, client := newHost(t, lambdahost.Options{Log: &log}, func(f *lambdahost.Function) {
			f.Env["AWS_LAMBDA_LOG_FORMAT"], f.Env["AWS_LAMBDA_LOG_LEVEL"] = "JSON", level
		})
		invoke(t, client, "f", order{Print: all})
		require.NoError(t, host.Close())
		for _, test := range tests {
			kept := slices.Index(levels, test.least) >= i
			assert.Equal(t, kept, strings.Contains(log.String(), test.line+"\n"), "%s at %s", test.name, level)
		}
	}
}

func TestLog_DefaultLevelIsInfo(t *testing.T) {
	for format, want := range map[string]string{
		"JSON": "text without a final line break",
		"Text": `{"level":"DEBUG","timestamp":"2024-11-02T16:51:31Z"}` + "\n" + "text without a final line break",
		"":     `{"level":"DEBUG","timestamp":"2024-11-02T16:51:31Z"}` + "\n" + "text without a final line break",
	} {
		var log bytes.Buffer
		host, client := newHost(t, lambdahost.Options{Log: &log}, func(f *lambdahost.Function) { f.Env["AWS_LAMBDA_LOG_FORMAT"] = format })
		invoke(t, client, "f", order{Print: `{"level":"DEBUG","timestamp":"2024-11-02T16:51:31Z"}` + "\n" + "text without a final line break"})
		require.NoError(t, host.Close())
		assert.Equal(t, want, log.String(), "format %q", format)
	}
}

func TestDryRun_IsAcceptedWithoutRunningTheFunction(t *testing.T) {
	host, client := newHost(t, lambdahost.Options{}, nil)
	file := t.TempDir() + "/calls"
	payload, err := json.Marshal(order{File: file})
	require.NoError(t, err)
	dry := func(name string) (*lambda.InvokeOutput, error) {
		return client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: payload, InvocationType: types.InvocationTypeDryRun})
	}
	out, err := dry(host.ARN("f"))
	require.NoError(t, err)
	assert.Equal(t, int32(204), out.StatusCode)
	_, err = dry("other")
	var unknown *types.ResourceNotFoundException
	assert.ErrorAs(t, err, &unknown)
	assert.NoFileExists(t, file)
}
