package alarmtriage_test

import (
	"os"
	"syscall"
	"testing"
)

// TestMain restarts the tests without CDK's template validator, which takes seconds in each process.
// Setting the variable here is too late, because jsii copies the environment during package initialization.
// A separate test runs the validator.
func TestMain(m *testing.M) {
	const validation = "CDK_VALIDATION"
	if _, set := os.LookupEnv(validation); !set {
		if exe, err := os.Executable(); err == nil {
			// Exec only returns if it fails; the tests then run slowly but correctly.
			_ = syscall.Exec(exe, os.Args, append(os.Environ(), validation+"=false"))
		}
	}
	os.Exit(m.Run())
}
