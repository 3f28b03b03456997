package alarmtriage

import (
	"slices"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
)

// topicAlarms returns, for each topic of AttachTopic, the alarms of the app that notify it and that its prefixes select. The alarms
// are only known when the whole app is defined, so it must not be called before.
func (t *AlarmTriage) topicAlarms() [][]alarmjs.Notifying {
	if t.notifying != nil || len(t.alarmTopics) == 0 {
		return t.notifying
	}
	t.notifying = make([][]alarmjs.Notifying, len(t.alarmTopics))
	arns := make([]*string, len(t.alarmTopics))
	for i, source := range t.alarmTopics {
		arns[i] = source.topic.TopicArn()
	}
	for _, alarm := range alarmjs.NotifyingOf(t, arns) {
		p := EventRuleProps{NamePrefixes: t.alarmTopics[alarm.Topic].prefixes}
		if p.selects(alarmjs.Alarm{Name: alarm.Name}) && !t.contains(alarm.Path) {
			t.notifying[alarm.Topic] = append(t.notifying[alarm.Topic], alarm)
		}
	}
	return t.notifying
}

// warnOfSharedTopics adds warnings if alarms that notify a topic of this AlarmTriage are also attached to the other one, or
// selected by one of its rules.
func (t *AlarmTriage) warnOfSharedTopics(other *AlarmTriage) {
	const effect = "both investigate them, send reports, and cost money. Select different alarms, for example with NamePrefixes of AttachTopic"
	for i, alarms := range t.topicAlarms() {
		topic := *t.alarmTopics[i].topic.Node().Path()
		if paths := pathsOf(alarms, func(a alarmjs.Notifying) bool { return a.Alarm && other.isAttached(a.Path) }); len(paths) > 0 {
			t.warn("shared-source", "alarms that notify the topic %s of AttachTopic are attached to AlarmTriage %s (%s): %s", topic, other.path, listed(paths), effect)
		}
		for _, rule := range other.allRules() {
			if rule.props.Regions != nil || rule.props.Accounts != nil && !rule.member {
				continue
			}
			selected := pathsOf(alarms, func(a alarmjs.Notifying) bool {
				return a.Alarm && a.Place == rule.bus && rule.props.selects(alarmjs.Alarm{Name: a.Name})
			})
			if len(selected) > 0 {
				t.warn("shared-source", "the rule %s of AlarmTriage %s selects alarms that notify the topic %s of AttachTopic (%s): %s", rule.path, other.path,
					topic, listed(selected), effect)
			}
		}
	}
}

// warnOfUnnotifiedRecoveries adds a warning if alarms notify a topic of AttachTopic only when they go to ALARM, although
// NotifyRecovery is set.
func (t *AlarmTriage) warnOfUnnotifiedRecoveries() {
	if !t.notifyRecovery {
		return
	}
	for i, alarms := range t.topicAlarms() {
		paths := pathsOf(alarms, func(a alarmjs.Notifying) bool {
			return a.Alarm && !a.OK && !t.isAttached(a.Path) && !t.selectsNotifying(a)
		})
		if n := len(paths); n > 0 {
			t.warn("no-ok-action", "NotifyRecovery has no effect for %s, because %s the topic %s of AttachTopic only when %s to ALARM: %s. Also add the topic "+
				"with AddOkAction", counted(n, "alarm"), agreeing(n, "it notifies", "they notify"), *t.alarmTopics[i].topic.Node().Path(),
				agreeing(n, "it goes", "they go"), listed(paths))
		}
	}
}

// selectsNotifying reports whether an event rule of AlarmTriage certainly selects an alarm that notifies a topic, so that its
// recovery is notified.
func (t *AlarmTriage) selectsNotifying(alarm alarmjs.Notifying) bool {
	return t.selectsAt(alarm.Place, alarmjs.Alarm{Name: alarm.Name})
}

// pathsOf returns the paths of the alarms for which keep returns true, sorted.
func pathsOf(alarms []alarmjs.Notifying, keep func(alarmjs.Notifying) bool) (paths []string) {
	for _, alarm := range alarms {
		if keep(alarm) {
			paths = append(paths, alarm.Path)
		}
	}
	slices.Sort(paths)
	return paths
}
