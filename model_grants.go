package alarmtriage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// allowModels lets the orchestrator invoke exactly its models, and apply their guardrail.
func (t *AlarmTriage) allowModels(p *AlarmTriageProps) {
	here := environmentOf(awscdk.Stack_Of(t))
	granted := map[modelGrant]bool{}
	for i, m := range t.models {
		grants := modelGrants(here, m.id)
		if m.perRegion != nil {
			grants = m.perRegion.grants(here)
		}
		for _, grant := range grants {
			if !granted[grant] { // two names of one profile have the same grants
				granted[grant] = true
				t.orchestratorRole.AddToPolicy(grant.statement(numbered(grant.sid, i)))
			}
		}
	}
	if isTrue(p.AllowModelSubscriptions) {
		t.allowSubscriptions()
	}
	if g := p.Guardrail; g != nil {
		guardrail := guardrailARN(here, g.GuardrailId)
		t.allow("ApplyGuardrail", []*string{guardrail}, "bedrock:ApplyGuardrail")
		t.allow("ApplyGuardrailProfiles", []*string{guardrailProfiles(here, *guardrail)}, "bedrock:ApplyGuardrail")
	}
}

// stackEnvironment is a stack with where it is deployed, which may be tokens. Each of them is a message to CDK.
type stackEnvironment struct {
	stack                      awscdk.Stack
	partition, region, account string
}

func environmentOf(stack awscdk.Stack) stackEnvironment {
	return stackEnvironment{stack: stack, partition: *stack.Partition(), region: *stack.Region(), account: *stack.Account()}
}

// bedrockARN matches the ARN of a Bedrock resource and captures its kind and id. Partition, Region, and
// account may be tokens or dynamic references.
var bedrockARN = regexp.MustCompile(strings.ReplaceAll(`^arn:F+:bedrock:F*:F*:([a-z-]+)/(.+)$`, "F", `(?:`+dynamicReference.String()+`|[^:])`))

// modelGrant allows the invocation of one resource.
type modelGrant struct {
	sid      string
	resource string // ARN
	through  string // ARN of the only inference profile through which it may be invoked; empty: any or none
	from     string // the only value of aws:RequestedRegion; empty: any
}

// statement returns the grant as a policy statement.
func (g modelGrant) statement(sid *string) awsiam.PolicyStatement {
	p := &awsiam.PolicyStatementProps{Sid: sid, Actions: jsii.Strings("bedrock:InvokeModel"), Resources: jsii.Strings(g.resource)}
	equals := map[string]any{}
	if g.through != "" {
		equals["bedrock:InferenceProfileArn"] = g.through
	}
	if g.from != "" {
		equals["aws:RequestedRegion"] = g.from
	}
	if len(equals) > 0 {
		p.Conditions = &map[string]any{"StringEquals": equals}
	}
	return awsiam.NewPolicyStatement(p)
}

// foundationARN returns the ARN of a foundation model.
func foundationARN(here stackEnvironment, region, id string) string {
	return fmt.Sprintf("arn:%s:bedrock:%s::foundation-model/%s", here.partition, region, id)
}

// profileARN returns the ARN of a system-defined inference profile in the stack's Region.
func profileARN(here stackEnvironment, id string) string {
	return fmt.Sprintf("arn:%s:bedrock:%s:%s:inference-profile/%s", here.partition, here.region, here.account, id)
}

// behindProfile returns grants for a model in every Region, but only through one profile. The destination
// Regions of a profile change and can't be read at synth.
func behindProfile(here stackEnvironment, profile, model string) []modelGrant {
	return []modelGrant{
		{sid: "InvokeProfile", resource: profile},
		{sid: "InvokeModelBehindProfile", resource: foundationARN(here, "*", model), through: profile},
	}
}

// modelGrants returns the grants for one model, which is named by a model id, the id of a geographic or
// global inference profile, or the ARN of a profile or of a custom, imported, or provisioned model.
func modelGrants(here stackEnvironment, id string) []modelGrant {
	const anyModel = "*" // for profiles that do not name their model
	if arn := bedrockARN.FindStringSubmatch(id); arn != nil {
		switch arn[1] {
		case "inference-profile": // a system-defined profile: its id names the model
			return modelGrants(here, arn[2])
		case "application-inference-profile":
			return behindProfile(here, id, anyModel)
		default:
			return []modelGrant{{sid: "InvokeModel", resource: id}}
		}
	}
	switch parsed := models.Parse(id); {
	case parsed.Profile == models.GlobalProfile:
		// A global profile is checked three times: profile, the Region's model, and the model without a
		// Region (Bedrock User Guide, "Prerequisites for inference profiles").
		profile := profileARN(here, id)
		return []modelGrant{
			{sid: "InvokeProfile", resource: profile, from: here.region},
			{sid: "InvokeModelInRegion", resource: foundationARN(here, here.region, parsed.Model), through: profile, from: here.region},
			{sid: "InvokeModelGlobally", resource: foundationARN(here, "", parsed.Model), through: profile, from: "unspecified"},
		}
	case parsed.Profile != "":
		return behindProfile(here, profileARN(here, id), parsed.Model)
	case isARNAttribute(here.stack, id):
		return behindProfile(here, id, anyModel)
	case unresolved(id):
		return append(behindProfile(here, profileARN(here, id), anyModel),
			modelGrant{sid: "InvokeModel", resource: foundationARN(here, here.region, id)})
	default:
		return []modelGrant{{sid: "InvokeModel", resource: foundationARN(here, here.region, id)}}
	}
}

