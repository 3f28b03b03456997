package agent

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/conversation"
)

// Parts of the expressions below.
const (
	toolNamePart = `[A-Za-z0-9_.$:/-]+`
	// namespace matches the namespace of an element: "minimax:", "antml:", or DeepSeek's "｜DSML｜".
	namespace = `(?:[A-Za-z0-9_]+:|[|｜]\s*DSML\s*[|｜]\s*)?`
	wrapper   = `<[|｜]?\s*` + namespace + `(?:tool_?calls?|function_?calls?|tool_use|start_action|` +
		`tool_calls_section_begin|tool▁calls▁begin)\s*[|｜]?>`
)

// toolNamesPart matches the name of any tool.
var toolNamesPart = strings.Join(toolNames(allTools), "|")

// markedForms lists the forms whose markup has no other use.
var markedForms = []form{
	// Qwen, Hermes, GLM, Cohere, Granite, Phi, Nemotron, and models without tool use as they are instructed:
	// <tool_call>{"name": "look", "arguments": {…}}</tool_call>, <tool_call>look<arg_key>at</arg_key><arg_value>…
	{regexp.MustCompile(`(?i)` + wrapper), readWrapped},
	// Mistral: [TOOL_CALLS][{"name": "look", "arguments": {…}}], [TOOL_CALLS]look[ARGS]{…}
	{regexp.MustCompile(`\[TOOL_CALLS\]`), readWrapped},
	// Llama: <|python_tag|>{"name": "look", "parameters": {…}}, <|python_tag|>look.call(at="…")
	{regexp.MustCompile(`<\|python_tag\|>`), readPythonTag},
	// Llama: <function=look>{…}</function>; Qwen3-Coder: <function=look><parameter=at>…</parameter></function>;
	// Claude, MiniMax, DeepSeek: <invoke name="look"><parameter name="at">…</parameter></invoke>
	{regexp.MustCompile(`(?i)<` + namespace + `(?:function|invoke|tool_call|tool_use|tool|call)` +
		`(?:=|\s+(?:name|function|tool)\s*=)\s*["']?(` + toolNamePart + `)["']?`), readElement},
	// Older Claude models: <invoke><tool_name>look</tool_name><parameters><at>…</at></parameters></invoke>
	{regexp.MustCompile(`(?i)<(?:tool_name|name)>\s*(` + toolNamePart + `)\s*</(?:tool_name|name)>\s*` +
		`<(?:parameters|arguments|input)>`), readNamed},
	// An element with the tool's name: <look><at>…</at></look>
	{regexp.MustCompile(`(?i)<(` + toolNamesPart + `)>`), readToolElement},
	// Kimi: <|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>{…}<|tool_call_end|>
	// DeepSeek: <｜tool▁call▁begin｜>look<｜tool▁sep｜>{…}<｜tool▁call▁end｜>
	{regexp.MustCompile(`<[|｜]\s*tool[_▁ ]call[_▁ ]begin\s*[|｜]>`), readTokens},
	// gpt-oss: <|channel|>commentary to=functions.look <|constrain|>json<|message|>{…}<|call|>
	{regexp.MustCompile(`(?:<\|start\|>assistant|<\|channel\|>[a-z]*)*` +
		`[ \t]*to=(` + toolNamePart + `)[^{}\n]{0,200}?<\|message\|>`), readInput},
}

// plainForms lists forms that an answer could also contain for another reason. They are calls only if they name a tool.
var plainForms = []form{
	{regexp.MustCompile("(?mi)^[ \\t]*(?:action:[ \\t]*)?```(?:json|tool_calls?|tool_code|tool_use)?[ \\t]*\\r?\\n?"), readFence},
	{regexp.MustCompile(`^\s*(?:functools)?`), readWhole},
	// look followed by {…}; ReAct: Action: look, Action Input: {…}
	{regexp.MustCompile(`(?mi)^[ \t]*(?:action:[ \t]*)?[` + "`" + `*]*([$]?` + toolNamePart + `)[` + "`" + `*]*:?[ \t]*(?:\r?\n[ \t]*)?(?:action[_ ]input:[ \t]*|(?:arguments|input|parameters):[ \t]*)?(?:` + "```" + `(?:json)?\s*)?(\{)`), readNameThenJSON},
	// Llama 4, Gemma, OLMo: [look(at="…"), look(at="…")]
	{regexp.MustCompile(`(?m)^[ \t]*\[?[ \t]*(?:print\()?(` + toolNamePart + `)\((?:[ \t]*[a-z_]+[ \t]*=|[ \t\n]*[rR]?["'])`), readPlainPython},
}

