package alarmtriage

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
)

// network checks the VPC and its endpoints.
func (l *problems) network(scope constructs.Construct, p *AlarmTriageProps) {
	if p.Vpc == nil && (p.VpcSubnets != nil || p.SecurityGroups != nil) {
		l.add("VpcSubnets and SecurityGroups need Vpc")
	}
	if p.SecurityGroups != nil && slices.Contains(*p.SecurityGroups, nil) {
		l.add("SecurityGroups must contain security groups, got nil")
	}
	if isTrue(p.CreateVpcEndpoints) && p.Vpc == nil {
		l.add("CreateVpcEndpoints needs Vpc")
	}
	if p.VpcEndpointServices != nil && !isTrue(p.CreateVpcEndpoints) {
		l.add("VpcEndpointServices needs CreateVpcEndpoints")
	}
	if p.VpcEndpointServices != nil && slices.Contains(*p.VpcEndpointServices, nil) {
		l.add("VpcEndpointServices must contain services, got nil")
	}
	if !isNil(p.Vpc) && scopeProblem(scope) == "" {
		l.dns(scope, p)
		l.subnets(scope, p)
		l.securityGroups(p)
	}
}

// subnets checks the subnets of the functions. CDK's own messages name props that AlarmTriage does not
// have. The VPC may belong to another account, which shares its subnets.
func (l *problems) subnets(scope constructs.Construct, p *AlarmTriageProps) {
	vpc, own := *p.Vpc.Node().Path(), regionOf(scope)
	if region := p.Vpc.Env().Region; own != "" && !unresolved(region) && *region != own {
		return // the check of places says so
	}
	selected, cause := selectSubnets(p)
	switch {
	case cause == "" && *selected.IsPendingLookup:
	case p.VpcSubnets != nil && cause != "":
		l.add("VpcSubnets must select subnets of Vpc %s, and selects none: use a SubnetType or SubnetGroupName that the VPC has. CDK's "+
			"reason: %s", vpc, cause)
	case p.VpcSubnets != nil && len(*selected.SubnetIds) == 0:
		l.add("VpcSubnets must select subnets of Vpc %s, and selects none: use another SubnetType or SubnetGroupName, or fewer AvailabilityZones and "+
			"SubnetFilters", vpc)
	case cause != "" || len(*selected.SubnetIds) == 0:
		l.add("Vpc must have private subnets, and CDK knows no subnet of Vpc %s: pass PrivateSubnetIds or IsolatedSubnetIds to "+
			"Vpc_FromVpcAttributes, or use Vpc_FromLookup", vpc)
	case *selected.HasPublic && p.VpcSubnets == nil:
		l.add("Vpc must have private subnets, because functions have no public IP address and reach nothing from a public subnet, and Vpc %s has "+
			"public subnets only: add subnets of type PRIVATE_WITH_EGRESS, or of type PRIVATE_ISOLATED and set CreateVpcEndpoints", vpc)
	case *selected.HasPublic:
		l.add("VpcSubnets must select private subnets, because functions have no public IP address and reach nothing from a public subnet, and " +
			"selects public subnets: set SubnetType to PRIVATE_WITH_EGRESS, or to PRIVATE_ISOLATED and CreateVpcEndpoints to true")
	case isTrue(p.CreateVpcEndpoints):
		l.routeTables(*selected.Subnets)
	}
	if p.VpcSubnets != nil && cause == "" {
		l.subnetsOfVpc(p.Vpc, *selected.Subnets)
	}
}

// subnetsOfVpc checks that subnets belong to the VPC. The VPC of an imported subnet is not known.
func (l *problems) subnetsOfVpc(vpc awsec2.IVpc, subnets []awsec2.ISubnet) {
	for _, subnet := range subnets {
		resource, isResource := subnet.Node().DefaultChild().(awsec2.CfnSubnet)
		if isResource && !isSameVpc(resource, resource.VpcId(), vpc.VpcId()) {
			l.add("VpcSubnets must select subnets of Vpc %s, got %s of another VPC", *vpc.Node().Path(), *subnet.Node().Path())
		}
	}
}

