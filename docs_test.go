package alarmtriage_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// propsTable is the Markdown table of a struct's fields: name, type, and the comment.
func propsTable(t *testing.T, file, name string) string {
	t.Helper()
	files := token.NewFileSet()
	source, err := parser.ParseFile(files, file, nil, parser.ParseComments)
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("| prop | type | |\n|---|---|---|\n")
	ast.Inspect(source, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			var kind bytes.Buffer
			require.NoError(t, format.Node(&kind, files, field.Type))
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			assert.Regexp(t, `(Required\.|Default: .+)$`, text, "%s.%s says neither Required nor Default", name, field.Names[0].Name)
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", field.Names[0].Name, kind.String(), strings.ReplaceAll(text, "|", "\\|"))
		}
		return false
	})
	return b.String()
}

func TestDocumentedPropsAreThoseOfTheCode(t *testing.T) {
	const page = "docs/construct.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	got := string(text)
	for _, structure := range []struct{ file, name string }{{"props.go", "AlarmTriageProps"}, {"sources.go", "AlarmFilter"}, {"sources.go", "EventRuleProps"}, {"sources.go", "AlarmTopicProps"}} {
		begin, end := "<!-- "+structure.name+" -->\n", "<!-- end -->\n"
		before, rest, found := strings.Cut(got, begin)
		require.True(t, found, "%s has no %s", page, begin)
		_, after, found := strings.Cut(rest, end)
		require.True(t, found, "%s has no %s", page, end)
		got = before + begin + propsTable(t, structure.file, structure.name) + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(got), 0o644))
		return
	}
	assert.Equal(t, got, string(text), "run `go test . -update`")
}

// The README's troubleshooting goes by what people see: each text that it quotes is one of the code's.
func TestTroubleshootingQuotesWhatTheCodeSays(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "| what you see |")
	require.True(t, found)
	table, _, _ := strings.Cut(rest, "\n\n")
	var said strings.Builder
	for _, root := range []string{"internal", "lambdas", "pythonlayer", "bundle.go", "props.go"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".py") {
				return err
			}
			text, err := os.ReadFile(path)
			said.Write(text)
			return err
		}))
	}
	quotes := 0
	for _, row := range strings.Split(table, "\n") {
		seen, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, quote := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(seen, -1) {
			for _, fragment := range strings.Split(quote[1], "…") {
				if fragment = strings.TrimSpace(fragment); len(strings.Fields(fragment)) > 1 {
					quotes++
					assert.True(t, strings.Contains(said.String(), fragment), "nothing says %q: %s", fragment, row)
				}
			}
		}
	}
	assert.Greater(t, quotes, 12)
}
