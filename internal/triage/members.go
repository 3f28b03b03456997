package triage

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// ownAccount returns the account of this invocation, or an empty string if it is not known.
func ownAccount(ctx context.Context) string {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return ""
	}
	function, err := arn.Parse(invocation.InvokedFunctionArn)
	if err != nil {
		return ""
	}
	return function.AccountID
}

// memberOf returns the account of the triage if the alarm's account is a member of it, otherwise an empty string.
func (h *Handler) memberOf(ctx context.Context, alarm *alarmevent.Alarm) string {
	own := ownAccount(ctx)
	if own == "" || alarm.Account == own || !h.Config.Members.Includes(alarm.Account) {
		return ""
	}
	return own
}

// cloudWatchOf returns a client that knows an alarm, and the Region that it reads: that of the alarm if a member owns it,
// otherwise that of the triage.
func (h *Handler) cloudWatchOf(ctx context.Context, alarm *alarmevent.Alarm) (client awsapi.CloudWatch, region string) {
	if h.memberOf(ctx, alarm) == "" {
		return h.CloudWatch, h.Region
	}
	return memberCloudWatch{
		tool: h.Tool, account: alarm.Account, region: alarm.Region, arns: strings.TrimSuffix(alarm.ARN, alarmevent.NameInARN(alarm.ARN)),
	}, alarm.Region
}

// memberCloudWatch asks the CloudWatch of a member through the tool, because only the broker assumes the roles of members. The
// code that runs is fixed, and each answer is compared by the alarm's ARN, which contains the account.
type memberCloudWatch struct {
	tool            evidence.Tool
	account, region string
	arns            string // what the ARNs of the account's alarms begin with
}

// memberError reports that a member's CloudWatch could not be asked. Its text is one sentence.
type memberError struct{ text string }

// Error returns the text.
func (e *memberError) Error() string { return e.text }

func (m memberCloudWatch) failed(reason string) error {
	return &memberError{fmt.Sprintf("CloudWatch of account %s could not be asked: %s", m.account, reason)}
}

// describeMembersAlarms returns the part of an answer that the orchestrator reads. The tool redacts it, and RedactPatterns can match
// an account or a name. So it has no texts of the user: each alarm of the account is the index of its name in the request, and the
// rule of the first one is a list of characters. Times are in seconds since 1970.
const describeMembersAlarms = `request = json.loads(%s)
arns, names = request.pop("ARNs"), request["AlarmNames"]
if request["AlarmTypes"] == ["LogAlarm"]:
    answer = describe_log_alarms(**{k: v for k, v in request.items() if k != "AlarmTypes"})
else:
    answer = boto3.client("cloudwatch").describe_alarms(**request)

def seconds(alarm, name):
    return alarm[name].timestamp() if alarm.get(name) else None

result = {kind: [{"name": names.index(a["AlarmName"]), "state": a.get("StateValue"), "suppressed": bool(a.get("ActionsSuppressor")),
                  "rule": [ord(c) for c in a.get("AlarmRule") or ""] if a["AlarmName"] == names[0] else [],
                  "transitioned": seconds(a, "StateTransitionedTimestamp"), "updated": seconds(a, "StateUpdatedTimestamp")}
                 for a in answer.get(kind) or [] if a.get("AlarmName") in names and a.get("AlarmArn") == arns + a["AlarmName"]]
          for kind in ("MetricAlarms", "CompositeAlarms", "LogAlarms")}
`

// describeMembersContributors returns texts as lists of characters, too: a pattern can also match the ID of a contributor.
const describeMembersContributors = `answer = boto3.client("cloudwatch").describe_alarm_contributors(**json.loads(%s))
result = {"contributors": [{"id": [ord(c) for c in a.get("ContributorId") or ""], "transitioned": a["StateTransitionedTimestamp"].timestamp()}
                           for a in answer.get("AlarmContributors") or [] if a.get("StateTransitionedTimestamp")],
          "next": [ord(c) for c in answer.get("NextToken") or ""]}
`

// memberAlarm is an alarm in the result of describeMembersAlarms.
type memberAlarm struct {
	Name         int      `json:"name"` // index in the request
	State        string   `json:"state"`
	Suppressed   bool     `json:"suppressed"` // it has a suppressor
	Rule         []rune   `json:"rule"`
	Transitioned *float64 `json:"transitioned"`
	Updated      *float64 `json:"updated"`
}

