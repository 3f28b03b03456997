package broker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// A read of another account's resource can be recorded in that account, so its parameters are a way to send data
// out. The broker therefore refuses requests whose target names another account: an ARN, the URL of a queue, or the
// owner of a resource. It judges the parameters that select the target only, never filters or free text.

// accounts are the accounts whose resources a request may name. An empty own account means that it is unknown;
// then, nothing is judged.
type accounts struct {
	own      string
	allowed  []string
	hint     string                    // what to do instead of naming a resource of another account
	isMember func(account string) bool // whether a client can name the account; may be nil
}

func (a accounts) permits(account string) bool {
	return a.own == "" || account == a.own || slices.Contains(a.allowed, account)
}

// ownDataServices answer only with data that the caller's account holds. Other accounts in their parameters select
// data that those accounts shared with it: CloudWatch's cross-account observability, aggregators, and delegated
// administrators. They are IDs of the tables.
var ownDataServices = []string{
	"accessanalyzer", "application-signals", "ce", "cloudwatch", "compute-optimizer", "config", "cost-optimization-hub",
	"guardduty", "health", "inspector2", "internetmonitor", "logs", "oam", "observabilityadmin", "organizations",
	"resource-explorer-2", "securityhub", "trustedadvisor", "xray",
}

// freeTexts are parts of the names of parameters that search or describe instead of selecting the target, in lower
// case and without signs.
var freeTexts = []string{"pattern", "filter", "query", "expression", "text", "search", "prefix", "token", "description",
	"document", "statement", "message", "keyword", "criteria"}

// identities are parts of the names of parameters that say who has access, not to what.
var identities = []string{"principal", "grantee"}

// simulated are parameters of IAM's policy simulation, which reads none of the resources that they name.
var simulated = []string{"resourcearns", "resourceowner", "callerarn"}

// owners match the names of parameters whose value is the account of the resource, in lower case and without signs. The
// tables contain other names, whose shapes in botocore are those of accounts.
var owners = lazy.Regexp(`owner|account|registryids?$|catalogid$`)

const accountDigits = 12 // of an account ID

var (
	accountID = lazy.Regexp(`^\d{12}$`)
	queueURL  = lazy.Regexp(`^https?://[A-Za-z0-9.-]+(?::\d+)?/(\d{12})/[A-Za-z0-9_.-]+/?$`)
	// catalogOf matches the ID of a catalog in an account of Glue, such as 111122223333:s3tablescatalog.
	catalogOf = lazy.Regexp(`^(\d{12})(?::|$)`)
	anyARN    = lazy.Regexp(`arn:aws[a-z-]*:[A-Za-z0-9-]*:[A-Za-z0-9-]*:(\d{12}):`)
	// targetARN matches ARNs in any spelling, and the ends of ARNs that Lambda also takes, such as
	// 111122223333:function:name and us-east-1:111122223333:function:name.
	targetARN = lazy.Regexp(`^(?:[A-Za-z0-9_-]*:){0,4}(\d{12}):\S`)
	listName  = lazy.Regexp(`^[^.]+\.(?:[A-Za-z]+\.)?\d+$`) // such as TopicArns.member.1
	// listEntry matches the end of the name of a list's entry.
	listEntry = lazy.Regexp(`(?:\.(?:member|[A-Za-z]*Id|item|entry))?\.\d+$`)
	remoteURL = lazy.Regexp(`(?i)^\s*(?:[a-z][a-z0-9+.-]*:)?//|^\s*(?:https?|s3):`)
)

// check returns the reason for refusing a request whose target belongs to another account, or an empty string.
// urlsAllowed is true if the settings allow the operation by name: then it may also make AWS fetch a URL.
func (a accounts) check(r *http.Request, body []byte, at place, ops []*operation, urlsAllowed bool) string {
	reason := a.foreignTarget(r, body, at, ops, urlsAllowed)
	if reason == "" {
		return ""
	}
	return refusalOf(ops, reason)
}

