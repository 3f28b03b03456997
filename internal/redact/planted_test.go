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
