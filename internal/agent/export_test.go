package agent

import "github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"

// ReadCalls is readCalls without data, exported for tests.
func ReadCalls(text string) (calls []conversation.Use, unread bool) {
	found := readCalls(text, nil)
	return found.calls, found.unread
}

// SplitThinking is splitThinking, exported for tests.
var SplitThinking = splitThinking

// MaxMarks is maxMarks, exported for tests.
const MaxMarks = maxMarks
