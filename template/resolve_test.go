package main

import (
	"fmt"
	"slices"
	"strings"
)

// resolver evaluates a template as CloudFormation does, as far as the values of parameters decide it. What is only known
// after the deployment, such as an ARN, stays an expression.
type resolver struct {
	parameters map[string]string
	conditions map[string]any
}

// newResolver returns a resolver with these values, and the default values of the other parameters.
func newResolver(t template, values map[string]string) *resolver {
	r := &resolver{parameters: map[string]string{}}
	r.conditions, _ = t["Conditions"].(map[string]any)
	declared, _ := t["Parameters"].(map[string]any)
	for name, parameter := range declared {
		if value, exists := parameter.(map[string]any)["Default"]; exists {
			r.parameters[name] = fmt.Sprint(value)
		}
	}
	for name, value := range values {
		r.parameters[name] = value
	}
	return r
}

// resources returns the resources that exist, with their properties.
func (r *resolver) resources(t template) map[string]any {
	existing := map[string]any{}
	for id, resource := range t.resources() {
		if name, conditional := resource["Condition"].(string); conditional {
			if !r.isTrue(map[string]any{"Condition": name}) {
				continue
			}
			delete(resource, "Condition")
		}
		existing[id] = r.resolve(resource)
	}
	return existing
}

func (r *resolver) isTrue(condition any) bool {
	object := condition.(map[string]any)
	if name, named := object["Condition"].(string); named {
		referenced, exists := r.conditions[name]
		if !exists {
			panic("no condition " + name)
		}
		return r.isTrue(referenced)
	}
	for function, arguments := range object {
		list := arguments.([]any)
		switch function {
		case "Fn::Equals":
			return r.resolve(list[0]) == r.resolve(list[1])
		case "Fn::Not":
			return !r.isTrue(list[0])
		case "Fn::And":
			return !slices.ContainsFunc(list, func(c any) bool { return !r.isTrue(c) })
		}
	}
	panic("unknown condition " + canonical(condition))
}

// resolve evaluates an expression. All numbers and booleans become texts, because parameters are texts.
func (r *resolver) resolve(value any) any {
	switch v := value.(type) {
	case []any:
		list := []any{}
		for _, element := range v {
			if element = r.resolve(element); !isAbsent(element) {
				list = append(list, element)
			}
		}
		return list
	case map[string]any:
		if len(v) == 1 {
			for function, argument := range v {
				if function == "Ref" || strings.HasPrefix(function, "Fn::") {
					return r.call(function, argument)
				}
			}
		}
		object := map[string]any{}
		for key, member := range v {
			if member = r.resolve(member); !isAbsent(member) {
				object[key] = member
			}
		}
		return object
	default:
		return fmt.Sprint(v)
	}
}

func (r *resolver) call(function string, argument any) any {
	list, _ := argument.([]any)
	switch function {
	case "Ref":
		name := argument.(string)
		if name == "AWS::NoValue" {
			return absent{}
		}
		if value, exists := r.parameters[name]; exists {
			return value
		}
		return ref(name)
	case "Fn::If":
		if r.isTrue(map[string]any{"Condition": list[0]}) {
			return r.resolve(list[1])
		}
		return r.resolve(list[2])
	case "Fn::Split":
		if text, known := r.resolve(list[1]).(string); known {
			var parts []any
			for part := range strings.SplitSeq(text, list[0].(string)) {
				parts = append(parts, part)
			}
			return parts
		}
	case "Fn::Select":
		if from, known := r.resolve(list[1]).([]any); known {
			var index int
			_, _ = fmt.Sscan(fmt.Sprint(list[0]), &index)
			return from[index]
		}
	case "Fn::Join":
		return r.join(list[0].(string), r.resolve(list[1]).([]any))
	}
	return map[string]any{function: r.resolve(argument)}
}

// join returns a text, or a join of as few parts as possible.
func (r *resolver) join(separator string, parts []any) any {
	if separator != "" {
		return fn("Join", separator, parts)
	}
	var joined []any
	for _, part := range parts {
		inner := []any{part}
		if call, isObject := part.(map[string]any); isObject {
			if join, isJoin := call["Fn::Join"].([]any); isJoin && join[0] == "" {
				inner = join[1].([]any)
			}
		}
		for _, next := range inner {
			text, isText := next.(string)
			if before, follows := last(joined).(string); isText && follows {
				joined[len(joined)-1] = before + text
			} else {
				joined = append(joined, next)
			}
		}
	}
	if text, isText := last(joined).(string); isText && len(joined) == 1 {
		return text
	}
	return fn("Join", "", joined)
}

func last(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}
