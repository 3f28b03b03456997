package cli

import (
	"errors"
	"strings"
)

// ExitCode is the exit code of the command. docs/command.md lists the codes for users, and the help of the root command
// shows them.
type ExitCode int

// The exit codes. They are part of the command's interface.
const (
	Success      ExitCode = 0   // the command did what it was asked for; an investigation has a conclusion
	Failed       ExitCode = 1   // an error that no other code describes
	Usage        ExitCode = 2   // the command line is wrong
	NoConclusion ExitCode = 3   // there is a report, but the model came to no conclusion
	AWSRefused   ExitCode = 4   // no valid credentials or Region, or AWS refused a request that the command needs
	NotFound     ExitCode = 5   // there is no such alarm, transition, report, stack, or orchestrator
	NoSandbox    ExitCode = 6   // there is no place to run the model's code
	Findings     ExitCode = 7   // doctor found something to repair
	Interrupted  ExitCode = 130 // Ctrl-C, as the shells define it
)

// exitCodes describes the codes for people, in the order of their numbers.
var exitCodes = []struct {
	code ExitCode
	text string
}{
	{Success, "done; an investigation has a conclusion"},
	{Failed, "another error"},
	{Usage, "the command line is wrong"},
	{NoConclusion, "there is a report, but the model came to no conclusion"},
	{AWSRefused, "no credentials or no Region, or AWS refused a request"},
	{NotFound, "no such alarm, transition, report, stack, or orchestrator"},
	{NoSandbox, "no place to run the model's code"},
	{Findings, "doctor found something to repair"},
	{Interrupted, "interrupted with Ctrl-C"},
}

// Problem is an error for people: what happened, and what to do about it.
type Problem struct {
	Code   ExitCode
	What   string // one sentence without a period, such as `there is no alarm "api-5xx" in eu-west-1`
	Remedy string // one sentence without a period; may be empty
	Err    error  // the cause, for errors.Is and errors.As; not shown; may be nil
}

// Error returns one line: what happened, and the remedy.
func (p *Problem) Error() string {
	if p.Remedy == "" {
		return p.What
	}
	return strings.TrimSuffix(p.What, ".") + ": " + p.Remedy
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// codeOf returns the exit code of an error.
func codeOf(err error) ExitCode {
	if err == nil {
		return Success
	}
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem.Code
	}
	return Failed
}
