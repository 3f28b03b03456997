package command_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
)

func TestClassify_FileBeforeTheOptionsIsWritten(t *testing.T) {
	for _, text := range []string{
		"aws s3api get-object ./run.sh --bucket b --key /dev/stdout", "aws s3api get-object ~/.bashrc --bucket b --key /dev/null",
		"aws apigateway get-export out.json --rest-api-id a --stage-name s --export-type /dev/stderr", "aws s3api get-object --bucket b --key k run.sh",
	} {
		assert.Contains(t, command.Classify(text).Names(), "writes_file", text)
	}
	assert.Equal(t, []string{"reads_aws"}, command.Classify("aws s3api get-object --bucket b --key k /dev/stdout").Names())
}
