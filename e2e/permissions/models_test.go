package permissions

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

const (
	orchestratorRole = "TriageOrchestratorRole"
	invokeModel      = "bedrock:InvokeModel"
)

// modelRequest is one check that Bedrock makes before a model answers.
type modelRequest struct {
	resource string
	through  string // ARN of the inference profile; empty: none
	from     string // aws:RequestedRegion
}

func foundationARN(region, id string) string {
	return fmt.Sprintf("arn:aws:bedrock:%s::foundation-model/%s", region, id)
}

func profileARN(region, id string) string {
	return fmt.Sprintf("arn:aws:bedrock:%s:%s:inference-profile/%s", region, account, id)
}

// checksOf returns the checks that Bedrock makes for one invocation in a Region, depending on the kind of
// the id (Bedrock User Guide, "Prerequisites for inference profiles").
func checksOf(id, region string) []modelRequest {
	model, profile := models.Parse(id), profileARN(region, id)
	switch {
	case model.Profile == "":
		return []modelRequest{{foundationARN(region, id), "", region}}
	case model.Profile == models.GlobalProfile:
		return []modelRequest{{profile, "", region}, {foundationARN(region, model.Model), profile, region},
			{foundationARN("", model.Model), profile, "unspecified"}}
	default:
		const destination = "xx-destination-1"
		return []modelRequest{{profile, "", region}, {foundationARN(region, model.Model), profile, region},
			{foundationARN(destination, model.Model), profile, destination}}
	}
}

// othersOf returns invocations that the grant of one model must not allow.
func othersOf(id, region string) []modelRequest {
	const another = "amazon.nova-micro-v1:0"
	model := models.Parse(id)
	requests := []modelRequest{
		{foundationARN(region, another), "", region},
		{profileARN(region, "global."+another), "", region},
		{foundationARN(region, another), profileARN(region, id), region}, // another model behind the profile
		{foundationARN("xx-other-1", model.Model), "", "xx-other-1"},
		{profileARN(region, "zz."+model.Model), "", region}, // another profile of the model
		{profileARN("xx-other-1", id), "", "xx-other-1"},
	}
	if model.Profile != "" {
		requests = append(requests, modelRequest{foundationARN(region, model.Model), "", region}, modelRequest{foundationARN("", model.Model), "", region},
			modelRequest{foundationARN(region, model.Model), profileARN(region, "zz."+model.Model), region})
	}
	return requests
}

// ask returns the question to the policy engine whether the orchestrator's role may make one request.
func (r template) ask(t *testing.T, request modelRequest) role {
	asked := r.roleOf(t, orchestratorRole, request.resource)
	asked.Services = []string{"bedrock"}
	asked.Context = map[string]any{"aws:RequestedRegion": request.from}
	if request.through != "" {
		asked.Context["bedrock:InferenceProfileArn"] = request.through
	}
	return asked
}

// assertInvokes checks that the allowed actions are exactly InvokeModel if want is true, and none otherwise.
// It ignores GetFoundationModel, which the self-check uses for the models in the stack's Region.
func assertInvokes(t *testing.T, want bool, allowed []string, name string) {
	t.Helper()
	isSelfCheck := func(action string) bool { return action == "bedrock:GetFoundationModel" }
	var actions []string
	if want {
		actions = []string{invokeModel}
	}
	assert.ElementsMatch(t, actions, slices.DeleteFunc(slices.Clone(allowed), isSelfCheck), name)
}

func TestDefaultModels_RoleInvokesOnlyTheseModels(t *testing.T) {
	unchanged := func(awscdk.Stack, *alarmtriage.AlarmTriageProps) {}
	questions, want := map[string]role{}, map[string]bool{}
	for _, region := range []string{"us-east-1", "eu-central-1", "ap-northeast-1", "ap-southeast-2", "sa-east-1", "us-gov-west-1"} {
		ids, _ := models.Defaults(region)
		for kind, env := range map[string]*awscdk.Environment{
			"known": {Account: jsii.String(account), Region: jsii.String(region)}, "unresolved": nil,
		} {
			stack := synthFor(t, env, region, unchanged)
			add := func(request modelRequest, allowed bool) {
				name := fmt.Sprintf("%s Region %s: %+v", kind, region, request)
				questions[name], want[name] = stack.ask(t, request), allowed
			}
			for _, id := range ids {
				for _, request := range othersOf(id, region) {
					add(request, false)
				}
			}
			for _, id := range ids {
				for _, request := range checksOf(id, region) {
					add(request, true)
				}
			}
		}
	}
	verdict := simulate(t, questions)
	for name, allowed := range want {
		assertInvokes(t, allowed, verdict.Allowed[name][questions[name].Resources[0]], name)
	}
}

func TestModelProps_RoleInvokesOnlyTheseModels(t *testing.T) {
	ids := []string{"eu.anthropic.claude-opus-5-5", "global.anthropic.claude-opus-5-5", "openai.gpt-oss-120b-1:0", "in.anthropic.claude-sonnet-5"}
	questions, want := map[string]role{}, map[string]bool{}
	stack := synth(t, func(p *alarmtriage.AlarmTriageProps) {
		p.BedrockModelId, p.FallbackModelIds = jsii.String(ids[0]), jsii.Strings(ids[1:]...)
	})
	for _, id := range ids {
		for _, request := range othersOf(id, region) {
			questions[fmt.Sprint(request)], want[fmt.Sprint(request)] = stack.ask(t, request), false
		}
	}
	for _, id := range ids {
		for _, request := range checksOf(id, region) {
			questions[fmt.Sprint(request)], want[fmt.Sprint(request)] = stack.ask(t, request), true
		}
	}
	verdict := simulate(t, questions)
	for name, allowed := range want {
		assertInvokes(t, allowed, verdict.Allowed[name][questions[name].Resources[0]], name)
	}
}

func TestAllowModelSubscriptions_OnlyThroughBedrockAndForTheModelsProducts(t *testing.T) {
	const via, product, sonnet, bedrock = "aws:CalledViaLast", "aws-marketplace:ProductId", "prod-pjfguoisodbd6", "bedrock.amazonaws.com"
	both := []string{"aws-marketplace:Unsubscribe", "aws-marketplace:ViewSubscriptions"}
	tests := []struct {
		name    string
		context map[string]any
		want    []string
	}{
		{"Bedrock subscribes to the model", map[string]any{via: bedrock, product: []string{sonnet}}, append([]string{"aws-marketplace:Subscribe"}, both...)},
		{"Bedrock subscribes to another product", map[string]any{via: bedrock, product: []string{"prod-0000000000000"}}, both},
		{"Bedrock names no product", map[string]any{via: bedrock}, both},
		{"another service", map[string]any{via: "cloudformation.amazonaws.com", product: []string{sonnet}}, nil},
		{"the function's own code", map[string]any{product: []string{sonnet}}, nil},
	}
	stack := synth(t, func(p *alarmtriage.AlarmTriageProps) { p.AllowModelSubscriptions = jsii.Bool(true) })
	questions := map[string]role{}
	for _, test := range tests {
		asked := stack.roleOf(t, orchestratorRole, anything)
		asked.Services, asked.Context = []string{"aws-marketplace", "aws-marketplace-management"}, test.context
		questions[test.name] = asked
	}
	verdict := simulate(t, questions)
	for _, test := range tests {
		assert.ElementsMatch(t, test.want, verdict.Allowed[test.name][anything], test.name)
	}
}
