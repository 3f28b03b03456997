package alarmevent

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of an alarm's identity, which is part of the key of its claim.
const (
	maxName = 255  // characters; CloudWatch's limit
	maxARN  = 1600 // bytes; CloudWatch's limit. A key of DynamoDB has at most 2,048
)

var (
	partitionName = regexp.MustCompile(`^aws(-[a-z]+)*$`)
	accountID     = regexp.MustCompile(`^[0-9]{12}$`)
)

// problemOf returns why no alarm can have this ARN, or "".
func problemOf(arn string, part arnParts) string {
	switch {
	case len(arn) > maxARN:
		return fmt.Sprintf("has %d bytes, and an ARN has at most %d", len(arn), maxARN)
	case !partitionName.MatchString(part.partition):
		return fmt.Sprintf("has the partition %.60q, which must be one of AWS's, such as aws", part.partition)
	case !regionCode.MatchString(part.region):
		return fmt.Sprintf("has the Region %.60q, which must be the code of a Region, such as eu-west-1", part.region)
	case !accountID.MatchString(part.account):
		return fmt.Sprintf("has the account %.60q, which must have 12 digits", part.account)
	}
	return problemOfName(part.resource)
}

// problemOfName returns why no alarm can have this name, or "".
func problemOfName(name string) string {
	switch {
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Sprintf("has a name of %d characters, and a name has at most %d", utf8.RuneCountInString(name), maxName)
	case strings.ContainsFunc(name, isASCIIControl):
		return "has control characters in its name"
	}
	return ""
}

// isASCIIControl reports whether a character can't be in the name of an alarm ("PutMetricAlarm"). CloudWatch accepts the control
// characters outside ASCII.
func isASCIIControl(r rune) bool { return r < ' ' || r == 0x7F }

// checkIdentity returns an error if no alarm can have the ARN or the name of a. An alarm action and an event
// of CloudWatch may have a name that is not the one in the ARN, since AWS's documentation contains such a
// sample; the ARN identifies the alarm. In an event that can be forged, the name could hide which alarm the
// event is about, so it must be the same. If only blanks around it differ, the name in the ARN is used.
func (r *reader) checkIdentity(a *Alarm, part arnParts) error {
	if problem := problemOf(a.ARN, part); problem != "" {
		return fmt.Errorf("the event does not identify its alarm: the alarm ARN %.300q %s", a.ARN, problem)
	}
	if problem := problemOfName(a.Name); problem != "" {
		return fmt.Errorf("the event does not identify its alarm: the alarm %.300q %s", a.Name, problem)
	}
	if a.Name == part.resource {
		return nil
	}
	if strings.TrimSpace(a.Name) == strings.TrimSpace(part.resource) {
		r.note("alarmName", "%.255q is not the name in the ARN %.300q, which identifies the alarm", a.Name, a.ARN)
		a.Name = part.resource
		return nil
	}
	if a.Source.IsForgeable() {
		return fmt.Errorf("the event does not identify its alarm: its name is %.255q, but its ARN %.300q is that of another alarm",
			a.Name, a.ARN)
	}
	r.note("alarmName", "%.255q is not the name in the ARN %.300q, which identifies the alarm", a.Name, a.ARN)
	return nil
}

// validChildren returns the triggering alarms without repetitions, and without texts that are not the ARN of another alarm
// of the same account and Region that the rule of the composite alarm contains. CloudWatch writes no others, but whoever may set
// the state of an alarm (cloudwatch:SetAlarmState) chooses its reasonData. The investigation covers the triggering alarms, so they
// could otherwise prevent the investigation of any alarm. The rule of a message is as forgeable as the rest of it.
func (r *reader) validChildren(a *Alarm) []string {
	var valid []string
	inRule := NamesInRule(a.Rule)
	for _, child := range a.Children {
		part, ok := partsOf(child)
		switch {
		case !ok || problemOf(child, part) != "":
			r.note("triggering alarms", "%.100q is not the ARN of an alarm", child)
			a.MoreChildren++
		case part.account != a.Account || part.region != a.Region:
			r.note("triggering alarms", "%.300q is not an alarm of the same account and Region, and is therefore investigated on its own", child)
			a.MoreChildren++
		case !a.Source.IsForgeable() && !inRule[child] && !inRule[part.resource]:
			r.note("triggering alarms", "the rule does not contain %.300q, which is therefore investigated on its own", child)
			a.MoreChildren++
		case child != a.ARN && !slices.Contains(valid, child):
			valid = append(valid, child)
		}
	}
	return valid
}

// NameInARN returns the name of the alarm with this ARN.
func NameInARN(arn string) string {
	if part, ok := partsOf(arn); ok {
		return part.resource
	}
	return arn
}

// PlaceInARN returns the account and the Region of the alarm with this ARN; empty texts if no alarm can have it.
func PlaceInARN(arn string) (account, region string) {
	part, ok := partsOf(arn)
	if !ok || problemOf(arn, part) != "" {
		return "", ""
	}
	return part.account, part.region
}
