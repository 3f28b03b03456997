package redact_test

import (
	"encoding/json"
	"regexp"
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

var secretOfHeader = regexp.MustCompile(`[A-Za-z0-9]{18,}=?`)

// Logs of AWS WAF and events of functions list headers in these forms.
func TestDocument_HeadersInPairsAndLists(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	for header, value := range map[string]string{
		"authorization": "Basic YXBwOktxOHZOM3hCNnc=", "Authorization": "SSWS 00Kq8vN3xB6wQwErTy12", "cookie": "visit=Kq8vN3xB6wQwErTy12; theme=dark",
		"Set-Cookie": "visit=Kq8vN3xB6wQwErTy12; Path=/",
	} {
		for _, headers := range []any{
			map[string]string{header: value}, map[string][]string{header: {value}}, []map[string]string{{"name": header, "value": value}},
			[]map[string]string{{"Name": header, "Value": value}}, [][]string{{header, value}},
		} {
			encoded, err := json.Marshal(map[string]any{"headers": headers})
			require.NoError(t, err)
			for _, redacted := range []func(string) (string, int){redactor.Document, redactor.Text} {
				clean, count := redacted(string(encoded))
				assert.Equal(t, 1, count, clean)
				assert.NotContains(t, clean, "YXBwOktx")
				assert.NotContains(t, clean, "Kq8vN3xB6w")
			}
			if _, isRow := headers.([][]string); isRow {
				continue // AWS does not answer so
			}
			var memory redact.Memory
			memory.Observe(encoded, false)
			secret := secretOfHeader.FindString(value)
			clean, _ := memory.Knowing(redactor).Text("sent " + secret + " to the origin")
			assert.Equal(t, "sent [redacted: secret] to the origin", clean)
		}
	}
	for _, text := range []string{
		"Basic authentication required", `["authorization", "Basic realm"]`, `["missing authorization","Basic authentication required"]`,
	} {
		clean, _ := redactor.Document(text)
		assert.Equal(t, text, clean)
	}
}

func TestDocument_HeadersWithOtherSigns(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	for _, c := range []struct{ name, text, want string }{
		{"a cookie with the name b", "Cookie: b=Kq8vN3xB6wQwErTy12; theme=dark", "Cookie: b=[redacted: cookie]; theme=dark"},
		{"a login at the end of a sentence", "sent Basic YXBwOktxOHZOM3hCNnc=.", "sent Basic [redacted: credential]"},
		{"a custom header of CloudFront", `{"HeaderName":"X-Cookie","HeaderValue":"id=Kq8vN3xB6wQwErTy12; pin=Zq8sV2kLw9"}`,
			`{"HeaderName":"X-Cookie","HeaderValue":"[redacted: custom header]"}`},
		{"a variable", `[{"name":"COOKIE","value":"id=Kq8vN3xB6wQwErTy12; pin=Zq8sV2kLw9"}]`,
			`[{"name":"COOKIE","value":"[redacted: environment variable]"}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			clean, count := redactor.Document(c.text)
			assert.Equal(t, c.want, clean)
			assert.Equal(t, 1, count)
		})
	}
}
