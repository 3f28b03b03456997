package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// reasoning holds the reasoning blocks that models returned and must get back unchanged.
type reasoning struct {
	thoughts map[string][]thought // by signature, or by content if redacted
	ledTo    map[string]string    // the model by id of each tool use in an answer that began with reasoning
}

// thought is one reasoning block as a model returned it.
type thought struct {
	text  string
	model string // the foundation model's id
	made  prefix // the conversation that the model answered
}

// prefix identifies the part of a conversation before one message. Cache checkpoints do not count.
type prefix struct{ system, tools, messages [sha256.Size]byte }

type reasoningBlock struct {
	ReasoningText *struct {
		Text      string `json:"text"`
		Signature string `json:"signature"`
	} `json:"reasoningText"`
	RedactedContent string `json:"redactedContent"`
}

// key returns the signature or the redacted content that identifies a block. It is empty if there is none.
func (b reasoningBlock) key() string {
	if b.ReasoningText != nil {
		return b.ReasoningText.Signature
	}
	return b.RedactedContent
}

func (b reasoningBlock) text() string {
	if b.ReasoningText != nil {
		return b.ReasoningText.Text
	}
	return ""
}

// remember records the reasoning of an answer to a request. Blocks without a signature must not come back.
func (g reasoning) remember(request *Request, content []any) {
	encoded, err := json.Marshal(content)
	if err != nil { // it came out of JSON
		panic(err)
	}
	var blocks []struct {
		Reasoning *reasoningBlock `json:"reasoningContent"`
		ToolUse   *ToolUseBlock   `json:"toolUse"`
	}
	if json.Unmarshal(encoded, &blocks) != nil {
		return // a script may answer with invalid content on purpose
	}
	model := models.Parse(request.ModelID).Model
	prefixes := request.prefixes()
	begun := false
	for i, block := range blocks {
		switch r := block.Reasoning; {
		case r != nil && r.key() != "":
			made := thought{text: r.text(), model: model, made: prefixes[len(request.Messages)]}
			g.thoughts[r.key()] = append(g.thoughts[r.key()], made)
			begun = begun || i == 0
		case block.ToolUse != nil && begun:
			g.ledTo[block.ToolUse.ToolUseID] = model
		}
	}
}

// prefixes returns the identity of the conversation before each message, and of the whole conversation as the
// last one.
func (r *Request) prefixes() []prefix {
	if r.before == nil {
		r.before = r.hashPrefixes()
	}
	return r.before
}

func (r *Request) hashPrefixes() []prefix {
	system := sha256.New()
	for _, block := range r.System {
		if block.CachePoint == nil {
			system.Write(canonical(block))
		}
	}
	tools := sha256.New()
	if r.ToolConfig != nil {
		for _, tool := range r.ToolConfig.Tools {
			if tool.CachePoint == nil {
				tools.Write(canonical(tool))
			}
		}
	}
	var at prefix
	system.Sum(at.system[:0])
	tools.Sum(at.tools[:0])
	all := []prefix{at}
	for _, message := range r.Messages {
		sum := sha256.New()
		sum.Write(at.messages[:])
		sum.Write([]byte(message.Role))
		for _, block := range message.Content {
			if block.CachePoint == nil {
				sum.Write(canonical(block))
			}
		}
		sum.Sum(at.messages[:0])
		all = append(all, at)
	}
	return all
}

// canonical returns the JSON of a value with the keys of every object sorted.
func canonical(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil { // it came out of JSON
		panic(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var generic any
	if err := decoder.Decode(&generic); err != nil {
		panic(err)
	}
	text, err = json.Marshal(generic)
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

// Messages of the service about reasoning that it refuses.
const (
	invalidSignature = "Invalid `signature` in `thinking` block"
	invalidRedacted  = "Invalid `data` in `redacted_thinking` block"
	bound            = ". The block is bound to a different conversation. Remove the block, or set " +
		"`thinking.block_binding.prefix_mismatch_behavior` to \"drop_block\". That setting requires the `" + bindingBeta +
		"` value in the `anthropic-beta` header. "
	noReasoning = "User messages cannot contain reasoning content. Please remove the reasoning content and try again."

	bindingBeta = "thinking-binding-controls-2026-08-01"
)

// bindsReasoning reports whether a model accepts its reasoning only in the conversation that produced it.
func bindsReasoning(m models.Model) bool {
	return strings.HasPrefix(m.ID, "anthropic.claude-") && strings.HasSuffix(m.ID, "-5-5")
}

// thinksAdaptively reports whether a model accepts turns without the reasoning with which they began.
func thinksAdaptively(m models.Model) bool {
	isClaude := m.Known && strings.HasPrefix(m.ID, "anthropic.claude-")
	return isClaude && (!m.Temperature.Accepted || strings.HasSuffix(m.ID, "-4-6"))
}

// checkReasoning reports a block that differs from the block that the model returned.
func (r *Request) checkReasoning(i, j int, given reasoning, account Account, problem func(string, ...any)) {
	at := fmt.Sprintf("messages.%d.content.%d", i, j)
	if r.Messages[i].Role != "assistant" {
		problem("%s: reasoningContent blocks can only be in assistant messages", at)
	}
	m := models.Lookup(r.ModelID)
	if m.Known && providerOf(r.ModelID) == "amazon" {
		problem(noReasoning)
		return
	}
	var block reasoningBlock
	if err := json.Unmarshal(r.Messages[i].Content[j].Reasoning, &block); err != nil {
		problem("%s: %v", at, err)
		return
	}
	invalid := invalidRedacted
	if block.ReasoningText != nil {
		invalid = invalidSignature
	}
	if block.ReasoningText != nil && block.key() == "" {
		problem("%s: reasoningContent without a signature must not be sent back", at)
		return
	}
	made := given.find(block, models.Parse(r.ModelID).Model)
	if len(made) == 0 {
		problem("%s: %s", at, invalid)
		return
	}
	if !bindsReasoning(m) || account.dropsBoundReasoning() || r.dropsBoundReasoning() {
		return
	}
	if difference := differs(r.prefixes()[i], made); difference != "" {
		problem("%s: %s%s%s", at, invalid, bound, difference)
	}
}

// find returns the thoughts of a model that equal a block.
func (g reasoning) find(block reasoningBlock, model string) []thought {
	var found []thought
	for _, made := range g.thoughts[block.key()] {
		if made.text == block.text() && made.model == model {
			found = append(found, made)
		}
	}
	return found
}

// differs returns the service's text about the first part of a conversation that has changed since a block
// was created. It is empty if nothing has changed.
func differs(now prefix, made []thought) string {
	difference := ""
	for _, thought := range made {
		switch then := thought.made; {
		case then == now:
			return ""
		case then.system != now.system:
			difference = "The `system` prompt differs from the one this block was created with."
		case then.tools != now.tools:
			difference = "The `tools` differ from those this block was created with."
		default:
			difference = "An earlier message differs from the one this block was created with."
		}
	}
	return difference
}
