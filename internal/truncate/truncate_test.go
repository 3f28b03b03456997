package truncate_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

func TestBytes_KeepsTheLimitAndWholeCharacters(t *testing.T) {
	for _, tt := range []struct {
		text string
		max  int
		want string
	}{
		{"short", 5, "short"}, {"shorter", 6, "sho…"}, {"äöüä", 7, "äö…"}, {"äöüä", 6, "ä…"}, {"abc", 2, "ab"[:0]}, {"", 0, ""}, {"a\xffb", 10, "a\uFFFDb"},
	} {
		assert.Equal(t, tt.want, truncate.Bytes(tt.text, tt.max), "%q in %d bytes", tt.text, tt.max)
	}
}

func TestRunes_CountsCharacters(t *testing.T) {
	for _, tt := range []struct {
		text string
		max  int
		want string
	}{
		{"äöü", 3, "äöü"}, {"äöüä", 3, "äö…"}, {"abc", 1, "…"}, {"abc", 0, ""},
	} {
		assert.Equal(t, tt.want, truncate.Runes(tt.text, tt.max), "%q in %d characters", tt.text, tt.max)
	}
}

func TestOneLine_FoldsWhiteSpace(t *testing.T) {
	assert.Equal(t, "a b c", truncate.OneLine(" a\n\tb  c\n", 10))
}

func TestMiddle_KeepsBothEnds(t *testing.T) {
	for _, c := range []struct {
		name, text string
		max        int
		want       string
		missing    int
	}{
		{"a text that fits", "abcdef", 6, "abcdef", 0},
		{"one byte too many", "abcdefg", 6, "abc\n… 1 bytes left out …\nefg", 1},
		{"an odd limit", "abcdefg", 5, "ab\n… 3 bytes left out …\nfg", 3},
		{"characters of two bytes", "äöüäöü", 6, "ä\n… 8 bytes left out …\nü", 8},
		{"nothing is kept", "abc", 1, "\n… 3 bytes left out …\n", 3},
		{"invalid UTF-8", "a\xff", 9, "a\uFFFD", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			short, missing := truncate.Middle(c.text, c.max)
			assert.Equal(t, c.want, short)
			assert.Equal(t, c.missing, missing)
		})
	}
}

func TestBeforeAndAfter_AreBoundariesAroundAByte(t *testing.T) {
	const text = "aäb" // the second character is bytes 1 and 2
	assert.Equal(t, []int{0, 1, 1, 3, 4, 4}, []int{
		truncate.Before(text, -1), truncate.Before(text, 1), truncate.Before(text, 2), truncate.Before(text, 3), truncate.Before(text, 4), truncate.Before(text, 9)})
	assert.Equal(t, []int{0, 1, 3, 3, 4, 4}, []int{
		truncate.After(text, -1), truncate.After(text, 1), truncate.After(text, 2), truncate.After(text, 3), truncate.After(text, 4), truncate.After(text, 9)})
}

func FuzzBytes(f *testing.F) {
	f.Add("äöü", 3)
	f.Fuzz(func(t *testing.T, text string, max int) {
		for _, short := range []string{truncate.Bytes(text, max%1000), truncate.Runes(text, max%1000)} {
			if !utf8.ValidString(short) {
				t.Fatalf("not valid: %q", short)
			}
		}
		if short := truncate.Bytes(text, max%1000); max%1000 >= 0 && len(short) > max%1000 {
			t.Fatalf("%d bytes of at most %d", len(short), max%1000)
		}
		if !strings.HasPrefix(strings.ToValidUTF8(text, "\uFFFD"), strings.TrimSuffix(truncate.Bytes(text, max%1000), truncate.Ellipsis)) {
			t.Fatal("not a prefix")
		}
	})
}
