package investigation

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Feedback is what a human reported about the cause of a finished investigation.
type Feedback struct {
	Verdict FeedbackVerdict `json:"verdict"`
	Cause   string          `json:"cause,omitempty"` // the real cause as the human worded it, without secrets
	By      string          `json:"by,omitempty"`    // who reported it, as the caller stated
	At      time.Time       `json:"at"`              // when it was reported, UTC
}

// FeedbackVerdict is a human's verdict on the cause that an investigation reported.
type FeedbackVerdict string

// The verdicts of a human.
const (
	FeedbackRight FeedbackVerdict = "right" // the reported cause is the real one
	FeedbackWrong FeedbackVerdict = "wrong" // it is not
)

// Limits of the texts of [Feedback], in characters.
const (
	MaxFeedbackCause = 500
	MaxFeedbackBy    = 100
)

// Check returns what is wrong with a feedback that somebody sent.
func (f Feedback) Check() error {
	var problems []error
	if f.Verdict != FeedbackRight && f.Verdict != FeedbackWrong {
		problems = append(problems, fmt.Errorf(`verdict is %q: want "right" or "wrong"`, f.Verdict))
	}
	problems = append(problems, checkText("cause", f.Cause, MaxFeedbackCause), checkText("by", f.By, MaxFeedbackBy))
	if strings.ContainsAny(f.By, "\r\n") {
		problems = append(problems, errors.New("by has a line break: want a name on one line"))
	}
	return errors.Join(problems...)
}

// Redacted returns the feedback with redacted texts, which stay within the limits: the mark of a redaction can be longer than the secret.
func (f Feedback) Redacted(redact func(text string) string) Feedback {
	f.Cause = truncate.Runes(redact(f.Cause), MaxFeedbackCause)
	f.By = truncate.Runes(redact(f.By), MaxFeedbackBy)
	return f
}

// CheckQuestion returns what is wrong with a question that somebody sent.
func CheckQuestion(question string) error {
	if !strings.ContainsFunc(question, isVisible) {
		return errors.New("question is empty: want the question as a text")
	}
	return checkText("question", question, MaxQuestion)
}

// isVisible reports whether a character is a letter, a digit, punctuation, or a symbol.
func isVisible(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }

// checkText returns what is wrong with a text that somebody sent.
func checkText(name, text string, most int) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%s is not valid UTF-8", name)
	}
	if n := utf8.RuneCountInString(text); n > most {
		return fmt.Errorf("%s has %d characters: want at most %d", name, n, most)
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return fmt.Errorf("%s has the control character %U: want text only", name, r)
		}
	}
	return nil
}
