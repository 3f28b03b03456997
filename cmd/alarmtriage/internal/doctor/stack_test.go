package doctor

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
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
	stage(t, cloud, `{"call": "cloudformation.detect_stack_resource_drift", "when": {"StackName": "closed"},
		"error": {"code": "AccessDenied", "message": "no", "status": 403}}`,
		`{"call": "cloudformation.detect_stack_resource_drift", "answer": {"StackResourceDrift": {"StackId": "triage", "LogicalResourceId": "Role",
		"ResourceType": "AWS::IAM::Role", "StackResourceDriftStatus": "DELETED", "Timestamp": "2026-11-26T00:00:00Z"}}}`)

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
	d.found.Resources = append([]deployment.Resource{{Stack: "app", LogicalID: "Topic", Type: "AWS::SNS::Topic"}}, d.found.Resources...)
	checks := d.drift(t.Context())
	require.Len(t, checks, 1)
	assert.Contains(t, checks[0].Remedy, "create-change-set --region us-east-1 --stack-name triage ", "the stack of the role")
	assert.Contains(t, checks[0].Remedy, "execute-change-set --region us-east-1 --stack-name triage --change-set-name revert-drift")

	closed := deployment.Resource{Stack: "closed", LogicalID: "Role", Physical: "closed", Type: "AWS::IAM::Role"}
	d.found.Resources = append(d.found.Resources, closed)
	assert.Equal(t, selfcheck.StateProblem, d.drift(t.Context())[0].State, "what cannot be read hides no change")
	d.found.Resources = []deployment.Resource{closed}
	assert.Equal(t, selfcheck.StateSkipped, d.drift(t.Context())[0].State)
}

// KMS does not accept an alias to enable a key, and a topic can name its key by an alias.
func TestKey_RemedyNamesTheKeyByItsARN(t *testing.T) {
	const arn = "arn:aws:kms:us-east-1:123456789012:key/1234"
	d := doctorOf(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"KeyMetadata": {"KeyId": "1234", "Arn": %q, "KeyState": "Disabled"}}`, arn)
	})
	assert.Equal(t, "aws kms enable-key --region us-east-1 --key-id "+arn, d.key(t.Context(), "alias/topics", "the topic", true).Remedy)
}

// CloudFormation names the log groups, and the setting of the tool is its ARN.
func TestSandbox_RemedyNamesTheLogGroupOfTheTool(t *testing.T) {
	d := doctorOf(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/configuration") {
			_, _ = w.Write([]byte(`{"FunctionName": "Shop-TriageTool-1A2B", "LoggingConfig": {"LogGroup": "Shop-TriageToolLogs-3C4D"}}`))
			return
		}
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		_, _ = w.Write([]byte(`{"errorMessage": "killed"}`))
	})
	d.found.Config.ToolFunction = "arn:aws:lambda:us-east-1:123456789012:function:Shop-TriageTool-1A2B"
	checks := d.sandbox(t.Context())
	require.Len(t, checks, 1)
	assert.Equal(t, "Read its log: aws logs tail --region us-east-1 --since 10m Shop-TriageToolLogs-3C4D", checks[0].Remedy)
}

// Lambda cannot decrypt the environment of a function. That says nothing about the caller's credentials.
func TestSelfCheck_FunctionThatLambdaCannotRunIsAProblem(t *testing.T) {
	for code, state := range map[string]selfcheck.State{
		"KMSAccessDeniedException": selfcheck.StateProblem, "EC2AccessDeniedException": selfcheck.StateProblem, "AccessDeniedException": selfcheck.StateSkipped,
	} {
		d := doctorOf(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Errortype", code)
			w.WriteHeader(http.StatusBadRequest) // with Lambda's status 502, the SDK would retry
			_, _ = w.Write([]byte(`{"Message": "User: x is not authorized to perform: kms:Decrypt"}`))
		})
		d.found.Function = "orchestrator"
		assert.Equal(t, state, d.selfCheck(t.Context())[0].State, code)
	}
}

// Somebody may have changed the key of one log group only.
func TestEncryption_BothLogGroupsAreChecked(t *testing.T) {
	const disabled = "arn:aws:kms:us-east-1:123456789012:key/1234"
	groups := []string{"Shop-TriageOrchestratorLogs-1A2B", "Shop-TriageToolLogs-3C4D"}
	for i, group := range groups {
		d := doctorOf(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			answer := `{}`
			switch target := r.Header.Get("X-Amz-Target"); {
			case strings.HasSuffix(r.URL.Path, "/configuration"):
				answer = `{"LoggingConfig": {"LogGroup": "Shop-TriageToolLogs-3C4D"}}`
			case strings.HasSuffix(target, ".DescribeLogGroups") && strings.Contains(string(body), group):
				answer = fmt.Sprintf(`{"logGroups": [{"logGroupName": %q, "kmsKeyId": %q}]}`, group, disabled)
			case strings.HasSuffix(target, ".DescribeLogGroups") && i == 0: // in the second round, somebody deleted the other group
				answer = fmt.Sprintf(`{"logGroups": [{"logGroupName": %q}]}`, groups[1])
			case strings.HasSuffix(target, ".DescribeKey"):
				answer = fmt.Sprintf(`{"KeyMetadata": {"KeyId": "1234", "Arn": %q, "KeyState": "Disabled"}}`, disabled)
			case r.URL.Query().Has("encryption"):
				answer = `<ServerSideEncryptionConfiguration/>`
			}
			_, _ = w.Write([]byte(answer))
		})
		d.found.LogGroup, d.found.Config.ReportsBucket = "Shop-TriageOrchestratorLogs-1A2B", "reports"
		d.found.Function, d.found.Config.ToolFunction, d.found.Config.Table = "orchestrator", "tool", "claims"
		checks := d.encryption(t.Context())
		require.Len(t, checks, 1+i, group)
		if i == 1 {
			assert.Equal(t, selfcheck.StateProblem, checks[1].State)
			assert.Equal(t, "aws logs create-log-group --region us-east-1 --log-group-name "+groups[0], checks[1].Remedy)
		}
		assert.Equal(t, selfcheck.StateProblem, checks[0].State, group)
		assert.Equal(t, "The key is disabled. It encrypts the log group "+group+".", checks[0].Detail)
	}
}

func TestEncryption_LogGroupOfAToolThatCannotBeReadIsNotKnown(t *testing.T) {
	d := doctorOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/orchestrator/configuration"):
			_, _ = w.Write([]byte(`{}`))
		case r.URL.Query().Has("encryption"):
			_, _ = w.Write([]byte(`<ServerSideEncryptionConfiguration/>`))
		case strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeTable"):
			_, _ = w.Write([]byte(`{}`))
		default:
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
		}
	})
	d.found.LogGroup, d.found.Config.ReportsBucket = "Shop-TriageOrchestratorLogs-1A2B", "reports"
	d.found.Function, d.found.Config.ToolFunction, d.found.Config.Table = "orchestrator", "tool", "claims"
	checks := d.encryption(t.Context())
	require.Len(t, checks, 1)
	assert.Contains(t, checks[0].Detail, "the environment and the log group of tool (")
	assert.Contains(t, checks[0].Detail, "the log group Shop-TriageOrchestratorLogs-1A2B (")
	assert.NotContains(t, checks[0].Detail, "LOG_GROUP")
}

// doctorOf returns a Doctor whose requests a handler answers.
func doctorOf(t *testing.T, answer http.HandlerFunc) *Doctor {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
	return New(cfg, moto.Account, &deployment.Deployment{}, true)
}
