package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// MaxNames is how many alarms one answer of DescribeAlarms contains; its default is less than an alarm and its children.
const MaxNames = 100

// KnownAlarm is what CloudWatch knows about an alarm.
type KnownAlarm struct {
	ARN     string
	State   string
	Changed []Moment // when it may have sent its last event
	Rule    string   // of a composite alarm
}

// ChangedBy reports whether the alarm last changed its state at that time or before. An alarm without such a time did not.
func (k KnownAlarm) ChangedBy(at time.Time) bool {
	return len(k.Changed) > 0 && !k.Changed[0].After(at)
}

// Moment is a time at which CloudWatch recorded a change of an alarm.
type Moment struct {
	time.Time

	// IsUpdate reports that the state was updated, and did not necessarily change. An update repeats while an alarm stays
	// in ALARM, so it must not begin a window: the alarm's next transition would be a duplicate.
	IsUpdate bool
}

// DescribeAlarms returns the alarms of this account and Region that have one of the names, by ARN. CloudWatch only
// returns log alarms to a request for log alarms alone.
func DescribeAlarms(ctx context.Context, client awsapi.CloudWatch, names []string) (map[string]KnownAlarm, error) {
	out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: names, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
		MaxRecords: aws.Int32(MaxNames),
	})
	if err != nil {
		return nil, fmt.Errorf("describe the alarm: %w", err)
	}
	alarms := map[string]KnownAlarm{}
	for _, a := range out.MetricAlarms {
		put(alarms, a.AlarmArn, a.StateValue, nil, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, false)
	}
	for _, a := range out.CompositeAlarms { // after the wait period of a suppressor, the alarm sends the event of an update
		put(alarms, a.AlarmArn, a.StateValue, a.AlarmRule, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, a.ActionsSuppressor != nil)
	}
	var missing []string
	for _, name := range names {
		if !HasName(alarms, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return alarms, nil
	}
	out, err = client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: missing, AlarmTypes: []types.AlarmType{types.AlarmTypeLogAlarm}, MaxRecords: aws.Int32(MaxNames),
	})
	switch {
	case err == nil:
		for _, a := range out.LogAlarms {
			put(alarms, a.AlarmArn, a.StateValue, nil, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, false)
		}
	case missing[0] == names[0] && awsapi.Classify(err) != awsapi.ClassInvalid: // a Region may not know log alarms
		return nil, fmt.Errorf("describe the log alarm: %w", err)
	}
	return alarms, nil
}

// put adds an alarm. Its last event has the time of its transition, which CloudWatch always returns; simulators of
// CloudWatch return the time of the update instead. If the alarm also sends events of updates, the time can be that of the
// last update.
func put(alarms map[string]KnownAlarm, arn *string, state types.StateValue, rule *string, transitioned, updated *time.Time, sendsUpdates bool) {
	k := KnownAlarm{ARN: aws.ToString(arn), State: string(state), Rule: aws.ToString(rule)}
	if t := cmp.Or(transitioned, updated); t != nil {
		k.Changed = append(k.Changed, Moment{Time: *t})
	}
	if updated != nil && sendsUpdates {
		k.Changed = append(k.Changed, Moment{Time: *updated, IsUpdate: true})
	}
	alarms[k.ARN] = k
}

// HasName reports whether one of the alarms has the name.
func HasName(alarms map[string]KnownAlarm, name string) bool {
	for arn := range alarms {
		if alarmevent.NameInARN(arn) == name {
			return true
		}
	}
	return false
}

// StateNow asks CloudWatch for the alarm's state, for the first lines of the report. explain words an error of CloudWatch for
// the reader.
func StateNow(
	ctx context.Context, client awsapi.CloudWatch, region string, alarm *alarmevent.Alarm, now time.Time, explain func(error) string,
) *investigation.AtDelivery {
	asked := &investigation.AtDelivery{At: now.UTC()}
	found, err := describeNow(ctx, client, region, alarm, explain)
	if err != nil {
		asked.Problem = err.Error()
		return asked
	}
	asked.State = alarmevent.State(found.State)
	if len(found.Changed) > 0 {
		asked.Since = found.Changed[0].UTC()
	}
	return asked
}

// describeNow returns what CloudWatch knows about the alarm, or why that is not known, in words for the reader.
func describeNow(
	ctx context.Context, client awsapi.CloudWatch, region string, alarm *alarmevent.Alarm, explain func(error) string,
) (KnownAlarm, error) {
	if alarm.Region != region {
		return KnownAlarm{}, fmt.Errorf("the alarm is in Region %s, and AlarmTriage runs in %s", alarm.Region, region)
	}
	alarms, err := DescribeAlarms(ctx, client, []string{alarmevent.NameInARN(alarm.ARN)})
	if err != nil {
		return KnownAlarm{}, errors.New(explain(err))
	}
	found, ok := alarms[alarm.ARN]
	if !ok {
		return KnownAlarm{}, errors.New("CloudWatch has no such alarm in the account and Region that were asked")
	}
	return found, nil
}
