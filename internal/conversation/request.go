package conversation

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	smithydocument "github.com/aws/smithy-go/document"
)

// Tool describes a tool that the model may call.
type Tool struct {
	Name        string
	Description string
	// Schema is the JSON schema of the input: type, properties, and required. Nova accepts no other keys.
	Schema map[string]any
}

const (
	// cachedMessages is how many of the last user messages end with a cache checkpoint. With the one after
	// the system prompt, that is three of the four that a request may have. It is two because the previous
	// request wrote the cache entry of the older one.
	cachedMessages = 2

	// bytesPerToken is a low estimate: it is safer to overestimate the length of a cached prefix.
	bytesPerToken = 3

	// betweenResultAndCheckpoint is the text that Nova requires there; otherwise it answers "extraneous key
	// [cachePoint] is not permitted". It ends every message that ends with a result, with or without a
	// checkpoint, because a message must not change from one request to the next.
	betweenResultAndCheckpoint = "(end of the results)"
)

// Request returns the next request of the conversation. Each request has the tools, because Bedrock requires
// them if the history has tool blocks. The bytes of a message never change from one request to the next: the
// prompt cache depends on it.
func (c *Conversation) Request(modelID, system string, tools []Tool) *bedrockruntime.ConverseInput {
	in := &bedrockruntime.ConverseInput{ModelId: aws.String(modelID)}
	if !c.TextSystem {
		in.System = []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: system}}
		if c.Caching < CacheNone {
			in.System = append(in.System, &types.SystemContentBlockMemberCachePoint{Value: checkpoint()})
		}
	}
	if !c.TextTools {
		in.ToolConfig = toolConfig(tools)
	}
	cached := c.cached(len(system))
	for i, turn := range c.Turns {
		message := types.Message{Role: types.ConversationRoleAssistant}
		if turn.User {
			message.Role = types.ConversationRoleUser
		}
		if i == 0 && c.TextSystem {
			message.Content = append(message.Content, &types.ContentBlockMemberText{Value: system})
		}
		for _, block := range turn.Blocks {
			message.Content = append(message.Content, c.wire(block))
		}
		if c.Caching == CacheAfterText && turn.endsWithResult() && !c.TextTools {
			message.Content = append(message.Content, &types.ContentBlockMemberText{Value: betweenResultAndCheckpoint})
		}
		if cached[i] {
			message.Content = append(message.Content, &types.ContentBlockMemberCachePoint{Value: checkpoint()})
		}
		in.Messages = append(in.Messages, message)
	}
	return in
}

// cached returns the turns that end with a checkpoint: the last user messages whose prefix fits the cache.
func (c *Conversation) cached(prefix int) map[int]bool {
	if c.Caching > CacheAfterText {
		return nil
	}
	var within []int
	for i, turn := range c.Turns {
		prefix += turn.size()
		if turn.User && (c.CachedMost == 0 || prefix/bytesPerToken <= c.CachedMost) {
			within = append(within, i)
		}
	}
	turns := map[int]bool{}
	for _, i := range within[max(0, len(within)-cachedMessages):] {
		turns[i] = true
	}
	return turns
}

func (t Turn) endsWithResult() bool {
	return len(t.Blocks) > 0 && t.Blocks[len(t.Blocks)-1].Result != nil
}

func checkpoint() types.CachePointBlock {
	return types.CachePointBlock{Type: types.CachePointTypeDefault}
}

func toolConfig(tools []Tool) *types.ToolConfiguration {
	config := &types.ToolConfiguration{}
	for _, tool := range tools {
		config.Tools = append(config.Tools, &types.ToolMemberToolSpec{Value: types.ToolSpecification{
			Name:        aws.String(tool.Name),
			Description: aws.String(tool.Description),
			InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(tool.Schema)},
		}})
	}
	return config
}

// wire returns a block in the form of the Converse API.
func (c *Conversation) wire(b Block) types.ContentBlock {
	switch {
	case b.Use != nil && c.TextTools:
		return &types.ContentBlockMemberText{Value: TextCall(b.Use.Name, b.Use.Input)}
	case b.Use != nil:
		return &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
			ToolUseId: aws.String(b.Use.ID), Name: aws.String(b.Use.Name), Input: document.NewLazyDocument(object(b.Use.Input)),
		}}
	case b.Result != nil && c.TextTools:
		return &types.ContentBlockMemberText{Value: "Result of the tool:\n" + b.Result.Text}
	case b.Result != nil:
		// Without a status, which only some model families accept. The text reports errors.
		return &types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
			ToolUseId: aws.String(b.Result.ID),
			Content:   []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: b.Result.Text}},
		}}
	case b.Reasoning != nil && b.Reasoning.Redacted != nil:
		return &types.ContentBlockMemberReasoningContent{Value: &types.ReasoningContentBlockMemberRedactedContent{Value: b.Reasoning.Redacted}}
	case b.Reasoning != nil:
		return &types.ContentBlockMemberReasoningContent{Value: &types.ReasoningContentBlockMemberReasoningText{
			Value: types.ReasoningTextBlock{Text: aws.String(b.Reasoning.Text), Signature: aws.String(b.Reasoning.Signature)},
		}}
	default:
		return &types.ContentBlockMemberText{Value: b.Text}
	}
}

// TextCall returns a call as text, in the form that models without tool use are instructed to use.
func TextCall(name string, input json.RawMessage) string {
	return fmt.Sprintf("<tool_call>{\"name\": %q, \"input\": %s}</tool_call>", name, input)
}

// object decodes the input of a call for the SDK's encoder. Bedrock only accepts objects. Anything else is
// wrapped in one to keep what the model wrote in the history.
func object(raw json.RawMessage) any {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return map[string]any{}
	}
	value = exactNumbers(value)
	if o, ok := value.(map[string]any); ok {
		return o
	}
	return map[string]any{"value": value}
}

// jsonNumbers converts the SDK's numbers to JSON numbers without losing digits.
func jsonNumbers(value any) any {
	switch v := value.(type) {
	case smithydocument.Number:
		return json.Number(v)
	case []any:
		for i := range v {
			v[i] = jsonNumbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = jsonNumbers(v[key])
		}
	}
	return value
}

// exactNumbers converts JSON numbers to the SDK's without losing digits.
func exactNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		return smithydocument.Number(v)
	case []any:
		for i := range v {
			v[i] = exactNumbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = exactNumbers(v[key])
		}
	}
	return value
}
