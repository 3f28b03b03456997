package permissions

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// sensitiveActions lists groups of actions that ReadOnlyAccess allows. These must be denied: A credentials,
// B customers' data, C personal data, D source code, E output of hosts, G side effects. Group F is needed
// and redacted.
//
//go:embed sensitive.json
var sensitiveActions []byte

// reviewedActions maps reasons to actions that look sensitive but, for that reason, are not.
//
//go:embed reviewed.json
var reviewedActions []byte

// needed are actions that investigations require.
var needed = strings.Fields(`
	cloudwatch:DescribeAlarms cloudwatch:DescribeAlarmHistory cloudwatch:GetMetricData cloudwatch:GetMetricStatistics cloudwatch:ListMetrics
	cloudwatch:DescribeAnomalyDetectors cloudwatch:GetDashboard cloudtrail:LookupEvents logs:DescribeLogGroups logs:DescribeLogStreams
	logs:FilterLogEvents logs:GetLogEvents logs:StartQuery logs:GetQueryResults lambda:GetFunctionConfiguration lambda:ListFunctions
	lambda:GetPolicy lambda:GetFunctionConcurrency lambda:ListEventSourceMappings lambda:GetAccountSettings lambda:ListVersionsByFunction
	ec2:DescribeInstances ec2:DescribeInstanceStatus ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs ec2:DescribeRouteTables
	ec2:DescribeNetworkAcls ec2:DescribeVolumes ec2:DescribeNatGateways ec2:DescribeVpcEndpoints ecs:DescribeServices ecs:DescribeTasks
	ecs:DescribeClusters ecs:ListTasks ecs:DescribeTaskDefinition eks:DescribeCluster eks:ListNodegroups eks:DescribeNodegroup
	rds:DescribeDBInstances rds:DescribeDBClusters rds:DescribeEvents rds:DescribeDBLogFiles pi:GetResourceMetrics dynamodb:DescribeTable
	dynamodb:ListTables dynamodb:DescribeLimits elasticache:DescribeCacheClusters elasticache:DescribeEvents sqs:GetQueueAttributes
	sqs:ListQueues sns:GetTopicAttributes sns:ListSubscriptionsByTopic kinesis:DescribeStreamSummary kinesis:ListShards
	firehose:DescribeDeliveryStream s3:ListBucket s3:ListAllMyBuckets s3:GetBucketPolicy s3:GetBucketLocation s3:GetLifecycleConfiguration
	elasticloadbalancing:DescribeTargetHealth elasticloadbalancing:DescribeLoadBalancers autoscaling:DescribeAutoScalingGroups
	autoscaling:DescribeScalingActivities application-autoscaling:DescribeScalingActivities cloudformation:DescribeStackEvents
	cloudformation:DescribeStacks states:DescribeExecution states:GetExecutionHistory states:ListExecutions events:ListRules
	events:DescribeRule events:ListTargetsByRule iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:GetPolicyVersion
	route53:ListResourceRecordSets route53:GetHealthCheckStatus acm:DescribeCertificate secretsmanager:DescribeSecret
	secretsmanager:ListSecrets ssm:DescribeParameters ssm:DescribeInstanceInformation kms:DescribeKey servicequotas:GetServiceQuota
	health:DescribeEvents tag:GetResources xray:GetTraceSummaries xray:BatchGetTraces codepipeline:GetPipelineState
	codedeploy:GetDeployment codebuild:BatchGetBuilds ecr:DescribeImages sts:GetCallerIdentity wafv2:GetWebACL synthetics:GetCanaryRuns`)

const (
	anything  = "arn:aws:anything:eu-west-1:111122223333:thing/one"
	restAPI   = "arn:aws:apigateway:eu-west-1::/restapis/abc"
	apiKey    = "arn:aws:apigateway:eu-west-1::/apikeys/abc"
	planKey   = "arn:aws:apigateway:eu-west-1::/usageplans/abc/keys/def"
	onRestAPI = "apigateway:GET" // its resources are paths
)

// groups returns the actions of sensitiveActions by the letter of their group.
func groups(t *testing.T) map[string][]string {
	t.Helper()
	var named map[string][]string
	require.NoError(t, json.Unmarshal(sensitiveActions, &named))
	byLetter := map[string][]string{}
	for name, actions := range named {
		byLetter[name[:1]] = actions
	}
	require.Len(t, byLetter, 7)
	return byLetter
}

