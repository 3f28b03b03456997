package agent

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

var (
	// recipient matches the tool's name in the header of a gpt-oss message:
	// "commentary to=functions.look json".
	recipient = regexp.MustCompile(`\bto=([^\s<]+)`)
	// leadingMarks matches special tokens before a name: "<|python_tag|>look".
	leadingMarks = regexp.MustCompile(`^(?:\s*<[|｜][^|｜>]*[|｜]>)+`)
	// callIndex matches the number that Kimi appends to a name: "functions.look:0".
	callIndex = regexp.MustCompile(`:\d+$`)
	// nameParts matches what separates a namespace, a name, and a method.
	nameParts = regexp.MustCompile(`\.|::|:|/`)
)

// methodNames lists the methods that may follow a tool's name, as in Llama's "look.call". With any other method, the
// name means another tool.
var methodNames = map[string]bool{"run": true, "call": true, "execute": true, "exec": true, "invoke": true}

// messageWords lists the words that may follow a tool's name after a blank: the rest of gpt-oss's channel marks.
var messageWords = map[string]bool{"json": true, "code": true, "commentary": true, "analysis": true, "final": true}

// toolNamed returns the tool that a model means by name. It ignores case, hyphens, a namespace before the
// name, a method or a call number after it, and marks of the model's chat template. With any other addition
// it is not that tool.
func toolNamed(name string) (tool string, ok bool) {
	if found := recipient.FindStringSubmatch(name); found != nil {
		name = found[1]
	}
	name = leadingMarks.ReplaceAllString(name, "")
	name, _, _ = strings.Cut(name, "<") // "look<|channel|>commentary"
	name = strings.TrimSuffix(strings.TrimSpace(name), "()")
	name = callIndex.ReplaceAllString(trimNonWord(name), "")
	if words := strings.Fields(name); len(words) == 2 && messageWords[strings.ToLower(words[1])] {
		name = words[0]
	}
	parts := nameParts.Split(name, -1)
	last := len(parts) - 1
	if last > 0 && methodNames[strings.ToLower(parts[last])] {
		last--
	}
	for _, name := range toolNames(allTools) {
		if foldName(parts[last]) == foldName(name) {
			return name, true
		}
	}
	return "", false
}

// trimNonWord removes everything before the first and after the last letter or digit,
// as in "$look", "look,", and "`look`".
func trimNonWord(name string) string {
	return strings.TrimFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// foldName makes "Python_Executor", "python-executor", and "pythonExecutor" equal.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || !unicode.IsPrint(r) || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// resolveNames replaces the name in each call of an answer with the name of the tool that the model means. It
// has to run before the conversation accepts the answer and replaces invalid characters.
func (r *run) resolveNames(blocks []types.ContentBlock) {
	for _, block := range blocks {
		use, isUse := block.(*types.ContentBlockMemberToolUse)
		if !isUse || use.Value.Name == nil {
			continue
		}
		if tool, ok := toolNamed(*use.Value.Name); ok && tool != *use.Value.Name {
			r.Log.Info("normalized a tool name", "tool", tool) // without the name, which can be any text
			use.Value.Name = &tool
		}
	}
}
