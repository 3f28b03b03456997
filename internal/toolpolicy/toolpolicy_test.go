package toolpolicy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

func TestDenied_OpensOnlyTheNamedGroups(t *testing.T) {
	const personal, code, output = "identitystore:ListUsers", "lambda:GetFunction", "ec2:GetConsoleOutput"
	for _, c := range []struct {
		name string
		open []toolpolicy.Group
		want []string // of the three actions
	}{
		{"no group", nil, []string{personal, code, output}},
		{"personal data", []toolpolicy.Group{toolpolicy.PersonalData}, []string{code, output}},
		{"source code", []toolpolicy.Group{toolpolicy.SourceCode}, []string{personal, output}},
		{"host output", []toolpolicy.Group{toolpolicy.HostOutput}, []string{personal, code}},
		{"all groups", []toolpolicy.Group{toolpolicy.HostOutput, toolpolicy.SourceCode, toolpolicy.PersonalData}, nil},
		{"an unknown group", []toolpolicy.Group{"everything"}, []string{personal, code, output}},
	} {
		t.Run(c.name, func(t *testing.T) {
			denied := toolpolicy.Denied(c.open...)
			var got []string
			for _, action := range []string{personal, code, output} {
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
	denied := toolpolicy.Denied(toolpolicy.PersonalData, toolpolicy.SourceCode, toolpolicy.HostOutput)
	for _, action := range toolpolicy.TriageReads() {
		if !strings.Contains(action, "*") {
			assert.NotContains(t, denied, action)
		}
	}
}
