package broker

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// The end of an ARN, behind the account, can have more parts than a type and a name: the cluster of a service, the path of a
// role, or an ID that AWS appends. Requests only have the name. The table of the ends of ARNs says which part it is.

// Marks of the variables in the table.
const (
	markOther    = "{}"  // such as the cluster of a service
	markName     = "{=}" // names the resource
	markPath     = "{+}" // a name that can begin with a path
	markAppended = "{-}" // a name to which AWS appends an ID
)

// namesOf returns the names of the resources of an ARN, with IAM's wildcards, from its service and its end.
func namesOf(service, resource string) []string {
	whole := withoutParts(service, resource)
	name := whole
	if colon := strings.IndexByte(whole, ':'); colon >= 0 {
		name = whole[colon+1:]
	} else if _, below, typed := strings.Cut(whole, "/"); typed {
		name = below
	}
	names, segments := []string{name}, segmentsOfARN(resource)
	formats := theTables().arns[service]
	found, hasFormat := namesInOneOf(formats, segments)
	if !hasFormat { // a wildcard in a format can be a name, too
		found, hasFormat = namesInOneOf(strings.ReplaceAll(formats, "*", markName), segments)
	}
	if !hasFormat {
		found = namesWithoutFormat(segments)
	}
	names = append(names, found...)
	var distinct []string
	for _, name := range names {
		if strings.Trim(name, "*?") != "" && !slices.Contains(distinct, name) { // every value is a name of everything
			distinct = append(distinct, name)
		}
	}
	return distinct
}

// namesInOneOf returns the names in the segments of an ARN that has some of the formats, and reports whether it has one.
func namesInOneOf(formats string, segments []string) (names []string, fits bool) {
	for format := range strings.SplitSeq(formats, "\t") {
		if found, has := namesIn(segments, segmentsOfARN(format)); has {
			names, fits = append(names, found...), true
		}
	}
	return names, fits
}

// segmentsOfARN returns the segments of the end of an ARN, each with the separator before it.
func segmentsOfARN(resource string) (segments []string) {
	for rest := resource; rest != ""; {
		end := strings.IndexAny(rest[1:], ":/")
		if end < 0 {
			return append(segments, rest)
		}
		segments, rest = append(segments, rest[:end+1]), rest[end+1:]
	}
	return segments
}

// valueOf returns a segment without the separator before it.
func valueOf(segment string) string {
	if segment != "" && (segment[0] == ':' || segment[0] == '/') {
		return segment[1:]
	}
	return segment
}

// namesIn returns the names in the segments of an ARN that has a format, and reports whether it has it. The ARN can end
// earlier, or have more segments: the last variable takes the rest.
func namesIn(segments, format []string) (names []string, fits bool) {
	if len(format) == 0 {
		return nil, false
	}
	segments = withWholeNames(segments, format)
	last := "" // variable that is not everything
	for i, segment := range segments[:min(len(segments), len(format))] {
		mark, value := valueOf(format[i]), valueOf(segment)
		if !strings.HasPrefix(mark, "{") {
			if !matchesWildcards(value, mark) {
				return nil, false
			}
			continue
		}
		if i == len(format)-1 {
			value = valueOf(strings.Join(segments[i:], "")) // with the segments of a path
		}
		if strings.Trim(value, "*?") == "" {
			continue
		}
		last = value
		switch mark {
		case markName:
			names = append(names, value)
		case markPath:
			names = append(names, value, value[strings.LastIndexByte(value, '/')+1:])
		case markAppended:
			names = append(names, value, appendedID().ReplaceAllString(value, ""))
		}
	}
	if len(segments) > len(format) && !strings.HasPrefix(valueOf(format[len(format)-1]), "{") {
		return nil, false
	}
	if len(names) == 0 && last != "" {
		names = append(names, last) // all resources of it, such as all services of a cluster
	}
	return names, true
}

// withWholeNames joins the segments of a variable that a fixed text follows: in log-group:{}:log-stream:{=}, the name of the group can
// have slashes.
func withWholeNames(segments, format []string) []string {
	for i := 0; i < min(len(segments), len(format)-1); i++ {
		next := format[i+1]
		if !strings.HasPrefix(valueOf(format[i]), "{") || strings.HasPrefix(valueOf(next), "{") {
			continue
		}
		if length := slices.Index(segments[i:], next); length > 1 {
			segments = slices.Concat(segments[:i], []string{strings.Join(segments[i:i+length], "")}, segments[i+length:])
		}
	}
	return segments
}

// appendedID matches an ID at the end of a name, or the wildcards for it.
var appendedID = lazy.Regexp(`[-+](?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|[0-9A-Za-z]{6}|[*?]+)$`)

// namesWithoutFormat returns the segments that can be the name in an ARN whose format is not known: all but the type.
func namesWithoutFormat(segments []string) (names []string) {
	for i, segment := range segments {
		value := valueOf(segment)
		if i > 0 {
			names = append(names, value)
		}
		if at := strings.LastIndexByte(value, '*'); at >= 0 && at < len(value)-1 {
			names = append(names, value[at:]) // the wildcard can stand for the segments before the name
		}
	}
	return names
}

// matchesWildcards reports whether a pattern with IAM's wildcards matches a text.
func matchesWildcards(pattern, text string) bool {
	return regexp.MustCompile(`(?is)^` + wildcards(pattern) + `$`).MatchString(text)
}
