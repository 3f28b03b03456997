package permissions

import (
	"os"
	"syscall"
	"testing"
)

// TestMain restarts the tests without CDK's template validator, like that of the root package.
func TestMain(m *testing.M) {
	const validation = "CDK_VALIDATION"
	if os.Getenv(validation) != "false" {
		if exe, err := os.Executable(); err == nil {
			// Exec only returns if it fails; the tests then run slowly but correctly.
			_ = syscall.Exec(exe, os.Args, append(os.Environ(), validation+"=false"))
		}
	}
	os.Exit(m.Run())
}
