package agent

import (
	"fmt"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// fitWindow compacts the conversation before it exceeds the model's context window.
func (r *run) fitWindow() {
	for keep := 6; keep >= 1 && r.estimate() > r.window()*8/10; keep /= 2 {
		r.compact(keep)
	}
}

// estimate returns the size of the next request in tokens, at about 3.5 bytes per token.
func (r *run) estimate() int {
	return (r.state.Talk.Size()+len(r.system()))*2/7 + r.state.MaxOutput
}

// compact replaces all but the last keep exchanges with a digest. It reports whether there was something to
// replace.
func (r *run) compact(keep int) bool {
	var b strings.Builder
	b.WriteString("Earlier rounds were removed from this conversation to save space. The tool calls so far:\n")
	for _, round := range r.rounds() {
		if text := strings.TrimSpace(round.Text); text != "" {
			fmt.Fprintf(&b, "- you wrote: %s\n", truncate.Bytes(text, 300))
		}
		for i := range round.Calls {
			call := &round.Calls[i]
			fmt.Fprintf(&b, "- tool call %d: %s\n  output: %s\n",
				call.Number, truncate.OneLine(call.Command, 200), truncate.OneLine(outputOf(call), 300))
		}
	}
	fmt.Fprintf(&b, "%s(call, offset) shows the full output of any of them.", readName)
	digest := truncate.Bytes(b.String(), r.window()/2) // bytes: an eighth of the window in tokens
	if !r.state.Talk.Compact(keep, digest) {
		return false
	}
	r.Log.Info("conversation compacted", "kept_exchanges", keep, "bytes", r.state.Talk.Size())
	return true
}

func outputOf(call *investigation.ToolCall) string {
	if call.Answer == nil {
		return call.Problem
	}
	return call.Answer.Text()
}

// system returns the system prompt, which is the same in every request of an investigation.
func (r *run) system() string {
	return systemPrompt(r.task, r.Instructions, r.state.Talk.TextTools)
}
