package agent

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// Limits of output tokens per answer.
const (
	plainOutputTokens    = 8192      // a report takes about 2,000
	thinkingOutputTokens = 32 * 1024 // thinking counts as output and comes first
	leastOutputTokens    = config.LeastRound
)

// modelID returns the model that is asked now.
func (r *run) modelID() string { return r.Models[min(r.state.Model, len(r.Models)-1)] }

// model returns the catalog entry of that model.
func (r *run) model() models.Model { return models.Lookup(r.modelID()) }

// window returns the size of the model's context window in tokens.
func (r *run) window() int {
	if r.ContextWindow > 0 {
		return r.ContextWindow
	}
	return r.model().Window
}

// resetForModel resets everything that depends on the model that is asked.
func (r *run) resetForModel() {
	m := r.model()
	r.rec.Model = r.modelID()
	r.state.MaxOutput = plainOutputTokens
	if m.Thinking.ByDefault {
		r.state.MaxOutput = thinkingOutputTokens
	}
	r.state.MaxOutput = min(r.state.MaxOutput, m.MaxOutput)
	r.state.Without = without{}
	r.state.Doubled = false
	r.state.Sent = sent{}
	talk := r.state.Talk
	talk.Caching, talk.CachedMost = cachingOf(m), m.Cache.Maximum
	talk.TextTools, talk.TextSystem = false, false
}

func cachingOf(m models.Model) conversation.Caching {
	switch m.Cache.Checkpoints {
	case models.CheckpointsNone:
		return conversation.CacheNone
	case models.CheckpointsAfterText:
		return conversation.CacheAfterText
	}
	return conversation.CacheAnywhere
}

// nextModel switches to the next model and records why. It reports whether there is one.
func (r *run) nextModel(cause investigation.ModelCause, why string) bool {
	if r.state.Model+1 >= len(r.Models) {
		return false
	}
	failed := r.modelID()
	r.rec.Fallbacks = append(r.rec.Fallbacks, investigation.Fallback{Model: failed, Cause: cause, Why: why})
	r.state.Model++
	r.state.ConcludingRounds = 0
	r.state.Talk.DropReasoning() // it is bound to the model that wrote it
	r.resetForModel()
	r.Log.Warn("asking another model", // without why, which can quote the model
		"failed_model", failed, "cause", string(cause), "model", r.modelID())
	return true
}

// without lists the parameters that the model refused. Requests leave them out.
type without struct {
	Effort      bool `json:"effort,omitempty"`
	Temperature bool `json:"temperature,omitempty"`
}

// request returns the next request to the model.
func (r *run) request() *bedrockruntime.ConverseInput {
	m := r.model()
	in := r.state.Talk.Request(r.modelID(), r.system(), r.task.specs())
	in.InferenceConfig = &types.InferenceConfiguration{MaxTokens: aws.Int32(int32(r.output))}
	if t := m.Temperature.WithTools; t != nil && !r.state.Without.Temperature {
		in.InferenceConfig.Temperature = aws.Float32(float32(*t))
	}
	if effort := m.Thinking.Effort; effort != nil && !r.state.Without.Effort {
		in.AdditionalModelRequestFields = document.NewLazyDocument(nested(effort.Field, effort.Value))
	}
	if r.GuardrailID != "" {
		in.GuardrailConfig = &types.GuardrailConfiguration{
			GuardrailIdentifier: aws.String(r.GuardrailID), GuardrailVersion: aws.String(r.GuardrailVersion),
		}
	}
	return in
}

// nested returns a value below a path of keys.
func nested(path []string, value any) any {
	for i := len(path) - 1; i >= 0; i-- {
		value = map[string]any{path[i]: value}
	}
	return value
}

// explainRefusal returns why a model was given up after it declined to answer, for the reader.
func (r *run) explainRefusal() string {
	return fmt.Sprintf("Model %s declined to answer (stop reason refusal). Some models refuse questions "+
		"about security, such as alarms of a firewall or threat detection. Add a model of another provider to "+
		"%s.", r.modelID(), r.Caller.FallbackSetting())
}
