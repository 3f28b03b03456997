// Package cli is the command line of alarmtriage. root.go has the root command, and each subcommand has a file of its
// own with a function that returns its *cobra.Command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
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

	once    sync.Once
	screen  *screen
	started bool // the command line was understood, and the subcommand runs
}

// System returns the App of a real process.
func System() *App {
	return &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now}
}

// Run runs the command line and returns the exit code. Every error is shown here and nowhere else.
func Run(ctx context.Context, app *App, arguments []string) ExitCode {
	ctx, stop := app.interruptible(ctx)
	defer stop()
	root := newRoot(app)
	root.SetArgs(arguments)
	checkAdded(root, arguments)
	command, err := root.ExecuteContextC(ctx)
	if _, isProblem := errors.AsType[*Problem](err); err != nil && !isProblem && !app.started && !app.isOfOutput(err) {
		err = &Problem{Code: Usage, What: strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " "),
			Remedy: fmt.Sprintf("see `%s --help`", command.CommandPath()), Err: err}
	}
	if err != nil && ctx.Err() != nil && codeOf(err) != Interrupted {
		err = &Problem{Code: Interrupted, What: "interrupted", Err: err}
	}
	if err != nil && !app.isUnread(err) {
		app.show(err)
	}
	return codeOf(err)
}

// isUnread reports whether the error is that nobody reads the standard output any longer, as after head. A connection to AWS or a pipe to
// another program that is closed has the same cause, and is shown.
func (a *App) isUnread(err error) bool {
	return a.isOfOutput(err) && errors.Is(err, syscall.EPIPE)
}

// isOfOutput reports whether the error is that the standard output could not be written.
func (a *App) isOfOutput(err error) bool {
	out, isFile := a.Out.(*os.File)
	failed, isOfFile := errors.AsType[*os.PathError](err)
	return isFile && isOfFile && failed.Path == out.Name()
}

// interruptible returns a context that ends at the first Ctrl-C, or if the terminal is closed. The second Ctrl-C ends the program at
// once. A pipe that nobody reads does not end the program: the report is still written.
func (a *App) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals, hangups, pipes := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Notify(pipes, syscall.SIGPIPE)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(hangups, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-signals:
		case <-hangups: // the terminal is closed, and its shell often sends another one
		case <-ctx.Done():
			return
		}
		signal.Stop(signals)
		a.Screen().line("Interrupted: ending with what was found until now. Press Ctrl-C again to end at once.")
		cancel()
	}()
	return ctx, func() {
		for _, c := range []chan os.Signal{signals, hangups, pipes} {
			signal.Stop(c)
		}
		cancel()
	}
}

// Screen returns the screen for progress and notes, on the standard error.
func (a *App) Screen() *screen {
	a.once.Do(func() { a.screen = newScreen(a.Err, a.Getenv) })
	return a.screen
}
