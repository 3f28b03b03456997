// Package templatetest runs the tests that synthesize templates.
package templatetest

import (
	"os"
	"syscall"
)

const validation = "CDK_VALIDATION" // the variable that turns CDK's template validator off

// Run runs the tests of m, which is a *testing.M, without CDK's template validator: it costs seconds in each
// process, and one test of the root package covers it. jsii copies the environment while packages are
// initialized, which is before TestMain. Run therefore sets the variable and executes the test binary again.
// If the variable is set, Run leaves it as it is.
func Run(m interface{ Run() int }) (exitCode int) {
	if _, set := os.LookupEnv(validation); !set {
		if binary, err := os.Executable(); err == nil {
			// Exec only returns if it fails. The tests then run with the validator: slower, with the same
			// results.
			_ = syscall.Exec(binary, os.Args, append(os.Environ(), validation+"=false"))
		}
	}
	return m.Run()
}
