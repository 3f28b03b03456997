package alarmtriage_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/regioninfo"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// deployedTo resolves a template as CloudFormation does in a Region: it replaces references to account and
// Region, and values from mappings. A missing key of a mapping fails the test, as it fails a deployment.
func deployedTo(t *testing.T, template map[string]any, region string) map[string]any {
	t.Helper()
	mappings, _ := template["Mappings"].(map[string]any)
	var resolve func(any) any
	resolve = func(value any) any {
		switch v := value.(type) {
		case []any:
			list := make([]any, len(v))
			for i := range v {
				list[i] = resolve(v[i])
			}
			return list
		case map[string]any:
			switch v["Ref"] {
			case "AWS::Region":
				return region
			case "AWS::AccountId":
				return "111122223333"
			}
			if find, ok := v["Fn::FindInMap"].([]any); ok {
				var found any = mappings
				for _, key := range find {
					name, _ := resolve(key).(string)
					row, _ := found.(map[string]any)
					require.Contains(t, row, name, "a mapping of the template, in %s", region)
					found = row[name]
				}
				return found
			}
			resolved := map[string]any{}
			for key, part := range v {
				resolved[key] = resolve(part)
			}
			return resolved
		}
		return value
	}
	return resolve(template).(map[string]any)
}

// orchestratorEnvironment returns the variables of the orchestrator, flattened.
func orchestratorEnvironment(t *testing.T, template map[string]any) map[string]string {
	t.Helper()
	for id, resource := range template["Resources"].(map[string]any) {
		if strings.HasPrefix(id, "TriageOrchestrator") && resource.(map[string]any)["Type"] == "AWS::Lambda::Function" {
			env := map[string]string{}
			properties := resource.(map[string]any)["Properties"].(map[string]any)
			for name, value := range properties["Environment"].(map[string]any)["Variables"].(map[string]any) {
				env[name] = text(value)
			}
			return env
		}
	}
	require.Fail(t, "no orchestrator")
	return nil
}

// templateOf returns a stack's template as decoded JSON.
func templateOf(t *testing.T, stack awscdk.Stack) map[string]any {
	t.Helper()
	raw, err := json.Marshal(synth(stack).ToJSON())
	require.NoError(t, err)
	var template map[string]any
	require.NoError(t, json.Unmarshal(raw, &template))
	return template
}