// callMarkPart matches the beginning of the markup of a call.
const callMarkPart = `(?i:` + wrapper + `|<` + namespace + `(?:function|parameter)=|<` + namespace + `invoke\s+name\s*=|<\|python_tag\|>|\[TOOL_CALLS\]|\[ARGS\]` +
	`|<[|｜]\s*tool[_▁ ]calls?[_▁ ]|<[|｜]tool[_▁]sep[|｜]>|<[|｜]\s*DSML|<\|tool_call>|<\|channel\|>[a-z]*\s*to=|<\|constrain\|>|\bto=functions\.)`

var (
	callMark        = regexp.MustCompile(callMarkPart)
	callAtLineStart = regexp.MustCompile(`(?m)^[ \t]*` + callMarkPart)
	// closingMark matches the end of a call whose beginning is missing.
	closingMark = regexp.MustCompile(`(?i)</` + namespace + `(?:tool_?calls?|function_?calls?|function|invoke|parameter)>|<\|call\|>`)
	// emptyWrapper matches a wrapper whose call was parsed.
	emptyWrapper = regexp.MustCompile(`(?i)(?:` + wrapper + `\s*|<[|｜]\s*tool[_▁ ]calls?[_▁ ](?:section[_▁ ])?begin\s*[|｜]>\s*)+` + "\x00")
)

var (
	leadingName = regexp.MustCompile(`^\s*(` + toolNamePart + `)\s*(?:\[CALL_ID\][\w-]*\s*)?(?:\[ARGS\])?\s*`)
	argKey      = regexp.MustCompile(`^\s*<arg_key>`)
)

// readWrapped reads the calls after a mark that begins one or more of them.
func readWrapped(rest string, _ []string) (calls []conversation.Use, length int, ok bool) {
	trimmed := strings.TrimLeft(rest, " \t\r\n")
	skipped := len(rest) - len(trimmed)
	if strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		if calls, length, ok = readJSONCalls(trimmed, true); !ok {
			calls, length, ok = readPythonCalls(trimmed)
		}
		return calls, skipped + length, ok
	}
	name := leadingName.FindStringSubmatch(rest)
	if name == nil {
		return nil, 0, true // another form is inside
	}
	after := rest[len(name[0]):]
	switch {
	case strings.HasPrefix(after, "{"):
		calls, length, ok = readInput(after, []string{"", name[1]})
	case argKey.MatchString(after), strings.HasPrefix(after, "</"):
		calls, length, ok = readParameters(after, name[1])
	case strings.HasPrefix(after, "("):
		calls, length, ok = readPythonCalls(trimmed)
		return calls, skipped + length, ok
	}
	return calls, len(name[0]) + length, ok
}

// readPythonTag reads the text after Llama's tag for Python: a call in JSON or in Python, or code.
func readPythonTag(rest string, groups []string) (calls []conversation.Use, length int, ok bool) {
	if calls, length, ok = readWrapped(rest, groups); ok && len(calls) > 0 || strings.HasPrefix(strings.TrimSpace(rest), "{") {
		return calls, length, ok
	}
	if calls, length, ok = readPythonCalls(rest); ok {
		return calls, length, ok
	}
	if call := pythonCall.FindStringSubmatch(rest); call != nil {
		if _, isTool := toolNamed(call[1]); isTool { // an incomplete call is not code
			return nil, 0, false
		}
	}
	code, _, _ := strings.Cut(rest, "<|")
	call, ok := codeCall(code)
	return []conversation.Use{call}, len(code), ok && !callMark.MatchString(rest)
}

