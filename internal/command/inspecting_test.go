package command_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
)

func TestClassify_OptionOfInspectingProgramMayNameFile(t *testing.T) {
	for _, text := range []string{"dig -f .pgpass @192.0.2.1", "dig @192.0.2.1 -f .pgpass", "dig -k Kexample.key example.com", "dig -fnames.txt", "dig -b 192.0.2.1 example.com"} {
		assert.NotZero(t, command.Classify(text)&command.NotUnderstood, text)
	}
	for _, text := range []string{"dig example.com", "dig -x 192.0.2.1", "dig -4 -t MX example.com @192.0.2.1 +short"} {
		assert.Equal(t, command.NotAWS, command.Classify(text), text)
	}
}
