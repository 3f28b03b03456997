package alarmtriage_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// section returns the part of a page below a heading, up to the next heading of the same level.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n"+heading+"\n")
	require.True(t, found, "%s has no heading %q", page, heading)
	level, _, _ := strings.Cut(heading, " ")
	if next := regexp.MustCompile(`(?m)^` + level + ` `).FindStringIndex(rest); next != nil {
		rest = rest[:next[0]]
	}
	return rest
}

// The person whom a self-alarm wakes looks for its name on the page.
func TestOperations_EachSelfAlarmHasARunbook(t *testing.T) {
	stack := newStack()
	triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.SelfAlarmTopic = awssns.NewTopic(stack, jsii.String("Platform"), nil)
		p.OnFailureQueue = awssqs.NewQueue(stack, jsii.String("Failed"), nil)
	})
	var want []string
	for _, alarm := range triage.SelfAlarms() {
		words := regexp.MustCompile(`[A-Z][a-z]+`).FindAllString(strings.TrimPrefix(*alarm.Node().Id(), "Self"), -1)
		name := strings.ToLower(strings.Join(words, "-"))
		full := *alarm.Node().DefaultChild().(awscloudwatch.CfnAlarm).AlarmName()
		assert.True(t, strings.HasSuffix(full, "-"+name), "people see the name %s", full)
		want = append(want, name)
	}
	require.Greater(t, len(want), 7)

	var got []string
	runbooks := strings.Split(section(t, "docs/operations.md", "## Runbooks of the self-alarms"), "\n### ")[1:]
	for _, runbook := range runbooks {
		name, text, _ := strings.Cut(runbook, "\n")
		got = append(got, name)
		assert.Greater(t, len(strings.Fields(text)), 30, "the runbook of %s says what to do", name)
	}
	assert.ElementsMatch(t, want, got)
}

func TestOperations_ConfusedMetricsExist(t *testing.T) {
	_, accessors := exportedAPI(t)
	methods := regexp.MustCompile("`triage\\.(Metric\\w+)`").FindAllStringSubmatch(section(t, "docs/operations.md", "## Metrics that are easily confused"), -1)
	require.NotEmpty(t, methods)
	for _, method := range methods {
		assert.Contains(t, accessors, method[1])
	}
}

func TestVersions_MatchTheModule(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	mod, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	row := regexp.MustCompile(`(?m)^\| [0-9].*$`).FindString(section(t, "docs/versioning.md", "## Versions"))
	cells := strings.Split(row, " | ")
	require.Greater(t, len(cells), 4, row)
	assert.True(t, strings.HasPrefix(mod.Go.Version, strings.Fields(cells[1])[0]), "Go: %s, go.mod has %s", cells[1], mod.Go.Version)
	cdk := mod.Require[slices.IndexFunc(mod.Require, func(r *modfile.Require) bool {
		return r.Mod.Path == "github.com/aws/aws-cdk-go/awscdk/v2"
	})].Mod.Version
	assert.Equal(t, strings.TrimPrefix(cdk, "v"), strings.Fields(cells[2])[0])

	pinned, err := os.ReadFile("package.json")
	require.NoError(t, err)
	var tools struct{ DevDependencies map[string]string }
	require.NoError(t, json.Unmarshal(pinned, &tools))
	major, _, _ := strings.Cut(tools.DevDependencies["node"], ".")
	assert.Contains(t, cells[3], major)

	stack := newStack()
	newTriage(stack, nil)
	runtime := regexp.MustCompile("`(python[0-9.]+)`").FindStringSubmatch(cells[4])
	require.NotNil(t, runtime)
	synth(stack).HasResourceProperties(jsii.String("AWS::Lambda::Function"), like("Runtime", runtime[1]))
}

// Readers copy the code of the page.
func TestTestingPage_ShowsTheTestOfTheBasicExample(t *testing.T) {
	page, err := os.ReadFile("docs/testing.md")
	require.NoError(t, err)
	test, err := os.ReadFile(filepath.Join("examples", "01-basic", "main_test.go"))
	require.NoError(t, err)
	snippets := regexp.MustCompile("(?s)```go\n(.*?\n)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, snippets, 3)
	for _, snippet := range snippets {
		assert.Contains(t, string(test), snippet[1])
	}
}