// readInput reads the JSON input of a call whose name is known.
func readInput(rest string, groups []string) (calls []conversation.Use, length int, ok bool) {
	input, length, ok := readValue(rest)
	if !ok || strings.TrimSpace(groups[1]) == "" {
		return nil, 0, false
	}
	return []conversation.Use{{Name: realName(groups[1]), Input: unquoted(input)}}, length, true
}

// realName returns the name of the tool that the model means by name. If there is none, it returns name.
func realName(name string) string {
	if tool, ok := toolNamed(name); ok {
		return tool
	}
	return name
}

// unquoted returns JSON that may be encoded as a JSON string, as in OpenAI's "arguments".
func unquoted(input json.RawMessage) json.RawMessage {
	var text string
	if json.Unmarshal(input, &text) == nil && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return input
}

var (
	separator = regexp.MustCompile(`^\s*([^<>{}\n]*?)\s*<[|｜]\s*(?:tool[_▁ ]sep|tool_call_argument_begin)\s*[|｜]>\s*`)
	nameLine  = regexp.MustCompile("^(" + toolNamePart + ")\\s*(?:```(?:json)?\\s*)?")
)

// readTokens reads a call between special tokens. In DeepSeek's older form, the name follows the separator.
func readTokens(rest string, _ []string) (calls []conversation.Use, length int, ok bool) {
	header := separator.FindStringSubmatch(rest)
	if header == nil {
		return nil, 0, false
	}
	name, at := header[1], len(header[0])
	if inner := nameLine.FindStringSubmatch(rest[at:]); inner != nil {
		name, at = inner[1], at+len(inner[0])
	}
	calls, length, ok = readInput(rest[at:], []string{"", name})
	return calls, at + length, ok
}

var (
	tagEnd     = regexp.MustCompile(`^[^<>{]*>`)
	looseInput = regexp.MustCompile(`^[\s>,(=]*(\{)`)
)

// readElement reads an element that names its tool. Its content is JSON or one element for each parameter.
func readElement(rest string, groups []string) (calls []conversation.Use, length int, ok bool) {
	if input := looseInput.FindStringIndex(rest); input != nil {
		calls, length, ok = readInput(rest[input[1]-1:], groups)
		return calls, input[1] - 1 + length, ok
	}
	end := tagEnd.FindString(rest)
	if end == "" {
		return nil, 0, false
	}
	calls, length, ok = readParameters(rest[len(end):], groups[1])
	return calls, len(end) + length, ok
}

// readNamed reads the parameters that follow an element with the tool's name.
func readNamed(rest string, groups []string) (calls []conversation.Use, length int, ok bool) {
	if trimmed := strings.TrimLeft(rest, " \t\r\n"); strings.HasPrefix(trimmed, "{") {
		calls, length, ok = readInput(trimmed, groups)
		return calls, len(rest) - len(trimmed) + length, ok
	}
	return readParameters(rest, groups[1])
}

// readToolElement reads an element whose name is the tool's: JSON, an element for each parameter, or bare code.
func readToolElement(rest string, groups []string) (calls []conversation.Use, length int, ok bool) {
	if calls, length, ok = readNamed(rest, groups); ok {
		return calls, length, ok
	}
	closing := strings.Index(asciiLower(rest), "</"+asciiLower(groups[1])+">")
	if closing < 0 || realName(groups[1]) != pythonName || strings.HasPrefix(strings.TrimSpace(rest), "<") {
		return nil, 0, false
	}
	call, ok := codeCall(trimLines(rest[:closing]))
	return []conversation.Use{call}, closing, ok
}

