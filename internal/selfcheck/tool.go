package selfcheck

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

//go:embed probe.py
var probe string

// probed is the result of the probe.
type probed struct {
	Python      string            `json:"python"`
	Boto3       string            `json:"boto3"`
	Unreachable string            `json:"unreachable"` // why CloudWatch cannot be read
	Broken      map[string]string `json:"broken"`      // packages of layers that cannot be imported, with the error
	Packages    int               `json:"packages"`    // number of packages of layers that were tried
	Untried     int               `json:"untried"`     // number of those that were not, because the time was used up
}

// tool checks that the tool runs Python, that the code reaches AWS, and that the packages of the tool's
// layers can be imported. It also notes which layers of the sandbox are not in force.
func (c *Checker) tool(ctx context.Context) Check {
	status, failure := c.callTool(ctx, toolcall.Request{Status: true})
	if failure != nil {
		return *failure
	}
	answer, failure := c.callTool(ctx, toolcall.Request{Command: probe})
	if failure != nil {
		return *failure
	}
	found := judgeProbe(answer)
	if status.Status != nil {
		if off := inactive(status.Status.Layers); len(off) > 0 {
			found.Notes = append(found.Notes, "Layers of the sandbox that are not in force: "+strings.Join(off, "; ")+".")
		}
	}
	return found
}

// judgeProbe returns the check of the probe's answer.
func judgeProbe(answer toolcall.Answer) Check {
	var p probed
	switch err := json.Unmarshal(answer.Result, &p); {
	case !answer.Success:
		return problem(sentence("The tool cannot run Python: "+clip(answer.Error+" "+answer.Stderr)), remedyTool)
	case err != nil || p.Python == "" || p.Boto3 == "":
		return problem(sentence("The tool's Python returns an unexpected result: "+clip(answer.Text())), remedyTool)
	case p.Unreachable != "":
		return problem(sentence("The tool's code cannot read CloudWatch: "+clip(p.Unreachable)),
			"Check ToolDeniedActions, PermissionsBoundary, and service control policies. In a VPC, check that the tool's subnets "+
				"reach the endpoint `monitoring`.")
	case len(p.Broken) > 0:
		var names []string
		for _, name := range slices.Sorted(maps.Keys(p.Broken)) {
			names = append(names, name+" ("+clip(p.Broken[name])+")")
		}
		return warning("Packages of ToolLayers cannot be imported: "+strings.Join(names, "; ")+".",
			fmt.Sprintf("Build the layer for Python %s and for the prop Architecture, with all dependencies.", p.Python))
	}
	c := fine(fmt.Sprintf("The tool runs Python %s with boto3 %s, reads CloudWatch, and imports the packages of additional layers (%d).",
		p.Python, p.Boto3, p.Packages))
	if p.Untried > 0 {
		c.Notes = append(c.Notes, plural.Either(p.Untried, "package was", "packages were")+" not tried, because the imports of the others took too long.")
	}
	return c
}

// members checks that the tool can assume the role of each member. In an organization, only an alarm can show it, because the
// accounts are not listed.
func (c *Checker) members(ctx context.Context) Check {
	if c.Config.Members.Organization {
		return skipped("Only an alarm of an account of the organization can show whether the account has the role.")
	}
	answer, failure := c.callTool(ctx, toolcall.Request{Status: true})
	switch {
	case failure != nil:
		return *failure
	case answer.Status == nil || answer.Status.Members == nil:
		return problem("The tool does not know its members.", remedyTool)
	}
	var reasons []string
	for _, account := range answer.Status.Members.Unreadable {
		reasons = append(reasons, clip(account.Reason))
	}
	if len(reasons) > 0 {
		return warning(strings.Join(reasons, " "), "Deploy NewAlarmTriageMember, or the CloudFormation template of a member, in these accounts, or "+
			"remove them from Members. Until then, their alarms are investigated with what other accounts see of them.")
	}
	return fine(fmt.Sprintf("The tool can read all members (%d).", len(answer.Status.Members.Accounts)))
}

// callTool invokes the tool. failure is nil if the tool answered.
func (c *Checker) callTool(ctx context.Context, request toolcall.Request) (answer toolcall.Answer, failure *Check) {
	fail := func(found Check) (toolcall.Answer, *Check) { return toolcall.Answer{}, &found }
	payload, err := json.Marshal(request)
	if err != nil {
		return fail(problem(err.Error(), remedyTool)) // unreachable: encoding strings never fails
	}
	out, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &c.Config.ToolFunction, Payload: payload})
	if err != nil {
		found := failed("The tool function cannot be invoked", err)
		if awsapi.Classify(err) == awsapi.ClassThrottled {
			found.Remedy = "Raise ToolReservedConcurrentExecutions, or the account's quota of concurrent executions."
		}
		return fail(found)
	}
	if out.FunctionError != nil {
		return fail(problem(sentence("The tool function fails: "+clip(string(out.Payload))), remedyTool))
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return fail(problem(sentence("The tool's answer cannot be read: "+clip(err.Error())), remedyTool))
	}
	return answer, nil
}

// inactive returns the layers that are not in force, with their states.
func inactive(layers map[string]string) []string {
	var off []string
	for _, name := range slices.Sorted(maps.Keys(layers)) {
		if layers[name] != toolcall.LayerActive {
			off = append(off, name+" ("+layers[name]+")")
		}
	}
	return off
}

// handOver checks that the orchestrator may invoke itself, as it does for hand-overs. A dry run starts
// nothing.
func (c *Checker) handOver(ctx context.Context) Check {
	_, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: &c.FunctionName, InvocationType: lambdatypes.InvocationTypeDryRun,
	})
	if err != nil {
		return failed("The orchestrator cannot invoke itself, and long investigations end early", err)
	}
	return fine("The orchestrator may invoke itself.")
}
