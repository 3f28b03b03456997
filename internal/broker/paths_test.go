package broker

import (
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slashes are spellings of a slash that some servers decode to one.
var slashes = []string{"%2F", "%2f", "%252F", "%25252f", "%5C", "%5c", `%255C`}

// expansions returns paths that fit the route from and that, with the first slash in place of a spelling, fit the
// longer route to. Placeholders are x.
func expansions(from, to []string, spelling string) []string {
	if len(from) == 0 {
		if len(to) == 0 {
			return []string{""}
		}
		return nil
	}
	var list []string
	for n := 1; n <= len(to); n++ {
		if n > 1 && from[0] != "{}" || n == 1 && from[0] != "{}" && from[0] != to[0] {
			break
		}
		taken := make([]string, n)
		for i, segment := range to[:n] {
			taken[i] = strings.NewReplacer("{}", "x", "{+}", "x").Replace(segment)
		}
		for _, rest := range expansions(from[1:], to[n:], spelling) {
			list = append(list, "/"+strings.Join(taken, spelling)+rest)
		}
	}
	return list
}

// Whatever a slash in a name is written as, a read is refused if a server that decodes it would run an operation
// that must not pass.
func TestPaths_EncodedSlashesOfAllRoutes(t *testing.T) {
	g := newGuard(nil, nil, nil)
	pairs := 0
	for id := range theTables().blocks {
		s := theTables().service(id)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			for _, from := range s.routes[method] {
				if g.checkOne(from.operation) != "" {
					continue
				}
				for _, to := range s.routes[method] {
					if len(to.segments) <= len(from.segments) || g.checkOne(to.operation) == "" || len(to.query) > 0 {
						continue
					}
					for _, spelling := range slashes {
						for _, path := range expansions(from.segments, to.segments, spelling) {
							r := request(t, method, path, from.query)
							if decoded := strings.ReplaceAll(path, spelling, "/"); !slices.Contains(bestRoutes([]*service{s}, method, decoded, r.URL.Query(), exactly), to.operation) {
								continue // the query selects another operation there, such as GetObjectAcl
							}
							pairs++
							found, reason := identify(r, nil, place{services: []string{id}}, scope{service: s.signing[0]}, true)
							assert.True(t, reason != "" || g.check(found) != "", "%s %s is sent as %s:%v, but can be %s", method, path, id, names(found), to.operation.name)
						}
					}
				}
			}
		}
	}
	assert.Greater(t, pairs, 1000)
}

func request(t *testing.T, method, path string, parameters [][2]string) *http.Request {
	t.Helper()
	query := url.Values{}
	for _, parameter := range parameters {
		query.Set(parameter[0], parameter[1])
	}
	r, err := http.NewRequest(method, "https://x.amazonaws.com"+path+"?"+query.Encode(), nil)
	require.NoError(t, err)
	return r
}

// ARNs in paths have colons and slashes, which botocore escapes. Reads of the resources that they name must pass.
func TestPaths_ReadsWithARNsPass(t *testing.T) {
	g := newGuard(nil, nil, nil)
	arns := []string{"arn:aws:iam::123456789012:role/service-role/name", "arn:aws:apigateway:us-east-1::/restapis/abc/stages/prod",
		"arn:aws:kafka:eu-west-1:123456789012:cluster/orders/5f3c2a10-0000-4000-8000-000000000000-7", "/aws/lambda/orders", "my name+1 (é)"}
	refused := map[string]bool{}
	passed := 0
	for id := range theTables().blocks {
		s := theTables().service(id)
		if id == serviceS3 {
			continue // its only names are buckets and keys
		}
		for _, route := range s.routes[http.MethodGet] {
			if g.checkOne(route.operation) != "" {
				continue
			}
			for _, arn := range arns {
				path := ""
				for _, segment := range route.segments {
					path += "/" + strings.NewReplacer("{}", strings.ReplaceAll(url.QueryEscape(arn), "+", "%20"), "{+}", arn).Replace(segment)
				}
				if strings.Contains(path, " ") {
					continue // a greedy name
				}
				found, reason := identify(request(t, http.MethodGet, path, route.query), nil, place{services: []string{id}}, scope{service: s.signing[0]}, true)
				if reason != "" || g.check(found) != "" {
					refused[id+":"+route.operation.name+" "+arn] = true
					continue
				}
				passed++
			}
		}
	}
	assert.Greater(t, passed, 5000)
	assert.Empty(t, refused)
}