func TestToolRoles_AllowOnlyHarmlessReads(t *testing.T) {
	const byReadOnlyAccess, byAllowList, ofMember = "ReadOnlyAccess", "allow-list", "ReadOnlyAccess of a member"
	readOnly := synth(t, func(*alarmtriage.AlarmTriageProps) {})
	listed := synth(t, func(p *alarmtriage.AlarmTriageProps) { p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST })
	resources := []string{anything, restAPI, apiKey, planKey, "arn:aws:s3:::a-bucket/key"}
	verdict := simulate(t, map[string]role{
		byReadOnlyAccess: readOnly.roleOf(t, "TriageToolRole", resources...),
		byAllowList:      listed.roleOf(t, "TriageToolRole", resources...),
		ofMember:         synthMember(t, nil).roleOf(t, "MemberRole", resources...),
	})
	t.Logf("ReadOnlyAccess is %s; of %d actions, the tool may use %d with it and %d with the allow list", verdict.Versions["ReadOnlyAccess"], len(verdict.Actions),
		len(verdict.Allowed[byReadOnlyAccess][anything]), len(verdict.Allowed[byAllowList][anything]))

	for _, name := range []string{byReadOnlyAccess, byAllowList, ofMember} {
		t.Run(name, func(t *testing.T) {
			may, mayAPI := verdict.may(name, anything), verdict.may(name, restAPI)
			allowed := func(action string) bool {
				return may[strings.ToLower(action)] || action == onRestAPI && mayAPI[strings.ToLower(action)]
			}
			for group, actions := range groups(t) {
				for _, action := range actions {
					assert.Equal(t, group == "F", allowed(action), "group %s: %s", group, action)
				}
			}
			for _, action := range slices.Concat(needed, triageReads(t), readsOfCollectors(t)) {
				assert.True(t, allowed(action), "needed: %s", action)
			}
			for _, resource := range []string{apiKey, planKey} {
				assert.False(t, verdict.may(name, resource)[strings.ToLower(onRestAPI)], "%s of %s", onRestAPI, resource)
			}
			assert.False(t, verdict.may(name, "arn:aws:s3:::a-bucket/key")["s3:getobject"], "the content of an object")
			for _, resource := range resources {
				for _, action := range verdict.Allowed[name][resource] {
					if !isWriteOfLogs(action) {
						assert.Contains(t, []string{"Read", "List"}, verdict.Actions[action].Level, "level of %s", action)
					}
				}
			}
		})
	}
	// The command alarmtriage signs with the credentials of its user, which may be an administrator's: nothing but the broker
	// refuses a request there.
	t.Run("the broker lets nothing pass that the role refuses", func(t *testing.T) {
		may, mayAPI := verdict.may(byReadOnlyAccess, anything), verdict.may(byReadOnlyAccess, restAPI)
		passing := broker.Passing()
		assert.Greater(t, len(passing), 4000)
		for _, action := range passing {
			if action == "s3:ListDirectoryBuckets" { // scripts/broker_exceptions.json: IAM has it as an action of S3 Express
				action = "s3express:ListAllMyDirectoryBuckets"
			}
			name := strings.ToLower(action)
			assert.True(t, may[name] || action == onRestAPI && mayAPI[name], "the broker lets %s pass, and the role refuses it", action)
		}
	})
	t.Run("the allow list allows no more than ReadOnlyAccess", func(t *testing.T) {
		may := verdict.may(byReadOnlyAccess, anything)
		for _, action := range verdict.Allowed[byAllowList][anything] {
			assert.True(t, may[strings.ToLower(action)], action)
		}
	})
	t.Run("drift", func(t *testing.T) {
		assert.Empty(t, unreviewed(t, verdict, verdict.Allowed[byReadOnlyAccess][anything]),
			"ReadOnlyAccess %s allows actions that look sensitive and that nobody reviewed: deny them in internal/toolpolicy, or note in "+
				"e2e/permissions/reviewed.json why they are harmless", verdict.Versions["ReadOnlyAccess"])
	})
}

// readsOfCollectors returns the actions of the first looks, from the table that is generated from their code.
func readsOfCollectors(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "evidence.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "<!-- collectors -->")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "<!-- end -->")
	var actions []string
	for _, match := range regexp.MustCompile("`([a-z0-9-]+:[A-Za-z0-9]+)`").FindAllStringSubmatch(table, -1) {
		actions = append(actions, match[1])
	}
	require.Greater(t, len(actions), 80)
	slices.Sort(actions)
	return slices.Compact(actions)
}

// triageReads returns the actions of the reads of ordinary investigations. The broker's tests check the same list.
func triageReads(t *testing.T) []string {
	t.Helper()
	broker := filepath.Join(moto.Root(), "internal", "broker")
	table, err := os.ReadFile(filepath.Join(broker, "tables", "operations.txt"))
	require.NoError(t, err)
	actions, service, prefix := map[string]string{}, "", "" // by "service operation"
	for line := range strings.Lines(string(table)) {
		fields := append(strings.Split(strings.TrimSpace(line), "\t"), "", "", "")
		if id, isService := strings.CutPrefix(fields[0], "@"); isService {
			service, prefix = id, fields[2]
			continue
		}
		actions[service+" "+fields[0]] = prefix + ":" + cmp.Or(fields[2], fields[0])
	}
	list, err := os.ReadFile(filepath.Join(broker, "testdata", "triage_reads.txt"))
	require.NoError(t, err)
	var reads []string
	for line := range strings.Lines(string(list)) {
		if service, operations, _ := strings.Cut(line, " "); service != "#" {
			for _, operation := range strings.Fields(operations) {
				require.Contains(t, actions, service+" "+operation)
				reads = append(reads, actions[service+" "+operation])
			}
		}
	}
	require.Greater(t, len(reads), 300)
	return reads
}

