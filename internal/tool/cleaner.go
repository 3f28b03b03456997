package tool

import (
	"context"
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
	deadline func() time.Time // of the current call
	knowing  *redact.Redactor // of the current call, from its first text on
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
	c.deadline = func() time.Time { return redact.Deadline(ctx, time.Now()) }
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
	if isCut && c.redactor != nil {
		text, _ = c.known().Text(text)
	}
	return text
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
	if c.redactor != nil {
		c.known().Answer(a)
	}
}