// dns checks that a VPC of the app resolves the private names of endpoints. The settings of an imported VPC are not known.
func (l *problems) dns(scope constructs.Construct, p *AlarmTriageProps) {
	if !isTrue(p.CreateVpcEndpoints) {
		return
	}
	id := *p.Vpc.VpcId()
	for _, construct := range *scope.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		vpc, isVpc := construct.(awsec2.CfnVPC)
		if !isVpc || *vpc.Ref() != id && *vpc.AttrVpcId() != id {
			continue
		}
		var off []string
		// CloudFormation's defaults are true for EnableDnsSupport and false for EnableDnsHostnames.
		if support := vpc.EnableDnsSupport(); support != nil && support == false {
			off = append(off, "EnableDnsSupport")
		}
		if names := vpc.EnableDnsHostnames(); names == nil || names == false {
			off = append(off, "EnableDnsHostnames")
		}
		if len(off) > 0 {
			l.add("CreateVpcEndpoints needs a Vpc with EnableDnsSupport and EnableDnsHostnames, because AWS otherwise rejects endpoints with private "+
				"DNS names, got Vpc %s without %s: set %s to true", *p.Vpc.Node().Path(), strings.Join(off, " and "), agreeing(len(off), "it", "both"))
		}
		return
	}
}

// selectSubnets returns the subnets of the functions, or CDK's error.
func selectSubnets(p *AlarmTriageProps) (selected *awsec2.SelectedSubnets, cause string) {
	cause = errorOf(func() { selected = p.Vpc.SelectSubnets(p.VpcSubnets) })
	return selected, cause
}

// routeTables checks that CDK knows the route tables of subnets, to which gateway endpoints are added.
func (l *problems) routeTables(subnets []awsec2.ISubnet) {
	var without []string
	for _, subnet := range subnets {
		var table *string
		if cause := errorOf(func() { table = subnet.RouteTable().RouteTableId() }); cause != "" || deref(table) == "" {
			without = append(without, *subnet.Node().Path())
		}
	}
	if len(without) > 0 {
		l.add("CreateVpcEndpoints needs the route tables of the functions' subnets, to which it adds the endpoints of S3 and DynamoDB, and CDK "+
			"knows none of %s: pass PrivateSubnetRouteTableIds or IsolatedSubnetRouteTableIds to Vpc_FromVpcAttributes, or RouteTableId to "+
			"Subnet_FromSubnetAttributes, or use Vpc_FromLookup", listed(without))
	}
}

// securityGroups checks that security groups belong to the VPC. The VPC of an imported group is not known.
func (l *problems) securityGroups(p *AlarmTriageProps) {
	if p.SecurityGroups == nil {
		return
	}
	for _, group := range *p.SecurityGroups {
		if isNil(group) {
			continue
		}
		resource, isResource := group.Node().DefaultChild().(awsec2.CfnSecurityGroup)
		if !isResource || resource.VpcId() == nil || isSameVpc(resource, resource.VpcId(), p.Vpc.VpcId()) {
			continue
		}
		l.add("SecurityGroups must contain security groups of Vpc %s, got %s of another VPC: create it with this Vpc", *p.Vpc.Node().Path(), *group.Node().Path())
	}
}

// vpcID is the form of the ID of a VPC. CDK's placeholder of a VPC that it has not looked up yet, vpc-12345, has another one.
var vpcID = regexp.MustCompile(`^vpc-(?:[0-9a-f]{8}|[0-9a-f]{17})$`)

// isSameVpc reports whether two IDs are, or may be, those of one VPC. Parameters, imported values, and conditions may be any ID.
func isSameVpc(scope constructs.IConstruct, one, other *string) bool {
	if vpcID.MatchString(*one) && vpcID.MatchString(*other) {
		return *one == *other
	}
	if *one == *other || !unresolved(one) || !unresolved(other) {
		return true
	}
	paths := alarmjs.Identify(scope, one, other)
	first, second := vpcOf(scope, paths[0]), vpcOf(scope, paths[1])
	return first == second || first == "" || second == ""
}

// vpcOf returns the path of the VPC of the app to whose ID a text of [alarmjs.Identify] refers, or an empty string.
func vpcOf(scope constructs.IConstruct, identified string) string {
	end := strings.LastIndex(identified, ".")
	if end < 0 || !slices.Contains([]string{"Ref", "VpcId"}, identified[end+1:]) {
		return ""
	}
	target := scope.Node().Root()
	for _, id := range strings.Split(identified[:end], "/") {
		if target = target.Node().TryFindChild(jsii.String(id)); target == nil {
			return ""
		}
	}
	if _, isVpc := target.(awsec2.CfnVPC); !isVpc {
		return ""
	}
	return identified[:end]
}

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
	if t.isolated = p.Vpc != nil && inIsolatedSubnets(p); t.isolated {
		t.functionTables = tablesOf(*p.Vpc.SelectSubnets(p.VpcSubnets).Subnets)
	}
	if *p.CreateVpcEndpoints {
		t.createVpcEndpoints(p)
	} else if t.isolated {
		t.needed = neededServices(p)
	}
}

