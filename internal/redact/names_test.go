package redact

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assignmentPattern is the pattern to which assignment and quoted are equivalent for a name on one line, without the
// forms that a pattern cannot express: escaped and doubled quotes, and percent-encoding.
var assignmentPattern = regexp.MustCompile(`^["']?[ \t]*(?:=>|:=|[:=])[ \t]*(?:"([^"\\\n]*)"|'([^'\\\n]*)'|([^\s"',;&{}()\[<|\\%` + "`" + `]+))`)

func TestAssignment_MatchesPattern(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "bc", "7", "=", ":", ">", "=>", ":=", `"`, "'", " ", "\t", ",", "ü", "x1", "-", "."}
	matched := 0
	for range 50_000 {
		var b strings.Builder
		for range random.IntN(10) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		text := "password" + b.String()
		want := assignmentPattern.FindStringSubmatchIndex(b.String())
		op, ok := assignment(text, len("password"))
		if want == nil || strings.Contains(text, "==") || strings.Contains(text, "::") || strings.Contains(text, "''") || strings.Contains(text, `""`) ||
			want[6] >= 0 && strings.IndexByte(">=", b.String()[want[6]]) >= 0 { // an operator without a value
			continue
		}
		matched++
		require.True(t, ok, "%q", text)
		s := scanner{text: text}
		from, to, end := s.quoted(op.value)
		if want[6] >= 0 {
			if end > 0 { // the literal of a language, such as b"x"
				continue
			}
			from, to = op.value, s.bareEnd(certain, op.value, false)
			require.Equal(t, strings.TrimRight(b.String()[want[6]:want[7]], ">`]"), strings.TrimRight(text[from:to], ">`]"), "%q", text)
			continue
		}
		group := 2
		if want[4] >= 0 {
			group = 4
		}
		require.Equal(t, b.String()[want[group]:want[group+1]], text[from:to], "%q", text)
	}
	require.Greater(t, matched, 1000)
}

func FuzzText(f *testing.F) {
	f.Add(`{"password": "x", 'a=>b': \"c\"}`)
	f.Add("env: [{name: TOKEN, value: x1y2z3w4}]\nkind: Secret\ndata:\n  a: b")
	r, err := New(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean, count := r.Text(text)
		if count == 0 && clean != text {
			t.Fatalf("%q became %q without a secret", text, clean)
		}
	})
}

func TestShapes_HaveNeedles(t *testing.T) {
	for _, s := range shapes() {
		assert.NotEmpty(t, s.needles, s.kind)
		assert.NotNil(t, s.pattern(), s.kind)
	}
	// Case is ignored, and letters that Unicode folds to ASCII count as ASCII.
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{"PROXY-AUTHORIZATION: BASIC " + body[:16], "bea\u0072er " + body[:16], "?\u017fignature=" + body[:16], "&TO\u212aEN=" + body[:16]} {
		clean, _ := r.Text(text)
		assert.NotContains(t, clean, body[:16], text)
	}
}

func TestText_RedactsOneLineAmongMany(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	plain := "INFO wrote 3 items to disk-queue in 12 ms\n"
	clean, count := r.Text(strings.Repeat(plain, 3) + "url https://app:" + body[:12] + "@db.example/x\n" + plain + "last glpat-" + body[:20])
	assert.Equal(t, strings.Repeat(plain, 3)+"url https://app:[redacted: password]@db.example/x\n"+plain+"last [redacted: GitLab token]", clean)
	assert.Equal(t, 2, count)
}

func TestClassify_JudgesNamesByTheirLastWords(t *testing.T) {
	for want, names := range map[sensitivity][]string{
		certain: {"password", "DB_PASSWORD", "dbPassword", "db.password", "PGPASSWORD", "userpwd", "bindpw", "passphrase", "passcode", "DB_PASS",
			"requirepass", "password2", "old_password", "passwordOld", "MasterUserPassword", "ssl.key.password", "Passwort", "passwords"},
		likely: {"token", "API_TOKEN", "deviceToken", "csrftoken", "HECToken", "JoinToken", "clientSecret", "secret_key_base", "SecretString",
			"secretAccessKey", "apiKey", "X-Api-Key", "apikey", "masterKey", "accessKey", "authKey", "AppKey", "NwkSKey", "streamKey", "privateKey",
			"aws_credentials", "basicAuthCredentials", "connectionString", "AccountKey", "spring.encryption.key", "pass", "psk"},
		operation: {"SMTP_AUTH", "DB_AUTH", "GetSecretValue"},
		ambiguous: {"REDIS_AUTH", "redisAuth", "redis.auth", "VALKEY_AUTH", "MEMCACHED_AUTH", "ELASTICACHE_AUTH", "secret", "SECRET", "credentials"},
		unsure:    {"auth", "x_auth", "requiresAuth", "oauth", "jwt", "Authorization", "Set-Cookie", "sessionid_session", "sid", "PHPSESSID", "dsn", "webhook", "customerKey", "routingKey", "otp"},
		harmless: {"secretName", "SecretArn", "secret_id", "tokenCount", "nextToken", "NextContinuationToken", "clientToken", "LockToken", "sequence_token",
			"key", "primaryKey_id", "partitionKey", "cacheKey", "KeyId", "monkey", "publicKey", "bypass", "compass", "PasswordPolicy", "password_check",
			"secret_scan", "secretsmanager", "token_type", "keyspace", "author", "passed", "TokenUrl", "accessKeyId", "x", "", "_", "..", "passwordLastUsed"},
	} {
		for _, name := range names {
			assert.Equal(t, want, classify(name), name)
		}
	}
}

