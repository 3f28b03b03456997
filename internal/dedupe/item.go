package dedupe

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Attributes of an alarm's item, in addition to [config.TableKey] and [config.TableTTL]. Times are in
// milliseconds since 1970.
const (
	attrState       = "state"
	attrName        = "alarm_name"
	attrOwner       = "lease_owner"
	attrUntil       = "lease_until"
	attrFormerOwner = "former_owner" // while a hand-over waits for the fresh invocation: who handed over
	attrOwners      = "owners"       // string set: every owner of the investigation
	attrAttempt     = "attempt"
	attrID          = "investigation_id"
	attrStarted     = "started_at"
	attrWindow      = "window_until"
	attrTransition  = "transition"
	attrHandOvers   = "hand_overs"
	attrRepeats     = "repeat_times" // string set: the id of the investigation and the transition of each repeat
	attrParked      = "parked"       // a finished record that could not be stored or sent
	attrStored      = "report_stored"
	attrNotified    = "notification_sent"
	attrDelivering  = "delivering"         // when the last delivery began
	attrDeliverer   = "delivering_attempt" // the attempt that began it
	attrReport      = "report_uri"
	attrCoveredBy   = "covered_by"      // ARN of the other alarm whose investigation covers this one
	attrGaveWay     = "gave_way"        // latest transition that gave way to a triggering alarm, is a repeat that attrPast counts, or was given to [Table.RecordFired]
	attrUndecided   = "undecided"       // a composite alarm may still give way to a triggering alarm
	attrPast        = "past"            // list of maps, oldest first
	attrRecoveryOf  = "recovery_of"     // id of the investigation whose recovery was recorded, until the alarm fires again
	attrFollowUp    = "follow_up_owner" // owner of a recorded recovery, or of firing again, that is not known to be notified
	attrRecoveries  = "recoveries"      // number of recoveries of the investigation that were recorded
	attrDayIDs      = "investigations"  // of an "unconfirmed-day#" item: string set with their ids
	attrSlotEntries = "alarms"          // of a "fired#" item: string set
	attrDayEntries  = "investigations"  // of a "day#" item: string set of ids
	attrDaySpent    = "spent"           // of a "day#" item: cost in millionths of a US dollar
	attrDaySettled  = "settled"         // of a "day#" item: string set of the ids whose real cost is counted, by older versions
	attrDayCost     = "cost_"           // of a "day#" item, followed by an id: what the investigation cost so far
	attrDayNotified = "notified"        // of a "day#" item: string set of the limits whose notification was sent
	attrDayWrite    = "notified_by_"    // of a "day#" item, followed by a limit: name of the write that recorded the limit
	attrOffReason   = "reason"          // of the item of the kill switch

	// attrFeedback is the beginning of attributes that hold what humans reported about the alarm's past investigations. The
	// investigation's id follows. They are not part of attrPast, which each investigation writes as it read it at its claim.
	attrFeedback = "feedback_"
)

// States of an alarm's item.
const (
	stateRunning = "running"
	stateDone    = "done"
	stateFreed   = "freed"
)

type values = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func whole(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func flag(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func set(members ...string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: members}
}

func millis(t time.Time) types.AttributeValue { return whole(t.UnixMilli()) }

// item reads attributes. An attribute that is missing or has another type is read as the zero value.
type item values

func (i item) text(name string) string {
	if v, ok := i[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// whole returns a whole number. People write the item of the kill switch, where a time may have fractions of a second, or an exponent.
func (i item) whole(name string) int64 {
	v, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	if strings.ContainsAny(v.Value, "eE") {
		n, _ := strconv.ParseFloat(v.Value, 64)
		return int64(max(-1e18, min(n, 1e18)))
	}
	number, _, _ := strings.Cut(v.Value, ".")
	n, _ := strconv.ParseInt(number, 10, 64)
	return n
}

func (i item) time(name string) time.Time {
	if n := i.whole(name); n > 0 {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

func (i item) flag(name string) bool {
	v, ok := i[name].(*types.AttributeValueMemberBOOL)
	return ok && v.Value
}

func (i item) set(name string) []string {
	if v, ok := i[name].(*types.AttributeValueMemberSS); ok {
		return v.Value
	}
	return nil
}

// repeats returns the elements of [attrRepeats] of the investigations whose id is selected.
func (i item) repeats(selects func(id string) bool) []string {
	var selected []string
	for _, repeat := range i.set(attrRepeats) {
		if id, _, _ := strings.Cut(repeat, " "); selects(id) {
			selected = append(selected, repeat)
		}
	}
	return selected
}

func (i item) bytes(name string) []byte {
	if v, ok := i[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

func (i item) past() []investigation.Past {
	list, ok := i[attrPast].(*types.AttributeValueMemberL)
	if !ok {
		return nil
	}
	var past []investigation.Past
	for _, element := range list.Value {
		if m, ok := element.(*types.AttributeValueMemberM); ok {
			p := item(m.Value)
			past = append(past, investigation.Past{
				ID: p.text("id"), Time: p.time("time"), Outcome: investigation.Outcome(p.text("outcome")),
				Cause: p.text("cause"), ReportURI: p.text("report_uri"), Confidence: investigation.Confidence(p.text("confidence")),
				Repeats: int(p.whole("repeats")), Feedback: i.feedback(p.text("id")),
			})
		}
	}
	return past
}

// pastTransitions returns the transitions of the past investigations, by their id. Items of older versions have none.
func (i item) pastTransitions() map[string]string {
	transitions := map[string]string{}
	if list, ok := i[attrPast].(*types.AttributeValueMemberL); ok {
		for _, element := range list.Value {
			if m, ok := element.(*types.AttributeValueMemberM); ok {
				transitions[item(m.Value).text("id")] = item(m.Value).text("transition")
			}
		}
	}
	return transitions
}

func pastValue(past []investigation.Past, transitions map[string]string) types.AttributeValue {
	list := make([]types.AttributeValue, 0, len(past))
	for _, p := range past {
		list = append(list, &types.AttributeValueMemberM{Value: values{
			"id": text(p.ID), "time": millis(p.Time), "outcome": text(string(p.Outcome)),
			"cause": text(p.Cause), "report_uri": text(p.ReportURI), "confidence": text(string(p.Confidence)),
			"repeats": whole(int64(p.Repeats)), "transition": text(transitions[p.ID]),
		}})
	}
	return &types.AttributeValueMemberL{Value: list}
}

func key(pk string) values { return values{config.TableKey: text(pk)} }
