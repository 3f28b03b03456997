package tool

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// cleaner replaces secrets in the texts of a call, and what looks like the mark of a replaced secret. Calls run one at a
// time, so everything that it learned from AWS's answers belongs to the current call.
type cleaner struct {
	redactor *redact.Redactor // nil: redaction is turned off
	memory   *redact.Memory
	deadline func() time.Time // of the current call, from its first text on
	knowing  *redact.Redactor // of the current call, from its first text on
	end      time.Time        // of the searches of the current call, whether they are complete or not; zero: no end
	late     bool             // a search of the current call did not end in time, and goes on
}

func newCleaner(s config.Tool) (*cleaner, error) {
	if !s.Redact {
		return &cleaner{}, nil
	}
	patterns, err := config.Patterns(s.RedactPatterns)
	if err != nil {
		return nil, err
	}
	redactor, err := redact.New(patterns)
	if err != nil {
		return nil, err
	}
	return &cleaner{redactor: redactor, memory: &redact.Memory{}}, nil
}

// observer returns a function that learns from the bodies of AWS's answers, or nil.
func (c *cleaner) observer() func(body []byte, isCut bool) {
	if c.redactor == nil {
		return nil
	}
	return c.memory.Observe
}

// begin starts a call.
func (c *cleaner) begin(ctx context.Context) {
	c.knowing = nil
	c.deadline = sync.OnceValue(func() time.Time { return redact.Deadline(ctx, time.Now()) })
	c.end = time.Time{}
	if deadline, ok := ctx.Deadline(); ok {
		c.end = deadline.Add(-answerTime)
	}
}

// answerTime is the time that an answer without its texts needs. A search usually ends earlier, at its deadline, but some of its steps
// are not interrupted, and take long for a long text.
const answerTime = 150 * time.Millisecond

// within returns the result of a search. If the search does not end in time, within reports false, the search goes on, and the
// process must exit.
func within[T any](c *cleaner, search func() T) (result T, ended bool) {
	if c.late {
		return result, false
	}
	if c.end.IsZero() {
		return search(), true
	}
	done := make(chan T, 1)
	go func() { done <- search() }()
	timer := time.NewTimer(time.Until(c.end))
	defer timer.Stop()
	select {
	case result = <-done:
		return result, true
	case <-timer.C:
		c.late = true
		return result, false
	}
}

// known returns the redactor that knows the secrets in AWS's answers to the call.
func (c *cleaner) known() *redact.Redactor {
	if c.knowing == nil {
		c.knowing = c.memory.Knowing(c.redactor.Until(c.deadline()))
	}
	return c.knowing
}

// text is the sandbox's Clean.
func (c *cleaner) text(text string, isCut bool) string {
	text = redact.ReplaceFakeMarks(text)
	if !isCut || c.redactor == nil {
		return text
	}
	clean, ended := within(c, func() string {
		clean, _ := c.known().Text(text)
		return clean
	})
	if !ended {
		clean, _ = c.redactor.Late().Text(text)
	}
	return clean
}

// whole replaces the secrets in a text of an answer of AWS as in the output of the code.
func (c *cleaner) whole(text string) string {
	text = redact.ReplaceFakeMarks(text)
	if c.redactor != nil {
		text, _ = c.known().Text(text)
	}
	return text
}

// answer redacts the whole answer.
func (c *cleaner) answer(a *toolcall.Answer) {
	if c.redactor == nil {
		return
	}
	clean := *a
	clean.AWSCalls, clean.Notes = slices.Clone(a.AWSCalls), slices.Clone(a.Notes)
	if _, ended := within(c, func() bool { c.known().Answer(&clean); return true }); ended {
		*a = clean
		return
	}
	c.redactor.Late().Answer(a)
}
