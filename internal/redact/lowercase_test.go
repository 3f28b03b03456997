package redact

import (
	"strings"
	"testing"
)

// A password of small letters and digits is one also in sentences and rows.
func TestText_PasswordsOfSmallLettersInSentencesAndRows(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"Your password has been set to *", "the password is *", "API key is *", "db_password;*", "| password | * |", "net user app * /add", "useradd -p * app", "vault login *"} {
		for _, secret := range []string{"8f3kd9s1qz", "k7x9q2m4"} {
			if clean, _ := r.Text(strings.ReplaceAll(form, "*", secret)); strings.Contains(clean, secret) {
				t.Error(clean)
			}
		}
	}
	for _, text := range []string{"the password of orders-db-2", "password reset orders2", "secret h264x265", "token us-east-1a"} {
		if clean, count := r.Text(text); count > 0 {
			t.Error(clean)
		}
	}
}
