package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// body is repeated text, because secret scanners would report complete secrets in this file.
var body = strings.Repeat("aB3dE6gH", 8)

func TestText_ReplacesSecrets(t *testing.T) {
	r, err := New([]string{`CUST-\d{6}`})
	require.NoError(t, err)
	for _, c := range []struct{ name, text, secret, keeps string }{
		{"password in a log line", "connect user=app password=hunter2hunter2 host=db", "hunter2hunter2", "host=db"},
		{"password in JSON", `{"db_password": "hunter2hunter2", "port": 5432}`, "hunter2hunter2", `"port": 5432`},
		{"password in a Python dict", `{'Password': 'hunter2hunter2', 'a': 1}`, "hunter2hunter2", `'a': 1`},
		{"password in escaped JSON", `{\"password\": \"hunter2hunter2\", \"a\": 1}`, "hunter2hunter2", `\"a\": 1`},
		{"URL", "postgres://app:hunter2hunter2@db.example:5432/x", "hunter2hunter2", "@db.example:5432/x"},
		{"bearer", "Authorization: Bearer " + body, body, "Authorization"},
		{"AWS secret key", "aws_secret_access_key = " + body[:40], body[:40], "aws_secret_access_key"},
		{"session token", `"SessionToken": "` + body + `"`, body, "SessionToken"},
		{"GitHub", "token ghp_" + body[:36] + " used", body[:36], "used"},
		{"Slack", "xoxb-" + body[:20], body[:20], ""},
		{"Stripe", "sk_live_" + body[:24], body[:24], ""},
		{"JSON web token", "got eyJ" + body[:20] + ".eyJ" + body[:30] + "." + body[:20] + " from", body[:30], "from"},
		{"private key", "a\n-----BEGIN RSA PRIVATE KEY-----\n" + body + "\n-----END RSA PRIVATE KEY-----\nb", body, "\nb"},
		{"truncated private key", "-----BEGIN PRIVATE KEY-----\n" + body, body, ""},
		{"function environment", `{"Environment": {"Variables": {"STAGE": "plain-value-1", "X": "v2"}}, "Runtime": "go"}`, "plain-value-1", `"Runtime": "go"`},
		{"function environment in Python", `{'Environment': {'Variables': {'STAGE': 'plain-value-1'}}, 'Timeout': 3}`, "plain-value-1", `'Timeout': 3`},
		{"container environment", `{"environment": [{"name": "STAGE", "value": "plain-value-1"}], "cpu": 256}`, "plain-value-1", `"cpu": 256`},
		{"user data", `{"UserData": {"Value": "cGxhaW4tdmFsdWU="}, "a": 1}`, "cGxhaW4tdmFsdWU=", `"a": 1`},
		{"presigned URL", "https://b.s3.amazonaws.com/k?X-Amz-Signature=" + body + "&x=1", body, "&x=1"},
		{"XML element", "<db:adminPassword>hunter2xyz</db:adminPassword><host>db</host>", "hunter2xyz", "<host>db</host>"},
		{"flag", "exec: mysqldump --password hunter2xyz --host db.internal", "hunter2xyz", "--host db.internal"},
		{"another flag", "run --db-password hunter2xyz now", "hunter2xyz", " now"},
		{"data source name", "open app:hunter2xyz@tcp(db:3306)/orders", "hunter2xyz", "@tcp(db:3306)/orders"},
		{"custom pattern", "customer CUST-123456 called", "CUST-123456", "called"},
	} {
		t.Run(c.name, func(t *testing.T) {
			clean, count := r.Text(c.text)
			assert.NotContains(t, clean, c.secret)
			assert.Contains(t, clean, c.keeps)
			assert.Contains(t, clean, "[redacted: ")
			assert.Positive(t, count)
			again, more := r.Text(clean)
			assert.Equal(t, clean, again, "redacting twice changes nothing")
			assert.Zero(t, more)
		})
	}
}

