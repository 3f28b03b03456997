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
