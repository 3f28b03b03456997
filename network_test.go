package alarmtriage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

func TestCreateVpcEndpoints_OnlyTheFunctionsHaveAccess(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{NatGateways: jsii.Number(0),
			SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("in"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}}})
		p.VpcSubnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
		p.CreateVpcEndpoints = jsii.Bool(true)
		p.VpcEndpointServices = &[]awsec2.InterfaceVpcEndpointAwsService{awsec2.InterfaceVpcEndpointAwsService_RDS(), awsec2.InterfaceVpcEndpointAwsService_SNS(),
			awsec2.InterfaceVpcEndpointAwsService_S3()}
	})
	template := synth(stack)
	var services []string
	for _, resource := range *template.FindResources(jsii.String("AWS::EC2::VPCEndpoint"), nil) {
		name := text((*resource)["Properties"].(map[string]any)["ServiceName"])
		services = append(services, name[strings.LastIndex(name, ".")+1:])
	}
	assert.ElementsMatch(t, []string{"s3", "dynamodb", "bedrock-runtime", "lambda", "sns", "sts", "logs", "monitoring", "cloudtrail", "rds", "s3"}, services)
	// Both functions can reach each of nine interface endpoints.
	template.ResourceCountIs(jsii.String("AWS::EC2::SecurityGroupIngress"), jsii.Number(2*9))
	// AWS accepts the private names of S3 only if the gateway exists.
	template.HasResource(jsii.String("AWS::EC2::VPCEndpoint"), like("Properties", like("VpcEndpointType", "Interface", "PrivateDnsEnabled", true),
		"DependsOn", assertions.Match_ArrayWith(&[]any{assertions.Match_StringLikeRegexp(jsii.String("S3Endpoint"))})))
	template.AllResourcesProperties(jsii.String("AWS::EC2::SecurityGroupIngress"), like("FromPort", 443, "ToPort", 443, "SourceSecurityGroupId", assertions.Match_AnyValue()))
}

// AWS accepts the private names of an interface endpoint of S3 only if the VPC has the gateway, whoever defines it.
func TestCreateVpcEndpoints_UsesTheGatewayOfTheAppFirst(t *testing.T) {
	stack := newStack()
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{NatGateways: jsii.Number(0),
			SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("in"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}}})
		vpc.AddGatewayEndpoint(jsii.String("Given"), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_S3()})
		p.Vpc, p.CreateVpcEndpoints = vpc, jsii.Bool(true)
		p.VpcEndpointServices = &[]awsec2.InterfaceVpcEndpointAwsService{awsec2.InterfaceVpcEndpointAwsService_S3()}
	})
	synth(stack).HasResource(jsii.String("AWS::EC2::VPCEndpoint"), like("Properties", like("VpcEndpointType", "Interface"),
		"DependsOn", assertions.Match_ArrayWith(&[]any{assertions.Match_StringLikeRegexp(jsii.String("VpcGiven"))})))
}

func TestVpc_WarnsWhenIsolatedSubnetsLackEndpoints(t *testing.T) {
	annotations := func(kind awsec2.SubnetType, change func(*alarmtriage.AlarmTriageProps)) assertions.Annotations {
		stack := newStack()
		triage := newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{
				SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("in"), SubnetType: kind}, {Name: jsii.String("out"), SubnetType: awsec2.SubnetType_PUBLIC}}})
			p.VpcSubnets = &awsec2.SubnetSelection{SubnetType: kind}
			p.BedrockModelId = jsii.String("eu.amazon.nova-pro-v1:0")
			if change != nil {
				change(p)
			}
		})
		triage.AttachAlarms(newAlarm(stack, "Errors"))
		return assertions.Annotations_FromStack(stack)
	}
	everywhere, anything := jsii.String("*"), assertions.Match_AnyValue()
	annotations(awsec2.SubnetType_PRIVATE_ISOLATED, nil).HasWarning(jsii.String("/Test/Triage"), assertions.Match_StringLikeRegexp(
		jsii.String("must have endpoints for s3, dynamodb, bedrock-runtime, lambda, sns, sts, logs, monitoring, cloudtrail")))
	annotations(awsec2.SubnetType_PRIVATE_ISOLATED, func(p *alarmtriage.AlarmTriageProps) { p.CreateVpcEndpoints = jsii.Bool(true) }).HasNoWarning(everywhere, anything)
	annotations(awsec2.SubnetType_PRIVATE_WITH_EGRESS, nil).HasNoWarning(everywhere, anything)
}

