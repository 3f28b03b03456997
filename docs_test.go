package alarmtriage_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/iamactions"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// propsTable returns the Markdown table of a struct's fields: name and comment. A comment between
// fields that documents none of them is a heading.
func propsTable(t *testing.T, file, name string) string {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("| prop | |\n|---|---|\n")
	ast.Inspect(source, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		fields := spec.Type.(*ast.StructType).Fields.List
		end := fields[0].Pos()
		for i, field := range fields {
			for _, comment := range source.Comments {
				if i > 0 && comment.Pos() > end && comment.Pos() < field.Pos() && comment != field.Doc {
					fmt.Fprintf(&b, "| **%s** | |\n", strings.TrimSpace(comment.Text()))
				}
			}
			end = field.End()
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			assert.Regexp(t, `(Required\.|Default: .+)$`, text, "%s.%s says neither Required nor Default", name, field.Names[0].Name)
			fmt.Fprintf(&b, "| `%s` | %s |\n", field.Names[0].Name, strings.ReplaceAll(text, "|", "\\|"))
		}
		return false
	})
	return b.String()
}

// assertGenerated compares the part of a page between a marker and the end marker with table. With -update, it
// writes table to the page instead.
func assertGenerated(t *testing.T, page, marker, table string) {
	t.Helper()
	begin, end := "<!-- "+marker+" -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "%s has no %s", page, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no %s", page, end)
	got := before + begin + table + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(got), 0o644))
		return
	}
	assert.Equal(t, got, string(text), "run `go test . -update`")
}

func TestDocs_PropsMatchTheCode(t *testing.T) {
	for name, file := range map[string]string{
		"AlarmTriageProps": "props.go", "AlarmFilter": "attach_sources.go",
		"EventRuleProps": "attach_sources.go", "AlarmTopicProps": "attach_sources.go",
		"Members": "members.go", "AlarmTriageMemberProps": "member.go",
	} {
		assertGenerated(t, "docs/construct.md", name, propsTable(t, file, name))
	}
}

// modelsTable returns the Markdown table of the catalog's models that are not retired.
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
	checked := time.Time{} // latest date of the catalog's entries; with today's date, the page would change over time
	for _, m := range models.All() {
		if m.Checked.After(checked) {
			checked = m.Checked.Time
		}
	}
	assertGenerated(t, "docs/models.md", "models", modelsTable(checked))
}

// documentedNames returns the names in backquotes in the first column of every table of the README and the
// docs, without arguments.
func documentedNames(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	code := regexp.MustCompile("`([A-Za-z]+)(?:\\([a-z]*\\))?`")
	var names []string
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for line := range strings.SplitSeq(string(text), "\n") {
			if !strings.HasPrefix(line, "| `") {
				continue
			}
			first, _, _ := strings.Cut(line, " | ")
			for _, name := range code.FindAllStringSubmatch(first, -1) {
				names = append(names, name[1])
			}
		}
	}
	return names
}

// exportedAPI returns the names of the props, and of the methods of AlarmTriage that do not attach alarms.
func exportedAPI(t *testing.T) (props, accessors []string) {
	t.Helper()
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
				if n.Recv == nil {
					return true
				}
				receiver, _ := n.Recv.List[0].Type.(*ast.StarExpr)
				attaches := strings.HasPrefix(n.Name.Name, "Attach") || n.Name.Name == "AlarmAction"
				if receiver != nil && fmt.Sprint(receiver.X) == "AlarmTriage" && n.Name.IsExported() && !attaches {
					accessors = append(accessors, n.Name.Name)
				}
			}
			return true
		})
	}
	return props, accessors
}

