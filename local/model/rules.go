package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// Messages of the service about requests that a model refuses. The texts about lengths were observed for
// models of Amazon, Anthropic, and Meta, and are assumed for the others.
const (
	modelErrors   = "The model returned the following errors: "
	reformat      = ", please reformat your input and try again."
	noCaching     = "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information."
	afterThinking = "Cache point cannot be inserted after reasoning block. Please remove the invalid cache point and try again."
	noPrefill     = "This model does not support assistant message prefill. The conversation must end with a user message."
	forcedTool    = "Thinking may not be enabled when tool_choice forces tool use."
	noTools       = "This model doesn't support tool use."
	noSystem      = "This model doesn't support system messages. Try again without a system message or use a model that supports system messages."

	tooLong       = "Input is too long for requested model."
	tooLongNova   = "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again."
	tooLongFormat = "This model's maximum context length is %d tokens. Please reduce the length of the prompt"
	tooManyBytes  = "too many total text bytes: %d > %d"
)

// maxTextBytes is the largest total text of a request to a model of Anthropic, in bytes.
const maxTextBytes = 25 << 20

// checkModel reports the parts of a request that its model refuses.
func (r *Request) checkModel(m models.Model, problem func(string, ...any)) {
	if strings.HasPrefix(m.ID, "amazon.nova-") {
		r.checkNovaCheckpoints(problem)
	}
	if providerOf(r.ModelID) == "anthropic" {
		r.checkClaudeTurns(m, problem)
	}
	if !m.Known {
		return
	}
	r.checkMaxTokens(m, problem)
	r.checkSampling(m, problem)
	r.checkAdditional(m, problem)
	r.checkForcedTool(m, problem)
}

// checkNovaCheckpoints refuses checkpoints in the tools and after blocks other than text. The service reads a
// checkpoint as a key of the block before it, and its message names that block.
func (r *Request) checkNovaCheckpoints(problem func(string, ...any)) {
	extraneous := func(at string, index int) {
		problem("%sMalformed input request: #/%s/%d: extraneous key [cachePoint] is not permitted%s", modelErrors, at, max(0, index), reformat)
	}
	if r.ToolConfig != nil {
		before := -1
		for _, tool := range r.ToolConfig.Tools {
			if tool.CachePoint != nil {
				extraneous("toolConfig/tools", before)
				continue
			}
			before++
		}
	}
	for i, message := range r.Messages {
		before, isText := -1, false
		for _, block := range message.Content {
			if block.CachePoint == nil {
				before, isText = before+1, block.Text != nil
			} else if !isText {
				extraneous(fmt.Sprintf("messages/%d/content", i), before)
			}
		}
	}
}

// checkClaudeTurns refuses checkpoints after reasoning, and turns that consist of reasoning.
func (r *Request) checkClaudeTurns(m models.Model, problem func(string, ...any)) {
	for _, message := range r.Messages {
		reasoningOnly := len(message.Content) > 0
		for j, block := range message.Content {
			reasoningOnly = reasoningOnly && block.Reasoning != nil
			if block.CachePoint != nil && j > 0 && message.Content[j-1].Reasoning != nil {
				problem(afterThinking)
			}
		}
		if reasoningOnly && m.Known && !m.Temperature.Accepted {
			problem(noPrefill)
		}
	}
}

func (r *Request) checkMaxTokens(m models.Model, problem func(string, ...any)) {
	asked, isNumber := r.InferenceConfig["maxTokens"].(float64)
	if !isNumber || int(asked) <= m.MaxOutput {
		return
	}
	switch providerOf(r.ModelID) {
	case "amazon", "anthropic", "meta":
		problem("The maximum tokens you requested exceeds the model limit of %d. Try again with a maximum tokens value that is lower than %d.",
			m.MaxOutput, m.MaxOutput)
	case "mistral":
		problem("%sMalformed input request: #/max_tokens: %d is not less or equal to %d%s", modelErrors, int(asked), m.MaxOutput, reformat)
	default:
		problem("%sThe number of output tokens requested (%d) is higher than the limit (%d) of this model.", modelErrors, int(asked), m.MaxOutput)
	}
}

