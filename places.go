package alarmtriage

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
)

// given is a resource in props.
type given struct {
	prop     string
	resource constructs.IConstruct
	must     common
}

// common is what a resource must have in common with the stack that uses it. AlarmTriage's functions call the services of
// their own Region, and name tables, buses, and access logs without an account.
type common string

const (
	sameRegion  common = "Region"
	sameAccount common = "account"
	samePlace   common = "account and Region"
)

// givenResources returns the resources in props that are not nil.
func givenResources(p *AlarmTriageProps) []given {
	list := []given{
		{"NotificationTopic", p.NotificationTopic, sameRegion},
		{"ChatCardTopic", p.ChatCardTopic, sameRegion},
		{"SelfAlarmTopic", p.SelfAlarmTopic, sameRegion},
		{"CompletionEventBus", p.CompletionEventBus, sameRegion},
		{"OnFailureQueue", p.OnFailureQueue, sameRegion},
		{"InvestigationsTable", p.InvestigationsTable, samePlace},
		{"ReportsBucket", p.ReportsBucket, sameRegion},
		{"ReportsEncryptionKey", p.ReportsEncryptionKey, sameRegion},
		{"TableEncryptionKey", p.TableEncryptionKey, sameRegion},
		{"TopicEncryptionKey", p.TopicEncryptionKey, sameRegion},
		{"LogsEncryptionKey", p.LogsEncryptionKey, sameRegion},
		{"Vpc", p.Vpc, sameRegion},
	}
	list = append(list, boundary(p.PermissionsBoundary)...)
	if p.ReportsAccessLogs != nil {
		list = append(list, given{"ReportsAccessLogs", p.ReportsAccessLogs.Bucket, samePlace})
	}
	if p.InstructionsObject != nil {
		list = append(list, given{"InstructionsObject", p.InstructionsObject.Bucket, sameRegion})
	}
	if p.Runbooks != nil {
		list = append(list, given{"Runbooks", p.Runbooks.Bucket, sameRegion})
	}
	if p.SecurityGroups != nil {
		for _, group := range *p.SecurityGroups {
			list = append(list, given{"SecurityGroups", group, sameRegion})
		}
	}
	if p.ToolLayers != nil {
		for _, layer := range *p.ToolLayers {
			list = append(list, given{"ToolLayers", layer, sameRegion})
		}
	}
	return withoutNilResources(list)
}

// boundary returns a permissions boundary, unless it is nil or a policy of AWS, which every account can use.
func boundary(policy awsiam.IManagedPolicy) []given {
	if isNil(policy) || strings.Contains(*policy.ManagedPolicyArn(), ":iam::aws:policy/") {
		return nil
	}
	return []given{{"PermissionsBoundary", policy, sameAccount}}
}

// withoutNilResources returns the elements of a list whose resource is not nil.
func withoutNilResources(list []given) []given {
	var present []given
	for _, g := range list {
		if !isNil(g.resource) {
			present = append(present, g)
		}
	}
	return present
}

// places checks where the resources are that the stack of a scope uses. The scope may be invalid.
func (l *problems) places(scope constructs.Construct, list []given) {
	if len(list) == 0 || isNil(scope) {
		return
	}
	resources := make([]constructs.IConstruct, len(list))
	for i, g := range list {
		resources[i] = g.resource
	}
	here, places := alarmjs.Places(scope, resources)
	for i, there := range places {
		l.place(list[i], here, there)
	}
}

// bedrockPlaces checks the Region in the ARNs of models and of the guardrail. scope may be invalid.
func (l *problems) bedrockPlaces(scope constructs.Construct, p *AlarmTriageProps) {
	named := []struct{ prop, arn string }{{"BedrockModelId", deref(p.BedrockModelId)}}
	for _, id := range stringsOf(withoutNil(p.FallbackModelIds)) {
		named = append(named, struct{ prop, arn string }{"FallbackModelIds", id})
	}
	if p.Guardrail != nil {
		named = append(named, struct{ prop, arn string }{"Guardrail.GuardrailId", deref(p.Guardrail.GuardrailId)})
	}
	here := ""
	for _, g := range named {
		const region = 3
		parts := arnFields(g.arn)
		if !bedrockARN.MatchString(g.arn) || unresolved(parts[region]) {
			continue
		}
		if here == "" {
			if here = regionOf(scope); here == "" {
				return
			}
		}
		if elsewhere(here, parts[region]) {
			l.add("%s must be in the stack's Region %s, got %q: use one of that Region", g.prop, here, g.arn)
		}
	}
}

