package broker

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

const (
	form   = "application/x-www-form-urlencoded; charset=utf-8"
	json11 = "application/x-amz-json-1.1"
)

// requestCase is a request and its expected outcome.
type requestCase struct {
	name, service, method, path, kind, body string
	headers                                 [][2]string
	refusal                                 string // part of the reason for refusing it; empty: it must be sent
	operation                               string // in the audit trail; empty: any
}

func TestGuard_OnlyReadsPassInEveryProtocol(t *testing.T) {
	target := func(name string) [][2]string { return [][2]string{{"X-Amz-Target", name}} }
	cbor := [][2]string{{"Smithy-Protocol", "rpc-v2-cbor"}}
	tests := []requestCase{
		{"JSON, a read", "logs", "POST", "/", json11, "{}", target("Logs_20140328.FilterLogEvents"), "", "logs:FilterLogEvents"},
		{"JSON, a write", "logs", "POST", "/", json11, "{}", target("Logs_20140328.DeleteLogGroup"), "access level is Write", "logs:DeleteLogGroup"},
		{"JSON, tags", "logs", "POST", "/", json11, "{}", target("Logs_20140328.TagResource"), "access level is Tagging", "logs:TagResource"},
		{"JSON, a denied read", "ssm", "POST", "/", json11, "{}", target("AmazonSSM.GetParameter"), "must not use it", "ssm:GetParameter"},
		{"JSON, items", "dynamodb", "POST", "/", "application/x-amz-json-1.0", "{}", target("DynamoDB_20120810.Scan"), "must not use it", "dynamodb:Scan"},
		{"JSON, PartiQL, which reads and writes", "dynamodb", "POST", "/", "application/x-amz-json-1.0", "{}", target("DynamoDB_20120810.ExecuteStatement"), "IAM action dynamodb:PartiQLSelect", "dynamodb:ExecuteStatement"},
		{"JSON, permissions", "kms", "POST", "/", json11, "{}", target("TrentService.PutKeyPolicy"), "Permissions management", "kms:PutKeyPolicy"},
		{"JSON, no such operation", "logs", "POST", "/", json11, "{}", target("Logs_20140328.DropEverything"), `unknown logs operation "Logs_20140328.DropEverything"`, "logs:POST /"},
		{"JSON, another service's operation", "logs", "POST", "/", json11, "{}", target("AmazonSSM.DescribeParameters"), "only forwards operations it knows", ""},
		{"CBOR, a read", "monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/DescribeAlarms", "application/cbor", "", cbor, "", "cloudwatch:DescribeAlarms"},
		{"CBOR, a write", "monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/DeleteAlarms", "application/cbor", "", cbor, "access level is Write", "cloudwatch:DeleteAlarms"},
		{"Query, a read", "monitoring", "POST", "/", form, "Action=DescribeAlarms&Version=2010-08-01", nil, "", "cloudwatch:DescribeAlarms"},
		{"Query, a write", "monitoring", "POST", "/", form, "Action=SetAlarmState&Version=2010-08-01", nil, "access level is Write", "cloudwatch:SetAlarmState"},
		{"Query, a role", "sts", "POST", "/", form, "Action=AssumeRole&Version=2011-06-15", nil, "access level is Write", "sts:AssumeRole"},
		{"Query, a session token", "sts", "POST", "/", form, "Action=GetSessionToken&Version=2011-06-15", nil, "must not use it", "sts:GetSessionToken"},
		{"EC2, a read", "ec2", "POST", "/", form, "Action=DescribeInstances&Version=2016-11-15", nil, "", "ec2:DescribeInstances"},
		{"EC2, a write", "ec2", "POST", "/", form, "Action=TerminateInstances&Version=2016-11-15", nil, "access level is Write", "ec2:TerminateInstances"},
		{"EC2, a password", "ec2", "POST", "/", form, "Action=GetPasswordData&Version=2016-11-15", nil, "must not use it", "ec2:GetPasswordData"},
		{"EC2, console output", "ec2", "POST", "/", form, "Action=GetConsoleOutput&Version=2016-11-15", nil, "must not use it", "ec2:GetConsoleOutput"},
		{"REST, a read", "lambda", "GET", "/2015-03-31/functions/f/configuration", "", "", nil, "", "lambda:GetFunctionConfiguration"},
		{"REST, a list whose path ends in a slash", "lambda", "GET", "/2015-03-31/functions/?MaxItems=50", "", "", nil, "", "lambda:ListFunctions"},
		{"REST, source code", "lambda", "GET", "/2015-03-31/functions/f", "", "", nil, "must not use it", "lambda:GetFunction"},
		{"REST, an invocation", "lambda", "POST", "/2015-03-31/functions/f/invocations", "", "{}", nil, "must not use it", "lambda:Invoke"},
		{"REST, a deletion", "lambda", "DELETE", "/2015-03-31/functions/f", "", "", nil, "access level is Write", "lambda:DeleteFunction"},
		{"REST, no such path", "lambda", "GET", "/2099-01-01/everything", "", "", nil, "only forwards operations it knows", "lambda:GET /2099-01-01/everything"},
		{"REST, an invalid method", "lambda", "BREW", "/2015-03-31/functions/f/configuration", "", "", nil, "only forwards operations it knows", ""},
		{"S3, buckets", "s3", "GET", "/", "", "", nil, "", "s3:ListBuckets/ListDirectoryBuckets"},
		{"S3, a bucket", "s3", "GET", "/b?list-type=2&prefix=x", "", "", nil, "", "s3:ListObjectsV2"},
		{"S3, an object", "s3", "GET", "/b/k", "", "", nil, "s3:GetObject is refused", "s3:GetObject"},
		{"S3, an object whose key looks like a bucket", "s3", "GET", "/b/", "", "", nil, "", "s3:ListObjects"},
		{"S3, an object's head", "s3", "HEAD", "/b/k", "", "", nil, "IAM action s3:GetObject", "s3:HeadObject"},
		{"S3, an upload", "s3", "PUT", "/b/k", "", "x", nil, "access level is Write", ""},
		{"S3, a policy", "s3", "GET", "/b?policy", "", "", nil, "", "s3:GetBucketPolicy"},
		{"S3, setting a policy", "s3", "PUT", "/b?policy", "", "{}", nil, "Permissions management", "s3:PutBucketPolicy"},
		{"API keys", "apigateway", "GET", "/apikeys?includeValues=true", "", "", nil, "its answer can contain secret keys", "apigateway:GetApiKeys"},
		{"a read that costs money and is not in ReadOnlyAccess", "bedrock", "POST", "/model/m/invoke", "", "{}", nil, "it is not part of ReadOnlyAccess", "bedrock:InvokeModel"},
		{"a read of credentials that is not in ReadOnlyAccess", "lakeformation", "POST", "/GetTemporaryGlueTableCredentials", "", "{}", nil, "it is not part of ReadOnlyAccess", ""},
		{"API Gateway, stages", "apigateway", "GET", "/restapis/r/stages", "", "", nil, "", "apigateway:GetStages"},
		{"stopping queries, which only the broker does", "logs", "POST", "/", json11, "{}", target("Logs_20140328.StopQuery"), "the broker itself stops the queries", "logs:StopQuery"},
		{"an unknown service", "nosuch", "POST", "/", json11, "{}", target("X.Y"), `unknown service "nosuch"`, "nosuch:POST /"},
	}
	assertOutcomes(t, Options{}, tests)
}

