package dedupe_test

import (
	"testing"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
)

// newTable returns a table in memory. The same expressions are run against moto's server by the tests
// in e2e/faults.
func newTable(t *testing.T) (awsapi.DynamoDB, string) {
	t.Helper()
	return &awsapitest.DynamoDB{}, "investigations"
}
