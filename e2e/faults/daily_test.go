package faults_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
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
	inbox, limited, notices := w.inbox(), 0, 0
	require.Len(t, inbox, alarms+1)
	for _, m := range inbox {
		if strings.HasPrefix(m.Subject, "Alarm triage: no more investigations today") {
			notices++
			assert.Contains(t, m.Body, fmt.Sprintf("aws dynamodb put-item --region us-east-1 --table-name %s --item '", w.table))
		} else if body := unwrapped(m.Body); strings.Contains(body, "the limit of MaxInvestigationsPerDay") {
			limited++
			assert.Contains(t, body, "Not investigated: no model was asked, and there is no evidence", "the stub collects none")
			assert.NotContains(t, body, cause)
		} else {
			assert.Contains(t, body, cause)
		}
	}
	assert.Equal(t, alarms-2, limited)
	assert.Equal(t, 1, notices, "one notification per day")
	assert.Len(t, w.reports(), alarms)
	for i := range alarms {
		assert.Equal(t, "done", w.claim(alarmARNPrefix+fmt.Sprint("orders-", i)))
	}
	assert.Empty(t, w.host.Failed())
	if t.Failed() {
		t.Log(w.log)
	}
}

// The commands of the kill switch, as the AWS CLI would send them, stop and start the models of a running orchestrator.
func TestDailyLimit_KillSwitchStopsModels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{env: map[string]string{config.EnvMaxCostUSDPerDay: "0.5"}, script: forever(look("print(1)"), submit())})
	argument := func(command, name string) map[string]types.AttributeValue {
		_, rest, found := strings.Cut(command, name+" '")
		require.True(t, found, command)
		text, _, _ := strings.Cut(rest, "'")
		var values map[string]struct{ S string }
		require.NoError(t, json.Unmarshal([]byte(text), &values))
		item := map[string]types.AttributeValue{}
		for name, value := range values {
			item[name] = &types.AttributeValueMemberS{Value: value.S}
		}
		return item
	}
	table := dynamodb.NewFromConfig(cloud.Config())
	_, err := table.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: &w.table, Item: argument(config.SwitchOffCommand(moto.Region, w.table, config.SwitchModel), "--item"),
	})
	require.NoError(t, err)
	w.fire(event("orders-off", 1))
	body := unwrapped(w.inbox()[0].Body)
	assert.Contains(t, body, "Evidence only: no model was asked.")
	assert.Contains(t, body, "NOTE: The kill switch is on: no model was asked.")
	assert.NotContains(t, body, cause)

	_, err = table.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: &w.table, Key: argument(config.SwitchOnCommand(moto.Region, w.table), "--key"),
	})
	require.NoError(t, err)
	w.fire(event("orders-on", 1))
	assert.Contains(t, w.inbox()[0].Body, cause)
	assert.Empty(t, w.host.Failed())
	if t.Failed() {
		t.Log(w.log)
	}
}
