package plural_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
)

func TestOf_OnlyOneIsSingular(t *testing.T) {
	assert.Equal(t, "0 alarms", plural.Of(0, "alarm"))
	assert.Equal(t, "1 alarm", plural.Of(1, "alarm"))
	assert.Equal(t, "2 alarms", plural.Of(2, "alarm"))
	assert.Equal(t, "1 query", plural.Either(1, "query", "queries"))
	assert.Equal(t, "21 queries", plural.Either(21, "query", "queries"))
}
