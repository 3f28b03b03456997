package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bounds of the corpus. Recall is the share of cases with secrets that show none of them. Precision is the share
// of harmless cases that remain unchanged.
const (
	minRecall    = 0.95
	minPrecision = 0.98
	minCases     = 75 // of secrets, and of harmless texts, in each part
	variants     = 3  // of each case, with different secrets
)

// corpusCase is one case of the corpus. testdata/README.md describes the format.
type corpusCase struct {
	name    string // with file and line
	from    string // log, events, or answer
	text    string // with placeholders
	harmful bool
}

func readCorpus(t *testing.T, file string) []corpusCase {
	t.Helper()
	whole, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	var cases []corpusCase
	for n, line := range strings.Split(strings.TrimSuffix(string(whole), "\n"), "\n") {
		head, isHead := strings.CutPrefix(line, "=== ")
		if !isHead {
			last := &cases[len(cases)-1]
			last.text = strings.TrimPrefix(last.text+"\n"+line, "\n")
			continue
		}
		kind, rest, _ := strings.Cut(head, " ")
		from, name, found := strings.Cut(rest, ": ")
		require.True(t, found, "%s:%d", file, n+1)
		require.Contains(t, []string{"secret", "harmless"}, kind, "%s:%d", file, n+1)
		require.Contains(t, []string{"log", "events", "answer"}, from, "%s:%d", file, n+1)
		cases = append(cases, corpusCase{fmt.Sprintf("%s:%d %s", file, n+1, name), from, "", kind == "secret"})
	}
	return cases
}

var placeholder = regexp.MustCompile(`\{\{(p|uuid|userdata|[abhuld]\d+|)\}\}`)

var alphabets = map[byte]string{
	'a': "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	'b': "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	'h': "0123456789abcdef",
	'u': "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
	'l': "abcdefghijklmnopqrstuvwxyz0123456789",
	'd': "0123456789",
}

// fill replaces the placeholders of a case with secrets, and returns the text and the secrets.
func (c corpusCase) fill(random *rand.Rand) (string, []string) {
	var secrets []string
	text := func(kind byte, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(alphabets[kind][random.IntN(len(alphabets[kind]))])
		}
		return b.String()
	}
	password := func() string {
		if random.IntN(2) == 0 {
			return text('a', 13) + text('d', 1)
		}
		words := []string{"Harbor", "lantern", "Copper", "window", "Saddle", "pepper", "Magnet"}
		return words[random.IntN(len(words))] + "-" + words[random.IntN(len(words))] + text('d', 2) + "!"
	}
	filled := placeholder.ReplaceAllStringFunc(c.text, func(found string) string {
		var secret string
		switch kind := found[2 : len(found)-2]; kind {
		case "":
			return ""
		case "p":
			secret = password()
		case "uuid":
			secret = strings.Join([]string{text('h', 8), text('h', 4), "4" + text('h', 3), "a" + text('h', 3), text('h', 12)}, "-")
		case "userdata":
			secret = base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\nset -e\nexport DB_PASSWORD=" + password() + "\nsystemctl start app\n"))
		default:
			n, _ := strconv.Atoi(kind[1:])
			secret = text(kind[0], n)
		}
		secrets = append(secrets, secret)
		return secret
	})
	return filled, secrets
}

// leaked returns the secret of which a text shows the first or the second half, or an empty string.
func leaked(text string, secrets []string) string {
	for _, secret := range secrets {
		if half := len(secret) / 2; half >= 3 && (strings.Contains(text, secret[:half]) || strings.Contains(text, secret[half:])) {
			return secret
		}
	}
	return ""
}

// body returns the answer of AWS in which a case occurs.
func (c corpusCase) body(t *testing.T, text string) []byte {
	t.Helper()
	messages := []string{text}
	switch c.from {
	case "answer":
		return []byte(text)
	case "events":
		messages = strings.Split(text, "\n")
	}
	var events []map[string]any
	for i, message := range messages {
		events = append(events, map[string]any{"logStreamName": "s", "timestamp": 1767322800000 + i, "message": message})
	}
	body, err := json.Marshal(map[string]any{"events": events, "searchedLogStreams": []any{}})
	require.NoError(t, err)
	return body
}

