// Package lambdalog returns the logger of a Lambda function whose log format is JSON.
//
// Lambda drops lines below the function's log level. It counts a line as INFO unless the line is a JSON
// object with a level and a timestamp, so that an error printed as text is lost at the log level ERROR.
package lambdalog

import (
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// New returns the function's logger and makes it the default one. Lines that other packages print with
// package log, as the Lambda runtime client does when a handler fails, are logged as errors.
func New() *slog.Logger {
	log := lambdacontext.NewLogger()
	slog.SetLogLoggerLevel(slog.LevelError)
	slog.SetDefault(log)
	return log
}
