package report_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

func TestText_EscapesImitationsAndInvisibleCharacters(t *testing.T) {
	for text, want := range map[string]string{
		"ɑws": `\u0251ws`, "aᴡs": `a\u1D21s`, "ⅰam": `\u2170am`, "ſsl": `\u017Fsl`, "ǃroot": `\u01C3root`, "aｗs": `a\uFF57s`,
		"pay\u2065ment": `pay\u2065ment`, "pay\ufffcment": `pay\uFFFCment`, "pay\U00016fe4ment": `pay\U00016FE4ment`,
		"kapı": "kapı", "ＡＷＳ の障害": "ＡＷＳ の障害", "5 μs": "5 μs",
	} {
		rec := &investigation.Record{Report: investigation.Report{Summary: text}}
		assert.Contains(t, report.Text(rec, report.Links{}), want, text)
	}
}