func TestText_CustomPatternsMatchEscapedText(t *testing.T) {
	r, err := New([]string{"Müller", `CORP\\\w+`, `[\w.]+@example\.com`, `\b[0-9]{12}\b`})
	require.NoError(t, err)
	for text, want := range map[string]string{
		`{"name": "Herr M\u00fcller", "user": "CORP\\jdoe"}`:          `{"name": "Herr [redacted: custom pattern]", "user": "[redacted: custom pattern]"}`,
		`{'user': 'CORP\\jdoe', 'n': 1}`:                              `{'user': '[redacted: custom pattern]', 'n': 1}`,
		`{"message": "{\"user\": \"CORP\\\\jdoe\"}"}`:                 `{"message": "{\"user\": \"[redacted: custom pattern]\"}"}`,
		"GET /orders?mail=j.doe%40example.com&page=2":                 "GET /orders?mail=[redacted: custom pattern]&page=2",
		"<p>M&uuml;ller &lt;j.doe@example.com&gt;</p>":                "<p>[redacted: custom pattern] &lt;[redacted: custom pattern]&gt;</p>",
		`password=Kq8vN3xB6w user=j.doe\u0040example.com path=C:\tmp`: `password=[redacted: secret] user=[redacted: custom pattern] path=C:\tmp`,
		`CORP\jdoe and CORP\\jdoe`:                                    `[redacted: custom pattern] and [redacted: custom pattern]`,
		"\"1768446720\",\"57\"\n\"1768446780\",\"8\"\n":               "\"1768446720\",\"57\"\n\"1768446780\",\"8\"\n",
		"disk at 90%25 of C:\\temp\\new":                              "disk at 90%25 of C:\\temp\\new",
	} {
		clean, count := r.Text(text)
		assert.Equal(t, want, clean)
		assert.Equal(t, strings.Count(want, "[redacted: "), count, text)
		again, more := r.Text(clean)
		assert.Equal(t, clean, again, "redacting twice changes nothing")
		assert.Zero(t, more)
	}
}

func TestText_KeepsLogsReadable(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		"2026-01-02T03:04:05.678Z 0f8fad5b-d9cb-469f-a165-70867728950e ERROR AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized",
		"START RequestId: 0f8fad5b-d9cb-469f-a165-70867728950e Version: $LATEST",
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"commit 5f2c1e0d9b8a7c6d5e4f3a2b1c0d9e8f7a6b5c4d",
		`{"NextToken": "AAAAabcdefghijklmnopqrstuvwxyz", "SecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"}`,
		`{"Dimensions": [{"Name": "FunctionName", "Value": "checkout"}], "SecretName": "prod/db"}`,
		"password authentication failed for user app",
		"token expired: please log in again",
		"  File \"/var/task/app.py\", line 12, in handler\n    table.get_item(Key={'id': key})",
		"https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/a",
		`{"PasswordLastUsed": "2026-01-02T03:04:05Z", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}`,
		"i-0abcdef1234567890 vpc-0123456789abcdef0 subnet-0a1b2c3d eni-00aa11bb",
		"usage: app --password <password> --token $TOKEN --secret ${SECRET} -v",
		"<NextToken>AAAAabcdefghijkl</NextToken><Password>****</Password><PasswordPolicy>strict</PasswordPolicy>",
		"mail from app:orders@example.com over tcp(10.0.0.1)",
		"secret: true, password: ****, apiKey: ${API_KEY}",
	} {
		clean, count := r.Text(text)
		assert.Equal(t, text, clean)
		assert.Zero(t, count)
	}
}

func TestAnswer_RedactsEveryPart(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	const secret = "hunter2hunter2"
	a := toolcall.Answer{
		Output: "password=" + secret, Stdout: "password=" + secret, Stderr: "password=" + secret, Error: "password=" + secret,
		Notes: []string{"password=" + secret}, ErrorType: "password=" + secret,
		AWSCalls: []toolcall.AWSCall{{Service: "password=" + secret, Region: "password=" + secret, Operation: "GET /?password=" + secret, Refused: "password=" + secret, AccessKey: "password=" + secret}},
		Result:   json.RawMessage(`{"Environment":{"Variables":{"A":"` + secret + `"}},"password":"` + secret + `","list":["password=` + secret + `"],"environment":[{"name":"A_B","value":"` + secret + `"}],"n":12345678901234567890,"password=` + secret + `":1,"password=` + secret[:13] + `":2}`),
	}

	r.Answer(&a)

	encoded, err := json.Marshal(a)
	require.NoError(t, err)
	assert.NotContains(t, string(encoded), secret[:13])
	assert.Contains(t, string(a.Result), "12345678901234567890")
	assert.Contains(t, string(a.Result), `"password=[redacted: secret]":2`)
	assert.Contains(t, string(a.Result), `"password=[redacted: secret] (2)":1`)
	assert.Equal(t, 1, a.Redactions)
}