// createVpcEndpoints adds the endpoints of CreateVpcEndpoints, except those that the app defines for the VPC: AWS rejects a
// second one with private DNS names, and a second one in a route table. Of the new ones, only the functions can reach them.
func (t *AlarmTriage) createVpcEndpoints(p *AlarmTriageProps) {
	t.hasGateways, t.routeTables = true, routeTablesOf(p)
	existing := t.endpointsOf(p.Vpc)
	var reused, ungrouped, gateways []string
	gatewayOf := map[string]constructs.IConstruct{} // gateways of AlarmTriage's stack, by the service, as serviceKey returns it
	var rules groupRules
	admit := func(id string, e existingEndpoint) (known bool) {
		if groups := e.resource.SecurityGroupIds(); groups == nil || unresolved(groups) || len(*groups) == 0 {
			return false
		}
		if rules == nil {
			rules = t.groupRules()
		}
		t.useEndpoint(id, e, rules)
		return true
	}
	exists := func(id string, service *string, gateway bool) bool {
		key := serviceKey(t, service)
		i := slices.IndexFunc(existing, func(e existingEndpoint) bool { return e.provides(key, gateway) && t.collides(e) })
		if i < 0 {
			t.endpoints = append(t.endpoints, newEndpoint{key, gateway})
			if i := slices.IndexFunc(existing, func(e existingEndpoint) bool { return e.service == key && gateway && !e.gateway }); i >= 0 {
				admit(id, existing[i]) // its names may resolve in the VPC
			}
			return false
		}
		if existing[i].gateway {
			gateways = append(gateways, existing[i].path)
			if resource := existing[i].resource; awscdk.Stack_Of(resource) == awscdk.Stack_Of(t) {
				gatewayOf[key] = resource
			}
			return true
		}
		reused = append(reused, existing[i].path)
		if !admit(id, existing[i]) {
			ungrouped = append(ungrouped, existing[i].path)
		}
		return true
	}
	if s3 := awsec2.GatewayVpcEndpointAwsService_S3(); !exists("S3Endpoint", s3.Name(), true) {
		gatewayOf[serviceKey(t, s3.Name())] = t.gatewayEndpoint(p, "S3Endpoint", s3)
	}
	if dynamoDB := awsec2.GatewayVpcEndpointAwsService_DYNAMODB(); !exists("DynamoDbEndpoint", dynamoDB.Name(), true) {
		gatewayOf[serviceKey(t, dynamoDB.Name())] = t.gatewayEndpoint(p, "DynamoDbEndpoint", dynamoDB)
	}
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
		if exists(needed.id, needed.service.Name(), false) {
			continue
		}
		created := awsec2.NewInterfaceVpcEndpoint(t, jsii.String(needed.id), &awsec2.InterfaceVpcEndpointProps{
			Vpc: p.Vpc, Service: needed.service, Subnets: p.VpcSubnets, Open: jsii.Bool(false), PrivateDnsEnabled: jsii.Bool(true),
		})
		// AWS accepts private names of such a service only if the VPC has its gateway (AWS PrivateLink Guide, "Private DNS" of
		// "Interface endpoints for Amazon S3").
		if gateway := gatewayOf[serviceKey(t, needed.service.Name())]; gateway != nil {
			created.Node().AddDependency(gateway)
		}
		for _, function := range []awslambda.Function{t.orchestrator, t.tool} {
			created.Connections().AllowDefaultPortFrom(function, jsii.String("The alarm triage"))
		}
	}
	if len(reused) > 0 {
		rulesFor := ""
		if len(ungrouped) < len(reused) {
			rulesFor = ", and adds rules to " + agreeing(len(reused), "its security group", "their security groups")
		}
		t.inform("existing-endpoints", "CreateVpcEndpoints uses %s of Vpc %s instead of creating %s%s: %s", counted(len(reused), "existing endpoint"),
			*p.Vpc.Node().Path(), agreeing(len(reused), "another one", "others"), rulesFor, strings.Join(reused, ", "))
	}
	if n := len(ungrouped); n > 0 {
		t.warn("closed-endpoints", "CreateVpcEndpoints adds no rules for %s, because the synth does not know %s: %s. Without SecurityGroupIds, "+
			"an endpoint has the VPC's default group, which only admits its own members: set SecurityGroupIds, or allow TCP port 443 from the functions",
			counted(n, "existing endpoint"), agreeing(n, "its security groups", "their security groups"), listed(ungrouped))
	}
	if len(gateways) > 0 {
		t.inform("existing-gateways", "CreateVpcEndpoints uses %s of Vpc %s instead of creating %s: %s. Check that the route tables of the "+
			"functions' subnets contain %s", counted(len(gateways), "existing gateway endpoint"), *p.Vpc.Node().Path(),
			agreeing(len(gateways), "another one", "others"), strings.Join(gateways, ", "), agreeing(len(gateways), "it", "them"))
	}
}

