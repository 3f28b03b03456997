package redact_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

func TestText_FindsKeysInBase64(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for _, key := range []string{"kX3v9Qm/2LrT8+ZcYw5NfA1sD7eHj0uBpGxVt4KoR6I=", "Ab3+dEf/9hIjK2lM"} {
		for _, form := range []string{
			"AUTH %s", "password\t%s", "| password | %s |", "the password was %s.", "password (%s)", `setPassword("%s")`, `a1 LOGIN "app" "%s"`, "db_password;%s",
			"7z x a.7z -p%s", "vault login %s", "passwords: {app: %s}", "passwords:\n- %s\n", "password: # rotated\n  %s\n", "<td>password</td><td>%s</td>",
		} {
			clean, count := r.Text(fmt.Sprintf(form, key))
			assert.NotContains(t, clean, key, form)
			assert.Equal(t, 1, count, form)
		}
	}
	for _, path := range []string{
		"the password of MyStack/Api3Handler/Resource was changed", "secret\tprod/Orders2Db/Credentials", "password (see docs/Runbook2Rotation/Password.md)",
		"api_key\tapplication/x-www-form-urlencoded2", "the token was 2026/11/26/LATEST12345678", "key\tapp/web/0123abc0123abc0123abc0123abc0123",
	} {
		clean, count := r.Text(path)
		assert.Equal(t, path, clean)
		assert.Zero(t, count)
	}
}