// DescribeAlarms implements [awsapi.CloudWatch].
func (m memberCloudWatch) DescribeAlarms(
	ctx context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	var found struct{ MetricAlarms, CompositeAlarms, LogAlarms []memberAlarm }
	request := map[string]any{"ARNs": m.arns, "AlarmNames": in.AlarmNames, "AlarmTypes": in.AlarmTypes, "MaxRecords": in.MaxRecords}
	if err := m.run(ctx, describeMembersAlarms, request, &found); err != nil {
		return nil, err
	}
	arn := func(a memberAlarm) *string {
		if a.Name < 0 || a.Name >= len(in.AlarmNames) {
			return nil
		}
		return aws.String(m.arns + in.AlarmNames[a.Name])
	}
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, a := range found.MetricAlarms {
		out.MetricAlarms = append(out.MetricAlarms, types.MetricAlarm{
			AlarmArn: arn(a), StateValue: types.StateValue(a.State),
			StateTransitionedTimestamp: moment(a.Transitioned), StateUpdatedTimestamp: moment(a.Updated),
		})
	}
	for _, a := range found.CompositeAlarms {
		composite := types.CompositeAlarm{
			AlarmArn: arn(a), StateValue: types.StateValue(a.State), AlarmRule: aws.String(string(a.Rule)),
			StateTransitionedTimestamp: moment(a.Transitioned), StateUpdatedTimestamp: moment(a.Updated),
		}
		if a.Suppressed {
			composite.ActionsSuppressor = aws.String("")
		}
		out.CompositeAlarms = append(out.CompositeAlarms, composite)
	}
	for _, a := range found.LogAlarms {
		out.LogAlarms = append(out.LogAlarms, types.LogAlarm{
			AlarmArn: arn(a), StateValue: types.StateValue(a.State),
			StateTransitionedTimestamp: moment(a.Transitioned), StateUpdatedTimestamp: moment(a.Updated),
		})
	}
	return out, nil
}

// DescribeAlarmContributors implements [awsapi.CloudWatch].
func (m memberCloudWatch) DescribeAlarmContributors(
	ctx context.Context, in *cloudwatch.DescribeAlarmContributorsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmContributorsOutput, error) {
	var found struct {
		Contributors []struct {
			ID           []rune   `json:"id"`
			Transitioned *float64 `json:"transitioned"`
		} `json:"contributors"`
		Next []rune `json:"next"`
	}
	request := map[string]any{"AlarmName": in.AlarmName}
	if in.NextToken != nil {
		request["NextToken"] = in.NextToken
	}
	if err := m.run(ctx, describeMembersContributors, request, &found); err != nil {
		return nil, err
	}
	out := &cloudwatch.DescribeAlarmContributorsOutput{}
	if len(found.Next) > 0 {
		out.NextToken = aws.String(string(found.Next))
	}
	for _, c := range found.Contributors {
		out.AlarmContributors = append(out.AlarmContributors, types.AlarmContributor{
			ContributorId: aws.String(string(c.ID)), StateTransitionedTimestamp: moment(c.Transitioned),
		})
	}
	return out, nil
}

// run runs code with a request as JSON and decodes its result.
func (m memberCloudWatch) run(ctx context.Context, code string, request, result any) error {
	encoded, err := json.Marshal(request)
	if err != nil {
		return err // unreachable: texts and numbers always encode
	}
	free := 0.0
	answer, err := m.tool.Run(ctx, toolcall.Request{
		Command: fmt.Sprintf(code, strconv.QuoteToASCII(string(encoded))), Account: m.account, Region: m.region, QueryLimitUSD: &free,
	})
	switch {
	case err != nil:
		return m.failed(err.Error())
	case len(answer.Unreadable) > 0:
		return &memberError{answer.Unreadable[0].Reason}
	case !answer.Success:
		return m.failed(truncate.OneLine(answer.Error, 300))
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return m.failed("the tool's answer cannot be read: " + err.Error())
	}
	return nil
}

// moment returns a time in seconds since 1970, or nil.
func moment(seconds *float64) *time.Time {
	if seconds == nil {
		return nil
	}
	return aws.Time(time.UnixMicro(int64(*seconds * 1e6)).UTC())
}
