package broker

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// promQLReads are the PromQL reads of CloudWatch by path, with the IAM actions that each needs ("IAM
// permissions for PromQL"). CloudWatch answers them with the HTTP API of Prometheus, which no SDK models
// ("Prometheus-compatible APIs", CloudWatch User Guide). They only read, regardless of their parameters.
var promQLReads = map[string]struct {
	name    string
	actions []string
}{
	"/api/v1/query":       {"QueryMetrics", []string{"GetMetricData", "ListMetrics"}},
	"/api/v1/query_range": {"QueryMetrics", []string{"GetMetricData", "ListMetrics"}},
	"/api/v1/series":      {"GetSeries", []string{"ListMetrics"}},
	"/api/v1/labels":      {"GetLabels", []string{"ListMetrics"}},
}

const (
	promQLService = "cloudwatch" // ID in the tables
	promQLPrefix  = "/api/"
)

// promQLParameters are the documented parameters. Others, such as those of another protocol or of a
// signature, are refused.
var promQLParameters = []string{"query", "time", "start", "end", "step", "limit", promQLList}

const promQLList = "match[]" // the only parameter with several values

// promQLOperations has one operation per IAM action of a read. All have the name of the read.
var promQLOperations = func() map[string][]*operation {
	service := &service{id: promQLService, prefix: promQLService}
	found := map[string][]*operation{}
	for path, read := range promQLReads {
		for _, action := range read.actions {
			found[path] = append(found[path], &operation{service: service, name: read.name, level: levelRead, action: service.prefix + ":" + action})
		}
	}
	return found
}()

// promQL returns the operations of a PromQL request, or the reason for refusing it. asked is false if the
// request is not a PromQL request: it goes to another service, or its path does not start with promQLPrefix.
func promQL(r *http.Request, body []byte, candidates []*service, at place, signed bool) (found []*operation, reason string, asked bool) {
	isCloudWatch := slices.ContainsFunc(candidates, func(s *service) bool { return s.id == promQLService })
	if !isCloudWatch || at.bucket != "" || !strings.HasPrefix(r.URL.Path, promQLPrefix) {
		return nil, "", false
	}
	found = promQLOperations[r.URL.EscapedPath()]
	if found == nil {
		return nil, fmt.Sprintf("unknown PromQL request %q; "+
			"the broker only forwards /api/v1/query, query_range, series, and labels",
			bounded(r.Method+" "+r.URL.EscapedPath())), true
	}
	if !signed {
		return nil, "a PromQL request must be signed for the service \"monitoring\"", true
	}
	if reason := promQLForm(r, body); reason != "" {
		return nil, reason, true
	}
	return found, "", true
}

// promQLForm returns the reason for refusing a request to one of the paths, or an empty string.
func promQLForm(r *http.Request, body []byte) string {
	for _, name := range []string{"X-Amz-Target", "Smithy-Protocol"} {
		if len(r.Header.Values(name)) > 0 {
			return fmt.Sprintf("the header %s makes the operation of a PromQL request ambiguous", name)
		}
	}
	isForm := mediaType(r) == typeForm
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return fmt.Sprintf("a PromQL request must be a GET or a POST, not a %s", bounded(r.Method))
	case r.Method == http.MethodGet && len(body) > 0:
		return "a PromQL GET request must not have a body"
	case r.Method == http.MethodPost && !isForm:
		return "a PromQL POST request must have the content type application/x-www-form-urlencoded"
	}
	for _, encoded := range []string{r.URL.RawQuery, string(body)} {
		parameters, err := url.ParseQuery(encoded)
		if err != nil {
			return "the parameters of the PromQL request cannot be parsed: " + bounded(err.Error())
		}
		for name, values := range parameters {
			switch {
			case !slices.Contains(promQLParameters, name):
				return fmt.Sprintf("a PromQL request has no parameter %q; the parameters are %s", bounded(name), strings.Join(promQLParameters, ", "))
			case len(values) > 1 && name != promQLList:
				return fmt.Sprintf("the PromQL request has the parameter %s twice", name)
			case slices.ContainsFunc(values, isDeceptive):
				return fmt.Sprintf("the value of %s contains NUL, a byte order mark, or bytes that are not UTF-8", name)
			}
		}
	}
	if r.Method == http.MethodPost && r.URL.RawQuery != "" {
		return "a PromQL POST request must have its parameters in the form"
	}
	return ""
}
