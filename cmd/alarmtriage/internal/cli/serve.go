package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/localtool"
)

// newServe returns the hidden command that runs the model's code, see package localtool.
func newServe() *cobra.Command {
	return &cobra.Command{
		Use: localtool.ServeCommand + " PYTHON", Hidden: true, Short: "Run the code of tool calls (internal)",
		Args: checkArguments,
		RunE: func(c *cobra.Command, arguments []string) error {
			return localtool.Serve(c.Context(), arguments[0], os.Stdin, os.Stdout)
		},
	}
}
