package alarmtriage_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Each of these apps does what its author expects, also if a part of it looks like a mistake. The apps marked with wrong differ from
// the others in one point, and get the warning.
func TestSynth_WarnsOfMistakesOnly(t *testing.T) {
	stackOf := func(scope awscdk.Stack, id, account, region string) awscdk.Stack {
		return awscdk.NewStack(scope.Node().Root().(awscdk.App), jsii.String(id), &awscdk.StackProps{
			Env: &awscdk.Environment{Account: jsii.String(account), Region: jsii.String(region)}})
	}
	everything := func(props *alarmtriage.EventRuleProps) func(awscdk.Stack, func(awscdk.Stack)) {
		return func(stack awscdk.Stack, alarms func(awscdk.Stack)) {
			alarms(stack)
			newAlarm(stack, "Attached")
			triage := triageNamed(stack, "Triage", nil)
			triage.AttachAll(stack.Node().Root(), nil)
			triage.AttachEventRule(jsii.String("Rule"), props)
		}
	}
	selected := func(props *alarmtriage.EventRuleProps, alarms func(awscdk.Stack)) func(awscdk.Stack) {
		return func(stack awscdk.Stack) { everything(props)(stack, alarms) }
	}
	fromBus := func(props alarmtriage.EventRuleProps, alarms func(awscdk.Stack)) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			props.EventBus = awsevents.NewEventBus(stack, jsii.String("Bus"), nil)
			everything(&props)(stack, alarms)
		}
	}
	imported := func(stack awscdk.Stack) {
		awscloudwatch.Alarm_FromAlarmArn(stack, jsii.String("Old"), jsii.String("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:old"))
	}
	generic := func(stack awscdk.Stack) {
		awscdk.NewCfnResource(stack, jsii.String("Generic"), &awscdk.CfnResourceProps{Type: jsii.String("AWS::CloudWatch::Alarm")})
	}
	disabled := func(stack awscdk.Stack) {
		newAlarm(stack, "Off").Node().DefaultChild().(awscloudwatch.CfnAlarm).SetActionsEnabled(jsii.Bool(false))
	}
	inStage := func(stack awscdk.Stack) {
		stage := awscdk.NewStage(stack.Node().Root().(awscdk.App), jsii.String("Prod"), &awscdk.StageProps{
			Env: &awscdk.Environment{Account: jsii.String("111122223333"), Region: jsii.String("eu-west-1")}})
		newAlarm(awscdk.NewStack(stage, jsii.String("Shop"), nil), "Staged")
	}
	inRegion := func(stack awscdk.Stack) { newAlarm(stackOf(stack, "Far", "111122223333", "us-east-1"), "Far") }
	inAccount := func(stack awscdk.Stack) { newAlarm(stackOf(stack, "Orders", "444455556666", "eu-west-1"), "Orders") }
	toBus := func(far awscdk.Stack, bus awsevents.IEventBus) {
		awsevents.NewRule(far, jsii.String("Rule"), &awsevents.RuleProps{EventPattern: &awsevents.EventPattern{Source: jsii.Strings("aws.cloudwatch")},
			Targets: &[]awsevents.IRuleTarget{awseventstargets.NewEventBus(bus, nil)}})
	}
	toDefaultBus := func(far awscdk.Stack) {
		toBus(far, awsevents.EventBus_FromEventBusArn(far, jsii.String("Bus"), jsii.String("arn:aws:events:eu-west-1:111122223333:event-bus/default")))
	}
	// sent investigates the alarms of a bus, to which another account and Region sends its events.
	sent := func(props alarmtriage.EventRuleProps, region string) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			far := stackOf(stack, "Far", "444455556666", "us-east-1")
			props.EventBus = awsevents.NewEventBus(stack, jsii.String("Bus"), &awsevents.EventBusProps{EventBusName: jsii.String("alarms")})
			toBus(far, props.EventBus)
			everything(&props)(stack, func(awscdk.Stack) { newAlarm(stackOf(stack, "Orders", "444455556666", region), "Orders") })
		}
	}
	tagged := func(value string) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			alarm := newAlarm(stack, "Tagged")
			awscdk.Tags_Of(alarm).Add(jsii.String("runbook"), jsii.String(value), nil)
			triageNamed(stack, "Triage", nil).AttachAlarms(alarm)
		}
	}
	named := func(accounts ...string) func(p *alarmtriage.AlarmTriageProps) {
		return func(p *alarmtriage.AlarmTriageProps) {
			names := map[string]*string{}
			for _, account := range accounts {
				names[account] = jsii.String("team")
			}
			p.AccountNames = &names
		}
	}
	isolated := func(stack awscdk.Stack, prepare func(awsec2.Vpc), change func(p *alarmtriage.AlarmTriageProps)) {
		vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0),
			SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("inner"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}}})
		triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
			p.Vpc = vpc
			if change != nil {
				change(p)
			}
		})
		triage.AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{EventBus: awsevents.NewEventBus(stack, jsii.String("Bus"), nil), Regions: jsii.Strings("us-east-1")})
		prepare(vpc) // also after AlarmTriage
	}
	gateway := func(most int) func(awsec2.Vpc) {
		return func(vpc awsec2.Vpc) {
			for i, subnet := range *vpc.IsolatedSubnets() {
				if i < most {
					subnet.(awsec2.PrivateSubnet).AddRoute(jsii.String("Gateway"), &awsec2.AddRouteOptions{
						RouterId: jsii.String("tgw-1"), RouterType: awsec2.RouterType_TRANSIT_GATEWAY})
				}
			}
		}
	}
	endpoints := func(services map[string]awsec2.InterfaceVpcEndpointAwsService) func(awsec2.Vpc) {
		return func(vpc awsec2.Vpc) {
			vpc.AddGatewayEndpoint(jsii.String("S3"), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_S3()})
			vpc.AddGatewayEndpoint(jsii.String("DynamoDb"), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_DYNAMODB()})
			for id, service := range services {
				vpc.AddInterfaceEndpoint(jsii.String(id), &awsec2.InterfaceVpcEndpointOptions{Service: service})
			}
		}
	}
	all := map[string]awsec2.InterfaceVpcEndpointAwsService{
		"Bedrock": awsec2.InterfaceVpcEndpointAwsService_BEDROCK_RUNTIME(), "Lambda": awsec2.InterfaceVpcEndpointAwsService_LAMBDA(),
		"Sns": awsec2.InterfaceVpcEndpointAwsService_SNS(), "Sts": awsec2.InterfaceVpcEndpointAwsService_STS(),
		"Logs": awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_LOGS(), "Monitoring": awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_MONITORING(),
		"Trail": awsec2.InterfaceVpcEndpointAwsService_CLOUDTRAIL(),
	}
	closedEndpoints := func(open func(awscdk.Stack, awsec2.SecurityGroup, *alarmtriage.AlarmTriage)) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0),
				SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("inner"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}}})
			group := awsec2.NewSecurityGroup(stack, jsii.String("Endpoints"), &awsec2.SecurityGroupProps{Vpc: vpc})
			endpoints(nil)(vpc)
			for id, service := range all {
				vpc.AddInterfaceEndpoint(jsii.String(id), &awsec2.InterfaceVpcEndpointOptions{Service: service, Open: jsii.Bool(false), SecurityGroups: &[]awsec2.ISecurityGroup{group}})
			}
			triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.Vpc, p.VpcSubnets = vpc, &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
			})
			triage.AttachAlarms(newAlarm(stack, "One"))
			open(stack, group, triage)
		}
	}
	egress := func(cidr, list string, own bool) func(awscdk.Stack) {
		return func(stack awscdk.Stack) {
			vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
			closed := func(id string) awsec2.SecurityGroup {
				return awsec2.NewSecurityGroup(stack, jsii.String(id), &awsec2.SecurityGroupProps{Vpc: vpc, AllowAllOutbound: jsii.Bool(false)})
			}
			group, other := closed("Group"), closed("Other")
			triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.Vpc, p.CreateVpcEndpoints, p.SecurityGroups = vpc, jsii.Bool(true), &[]awsec2.ISecurityGroup{group}
			}).AttachAlarms(newAlarm(stack, "One"))
			rule := &awsec2.CfnSecurityGroupEgressProps{GroupId: group.SecurityGroupId(), IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(443), ToPort: jsii.Number(443)}
			if !own {
				rule.GroupId = other.SecurityGroupId()
			}
			if rule.CidrIp = jsii.String(cidr); list != "" {
				rule.CidrIp, rule.DestinationPrefixListId = nil, jsii.String(list)
			}
			awsec2.NewCfnSecurityGroupEgress(stack, jsii.String("Rule"), rule)
		}
	}
	recovering := func(stack awscdk.Stack, rule *alarmtriage.EventRuleProps) {
		topic := awssns.NewTopic(stack, jsii.String("Alarms"), nil)
		newAlarm(stack, "One").AddAlarmAction(awscloudwatchactions.NewSnsAction(topic))
		triage := triageNamed(stack, "Triage", func(p *alarmtriage.AlarmTriageProps) { p.NotifyRecovery = jsii.Bool(true) })
		triage.AttachTopic(topic, nil)
		triage.AttachEventRule(jsii.String("Rule"), rule)
	}
	for _, tt := range []struct {
		name  string
		build func(stack awscdk.Stack)
		wrong string // the id of the only warning
	}{
		{"an imported alarm that a rule selects", selected(nil, imported), ""},
		{"an imported alarm that a rule excludes", selected(&alarmtriage.EventRuleProps{ExceptNamePrefixes: jsii.Strings("ol")}, imported), "out-of-reach"},
		{"an imported alarm of another Region", selected(nil, func(stack awscdk.Stack) {
			awscloudwatch.Alarm_FromAlarmArn(stack, jsii.String("Old"), jsii.String("arn:aws:cloudwatch:us-east-1:111122223333:alarm:old"))
		}), "out-of-reach"},
		{"a generic resource that a rule selects", selected(nil, generic), ""},
		{"a generic resource without a known name, and a rule with names", selected(&alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings("a")}, generic), "out-of-reach"},
		{"a disabled alarm that a rule selects", selected(nil, disabled), ""},
		{"a disabled alarm that a rule may select", selected(&alarmtriage.EventRuleProps{Tags: &map[string]*[]*string{"team": jsii.Strings("a")}}, disabled), "actions-disabled"},
		{"a Stage whose alarms a rule selects", selected(nil, inStage), ""},
		{"a Stage whose alarms a rule of another Region selects", selected(&alarmtriage.EventRuleProps{Regions: jsii.Strings("eu-west-1", "us-east-1"), NamePrefixes: jsii.Strings("x")}, inStage), "stage"},
		{"alarms of another Region that a rule of a bus selects", fromBus(alarmtriage.EventRuleProps{Regions: jsii.Strings("us-east-1")}, inRegion), ""},
		{"alarms of another account that a rule of a bus selects", fromBus(alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666")}, inAccount), ""},
		{"alarms of another account, and a bus for a third one", fromBus(alarmtriage.EventRuleProps{Accounts: jsii.Strings("777788889999")}, inAccount), "out-of-reach"},
		{"alarms of another account, and a bus for another Region of it", fromBus(alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666"), Regions: jsii.Strings("us-east-1")}, inAccount), "out-of-reach"},
		{"alarms of another Region, and the default bus", selected(nil, inRegion), "out-of-reach"},
		{"alarms of another Region, and a rule of the default bus for the account", selected(&alarmtriage.EventRuleProps{Accounts: jsii.Strings("111122223333")}, inRegion), "out-of-reach"},
		{"alarms of another Region, and a rule of the default bus for both Regions", selected(&alarmtriage.EventRuleProps{Regions: jsii.Strings("eu-west-1", "us-east-1")}, inRegion), "out-of-reach"},
		{"alarms of another account, and a rule of the default bus for both accounts", selected(&alarmtriage.EventRuleProps{Accounts: jsii.Strings("111122223333", "444455556666")}, inAccount), "out-of-reach"},
		{"alarms of another Region, which sends its events to the default bus", selected(&alarmtriage.EventRuleProps{Regions: jsii.Strings("eu-west-1", "us-east-1")}, func(stack awscdk.Stack) {
			inRegion(stack)
			toDefaultBus(stack.Node().Root().Node().FindChild(jsii.String("Far")).(awscdk.Stack))
		}), ""},
		{"alarms of another account and Region, which sends its events to a bus", sent(alarmtriage.EventRuleProps{}, "us-east-1"), ""},
		{"alarms of another account and Region, which sends its events to a bus for the account", sent(alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666")}, "us-east-1"), ""},
		{"alarms of another account, which sends the events of another Region to a bus", sent(alarmtriage.EventRuleProps{}, "eu-central-1"), "out-of-reach"},
		{"alarms of another Region, and a bus for the account", fromBus(alarmtriage.EventRuleProps{Accounts: jsii.Strings("111122223333")}, inRegion), "out-of-reach"},

		{"a tag with a link for people", tagged("https://wiki.example.com/orders"), ""},
		{"a tag with a key, without Runbooks", tagged("orders.md"), ""},

		{"the same names in each account", func(stack awscdk.Stack) {
			for i, in := range []awscdk.Stack{stack, stackOf(stack, "Orders", "444455556666", "eu-west-1")} {
				triageNamed(in, []string{"A", "B"}[i], named("111122223333", "444455556666")).AttachAlarms(newAlarm(in, "One"))
			}
		}, ""},
		{"a name of no account of the app", func(stack awscdk.Stack) {
			triageNamed(stack, "A", named("111122223333", "444455556667")).AttachAlarms(newAlarm(stack, "One"))
		}, "unused-name"},

		{"a rule for another account on a default bus with a policy", func(stack awscdk.Stack) {
			awsevents.NewCfnEventBusPolicy(stack, jsii.String("Policy"), &awsevents.CfnEventBusPolicyProps{StatementId: jsii.String("Orders"), Statement: map[string]any{
				"Sid": "Orders", "Effect": "Allow", "Action": "events:PutEvents", "Principal": map[string]any{"AWS": "arn:aws:iam::444455556666:root"},
				"Resource": "arn:aws:events:eu-west-1:111122223333:event-bus/default"}})
			triageNamed(stack, "Triage", nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{Accounts: jsii.Strings("444455556666")})
		}, ""},
		{"a rule for another Region, which sends its events to the default bus", func(stack awscdk.Stack) {
			triageNamed(stack, "Triage", nil).AttachEventRule(jsii.String("Rule"), &alarmtriage.EventRuleProps{Regions: jsii.Strings("us-east-1")})
			toDefaultBus(stackOf(stack, "Far", "111122223333", "us-east-1"))
		}, ""},
		{"the ARN of the orchestrator as an action", func(stack awscdk.Stack) {
			triage := triageNamed(stack, "Triage", nil)
			newAlarm(stack, "One").Node().DefaultChild().(awscloudwatch.CfnAlarm).SetAlarmActions(&[]*string{triage.Orchestrator().FunctionArn()})
		}, "unchecked-source"},

		{"an alarm of a topic that a rule selects, with recoveries", func(stack awscdk.Stack) { recovering(stack, nil) }, ""},
		{"an alarm of a topic that a rule excludes, with recoveries", func(stack awscdk.Stack) {
			recovering(stack, &alarmtriage.EventRuleProps{NamePrefixes: jsii.Strings("x")})
		}, "no-ok-action"},

		{"isolated subnets with a transit gateway", func(stack awscdk.Stack) { isolated(stack, gateway(2), nil) }, ""},
		{"isolated subnets, one of them with a transit gateway", func(stack awscdk.Stack) {
			isolated(stack, gateway(1), func(p *alarmtriage.AlarmTriageProps) { p.CreateVpcEndpoints = jsii.Bool(true) })
		}, "isolated-region"},
		{"isolated subnets with endpoints of the app", func(stack awscdk.Stack) { isolated(stack, endpoints(all), nil) }, "isolated-region"},

		{"isolated subnets with endpoints that admit the functions", closedEndpoints(func(stack awscdk.Stack, group awsec2.SecurityGroup, triage *alarmtriage.AlarmTriage) {
			awsec2.NewCfnSecurityGroupIngress(stack, jsii.String("Rule"), &awsec2.CfnSecurityGroupIngressProps{GroupId: group.SecurityGroupId(), IpProtocol: jsii.String("tcp"),
				FromPort: jsii.Number(443), ToPort: jsii.Number(443), SourceSecurityGroupId: (*triage.Tool().Connections().SecurityGroups())[0].SecurityGroupId()})
		}), ""},
		{"isolated subnets with endpoints that admit a network", closedEndpoints(func(_ awscdk.Stack, group awsec2.SecurityGroup, _ *alarmtriage.AlarmTriage) {
			group.AddIngressRule(awsec2.Peer_Ipv4(jsii.String("10.0.0.0/8")), awsec2.Port_Tcp(jsii.Number(443)), nil, nil)
		}), ""},
		{"isolated subnets with endpoints that admit nobody", closedEndpoints(func(awscdk.Stack, awsec2.SecurityGroup, *alarmtriage.AlarmTriage) {}), "closed-endpoints"},

		{"a separate rule of a security group", egress("", "pl-1", true), ""},
		{"a separate rule of another security group", egress("", "pl-1", false), "closed-egress"},
		{"a rule for public addresses", egress("52.216.0.0/15", "", true), ""},
		{"a rule for private addresses", egress("172.20.0.0/16", "", true), "closed-egress"},
		{"a rule for shared addresses", egress("100.64.8.0/21", "", true), "closed-egress"},

		{"denies of a member's log groups, in an account that is not known", func(stack awscdk.Stack) {
			unknown := awscdk.NewStack(stack.Node().Root().(awscdk.App), jsii.String("Unknown"), nil)
			triageNamed(unknown, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.Members, p.ToolDeniedResources = membersOf("444455556666"), jsii.Strings("arn:aws:logs:*:444455556666:log-group:*")
			})
		}, ""},
		{"denies of all log groups, in an account that is not known", func(stack awscdk.Stack) {
			unknown := awscdk.NewStack(stack.Node().Root().(awscdk.App), jsii.String("Unknown"), nil)
			triageNamed(unknown, "Triage", func(p *alarmtriage.AlarmTriageProps) {
				p.Members, p.ToolDeniedResources = membersOf("444455556666"), jsii.Strings("arn:aws:logs:*:*:log-group:*")
			})
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			tt.build(stack)
			var ids []string
			for _, child := range *stack.Node().Root().Node().Children() {
				in, isStack := child.(awscdk.Stack)
				if !isStack {
					continue
				}
				for _, message := range messagesOf(in) {
					if id, _, _ := strings.Cut(message[strings.Index(message, " ")+1:], ": "); !slices.Contains([]string{"alarmtriage:attached", "alarmtriage:global-profile"}, id) {
						ids = append(ids, id)
					}
				}
			}
			want := []string(nil)
			if tt.wrong != "" {
				want = []string{"alarmtriage:" + tt.wrong}
			}
			assert.Equal(t, want, ids)
		})
	}
}
