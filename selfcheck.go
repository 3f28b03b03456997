package alarmtriage

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// weekly returns the default of SelfCheckSchedule: Monday mornings, before the week's first incident.
func weekly() awsevents.Schedule {
	return awsevents.Schedule_Cron(&awsevents.CronOptions{
		Minute: jsii.String("0"), Hour: jsii.String("6"), WeekDay: jsii.String("MON"),
	})
}

// scheduleSelfCheck adds the schedule of the self-check.
func (t *AlarmTriage) scheduleSelfCheck(p *AlarmTriageProps) {
	if !*p.SelfCheck {
		return
	}
	var event map[string]any
	if err := json.Unmarshal([]byte(config.SelfCheckEvent), &event); err != nil { // the event is a valid constant
		panic(err)
	}
	awsevents.NewRule(t, jsii.String("SelfCheck"), &awsevents.RuleProps{
		Description: jsii.String("Makes the alarm triage check itself"),
		Schedule:    p.SelfCheckSchedule,
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(t.orchestrator, &awseventstargets.LambdaFunctionProps{
			Event: awsevents.RuleTargetInput_FromObject(event),
		})},
	})
}