// The code chooses every byte of a request. None of these requests may reach AWS, however a server would
// interpret them.
func TestGuard_RefusesAmbiguousRequests(t *testing.T) {
	read := [2]string{"X-Amz-Target", "Logs_20140328.DescribeLogGroups"}
	tests := []requestCase{
		{"two targets", "logs", "POST", "/", json11, "{}", [][2]string{read, {"X-Amz-Target", "Logs_20140328.DeleteLogGroup"}}, "X-Amz-Target makes its operation ambiguous", ""},
		{"another method by header", "lambda", "GET", "/2015-03-31/functions/f/configuration", "", "", [][2]string{{"X-HTTP-Method-Override", "DELETE"}}, "ambiguous", ""},
		{"a target and an action", "logs", "POST", "/?Action=DeleteLogGroup", json11, "{}", [][2]string{read}, "only forwards operations it knows", ""},
		{"a target and a form", "logs", "POST", "/", form, "Action=DeleteLogGroup", [][2]string{read}, "only forwards operations it knows", ""},
		{"a target and a path of Smithy's RPC", "monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/DeleteAlarms", "application/cbor", "",
			[][2]string{{"Smithy-Protocol", "rpc-v2-cbor"}, {"X-Amz-Target", "GraniteServiceVersion20100801.DescribeAlarms"}}, "only forwards operations it knows", ""},
		{"two actions", "ec2", "POST", "/", form, "Action=DescribeInstances&Action=TerminateInstances", nil, "only forwards operations it knows", ""},
		{"an action in another case", "ec2", "POST", "/", form, "Action=DescribeInstances&action=TerminateInstances", nil, "only forwards operations it knows", ""},
		{"an action in the query string", "ec2", "POST", "/?Action=TerminateInstances", form, "Action=DescribeInstances", nil, "only forwards operations it knows", ""},
		{"a semicolon between parameters", "ec2", "POST", "/", form, "Action=DescribeInstances;Action=TerminateInstances", nil, "only forwards operations it knows", ""},
		{"a compressed form", "ec2", "POST", "/", form, "Action=DescribeInstances", [][2]string{{"Content-Encoding", "gzip"}}, "ambiguous", ""},
		{"two content types", "ec2", "POST", "/", form, "Action=DescribeInstances", [][2]string{{"Content-Type", "text/plain"}}, "ambiguous", ""},
		{"a path with dots", "lambda", "GET", "/2015-03-31/functions/../configuration", "", "", nil, "only forwards operations it knows", ""},
		{"a path with an empty part", "lambda", "GET", "/2015-03-31/functions//configuration", "", "", nil, "only forwards operations it knows", ""},
		{"a GET with an action", "ec2", "GET", "/?Action=DescribeInstances", "", "", nil, "only forwards operations it knows", ""},
	}
	assertOutcomes(t, Options{}, tests)
}