func TestDocs_CoverEachPropAndAccessorOnce(t *testing.T) {
	count := map[string]int{}
	for _, name := range documentedNames(t) {
		count[name]++
	}
	props, accessors := exportedAPI(t)
	require.NotEmpty(t, props)
	require.NotEmpty(t, accessors)
	want := map[string]int{"Tags": 1} // it is also a prop of EventRuleProps
	member := reflect.TypeFor[alarmtriage.AlarmTriageMemberProps]()
	for i := range member.NumField() {
		if name := member.Field(i).Name; slices.Contains(props, name) {
			want[name]++
		}
	}
	for _, name := range slices.Concat(props, accessors) {
		want[name]++ // a prop and a method may have the same name
	}
	for name, rows := range want {
		assert.Equal(t, rows, count[name], "rows of %s in the tables of README.md and docs", name)
	}
	text, err := os.ReadFile("docs/construct.md")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile("`(Metric[A-Z][A-Za-z]+)").FindAllStringSubmatch(string(text), -1) {
		assert.Contains(t, accessors, name[1], "docs/construct.md names a method that does not exist")
	}
}

// The snippets of the README are fields of AlarmTriageProps, or calls of AlarmTriage's methods.
func TestReadme_SnippetsUseTheAPI(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	props, _ := exportedAPI(t)
	snippets := regexp.MustCompile("(?s)```go\n(.*?)\n```").FindAllStringSubmatch(string(readme), -1)
	require.Greater(t, len(snippets), 8)
	fields := 0
	for _, snippet := range snippets {
		if expression, err := parser.ParseExpr("Props{\n" + snippet[1] + "\n}"); err == nil {
			for _, element := range expression.(*ast.CompositeLit).Elts {
				fields++
				assert.Contains(t, props, fmt.Sprint(element.(*ast.KeyValueExpr).Key))
			}
			continue
		}
		_, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() {\n"+snippet[1]+"\n}", 0)
		require.NoError(t, err, snippet[1])
		for _, call := range regexp.MustCompile(`\btriage\.([A-Z]\w+)\(`).FindAllStringSubmatch(snippet[1], -1) {
			_, found := reflect.TypeFor[*alarmtriage.AlarmTriage]().MethodByName(call[1])
			assert.True(t, found, call[1])
		}
	}
	assert.Greater(t, fields, 20)
}

// toolPropsIn returns the texts of the props ToolDeniedActions, ToolAllowedActions, and ToolDeniedResources in a snippet, which
// consists of fields, statements, or declarations. It skips what the snippet does not spell out, such as the ARN of a variable.
func toolPropsIn(t *testing.T, snippet string) map[string][]string {
	t.Helper()
	var node ast.Node
	node, err := parser.ParseExpr("Props{\n" + snippet + "\n}")
	for _, around := range [][2]string{{"func f() {\n", "\n}"}, {}} { // statements, or declarations
		if err != nil {
			node, err = parser.ParseFile(token.NewFileSet(), "", "package p\n"+around[0]+snippet+around[1], parser.SkipObjectResolution)
		}
	}
	require.NoError(t, err, snippet)
	found := map[string][]string{}
	ast.Inspect(node, func(node ast.Node) bool {
		field, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		name := fmt.Sprint(field.Key)
		if !slices.Contains([]string{"ToolDeniedActions", "ToolAllowedActions", "ToolDeniedResources"}, name) {
			return true
		}
		ast.Inspect(field.Value, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				found[name] = append(found[name], text)
			}
			return true
		})
		return false
	})
	return found
}

// What a page recommends must not be what the synth warns about.
func TestDocs_ToolPropsOfSnippetsGiveNoWarning(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	snippets := 0
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, snippet := range regexp.MustCompile("(?s)```go\n(.*?)\n *```").FindAllStringSubmatch(string(text), -1) {
			props := toolPropsIn(t, snippet[1])
			if len(props) == 0 {
				continue
			}
			snippets++
			stack := newStack()
			triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.ToolDeniedActions, p.ToolAllowedActions = jsii.Strings(props["ToolDeniedActions"]...), jsii.Strings(props["ToolAllowedActions"]...)
				p.ToolDeniedResources = jsii.Strings(props["ToolDeniedResources"]...)
			})
			triage.AttachEventRule(jsii.String("All"), nil)
			assert.Empty(t, messagesOf(stack), "%s: %s", page, snippet[1])
		}
	}
	assert.GreaterOrEqual(t, snippets, 3)
}

