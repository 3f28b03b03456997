package tool

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// A comparison that does not end in time says that AWS answered, and that the output was not compared completely.
func TestJudge_CountsAnswersThoughTheComparisonDoesNotEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), answerTime+100*time.Millisecond)
	defer cancel()
	goOn := make(chan struct{})
	defer close(goOn)
	h := &Handler{clean: &cleaner{}, answers: &provenance.Recorder{Redact: func(text string) string { <-goOn; return text }}}
	h.clean.begin(ctx)
	h.answers.Record(provenance.Exchange{URL: "https://logs.us-east-1.amazonaws.com/", Status: 200, Answer: []byte(`{"message":"orders-db-2 password=x"}`)})

	want := &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{}, Partial: true}
	assert.Equal(t, want, h.judge("orders-db-2 password=[redacted: secret]"))
	assert.True(t, h.clean.late)
}
