package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	quotatypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// concurrencyQuota is the code of Lambda's quota "Concurrent executions".
const concurrencyQuota = "L-B99A9384"

const (
	// lowConcurrency is a quota of concurrent executions that new accounts have instead of the usual 1,000. Investigations
	// and tool calls share it with all other functions of the account.
	lowConcurrency = 110

	usualConcurrency = 1000
)

// invoke calls a function and waits for its answer.
func (d *Doctor) invoke(ctx context.Context, function string, event []byte) ([]byte, *selfcheck.Check) {
	fail := func(check selfcheck.Check) ([]byte, *selfcheck.Check) { return nil, &check }
	out, err := d.functions.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: event})
	switch {
	case awsapi.CallerDenied(err):
		return fail(skipped(fmt.Sprintf("Your credentials may not invoke the function %s, so it was not checked.", function),
			fmt.Sprintf("Use credentials that allow lambda:InvokeFunction on %s.", function)))
	case err != nil:
		return fail(problem(fmt.Sprintf("The function %s cannot be invoked (%s).", function, awsapi.Answer(err)), awsapi.CallerAdvice(err)))
	case out.FunctionError != nil:
		return fail(problem(fmt.Sprintf("The function %s fails: %s", function, clip(string(out.Payload))),
			fmt.Sprintf("Read its log: aws logs tail --region %s --since 10m %s", d.region, d.logGroupOf(ctx, function))))
	}
	return out.Payload, nil
}

// logGroupOf returns the log group of a function, which CloudFormation names unless AlarmTriage has a prefix or a suffix.
func (d *Doctor) logGroupOf(ctx context.Context, function string) string {
	if function == d.found.Function {
		return d.found.LogGroup
	}
	out, err := d.functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		return "LOG_GROUP"
	}
	return logGroupIn(out)
}

// logGroupIn returns the log group in the configuration of a function.
func logGroupIn(out *lambda.GetFunctionConfigurationOutput) string {
	if out.LoggingConfig == nil || aws.ToString(out.LoggingConfig.LogGroup) == "" {
		return "/aws/lambda/" + aws.ToString(out.FunctionName)
	}
	return *out.LoggingConfig.LogGroup
}

// selfCheck lets the orchestrator check itself, with its own role and network, and without a notification.
func (d *Doctor) selfCheck(ctx context.Context) []selfcheck.Check {
	payload, failure := d.invoke(ctx, d.found.Function, []byte(config.SilentSelfCheckEvent))
	if failure != nil {
		return one(*failure)
	}
	var answer struct {
		SelfCheck *selfcheck.Report `json:"self_check"`
	}
	if err := json.Unmarshal(payload, &answer); err != nil || answer.SelfCheck == nil {
		return one(problem("The orchestrator's answer to a self-check is not understood: "+clip(string(payload)),
			"Deploy the version of the library that this command has, or install the command in the version of the library."))
	}
	return answer.SelfCheck.Checks
}

// sandbox reports which layers of the sandbox are in force in the deployed tool. Only the deployed tool can show what Lambda
// allows.
func (d *Doctor) sandbox(ctx context.Context) []selfcheck.Check {
	tool := d.found.Config.ToolFunction
	payload, failure := d.invoke(ctx, tool, []byte(`{"status":true}`))
	if failure != nil {
		return one(*failure)
	}
	var answer toolcall.Answer
	if err := json.Unmarshal(payload, &answer); err != nil || answer.Status == nil {
		return one(problem("The tool's answer about its state is not understood: "+clip(string(payload)), "Deploy the stack again."))
	}
	active, off := map[string]bool{}, []string{}
	for _, layer := range slices.Sorted(maps.Keys(answer.Status.Layers)) {
		state := answer.Status.Layers[layer]
		active[layer] = state == toolcall.LayerActive
		if !active[layer] {
			off = append(off, fmt.Sprintf("%s (%s)", layer, state))
		}
	}
	if len(off) == 0 {
		return one(fine("All layers are in force: %s.", strings.Join(slices.Sorted(maps.Keys(active)), ", ")))
	}
	detail := fmt.Sprintf("Layers that are not in force: %s.", strings.Join(off, "; "))
	if active["seccomp"] && !active["landlock"] {
		return one(warning(detail+" The seccomp filter is in force, so the code has no network except the broker. Without Landlock, code that "+
			"escapes Python's audit hook can read the environment of Lambda extensions, which has the role's credentials, and write to their memory.",
			"Remove the extensions of the tool function, also those of layers that your organization adds, or run it in a VPC without a route to the internet."))
	}
	if active["seccomp"] {
		return one(fine("The seccomp filter is in force, so the code has no network except the broker. %s", detail))
	}
	settings, err := d.functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &tool})
	if err != nil {
		return one(unread(detail+" The network of the tool cannot be read", err))
	}
	if settings.VpcConfig != nil && len(settings.VpcConfig.SubnetIds) > 0 {
		return one(fine("%s The tool runs in the VPC %s. If its subnets have no route to the internet, code that escapes Python's audit hook "+
			"reaches DNS and the VPC only.", detail, aws.ToString(settings.VpcConfig.VpcId)))
	}
	return one(warning(detail+" Without seccomp, code that escapes Python's audit hook can use the network during its call.",
		"Set the props Vpc and VpcSubnets to subnets without a route to the internet, and CreateVpcEndpoints."))
}

