// Package doctor examines a deployed AlarmTriage from outside: what its self-check verifies, and what only the account shows.
//
//	report := doctor.New(config, found).Run(ctx)
//
// It changes nothing. The self-check that it starts writes one item and one object with reserved names, as the weekly one
// does, and sends no notification.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/deployment"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

const (
	// selfCheckTime is how long the self-check of the orchestrator may take, with the cold starts of both functions.
	selfCheckTime = 2 * time.Minute

	// checkTime is how long one check may take.
	checkTime = 2*selfCheckTime + 30*time.Second
)

// Doctor examines one deployed AlarmTriage.
type Doctor struct {
	found   *deployment.Deployment
	account string
	region  string

	stacks     *cloudformation.Client
	cloudwatch *cloudwatch.Client
	table      *dynamodb.Client
	rules      *eventbridge.Client
	identities *iam.Client
	keys       *kms.Client
	functions  *lambda.Client
	logs       *cloudwatchlogs.Client
	quotas     *servicequotas.Client
	bucket     *s3.Client
	topics     *sns.Client

	mu         sync.Mutex
	qualifiers map[string]bool           // whether a version or an alias of the orchestrator exists
	policies   map[string]functionPolicy // by the actions of alarms that invoke it
}

// New returns a Doctor of a deployed AlarmTriage in an account. pathStyle addresses buckets by path, for endpoints without
// a subdomain for each bucket.
func New(cfg aws.Config, account string, found *deployment.Deployment, pathStyle bool) *Doctor {
	clients := awsapi.From(cfg, selfCheckTime, pathStyle)
	return &Doctor{
		found: found, account: account, region: cfg.Region,
		stacks: cloudformation.NewFromConfig(cfg), cloudwatch: clients.CloudWatch, table: clients.DynamoDB, rules: clients.EventBridge,
		identities: iam.NewFromConfig(cfg), keys: kms.NewFromConfig(cfg), functions: clients.Lambda, logs: cloudwatchlogs.NewFromConfig(cfg),
		quotas: servicequotas.NewFromConfig(cfg), bucket: clients.S3, topics: clients.SNS,
		qualifiers: map[string]bool{}, policies: map[string]functionPolicy{},
	}
}

// Report is what the examination found.
type Report struct {
	Function  string            `json:"function"` // name of the orchestrator
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	CheckedAt time.Time         `json:"checked_at"` // UTC
	Checks    []selfcheck.Check `json:"checks"`
	Alarms    *Alarms           `json:"alarms,omitempty"` // absent if they cannot be read
}

// Findings returns the checks that somebody must act on, problems first.
func (r Report) Findings() []selfcheck.Check { return selfcheck.Report{Checks: r.Checks}.Findings() }

// examination is one part of the examination. It may return several checks.
type examination struct {
	part string
	run  func(ctx context.Context) []selfcheck.Check
}

// Run examines everything at the same time.
func (d *Doctor) Run(ctx context.Context, now time.Time) Report {
	report := Report{Function: d.found.Function, Account: d.account, Region: d.region, CheckedAt: now.UTC()}
	parts := []examination{
		{"self-check", d.selfCheck},
		{"sandbox", d.sandbox},
		{"alarms", func(ctx context.Context) []selfcheck.Check {
			alarms, check := d.alarms(ctx)
			report.Alarms = alarms
			return []selfcheck.Check{check}
		}},
		{"subscriptions", d.subscriptions},
		{"concurrency", d.concurrency},
		{"Bedrock quotas", d.bedrockQuotas},
		{"roles", d.drift},
		{"keys", d.encryption},
	}
	results := make([][]selfcheck.Check, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			results[i] = part.run(bounded)
			for j := range results[i] {
				if results[i][j].Part == "" {
					results[i][j].Part = part.part
				}
			}
		})
	}
	wg.Wait()
	for _, result := range results {
		report.Checks = append(report.Checks, result...)
	}
	return report
}

func one(check selfcheck.Check) []selfcheck.Check { return []selfcheck.Check{check} }

func fine(format string, arguments ...any) selfcheck.Check {
	return selfcheck.Check{State: selfcheck.StateOK, Detail: fmt.Sprintf(format, arguments...)}
}

func skipped(detail, remedy string) selfcheck.Check {
	return selfcheck.Check{State: selfcheck.StateSkipped, Detail: detail, Remedy: remedy}
}

func warning(detail, remedy string) selfcheck.Check {
	return selfcheck.Check{State: selfcheck.StateWarning, Detail: detail, Remedy: remedy}
}

func problem(detail, remedy string) selfcheck.Check {
	return selfcheck.Check{State: selfcheck.StateProblem, Detail: detail, Remedy: remedy}
}

// unread returns the check of a part that cannot be read with the user's credentials. That says nothing about the part.
func unread(what string, err error) selfcheck.Check {
	return skipped(fmt.Sprintf("%s (%s).", what, awsapi.Answer(err)), awsapi.CallerAdvice(err))
}

// clip returns text as one line of bounded length.
func clip(text string) string {
	const most = 300 // characters
	return truncate.Runes(strings.Join(strings.Fields(text), " "), most)
}
