package terminal_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
)

func TestPlain_RemovesOnlyControlSequences(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"none", "ERROR [31m] of 5", "ERROR [31m] of 5"},
		{"color", "\x1b[31mERROR\x1b[0m of 5", "ERROR of 5"},
		{"many parameters", "\x1b[38;5;208;1mwarn\x1b[m", "warn"},
		{"with colons", "\x1b[38:2::255:0:0mred\x1b[39m", "red"},
		{"erase and move", "50 %\x1b[2K\x1b[1G60 %\x1b[?25h", "50 %60 %"},
		{"character set", "\x1b[1mfailed\x1b(B\x1b[m (BUILD)", "failed (BUILD)"},
		{"unterminated", "a\x1b[31", "a\x1b[31"},
		{"before a quote", "{\"a\": \"\x1b[\"}", "{\"a\": \"\x1b[\"}"},
		{"literal backslash", `C:\u001b[31mx`, `C:\u001b[31mx`},
		{"lone introducer before a line break", "a\x1b[\nb", "a\x1b[\nb"},
		{"other scripts", "\x1b[1mошибка 失敗\x1b[0m", "ошибка 失敗"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, terminal.Plain(test.text))

			encoded, err := json.Marshal(map[string]any{"line": test.text, "\\": []string{test.text + `\`, test.text}})
			require.NoError(t, err)
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(terminal.PlainJSON(string(encoded))), &got))
			assert.Equal(t, map[string]any{"line": test.want, "\\": []any{test.want + `\`, test.want}}, got)
		})
	}
}

// FuzzPlainJSON checks that any text stays valid JSON and gives the same result as Plain.
func FuzzPlainJSON(f *testing.F) {
	for _, seed := range []string{"", "\x1b[31mx\x1b[0m", `\\u001b[31m`, "\x1b[\"", "\x1b[\\", "\x1b\x1b[0m[0m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		var whole, got string
		require.NoError(t, json.Unmarshal(encoded, &whole)) // valid UTF-8 now
		require.NoError(t, json.Unmarshal([]byte(terminal.PlainJSON(string(encoded))), &got))
		assert.Equal(t, terminal.Plain(whole), got)
	})
}