// notInIAM are names in the pages that look like actions: the broker's names of PromQL reads, and an action that IAM's
// documentation lacks.
var notInIAM = []string{"cloudwatch:QueryMetrics", "cloudwatch:GetSeries", "cloudwatch:GetLabels", "cloudwatch:DescribeAlarmContributors"}

// Users copy the actions that the pages name into props and policies.
func TestDocs_ActionsExist(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	actions := 0
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, action := range regexp.MustCompile("`([a-z0-9-]+:[A-Z][A-Za-z0-9]*\\*?)`").FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(action[1], "aws:") || slices.Contains(notInIAM, action[1]) { // aws: is the prefix of condition keys
				continue
			}
			actions++
			assert.NotEmpty(t, iamactions.Matching(action[1]), "%s names %s", page, action[1])
		}
	}
	assert.Greater(t, actions, 50)
}

// A note is acknowledged in another way than a warning, so the lists of ids must say which messages are notes.
func TestDocs_ListEachWarningAndNote(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	want := map[bool]map[string]bool{true: {}, false: {}} // by whether they are notes
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, call := range regexp.MustCompile(`\b(inform|warn|AddWarningV2)\((?:\w+, |jsii.String\()?"(?:alarmtriage:)?([a-z-]+)"`).FindAllStringSubmatch(string(code), -1) {
			want[call[1] == "inform"][call[2]] = true
		}
	}
	page, err := os.ReadFile("docs/construct.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "\n## Warnings and errors\n")
	section, _, _ = strings.Cut(section, "\n## ")
	got := map[bool]map[string]bool{true: {}, false: {}}
	for _, list := range strings.Split(section, "\n- **")[1:] {
		isNotes := strings.HasPrefix(list, "Notes")
		for _, id := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(list, -1) {
			assert.False(t, got[isNotes][id[1]], "%s is listed twice", id[1])
			got[isNotes][id[1]] = true
		}
	}
	require.NotEmpty(t, want[true])
	assert.Equal(t, want, got)
}

// anchorsOf returns the anchors that GitHub gives the headings of a page.
func anchorsOf(text string) []string {
	var anchors []string
	for _, heading := range regexp.MustCompile("(?m)^#+ (.+)$").FindAllStringSubmatch(text, -1) {
		slug := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(slug, " ", "-"))
	}
	return anchors
}

func TestDocs_LinksLeadToPagesAndHeadings(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	examples, err := filepath.Glob("examples/*/README.md")
	require.NoError(t, err)
	links := 0
	for _, page := range slices.Concat(pages, examples, []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "integ/README.md"}) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			links++
			path, anchor, _ := strings.Cut(link[1], "#")
			target := filepath.Join(filepath.Dir(page), path)
			if path == "" {
				target = page
			}
			linked, err := os.ReadFile(target)
			if !assert.NoError(t, err, "%s links to %s", page, link[1]) || anchor == "" {
				continue
			}
			assert.Contains(t, anchorsOf(string(linked)), anchor, "%s links to %s", page, link[1])
		}
	}
	assert.Greater(t, links, 20)
}

// CloudFormation does not apply the overrides of a stack instance to accounts that join its StackSet later ("Considerations" of
// automatic deployments).
func TestDocs_StackSetsOfNewAccountsNeedNoOverrides(t *testing.T) {
	text, err := os.ReadFile("docs/template.md")
	require.NoError(t, err)
	commands := strings.Split(strings.ReplaceAll(string(text), "\\\n", ""), "\n")
	automatic := 0
	for _, create := range commands {
		set := regexp.MustCompile(`create-stack-set --stack-set-name (\S+) .*--auto-deployment Enabled=true`).FindStringSubmatch(create)
		if set == nil {
			continue
		}
		automatic++
		for _, command := range commands {
			if strings.Contains(command, "create-stack-instances --stack-set-name "+set[1]+" ") {
				assert.NotContains(t, command, "--parameter-overrides")
			}
		}
	}
	assert.Equal(t, 2, automatic)
}

