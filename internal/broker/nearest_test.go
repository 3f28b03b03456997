package broker

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

func TestNearest_NamesTheAllowedRead(t *testing.T) {
	g := newGuard(nil, nil, nil)
	for _, test := range []struct{ service, operation, want string }{
		{"lambda", "GetFunction", "get_function_configuration (lambda:GetFunctionConfiguration)"},
		{"lambda", "Invoke", "get_function_configuration (lambda:GetFunctionConfiguration)"},
		{"lambda", "UpdateFunctionCode", "list_functions (lambda:ListFunctions)"},
		{"ssm", "GetParameter", "describe_parameters (ssm:DescribeParameters)"},
		{"ssm", "GetParametersByPath", "describe_parameters (ssm:DescribeParameters)"},
		{"ssm", "GetCommandInvocation", "list_commands (ssm:ListCommands)"},
		{"secretsmanager", "GetSecretValue", "describe_secret (secretsmanager:DescribeSecret)"},
		{"secretsmanager", "DeleteSecret", "describe_secret (secretsmanager:DescribeSecret)"},
		{"logs", "DeleteLogGroup", "describe_log_groups (logs:DescribeLogGroups)"},
		{"logs", "PutLogEvents", "get_log_events (logs:GetLogEvents)"},
		{"ec2", "TerminateInstances", "describe_instances (ec2:DescribeInstances)"},
		{"ec2", "CreateNetworkAcl", "describe_network_acls (ec2:DescribeNetworkAcls)"},
		{"rds", "DownloadDBLogFilePortion", "describe_db_log_files (rds:DescribeDBLogFiles)"},
		{"dynamodb", "Scan", "describe_table (dynamodb:DescribeTable)"},
		{"dynamodb", "UpdateTable", "describe_table (dynamodb:DescribeTable)"},
		{"sqs", "ReceiveMessage", "get_queue_attributes (sqs:GetQueueAttributes)"},
		{"s3", "GetObject", "list_objects_v2 (s3:ListObjectsV2)"},
		{"s3", "DeleteObjects", "list_objects (s3:ListObjects)"},
		{"s3", "PutObjectAcl", "get_object_acl (s3:GetObjectAcl)"},
		{"s3", "PutBucketPolicy", "get_bucket_policy (s3:GetBucketPolicy)"},
		{"ecs", "UpdateService", "describe_services (ecs:DescribeServices)"},
		{"cloudwatch", "PutMetricAlarm", "describe_alarms (cloudwatch:DescribeAlarms)"},
		{"cloudwatch", "SetAlarmState", "describe_alarms (cloudwatch:DescribeAlarms)"},
		{"ecr", "GetAuthorizationToken", ""},
		{"ec2", "GetPasswordData", ""},
		{"kms", "Encrypt", ""},
		{"bedrock", "InvokeModel", ""},
		{"sts", "GetSessionToken", ""},
		// Names that the tables do not have: typos and newer operations.
		{"logs", "DescribeLogGroup", "describe_log_groups (logs:DescribeLogGroups)"},
		{"logs", "describeLogGroups", "describe_log_groups (logs:DescribeLogGroups)"},
		{"logs", "DescribeLogGropus", "describe_log_groups (logs:DescribeLogGroups)"},
		{"logs", "ListLogGroupsV3", "describe_log_groups (logs:DescribeLogGroups)"},
		{"lambda", "GetFunctoin", "get_function_configuration (lambda:GetFunctionConfiguration)"},
		{"logs", "DropEverything", ""},
		{"logs", "", ""},
		{"logs", strings.Repeat("DescribeLogGroups", 1000), ""},
	} {
		t.Run(test.service+" "+test.operation[:min(len(test.operation), 40)], func(t *testing.T) {
			s := theTables().service(test.service)
			require.NotNil(t, s)
			assert.Equal(t, test.want, strings.TrimPrefix(g.suggestion(s, test.operation), "; use "))
		})
	}
}

func TestNearest_FollowsSettings(t *testing.T) {
	s := theTables().service("lambda")
	denied := newGuard(nil, nil, []string{"lambda:GetFunctionConfiguration"})
	assert.Equal(t, "; use list_functions (lambda:ListFunctions)", denied.suggestion(s, "GetFunction"))
	opened := newGuard([]toolpolicy.Group{toolpolicy.SourceCode}, nil, nil)
	assert.Equal(t, "; use get_function (lambda:GetFunction)", opened.suggestion(s, "UpdateFunction"))
}

// No operation is answered with a suggestion that would be refused or that does something else than reading.
func TestNearest_SuggestionsPass(t *testing.T) {
	g := newGuard(nil, nil, nil)
	count := 0
	for id := range theTables().blocks {
		s := theTables().service(id)
		for name, op := range s.operations {
			if g.checkOne(op) == "" {
				continue
			}
			if near := g.nearest(s, name); near != nil {
				count++
				assert.Empty(t, g.checkOne(near), name)
				assert.Contains(t, []level{levelRead, levelList}, near.level)
			}
		}
	}
	assert.Greater(t, count, 3000)
	for name, substitute := range substitutes {
		id, operation, _ := strings.Cut(name, ":")
		s := theTables().service(id)
		assert.NotNil(t, s.operations[operation], name)
		assert.NotNil(t, s.operations[substitute], substitute)
	}
}

func TestPythonName_IsThatOfBoto3(t *testing.T) {
	for _, line := range namesOfBotocore(t) {
		if line[0] == "operation" {
			assert.Equal(t, line[2], pythonName(line[1]))
		}
	}
}

func TestExchange_RefusalsSuggest(t *testing.T) {
	assertForged(t, nil, []forgedRequest{
		{Name: "a refused operation", Service: "lambda", Method: http.MethodGet, URL: lambdaURL + "/2015-03-31/functions/f", Refusal: "must not use it; use get_function_configuration (lambda:GetFunctionConfiguration)"},
		jsonRequest("an unknown operation", "logs", "Logs_20140328.DescribeLogGroup", "{}", "only forwards operations it knows; use describe_log_groups (logs:DescribeLogGroups)"),
		formRequest("an unknown action", "sts", "Action=GetCallerIdentiy&Version=2011-06-15", "operations it knows; use get_caller_identity (sts:GetCallerIdentity)"),
		{Name: "an unknown path", Service: "lambda", Method: http.MethodGet, URL: lambdaURL + "/2099-01-01/functions/f", Refusal: "only forwards operations it knows"},
	})
}