// defaultModels are the default models by Region.
var defaultModels = []struct{ region, first, fallbacks string }{
	{"us-east-1", "us.anthropic.claude-sonnet-5-5", "us.amazon.nova-2-lite-v1:0"},
	{"eu-central-1", "eu.anthropic.claude-sonnet-5-5", "eu.amazon.nova-2-lite-v1:0"},
	{"eu-west-2", "eu.anthropic.claude-sonnet-5-5", "global.amazon.nova-2-lite-v1:0"},
	{"eu-central-2", "eu.anthropic.claude-sonnet-5-5", "mistral.mistral-large-3-675b-instruct"},
	{"ap-northeast-1", "global.anthropic.claude-sonnet-5-5", "jp.amazon.nova-2-lite-v1:0"},
	{"ap-southeast-2", "global.anthropic.claude-sonnet-5-5", "global.amazon.nova-2-lite-v1:0"},
	{"sa-east-1", "global.anthropic.claude-sonnet-5-5", "mistral.mistral-large-3-675b-instruct"},
	{"me-south-1", "global.anthropic.claude-sonnet-5-5", "mistral.mistral-large-3-675b-instruct"},
	{"us-gov-west-1", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-pro-v1:0"},
	{"cn-north-1", "global.anthropic.claude-sonnet-5-5", "global.amazon.nova-2-lite-v1:0"},
}

// grantsOf returns the resources and conditions that the role needs for one model, depending on the kind of
// its id. If the Region is unresolved, every profile is granted like a geographic one.
func grantsOf(id, region string, geographic bool) map[string]string {
	bedrock := "arn:${AWS::Partition}:bedrock:"
	prefix, model, _ := strings.Cut(id, ".")
	profile := bedrock + region + ":111122223333:inference-profile/" + id
	through := "bedrock:InferenceProfileArn=" + profile
	switch {
	case prefix == "global" && !geographic:
		return map[string]string{
			profile: "aws:RequestedRegion=" + region,
			bedrock + region + "::foundation-model/" + model: "aws:RequestedRegion=" + region + " " + through,
			bedrock + "::foundation-model/" + model:          "aws:RequestedRegion=unspecified " + through,
		}
	case prefix == "global" || len(prefix) == 2 || prefix == "us-gov":
		return map[string]string{profile: "", bedrock + "*::foundation-model/" + model: through}
	default:
		return map[string]string{bedrock + region + "::foundation-model/" + id: ""}
	}
}

func TestDefaultModels_MatchTheRegion(t *testing.T) {
	for _, test := range defaultModels {
		t.Run(test.region, func(t *testing.T) {
			stack := newStackIn(test.region)
			triage := newTriage(stack, nil)
			template := templateOf(t, stack)
			assert.NotContains(t, template, "Mappings")
			env := orchestratorEnvironment(t, template)
			assert.Equal(t, test.first, env["MODEL_ID"])
			assert.Equal(t, test.fallbacks, env["FALLBACK_MODEL_IDS"])
			assert.Equal(t, test.first, *triage.BedrockModelId())
			assert.Equal(t, jsii.Strings(test.fallbacks), triage.FallbackModelIds())

			want := grantsOf(test.first, test.region, false)
			for resource, conditions := range grantsOf(test.fallbacks, test.region, false) {
				want[resource] = conditions
			}
			assert.Equal(t, want, invocable(t, policies(t, stack, "TriageOrchestratorRole")))
		})
	}
}

func TestDefaultModels_UnresolvedRegionResolvesToTheSameModels(t *testing.T) {
	stack := newStackIn("")
	triage := newTriage(stack, nil)
	assert.True(t, *awscdk.Token_IsUnresolved(triage.BedrockModelId()))
	require.Len(t, *triage.FallbackModelIds(), 1)
	template := templateOf(t, stack)
	for _, test := range defaultModels {
		t.Run(test.region, func(t *testing.T) {
			deployed := deployedTo(t, template, test.region)
			env := orchestratorEnvironment(t, deployed)
			assert.Equal(t, test.first, env["MODEL_ID"])
			assert.Equal(t, test.fallbacks, env["FALLBACK_MODEL_IDS"])

			want := grantsOf(test.first, test.region, true)
			for resource, conditions := range grantsOf(test.fallbacks, test.region, true) {
				want[resource] = conditions
			}
			got := invocable(t, policiesOf(t, deployed, "TriageOrchestratorRole"))
			for resource, conditions := range got {
				if strings.HasSuffix(resource, "/none") || strings.HasSuffix(conditions, "/none") {
					delete(got, resource) // a grant for a kind of id that this Region does not use; it matches no resource
				}
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestDefaultModels_MappingCoversEveryRegionOfCDK(t *testing.T) {
	stack := newStackIn("")
	newTriage(stack, nil)
	template := templateOf(t, stack)
	regions := append(models.Regions(), "eusc-de-east-1", "cn-northwest-1")
	for _, region := range *regioninfo.RegionInfo_Regions() {
		regions = append(regions, *region.Name())
	}
	for _, region := range regions {
		ids, _ := models.Defaults(region)
		env := orchestratorEnvironment(t, deployedTo(t, template, region))
		assert.Equal(t, ids, []string{env["MODEL_ID"], env["FALLBACK_MODEL_IDS"]}, region)
	}
	const mostAttributes = 200 // of a mapping ("AWS CloudFormation quotas")
	name := regexp.MustCompile(`^[A-Za-z0-9]{1,255}$`)
	for id, mapping := range template["Mappings"].(map[string]any) {
		attributes := 0
		for _, row := range mapping.(map[string]any) {
			for column := range row.(map[string]any) {
				attributes++
				assert.Regexp(t, name, column)
			}
		}
		assert.LessOrEqual(t, attributes, mostAttributes, id)
	}
}

func TestModels_PropsReplaceTheDefaults(t *testing.T) {
	for _, test := range []struct {
		name, region  string
		change        func(*alarmtriage.AlarmTriageProps)
		wantFirst     string
		wantFallbacks string // empty: no variable
	}{
		{"the first", "eu-west-1", func(p *alarmtriage.AlarmTriageProps) { p.BedrockModelId = jsii.String("eu.anthropic.claude-opus-5-5") },
			"eu.anthropic.claude-opus-5-5", "eu.amazon.nova-2-lite-v1:0"},
		{"the rest", "eu-west-1", func(p *alarmtriage.AlarmTriageProps) {
			p.FallbackModelIds = jsii.Strings("eu.amazon.nova-pro-v1:0", "openai.gpt-oss-120b-1:0")
		}, "eu.anthropic.claude-sonnet-5-5", "eu.amazon.nova-pro-v1:0,openai.gpt-oss-120b-1:0"},
		{"an empty list", "eu-west-1", func(p *alarmtriage.AlarmTriageProps) { p.FallbackModelIds = jsii.Strings() },
			"eu.anthropic.claude-sonnet-5-5", ""},
		{"an empty list in any Region", "", func(p *alarmtriage.AlarmTriageProps) { p.FallbackModelIds = jsii.Strings() },
			"jp", ""},
		{"the default fallback as the first", "eu-west-1", func(p *alarmtriage.AlarmTriageProps) { p.BedrockModelId = jsii.String("eu.amazon.nova-2-lite-v1:0") },
			"eu.amazon.nova-2-lite-v1:0", ""},
		{"the default first as a fallback", "eu-west-1", func(p *alarmtriage.AlarmTriageProps) {
			p.FallbackModelIds = jsii.Strings("eu.anthropic.claude-sonnet-5-5", "eu.amazon.nova-pro-v1:0")
		}, "eu.anthropic.claude-sonnet-5-5", "eu.amazon.nova-pro-v1:0"},
		{"the first in any Region", "", func(p *alarmtriage.AlarmTriageProps) { p.BedrockModelId = jsii.String("openai.gpt-oss-120b-1:0") },
			"openai.gpt-oss-120b-1:0", "jp.amazon.nova-2-lite-v1:0"},
		{"both in any Region", "", func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String("openai.gpt-oss-120b-1:0"), jsii.Strings("openai.gpt-oss-20b-1:0")
		}, "openai.gpt-oss-120b-1:0", "openai.gpt-oss-20b-1:0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stack := newStackIn(test.region)
			newTriage(stack, test.change)
			template := deployedTo(t, templateOf(t, stack), "ap-northeast-1")
			if test.wantFirst == "jp" { // the mapped default of ap-northeast-1
				test.wantFirst = "global.anthropic.claude-sonnet-5-5"
			}
			env := orchestratorEnvironment(t, template)
			assert.Equal(t, test.wantFirst, env["MODEL_ID"])
			fallbacks, given := env["FALLBACK_MODEL_IDS"]
			assert.Equal(t, test.wantFallbacks != "", given)
			assert.Equal(t, test.wantFallbacks, fallbacks)

			asked := map[string]bool{}
			for resource := range invocable(t, policiesOf(t, template, "TriageOrchestratorRole")) {
				if model := resource[strings.LastIndex(resource, "/")+1:]; model != "none" {
					asked[models.Parse(model).Model] = true
				}
			}
			want := map[string]bool{models.Parse(test.wantFirst).Model: true}
			for _, id := range strings.FieldsFunc(test.wantFallbacks, func(r rune) bool { return r == ',' }) {
				want[models.Parse(id).Model] = true
			}
			assert.Equal(t, want, asked, "the role may invoke exactly these models")
		})
	}
}

func TestModels_CanBeTokens(t *testing.T) {
	stack := newStackIn("")
	one, two := awscdk.NewCfnParameter(stack, jsii.String("One"), nil), awscdk.NewCfnParameter(stack, jsii.String("Two"), nil)
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.BedrockModelId, p.FallbackModelIds = one.ValueAsString(), &[]*string{two.ValueAsString(), jsii.String("us.amazon.nova-lite-v1:0")}
		p.MaxCostUsd = jsii.Number(1)
	})
	env := orchestratorEnvironment(t, templateOf(t, stack))
	assert.Equal(t, "${One}", env["MODEL_ID"])
	assert.Equal(t, "${Two},us.amazon.nova-lite-v1:0", env["FALLBACK_MODEL_IDS"])
}

// A template can't be deployed if it uses the mapping of another stack.
func TestBedrockModelId_CanBeUsedInAnotherStack(t *testing.T) {
	stack := newStackIn("")
	triage := newTriage(stack, nil)
	other := awscdk.NewStack(awscdk.App_Of(stack), jsii.String("Other"), nil)
	awscdk.NewCfnOutput(other, jsii.String("Model"), &awscdk.CfnOutputProps{Value: triage.BedrockModelId()})
	template := deployedTo(t, templateOf(t, other), "us-east-1")
	assert.Equal(t, "us.anthropic.claude-sonnet-5-5", template["Outputs"].(map[string]any)["Model"].(map[string]any)["Value"])
}

func TestModels_ProblemsAreReportedTogether(t *testing.T) {
	stack := newStack()
	problemsOf := func(change func(*alarmtriage.AlarmTriageProps)) string {
		return panicOf(t, func() {
			id := jsii.Sprintf("Topic%d", len(*stack.Node().Children()))
			props := &alarmtriage.AlarmTriageProps{
				NotificationTopic: awssns.Topic_FromTopicArn(stack, id, jsii.String("arn:aws:sns:eu-west-1:111122223333:pager")),
			}
			change(props)
			alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), props)
		})
	}
	message := problemsOf(func(p *alarmtriage.AlarmTriageProps) {
		p.BedrockModelId = jsii.String("eu.amazon.nova-pro-v1:0")
		p.FallbackModelIds = &[]*string{nil, jsii.String(""), jsii.String("a,b"), jsii.String("eu.amazon.nova-pro-v1:0")}
	})
	for _, want := range []string{
		`FallbackModelIds must be a model ID, an inference profile ID, or a Bedrock ARN, got ""`,
		`FallbackModelIds must be a model ID, an inference profile ID, or a Bedrock ARN, got "a,b"`,
		`FallbackModelIds must name each model once, got "eu.amazon.nova-pro-v1:0" twice`,
	} {
		assert.Contains(t, message, want)
	}
	assert.Contains(t, problemsOf(func(p *alarmtriage.AlarmTriageProps) {
		p.BedrockModelId = jsii.String("arn:aws:sagemaker:eu-west-1:111122223333:endpoint/x")
	}),
		"BedrockModelId must be a model ID, an inference profile ID, or a Bedrock ARN")
	assert.Contains(t, problemsOf(func(p *alarmtriage.AlarmTriageProps) { p.BedrockModelId = jsii.String("anthropic.claude-*") }),
		`BedrockModelId must be a model ID, an inference profile ID, or a Bedrock ARN, got "anthropic.claude-*"`)
	assert.Contains(t, problemsOf(func(p *alarmtriage.AlarmTriageProps) {
		p.FallbackModelIds = jsii.Strings("eu.anthropic.claude-sonnet-5-5")
	}),
		`FallbackModelIds must name another model than "eu.anthropic.claude-sonnet-5-5", the default of BedrockModelId, which is asked first`)
	assert.Contains(t, problemsOf(func(p *alarmtriage.AlarmTriageProps) { p.FallbackModelIds = jsii.Strings("a", "b", "c", "d", "e") }),
		"FallbackModelIds must contain at most 4 models, got 5")
	assert.Contains(t, problemsOf(func(p *alarmtriage.AlarmTriageProps) {
		list := &awscdk.CfnParameterProps{Type: jsii.String("CommaDelimitedList")}
		p.FallbackModelIds = awscdk.NewCfnParameter(stack, jsii.String("List"), list).ValueAsList()
	}), "FallbackModelIds must be a list whose length is known at synth")
}

