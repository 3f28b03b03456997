package redact_test

import (
	"strings"
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
		"4000<n>0 of <n><n> in 40000000 and <time>4<n>":   "4000<n>0 of <n><n> in 40000000 and <time>4<n>",
		"login with password failed at <time>":            "login with password failed at <time>",
	} {
		got, _ := r.Text(text)
		assert.Equal(t, want, got)
	}
}

// The numbers that stand for placeholders during the search are no text of the user.
func TestText_PatternsOfTheUserDoNotMatchPlaceholders(t *testing.T) {
	r, err := redact.New([]string{`[0-9]{6,}`, `\b[4-7]0+\b`})
	require.NoError(t, err)
	got, count := r.Text("order <n> of customer 12345678 took <n> ms at <time>: <id> from <address>, password=Kiel#<n>-Hafen")
	assert.Equal(t, "order <n> of customer [redacted: custom pattern] took <n> ms at <time>: <id> from <address>, password=[redacted: secret]", got)
	assert.Equal(t, 2, count)
}

// A text cannot make the search for an unused number long, or the text.
func TestText_PlaceholdersInHostileTextsAreBounded(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	hostile := strings.Repeat("<n> ", 10_000) + strings.Repeat("0", 30_000)
	got, _ := r.Text(hostile)
	assert.Equal(t, hostile, got)
}

// Somebody who writes many equal digits into a log does not make the text unreadable.
func TestText_PlaceholdersBesideLongRowsOfDigits(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	text := "<n> requests at <time>, 4<n>0\n"
	for _, digit := range "0123" {
		text += strings.Repeat(string(digit), 100) + "\n"
	}
	got, _ := r.Text(text + "password=Kiel#<n>-Hafen\n")
	assert.Equal(t, text+"password=[redacted: secret]\n", got)
}
