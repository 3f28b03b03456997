package dedupe

import (
	"context"
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

// Switch is the state of the kill switch, which is an item of the table that people write and delete.
type Switch struct {
	Off    Off
	Reason string // whoever switched it off may state why
}

// ReadSwitch returns the state of the kill switch. An item with a setting that is not known turns off everything. An item
// whose time to live has passed is ignored, because DynamoDB may delete it days later, or never if that was years ago.
func (t *Table) ReadSwitch(ctx context.Context) (Switch, error) {
	i, err := t.read(ctx, config.SwitchKey)
	if err != nil || len(i) == 0 {
		return Switch{}, err
	}
	_, ends := i[config.TableTTL].(*types.AttributeValueMemberN)
	if ends && !t.now().Before(time.Unix(i.whole(config.TableTTL), 0)) {
		return Switch{}, nil
	}
	off := OffAll
	if i.text(config.SwitchSetting) == string(OffModel) {
		off = OffModel
	}
	return Switch{Off: off, Reason: truncate.Runes(i.text(attrOffReason), maxReason)}, nil
}