// checkSampling refuses temperature and topP.
func (r *Request) checkSampling(m models.Model, problem func(string, ...any)) {
	if m.Temperature.Accepted {
		return
	}
	for setting, name := range map[string]string{"temperature": "temperature", "topP": "top_p"} {
		if _, set := r.InferenceConfig[setting]; !set {
			continue
		}
		if providerOf(r.ModelID) == "openai" {
			problem("%sUnsupported parameter: '%s' is not supported with this model.", modelErrors, name)
		} else {
			problem("%s`%s` is deprecated for this model.", modelErrors, name)
		}
	}
}

// additional holds the members of additionalModelRequestFields that the stand-in interprets.
type additional struct {
	Thinking *struct {
		Type         string `json:"type"`
		BlockBinding *struct {
			PrefixMismatch string `json:"prefix_mismatch_behavior"`
		} `json:"block_binding"`
	} `json:"thinking"`
	Beta []string `json:"anthropic_beta"`
}

func (r *Request) additional() (fields additional) {
	if r.Additional != nil {
		_ = json.Unmarshal(r.Additional, &fields) // checkInference reports invalid JSON
	}
	return fields
}

// dropsBoundReasoning reports whether the request asks the service to drop reasoning of another conversation.
func (r *Request) dropsBoundReasoning() bool {
	fields := r.additional()
	return fields.Thinking != nil && fields.Thinking.BlockBinding != nil &&
		fields.Thinking.BlockBinding.PrefixMismatch == "drop_block" && slices.Contains(fields.Beta, bindingBeta)
}

// modelFields lists the members of additionalModelRequestFields that the models of a provider know. Those of
// other providers are not checked.
var modelFields = map[string][]string{
	"anthropic": {"thinking", "output_config", "anthropic_beta", "top_k"},
	"amazon":    {"inferenceConfig", "reasoningConfig"},
	"openai":    {"reasoning", "reasoning_effort"},
}

// efforts lists the values of an effort by provider.
var efforts = map[string][]string{
	"anthropic": {"low", "medium", "high", "xhigh", "max"},
	"openai":    {"none", "minimal", "low", "medium", "high", "xhigh"},
}

// checkAdditional refuses members of additionalModelRequestFields that the model does not know.
func (r *Request) checkAdditional(m models.Model, problem func(string, ...any)) {
	var fields map[string]any
	if r.Additional == nil || json.Unmarshal(r.Additional, &fields) != nil {
		return
	}
	who := providerOf(r.ModelID)
	known, isChecked := modelFields[who]
	for name := range fields {
		isEffort := name == "output_config" || name == "reasoning" || name == "reasoning_effort" || name == "reasoningConfig" || name == "thinking"
		if slices.Contains(known, name) || !isChecked && !isEffort {
			continue
		}
		if who == "anthropic" {
			problem("%s%s: Extra inputs are not permitted", modelErrors, name)
		} else {
			problem("%sMalformed input request: #: extraneous key [%s] is not permitted%s", modelErrors, name, reformat)
		}
	}
	if _, set := fields["reasoningConfig"]; set && who == "amazon" && m.Thinking.Mode == models.ThinkingNever {
		problem("%sMalformed input request: the provided reasoning config value is invalid%s", modelErrors, reformat)
	}
	r.checkEffort(m, fields, problem)
	if who == "anthropic" {
		r.checkClaudeThinking(m, fields, problem)
	}
}

// checkEffort refuses unknown values of an effort, and an effort for models without one in the catalog. The
// latter is stricter than the service.
func (r *Request) checkEffort(m models.Model, fields map[string]any, problem func(string, ...any)) {
	who := providerOf(r.ModelID)
	for _, path := range [][]string{{"output_config", "effort"}, {"reasoning", "effort"}, {"reasoning_effort"}} {
		value, set := lookIn(fields, path)
		if !set || !slices.Contains(modelFields[who], path[0]) {
			continue
		}
		text, _ := value.(string)
		switch {
		case who == "anthropic" && m.Thinking.Effort == nil:
			problem("%sThis model does not support the effort parameter.", modelErrors)
		case !slices.Contains(efforts[who], text):
			problem("%s%s: Input should be '%s'", modelErrors, strings.Join(path, "."), strings.Join(efforts[who], "', '"))
		}
	}
}