// The output has the other parts as one text, in which some patterns do not match. It does not have the notes and the requests.
func TestAnswer_CountsWhatTheOutputDoesNotShow(t *testing.T) {
	r, err := New([]string{"^cust-[0-9]{4}$", "\\b[0-9]{11}\\b"})
	require.NoError(t, err)
	const password = "password=hunter2hunter2"
	refused := []toolcall.AWSCall{{Operation: "GET /?" + password, Refused: "unknown operation GET /?" + password}}
	for _, c := range []struct {
		answer toolcall.Answer
		want   int
	}{
		{toolcall.Answer{Output: `{"id": "cust-4711"}`, Result: json.RawMessage(`{"id": "cust-4711"}`)}, 1},
		{toolcall.Answer{Output: `["cust-4711", "cust-4712"]`, Result: json.RawMessage(`["cust-4711", "cust-4712"]`)}, 2},
		{toolcall.Answer{Output: "cust-4711", Result: json.RawMessage(`"cust-4711"`)}, 1},
		{toolcall.Answer{Output: `{"ssn": 12345678901}`, Result: json.RawMessage(`{"ssn": 12345678901}`)}, 1},
		{toolcall.Answer{Output: password + "\n" + `{"id": "cust-4711"}`, Stdout: password, Result: json.RawMessage(`{"id": "cust-4711"}`)}, 2},
		{toolcall.Answer{Output: `{"id": "cust-4711", "password": "hunter2hunter2"}`, Result: json.RawMessage(`{"id": "cust-4711", "password": "hunter2hunter2"}`)}, 2},
		{toolcall.Answer{Output: `{"id": "order-4711"}`, Result: json.RawMessage(`{"id": "order-4711"}`)}, 0},
		{toolcall.Answer{Output: "cust-4711\nok", Stdout: "cust-4711", Result: json.RawMessage(`"ok"`)}, 1},
		{toolcall.Answer{Output: "Error: cust-4711", Error: "cust-4711"}, 1},
		{toolcall.Answer{Output: password + "\n" + password, Stdout: password, Stderr: password}, 2},
		{toolcall.Answer{Notes: []string{password}}, 1},
		{toolcall.Answer{AWSCalls: refused}, 1},
		{toolcall.Answer{Output: "Error: unknown operation GET /?" + password, AWSCalls: refused}, 1},
	} {
		sent := c.answer.Output
		r.Answer(&c.answer)
		assert.Equal(t, c.want, c.answer.Redactions, "%q %+v", sent, c.answer)
		assert.Equal(t, c.want > 0, len(c.answer.Notes) > 0, sent)
	}
}

func TestAnswer_KeepsResultWithoutSecrets(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	a := toolcall.Answer{Result: json.RawMessage(`{"b": 1, "a": [true, null, "x"]}`)}
	r.Answer(&a)
	assert.Equal(t, `{"b": 1, "a": [true, null, "x"]}`, string(a.Result))
	assert.Zero(t, a.Redactions)
}

