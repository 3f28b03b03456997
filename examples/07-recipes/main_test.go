package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// completionOf returns the event that EventBridge receives for a record.
func completionOf(t *testing.T, record *investigation.Record) map[string]any {
	t.Helper()
	detail, err := report.Completion(record, 240<<10)
	require.NoError(t, err)
	var event map[string]any
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{"source": "alarmtriage", "detail-type": "Alarm Investigation Completed", "detail": %s}`, detail), &event))
	return event
}

// sample returns the record of the sample report.
func sample(t *testing.T) *investigation.Record {
	t.Helper()
	text, err := os.ReadFile("../../docs/sample-report/report.json")
	require.NoError(t, err)
	var record investigation.Record
	require.NoError(t, json.Unmarshal(text, &record))
	return &record
}

// target is a target of a rule, as CloudFormation receives it.
type target struct {
	Arn struct {
		GetAtt []string `json:"Fn::GetAtt"`
	}
	InputTransformer struct {
		InputPathsMap map[string]string
		InputTemplate string
	}
	RetryPolicy      any
	DeadLetterConfig any
}

type resource struct {
	Type       string
	Properties json.RawMessage
}

// synthesized returns the resources of the stack.
func synthesized(t *testing.T) map[string]resource {
	t.Helper()
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	text, err := json.Marshal(assertions.Template_FromStack(newStack(app), nil).ToJSON())
	require.NoError(t, err)
	var template struct{ Resources map[string]resource }
	require.NoError(t, json.Unmarshal(text, &template))
	return template.Resources
}

// ruleOf is a rule of the stack.
type ruleOf struct {
	EventPattern struct {
		Source []string
		Detail struct {
			Report map[string][]any `json:"report"`
		} `json:"detail"`
	}
	Targets []target
}

func rulesOf(t *testing.T, resources map[string]resource) map[string]ruleOf {
	t.Helper()
	rules := map[string]ruleOf{}
	for id, r := range resources {
		var rule ruleOf
		if r.Type != "AWS::Events::Rule" || json.Unmarshal(r.Properties, &rule) != nil || len(rule.Targets) != 5 {
			continue
		}
		rules[id] = rule
	}
	require.Len(t, rules, len(levels))
	return rules
}

// matches reports whether an event has one of the values of each field in a pattern, by the rules of EventBridge for
// exact values and anything-but.
func matches(t *testing.T, pattern map[string][]any, event map[string]any) bool {
	t.Helper()
	report := event["detail"].(map[string]any)["report"].(map[string]any)
	for name, values := range pattern {
		found := false
		for _, value := range values {
			if not, isOperator := value.(map[string]any); isOperator {
				require.Equal(t, []string{"anything-but"}, slices.Collect(maps.Keys(not)))
				found = found || !slices.Contains(not["anything-but"].([]any), report[name])
			} else {
				found = found || value == report[name]
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// transform applies an input transformer by the documented rules of EventBridge: dot notation, at most 100 variables and
// 8,192 characters, and variables as whole values, which are inserted as JSON.
func transform(t *testing.T, tr target, event map[string]any) []byte {
	t.Helper()
	paths, template := tr.InputTransformer.InputPathsMap, tr.InputTransformer.InputTemplate
	require.LessOrEqual(t, len(paths), 100)
	require.LessOrEqual(t, utf8.RuneCountInString(template), 8192)
	values := map[string]string{}
	for name, path := range paths {
		require.Regexp(t, `^[A-Za-z0-9_-]{1,256}$`, name)
		require.False(t, strings.HasPrefix(name, "AWS."))
		require.Regexp(t, `^\$(\.[A-Za-z0-9_-]+)+$`, path)
		var value any = event
		for _, key := range strings.Split(path, ".")[1:] {
			members, isObject := value.(map[string]any)
			require.True(t, isObject, path)
			value, isObject = members[key]
			require.True(t, isObject, "every event must have %s, because a missing value leaves nothing", path)
		}
		inserted, err := json.Marshal(value)
		require.NoError(t, err)
		values["<"+name+">"] = string(inserted)
		whole := regexp.MustCompile(`[:,\[]<` + name + `>[,}\]]`)
		require.Len(t, whole.FindAllString(template, -1), strings.Count(template, "<"+name+">"), "%s is part of a text, in which it is not escaped: %s", name, template)
	}
	body := regexp.MustCompile(`<[A-Za-z0-9_-]+>`).ReplaceAllStringFunc(template, func(variable string) string {
		require.Contains(t, values, variable)
		return values[variable]
	})
	require.True(t, json.Valid([]byte(body)), body)
	return []byte(body)
}

// request is what a product received.
type request struct {
	Product string
	Body    []byte
}

// products accept a request only if their documentation does.
func standIn(t *testing.T) (*httptest.Server, *[]request) {
	t.Helper()
	var got []request
	text := func(least, most int) func(any) string {
		return func(value any) string {
			s, isText := value.(string)
			if n := utf8.RuneCountInString(s); !isText || n < least || n > most {
				return fmt.Sprintf("must be a text of %d to %d characters, got %.60v", least, most, value)
			}
			return ""
		}
	}
	one := func(values ...string) func(any) string {
		return func(value any) string {
			if s, _ := value.(string); !slices.Contains(values, s) {
				return fmt.Sprintf("must be one of %v, got %v", values, value)
			}
			return ""
		}
	}
	rfc3339 := func(value any) string {
		s, _ := value.(string)
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			return err.Error()
		}
		return ""
	}
	labels := func(value any) string {
		list, _ := value.([]any)
		for _, label := range list {
			if s, isText := label.(string); !isText || s == "" || strings.ContainsAny(s, " \t") {
				return fmt.Sprintf("bad label %v", label)
			}
		}
		return ""
	}
	adf := func(value any) string {
		doc, _ := value.(map[string]any)
		if doc["type"] != "doc" || doc["version"] != float64(1) {
			return "must be a document of version 1"
		}
		for _, block := range doc["content"].([]any) {
			for _, node := range block.(map[string]any)["content"].([]any) {
				if problem := text(1, 32_767)(node.(map[string]any)["text"]); problem != "" {
					return problem
				}
			}
		}
		return ""
	}
	journal := func(value any) string { // https://www.servicenow.com/docs: glide.ui.security.allow_codetag is true by default
		if note, _ := value.(string); strings.Contains(note, "[code]") {
			return "would be rendered as HTML"
		}
		return text(0, 4000)(value)
	}
	products := map[string]struct {
		status   int
		required map[string]func(any) string
		optional map[string]func(any) string
	}{
		"/v2/enqueue": {202, map[string]func(any) string{
			"routing_key": text(32, 32), "event_action": one("trigger", "acknowledge", "resolve"),
			"payload.summary": text(1, 1024), "payload.source": text(1, 1024), "payload.severity": one("critical", "error", "warning", "info"),
		}, map[string]func(any) string{"dedup_key": text(1, 255), "client": text(0, 255), "payload.timestamp": rfc3339, "payload.custom_details": nil}},
		"/jsm/ops/integration/v2/alerts": {202, map[string]func(any) string{"message": text(1, 130)}, map[string]func(any) string{
			"alias": text(1, 512), "description": text(0, 15_000), "priority": one("P1", "P2", "P3", "P4", "P5"), "source": text(0, 100),
			"tags": labels, "note": text(0, 25_000), "entity": text(0, 512)}},
		"/rest/api/3/issue": {201, map[string]func(any) string{
			"fields.project.key": text(2, 10), "fields.issuetype.name": text(1, 60), "fields.summary": text(1, 255),
		}, map[string]func(any) string{"fields.labels": labels, "fields.description": adf}},
		"/api/now/table/incident": {201, map[string]func(any) string{"short_description": text(1, 160)}, map[string]func(any) string{
			"description": text(0, 4000), "work_notes": journal, "urgency": one("1", "2", "3"), "impact": one("1", "2", "3"),
			"correlation_id": text(1, 100), "correlation_display": text(0, 100)}},
		"/repos/example/operations/issues": {201, map[string]func(any) string{"title": text(1, 256)}, map[string]func(any) string{
			"body": text(0, 65_536), "labels": labels}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		product, known := products[r.URL.Path]
		var members map[string]any
		if err != nil || !known || r.Method != http.MethodPost || r.Header.Get("Authorization") == "" && r.Header.Get("X-Routing-Key") == "" ||
			json.Unmarshal(body, &members) != nil {
			http.Error(w, "not a request of this API: "+r.URL.Path, http.StatusBadRequest)
			return
		}
		flat, problems := map[string]any{}, []string{}
		flatten(flat, "", members, func(path string) bool {
			_, required := product.required[path]
			_, optional := product.optional[path]
			return required || optional
		})
		for path, check := range product.required {
			if _, has := flat[path]; !has {
				problems = append(problems, path+" is missing")
			} else if problem := check(flat[path]); problem != "" {
				problems = append(problems, path+" "+problem)
			}
		}
		for path, value := range flat {
			check, optional := product.optional[path]
			if _, required := product.required[path]; !required && !optional {
				problems = append(problems, "unknown field "+path)
			} else if check != nil {
				if problem := check(value); problem != "" {
					problems = append(problems, path+" "+problem)
				}
			}
		}
		if len(problems) > 0 {
			http.Error(w, strings.Join(problems, "; "), http.StatusBadRequest)
			return
		}
		got = append(got, request{r.URL.Path, body})
		w.WriteHeader(product.status)
	}))
	t.Cleanup(server.Close)
	return server, &got
}

// flatten adds the members of an object to flat, with paths as names. It stops at the paths that known accepts.
func flatten(flat map[string]any, prefix string, members map[string]any, known func(string) bool) {
	for name, value := range members {
		path := prefix + name
		if nested, isObject := value.(map[string]any); isObject && !known(path) {
			flatten(flat, path+".", nested, known)
			continue
		}
		flat[path] = value
	}
}

// call sends an event to the destination of a target as EventBridge does, with the parameters of its connection.
func call(t *testing.T, server *httptest.Server, resources map[string]resource, tr target, event map[string]any) {
	t.Helper()
	var destination struct {
		InvocationEndpoint, HttpMethod string
		ConnectionArn                  struct {
			GetAtt []string `json:"Fn::GetAtt"`
		}
	}
	require.NoError(t, json.Unmarshal(resources[tr.Arn.GetAtt[0]].Properties, &destination))
	var connection struct {
		AuthorizationType string
		AuthParameters    struct {
			ApiKeyAuthParameters struct {
				ApiKeyName  string
				ApiKeyValue json.RawMessage
			}
			BasicAuthParameters struct {
				Username string
				Password json.RawMessage
			}
			InvocationHttpParameters struct {
				BodyParameters []struct {
					Key   string
					Value json.RawMessage
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(resources[destination.ConnectionArn.GetAtt[0]].Properties, &connection))
	auth := connection.AuthParameters

	var body map[string]any
	require.NoError(t, json.Unmarshal(transform(t, tr, event), &body))
	for _, parameter := range auth.InvocationHttpParameters.BodyParameters {
		assert.Contains(t, string(parameter.Value), "{{resolve:secretsmanager:", "secrets are not in the template")
		body[parameter.Key] = strings.Repeat("k", 32)
	}
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	_, path, _ := strings.Cut(strings.TrimPrefix(destination.InvocationEndpoint, "https://"), "/")
	require.True(t, strings.HasPrefix(destination.InvocationEndpoint, "https://"))
	message, err := http.NewRequestWithContext(t.Context(), destination.HttpMethod, server.URL+"/"+path, strings.NewReader(string(encoded)))
	require.NoError(t, err)
	switch connection.AuthorizationType {
	case "API_KEY":
		assert.Contains(t, string(auth.ApiKeyAuthParameters.ApiKeyValue), "{{resolve:secretsmanager:")
		message.Header.Set(auth.ApiKeyAuthParameters.ApiKeyName, "secret")
	case "BASIC":
		assert.Contains(t, string(auth.BasicAuthParameters.Password), "{{resolve:secretsmanager:")
		message.SetBasicAuth(auth.BasicAuthParameters.Username, "secret")
	default:
		t.Errorf("authorization %q", connection.AuthorizationType)
	}
	answer, err := server.Client().Do(message)
	require.NoError(t, err)
	defer answer.Body.Close()
	problem, _ := io.ReadAll(answer.Body)
	assert.Less(t, answer.StatusCode, 300, "%s: %s\n%s", path, problem, encoded)
}

func TestRecipes_EachProductAcceptsEachReport(t *testing.T) {
	resources := synthesized(t)
	rules := rulesOf(t, resources)
	hostile := "\"quotes\" \\ back\nslash <b>é</b> @everyone [x](https://evil.example) ${x} <detail-id> [code]<a href='https://evil.example'>x</a>[/code]"
	events := map[string]func(*investigation.Record){
		"the sample": func(*investigation.Record) {},
		"hostile texts": func(r *investigation.Record) {
			r.Alarm.Name, r.Report.Summary, r.Report.RootCause, r.Report.Impact = `a "quoted" \ name`, hostile, hostile, hostile
		},
		"no conclusion": func(r *investigation.Record) {
			r.Outcome, r.Report = investigation.OutcomeFallback, investigation.Report{}
		},
		"a report that is not stored, without a cause": func(r *investigation.Record) { r.ReportURI, r.Report.RootCause = "", "" },
	}
	for _, severity := range []investigation.Severity{"critical", "high", "medium", "low", "unknown"} {
		events["severity "+string(severity)] = func(r *investigation.Record) { r.Report.Severity = severity }
	}
	for name, change := range events {
		t.Run(name, func(t *testing.T) {
			record := sample(t)
			change(record)
			event := completionOf(t, record)
			matched := 0
			for id, rule := range rules {
				require.Equal(t, []string{"alarmtriage"}, rule.EventPattern.Source, id)
				if !matches(t, rule.EventPattern.Detail.Report, event) {
					continue
				}
				matched++
				server, got := standIn(t)
				for _, tr := range rule.Targets {
					assert.NotNil(t, tr.DeadLetterConfig)
					call(t, server, resources, tr, event)
				}
				assert.Len(t, *got, 5)
				for _, r := range *got {
					assert.Contains(t, string(r.Body), strconv.Quote(record.Alarm.Name), r.Product)
					// GitHub renders Markdown, with links and mentions, and Jira Service Management HTML ("Alert fields").
					if strings.HasPrefix(r.Product, "/repos/") || strings.HasPrefix(r.Product, "/jsm/") {
						assert.NotContains(t, string(r.Body), "evil.example")
					}
				}
			}
			assert.Equal(t, 1, matched, "exactly one rule matches")
		})
	}
}

func TestRecipes_EverythingHasAPlaceForWhatFails(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	template := assertions.Template_FromStack(newStack(app), nil)
	template.ResourceCountIs(jsii.String("AWS::Events::ApiDestination"), jsii.Number(5))
	template.ResourceCountIs(jsii.String("AWS::Events::Connection"), jsii.Number(5))
	template.ResourceCountIs(jsii.String("AWS::SQS::Queue"), jsii.Number(1))
	template.AllResourcesProperties(jsii.String("AWS::SQS::Queue"), map[string]any{"MessageRetentionPeriod": 14 * 24 * 3600})
}
