// Package conversation owns the message list of a Converse conversation. Its methods keep the service's
// rules, so that no request can break them: roles alternate and the user begins, every tool use is
// answered in the next user message, no text is blank, reasoning goes back as it came.
package conversation

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// Conversation is a message list. Its JSON form restores it exactly.
type Conversation struct {
	Turns []Turn `json:"turns"`
	// Caching is where the model takes cache checkpoints.
	Caching Caching `json:"caching,omitempty"`
	// CachedMost is how many tokens of a prefix the model caches at the most; 0: any number.
	CachedMost int `json:"cached_most,omitempty"`
	// TextTools: the model refused tools; calls and results are written as text.
	TextTools bool `json:"text_tools,omitempty"`
	// TextSystem: the model refused a system prompt; the first message holds it.
	TextSystem bool `json:"text_system,omitempty"`
}

// Caching is where a request has cache checkpoints, from everywhere to nowhere.
type Caching int

// The places of cache checkpoints.
const (
	CacheAnywhere  Caching = iota // behind the system prompt and the last messages
	CacheAfterText                // the same, with a text between a tool's result and the checkpoint
	CacheSystem                   // behind the system prompt only
	CacheNone
)

// StepDown gives up the checkpoints that the model may have refused; false: there are none left.
func (c *Conversation) StepDown() bool {
	if c.Caching >= CacheNone {
		return false
	}
	c.Caching++
	return true
}

// DropReasoning takes all reasoning out of the conversation, and reports whether there was any. Reasoning is bound to the
// model that wrote it and to the messages before it, so that it can't be sent after either of them has changed.
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

// Block is one content block; exactly one field is set, besides Digest.
type Block struct {
	Text      string     `json:"text,omitempty"`
	Digest    bool       `json:"digest,omitempty"` // Text stands for turns that were taken out
	Use       *Use       `json:"use,omitempty"`
	Result    *Result    `json:"result,omitempty"`
	Reasoning *Reasoning `json:"reasoning,omitempty"`
}

// Use is a call of a tool by the model.
type Use struct {
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"` // any JSON; numbers as the model wrote them
}

// Result answers a Use.
type Result struct {
	ID    string `json:"id"`
	Text  string `json:"text"`
	Error bool   `json:"error,omitempty"`
}

// Reasoning is a thinking block. It goes back byte for byte or not at all.
type Reasoning struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  []byte `json:"redacted,omitempty"`
}

// notExecuted answers a call that nobody answered.
const notExecuted = "not executed"

// nothing stands where an answer has no text of its own.
const nothing = "(no output)"

// Say adds text to the user's side: to the message that the model has not seen yet, or as a new one.
// Blank text is nothing to say.
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
// answered as not executed; a result without a call is left out.
func (c *Conversation) Answer(results []Result) {
	byID := map[string]Result{}
	for _, result := range results {
		byID[result.ID] = result
	}
	if blocks := c.unanswered(byID); len(blocks) > 0 {
		c.Turns = append(c.Turns, Turn{User: true, Blocks: blocks})
	}
}

// unanswered are the results for the calls of the last turn.
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
			result.Text = nothing
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

// maxName is the length of a tool's name in characters.
const maxName = 64

// Accept adds the model's answer and returns it as it was added. An answer that has nothing to keep (no
// content, blank text, unsigned reasoning only) is not added: ok is false, and the user is still to
// speak. warnings name what was left out or changed so that the service takes it back.
func (c *Conversation) Accept(message types.Message) (turn Turn, warnings []string, ok bool) {
	ids := map[string]bool{}
	substance := false
	for _, block := range message.Content {
		switch b := block.(type) {
		case *types.ContentBlockMemberText:
			if strings.TrimSpace(b.Value) == "" {
				continue
			}
			turn.Blocks = append(turn.Blocks, Block{Text: b.Value})
			substance = true
		case *types.ContentBlockMemberToolUse:
			use, warning := acceptUse(b.Value, ids)
			if warning != "" {
				warnings = append(warnings, warning)
			}
			turn.Blocks = append(turn.Blocks, Block{Use: &use})
			substance = true
		case *types.ContentBlockMemberReasoningContent:
			if reasoning := acceptReasoning(b.Value); reasoning != nil {
				turn.Blocks = append(turn.Blocks, Block{Reasoning: reasoning})
			}
		default:
			warnings = append(warnings, fmt.Sprintf("content block of type %T is not understood and was left out", block))
		}
	}
	if !substance || c.last() == nil || !c.last().User {
		return turn, warnings, false
	}
	c.Turns = append(c.Turns, turn)
	return turn, warnings, true
}

// acceptUse makes a call fit to be sent back: a valid name and a unique, valid id.
func acceptUse(b types.ToolUseBlock, ids map[string]bool) (use Use, warning string) {
	use = Use{ID: deref(b.ToolUseId), Name: deref(b.Name), Input: json.RawMessage(`{}`)}
	if input := inputOf(b.Input); input != nil {
		use.Input = input
	}
	if name := badName.ReplaceAllString(use.Name, "_"); name != use.Name || name == "" || len(name) > maxName {
		if name == "" {
			name = "unnamed"
		}
		warning = fmt.Sprintf("tool name %.80q is not valid", use.Name)
		use.Name = name[:min(len(name), maxName)]
	}
	if !goodID.MatchString(use.ID) || ids[use.ID] {
		warning = fmt.Sprintf("tool use id %.80q is not valid or not unique", use.ID)
		use.ID = fmt.Sprintf("call_%d", len(ids)+1)
		for ids[use.ID] {
			use.ID += "x"
		}
	}
	ids[use.ID] = true
	return use, warning
}

// inputOf is a call's input as JSON, or nil. What the service sent is decoded with its numbers as they
// stand; a document that was made here can only be encoded.
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

// acceptReasoning returns nil for a block that the service would not take back: a text without a
// signature.
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

// Text is what the turn says, without calls and reasoning.
func (t Turn) Text() string {
	var texts []string
	for _, block := range t.Blocks {
		if block.Text != "" {
			texts = append(texts, block.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Reasoning is what the turn thinks.
func (t Turn) Reasoning() string {
	var texts []string
	for _, block := range t.Blocks {
		if block.Reasoning != nil && block.Reasoning.Text != "" {
			texts = append(texts, block.Reasoning.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Uses are the turn's calls.
func (t Turn) Uses() []Use {
	var uses []Use
	for _, block := range t.Blocks {
		if block.Use != nil {
			uses = append(uses, *block.Use)
		}
	}
	return uses
}

// Size estimates the conversation in bytes of JSON.
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

// blockOverhead is about what a block's JSON takes besides its content, in bytes.
const blockOverhead = 64

// Compact drops the turns between the first message and the last keep exchanges (a model's turn with
// the answer to it), and says digest in their place. It cuts only between exchanges, so that no call
// loses its result, and drops all reasoning. false: there is nothing to drop.
func (c *Conversation) Compact(keep int, digest string) bool {
	first := 1 + 2*((len(c.Turns)-1)/2-keep)
	if keep < 0 || first <= 1 || len(c.Turns) == 0 {
		return false
	}
	opening := Turn{User: true}
	for _, block := range c.Turns[0].Blocks {
		if !block.Digest { // the new one covers what the older one did
			opening.Blocks = append(opening.Blocks, block)
		}
	}
	opening.Blocks = append(opening.Blocks, Block{Text: digest, Digest: true})
	c.Turns = append([]Turn{opening}, c.Turns[first:]...)
	c.DropReasoning() // what it was bound to has changed
	return true
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