func TestGuard_FollowsSettings(t *testing.T) {
	target := func(name string) [][2]string { return [][2]string{{"X-Amz-Target", name}} }
	assumeRole := requestCase{"a role that the settings allow", "sts", "POST", "/", form, "Action=AssumeRole&Version=2011-06-15", nil, "", "sts:AssumeRole"}
	assertOutcomes(t, Options{AllowedActions: []string{"STS:Assume*"}}, []requestCase{assumeRole})
	assertOutcomes(t, Options{AllowedActions: []string{"timestream:Select"}}, []requestCase{
		{"a read that ReadOnlyAccess lacks and the settings allow", "timestream", "POST", "/", "application/x-amz-json-1.0", "{}", target("Timestream_20181101.Query"), "", ""}})
	assertOutcomes(t, Options{AllowedActions: []string{"ssm:*"}}, []requestCase{
		{"a denied read stays denied", "ssm", "POST", "/", json11, "{}", target("AmazonSSM.GetParameter"), "must not use it", ""}})
	assertOutcomes(t, Options{DeniedActions: []string{"logs:Filter*"}}, []requestCase{
		{"a read that the settings deny", "logs", "POST", "/", json11, "{}", target("Logs_20140328.FilterLogEvents"), "the settings of this tool deny it", ""}})
	startQuery := requestCase{"a query that nobody could limit", "logs", "POST", "/", json11, "{}", target("Logs_20140328.StartQuery"), "with which the broker limits what a query costs; use filter_log_events", ""}
	for _, denied := range []string{"logs:GetQueryResults", "logs:StopQuery", "logs:Stop*"} {
		assertOutcomes(t, Options{DeniedActions: []string{denied}}, []requestCase{startQuery})
	}
	assertOutcomes(t, Options{DeniedActions: []string{"cloudwatch:DescribeAlarmContributors"}}, []requestCase{
		{"a read whose action is new", "monitoring", "POST", "/", form, "Action=DescribeAlarmContributors&Version=2010-08-01", nil, "the settings of this tool deny it", ""},
		{"the read that shared its action", "monitoring", "POST", "/", form, "Action=DescribeAlarms&Version=2010-08-01", nil, "", ""}})
	assertOutcomes(t, Options{OpenReads: []toolpolicy.Group{toolpolicy.SourceCode}}, []requestCase{
		{"source code that was opened", "lambda", "GET", "/2015-03-31/functions/f", "", "", nil, "", "lambda:GetFunction"},
		{"host output that was not opened", "ec2", "POST", "/", form, "Action=GetConsoleOutput", nil, "must not use it", ""}})
	assertOutcomes(t, Options{OpenReads: []toolpolicy.Group{toolpolicy.HostOutput}}, []requestCase{
		{"host output that was opened", "ec2", "POST", "/", form, "Action=GetConsoleOutput", nil, "", "ec2:GetConsoleOutput"}})
	assertOutcomes(t, Options{OpenReads: []toolpolicy.Group{toolpolicy.PersonalData, toolpolicy.BilledReads}}, []requestCase{
		{"a billed read that makes AWS ask servers of others", "ses", "POST", "/v2/email/email-address-insights/", "application/json",
			`{"EmailAddress": "data@example.com"}`, nil, "must not use it", ""}})
}

