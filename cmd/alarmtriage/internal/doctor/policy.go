package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// alarmService is the principal as which CloudWatch invokes the functions of alarm actions.
const alarmService = "lambda.alarms.cloudwatch.amazonaws.com"

// functionPolicy is the resource policy of a function, or of a version or an alias, which does not inherit that of the function.
type functionPolicy struct {
	statements []statement
	err        error // why it is not known
}

// statement is a statement of a resource policy of Lambda.
type statement struct {
	Effect    string
	Principal json.RawMessage
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts
}

// texts is a list in JSON, or a single text.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(t))
}

// match reports whether one of the texts is a pattern of IAM that fits a value.
func (t texts) match(value string) bool {
	escape := strings.NewReplacer(`\`, `\\`, `[`, `\[`, "/", "\x00") // the * of IAM fits slashes, too
	return slices.ContainsFunc(t, func(pattern string) bool {
		fits, err := path.Match(escape.Replace(strings.ToLower(pattern)), strings.ReplaceAll(strings.ToLower(value), "/", "\x00"))
		return fits || err != nil
	})
}

// lets reports whether the policy lets an alarm invoke the function of its action. Conditions that are not known count as met.
func (p functionPolicy) lets(action, alarm, account string) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool {
		if s.Effect != "Allow" || !s.isForAlarms() || !s.Action.match("lambda:InvokeFunction") || !s.Resource.match(action) {
			return false
		}
		for operator, keys := range s.Condition {
			for key, wanted := range keys {
				value := map[string]string{"aws:sourcearn": alarm, "aws:sourceaccount": account}[strings.ToLower(key)]
				if value != "" && slices.Contains([]string{"StringEquals", "StringLike", "ArnEquals", "ArnLike"}, operator) && !wanted.match(value) {
					return false
				}
			}
		}
		return true
	})
}

// isForAlarms reports whether the principal is CloudWatch, which invokes the functions of alarm actions, or everybody.
func (s statement) isForAlarms() bool {
	var all string
	if json.Unmarshal(s.Principal, &all) == nil {
		return all == "*"
	}
	var kinds map[string]texts
	return json.Unmarshal(s.Principal, &kinds) == nil && (slices.Contains(kinds["Service"], alarmService) || slices.Contains(kinds["AWS"], "*"))
}

// mayInvoke reports whether the resource policy lets an alarm invoke the orchestrator, or the version or alias that its action names.
// A policy that is not known counts as one that does.
func (d *Doctor) mayInvoke(ctx context.Context, action, alarm string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	policy, known := d.policies[action]
	if !known {
		policy = d.policyOf(ctx, action)
		d.policies[action] = policy
	}
	return policy.err != nil || policy.lets(action, alarm, d.account)
}

// policyOf reads the resource policy of the orchestrator, or of a version or an alias of it.
func (d *Doctor) policyOf(ctx context.Context, action string) (policy functionPolicy) {
	in := &lambda.GetPolicyInput{FunctionName: &d.found.ARN}
	if qualifier, isQualified := strings.CutPrefix(action, d.found.ARN+":"); isQualified {
		in.Qualifier = &qualifier
	}
	out, err := d.functions.GetPolicy(ctx, in)
	switch {
	case err != nil && isNotFound(err): // there is none
		return policy
	case err != nil:
		return functionPolicy{err: err}
	}
	var document struct{ Statement []statement }
	if json.Unmarshal([]byte(aws.ToString(out.Policy)), &document) != nil {
		return functionPolicy{err: errors.New("the policy is not understood")}
	}
	return functionPolicy{statements: document.Statement}
}

// policyUnread returns why one of the policies is not known.
func (d *Doctor) policyUnread() error {
	for _, policy := range d.policies {
		if policy.err != nil {
			return policy.err
		}
	}
	return nil
}

// allowAlarms returns the commands that let alarms invoke what their actions name.
func (d *Doctor) allowAlarms(all []alarm, refused []string) string {
	var commands []string
	for _, one := range all {
		if !slices.Contains(refused, one.name) {
			continue
		}
		for _, action := range one.actions {
			policy, isRead := d.policies[action]
			if !isRead || policy.lets(action, one.arn, d.account) {
				continue
			}
			qualifier, option := strings.TrimPrefix(action, d.found.ARN), ""
			if qualifier != "" {
				option = " --qualifier '" + qualifier[1:] + "'"
			}
			scope, _, _ := strings.Cut(one.arn, ":alarm:")
			command := fmt.Sprintf("aws lambda add-permission --region %s --function-name %s%s --statement-id AlarmTriageDoctor --action lambda:InvokeFunction "+
				"--principal %s --source-account %s --source-arn '%s:alarm:*'", d.region, d.found.Function, option, alarmService, d.account, scope)
			if !slices.Contains(commands, command) {
				commands = append(commands, command)
			}
		}
	}
	return strings.Join(commands, " && ")
}
