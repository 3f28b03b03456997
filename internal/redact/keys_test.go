package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The first line of a private key can be in a log because somebody sent it, for example as the name of a browser.
func TestText_FirstLineOfAPrivateKeyHidesNothingElse(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const planted, other = `GET / "-----BEGIN PRIVATE KEY-----"`, "ERROR OrdersTable1A2B3C4D: timeout after 30s in /var/task/node_modules/orders/handlers/create-order.js"
	list, _ := json.Marshal([]string{planted, other})
	for name, text := range map[string]string{
		"lines":           planted + "\n" + other,
		"a list":          string(list),
		"with an end":     planted + "\n" + other + "\n" + `GET / "-----END PRIVATE KEY-----"`,
		"with another":    planted + "\n" + planted + "\n" + other,
		"after a key":     "-----BEGIN PRIVATE KEY-----\n" + body + "\n-----END PRIVATE KEY-----\n" + other,
		"after a cut key": "-----BEGIN PRIVATE KEY-----\n" + body + "\n" + other,
	} {
		if clean, _ := r.Text(text); !strings.Contains(clean, strings.TrimSpace(other)) {
			t.Errorf("%s: %q", name, clean)
		} else if strings.Contains(clean, body) {
			t.Errorf("%s: the key is shown: %q", name, clean)
		}
	}
}

func TestText_LinesOfAPrivateKeyWithOtherTextBetween(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu"}
	all := append([]string{"-----BEGIN RSA PRIVATE KEY-----"}, append(lines, "-----END RSA PRIVATE KEY-----")...)
	var events strings.Builder
	for _, line := range all {
		events.WriteString(`{'timestamp': 1714557900123, 'logStreamName': 'orders/app/0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'message': '` + line + `', 'ingestionTime': 1714557900456}` + "\n")
	}
	encoded, _ := json.Marshal(map[string]string{"data": strings.Join(all, "\n")})
	for name, text := range map[string]string{
		"events":             events.String(),
		"a journal":          "May 01 app[1]: " + strings.Join(all, "\nMay 01 app[1]: "),
		"JSON":               string(encoded),
		"slashes of PHP":     strings.ReplaceAll(string(encoded), "/", `\/`),
		"an encrypted key":   strings.Join(all[:1], "") + "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n" + strings.Join(all[1:], "\n"),
		"a cut key":          strings.Join(all[:2], "\n") + "\n" + lines[1][:10],
		"literals of Python": "('" + strings.Join(all, "\\n'\n '") + "')",
	} {
		clean, count := r.Text(text)
		for _, line := range lines {
			for at := 0; at+10 <= len(line); at += 10 {
				if part := line[at : at+10]; strings.Contains(clean, part) {
					t.Errorf("%s: %s is shown: %q", name, part, clean)
				}
			}
		}
		if count == 0 {
			t.Errorf("%s: nothing counted", name)
		}
	}
}

