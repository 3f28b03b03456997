package report_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func TestText_EscapesImitationsAndInvisibleCharacters(t *testing.T) {
	for text, want := range map[string]string{
		"ɑws": `\u0251ws`, "aᴡs": `a\u1D21s`, "ⅰam": `\u2170am`, "ſsl": `\u017Fsl`, "ǃroot": `\u01C3root`, "aｗs": `a\uFF57s`,
		"ɪAM": `\u026AAM`, "ʀoot": `\u0280oot`, "ᗪELETE": `\u15EAELETE`, "ROⵏE": `RO\u2D4FE`, "ᛖFA": `\u16D6FA`, "𐌀WS": `\U00010300WS`,
		"pay\u2065ment": `pay\u2065ment`, "pay\ufffcment": `pay\uFFFCment`, "pay\U00016fe4ment": `pay\U00016FE4ment`,
		"kapı": "kapı", "ɛwɔ": "ɛwɔ", "ⵜⴰⵎⴰⵣⵉⵖⵜ": "ⵜⴰⵎⴰⵣⵉⵖⵜ", "👍🏿 and ☝️🏽": "👍🏿 and ☝️🏽", "ＡＷＳ の障害": "ＡＷＳ の障害", "5 μs": "5 μs",
	} {
		rec := &investigation.Record{Report: investigation.Report{Summary: text}}
		assert.Contains(t, report.Text(rec, report.Links{}), want, text)
	}
}

func TestText_EscapesEverySymbolThatLooksLikeAMark(t *testing.T) {
	for _, r := range "■▲▌" + "∎￭⏹⯀🟥⏶⯅🔺◢❚┃🮇" + "▖▟█▎▏░▓▪▮▰▶►▼◀◭◧◰◽⬛⬜⬝⏵⏸⏏⏫🔼🔻🔲🔳🟦🟫🞂🞍❙❘❒⧈⧮⛛🛆🢑⮝⮙⎕⌷⏽╏╽🬀🮮⊿⧊" + "☐☑☒⟁⟤⟥⧠⫾⫿🙪🞔🞕🞖∆∇ᐃᐁᐅᐊ⊠⊡⚀‣\U0001D147\U0001D149🏻🏿🀫🂠" {
		rec := &investigation.Record{Report: investigation.Report{Summary: "word " + string(r) + " IMMEDIATE ACTIONS"}}
		assert.Contains(t, report.Text(rec, report.Links{}), "word "+command.Escape(r)+" IMMEDIATE ACTIONS", "U+%04X", r)
	}
	for _, text := range []string{"● nginx.service", "○ ◆ ◇ → ✓ ✗ ⚠ 🚨 🟢 ✅", "├── a │ └─ b", "口 ロ ㅁ Δ", "ᐃᓄᒃᑎᑐᑦ", "A\u20DE 1\u20E3 1\uFE0F\u20E3 é\u20DD", "⊏ √ ㎡ ⌗", "╭─╮ ║ ═", "|｜ǀ"} {
		rec := &investigation.Record{Report: investigation.Report{Summary: text}}
		assert.Contains(t, report.Text(rec, report.Links{}), text)
	}
}

// A mark that encloses a blank is shown as a square or a triangle.
func TestText_EscapesEnclosingMarksOfNothing(t *testing.T) {
	for _, before := range []string{" ", "\u00a0", ".", "\u3000", "\u200b", "\u2800", "─", " \u0301", "word.\n"} {
		for r := rune(0x20DD); r <= 0x20E4; r++ {
			rec := &investigation.Record{Report: investigation.Report{Summary: "word" + before + string(r) + " IMMEDIATE ACTIONS"}}
			text := report.Text(rec, report.Links{})
			assert.NotContains(t, text, string(r), "%q U+%04X", before, r)
			assert.Contains(t, text, command.Escape(r), "%q U+%04X", before, r)
		}
	}
}

// ignorable are the ranges of Default_Ignorable_Code_Point in DerivedCoreProperties.txt of the Unicode Character Database.
var ignorable = [][2]rune{
	{0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x200B, 0x200F}, {0x202A, 0x202E},
	{0x2060, 0x206F}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3},
	{0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
}

