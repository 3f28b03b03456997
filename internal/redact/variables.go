package redact

import (
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// region looks at objects and lists whose values are secrets because of where they are: the variables of programs,
// and the data of Kubernetes secrets.
func (s *scanner) region(name string, start int, op operator) {
	text := s.text
	switch folded := fold(name); {
	case folded == "data" || folded == "stringdata" || folded == "binarydata":
		if !s.isKubernetesSecret(start, op.value) {
			return
		}
		if text[op.value] == '{' {
			s.variables(op.value, func(string, string) bool { return true }, "secret")
			s.flowValues(op.value)
		} else if op.newline && isFirstOfLine(text, start) {
			s.yamlValues(start, op.value)
		}
	case secretFields[name] != "" && secretFields[name] != "environment variable":
		if text[op.value] == '{' {
			s.variables(op.value, func(string, string) bool { return true }, secretFields[name])
		} else if from, to, end := s.quotedWithin(op.value); end > 0 && to-from >= minValue {
			s.replace(from, to, secretFields[name])
		}
	case !holdsVariables(folded) || text[op.value] != '{' && text[op.value] != '[':
	case name == "variables" || folded == "env" && text[op.value] == '{': // also of GraphQL, and of a process
		s.variables(op.value, func(name, value string) bool {
			return isSecret(name, value) || looksRandom(value) || looksSecret(value)
		}, "environment variable")
	case strings.HasSuffix(folded, "variables"), text[op.value] == '[', startsWithVariable(text[op.value:]):
		s.variables(op.value, func(name, value string) bool { return !cannotBeSecret(name, value) }, "environment variable")
	}
}

// holdsVariables reports whether every value below a field is a variable of a program, such as environment,
// runtimeEnvironmentVariables, overrideEnvironment, or stageVariables. The name is in lower case.
func holdsVariables(field string) bool {
	switch field {
	case "variables", "env", "environmentvars", "optionsettings":
		return true
	}
	return strings.HasSuffix(field, "environment") || strings.HasSuffix(field, "environmentoverride") ||
		strings.Contains(field, "environmentvariables") || strings.HasSuffix(field, "stagevariables")
}

// consistsOfVariables reports whether the value of a field consists of variables. The environment of CodeBuild or Airflow also has
// settings, among them lists and objects, and the runtime environment of Flink is a name. The name is in lower case.
func consistsOfVariables(field string, v any) bool {
	if !strings.HasSuffix(field, "environment") {
		return holdsVariables(field)
	}
	switch v := v.(type) {
	case string:
		return mayHaveDocument(v)
	case map[string]any:
		for _, member := range v {
			switch member := member.(type) {
			case []any:
				return false
			case map[string]any:
				if !isIntrinsic(member) {
					return false
				}
			}
		}
	}
	return true
}

// isIntrinsic reports whether an object is a function of CloudFormation, such as {"Ref": "Table"}.
func isIntrinsic(o map[string]any) bool {
	for name := range o {
		return len(o) == 1 && (name == "Ref" || strings.HasPrefix(name, "Fn::"))
	}
	return false
}

// isReference reports whether an object of a template names a resource, a parameter, or a mapping: {"Ref": "Table"}.
func isReference(o map[string]any) bool {
	for function, name := range o {
		return len(o) == 1 && (function == "Ref" || function == "Fn::GetAtt" || function == "Fn::FindInMap") && isNameInTemplate(name)
	}
	return false
}

// isNameInTemplate reports whether a value is a name in a template, or a list of them.
func isNameInTemplate(v any) bool {
	switch v := v.(type) {
	case string:
		return nameInTemplate().MatchString(v)
	case []any:
		return !slices.ContainsFunc(v, func(part any) bool { return !isNameInTemplate(part) })
	case map[string]any:
		return isReference(v)
	}
	return false
}

// nameInTemplate matches the name of a resource, an attribute, or a mapping in a template.
var nameInTemplate = lazy.Regexp(`^(?:AWS::)?[A-Za-z0-9.-]{1,255}$`)

// namesVariable reports whether a field of an object below a name can have the name of a variable. Tags have a Key, and dimensions of
// metrics a Name.
func namesVariable(field, parent string) bool {
	return field == "OptionName" || (field == "name" || field == "variable") && fold(parent) != "dimensions"
}

// hasVariables reports whether an option of Elastic Beanstalk is a variable, whose name can be in lower case, or a text of all variables.
func hasVariables(namespace, option string) bool {
	return namespace == "aws:elasticbeanstalk:application:environment" ||
		namespace == "aws:cloudformation:template:parameter" && option == "EnvironmentVariables"
}

// isSetting reports whether an option of Elastic Beanstalk is another one, such as the type of an instance.
func isSetting(namespace, option string) bool {
	return option != "" && strings.HasPrefix(namespace, "aws:") && !hasVariables(namespace, option)
}

// describesVariable reports whether a field beside the name and the value of a variable describes the variable. The
// field is in lower case.
func describesVariable(field string) bool {
	return strings.HasSuffix(field, "type") || field == "valuefrom" || field == "origin" || field == "namespace" ||
		field == "description" || field == "allowedvalues"
}

// startsWithVariable reports whether the first name in an object is in capitals, as those of variables are.
func startsWithVariable(text string) bool {
	at := skipSpace(text, 1)
	for at < len(text) && strings.IndexByte(`\"'`, text[at]) >= 0 {
		at++
	}
	end := at
	for end < len(text) && end-at <= maxName && inName[text[end]] {
		end++
	}
	return environmentName().MatchString(text[at:end])
}

// variables looks at the texts of an object of names and values, or of a list of such pairs.
func (s *scanner) variables(at int, isSecret func(name, value string) bool, kind string) {
	text := s.text
	depth, name, namespace, option := 0, "", "", ""
	around := s.around(at)
	end := at
	for last := min(len(text), at+maxQuoted); end < last; {
		switch text[end] {
		case '{', '[':
			depth++
			namespace, option = "", "" // of another entry
		case '}', ']':
			if depth--; depth == 0 {
				s.ahead -= end - at
				return
			}
		case '\n':
			// The lines of an object are indented. Others follow an object that was cut.
			if end+1 < len(text) && strings.IndexByte(" \t\r\n}]", text[end+1]) < 0 {
				s.ahead -= end - at
				return
			}
		case '"', '\'', '\\':
			from, to, after := s.quoted(end)
			if after == 0 && !around.closes(text, end) {
				break
			}
			if around.firstClose(text, end, max(end+1, after)) >= 0 { // of the text that the object is a part of
				s.ahead -= end - at
				return
			}
			key := text[from:to]
			end = after
			colon := skipSpace(text, after)
			if colon >= len(text) || text[colon] != ':' {
				continue
			}
			end = skipSpace(text, colon+1)
			valueFrom, valueTo, valueEnd := s.quoted(end)
			if valueEnd == 0 {
				continue
			}
			if around.firstClose(text, end, valueEnd) >= 0 {
				s.ahead -= end - at
				return
			}
			end = valueEnd
			value := text[valueFrom:valueTo]
			switch folded := fold(key); {
			case depth > 1 && holdsName(folded):
				name = value
				if folded == "optionname" {
					option = value
				}
				continue
			case depth > 1 && isValueField(folded):
				key = name
			case depth > 1 && folded == "namespace":
				namespace = value
				continue
			case depth > 1 && (describesVariable(folded) || key == "Ref" && nameInTemplate().MatchString(value)):
				continue
			}
			if value != "" && isSecret(key, value) && (!isSetting(namespace, option) || classify(key).matches(value) || looksSecret(value)) {
				s.replace(valueFrom, valueTo, kind)
			} else if !s.scan(end) {
				return
			}
			continue
		}
		end++
	}
	s.ahead -= end - at
}

// Distances in bytes between the kind of a Kubernetes object and its data.
const (
	maxKindBefore = 4 << 10
	maxKindAfter  = 300
)

// isKubernetesSecret reports whether the data at a position belongs to a Kubernetes secret.
func (s *scanner) isKubernetesSecret(start, value int) bool {
	if s.hasSecret == nil { // most texts have none
		has := someSecret().MatchString(s.text)
		s.hasSecret = &has
	}
	if !*s.hasSecret {
		return false
	}
	before := s.text[max(0, start-maxKindBefore):start]
	s.ahead -= len(before)
	if at := strings.LastIndex(before, "kind"); at >= 0 && kindOfSecret().MatchString(before[at:]) {
		return true
	}
	after := s.text[value:min(len(s.text), value+maxQuoted)]
	if end := strings.IndexByte(after, '}'); end >= 0 {
		s.ahead -= end
		after = after[end:]
	}
	after = after[:min(len(after), maxKindAfter)]
	at := strings.Index(after, "kind")
	return at >= 0 && kindOfSecret().MatchString(after[at:])
}

var (
	someSecret   = lazy.Regexp(`kind\\*["']?\s*:\s*\\*["']?Secret\b`)
	kindOfSecret = lazy.Regexp(`^kind\\*["']?\s*:\s*\\*["']?Secret\b`)
)

// yamlValues replaces the values of the lines below a name that are deeper than the name, with the lines on which they
// continue. What was replaced in a value before becomes a part of the new mark.
func (s *scanner) yamlValues(start, at int) {
	text, indent := s.text, s.indent(start)
	level := -1 // blanks before the names
	for line := strings.LastIndexByte(text[:at], '\n') + 1; line < len(text); {
		end := lineEnd(text, line)
		blanks, isEmpty := leadingBlanks(text[line:end])
		if !isEmpty && blanks <= indent {
			return
		}
		if isEmpty || text[line+blanks] == '#' {
			line = end + 1
			continue
		}
		if level < 0 {
			level = blanks
		}
		last := end // of the value
		for next := end + 1; next < len(text); {
			stop := lineEnd(text, next)
			deeper, isEmpty := leadingBlanks(text[next:stop])
			if !isEmpty && deeper <= level {
				break
			}
			if !isEmpty {
				last = stop
			}
			next = stop + 1
		}
		if colon := yamlColon(text[line+blanks : end]); colon >= 0 {
			s.replaceWhole(skipSpace(text, line+blanks+colon+1), last)
		}
		line = last + 1
	}
}

// yamlColon returns the position of the colon between a name and a value, or -1. The line can be a mark that replaced both.
func yamlColon(line string) int {
	if strings.HasPrefix(line, markStart) {
		return -1
	}
	for from := 0; from < len(line); {
		n := strings.IndexByte(line[from:], ':')
		if n < 0 {
			return -1
		}
		if from += n + 1; from == len(line) || isSpace[line[from]] {
			return from - 1
		}
	}
	return -1
}

// leadingBlanks returns the number of blanks before the text of a line, or whether it has none.
func leadingBlanks(line string) (blanks int, isEmpty bool) {
	trimmed := strings.TrimLeft(line, " \t\r")
	return len(line) - len(trimmed), trimmed == ""
}

// flowValues replaces the values without quotes of an object of YAML on one line: {password: value, user: value}.
func (s *scanner) flowValues(at int) {
	text := s.text
	end := at + strings.IndexAny(text[at:lineEnd(text, at)]+"}", "}")
	around := s.around(at)
	if ends := around.firstClose(text, at, end); ends >= 0 { // the text that the object begins in
		end = ends
	}
	for from := at + 1; from < end; {
		to := end
		if n := strings.IndexByte(text[from:end], ','); n >= 0 {
			to = from + n
		}
		if colon := yamlColon(text[from:to]); colon >= 0 && !strings.Contains(text[from:from+colon], "[") { // not in a mark
			if value := skipBlanks(text, from+colon+1); value < to && strings.IndexByte(`"'{[`, text[value]) < 0 {
				s.replaceWhole(value, to)
			}
		}
		from = to + 1
	}
}

// replaceWhole replaces a part of the text, and the marks in it, unless it is a mark itself.
func (s *scanner) replaceWhole(from, to int) {
	if from < s.done || to <= from {
		return
	}
	value := strings.Trim(strings.TrimSpace(s.text[from:to]), `"'`)
	if strings.HasPrefix(value, markStart) && strings.Index(value, markEnd) == len(value)-len(markEnd) || value == "" {
		return
	}
	s.out.WriteString(s.text[s.done:from])
	s.out.WriteString(s.counter.markOver("secret", s.text[from:to]))
	s.done = to
}

// cannotBeSecret reports whether a variable of a program is certainly no secret: a number, a state, a Region, an ARN,
// a host, an address without credentials, or a short word. If its name is that of a secret, only references and
// placeholders are certain.
func cannotBeSecret(name, value string) bool {
	if classify(name) >= ambiguous {
		return value == "" || !isNumber(value) && harmlessValue().MatchString(value)
	}
	if len(value) > maxPlain {
		return false
	}
	if plainValue().MatchString(value) {
		return true
	}
	if namesResource().MatchString(name) && resourceName().MatchString(value) && !looksSecret(value) && !looksRandom(value) {
		return true
	}
	if base, query, hasQuery := strings.Cut(value, "?"); address().MatchString(base) {
		if hasQuery && !isPlainQuery(query) {
			return false
		}
		for _, part := range strings.FieldsFunc(base, func(r rune) bool { return r == '/' || r == ':' || r == ',' }) {
			if looksRandom(part) || len(part) >= minUnnamed && hexLook().MatchString(part) {
				return false
			}
		}
		return !webhook().MatchString(value)
	}
	return false
}

// isPlainQuery reports whether a query of an address consists of settings, such as sslmode=require.
func isPlainQuery(query string) bool {
	for setting := range strings.SplitSeq(query, "&") {
		name, value, isSetting := strings.Cut(setting, "=")
		if !isSetting || !isName(name) || classify(name) != harmless || !plainValue().MatchString(value) {
			return false
		}
	}
	return true
}

const maxPlain = 512 // bytes of a variable that is shown

func isNumber(value string) bool { return strings.Trim(value, "0123456789") == "" }

var (
	plainValue = lazy.Regexp(`^(?:` +
		`[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?%?|v?[0-9]+(?:\.[0-9]+){1,3}|[0-9.]+|` + // numbers, versions, addresses
		`(?:[0-9]+(?:\.[0-9]+)?\s?(?i:[nuµm]?s|m|h|d|w|secs?|seconds?|mins?|minutes?|hours?|days?|[kmgt]i?b?|bytes))+|` +
		`PT?[0-9DTHMS.]+|` + // durations
		`[a-z]{2}(?:-[a-z]+)+-[0-9][a-z]?|` + // Regions and zones
		`[a-z]{1,14}|[A-Z][a-z]{1,13}|[A-Z]{1,14}|` + // words
		`arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:[\w+=,.@:/*$-]+|` +
		`(?:vpc|subnet|sg|i|ami|eni|vol|snap|rtb|igw|nat|acl|eipalloc|fs|lt|vpce|tgw|db|cluster)-[0-9a-f]{8,17}|` +
		`[A-Za-z_]+(?:\.[A-Za-z_]+)+|` + // names in code
		`(?:(?:\.{0,2}/)?[A-Za-z_.-]+(?:/[A-Za-z_.-]+)+/?|/[A-Za-z_.-]*)(?::/[A-Za-z_./-]*)*|` + // paths
		`\*|\s*)$`)
	address = lazy.Regexp(`^(?:(?:jdbc:)?[a-z][a-z0-9+.-]*://)?(?:[A-Za-z0-9_.-]+(?::[0-9]{1,5})?,)*(?:` +
		`localhost|[a-z][a-z-]*:[0-9]{2,5}|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z]{2,}(?::[0-9]{1,5})?|` +
		`[0-9]+(?:\.[0-9]+){3}(?::[0-9]{1,5})?|s3://[a-z0-9.-]+)(?:/[\w./-]*)?$`)
	webhook       = lazy.Regexp(`hooks\.slack|/webhook|/hooks?/`)
	namesResource = lazy.Regexp(`(?i)(?:^|[_-]|[a-z])(?:table|bucket|queue|topic|stream|name|cluster|function|handler|class|` +
		`module|group|prefix|zone|version|image|profile|host|database|schema|path|dir)$`)
	resourceName = lazy.Regexp(`^/?[A-Za-z][A-Za-z0-9_./:-]{0,80}$`)
)