// CDK's words for these mistakes name props that AlarmTriage does not have, or only the deployment fails.
func TestVpc_RejectsMistakes(t *testing.T) {
	subnets := func(kinds ...awsec2.SubnetType) *awsec2.VpcProps {
		configuration := []*awsec2.SubnetConfiguration{}
		for _, kind := range kinds {
			configuration = append(configuration, &awsec2.SubnetConfiguration{Name: jsii.String(string(kind)), SubnetType: kind})
		}
		return &awsec2.VpcProps{SubnetConfiguration: &configuration}
	}
	imported := func(stack awscdk.Stack, change func(*awsec2.VpcAttributes)) awsec2.IVpc {
		attributes := &awsec2.VpcAttributes{VpcId: jsii.String("vpc-1"), AvailabilityZones: jsii.Strings("eu-west-1a")}
		change(attributes)
		return awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Vpc"), attributes)
	}
	importedWithID := func(stack awscdk.Stack, id *string) awsec2.IVpc {
		return awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Imported"), &awsec2.VpcAttributes{
			VpcId: id, AvailabilityZones: jsii.Strings("eu-west-1a"), PrivateSubnetIds: jsii.Strings("subnet-1")})
	}
	subnetOf := func(stack awscdk.Stack, vpcID *string) *awsec2.SubnetSelection {
		return &awsec2.SubnetSelection{Subnets: &[]awsec2.ISubnet{awsec2.NewPrivateSubnet(stack, jsii.String("Own"), &awsec2.PrivateSubnetProps{
			VpcId: vpcID, AvailabilityZone: jsii.String("eu-west-1a"), CidrBlock: jsii.String("10.0.200.0/24")})}}
	}
	for _, tt := range []struct {
		name   string
		change func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps)
		want   string // empty: valid
	}{
		{"public subnets only", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), subnets(awsec2.SubnetType_PUBLIC))
		}, "alarmtriage: Vpc must have private subnets, because functions have no public IP address and reach nothing from a public subnet, and Vpc Test/Vpc has public subnets only: add subnets of type PRIVATE_WITH_EGRESS, or of type PRIVATE_ISOLATED and set CreateVpcEndpoints"},
		{"the public subnets of several", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.VpcSubnets = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PUBLIC}
		}, "alarmtriage: VpcSubnets must select private subnets, because functions have no public IP address and reach nothing from a public subnet, and selects public subnets: set SubnetType to PRIVATE_WITH_EGRESS, or to PRIVATE_ISOLATED and CreateVpcEndpoints to true"},
		{"subnets of a missing type", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.VpcSubnets = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
		}, "alarmtriage: VpcSubnets must select subnets of Vpc Test/Vpc, and selects none: use a SubnetType or SubnetGroupName that the VPC has. CDK's reason: There"},
		{"subnets of a missing group", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.VpcSubnets = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), &awsec2.SubnetSelection{SubnetGroupName: jsii.String("Prvate")}
		}, "alarmtriage: VpcSubnets must select subnets of Vpc Test/Vpc, and selects none: use a SubnetType or SubnetGroupName that the VPC has. CDK's reason: There"},
		{"subnets of a missing zone", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.VpcSubnets = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), &awsec2.SubnetSelection{AvailabilityZones: jsii.Strings("eu-west-1z")}
		}, "alarmtriage: VpcSubnets must select subnets of Vpc Test/Vpc, and selects none: use another SubnetType or SubnetGroupName, or fewer AvailabilityZones and SubnetFilters"},
		{"an imported VPC without subnets", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = imported(stack, func(*awsec2.VpcAttributes) {})
		}, "alarmtriage: Vpc must have private subnets, and CDK knows no subnet of Vpc Test/Vpc: pass PrivateSubnetIds or IsolatedSubnetIds to Vpc_FromVpcAttributes, or use Vpc_FromLookup"},
		{"an imported VPC without route tables, with endpoints", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.CreateVpcEndpoints = imported(stack, func(a *awsec2.VpcAttributes) { a.PrivateSubnetIds = jsii.Strings("subnet-1") }), jsii.Bool(true)
		}, "alarmtriage: CreateVpcEndpoints needs the route tables of the functions' subnets, to which it adds the endpoints of S3 and DynamoDB, and CDK knows none of Test/Vpc/PrivateSubnet1: pass PrivateSubnetRouteTableIds or IsolatedSubnetRouteTableIds to Vpc_FromVpcAttributes, or RouteTableId to Subnet_FromSubnetAttributes, or use Vpc_FromLookup"},
		{"an imported VPC without route tables of the functions' subnets", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.CreateVpcEndpoints = imported(stack, func(a *awsec2.VpcAttributes) {
				a.PrivateSubnetIds, a.IsolatedSubnetIds, a.IsolatedSubnetRouteTableIds = jsii.Strings("subnet-1"), jsii.Strings("subnet-2"), jsii.Strings("rtb-2")
			}), jsii.Bool(true)
		}, "alarmtriage: CreateVpcEndpoints needs the route tables"},
		{"an imported VPC with route tables", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.CreateVpcEndpoints = imported(stack, func(a *awsec2.VpcAttributes) {
				a.PrivateSubnetIds, a.PrivateSubnetRouteTableIds = jsii.Strings("subnet-1"), jsii.Strings("rtb-1")
			}), jsii.Bool(true)
		}, ""},
		{"an imported VPC without route tables and endpoints", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = imported(stack, func(a *awsec2.VpcAttributes) { a.PrivateSubnetIds = jsii.Strings("subnet-1") })
		}, ""},
		{"a VPC of another Region", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stackIn(stack.Node().Root().(awscdk.App), "Far", "us-east-1"), jsii.String("Vpc"), nil)
		}, "alarmtriage: Vpc must be in the stack's Region eu-west-1, got Far/Vpc in us-east-1: use one of that Region"},
		{"a security group of another VPC", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			other := awsec2.NewVpc(stack, jsii.String("Other"), nil)
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
			p.SecurityGroups = &[]awsec2.ISecurityGroup{awsec2.NewSecurityGroup(stack, jsii.String("Group"), &awsec2.SecurityGroupProps{Vpc: other})}
		}, "alarmtriage: SecurityGroups must contain security groups of Vpc Test/Vpc, got Test/Group of another VPC: create it with this Vpc"},
		{"subnets of another VPC", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
			p.VpcSubnets = &awsec2.SubnetSelection{Subnets: awsec2.NewVpc(stack, jsii.String("Other"), nil).PrivateSubnets()}
		}, "alarmtriage: VpcSubnets must select subnets of Vpc Test/Vpc, got Test/Other/PrivateSubnet1 of another VPC"},
		{"own subnets of a VPC of another stack", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stackIn(stack.Node().Root().(awscdk.App), "Network", "eu-west-1"), jsii.String("Vpc"), nil)
			p.VpcSubnets = subnetOf(stack, p.Vpc.VpcId())
		}, ""},
		{"a subnet of a VPC with another ID", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.VpcSubnets = importedWithID(stack, jsii.String("vpc-0a1b2c3d")), subnetOf(stack, jsii.String("vpc-0123456789abcdef0"))
		}, "alarmtriage: VpcSubnets must select subnets of Vpc Test/Imported, got Test/Own of another VPC"},
		{"a subnet whose VPC is named by its other attribute", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			vpc := awsec2.NewCfnVPC(stack, jsii.String("Vpc"), &awsec2.CfnVPCProps{CidrBlock: jsii.String("10.0.0.0/16")})
			p.Vpc, p.VpcSubnets = importedWithID(stack, vpc.Ref()), subnetOf(stack, vpc.AttrVpcId())
		}, ""},
		{"a subnet whose VPC is a parameter", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
			p.VpcSubnets = subnetOf(stack, awscdk.NewCfnParameter(stack, jsii.String("VpcOfSubnet"), nil).ValueAsString())
		}, ""},
		{"a subnet and a VPC of two imported values", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = importedWithID(stack, awscdk.Fn_ImportValue(jsii.String("Vpc")))
			p.VpcSubnets = subnetOf(stack, awscdk.Fn_ImportValue(jsii.String("SameVpc")))
		}, ""},
		{"a subnet of a VPC before its lookup", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.Vpc_FromLookup(stack, jsii.String("Vpc"), &awsec2.VpcLookupOptions{VpcId: jsii.String("vpc-0a1b2c3d")})
			p.VpcSubnets = subnetOf(stack, jsii.String("vpc-0a1b2c3d"))
		}, ""},
		{"security groups of a VPC of another stack", func(stack awscdk.Stack, p *alarmtriage.AlarmTriageProps) {
			p.Vpc = awsec2.NewVpc(stackIn(stack.Node().Root().(awscdk.App), "Network", "eu-west-1"), jsii.String("Vpc"), nil)
			p.SecurityGroups = &[]awsec2.ISecurityGroup{awsec2.NewSecurityGroup(stack, jsii.String("Group"), &awsec2.SecurityGroupProps{Vpc: p.Vpc}),
				awsec2.SecurityGroup_FromSecurityGroupId(stack, jsii.String("Imported"), jsii.String("sg-1"), nil)}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stack := stackIn(newTestApp(), "Test", "eu-west-1")
			create := func() {
				newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { tt.change(stack, p) })
				synth(stack)
			}
			if tt.want == "" {
				assert.NotPanics(t, create)
				return
			}
			message := panicOf(t, create)
			assert.True(t, strings.HasPrefix(message, tt.want), "want %s\ngot  %s", tt.want, message)
		})
	}
}

