package broker

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// A request that two servers could read differently is refused, because the broker would check one reading and
// AWS would act on the other. This file has the rules for headers, content types, queries, and forms; paths.go
// has those for paths.

// forwardedHeaders are the headers that botocore's models and botocore itself write, in addition to those that
// begin with one of forwardedPrefixes. Others are not forwarded.
var forwardedHeaders = []string{
	"accept", "allow-revert", "authentication", "authorization", "baggage", "cache-control", "client-token",
	"content-disposition", "content-language", "content-md5", "content-range", "content-type", "description",
	"expires", "grafana-token", "graphidentifier", "if-match", "if-modified-since", "if-none-match",
	"if-unmodified-since", "inputsource", "instance-id", "latest-version-number", "match-for-version-type",
	"mcp-protocol-version", "mcp-session-id", "range", "response-content-type", "responsecontenttype",
	"smithy-protocol", "staging", "traceparent", "tracestate", "uniqueids", "useclientcertificateocspendpoint",
	"user-agent", "versionlabel", "x-client-token",
}

var forwardedPrefixes = []string{"x-amz-", "x-amzn-", "amz-sdk-"}

// bearerHeader is the only header of botocore's models that has an underscore in its name.
const bearerHeader = "x-amz-sso_bearer_token"

// isForwarded reports whether the broker forwards a header. Accept-Encoding is not forwarded, so that answers
// arrive unpacked: the broker replaces credentials in them.
func isForwarded(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(forwardedHeaders, name) ||
		slices.ContainsFunc(forwardedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// dropOtherHeaders removes the headers that are not forwarded.
func dropOtherHeaders(headers http.Header) {
	for name := range headers {
		if !isForwarded(name) {
			delete(headers, name)
		}
	}
}

// overridingWords are parts of names, without signs, of headers that make some servers replace the method, the
// path, or the encoding of a request.
var overridingWords = []string{"methodoverride", "httpmethod", "contentencoding", "transferencoding",
	"originalurl", "originaluri", "rewriteurl", "forwardedhost", "forwardeduri", "forwardedprefix"}

// isHeaderName reports whether a name has only letters, digits, and hyphens.
func isHeaderName(name string) bool {
	for i := range len(name) {
		if !isAlphanumeric(name[i]) && name[i] != '-' {
			return false
		}
	}
	return name != ""
}

// ambiguousHeader returns the name of a header that a server may interpret differently than the broker, or an empty
// string.
func ambiguousHeader(r *http.Request) string {
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		lower, values := strings.ToLower(name), r.Header[name]
		if !isHeaderName(name) && lower != bearerHeader || len(values) != 1 {
			return name
		}
		folded := withoutSigns(lower)
		if slices.ContainsFunc(overridingWords, func(word string) bool { return strings.Contains(folded, word) }) {
			return name
		}
		if values[0] == "" && slices.Contains(naming, lower) {
			return name
		}
		if hasControls(values[0]) || meaning[folded] != "" && meaning[folded] != lower {
			return name
		}
	}
	if hash := r.Header.Get(contentHash); hash != "" && !payloadHash().MatchString(hash) {
		return contentHash // it announces a body of signed chunks
	}
	return ""
}

// naming are the headers that name the operation or its protocol. Servers differ on whether an empty one counts.
var naming = []string{"x-amz-target", "smithy-protocol", "content-type", "authorization"}

const contentHash = "X-Amz-Content-Sha256"

var payloadHash = lazy.Regexp(`^(UNSIGNED-PAYLOAD|[0-9a-f]{64})$`)

// meaning maps the names, without signs, of headers that have a meaning for AWS to their only spelling. Lex has two
// headers that differ in signs only.
var meaning = func() map[string]string {
	spelling := map[string]string{}
	for _, name := range append(slices.Clone(forwardedHeaders), "x-amz-target", "x-amz-date", "x-amz-security-token",
		"x-amz-content-sha256", "x-amz-account-id", "x-amz-expected-bucket-owner", "x-amz-api-version") {
		spelling[withoutSigns(name)] = name
	}
	delete(spelling, "responsecontenttype")
	return spelling
}()

// withoutSigns returns the letters and digits of a name.
func withoutSigns(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// hasControls reports whether a text has control characters other than tabs.
func hasControls(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// Media types of the protocols that name their operation outside the path.
const (
	typeForm = "application/x-www-form-urlencoded"
	typeCBOR = "application/cbor"
	typeJSON = "application/x-amz-json-" // and a version
)

// contentType is a media type with no parameter but a character set that agrees with ASCII on ASCII texts.
var contentType = lazy.Regexp(`(?i)^([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)` +
	`(?:[ \t]*;[ \t]*charset=(?:utf-8|us-ascii|"utf-8"|"us-ascii"))?[ \t]*;?[ \t]*$`)

// ambiguousType returns a reason for refusing the content type of a request, or an empty string. Other character
// sets, such as UTF-16 and EBCDIC, hide names from the broker.
func ambiguousType(r *http.Request) string {
	if len(r.Header.Values("Content-Type")) > 0 && mediaType(r) == "" {
		return fmt.Sprintf("the content type %q makes the request's operation ambiguous; "+
			"only the character sets utf-8 and us-ascii are possible, and no other parameters", bounded(r.Header.Get("Content-Type")))
	}
	if kind := mediaType(r); strings.HasPrefix(kind, "multipart/") {
		return fmt.Sprintf("the content type %q makes the request's operation ambiguous; no read of AWS has it", bounded(kind))
	}
	return ""
}

// mediaType returns the media type of the request in lower case, or an empty string if there is none or if it
// has unknown parameters.
func mediaType(r *http.Request) string {
	switch kind := r.Header.Get("Content-Type"); kind {
	case "", typeForm, typeCBOR, typeJSON + "1.0", typeJSON + "1.1":
		return kind
	}
	match := contentType().FindStringSubmatch(r.Header.Get("Content-Type"))
	if match == nil {
		return ""
	}
	return strings.ToLower(match[1])
}

// isRESTType reports whether a request with this media type can be one of a REST protocol.
func isRESTType(kind string) bool {
	return kind != typeForm && kind != typeCBOR && !strings.HasPrefix(kind, typeJSON)
}

// maxParameters of a URL: each route of a service is compared with all of them.
const maxParameters = 500

// ambiguousQuery returns a reason for refusing the query of a URL, or an empty string.
func ambiguousQuery(raw string) string {
	const refusal = "the query of the request's URL makes its operation ambiguous: "
	if strings.Count(raw, "&") >= maxParameters {
		return refusal + fmt.Sprintf("it has more than %d parameters", maxParameters)
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == ';' {
			return refusal + fmt.Sprintf("it contains %q, which must be percent-encoded", c)
		}
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return refusal + "it cannot be parsed"
	}
	folded := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values, lower := query[name], strings.ToLower(strings.TrimSpace(name))
		switch {
		case !isPlain(name):
			return refusal + fmt.Sprintf("a parameter is named %q", bounded(name))
		case folded[lower]:
			return refusal + fmt.Sprintf("the parameter %q has two spellings", bounded(name))
		case slices.ContainsFunc(values, isDeceptive):
			return refusal + fmt.Sprintf("the value of %q contains NUL, a byte order mark, or bytes that are not UTF-8", bounded(name))
		}
		folded[lower] = true
	}
	return ""
}

// isPlain reports whether a name has only visible ASCII characters and single spaces between them.
func isPlain(name string) bool {
	return name == strings.TrimSpace(name) && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

// isDeceptive reports whether parsers disagree on a text.
func isDeceptive(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\ufeff")
}

// formName is the name of a parameter as botocore writes it, such as Filter.1.Value.1.
var formName = lazy.Regexp(`^[A-Za-z][A-Za-z0-9._:-]*$`)

// parseForm returns the parameters of a form of the Query and EC2 protocols, or false if a server could read them
// differently, or if another signature authorizes it. botocore writes each name once and in ASCII.
func parseForm(body []byte) (url.Values, bool) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, false
	}
	folded := map[string]bool{}
	for name, values := range form {
		first, _, _ := strings.Cut(name, ".")
		lower := strings.ToLower(name)
		if folded[lower] {
			return nil, false // two spellings
		}
		folded[lower] = true
		if !formName().MatchString(name) || len(values) != 1 || isDeceptive(values[0]) ||
			strings.EqualFold(first, "Action") && name != "Action" || slices.Contains(signatureParameters, withoutSigns(name)) {
			return nil, false
		}
	}
	return form, true
}
