package broker

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPromQL_OnlyFourReadsPass(t *testing.T) {
	const query, text = "query=avg(up)%20%3E%201", "text/plain"
	override := [][2]string{{"X-HTTP-Method-Override", "DELETE"}}
	target := [][2]string{{"X-Amz-Target", "GraniteServiceVersion20100801.DeleteAlarms"}}
	assertOutcomes(t, Options{}, []requestCase{
		{"query by GET", "monitoring", "GET", "/api/v1/query?" + query + "&time=1780000000", "", "", nil, "", "cloudwatch:QueryMetrics"},
		{"query by POST", "monitoring", "POST", "/api/v1/query", form, query, nil, "", "cloudwatch:QueryMetrics"},
		{"range by GET", "monitoring", "GET", "/api/v1/query_range?" + query + "&start=1&end=2&step=60&limit=5", "", "", nil, "", "cloudwatch:QueryMetrics"},
		{"range by POST", "monitoring", "POST", "/api/v1/query_range", form, query + "&start=1&end=2&step=60s", nil, "", "cloudwatch:QueryMetrics"},
		{"series", "monitoring", "GET", "/api/v1/series?match[]=%7B%22up%22%7D&match%5B%5D=x&start=1&end=2", "", "", nil, "", "cloudwatch:GetSeries"},
		{"labels without a body", "monitoring", "POST", "/api/v1/labels", form, "", nil, "", "cloudwatch:GetLabels"},
		{"labels by GET", "monitoring", "GET", "/api/v1/labels", "", "", nil, "", "cloudwatch:GetLabels"},

		{"another path", "monitoring", "GET", "/api/v1/admin/tsdb/delete_series", "", "", nil, "unknown PromQL request", ""},
		{"a write of Prometheus", "monitoring", "POST", "/api/v1/write", form, "", nil, "unknown PromQL request", ""},
		{"another version", "monitoring", "GET", "/api/v2/query?" + query, "", "", nil, "unknown PromQL request", ""},
		{"the path of OTLP", "monitoring", "POST", "/v1/metrics", form, "", nil, "only forwards operations it knows", ""},
		{"a trailing slash", "monitoring", "GET", "/api/v1/query/?" + query, "", "", nil, "unknown PromQL request", ""},
		{"an additional slash", "monitoring", "GET", "/api//v1/query?" + query, "", "", nil, "unknown PromQL request", ""},
		{"two leading slashes", "monitoring", "GET", "//api/v1/query?" + query, "", "", nil, "only forwards operations it knows", ""},
		{"dots", "monitoring", "GET", "/api/v1/series/../query?" + query, "", "", nil, "unknown PromQL request", ""},
		{"encoded dots", "monitoring", "GET", "/api/v1/query/%2e%2e/write", "", "", nil, "unknown PromQL request", ""},
		{"an encoded letter", "monitoring", "GET", "/api/v1/%71uery?" + query, "", "", nil, "unknown PromQL request", ""},
		{"an encoded slash", "monitoring", "GET", "/api/v1%2Fquery?" + query, "", "", nil, "unknown PromQL request", ""},
		{"upper case", "monitoring", "GET", "/api/v1/Query?" + query, "", "", nil, "unknown PromQL request", ""},
		{"a parameter in the path", "monitoring", "GET", "/api/v1/query;x=y?" + query, "", "", nil, "unknown PromQL request", ""},

		{"PUT", "monitoring", "PUT", "/api/v1/query", form, query, nil, "must be a GET or a POST", "monitoring:PUT /api/v1/query"},
		{"DELETE", "monitoring", "DELETE", "/api/v1/series?match[]=up", "", "", nil, "must be a GET or a POST", ""},
		{"a method in lower case", "monitoring", "get", "/api/v1/query?" + query, "", "", nil, "must be a GET or a POST", ""},
		{"another method by header", "monitoring", "GET", "/api/v1/query?" + query, "", "", override, "ambiguous", ""},
		{"a target", "monitoring", "POST", "/api/v1/query", form, query, target, "ambiguous", ""},
		{"a CBOR header", "monitoring", "POST", "/api/v1/query", form, query, [][2]string{{"Smithy-Protocol", "rpc-v2-cbor"}}, "ambiguous", ""},
		{"a GET with a body", "monitoring", "GET", "/api/v1/query?" + query, form, "Action=DeleteAlarms", nil, "must not have a body", ""},
		{"an action in the query string", "monitoring", "POST", "/api/v1/query?Action=DeleteAlarms", form, query, nil, `no parameter "Action"`, ""},
		{"an action in the body", "monitoring", "POST", "/api/v1/query", form, query + "&Action=DeleteAlarms", nil, `no parameter "Action"`, ""},
		{"a signature in the query string", "monitoring", "GET", "/api/v1/query?" + query + "&X-Amz-Signature=00", "", "", nil, `no parameter "X-Amz-Signature"`, ""},
		{"another content type", "monitoring", "POST", "/api/v1/query", text, query, nil, "must have the content type", ""},
		{"JSON", "monitoring", "POST", "/api/v1/query", json11, `{"query":"up"}`, nil, "must have the content type", ""},
		{"a broken form", "monitoring", "POST", "/api/v1/query", form, "query=%zz", nil, "cannot be parsed", ""},
		{"a semicolon", "monitoring", "POST", "/api/v1/query", form, "query=up;Action=DeleteAlarms", nil, "cannot be parsed", ""},

		{"two queries in a form", "monitoring", "POST", "/api/v1/query", form, "query=up&query=down", nil, "the parameter query twice", ""},
		{"two queries in the URL", "monitoring", "GET", "/api/v1/query?query=up&query=down", "", "", nil, "the parameter query twice", ""},
		{"the same limit twice", "monitoring", "GET", "/api/v1/labels?limit=1&limit=1", "", "", nil, "the parameter limit twice", ""},
		{"a query in the URL of a POST", "monitoring", "POST", "/api/v1/query?" + query, form, "", nil, "parameters in the form", ""},
		{"queries in both", "monitoring", "POST", "/api/v1/query?" + query, form, "query=up", nil, "parameters in the form", ""},
		{"NUL", "monitoring", "POST", "/api/v1/query", form, "query=up%00", nil, "contains NUL", ""},
		{"a byte order mark", "monitoring", "POST", "/api/v1/query", form, "query=%EF%BB%BFup", nil, "contains NUL", ""},
		{"not UTF-8", "monitoring", "POST", "/api/v1/query", form, "query=%ff", nil, "contains NUL", ""},
		{"two series in a form", "monitoring", "POST", "/api/v1/series", form, "match[]=up&match[]=down", nil, "", "cloudwatch:GetSeries"},
		{"signed for Managed Prometheus", "aps", "GET", "/api/v1/query?" + query, "", "", nil, "only forwards operations it knows", ""},
		{"signed for another service", "lambda", "GET", "/api/v1/query?" + query, "", "", nil, "only forwards operations it knows", ""},
	})
	assertOutcomes(t, Options{DeniedActions: []string{"cloudwatch:ListMetrics"}}, []requestCase{
		{"one of its IAM actions is denied", "monitoring", "GET", "/api/v1/query?" + query, "", "", nil, "the settings of this tool deny it", "cloudwatch:QueryMetrics"},
	})
	assertOutcomes(t, Options{DeniedActions: []string{"cloudwatch:GetMetricData"}}, []requestCase{
		{"only an IAM action that it does not need is denied", "monitoring", "GET", "/api/v1/labels", "", "", nil, "", "cloudwatch:GetLabels"},
	})
}