// The value of an unknown kind of key, a code, or a session is a secret only if it looks random.
func TestText_KeepsCodesKeysAndTimesOfWordsAndNumbers(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{"StateReasonCode": "EC2RequestLimitExceeded"}`, "{'code': 'Ec2LaunchTemplateNotFound'}", `"errorCode":"S3LocationNotInServiceRegion"`, "code=Route53HostedZoneNotFound",
		"code: 'ERR_HTTP2_STREAM_CANCEL'", `{"code":"ERR_SSL_TLSV1_ALERT_UNKNOWN_CA","syscall":"connect"}`, `{"errorCode":"PAYMENT_3DS2_CHALLENGE_FAILED"}`,
		"errorCode=SQLSTATE_40001_DEADLOCK", "code=E11000_duplicate_key_error", `keys: ["orders/2024/05/01/part-00001.parquet"]`,
		"file_key=exports/2024/05/01/orders-00017.csv", "image_key: images/2024/05/IMG_20240501_100500.jpg", "lock_key=lock:orders:batch:20240501T100500Z",
		"time_key=2024-05-01T10:05:00.123Z", "session=2024-05-01T10:05:00.123Z-batch", "redis key=session:user:12345:cart:v2",
		`{"S3Bucket": "in", "S3Key": "exports/2026/11/orders-017.csv"}`, "s3_key=incoming/8231/file17.json", "S3 key: exports/2026/11/part-00017-8f5f7b1e-6d53-4c3e-a1a5-7a6a8a1e6c1d-c000.parquet",
		"failed to get s3Key=incoming/2026-11-26/file17.json from bucket in", "'S3ObjectKey': 'incoming/8231/file17.json'",
		"key=AppDev-Fn3DAA1DC1-7MqyEJcSuBvT", "session=Db-AppVpc-RVBWFC3OOJ940", "code=Sns-EU-ekCVXTj4y5h8", "session: Ana-0e1f2a3b4c5d67890",
		`{"auth":"StackSet-Dev-a2f20462-338f-aa86-17b0-a8a269611b94"}`, "session=Rel-5466321abb48-B7", "signature=E6742-Db-Conn-T80o",
		"psk: WPA2-PSK", "psk=PSK-AES128-GCM-SHA256", `{"psk":"psk_dhe_ke"}`, "session=Shop-Lb0A1B2C3D-1A2bC3dE4fG5h", "code=Orders-Api2V3-Failed", "auth=ELBSecurityPolicy-TLS13-1-2-2021-06",
		`{"Keys":{"pk":{"S":"ORDER#8f3a2b1c9d0e4f5a"},"sk":{"S":"ITEM"}}}`, `ExclusiveStartKey: {'pk': {'S': 'USER#a1b2c3d4e5f6a7b8'}}`,
		"Could not load file or assembly 'System.Data.SqlClient, Version=4.6.1.1, PublicKeyToken=b03f5f7f11d50a3a'", "[password] => [user] => ana", "[tokens] => Array\n(\n",
	} {
		if clean, _ := r.Text(text); clean != text {
			t.Errorf("%q", clean)
		}
	}
	for _, text := range []string{
		"Array\n(\n    [user] => ana\n    [password] => Kq8vN3xB6w\n)", `"Keys":{"pk":{"S":"8f3a2b1c9d0e4f5a"},"apiKey":{"S":"Kq8vN3xB6wQwErTy12"}}`,
		"PublicKeyToken=b03f5f7f11d50a3a, token=Kq8vN3xB6w",
	} {
		if clean, count := r.Text(text); count != 1 || strings.Contains(clean, "Kq8v") {
			t.Errorf("%q", clean)
		}
	}
	for _, name := range []string{"s3_secret", "S3_PASSWORD_2", "AWS_S3_ACCESS_KEY", "AppSKey", "NwkSKey2", "DB_PASSWORD_V2", "apiKeyV3"} {
		if clean, _ := r.Text(name + "=Kq8vN3xB6w"); strings.Contains(clean, "Kq8v") {
			t.Errorf("%q", clean)
		}
	}
	for _, secret := range []string{"k3jd92mslq0vx71a", "aB3xK9mQ_2vL7pR4t", "aBxKmQpvLzpRt7NyWcHd", "JBSWYDPEHPKQPXPA7GEZ", "c2Vzc2lvbg.dG9rZW4x.9vB2xQ", "aOkzi4f-GhpFz-2SWSPUPw", "CUS-Xdx7WWBNzxmUJB5b1w", "Bcvhq5dN8fJNvFO0JLvgfu-jkYo79J2mbL69WcG6", "a94a8fe5ccb19ba61c4c0873d391e987"} {
		if clean, _ := r.Text("session=" + secret); strings.Contains(clean, secret) {
			t.Errorf("%q", clean)
		}
	}
}

// Programs such as openssl rand -base64 print passwords with padding.
func TestText_FindsPasswordsInBase64WithPadding(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"x8Kd93kdLLsQ2vR7mWqZ0g==", "pT4Vq9sXz2LmB7nK1cRw5yQe8Ua=", "Zk3Lx9QvTm2Rw7BnPs5y/dGhJc4Kf8Wq+1XtVz6MbNo=", "17k/gmv4IR2yTGgvbg=="} {
		for _, form := range []string{"machine api.example.com login app password ¤", "| password | ¤ |", "db_password;¤", "Your password has been set to ¤",
			"<td>password</td><td>¤</td>", "user\tapp\npassword\t¤\n", `("password", "¤")`, `ds.setPassword("¤");`} {
			text := strings.ReplaceAll(form, "¤", secret)
			if clean, _ := r.Text(text); strings.Contains(clean, secret[:8]) {
				t.Errorf("%q", clean)
			}
		}
	}
	for _, text := range []string{"| password | required== |", "token user_id=", "secret orders1=", "token api/v1/order="} {
		if clean, _ := r.Text(text); clean != text {
			t.Errorf("%q", clean)
		}
	}
}

// A key of 32 bytes has one sign of padding in base64. With the quote after it, it looks like a type and a literal: string="…".
func TestText_FindsPaddedBase64BeforeTheQuoteAroundTheLine(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		`level=info msg="x-api-key: ¤" host=db`, `{"message":"token -> ¤","host":"db"}`, `{'message': 'API key: ¤', 'host': 'db'}`,
		`{"log":"{\"message\":\"password: ¤\",\"host\":\"db\"}"}`, "`password: !vault ¤` host=db",
		`<a title="token: ¤">db</a>`,
	} {
		for _, secret := range []string{"pT4Vq9sXz2LmB7nK1cRw5yQe8Ua=", "Zk3Lx9QvTm2Rw7BnPs5ydGhJc4Kf8Wq1XtVz6MbNoA2=", "x8Kd93kdLLsQ2vR7mWqZ0g=="} {
			clean, _ := r.Text(strings.ReplaceAll(form, "¤", secret))
			if want := strings.ReplaceAll(form, "¤", "[redacted: secret]"); clean != want {
				t.Errorf("got  %s\nwant %s", clean, want)
			}
		}
	}
	for _, text := range []string{`let password: string="¤"`, `"def f(password: str='¤')"`} {
		if clean, _ := r.Text(strings.ReplaceAll(text, "¤", "Kq8vN3xB6w")); clean != strings.ReplaceAll(text, "¤", "[redacted: secret]") {
			t.Errorf("%s", clean)
		}
	}
}

func TestText_FindsKeysWithoutDigitsAfterAColon(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"INFO x-api-key: ¤ sent", "admin password: ¤, host db", "token -> ¤"} {
		for _, key := range []string{"tbNUuMBQyRyLlnXY", "QwErTyUiOp"} {
			if clean, _ := r.Text(strings.ReplaceAll(form, "¤", key)); clean != strings.ReplaceAll(form, "¤", "[redacted: secret]") {
				t.Errorf("%q", clean)
			}
		}
		for _, word := range []string{"correct-horse-battery", "PutItemRequest", "UnauthorizedAccess", "expiredOrMissing", "orders_db", "NoSuchKey", "UpToDate", "NotYetSet", "isNotSet"} {
			text := strings.ReplaceAll(form, "¤", word)
			if clean, _ := r.Text(text); clean != text {
				t.Errorf("%q", clean)
			}
		}
	}
}

func TestText_KeepsCountsOfMessagesAndDirectories(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		`{"Invalid token": 150234}`, `{'invalid password': 1502341}`, `Counter({'POST /oauth/token': 150234, '/v1/users/password': 250999})`,
		`{\"Missing Authentication Token\": 990123}`, "PWD=/app", "OLDPWD=/", "PWD=/home/ec2-user/app-1.2", `"PWD": "/workspace/build42"`,
	} {
		clean, _ := r.Text(text)
		assert.Equal(t, text, clean)
		clean, _ = r.Document(text)
		assert.Equal(t, text, clean)
	}
	for text, secret := range map[string]string{
		`{"password": 83920175}`: "83920175", "Driver=x;PWD=/x9Kq8vN3/;UID=app": "x9Kq8", "PWD=Kq8vN3xB6w;UID=app": "Kq8v", "Temporary password: 83920175": "8392",
	} {
		clean, _ := r.Text(text)
		assert.NotContains(t, clean, secret)
	}
}
