package dedupe

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Off is what the kill switch turns off.
type Off string

// The settings of the kill switch.
const (
	OffNothing Off = ""
	OffModel   Off = config.SwitchModel // no model is asked; the evidence is collected
	OffAll     Off = config.SwitchAll   // no model is asked and no evidence is collected: reports have the event only
)

// maxReason bounds the reason, in characters. Each report shows it.
const maxReason = 500

// latestEnd is the first number that cannot be the end of the kill switch in seconds since 1970, because its year is after 5000. A
// time in milliseconds is above it.
const latestEnd = 1e11

// Switch is the state of the kill switch, which is an item of the table that people write and delete.
type Switch struct {
	Off    Off
	reason string // whoever switched it off may state why
	badEnd bool   // it has an end that is not understood, so it has none
}

// Why returns sentences with the reason that somebody gave for the kill switch, and with what is wrong with its end, or "".
func (s Switch) Why() string {
	var why []string
	if s.reason != "" {
		why = append(why, "The reason that was given: "+strings.TrimSuffix(s.reason, ".")+".")
	}
	if s.badEnd {
		why = append(why, "The switch does not end by itself, because its "+config.TableTTL+" is not a number of seconds since 1970.")
	}
	return strings.Join(why, " ")
}

// ReadSwitch returns the state of the kill switch. An item with a setting that is not known turns off everything. An item
// whose time to live has passed is ignored, because DynamoDB may delete it days later, or never if that was years ago.
func (t *Table) ReadSwitch(ctx context.Context) (Switch, error) {
	i, err := t.read(ctx, config.SwitchKey)
	if err != nil || len(i) == 0 {
		return Switch{}, err
	}
	end := i.whole(config.TableTTL)
	_, isNumber := i[config.TableTTL].(*types.AttributeValueMemberN)
	badEnd := i[config.TableTTL] != nil && (!isNumber || end >= latestEnd)
	if isNumber && !badEnd && !t.now().Before(time.Unix(end, 0)) {
		return Switch{}, nil
	}
	off := OffAll
	if i.text(config.SwitchSetting) == string(OffModel) {
		off = OffModel
	}
	return Switch{Off: off, reason: truncate.Runes(i.text(attrOffReason), maxReason), badEnd: badEnd}, nil
}
