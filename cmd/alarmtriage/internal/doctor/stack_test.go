package doctor

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/deployment"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// Without the option, a change set fails because of parameters without a default, and sets the others to their defaults.
func TestDrift_RemedyKeepsTheParametersOfTheStack(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(cloud.Stop)
	response, err := http.Post(cloud.URL+"/alarmtriage/world", "application/json", strings.NewReader(`{"answers": [
		{"call": "cloudformation.detect_stack_resource_drift", "answer": {"StackResourceDrift": {"StackId": "triage", "LogicalResourceId": "Role",
		 "ResourceType": "AWS::IAM::Role", "StackResourceDriftStatus": "DELETED", "Timestamp": "2026-11-26T00:00:00Z"}}}]}`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)

	d := New(cloud.Config(), moto.Account, &deployment.Deployment{}, true)
	for _, tt := range []struct{ name, template, want string }{
		{"plain", `{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}`, "--use-previous-template --capabilities"},
		{"triage", `{"Parameters": {"ResourcePrefix": {"Type": "String", "Default": ""}}, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}`,
			"--use-previous-template --parameters ParameterKey=ResourcePrefix,UsePreviousValue=true --capabilities"},
	} {
		in := &cloudformation.CreateStackInput{StackName: &tt.name, TemplateBody: &tt.template}
		if tt.name == "triage" {
			in.Parameters = []types.Parameter{{ParameterKey: aws.String("ResourcePrefix"), ParameterValue: aws.String("prod")}}
		}
		_, err := d.stacks.CreateStack(t.Context(), in)
		require.NoError(t, err)
		d.found.Resources = []deployment.Resource{{Stack: tt.name, LogicalID: "Role", Physical: "role", Type: "AWS::IAM::Role"}}
		checks := d.drift(t.Context())
		require.Len(t, checks, 1)
		assert.Equal(t, selfcheck.StateProblem, checks[0].State)
		assert.Contains(t, checks[0].Remedy, tt.want)
	}
}
