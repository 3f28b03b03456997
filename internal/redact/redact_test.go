package redact

import (
	"encoding/json"
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
		AWSCalls: []toolcall.AWSCall{{Service: "password=" + secret, Operation: "GET /?password=" + secret, Refused: "password=" + secret, AccessKey: "password=" + secret}},
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

func TestNew_NamesInvalidPattern(t *testing.T) {
	_, err := New([]string{"("})
	require.ErrorContains(t, err, `"("`)
}