func TestMaxCostUsd_NeedsThePriceOfEachModel(t *testing.T) {
	const profile = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc"
	price := func(keys ...string) *map[string]*alarmtriage.ModelPrice {
		prices := map[string]*alarmtriage.ModelPrice{}
		for _, key := range keys {
			prices[key] = &alarmtriage.ModelPrice{Input: jsii.Number(1), Output: jsii.Number(2)}
		}
		return &prices
	}
	for _, test := range []struct {
		name        string
		first       string
		fallbacks   []string
		prices      *map[string]*alarmtriage.ModelPrice
		wantMissing []string
	}{
		{"known", "eu.anthropic.claude-sonnet-5-5", []string{"openai.gpt-oss-120b-1:0"}, nil, nil},
		{"unlisted", "eu.anthropic.claude-sonnet-9", nil, nil, []string{"eu.anthropic.claude-sonnet-9"}},
		{"unlisted fallbacks", "eu.anthropic.claude-sonnet-5-5", []string{"eu.anthropic.claude-sonnet-9", profile}, nil, []string{"eu.anthropic.claude-sonnet-9", profile}},
		{"listed by the user", "eu.anthropic.claude-sonnet-9", []string{profile}, price("anthropic.claude-sonnet-9", profile), nil},
		{"the beginning of a name", "eu.anthropic.claude-sonnet-9", nil, price("anthropic."), nil},
		{"the number of another version", "eu.anthropic.claude-sonnet-9-1", nil, price("anthropic.claude-sonnet-9"), []string{"eu.anthropic.claude-sonnet-9-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synthesize := func(cost *float64) {
				stack := newStack()
				newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
					p.BedrockModelId, p.FallbackModelIds = jsii.String(test.first), jsii.Strings(test.fallbacks...)
					p.ModelPrices, p.MaxCostUsd = test.prices, cost
				})
			}
			synthesize(nil)
			if len(test.wantMissing) == 0 {
				synthesize(jsii.Number(2))
				return
			}
			message := panicOf(t, func() { synthesize(jsii.Number(2)) })
			for _, id := range test.wantMissing {
				assert.Contains(t, message, fmt.Sprintf("MaxCostUsd needs the price of each model, and the built-in table has none for %q", id))
			}
		})
	}
}