// existingEndpoint is an endpoint that the app defines.
type existingEndpoint struct {
	path     string
	service  string // as serviceKey returns it, without interface endpoints that have no private DNS names
	gateway  bool
	resolves bool // its names certainly resolve in the VPC; only known of services that also have gateways
	resource awsec2.CfnVPCEndpoint
}

// newEndpoint is an endpoint that AlarmTriage creates.
type newEndpoint struct {
	service string // as serviceKey returns it
	gateway bool
}

// provides reports whether functions in the VPC certainly reach a service through an endpoint. If the service has gateways, they only
// do so through an interface endpoint whose names resolve in the VPC, and AWS accepts an endpoint of each kind.
func (e existingEndpoint) provides(service string, hasGateways bool) bool {
	return e.service == service && (e.gateway == hasGateways || hasGateways && e.resolves)
}

// collides reports whether AWS would reject an endpoint of AlarmTriage for the same service. Gateway endpoints can have
// different route tables.
func (t *AlarmTriage) collides(e existingEndpoint) bool {
	tables := e.resource.RouteTableIds()
	if !e.gateway || tables == nil || unresolved(tables) {
		return true
	}
	return slices.ContainsFunc(stringsOf(tables), func(table string) bool { return slices.Contains(t.routeTables, table) })
}

// routeTablesOf returns the route tables to which CDK adds a gateway endpoint.
func routeTablesOf(p *AlarmTriageProps) (tables []string) {
	subnets := slices.Concat(*p.Vpc.PrivateSubnets(), *p.Vpc.PublicSubnets(), *p.Vpc.IsolatedSubnets())
	if p.VpcSubnets != nil {
		subnets = *p.Vpc.SelectSubnets(p.VpcSubnets).Subnets
	}
	return tablesOf(subnets)
}

// tablesOf returns the route tables of subnets that CDK knows.
func tablesOf(subnets []awsec2.ISubnet) (tables []string) {
	for _, subnet := range subnets {
		var table *string
		if errorOf(func() { table = subnet.RouteTable().RouteTableId() }) == "" && table != nil {
			tables = append(tables, *table)
		}
	}
	return tables
}

// serviceKey returns the name of an endpoint's service in the stack of a construct, in which an unknown Region is JSON.
func serviceKey(scope constructs.Construct, name *string) string {
	key := alarmjs.Identify(scope, name)[0]
	if region := regionOf(scope); region != "" { // CDK also writes a known Region as a reference
		key = strings.ReplaceAll(key, `{"Ref":"AWS::Region"}`, region)
	}
	return key
}

// vpcPaths returns the paths of VPCs of the app that are named by their IDs, and other IDs as they are.
func (t *AlarmTriage) vpcPaths(ids []*string) []string {
	paths := alarmjs.Identify(t, ids...)
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(strings.TrimSuffix(path, ".VpcId"), ".Ref")
	}
	return paths
}

// endpointsOf returns the endpoints that the app has defined for a VPC so far.
func (t *AlarmTriage) endpointsOf(vpc awsec2.IVpc) (endpoints []existingEndpoint) {
	var candidates []awsec2.CfnVPCEndpoint
	ids := []*string{vpc.VpcId()}
	for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if resource, isEndpoint := construct.(awsec2.CfnVPCEndpoint); isEndpoint && resource.VpcId() != nil && resource.ServiceName() != nil {
			candidates, ids = append(candidates, resource), append(ids, resource.VpcId())
		}
	}
	paths := t.vpcPaths(ids)
	for i, resource := range candidates {
		if paths[i+1] != paths[0] {
			continue
		}
		gateway := resource.VpcEndpointType() == nil || *resource.VpcEndpointType() == "Gateway" // CloudFormation's default
		if private, known := resource.PrivateDnsEnabled().(bool); !gateway && (!known || !private) {
			continue
		}
		endpoints = append(endpoints, existingEndpoint{
			path: strings.TrimSuffix(*resource.Node().Path(), "/Resource"), resource: resource, gateway: gateway, resolves: resolvesInVpc(resource),
			service: serviceKey(resource, resource.ServiceName()),
		})
	}
	return endpoints
}