// place checks where a resource is.
func (l *problems) place(g given, here, there alarmjs.Place) {
	switch {
	case g.must != sameAccount && elsewhere(here.Region, there.Region):
		l.add("%s must be in the stack's Region %s, got %s in %s: use one of that Region", g.prop, here.Region, there.Path, there.Region)
	case g.must != sameRegion && elsewhere(here.Account, there.Account):
		l.add("%s must be in the stack's account %s, got %s in %s: use one of that account", g.prop, here.Account, there.Path, there.Account)
	case !there.Referable:
		l.add("%s is %s, to which stack %s can't refer: %s", g.prop, there.Path, here.Stack, remedyOfReference(here, there, g.resource))
	}
}

// elsewhere reports whether two accounts or Regions differ. Those that are not known at synth do not.
func elsewhere(here, there string) bool { return here != there && here != "" && there != "" }

// remedyOfReference returns what to do about a resource to which CDK can't refer.
func remedyOfReference(here, there alarmjs.Place, resource constructs.IConstruct) string {
	if remedy := remedyOfUnknown(there, here); remedy != "" {
		return remedy
	}
	switch resource.(type) {
	case awskms.IKey, awsec2.IVpc, awsec2.ISecurityGroup, awslambda.ILayerVersion: // without a name in their ARN or ID
		return "import it by its ARN or ID, because its stack has another account or Region"
	}
	return "give the resource a physical name, because its stack has another account or Region"
}

// remedyOfUnknown returns what to do if two stacks may be in the same place, which is not known at synth. It returns an empty
// string if they are known to be in different places, or if everything is known.
func remedyOfUnknown(places ...alarmjs.Place) string {
	if elsewhere(places[0].Account, places[1].Account) || elsewhere(places[0].Region, places[1].Region) {
		return ""
	}
	for _, place := range places {
		unknown := ""
		switch {
		case place.Account == "" && place.Region == "":
			unknown = "account and Region of stack %s are"
		case place.Account == "":
			unknown = "account of stack %s is"
		case place.Region == "":
			unknown = "Region of stack %s is"
		default:
			continue
		}
		return "the " + fmt.Sprintf(unknown, place.Stack) + " not known at synth: pass the same Env to both stacks"
	}
	return ""
}

// placeOfStack returns where a stack is.
func placeOfStack(stack awscdk.Stack) alarmjs.Place {
	return alarmjs.Place{Stack: *stack.Node().Path(), Account: accountOf(stack), Region: regionOf(stack)}
}

// warnOfPlace adds a warning if an alarm topic is in another account or Region. It panics if CDK can't subscribe the orchestrator
// to the topic.
func (t *AlarmTriage) warnOfPlace(topic awssns.ITopic) {
	here, places := alarmjs.Places(t, []constructs.IConstruct{topic})
	there := places[0]
	switch {
	case !there.Referable:
		panic(fmt.Sprintf("alarmtriage: AttachTopic got topic %s, to which stack %s can't refer: %s, or send the alarms' events to a bus in the "+
			"account and Region of stack %s, and use AttachEventRule", there.Path, here.Stack, remedyOfReference(here, there, topic), here.Stack))
	case elsewhere(here.Region, there.Region) || elsewhere(here.Account, there.Account):
		t.warn("topic-elsewhere", "AttachTopic got topic %s in account %s and Region %s, and AlarmTriage is in account %s and Region %s: CloudWatch "+
			"does not confirm messages about alarms there. Send the alarms' events to a bus here, and use AttachEventRule", there.Path,
			orUnknown(there.Account), orUnknown(there.Region), orUnknown(here.Account), orUnknown(here.Region))
	}
}

func orUnknown(text string) string {
	if text == "" {
		return "(not known at synth)"
	}
	return text
}