// printed returns the texts that code prints after it read the case from AWS, by their names.
func (c corpusCase) printed(t *testing.T, text string) map[string]string {
	t.Helper()
	shown := map[string]string{"as it is": text}
	if c.from == "events" {
		lines := strings.Split(text, "\n")
		for i := range lines {
			lines[i] = fmt.Sprintf("%d s %s", 1767322800000+i, lines[i])
		}
		shown["with timestamps"] = strings.Join(lines, "\n")
	}
	var decoded any
	if c.from == "answer" && json.Unmarshal([]byte(text), &decoded) == nil {
		indented, err := json.MarshalIndent(decoded, "", "  ")
		require.NoError(t, err)
		shown["indented"], shown["as Python prints it"] = string(indented), python(decoded)
	}
	return shown
}

// python returns a decoded JSON value as Python's repr writes it.
func python(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var fields []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fields = append(fields, python(name)+": "+python(v[name]))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case []any:
		var values []string
		for _, value := range v {
			values = append(values, python(value))
		}
		return "[" + strings.Join(values, ", ") + "]"
	case string:
		escaped := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`).Replace(v)
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			return `"` + escaped + `"`
		}
		return "'" + strings.ReplaceAll(escaped, "'", `\'`) + "'"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case nil:
		return "None"
	}
	return fmt.Sprint(v)
}

// measure returns the texts of the corpus that are wrong after the redaction, one per case.
func measure(t *testing.T, cases []corpusCase, redactor func(c corpusCase, text string) *Redactor) (missed, changed []string) {
	t.Helper()
	for _, c := range cases {
		if wrong := c.check(t, redactor); wrong != "" && c.harmful {
			missed = append(missed, wrong)
		} else if wrong != "" {
			changed = append(changed, wrong)
		}
	}
	return missed, changed
}

func (c corpusCase) check(t *testing.T, redactor func(c corpusCase, text string) *Redactor) string {
	t.Helper()
	for seed := range uint64(variants) {
		text, secrets := c.fill(rand.New(rand.NewPCG(seed, uint64(len(c.name)))))
		for way, shown := range c.printed(t, text) {
			clean, _ := redactor(c, text).Text(shown)
			if secret := leaked(clean, secrets); c.harmful && secret != "" {
				return fmt.Sprintf("%s, %s: %q is shown in\n%s", c.name, way, secret, clean)
			}
			if !c.harmful && clean != shown {
				return fmt.Sprintf("%s, %s:\n%s\nbecame\n%s", c.name, way, shown, clean)
			}
			again, _ := redactor(c, text).Text(clean)
			require.Equal(t, clean, again, "%s, %s: redacting twice changes nothing", c.name, way)
			result, _ := redactor(c, text).Document(shown)
			if secret := leaked(result, secrets); c.harmful && secret != "" {
				return fmt.Sprintf("%s, %s, as the result: %q is shown in\n%s", c.name, way, secret, result)
			}
			if !c.harmful && result != shown {
				return fmt.Sprintf("%s, %s, as the result:\n%s\nbecame\n%s", c.name, way, shown, result)
			}
		}
	}
	return ""
}

func TestCorpus_SecretsAreRedactedAndLogsRemain(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	ways := map[string]func(c corpusCase, text string) *Redactor{
		"by the rules for texts": func(corpusCase, string) *Redactor { return r },
		"observed and printed": func(c corpusCase, text string) *Redactor {
			var m Memory
			m.Observe(c.body(t, text), false)
			return m.Knowing(r)
		},
	}
	for _, file := range []string{"working.txt", "heldback.txt"} {
		cases := readCorpus(t, file)
		harmful := 0
		for _, c := range cases {
			if c.harmful {
				require.Regexp(t, placeholder, c.text, c.name)
				harmful++
			}
		}
		harmless := len(cases) - harmful
		require.GreaterOrEqual(t, harmful, minCases)
		require.GreaterOrEqual(t, harmless, minCases)
		for way, redactor := range ways {
			t.Run(file+" "+way, func(t *testing.T) {
				missed, changed := measure(t, cases, redactor)
				recall := 1 - float64(len(missed))/float64(harmful)
				precision := 1 - float64(len(changed))/float64(harmless)
				t.Logf("recall %.1f %% (%d of %d), precision %.1f %% (%d of %d)", 100*recall, harmful-len(missed), harmful,
					100*precision, harmless-len(changed), harmless)
				for _, wrong := range append(missed, changed...) {
					t.Log(strings.SplitN(wrong, "\n", 2)[0])
				}
				assert.GreaterOrEqual(t, recall, minRecall, "missed:\n%s", strings.Join(missed, "\n"))
				assert.GreaterOrEqual(t, precision, minPrecision, "changed:\n%s", strings.Join(changed, "\n"))
			})
		}
	}
}
