package alarmtriage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
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

func TestDocs_PropsMatchTheCode(t *testing.T) {
	const page = "docs/construct.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	got := string(text)
	for _, structure := range []struct{ file, name string }{{"props.go", "AlarmTriageProps"}, {"attach_sources.go", "AlarmFilter"}, {"attach_sources.go", "EventRuleProps"}, {"attach_sources.go", "AlarmTopicProps"}} {
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

// modelsTable is the Markdown table of the catalog's models that still answer.
func modelsTable(now time.Time) string {
	access := map[models.Access]string{
		models.AccessNone: "none", models.AccessMarketplace: "subscription",
		models.AccessMarketplaceAndForm: "subscription and form", models.AccessUnknown: "not known",
	}
	dollars := func(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
	var b strings.Builder
	b.WriteString("| model | id, behind the profile | profiles | in / out | access | end of life |\n|---|---|---|---|---|---|\n")
	for _, m := range models.All() {
		if m.Retired(now) {
			continue
		}
		var profiles []string
		for _, profile := range m.Profiles {
			mark := ""
			if m.Price != nil && m.Price.GeographicSurcharge > 0 && profile != models.GlobalProfile {
				mark = "⁺"
			}
			profiles = append(profiles, "`"+profile+"`"+mark)
		}
		if m.InRegion {
			profiles = append(profiles, "in Region")
		}
		price := "not known"
		if m.Price != nil {
			price = dollars(m.Price.Input) + " / " + dollars(m.Price.Output)
			if long := m.Price.Long; long != nil {
				price += fmt.Sprintf(", over %d k of input %s / %s", long.Over/1000, dollars(long.Input), dollars(long.Output))
			}
		}
		end := ""
		switch life := m.Lifecycle; {
		case !life.EndOfLife.IsZero():
			end = life.EndOfLife.String()
		case !life.NotBefore.IsZero():
			end = "not before " + life.NotBefore.String()
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s |\n", m.Name, m.ID+m.Suffix, strings.Join(profiles, ", "), price, access[m.Access], end)
	}
	return b.String()
}

func TestDocs_ModelsMatchTheCatalog(t *testing.T) {
	const page, begin, end = "README.md", "<!-- models -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "%s has no %s", page, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no %s", page, end)
	checked := time.Time{} // the catalog's date, so that the page doesn't change with the calendar
	for _, m := range models.All() {
		if m.Checked.After(checked) {
			checked = m.Checked.Time
		}
	}
	got := before + begin + modelsTable(checked) + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(got), 0o644))
		return
	}
	assert.Equal(t, got, string(text), "run `go test . -update`")
}

// readmeNames are the names in backquotes of the first column of the README's table under a heading, without their
// arguments.
func readmeNames(t *testing.T, heading string) []string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## "+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	var names []string
	for line := range strings.SplitSeq(section, "\n") {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") {
			for _, name := range regexp.MustCompile("`([A-Za-z]+)(?:\\([a-z]*\\))?`").FindAllStringSubmatch(cells[0], -1) {
				names = append(names, name[1])
			}
		}
	}
	return names
}

func TestDocs_CoverEachPropAndAccessorOnce(t *testing.T) {
	var props, accessors []string
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(source, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.TypeSpec:
				if n.Name.Name == "AlarmTriageProps" {
					for _, field := range n.Type.(*ast.StructType).Fields.List {
						props = append(props, field.Names[0].Name)
					}
				}
			case *ast.FuncDecl:
				// The ways to attach have a table of their own.
				if n.Recv == nil {
					return true
				}
				receiver, _ := n.Recv.List[0].Type.(*ast.StarExpr)
				if receiver != nil && fmt.Sprint(receiver.X) == "AlarmTriage" && n.Name.IsExported() && !strings.HasPrefix(n.Name.Name, "Attach") && n.Name.Name != "AlarmAction" {
					accessors = append(accessors, n.Name.Name)
				}
			}
			return true
		})
	}
	assert.ElementsMatch(t, props, readmeNames(t, "Props"))
	assert.ElementsMatch(t, accessors, readmeNames(t, "Outputs"))
}

// A tag of somebody's action can be moved to other code; a commit can't.
func TestWorkflows_PinActionsByCommit(t *testing.T) {
	workflows, err := filepath.Glob(".github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, workflows)
	for _, workflow := range workflows {
		text, err := os.ReadFile(workflow)
		require.NoError(t, err)
		uses := regexp.MustCompile(`uses: .*`).FindAllString(string(text), -1)
		require.NotEmpty(t, uses)
		for _, use := range uses {
			assert.Regexp(t, `^uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+$`, use)
		}
	}
}

// The README's troubleshooting goes by what people see: each text that it quotes is one of the code's.
// A target that has a file's name does nothing, unless make is told.
func TestMake_RunsEachTargetOfItsHelp(t *testing.T) {
	run := func(arguments ...string) string {
		cmd := exec.Command("make", arguments...)
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", text)
		return string(text)
	}
	targets := regexp.MustCompile(`(?m)^make (\w+)`).FindAllStringSubmatch(run("help"), -1)
	require.NotEmpty(t, targets)
	for _, target := range targets {
		planned := run("--dry-run", target[1])
		assert.NotContains(t, planned, "is up to date")
		assert.NotContains(t, planned, "Nothing to be done")
	}
}

// jsii prints a banner at every synth on a Node that it no longer supports, and a machine may have one.
func TestMake_UsesTheNodeOfPackageJSON(t *testing.T) {
	text, err := os.ReadFile("package.json")
	require.NoError(t, err)
	var pinned struct{ DevDependencies map[string]string }
	require.NoError(t, json.Unmarshal(text, &pinned))
	cmd := exec.Command("make", "--no-print-directory", "--silent", "--eval", "print-node: ; node --version", "print-node")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	version, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", version)
	assert.Equal(t, "v"+pinned.DevDependencies["node"], strings.TrimSpace(string(version)))
}

func TestTroubleshooting_QuotesTheCode(t *testing.T) {
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
