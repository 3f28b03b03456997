package redact_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

func TestText_PasswordsInURLsCanHaveAnySign(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	for _, tt := range []struct{ name, text, want string }{
		{"commas", "postgres://app:A1,b2,C3d4@db:5432/x", "postgres://app:[redacted: password]@db:5432/x"},
		{"a slash after @", "amqp://app:p@ss/w0rdKq8@mq:5672/v", "amqp://app:[redacted: password]@mq:5672/v"},
		{"a version after a path", "https://app:A1b2@git.internal/Org/Repo1a@v2", "https://app:[redacted: password]@git.internal/Org/Repo1a@v2"},
		{"a slash after digits", "amqp://app:12/Kq8vN3xB6w@mq:5672/v", "amqp://app:[redacted: password]@mq:5672/v"},
		{"a port and the digest of an image", "https://app:5000/orders/api@sha256:94afd1f2e64d908b", "https://app:5000/orders/api@sha256:94afd1f2e64d908b"},
		{"a comma after digits", "postgres://app:123,abC4@db:5432/x", "postgres://app:[redacted: password]@db:5432/x"},
		{"a comma and a colon", "postgres://app:A1,b:2@db:5432/x", "postgres://app:[redacted: password]@db:5432/x"},
		{"a comma without a user", "redis://:A1,b2C3@cache:6379/0", "redis://:[redacted: password]@cache:6379/0"},
		{"<", "postgres://app:A1b2<C3d4@db:5432/x", "postgres://app:[redacted: password]@db:5432/x"},
		{">", "postgres://app:A1b2>C3d4@db:5432/x", "postgres://app:[redacted: password]@db:5432/x"},
		{"signs without digits", "postgres://app:aB<c#d;E[f@db:5432/x", "postgres://app:[redacted: password]@db:5432/x"},
		{"of Go's driver", "app:A1<b2:C3/d4@tcp(db:3306)/x", "app:[redacted: password]@tcp(db:3306)/x"},
		{"@ of Go's driver", "app:p@ss/w0rdKq8@@tcp(db:3306)/x", "app:[redacted: password]@tcp(db:3306)/x"},
		{"several of Go's driver", "a:A1@b2C3@tcp(h)/x,b:D4@e5F6@unix(/s)/x", "a:[redacted: password]@tcp(h)/x,b:[redacted: password]@unix(/s)/x"},
		{"JSON of PHP", `ERROR {"dsn":"mysql:\/\/app:A1b2C3d4@db:3306\/x"}`, `ERROR {"dsn":"mysql:\/\/app:[redacted: password]@db:3306\/x"}`},
		{"JSON of PHP in JSON", `{"a":"{\"dsn\":\"mysql:\\\/\\\/app:A1b2C3d4@db:3306\\\/x\"}"}`, `{"a":"{\"dsn\":\"mysql:\\\/\\\/app:[redacted: password]@db:3306\\\/x\"}"}`},

		{"a token as the user", "https://Kq8vN3xB6wQweRty@git.internal/x", "https://[redacted: password]@git.internal/x"},
		{"a token without a password", "https://Kq8vN3xB6wQweRty:@api.internal/x", "https://[redacted: password]@api.internal/x"},
		{"a token with a word as the password", "https://Kq8vN3xB6wQweRty:x-oauth-basic@git.internal/x", "https://[redacted: password]@git.internal/x"},
		{"a token with signs as the password", "https://Kq8vN3xB6wQweRty:wo!rd~@git.internal/x", "https://[redacted: password]@git.internal/x"},
		{"a random user with a word as the password", "postgres://u7f3k2lq9x8w2m1a:correcthorse@db/x", "postgres://[redacted: password]@db/x"},
		{"a name as the user without a password", "https://orders-service-2026:@git.internal/x", "https://orders-service-2026:@git.internal/x"},
		{"a reference", "postgres://${USER}:${PASS2}@db/x", "postgres://${USER}:${PASS2}@db/x"},
		{"a variable of a shell", "postgres://app:$DB_PASS2@db/x", "postgres://app:$DB_PASS2@db/x"},
		{"a password after a reference", "postgres://app:${PASS}x9Kq8@db/x", "postgres://app:[redacted: password]@db/x"},
		{"a password with a dollar sign", "postgres://app:$uper9Kq8@db/x", "postgres://app:[redacted: password]@db/x"},

		{"several hosts", "mongodb://app:A1b2@a:27017,b:27017/x", "mongodb://app:[redacted: password]@a:27017,b:27017/x"},
		{"several logins", "amqp://a:5672,app:A1b2@b:5672", "amqp://a:5672,app:[redacted: password]@b:5672"},
		{"no login", "kafka://b1:9092,b2:9092 by me@example.com", "kafka://b1:9092,b2:9092 by me@example.com"},
		{"an element with an address of e-mail", "<url>http://x:8080</url><mail>bob1@example.com</mail>", "<url>http://x:8080</url><mail>bob1@example.com</mail>"},
		{"a tag after a port", "http://x:8080<br/>bob1@example.com", "http://x:8080<br/>bob1@example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean, _ := redactor.Text(tt.text)
			assert.Equal(t, tt.want, clean)
		})
	}
}

// Secrets Manager generates passwords of these characters for databases.
func TestText_GeneratedPasswordsInURLs(t *testing.T) {
	const characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&()*+,-.:;<=>?[]^_`{|}~"
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	const samples = 500
	shown := 0
	for range samples {
		password := make([]byte, 32)
		for i := range password {
			password[i] = characters[random.IntN(len(characters))]
		}
		clean, _ := redactor.Text(fmt.Sprintf("cannot connect to postgres://app:%s@db.internal:5432/orders", password))
		if strings.Contains(clean, string(password)) {
			shown++
		}
	}
	assert.Less(t, shown, samples*3/100)
}

func TestMemory_LearnsFromObjectAfterBeginningOfLogLine(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	for _, line := range []string{
		`2026-01-15 INFO request {"url":"https://x/login?user\u003dapp\u0026password\u003dKq8vN3xB6w"}`,
		`[2026-01-15] prod.ERROR: failed {"conn":"Server\u003ddb;Password\u003dKq8vN3xB6w;Pool\u003d1"} []`,
		`WARN {"pass\u0077ord":"Kq8vN3xB6w"}`,
	} {
		memory := &redact.Memory{}
		body, err := json.Marshal(map[string]any{"events": []any{map[string]any{"message": line}}})
		require.NoError(t, err)
		memory.Observe(body, false)
		clean, count := memory.Knowing(redactor).Text(line)
		assert.NotContains(t, clean, "Kq8vN3xB6w")
		assert.Positive(t, count)
	}
}