// resolvesInVpc reports whether the names of an interface endpoint of S3 or DynamoDB certainly resolve in its VPC.
func resolvesInVpc(resource awsec2.CfnVPCEndpoint) bool {
	if resource.DnsOptions() == nil {
		return false
	}
	options, _ := alarmjs.Properties(resource)["DnsOptions"].(map[string]any)
	return slices.Contains([]string{"false", "AllResolvers"}, fmt.Sprint(options["PrivateDnsOnlyForInboundResolverEndpoint"]))
}

// useEndpoint lets the functions reach an endpoint. The rules are in AlarmTriage's stack, which may depend on the endpoint's
// stack, but not the other way round. Endpoints can share their security groups, and AWS rejects a rule that exists.
func (t *AlarmTriage) useEndpoint(id string, existing existingEndpoint, known groupRules) {
	sources := slices.Concat(*t.orchestrator.Connections().SecurityGroups(), *t.tool.Connections().SecurityGroups())
	description, rules := jsii.String("The alarm triage"), 0
	for _, group := range *existing.resource.SecurityGroupIds() {
		for i, source := range sources {
			if slices.Contains(sources[:i], source) { // SecurityGroups are those of both functions
				continue
			}
			paths := t.groupPaths([]*string{group, source.SecurityGroupId()})
			if t.addRule(known, groupRule{in: true, group: paths[0], peer: paths[1]}) {
				awsec2.NewCfnSecurityGroupIngress(t, numbered(id+"Ingress", rules), &awsec2.CfnSecurityGroupIngressProps{
					Description: description, GroupId: group, SourceSecurityGroupId: source.SecurityGroupId(),
					IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(443), ToPort: jsii.Number(443),
				})
			}
			if !*source.AllowAllOutbound() && t.addRule(known, groupRule{group: paths[1], peer: paths[0]}) {
				peer := awsec2.SecurityGroup_FromSecurityGroupId(t, numbered(id+"Group", rules), group, nil)
				source.AddEgressRule(peer, awsec2.Port_Tcp(jsii.Number(443)), description, jsii.Bool(true))
			}
			rules++
		}
	}
}

// groupRule is a rule for TCP port 443 between two security groups, as groupPaths identifies them.
type groupRule struct {
	in          bool // into group, from peer; otherwise out of it
	group, peer string
}

// groupRules are rules of the app, with the paths of their constructs.
type groupRules map[groupRule][]string

// addRule records a rule that AlarmTriage adds, and reports whether it is new.
func (t *AlarmTriage) addRule(known groupRules, rule groupRule) bool {
	if _, exists := known[rule]; exists {
		return false
	}
	known[rule], t.addedRules = nil, append(t.addedRules, rule)
	return true
}

// groupRules returns the rules that the app has defined so far in the account and Region of AlarmTriage. Elsewhere, a name such as
// that of an import means another group.
func (t *AlarmTriage) groupRules() groupRules {
	const https = 443
	var found []groupRule
	var constructPaths []string
	var ids []*string
	environment := *awscdk.Stack_Of(t).Environment()
	add := func(rule constructs.IConstruct, in bool, group, peer, protocol *string, from, to *float64) {
		if group != nil && peer != nil && isTCP(deref(protocol)) && from != nil && *from == https && to != nil && *to == https &&
			*awscdk.Stack_Of(rule).Environment() == environment {
			found, constructPaths, ids = append(found, groupRule{in: in}), append(constructPaths, *rule.Node().Path()), append(ids, group, peer)
		}
	}
	for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		switch rule := construct.(type) {
		case awsec2.CfnSecurityGroupIngress:
			add(rule, true, rule.GroupId(), rule.SourceSecurityGroupId(), rule.IpProtocol(), rule.FromPort(), rule.ToPort())
		case awsec2.CfnSecurityGroupEgress:
			add(rule, false, rule.GroupId(), rule.DestinationSecurityGroupId(), rule.IpProtocol(), rule.FromPort(), rule.ToPort())
		case awsec2.CfnSecurityGroup:
			for _, inGroup := range rulesIn(rule) {
				add(rule, inGroup.in, rule.AttrGroupId(), inGroup.peer, inGroup.protocol, inGroup.from, inGroup.to)
			}
		}
	}
	rules := groupRules{}
	for i, paths := 0, t.groupPaths(ids); i < len(found); i++ {
		found[i].group, found[i].peer = paths[2*i], paths[2*i+1]
		rules[found[i]] = append(rules[found[i]], constructPaths[i])
	}
	return rules
}