// AWS rejects a second endpoint with private DNS names in a VPC, and a second gateway endpoint in a route table.
func TestCreateVpcEndpoints_UsesThoseOfTheApp(t *testing.T) {
	endpoint := func(service awsec2.InterfaceVpcEndpointAwsService, dns bool) *awsec2.InterfaceVpcEndpointOptions {
		return &awsec2.InterfaceVpcEndpointOptions{Service: service, PrivateDnsEnabled: jsii.Bool(dns), Open: jsii.Bool(false)}
	}
	app := newTestApp()
	network, stack := stackIn(app, "Network", "eu-west-1"), stackIn(app, "Test", "eu-west-1")
	vpc, other := awsec2.NewVpc(network, jsii.String("Vpc"), nil), awsec2.NewVpc(network, jsii.String("Other"), nil)
	vpc.AddInterfaceEndpoint(jsii.String("Sts"), endpoint(awsec2.InterfaceVpcEndpointAwsService_STS(), true))
	vpc.AddInterfaceEndpoint(jsii.String("NoNames"), endpoint(awsec2.InterfaceVpcEndpointAwsService_SNS(), false))
	vpc.AddGatewayEndpoint(jsii.String("S3"), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_S3()})
	other.AddInterfaceEndpoint(jsii.String("Lambda"), endpoint(awsec2.InterfaceVpcEndpointAwsService_LAMBDA(), true))
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Vpc, p.CreateVpcEndpoints = vpc, jsii.Bool(true) }).AttachAlarms(newAlarm(stack, "One"))

	template := synth(stack)
	var services []string
	for _, resource := range *template.FindResources(jsii.String("AWS::EC2::VPCEndpoint"), nil) {
		name := text((*resource)["Properties"].(map[string]any)["ServiceName"])
		services = append(services, name[strings.LastIndex(name, ".")+1:])
	}
	assert.ElementsMatch(t, []string{"dynamodb", "bedrock-runtime", "lambda", "sns", "logs", "monitoring", "cloudtrail"}, services)
	// Both functions can reach six new interface endpoints, and the one of the other stack.
	template.ResourceCountIs(jsii.String("AWS::EC2::SecurityGroupIngress"), jsii.Number(2*7))
	messages := strings.Join(messagesOf(stack), "\n")
	assert.Contains(t, messages, "existing-endpoints: alarmtriage: CreateVpcEndpoints uses 1 existing endpoint of Vpc Network/Vpc instead of creating another one, and adds rules to its security group: Network/Vpc/Sts")
	assert.Contains(t, messages, "existing-gateways: alarmtriage: CreateVpcEndpoints uses 1 existing gateway endpoint of Vpc Network/Vpc instead of creating another one: Network/Vpc/S3. Check that the route tables of the functions' subnets contain it")

	stack = stackIn(newTestApp(), "Test", "eu-west-1")
	vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
	gateway := func(id string, kind awsec2.SubnetType) {
		vpc.AddGatewayEndpoint(jsii.String(id), &awsec2.GatewayVpcEndpointOptions{Service: awsec2.GatewayVpcEndpointAwsService_S3(),
			Subnets: &[]*awsec2.SubnetSelection{{SubnetType: kind}}})
	}
	gateway("Before", awsec2.SubnetType_PUBLIC)
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Vpc, p.CreateVpcEndpoints, p.VpcSubnets = vpc, jsii.Bool(true), &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_WITH_EGRESS}
	})
	gateway("After", awsec2.SubnetType_PUBLIC)
	synth(stack).ResourceCountIs(jsii.String("AWS::EC2::VPCEndpoint"), jsii.Number(2+9)) // their route tables differ

	stack = stackIn(newTestApp(), "Test", "eu-west-1")
	vpc = awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Vpc, p.CreateVpcEndpoints = vpc, jsii.Bool(true) })
	vpc.AddInterfaceEndpoint(jsii.String("Sts"), endpoint(awsec2.InterfaceVpcEndpointAwsService_STS(), true))
	assert.Contains(t, panicOf(t, func() { synth(stack) }), "alarmtriage: AlarmTriage Test/Triage creates the same VPC endpoint as Test/Vpc/Sts, which AWS rejects: define the latter before AlarmTriage, which then uses it, or remove it")
}

