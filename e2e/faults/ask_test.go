package faults_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// order invokes the orchestrator as `aws lambda invoke` does and returns a member of its answer.
func (w *world) order(member string, fields map[string]any, into any) {
	w.t.Helper()
	payload, err := json.Marshal(map[string]any{member: fields})
	require.NoError(w.t, err)
	got, err := w.host.Invoke(w.t.Context(), "orchestrator", payload)
	require.NoError(w.t, err)
	require.Empty(w.t, got.FunctionError, "%s", got.Payload)
	var answer map[string]json.RawMessage
	require.NoError(w.t, json.Unmarshal(got.Payload, &answer))
	require.NoError(w.t, json.Unmarshal(answer[member], into))
}

// A question about a report is answered, stored, and sent to the channel, and a feedback is part of the next report. The
// conditional writes of both run against moto.
func TestQuestionAndFeedback_OfAStoredReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{env: map[string]string{config.EnvWindow: "1"}, script: forever(look("print(1)"), submit())})
	w.fire(event("orders", 0))
	uri := ""
	for key := range w.reports() {
		uri = "s3://" + w.bucket + "/" + key
	}
	require.NotEmpty(t, uri)
	require.Len(t, w.inbox(), 1)

	answerStep := model.Step{Tools: []model.ToolUse{{Name: "submit_answer", Input: map[string]any{
		"answer": "Only the table of orders.", "confidence": "confirmed", "findings": []any{map[string]any{
			"statement": "The denial names it.", "confidence": "confirmed",
			"evidence": []any{map[string]any{"call": 2, "quote": "AccessDenied: orders-role may not dynamodb:GetItem"}},
		}},
	}}}}
	answerStep.Expect = []string{"orders-role may not dynamodb:GetItem"}
	require.NoError(t, w.model.Play(model.Script{Steps: []model.Step{look("print(2)"), answerStep}}))
	for number := 1; number <= 2; number++ { // the second question has the answer to the first one in its first message
		var answer struct {
			Problem string
			investigation.Answer
		}
		w.order("ask", map[string]any{"report": uri, "question": "Which tables are affected?"}, &answer)
		assert.Empty(t, answer.Problem)
		assert.Equal(t, "Only the table of orders.", answer.Text)
		assert.Equal(t, investigation.Confirmed, answer.Confidence)
		assert.Equal(t, number, answer.Number)
		stored := w.reports()[strings.TrimPrefix(answer.URI, "s3://"+w.bucket+"/")]
		assert.Contains(t, stored, "■ ANSWER (confirmed)\n  Only the table of orders.")
	}
	assert.Empty(t, w.inbox(), "nobody is notified")

	var result struct {
		Problem  string
		Recorded *investigation.Feedback
	}
	w.order("feedback", map[string]any{"report": uri, "verdict": "wrong", "cause": "the deployment at noon, token=sk-hunter2hunter2hunter2", "by": "Ana"}, &result)
	require.Empty(t, result.Problem)
	assert.NotContains(t, result.Recorded.Cause, "hunter2")
	w.order("feedback", map[string]any{"report": uri + "x", "verdict": "wrong"}, &result)
	assert.Contains(t, result.Problem, "is not the key of a report")

	require.NoError(t, w.model.Play(forever(look("print(1)"), submit())))
	investigated := func() int { return len(w.reports()) - 2 }     // without the answers
	for second := 1; second < 30 && investigated() < 2; second++ { // until the window of a second is over
		w.fire(event("orders", second))
	}
	require.Equal(t, 2, investigated())
	inbox := w.inbox()
	body := unwrapped(inbox[len(inbox)-1].Body)
	assert.Contains(t, body, "wrong according to a human: \""+cause+"\"")
	assert.Contains(t, body, `the cause in the human's words: "the deployment at noon`)
	requests := w.model.Requests()
	first, err := json.Marshal(requests[len(requests)-1].Request.Messages[0])
	require.NoError(t, err)
	assert.Contains(t, string(first), "REJECTED BY A HUMAN afterwards")
	assert.Empty(t, w.host.Failed())
	if t.Failed() {
		t.Log(w.log)
	}
}
