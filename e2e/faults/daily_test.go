package faults_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
)

// Alarms beyond the day's limit end in a notification and a stored report without a request to a model. The
// expressions of the count run against moto.
func TestDailyLimit_EndsInANotificationWithEvidenceOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{env: map[string]string{config.EnvMaxPerDay: "2"}, script: forever(look("print(1)"), submit())})
	const alarms = 5
	for i := range alarms {
		w.fire(event(fmt.Sprint("orders-", i), 1))
		w.fire(event(fmt.Sprint("orders-", i), 1)) // a duplicate does not count
	}
	inbox, limited := w.inbox(), 0
	require.Len(t, inbox, alarms)
	for _, m := range inbox {
		if body := unwrapped(m.Body); strings.Contains(body, "the limit of MaxInvestigationsPerDay") {
			limited++
			assert.Contains(t, body, "Evidence only: no model was asked")
			assert.NotContains(t, body, cause)
		} else {
			assert.Contains(t, body, cause)
		}
	}
	assert.Equal(t, alarms-2, limited)
	assert.Len(t, w.reports(), alarms)
	for i := range alarms {
		assert.Equal(t, "done", w.claim(alarmARNPrefix+fmt.Sprint("orders-", i)))
	}
	assert.Empty(t, w.host.Failed())
	if t.Failed() {
		t.Log(w.log)
	}
}