// lookIn returns the value at a path of member names in nested objects, and whether it is set.
func lookIn(fields map[string]any, path []string) (value any, set bool) {
	value, set = fields[path[0]]
	for _, name := range path[1:] {
		inner, isObject := value.(map[string]any)
		if !isObject {
			return nil, false
		}
		value, set = inner[name]
	}
	return value, set
}

// checkClaudeThinking refuses kinds of thinking that the model lacks, and settings that exclude thinking.
func (r *Request) checkClaudeThinking(m models.Model, fields map[string]any, problem func(string, ...any)) {
	kind := ""
	if thinking := r.additional().Thinking; thinking != nil {
		kind = thinking.Type
	}
	switch {
	case kind == "enabled" && !m.Temperature.Accepted:
		problem("%s\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and "+
			"\"output_config.effort\" to control thinking behavior.", modelErrors)
	case kind == "disabled" && m.Thinking.Mode == models.ThinkingAlways:
		problem("%s\"thinking.type.disabled\" is not supported for this model.", modelErrors)
	case kind != "" && kind != "disabled" && m.Thinking.Mode == models.ThinkingNever:
		problem("%sthinking: Extra inputs are not permitted", modelErrors)
	}
	if _, set := fields["top_k"]; set && !m.Temperature.Accepted {
		problem("%s`top_k` is deprecated for this model.", modelErrors)
	}
}

// checkForcedTool refuses a forced tool for models that think by default.
func (r *Request) checkForcedTool(m models.Model, problem func(string, ...any)) {
	if r.ToolConfig == nil || providerOf(r.ModelID) != "anthropic" || !m.Known || !m.Thinking.ByDefault {
		return
	}
	if thinking := r.additional().Thinking; thinking != nil { // checkInference checks it
		return
	}
	if r.ToolConfig.ToolChoice["any"] != nil || r.ToolConfig.ToolChoice["tool"] != nil {
		problem(forcedTool)
	}
}

// hasCheckpoints reports whether the request has a cache checkpoint anywhere.
func (r *Request) hasCheckpoints() bool {
	isPoint := func(block Block) bool { return block.CachePoint != nil }
	if slices.ContainsFunc(r.System, isPoint) {
		return true
	}
	if r.ToolConfig != nil {
		for _, tool := range r.ToolConfig.Tools {
			if tool.CachePoint != nil {
				return true
			}
		}
	}
	return slices.ContainsFunc(r.Messages, func(m Message) bool { return slices.ContainsFunc(m.Content, isPoint) })
}

// refuseCheckpoints refuses every checkpoint for models without explicit caching.
func (r *Request) refuseCheckpoints(m models.Model, script Script) *Error {
	isFamily := m.Name != "" // the catalog knows the model's family
	if script.RejectCachePoints || isFamily && m.Cache.Checkpoints == models.CheckpointsNone {
		if r.hasCheckpoints() {
			return &Error{Type: "AccessDeniedException", Message: noCaching}
		}
	}
	return nil
}

// refuseLength refuses requests that exceed the window of the script or, without one, of the catalog.
func (r *Request) refuseLength(m models.Model, script Script) *Error {
	window := script.ContextWindow
	if window == 0 && m.Known {
		window = m.Window
	}
	text := ""
	switch length := r.textBytes(); {
	case providerOf(r.ModelID) == "anthropic" && length > maxTextBytes:
		text = fmt.Sprintf(tooManyBytes, length, maxTextBytes)
	case window == 0 || tokens(len(r.Raw)) <= window:
		return nil
	case providerOf(r.ModelID) == "amazon":
		text = tooLongNova
	case m.Known && providerOf(r.ModelID) != "anthropic":
		text = modelErrors + fmt.Sprintf(tooLongFormat, window)
	default:
		text = tooLong
	}
	return &Error{Type: "ValidationException", Message: text}
}

// textBytes returns the total length of all texts of the request.
func (r *Request) textBytes() int {
	length := 0
	add := func(text *string) {
		if text != nil {
			length += len(*text)
		}
	}
	for _, block := range r.System {
		add(block.Text)
	}
	for _, message := range r.Messages {
		for _, block := range message.Content {
			add(block.Text)
			if block.ToolResult != nil {
				for _, part := range block.ToolResult.Content {
					add(part.Text)
				}
			}
		}
	}
	return length
}
