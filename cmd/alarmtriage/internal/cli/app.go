// Package cli is the command line of alarmtriage. root.go has the root command, and each subcommand has a file of its
// own with a function that returns its *cobra.Command.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// App is what the subcommands share: the world outside the program, and the flags that all of them have.
type App struct {
	In       *os.File // standard input
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time

	// Flags of every subcommand.
	Profile string
	Region  string
	JSON    bool

	started bool // the command line was understood, and the subcommand runs
}

// System returns the App of a real process.
func System() *App {
	return &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now}
}

// Run runs the command line and returns the exit code. Every error is shown here and nowhere else.
func Run(ctx context.Context, app *App, arguments []string) ExitCode {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	root := newRoot(app)
	root.SetArgs(arguments)
	command, err := root.ExecuteContextC(ctx)
	if err != nil && !app.started {
		err = &Problem{Code: Usage, What: strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " "),
			Remedy: fmt.Sprintf("see `%s --help`", command.CommandPath()), Err: err}
	}
	if err != nil && ctx.Err() != nil && codeOf(err) != Interrupted {
		err = &Problem{Code: Interrupted, What: "interrupted", Err: err}
	}
	if err != nil {
		app.show(err)
	}
	return codeOf(err)
}