// A template's summary is needed, but with a URL, AWS would fetch the template.
func TestToolRoles_MayNotLetAWSFetchATemplate(t *testing.T) {
	const summary = "cloudformation:GetTemplateSummary"
	for _, permissions := range []alarmtriage.ToolPermissions{alarmtriage.ToolPermissions_READ_ONLY_ACCESS, alarmtriage.ToolPermissions_ALLOW_LIST} {
		stack := synth(t, func(p *alarmtriage.AlarmTriageProps) { p.ToolPermissions = permissions })
		plain := stack.roleOf(t, "TriageToolRole", anything)
		plain.Services = []string{"cloudformation"}
		withURL := plain
		withURL.Context = map[string]any{"cloudformation:TemplateUrl": "https://s3.amazonaws.com/bucket/template"}
		verdict := simulate(t, map[string]role{"plain": plain, "with a URL": withURL})
		assert.Contains(t, verdict.Allowed["plain"][anything], summary)
		assert.NotContains(t, verdict.Allowed["with a URL"][anything], summary)
		assert.Contains(t, verdict.Allowed["with a URL"][anything], "cloudformation:DescribeStacks")
	}
}

// isWriteOfLogs reports whether an action is one of the two with which the tool writes its own log.
func isWriteOfLogs(action string) bool {
	return action == "logs:CreateLogStream" || action == "logs:PutLogEvents"
}

// sensitiveName and sensitiveText match names and descriptions of actions that may return more than metadata.
var (
	sensitiveName = regexp.MustCompile(`Password|Secret|Token|Credential|Presigned|SignedUrl|PrivateKey|A[Pp][Ii]Key|AccessKey|SecurityKey|` +
		`Download|GetObject$|GetItem|GetRecord|Messages?$|Transcript|Conversation|Utterance|Unmask|Decrypt|Content$|RawMessage|QueryResult|` +
		`JobOutput|Statement.*Result|Scan$|^Query$|^Select$|ExecuteStat|Snippet|Sample|SourceCode|Console|Shadow|MemoryRecord|PlayerConnection`)
	sensitiveText = regexp.MustCompile(`(?i)credential|secret|password|authentication token|access token|pre-?signed|decrypt|plaintext|private key|download|\bPII\b`)
)

// unreviewed returns the allowed actions that look sensitive and are neither in group F nor reviewed.
func unreviewed(t *testing.T, v verdict, allowed []string) []string {
	t.Helper()
	var reviewed map[string][]string
	require.NoError(t, json.Unmarshal(reviewedActions, &reviewed))
	known := slices.Concat(groups(t)["F"], needed)
	for reason, actions := range reviewed {
		for _, action := range actions {
			assert.Contains(t, allowed, action, "reviewed.json: %q is no longer allowed, remove it (%s)", action, reason)
		}
		known = append(known, actions...)
	}
	var found []string
	for _, action := range allowed {
		_, name, _ := strings.Cut(action, ":")
		if (sensitiveName.MatchString(name) || sensitiveText.MatchString(v.Actions[action].Description)) && !slices.Contains(known, action) {
			found = append(found, action+": "+v.Actions[action].Description)
		}
	}
	return found
}

func TestToolRole_HasNoAccessToTriageResources(t *testing.T) {
	stack := synth(t, func(*alarmtriage.AlarmTriageProps) {})
	arn := func(prefix, kind string) string { return stack.arn(stack.find(t, prefix, kind)) }
	bucket := arn("TriageReports", "AWS::S3::Bucket")
	data := []string{arn("TriageInvestigations", "AWS::DynamoDB::Table"), bucket, bucket + "/reports/2026/01/02/report.txt", arn("OnCall", "AWS::SNS::Topic")}
	const logs = "AWS::Logs::LogGroup"
	groups := []string{arn("TriageOrchestratorLogs", logs), arn("TriageToolLogs", logs)}
	verdict := simulate(t, map[string]role{"tool": stack.roleOf(t, "TriageToolRole", slices.Concat(data, groups, []string{anything})...)})
	for _, resource := range data {
		// IAM allows this action to everybody, even if it is denied.
		assert.Equal(t, []string{"sts:GetCallerIdentity"}, verdict.Allowed["tool"][resource], resource)
	}
	for _, resource := range groups {
		may := verdict.may("tool", resource)
		for _, action := range []string{"logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery", "logs:StartLiveTail", "logs:GetLogRecord"} {
			assert.False(t, may[strings.ToLower(action)], "%s on %s", action, resource)
		}
	}
	assert.True(t, verdict.may("tool", groups[1])["logs:putlogevents"], "the tool writes its own log")
	assert.True(t, verdict.may("tool", anything)["logs:filterlogevents"], "the tool reads other logs")
}