// annotationsOf returns the texts of AlarmTriage's warnings and notes.
func annotationsOf(stack awscdk.Stack) map[string][]string {
	found := map[string][]string{}
	for _, entry := range *stack.Node().FindChild(jsii.String("Triage")).Node().Metadata() {
		if level, isAnnotation := strings.CutPrefix(*entry.Type, "aws:cdk:"); isAnnotation {
			text, _ := entry.Data.(string)
			found[level] = append(found[level], text)
		}
	}
	return found
}

func TestAnnotations_ReportDoubtsAboutTheModels(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	set := func(first string, fallbacks ...string) func(*alarmtriage.AlarmTriageProps) {
		return func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String(first), jsii.Strings(fallbacks...)
		}
	}
	for _, test := range []struct {
		name, region string
		change       func(*alarmtriage.AlarmTriageProps)
		at           time.Time
		warnings     []string // parts of the warnings' texts
		infos        []string
	}{
		{name: "no doubts", region: "eu-west-1"},
		{name: "default that is global", region: "ap-southeast-2", warnings: []string{
			"default model global.anthropic.claude-sonnet-5-5 is a global inference profile.*ack: alarmtriage:global-profile",
			"default model global.amazon.nova-2-lite-v1:0 is a global inference profile"}},
		{name: "global fallback", region: "eu-west-2", warnings: []string{"default model global.amazon.nova-2-lite-v1:0 is a global"}},
		{name: "global by choice", region: "eu-west-1", change: set("global.anthropic.claude-opus-5-5"),
			infos: []string{"BedrockModelId global.anthropic.claude-opus-5-5 is a global inference profile"}},
		{name: "unconfirmed default", region: "eu-central-2", infos: []string{"no source confirms that the default model mistral.*eu-central-2"}},
		{name: "GovCloud", region: "us-gov-east-1", infos: []string{"us-gov.anthropic.claude-sonnet-4-5", "amazon.nova-pro-v1:0"}},
		{name: "China", region: "cn-north-1", warnings: []string{"Amazon Bedrock is not known to be available in cn-north-1.*No Region of the partition aws-cn is known to have it"}},
		{name: "Region without Bedrock", region: "ap-east-1", warnings: []string{"Amazon Bedrock is not known to be available in ap-east-1.*Deploy to a Region that has Bedrock.*ack: alarmtriage:no-bedrock"}},
		{name: "any Region", region: "", infos: []string{"Region is not known at synth.*global inference profiles"}},
		{name: "any Region, global by choice", region: "", change: set("global.anthropic.claude-opus-5-5"),
			infos: []string{"BedrockModelId global.anthropic.claude-opus-5-5 is a global inference profile"}},
		{name: "any Region, with a profile of one geography", region: "", change: set("us.anthropic.claude-opus-5-5")},
		{name: "retired", region: "us-east-1", change: set("us.amazon.nova-premier-v1:0"),
			warnings: []string{"BedrockModelId us.amazon.nova-premier-v1:0: Nova Premier reached the end of its life on 2026-09-14.*ack: alarmtriage:retired-model"}},
		{name: "retired without a date", region: "us-east-1", change: set("us.amazon.nova-lite-v1:0", "us.anthropic.claude-3-opus-20240229-v1:0"),
			warnings: []string{"us.anthropic.claude-3-opus-20240229-v1:0 of FallbackModelIds: Claude 3 Opus reached the end of its life and"}},
		{name: "the day before the last", region: "us-east-1", change: set("us.amazon.nova-premier-v1:0"), at: time.Date(2026, 9, 13, 0, 0, 0, 0, time.UTC),
			warnings: []string{"reaches the end of its life on 2026-09-14.*ack: alarmtriage:retiring-model"}},
		{name: "90 days before", region: "us-east-1", change: set("us.amazon.nova-premier-v1:0"), at: time.Date(2026, 6, 16, 0, 0, 0, 0, time.UTC),
			warnings: []string{"reaches the end of its life on 2026-09-14"}},
		{name: "91 days before", region: "us-east-1", change: set("us.amazon.nova-premier-v1:0"), at: time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)},
		{name: "retired, in any Region, by its ARN", region: "", change: set("arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-premier-v1:0"),
			warnings: []string{"Nova Premier reached the end of its life"}},
		{name: "another version", region: "us-east-1", change: set("us.anthropic.claude-sonnet-9"),
			infos: []string{"BedrockModelId us.anthropic.claude-sonnet-9 is not in this version's catalog .*other versions of this model, so check the number.*ack: alarmtriage:unknown-model"}},
		{name: "another way to write the number", region: "eu-west-1", change: set("eu.anthropic.claude-opus-5.5", "eu.anthropic.claude-sonnet-4.5-20250929-v1:0"),
			warnings: []string{"BedrockModelId eu.anthropic.claude-opus-5.5 is not in this version's catalog .*but eu.anthropic.claude-opus-5-5 is: correct it",
				"but eu.anthropic.claude-sonnet-4-5-20250929-v1:0 is: correct it"}},
		{name: "another way to write the number of a retired model", region: "eu-west-1", change: set("anthropic.claude-3.5-sonnet"),
			warnings: []string{"BedrockModelId anthropic.claude-3.5-sonnet is not .*, but anthropic.claude-3-5-sonnet is, which reached the end of its life: choose"}},
		{name: "another geography", region: "eu-west-1", change: set("eu.amazon.nova-pro-v1:0", "in.anthropic.claude-sonnet-5"),
			warnings: []string{"in.anthropic.claude-sonnet-5 of FallbackModelIds is an inference profile of another geography and can't be invoked from eu-west-1"}},
		{name: "global in GovCloud", region: "us-gov-west-1", change: set("global.anthropic.claude-opus-5-5"),
			warnings: []string{"can't be invoked from us-gov-west-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			stack := newStackIn(test.region)
			props := &alarmtriage.AlarmTriageProps{NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil)}
			if test.change != nil {
				test.change(props)
			}
			if test.at.IsZero() {
				test.at = now
			}
			alarmtriage.NewAlarmTriageAt(stack, jsii.String("Triage"), props, test.at)
			got := annotationsOf(stack)
			for level, want := range map[string][]string{"warning": test.warnings, "info": test.infos} {
				require.Len(t, got[level], len(want), "%s: %v", level, got[level])
				all := strings.Join(got[level], "\n")
				for _, pattern := range want {
					assert.Regexp(t, pattern, all)
				}
			}
		})
	}
}

