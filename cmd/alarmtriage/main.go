// The command alarmtriage investigates alarms from a terminal, and works with the reports of investigations.
//
//	go install github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage@latest
//	alarmtriage investigate ALARM
//
// It is a separate module, so that the users of the construct do not get its dependencies. See docs/command.md.
package main

import (
	"context"
	"os"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/cli"
)

func main() {
	os.Exit(int(cli.Run(context.Background(), cli.System(), os.Args[1:])))
}
