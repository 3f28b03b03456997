package broker

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// identify returns the operations that a request can mean in the wire formats of the services at its host.
// Services share hosts and operations share paths, so there can be several. If there is none, it returns the
// reason for refusing the request.
func identify(r *http.Request, body []byte, at place, s scope, signed bool) ([]*operation, string) {
	if reason := ambiguous(r); reason != "" {
		return nil, reason
	}
	candidates, reason := servicesAt(r, at, s, signed)
	if reason != "" {
		return nil, reason
	}
	if found, reason, asked := promQL(r, body, candidates, at, signed); asked {
		return found, reason
	}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(body) > 0 {
		return nil, fmt.Sprintf("the body of a %s request makes its operation ambiguous", r.Method)
	}
	var found []*operation
	for _, candidate := range candidates {
		found = append(found, candidate.requestedOperations(r, body)...)
	}
	routed, reason := routedOperations(candidates, r, at.bucket)
	if reason != "" {
		return nil, reason
	}
	if found = append(found, routed...); len(found) == 0 {
		return nil, unknownOperation(r, body, candidates)
	}
	if name := actionInURL(r, candidates); name != "" {
		return nil, fmt.Sprintf("the parameter %q in the URL makes the request's operation ambiguous", bounded(name))
	}
	if hint := r.URL.Query().Get(operationHint); hint != "" && !slices.ContainsFunc(found, func(op *operation) bool { return op.name == hint }) {
		return nil, fmt.Sprintf("the parameter %s=%s makes the request's operation ambiguous", operationHint, bounded(hint))
	}
	return found, ""
}

// actionInURL returns a parameter of the URL that names an operation of the query protocol if a service at the host has this
// protocol, or an empty string. Such a service could read it there, while another service at the host has the path.
func actionInURL(r *http.Request, candidates []*service) string {
	hasQuery := func(s *service) bool {
		return slices.Contains(s.protocols, "query") || slices.Contains(s.protocols, "ec2")
	}
	if r.URL.RawQuery == "" || !slices.ContainsFunc(candidates, hasQuery) {
		return ""
	}
	for name := range r.URL.Query() {
		if strings.EqualFold(name, "Action") {
			return name
		}
	}
	return ""
}

// operationHint is the parameter with which some SDKs repeat the operation's name in the URL.
const operationHint = "x-id"

// ambiguous returns the reason for refusing a request that a server may interpret differently than the broker, or an
// empty string.
func ambiguous(r *http.Request) string {
	if path := r.URL.EscapedPath(); len(path) > maxPath {
		return fmt.Sprintf("the request's path has %d bytes, more than %d", len(path), maxPath)
	}
	if name := ambiguousHeader(r); name != "" {
		return fmt.Sprintf("the request's header %s makes its operation ambiguous", bounded(name))
	}
	if reason := ambiguousType(r); reason != "" {
		return reason
	}
	return ambiguousQuery(r.URL.RawQuery)
}