// A text with the keywords of all rules takes seconds, more than is left if the code ran until its deadline.
// The answer must still arrive in time, without the texts that were not searched.
func TestUntil_WithholdsTextAfterDeadline(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	var words []string
	for _, rule := range knownRules() {
		words = append(words, rule.Keywords...)
	}
	slow := strings.Repeat(strings.Join(words, " = "+body+"\n"), 40)
	hurried := r.Until(time.Now().Add(20 * time.Millisecond))
	a := toolcall.Answer{Output: slow, Stdout: slow, Stderr: "password=hunter2hunter2", Result: json.RawMessage(`{"a": "password=hunter2hunter2"}`)}

	hurried.Answer(&a)

	encoded, err := json.Marshal(a)
	require.NoError(t, err)
	assert.Equal(t, withheld, a.Output)
	assert.Equal(t, withheld, a.Stdout)
	assert.NotContains(t, string(encoded), "hunter2hunter2")
	assert.Positive(t, a.Redactions)

	clean, count := r.Until(time.Now().Add(time.Hour)).Text("password=hunter2hunter2 on db-1")
	assert.Equal(t, "password=[redacted: secret] on db-1", clean)
	assert.Equal(t, 1, count)
}

func TestUntil_WithholdsLongDocumentAfterDeadline(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	late := r.Until(time.Now().Add(-time.Hour))
	for name, document := range map[string]string{
		"values":       `["password=hunter2hunter2"` + strings.Repeat(`,"a"`, maxLateText) + `]`,
		"names":        `{"password=hunter2hunter2":1` + strings.Repeat(`,"a":1`, maxLateText) + `}`,
		"nested lists": strings.Repeat("[", maxLateText) + `"password=hunter2hunter2"` + strings.Repeat("]", maxLateText),
	} {
		clean, count := late.Document(document)
		assert.Equal(t, withheld, clean, name)
		assert.Positive(t, count, name)
		a := toolcall.Answer{Result: json.RawMessage(document)}
		late.Answer(&a)
		assert.Equal(t, `"`+withheld+`"`, string(a.Result), name)
	}
	clean, _ := late.Document(`{"password":"hunter2hunter2","a":1}`)
	assert.Equal(t, `{"a":1,"password":"[redacted: secret]"}`, clean, "a short document")
}

func TestUntil_WithholdsDocumentWhosePatternsWereNotSearched(t *testing.T) {
	r, err := New([]string{`"pin": [0-9]{4}`})
	require.NoError(t, err)
	for _, document := range []string{`{"pin": 4711, "password": "hunter2"}`, `{"pin": 4711, "note": "a \"password\": \"hunter2\""}`} {
		clean, count := r.Until(time.Now().Add(-time.Hour)).Document(document)
		assert.NotContains(t, clean, "4711")
		assert.Positive(t, count)
	}
}

// Whoever writes the lines of a log can choose the names in a document.
func TestDocument_EndsInTimeWithHostileNames(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	const members = 10_000
	var equal, below strings.Builder
	for i := range members {
		fmt.Fprintf(&equal, `,"a://u:q%05dZ@h":1`, i)
		fmt.Fprintf(&below, `,"b%05d":"a"`, i)
	}
	long := strings.Repeat("ab_-", 100_000)
	for name, document := range map[string]string{
		"equal after the redaction": `{"password":"hunter2hunter2"` + equal.String() + `}`,
		"a long one of a list":      `{"` + long + `":["password=hunter2hunter2"` + strings.Repeat(`,"a"`, members) + `]}`,
		"a long one of an object":   `{"` + long + `":{"password":"hunter2hunter2"` + below.String() + `}}`,
	} {
		clean, count := r.Until(time.Now().Add(20 * time.Second)).Document(document)
		assert.Positive(t, count, name)
		assert.False(t, strings.Contains(clean, "hunter2hunter2") || strings.Contains(clean, withheld), name) // not the whole text in a failure
		assert.True(t, json.Valid([]byte(clean)), name)
	}
	clean, _ := r.Document(`{"a://u:q1Z2@h":1,"a://u:q2Z3@h":2,"a://u:q3Z4@h":3}`)
	assert.Equal(t, `{"a://u:[redacted: password]@h":1,"a://u:[redacted: password]@h (2)":2,"a://u:[redacted: password]@h (3)":3}`, clean)
}

// A line can be long and have many names.
func TestUntil_EndsTheSearchForNames(t *testing.T) {
	c := counter{until: time.Now().Add(-time.Second)}
	text := strings.Repeat("password: abcdefghijkl ", 1000)
	c.wanted = keywordsOf(text)
	c.replaceNamed(text)
	assert.True(t, c.expired)
}

