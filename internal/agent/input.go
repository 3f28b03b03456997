package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// maxWrappers is how many objects, lists, and texts may surround the input of a tool.
const maxWrappers = 6

// wrapperKeys are names of members in which models put the input of a tool.
var wrapperKeys = []string{
	"parameters", "arguments", "input", "properties", "response", "report", "args", "kwargs", "tool_input", "data",
}

// openInput returns the input of a call with the tool's parameters as its members, whatever surrounds them: other
// objects, a list of one element, text that contains JSON or a Python literal, or a Markdown code block. It also
// mends parameters that are wrapped in the same ways. If the input has members, but none is a parameter of the tool,
// complaint says so for the model.
func (t tool) openInput(input json.RawMessage) (opened json.RawMessage, complaint string) {
	var value any
	if json.Unmarshal(input, &value) != nil {
		return input, t.misplaced(input)
	}
	fields := t.findFields(value, 0)
	parameter := t.onlyParameter()
	if text, _ := value.(string); fields == nil && parameter != "" && strings.TrimSpace(text) != "" {
		fields = map[string]any{parameter: text}
	}
	if members, isObject := value.(map[string]any); fields == nil {
		if len(t.required()) == 0 || isObject && len(members) == 0 {
			return input, "" // the tool names what is missing
		}
		return input, t.misplaced(input)
	}
	mendFields(fields, t.properties())
	opened, ok := asJSON(fields)
	if !ok {
		return input, t.misplaced(input)
	}
	return opened, ""
}

// findFields returns the object in value that has the most parameters of the tool as members, the outermost first, or
// nil if there is none.
func (t tool) findFields(value any, depth int) map[string]any {
	if depth > maxWrappers {
		return nil
	}
	switch v := value.(type) {
	case string:
		if parsed := structureIn(v); parsed != nil {
			return t.findFields(parsed, depth+1)
		}
	case []any:
		if len(v) == 1 {
			return t.findFields(v[0], depth+1)
		}
	case map[string]any:
		return t.outermost(v, depth)
	}
	return nil
}

// outermost returns fields itself, with the schema's spelling of its names, or an object inside it that has more
// parameters of the tool. An inner object with only one parameter counts if a known wrapper surrounds it: the findings of
// a report have a member "confidence", as the report has.
func (t tool) outermost(fields map[string]any, depth int) map[string]any {
	best, most := t.respell(fields), 0
	for name := range best {
		if t.properties()[name] != nil {
			most++
		}
	}
	if most == 0 {
		best = nil
	}
	for _, name := range sortedKeys(fields) {
		inner := t.findFields(fields[name], depth+1)
		known := 0
		for name := range inner {
			if t.properties()[name] != nil {
				known++
			}
		}
		if known > most && (known > 1 || isWrapper(name, t.Name) || len(t.properties()) == 1) {
			best, most = inner, known
		}
	}
	return best
}

// respell returns fields with the names of the tool's parameters in place of other spellings, such as rootCause, and of
// the tool's aliases.
func (t tool) respell(fields map[string]any) map[string]any {
	byLetters := map[string]string{}
	for name := range t.properties() {
		byLetters[letters(name)] = name
	}
	for alias, name := range t.aliases {
		byLetters[letters(alias)] = name
	}
	spelled := make(map[string]any, len(fields))
	for name, value := range fields {
		if t.properties()[name] != nil {
			spelled[name] = value
		}
	}
	for _, name := range sortedKeys(fields) {
		real := byLetters[letters(name)]
		if _, isAlias := t.aliases[name]; isAlias {
			if _, isText := fields[name].(string); !isText {
				continue
			}
		}
		if real != "" && spelled[real] == nil {
			spelled[real] = fields[name]
		} else if real == "" {
			spelled[name] = fields[name]
		}
	}
	return spelled
}

// misplaced tells the model that an input contains none of the tool's parameters.
func (t tool) misplaced(input json.RawMessage) string {
	var where string
	var fields map[string]any
	switch err := json.Unmarshal(input, &fields); {
	case err != nil || fields == nil:
		where = "is not a JSON object, but " + truncate.Bytes(string(input), 200)
	default:
		names := sortedKeys(fields)
		names = names[:min(len(names), 5)]
		where = fmt.Sprintf("has only %s, in which no parameter of the tool was found", quotedList(names))
	}
	return fmt.Sprintf("not executed: the input of %s %s. Give %s as members of the input object itself, not inside "+
		"another member and not as text", t.Name, where, quotedList(t.required()))
}

