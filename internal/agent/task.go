package agent

import (
	"encoding/json"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// task is what a run asks the model to do. A run has one task from its beginning to its end.
type task struct {
	prompt  string // the beginning of the system prompt
	tools   []tool // what the model may call
	submit  string // name of the tool that ends the run
	noun    string // what the model submits
	subject string // what the confidence in it is about
	waiting string // why the model has to submit it, as the end of a sentence

	// opening returns the first message.
	opening func(rec *investigation.Record, members config.Members) string
	// parse reads what the model submits. problems lists what is missing.
	parse func(input json.RawMessage) (report investigation.Report, problems []string)
}

// investigating is the task to investigate an alarm.
var investigating = &task{
	prompt: prompt, tools: tools, submit: submitName, noun: "report", subject: "cause",
	waiting: "the engineer receives it in no other way", opening: opening, parse: parseReport,
}

// allTools lists the tools of all tasks. Code that reads calls which a model wrote as text knows all of them, so that a
// call of another task's tool is answered and not lost.
var allTools = append(append([]tool{}, tools...), submitAnswer)

// rounds returns the rounds of this run. A question about a finished investigation has the rounds of that investigation
// before them.
func (r *run) rounds() []investigation.Round { return r.rec.Rounds[min(r.before, len(r.rec.Rounds)):] }

// own returns a record with the tool calls of this run only.
func (r *run) own() *investigation.Record {
	if !r.isQuestion {
		return r.rec
	}
	return &investigation.Record{Rounds: r.rounds()}
}

// offered returns the tool of that exact name, if the task has it.
func (t *task) offered(name string) (found tool, ok bool) {
	for _, tool := range t.tools {
		if tool.Name == name {
			return tool, true
		}
	}
	return tool{}, false
}

// specs lists the task's tools as the model sees them.
func (t *task) specs() []conversation.Tool {
	specs := make([]conversation.Tool, len(t.tools))
	for i, tool := range t.tools {
		specs[i] = tool.Tool
	}
	return specs
}
