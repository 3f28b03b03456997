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

// An option can have several values, and the file can be before it.
func TestClassify_ListBeforeADescriptorDoesNotHideTheFile(t *testing.T) {
	for _, text := range []string{
		"aws geo-maps get-style-descriptor ~/.bashrc --style Standard --travel-modes Car /dev/stdout",
		"aws geo-maps get-style-descriptor --style Standard run.sh --travel-modes Car /dev/stdout",
		"aws geo-maps get-style-descriptor --no-paginate run.sh --style Standard --travel-modes Car /dev/stdout",
		"aws geo-maps get-style-descriptor --style=Standard run.sh --travel-modes Car /dev/stdout",
		"aws --debug kinesis-video-archived-media get-media-for-fragment-list run.sh --fragments a b /dev/null",
	} {
		assert.Contains(t, command.Classify(text).Names(), "writes_file", text)
	}
	for _, text := range []string{
		"aws --region us-east-1 s3api get-object --bucket b --key=k /dev/stdout", "aws s3api get-object --bucket b --key k --no-cli-pager /dev/stdout",
	} {
		assert.Equal(t, []string{"reads_aws"}, command.Classify(text).Names(), text)
	}
}