func TestAllowModelSubscriptions_NamesTheProductsOfTheModels(t *testing.T) {
	type grant struct {
		actions    string
		conditions map[string]map[string]any
	}
	viaBedrock := map[string]any{"aws:CalledViaLast": "bedrock.amazonaws.com"}
	subscribe := func(products ...any) map[string]map[string]any {
		conditions := map[string]map[string]any{"StringEquals": viaBedrock}
		switch len(products) {
		case 0:
		case 1:
			conditions["ForAnyValue:StringEquals"] = map[string]any{"aws-marketplace:ProductId": products[0]}
		default:
			conditions["ForAnyValue:StringEquals"] = map[string]any{"aws-marketplace:ProductId": products}
		}
		return conditions
	}
	const sonnet, haiku = "prod-pjfguoisodbd6", "prod-6cyn7tgqazjhu"
	for _, test := range []struct {
		name, region string
		first        string
		fallbacks    []string
		want         map[string]map[string]any // conditions of Subscribe; nil: no grant
		wantInfo     bool
	}{
		{"default", "eu-west-1", "", nil, subscribe([]any{sonnet}), false},
		{"default of GovCloud in any Region", "us-gov-west-1", "", nil, subscribe([]any{"prod-mxcfnwvpd6kb4"}), false},
		{"two profiles of one model and another", "eu-west-1", "eu.anthropic.claude-sonnet-5-5",
			[]string{"global.anthropic.claude-sonnet-5-5", "eu.anthropic.claude-haiku-5-5", "eu.amazon.nova-2-lite-v1:0"}, subscribe(sonnet, haiku), false},
		{"nothing to subscribe to", "eu-west-1", "eu.amazon.nova-2-lite-v1:0", []string{"openai.gpt-oss-120b-1:0"}, nil, false},
		{"an unknown product", "eu-west-1", "eu.anthropic.claude-sonnet-5-5", []string{"eu.anthropic.claude-sonnet-9"}, subscribe(), true},
		{"a token", "eu-west-1", *awscdk.Aws_STACK_NAME(), []string{}, subscribe(), true},
		{"an application profile", "eu-west-1", "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc", []string{}, subscribe(), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			stack := newStackIn(test.region)
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.AllowModelSubscriptions = jsii.Bool(true)
				if test.first != "" {
					p.BedrockModelId, p.FallbackModelIds = jsii.String(test.first), jsii.Strings(test.fallbacks...)
				}
			})
			got := map[string]grant{}
			for _, s := range policies(t, stack, "TriageOrchestratorRole") {
				if strings.Contains(text(s.Action), "aws-marketplace") {
					assert.Equal(t, "*", s.Resource, "these actions do not support resources")
					got[s.Sid] = grant{text(s.Action), s.Condition}
				}
			}
			want := map[string]grant{}
			if test.want != nil {
				want["AllowModelSubscriptions"] = grant{"aws-marketplace:Subscribe", test.want}
				want["ModelSubscriptions"] = grant{"aws-marketplace:Unsubscribe aws-marketplace:ViewSubscriptions", subscribe()}
			}
			assert.Equal(t, want, got)
			notes := strings.Join(annotationsOf(stack)["info"], "\n")
			assert.Equal(t, test.wantInfo, strings.Contains(notes, "alarmtriage:subscription"))
			assert.NotContains(t, notes, "Token[")
		})
	}

	anywhere := newStackIn("")
	newTriage(anywhere, func(p *alarmtriage.AlarmTriageProps) { p.AllowModelSubscriptions = jsii.Bool(true) })
	template := templateOf(t, anywhere)
	for region, product := range map[string]string{"eu-west-1": sonnet, "us-gov-west-1": "prod-mxcfnwvpd6kb4"} {
		statements := filterSid(policiesOf(t, deployedTo(t, template, region), "TriageOrchestratorRole"), "AllowModelSubscriptions")
		require.Len(t, statements, 1)
		assert.Equal(t, subscribe([]any{product}), statements[0].Condition, region)
	}

	off := newStack()
	newTriage(off, nil)
	assert.NotContains(t, fmt.Sprint(templateOf(t, off)), "aws-marketplace")
}