// A tag of an action can be moved to other code; a commit can't.
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
			if local, isLocal := strings.CutPrefix(use, "uses: ./"); isLocal {
				assert.FileExists(t, local)
				continue
			}
			assert.Regexp(t, `^uses: [a-z-]+(/[a-z-]+){1,2}@[0-9a-f]{40} # v[0-9.]+$`, use)
		}
	}
}

// A target with the name of a file does nothing, unless it is declared phony.
func TestMake_RunsEachTargetOfItsHelp(t *testing.T) {
	targets := regexp.MustCompile(`(?m)^make (\w+)`).FindAllStringSubmatch(runMake(t, ".", "help"), -1)
	require.NotEmpty(t, targets)
	for _, target := range targets {
		planned := runMake(t, ".", "--dry-run", target[1])
		assert.NotContains(t, planned, "is up to date")
		assert.NotContains(t, planned, "Nothing to be done")
	}
}

// jsii prints a banner at every synth on a Node version that it no longer supports, and a machine may have
// such a version.
func TestMake_UsesTheNodeOfPackageJSON(t *testing.T) {
	text, err := os.ReadFile("package.json")
	require.NoError(t, err)
	var pinned struct{ DevDependencies map[string]string }
	require.NoError(t, json.Unmarshal(text, &pinned))
	version := runMake(t, ".", "--silent", "--eval", "print-node: ; node --version", "print-node")
	assert.Equal(t, "v"+pinned.DevDependencies["node"], strings.TrimSpace(version))
}

// The first python3 need not be the one that has the packages of the tests, and a machine may have no package index.
func TestMake_ChoosesAPythonThatHasThePackages(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	dir := t.TempDir()
	python := func(name, script string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!"+bash+"\n"+script), 0o755))
	}
	chosen := func() (path string, err error) {
		cmd := exec.Command(bash, "scripts/python.sh", "requirements-dev.txt")
		cmd.Env = []string{"PATH=" + dir, "PYENV_ROOT=" + dir}
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	_, err = chosen()
	require.Error(t, err, "there is none")
	python("python3", `[ "$1" = -c ]`) // new enough, without the packages
	path, err := chosen()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "python3"), path)
	python("python3.14", `false`) // too old, or broken
	python("python3.12", `true`)
	path, err = chosen()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "python3.12"), path)
}

// The troubleshooting page lists what people see: each text that it quotes must be in the code.
func TestTroubleshooting_QuotesTheCode(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "| what you see |")
	require.True(t, found)
	table, _, _ := strings.Cut(rest, "\n\n")
	var code strings.Builder
	for _, root := range []string{"internal", "lambdas", "pythonlayer", "bundle.go", "validate.go"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".py") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
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
					assert.True(t, strings.Contains(code.String(), fragment), "the code does not contain %q: %s", fragment, row)
				}
			}
		}
	}
	assert.Greater(t, quotes, 12)
}

// botocore's models of these operations return lines or fields of log events, and ReadOnlyAccess allows them.
func TestRecipes_DenyEveryActionThatReturnsLogTexts(t *testing.T) {
	recipes, err := os.ReadFile("docs/recipes.md")
	require.NoError(t, err)
	list := regexp.MustCompile("(?s)ToolDeniedActions: jsii.Strings\\((.*?)\\),\n```").FindSubmatch(recipes)
	require.NotNil(t, list)
	var denied []string
	for _, action := range regexp.MustCompile(`"([^"]+)"`).FindAllSubmatch(list[1], -1) {
		denied = append(denied, string(action[1]))
		assert.NotEmpty(t, iamactions.Matching(string(action[1])), "IAM has no action %s", action[1])
	}
	assert.Subset(t, denied, []string{
		"logs:GetLogEvents", "logs:FilterLogEvents", "logs:GetQueryResults", "logs:ListAnomalies",
		"applicationinsights:DescribeObservation", "applicationinsights:DescribeProblemObservations",
		"devops-guru:ListAnomalousLogGroups", "cloudwatch:GetInsightRuleReport",
		"xray:ListRetrievedTraces", // from the log group of Transaction Search
	})
}