// Queries of logs return the newest line first.
func TestText_LinesOfAPrivateKeyInReverse(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	lines := []string{"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu", "jNbvJZHtCSuYEvu+w=="}
	all := append([]string{"starting", "-----BEGIN RSA PRIVATE KEY-----"}, append(lines, "-----END RSA PRIVATE KEY-----", "stopping")...)
	slices.Reverse(all)
	const mark = "[redacted: private key]"
	stamped := "May 01 app[1]: " + strings.Join(all, "\nMay 01 app[1]: ")
	list, err := json.Marshal(all)
	require.NoError(t, err)
	for text, want := range map[string]string{
		strings.Join(all, "\n"):                 "stopping\n" + mark + "\nstarting",
		strings.Join(append(all, all...), "\n"): "stopping\n" + mark + "\nstarting\nstopping\n" + mark + "\nstarting",
		stamped:                                 "May 01 app[1]: stopping\nMay 01 app[1]: " + mark + "\nMay 01 app[1]: starting",
		string(list):                            `["stopping","` + mark + `","starting"]`,
		"-----END PRIVATE KEY-----\nat 12:00 all is well in /var/task/orders\n-----BEGIN PRIVATE KEY-----\n" + lines[0] + "\n-----END PRIVATE KEY-----\nok":                             "-----END PRIVATE KEY-----\nat 12:00 all is well in /var/task/orders\n" + mark + "\nok",
		"-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n" + lines[0] + "\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n" + lines[1] + "\n-----END PRIVATE KEY-----": "-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n" + lines[0] + "\n-----END CERTIFICATE-----\n" + mark,
		"-----END PRIVATE KEY-----\nssh-rsa " + lines[1] + "\n-----BEGIN PRIVATE KEY-----\n" + lines[0] + "\n-----END PRIVATE KEY-----\nok":                                             mark + mark + "\nok",
		"-----BEGIN PRIVATE KEY-----\nstarting\n-----END PRIVATE KEY-----\n" + lines[0] + "\n-----BEGIN PRIVATE KEY-----\nstarting":                                                     mark + "\nstarting\n" + mark + "\nstarting",
	} {
		clean, count := r.Text(text)
		assert.Equal(t, want, clean)
		assert.Equal(t, strings.Count(want, mark), count)
	}
	var events strings.Builder
	for _, line := range all {
		events.WriteString(`{'timestamp': 1714557900123, 'logStreamName': 'orders/app/0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'message': '` + line + `'}` + "\n")
	}
	clean, _ := r.Text(events.String() + events.String())
	for _, line := range lines[:2] {
		assert.NotContains(t, clean, line)
	}
	assert.Contains(t, clean, "stopping")
	assert.Contains(t, clean, "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
}

// An event lists log lines in JSON, as texts, events, or rows of fields, and says which of them is the newest by a time.
func TestDocument_LinesOfAPrivateKeyInSeveralTexts(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	raw := make([]byte, 51*48) // as long as a key of 4,096 bits
	random := rand.New(rand.NewPCG(1, 2))
	for i := range raw {
		raw[i] = byte(random.IntN(256))
	}
	encoded := base64.StdEncoding.EncodeToString(raw)
	all := []string{"starting", "-----BEGIN RSA PRIVATE KEY-----"}
	for line := range slices.Chunk([]byte(encoded), 64) {
		all = append(all, string(line))
	}
	all = append(all, "-----END RSA PRIVATE KEY-----", "stopping")
	type object = map[string]any
	for _, isReversed := range []bool{false, true} {
		var texts, events, rows, stamped []any
		for i, line := range all {
			at := fmt.Sprintf("2026-01-15 03:12:00.%03d", i)
			texts, stamped = append(texts, line), append(stamped, at+" INFO "+line)
			events = append(events, object{"message": line, "timestamp": 1768446720000 + i, "logStreamName": "orders/app/0f1e2d3c4b5a69788796a5b4c3d2e1f0"})
			rows = append(rows, []any{object{"field": "@timestamp", "value": at}, object{"field": "@message", "value": line}, object{"field": "@logStream", "value": "orders"}})
		}
		for name, list := range map[string][]any{"texts": texts, "events": events, "rows": rows, "stamped": stamped} {
			if isReversed {
				slices.Reverse(list)
			}
			document, err := json.Marshal(object{"list": list, "password": "hunter22x"})
			require.NoError(t, err)
			clean, count := r.Document(string(document))
			assert.Greater(t, count, 50, name)
			assert.True(t, json.Valid([]byte(clean)), name)
			for _, line := range all[2 : len(all)-2] {
				assert.NotContains(t, clean, line, name)
			}
			assert.Contains(t, clean, "starting")
			var memory Memory
			memory.Observe(document, false)
			shown, _ := memory.Knowing(r).Text("got " + all[2] + " and " + all[len(all)-3])
			assert.Equal(t, name != "stamped", !strings.Contains(shown, all[2]) && !strings.Contains(shown, all[len(all)-3]), name)
		}
	}
}

// A list can begin within a key, which a program logs whenever it starts.
func TestDocument_PrivateKeyAfterAPartOfOne(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	const first, line, last = "-----BEGIN PRIVATE KEY-----", "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu", "-----END PRIVATE KEY-----"
	for _, list := range [][]string{{line, last, "starting", first, line, last, "ok"}, {line, first, "starting", last, line, first, "ok"}} {
		document, err := json.Marshal(list)
		require.NoError(t, err)
		clean, _ := r.Document(string(document))
		assert.Equal(t, 1, strings.Count(clean, line), "nothing shows that the first line is one of a key: %s", clean)
		assert.Contains(t, clean, "starting")
		var memory Memory
		memory.Observe(document, false)
		shown, _ := memory.Knowing(r).Text(line)
		assert.Equal(t, "[redacted: secret]", shown)
	}
}

func TestText_KeyWhoseLineWasKnownIsOneSecret(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	clean, count := r.Text("loaded -----BEGIN RSA PRIVATE KEY-----\n" + replacement("secret") + "\n-----END RSA PRIVATE KEY----- for host")
	if clean != "loaded "+replacement("private key")+" for host" || count != 1 {
		t.Errorf("%d: %q", count, clean)
	}
}