func TestNew_NamesInvalidPattern(t *testing.T) {
	_, err := New([]string{"("})
	require.ErrorContains(t, err, `"("`)
}

// These lines are what an engineer needs to find the cause: the missing permission, the exception, and the state.
func TestText_ShowsWhatADiagnosisNeeds(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		`{"TokenValidityUnits": {"AccessToken": "hours", "RefreshToken": "days"}}`,
		`AWS::ApiGateway::ApiKey OrdersApiKey8F5F7B1E CREATE_FAILED`, `AWS::IAM::AccessKey | DeployUserKey9F8E7D6C`, `('AWS::AppSync::ApiKey', 'GraphqlApiKey3F6C0F4E')`,
		`ERROR Failed to read the secret: AccessDeniedException: no identity-based policy allows the secretsmanager:GetSecretValue action`,
		`{"Effect": "Allow", "Action": ["dynamodb:GetItem", "secretsmanager:GetSecretValue"], "Resource": "*"}`,
		`{'Effect': 'Allow', 'Action': ['dynamodb:GetItem', 'secretsmanager:GetSecretValue']}`,
		`Action: [secretsmanager:GetSecretValue, secretsmanager:ListSecretVersionIds]`,
		"Action:\n- secretsmanager:GetSecretValue\n- ssm:GetParameter",
		`"Action": "secretsmanager:GetSecretValue"`,
		`{"Sid": "Route53LogsToCloudWatchLogs", "Effect": "Allow"}`, `{'Sid': 'AIOPSAPIGatewayAccess'}`, `"Sid": "stmt1469123904194"`, "- Sid: AllowKms2ForOrdersService",
		`"Resource": ["arn:*:secretsmanager:*:*:secret:aws/ssm/3p/*"]`,
		`cognito-idp:DescribeUserPoolClient and iam:CreateAccessKey are denied; sts:GetSessionToken is allowed`,
		`WARN could not refresh credentials: SocketTimeoutException: connect timed out`,
		`ERROR invalid token: ExpiredTokenException`, `token: JsonWebTokenError: jwt expired`, `secret: KeyError('value')`,
		`password: java.lang.IllegalArgumentException: empty`, `credentials: botocore.exceptions.NoCredentialsError`,
		`401 WWW-Authenticate: Bearer realm=orders-api`, `WARN Bearer authentication failed for client 42`,
		`WWW-Authenticate: Bearer scope="orders:read", error="insufficient_scope"`,
		`OrdersDbSecret: CREATE_FAILED limit exceeded`, `DatabasePassword: UPDATE_ROLLBACK_COMPLETE`, `ApiKey: DELETE_SKIPPED`,
		`FATAL password: authentication failed for user "app"`, `password authentication failed for user "app"`,
		`no basic auth credentials: unauthorized`, `Access denied for user 'app'@'10.0.1.7' (using password: YES)`,
		`ResourceInitializationError: unable to retrieve secret from asm: AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue`,
		`build=77 secret_scan=skipped token_check=passed`, `password: must be at least 12 characters`, `token: not found`,
		`secret=orders-db-7 not found`, `Rotating secret: prod/orders-db-2`, `{"volume": {"secret": "orders-tls-2"}}`, `credentials: ci-deploy-3`,
		`tokens: 412 of 4096, max_tokens=4096, prompt_tokens=1832`, `NextToken=AAAAabcdefghijklmnopqrstuvwxyz0123456789`,
		`arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf and arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`,
		`    return Client(password=password, token=self.token, secret_key=settings.SECRET_KEY)`,
		`--- PASS: TestToken/04-refresh (0.02s)`, `JSON: token: "unexpected end of input"`, `KeyError: 'API_TOKEN'`,
	} {
		clean, count := r.Text(text)
		assert.Equal(t, text, clean)
		assert.Zero(t, count, text)
		document, _ := r.Document(`{"message": ` + string(must(json.Marshal(text))) + `}`)
		assert.Equal(t, `{"message": `+string(must(json.Marshal(text)))+`}`, document)
	}
}