// A resource of the app can name the VPC by either attribute, and the Region of the service by a reference.
func TestCreateVpcEndpoints_RecognizesResourcesOfTheApp(t *testing.T) {
	stack := newStackIn("eu-west-1")
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
	resource := vpc.Node().DefaultChild().(awsec2.CfnVPC)
	endpoint := func(id string, vpcID *string, service string) {
		awsec2.NewCfnVPCEndpoint(stack, jsii.String(id), &awsec2.CfnVPCEndpointProps{
			VpcId: vpcID, ServiceName: &service, VpcEndpointType: jsii.String("Interface"), PrivateDnsEnabled: jsii.Bool(true),
		})
	}
	endpoint("Sns", resource.AttrVpcId(), "com.amazonaws.eu-west-1.sns")
	endpoint("Sts", resource.Ref(), "com.amazonaws.eu-west-1.sts")
	endpoint("Logs", vpc.VpcId(), *jsii.Sprintf("com.amazonaws.%s.logs", *awscdk.Aws_REGION()))
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Vpc, p.CreateVpcEndpoints = vpc, jsii.Bool(true) })
	messages := strings.Join(messagesOf(stack), "\n")
	assert.Contains(t, messages, "CreateVpcEndpoints uses 3 existing endpoints of Vpc Test/Vpc instead of creating others: ")
	assert.Contains(t, messages, "alarmtriage:closed-endpoints: alarmtriage: CreateVpcEndpoints adds no rules for 3 existing endpoints, because the synth does not know their security groups: ")
	endpoint("Lambda", resource.AttrVpcId(), "com.amazonaws.eu-west-1.lambda")
	message := panicOf(t, func() { awscdk.App_Of(stack).Synth(&awscdk.StageSynthesisOptions{Force: jsii.Bool(true)}) })
	assert.Contains(t, message, "AlarmTriage Test/Triage creates the same VPC endpoint as Test/Lambda, which AWS rejects")
}

