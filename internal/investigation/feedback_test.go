package investigation_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestFeedback_CheckNamesEveryProblem(t *testing.T) {
	const right = investigation.FeedbackRight
	for _, tt := range []struct {
		name     string
		feedback investigation.Feedback
		want     []string // parts of the error; none: no error
	}{
		{"right", investigation.Feedback{Verdict: right}, nil},
		{"wrong with a cause of the greatest length", investigation.Feedback{Verdict: "wrong", Cause: strings.Repeat("接", 500), By: "Ana"}, nil},
		{"several lines", investigation.Feedback{Verdict: right, Cause: "one\ntwo\tthree"}, nil},
		{"no verdict", investigation.Feedback{Cause: "x"}, []string{`verdict is "": want "right" or "wrong"`}},
		{"another case", investigation.Feedback{Verdict: "Right"}, []string{`verdict is "Right"`}},
		{"too long", investigation.Feedback{Verdict: right, Cause: strings.Repeat("x", 501)}, []string{"cause has 501 characters: want at most 500"}},
		{"control characters", investigation.Feedback{Verdict: right, Cause: "a\x1b[2J"}, []string{"cause has the control character U+001B"}},
		{"invalid UTF-8", investigation.Feedback{Verdict: right, Cause: "\xff"}, []string{"cause is not valid UTF-8"}},
		{"two problems", investigation.Feedback{Verdict: "?", By: "a\nb"}, []string{"verdict is", "by has a line break"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.feedback.Check()
			if tt.want == nil {
				assert.NoError(t, err)
			}
			for _, part := range tt.want {
				assert.ErrorContains(t, err, part)
			}
		})
	}
}

func TestCheckQuestion_WantsAShortText(t *testing.T) {
	assert.NoError(t, investigation.CheckQuestion("Which table?\nAnd since when?"))
	for question, want := range map[string]string{
		" \n": "question is empty", "\u200b\u2060 \ufeff": "question is empty", strings.Repeat("x", 2001): "question has 2001 characters: want at most 2000", "a\x00": "control character U+0000",
	} {
		assert.ErrorContains(t, investigation.CheckQuestion(question), want)
	}
}
