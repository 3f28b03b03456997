package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// absent is the value of a property or an element that does not exist.
type absent struct{}

// alternative is the value that applies if the condition of an option is false.
type alternative struct {
	option
	value any
}

// merge returns an expression that has the value on if all conditions are true. If one of them is false, the expression has
// the value of that alternative.
func merge(on any, alternatives []alternative) (any, error) {
	alternatives = slices.DeleteFunc(slices.Clone(alternatives), func(a alternative) bool { return equal(on, a.value) })
	if len(alternatives) == 0 {
		return on, nil
	}
	if object, isObject := plainObject(on); isObject && all(alternatives, plainObject) {
		return mergeObjects(object, alternatives)
	}
	if list, isList := on.([]any); isList && all(alternatives, asList) {
		return mergeLists(list, alternatives)
	}
	for i, a := range alternatives {
		for _, outer := range alternatives[i+1:] {
			if !equal(a.value, outer.value) && a.within != outer.condition {
				return nil, fmt.Errorf("the options %s and %s change the same value: %s", a.condition, outer.condition, canonical(on))
			}
		}
	}
	result := expression(on)
	for _, a := range alternatives {
		result = fn("If", a.condition, result, expression(a.value))
	}
	return result, nil
}

// expression returns a value as CloudFormation reads it.
func expression(value any) any {
	if _, isAbsent := value.(absent); isAbsent {
		return ref("AWS::NoValue")
	}
	return value
}

func equal(a, b any) bool {
	_, firstAbsent := a.(absent)
	_, secondAbsent := b.(absent)
	return firstAbsent == secondAbsent && canonical(a) == canonical(b)
}

// plainObject returns an object that is not a call of an intrinsic function.
func plainObject(value any) (map[string]any, bool) {
	object, isObject := value.(map[string]any)
	for key := range object {
		if key == "Ref" || strings.HasPrefix(key, "Fn::") {
			return nil, false
		}
	}
	return object, isObject
}

func asList(value any) ([]any, bool) {
	list, isList := value.([]any)
	return list, isList
}

// all reports whether the values of all alternatives are of a kind.
func all[T any](alternatives []alternative, kind func(any) (T, bool)) bool {
	return !slices.ContainsFunc(alternatives, func(a alternative) bool {
		_, isKind := kind(a.value)
		return !isKind
	})
}

// mergeObjects merges objects by their keys.
func mergeObjects(on map[string]any, alternatives []alternative) (any, error) {
	merged := map[string]any{}
	keys := maps.Clone(on)
	for _, a := range alternatives {
		maps.Copy(keys, a.value.(map[string]any))
	}
	member := func(object map[string]any, key string) any {
		if value, exists := object[key]; exists {
			return value
		}
		return absent{}
	}
	for key := range keys {
		var values []alternative
		for _, a := range alternatives {
			values = append(values, alternative{a.option, member(a.value.(map[string]any), key)})
		}
		value, err := merge(member(on, key), values)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		merged[key] = value
	}
	return merged, nil
}

// slot is a place in a merged list.
type slot struct {
	on           any
	alternatives map[string]any // by condition
}

// mergeLists merges lists. Elements are the same if they have the same identity.
func mergeLists(on []any, alternatives []alternative) (any, error) {
	slots := make([]slot, len(on))
	for i, element := range on {
		slots[i] = slot{element, map[string]any{}}
	}
	for _, a := range alternatives {
		slots = align(slots, a.condition, a.value.([]any))
	}
	merged := []any{}
	for i, s := range slots {
		var values []alternative
		for _, a := range alternatives {
			value, exists := s.alternatives[a.condition]
			if !exists { // another alternative added the slot after this one was aligned
				value = absent{}
			}
			values = append(values, alternative{a.option, value})
		}
		value, err := merge(s.on, values)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
		merged = append(merged, value)
	}
	return merged, nil
}

