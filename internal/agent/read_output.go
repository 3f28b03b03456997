package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

const readName = "read_output"

// How much of an output the model sees, in bytes. The record keeps all of it.
const (
	shownHead = 12 << 10
	shownTail = 4 << 10
	readPart  = 16 << 10 // per call of read_output
)

// readOutput shows more of an earlier output.
var readOutput = tool{
	Tool: conversation.Tool{
		Name:        readName,
		Description: "Read more of the output of an earlier tool call, if its middle was left out.",
		Schema: schema(map[string]any{
			"call":   integer("Number of the tool call."),
			"offset": integer("First byte to show."),
		}, "call", "offset"),
	},
	executor: reading{},
}

// reading executes [readOutput].
type reading struct{}

func (reading) execute(_ context.Context, r *run, _ *investigation.Round, calls []conversation.Use) []outcome {
	return oneByOne(calls, r.readEarlierOutput)
}

func (r *run) readEarlierOutput(input json.RawMessage) outcome {
	var fields map[string]any
	if err := json.Unmarshal(input, &fields); err != nil {
		text := fmt.Sprintf(`the input of %s must be {"call": <number>, "offset": <byte>}`, readName)
		return outcome{text: text, failed: true}
	}
	number, offset := wholeNumber(fields["call"], -1), wholeNumber(fields["offset"], 0)
	call := r.rec.Call(number)
	if call == nil || call.Answer == nil {
		return outcome{failed: true, text: fmt.Sprintf(
			"there is no tool call %d with an output; calls are numbered from 0 (the evidence) to %d", number, r.state.Calls)}
	}
	whole := call.Answer.Text()
	if offset < 0 || offset >= len(whole) {
		return outcome{text: fmt.Sprintf("offset must be from 0 to %d, got %d", len(whole)-1, offset), failed: true}
	}
	from := truncate.After(whole, offset)
	to := truncate.Before(whole, from+readPart)
	return outcome{text: fmt.Sprintf("[tool call %d, bytes %d to %d of %d]\n%s",
		number, from, to, len(whole), whole[from:to])}
}

// headAndTail leaves out the middle of a long output and names the call that shows it.
func headAndTail(text string, call int) string {
	if len(text) <= shownHead+shownTail {
		return text
	}
	head, tail := truncate.Before(text, shownHead), truncate.After(text, len(text)-shownTail)
	return fmt.Sprintf("%s\n… %d of %d bytes are left out here; %s(call=%d, offset=%d) shows more …\n%s",
		text[:head], tail-head, len(text), readName, call, head, text[tail:])
}
