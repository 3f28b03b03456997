package permissions

import (
	"os"
	"syscall"
	"testing"
)

// TestMain starts the tests over without CDK's template validator, as those of the root package do.
func TestMain(m *testing.M) {
	const validation = "CDK_VALIDATION"
	if os.Getenv(validation) != "false" {
		if exe, err := os.Executable(); err == nil {
			// Only returns when it fails; then the tests run slowly, and right.
			_ = syscall.Exec(exe, os.Args, append(os.Environ(), validation+"=false"))
		}
	}
	os.Exit(m.Run())
}