// IAM allows 10,240 characters for all policies within a role, not counting whitespace ("IAM and STS quotas").
func TestOrchestratorRole_HasSpaceForTheLargestSetOfModels(t *testing.T) {
	const most = 10_240
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		for _, variant := range goldenVariants {
			if variant.name == "everything" {
				variant.change(stack, p)
			}
		}
		p.BedrockModelId, p.FallbackModelIds = jsii.String("global.anthropic.claude-sonnet-4-5-20250929-v1:0"), jsii.Strings()
		for i := range 4 {
			*p.FallbackModelIds = append(*p.FallbackModelIds, jsii.Sprintf("global.anthropic.claude-sonnet-4-5-2025092%d-v1:0", i))
		}
		p.AllowModelSubscriptions = jsii.Bool(true)
		p.Runbooks = &alarmtriage.Runbooks{Bucket: awss3.Bucket_FromBucketName(stack, jsii.String("Books"), jsii.String("books"))}
	})
	statements := policies(t, stack, "TriageOrchestratorRole")
	sids, size := map[string]bool{}, 0
	for _, s := range statements {
		if s.Sid != "" {
			assert.False(t, sids[s.Sid], "Sids are unique: %s", s.Sid)
			sids[s.Sid] = true
		}
		for _, value := range []any{s.Resource, s.Condition, s.Action, s.Sid} {
			raw, err := json.Marshal(value)
			require.NoError(t, err)
			size += len(raw) // CloudFormation's functions are longer than their values
		}
		size += len(`{"Sid":,"Effect":"Allow","Action":,"Resource":,"Condition":},`)
	}
	t.Logf("%d statements, %d characters", len(statements), size)
	assert.Less(t, size, most)
	assert.Len(t, filterSid(statements, "InvokeModelGlobally5"), 1)
}

func TestUnknownModel_NamesModelsPastTheirEndOfLife(t *testing.T) {
	for id, nearest := range map[string]string{
		"us.amazon.nova-premire-v1:0":                  "us.amazon.nova-premier-v1:0",
		"us.anthropic.claude-3-7-sonet-20250219-v1:0":  "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
		"us.anthropic.claude-3.7-sonnet-20250219-v1:0": "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
		"anthropic.claude-3-hiaku-20240307-v1:0":       "anthropic.claude-3-haiku-20240307-v1:0",
		"us.meta.lama3-2-90b-instruct-v1:0":            "us.meta.llama3-2-90b-instruct-v1:0",
	} {
		stack := newStackIn("us-east-1")
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String(id), &[]*string{}
		})
		assert.Contains(t, strings.Join(messagesOf(stack), "\n"), fmt.Sprintf("BedrockModelId %s is not in this version's catalog "+
			"(docs/models.md), but %s is, which reached the end of its life: choose another model", id, nearest))
	}
}

