// Package conversation owns the message list of a conversation with Bedrock's Converse API. Its methods
// guarantee that each request keeps Bedrock's rules: roles alternate and the user begins, every tool call is
// answered in the next user message, no text is blank, and reasoning is sent back unchanged.
package conversation

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// Conversation is a list of messages. Its JSON form restores it exactly.
type Conversation struct {
	Turns []Turn `json:"turns"`
	// Caching selects where requests have cache checkpoints.
	Caching Caching `json:"caching,omitempty"`
	// CachedMost is the maximum number of tokens of a prefix that the model caches; 0 if unlimited.
	CachedMost int `json:"cached_most,omitempty"`
	// TextTools is true if the model refused tools. Calls and results are then written as text.
	TextTools bool `json:"text_tools,omitempty"`
	// TextSystem is true if the model refused a system prompt. The first message then contains it.
	TextSystem bool `json:"text_system,omitempty"`
}

// Caching selects where a request has cache checkpoints, from everywhere to nowhere.
type Caching int

// The positions of cache checkpoints.
const (
	CacheAnywhere  Caching = iota // after the system prompt and the last messages
	CacheAfterText                // the same, with a text between a tool result and the checkpoint
	CacheSystem                   // after the system prompt only
	CacheNone                     // nowhere
)

// StepDown removes the checkpoints that the model may have refused. It reports whether there were any left.
func (c *Conversation) StepDown() bool {
	if c.Caching >= CacheNone {
		return false
	}
	c.Caching++
	return true
}

// DropReasoning removes all reasoning from the conversation and reports whether there was any. Reasoning is
// bound to the model that wrote it and to the messages before it. After either has changed, it is invalid.
func (c *Conversation) DropReasoning() bool {
	dropped := false
	for i := range c.Turns {
		kept := make([]Block, 0, len(c.Turns[i].Blocks))
		for _, block := range c.Turns[i].Blocks {
			if block.Reasoning == nil {
				kept = append(kept, block)
			}
		}
		dropped = dropped || len(kept) < len(c.Turns[i].Blocks)
		c.Turns[i].Blocks = kept
	}
	return dropped
}

// Turn is one message.
type Turn struct {
	User   bool    `json:"user,omitempty"`
	Blocks []Block `json:"blocks"`
}

// Block is one content block. Exactly one field is set, apart from Digest.
type Block struct {
	Text      string     `json:"text,omitempty"`
	Digest    bool       `json:"digest,omitempty"` // Text summarizes turns that were removed
	Use       *Use       `json:"use,omitempty"`
	Result    *Result    `json:"result,omitempty"`
	Reasoning *Reasoning `json:"reasoning,omitempty"`
}

// Use is a tool call by the model.
type Use struct {
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"` // any JSON; numbers as the model wrote them
}

// Result is the answer to a Use.
type Result struct {
	ID    string `json:"id"`
	Text  string `json:"text"`
	Error bool   `json:"error,omitempty"`
}

// Reasoning is a thinking block. It is sent back byte for byte or not at all.
type Reasoning struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  []byte `json:"redacted,omitempty"`
}

// notExecuted is the text of the result for a call that has none.
const notExecuted = "not executed"

// noOutput replaces a blank result.
const noOutput = "(no output)"

// Say adds text to the user message at the end, which was not sent yet, or as a new message. Blank text is ignored.
func (c *Conversation) Say(text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if last := c.last(); last != nil && last.User {
		last.Blocks = append(last.Blocks, Block{Text: text})
		return
	}
	c.Turns = append(c.Turns, Turn{User: true, Blocks: append(c.unanswered(nil), Block{Text: text})})
}

// Answer adds the results of the model's calls, in the order of the calls. A call without a result is
// answered as not executed. A result without a call is ignored.
func (c *Conversation) Answer(results []Result) {
	byID := map[string]Result{}
	for _, result := range results {
		byID[result.ID] = result
	}
	if blocks := c.unanswered(byID); len(blocks) > 0 {
		c.Turns = append(c.Turns, Turn{User: true, Blocks: blocks})
	}
}

// unanswered returns a result for each call of the last turn if that turn is the model's: the one in byID, or else
// that the call was not executed.
func (c *Conversation) unanswered(byID map[string]Result) []Block {
	last := c.last()
	if last == nil || last.User {
		return nil
	}
	var blocks []Block
	for _, block := range last.Blocks {
		if block.Use == nil {
			continue
		}
		result, ok := byID[block.Use.ID]
		if !ok {
			result = Result{ID: block.Use.ID, Text: notExecuted, Error: true}
		}
		if strings.TrimSpace(result.Text) == "" {
			result.Text = noOutput
		}
		blocks = append(blocks, Block{Result: &result})
	}
	return blocks
}

func (c *Conversation) last() *Turn {
	if len(c.Turns) == 0 {
		return nil
	}
	return &c.Turns[len(c.Turns)-1]
}

var (
	badName = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)
	goodID  = regexp.MustCompile(`^[a-zA-Z0-9_.:-]{1,64}$`)
)

// maxName is the maximum length of a tool's name in characters.
const maxName = 64

