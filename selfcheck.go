package alarmtriage

import (
	"encoding/json"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// weekly is the default of SelfCheckSchedule: Monday mornings, before the week's first incident.
func weekly() awsevents.Schedule {
	return awsevents.Schedule_Cron(&awsevents.CronOptions{
		Minute: jsii.String("0"), Hour: jsii.String("6"), WeekDay: jsii.String("MON"),
	})
}

// checkItself adds the schedule of the self-check and the two reads that only the self-check makes.
func (t *AlarmTriage) checkItself(p *AlarmTriageProps) {
	if !*p.SelfCheck {
		return
	}
	var order map[string]any
	if err := json.Unmarshal([]byte(config.SelfCheckEvent), &order); err != nil { // a constant
		panic(err)
	}
	awsevents.NewRule(t, jsii.String("SelfCheck"), &awsevents.RuleProps{
		Description: jsii.String("Makes the alarm triage check itself"),
		Schedule:    p.SelfCheckSchedule,
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(t.orchestrator, &awseventstargets.LambdaFunctionProps{
			Event: awsevents.RuleTargetInput_FromObject(order),
		})},
	})
	allow := func(sid, action string, resources []*string) {
		t.orchestratorRole.AddToPrincipalPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String(sid), Actions: jsii.Strings(action), Resources: &resources,
		}))
	}
	allow("ReadSubscriptionCounts", "sns:GetTopicAttributes", topicARNs(p.NotificationTopic, p.ChatCardTopic))
	if foundations := foundationARNs(awscdk.Stack_Of(t), t.models); len(foundations) > 0 {
		allow("ReadModelLifecycle", "bedrock:GetFoundationModel", foundations)
	}
}

func topicARNs(topics ...awssns.ITopic) []*string {
	var arns []*string
	for _, topic := range topics {
		if topic != nil {
			arns = append(arns, topic.TopicArn())
		}
	}
	return arns
}

// foundationARNs returns the foundation models behind the models that are asked, in the Region of the stack, each once.
// A token of which nothing is known before the deployment, and an ARN that does not name its model, have none: the
// self-check takes their dates from the catalog.
func foundationARNs(stack awscdk.Stack, asked []chosenModel) []*string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, m := range asked {
		if m.perRegion != nil {
			add(m.perRegion.model)
			add(m.perRegion.direct)
			continue
		}
		add(foundationOf(m.id))
	}
	arns := make([]*string, len(names))
	for i, name := range names {
		arns[i] = jsii.Sprintf("arn:%s:bedrock:%s::foundation-model/%s", *stack.Partition(), *stack.Region(), name)
	}
	return arns
}

// foundationOf returns the id of the foundation model that a model's id names; empty: it names none.
func foundationOf(id string) string {
	if arn := bedrockARN.FindStringSubmatch(id); arn != nil {
		if arn[1] != "inference-profile" && arn[1] != "foundation-model" || unresolved(arn[2]) {
			return ""
		}
		return models.Parse(arn[2]).Model
	}
	if unresolved(id) {
		return ""
	}
	return models.Parse(id).Model
}
