package redact

import (
	"encoding/json"
	"strings"
	"testing"
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
