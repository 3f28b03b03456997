package broker

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CloudWatch answers PromQL queries with the HTTP API of Prometheus, which no SDK models ("Prometheus-compatible APIs",
// CloudWatch User Guide). The four reads that take a query or a selector are known by their whole paths. Each of them
// only reads, whatever its parameters say.

// promQLReads are the names of the reads and the IAM actions that each of them needs ("IAM permissions for PromQL").
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
	promQLService = "cloudwatch" // id in the tables
	promQLPrefix  = "/api/"
)

// promQLParameters are the documented parameters. Others, such as those of another protocol or of a signature, are refused.
var promQLParameters = []string{"query", "time", "start", "end", "step", "limit", "match[]"}

// promQLOperations has one operation for each IAM action of a read, all with the name of the read.
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

// promQL returns the operations of a PromQL request, or why it is refused. asked is false for a request that is not one:
// the host is not CloudWatch's, or the path does not begin like those of Prometheus.
func promQL(r *http.Request, body []byte, candidates []*service, at place, signed bool) (found []*operation, reason string, asked bool) {
	isCloudWatch := slices.ContainsFunc(candidates, func(s *service) bool { return s.id == promQLService })
	if !isCloudWatch || at.bucket != "" || !strings.HasPrefix(r.URL.Path, promQLPrefix) {
		return nil, "", false
	}
	found = promQLOperations[r.URL.EscapedPath()]
	if found == nil {
		return nil, fmt.Sprintf("%q is not one of CloudWatch's PromQL reads that the broker knows: /api/v1/query, query_range, series, and labels",
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

// promQLForm returns why a request to one of the paths is not a plain PromQL read.
func promQLForm(r *http.Request, body []byte) string {
	for _, name := range []string{"X-Amz-Target", "Smithy-Protocol"} {
		if len(r.Header.Values(name)) > 0 {
			return fmt.Sprintf("a PromQL request with the header %s leaves open which operation it asks for", name)
		}
	}
	isForm := mediaType(r) == "application/x-www-form-urlencoded"
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
			return "the parameters of the PromQL request are not a form: " + bounded(err.Error())
		}
		for name := range parameters {
			if !slices.Contains(promQLParameters, name) {
				return fmt.Sprintf("a PromQL request has no parameter %q; the parameters are %s", bounded(name), strings.Join(promQLParameters, ", "))
			}
		}
	}
	return ""
}
