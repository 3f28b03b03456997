package redact

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// A result in rows is redacted as its text is.
func TestAnswer_RowsOfAResultAreRedacted(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := toolcall.Answer{Result: json.RawMessage(`[["db_password","Kq8vN3xB6w"],["user","orders-app-2"],["token","expired"]]`)}
	if r.Answer(&a); string(a.Result) != `[["db_password","[redacted: secret]"],["user","orders-app-2"],["token","expired"]]` || strings.Contains(string(a.Result), "Kq8v") {
		t.Error(string(a.Result))
	}
}

// Servers such as uvicorn list headers as bytes.
func TestText_RowsOfBytesAreRedacted(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	clean, count := r.Text("[(b'authorization', b'Basic YXBwOktxOHZOM3hCNnc='), (b'x-api-key', b'Kq8vN3xB6w'), (b'host', b'orders-2')]")
	if want := "[(b'authorization', b'Basic [redacted: credential]'), (b'x-api-key', b'[redacted: secret]'), (b'host', b'orders-2')]"; clean != want || count != 2 {
		t.Errorf("%q", clean)
	}
}
