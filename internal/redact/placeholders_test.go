package redact_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

// log_patterns replaces numbers before anything is redacted, also those in secrets.
func TestText_RedactsSecretsWithPlaceholders(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for text, want := range map[string]string{
		"host=db password=Kiel#<n>-Hafen sslmode=require": "host=db password=[redacted: secret] sslmode=require",
		"DB_PASSWORD=Kr<n>an-<n>Hafen":                    "DB_PASSWORD=[redacted: secret]",
		"postgres://app:Kiel<n>-Hafen@db/orders":          "postgres://app:[redacted: password]@db/orders",
		"pool <n> of <n> at <address>: size=<n>":          "pool <n> of <n> at <address>: size=<n>",
		"order <id> took <n> ms, 40404040 tokens left":    "order <id> took <n> ms, 40404040 tokens left",
		"login with password failed at <time>":            "login with password failed at <time>",
	} {
		got, _ := r.Text(text)
		assert.Equal(t, want, got)
	}
}
