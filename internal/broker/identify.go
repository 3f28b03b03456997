package broker

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// identify returns the operations that a request can mean in the wire formats of the services at its host.
// Services share hosts and operations share paths, so there can be several. If there is none, it returns the
// reason for refusing the request.
func identify(r *http.Request, body []byte, at place, s scope, signed bool) ([]*operation, string) {
	if name := ambiguousHeader(r); name != "" {
		return nil, fmt.Sprintf("the request's header %s makes its operation ambiguous", name)
	}
	candidates, reason := servicesAt(r, at, s, signed)
	if reason != "" {
		return nil, reason
	}
	if found, reason, asked := promQL(r, body, candidates, at, signed); asked {
		return found, reason
	}
	var found []*operation
	for _, candidate := range candidates {
		found = append(found, candidate.requestedOperations(r, body)...)
	}
	if found = append(found, routedOperations(candidates, r, at.bucket)...); len(found) == 0 {
		return nil, unknownOperation(r, body, candidates)
	}
	return found, ""
}

// ambiguousHeader returns the name of a header that a server may interpret differently than the broker, or an empty
// string.
func ambiguousHeader(r *http.Request) string {
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "Content-Encoding"} {
		if len(r.Header.Values(name)) > 0 && (name != "Content-Encoding" || r.Header.Get(name) != "") {
			return name
		}
	}
	for _, name := range []string{"X-Amz-Target", "Content-Type", "Smithy-Protocol", "Authorization"} {
		if len(r.Header.Values(name)) > 1 {
			return name
		}
	}
	return ""
}

// servicesAt returns the services that a request can be for: those at its host that have the signing name of
// its signature. At Options.Endpoints, the signing name alone decides.
func servicesAt(r *http.Request, at place, s scope, signed bool) ([]*service, string) {
	t := theTables()
	ids := at.services
	if ids == nil {
		if !signed {
			return nil, "an unsigned request does not identify its service"
		}
		if ids = t.bySigning[s.service]; len(ids) == 0 {
			return nil, fmt.Sprintf("unknown service %q; the broker only forwards requests to services it knows", s.service)
		}
	}
	var services []*service
	for _, id := range ids {
		if candidate := t.service(id); !signed || slices.Contains(candidate.signing, s.service) {
			services = append(services, candidate)
		}
	}
	if len(services) == 0 {
		return nil, fmt.Sprintf("the request was signed for the service %q, which is not available at %s",
			s.service, r.URL.Host)
	}
	return services, ""
}

// requestedOperations returns the operations of the service that the request names, in protocols other than REST.
func (s *service) requestedOperations(r *http.Request, body []byte) []*operation {
	var found []*operation
	for _, protocol := range s.protocols {
		var ops []*operation
		switch protocol {
		case "json":
			ops = s.operationNamed(jsonOperation(r, s.target))
		case "smithy-rpc-v2-cbor":
			ops = s.operationNamed(cborOperation(r, s.target))
		case "query", "ec2":
			ops = s.operationNamed(queryAction(r, body))
		}
		found = append(found, ops...)
	}
	return found
}

// operationNamed returns the operation with this name, if the service has it.
func (s *service) operationNamed(name string) []*operation {
	if op, ok := s.operations[name]; ok {
		return []*operation{op}
	}
	return nil
}

// plainPost reports whether only the headers and the body of a request can name its operation.
func plainPost(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/" || r.URL.Path == "") && r.URL.RawQuery == ""
}

func mediaType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// jsonOperation returns the operation of an AWS JSON request (X-Amz-Target: PREFIX.OPERATION), or an empty
// string.
func jsonOperation(r *http.Request, target string) string {
	if !plainPost(r) || !strings.HasPrefix(mediaType(r), "application/x-amz-json") || r.Header.Get("Smithy-Protocol") != "" {
		return ""
	}
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), target+".")
	if !ok {
		return ""
	}
	return name
}