// concurrency checks the quota of concurrent executions, and what the functions reserve of it.
func (d *Doctor) concurrency(ctx context.Context) []selfcheck.Check {
	account, err := d.functions.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return one(unread("The account's quota of concurrent executions cannot be read", err))
	}
	if account.AccountLimit == nil {
		return one(skipped("Lambda did not return the account's quota of concurrent executions.", ""))
	}
	total, free := account.AccountLimit.ConcurrentExecutions, aws.ToInt32(account.AccountLimit.UnreservedConcurrentExecutions)
	parts := []string{fmt.Sprintf("The account may run %d functions at the same time, and %d of them are not reserved.", total, free)}
	for _, function := range []string{d.found.Function, d.found.Config.ToolFunction} {
		out, err := d.functions.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &function})
		switch {
		case err != nil:
			return one(unread(fmt.Sprintf("The reserved concurrency of %s cannot be read", function), err))
		case out.ReservedConcurrentExecutions == nil:
			parts = append(parts, function+" reserves nothing.")
		case *out.ReservedConcurrentExecutions == 0:
			return one(problem(fmt.Sprintf("The reserved concurrency of %s is 0, so Lambda never runs it.", function),
				fmt.Sprintf("aws lambda delete-function-concurrency --region %s --function-name %s", d.region, function)))
		default:
			parts = append(parts, fmt.Sprintf("%s runs at most %s at once.", function, plural.Of(int(*out.ReservedConcurrentExecutions), "time")))
		}
	}
	if total < lowConcurrency {
		return one(warning(strings.Join(parts, " ")+" When other functions need all of it, investigations wait.",
			fmt.Sprintf("aws service-quotas request-service-quota-increase --region %s --service-code lambda --quota-code %s --desired-value %d",
				d.region, concurrencyQuota, usualConcurrency)))
	}
	return one(fine("%s", strings.Join(parts, " ")))
}

// bedrockQuotas reports the quotas of the configured models. New accounts have quotas of zero for some models.
func (d *Doctor) bedrockQuotas(ctx context.Context) []selfcheck.Check {
	var quotas []quotatypes.ServiceQuota
	pages := servicequotas.NewListServiceQuotasPaginator(d.quotas, &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("bedrock")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return one(unread("The quotas of Bedrock cannot be read", err))
		}
		quotas = append(quotas, page.Quotas...)
	}
	var checks []selfcheck.Check
	for _, id := range d.found.Config.ModelIDs() {
		check := judgeQuotas(id, d.region, quotas)
		check.Part = "Bedrock quotas of " + id
		checks = append(checks, check)
	}
	return checks
}

// judgeQuotas returns the check of a model's quotas per minute and per day. Quotas name a model for people, such as
// "Cross-region model inference tokens per minute for Anthropic Claude Sonnet 5.5".
func judgeQuotas(id, region string, quotas []quotatypes.ServiceQuota) selfcheck.Check {
	name, profile := models.Lookup(id).Name, models.Parse(id).Profile
	if name == "" {
		return skipped("The catalog does not know the model, so its quotas cannot be found by name.", "")
	}
	check := fine("")
	for _, quota := range quotas {
		text := aws.ToString(quota.QuotaName)
		if !namesModel(text, name) || !fitsProfile(text, profile) || quota.Value == nil {
			continue
		}
		check.Notes = append(check.Notes, fmt.Sprintf("%s: %.0f.", text, *quota.Value))
		if *quota.Value == 0 && check.State == selfcheck.StateOK {
			check = selfcheck.Check{State: selfcheck.StateWarning, Notes: check.Notes,
				Detail: fmt.Sprintf("The quota %q is 0, so Bedrock refuses the model.", text),
				Remedy: increase(quota, region)}
		}
	}
	slices.Sort(check.Notes)
	switch {
	case len(check.Notes) == 0:
		return skipped(fmt.Sprintf("Service Quotas lists none for %s.", name), "")
	case check.State == selfcheck.StateOK:
		check.Detail = fmt.Sprintf("None of the %s is zero.", plural.Of(len(check.Notes), "quota"))
	}
	return check
}

// increase returns how to raise a quota. Those per day are usually not adjustable.
func increase(quota quotatypes.ServiceQuota, region string) string {
	if !quota.Adjustable {
		return fmt.Sprintf("Ask AWS Support to raise the quota %s in %s, because Service Quotas can't.", aws.ToString(quota.QuotaCode), region)
	}
	return fmt.Sprintf("aws service-quotas request-service-quota-increase --region %s --service-code bedrock --quota-code %s --desired-value VALUE",
		region, aws.ToString(quota.QuotaCode))
}

// doubled ends the names of quotas per day of models that can be asked with a profile.
const doubled = "(doubled for cross-region calls)"

// namesModel reports whether the name of a quota ends with the name of a model, perhaps followed by its version, such as
// "V1", and by doubled. "Claude Sonnet 5" is not the model of "… Claude Sonnet 5.5".
func namesModel(quota, model string) bool {
	_, rest, found := strings.Cut(strings.ToLower(quota), strings.ToLower(model))
	if !found || !strings.Contains(quota, " per ") {
		return false
	}
	rest = strings.TrimSpace(strings.TrimSuffix(rest, doubled))
	return rest == "" || strings.HasPrefix(rest, "v") && !strings.ContainsAny(rest, " .")
}

// fitsProfile reports whether a quota is about a way in which the model is asked: with a global profile, another
// profile, or none. The last two share the quota "Model invocation max tokens per day for …", which is zero in some new accounts.
func fitsProfile(quota, profile string) bool {
	if strings.HasPrefix(strings.ToLower(quota), "model invocation ") {
		return profile != models.GlobalProfile
	}
	kind := "On-demand"
	switch profile {
	case "":
	case models.GlobalProfile:
		kind = "Global cross-region"
	default:
		kind = "Cross-region"
	}
	return strings.HasPrefix(strings.ToLower(quota), strings.ToLower(kind))
}

// isNotFound reports whether AWS answered that something does not exist.
func isNotFound(err error) bool {
	var response *smithyhttp.ResponseError
	return awsapi.Classify(err) == awsapi.ClassNotFound || errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound
}
