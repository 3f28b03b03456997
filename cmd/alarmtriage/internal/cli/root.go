package cli

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot returns the command alarmtriage with its subcommands. To add one, write a function that returns its
// *cobra.Command in a separate file, and add a line here.
func newRoot(app *App) *cobra.Command {
	root := &cobra.Command{
		Use:   "alarmtriage",
		Short: "Investigate CloudWatch alarms from a terminal",
		Long: "alarmtriage investigates a CloudWatch alarm with a model on Amazon Bedrock and read-only code, and shows the report.\n" +
			"It uses your AWS credentials, writes nothing to AWS by itself, and sends no telemetry. `ask --function` and `feedback` invoke a\n" +
			"deployed orchestrator.\n\n" + exitCodeHelp(),
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          checkArguments,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(app.In)
	root.SetOut(app.Out)
	root.SetErr(app.Err)
	root.SetFlagErrorFunc(flagProblem)
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&app.Profile, "profile", "", "AWS profile (default: AWS_PROFILE, then the SDK's default)")
	flags.StringVar(&app.Region, "region", "", "AWS Region (default: AWS_REGION, then the profile's Region)")
	flags.BoolVar(&app.JSON, "json", false, "print the result as JSON on standard output")
	root.AddCommand(
		newInvestigate(app),
		newAsk(app),
		newFeedback(app),
		newReplay(app),
		newDoctor(app),
		newReports(app),
		newVersion(app),
		newServe(),
	)
	app.noteStart(root)
	return root
}

// noteStart makes every command record that its line was understood. All errors before that are about the line.
func (a *App) noteStart(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, arguments []string) error {
			a.started = true
			return run(c, arguments)
		}
	}
	for _, sub := range c.Commands() {
		a.noteStart(sub)
	}
}

func exitCodeHelp() string {
	var text strings.Builder
	text.WriteString("Exit codes:\n")
	for _, exit := range exitCodes {
		fmt.Fprintf(&text, "  %-4d %s\n", exit.code, exit.text)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// version returns the version that the module system recorded in the program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newVersion(app *App) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  alarmtriage version",
		Args:    checkArguments,
		RunE: func(*cobra.Command, []string) error {
			if app.JSON {
				return app.printJSON(map[string]string{"version": version()})
			}
			_, err := fmt.Fprintln(app.Out, "alarmtriage", version())
			return err
		},
	}
}