// isTCP reports whether a rule's protocol, a name or a number, is TCP.
func isTCP(protocol string) bool { return strings.EqualFold(protocol, "tcp") || protocol == "6" }

// inlineRule is a rule for another security group that is a property of a security group.
type inlineRule struct {
	in             bool
	peer, protocol *string
	from, to       *float64
}

// rulesIn returns the rules for other groups in the properties of a security group.
func rulesIn(group awsec2.CfnSecurityGroup) (rules []inlineRule) {
	properties := alarmjs.Properties(group)
	for _, kind := range []struct {
		in         bool
		list, peer string
	}{{true, "SecurityGroupIngress", "SourceSecurityGroupId"}, {false, "SecurityGroupEgress", "DestinationSecurityGroupId"}} {
		for _, entry := range listOf(properties[kind.list]) {
			fields, _ := entry.(map[string]any)
			peer, isText := fields[kind.peer].(string)
			from, hasFrom := fields["FromPort"].(float64)
			to, hasTo := fields["ToPort"].(float64)
			if isText && hasFrom && hasTo {
				protocol := fmt.Sprint(fields["IpProtocol"])
				rules = append(rules, inlineRule{kind.in, &peer, &protocol, &from, &to})
			}
		}
	}
	return rules
}

// ruleProblems returns the rules for existing endpoints that the app defined after AlarmTriage, which had added the same ones.
func (t *AlarmTriage) ruleProblems() (problems []string) {
	if len(t.addedRules) == 0 { // jsii needs long to translate all constructs of an app
		return nil
	}
	defined := t.groupRules()
	for _, rule := range t.addedRules {
		if paths := defined[rule]; len(paths) > 1 {
			problems = append(problems, fmt.Sprintf("alarmtriage: AlarmTriage %s adds a rule of a security group that the app also defines, and AWS rejects "+
				"the second one: %s. Define that of the app before AlarmTriage, which then adds none, or remove it", t.path, strings.Join(paths, ", ")))
		}
	}
	return problems
}

// endpointProblems returns the endpoints that the app defined after AlarmTriage, which created the same ones.
func (t *AlarmTriage) endpointProblems() (problems []string) {
	if len(t.endpoints) == 0 {
		return nil
	}
	for _, other := range t.endpointsOf(t.vpc) {
		if slices.Contains(t.endpoints, newEndpoint{other.service, other.gateway}) && !t.contains(other.path) && t.collides(other) {
			problems = append(problems, fmt.Sprintf("alarmtriage: AlarmTriage %s creates the same VPC endpoint as %s, which AWS rejects: define the latter "+
				"before AlarmTriage, which then uses it, or remove it", t.path, other.path))
		}
	}
	return problems
}

// inIsolatedSubnets reports whether all subnets of the functions are isolated.
func inIsolatedSubnets(p *AlarmTriageProps) bool {
	selected := p.Vpc.SelectSubnets(p.VpcSubnets)
	if *selected.IsPendingLookup || len(*selected.Subnets) == 0 {
		return false
	}
	isolated := map[string]bool{}
	for _, subnet := range *p.Vpc.IsolatedSubnets() {
		isolated[*subnet.Node().Path()] = true
	}
	for _, subnet := range *selected.Subnets {
		if !isolated[*subnet.Node().Path()] {
			return false
		}
	}
	return true
}

// service is a service that needs a VPC endpoint.
type service struct {
	short    string
	name     *string // in which the Region may be a token
	gateways bool    // it has gateway endpoints
}

// neededServices returns the services for which isolated subnets need endpoints.
func neededServices(p *AlarmTriageProps) []service {
	services := []service{{"s3", awsec2.GatewayVpcEndpointAwsService_S3().Name(), true}, {"dynamodb", awsec2.GatewayVpcEndpointAwsService_DYNAMODB().Name(), true}}
	for _, needed := range neededEndpoints(p) {
		services = append(services, service{*needed.service.ShortName(), needed.service.Name(), false})
	}
	return services
}

// warnOfIsolation warns that the subnets of the functions are isolated. Without endpoints, no function works there. The construct
// only knows the endpoints and the routes that the app defines.
func (t *AlarmTriage) warnOfIsolation() {
	if t.isolated && t.hasDefaultRoute() {
		t.isolated = false
	}
	if !t.isolated || len(t.needed) == 0 {
		return
	}
	existing := t.endpointsOf(t.vpc)
	var names []string
	missing := false
	for _, needed := range t.needed {
		key := serviceKey(t, needed.name)
		missing = missing || !slices.ContainsFunc(existing, func(e existingEndpoint) bool { return e.provides(key, needed.gateways) })
		names = append(names, needed.short)
	}
	if missing {
		t.warn("isolated", "the subnets are isolated: the VPC must have endpoints for %s, and for each service that the tool reads. "+
			"CreateVpcEndpoints creates them", strings.Join(names, ", "))
	}
	if closed := t.closedEndpoints(existing); len(closed) > 0 {
		t.warn("closed-endpoints", "the security groups of %s have no inbound rule, so the functions can't reach AWS: %s. Allow TCP port 443 from the "+
			"functions, which are Orchestrator() and Tool(), or from the VPC", counted(len(closed), "VPC endpoint"), listed(closed))
	}
}