// The names of an interface endpoint of S3 only resolve in the VPC if the app wants it. If they may resolve there, the functions need rules.
func TestCreateVpcEndpoints_InterfaceEndpointsOfS3ReplaceNoGateway(t *testing.T) {
	for _, tt := range []struct {
		name     string
		resolves awsec2.VpcEndpointPrivateDnsOnlyForInboundResolverEndpoint
		later    bool // the app defines it after AlarmTriage
		gateways int
	}{
		{"by default", "", false, 2},
		{"by default, later", "", true, 2},
		{"outside of the VPC", awsec2.VpcEndpointPrivateDnsOnlyForInboundResolverEndpoint_ONLY_INBOUND_RESOLVER, false, 2},
		{"everywhere", awsec2.VpcEndpointPrivateDnsOnlyForInboundResolverEndpoint_ALL_RESOLVERS, false, 1},
	} {
		stack := newStackIn("eu-west-1")
		vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
		define := func() {
			vpc.AddInterfaceEndpoint(jsii.String("S3"), &awsec2.InterfaceVpcEndpointOptions{
				Service: awsec2.InterfaceVpcEndpointAwsService_S3(), PrivateDnsOnlyForInboundResolverEndpoint: tt.resolves})
		}
		if !tt.later {
			define()
		}
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Vpc, p.CreateVpcEndpoints = vpc, jsii.Bool(true) })
		if tt.later {
			define()
		}
		template := synth(stack)
		gateways := template.FindResources(jsii.String("AWS::EC2::VPCEndpoint"), like("Properties", like("VpcEndpointType", "Gateway")))
		assert.Len(t, *gateways, tt.gateways, tt.name)
		rules := template.FindResources(jsii.String("AWS::EC2::SecurityGroupIngress"), nil)
		assert.Equal(t, !tt.later, strings.Contains(fmt.Sprint(*rules), "TriageS3EndpointIngress"), tt.name)
	}
}