func must(encoded []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return encoded
}

// A name before a name must not hide the value of the second one.
func TestText_FindsValuesBehindSeveralNames(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		"ERROR: password: ¤", "database:\n  password: ¤", "config: api_key: ¤", "env: token: ¤", "a: b: c: db_password: ¤",
		"[WARN] pool - settings: secret: ¤", "level=error msg: password=¤", "x: password = ¤", "Caused by: java.lang.Error: token: ¤",
		"services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: ¤\n      POSTGRES_DB: orders",
		"- name: DB_PASSWORD\n  value: ¤", "{name: API_TOKEN, value: ¤}", "auth:\n- user: bob\n  password: ¤",
		"token: |\n  ¤\nport: 443", "token:\n  ¤\nport: 443", "password: !vault ¤", "token: !!str |\n  ¤\nport: 443", "password:\n  - ¤\nport: 443",
		`{"message":"{\"a\":\"{\\\"password\\\":\\\"¤\\\"}\"}"}`, `{"password":{"value":"¤"}}`, `{"file":"db:\n  host: x\napi_key: ¤\nport: 1"}`, `{"password":["¤"]}`,
		"password=[¤]", "password\t¤", "| password | ¤ |", "password -> ¤", "[password]=¤", "password%22%3A%22¤%22",
		"jwt: ¤¤", "passcode=¤", "masterKey=¤", "authKey: ¤", "accessKey=¤", "deviceToken=¤", "HECToken: ¤", "JoinToken=¤", "AppKey=¤",
		"NwkKey=¤", "streamKey=¤", "PreCoPassword=¤", "databaseUrl=postgres://app:¤@db/orders", "dataSource=mysql://app:¤@db/orders",
		"Authorization: ¤", "Cookie: theme=dark; sid=¤¤", "X-Request-Id: r-1, X-Api-Key: ¤",
	} {
		secret := "Zq8sV2kLw9xT7rBn"
		clean, _ := r.Text(strings.ReplaceAll(text, "¤", secret))
		assert.NotContains(t, clean, secret[:8], text)
		assert.NotContains(t, clean, secret[8:], text)
	}
}

