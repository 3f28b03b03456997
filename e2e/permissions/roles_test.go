// Package permissions checks with a policy engine which of all IAM actions the synthesized roles allow,
// with the newest known version of ReadOnlyAccess.
package permissions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

const account, region = "111122223333", "eu-west-1"

// template is a synthesized stack, by logical id.
type template map[string]struct {
	Type       string
	Properties map[string]any
}

// synth returns the template of a stack with one AlarmTriage. It builds nothing.
func synth(t *testing.T, change func(*alarmtriage.AlarmTriageProps)) template {
	t.Helper()
	return synthIn(t, func(_ awscdk.Stack, p *alarmtriage.AlarmTriageProps) { change(p) })
}

// synthIn is synth for props that need more resources in the stack.
func synthIn(t *testing.T, change func(awscdk.Stack, *alarmtriage.AlarmTriageProps)) template {
	t.Helper()
	return synthFor(t, &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}, region, change)
}

// synthFor is synthIn for an environment, resolved as if deployed to a Region. Without an environment, the
// stack's Region is not known at synth. attach is called with the finished construct.
func synthFor(t *testing.T, env *awscdk.Environment, deployedTo string, change func(awscdk.Stack, *alarmtriage.AlarmTriageProps),
	attach ...func(awscdk.Stack, *alarmtriage.AlarmTriage),
) template {
	t.Helper()
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
	stack := awscdk.NewStack(app, jsii.String("Test"), &awscdk.StackProps{Env: env})
	props := &alarmtriage.AlarmTriageProps{NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil)}
	change(stack, props)
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), props)
	for _, f := range attach {
		f(stack, triage)
	}
	return resolved(t, stack, deployedTo)
}

// resolved returns the template of a stack as if deployed to a Region.
func resolved(t *testing.T, stack awscdk.Stack, deployedTo string) template {
	t.Helper()
	text, err := json.Marshal(assertions.Template_FromStack(stack, nil).ToJSON())
	require.NoError(t, err)
	var synthesized struct {
		Mappings  map[string]any
		Resources any
	}
	require.NoError(t, json.Unmarshal(text, &synthesized))
	text, err = json.Marshal(map[string]any{"Resources": lookUp(t, synthesized.Resources, synthesized.Mappings, deployedTo)})
	require.NoError(t, err)
	var read struct{ Resources template }
	require.NoError(t, json.Unmarshal(text, &read))
	return read.Resources
}

// lookUp replaces the Region, the account, and values from mappings, as CloudFormation does.
func lookUp(t *testing.T, value any, mappings map[string]any, deployedTo string) any {
	t.Helper()
	switch v := value.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = lookUp(t, v[i], mappings, deployedTo)
		}
		return list
	case map[string]any:
		switch v["Ref"] {
		case "AWS::Region":
			return deployedTo
		case "AWS::AccountId":
			return account
		}
		if find, ok := v["Fn::FindInMap"].([]any); ok {
			var found any = mappings
			for _, key := range find {
				name := lookUp(t, key, mappings, deployedTo)
				require.Contains(t, found, name)
				found = found.(map[string]any)[name.(string)]
			}
			return found
		}
		resolved := map[string]any{}
		for key, part := range v {
			resolved[key] = lookUp(t, part, mappings, deployedTo)
		}
		return resolved
	}
	return value
}

// arn returns an ARN for a resource of the template, made from its logical id.
func (r template) arn(id string) string {
	kinds := map[string]string{
		"AWS::DynamoDB::Table":  "arn:aws:dynamodb:%s:%s:table/",
		"AWS::Lambda::Function": "arn:aws:lambda:%s:%s:function:",
		"AWS::SNS::Topic":       "arn:aws:sns:%s:%s:",
		"AWS::Logs::LogGroup":   "arn:aws:logs:%s:%s:log-group:",
		"AWS::Events::EventBus": "arn:aws:events:%s:%s:event-bus/",
		"AWS::KMS::Key":         "arn:aws:kms:%s:%s:key/",
		"AWS::SQS::Queue":       "arn:aws:sqs:%s:%s:",
	}
	if form, known := kinds[r[id].Type]; known {
		suffix := ""
		if r[id].Type == "AWS::Logs::LogGroup" {
			suffix = ":*"
		}
		return fmt.Sprintf(form, region, account) + id + suffix
	}
	return "arn:aws:s3:::" + strings.ToLower(id)
}

