package evidence_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// firstLooks is what collectors.py saw in one case.
type firstLooks struct {
	Seen   []string
	Failed map[string]string
	Notes  []string
	Names  []string // under which CloudTrail is searched
}

// Staged answers show only that a collector reads what its author expected. Here, moto answers real clients about resources
// that were created through the same API.
func TestCollectors_ReadWhatWasCreated(t *testing.T) {
	tests := []struct {
		name  string
		want  []string // parts of observations
		names []string // names for CloudTrail
		notes []string
		lacks []string // looks that fail, because moto lacks an operation
	}{
		{name: "lambda", names: []string{"orders"}, want: []string{
			"Lambda function orders: code or configuration was last modified at ",
			"Lambda function orders: timeout 3 s, memory 128 MB, python3.13, role arn:aws:iam::123456789012:role/orders",
			"version 1 was published", "alias live is version 1", "its reserved concurrency is 0, so no invocation can run",
			"its event source arn:aws:sqs:us-east-1:123456789012:orders is Disabled", "2 log lines in /aws/lambda/orders", ": [ERROR] KeyError: 'sku'",
			// The minutes begin with a full one, so the rate is 9 in 6 or in 7 minutes (test_onset.py checks it at a fixed time).
			"errors: 9 (1.", " per minute) from ", ", 1 (0.0333 per minute) in the 30 minutes before",
		}},
		{name: "sqs", names: []string{"orders"}, want: []string{
			"SQS queue orders: visibility timeout 45 s", "its dead-letter queue orders-dlq has 1 messages; a message is moved after 3 receives",
			"its consumer is Lambda function orders, and the event source mapping is Disabled",
		}},
		{name: "sns", want: []string{
			"SNS topic orders: 1 confirmed and 0 pending subscriptions",
			"it delivers to sqs arn:aws:sqs:us-east-1:123456789012:orders, with a filter policy, without a dead-letter queue",
		}},
		{name: "dynamodb", lacks: []string{"scaling of DynamoDB table orders"}, want: []string{
			"DynamoDB table orders: its status is ACTIVE", "its capacity is provisioned: 5 read and 7 write units",
			"auto scaling keeps ReadCapacityUnits between 5 and 50",
		}},
		{name: "s3", want: []string{
			"S3 bucket orders: default encryption aws:kms alias/orders", "it notifies arn:aws:sqs:us-east-1:123456789012:orders of s3:ObjectCreated:*",
			"objects expire by lifecycle rules old",
		}},
		{name: "s3 without settings"},
		{name: "rds", lacks: []string{"maintenance of DB instance orders"}, want: []string{
			"DB instance orders: its status is available", "class db.t3.micro, engine postgres", "storage 20 GB", "event: DB instance created at ",
		}},
		{name: "aurora instance", names: []string{"writer", "shop"}, lacks: []string{"maintenance of DB instance writer"}, want: []string{
			"DB instance writer: cluster shop is available with writer (writer); engine aurora-postgresql", "class db.r6g.large",
		}},
		{name: "aurora cluster", names: []string{"shop"}, want: []string{"DB instance cluster shop: cluster shop is available with writer (writer)"}},
		{name: "elasticache", lacks: []string{"events of cache cluster orders"}, want: []string{
			"cache cluster orders: its status is available; 1 nodes of cache.t3.micro, engine redis",
		}},
		{name: "kinesis", want: []string{
			"Kinesis stream orders: its status is ACTIVE", "2 open shards, mode PROVISIONED, retention 24 h", "enhanced fan-out consumer billing is ACTIVE",
		}},
		{name: "ec2", lacks: []string{"volumes of EC2 instance"}, want: []string{
			"its state is running", "it was launched at ", "type t3.micro", "its system status check is ok", "its instance status check is ok",
		}},
		{name: "ec2 that was stopped", lacks: []string{"volumes of EC2 instance"}, want: []string{
			"its state is stopped: Client.UserInitiatedShutdown: User initiated shutdown",
		}},
		{name: "auto scaling", want: []string{
			"2 of 2 desired instances are healthy and in service (minimum 1, maximum 2)",
			"it has reached its maximum size of 2", "suspended processes: Launch",
		}},
		{name: "load balancer", want: []string{
			"its state is active; zones us-east-1a, us-east-1b",
			"target group shop: 0 of 1 targets are healthy; health check HTTP /health on port",
			" is unused: Target.InvalidState Target is in the stopped state", "listener HTTP 80: forward",
		}},
		{name: "target group", want: []string{"target group shop: 0 of 1 targets are healthy", " is unused: Target.InvalidState"}},
		{name: "ecs", names: []string{"orders"}, want: []string{
			"ECS service shop orders: 0 of 2 desired tasks are running", "PRIMARY deployment of orders:1",
			"container app runs orders:7 with 256 MB of memory, CPU 128",
			"1 log lines in /ecs/orders", ": FATAL: cannot connect to the database",
		}},
		{name: "rest api", notes: []string{"log lines of API shop api prod: none were read, because stage prod has no logs in CloudWatch Logs"}, want: []string{
			"API shop api prod: stage prod: throttled at 10 requests per second, burst 5", "it calls Lambda function orders",
		}},
		{name: "http api", want: []string{
			"stage live was last changed at ", "stage live: throttled at 20 requests per second, burst 4", "it calls Lambda function orders",
			"1 log lines in /web/requests", ": FATAL: no route",
		}},
		{name: "cloudfront", want: []string{": it is disabled", "origin orders.s3.amazonaws.com", "certificate of CloudFront", "invalidation "}},
		{name: "rule without target", names: []string{"nightly"}, want: []string{
			`EventBridge rule nightly: it is DISABLED; pattern {"source": ["shop"]}`, "it has no target",
		}},
		{name: "rule of a bus", names: []string{"placed"}, want: []string{
			"EventBridge rule shop placed: it is DISABLED",
			"target arn:aws:sqs:us-east-1:123456789012:orders, role none, dead letters go to arn:aws:sqs:us-east-1:123456789012:orders-dlq",
		}},
		{name: "step functions", names: []string{"orders"}, want: []string{
			"state machine orders: it was created or replaced at ", "its status is ACTIVE, type STANDARD, role arn:aws:iam::123456789012:role/orders",
		}},
		{name: "log metric", names: []string{"shop"}, want: []string{
			"log group shop: metric filter declined counts lines that match declined",
			"2 lines that the alarm's metric counts", ": payment declined by bank", ": ERROR no stock",
		}},
		{name: "account", want: []string{
			"CodeDeploy: deployment ", " of shop to prod (Created) was created at ", "AppConfig: shop/prod: version 1 of flags (BAKING) began at ",
			"AWS Health: open issue AWS_LAMBDA_OPERATIONAL_ISSUE of LAMBDA in us-east-1 since ",
		}},
		{name: "account without a support plan", notes: []string{"AWS Health: its API needs a Business or Enterprise support plan"}},
	}
	var found struct {
		Cases   map[string]firstLooks
		Invalid []string
	}
	require.NoError(t, json.Unmarshal(lookAtResources(t), &found))
	assert.Empty(t, found.Invalid, "answers of the stand-in")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, found.Cases, tt.name)
			got := found.Cases[tt.name]
			delete(found.Cases, tt.name)
			for _, want := range tt.want {
				assert.Contains(t, strings.Join(got.Seen, "\n"), want)
			}
			for _, name := range tt.names {
				assert.Contains(t, got.Names, name)
			}
			for look, problem := range got.Failed {
				lacks := false
				for _, known := range tt.lacks {
					lacks = lacks || strings.HasPrefix(look, known)
				}
				assert.True(t, lacks, "%s: %s", look, problem)
			}
			assert.Len(t, got.Failed, len(tt.lacks), "moto has the operation now")
			assert.Equal(t, append([]string{}, tt.notes...), got.Notes)
		})
	}
	assert.Empty(t, found.Cases, "cases without a test")
}

// lookAtResources runs collectors.py against a server with an empty account and returns its output.
func lookAtResources(t *testing.T) []byte {
	t.Helper()
	server, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	python, err := moto.Tool("python")
	require.NoError(t, err)
	run := exec.CommandContext(t.Context(), python, "collectors.py", server.URL)
	run.Env = append(append(os.Environ(), server.Environ()...), "PYTHONPATH="+filepath.Join(moto.Root(), "pythonlayer"))
	run.Stderr = os.Stderr
	out, err := run.Output()
	require.NoError(t, err)
	return out
}