var (
	parameterBegin = regexp.MustCompile(`(?i)^\s*<(` + namespace + `)(?:(parameter|param|arg|argument)(?:=|\s+name\s*=)\s*["']?([A-Za-z0-9_-]+)["']?[^<>]*|(arg_key)|([a-z_]+))>`)
	argValue       = regexp.MustCompile(`(?i)^([A-Za-z0-9_-]+)\s*</arg_key>\s*<arg_value>`)
	elementEnd     = regexp.MustCompile(`(?i)^\s*</` + namespace + `(?:function|invoke|tool_?calls?|tool_use|tool|call|parameters|arguments|input|` + toolNamesPart + `)>`)
)

// maxParameters limits the parameters of one call that is written as elements.
const maxParameters = 32

// readParameters reads one element for each parameter, up to the end of the call. Without that end, the call is incomplete.
func readParameters(rest, name string) (calls []conversation.Use, length int, ok bool) {
	name = realName(name)
	input := map[string]any{}
	for at := 0; len(input) <= maxParameters; {
		if end := elementEnd.FindStringIndex(rest[at:]); end != nil {
			raw, ok := asJSON(input)
			return []conversation.Use{{Name: name, Input: raw}}, at + end[1], ok
		}
		key, value, length, ok := readParameter(rest[at:])
		if _, twice := input[key]; !ok || twice {
			return nil, 0, false
		}
		input[key] = typed(name, key, value)
		at += length
	}
	return nil, 0, false
}

// readParameter reads one parameter: its key, its text, and its length in rest.
func readParameter(rest string) (key, value string, length int, ok bool) {
	begin := parameterBegin.FindStringSubmatch(rest)
	if begin == nil {
		return "", "", 0, false
	}
	closing, at := "", len(begin[0])
	switch {
	case begin[2] != "":
		key, closing = begin[3], "</"+begin[1]+begin[2]+">"
	case begin[4] != "":
		pair := argValue.FindStringSubmatch(rest[at:])
		if pair == nil {
			return "", "", 0, false
		}
		key, closing, at = pair[1], "</arg_value>", at+len(pair[0])
	default:
		key, closing = begin[5], "</"+begin[1]+begin[5]+">"
	}
	value, length, ok = parameterText(rest[at:], closing)
	return key, value, at + length, ok
}

// parameterText reads the text of a parameter and its closing mark. The text is not escaped and may contain the closing
// mark: the real one is followed by another parameter or by the end of the call.
func parameterText(rest, closing string) (value string, length int, ok bool) {
	if trimmed := strings.TrimLeft(rest, " \t\r\n"); strings.HasPrefix(trimmed, "<![CDATA[") {
		inner, _, found := strings.Cut(trimmed[len("<![CDATA["):], "]]>")
		at := len(rest) - len(trimmed) + len("<![CDATA[") + len(inner) + len("]]>")
		after := strings.Index(rest[min(at, len(rest)):], closing)
		if found && after >= 0 && strings.TrimSpace(rest[at:at+after]) == "" {
			return trimLines(inner), at + after + len(closing), true
		}
	}
	for at := 0; ; {
		next := strings.Index(rest[at:], closing)
		if next < 0 {
			return "", 0, false
		}
		at += next + len(closing)
		if after := rest[at:]; parameterBegin.MatchString(after) || elementEnd.MatchString(after) {
			return unescaped(trimLines(rest[:at-len(closing)])), at, true
		}
	}
}

// trimLines removes the line breaks that chat templates add around a value, but no indentation.
func trimLines(value string) string {
	value = strings.TrimPrefix(strings.TrimPrefix(value, "\r"), "\n")
	return strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
}

// unescaped replaces XML entities in a value. A value with a raw "<" or ">" was not escaped, so it is unchanged.
func unescaped(value string) string {
	if strings.ContainsAny(value, "<>") {
		return value
	}
	return html.UnescapeString(value)
}

// typed returns a parameter with the type that the tool's schema declares: a string unchanged, any other type as JSON if
// the text is JSON.
func typed(tool, key, value string) any {
	known, _ := findTool(tool)
	property, _ := known.properties()[key].(map[string]any)
	if known.Name == "" || property["type"] == "string" {
		return value
	}
	if raw, length, ok := readValue(value); ok && strings.TrimSpace(value[length:]) == "" {
		return raw
	}
	return value
}