// Bedrock rejects an ID whose date or version is missing or wrong.
func TestModelIDs_WarnWithTheExactID(t *testing.T) {
	for id, want := range map[string]string{ // empty: no warning
		"us.amazon.nova-2-lite":             "but us.amazon.nova-2-lite-v1:0 is: correct it",
		"us.amazon.nova-2-lite-v2:0":        "but us.amazon.nova-2-lite-v1:0 is: correct it",
		"us.amazon.nova-2-lit":              "but us.amazon.nova-2-lite-v1:0 is: correct it",
		"amazon.nova-2-lite":                "use us.amazon.nova-2-lite-v1:0 or global.amazon.nova-2-lite-v1:0",
		"amazon.nova-2-lite-v2:0":           "use us.amazon.nova-2-lite-v1:0 or global.amazon.nova-2-lite-v1:0",
		"amazon.nova-pro":                   "but amazon.nova-pro-v1:0 is: correct it",
		"zz.amazon.nova-pro-v1:0":           "but amazon.nova-pro-v1:0 and us.amazon.nova-pro-v1:0 are: correct it",
		"openai.gpt-oss-120b":               "but openai.gpt-oss-120b-1:0 is: correct it",
		"openai.gpt-oss-120b-v1:0":          "but openai.gpt-oss-120b-1:0 is: correct it",
		"us.openai.gpt-oss-120b-1:0":        "but openai.gpt-oss-120b-1:0 is: correct it",
		"us.meta.llama3-3-70b-instruct":     "but us.meta.llama3-3-70b-instruct-v1:0 is: correct it",
		"us.anthropic.claude-sonnet-4-5":    "but us.anthropic.claude-sonnet-4-5-20250929-v1:0 is: correct it",
		"us.anthropic.claude-opus-4-6-v1:0": "but us.anthropic.claude-opus-4-6-v1 is: correct it",
		"us.anthropic.claude-opus-4-7-v1":   "but us.anthropic.claude-opus-4-7 is: correct it",
		"anthropic.claude-opus-4-6":         "use us.anthropic.claude-opus-4-6-v1 or global.anthropic.claude-opus-4-6-v1",
		"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-2-lite": "but us.amazon.nova-2-lite-v1:0 is: correct it",

		"claude-sonnet-5-5":                           "but us.anthropic.claude-sonnet-5-5 and global.anthropic.claude-sonnet-5-5 are: correct it",
		"us.claude-sonnet-5-5":                        "but us.anthropic.claude-sonnet-5-5 is: correct it",
		"claude-sonnet-4-5-20250929":                  "but us.anthropic.claude-sonnet-4-5-20250929-v1:0 and global.anthropic.claude-sonnet-4-5-20250929-v1:0 are: correct it",
		"us.claude-sonet-5-5":                         "but us.anthropic.claude-sonnet-5-5 is: correct it",
		"us.claude-sonnet-5.5":                        "but us.anthropic.claude-sonnet-5-5 is: correct it",
		"us.claude-3-opus":                            "but us.anthropic.claude-3-opus is, which reached the end of its life: choose another model",
		"nova-2-lite":                                 "but us.amazon.nova-2-lite-v1:0 and global.amazon.nova-2-lite-v1:0 are: correct it",
		"gpt-oss-120b":                                "but openai.gpt-oss-120b-1:0 is: correct it",
		"gpt-6.1-sol":                                 "but us.openai.gpt-6.1-sol and global.openai.gpt-6.1-sol are: correct it",
		"bedrock/us.anthropic.claude-sonnet-5-5":      "but us.anthropic.claude-sonnet-5-5 is: correct it",
		"bedrock/converse/us.amazon.nova-2-lite-v1:0": "but us.amazon.nova-2-lite-v1:0 is: correct it",
		"bedrock:us.amazon.nova-2-lite-v1:0":          "but us.amazon.nova-2-lite-v1:0 is: correct it",
		"anthropic/claude-sonnet-5.5":                 "but us.anthropic.claude-sonnet-5-5 and global.anthropic.claude-sonnet-5-5 are: correct it",
		"US.Anthropic.Claude-Sonnet-5-5":              "but us.anthropic.claude-sonnet-5-5 is: correct it",
		"us-east-1.anthropic.claude-sonnet-5-5":       "but us.anthropic.claude-sonnet-5-5 and global.anthropic.claude-sonnet-5-5 are: correct it",
		"mistral.mistral-large-3":                     "but mistral.mistral-large-3-675b-instruct is: correct it",
		"us.claude-sonnet-9":                          "has no provider, with which every model's ID begins",

		"us.anthropic.claude-sonnet-5-5": "", "amazon.nova-lite-v1:0:300k": "", "us.anthropic.claude-sonnet-9": "", "cohere.command-r-v1:0": "",
		"arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc": "",
	} {
		stack := newStackIn("us-east-1")
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.FallbackModelIds = jsii.String(id), &[]*string{}
		})
		got := strings.Join(annotationsOf(stack)["warning"], "\n")
		if want == "" {
			assert.NotContains(t, got, "-model", id)
			continue
		}
		assert.Contains(t, got, want, id)
		assert.Equal(t, 1, strings.Count(got, "BedrockModelId"), got)
	}
	for _, m := range models.All() {
		for _, profile := range append([]string{""}, m.Profiles...) {
			id := strings.TrimPrefix(profile+"."+m.ID+m.Suffix, ".")
			if m.Lifecycle.State == models.StateEndOfLife || profile == "" && !m.InRegion {
				continue
			}
			assert.True(t, alarmtriage.IsExactModelID(id), id)
		}
	}
}

