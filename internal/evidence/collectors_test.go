package evidence_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the table of collectors in docs/evidence.md")

func TestCollectors_AreDocumented(t *testing.T) {
	const page, begin, end = "../../docs/evidence.md", "<!-- collectors -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "%s has no %s", page, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no %s", page, end)
	got := before + begin + collectorsTable(t) + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(got), 0o644))
		return
	}
	assert.Equal(t, got, string(text), "run `go test ./internal/evidence -run Collectors -update`")
}

// collectorsTable returns a table of all collectors, as they document themselves.
func collectorsTable(t *testing.T) string {
	var collectors []struct {
		Kind, What, Cost string
		Reads, Shared    []string
	}
	raw := python{t: t, prelude: plainBoto3}.execute(t.Context(), `
from alarmtriage_evidence import services
from alarmtriage_evidence.services import lambda_functions as functions
stack, hop = ("cloudformation:DescribeStackResources", "cloudformation:DescribeStackEvents"), functions.HOP_READS
shared = [("*functions*", hop), ("*stack*", stack)]
rows = [{"kind": c.KIND, "what": c.__doc__.splitlines()[0], "cost": c.COST, "reads": c.READS,
         "shared": [kind for kind, reads in shared if set(reads) <= set(c.READS) and (c is not functions or reads is stack)]} for c in services.COLLECTORS]
for row in rows:
    row["reads"] = [read for read in row["reads"] if not any(read in dict(shared)[kind] for kind in row["shared"])]
print(json.dumps([
    {"kind": "*functions* behind a resource", "what": ": numbers, throttling, and error lines", "cost": functions.COST, "reads": hop},
    {"kind": "*stack* of a resource", "what": ": its CloudFormation stack's events before the alarm", "cost": "nothing", "reads": stack}, *rows]))`)
	require.NoError(t, json.Unmarshal(raw, &collectors))
	var b strings.Builder
	b.WriteString("| resource | the look reads | IAM actions | cost of one look |\n|---|---|---|---|\n")
	for _, c := range collectors {
		_, what, found := strings.Cut(c.What, ": ")
		require.True(t, found, "the docstring of %s begins with the service and a colon", c.Kind)
		reads := "`" + strings.Join(c.Reads, "`, `") + "`"
		for _, kind := range c.Shared {
			reads += ", " + kind
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.Kind, strings.TrimSuffix(what, "."), reads, c.Cost)
	}
	return b.String()
}
