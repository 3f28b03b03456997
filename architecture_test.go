package alarmtriage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/cloudwatch-alarm-triage/alarmtriage/"

// architecturePage returns the text of docs/architecture.md and the packages in the order of its table.
func architecturePage(t *testing.T) (text string, packages []string) {
	t.Helper()
	page, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:internal|lambdas)/[^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		packages = append(packages, row[1])
	}
	require.NotEmpty(t, packages)
	return string(page), packages
}

func TestArchitecture_PackagesImportOnlyThoseAboveThem(t *testing.T) {
	_, packages := architecturePage(t)
	list := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./internal/...", "./lambdas/...")
	list.Stderr = os.Stderr
	output, err := list.Output()
	require.NoError(t, err)
	var existing []string
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(strings.ReplaceAll(line, modulePath, ""))
		name, imports := fields[0], fields[1:]
		existing = append(existing, name)
		for _, imported := range imports {
			if path := "/" + imported; !strings.HasPrefix(path, "/internal/") && !strings.HasPrefix(path, "/local/") {
				continue
			}
			at := slices.Index(packages, imported)
			assert.True(t, at >= 0 && at < slices.Index(packages, name),
				"%s imports %s, which is not in a row above it in docs/architecture.md", name, imported)
		}
		assert.NotContains(t, imports, strings.TrimSuffix(modulePath, "/"), "%s imports the construct", name)
	}
	assert.ElementsMatch(t, existing, packages, "the packages of docs/architecture.md")
}

func TestArchitecture_NamesExistInTheCode(t *testing.T) {
	text, _ := architecturePage(t)
	names := regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*(?:\.[A-Z]\w*)?)`).FindAllStringSubmatch(text, -1)
	require.Greater(t, len(names), 12)
	for _, name := range names {
		assert.Contains(t, exportedNames(t, name[1]), name[2], "docs/architecture.md names %s", name[0])
	}
}

// exportedNames returns the declarations of a package under internal: functions, types, variables, and Type.Method.
func exportedNames(t *testing.T, name string) (names []string) {
	t.Helper()
	files, err := filepath.Glob("internal/" + name + "/*.go")
	require.NoError(t, err)
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range source.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				names = append(names, receiverPrefix(d)+d.Name.Name)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						names = append(names, s.Name.Name)
					case *ast.ValueSpec:
						for _, identifier := range s.Names {
							names = append(names, identifier.Name)
						}
					}
				}
			}
		}
	}
	return names
}

func receiverPrefix(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return ""
	}
	receiver := function.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	if identifier, ok := receiver.(*ast.Ident); ok {
		return identifier.Name + "."
	}
	return ""
}

func TestGuides_NameFilesThatExist(t *testing.T) {
	for _, page := range []string{"CONTRIBUTING.md", "docs/architecture.md", "integ/README.md"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		paths := regexp.MustCompile("`((?:[a-z0-9_]+/)+[a-z0-9_.-]+\\.(?:go|py|json|md))`").FindAllStringSubmatch(string(text), -1)
		for _, path := range paths {
			assert.FileExists(t, path[1], page)
		}
	}
}
