package lambdahost

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Names of the variables with a function's logging settings.
const (
	envLogFormat = "AWS_LAMBDA_LOG_FORMAT"
	envLogLevel  = "AWS_LAMBDA_LOG_LEVEL"
)

// logLevels lists Lambda's levels, from most to least detail ("Log-level filtering", AWS Lambda Developer
// Guide).
var logLevels = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}

const levelOfUnmarked = "INFO" // the level of lines without a level, and the default log level of a function

// levelFilter passes on the lines that Lambda would send to CloudWatch Logs.
type levelFilter struct {
	out   io.Writer
	least int // index into logLevels

	mu      sync.Mutex
	partial []byte
}

// newLevelFilter returns the filter for a function's settings. The caller must close it when the function has
// ended.
func newLevelFilter(out io.Writer, env map[string]string) io.WriteCloser {
	if env[envLogFormat] != "JSON" {
		return unfiltered{out}
	}
	return &levelFilter{out: out, least: levelIndex(env[envLogLevel])}
}

type unfiltered struct{ io.Writer }

func (unfiltered) Close() error { return nil }

// Write passes on complete lines and keeps the start of the next one.
func (f *levelFilter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.partial = append(f.partial, p...)
	end := bytes.LastIndexByte(f.partial, '\n') + 1
	for line := range bytes.Lines(f.partial[:end]) {
		if err := f.pass(line); err != nil {
			return 0, err
		}
	}
	f.partial = slices.Clone(f.partial[end:])
	return len(p), nil
}

// Close passes on a last line that has no line break.
func (f *levelFilter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.partial) == 0 {
		return nil
	}
	return f.pass(f.partial)
}

// pass writes the line if its level is high enough.
func (f *levelFilter) pass(line []byte) error {
	if levelIndex(lineLevel(line)) < f.least {
		return nil
	}
	_, err := f.out.Write(line)
	return err
}

// lineLevel returns the level that Lambda assigns to a line. A line counts as INFO unless it is a JSON object
// that has both a level and an RFC 3339 timestamp.
func lineLevel(line []byte) string {
	var members map[string]json.RawMessage
	var level, timestamp string
	if json.Unmarshal(line, &members) != nil || json.Unmarshal(members["level"], &level) != nil ||
		json.Unmarshal(members["timestamp"], &timestamp) != nil {
		return levelOfUnmarked
	}
	if _, err := time.Parse(time.RFC3339, timestamp); err != nil {
		return levelOfUnmarked
	}
	return level
}

func levelIndex(level string) int {
	if i := slices.Index(logLevels, strings.ToUpper(level)); i >= 0 {
		return i
	}
	return slices.Index(logLevels, levelOfUnmarked)
}