// closedEndpoints returns the needed interface endpoints whose security groups, all of them defined by the app, admit nobody.
func (t *AlarmTriage) closedEndpoints(existing []existingEndpoint) (closed []string) {
	candidates := slices.DeleteFunc(slices.Clone(existing), func(e existingEndpoint) bool {
		groups := e.resource.SecurityGroupIds()
		return e.gateway || groups == nil || unresolved(groups) || len(*groups) == 0 ||
			!slices.ContainsFunc(t.needed, func(s service) bool { return e.provides(serviceKey(t, s.name), s.gateways) })
	})
	if len(candidates) == 0 { // jsii needs long to translate all constructs of an app
		return nil
	}
	var admitting []*string // IDs of groups
	known := map[string]bool{}
	for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		switch resource := construct.(type) {
		case awsec2.CfnSecurityGroup:
			known[*resource.Node().Path()] = true
			if rules, _ := awscdk.Stack_Of(resource).Resolve(resource.SecurityGroupIngress()).([]any); len(rules) > 0 {
				admitting = append(admitting, resource.AttrGroupId())
			}
		case awsec2.CfnSecurityGroupIngress:
			if id := resource.GroupId(); id != nil {
				admitting = append(admitting, id)
			}
		}
	}
	open := t.groupPaths(admitting)
	for _, e := range candidates {
		if !slices.ContainsFunc(t.groupPaths(*e.resource.SecurityGroupIds()), func(path string) bool { return !known[path] || slices.Contains(open, path) }) {
			closed = append(closed, e.path)
		}
	}
	return closed
}

// groupPaths returns the paths of security groups of the app that are named by their IDs, and other IDs as they are.
func (t *AlarmTriage) groupPaths(ids []*string) []string {
	paths := alarmjs.Identify(t, ids...)
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(strings.TrimSuffix(path, ".GroupId"), ".Ref")
	}
	return paths
}

// hasDefaultRoute reports whether the app adds a route to everything, such as to a transit gateway, to the route tables of all of
// the functions' subnets.
func (t *AlarmTriage) hasDefaultRoute() bool {
	routed := map[string]bool{}
	for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		route, isRoute := construct.(awsec2.CfnRoute)
		if isRoute && (deref(route.DestinationCidrBlock()) == "0.0.0.0/0" || deref(route.DestinationIpv6CidrBlock()) == "::/0") {
			routed[*route.RouteTableId()] = true
		}
	}
	tables := t.functionTables
	return len(tables) > 0 && !slices.ContainsFunc(tables, func(table string) bool { return !routed[table] })
}

// warnOfEgress warns if the security groups of the functions let them reach neither everything nor, with CreateVpcEndpoints, the
// prefix lists of S3 and DynamoDB, whose ids CDK does not know. The rules of groups of other apps are not known.
func (t *AlarmTriage) warnOfEgress() {
	var closed []string
	for _, group := range t.securityGroups {
		resource := t.groupResource(group)
		if resource == nil {
			return
		}
		if isImported := group.Node().DefaultChild() == nil; isImported && allowsByDefault(resource) || !isImported && *group.AllowAllOutbound() {
			return
		}
		if slices.ContainsFunc(t.egressRules(group, resource), func(rule egressRule) bool { return rule.reaches(t.hasGateways) }) {
			return
		}
		closed = append(closed, *group.Node().Path())
	}
	switch {
	case len(closed) == 0:
	case t.hasGateways:
		t.warn("closed-egress", "SecurityGroups have no rule with which the functions reach S3 and DynamoDB: %s. CreateVpcEndpoints only adds rules "+
			"for interface endpoints: allow outbound TCP on port 443 to the prefix lists of S3 and DynamoDB (docs/construct.md)", listed(closed))
	default:
		t.warn("closed-egress", "SecurityGroups have no rule with which the functions reach AWS: %s. Allow outbound TCP on port 443 to the VPC's "+
			"endpoints and to the prefix lists of S3 and DynamoDB, or to everything", listed(closed))
	}
}