// foreignTarget is check without the operation's name.
func (a accounts) foreignTarget(r *http.Request, body []byte, at place, ops []*operation, urlsAllowed bool) string {
	if at.account != "" && (!accountID().MatchString(at.account) || !a.permits(at.account)) {
		return a.refusal("host", r.URL.Hostname(), at.account)
	}
	j := targetCheck{accounts: a, urlsAllowed: urlsAllowed, service: ops[0].service.id, ops: ops, call: r.Context()}
	j.restJSON = slices.ContainsFunc(ops, func(op *operation) bool { return slices.Contains(op.service.protocols, "rest-json") })
	j.ownData = !slices.ContainsFunc(ops, func(op *operation) bool { return !slices.Contains(ownDataServices, op.service.id) })
	for name, values := range r.Header {
		if mayBeTarget(values[0]) {
			j.value(name, values[0])
		}
	}
	for name, values := range r.URL.Query() {
		for _, value := range values {
			j.value(name, value)
		}
	}
	j.path(r.URL.EscapedPath())
	j.body(r, body)
	return j.reason
}

// mayBeTarget reports whether a value can contain an account ID in some reading, which the values of most headers do not.
func mayBeTarget(value string) bool {
	digits := 0
	for i := range len(value) {
		switch c := value[i]; {
		case c == '%' || c >= utf8.RuneSelf:
			return true
		case '0' <= c && c <= '9':
			if digits++; digits == accountDigits {
				return true
			}
		default:
			digits = 0
		}
	}
	return false
}

func (a accounts) refusal(name, value, account string) string {
	if a.hint != "" || a.isMember != nil && a.isMember(account) {
		return fmt.Sprintf("%s %q belongs to the account %s, and the request is one of the account %s%s", name, bounded(value), bounded(account), a.own,
			cmp.Or(a.hint, clientHint))
	}
	return fmt.Sprintf("%s %q belongs to the account %s; this tool reads only the account %s, unless its settings allow the other one "+
		"(ToolAllowedAccounts)", name, bounded(value), bounded(account), a.own)
}

// targetCheck looks for targets in other accounts. reason is the first refusal.
type targetCheck struct {
	accounts    accounts
	values      int          // in JSON, that were judged
	ops         []*operation // that the request can be
	service     string
	ownData     bool // the services of the request answer only from the caller's account
	urlsAllowed bool
	restJSON    bool            // the bodies of the request's service are JSON
	call        context.Context // of the request, which ends with the tool call
	reason      string
}

// isOwner reports whether the value of a parameter is the account of the resource.
func (j *targetCheck) isOwner(name string) bool {
	folded := withoutSigns(name)
	return owners().MatchString(folded) || slices.ContainsFunc(j.ops, func(op *operation) bool { return slices.Contains(op.service.accounts, folded) })
}

func (j *targetCheck) refuse(name, value, account string) {
	if j.reason == "" && !j.accounts.permits(account) {
		j.reason = j.accounts.refusal(bounded(name), value, account)
	}
}

// value judges the value of a parameter in every form in which a server may read it.
func (j *targetCheck) value(name, value string) {
	if j.reason == "" && j.call.Err() != nil {
		j.reason = callEnded
	}
	if j.reason != "" {
		return
	}
	for _, reading := range valueReadings(value) {
		j.reading(name, reading)
	}
}

// valueReadings returns a value as it is written and with its percent-encoding decoded once or several times, each with
// digits and signs in ASCII and without invisible characters.
func valueReadings(value string) []string {
	value = visible(value)
	list := []string{value}
	for range maxDecodings {
		next := visible(decoded(value))
		if next == value {
			break
		}
		value = next
		list = append(list, value)
	}
	return list
}

// visible returns a text without blanks around it and without invisible characters. Full-width characters and the digits of
// all scripts become those of ASCII.
func visible(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		text = strings.Map(func(r rune) rune {
			switch r = halfWidth(r); {
			case r < 0 || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) ||
				unicode.IsControl(r) && !unicode.IsSpace(r):
				return -1
			case r > unicode.MaxASCII && unicode.IsDigit(r):
				return asciiDigit(r)
			}
			return r
		}, text)
	}
	return strings.TrimSpace(text)
}

// asciiDigit returns the ASCII form of a decimal digit. In Unicode, the ten digits of a script are adjacent and begin with 0.
func asciiDigit(r rune) rune {
	for _, digits := range unicode.Nd.R16 {
		if r >= rune(digits.Lo) && r <= rune(digits.Hi) {
			return '0' + (r-rune(digits.Lo))%10
		}
	}
	for _, digits := range unicode.Nd.R32 {
		if r >= rune(digits.Lo) && r <= rune(digits.Hi) {
			return '0' + (r-rune(digits.Lo))%10
		}
	}
	return r
}