// callName finds the name in a call in JSON, also in broken JSON.
var callName = regexp.MustCompile(`"(?:name|tool|tool_name|function|recipient_name|action)"\s*:\s*"([^"]+)"`)

// namesTool reports whether a text looks like a tool call in JSON.
func namesTool(text string) bool {
	for _, found := range callName.FindAllStringSubmatch(text, maxMarks) {
		if _, known := toolNamed(found[1]); known {
			return true
		}
	}
	return false
}

// readJSONCalls reads the calls in one JSON value, or in several values if they are marked as calls. Without marks, only
// calls of known tools count, and a value that is not a call is not an error.
func readJSONCalls(text string, marked bool) (calls []conversation.Use, length int, ok bool) {
	for at := 0; len(calls) <= maxCallsPerRound; {
		value, read, ok := readValue(text[at:])
		if !ok {
			return nil, 0, false
		}
		found := decodeCalls(value, marked)
		if marked && found == nil {
			return nil, 0, false
		}
		calls = append(calls, found...)
		at += read
		after := strings.TrimLeft(text[at:], " \t\r\n,;")
		if !marked || !strings.HasPrefix(after, "{") {
			return calls, at, true
		}
		at = len(text) - len(after)
	}
	return calls, len(text), true
}

// decodeCalls decodes a call or a list of calls. If one element is not a call, the list has no calls.
func decodeCalls(value json.RawMessage, marked bool) (calls []conversation.Use) {
	many := []json.RawMessage{value}
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &many) != nil {
		many = []json.RawMessage{value}
		if json.Unmarshal(value, &fields) == nil {
			for _, key := range []string{"tool_calls", "tool_uses"} { // OpenAI's shapes
				var inner []json.RawMessage
				if json.Unmarshal(fields[key], &inner) == nil && len(inner) > 0 {
					many = inner
				}
			}
		}
	}
	for _, one := range many {
		call, ok := decodeCall(one, marked, 0)
		if !ok {
			return nil
		}
		calls = append(calls, call)
	}
	return calls
}

var (
	nameKeys  = []string{"name", "tool", "tool_name", "recipient_name", "action", "function"}
	inputKeys = []string{"input", "arguments", "parameters", "args", "params", "kwargs", "tool_input", "action_input"}
)

func decodeCall(value json.RawMessage, marked bool, depth int) (call conversation.Use, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil || depth > 1 {
		return call, false
	}
	if inner, nested := fields["function"]; nested && fields["name"] == nil {
		if call, ok := decodeCall(inner, marked, depth+1); ok { // OpenAI's shape
			return call, true
		}
	}
	var name, nameKey string
	for _, key := range nameKeys {
		if json.Unmarshal(fields[key], &name) == nil && name != "" {
			nameKey = key
			break
		}
	}
	tool, known := toolNamed(name)
	if strings.TrimSpace(name) == "" || !known && !marked {
		return call, false
	}
	for _, key := range inputKeys {
		if input, given := fields[key]; given {
			return conversation.Use{Name: realName(name), Input: unquoted(input)}, true
		}
	}
	delete(fields, nameKey)
	if known && isInput(fields, tool) { // parameters next to the name
		input, ok := asJSON(fields)
		return conversation.Use{Name: tool, Input: input}, ok
	}
	return call, false
}

// isInput reports whether fields are the input of a tool: they include its first required parameter and no unknown one.
func isInput(fields map[string]json.RawMessage, tool string) bool {
	known, _ := findTool(tool)
	for key := range fields {
		if _, isProperty := known.properties()[key]; !isProperty {
			return false
		}
	}
	required := known.required()
	return len(required) > 0 && fields[required[0]] != nil
}

// readFence reads calls, or the input of submit_report, in a fence.
func readFence(rest string, _ []string) (calls []conversation.Use, length int, ok bool) {
	if !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, "[") {
		return nil, 0, true
	}
	if calls, length, ok = readJSONCalls(rest, false); ok && len(calls) == 0 {
		calls = bareInput(rest[:length], submitName, answerName)
	}
	if !ok {
		inside, _, _ := strings.Cut(rest, "```")
		return nil, 0, !namesTool(inside)
	}
	return calls, length, true
}