// groupResource returns the resource of a security group, which may be an import of one that the app defines, or nil.
func (t *AlarmTriage) groupResource(group awsec2.ISecurityGroup) awsec2.CfnSecurityGroup {
	if resource, isResource := group.Node().DefaultChild().(awsec2.CfnSecurityGroup); isResource {
		return resource
	}
	if !unresolved(group.SecurityGroupId()) { // jsii needs long to translate all constructs of an app
		return nil
	}
	path := t.groupPaths([]*string{group.SecurityGroupId()})[0]
	for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if resource, isResource := construct.(awsec2.CfnSecurityGroup); isResource && *resource.Node().Path() == path {
			return resource
		}
	}
	return nil
}

// allowsByDefault reports whether a security group keeps AWS's rule that allows all outbound connections.
func allowsByDefault(resource awsec2.CfnSecurityGroup) bool {
	rules, _ := alarmjs.Properties(resource)["SecurityGroupEgress"].([]any)
	return len(rules) == 0
}

// egressRule is an outbound rule of a security group.
type egressRule struct {
	protocol, cidr, cidr6, prefixList any
	from, to                          any
}

// egressRules returns the outbound rules of a security group: those in the group, and separate ones anywhere in the app.
func (t *AlarmTriage) egressRules(group awsec2.ISecurityGroup, resource awsec2.CfnSecurityGroup) (rules []egressRule) {
	for _, entry := range listOf(alarmjs.Properties(resource)["SecurityGroupEgress"]) {
		if fields, isRule := entry.(map[string]any); isRule {
			rules = append(rules, egressRule{fields["IpProtocol"], fields["CidrIp"], fields["CidrIpv6"], fields["DestinationPrefixListId"],
				fields["FromPort"], fields["ToPort"]})
		}
	}
	var separate []awsec2.CfnSecurityGroupEgress
	groups := []*string{group.SecurityGroupId()}
	for _, construct := range *t.Node().Root().Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if rule, isRule := construct.(awsec2.CfnSecurityGroupEgress); isRule {
			separate, groups = append(separate, rule), append(groups, rule.GroupId())
		}
	}
	identified := alarmjs.Identify(t, groups...)
	for i, rule := range separate {
		if identified[i+1] == identified[0] {
			rules = append(rules, egressRule{*rule.IpProtocol(), textOrNil(rule.CidrIp()), textOrNil(rule.CidrIpv6()),
				textOrNil(rule.DestinationPrefixListId()), numberOrNil(rule.FromPort()), numberOrNil(rule.ToPort())})
		}
	}
	return rules
}

func textOrNil(text *string) any {
	if text == nil {
		return nil
	}
	return *text
}

func numberOrNil(n *float64) any {
	if n == nil {
		return nil
	}
	return *n
}

// reaches reports whether a rule lets the functions reach services of AWS. With gateway endpoints only, a rule for the addresses
// of a network does not: S3 and DynamoDB have public addresses.
func (r egressRule) reaches(byGateways bool) bool {
	const https = 443
	from, hasFrom := r.from.(float64)
	to, hasTo := r.to.(float64)
	protocol, isText := r.protocol.(string)
	switch {
	case isText && !isTCP(protocol) && protocol != "-1" && !strings.Contains(protocol, "{"): // such as icmp of CDK's rule that disallows everything
		return false
	case hasFrom && hasTo && (from > https || to < https) && from >= 0:
		return false
	case r.prefixList != nil, isPublic(r.cidr), isPublic(r.cidr6):
		return true
	}
	return !byGateways
}

// isPublic reports whether a block of addresses contains public ones. A token may be the block of the VPC.
func isPublic(block any) bool {
	text, _ := block.(string)
	network, err := netip.ParsePrefix(text)
	return err == nil && (network.Bits() == 0 || !network.Addr().IsPrivate() && !sharedAddresses.Contains(network.Addr()))
}

// sharedAddresses are those of carriers, which VPCs may also have (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// gatewayEndpoint adds an endpoint to the route tables of the functions' subnets.
func (t *AlarmTriage) gatewayEndpoint(p *AlarmTriageProps, id string, service awsec2.GatewayVpcEndpointAwsService) constructs.IConstruct {
	props := &awsec2.GatewayVpcEndpointProps{Vpc: p.Vpc, Service: service}
	if p.VpcSubnets != nil {
		props.Subnets = &[]*awsec2.SubnetSelection{p.VpcSubnets}
	}
	return awsec2.NewGatewayVpcEndpoint(t, jsii.String(id), props)
}