func TestModelPrices_WarnsOfUnitsAndUnusedKeys(t *testing.T) {
	const unused, odd = "alarmtriage:unused-price", "alarmtriage:odd-price"
	price := func(input, output, cacheRead float64) *alarmtriage.ModelPrice {
		return &alarmtriage.ModelPrice{Input: jsii.Number(input), Output: jsii.Number(output), CacheRead: jsii.Number(cacheRead)}
	}
	const profile = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc"
	for _, test := range []struct {
		name   string
		key    string
		price  *alarmtriage.ModelPrice
		region string
		model  string // empty: the default models
		want   []string
	}{
		{"a discount", "amazon.nova-pro", price(0.5, 2, 0), "eu-west-1", "eu.amazon.nova-pro-v1:0", nil},
		{"exactly a tenth", "amazon.nova-pro", price(0.08, 0.32, 0), "eu-west-1", "amazon.nova-pro-v1:0", nil},
		{"per thousand tokens", "amazon.nova-pro", price(0.0008, 0.0032, 0), "eu-west-1", "amazon.nova-pro-v1:0", []string{odd + ":" +
			` alarmtriage: ModelPrices has the Input price 0.0008 for "amazon.nova-pro", but the built-in one of amazon.nova-pro-v1:0 is 0.8: prices are US dollars per million tokens`}},
		{"per token", "amazon.nova-pro", price(0.0000008, 3.2, 0), "eu-west-1", "amazon.nova-pro-v1:0", []string{odd + ": alarmtriage: ModelPrices has the Input price 0.0000008"}},
		{"in cents", "amazon.nova-pro", price(0.8, 320, 0), "eu-west-1", "amazon.nova-pro-v1:0", []string{odd + ": alarmtriage: ModelPrices has the Output price 320"}},
		{"the cache", "amazon.nova-pro", price(0.8, 3.2, 20), "eu-west-1", "amazon.nova-pro-v1:0", []string{odd + ": alarmtriage: ModelPrices has the CacheRead price 20"}},
		{"with a profile", "eu.amazon.nova-pro", price(0.8, 3.2, 0), "eu-west-1", "eu.amazon.nova-pro-v1:0", []string{unused + ":" +
			` alarmtriage: ModelPrices has a price for "eu.amazon.nova-pro", which applies to no model of BedrockModelId and FallbackModelIds`}},
		{"a complete ID", "eu.amazon.nova-pro-v1:0", price(0.8, 3.2, 0), "eu-west-1", "eu.amazon.nova-pro-v1:0", nil},
		{"an application profile", profile, price(0.0001, 1000, 0), "eu-west-1", profile, nil},
		{"another model", "openai.gpt-oss", price(1, 2, 0), "eu-west-1", "eu.amazon.nova-pro-v1:0", []string{unused}},
		{"default models", "anthropic.claude-sonnet-5-5", price(2, 10, 0), "eu-west-1", "", nil},
		{"default models of any Region", "anthropic.claude-sonnet-5-5", price(2, 10, 0), "", "", nil},
		{"unused in any Region", "openai.gpt-oss", price(2, 10, 0), "", "", []string{unused}},
	} {
		t.Run(test.name, func(t *testing.T) {
			stack := newStackIn(test.region)
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
				p.ModelPrices = &map[string]*alarmtriage.ModelPrice{test.key: test.price}
				if test.model != "" {
					p.BedrockModelId, p.FallbackModelIds = jsii.String(test.model), &[]*string{}
				}
			})
			var found []string
			for _, message := range messagesOf(stack) {
				if strings.Contains(message, "-price: ") {
					found = append(found, message)
				}
			}
			if assert.Len(t, found, len(test.want), found) && len(test.want) > 0 {
				assert.Contains(t, found[0], test.want[0])
			}
		})
	}
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.BedrockModelId = awscdk.NewCfnParameter(stack, jsii.String("Model"), nil).ValueAsString()
		p.ModelPrices = &map[string]*alarmtriage.ModelPrice{"openai.gpt-oss": price(1, 2, 0)}
	})
	assert.NotContains(t, strings.Join(messagesOf(stack), "\n"), unused, "the model is not known at synth")
}

func TestBudgets_WarnWhenTheyAreTooSmall(t *testing.T) {
	none, nothing := ": no model may be asked, not even one of FallbackModelIds", ": the model concludes without reading anything"
	for _, tt := range []struct {
		name, region string
		change       func(*alarmtriage.AlarmTriageProps)
		want         string // part of a warning
	}{
		{"no request", "us-east-1", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsd = jsii.Number(0.01) },
			"MaxCostUsd $0.01 is too little for an investigation, because one request may use about $0.0443, and an investigation with one round about $0.128" + none},
		{"no round", "us-east-1", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsd = jsii.Number(0.1) }, "MaxCostUsd $0.1 is" + "|" + nothing},
		{"enough", "us-east-1", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsd = jsii.Number(0.15) }, ""},
		{"a cheap model", "us-east-1", func(p *alarmtriage.AlarmTriageProps) {
			p.BedrockModelId, p.MaxCostUsd = jsii.String("us.amazon.nova-2-lite-v1:0"), jsii.Number(0.03)
		}, ""},
		{"any Region", "", func(p *alarmtriage.AlarmTriageProps) { p.MaxCostUsd = jsii.Number(0.01) }, none},
		{"a price of the user", "us-east-1", func(p *alarmtriage.AlarmTriageProps) {
			p.MaxCostUsd = jsii.Number(0.01)
			p.ModelPrices = &map[string]*alarmtriage.ModelPrice{"anthropic.claude-sonnet-5-5": {Input: jsii.Number(0.01), Output: jsii.Number(0.01)}}
		}, ""},
		{"a token", "us-east-1", func(p *alarmtriage.AlarmTriageProps) {
			p.MaxCostUsd = awscdk.Token_AsNumber(map[string]any{"Ref": "Cost"})
		}, ""},
		{"few tokens", "us-east-1", func(p *alarmtriage.AlarmTriageProps) { p.MaxTokens = jsii.Number(10_000) }, "MaxTokens 10000 tokens is too little|13024 tokens|34240 tokens" + none},
		{"tokens for a conclusion", "us-east-1", func(p *alarmtriage.AlarmTriageProps) { p.MaxTokens = jsii.Number(20_000) }, nothing},
		{"enough tokens", "us-east-1", func(p *alarmtriage.AlarmTriageProps) { p.MaxTokens = jsii.Number(35_000) }, ""},
	} {
		stack := newStackIn(tt.region)
		newTriage(stack, tt.change)
		got := strings.Join(annotationsOf(stack)["warning"], "\n")
		for _, part := range strings.Split(tt.want, "|") {
			assert.Contains(t, got, part, tt.name)
		}
		assert.Equal(t, tt.want != "", strings.Contains(got, "small-budget"), "%s: %s", tt.name, got)
	}
}