// cborOperation returns the operation of a Smithy RPC request (POST /service/SERVICE/operation/OPERATION), or
// an empty string.
func cborOperation(r *http.Request, target string) string {
	if r.Method != http.MethodPost || r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" || r.Header.Get("X-Amz-Target") != "" || r.URL.RawQuery != "" {
		return ""
	}
	parts := strings.Split(r.URL.EscapedPath(), "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "service" || parts[2] != target || parts[3] != "operation" {
		return ""
	}
	return parts[4]
}

// queryAction returns the Action of a request in the Query or EC2 protocol, or an empty string.
func queryAction(r *http.Request, body []byte) string {
	if !plainPost(r) || mediaType(r) != "application/x-www-form-urlencoded" || r.Header.Get("X-Amz-Target") != "" || r.Header.Get("Smithy-Protocol") != "" {
		return ""
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	for name, values := range form {
		if strings.EqualFold(name, "Action") && (name != "Action" || len(values) != 1) {
			return ""
		}
	}
	return form.Get("Action")
}

// routedOperations returns the operations of REST protocols whose routes fit best: with the most query parameters, then
// with the most literal path segments. AWS's services choose in the same way.
func routedOperations(candidates []*service, r *http.Request, bucket string) []*operation {
	if r.Header.Get("X-Amz-Target") != "" || r.Header.Get("Smithy-Protocol") != "" {
		return nil
	}
	path := r.URL.EscapedPath()
	if bucket != "" {
		path = "/" + bucket + "/" + strings.TrimPrefix(path, "/")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil
	}
	var best []*operation
	highest := -1
	for _, candidate := range candidates {
		for _, candidateRoute := range candidate.routes[r.Method] {
			fit := candidateRoute.fit(path, query)
			if fit > highest {
				highest, best = fit, nil
			}
			if fit >= 0 && fit == highest {
				best = append(best, candidateRoute.operation)
			}
		}
	}
	return best
}

// fit returns how closely a route matches a path and query, or -1 if it does not match.
func (r route) fit(path string, query url.Values) int {
	given := strings.Split(strings.TrimPrefix(path, "/"), "/")
	greedy := len(r.segments) > 0 && r.segments[len(r.segments)-1] == "{+}"
	if !greedy {
		given = segmentsOf(path)
	}
	if len(given) < len(r.segments) || !greedy && len(given) > len(r.segments) {
		return -1
	}
	literal := 0
	for i, want := range r.segments {
		switch {
		case want == "{+}":
			if strings.Join(given[i:], "/") == "" {
				return -1
			}
		case want == "{}":
			if given[i] == "" || given[i] == "." || given[i] == ".." {
				return -1
			}
		case strings.Contains(want, "{}"):
			if before, after, _ := strings.Cut(want, "{}"); len(given[i]) <= len(before)+len(after) || !strings.HasPrefix(given[i], before) || !strings.HasSuffix(given[i], after) {
				return -1
			}
		case want != given[i]:
			return -1
		default:
			literal++
		}
	}
	for _, parameter := range r.query {
		values, there := query[parameter[0]]
		if !there || parameter[1] != "" && !slices.Contains(values, parameter[1]) {
			return -1
		}
	}
	const perParameter, perSegment = 1000, 10
	fit := len(r.query)*perParameter + literal*perSegment
	if !greedy {
		fit += 2
	}
	if r.slash == strings.HasSuffix(path, "/") {
		fit++
	}
	return fit
}

// unknownOperation returns the reason for refusing a request that matches no known operation.
func unknownOperation(r *http.Request, body []byte, candidates []*service) string {
	var names []string
	for _, candidate := range candidates {
		names = append(names, candidate.id)
	}
	asked := r.Header.Get("X-Amz-Target")
	if asked == "" {
		asked = queryAction(r, body)
	}
	if asked == "" {
		asked = r.Method + " " + r.URL.EscapedPath()
	}
	return fmt.Sprintf("unknown %s operation %q; the broker only forwards operations it knows",
		strings.Join(names, " or "), bounded(asked))
}

const (
	maxName   = 200     // bytes of a name that the sandboxed code chose
	maxReason = 1 << 10 // bytes of a refusal, which quotes names that the code chose
)

// bounded truncates a name that the sandboxed code chose.
func bounded(text string) string { return truncate.Bytes(text, maxName) }
