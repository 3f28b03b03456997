package command

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// example matches a command in the documentation of the AWS CLI: an indented paragraph that begins with aws.
var example = regexp.MustCompile(`(?m)^[ \t]+(aws (\S+) (\S+)(?:.*\n)(?:[ \t]*\S.*\n)*)`)

// The examples of the AWS CLI have the syntax that people write. It must not make a command look milder than its operation alone, and must
// not hide that a command only reads.
func TestClassify_ExamplesOfTheAWSCLIDoWhatTheirOperationDoes(t *testing.T) {
	python, err := moto.Tool("python")
	require.NoError(t, err)
	out, err := exec.Command(python, "-c", "import awscli, os; print(os.path.dirname(awscli.__file__), end='')").Output()
	require.NoError(t, err, "a Python with awscli is needed; `make setup` prepares one")
	const ofOperation = ChangesPermissions | Deletes | ChangesState | MayChangeState | RunsCode | ReadsAWS
	all, reads, understood := 0, 0, 0
	require.NoError(t, filepath.WalkDir(filepath.Join(string(out), "examples"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".rst" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range example.FindAllStringSubmatch(string(text)+"\n", -1) {
			if strings.HasPrefix(found[3], "-") || found[2] == "s3" { // whose effect depends on arguments
				continue
			}
			all++
			want, got := Classify("aws "+found[2]+" "+found[3]), Classify(found[1])
			if got.has(NotUnderstood) {
				continue
			}
			understood++
			if got.has(ReadsAWS) {
				reads++
			}
			assert.Equal(t, want&ofOperation, got&ofOperation, "%s", found[1])
		}
		return err
	}))
	assert.Greater(t, all, 6000)
	assert.Greater(t, reads, 2500)
	assert.Greater(t, understood, all*95/100)
}
