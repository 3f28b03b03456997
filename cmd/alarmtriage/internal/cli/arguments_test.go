package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReadTexts_InstructionsAreATextOrAFile(t *testing.T) {
	for _, text := range []string{"Only words.", "日本語で報告してください", "请用中文写报告。", "เขียนเป็นภาษาไทย", "日本語で　報告"} {
		got, err := readTexts(text, "")
		assert.NoError(t, err)
		assert.Equal(t, text, got)
	}
	for _, missing := range []string{"style", "rules/style.md", "指示.md", "規則/指示"} {
		_, err := readTexts(missing, "")
		assert.ErrorContains(t, err, missing+" cannot be read")
	}
	_, err := readTexts("", "/dev/zero") // has no end
	assert.ErrorContains(t, err, "/dev/zero has more than the 65536 bytes")
}