// AWS rejects endpoints with private DNS names in such a VPC.
func TestCreateVpcEndpoints_NeedsDNS(t *testing.T) {
	create := func(endpoints bool, vpc func(awscdk.Stack) awsec2.IVpc) func() {
		return func() {
			stack := newStackIn("eu-west-1")
			newTriage(stack, func(p *alarmtriage.AlarmTriageProps) { p.Vpc, p.CreateVpcEndpoints = vpc(stack), jsii.Bool(endpoints) })
		}
	}
	of := func(names, support bool) func(awscdk.Stack) awsec2.IVpc {
		return func(stack awscdk.Stack) awsec2.IVpc {
			return awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{EnableDnsHostnames: jsii.Bool(names), EnableDnsSupport: jsii.Bool(support)})
		}
	}
	byRef := func(props *awsec2.CfnVPCProps) func(awscdk.Stack) awsec2.IVpc {
		return func(stack awscdk.Stack) awsec2.IVpc {
			props.CidrBlock = jsii.String("10.0.0.0/16")
			return awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Vpc"), &awsec2.VpcAttributes{
				VpcId: awsec2.NewCfnVPC(stack, jsii.String("Network"), props).Ref(), AvailabilityZones: jsii.Strings("eu-west-1a"),
				PrivateSubnetIds: jsii.Strings("subnet-1"), PrivateSubnetRouteTableIds: jsii.Strings("rtb-1")})
		}
	}
	const message = "alarmtriage: CreateVpcEndpoints needs a Vpc with EnableDnsSupport and EnableDnsHostnames, because AWS otherwise rejects endpoints with private DNS names, got Vpc Test/Vpc without "
	assert.Equal(t, message+"EnableDnsHostnames: set it to true", panicOf(t, create(true, of(false, true))))
	assert.Equal(t, message+"EnableDnsSupport and EnableDnsHostnames: set both to true", panicOf(t, create(true, of(false, false))))
	assert.Equal(t, message+"EnableDnsHostnames: set it to true", panicOf(t, create(true, byRef(&awsec2.CfnVPCProps{}))))
	assert.NotPanics(t, create(true, byRef(&awsec2.CfnVPCProps{EnableDnsHostnames: true})))
	assert.NotPanics(t, create(true, of(true, true)))
	assert.NotPanics(t, create(false, of(false, false)))
}

func TestSecurityGroups_WarnWhenTheyAreClosed(t *testing.T) {
	anywhere, network, https := awsec2.Peer_AnyIpv4(), awsec2.Peer_Ipv4(jsii.String("10.0.0.0/16")), awsec2.Port_Tcp(jsii.Number(443))
	for _, tt := range []struct {
		name      string
		open      bool
		peer      awsec2.IPeer // of a rule; nil: none
		port      awsec2.Port
		endpoints bool
		want      string // part of a warning
	}{
		{"open", true, nil, nil, true, ""},
		{"no rule", false, nil, nil, false, "SecurityGroups have no rule with which the functions reach AWS: Test/Group"},
		{"no rule, with endpoints", false, nil, nil, true, "no rule with which the functions reach S3 and DynamoDB: Test/Group"},
		{"everything", false, anywhere, https, false, ""},
		{"everything, with endpoints", false, anywhere, awsec2.Port_AllTcp(), true, ""},
		{"another port", false, anywhere, awsec2.Port_Tcp(jsii.Number(5432)), false, "reach AWS"},
		{"another protocol", false, anywhere, awsec2.Port_Udp(jsii.Number(443)), false, "reach AWS"},
		{"the network", false, network, https, false, ""},
		{"the network, with endpoints", false, network, https, true, "reach S3 and DynamoDB"},
		{"a prefix list", false, awsec2.Peer_PrefixList(jsii.String("pl-1")), https, true, ""},
	} {
		stack := newStackIn("eu-west-1")
		var group awsec2.SecurityGroup
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.CreateVpcEndpoints = awsec2.NewVpc(stack, jsii.String("Vpc"), nil), jsii.Bool(tt.endpoints)
			group = awsec2.NewSecurityGroup(stack, jsii.String("Group"), &awsec2.SecurityGroupProps{Vpc: p.Vpc, AllowAllOutbound: jsii.Bool(tt.open)})
			p.SecurityGroups = &[]awsec2.ISecurityGroup{group}
		})
		if tt.peer != nil { // also after AlarmTriage
			group.AddEgressRule(tt.peer, tt.port, nil, nil)
		}
		got := strings.Join(messagesOf(stack), "\n")
		assert.Contains(t, got, tt.want, tt.name)
		assert.Equal(t, tt.want != "", strings.Contains(got, "closed-egress"), tt.name)
	}
}

