package alarmtriage_test

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// CDK returns a placeholder until it has looked a parameter up, which it does after a synth that succeeds.
func TestProps_ExplainPlaceholdersOfLookups(t *testing.T) {
	lookUp := func(stack awscdk.Stack, defaultValue *string) *string {
		return awsssm.StringParameter_ValueFromLookup(stack, jsii.String("/orders/account"), defaultValue, nil)
	}
	const remedy = "\nalarmtriage: \"dummy-value-for-\" begins what CDK returns until it has looked a parameter up, for which the synth must succeed: pass a value of the " +
		"right form as the defaultValue of StringParameter_ValueFromLookup"
	for name, build := range map[string]func(stack awscdk.Stack, account *string){
		"AlarmTriage": func(stack awscdk.Stack, account *string) {
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.Members = membersOf(*account) })
		},
		"AlarmTriageMember": func(stack awscdk.Stack, account *string) {
			alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{CentralAccount: account})
		},
		"AttachEventRule": func(stack awscdk.Stack, account *string) {
			triageNamed(stack, "Triage", nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{Accounts: &[]*string{account}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			defer func() {
				problem, _ := recover().(string)
				assert.Contains(t, problem, `12 digits`)
				assert.Contains(t, problem, remedy)
			}()
			build(stack, lookUp(stack, nil))
		})
		t.Run(name+" with a default", func(t *testing.T) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			assert.NotPanics(t, func() { build(stack, lookUp(stack, jsii.String("444455556666"))) })
		})
		t.Run(name+" with another mistake", func(t *testing.T) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			defer func() { assert.NotContains(t, recover(), "defaultValue") }()
			build(stack, jsii.String("1234"))
		})
	}
}