// grants returns the grants for a default model whose id depends on the Region of the deployment. They cover
// every kind of id; those for kinds that the Region does not use match no resource. Global profiles need no
// extra grant, because * for a Region also matches an ARN without a Region.
func (m *mappedModel) grants(here stackEnvironment) []modelGrant {
	grants := behindProfile(here, profileARN(here, m.profile), m.model)
	if m.direct != "" {
		grants = append(grants, modelGrant{sid: "InvokeModel", resource: foundationARN(here, here.region, m.direct)})
	}
	return grants
}

// isARNAttribute reports whether a token is a resource attribute with an ARN, such as
// CfnApplicationInferenceProfile.AttrInferenceProfileArn. The values of other tokens are not known before
// the deployment.
func isARNAttribute(stack awscdk.Stack, token string) bool {
	resolved, _ := stack.Resolve(token).(map[string]any)
	attribute, _ := resolved["Fn::GetAtt"].([]any)
	if len(attribute) == 0 {
		return false
	}
	name, _ := attribute[len(attribute)-1].(string)
	return strings.HasSuffix(name, "Arn")
}

// allowSubscriptions lets Bedrock, on behalf of the orchestrator, subscribe the account to the models that
// are sold through AWS Marketplace. Bedrock does so at the first call of such a model in an account
// (Bedrock User Guide, "Request access to models": the caller's role needs these three actions). They do
// not support resources. Two conditions narrow them:
//   - aws:CalledViaLast prevents the orchestrator's own code from calling AWS Marketplace, as in AWS's
//     managed policy AmazonBedrockLimitedAccess.
//   - aws-marketplace:ProductId limits Subscribe, and only Subscribe, to the models' products ("Grant IAM
//     permissions to request access to Amazon Bedrock foundation models with a product ID"). The product
//     ids are on the models' cards.
func (t *AlarmTriage) allowSubscriptions() {
	products, complete := t.products()
	if complete && len(products) == 0 {
		return // no model needs a subscription
	}
	viaBedrock := map[string]any{"aws:CalledViaLast": "bedrock.amazonaws.com"}
	subscribe := map[string]any{"StringEquals": viaBedrock}
	if complete {
		subscribe["ForAnyValue:StringEquals"] = map[string]any{"aws-marketplace:ProductId": products}
	}
	for _, s := range []*awsiam.PolicyStatementProps{
		{Sid: jsii.String("AllowModelSubscriptions"), Actions: jsii.Strings("aws-marketplace:Subscribe"), Conditions: &subscribe},
		{Sid: jsii.String("ModelSubscriptions"), Actions: jsii.Strings("aws-marketplace:Unsubscribe", "aws-marketplace:ViewSubscriptions"),
			Conditions: &map[string]any{"StringEquals": viaBedrock}},
	} {
		s.Resources = jsii.Strings("*")
		t.orchestratorRole.AddToPolicy(awsiam.NewPolicyStatement(s))
	}
}

// products returns the AWS Marketplace product ids of the models that need a subscription, and reports
// whether they are complete: the product of each such model is known.
func (t *AlarmTriage) products() (ids []string, complete bool) {
	complete = true
	for _, m := range t.models {
		if m.perRegion != nil {
			if m.perRegion.product != "" {
				ids = append(ids, m.perRegion.product)
			}
			continue
		}
		known := models.Lookup(m.id)
		switch {
		case known.Access == models.AccessNone:
		case known.Product == "" || unresolved(m.id):
			complete = false
			t.inform("subscription", "the AWS Marketplace product of %s is not known: AllowModelSubscriptions lets Bedrock subscribe "+
				"to any product on behalf of the orchestrator's role", m.described(m.id))
		case !slices.Contains(ids, known.Product):
			ids = append(ids, known.Product)
		}
	}
	return ids, complete
}

// guardrailARN returns the ARN of a guardrail that is named by its id or its ARN.
func guardrailARN(here stackEnvironment, name *string) *string {
	if strings.HasPrefix(*name, "arn:") {
		return name
	}
	if unresolved(name) {
		// Only CloudFormation knows which of the two it is. In both cases, the id follows the first
		// separator in "X:guardrail/X".
		const separator = ":guardrail/"
		name = awscdk.Fn_Select(jsii.Number(1), awscdk.Fn_Split(jsii.String(separator), jsii.String(*name+separator+*name), nil))
	}
	return here.stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("bedrock"), Resource: jsii.String("guardrail"), ResourceName: name})
}

// guardrailProfiles returns the ARN of the guardrail profiles of a guardrail's account, which a guardrail with cross-Region inference uses
// in several Regions (Bedrock User Guide, "Permissions for using cross-Region inference with Amazon Bedrock Guardrails"). The synth does not
// know the guardrail's profile.
func guardrailProfiles(here stackEnvironment, guardrail string) *string {
	const account, parts = 4, 6
	owner := here.account
	if fields := arnFields(guardrail); len(fields) == parts {
		owner = fields[account]
	}
	return jsii.Sprintf("arn:%s:bedrock:*:%s:guardrail-profile/*", here.partition, owner)
}

// foundationARNs returns the ARNs of the foundation models behind the given models in the Region of the
// stack, deduplicated. Tokens and ARNs that do not name their model are left out; for them the self-check
// uses the dates of the catalog.
func foundationARNs(here stackEnvironment, asked []chosenModel) []*string {
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
		arns[i] = jsii.String(foundationARN(here, here.region, name))
	}
	return arns
}

// foundationOf returns the id of the foundation model that a model's id names, or an empty string if it
// names none.
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
