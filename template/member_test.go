package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// memberChoice is a value of a parameter of the member's template, and the same choice in code.
type memberChoice struct {
	parameter, value string
	code             func(stack awscdk.Stack, p *alarmtriage.AlarmTriageMemberProps)
}

// memberChoices has a value other than the default for each parameter that can be omitted.
func memberChoices(variation int) []memberChoice {
	text := func(parameter, value string, field func(p *alarmtriage.AlarmTriageMemberProps) **string) memberChoice {
		return memberChoice{parameter, value, func(_ awscdk.Stack, p *alarmtriage.AlarmTriageMemberProps) { *field(p) = &value }}
	}
	prefixes := []string{"prod-", "prod-,shop-", "a,b,c", "a,b,c,d", "a,b,c,d,e"}[variation%5]
	return []memberChoice{
		text("EventBusArn", "arn:aws:events:us-east-1:111122223333:event-bus/alarms", func(p *alarmtriage.AlarmTriageMemberProps) **string { return &p.EventBusArn }),
		text("ToolRoleName", "prod-tool-role", func(p *alarmtriage.AlarmTriageMemberProps) **string { return &p.ToolRoleName }),
		text("ExternalId", "shared/1", func(p *alarmtriage.AlarmTriageMemberProps) **string { return &p.ExternalId }),
		{alarmNamePrefixes, prefixes, func(_ awscdk.Stack, p *alarmtriage.AlarmTriageMemberProps) {
			p.AlarmNamePrefixes = jsii.Strings(strings.Split(prefixes, ",")...)
		}},
		{createRole, "false", func(_ awscdk.Stack, p *alarmtriage.AlarmTriageMemberProps) { p.CreateRole = jsii.Bool(false) }},
		text("RoleName", "reader", func(p *alarmtriage.AlarmTriageMemberProps) **string { return &p.RoleName }),
		{"ToolPermissions", "ALLOW_LIST", func(_ awscdk.Stack, p *alarmtriage.AlarmTriageMemberProps) {
			p.ToolPermissions = alarmtriage.ToolPermissions_ALLOW_LIST
		}},
		{"PermissionsBoundaryArn", "arn:aws:iam::444455556666:policy/boundary", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageMemberProps) {
			p.PermissionsBoundary = awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String("Boundary"), jsii.String("arn:aws:iam::444455556666:policy/boundary"))
		}},
		text("ObservabilitySinkArn", "arn:aws:oam:eu-west-1:111122223333:sink/1a2b", func(p *alarmtriage.AlarmTriageMemberProps) **string { return &p.ObservabilitySinkArn }),
	}
}

func TestMemberTemplate_EqualsTheConstruct(t *testing.T) {
	dir, design := t.TempDir(), memberDesign()
	design.synthesize(dir, nil, false)
	count := len(memberChoices(0))
	require.Equal(t, len(design.parameters)-1, count, "each parameter except CentralAccount")
	for variation, subset := range selections(count) {
		values := map[string]string{"CentralAccount": "111122223333"}
		props := &alarmtriage.AlarmTriageMemberProps{CentralAccount: jsii.String("111122223333")}
		out := t.TempDir()
		app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out})
		stack := awscdk.NewStack(app, jsii.String(design.stackID), &awscdk.StackProps{Synthesizer: awscdk.NewCliCredentialsStackSynthesizer(nil)})
		for _, i := range subset {
			c := memberChoices(variation)[i]
			c.code(stack, props)
			values[c.parameter] = c.value
		}
		t.Run(fmt.Sprintf("%d of %d parameters", len(subset), count), func(t *testing.T) {
			t.Log(values)
			alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), props)
			app.Synth(nil)
			written, err := design.readTemplate(out)
			require.NoError(t, err)
			generated, err := design.read(dir)
			require.NoError(t, err)
			want, got := newResolver(written, nil).resources(written), newResolver(generated, values).resources(generated)
			maps.DeleteFunc(want, func(id string, _ any) bool { return strings.HasPrefix(id, "CDKMetadata") })
			assert.Empty(t, cmp.Diff(want, got))
		})
	}
}

// The AWS CLI sends templates of up to 51,200 bytes, without a bucket.
func TestMemberTemplate_IsSmallAndNeedsNoBucket(t *testing.T) {
	dir, out, design := t.TempDir(), t.TempDir(), memberDesign()
	generated, err := design.generate(dir, nil, false)
	require.NoError(t, err)
	require.NoError(t, design.write(out, "v0.1.0", generated))
	text, err := os.ReadFile(filepath.Join(out, "alarmtriage-v0.1.0-member.json"))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(text), 51_200)
	for _, word := range []string{"S3Bucket", "cdk-", "AssetParameters", "BootstrapVersion", "Outputs", "Mappings"} {
		assert.NotContains(t, string(text), word)
	}
}

func TestMemberParameters_AcceptOnlyWhatTheConstructCanUse(t *testing.T) {
	assertPatterns(t, memberParameters(), []patternTest{
		{"CentralAccount", []string{"111122223333"}, []string{"", "11112222333", "prod"}},
		{"EventBusArn", []string{"", "arn:aws:events:eu-west-1:111122223333:event-bus/alarms"}, []string{"alarms"}},
		{"ToolRoleName", []string{"alarmtriage-tool-role"}, []string{"", "path/role", "*", strings.Repeat("r", 65)}},
		{"ExternalId", []string{"", "shared/1"}, []string{"a", "a b"}},
		{"AlarmNamePrefixes", []string{"", "prod-", "a,b,c,d,e"}, []string{"*", "a, b", "a,b,c,d,e,f", ",a"}},
		{"RoleName", []string{"alarmtriage-member"}, []string{"", "path/role", "*"}},
		{"PermissionsBoundaryArn", []string{"", "arn:aws:iam::444455556666:policy/boundary"}, []string{"boundary"}},
		{"ObservabilitySinkArn", []string{"", "arn:aws:oam:eu-west-1:111122223333:sink/1a2b"}, []string{"sink"}},
	})
}