func TestPaths_OtherReadings(t *testing.T) {
	get := func(name, service, address, refusal, operation string) forgedRequest {
		return forgedRequest{Name: name, Service: service, Method: "GET", URL: address, Refusal: refusal, Operation: operation}
	}
	const (
		functions = lambdaURL + "/2015-03-31/functions/"
		buckets   = "https://s3.us-east-1.amazonaws.com/"
		dotted    = `has a segment "." or ".."`
	)
	assertForged(t, nil, []forgedRequest{
		get("an ARN", "lambda", functions+"arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af/configuration", "", "lambda:GetFunctionConfiguration"),
		get("tags of an ARN with slashes", "apigateway", "https://apigateway.us-east-1.amazonaws.com/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fa", "", "apigateway:GetTags"),
		get("dots that are encoded twice", "lambda", functions+"f/aliases/%252e%252e", dotted, ""),
		get("dots that are encoded three times", "lambda", functions+"f/aliases/%25252e%25252e", dotted, ""),
		get("dots and an encoded parameter", "lambda", functions+"f/aliases/..%3Bx", dotted, ""),
		get("one encoded dot of two", "lambda", functions+"f/aliases/.%2e", dotted, ""),
		get("dots behind a backslash", "lambda", functions+"f/aliases/a%5C..%5C..", dotted, ""),
		get("an encoded question mark", "lambda", functions+"f%3F/configuration", "lambda:GetFunction is refused", ""),
		get("an encoded number sign", "lambda", functions+"f%23/configuration", "lambda:GetFunction is refused", ""),
		get("a line break", "lambda", functions+"f%0A/configuration", "control characters", ""),
		get("a line break that is encoded twice", "lambda", functions+"f%250A/configuration", "control characters", ""),
		get("NUL that is encoded twice behind a slash", "apigateway", "https://apigateway.us-east-1.amazonaws.com/usageplans/a%252Fkeys%2500", "control characters", ""),
		get("a tab", "apigateway", "https://apigateway.us-east-1.amazonaws.com/usageplans/a%2Fkeys%09", "control characters", ""),
		get("a control character behind ASCII", "lambda", functions+"f%C2%85/configuration", "control characters", ""),
		get("overlong UTF-8", "lambda", functions+"f%c0%ae/configuration", "not UTF-8", ""),
		get("a byte order mark", "lambda", functions+"%ef%bb%bff/configuration", "not UTF-8", ""),
		get("a literal in another case", "appsync", "https://appsync.us-east-1.amazonaws.com/v1/apis/a%2FAPIKEYS", "appsync:ListApiKeys is refused", ""),
		get("S3: a slash between bucket and key", "s3", buckets+"vault%2Fcard.txt", "s3:GetObject is refused", ""),
		get("S3: a slash that is encoded twice", "s3", buckets+"vault%252Fcard.txt", "s3:GetObject is refused", ""),
		get("S3: a backslash", "s3", buckets+"vault%5Ccard.txt", "s3:GetObject is refused", ""),
		get("S3: a listing that climbs to an object", "s3", buckets+"vault%2F..%2Fvault%2Fcard.txt", "s3:GetObject is refused", ""),
		get("S3: a slash in the host's bucket", "s3", "https://vault.s3.us-east-1.amazonaws.com/%2Fcard.txt", "s3:GetObject is refused", ""),
		get("S3: a query in a key", "s3", buckets+"b/k%3Ftorrent?acl", "s3:GetObjectTorrent is refused", ""),
		get("S3: a query in a key, encoded twice", "s3", buckets+"b/k%253Ftorrent?acl", "s3:GetObjectTorrent is refused", ""),
		get("S3: the tags of a key with a question mark", "s3", buckets+"b/k%3Fx=1.png?tagging", "", "s3:GetObjectTagging"),
		get("S3: the access list of a key with slashes", "s3", buckets+"b/2026/01/a%20b%2Bc.gz?acl", "", "s3:GetObjectAcl"),
		get("S3: the tags of a key with dots", "s3", buckets+"b/a/../b.txt?tagging", "", ""),
		get("S3: the access list of a key with escapes", "s3", buckets+"b/a%2541?acl", "", "s3:GetObjectAcl"),
		get("S3: a listing with a prefix", "s3", buckets+"b?list-type=2&prefix=logs%2F2026%2F&delimiter=%2F", "", "s3:ListObjectsV2"),
	})
}