// servicesAt returns the services that a request can be for: those at its host that have the signing name of
// its signature. At Options.Endpoints, the signing name alone decides.
func servicesAt(r *http.Request, at place, s scope, signed bool) ([]*service, string) {
	t := theTables()
	ids := at.services
	if ids == nil {
		if !signed {
			return nil, "an unsigned request does not identify its service; use a client with the default credentials"
		}
		if ids = t.bySigning[s.service]; len(ids) == 0 {
			return nil, fmt.Sprintf("unknown service %q; the broker only forwards requests to services it knows", bounded(s.service))
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
			bounded(s.service), bounded(r.URL.Host))
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

func isAWSJSON(kind string) bool { return kind == typeJSON+"1.0" || kind == typeJSON+"1.1" }

// jsonOperation returns the operation of an AWS JSON request (X-Amz-Target: PREFIX.OPERATION), or an empty
// string.
func jsonOperation(r *http.Request, target string) string {
	if !plainPost(r) || !isAWSJSON(mediaType(r)) || r.Header.Get("Smithy-Protocol") != "" {
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
	if kind := mediaType(r); kind != typeCBOR && (kind != "" || r.ContentLength != 0) {
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
	if !plainPost(r) || mediaType(r) != typeForm || r.Header.Get("X-Amz-Target") != "" || r.Header.Get("Smithy-Protocol") != "" {
		return ""
	}
	form, ok := parseForm(body)
	if !ok {
		return ""
	}
	return form.Get("Action")
}

// routedOperations returns the operations of REST protocols that fit the request in any reading of its path, or the
// reason for refusing it. At least one must fit the path as it is written.
func routedOperations(candidates []*service, r *http.Request, bucket string) ([]*operation, string) {
	if r.Header.Get("X-Amz-Target") != "" || r.Header.Get("Smithy-Protocol") != "" || !isRESTType(mediaType(r)) {
		return nil, ""
	}
	escaped := r.URL.EscapedPath()
	if bucket != "" {
		escaped = "/" + bucket + "/" + strings.TrimPrefix(escaped, "/")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, ""
	}
	found := bestRoutes(candidates, r.Method, escaped, query, exactly)
	if len(found) == 0 {
		return nil, ""
	}
	if name := undecided(candidates, query); name != "" {
		return nil, fmt.Sprintf("the values of the parameter %q make the request's operation ambiguous", bounded(name))
	}
	const unreadable = "the request's path contains control characters or bytes that are not UTF-8"
	if isDeceptive(r.URL.Path) {
		return nil, unreadable
	}
	paths, ok := readings(escaped)
	if !ok {
		return nil, "the request's path can be read in too many ways"
	}
	isS3 := slices.ContainsFunc(found, func(op *operation) bool { return op.service.id == serviceS3 })
	for i, path := range paths {
		if r.Context().Err() != nil {
			return nil, callEnded
		}
		if strings.ContainsFunc(path, unicode.IsControl) {
			return nil, unreadable
		}
		if !isS3 && hasDots(path) {
			return nil, fmt.Sprintf("the request's path %q has a segment \".\" or \"..\" in one of its readings", bounded(escaped))
		}
		if i > 0 {
			found = append(found, bestRoutes(candidates, r.Method, path, query, exactly)...)
		}
		found = append(found, bestRoutes(candidates, r.Method, path, query, strings.EqualFold)...)
		if before, after, ok := strings.Cut(path, "?"); ok { // a decoded question mark begins a query
			found = append(found, bestRoutes(candidates, r.Method, before, withParameters(query, after), strings.EqualFold)...)
		}
	}
	if isS3 {
		if name := otherSubresource(candidates, r.Method, query); name != "" {
			return nil, fmt.Sprintf("the parameter %q belongs to another method than %s and makes the request's operation ambiguous",
				bounded(name), r.Method)
		}
	}
	return unique(found), ""
}

// withParameters returns a query and more parameters.
func withParameters(query url.Values, more string) url.Values {
	all, _ := url.ParseQuery(more)
	for name, values := range query {
		all[name] = append(all[name], values...)
	}
	return all
}

const serviceS3 = "s3" // ID in the tables

func exactly(a, b string) bool { return a == b }

func unique(ops []*operation) []*operation {
	var list []*operation
	for _, op := range ops {
		if !slices.Contains(list, op) {
			list = append(list, op)
		}
	}
	return list
}

// otherSubresource returns a parameter of the query that selects an operation, but only of other methods, such as
// ?select, or an empty string.
func otherSubresource(candidates []*service, method string, query url.Values) string {
	for _, candidate := range candidates {
		for _, name := range slices.Sorted(maps.Keys(query)) {
			if candidate.selects(name, "") && !candidate.selects(name, method) {
				return name
			}
		}
	}
	return ""
}

// unknownSubresource returns a parameter in the URL of a request of S3 that no operation in the tables has, or an empty string. It
// could select an operation that the tables do not have.
func unknownSubresource(found []*operation, query url.Values) string {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		isUnknown := func(op *operation) bool {
			return op.service.id == serviceS3 && !slices.Contains(op.service.parameters, name)
		}
		if name != operationHint && slices.ContainsFunc(found, isUnknown) {
			return name
		}
	}
	return ""
}

// undecided returns a parameter with several values, one of which selects an operation, or an empty string.
func undecided(candidates []*service, query url.Values) string {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := slices.Compact(slices.Sorted(slices.Values(query[name])))
		if len(values) > 1 && slices.ContainsFunc(candidates, func(s *service) bool { return s.selectsByValue(name) }) {
			return name
		}
	}
	return ""
}

// selectsByValue reports whether a route requires a value of the query parameter.
func (s *service) selectsByValue(parameter string) bool {
	for _, routes := range s.routes {
		for _, r := range routes {
			if slices.ContainsFunc(r.query, func(required [2]string) bool { return required[0] == parameter && required[1] != "" }) {
				return true
			}
		}
	}
	return false
}

// selects reports whether a route of the method, or of any method if it is empty, requires the query parameter.
func (s *service) selects(parameter, method string) bool {
	for of, routes := range s.routes {
		if method != "" && of != method {
			continue
		}
		for _, r := range routes {
			if slices.ContainsFunc(r.query, func(required [2]string) bool { return required[0] == parameter }) {
				return true
			}
		}
	}
	return false
}

// bestRoutes returns the operations whose routes fit a path best: with the most query parameters, then with the most
// literal path segments. AWS's services choose in the same way. If the query also has a parameter that only a worse route
// requires, as in ?analytics&id=1&policy, the operations of this route follow.
func bestRoutes(candidates []*service, method, path string, query url.Values, equal func(a, b string) bool) []*operation {
	var best, others []route
	highest := -1
	for _, candidate := range candidates {
		for _, candidateRoute := range candidate.routes[method] {
			fit := candidateRoute.fit(path, query, equal)
			if fit > highest {
				highest, best, others = fit, nil, append(others, best...)
			}
			if fit >= 0 && fit == highest {
				best = append(best, candidateRoute)
			} else if fit >= 0 {
				others = append(others, candidateRoute)
			}
		}
	}
	var operations []*operation
	required := map[string]bool{}
	for _, r := range best {
		operations = append(operations, r.operation)
		for _, parameter := range r.query {
			required[parameter[0]] = true
		}
	}
	for _, r := range others {
		if slices.ContainsFunc(r.query, func(parameter [2]string) bool { return !required[parameter[0]] }) {
			operations = append(operations, r.operation)
		}
	}
	return operations
}

// fit returns how closely a route matches a path and query, or -1 if it does not match. equal compares literals.
func (r route) fit(path string, query url.Values, equal func(a, b string) bool) int {
	greedy := slices.Index(r.segments, "{+}")
	atEnd := greedy >= 0 && greedy == len(r.segments)-1
	given := r.segmentsIn(path, greedy)
	more := len(given) - len(r.segments)
	if more < 0 || more > 0 && greedy < 0 {
		return -1
	}
	if more > 0 {
		after := greedy + more + 1
		given = slices.Concat(given[:greedy], []string{strings.Join(given[greedy:after], "/")}, given[after:])
	}
	literal := 0
	for i, want := range r.segments {
		switch {
		case want == "{+}":
			if given[i] == "" {
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
		case !equal(want, given[i]):
			return -1
		default:
			literal++
		}
	}
	for _, parameter := range r.query {
		if !hasParameter(query, parameter, equal) {
			return -1
		}
	}
	const perParameter, perSegment = 1000, 10
	fit := len(r.query)*perParameter + literal*perSegment
	if !atEnd {
		fit += 2
	}
	if r.slash == strings.HasSuffix(path, "/") {
		fit++
	}
	return fit
}

// segmentsIn splits a path into as many segments as are needed to compare it with the route. A path can have thousands, and a
// request is compared with all routes of a service in many readings. greedy is the index of {+}, or -1.
func (r route) segmentsIn(path string, greedy int) []string {
	path = strings.TrimPrefix(path, "/")
	if greedy >= 0 && greedy == len(r.segments)-1 {
		return strings.SplitN(path, "/", len(r.segments)) // the last one is the rest of the path
	}
	if path = strings.TrimSuffix(path, "/"); path == "" {
		return nil
	}
	if greedy >= 0 {
		return strings.Split(path, "/")
	}
	return strings.SplitN(path, "/", len(r.segments)+1) // one more shows that the path does not fit
}

// hasParameter reports whether a query has a required parameter. If its value is empty, any value matches.
func hasParameter(query url.Values, required [2]string, equal func(a, b string) bool) bool {
	for name, values := range query {
		if equal(required[0], name) && (required[1] == "" || slices.ContainsFunc(values, func(value string) bool { return equal(required[1], value) })) {
			return true
		}
	}
	return false
}

// unknownOperation returns the reason for refusing a request that matches no known operation.
func unknownOperation(r *http.Request, body []byte, candidates []*service) string {
	if isSignedForm(r, body) {
		return "the request is signed in its body; only requests with a SigV4 signature in the header Authorization are possible"
	}
	var names []string
	for _, candidate := range candidates {
		names = append(names, candidate.id)
	}
	asked := askedName(r, body)
	if asked == "" {
		asked = r.Method + " " + r.URL.EscapedPath()
	}
	return fmt.Sprintf("unknown %s operation %q; the broker only forwards operations it knows",
		strings.Join(names, " or "), bounded(asked))
}

// isSignedForm reports whether the parameters of a form sign the request, as in SigV2, with which boto3 signs requests of SimpleDB.
func isSignedForm(r *http.Request, body []byte) bool {
	if mediaType(r) != typeForm {
		return false
	}
	form, _ := url.ParseQuery(string(body))
	for name := range form {
		if slices.Contains(signatureParameters, withoutSigns(name)) {
			return true
		}
	}
	return false
}

// askedName returns the operation that a request names in X-Amz-Target or Action, or an empty string.
func askedName(r *http.Request, body []byte) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target
	}
	return queryAction(r, body)
}

const (
	maxName   = 200     // bytes of a name that the sandboxed code chose, in the list of requests
	maxReason = 1 << 10 // bytes of a refusal, which quotes names that the code chose, in the list of requests
	maxQuoted = 2 << 10 // bytes of a name that is quoted in a refusal: as long as the longest ARN
)

// bounded returns a name that the sandboxed code chose, for a refusal. A name that is too long is left out, because the
// redaction does not recognize a secret of which only a part is left.
func bounded(text string) string {
	if len(text) > maxQuoted {
		return fmt.Sprintf("(a text of %d bytes)", len(text))
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Shorten shortens what the sandboxed code chose in the list of requests. The secrets in it must have been replaced before.
func Shorten(calls []toolcall.AWSCall) {
	for i := range calls {
		call := &calls[i]
		for _, name := range []*string{&call.Service, &call.Operation, &call.Region, &call.AccessKey} {
			*name = truncate.Bytes(*name, maxName)
		}
		call.Refused = truncate.Bytes(call.Refused, maxReason)
	}
}