func TestText_EscapesEveryInvisibleCharacter(t *testing.T) {
	others := [][2]rune{{0x2800, 0x2800}, {0x1D159, 0x1D159}, {0xFFF9, 0xFFFC}, {0x13440, 0x13440}, {0x16FE4, 0x16FE4}} // shown as nothing, too
	for _, span := range append(others, ignorable...) {
		for r := span[0]; r <= span[1]; r++ {
			rec := &investigation.Record{Report: investigation.Report{Summary: "pay" + string(r) + "ment"}}
			text := report.Text(rec, report.Links{})
			assert.NotContains(t, text, string(r), "U+%04X", r)
			assert.Contains(t, text, "pay"+command.Escape(r)+"ment", "U+%04X", r)
		}
	}
}

// A mail program may take everything up to a blank, or up to the path, for the address.
func TestText_DeceptiveAddressesAreNoLinks(t *testing.T) {
	for _, between := range []string{"", "'", "(login)", `"`, "`", "{a}", "|", "<", "[x]", ";", ":", ":443", "),", "*", "%40", `\`, "'()[]{}|<>", "’", "。"} {
		for _, scheme := range []string{"https", "HTTP", "ftp"} {
			address := scheme + "://aws.amazon.com" + between + "@evil.example/x"
			rec := &investigation.Record{Report: investigation.Report{Summary: "See " + address + " now."}}
			text := report.Text(rec, report.Links{})
			assert.NotContains(t, text, scheme+"://", address)
			assert.Contains(t, text, scheme+"[:]//aws.amazon.com", address)
		}
	}
	for _, marked := range []string{"ht`t`ps://aws.amazon.com@evil.example", "https:`//`aws.amazon.com@evil.example", "**https**://aws.amazon.com@evil.example", "https://`aws.amazon.com`'@evil.example"} {
		rec := &investigation.Record{Report: investigation.Report{Summary: marked, NotSeen: []string{marked}, Prevention: []string{marked}}}
		assert.NotContains(t, report.Text(rec, report.Links{}), "https://", marked)
	}
	for _, before := range []string{`https:\\x:`, `http://a\:`, "https://\u0430:", `ftp:\\ü`} { // addresses within the hosts of others
		rec := &investigation.Record{Report: investigation.Report{Summary: strings.Repeat(before, 9) + "https://aws.amazon.com@evil.example/x"}}
		assert.Contains(t, report.Text(rec, report.Links{}), "https[:]//aws.amazon.com@evil.example/x", before)
	}
	for _, address := range []string{
		"https://evil.example", "https://console.aws.amazon.com/x?user=a@b.example#c@d", "https://evil.example/@user", "https://evil.example?x=@y",
		"https://evil.example (mail me@evil.example)", "https://[2001:db8::1]/x", "see me@evil.example https://evil.example",
	} {
		rec := &investigation.Record{Report: investigation.Report{Summary: address}}
		assert.Contains(t, report.Text(rec, report.Links{}), address)
	}
}

// The time to render must not grow with the square of the length of a line: these would take hours.
func TestText_LongLinesOfColonsAndMarksAreRendered(t *testing.T) {
	for _, repeated := range []string{":", "ab:", "https:", `https:\\`, "https://", `https:\\a:b`, "\u20dd", "a\u0301\u20dd", "\u0301\u20e0"} {
		line := strings.Repeat(repeated, 2<<20/len(repeated))
		rec := &investigation.Record{Rounds: []investigation.Round{{Calls: []investigation.ToolCall{
			{Number: 1, Answer: &toolcall.Answer{Stdout: line + " end of the line"}},
		}}}}
		assert.Contains(t, report.Text(rec, report.Links{}), " end of the line", "%q", repeated)
	}
}

// A schema allows no null for a list or an object.
func TestJSON_HasNoNullForObjects(t *testing.T) {
	rec := &investigation.Record{Alarm: alarmevent.Alarm{Contributor: &alarmevent.Contributor{ID: "c"}}}
	encoded, err := report.JSON(rec)
	require.NoError(t, err)
	assert.Contains(t, string(encoded), `"attributes": {}`)
}
