package agent

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// maxKept is how large the answers of an investigation's tool calls may be together, in bytes of JSON. The orchestrator holds the
// record several times in memory when it saves a checkpoint or renders the report.
const maxKept = 32 << 20

// fullWhy is why the model has to conclude when an answer was not kept.
var fullWhy = fmt.Sprintf("the answers of the tool calls have %d MB, the most that an investigation keeps", maxKept>>20)

// keep adds an answer to those that the investigation keeps. If it is too large, its output is dropped; the requests that the code
// made remain, with what AWS bills for them.
func (r *run) keep(call *investigation.ToolCall) {
	if call.Answer == nil {
		return
	}
	if size := encodedSize(call.Answer); r.kept+size <= maxKept {
		r.kept += size
		return
	}
	r.state.Full = true
	call.Answer = withoutOutput(call.Answer)
	r.kept += encodedSize(call.Answer)
}

// keepOther adds calls that ran no Python. Those of read_output repeat outputs.
func (r *run) keepOther(calls []investigation.OtherCall) {
	if r.kept += encodedSize(calls); r.kept > maxKept {
		r.state.Full = true
	}
}

// keepAll counts everything that the record has. A question does not keep the answers of the investigation that it is about.
func (r *run) keepAll() {
	r.kept = 0
	own := r.own()
	for call := range own.Calls() {
		if call.Answer != nil {
			r.kept += encodedSize(call.Answer)
		}
	}
	for i := range own.Rounds {
		r.keepOther(own.Rounds[i].Other)
	}
}

// withoutOutput returns an answer that says that its output was dropped.
func withoutOutput(a *toolcall.Answer) *toolcall.Answer {
	short := *a
	short.Success, short.Output, short.Stdout, short.Stderr, short.Result, short.Notes = false, "", "", "", nil, []string{}
	short.Error, short.ErrorType = "the output is not kept: "+fullWhy, "OutputLimit"
	if a.Observed != nil {
		short.Observed = &toolcall.Observed{Answers: a.Observed.Answers, Spans: []toolcall.Span{}}
	}
	short.Truncated = slices.Clone(a.Truncated)
	for _, part := range []struct {
		name string
		size int
	}{{"stdout", len(a.Stdout)}, {"stderr", len(a.Stderr)}, {"result", len(a.Result)}} {
		if part.size > len("null") {
			short.Truncated = addLeftOut(short.Truncated, part.name, int64(part.size))
		}
	}
	return &short
}

// addLeftOut adds bytes to what is left out of a part.
func addLeftOut(truncated []toolcall.Truncation, part string, bytes int64) []toolcall.Truncation {
	for i := range truncated {
		if truncated[i].Part == part {
			truncated[i].LeftOut += bytes
			return truncated
		}
	}
	return append(truncated, toolcall.Truncation{Part: part, LeftOut: bytes})
}

func encodedSize(value any) int {
	encoded, err := json.Marshal(value)
	if err != nil {
		return 0 // unreachable: answers are decoded from JSON
	}
	return len(encoded)
}
