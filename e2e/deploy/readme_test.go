package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// commandsOf returns the blocks of shell commands in a README.
func commandsOf(t *testing.T, readme string) []string {
	t.Helper()
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	var blocks []string
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block[1])
	}
	require.NotEmpty(t, blocks, "%s has no commands", readme)
	return blocks
}

// shellFor returns the environment of a user who has the CDK CLI and this configuration of it, which replaces the
// questions that the CLI asks.
func shellFor(t *testing.T, cloud *moto.Server, settings map[string]any) []string {
	t.Helper()
	home := t.TempDir()
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(home, ".cdk.json"), text, 0o644))
	env := append(cloud.Environ(), "HOME="+home, "CDK_DISABLE_CLI_TELEMETRY=true",
		"PATH="+filepath.Join(moto.Root(), "node_modules", ".bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE"} { // which are below the real home by default
		env = append(env, name+"="+strings.TrimSpace(run(t, moto.Root(), nil, "go", "env", name)))
	}
	return env
}

// accountsOf are the accounts with whose credentials the READMEs run their blocks, if they name accounts.
var accountsOf = map[string][]string{
	"03-central-account": {"111122223333", "444455556666", "444455556666", "111122223333"},
}

// runnable are the numbers of blocks that moto can run, if it can't run all. Its CloudFormation deletes a VPC before the
// endpoints in it, and fails.
var runnable = map[string]int{"04-vpc-and-kms": 1}

func TestExamples_CommandsOfTheirReadmesWork(t *testing.T) {
	programs, err := filepath.Glob(filepath.Join(moto.Root(), "examples", "*", "main.go"))
	require.NoError(t, err)
	require.NotEmpty(t, programs)
	for _, program := range programs {
		dir, name := filepath.Dir(program), filepath.Base(filepath.Dir(program))
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time, the programs wait for each other
			blocks := commandsOf(t, filepath.Join(dir, "README.md"))
			cloud, err := moto.Start(t.Context())
			require.NoError(t, err)
			t.Cleanup(func() { cloud.Stop() })
			env := shellFor(t, cloud, map[string]any{"requireApproval": "never", "output": filepath.Join(t.TempDir(), "cdk.out")})
			accounts := accountsOf[name]
			if accounts != nil {
				require.Len(t, accounts, len(blocks))
			}
			if most, limited := runnable[name]; limited {
				require.Len(t, blocks, most+1)
				blocks = blocks[:most]
			}
			for i, block := range blocks {
				own := env
				if accounts != nil {
					own = append(env[:len(env):len(env)], cloud.As(accounts[i]).Environ()...)
				}
				log := run(t, dir, own, "bash", "-euo", "pipefail", "-c", block)
				assert.NotContains(t, log, "feature flags are not configured")
			}
		})
	}
}