// Accept adds the model's answer and returns it as it was added. An answer that has neither text nor a tool call is
// not added; ok is then false, and the caller has to add a text with [Conversation.Say]. warnings lists what was left
// out or changed to keep the next request valid.
func (c *Conversation) Accept(message types.Message) (turn Turn, warnings []string, ok bool) {
	ids := map[string]bool{}
	hasContent := false
	for _, block := range message.Content {
		switch b := block.(type) {
		case *types.ContentBlockMemberText:
			if strings.TrimSpace(b.Value) == "" {
				continue
			}
			turn.Blocks = append(turn.Blocks, Block{Text: b.Value})
			hasContent = true
		case *types.ContentBlockMemberToolUse:
			use, warning := acceptUse(b.Value, ids)
			if warning != "" {
				warnings = append(warnings, warning)
			}
			turn.Blocks = append(turn.Blocks, Block{Use: &use})
			hasContent = true
		case *types.ContentBlockMemberReasoningContent:
			if reasoning := acceptReasoning(b.Value); reasoning != nil {
				turn.Blocks = append(turn.Blocks, Block{Reasoning: reasoning})
			}
		default:
			warnings = append(warnings, fmt.Sprintf("ignored a content block of unknown type %T", block))
		}
	}
	if !hasContent || c.last() == nil || !c.last().User {
		return turn, warnings, false
	}
	c.Turns = append(c.Turns, turn)
	return turn, warnings, true
}

// acceptUse makes a call valid for the next request: it gets a valid name and a unique, valid ID.
func acceptUse(b types.ToolUseBlock, ids map[string]bool) (use Use, warning string) {
	use = Use{ID: deref(b.ToolUseId), Name: deref(b.Name), Input: json.RawMessage(`{}`)}
	if input := inputOf(b.Input); input != nil {
		use.Input = input
	}
	if name := badName.ReplaceAllString(use.Name, "_"); name != use.Name || name == "" || len(name) > maxName {
		if name == "" {
			name = "unnamed"
		}
		warning = "replaced an invalid tool name"
		use.Name = name[:min(len(name), maxName)]
	}
	if !goodID.MatchString(use.ID) || ids[use.ID] {
		warning = "replaced an invalid or duplicate tool use ID"
		use.ID = fmt.Sprintf("call_%d", len(ids)+1)
		for ids[use.ID] {
			use.ID += "x"
		}
	}
	ids[use.ID] = true
	return use, warning
}

// inputOf returns a call's input as JSON, or nil. A document from the service is decoded with its exact
// numbers. A document that was created locally can only be encoded.
func inputOf(input document.Interface) json.RawMessage {
	if input == nil {
		return nil
	}
	var value any
	if err := input.UnmarshalSmithyDocument(&value); err == nil && value != nil {
		if text, err := json.Marshal(jsonNumbers(value)); err == nil {
			return text
		}
	}
	if text, err := input.MarshalSmithyDocument(); err == nil && json.Valid(text) {
		return text
	}
	return nil
}

// acceptReasoning returns nil for text without a signature, which the service would reject.
func acceptReasoning(block types.ReasoningContentBlock) *Reasoning {
	switch b := block.(type) {
	case *types.ReasoningContentBlockMemberReasoningText:
		if deref(b.Value.Signature) == "" {
			return nil
		}
		return &Reasoning{Text: deref(b.Value.Text), Signature: *b.Value.Signature}
	case *types.ReasoningContentBlockMemberRedactedContent:
		return &Reasoning{Redacted: b.Value}
	default:
		return nil
	}
}

// Text returns the text of the turn, without calls and reasoning.
func (t Turn) Text() string {
	var texts []string
	for _, block := range t.Blocks {
		if block.Text != "" {
			texts = append(texts, block.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Reasoning returns the reasoning of the turn.
func (t Turn) Reasoning() string {
	var texts []string
	for _, block := range t.Blocks {
		if block.Reasoning != nil && block.Reasoning.Text != "" {
			texts = append(texts, block.Reasoning.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Uses returns the tool calls of the turn.
func (t Turn) Uses() []Use {
	var uses []Use
	for _, block := range t.Blocks {
		if block.Use != nil {
			uses = append(uses, *block.Use)
		}
	}
	return uses
}

// Size estimates the size of the conversation in bytes of JSON.
func (c *Conversation) Size() int {
	size := 0
	for _, turn := range c.Turns {
		size += turn.size()
	}
	return size
}

func (t Turn) size() int {
	size := 0
	for _, b := range t.Blocks {
		size += len(b.Text) + blockOverhead
		switch {
		case b.Use != nil:
			size += len(b.Use.Input)
		case b.Result != nil:
			size += len(b.Result.Text)
		case b.Reasoning != nil:
			size += len(b.Reasoning.Text) + len(b.Reasoning.Signature) + len(b.Reasoning.Redacted)
		}
	}
	return size
}

// blockOverhead is the approximate size of a block's JSON without its content, in bytes.
const blockOverhead = 64

// Compact replaces the turns between the first message and the last keep exchanges (a turn of the model and
// the answer to it) with digest, and drops all reasoning. It removes whole exchanges only: no call loses its
// result. It reports whether there was something to remove.
func (c *Conversation) Compact(keep int, digest string) bool {
	first := 1 + 2*((len(c.Turns)-1)/2-keep)
	if keep < 0 || first <= 1 || len(c.Turns) == 0 {
		return false
	}
	opening := Turn{User: true}
	for _, block := range c.Turns[0].Blocks {
		if !block.Digest { // the new digest includes what the older one covers
			opening.Blocks = append(opening.Blocks, block)
		}
	}
	opening.Blocks = append(opening.Blocks, Block{Text: digest, Digest: true})
	c.Turns = append([]Turn{opening}, c.Turns[first:]...)
	c.DropReasoning() // the messages that it is bound to have changed
	return true
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
