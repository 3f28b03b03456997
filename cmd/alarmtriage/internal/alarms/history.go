package alarms

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// maxPages bounds the pages of history that are read, of 100 items each. CloudWatch keeps the history for 30 days.
const maxPages = 20

// historyData is the part of a history item that is read. A state's reasonData is an object, or a text with JSON.
type historyData struct {
	OldState historyState `json:"oldState"`
	NewState historyState `json:"newState"`
}

type historyState struct {
	Value  string          `json:"stateValue"`
	Reason string          `json:"stateReason"`
	Data   json.RawMessage `json:"stateReasonData"`
}

// reasonData returns the state's data as the text of an event.
func (s historyState) reasonData() string {
	var text string
	if json.Unmarshal(s.Data, &text) == nil {
		return text
	}
	return string(s.Data)
}

// lastTransition returns the last transition to ALARM, or the last one before a time, or nil if the history has none. It names the
// type of the alarm alone: a Region may not know log alarms, and would refuse a request for them.
func lastTransition(ctx context.Context, client CloudWatch, alarm *described, before time.Time) (*transition, error) {
	in := &cloudwatch.DescribeAlarmHistoryInput{
		AlarmName: &alarm.name, HistoryItemType: types.HistoryItemTypeStateUpdate, ScanBy: types.ScanByTimestampDescending,
		MaxRecords: aws.Int32(100), AlarmTypes: []types.AlarmType{alarm.kind},
	}
	if !before.IsZero() {
		in.EndDate = aws.Time(before)
	}
	for range maxPages {
		out, err := client.DescribeAlarmHistory(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("read the alarm's history: %w", err)
		}
		for _, item := range out.AlarmHistoryItems {
			var data historyData
			isOther := item.Timestamp == nil || !before.IsZero() && item.Timestamp.After(before)
			if isOther || json.Unmarshal([]byte(aws.ToString(item.HistoryData)), &data) != nil || data.NewState.Value != string(types.StateValueAlarm) {
				continue
			}
			found := &transition{
				at: item.Timestamp.UTC(), reason: data.NewState.Reason, reasonData: data.NewState.reasonData(),
				contributor: aws.ToString(item.AlarmContributorId), attributes: item.AlarmContributorAttributes,
			}
			if old := data.OldState; old.Value != "" {
				found.previous = &previous{state: old.Value, reason: old.Reason, reasonData: old.reasonData()}
			}
			return found, nil
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return nil, nil
		}
	}
	return nil, nil
}

// splitARN returns the parts of an alarm's ARN, or nil: arn, partition, service, Region, account, "alarm", name.
func splitARN(arn string) []string {
	if parts := strings.SplitN(arn, ":", 7); len(parts) == 7 && parts[0] == "arn" && parts[2] == "cloudwatch" && parts[5] == "alarm" {
		return parts
	}
	return nil
}

// Name is what a user calls an alarm.
type Name struct {
	Name    string
	Region  string // of an ARN; empty: not known
	Account string // of an ARN; empty: not known
}

// ParseName reads the name or the ARN of an alarm.
func ParseName(text string) (Name, error) {
	if !strings.HasPrefix(text, "arn:") {
		if text == "" {
			return Name{}, fmt.Errorf("the name of the alarm is empty")
		}
		return Name{Name: text}, nil
	}
	parts := splitARN(text)
	if parts == nil || parts[6] == "" {
		return Name{}, fmt.Errorf("%q is not the ARN of a CloudWatch alarm", text)
	}
	return Name{Name: parts[6], Region: parts[3], Account: parts[4]}, nil
}
