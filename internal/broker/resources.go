package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// The role of the tool is denied the resources of Options.DeniedResources, and IAM decides. The broker refuses requests
// that name one of them, too: the refusal says why, and IAM does not check the resources of every operation. A request can
// name a resource as an ARN, as the end of an ARN, as its name, or in the URL of a queue.

// deniedResource is a resource that the settings deny.
type deniedResource struct {
	service string         // in the ARN, such as logs
	isAll   bool           // all resources of the service; named is nil then
	named   *regexp.Regexp // matches the values of a request that name it
	typed   *regexp.Regexp // matches what can precede the name, with any type of the service; nil: the service has no types
}

// logsService is the service in the ARNs of log groups.
const logsService = "logs"

// sourceCommand matches the command of Logs Insights that selects log groups within the text of a query.
var sourceCommand = lazy.Regexp(`(?i)\bSOURCE\b`)

func hasSource(text string) bool { return sourceCommand().MatchString(strings.Map(halfWidth, text)) }

// queryOfAnyGroup returns why a request is refused if it starts a query whose text can name log groups, or an empty string: the text
// has the word SOURCE, which can be the command, or it is in another language than Logs Insights' own, such as SQL and PPL, or the
// language is not known.
func queryOfAnyGroup(ops []*operation, r *http.Request, body []byte) string {
	if !slices.ContainsFunc(ops, func(op *operation) bool { return op.service.prefix == logsService && op.name == "StartQuery" }) {
		return ""
	}
	const otherLanguage = "a query in SQL or PPL could read them; write the query in the language of Logs Insights"
	input, err := inputOf(r, body)
	if err != nil {
		return otherLanguage
	}
	for _, field := range input.fields {
		name, texts := strings.ToLower(field.name), field.value.allTexts()
		switch {
		case name == "querylanguage" && slices.ContainsFunc(texts, isOtherLanguage):
			return otherLanguage
		case !strings.HasPrefix(name, "loggroup") && slices.ContainsFunc(texts, hasSource): // a log group can have the word in its name
			return "a query with the word SOURCE could read them; pass the names of the log groups, and write the query without this word"
		}
	}
	return ""
}

func isOtherLanguage(name string) bool { return name != "" && name != "CWLI" }

// returnsAnyLines reports whether an operation returns lines of log groups that its request does not name. IAM only checks the
// anomaly detector. A pointer to a line names its log group in a form that is not documented.
func returnsAnyLines(op *operation) bool {
	return op.service.prefix == logsService && slices.Contains([]string{"GetLogObject", "GetLogRecord", "ListAnomalies"}, op.name)
}

// newDeniedResources returns the resources of ARNs with IAM's wildcards. It skips texts that are not ARNs, which the
// construct rejects.
func newDeniedResources(arns []string) []deniedResource {
	const parts = 6
	var denied []deniedResource
	typed := map[string]*regexp.Regexp{} // by service
	for _, arn := range arns {
		fields := strings.SplitN(arn, ":", parts)
		if len(fields) != parts || fields[0] != "arn" {
			continue
		}
		service, resource := fields[2], fields[5]
		if strings.Trim(resource, "*?:/") == "" {
			denied = append(denied, deniedResource{service: service, isAll: true})
			continue
		}
		spelled, inURL := []string{anyStart + wildcards(withoutParts(service, resource))}, []string{}
		for _, name := range namesOf(service, resource) {
			spelled = append(spelled, beforeName+wildcards(name))
			inURL = append(inURL, wildcards(name))
		}
		pattern := `(?:` + strings.Join(spelled, "|") + `)(?:[:/].*)?`
		if len(inURL) > 0 {
			pattern += `|` + beforeQueue + `(?:` + strings.Join(inURL, "|") + `)(?:[:/\\?#;].*)?`
		}
		if _, known := typed[service]; !known {
			typed[service] = beforeTypedName(service)
		}
		denied = append(denied, deniedResource{service: service, named: regexp.MustCompile(`(?is)^(?:` + pattern + `)$`), typed: typed[service]})
	}
	return denied
}

const (
	anyStart    = `(?:[a-z0-9*_-]*:){0,5}`                         // of an ARN, as far as it is there
	beforeName  = `/?(?:(?:[a-z]+-[a-z-]+-[0-9]+:)?[0-9]{12}:)?`   // its account
	beforeQueue = `(?:(?:.*[/\\])?[0-9]{12}[/\\]|https?://[^?]*/)` // in the URL of a queue, which can lack its beginning
)

