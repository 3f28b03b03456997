package redact

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whoever writes log lines can make the beginning of another line a "secret". The secret behind it is redacted anyway.
func TestMemory_PlantedSecretsDoNotUncoverOthers(t *testing.T) {
	for _, written := range []string{"5432 password=", "5432 pass", "t=5432 p", "5432 password=S"} {
		line := "connect failed: host=db port=5432 password=SunshineMoon dbname=shop"
		forged, _ := json.Marshal(map[string]string{"password": written})
		body, _ := json.Marshal(map[string]any{"events": []any{map[string]any{"message": string(forged)}, map[string]any{"message": line}}})
		var m Memory
		m.Observe(body, false)
		r, err := New(nil)
		if err != nil {
			t.Fatal(err)
		}
		if clean, _ := m.Knowing(r).Text(line); strings.Contains(clean, "shineMoon") {
			t.Errorf("after %q: %q", written, clean)
		}
	}
}

// Whoever writes log lines can write a time or an ID as a password.
func TestMemory_PlantedSecretsDoNotHideIdentifiers(t *testing.T) {
	for _, text := range []string{
		"2026-11-26T22:17:01.123Z ERROR timeout", "[2026-11-26 22:17:01,123] timeout", "26/Nov/2026:22:17:01 +0000", "1714557900123",
		"arn:aws:lambda:eu-west-1:123456789012:function:orders-2", "account 123456789012", "i-0abc123def4567890 is stopped",
		"sg-0123456789abcdef0 denies", "203.0.113.57 sent it", "connect to 10.0.37.164:5432 refused",
		"ip-10-0-37-164.eu-west-1.compute.internal",
	} {
		for end := minSecret; end <= len(text); end++ {
			for start := range end - minSecret + 1 {
				planted := text[start:end]
				if strings.Contains(planted, " ") {
					continue
				}
				body, _ := json.Marshal(map[string]string{"password": planted})
				var m Memory
				m.Observe(body, false)
				r := &Redactor{}
				if clean, _ := m.Knowing(r).Text(text); clean != text {
					t.Fatalf("after %q: %q", planted, clean)
				}
			}
		}
	}
}

func TestMemory_SecretsBesideIdentifiersAreReplaced(t *testing.T) {
	var m Memory
	m.Observe([]byte(`{"password":"Kq8vN3xB6w","apiKey":"2026-11-26x9Kq"}`), false)
	r := m.Knowing(&Redactor{})
	for _, text := range []string{
		"arn:aws:lambda:eu-west-1:123456789012:function:orders,Kq8vN3xB6w", "2026-11-26T22:17:01Z Kq8vN3xB6w", "10.0.37.164:Kq8vN3xB6w",
		"123456789012/Kq8vN3xB6w", "key 2026-11-26x9Kq",
	} {
		if clean, _ := r.Text(text); strings.Contains(clean, "x9Kq") || strings.Contains(clean, "Kq8v") {
			t.Errorf("%q", clean)
		}
	}
}