// number judges a number, which some servers take for a text. An account ID can also be written with an exponent.
func (j *targetCheck) number(name, number string) {
	const end = 1e12 // of the numbers with accountDigits digits
	j.value(name, number)
	if parsed, err := strconv.ParseFloat(number, 64); err == nil && parsed >= 0 && parsed < end {
		j.value(name, fmt.Sprintf("%0*.0f", accountDigits, parsed))
	}
}

// reading judges one reading of a parameter's value.
func (j *targetCheck) reading(name, value string) {
	folded := withoutSigns(name)
	isQueue := folded == "queueurl"
	if namesURL(name) && !isQueue && !j.urlsAllowed && remoteURL().MatchString(value) && j.reason == "" {
		j.reason = fmt.Sprintf("AWS would fetch the URL in %s; pass the content itself or the name of a resource", bounded(name))
	}
	if isQueue {
		j.queue(name, value)
	}
	if j.ownData || j.isFreeText(folded) || j.service == "iam" && slices.Contains(simulated, folded) {
		return
	}
	if match := targetARN().FindStringSubmatch(value); match != nil {
		j.refuse(name, value, match[1])
	}
	if match := catalogOf().FindStringSubmatch(value); match != nil && j.service != "ec2" && j.isOwner(name) {
		j.refuse(name, value, match[1])
	}
}

