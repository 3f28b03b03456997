package broker

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// scope is the credential scope of a signature.
type scope struct{ key, region, service string }

var credential = lazy.Regexp(`^AWS4-HMAC-SHA256 ` +
	`Credential=([^/,\s]+)/\d{8}/([A-Za-z0-9._*-]+)/([A-Za-z0-9._-]+)/aws4_request, ?` +
	`SignedHeaders=[^,\s]+, ?Signature=[0-9a-f]+$`)

func parseScope(authorization string) (scope, bool) {
	match := credential().FindStringSubmatch(authorization)
	if match == nil {
		return scope{}, false
	}
	return scope{key: match[1], region: match[2], service: match[3]}, true
}

// identity is who signs a request.
type identity struct {
	credentials aws.Credentials
	account     string // empty: unknown
	isMember    bool   // the role of a member, which the broker assumed
}

// assumed holds the credentials of roles that AWS returned to the code of one tool call. The code receives only
// their key IDs, by which it chooses the identity.
type assumed struct {
	mu    sync.Mutex
	byKey map[string]identity
}

const maxAssumed = 100 // roles of one tool call

// full reports whether the tool call has assumed as many roles as it may.
func (a *assumed) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.byKey) >= maxAssumed
}

// unsignedActions are the only operations that SDKs send without a signature and that the settings can allow: the
// token in their parameters authenticates them.
var unsignedActions = []string{"sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"}

// tokenActions are reads that a token in their parameters authorizes, whoever signs: AWS records them in the account that
// issued the token.
var tokenActions = []string{"cognito-identity:GetCredentialsForIdentity", "cognito-identity:GetOpenIdToken", "cognito-idp:GetDevice",
	"cognito-idp:GetUser", "cognito-idp:GetUserAttributeVerificationCode", "cognito-idp:GetUserAuthFactors", "cognito-idp:ListDevices",
	"cognito-idp:ListWebAuthnCredentials"}

// tokenHeaders carry credentials. "authentication" is the token of a user of WorkDocs, "x-amz-bearer" that of a chat of Connect.
var tokenHeaders = []string{bearerHeader, "x-amz-bearer", "x-amz-s3session-token", "grafana-token", "authentication"}

// signatureParameters are parameters that sign or authorize a URL, in lower case and without signs.
var signatureParameters = []string{"xamzsignature", "xamzcredential", "xamzalgorithm", "xamzsecuritytoken", "awsaccesskeyid"}

// authenticate returns the identity that signs a request: the role of the account that the tool call reads for the dummy key, the
// role of an account for the key that names it, and a role that AssumeRole returned in this tool call for its key. It refuses every other request, because AWS would record its
// parameters in the account of the key's owner. sign is false if the request is sent without a signature.
func (s *Session) authenticate(ctx context.Context, r *http.Request, c scope, signed bool, ops []*operation) (
	who identity, sign bool, reason string,
) {
	for name := range r.URL.Query() {
		if slices.Contains(signatureParameters, withoutSigns(name)) {
			return who, false, "the request is signed in its URL; " +
				"only requests with a SigV4 signature in the header Authorization are possible"
		}
	}
	for name := range r.Header {
		if slices.Contains(tokenHeaders, strings.ToLower(name)) {
			return who, false, fmt.Sprintf("the request carries credentials in the header %s; use a client with the default credentials", name)
		}
	}
	if slices.ContainsFunc(ops, func(op *operation) bool { return slices.Contains(tokenActions, op.action) }) {
		return who, false, "a token in its parameters authorizes it; only requests of the default credentials are possible"
	}
	authorization := r.Header.Get("Authorization")
	switch {
	case authorization == "" && areUnsigned(ops):
		return who, false, ""
	case authorization == "":
		return who, false, "the request is not signed; use a client with the default credentials and signature, such as boto3.client(\"s3\")"
	case !signed:
		method, _, _ := strings.Cut(authorization, " ")
		return who, false, fmt.Sprintf("the request is authorized by %q; only SigV4 signatures with the default credentials are possible "+
			"(not SigV4a, SigV2, or bearer tokens)", bounded(method))
	}
	account, named := accountOfKey(c.key)
	if c.key == DummyAccessKey {
		account, named = s.reads, true
	}
	switch {
	case named && account != s.account:
		who, reason := s.member(ctx, account)
		return who, reason == "", reason
	case named:
		credentials, err := s.broker.credentials.Retrieve(ctx)
		if err != nil {
			return who, false, "the request cannot be signed: get the function's credentials: " + err.Error()
		}
		return identity{credentials: credentials, account: s.account}, true, ""
	}
	who, known := s.assumed.find(c.key)
	if !known {
		return who, false, fmt.Sprintf("the request is signed with the access key %s, which neither belongs to this tool nor was returned by "+
			"sts:AssumeRole in this tool call; use the default credentials, or, if the settings of this tool allow sts:AssumeRole, "+
			"assume the role again in this call", bounded(c.key))
	}
	return who, true, ""
}

func areUnsigned(ops []*operation) bool {
	return !slices.ContainsFunc(ops, func(op *operation) bool { return !slices.Contains(unsignedActions, op.action) })
}

func (a *assumed) find(key string) (identity, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	who, known := a.byKey[key]
	return who, known
}

// all returns every identity.
func (a *assumed) all() []identity {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []identity
	for _, who := range a.byKey {
		list = append(list, who)
	}
	return list
}

// stsAnswer is the part of STS's answers that has credentials.
type stsAnswer struct {
	Results []struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string `xml:"SecretAccessKey"`
			SessionToken    string `xml:"SessionToken"`
		} `xml:"Credentials"`
		AssumedRoleUser struct {
			ARN string `xml:"Arn"`
		} `xml:"AssumedRoleUser"`
	} `xml:",any"`
}

// learn keeps the credentials in an answer of STS and returns how many it found. account is the one of the caller,
// which also owns credentials that are not those of a role.
func (a *assumed) learn(body []byte, account string) int {
	var answer stsAnswer
	if xml.Unmarshal(body, &answer) != nil {
		return 0
	}
	found := 0
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, result := range answer.Results {
		c := result.Credentials
		if c.AccessKeyID == "" || c.SecretAccessKey == "" {
			continue
		}
		who := identity{
			credentials: aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
			account:     account,
		}
		if role, err := arn.Parse(result.AssumedRoleUser.ARN); err == nil {
			who.account = role.AccountID
		}
		if a.byKey == nil {
			a.byKey = map[string]identity{}
		}
		a.byKey[c.AccessKeyID] = who
		found++
	}
	return found
}

// decodeMessage explains why IAM denied a request. Its access level is Write, but it returns no credentials.
const decodeMessage = "sts:DecodeAuthorizationMessage"

// assumes reports whether operations of STS return new credentials.
func assumes(ops []*operation) bool {
	return returnsCredentials(ops) && slices.ContainsFunc(ops, func(op *operation) bool {
		return op.level != levelRead && op.level != levelList && op.action != decodeMessage
	})
}

// returnsCredentials reports whether an answer can contain credentials that the code may use.
func returnsCredentials(ops []*operation) bool {
	return slices.ContainsFunc(ops, func(op *operation) bool { return op.service.id == "sts" })
}
