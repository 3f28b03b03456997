package broker

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	roleKey    = "ASIAASSUMED000000001"
	roleSecret = "assumedSecretKey/with+signs0000000000000"
	roleToken  = "IQoJb3JpZ2luX2VjEXAMPLE//////assumed+session+token=="
)

// assumeRoleAnswer is AWS's documented answer of AssumeRole ("AssumeRole", AWS STS API Reference).
func assumeRoleAnswer(account string) string {
	return fmt.Sprintf(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
  <SourceIdentity>Alice</SourceIdentity>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::%s:assumed-role/demo/TestAR</Arn>
      <AssumedRoleId>ARO123EXAMPLE123:TestAR</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>%s</AccessKeyId>
      <SecretAccessKey>%s</SecretAccessKey>
      <SessionToken>%s</SessionToken>
      <Expiration>2019-11-09T13:34:41Z</Expiration>
    </Credentials>
    <PackedPolicySize>6</PackedPolicySize>
  </AssumeRoleResult>
  <ResponseMetadata>
    <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>
  </ResponseMetadata>
</AssumeRoleResponse>`, account, roleKey, roleSecret, roleToken)
}

func authorization(key, service string) [2]string {
	return [2]string{"Authorization", "AWS4-HMAC-SHA256 Credential=" + key + "/20260102/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=00"}
}

func TestAuthenticate_OnlyTheFunctionsRoleSigns(t *testing.T) {
	read := func(name, auth, refusal string, more ...[2]string) forgedRequest {
		request := logsRead(name, refusal, more...)
		request.Auth = auth
		return request
	}
	signed := func(key string) string { return authorization(key, "logs")[1] }
	assertForged(t, nil, []forgedRequest{
		read("the dummy", signed(DummyAccessKey), ""),
		read("the dummy and a token", signed(DummyAccessKey), "", [2]string{"X-Amz-Security-Token", "mine"}),
		read("no signature", "none", "the request is not signed"),
		read("other keys", signed("AKIAATTACKER00000000"), "the access key AKIAATTACKER00000000"),
		read("other temporary keys", signed("ASIAATTACKER00000000"), "assume the role again in this call"),
		read("the real key", signed(realKey), "neither belongs to this tool"),
		read("the dummy in lower case", signed(strings.ToLower(DummyAccessKey)), "neither belongs to this tool"),
		read("two credentials", "AWS4-HMAC-SHA256 Credential="+DummyAccessKey+"/20260102/us-east-1/logs/aws4_request, Credential=AKIAATTACKER00000000/20260102/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=00", "only SigV4 signatures"),
		read("SigV4a", "AWS4-ECDSA-P256-SHA256 Credential="+DummyAccessKey+"/20260102/logs/aws4_request, SignedHeaders=host, Signature=00", "only SigV4 signatures"),
		read("SigV2", "AWS "+DummyAccessKey+":c2ln", "only SigV4 signatures"),
		read("SigV3", "AWS3-HTTPS AWSAccessKeyId="+DummyAccessKey+",Algorithm=HmacSHA256,Signature=c2ln", "only SigV4 signatures"),
		read("a bearer token", "Bearer eyJhbGciOi", "only SigV4 signatures"),
		read("a password", "Basic YTpi", "only SigV4 signatures"),
		read("a service without a region", "AWS4-HMAC-SHA256 Credential="+DummyAccessKey+"/20260102//logs/aws4_request, SignedHeaders=host, Signature=00", "only SigV4 signatures"),
		{Name: "a signed URL", Service: "s3", Method: "GET", Auth: "none", URL: "https://b.s3.us-east-1.amazonaws.com/?list-type=2&X-Amz-Signature=00&X-Amz-Credential=AKIAATTACKER00000000", Refusal: "signed in its URL"},
		{Name: "a URL signed with SigV2", Service: "s3", Method: "GET", Auth: "none", URL: "https://b.s3.us-east-1.amazonaws.com/?list-type=2&AWSAccessKeyId=AKIAATTACKER00000000&Signature=x&Expires=1", Refusal: "signed in its URL"},
		{Name: "a signed URL beside the dummy", Service: "s3", Method: "GET", URL: "https://b.s3.us-east-1.amazonaws.com/?list-type=2&x-amz-security-token=x", Refusal: "signed in its URL"},
		{Name: "an unsigned web identity", Service: "sts", Method: "POST", Auth: "none", URL: stsURL, Headers: [][2]string{{"Content-Type", typeForm}}, Body: "Action=AssumeRoleWithWebIdentity", Refusal: "sts:AssumeRoleWithWebIdentity is refused"},
	})
}

// Reads that no signature authorizes would be recorded wherever their token comes from.
func TestAuthenticate_TokensInParametersAreRefused(t *testing.T) {
	g, count := newGuard(nil, nil, nil), 0
	for _, line := range namesOfBotocore(t) {
		if line[0] != "unsigned" {
			continue
		}
		count++
		if op := theTables().service(line[1]).operations[line[2]]; g.checkOne(op) == "" {
			assert.Contains(t, tokenActions, op.action)
		}
	}
	assert.Greater(t, count, 40)
	assertForged(t, nil, []forgedRequest{
		{Name: "a token of Cognito", Service: "cognito-idp", Method: "POST", URL: "https://cognito-idp.us-east-1.amazonaws.com/", Body: `{"AccessToken":"x","DeviceKey":"data"}`, Refusal: "cognito-idp:GetDevice is refused",
			Headers: [][2]string{{"Content-Type", json11}, {"X-Amz-Target", "AWSCognitoIdentityProviderService.GetDevice"}}},
		logsRead("a token of a chat of Connect", "credentials in the header", [2]string{"X-Amz-Bearer", "x"}),
		logsRead("a token of IAM Identity Center", "credentials in the header", [2]string{"x-amz-sso_bearer_token", "x"}),
		logsRead("a token of a user of WorkDocs", "credentials in the header", [2]string{"Authentication", "x"}),
		formRequest("a form signed with SigV2", "ec2", "Action=DescribeInstances&Version=2016-11-15&AWSAccessKeyId=AKIAATTACKER00000000&Signature=x", "the request is signed in its body"),
		{Name: "a form as boto3 signs it for SimpleDB", Service: "sdb", Method: "POST", Auth: "none", URL: "https://sdb.us-east-1.amazonaws.com/",
			Headers: [][2]string{{"Content-Type", typeForm + "; charset=utf-8"}}, Refusal: "the request is signed in its body",
			Body: "Action=ListDomains&Version=2009-04-15&AWSAccessKeyId=" + DummyAccessKey + "&SignatureVersion=2&SignatureMethod=HmacSHA256&Signature=x"},
		logsRead("a token of a directory bucket's session", "credentials in the header", [2]string{"X-Amz-S3session-Token", "x"}),
	})
}

// IAM has no actions for some of these reads, so only the settings can allow them.
func TestAuthenticate_TokensInParametersAreRefusedIfTheReadIsAllowed(t *testing.T) {
	var requests []forgedRequest
	for _, name := range []string{"GetUserAuthFactors", "ListWebAuthnCredentials"} {
		requests = append(requests, forgedRequest{Name: name, Service: "cognito-idp", Method: "POST", URL: "https://cognito-idp.us-east-1.amazonaws.com/",
			Body: `{"AccessToken":"x"}`, Refusal: "a token in its parameters authorizes it",
			Headers: [][2]string{{"Content-Type", json11}, {"X-Amz-Target", "AWSCognitoIdentityProviderService." + name}}})
	}
	assertForged(t, func(o *Options) { o.AllowedActions = []string{"cognito-idp:*"} }, requests)
}

// assumeRole sends AssumeRole over a connection.
func assumeRole(t *testing.T, c net.Conn, action, account string, auth ...[2]string) (answerHead, string) {
	t.Helper()
	return ask(t, c, requestHead{Method: "POST", URL: stsURL, Headers: append(auth, [2]string{"Content-Type", typeForm}, [2]string{"Accept", "application/json"})},
		"Action="+action+"&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A"+account+"%3Arole%2Fdemo&RoleSessionName=s")
}

func TestAuthenticate_RolesOfTheCallSign(t *testing.T) {
	const other = "999999999999"
	allowing := func(aws *sink) Options {
		o := toAWS(aws)
		o.AllowedActions, o.AllowedAccounts = []string{"sts:AssumeRole*"}, []string{other}
		aws.answer = func(r *http.Request) *http.Response {
			if strings.HasPrefix(r.Host, "sts.") {
				return answerOf(http.StatusOK, assumeRoleAnswer(other))
			}
			return answerOf(http.StatusOK, "{}")
		}
		return o
	}
	describeGroups := func(t *testing.T, c net.Conn, key string) answerHead {
		request := logsRead("", "", authorization(key, "logs"), [2]string{"X-Amz-Security-Token", "of the code"})
		answer, _ := ask(t, c, requestHead{Method: request.Method, URL: request.URL, Headers: request.Headers}, request.Body)
		return answer
	}
	for _, action := range []string{"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"} {
		t.Run(action, func(t *testing.T) {
			aws := &sink{}
			connection, session := dialWith(t, allowing(aws))
			assert.Contains(t, describeGroups(t, connection, roleKey).Error, "neither belongs to this tool")

			var auth [][2]string
			if action == "AssumeRole" {
				auth = append(auth, authorization(DummyAccessKey, "sts"))
			}
			answer, body := assumeRole(t, connection, action, other, auth...)
			require.Empty(t, answer.Error)
			assert.Contains(t, body, roleKey)
			assert.NotContains(t, body, roleSecret)
			assert.NotContains(t, body, roleToken)
			assert.Len(t, body, len(assumeRoleAnswer(other)))
			assert.Empty(t, aws.seen[0].Header.Get("Accept"), "an answer in JSON would not be recognized")

			require.Empty(t, describeGroups(t, connection, roleKey).Error)
			sent := aws.seen[len(aws.seen)-1]
			assert.Contains(t, sent.Header.Get("Authorization"), "Credential="+roleKey+"/")
			assert.Regexp(t, `Signature=[0-9a-f]{64}$`, sent.Header.Get("Authorization"))
			assert.Equal(t, []string{roleToken}, sent.Header.Values("X-Amz-Security-Token"))

			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 3 }, 5e9, 1e6)
			calls, _, _ := session.Audit()
			assert.Equal(t, []string{roleKey, ""}, []string{calls[0].AccessKey, calls[0].Account}, "refused; the account is unknown")
			assert.Empty(t, calls[1].AccessKey, "the function's own role is not named")
			assert.Equal(t, []string{roleKey, other}, []string{calls[2].AccessKey, calls[2].Account})
		})
	}
	t.Run("not in another call", func(t *testing.T) {
		aws := &sink{}
		first, _ := dialWith(t, allowing(aws))
		answer, _ := assumeRole(t, first, "AssumeRole", other, authorization(DummyAccessKey, "sts"))
		require.Empty(t, answer.Error)
		second, _ := dialWith(t, allowing(aws))
		assert.Contains(t, describeGroups(t, second, roleKey).Error, "assume the role again in this call")
	})
	t.Run("not from an account that the settings lack", func(t *testing.T) {
		aws := &sink{}
		o := allowing(aws)
		o.AllowedAccounts = nil
		connection, _ := dialWith(t, o)
		for _, action := range []string{"AssumeRole", "AssumeRoleWithWebIdentity"} {
			answer, _ := assumeRole(t, connection, action, other, authorization(DummyAccessKey, "sts"))
			assert.Contains(t, answer.Error, "belongs to the account "+other)
		}
		assert.Empty(t, aws.seen)
	})
	t.Run("not from the answer of another service", func(t *testing.T) {
		aws := &sink{}
		o := allowing(aws)
		aws.answer = func(*http.Request) *http.Response { return answerOf(http.StatusOK, assumeRoleAnswer(other)) }
		connection, _ := dialWith(t, o)
		require.Empty(t, describeGroups(t, connection, DummyAccessKey).Error)
		assert.Contains(t, describeGroups(t, connection, roleKey).Error, "neither belongs to this tool")
	})
	// AWS's query services also answer in JSON, such as for a form with ContentType=JSON.
	for name, text := range map[string]string{
		"JSON":             `{"Credentials":{"AccessKeyId":"` + roleKey + `","SecretAccessKey":"` + roleSecret + `","SessionToken":"` + roleToken + `"}}`,
		"another encoding": `<?xml version="1.0" encoding="ISO-8859-1"?>` + assumeRoleAnswer(other),
		"a cut answer":     assumeRoleAnswer(other)[:len(assumeRoleAnswer(other))-1],
		"a long answer":    strings.Repeat(" ", maxCredentials) + assumeRoleAnswer(other),
	} {
		t.Run("no answer that is not understood: "+name, func(t *testing.T) {
			aws := &sink{}
			o := allowing(aws)
			aws.answer = func(*http.Request) *http.Response { return answerOf(http.StatusOK, text) }
			connection, session := dialWith(t, o)
			answer, body := assumeRole(t, connection, "AssumeRole", other, authorization(DummyAccessKey, "sts"))
			assert.Contains(t, answer.Error, "the broker found no credentials in the answer of STS")
			assert.Empty(t, body)
			calls, _, refusals := session.Audit()
			require.Len(t, calls, 1, "the request was sent")
			assert.Equal(t, []any{http.StatusOK, "withheld", 0}, []any{calls[0].Status, calls[0].ErrorCode, refusals})
		})
	}
	t.Run("an answer without credentials of an operation that returns none", func(t *testing.T) {
		const decoded = "<DecodeAuthorizationMessageResponse/>"
		aws := &sink{}
		o := allowing(aws)
		aws.answer = func(*http.Request) *http.Response { return answerOf(http.StatusOK, decoded) }
		o.AllowedActions = []string{"sts:DecodeAuthorizationMessage"}
		connection, _ := dialWith(t, o)
		answer, body := ask(t, connection, requestHead{Method: "POST", URL: stsURL, Headers: [][2]string{authorization(DummyAccessKey, "sts"), {"Content-Type", typeForm}}},
			"Action=DecodeAuthorizationMessage&Version=2011-06-15&EncodedMessage=x")
		assert.Empty(t, answer.Error)
		assert.Equal(t, decoded, body)
	})
	t.Run("not from a failure", func(t *testing.T) {
		aws := &sink{}
		o := allowing(aws)
		aws.answer = func(*http.Request) *http.Response { return answerOf(http.StatusForbidden, assumeRoleAnswer(other)) }
		connection, _ := dialWith(t, o)
		assumeRole(t, connection, "AssumeRole", other, authorization(DummyAccessKey, "sts"))
		assert.Contains(t, describeGroups(t, connection, roleKey).Error, "neither belongs to this tool")
	})
}

func TestAuthenticate_LimitsTheRolesOfACall(t *testing.T) {
	aws := &sink{}
	o := toAWS(aws)
	o.AllowedActions = []string{"sts:AssumeRole"}
	roles := 0
	aws.answer = func(*http.Request) *http.Response {
		roles++
		return answerOf(http.StatusOK, strings.ReplaceAll(assumeRoleAnswer(ownAccount), roleKey, fmt.Sprintf("ASIAROLE%012d", roles)))
	}
	connection, _ := dialWith(t, o)
	for range maxAssumed {
		answer, _ := assumeRole(t, connection, "AssumeRole", ownAccount, authorization(DummyAccessKey, "sts"))
		require.Empty(t, answer.Error)
	}
	answer, _ := assumeRole(t, connection, "AssumeRole", ownAccount, authorization(DummyAccessKey, "sts"))
	assert.Contains(t, answer.Error, "limit of 100 assumed roles")
	assert.Equal(t, maxAssumed, roles)
}

func TestAssumed_LearnsOnlyAnswersOfSTS(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"a role":                 {assumeRoleAnswer("111122223333"), 1},
		"the caller":             {`<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, 0},
		"an error":               {`<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`, 0},
		"a key without a secret": {`<R><X><Credentials><AccessKeyId>ASIA</AccessKeyId></Credentials></X></R>`, 0},
		"JSON":                   {`{"Credentials":{"AccessKeyId":"ASIA","SecretAccessKey":"s"}}`, 0},
		"nothing":                {"", 0},
		"an answer that is cut":  {assumeRoleAnswer("111122223333")[:300], 0},
	} {
		t.Run(name, func(t *testing.T) {
			var a assumed
			assert.Equal(t, test.want, a.learn([]byte(test.body), ownAccount))
		})
	}
}
