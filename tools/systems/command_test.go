// Package systems checks that the command compiles for systems on which CI does not run.
package systems

import (
	"os"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Type checking from source finds what would keep a program from compiling, and takes a fraction of the time of compiling the AWS
// SDK for each system.
func TestCommand_CompilesForOtherSystems(t *testing.T) {
	for _, system := range []string{"darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			loaded, err := packages.Load(&packages.Config{
				Mode: packages.LoadAllSyntax,
				Dir:  "../../cmd/alarmtriage",
				Env:  append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"),
			}, ".")
			if err != nil {
				t.Fatal(err)
			}
			if len(loaded) != 1 || loaded[0].Name != "main" {
				t.Fatalf("loaded %v, want the command", loaded)
			}
			packages.Visit(loaded, nil, func(p *packages.Package) {
				for _, problem := range p.Errors {
					t.Error(problem)
				}
			})
		})
	}
}
