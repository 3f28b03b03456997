package alarmtriage_test

import (
	"os"
	"testing"

	"github.com/cloudwatch-alarm-triage/alarmtriage/integ/templatetest"
)

func TestMain(m *testing.M) { os.Exit(templatetest.Run(m)) }