// find returns the logical id of the resource with the given type and prefix.
func (r template) find(t *testing.T, prefix, kind string) string {
	t.Helper()
	for id, resource := range r {
		if strings.HasPrefix(id, prefix) && resource.Type == kind {
			return id
		}
	}
	require.Failf(t, "no such resource", "%s… of %s", prefix, kind)
	return ""
}

// resolve replaces CloudFormation's functions with their values.
func (r template) resolve(value any) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = r.resolve(v[i])
		}
		return list
	case map[string]any:
		if join, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, part := range join[1].([]any) {
				parts = append(parts, fmt.Sprint(r.resolve(part)))
			}
			return strings.Join(parts, join[0].(string))
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return r.arn(get[0].(string))
		}
		if ref, ok := v["Ref"].(string); ok {
			if ref == "AWS::Partition" {
				return "aws"
			}
			return r.arn(ref)
		}
		resolved := map[string]any{}
		for key, part := range v {
			resolved[key] = r.resolve(part)
		}
		return resolved
	}
	return value
}

// role is a question to the policy engine: which actions do these policies allow?
type role struct {
	Policies         []any          `json:"policies"` // documents, or "aws:" and the name of a policy that AWS manages
	Resources        []string       `json:"resources"`
	ResourcePolicies map[string]any `json:"resourcePolicies,omitempty"` // by resource; without a key policy, IAM policies do not apply to a key
	Context          map[string]any `json:"context"`
	Services         []string       `json:"services,omitempty"` // services to ask about; empty: all
}

// roleOf returns all policies of the role whose logical id begins with prefix.
func (r template) roleOf(t *testing.T, prefix string, resources ...string) role {
	t.Helper()
	id := r.find(t, prefix, "AWS::IAM::Role")
	found := role{Resources: resources}
	managed, _ := r[id].Properties["ManagedPolicyArns"].([]any)
	for _, arn := range managed {
		_, name, isManaged := strings.Cut(r.resolve(arn).(string), ":iam::aws:policy/")
		require.True(t, isManaged)
		found.Policies = append(found.Policies, "aws:"+name)
	}
	for policy, resource := range r {
		if resource.Type != "AWS::IAM::Policy" && resource.Type != "AWS::IAM::ManagedPolicy" {
			continue
		}
		text, err := json.Marshal(resource.Properties["Roles"])
		require.NoError(t, err)
		if strings.Contains(string(text), `"`+id+`"`) {
			found.Policies = append(found.Policies, r.resolve(r[policy].Properties["PolicyDocument"]))
		}
	}
	require.NotEmpty(t, found.Policies)
	return found
}

// verdict is the policy engine's answer.
type verdict struct {
	Versions map[string]string
	Actions  map[string]struct{ Level, Description string }
	Allowed  map[string]map[string][]string // by role and resource
}

// may returns the set of actions that a role may do to a resource, in lower case because IAM ignores case.
func (v verdict) may(name, resource string) map[string]bool {
	set := map[string]bool{}
	for _, action := range v.Allowed[name][resource] {
		set[strings.ToLower(action)] = true
	}
	return set
}

// simulate asks the policy engine about roles.
func simulate(t *testing.T, roles map[string]role) verdict {
	t.Helper()
	var v verdict
	ask(t, map[string]any{"account": account, "roles": maps.Clone(roles)}, &v)
	require.Greater(t, len(v.Actions), 20_000, "the list of all actions")
	return v
}

// ask runs the policy engine.
func ask(t *testing.T, question, result any) {
	t.Helper()
	text, err := json.Marshal(question)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(moto.Root(), "e2e", "permissions", "simulate.mjs"))
	var answer, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &answer, &complaints
	require.NoError(t, cmd.Run(), "run `make setup` first? %s", complaints.String())
	require.NoError(t, json.Unmarshal(answer.Bytes(), result))
}
