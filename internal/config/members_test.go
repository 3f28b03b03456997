package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMembers_AreCompactJSONInTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name    string
		members Members
		want    string
	}{
		{"none", Members{}, ""},
		{"accounts", Members{Accounts: []string{"444455556666"}, Role: "alarmtriage-member", ExternalID: "alarmtriage-111122223333"},
			`{"accounts":["444455556666"],"role":"alarmtriage-member","externalId":"alarmtriage-111122223333"}`},
		{"organization", Members{Organization: true, Role: "r", ExternalID: "e", OtherAccounts: true},
			`{"org":true,"role":"r","externalId":"e","others":true}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := Tool{Members: c.members}.Environment()
			assert.Equal(t, c.want, env[EnvMembers])
			got, err := ParseTool(lookup(env))
			require.NoError(t, err)
			assert.Equal(t, c.members, got.Members)
		})
	}
}

func TestParseTool_RejectsMembersThatCannotBeAssumed(t *testing.T) {
	for _, text := range []string{
		`accounts`, `[]`, `{}`, `{"accounts":["444455556666"],"role":"r"}`, `{"accounts":["444455556666"],"externalId":"e"}`,
		`{"role":"r","externalId":"e"}`, `{"accounts":[],"role":"r","externalId":"e"}`,
	} {
		got, err := ParseTool(lookup(map[string]string{EnvMembers: text}))
		assert.ErrorContains(t, err, "variable MEMBERS must", text)
		assert.Equal(t, Members{}, got.Members, text)
		_, err = ParseOrchestrator(lookup(map[string]string{EnvMembers: text}))
		assert.ErrorContains(t, err, "variable MEMBERS must", text)
	}
}

func TestMembers_IncludeOnlyTheirAccounts(t *testing.T) {
	listed := Members{Accounts: []string{"444455556666", "777788889999"}, Role: "r", ExternalID: "e"}
	assert.True(t, listed.Includes("777788889999"))
	for _, other := range []string{"111122223333", "44445555666", "4444555566667", ""} {
		assert.False(t, listed.Includes(other), other)
		assert.False(t, Members{}.Includes(other), other)
	}
	organization := Members{Organization: true, Role: "r", ExternalID: "e"}
	assert.True(t, organization.Includes("111122223333"))
	assert.False(t, organization.Includes(""))
	assert.Equal(t, "arn:aws-us-gov:iam::444455556666:role/r", listed.RoleARN("aws-us-gov", "444455556666"))
}
