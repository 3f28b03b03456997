package agent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestParseAction_CommandsCanBeCopied(t *testing.T) {
	tooLong := strings.Repeat("x", maxCommand+1)
	for _, c := range []struct {
		name, command string
		want          investigation.Action
	}{
		{"plain", "aws s3 ls", investigation.Action{Text: "Look.", Command: "aws s3 ls"}},
		{"in backticks, which a shell would run", "`aws s3 ls`", investigation.Action{Text: "Look.", Command: "aws s3 ls"}},
		{"in a fence", "```bash\naws s3 ls \\\n  s3://b\n```", investigation.Action{Text: "Look.", Command: "aws s3 ls \\\n  s3://b"}},
		{"with odd characters, which the report shows", "aws s3 rm s3://b/pre\bfix \u202e", investigation.Action{Text: "Look.", Command: "aws s3 rm s3://b/pre\bfix \u202e"}},
		{"with blanks around it", " \r\naws s3 ls\r\n", investigation.Action{Text: "Look.", Command: "aws s3 ls"}},
		{"with a substitution", "echo `date` `id`", investigation.Action{Text: "Look.", Command: "echo `date` `id`"}},
		{"a substitution at each end", "`which aws` s3 ls `cat b`", investigation.Action{Text: "Look.", Command: "`which aws` s3 ls `cat b`"}},
		{"longer than a quote", strings.Repeat("y", 3*maxQuote), investigation.Action{Text: "Look.", Command: strings.Repeat("y", 3*maxQuote)}},
		{"too long", tooLong, investigation.Action{Text: "Look. (The command is too long for a report.)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			action, ok := parseAction(map[string]any{"text": "Look.", "command": c.command})
			require.True(t, ok)
			assert.Equal(t, c.want, action)
		})
	}
}

func TestParseAction_CommandWithoutTextIsTheText(t *testing.T) {
	action, ok := parseAction(map[string]any{"command": "aws s3 rm s3://b/pre\bfix \u202e"})
	require.True(t, ok)
	assert.Equal(t, investigation.Action{Text: "aws s3 rm s3://b/prefix", Command: "aws s3 rm s3://b/pre\bfix \u202e"}, action)
	_, ok = parseAction(map[string]any{"command": "\u202e"})
	assert.False(t, ok)
}
