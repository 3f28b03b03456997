// Package realtool compiles the tool function for a local host: behind the wrapper, with the harness as its
// layer and a real Python, as in Lambda. It is for tests that need the tool without a deployment.
package realtool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// EnvLayer names the directory in which the tool's layer is mounted.
const EnvLayer = "ALARMTRIAGE_LAYER"

// Tool is a compiled tool function.
type Tool struct{ binary, python, layer string }

// Build compiles the tool of this checkout into a directory. Its error contains the compiler's output.
func Build(directory string) (Tool, error) { return BuildFrom(moto.Root(), directory) }

// BuildFrom compiles the tool of another checkout, such as that of an earlier commit.
func BuildFrom(root, directory string) (Tool, error) {
	python, err := moto.Tool("python")
	if err != nil {
		return Tool{}, err
	}
	t := Tool{binary: filepath.Join(directory, "tool"), python: python, layer: filepath.Join(directory, "layer")}
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-o", t.binary, "./lambdas/tool")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return Tool{}, fmt.Errorf("build the tool: %w\n%s", err, out)
	}
	if err := os.Mkdir(t.layer, 0o755); err != nil {
		return Tool{}, fmt.Errorf("make the layer: %w", err)
	}
	if err := os.Symlink(filepath.Join(root, "pythonlayer"), filepath.Join(t.layer, "python")); err != nil {
		return Tool{}, fmt.Errorf("make the layer: %w", err)
	}
	return t, nil
}

// Function returns the tool with a name, for AWS at a URL. The caller may change it before adding it to a
// host.
func (t Tool) Function(name, aws string) lambdahost.Function {
	return lambdahost.Function{
		Name: name, Command: []string{t.binary, t.python, "bootstrap.py"}, Timeout: 30 * time.Second, MemoryMB: 1024,
		Env: map[string]string{
			EnvLayer: t.layer, "AWS_ENDPOINT_URL": aws,
			"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": "testing",
		},
	}
}