// mendFields opens the values of an object by its schema: a list or an object that is written as text, one element in
// place of a list, and a text that is wrapped in an object or a list.
func mendFields(fields map[string]any, properties map[string]any) {
	for name, value := range fields {
		if property, ok := properties[name].(map[string]any); ok {
			fields[name] = mend(value, property, name)
		}
	}
}

// mend opens one value by its schema. name is the name of the member or, for an element, that of its list.
func mend(value any, schema map[string]any, name string) any {
	text, isText := value.(string)
	switch schema["type"] {
	case "string":
		return mendText(value, name, 0)
	case "array":
		if isText {
			if parsed := structureIn(text); parsed != nil {
				value = parsed
			}
		}
		items, _ := schema["items"].(map[string]any)
		return mendList(value, items, name)
	case "object":
		if isText {
			if parsed, ok := structureIn(text).(map[string]any); ok {
				value = parsed
			}
		}
		if fields, ok := value.(map[string]any); ok {
			properties, _ := schema["properties"].(map[string]any)
			mendFields(fields, properties)
		}
	}
	return value
}

// mendList returns a list with mended elements. It removes an object around the list, which models write whose tool calls
// are XML.
func mendList(value any, items map[string]any, name string) any {
	if fields, ok := value.(map[string]any); ok {
		properties, _ := items["properties"].(map[string]any)
		if inner := onlyMember(fields); inner != nil && properties[sortedKeys(fields)[0]] == nil {
			switch inner.(type) {
			case []any, map[string]any:
				value = inner
			}
		}
	}
	list, ok := value.([]any)
	if !ok {
		if value == nil || value == "" {
			return value
		}
		list = []any{value}
	}
	for i, element := range list {
		list[i] = mend(element, items, name)
	}
	return list
}

// mendText returns the text in a value: an object with one text as its only member is removed, also if it is written as
// text and its member has the name of the parameter. A list of texts is left alone: how to join them is in doubt.
func mendText(value any, name string, depth int) any {
	if depth > maxWrappers {
		return value
	}
	switch v := value.(type) {
	case string:
		if fields, ok := structureIn(v).(map[string]any); ok && len(fields) == 1 && fields[name] != nil {
			return mendText(fields[name], name, depth+1)
		}
	case map[string]any:
		if inner := onlyMember(v); inner != nil {
			if text, ok := mendText(inner, name, depth+1).(string); ok {
				return text
			}
		}
	}
	return value
}

// structureIn returns the object or list that a whole text is, in JSON or as a Python literal, also in a Markdown
// code block. It returns nil for any other text.
func structureIn(text string) any {
	text = strings.TrimSpace(text)
	if found := fencedCommand.FindStringSubmatch(text); found != nil {
		text = strings.TrimSpace(found[1] + found[2])
	}
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, `"`) {
		return nil
	}
	raw, length, ok := readValue(text)
	if !ok || strings.TrimSpace(text[length:]) != "" {
		return nil
	}
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return nil
	}
	if inner, isText := value.(string); isText {
		if len(inner) >= len(text) {
			return nil
		}
		return structureIn(inner)
	}
	return value
}

// isWrapper reports whether a member of this name surrounds the input of a tool.
func isWrapper(name, tool string) bool {
	same := func(wrapper string) bool { return letters(wrapper) == letters(name) }
	return slices.ContainsFunc(wrapperKeys, same) || same(tool)
}

// onlyMember returns the value of an object's only member, or nil.
func onlyMember(fields map[string]any) any {
	if len(fields) != 1 {
		return nil
	}
	return fields[sortedKeys(fields)[0]]
}

// letters returns the letters and digits of a name in lower case, which are the same for root_cause and rootCause.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

func sortedKeys(fields map[string]any) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// quotedList returns names as "a", "b", and "c".
func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", truncate.Bytes(name, 60))
	}
	switch last := len(quoted) - 1; last {
	case -1, 0:
		return strings.Join(quoted, "")
	case 1:
		return quoted[0] + " and " + quoted[1]
	default:
		return strings.Join(quoted[:last], ", ") + ", and " + quoted[last]
	}
}
