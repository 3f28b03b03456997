package alarmtriage

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// endpoint is an interface endpoint with the id of its construct.
type endpoint struct {
	id      string
	service awsec2.InterfaceVpcEndpointAwsService
}

// neededEndpoints returns the services that the functions call with these props: those that the
// orchestrator uses, and those that provide the evidence before the first round.
func neededEndpoints(p *AlarmTriageProps) []endpoint {
	needed := []endpoint{
		{"BedrockEndpoint", awsec2.InterfaceVpcEndpointAwsService_BEDROCK_RUNTIME()},
		{"LambdaEndpoint", awsec2.InterfaceVpcEndpointAwsService_LAMBDA()},
		{"SnsEndpoint", awsec2.InterfaceVpcEndpointAwsService_SNS()},
		{"StsEndpoint", awsec2.InterfaceVpcEndpointAwsService_STS()},
		{"LogsEndpoint", awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_LOGS()},
		{"CloudWatchEndpoint", awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_MONITORING()},
		{"CloudTrailEndpoint", awsec2.InterfaceVpcEndpointAwsService_CLOUDTRAIL()},
	}
	for _, optional := range []struct {
		used bool
		endpoint
	}{
		{p.CompletionEventBus != nil, endpoint{"EventBridgeEndpoint", awsec2.InterfaceVpcEndpointAwsService_EVENTBRIDGE()}},
		{p.Tracing != awslambda.Tracing_DISABLED, endpoint{"XRayEndpoint", awsec2.InterfaceVpcEndpointAwsService_XRAY()}},
	} {
		if optional.used {
			needed = append(needed, optional.endpoint)
		}
	}
	return needed
}

// connectVpc creates the endpoints of the VPC, or warns if they may be missing.
func (t *AlarmTriage) connectVpc(p *AlarmTriageProps) {
	if *p.CreateVpcEndpoints {
		t.createVpcEndpoints(p)
	} else if p.Vpc != nil {
		t.warnOfIsolation(p)
	}
}

// createVpcEndpoints adds the endpoints of CreateVpcEndpoints. Only the functions can reach them.
func (t *AlarmTriage) createVpcEndpoints(p *AlarmTriageProps) {
	t.gatewayEndpoint(p, "S3Endpoint", awsec2.GatewayVpcEndpointAwsService_S3())
	t.gatewayEndpoint(p, "DynamoDbEndpoint", awsec2.GatewayVpcEndpointAwsService_DYNAMODB())
	endpoints, known := neededEndpoints(p), map[string]bool{}
	for _, needed := range endpoints {
		known[*needed.service.ShortName()] = true
	}
	if p.VpcEndpointServices != nil {
		for _, service := range *p.VpcEndpointServices {
			if name := *service.ShortName(); !known[name] {
				known[name] = true
				endpoints = append(endpoints, endpoint{name + "Endpoint", service})
			}
		}
	}
	for _, needed := range endpoints {
		created := awsec2.NewInterfaceVpcEndpoint(t, jsii.String(needed.id), &awsec2.InterfaceVpcEndpointProps{
			Vpc: p.Vpc, Service: needed.service, Subnets: p.VpcSubnets, Open: jsii.Bool(false), PrivateDnsEnabled: jsii.Bool(true),
		})
		for _, function := range []awslambda.Function{t.orchestrator, t.tool} {
			created.Connections().AllowDefaultPortFrom(function, jsii.String("The alarm triage"))
		}
	}
}

// warnOfIsolation warns if all subnets of the functions are isolated. Without endpoints, no function works
// there, and the construct can't find out whether the VPC has endpoints.
func (t *AlarmTriage) warnOfIsolation(p *AlarmTriageProps) {
	selected := p.Vpc.SelectSubnets(p.VpcSubnets)
	if *selected.IsPendingLookup || len(*selected.Subnets) == 0 {
		return
	}
	isolated := map[string]bool{}
	for _, subnet := range *p.Vpc.IsolatedSubnets() {
		isolated[*subnet.Node().Path()] = true
	}
	for _, subnet := range *selected.Subnets {
		if !isolated[*subnet.Node().Path()] {
			return
		}
	}
	names := []string{"s3", "dynamodb"}
	for _, needed := range neededEndpoints(p) {
		names = append(names, *needed.service.ShortName())
	}
	t.warn("isolated", "the subnets are isolated: the VPC must have endpoints for %s, and for each service that the tool reads. "+
		"CreateVpcEndpoints creates them", strings.Join(names, ", "))
}

// gatewayEndpoint adds an endpoint to the route tables of the functions' subnets.
func (t *AlarmTriage) gatewayEndpoint(p *AlarmTriageProps, id string, service awsec2.GatewayVpcEndpointAwsService) {
	props := &awsec2.GatewayVpcEndpointProps{Vpc: p.Vpc, Service: service}
	if p.VpcSubnets != nil {
		props.Subnets = &[]*awsec2.SubnetSelection{p.VpcSubnets}
	}
	awsec2.NewGatewayVpcEndpoint(t, jsii.String(id), props)
}
