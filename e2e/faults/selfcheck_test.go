package faults_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/realtool"
)

// checkedWorld returns a world with the real tool and a control plane of Bedrock that returns this life
// cycle.
func checkedWorld(t *testing.T, lifecycle string, o options) *world {
	t.Helper()
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/foundation-models/"+strings.TrimPrefix(modelID, "us.") || !strings.Contains(r.Header.Get("Authorization"), "/bedrock/aws4_request") {
			answerError(w, http.StatusNotFound, "ResourceNotFoundException", "Could not find "+r.URL.Path)
			return
		}
		_, _ = w.Write([]byte(`{"modelDetails": {"modelLifecycle": ` + lifecycle + `}}`))
	}))
	t.Cleanup(control.Close)
	if o.realTool == nil {
		o.realTool = func(*lambdahost.Function) {}
	}
	if o.script.Steps == nil {
		o.script = forever(model.Step{Text: "OK"})
	}
	o.lifetime = time.Minute
	o.env = map[string]string{config.EnvToolTimeout: "6", "AWS_ENDPOINT_URL_BEDROCK": control.URL}
	return newWorld(t, o)
}

const active = `{"status": "ACTIVE", "startOfLifeTime": "2025-04-30T00:00:00Z"}`

// The real orchestrator checks itself on the stand-ins. One notification lists every broken part with its
// remedy.
func TestSelfCheck_ReportsBrokenPartsInOneNotification(t *testing.T) {
	for _, test := range []struct {
		name      string
		lifecycle string
		options   options
		breakIt   func(w *world)
		want      []string // nil: no notification
		problems  int
		failed    bool // the invocation fails because its notification reaches nobody
	}{
		{name: "healthy"},
		{name: "the model is denied", options: options{script: forever(failing("AccessDeniedException", accessDenied))}, problems: 1,
			want: []string{"PROBLEM: model " + modelID, "lacks the grant for bedrock:InvokeModel"}},
		{name: "the model has an answer without text", options: options{script: forever(model.Step{Content: []byte(`[]`), StopReason: "max_tokens"})}},
		{name: "the model is Legacy", lifecycle: `{"status": "LEGACY", "endOfLifeTime": "2099-01-31T00:00:00Z"}`, problems: 1,
			want: []string{"WARNING: life cycle of model " + modelID, "2099-01-31", "Set BedrockModelId"}},
		{name: "the table is denied", breakIt: func(w *world) { w.dynamodb.fail(denied, -1) }, problems: 1,
			want: []string{"PROBLEM: table investigations-", "Grant service:Action"}},
		{name: "the bucket is down", breakIt: func(w *world) { w.s3.fail(broken, -1) }, problems: 1,
			want: []string{"PROBLEM: bucket reports-", "AWS Health Dashboard"}},
		{name: "the tool has no harness", problems: 1,
			options: options{realTool: func(f *lambdahost.Function) { f.Env[realtool.EnvLayer] = t.TempDir() }},
			want:    []string{"PROBLEM: tool tool", "See the tool's log group"}},
		{name: "the tool does not reach AWS", problems: 1,
			options: options{realTool: func(f *lambdahost.Function) { f.Env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1" }},
			want:    []string{"PROBLEM: tool tool", "cannot read CloudWatch", "endpoint `monitoring`"}},
		{name: "a package of a layer is broken", problems: 1,
			options: options{realTool: func(f *lambdahost.Function) { f.Env[realtool.EnvLayer] = layerWithPackages(t) }},
			want: []string{"WARNING: tool tool", "shop-broken (ImportError: invalid ELF header)",
				"shop_copied (ModuleNotFoundError: No module named 'shop_missing')", "shop-compiled (ModuleNotFoundError: ", "Build the layer for Python"}},
		{name: "several parts are broken", problems: 3, lifecycle: `{"status": "ACTIVE", "endOfLifeTime": "2020-01-31T00:00:00Z"}`,
			breakIt: func(w *world) { w.s3.fail(denied, -1); w.dynamodb.fail(broken, -1) },
			want:    []string{"found 3 problems", "PROBLEM: table", "PROBLEM: bucket", "reached its end of life on 2020-01-31", "Checked and OK: model " + modelID}},
		{name: "nobody is subscribed", problems: 1, failed: true, breakIt: (*world).unsubscribe},
		{name: "the topic rejects the notification", problems: 1, failed: true, breakIt: func(w *world) {
			w.s3.fail(denied, -1)
			w.sns.fail(broken, -1)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.lifecycle == "" {
				test.lifecycle = active
			}
			w := checkedWorld(t, test.lifecycle, test.options)
			if test.breakIt != nil {
				test.breakIt(w)
			}
			w.fire([]byte(config.SelfCheckEvent))
			inbox := w.inbox()
			assert.Equal(t, test.failed, len(w.host.Failed()) == 1, "%v", w.host.Failed())
			assert.Empty(t, w.reports(), "a self-check stores no report")
			if test.failed {
				assert.Empty(t, inbox)
				return
			}
			for _, recorded := range w.model.Requests() {
				assert.Empty(t, recorded.Problems, "the service would refuse the request")
			}
			if test.want == nil {
				assert.Empty(t, inbox)
			} else if assert.Len(t, inbox, 1) {
				body := strings.Join(strings.Fields(inbox[0].Body), " ")
				for _, want := range test.want {
					assert.Contains(t, body, want)
				}
				assert.Contains(t, inbox[0].Subject, "self-check")
			}
			if t.Failed() {
				t.Log(inbox, w.log)
			}
		})
	}
}

func TestSelfCheck_AnswersOnDemandWithEveryCheck(t *testing.T) {
	t.Parallel()
	w := checkedWorld(t, active, options{})
	answer, err := w.host.Invoke(t.Context(), "orchestrator", []byte(config.SelfCheckEvent))
	require.NoError(t, err)
	require.Empty(t, answer.FunctionError, string(answer.Payload))
	var got struct {
		SelfCheck selfcheck.Report `json:"self_check"`
	}
	require.NoError(t, json.Unmarshal(answer.Payload, &got))
	assert.Len(t, got.SelfCheck.Checks, 8)
	for _, check := range got.SelfCheck.Checks {
		assert.Equal(t, selfcheck.StateOK, check.State, "%+v", check)
	}
	if t.Failed() {
		t.Log(w.log)
	}
}

// unsubscribe removes all subscriptions of the notification topic.
func (w *world) unsubscribe() {
	client := sns.NewFromConfig(cloud.Config())
	out, err := client.ListSubscriptionsByTopic(w.t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &w.topic})
	require.NoError(w.t, err)
	for _, subscription := range out.Subscriptions {
		_, err := client.Unsubscribe(w.t.Context(), &sns.UnsubscribeInput{SubscriptionArn: subscription.SubscriptionArn})
		require.NoError(w.t, err)
	}
}

// layerWithPackages returns a layer with the harness and packages, laid out as `pip install --target` does: one works, one
// fails at import, one has a module that needs another platform, and one consists of a module that does. Two other packages
// were copied into the layer and have no metadata: one works, and one needs a package that is missing.
func layerWithPackages(t *testing.T) string {
	t.Helper()
	layer := filepath.Join(t.TempDir(), "python")
	write := func(name, text string) {
		path := filepath.Join(layer, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	harness := filepath.Join(moto.Root(), "pythonlayer", "alarmtriage_tool")
	require.NoError(t, os.CopyFS(filepath.Join(layer, "alarmtriage_tool"), os.DirFS(harness)))
	const fails = "raise ImportError('invalid ELF header')\n"
	for name, modules := range map[string]map[string]string{
		"shop-works":    {"shop_works/__init__.py": "price = 3\n"},
		"shop-broken":   {"shop_broken/__init__.py": fails},
		"shop-partial":  {"shop_partial.py": "", "shop_partial_windows.py": fails, "_shop_private.py": fails},
		"shop-compiled": {"shop_compiled.cpython-313-other-linux-gnu.so": ""},
	} {
		info := strings.ReplaceAll(name, "-", "_") + "-1.0.dist-info/"
		var record strings.Builder
		for module, text := range modules {
			write(module, text)
			record.WriteString(module + ",,\n")
		}
		write(info+"METADATA", "Metadata-Version: 2.1\nName: "+name+"\nVersion: 1.0\n")
		write(info+"RECORD", record.String()+info+"METADATA,,\n")
	}
	write("shop_copied_works/__init__.py", "")
	write("shop_copied/__init__.py", "import shop_missing\n")
	return filepath.Dir(layer)
}