// align puts the elements of a list into slots. Elements without a slot get a new one.
func align(slots []slot, condition string, list []any) []slot {
	var aligned []slot
	for len(slots) > 0 || len(list) > 0 {
		switch {
		case len(slots) > 0 && (isAbsent(slots[0].on) || !has(list, slots[0].on)):
			slots[0].alternatives[condition] = absent{}
			aligned, slots = append(aligned, slots[0]), slots[1:]
		case len(slots) > 0 && identity(slots[0].on) == identity(list[0]):
			slots[0].alternatives[condition] = list[0]
			aligned, slots, list = append(aligned, slots[0]), slots[1:], list[1:]
		default:
			aligned, list = append(aligned, slot{absent{}, map[string]any{condition: list[0]}}), list[1:]
		}
	}
	return aligned
}

func isAbsent(value any) bool {
	_, is := value.(absent)
	return is
}

func has(list []any, element any) bool {
	return slices.ContainsFunc(list, func(other any) bool { return identity(other) == identity(element) })
}

// identity returns what names an element of a list: the id of a statement or a rule, a statement without its condition, or
// the whole element.
func identity(element any) string {
	object, _ := element.(map[string]any)
	for _, key := range []string{"Sid", "Id"} {
		if name, isText := object[key].(string); isText {
			return key + " " + name
		}
	}
	if object["Effect"] != nil && object["Condition"] != nil {
		statement := maps.Clone(object)
		delete(statement, "Condition")
		return canonical(statement)
	}
	return canonical(element)
}

// combine returns one template for every combination of options. It gets the template with all options, and those without
// one of them.
func (d design) combine(on template, off map[string]template) (template, error) {
	conditions := map[string]any{}
	combined := template{"Parameters": on["Parameters"], "Metadata": d.console()}
	for _, section := range []string{"Mappings", "Outputs"} {
		if on[section] != nil {
			combined[section] = on[section]
		}
	}
	for _, o := range d.options {
		conditions[o.condition] = o.when
	}
	// The mappings of the default models only exist without BedrockModelIds.
	for _, o := range d.options {
		mappings, _ := off[o.condition]["Mappings"].(map[string]any)
		for id, mapping := range mappings {
			all, _ := combined["Mappings"].(map[string]any)
			if all == nil {
				all = map[string]any{}
				combined["Mappings"] = all
			}
			if known, exists := all[id]; exists && !equal(known, mapping) {
				return nil, fmt.Errorf("the mapping %s differs without %s", id, o.condition)
			}
			all[id] = mapping
		}
	}
	resources := map[string]any{}
	for id, resource := range on.resources() {
		merged, needed, err := d.combineResource(id, resource, off)
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
		if len(needed) > 0 {
			merged["Condition"] = conditionOf(needed, conditions)
		}
		resources[id] = merged
	}
	for _, o := range d.options {
		for id := range off[o.condition].resources() {
			if resources[id] == nil {
				return nil, fmt.Errorf("resource %s only exists without %s", id, o.condition)
			}
		}
	}
	combined["Resources"], combined["Conditions"] = resources, conditions
	return combined, nil
}

// combineResource merges a resource. It returns the conditions without which the resource does not exist.
func (d design) combineResource(id string, on map[string]any, off map[string]template) (merged map[string]any, needed []string, err error) {
	var alternatives []alternative
	for _, o := range d.options {
		resource, exists := off[o.condition].resources()[id]
		if !exists {
			needed = append(needed, o.condition)
			continue
		}
		for attribute := range resource {
			if attribute != "Properties" && !equal(on[attribute], resource[attribute]) {
				return nil, nil, fmt.Errorf("%s differs without %s", attribute, o.condition)
			}
		}
		alternatives = append(alternatives, alternative{o, resource["Properties"]})
	}
	merged = maps.Clone(on)
	merged["Properties"], err = merge(on["Properties"], alternatives)
	return merged, needed, err
}

// conditionOf returns a condition that is true if all conditions are. It adds the condition if needed.
func conditionOf(names []string, conditions map[string]any) string {
	name := strings.Join(names, "And")
	if len(names) > 1 {
		var every []any
		for _, condition := range names {
			every = append(every, map[string]any{"Condition": condition})
		}
		conditions[name] = fn("And", every...)
	}
	return name
}