func TestPromQL_OnlyAtCloudWatchHosts(t *testing.T) {
	arrived := map[string]bool{}
	connection, _ := dialWith(t, Options{
		Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, ""),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			arrived[r.URL.Host] = true
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2}, nil
		}),
	})
	for _, c := range []struct {
		address string
		signed  bool
		refusal string // part of the reason for refusing it; empty: it must be sent
	}{
		{"https://monitoring.eu-west-1.amazonaws.com", true, ""},
		{"https://monitoring.cn-north-1.amazonaws.com.cn", true, ""},
		{"https://monitoring.eusc-de-east-1.amazonaws.eu", true, ""},
		{"https://monitoring.eu-west-1.amazonaws.com:443", true, ""},
		{"https://monitoring.eu-west-1.amazonaws.com", false, "must be signed"},
		{"http://monitoring.eu-west-1.amazonaws.com", true, "only https"},
		{"https://monitoring.eu-west-1.amazonaws.com:8443", true, "only https"},
		{"https://user@monitoring.eu-west-1.amazonaws.com", true, "only https"},
		{"https://monitoring.eu-west-1.amazonaws.com.evil.example", true, "is not an AWS API endpoint"},
		{"https://monitoring.evil.amazonaws.com", true, "is not an AWS API endpoint"},
		{"https://xmonitoring.eu-west-1.amazonaws.com", true, "is not an AWS API endpoint"},
		{"https://aps-workspaces.eu-west-1.amazonaws.com", true, "is not an AWS API endpoint"},
		{"https://logs.eu-west-1.amazonaws.com", true, "is not available at"},
	} {
		t.Run(c.address, func(t *testing.T) {
			clear(arrived)
			head := requestHead{Method: "GET", URL: c.address + "/api/v1/query?query=up"}
			if c.signed {
				head.Headers = [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "monitoring", 1)}}
			}
			answer, _ := ask(t, connection, head, "")
			if c.refusal == "" {
				assert.Empty(t, answer.Error)
				assert.Len(t, arrived, 1)
				return
			}
			assert.Contains(t, answer.Error, c.refusal)
			assert.Empty(t, arrived, "nothing is sent")
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The expected signature is computed from the request that arrived, with the algorithm that AWS documents.
func TestPromQL_RequestsAreSignedForMonitoring(t *testing.T) {
	for _, c := range []struct{ name, method, query, body string }{
		{"GET", "GET", "query=avg%28up%29&time=1780000000", ""},
		{"POST", "POST", "", "query=avg%28up%29+%3E+1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = signature(r, string(body), "/api/v1/query")
				assert.Contains(t, r.Header.Get("Authorization"), "/eu-west-1/monitoring/aws4_request")
				assert.Equal(t, c.body, string(body))
				w.WriteHeader(http.StatusUnprocessableEntity)
				io.WriteString(w, `{"status":"error","errorType":"bad_data","error":"parse error"}`)
			}))
			defer server.Close()
			connection, session := dial(t, server.URL)
			address := server.URL + "/api/v1/query"
			if c.query != "" {
				address += "?" + c.query
			}
			headers := [][2]string{{"Authorization", strings.Replace(dummyScope, "%s", "monitoring", 1)}}
			if c.method == "POST" {
				headers = append(headers, [2]string{"Content-Type", form})
			}

			answer, _ := ask(t, connection, requestHead{Method: c.method, URL: address, Headers: headers}, c.body)

			assert.Equal(t, http.StatusUnprocessableEntity, answer.Status, answer.Error)
			sent, computed, _ := strings.Cut(got, "=")
			assert.Equal(t, computed, sent)
			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 1 }, 5e9, 1e6)
			calls, _, _ := session.Audit()
			assert.Equal(t, "bad_data", calls[0].ErrorCode)
		})
	}
}