// The name in the middle of these routes can have slashes, and ARNs do.
func TestPaths_NamesWithSlashesBeforeALiteral(t *testing.T) {
	const browser = "https://workspaces-web.us-east-1.amazonaws.com"
	get := func(name, path, refusal, operation string) forgedRequest {
		return forgedRequest{Name: name, Service: "workspaces-web", Method: "GET", URL: browser + path, Refusal: refusal, Operation: operation}
	}
	requests := []forgedRequest{
		get("a list below an ARN", "/portals/arn:aws:workspaces-web:us-east-1:123456789012:portal/a/identityProviders", "", "workspaces-web:ListIdentityProviders"),
		get("an ARN", "/portals/arn:aws:workspaces-web:us-east-1:123456789012:portal/a", "", "workspaces-web:GetPortal"),
		get("a name without slashes", "/portals/a/identityProviders", "", "workspaces-web:ListIdentityProviders"),
		get("a literal without a name", "/portals//identityProviders", "", "workspaces-web:GetPortal"),
		get("a read that is not part of ReadOnlyAccess", "/trustStores/arn:aws:workspaces-web:us-east-1:123456789012:trustStore/a/certificates",
			"workspaces-web:ListTrustStoreCertificates is refused", ""),
		get("the same with a slash at the end", "/trustStores/arn:aws:workspaces-web:us-east-1:123456789012:trustStore/a/certificates/",
			"workspaces-web:ListTrustStoreCertificates is refused", ""),
		get("the same with encoded slashes", "/trustStores/a%2Fb%2Fcertificates", "workspaces-web:ListTrustStoreCertificates is refused", ""),
	}
	assertForged(t, nil, requests)
	assertForged(t, func(o *Options) { o.DeniedActions = []string{"workspaces-web:ListIdentityProviders"} }, []forgedRequest{
		get("denied", "/portals/arn:aws:workspaces-web:us-east-1:123456789012:portal/a/identityProviders", "the settings of this tool deny it", ""),
	})
	assertForged(t, func(o *Options) { o.AllowedActions = []string{"workspaces-web:UpdatePortal"} }, []forgedRequest{
		{Name: "another write than the allowed one", Service: "workspaces-web", Method: "PUT", Refusal: "workspaces-web:AssociateTrustStore is refused",
			URL: browser + "/portals/a/b/trustStores?trustStoreArn=a"},
	})
}

func TestReadings_AreBounded(t *testing.T) {
	list, ok := readings("/a/b")
	assert.True(t, ok)
	assert.Equal(t, []string{"/a/b"}, list)
	_, ok = readings("/" + strings.Repeat("%25", maxPath))
	assert.False(t, ok)
	_, ok = readings("/%" + strings.Repeat("25", maxReadings+1) + "2F")
	assert.False(t, ok)
}

// A path is compared with all routes of a service in each reading, so its thousands of segments must not be copied each time.
func TestPaths_ManySegmentsTakeLittleMemory(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "https://s3.us-east-1.amazonaws.com/b/%25253f%253b%255c/"+strings.Repeat(";/", 3900)+"?acl", nil)
	require.NoError(t, err)
	s3 := []*service{theTables().service(serviceS3)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found, reason := routedOperations(s3, r, "")
	runtime.ReadMemStats(&after)
	assert.Empty(t, reason)
	assert.NotEmpty(t, found)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20))
}