// readWhole reads an answer that is entirely JSON: calls, or a tool's input without its name.
func readWhole(rest string, _ []string) (calls []conversation.Use, length int, ok bool) {
	if !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, "[") {
		return nil, 0, true
	}
	if calls, length, ok = readJSONCalls(rest, false); !ok {
		return nil, 0, !namesTool(rest) && !brokenJSON.MatchString(rest)
	}
	if len(calls) == 0 && strings.TrimSpace(rest[length:]) == "" {
		calls = bareInput(rest[:length], toolNames(allTools)...)
	}
	return calls, length, true
}

// brokenJSON matches the beginning of a JSON object. If its rest is invalid, a reader cannot use it either.
var brokenJSON = regexp.MustCompile(`^\{\s*"[A-Za-z_]+"\s*:`)

// bareInput returns a call if the JSON has the shape of the input of one of the given tools.
func bareInput(text string, names ...string) []conversation.Use {
	value, _, _ := readValue(text)
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return nil
	}
	for _, name := range names {
		if isInput(fields, name) {
			return []conversation.Use{{Name: name, Input: value}}
		}
	}
	return nil
}

// readNameThenJSON reads a tool's name that is followed by its input. The input ends the line.
func readNameThenJSON(rest string, groups []string) (calls []conversation.Use, length int, ok bool) {
	tool, known := toolNamed(groups[1])
	if !known {
		return nil, 0, true
	}
	calls, length, ok = readInput("{"+rest, []string{"", tool})
	if ok && !endsLine(rest[length-1:]) {
		return nil, 0, true
	}
	return calls, length - 1, ok
}

// readPlainPython reads calls in Python that start at the beginning of a line and finish at the end of one.
func readPlainPython(rest string, groups []string) (calls []conversation.Use, length int, ok bool) {
	if _, known := toolNamed(groups[1]); !known {
		return nil, 0, true
	}
	whole := groups[0] + rest
	calls, length, ok = readPythonCalls(whole)
	if ok && !endsLine(whole[length:]) {
		return nil, 0, true
	}
	return calls, length - len(groups[0]), ok
}

func endsLine(after string) bool {
	line, _, _ := strings.Cut(after, "\n")
	return !hasWords(line)
}

var (
	pythonCall = regexp.MustCompile(`^[\s,]*(?:print\()?(` + toolNamePart + `)\(`)
	pythonEnd  = regexp.MustCompile(`^[\s)]*`)
)

// readPythonCalls reads one call in Python or a list of them. Each has to name a tool.
func readPythonCalls(rest string) (calls []conversation.Use, length int, ok bool) {
	list := strings.HasPrefix(strings.TrimSpace(rest), "[")
	at := 0
	if list {
		at = strings.IndexByte(rest, '[') + 1
	}
	for len(calls) <= maxCallsPerRound {
		call := pythonCall.FindStringSubmatch(rest[at:])
		if call == nil {
			break
		}
		tool, known := toolNamed(call[1])
		target, _ := findTool(tool)
		parser := literalParser{text: rest, at: at + len(call[0])}
		arguments, ok := parser.arguments(target.onlyParameter())
		input, encoded := asJSON(arguments)
		if !known || !ok || !encoded {
			return nil, 0, false
		}
		calls = append(calls, conversation.Use{Name: tool, Input: input})
		at = parser.at
		if strings.HasSuffix(strings.TrimSuffix(call[0], call[1]+"("), "print(") {
			at += len(pythonEnd.FindString(rest[at:]))
		}
	}
	if list {
		end := strings.IndexByte(rest[at:], ']')
		if end < 0 || strings.Trim(rest[at:at+end], " \t\r\n,") != "" {
			return nil, 0, false
		}
		at += end + 1
	}
	return calls, at, len(calls) > 0
}