func TestAnswer_ShowsVariablesThatCannotBeSecrets(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	shown := map[string]string{
		"POOL_SIZE": "10", "RATIO": "0.75", "ENABLED": "true", "DEBUG": "no", "AWS_REGION": "eu-central-1", "ZONE": "us-east-1a",
		"TABLE_ARN": "arn:aws:dynamodb:eu-west-1:111122223333:table/orders", "DB_HOST": "db-1.cluster-abc123.eu-west-1.rds.amazonaws.com",
		"CACHE": "cache.internal:6379", "BROKERS": "b-1.kafka.example.com:9092,b-2.kafka.example.com:9092", "IP": "10.0.1.7:8080",
		"TIMEOUT": "30s", "TTL": "PT15M", "SIZE": "512Mi", "LOG_LEVEL": "DEBUG", "STAGE": "production", "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/orders",
		"JDBC_URL": "jdbc:postgresql://db.internal:5432/orders", "DB_URL": "jdbc:postgresql://db.internal:5432/orders?sslmode=require", "LOG_GROUP": "/aws/lambda/orders-2",
		"REDIS_URL": "redis://cache.internal:6379/0", "TABLE_NAME": "OrdersStack-Orders4E51C2B1-1ABCDEFGHIJKL",
		"VERSION": "1.42.0", "VPC": "vpc-0123456789abcdef0", "HANDLER": "com.example.orders.Handler", "DATA": "/var/lib/orders", "EMPTY": "",
		"PASSWORD_ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf", "TOKEN_TTL": "3600",
	}
	hidden := map[string]string{
		"DB_PASSWORD": "swordfish", "ADMIN_PASSWORD": "password", "API_TOKEN": "123456", "SECRET": "12", "URL": "https://app:Zq8sV2kLw9xT@db.internal/orders",
		"DRIVER": "jdbc:mysql://db.internal/orders?useSSL=false&password=swordfish", "CALLBACK": "https://api.example.com/x?k=Zq8sV2kLw9xT",
		"HOOK": "https://hooks.example.com/services/T01/B01/Zq8sV2kLw9xT7rBn3", "PEPPER": "Zq8sV2kLw9xT", "SEED": "correct horse battery staple",
		"DSN": "https://3f9a1c07be54d2860ab3c4d5e6f71829@o1.ingest.example.com/2", "HMAC": "5f2c1e0d9b8a7c6d5e4f3a2b1c0d9e8f7a6b5c4d",
	}
	variables, list := map[string]string{}, []map[string]string{}
	for _, set := range []map[string]string{shown, hidden} {
		for name, value := range set {
			variables[name] = value
			list = append(list, map[string]string{"name": name, "value": value})
		}
	}
	function := must(json.Marshal(map[string]any{"Environment": map[string]any{"Variables": variables}}))
	container := must(json.Marshal(map[string]any{"environment": list}))
	texts := map[string]string{}
	for name, body := range map[string]string{"function": string(function), "container": string(container)} {
		a := toolcall.Answer{Output: body, Result: json.RawMessage(body)}
		r.Answer(&a)
		texts[name+" as text"], texts[name+" as result"] = a.Output, string(a.Result)
		var decoded any
		require.NoError(t, json.Unmarshal([]byte(body), &decoded))
		a = toolcall.Answer{Output: python(decoded)}
		r.Answer(&a)
		texts[name+" in Python"] = strings.ReplaceAll(a.Output, "'", `"`)
	}
	for way, text := range texts {
		text = strings.ReplaceAll(text, `": "`, `":"`)
		for name, value := range shown {
			assert.True(t, strings.Contains(text, `"`+name+`":"`+value+`"`) || strings.Contains(strings.ReplaceAll(text, ", ", ","), `"name":"`+name+`","value":"`+value+`"`), "%s: %s=%s", way, name, value)
		}
		for name, value := range hidden {
			assert.NotContains(t, text, `"`+value+`"`, "%s: %s", way, name)
		}
	}
}

// Code often prints only the beginning of a long value. The lines after it are not variables.
func TestText_EndsVariablesWhereTheyAreCut(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	line := `{'family': 'web-1', 'containers': [{'image': 'registry.example.com/web:1.2-rc1', 'environment': [{'name': 'A', 'value': 'Zq8sV2kLw9xT'}, {'name': 'B', 'va`
	clean, count := r.Text(strings.Repeat(line+"\n", 2000))
	assert.Equal(t, 2000, count)
	assert.NotContains(t, clean, "Zq8s")
	assert.Equal(t, 2000, strings.Count(clean, "'image': 'registry.example.com/web:1.2-rc1'"))

	pretty := "{'environment': [{'name': 'A',\n                  'value': 'Zq8sV2kLw9xT'},\n                 {'name': 'B',\n                  'value': 'Zq8sV2kLw9xT'}],\n 'image': 'web:1.2-rc1'}"
	clean, count = r.Text(pretty)
	assert.Equal(t, 2, count)
	assert.Contains(t, clean, "'image': 'web:1.2-rc1'")
}

func TestReplaceFakeMarks_LeavesOnlyMarksOfTheRedaction(t *testing.T) {
	assert.Equal(t, "(redacted: the cause is eve] orders", ReplaceFakeMarks("[redacted: the cause is eve] orders"))
}

// nestedMark is a mark in a mark, or a part of one.
var nestedMark = regexp.MustCompile(`\[redacted: [^\]]*\[|redacted: [a-zA-Z -]*\][^\s"',;&}\[@]*\]|\[redacted:[^\]]*$`)