// beforeTypedName returns an expression for the beginning of an ARN with any type of a service, as far as it is there. Older forms
// of ARNs have fewer parts, such as service/NAME without the cluster.
func beforeTypedName(service string) *regexp.Regexp {
	var types []string
	for format := range strings.SplitSeq(theTables().arns[service], "\t") {
		first, _, found := strings.Cut(format, "{")
		if first = regexp.QuoteMeta(first); found && first != "" && !slices.Contains(types, first) {
			types = append(types, first)
		}
	}
	if len(types) == 0 {
		return nil
	}
	return regexp.MustCompile(`(?is)^/?` + anyStart + `(?:` + strings.Join(types, "|") + `)`)
}

// withoutParts removes the wildcard for what is below a resource, such as the streams of a log group, which are denied with
// it. The wildcard of log-group:* is the name itself.
func withoutParts(service, resource string) string {
	for _, parts := range []string{":*", "/*"} {
		whole, trimmed := strings.CutSuffix(resource, parts)
		if trimmed && (service == "s3" || strings.ContainsAny(whole, ":/")) {
			return whole
		}
	}
	return resource
}

// maxNameLength is how many bytes of a value can name a resource: ARNs have at most 2,048.
const maxNameLength = 2048

// isNamed reports whether a value names the resource or a part of it.
func (d deniedResource) isNamed(value string) bool {
	value = strings.TrimSpace(value)
	value = value[:min(len(value), maxNameLength)]
	if d.named.MatchString(value) {
		return true
	}
	if d.typed == nil {
		return false
	}
	start := d.typed.FindStringIndex(value)
	return start != nil && d.named.MatchString(value[start[1]:])
}

// wildcards returns a regular expression for a text with IAM's wildcards.
func wildcards(text string) string {
	return strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(text))
}

// actionsOf are the prefixes of IAM actions for the services in ARNs that have another name there, in addition to that name
// ("Service Authorization Reference"). Requests for directory buckets are operations of S3.
var actionsOf = map[string][]string{
	"catalog":                  {"servicecatalog"},
	"opensearch":               {"es"},
	"route53-recovery-control": {"route53-recovery-control-config", "route53-recovery-cluster"},
	"s3-object-lambda":         {"s3"},
	"s3express":                {"s3"},
}

// isOf reports whether an operation is one of the resource's service.
func (d deniedResource) isOf(op *operation) bool {
	prefix, _, _ := strings.Cut(op.action, ":")
	return prefix == d.service || slices.Contains(actionsOf[d.service], prefix)
}

// checkResources returns why a request that names a denied resource is refused, or an empty string.
func checkResources(denied []deniedResource, ops []*operation, r *http.Request, body []byte, at place) string {
	var values []string
	for _, resource := range denied {
		if !slices.ContainsFunc(ops, resource.isOf) {
			continue
		}
		if resource.isAll && resource.service == "s3express" && !isForDirectoryBuckets(r) {
			continue
		}
		if resource.isAll {
			return refusalOf(ops, fmt.Sprintf("the settings of this tool deny all resources of %s (ToolDeniedResources)", resource.service))
		}
		if r.Context().Err() != nil {
			return refusalOf(ops, callEnded)
		}
		if values == nil {
			var reason string
			if values, reason = valuesOf(ops, r, body, at); reason != "" {
				return refusalOf(ops, reason)
			}
		}
		if i := slices.IndexFunc(values, resource.isNamed); i >= 0 {
			return refusalOf(ops, fmt.Sprintf("the settings of this tool deny the resource %q (ToolDeniedResources)", bounded(values[i])))
		}
		if resource.service == logsService && slices.ContainsFunc(ops, returnsAnyLines) {
			return refusalOf(ops, "the settings of this tool deny some log groups (ToolDeniedResources), and its answer could contain lines "+
				"of them; read the log groups that you need by name")
		}
		if resource.service != logsService {
			continue
		}
		if reason := queryOfAnyGroup(ops, r, body); reason != "" {
			return refusalOf(ops, "the settings of this tool deny some log groups (ToolDeniedResources), and "+reason)
		}
	}
	return ""
}

// maxSegments is how many segments of a path are looked at. The paths of operations have fewer before the key of an object,
// and hostile ones could have many.
const maxSegments = 64

