package toolpolicy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

func TestDenied_OpensOnlyTheNamedGroups(t *testing.T) {
	const personal, code, output, billed = "identitystore:ListUsers", "lambda:GetFunction", "ec2:GetConsoleOutput", "ce:*"
	for _, c := range []struct {
		name string
		open []toolpolicy.Group
		want []string // of the four actions
	}{
		{"no group", nil, []string{personal, code, output, billed}},
		{"personal data", []toolpolicy.Group{toolpolicy.PersonalData}, []string{code, output, billed}},
		{"source code", []toolpolicy.Group{toolpolicy.SourceCode}, []string{personal, output, billed}},
		{"host output", []toolpolicy.Group{toolpolicy.HostOutput}, []string{personal, code, billed}},
		{"billed reads", []toolpolicy.Group{toolpolicy.BilledReads}, []string{personal, code, output}},
		{"all groups", []toolpolicy.Group{toolpolicy.HostOutput, toolpolicy.SourceCode, toolpolicy.PersonalData, toolpolicy.BilledReads}, nil},
		{"an unknown group", []toolpolicy.Group{"everything"}, []string{personal, code, output, billed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			denied := toolpolicy.Denied(c.open...)
			var got []string
			for _, action := range []string{personal, code, output, billed} {
				if slices.Contains(denied, action) {
					got = append(got, action)
				}
			}
			assert.Equal(t, c.want, got)
			assert.Contains(t, denied, "secretsmanager:GetSecretValue")
			assert.True(t, slices.IsSorted(denied))
			assert.Equal(t, slices.Compact(slices.Clone(denied)), denied, "deduplicated")
		})
	}
}

// IAM evaluates a deny first, so an action on both lists would be useless on the allow list.
func TestTriageReads_AreNotDenied(t *testing.T) {
	denied := toolpolicy.Denied(toolpolicy.PersonalData, toolpolicy.SourceCode, toolpolicy.HostOutput, toolpolicy.BilledReads)
	for _, action := range toolpolicy.TriageReads() {
		if !strings.Contains(action, "*") {
			assert.NotContains(t, denied, action)
		}
	}
}