// AWS rejects a rule that exists, and a rule of an endpoint's group does not help a function that may not send anything to it.
func TestCreateVpcEndpoints_RulesOfSharedGroupsAreUnique(t *testing.T) {
	stack := newStackIn("eu-west-1")
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
	group := func(id string) awsec2.SecurityGroup {
		return awsec2.NewSecurityGroup(stack, jsii.String(id), &awsec2.SecurityGroupProps{Vpc: vpc, AllowAllOutbound: jsii.Bool(false)})
	}
	functions, endpoints, open := group("Functions"), group("Endpoints"), group("Open")
	endpoint := func(id string, service awsec2.InterfaceVpcEndpointAwsService, group awsec2.ISecurityGroup) {
		vpc.AddInterfaceEndpoint(jsii.String(id), &awsec2.InterfaceVpcEndpointOptions{Service: service, SecurityGroups: &[]awsec2.ISecurityGroup{group}})
	}
	endpoint("Lambda", awsec2.InterfaceVpcEndpointAwsService_LAMBDA(), endpoints)
	endpoint("Sns", awsec2.InterfaceVpcEndpointAwsService_SNS(), endpoints)
	endpoint("Sts", awsec2.InterfaceVpcEndpointAwsService_STS(), open)
	open.Connections().AllowFrom(functions, awsec2.Port_Tcp(jsii.Number(443)), nil)
	for _, id := range []string{"Triage", "Other"} { // both have the endpoints of the first one
		alarmtriage.NewAlarmTriage(stack, jsii.String(id), &alarmtriage.AlarmTriageProps{NotificationTopic: awssns.NewTopic(stack, jsii.String(id+"Topic"), nil),
			Vpc: vpc, CreateVpcEndpoints: jsii.Bool(true), SecurityGroups: &[]awsec2.ISecurityGroup{functions}})
	}
	template := synth(stack)
	for kind, peer := range map[string]string{"AWS::EC2::SecurityGroupIngress": "SourceSecurityGroupId", "AWS::EC2::SecurityGroupEgress": "DestinationSecurityGroupId"} {
		seen := map[string]int{}
		for _, rule := range *template.FindResources(jsii.String(kind), nil) {
			properties := (*rule)["Properties"].(map[string]any)
			seen[text(properties["GroupId"])+text(properties[peer])]++
		}
		assert.Len(t, seen, 4+2, kind) // four new endpoints, and the groups of the existing ones
		for rule, times := range seen {
			assert.Equal(t, 1, times, "%s %s", kind, rule)
		}
	}
	messages := messagesOf(stack)
	assert.Equal(t, 2, strings.Count(strings.Join(messages, "\n"), "SecurityGroups have no rule with which the functions reach S3 and DynamoDB"))
}

// CloudFormation's own security groups have their rules as properties, and CDK imports such groups by their IDs.
func TestCreateVpcEndpoints_RulesWithinGroupsAreNotAddedAgain(t *testing.T) {
	stack := newStackIn("eu-west-1")
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
	group := func(id string, egress, ingress any) awsec2.CfnSecurityGroup {
		return awsec2.NewCfnSecurityGroup(stack, jsii.String(id), &awsec2.CfnSecurityGroupProps{
			GroupDescription: jsii.String(id), VpcId: vpc.VpcId(), SecurityGroupEgress: egress, SecurityGroupIngress: ingress,
		})
	}
	imported := func(group awsec2.CfnSecurityGroup) *[]awsec2.ISecurityGroup {
		return &[]awsec2.ISecurityGroup{awsec2.SecurityGroup_FromSecurityGroupId(stack, jsii.String(*group.Node().Id()+"Import"), group.AttrGroupId(),
			&awsec2.SecurityGroupImportOptions{AllowAllOutbound: jsii.Bool(false)})}
	}
	outbound := func(peer *string) any {
		return []any{map[string]any{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "destinationSecurityGroupId": *peer}}
	}
	endpoint := func(id string, service awsec2.InterfaceVpcEndpointAwsService, group awsec2.CfnSecurityGroup) {
		vpc.AddInterfaceEndpoint(jsii.String(id), &awsec2.InterfaceVpcEndpointOptions{Service: service, SecurityGroups: imported(group), Open: jsii.Bool(false)})
	}
	inward := group("Inward", nil, nil)
	functions := group("Functions", outbound(inward.AttrGroupId()), nil)
	outward := group("Outward", nil, []any{map[string]any{"ipProtocol": "6", "fromPort": 443, "toPort": 443, "sourceSecurityGroupId": *functions.AttrGroupId()}})
	endpoint("Lambda", awsec2.InterfaceVpcEndpointAwsService_LAMBDA(), inward)
	endpoint("Sts", awsec2.InterfaceVpcEndpointAwsService_STS(), outward)
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Vpc, p.CreateVpcEndpoints, p.SecurityGroups = vpc, jsii.Bool(true), imported(functions)
	})
	template := synth(stack)
	for kind, missing := range map[string]string{"AWS::EC2::SecurityGroupIngress": "LambdaEndpointIngress", "AWS::EC2::SecurityGroupEgress": "StsEndpointGroup"} {
		rules := *template.FindResources(jsii.String(kind), nil)
		assert.Len(t, rules, 5+1, "%s: those of new endpoints, and the missing one", kind)
		assert.Contains(t, fmt.Sprint(rules), missing, kind)
	}
	assert.Contains(t, strings.Join(messagesOf(stack), "\n"), "no rule with which the functions reach S3 and DynamoDB: Test/FunctionsImport")
}

