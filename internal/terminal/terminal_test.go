package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

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
		{"unterminated", "a\x1b[31", "a31"},
		{"before a quote", "{\"a\": \"\x1b[\"}", "{\"a\": \"\"}"},
		{"literal backslash", `C:\u001b[31mx`, `C:\u001b[31mx`},
		{"lone introducer before a line break", "a\x1b[\nb", "a\nb"},
		{"lone escapes", "\x1b\x1b\x1b\na\x1bé\x1b", "\naé"},
		{"a sequence in a sequence", "\x1b\x1b[31m[2Jx", "[2Jx"},
		{"an introducer split by a color", "\x1b\x1b[0m]8;;https://evil.example\ax", "]8;;https://evil.examplex"},
		{"8-bit sequence", "\u009b31mred\u009b0m", "red"},
		{"8-bit sequence split by a color", "\u009b\x1b[0m31mred", "31mred"},
		{"8-bit string", "\u009d0;title\u009ctext", "text"},
		{"other controls of C1", "a\u0084b\u008dc\u009cd\u0080e", "abcde"},
		{"next line", "a\u0085b", "a\nb"},
		{"save, restore, reverse, reset", "\x1b7a\x1b8b\x1bMc\x1bcd\x1b=e\x1b>f\x1bDg\x1bEh", "abcdefgh"},
		{"two intermediates", "\x1b$(Ba\x1b#8b\x1b F", "ab"},
		{"intermediate in a control sequence", "\x1b[2 qa\x1b[!pb\x1b[?25$pc", "abc"},
		{"private parameters", "\x1b[>4;2ma\x1b[=1cb\x1b[<0;1;1Mc", "abc"},
		{"other last bytes", "\x1b[1@a\x1b[5~b\x1b[1`c\x1b[4{d\x1b[4|e", "abcde"},
		{"link", "\x1b]8;;https://evil.example\x1b\\AWS console\x1b]8;;\x1b\\", "AWS console"},
		{"link with BEL", "\x1b]8;id=1;https://evil.example\aAWS console\x1b]8;;\a", "AWS console"},
		{"title and clipboard", "\x1b]0;owned\aa\x1b]52;c;ZXZpbA==\x1b\\b", "ab"},
		{"device control", "\x1bPq#0;2;0;0;0\x1b\\a\x1b_Gi=1;AAAA\x1b\\b\x1b^private\x1b\\c\x1bXstart\x1b\\d", "abcd"},
		{"link without end", "a\x1b]8;;https://evil.example", "a8;;https://evil.example"},
		{"string without end hides nothing", "a\x1bPb\x1b_c\x1b^d\x1bXe\nERROR", "abcde\nERROR"},
		{"string ended in another line", "a\x1b]0;b\nERROR\a", "a0;b\nERROR"},
		{"string ended by another sequence", "a\x1b]0;b\x1b[31mERROR\a", "a0;bERROR"},
		{"long string", "\x1b]" + strings.Repeat("x", 5000) + "\a", strings.Repeat("x", 5000)},
		{"C0", "a\x00b\x07c\x08d\x0ee\x0ff\x18g\x1ah\x7fi\x1cj", "abcdefghij"},
		{"line breaks", "a\r\nb\rc\vd\fe\tf", "a\nb\nc\nd\ne\tf"},
		{"printable characters of Latin-1", "\u00a0é«»ß", "\u00a0é«»ß"},
		{"other scripts", "\x1b[1mошибка 失敗\x1b[0m", "ошибка 失敗"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, terminal.Plain(test.text))

			encoded, err := json.Marshal(map[string]any{"line": test.text, "\\": []string{`\` + test.text + "\n\\", test.text}})
			require.NoError(t, err)
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(terminal.PlainJSON(string(encoded))), &got))
			assert.Equal(t, map[string]any{"line": test.want, "\\": []any{`\` + test.want + "\n\\", test.want}}, got)
		})
	}
}

// hostile are texts from which the removal of one sequence could make another.
var hostile = []string{
	"", "\x1b[31mx\x1b[0m", `\\u001b[31m`, "\x1b[\"", "\x1b[\\", "\x1b\x1b[0m[0m", "\x1b[\x1b[0m31mx", "\x1b]\x1b]0;a\a8;;x\a", "\xc2\x1b[m\x9b31mx", "\x9b31m",
	"\u009b\u009b31m31m", "\x1bP\x1b\\\x1b\\", "\x1b]0;\u009c\u009d", "\r\x1b[m\n", "\x1b \x1b[m(B", "a\\u009b31m", "\x1b[1;\x18 2m", "\ud7ff\x1b7",
}

// FuzzPlain checks that no control character is left but tabs and line breaks, and that nothing is left to remove.
func FuzzPlain(f *testing.F) {
	for _, seed := range hostile {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain := terminal.Plain(text)
		assert.True(t, utf8.ValidString(plain), "%q", plain)
		for _, r := range plain {
			assert.False(t, unicode.IsControl(r) && r != '\n' && r != '\t', "%q of %q", plain, text)
		}
		assert.Equal(t, plain, terminal.Plain(plain))
		assert.LessOrEqual(t, strings.Count(plain, "\n"), len(text))
		if !strings.ContainsFunc(text, unicode.IsControl) && utf8.ValidString(text) {
			assert.Equal(t, text, plain)
		}
	})
}

// FuzzPlainJSON checks that any text stays valid JSON and gives the same result as Plain.
func FuzzPlainJSON(f *testing.F) {
	for _, seed := range hostile {
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
