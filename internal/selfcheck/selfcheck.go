// Package selfcheck checks, without an alarm, the parts that an investigation needs: models that answer and
// do not retire soon, the tool, the table, the bucket, and topics with subscribers.
//
//	report := checker.Run(ctx, time.Minute)
//	for _, check := range report.Findings() { … }
//
// A self-check does not affect investigations: it writes one item and one object with reserved names,
// publishes nothing, and starts nothing.
package selfcheck

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// State is the result of one check.
type State string

// The states of checks.
const (
	StateOK      State = "ok"
	StateSkipped State = "skipped" // not checked; Detail says why
	StateWarning State = "warning" // it works now, but will fail soon or relies on a fallback
	StateProblem State = "problem" // it does not work
)

// Check is the result for one part of a deployed AlarmTriage.
type Check struct {
	Part   string                   `json:"part"` // such as "table claims"
	State  State                    `json:"state"`
	Detail string                   `json:"detail"`           // what was found
	Remedy string                   `json:"remedy,omitempty"` // what to do, for warnings and problems
	Cause  investigation.ModelCause `json:"cause,omitempty"`  // why a model does not answer
	Notes  []string                 `json:"notes,omitempty"`  // information that needs no action

	hasNoSubscribers bool // nobody receives notifications
}

// Report is the result of one self-check.
type Report struct {
	CheckedAt time.Time `json:"checked_at"` // UTC
	Checks    []Check   `json:"checks"`
}

// Findings returns the checks that somebody must act on, problems first.
func (r Report) Findings() []Check {
	var problems, warnings []Check
	for _, check := range r.Checks {
		switch check.State {
		case StateProblem:
			problems = append(problems, check)
		case StateWarning:
			warnings = append(warnings, check)
		}
	}
	return append(problems, warnings...)
}

// HasNoSubscribers reports whether the notification topic has no subscribers that receive its notifications. A
// notification about this report would then reach nobody either.
func (r Report) HasNoSubscribers() bool {
	for _, check := range r.Checks {
		if check.hasNoSubscribers {
			return true
		}
	}
	return false
}

// Model sends a request to a model.
type Model interface {
	Converse(ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options)) (*bedrockruntime.ConverseOutput, error)
}

// Lifecycles reads the life cycles of foundation models.
type Lifecycles interface {
	Lifecycle(ctx context.Context, modelID string) (awsapi.ModelLifecycle, error)
}

// Store keeps checkpoints and reads texts.
type Store interface {
	SaveCheckpoint(ctx context.Context, id string, state []byte) error
	LoadCheckpoint(ctx context.Context, id string) ([]byte, error)
	Text(ctx context.Context, uri string, limit int) (string, error)
}

// Checker checks one deployed AlarmTriage. All fields but Pause are required.
type Checker struct {
	Config       config.Orchestrator
	FunctionName string // of the orchestrator
	Region       string // of the orchestrator, where models are asked
	Model        Model
	Lifecycles   Lifecycles
	Lambda       awsapi.Lambda
	DynamoDB     awsapi.DynamoDB
	Store        Store
	Topics       awsapi.Topics
	Now          func() time.Time
	// Pause waits between two attempts. Default: a timer.
	Pause func(ctx context.Context, d time.Duration) error
}

// check is a check that has not run yet. run returns early when its context ends.
type check struct {
	part string
	run  func(ctx context.Context) Check
}

// graceTime is how long to wait for a check that does not return when its context ends.
const graceTime = 2 * time.Second

// Run runs all checks concurrently and returns when the last one ends, after limit at the latest. A check
// that panics or does not end is reported as a problem.
func (c *Checker) Run(ctx context.Context, limit time.Duration) Report {
	checks := c.checks()
	report := Report{CheckedAt: c.Now().UTC(), Checks: make([]Check, len(checks))}
	var wg sync.WaitGroup
	for i := range checks {
		wg.Go(func() { report.Checks[i] = guard(ctx, checks[i], limit) })
	}
	wg.Wait()
	judgeModels(c.Config.ModelIDs(), report.Checks)
	return report
}

// checks returns all checks to run, those of the models first.
func (c *Checker) checks() []check {
	var list []check
	ids := c.Config.ModelIDs()
	for _, id := range ids {
		list = append(list, check{"model " + id, func(ctx context.Context) Check { return c.model(ctx, id) }})
	}
	for _, id := range ids {
		list = append(list, check{"life cycle of model " + id, func(ctx context.Context) Check { return c.lifecycle(ctx, id) }})
	}
	list = append(list,
		check{"tool " + c.Config.ToolFunction, c.tool},
		check{"hand-over", c.handOver},
	)
	if c.Config.Members.Role != "" {
		list = append(list, check{"members", c.members})
	}
	list = append(list,
		check{"table " + c.Config.Table, c.table},
		check{"kill switch", c.killSwitch},
		check{"bucket " + c.Config.ReportsBucket, c.bucket},
		check{"notification topic " + c.Config.TopicARN, func(ctx context.Context) Check {
			return c.topic(ctx, c.Config.TopicARN, addSubscription)
		}},
	)
	if arn := c.Config.CardTopicARN; arn != "" {
		list = append(list, check{"chat card topic " + arn, func(ctx context.Context) Check {
			found := c.topic(ctx, arn, addChannel)
			found.hasNoSubscribers = false // its cards only repeat the notifications
			return found
		}})
	}
	if c.Config.InstructionsURI != "" {
		list = append(list, check{"instructions " + c.Config.InstructionsURI, c.instructions})
	}
	if c.Config.EventBus != "" {
		list = append(list, check{"event bus " + c.Config.EventBus, func(context.Context) Check {
			return skipped("Only a real event can show whether the event bus accepts events.")
		}})
	}
	return list
}

// guard runs one check within limit. It turns a panic or a timeout of the check into a problem.
func guard(ctx context.Context, c check, limit time.Duration) Check {
	bounded, cancel := context.WithTimeout(ctx, max(limit-graceTime, limit/2))
	defer cancel()
	over := time.NewTimer(limit)
	defer over.Stop()
	found := make(chan Check, 1) // buffered: a check that ends after the timeout can still send and exit
	go func() {
		defer func() {
			if v := recover(); v != nil {
				found <- problem(fmt.Sprintf("The check itself failed: %v.", v), "This is a bug in alarmtriage. Please report it.")
			}
		}()
		found <- c.run(bounded)
	}()
	var result Check
	select {
	case result = <-found:
	case <-over.C:
		result = problem(fmt.Sprintf("The check did not end within %s.", limit.Round(time.Millisecond)), remedyUnreachable)
	}
	result.Part = c.part
	return result
}
