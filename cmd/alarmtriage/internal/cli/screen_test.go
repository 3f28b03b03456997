package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Texts of a model and of AWS must not control the terminal.
func TestScreen_ShowsNoControlSequencesOfOthers(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, live: true, color: true, width: func() int { return 30 }}
	s.show("asking \x1b]0;title\a\x1b[2Jthe model\r\nfor more than the width of the terminal")
	s.write(green, "done \x1b[31mred\x1b[0m \u009b2J\nsecond line")
	assert.Equal(t, eraseLine+dim+"asking the model for more th…"+plainText+
		eraseLine+green+"done red second line"+plainText+"\n"+
		eraseLine+dim+"asking the model for more th…"+plainText, out.String())
	out.Reset()
	s.end()
	s.line("%d", 1)
	assert.Equal(t, eraseLine+"1\n", out.String())
}

func TestPurpose_SaysInOneLineWhatCodeDoes(t *testing.T) {
	for code, want := range map[string]string{
		"# read the errors\nprint(1)":                           "read the errors",
		"import json\nfrom x import y\n\nlogs = client('logs')": "logs = client('logs')",
		"```python\nprint(1)\n```":                              "print(1)",
		"#\n#  \nprint(2)":                                      "print(2)",
		"x = 1\n# then read the role's policies":                "then read the role's policies",
		"":                                                      "running code",
		"import sys":                                            "running code",
		"print('\x1b[2J')":                                      "print('')",
		"# read \u202esterces":                                  `read \u202Esterces`,
		"# read the role of \u0430ws":                           `read the role of \u0430ws`,
		"# \u25a0 ROOT CAUSE":                                   `\u25A0 ROOT CAUSE`,
		"# lire les événements à São Paulo, 东京":                 "lire les événements à São Paulo, 东京",
	} {
		assert.Equal(t, want, purpose(code), code)
	}
	assert.Len(t, []rune(purpose("# "+string(bytes.Repeat([]byte("long "), 100)))), maxPurpose)
}

func TestElapsed_IsShort(t *testing.T) {
	assert.Equal(t, "0s", elapsed(300*time.Millisecond))
	assert.Equal(t, "59s", elapsed(59*time.Second))
	assert.Equal(t, "1m04s", elapsed(64*time.Second))
	assert.Equal(t, "12m00s", elapsed(12*time.Minute))
	assert.Equal(t, []string{"0", "999", "1,000", "1,234,567"}, []string{thousands(0), thousands(999), thousands(1000), thousands(1234567)})
}

func TestParseTime_ReadsTimesAndDurations(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-25T03:12:00Z":      time.Date(2026, 11, 25, 3, 12, 0, 0, time.UTC),
		"2026-11-25T03:12:00+01:00": time.Date(2026, 11, 25, 2, 12, 0, 0, time.UTC),
		"2026-11-25 03:12":          time.Date(2026, 11, 25, 3, 12, 0, 0, time.UTC),
		"2026-11-25":                time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC),
		"90m":                       now.Add(-90 * time.Minute),
		"-2h":                       now.Add(-2 * time.Hour),
		"7d":                        now.AddDate(0, 0, -7),
	} {
		got, err := parseTime(text, now)
		assert.NoError(t, err)
		assert.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{"yesterday", "25.11.2026", "6"} {
		_, err := parseTime(text, now)
		assert.Error(t, err, text)
	}
}
