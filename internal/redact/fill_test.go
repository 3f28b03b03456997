package redact

import (
	"strings"
	"testing"
)

// Digits that somebody wrote into a log line do not hide secrets with placeholders.
func TestText_LongNumbersDoNotHidePlaceholders(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, digits := range []string{"", "0", "1", "7", "01234567"} {
		text := "password=abcXYZ-<n>-kLm\nid="
		for _, digit := range digits {
			text += strings.Repeat(string(digit), 80) + " "
		}
		if clean, count := r.Text(text); strings.Contains(clean, "kLm") || count == 0 {
			t.Errorf("beside runs of %q: %q", digits, clean)
		}
	}
}
