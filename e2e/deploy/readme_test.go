package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
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

// shellFor returns the environment of a user who has the AWS CLI, the CDK CLI, and this configuration of it, which replaces the
// questions that the CLI asks.
func shellFor(t *testing.T, cloud *moto.Server, settings map[string]any) []string {
	t.Helper()
	home := t.TempDir()
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(home, ".cdk.json"), text, 0o644))
	python, err := moto.Tool("python")
	require.NoError(t, err)
	bin := t.TempDir()
	program(t, bin, "aws", `exec "`+python+`" -m awscli "$@"`)
	paths := []string{bin, filepath.Join(moto.Root(), "node_modules", ".bin"), os.Getenv("PATH")}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	env := append(cloud.Environ(), "HOME="+home, "CDK_DISABLE_CLI_TELEMETRY=true", "PATH="+strings.Join(paths, string(os.PathListSeparator)),
		"JSII_RUNTIME_PACKAGE_CACHE_ROOT="+filepath.Join(cache, "aws", "jsii", "package-cache")) // otherwise, jsii unpacks CDK into each home
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE"} { // which are below the real home by default
		env = append(env, name+"="+strings.TrimSpace(run(t, moto.Root(), nil, "go", "env", name)))
	}
	return env
}

// accountsOf are the accounts with whose credentials the READMEs run their blocks, if they name accounts.
var accountsOf = map[string][]string{
	"03-central-account": {"111122223333", "444455556666", "444455556666", "444455556666", "111122223333"},
}

// deployedChecks are called after the block with the index of the map, in the middle of a README.
var deployedChecks = map[string]map[int]func(t *testing.T, cloud *moto.Server){
	"03-central-account": {2: assertMemberIsReadByTheToolOnly},
}

// assertMemberIsReadByTheToolOnly checks that the deployed role of the tool, and nobody else, assumes the deployed role of the
// member account, and reads the alarm there.
func assertMemberIsReadByTheToolOnly(t *testing.T, cloud *moto.Server) {
	const central, member = "111122223333", "444455556666"
	as := func(cfg aws.Config, externalID string) (*sts.AssumeRoleOutput, error) {
		input := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + member + ":role/alarmtriage-member"), RoleSessionName: aws.String("test")}
		if externalID != "" {
			input.ExternalId = &externalID
		}
		return sts.NewFromConfig(cfg).AssumeRole(t.Context(), input)
	}
	keys, err := cloud.As(central).RoleEnvironment(t.Context(), "arn:aws:iam::"+central+":role/alarmtriage-tool-role", "tool")
	require.NoError(t, err)
	tool := cloud.Config()
	tool.Credentials = credentials.NewStaticCredentialsProvider(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"])

	assumed, err := as(tool, "alarmtriage-"+central)
	require.NoError(t, err)
	own := cloud.Config()
	own.Credentials = credentials.NewStaticCredentialsProvider(*assumed.Credentials.AccessKeyId, *assumed.Credentials.SecretAccessKey, *assumed.Credentials.SessionToken)
	identity, err := sts.NewFromConfig(own).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	assert.Equal(t, member, aws.ToString(identity.Account))

	for name, attempt := range map[string]struct {
		caller     aws.Config
		externalID string
	}{
		"without an external ID": {tool, ""}, "with another external ID": {tool, "alarmtriage-" + member},
		"the central account itself": {cloud.As(central).Config(), "alarmtriage-" + central}, "the member itself": {cloud.As(member).Config(), "alarmtriage-" + central},
		"a stranger": {cloud.Config(), "alarmtriage-" + central},
	} {
		_, err := as(attempt.caller, attempt.externalID)
		assert.ErrorContains(t, err, "AccessDenied", name)
	}
}

// runnable are the numbers of blocks that moto can run, if it can't run all. Its CloudFormation deletes a VPC before the
// endpoints in it, and fails.
var runnable = map[string]int{"04-vpc-and-kms": 1}

func TestExamples_CommandsOfTheirReadmesWork(t *testing.T) {
	t.Parallel()
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
			env = append(env, "CDK_STRICT=true") // as --strict: the first warning that a new user sees must not be ours
			accounts := accountsOf[name]
			if accounts != nil {
				require.Len(t, accounts, len(blocks))
			}
			if most, limited := runnable[name]; limited {
				require.Len(t, blocks, most+1)
				blocks = blocks[:most]
			}
			for i, block := range blocks {
				own := slices.Clone(env)
				if accounts != nil {
					own = append(own, cloud.As(accounts[i]).Environ()...)
				}
				if i > 0 { // the first block has validated the templates of all stacks
					own = append(own, "CDK_VALIDATION=false")
				}
				log := run(t, dir, own, "bash", "-euo", "pipefail", "-c", block)
				assert.NotContains(t, log, "feature flags are not configured")
				if check := deployedChecks[name][i]; check != nil {
					check(t, cloud)
				}
			}
		})
	}
}
