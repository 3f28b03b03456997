package broker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// finding is a line of scripts/judge_operations.py.
type finding struct {
	service, operation string // botocore's names
	kind, subject      string
}

// judge runs a script that prints the lines of scripts/judge_operations.py.
func judge(t *testing.T, script ...string) []finding {
	t.Helper()
	cmd := exec.Command(python(t), filepath.Join(script...))
	cmd.Stdin = strings.NewReader(strings.Join(toolpolicy.Denied(), "\n"))
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	require.NoError(t, err)
	var found []finding
	for line := range strings.Lines(string(output)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, fields, 3, line)
		service, operation, _ := strings.Cut(fields[0], ":")
		found = append(found, finding{service: service, operation: operation, kind: fields[1], subject: fields[2]})
	}
	return found
}

// reviewedSubjects returns the subjects that somebody reviewed, as "service:subject", with the reasons.
func reviewedSubjects(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "reviewed.json"))
	require.NoError(t, err)
	var byReason map[string]map[string]string // then by service; the subjects are separated by spaces
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&byReason))
	reviewed := map[string]string{}
	for reason, services := range byReason {
		for service, subjects := range services {
			for _, subject := range strings.Fields(subjects) {
				key := service + ":" + subject
				assert.NotContains(t, reviewed, key, "two reasons: %q and %q", reviewed[key], reason)
				reviewed[key] = reason
			}
		}
	}
	return reviewed
}

// unreviewed returns the findings whose subjects nobody reviewed.
func unreviewed(found []finding, reviewed map[string]string) []finding {
	return slices.DeleteFunc(slices.Clone(found), func(f finding) bool { return reviewed[f.service+":"+f.subject] != "" })
}

// A read that looks as if it returned secrets, data, or people must be denied or reviewed. The test fails if a newer
// botocore or ReadOnlyAccess adds one.
func TestTables_PassingReadsAreReviewed(t *testing.T) {
	found := judge(t, "..", "..", "scripts", "judge_operations.py")
	require.Greater(t, len(found), 1000)
	// The broker refuses it to the code, although the role allows it: the broker itself uses it.
	found = slices.DeleteFunc(found, func(f finding) bool { return f.service+":"+f.operation == stopLogQuery })
	guard := newGuard(nil, nil, nil)
	open := map[string]bool{}
	for _, f := range found {
		open[f.service+":"+f.subject] = true
		if f.kind == "action" {
			continue // no operation needs it
		}
		op := theTables().service(f.service).operations[f.operation]
		require.NotNil(t, op, "%s:%s", f.service, f.operation)
		require.Empty(t, guard.checkOne(op), "%s:%s is judged, so it must pass", f.service, f.operation)
	}
	reviewed := reviewedSubjects(t)
	for _, f := range unreviewed(found, reviewed) {
		t.Errorf("%s:%s passes, and nobody reviewed it (%s %s): deny its action in internal/toolpolicy, or note in "+
			"testdata/reviewed.json why it is harmless or needed", f.service, f.operation, f.kind, f.subject)
	}
	for _, key := range slices.Sorted(maps.Keys(reviewed)) {
		assert.True(t, open[key], "testdata/reviewed.json: no read that passes has %s any more; remove it (%s)", key, reviewed[key])
	}
}

// invented.py judges models with operations that AWS does not have, as if a newer botocore and a newer ReadOnlyAccess
// had added them.
func TestTables_NewReadsAreReported(t *testing.T) {
	var got []string
	for _, f := range unreviewed(judge(t, "testdata", "invented.py"), reviewedSubjects(t)) {
		got = append(got, f.operation+" "+f.kind+" "+f.subject)
	}
	assert.ElementsMatch(t, []string{
		"DescribeVault secret Vault.masterPassphrase",
		"DescribeVault secret Login.value",
		"ListVaults secret Vault.masterPassphrase",
		"ListVaults secret Login.value",
		"GetGrant sensitive GetGrantResponse.code",
		"GetGrant sensitive Hint.phrase",
		"GetSettings documented GetSettingsResponse.options",
		"GetArchive payload GetArchiveResponse.body",
		"GetArchive text GetArchiveResponse.body",
		"GetCall text GetCallResponse.callTranscript",
		"GetPhoto link GetPhotoResponse.location",
		"GetOwner person GetOwnerResponse.homePhone",
		"ImportFeed verb ImportFeed",
		"ImportFeed fetch ImportFeedRequest.feedUrl",
		"ImportFeed fetch ImportFeedRequest.source",
		"GetLayout store GetLayoutRequest.bucket",
		"GetQuota change GetQuota",
		"GetNumber change GetNumber",
		"ListHooks secret ListHooksResponse.webhookUrl",
		"GetShoppingData content GetShoppingData",
		"GetForecastOfDemand charge GetForecastOfDemand",
		"BatchGetSecretValues content BatchGetSecretValues",
		"BatchGetSecretValues sibling BatchGetSecretValues",
		"BatchGetSecretValues shared SecretEntry",
		"ListSecretValue action ListSecretValue",
		"GetNewCredential content GetNewCredential",
		"GetNewCredential secret GetNewCredentialResponse.clientSecret", // of an existing service, by ReadOnlyAccess's wildcard
	}, got)
}

// e2e/permissions checks the same list against the tool's role.
func TestGuard_SensitiveReadsAreRefused(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "e2e", "permissions", "sensitive.json"))
	require.NoError(t, err)
	var groups map[string][]string // F is the group of reads that investigations need
	require.NoError(t, json.Unmarshal(text, &groups))
	byAction := map[string][]*operation{}
	for id := range theTables().blocks {
		for _, op := range theTables().service(id).operations {
			byAction[strings.ToLower(op.action)] = append(byAction[strings.ToLower(op.action)], op)
		}
	}
	guard, refused := newGuard(nil, nil, nil), 0
	for group, actions := range groups {
		for _, action := range actions {
			for _, op := range byAction[strings.ToLower(action)] {
				if group[0] == 'F' {
					assert.Empty(t, guard.checkOne(op), "group %s", group)
					continue
				}
				assert.NotEmpty(t, guard.checkOne(op), "group %s: %s:%s", group, op.service.id, op.name)
				refused++
			}
		}
	}
	assert.Greater(t, refused, 300)
}

// What a report labels SHOWS SECRETS, the tool must not read.
func TestGuard_ReadsThatAreLabeledSecretAreRefused(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "command", "reads.txt"))
	require.NoError(t, err)
	services := map[string]string{"s3api": "s3", "deploy": "codedeploy", "configservice": "config"} // the AWS CLI has other names
	secret := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != "S" {
			continue
		}
		for _, name := range fields[2:] {
			secret[cmp.Or(services[fields[1]], fields[1])+":"+strings.ReplaceAll(name, "-", "")] = true
		}
	}
	needed := map[string]bool{
		"gamelift:DescribeFleetEvents": true, // the events of a fleet; the redaction removes the signatures of their links
	}
	guard, refused := newGuard(nil, nil, nil), 0
	for id := range theTables().blocks {
		for _, op := range theTables().service(id).operations {
			if name := id + ":" + op.name; secret[id+":"+strings.ToLower(op.name)] && !needed[name] {
				assert.NotEmpty(t, guard.checkOne(op), "%s returns a secret or a link that grants access", name)
				refused++
			}
		}
	}
	assert.Greater(t, refused, 150)
}