func TestText_ReplacesWholeValuesOfKubernetesSecrets(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	encoded := base64.StdEncoding.EncodeToString([]byte("hunter2-canary-91"))
	for name, text := range map[string]string{
		"data":                       "apiVersion: v1\nkind: Secret\ndata:\n  password: " + encoded + "\n  username: " + encoded + "\n",
		"comments and quotes":        "kind: Secret\ndata:\n  password: " + encoded + " # comment\n  # token: x\n  token: \"" + encoded + "\"\n  a: '" + encoded + "'\n",
		"a URL":                      "kind: Secret\nstringData:\n  url: postgres://app:hunter2-canary@db/x\n",
		"a block":                    "kind: Secret\nstringData:\n  config.yaml: |\n    password: hunter2-canary\n\n    x: hunter2\n  other: hunter2\n",
		"a key":                      "kind: Secret\nstringData:\n  key: |-\n    -----BEGIN PRIVATE KEY-----\n    " + body + "\n    -----END PRIVATE KEY-----\n  pw: hunter2-canary\ntype: Opaque\n",
		"a folded block":             "kind: \"Secret\"\nstringData:\n  password: >\n    hunter2canary\n    more hunter2\n",
		"a value on two lines":       "kind: Secret\nstringData:\n  multi: first\n    second hunter2 line\n  b: hunter2\n",
		"the kind below":             "data:\n  password: " + encoded + "\n  token: ghp_" + body[:36] + "\nkind: Secret\n",
		"an applied configuration":   "kind: Secret\nmetadata:\n  annotations:\n    last: |\n      {\"data\":{\"password\":\"" + encoded + "\"},\"kind\":\"Secret\"}\ndata:\n  password: " + encoded + "\n",
		"an object on one line":      "kind: Secret\nstringData: {password: hunter2-canary-9, user: hunter2}\n",
		"a list of secrets":          "items:\n- kind: Secret\n  data:\n    password: " + encoded + "\n    k: " + encoded + "\n- kind: Secret\n  data:\n    p: " + encoded + "\n",
		"a header":                   "kind: Secret\nstringData:\n  auth: Bearer " + body[:30] + " hunter2=1\n  msg: hunter2:hunter2-canary@tcp(db)\n",
		"a command":                  "kind: Secret\nstringData:\n  cmd: mysql -uroot -phunter2canary -h hunter2\n",
		"names in a value":           "kind: Secret\nstringData:\n  a: password=hunter2canary token=hunter2 end hunter2\n",
		"an alias and a complex key": "kind: Secret\ndata:\n  a: &x " + encoded + "\n  ? b\n  : hunter2\n",
		"a tab and no blank":         "kind: Secret\ndata:\n  a:\t" + encoded + "\n  b:\n    hunter2\n",
		"windows lines":              "kind: Secret\r\ndata:\r\n  password: " + encoded + "\r\n  b: " + encoded + "\r\n",
	} {
		clean, count := r.Text(text)
		assert.NotContains(t, clean, "hunter2", name)
		assert.NotContains(t, clean, encoded[:8], name)
		assert.NotRegexp(t, nestedMark, clean, name)
		assert.Equal(t, strings.Count(clean, markStart), count, "%s: %s", name, clean)
		again, more := r.Text(clean)
		assert.Equal(t, clean, again, name)
		assert.Zero(t, more, name)
	}
}

// A text that was shortened is redacted twice. Marks of the first time must not hide that something was replaced.
func TestDocument_CountsWhatIsReplacedBesideMarks(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	text := "kind: Secret\nstringData:\n  a: [redacted: password] hunter2 [redacted: password] [redacted: password]\n"
	encoded, err := json.Marshal([]string{text, "password=hunter2-canary", "password=hunter2-canary"})
	require.NoError(t, err)
	clean, count := r.Document(string(encoded))
	assert.Equal(t, 3, count)
	assert.NotContains(t, clean, "hunter2")
}

func TestText_NeverNestsMarks(t *testing.T) {
	r, err := New([]string{`secret|redacted|kind`, `pass\w+[=: ]+\S+ \S+`, `[a-z]+\]`, `\w+: \[\w+`})
	require.NoError(t, err)
	for _, c := range readCorpus(t, "working.txt") {
		text, _ := c.fill(rand.New(rand.NewPCG(1, 2)))
		clean, _ := r.Text(text)
		assert.NotRegexp(t, `\[redacted: [^\]]*\[redacted`, clean, c.name)
		again, _ := r.Text(clean)
		assert.NotRegexp(t, `\[redacted: [^\]]*\[redacted`, again, c.name)
	}
}
