package cli

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/alarms"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
)

// completeTime is how long a shell waits for the names of alarms.
const completeTime = 3 * time.Second

// completed matches the names that shells complete: words without characters that a shell interprets, none of which looks like a
// flag. Bash writes the beginning that several names have in common to the command line without quotes, and evaluates the line at
// the next completion: whoever may create alarms could run a command there. Other names have to be typed.
var completed = regexp.MustCompile(`^` + completedWord + `(?: (?:-|` + completedWord + `))*$`)

const completedWord = `[\pL\pN_.,:/@%+=][\pL\pN_.,:/@%+=-]*`

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
	names := alarms.InAlarm(ctx, awsapi.NewCloudWatch(loaded), prefix)
	return slices.DeleteFunc(names, func(name string) bool { return !completed.MatchString(name) }), cobra.ShellCompDirectiveNoFileComp
}