// queue judges one reading of the URL of a queue, whose path is the account and the name. In any other form, every number
// like an account ID counts as the account.
func (j *targetCheck) queue(name, address string) {
	if match := queueURL().FindStringSubmatch(address); match != nil {
		j.refuse(name, address, match[1])
		return
	}
	if !strings.ContainsAny(address, `/\`) {
		return // a name
	}
	isSign := func(r rune) bool { return r < '0' || r > '9' }
	for digits := range strings.FieldsFuncSeq(escape().ReplaceAllString(address, " "), isSign) {
		if len(digits) == accountDigits {
			j.refuse(name, address, digits)
		}
	}
}

// isFreeText reports whether a parameter searches or describes. Names of targets, such as documentClassifierArn, can
// contain the same words. The principals of IoT are certificates and other resources, not users and roles.
func (j *targetCheck) isFreeText(folded string) bool {
	if j.service != serviceIoT && slices.ContainsFunc(identities, func(word string) bool { return strings.Contains(folded, word) }) {
		return true
	}
	for _, end := range []string{"arn", "arns", "id", "ids", "identifier", "name"} {
		if strings.HasSuffix(folded, end) {
			return false
		}
	}
	return slices.ContainsFunc(freeTexts, func(word string) bool { return strings.Contains(folded, word) })
}

// lakeResources are resources of Lake Formation, whose members name the catalog that they belong to.
var lakeResources = []string{"datacellsfilter", "lftagexpression"}

// holdsFreeText reports whether the members of a structure or a list search or describe. The statements of a rule of WAF name
// resources.
func (j *targetCheck) holdsFreeText(name string) bool {
	folded := withoutSigns(name)
	return !slices.Contains(lakeResources, folded) && !strings.HasSuffix(strings.TrimSuffix(folded, "s"), "statement") && j.isFreeText(folded)
}

// isIdentity reports whether an ARN in a path is a user or role, such as that of an access entry in EKS. IAM itself has no
// such paths.
func isIdentity(text string) bool {
	fields := strings.SplitN(text, ":", 4)
	return len(fields) > 3 && (fields[2] == "iam" || fields[2] == "sts")
}

const serviceIoT = "iot" // ID in the tables

const serviceGlacier = "glacier" // ID in the tables; its paths begin with the account of the vault

const maxDecodings = 3 // of a segment, by servers and proxies

// path judges the segments of a path, and ARNs with slashes that are written as several segments.
func (j *targetCheck) path(escaped string) {
	if j.ownData {
		return
	}
	segments := strings.Split(escaped, "/")
	for i, segment := range segments {
		ofAccount := i > 0 && holdsAccounts(segments[i-1]) || i == 1 && j.service == serviceGlacier
		for _, text := range valueReadings(segment) {
			if ofAccount && accountID().MatchString(text) {
				j.refuse("the path's account", text, text)
			}
			if match := targetARN().FindStringSubmatch(text); match != nil && !isIdentity(text) {
				j.refuse("the path's resource", text, match[1])
			}
		}
	}
}

// body judges the parameters in a body.
func (j *targetCheck) body(r *http.Request, body []byte) {
	kind := mediaType(r)
	switch {
	case len(body) == 0 || j.service == promQLService && strings.HasPrefix(r.URL.Path, promQLPrefix):
	case kind == typeForm:
		form, _ := parseForm(body)
		for name, values := range form {
			first, _, nested := strings.Cut(name, ".")
			last := listEntry().ReplaceAllString(name, "")
			last = last[strings.LastIndexByte(last, '.')+1:]
			switch {
			case !nested || listName().MatchString(name):
				j.value(first, values[0])
			case !j.isFreeText(withoutSigns(first)) && (namesARN(last) || namesURL(last) || j.isOwner(last)):
				j.value(last, values[0])
			}
		}
	case kind == typeCBOR:
		j.cbor(body)
	case isAWSJSON(kind) || r.Header.Get("X-Amz-Target") != "" || strings.Contains(kind, "json") || startsAsJSON(body):
		j.json(body) // servers ignore the content type of JSON
	case j.restJSON && (kind == "" || bytes.ContainsAny(body, "{[")): // a comment may hide the beginning
		j.json(body)
	case j.service == serviceS3: // its only body of a read is a query
	case isXML(j.ops, body):
		j.xml(body)
	default:
		j.arns(body)
	}
}

// arns judges every ARN in a body of another format.
func (j *targetCheck) arns(body []byte) {
	if j.ownData {
		return
	}
	for _, reading := range valueReadings(string(body)) {
		for _, match := range anyARN().FindAllStringSubmatch(reading, -1) {
			j.refuse("the body", match[0], match[1])
		}
	}
}

func startsAsJSON(body []byte) bool {
	start := bytes.TrimLeft(body, " \t\r\n\ufeff")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
}

// cbor judges a body in CBOR. A name that occurs twice has one value in a decoded map, so it is refused. treeOfCBOR limits the
// number of values before the body is decoded, because one byte of it can become many in memory.
func (j *targetCheck) cbor(body []byte) {
	t, err := treeOfCBOR(body)
	if err != nil || t.repeatsName() {
		j.reason = "the request's body is not valid CBOR, has a name twice, or has too many values"
		return
	}
	value, err := cbor.Decode(body)
	if err != nil {
		j.reason = "the request's body is not valid CBOR: " + bounded(err.Error())
		return
	}
	if j.ownData {
		return
	}
	for _, text := range t.allTexts() {
		j.arns([]byte(text))
	}
	j.cborValue("", value, 0, false)
}

// cborValue judges a value in CBOR as jsonValue judges one in JSON.
func (j *targetCheck) cborValue(name string, value cbor.Value, depth int, free bool) {
	if j.reason != "" {
		return
	}
	isOwner := !free && j.isOwner(name)
	switch value := value.(type) {
	case cbor.String:
		if depth <= 1 || isOwner || !free && (namesARN(name) || namesURL(name)) {
			j.value(name, string(value))
		}
	case cbor.Uint:
		if depth <= 1 || isOwner {
			j.number(name, strconv.FormatUint(uint64(value), 10))
		}
	case cbor.Float32:
		if depth <= 1 || isOwner {
			j.number(name, strconv.FormatFloat(float64(value), 'g', -1, 64))
		}
	case cbor.Float64:
		if depth <= 1 || isOwner {
			j.number(name, strconv.FormatFloat(float64(value), 'g', -1, 64))
		}
	case *cbor.Tag:
		j.cborValue(name, value.Value, depth, free)
	case cbor.List:
		for _, entry := range value {
			j.cborValue(name, entry, depth, free || j.holdsFreeText(name))
		}
	case cbor.Map:
		for member, entry := range value {
			j.cborValue(member, entry, depth+1, free || j.holdsFreeText(name))
		}
	}
}

// json judges the members of a JSON object, which may occur twice, and URLs at any depth.
func (j *targetCheck) json(body []byte) {
	if !utf8.Valid(body) || bytes.ContainsAny(body, "\x00\ufeff") || j.accounts.own != "" && !json.Valid(body) {
		j.reason = "the request's body is not valid JSON in UTF-8"
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if first, err := decoder.Token(); err == nil {
		j.jsonValue(decoder, first, "", 0, false)
	}
}

const maxJSONDepth = 100 // deeper bodies than those of AWS's APIs are refused

// jsonValue judges the value that begins with token. Nested members are targets only if they are named as ARNs or owners
// and are not part of a filter or of free text.
func (j *targetCheck) jsonValue(decoder *json.Decoder, token json.Token, name string, depth int, free bool) {
	if depth > maxJSONDepth {
		j.reason = "the request's body is nested too deeply"
		return
	}
	if j.values++; j.values > maxNodes {
		j.reason = "the request's body has " + errTooMany.Error()
		return
	}
	const members = 1 // depth of the members of the body itself
	switch token := token.(type) {
	case json.Number:
		if depth <= members || !free && j.isOwner(name) {
			j.number(name, token.String())
		}
	case string:
		if depth <= members || !free && (namesARN(name) || namesURL(name) || j.isOwner(name)) {
			j.value(name, token)
		}
	case json.Delim:
		free = free || j.holdsFreeText(name)
		for decoder.More() {
			next, err := decoder.Token()
			if err != nil {
				return
			}
			member, within := name, depth
			if token == '{' {
				member, _ = next.(string)
				within++
				if next, err = decoder.Token(); err != nil {
					return
				}
			}
			j.jsonValue(decoder, next, member, within, free)
			if j.reason != "" {
				return
			}
		}
		decoder.Token() // the end
	}
}

// namesARN reports whether a parameter is named as an ARN or as a list of ARNs.
func namesARN(name string) bool {
	folded := withoutSigns(name)
	return strings.HasSuffix(folded, "arn") || strings.HasSuffix(folded, "arns")
}

// namesURL reports whether a parameter is named as a URL.
func namesURL(name string) bool { return strings.HasSuffix(withoutSigns(name), "url") }

// Headers by which S3 checks the owner of a bucket and of the bucket that an object is copied from.
const (
	bucketOwner       = "X-Amz-Expected-Bucket-Owner"
	sourceBucketOwner = "X-Amz-Source-Expected-Bucket-Owner"
	copySource        = "X-Amz-Copy-Source"
	directoryBucket   = "--x-s3" // end of the names of directory buckets, which support neither header nor other accounts
)

// bucketOf returns the bucket of a request of S3 from its host or its path, or an empty string.
func bucketOf(r *http.Request, at place) string {
	if at.bucket != "" {
		return at.bucket
	}
	bucket, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/") // a server may skip empty segments of the path
	return bucket
}

// accessPointEnds are the ends of aliases of access points, which S3 takes in place of a bucket's name ("General purpose bucket
// naming rules"). An alias hides whether the bucket is denied, and those of Object Lambda invoke a function.
var accessPointEnds = []string{"-s3alias", "--ol-s3", ".mrap", "--xa-s3"}

// namesAccessPoint reports whether a request of S3 has the alias of an access point in place of a bucket's name.
func namesAccessPoint(r *http.Request, at place, ops []*operation) bool {
	bucket := strings.ToLower(bucketOf(r, at))
	return slices.ContainsFunc(ops, func(op *operation) bool { return op.service.id == serviceS3 }) &&
		slices.ContainsFunc(accessPointEnds, func(end string) bool { return strings.HasSuffix(bucket, end) })
}

// expectOwner makes S3 refuse the request if its bucket belongs to another account than the signer's, unless the
// code named one that the settings allow.
func expectOwner(r *http.Request, at place, ops []*operation, account string) {
	if account == "" || ops[0].service.id != serviceS3 {
		return
	}
	bucket := bucketOf(r, at)
	// A path that a server could read as that of another bucket is not one of a directory bucket.
	isDirectory := strings.HasSuffix(bucket, directoryBucket) && bucketName().MatchString(bucket) && !rereadable().MatchString(r.URL.EscapedPath())
	if bucket == "" || isDirectory {
		return
	}
	setOwner(r.Header, bucketOwner, account)
	if r.Header.Get(copySource) != "" {
		setOwner(r.Header, sourceBucketOwner, account)
	}
}

// bucketName matches the characters of S3's bucket names.
var bucketName = lazy.Regexp(`^[a-z0-9.-]+$`)

// setOwner sets the expected owner of a bucket unless the code named exactly one account, which was checked before.
func setOwner(header http.Header, name, account string) {
	if values := header.Values(name); len(values) != 1 || !accountID().MatchString(values[0]) {
		header.Set(name, account)
	}
}
