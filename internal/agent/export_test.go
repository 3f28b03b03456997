package agent

import (
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// ReadCalls is readCalls without data, exported for tests.
func ReadCalls(text string) (calls []conversation.Use, unread bool) {
	found := readCalls(text, nil)
	return found.calls, found.unread
}

// SplitThinking is splitThinking, exported for tests.
var SplitThinking = splitThinking

// MaxMarks is maxMarks, exported for tests.
const MaxMarks = maxMarks

// CheckQuotes checks the quotes of a report and returns everything that the check keeps in memory, for tests.
func CheckQuotes(report *investigation.Report, rec *investigation.Record) (kept any) {
	c := newChecker(rec)
	c.checkAll(report)
	return c
}