// An import can have the same name in each Region.
func TestCreateVpcEndpoints_RulesOfEachRegionAreAdded(t *testing.T) {
	app := newTestApp()
	var stacks []awscdk.Stack
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		stack := stackOf(app, "Network-"+region, centralAccount, region)
		vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
		imported := func(id string) awsec2.ISecurityGroup {
			return awsec2.SecurityGroup_FromSecurityGroupId(stack, jsii.String(id), awscdk.Fn_ImportValue(jsii.String(id)),
				&awsec2.SecurityGroupImportOptions{AllowAllOutbound: jsii.Bool(false)})
		}
		vpc.AddInterfaceEndpoint(jsii.String("Lambda"), &awsec2.InterfaceVpcEndpointOptions{
			Service: awsec2.InterfaceVpcEndpointAwsService_LAMBDA(), SecurityGroups: &[]awsec2.ISecurityGroup{imported("Endpoints")}, Open: jsii.Bool(false),
		})
		functions := []awsec2.ISecurityGroup{imported("Functions")}
		newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
			p.Vpc, p.CreateVpcEndpoints, p.SecurityGroups = vpc, jsii.Bool(true), &functions
		})
		stacks = append(stacks, stack)
	}
	for _, stack := range stacks {
		template := synth(stack)
		for _, kind := range []string{"AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"} {
			assert.Len(t, *template.FindResources(jsii.String(kind), nil), 7, "%s %s: those of each endpoint", *stack.StackName(), kind)
		}
	}
}

func TestCreateVpcEndpoints_RulesThatTheAppDefinesLaterAreProblems(t *testing.T) {
	stack := newStackIn("eu-west-1")
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), nil)
	group := func(id string) awsec2.SecurityGroup {
		return awsec2.NewSecurityGroup(stack, jsii.String(id), &awsec2.SecurityGroupProps{Vpc: vpc, AllowAllOutbound: jsii.Bool(false)})
	}
	functions, endpoints := group("Functions"), group("Endpoints")
	vpc.AddInterfaceEndpoint(jsii.String("Lambda"), &awsec2.InterfaceVpcEndpointOptions{
		Service: awsec2.InterfaceVpcEndpointAwsService_LAMBDA(), SecurityGroups: &[]awsec2.ISecurityGroup{endpoints}, Open: jsii.Bool(false),
	})
	newTriage(stack, func(p *alarmtriage.AlarmTriageProps) {
		p.Vpc, p.CreateVpcEndpoints, p.SecurityGroups = vpc, jsii.Bool(true), &[]awsec2.ISecurityGroup{functions}
	})
	functions.AddEgressRule(endpoints, awsec2.Port_Tcp(jsii.Number(443)), nil, nil)
	message := panicOf(t, func() { synth(stack) })
	assert.Contains(t, message, "AlarmTriage Test/Triage adds a rule of a security group that the app also defines")
	assert.Contains(t, message, "Test/Functions/to TestEndpoints")
	assert.NotContains(t, message, "LambdaEndpointIngress", "the app has no such inbound rule")
}
