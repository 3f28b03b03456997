package cli

import (
	"fmt"
	"os"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/command.md")
	require.NoError(t, err)
	return string(text)
}

// visible returns all commands that the help shows, except those that cobra adds.
func visible(c *cobra.Command) (commands []*cobra.Command) {
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			commands = append(append(commands, sub), visible(sub)...)
		}
	}
	return commands
}

func TestCommands_HaveExamplesAndDocumentedFlags(t *testing.T) {
	root := newRoot(System())
	text := page(t)
	require.NotEmpty(t, visible(root))
	for _, c := range append(visible(root), root) {
		if c != root {
			assert.NotEmpty(t, c.Example, "%s --help shows no example", c.CommandPath())
			assert.Regexp(t, `^[A-Z].*[^.]$`, c.Short, c.CommandPath())
			assert.NotNil(t, c.Args, "%s accepts any arguments", c.CommandPath())
		}
		check := func(flag *pflag.Flag) {
			assert.Contains(t, text, "| `--"+flag.Name, "docs/command.md does not list --%s of %s", flag.Name, c.CommandPath())
			assert.Regexp(t, `^[a-zA-Z].*[^.]$`, flag.Usage, flag.Name)
		}
		c.LocalNonPersistentFlags().VisitAll(check)
		c.PersistentFlags().VisitAll(check)
	}
}

func TestExitCodes_AreDocumented(t *testing.T) {
	text := page(t)
	for _, exit := range exitCodes {
		assert.Contains(t, text, fmt.Sprintf("| %d | %s |\n", exit.code, exit.text))
	}
}
