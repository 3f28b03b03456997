package iamactions

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

func TestMatching_UsesIAMsWildcardsAndLevels(t *testing.T) {
	assert.Equal(t, []Action{{Name: "ec2:TerminateInstances", Level: Write}}, Matching("ec2:TerminateInstances"))
	assert.Equal(t, []Action{{Name: "cloudtrail:LookupEvents", Level: Read}}, Matching("CloudTrail:lookupevent?"))
	assert.Contains(t, Matching("s3:List*"), Action{Name: "s3:ListBucket", Level: List})
	assert.Contains(t, Matching("iam:*"), Action{Name: "iam:PutRolePolicy", Level: Permissions})
	assert.Contains(t, Matching("sqs:Tag*"), Action{Name: "sqs:TagQueue", Level: Tagging})
	for _, pattern := range []string{"cloudtrial:LookupEvents", "s3:NoSuchThing", "s3", "*", "", "*:Get*"} {
		assert.Empty(t, Matching(pattern), pattern)
	}
	// IAM has actions that are no operations of an API.
	assert.NotEmpty(t, Matching("logs:Unmask"))
	for _, action := range Matching("ec2:Describe*") {
		assert.False(t, action.Writes(), action.Name)
	}
	for _, action := range Matching("ec2:Delete*") {
		assert.True(t, action.Writes(), action.Name)
	}
}

// IAM has actions that its documentation lacks. The construct must not warn about those that the library itself uses.
func TestMatching_KnowsTheActionsOfTheToolPolicy(t *testing.T) {
	assert.Equal(t, []Action{{Name: "logs:GetLogObject", Level: Read}}, Matching("logs:GetLogObject"))
	assert.Len(t, Matching("logs:GetLogO*"), 1)
	assert.Len(t, Matching("SSO:getrolecredentials"), 1)
	assert.Len(t, Matching("secretsmanager:GetSecretValue"), 1, "it is documented, and not added again")
	for _, actions := range [][]string{toolpolicy.Denied(), toolpolicy.TriageReads()} {
		for _, action := range actions {
			assert.NotEmpty(t, Matching(action), action)
		}
	}
}

func TestNearest_CorrectsTypos(t *testing.T) {
	for pattern, want := range map[string]string{
		"cloudtrial:LookupEvents":  "cloudtrail:LookupEvents",
		"cloudtrail:LookupEvent":   "cloudtrail:LookupEvents",
		"dynamo:Describe*":         "dynamodb:Describe*",
		"dynamodbb:Describe*":      "dynamodb:Describe*",
		"ec2:TerminateInstance":    "ec2:TerminateInstances",
		"ec2:SomethingElseAtAll":   "",
		"nonsense:Get":             "",
		"cloudwatch:GetMetricDate": "cloudwatch:GetMetricData",
		"log:FilterLogEvents":      "logs:FilterLogEvents",
		"logs:GetLogObjects":       "logs:GetLogObject",
	} {
		assert.Equal(t, want, Nearest(pattern), pattern)
	}
}
