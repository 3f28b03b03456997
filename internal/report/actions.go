package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// action is a step for the engineer as the forms show it.
type action struct {
	text  string
	lines []string // the command, folded for plain text
	shown string   // the command as one text
	label string   // what the command does and who wrote it; empty: no command
	warn  bool     // whether the command does more than to read from AWS
}

// Widths and words of commands in the forms.
const (
	commandWidth = 64 // characters of a line in plain text, after its indentation
	byModel      = "Written by the model, not checked, not run."
	byCode       = "A general step, not run."
)

// actionsFor returns the model's actions, or steps that always help if there are none. Each command is labeled by code. recorded is
// the record with its texts as they were recorded.
func actionsFor(rec, recorded *investigation.Record) []action {
	var list []action
	if len(rec.Report.Actions) == 0 {
		for _, step := range manualSteps(recorded) {
			effect := command.Classify(step.Command)
			isASCII := effect&command.Disguised == 0 // as the alarm's name
			if effect &^= command.Disguised; !isClean(step.Command) || effect.Warns() {
				step.Command = "" // the forms would show another name, or the AWS CLI would read a file that the name names
			}
			lines := []string{step.Command}
			if isASCII {
				lines = command.Fold(step.Command, commandWidth)
			}
			list = append(list, newAction(step.Text, effect, byCode, lines, step.Command))
		}
		return list
	}
	for _, step := range rec.Report.Actions {
		list = append(list, newAction(step.Text, command.Classify(step.Command), byModel,
			command.Fold(step.Command, commandWidth), command.Show(step.Command)))
	}
	return list
}

func newAction(text string, effect command.Effect, author string, lines []string, shown string) action {
	a := action{text: text}
	if strings.TrimSpace(shown) != "" {
		a.lines, a.shown = lines, shown
		a.label, a.warn = effect.String()+" "+author, effect.Warns()
	}
	return a
}

// codeLabel returns the label of a block of code in the model's prose, which an engineer may copy.
func codeLabel(code string) (label string, warn bool) {
	effect := command.Classify(code)
	if hasEscape(code) {
		effect |= command.Disguised
	}
	return effect.String() + " " + byModel, effect.Warns()
}

// escaped matches the escapes of [command.Escape].
var escaped = regexp.MustCompile(`\\(?:u([0-9A-F]{4})|U([0-9A-F]{8}))`)

// hasEscape reports whether a text has an escape of a character that is not ASCII or not printable. The texts of a record are
// cleaned before their blocks of code are found.
func hasEscape(text string) bool {
	return slices.ContainsFunc(escaped.FindAllStringSubmatch(text, -1), func(found []string) bool {
		r, _ := strconv.ParseUint(found[1]+found[2], 16, 32) // it matches
		return r < ' ' || r > '~'
	})
}

func manualSteps(rec *investigation.Record) []investigation.Action {
	region := option("--region", rec.Alarm.Region)
	actions := []investigation.Action{
		{
			Text: "Look at the alarm and its history.",
			Command: "aws cloudwatch describe-alarm-history " + region + " " + option("--alarm-name", rec.Alarm.Name) +
				" --alarm-types " + historyTypes(rec.Alarm.Kind) + " --max-records 20",
		},
		{
			Text: "Look at what changed in the hour before.",
			Command: "aws cloudtrail lookup-events " + region +
				" --lookup-attributes AttributeKey=ReadOnly,AttributeValue=false" + hourBefore(rec.Alarm.Time) + " --max-results 50",
		},
	}
	for _, metric := range rec.Alarm.Metrics {
		if function := metric.Dimensions["FunctionName"]; function != "" {
			where := ""
			if elsewhere(metric, &rec.Alarm) != "" {
				where = " in the account of the metric"
			}
			actions = append(actions, investigation.Action{
				Text: "Read the function's errors" + where + " since the hour before the alarm.",
				Command: "aws logs tail " + shellQuote("/aws/lambda/"+function) + " " + region +
					sinceHourBefore(rec.Alarm.Time) + " --filter-pattern ERROR",
			})
			break
		}
	}
	if group := firstLogGroup(rec); group != "" {
		actions = append(actions, investigation.Action{
			Text:    "Read the lines of the alarm's log group since the hour before the alarm.",
			Command: "aws logs tail " + shellQuote(group) + " " + region + sinceHourBefore(rec.Alarm.Time),
		})
	}
	return append(actions, investigation.Action{
		Text: "Check the health of the resources that the alarm watches, and of their dependencies.",
	})
}

// hourBefore returns the options of lookup-events for the hour before a time; without them, it returns the newest events.
func hourBefore(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	at = at.UTC()
	return " --start-time " + at.Add(-time.Hour).Format(time.RFC3339) + " --end-time " + at.Format(time.RFC3339)
}

// sinceHourBefore returns the option with which logs tail begins an hour before a time. If the time is not known, it begins an hour ago.
func sinceHourBefore(at time.Time) string {
	if at.IsZero() {
		return " --since 1h"
	}
	return " --since " + at.UTC().Add(-time.Hour).Format(time.RFC3339)
}

// historyTypes returns the alarm types to request from DescribeAlarmHistory, which omits every type not
// requested.
func historyTypes(kind alarmevent.Kind) string {
	switch kind {
	case alarmevent.KindLog:
		return "LogAlarm"
	case alarmevent.KindUnknown:
		return "MetricAlarm CompositeAlarm LogAlarm"
	}
	return "MetricAlarm CompositeAlarm"
}

// firstLogGroup returns the first log group of a log alarm as `aws logs tail` accepts it: a name, or an ARN
// without ":*". Not every version of the AWS CLI accepts an ARN, which only a group of another account or Region needs.
func firstLogGroup(rec *investigation.Record) string {
	for _, q := range []*alarmevent.Query{rec.Evidence.Query, rec.Alarm.Query} {
		if q != nil && len(q.LogGroups) > 0 {
			group := strings.TrimSuffix(q.LogGroups[0], ":*")
			parts := strings.SplitN(group, ":", 7) // arn, partition, logs, Region, account, log-group, name
			if len(parts) == 7 && parts[3] == rec.Alarm.Region && parts[4] == rec.Alarm.Account && !strings.HasPrefix(parts[6], "-") {
				return parts[6]
			}
			return group
		}
	}
	return ""
}

// option returns a command's option with its value, which may itself begin with a hyphen.
func option(name, value string) string {
	if strings.HasPrefix(value, "-") {
		return name + "=" + shellQuote(value)
	}
	return name + " " + shellQuote(value)
}

// shellQuote returns text as one word of a shell command.
func shellQuote(text string) string {
	safe := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || r == '/' ||
			r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
