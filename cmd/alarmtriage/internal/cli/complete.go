package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/alarms"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// completeTime is how long a shell waits for the names of alarms.
const completeTime = 3 * time.Second

// completeAlarm completes the name of an alarm that is in ALARM.
func (a *App) completeAlarm(c *cobra.Command, arguments []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(arguments) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(c.Context(), completeTime)
	defer cancel()
	loaded, err := a.AWS(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return alarms.InAlarm(ctx, awsapi.NewCloudWatch(loaded), prefix), cobra.ShellCompDirectiveNoFileComp
}
