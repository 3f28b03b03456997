package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func TestRequests_NameTheSignerThatIsNotTheToolsRole(t *testing.T) {
	for _, test := range []struct {
		name string
		call toolcall.AWSCall
		line string
		what string
	}{
		{"the tool's role", toolcall.AWSCall{Service: "logs", Operation: "DescribeLogGroups", Region: "eu-west-1", Status: 200},
			"logs:DescribeLogGroups eu-west-1 200, 0 ms", "logs:DescribeLogGroups"},
		{"an assumed role", toolcall.AWSCall{Service: "logs", Operation: "DescribeLogGroups", Region: "eu-west-1", Status: 200, AccessKey: "ASIAROLE", Account: "111122223333"},
			"logs:DescribeLogGroups eu-west-1 200, 0 ms, access key ASIAROLE of account 111122223333", "logs:DescribeLogGroups, access key ASIAROLE of account 111122223333"},
		{"a refused key", toolcall.AWSCall{Service: "logs", Operation: "DescribeLogGroups", Region: "eu-west-1", AccessKey: "AKIAOTHER", Refused: "no"},
			"logs:DescribeLogGroups eu-west-1 0, 0 ms, access key AKIAOTHER, no", "logs:DescribeLogGroups, access key AKIAOTHER"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.line, requestLine(test.call))
			assert.Equal(t, test.what, viewRequest(test.call).What)
		})
	}
}

func TestCutChat_OfAFewCharactersIsAnEllipsis(t *testing.T) {
	for _, text := range []string{"hello", "`a b`", "*[x]* hello", "&amp;&amp;"} {
		for max := 1; max <= 3; max++ {
			assert.LessOrEqual(t, len([]rune(cutChat(text, max))), max, text)
		}
	}
}
