package agent

import "github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"

// ReadCalls is readCalls for tests that need no investigation.
func ReadCalls(text string) (calls []conversation.Use, unread bool) {
	found := readCalls(text, nil)
	return found.calls, found.unread
}

// SplitThinking is splitThinking for the same tests.
var SplitThinking = splitThinking

// MaxMarks is the bound on calls in one answer.
const MaxMarks = maxMarks
