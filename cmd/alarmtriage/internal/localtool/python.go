package localtool

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// EnvPython names the Python interpreter to use.
const EnvPython = "ALARMTRIAGE_PYTHON"

// describePython prints what a Python interpreter is, as JSON.
//
//go:embed describe.py
var describePython string

// probeTime is how long an interpreter may take to describe itself.
const probeTime = 20 * time.Second

// python is a Python interpreter that can run the sandbox.
type python struct {
	Interpreter string   `json:"interpreter"` // path of the binary
	Version     string   `json:"version"`     // such as 3.13
	Search      []string `json:"search"`      // directories of boto3 and its dependencies
	Readable    []string `json:"readable"`    // what Python itself reads
	Problem     string   `json:"problem"`     // why the sandbox cannot use it; may be empty
}

// findPython returns the first interpreter that has boto3. The error has the reason of each that was tried.
func findPython(ctx context.Context, chosen string, getenv func(string) string) (python, error) {
	names := []string{"python3", "python3.13", "python3.12", "python3.11", "python"}
	if chosen == "" {
		chosen = getenv(EnvPython)
	}
	if chosen != "" {
		names = []string{chosen}
	}
	var problems []string
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		found, err := describe(ctx, path)
		if err == nil {
			return found, nil
		}
		if problem := name + " " + err.Error(); !slices.Contains(problems, problem) {
			problems = append(problems, problem)
		}
	}
	if len(problems) == 0 {
		return python{}, fmt.Errorf("there is no %s on the PATH", names[0])
	}
	return python{}, errors.New(strings.Join(problems, ", "))
}

func describe(ctx context.Context, path string) (python, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-c", describePython)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return python{}, fmt.Errorf("does not work (%s)", truncate.Bytes(lines[len(lines)-1], maxMessage))
	}
	var found python
	if err := json.Unmarshal(out, &found); err != nil {
		return python{}, errors.New("does not describe itself")
	}
	if found.Problem != "" {
		return python{}, errors.New(found.Problem)
	}
	return found, nil
}
