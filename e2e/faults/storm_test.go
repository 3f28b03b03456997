package faults_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

func TestStorm_QueuesEventsAndInvestigatesEachAlarmOnce(t *testing.T) {
	const alarms, events = 40, 200
	w := newWorld(t, options{script: forever(look("print(1)"), submit()), reserved: 5})
	for i := range events {
		_, err := w.host.InvokeAsync("orchestrator", event(fmt.Sprint("storm-", i%alarms), i/alarms))
		require.NoError(t, err)
	}
	w.wait()
	assert.Empty(t, w.host.Failed())
	assert.Len(t, w.inbox(), alarms, "one notification per alarm")
	reports := w.reports()
	assert.Len(t, reports, alarms)
	mentions := 0
	for i := range alarms {
		assert.Equal(t, "done", w.claim(fmt.Sprint(alarmARNPrefix, "storm-", i)))
	}
	for _, text := range reports {
		for i := range alarms {
			if containsName(text, fmt.Sprint("storm-", i)) {
				mentions++
			}
		}
	}
	assert.Greater(t, mentions, 2*alarms, "the reports name the alarms that fired together")
}

// containsName reports whether the text contains the name, other than as the start of a longer number.
func containsName(text, name string) bool {
	for i := 0; i+len(name) <= len(text); i++ {
		if text[i:i+len(name)] == name && (i+len(name) == len(text) || text[i+len(name)] < '0' || text[i+len(name)] > '9') {
			return true
		}
	}
	return false
}

func TestStorm_CompositeAlarmAndItsChildrenAreInvestigatedOnce(t *testing.T) {
	w := newWorld(t, options{script: forever(look("print(1)"), submit())})
	w.fire(compositeEvent("shop-down", "orders", "payments"))
	w.fire(event("orders", 1))
	w.fire(event("payments", 1))
	assert.Len(t, w.inbox(), 1)
	assert.Len(t, w.reports(), 1)

	other := newWorld(t, options{script: forever(look("print(1)"), submit())})
	other.fire(event("orders", 1))
	other.fire(compositeEvent("shop-down", "orders"))
	assert.Len(t, other.inbox(), 1, "the composite alarm is a duplicate")
}

// compositeEvent returns the event of a composite alarm that these alarms triggered.
func compositeEvent(name string, children ...string) []byte {
	var triggering []any
	for _, child := range children {
		triggering = append(triggering, map[string]any{"arn": alarmARNPrefix + child})
	}
	data, err := json.Marshal(map[string]any{"triggeringAlarms": triggering})
	if err != nil {
		panic(err)
	}
	raw, err := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "alarmArn": alarmARNPrefix + name, "accountId": moto.Account, "region": moto.Region,
		"alarmData": map[string]any{
			"alarmName":     name,
			"state":         map[string]any{"value": "ALARM", "reason": "r", "reasonData": string(data), "timestamp": "2026-08-04T12:00:09.000+0000"},
			"configuration": map[string]any{"alarmRule": "ALARM(" + strings.Join(children, ") OR ALARM(") + ")"},
		},
	})
	if err != nil {
		panic(err)
	}
	return raw
}
