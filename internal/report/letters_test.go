package report_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

func TestText_LettersOfFormulasAndVariationsOfEmoji(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a letter of formulas outside of their block", "\u210Eealthy", `\u210Eealthy`},
		{"the sign of kelvin", "\u212Aubectl", `\u212Aubectl`},
		{"a double-struck letter", "\u2102PU", `\u2102PU`},
		{"a small capital outside of the phonetic letters", "aw\uA731 in use", `aw\uA731 in use`},
		{"a click that looks like an l", "e\u01C0b in use", `e\u01C0b in use`},
		{"letters of a historic alphabet", "\U000118D4ws in use", `\U000118D4ws in use`},
		{"an emoji that is a letter", "\u2139\uFE0F see below", "\u2139\uFE0F see below"},
		{"an emoji that is a dash", "\u3030\uFE0F", "\u3030\uFE0F"},
		{"signs of units", "5 \u2103, 3 \u2126, \u2116 7, \u2122", "5 \u2103, 3 \u2126, \u2116 7, \u2122"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := &investigation.Record{Outcome: investigation.OutcomeCompleted, Report: investigation.Report{Summary: tt.text}}
			assert.Contains(t, report.Text(rec, report.Links{}), "  "+tt.want+"\n")
		})
	}
}