// docs/permissions.md lists reads that nothing opens. A setting with a wildcard does not open them either.
func TestGuard_WildcardsDoNotOpenWhatNothingOpens(t *testing.T) {
	target := func(name string) [][2]string { return [][2]string{{"X-Amz-Target", name}} }
	const secretKeys, mustNot = "its answer can contain secret keys", "must not use it"
	for _, allowed := range []string{"*", "*:*", "apigateway:*", "apigateway:GET", "apigateway:GET*", "ssm:*", "dynamodb:*", "logs:*", "sts:*"} {
		tests := []requestCase{
			{"API keys", "apigateway", "GET", "/apikeys?includeValues=true", "", "", nil, secretKeys, "apigateway:GetApiKeys"},
			{"an API key", "apigateway", "GET", "/apikeys/abc?includeValue=true", "", "", nil, secretKeys, "apigateway:GetApiKey"},
			{"the keys of a usage plan", "apigateway", "GET", "/usageplans/abc/keys", "", "", nil, secretKeys, "apigateway:GetUsagePlanKeys"},
			{"a key of a usage plan", "apigateway", "GET", "/usageplans/abc/keys/def", "", "", nil, secretKeys, "apigateway:GetUsagePlanKey"},
			{"creating a key", "apigateway", "POST", "/apikeys", "", "{}", nil, secretKeys, "apigateway:CreateApiKey"},
			{"changing a key", "apigateway", "PATCH", "/apikeys/abc", "", "{}", nil, secretKeys, "apigateway:UpdateApiKey"},
			{"adding a key to a usage plan", "apigateway", "POST", "/usageplans/abc/keys", "", "{}", nil, secretKeys, "apigateway:CreateUsagePlanKey"},
			{"a parameter", "ssm", "POST", "/", json11, "{}", target("AmazonSSM.GetParameter"), mustNot, ""},
			{"a token for another service", "sts", "POST", "/", form, "Action=GetWebIdentityToken&Version=2011-06-15", nil, mustNot, ""},
			{"a token of a delegation", "sts", "POST", "/", form, "Action=GetDelegatedAccessToken&Version=2011-06-15", nil, mustNot, ""},
			{"a federated user", "sts", "POST", "/", form, "Action=GetFederationToken&Version=2011-06-15", nil, mustNot, ""},
			{"the root user of a member", "sts", "POST", "/", form, "Action=AssumeRoot&Version=2011-06-15", nil, mustNot, ""},
			{"a secret", "secretsmanager", "POST", "/", json11, "{}", target("secretsmanager.GetSecretValue"), mustNot, ""},
			{"items", "dynamodb", "POST", "/", "application/x-amz-json-1.0", "{}", target("DynamoDB_20120810.Scan"), mustNot, ""},
			{"stopping a query", "logs", "POST", "/", json11, "{}", target("Logs_20140328.StopQuery"), "the broker itself stops the queries", ""},
		}
		assertOutcomes(t, Options{AllowedActions: []string{allowed}}, tests)
	}
}

// assertOutcomes sends each request through a broker with these options to a server that counts the requests
// it receives.
func assertOutcomes(t *testing.T, o Options, tests []requestCase) {
	t.Helper()
	var arrived atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived.Add(1)
		if strings.HasPrefix(string(body), "Action=AssumeRole") {
			io.WriteString(w, assumeRoleAnswer(ownAccount))
		}
	}))
	t.Cleanup(server.Close)
	o.Credentials = credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token")
	o.Endpoints = []string{server.URL}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			arrived.Store(0)
			connection, session := dialWith(t, o)
			headers := append([][2]string{{"Authorization", strings.Replace(dummyScope, "%s", test.service, 1)}}, test.headers...)
			if test.kind != "" {
				headers = append(headers, [2]string{"Content-Type", test.kind})
			}

			answer, _ := ask(t, connection, requestHead{Method: test.method, URL: server.URL + test.path, Headers: headers}, test.body)

			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 1 }, 5e9, 1e6)
			calls, _, refusals := session.Audit()
			if test.operation != "" {
				assert.Equal(t, test.operation, calls[0].Service+":"+calls[0].Operation)
			}
			if test.refusal == "" {
				assert.Empty(t, answer.Error)
				assert.EqualValues(t, 1, arrived.Load())
				return
			}
			assert.Equal(t, kindRefused, answer.Kind)
			assert.Contains(t, answer.Error, test.refusal)
			assert.Equal(t, answer.Error, calls[0].Refused)
			assert.Equal(t, 1, refusals)
			assert.Zero(t, arrived.Load(), "nothing is sent")
		})
	}
}

func TestIdentify_RequiresServiceOfHost(t *testing.T) {
	connection, _ := dialWith(t, Options{Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "")})
	answer, _ := ask(t, connection, requestHead{Method: "POST", URL: "https://iam.amazonaws.com/", Headers: [][2]string{
		{"Authorization", strings.Replace(dummyScope, "%s", "logs", 1)}, {"X-Amz-Target", "Logs_20140328.DescribeLogGroups"}, {"Content-Type", json11}}}, "{}")
	assert.Contains(t, answer.Error, `was signed for the service "logs", which is not available at iam.amazonaws.com`)

	answer, _ = ask(t, connection, requestHead{Method: "GET", URL: "https://bucket.s3.eu-west-1.amazonaws.com/key"}, "")
	assert.Contains(t, answer.Error, "s3:GetObject is refused", "the host identifies the service of a request without a signature")
}
