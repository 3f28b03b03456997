package alarmtriage_test

import (
	"os"
	"syscall"
	"testing"
)

// TestMain starts the tests over without CDK's template validator, which costs seconds in each process:
// jsii copies the environment while packages are initialised, so that setting it here is too late. The
// validator has a test of its own.
func TestMain(m *testing.M) {
	const validation = "CDK_VALIDATION"
	if _, set := os.LookupEnv(validation); !set {
		if exe, err := os.Executable(); err == nil {
			// Only returns when it fails; then the tests run slowly, and right.
			_ = syscall.Exec(exe, os.Args, append(os.Environ(), validation+"=false"))
		}
	}
	os.Exit(m.Run())
}
