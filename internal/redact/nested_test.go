package redact_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

func TestText_HeadersInJSONOfFiveLevels(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	for header, value := range map[string]string{
		"Authorization": "Basic YXBwOktxOHZOM3hCNnc=", "Proxy-Authorization": "Basic YXBwOktxOHZOM3hCNnc=", "Cookie": "session=Kq8vN3xB6wQwErTy12; theme=dark",
	} {
		text := ""
		var inner any = map[string]any{"headers": map[string]string{header: value}}
		for level := 1; level <= 5; level++ {
			encoded, err := json.Marshal(map[string]any{"message": inner})
			require.NoError(t, err)
			text = string(encoded)
			clean, count := redactor.Text(text)
			assert.Positive(t, count, "%s, level %d", header, level)
			assert.NotContains(t, clean, "YXBwOktx", "%s, level %d", header, level)
			assert.NotContains(t, clean, "Kq8vN3xB6w", "%s, level %d", header, level)
			inner = text
		}
	}
}
