// Command 03-central-account deploys one AlarmTriage for the alarms of several accounts. Each member account sends its alarm
// events to the central account, and has a role with which the AlarmTriage reads that account: its metrics and logs, its
// configuration, and its changes.
//
// README.md has the commands.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Replace the accounts, their names, and the Region with your own.
const (
	central = "111122223333"
	region  = "us-east-1"
)

var members = []struct{ account, name string }{{"444455556666", "orders"}, {"777788889999", "payments"}}

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	triage := newCentral(app)
	for _, member := range members {
		newMember(app, member.account, triage)
	}
	app.Synth(nil)
}

func env(account string) *awscdk.StackProps {
	return &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}}
}

// newCentral adds the AlarmTriage. It also investigates the alarms of its own account.
func newCentral(app awscdk.App) *alarmtriage.AlarmTriage {
	stack := awscdk.NewStack(app, jsii.String("CentralTriage"), env(central))
	accounts, names := []*string{}, map[string]*string{central: jsii.String("platform")}
	for _, member := range members {
		accounts, names[member.account] = append(accounts, jsii.String(member.account)), jsii.String(member.name)
	}
	triage := alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{
		NotificationTopic: awssns.NewTopic(stack, jsii.String("OnCall"), nil),
		Members:           &alarmtriage.Members{Accounts: &accounts},
		AccountNames:      &names, // for the subjects of notifications
	})
	triage.AttachEventRule(jsii.String("Own"), nil)
	return triage
}

// newMember adds what a member account needs. The alarms of the account need no changes.
func newMember(app awscdk.App, account string, triage *alarmtriage.AlarmTriage) {
	stack := awscdk.NewStack(app, jsii.String("Member-"+account), env(account))
	alarmtriage.NewAlarmTriageMember(stack, jsii.String("Member"), &alarmtriage.AlarmTriageMemberProps{Triage: triage})
}