// valuesOf returns the texts in a request that can name a resource, also decoded, because the URL of a queue can be escaped. It
// returns a reason for refusing the request if its body cannot be read.
func valuesOf(ops []*operation, r *http.Request, body []byte, at place) (values []string, reason string) {
	inBody, err := textsInBody(ops, r, body)
	if err == nil {
		inBody, err = withNested(inBody)
	}
	if err != nil {
		return nil, "the request's body cannot be read: " + bounded(err.Error())
	}
	values = append(textsInHead(r, at), inBody...)
	for _, text := range values {
		for range maxDecodings {
			next := decoded(text)
			if next == text {
				break
			}
			values, text = append(values, next), next
		}
	}
	return values, ""
}

// withNested returns texts, those in the JSON of a text, such as a widget, and the names of the rules in metric math. It adds at
// most maxNodes values, because one byte of a text can be a value.
func withNested(texts []string) (all []string, err error) {
	all = texts
	var count nodes
	for _, text := range texts {
		if !startsAsJSON([]byte(text)) {
			continue
		}
		nested, err := countedJSON([]byte(text), &count)
		if errors.Is(err, errTooMany) {
			return nil, err
		}
		if err == nil {
			all = append(all, nested.allTexts()...)
		}
	}
	for _, text := range all {
		if !ruleMetric.call().MatchString(strings.Map(halfWidth, text)) {
			continue
		}
		for name := range strings.FieldsFuncSeq(text, isQuote) {
			if err := count.add(0); err != nil {
				return nil, err
			}
			all = append(all, name)
		}
	}
	return all, nil
}

func isQuote(r rune) bool { return r == '\'' || r == '"' }

// textsInHead returns the texts in the head of a request that can name a resource: the segments of its path in every reading, and
// the values of its parameters and headers.
func textsInHead(r *http.Request, at place) []string {
	values := []string{at.bucket}
	for text, times := r.URL.EscapedPath(), 0; times <= maxDecodings; times++ {
		for rest, i := text, 0; i < maxSegments && rest != ""; i++ { // a name can have slashes, so the rest is a value
			values = append(values, rest)
			_, rest, _ = strings.Cut(rest, "/")
		}
		next := decoded(text)
		if next == text {
			break
		}
		text = next
	}
	for _, list := range r.URL.Query() {
		values = append(values, list...)
	}
	for name, list := range r.Header {
		if mayNameResource(name) {
			values = append(values, list...)
		}
	}
	return values
}

// protocolHeaders are headers that requests for any resource have. A name with wildcards, such as *event*, could match them.
var protocolHeaders = []string{"accept", "authorization", "content-md5", "content-type", "smithy-protocol", "user-agent", "x-amz-api-version",
	"x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-target", "x-amz-user-agent", "x-amzn-query-mode"}

// mayNameResource reports whether the value of a header can name a resource.
func mayNameResource(header string) bool {
	header = strings.ToLower(header)
	return isForwarded(header) && !slices.Contains(protocolHeaders, header) && !strings.HasPrefix(header, "amz-sdk-")
}

// textsInBody returns the texts in the body of a request.
func textsInBody(ops []*operation, r *http.Request, body []byte) (texts []string, err error) {
	switch kind := mediaType(r); {
	case len(body) == 0:
	case kind == typeForm:
		form, _ := parseForm(body)
		for name, list := range form {
			if name != "Action" && name != "Version" { // of the operation
				texts = append(texts, list...)
			}
		}
	case kind == typeCBOR:
		t, err := treeOfCBOR(body)
		if err != nil {
			return nil, err
		}
		return t.allTexts(), nil
	case isXML(ops, body):
		inXML, err := xmlTexts(body)
		if err != nil {
			return nil, err
		}
		for _, each := range inXML {
			texts = append(texts, each.text)
		}
	default:
		return textsInJSON(body)
	}
	return texts, nil
}

// textsInJSON returns the texts in a body in JSON, and the names of members, which can be those of resources. The members of the body
// itself are parameters, whose names are those of AWS. It stops where the body is not valid.
func textsInJSON(body []byte) (texts []string, err error) {
	const most = 4 * maxNodes // a member has a name, and a value with up to two brackets
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()   // it would stop at a number such as 1e999
	var open []json.Delim // brackets that are not closed yet
	isName := false       // whether a text is the name of a member
	for n := 0; ; n++ {
		token, err := decoder.Token()
		if err != nil {
			return texts, nil
		}
		if n >= most {
			return nil, errTooMany
		}
		wasName := false
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				open = append(open, token)
			} else {
				open = open[:len(open)-1]
			}
		case string:
			wasName = isName
			if !wasName || len(open) > 1 {
				texts = append(texts, token)
			}
		}
		isName = !wasName && len(open) > 0 && open[len(open)-1] == '{'
	}
}
