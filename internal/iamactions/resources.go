package iamactions

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/typo"
)

//go:embed resources.txt
var resourceTable string

// format is the end of the ARNs of a kind of resource. Its variables are asterisks.
type format struct{ region, account, resource string }

// formats holds the formats by service in ARNs.
var formats = sync.OnceValue(func() map[string][]format {
	parsed := map[string][]format{}
	for block := range strings.SplitSeq(strings.TrimPrefix(resourceTable, "@"), "\n@") {
		service, lines, _ := strings.Cut(block, "\n")
		for line := range strings.Lines(lines) {
			parsed[service] = append(parsed[service], newFormat(strings.TrimSuffix(line, "\n")))
		}
	}
	return parsed
})

func newFormat(rest string) format {
	region, rest, _ := strings.Cut(rest, ":")
	account, resource, _ := strings.Cut(rest, ":")
	return format{region, account, resource}
}

// NamesResource reports whether an ARN with IAM's wildcards can match a resource. It is true if IAM's data has the service, and
// no resources of it. If it is false, nearest is the most likely ARN, or an empty string if nothing is similar.
func NamesResource(arn string) (names bool, nearest string) {
	const beforeRegion = 4
	parts := strings.SplitN(arn, ":", beforeRegion)
	if len(parts) < beforeRegion {
		return false, ""
	}
	service, given := parts[2], newFormat(parts[3])
	known := formats()[service]
	if known == nil {
		if services()[service] != nil {
			return true, ""
		}
		if other := typo.Nearest(service, slices.Sorted(maps.Keys(formats()))); other != "" {
			return false, strings.Join([]string{parts[0], parts[1], other, parts[3]}, ":")
		}
		return false, ""
	}
	if slices.ContainsFunc(known, given.matches) {
		return true, ""
	}
	if f, found := given.nearest(known); found {
		return false, strings.Join([]string{parts[0], parts[1], service, f.region, f.account, f.resource}, ":")
	}
	return false, ""
}

// MatchARN reports whether an ARN with IAM's wildcards matches a resource. The wildcard * also matches slashes.
func MatchARN(pattern, resource string) bool { return overlap(pattern, resource) }

// matches reports whether an ARN with wildcards and a format have a resource in common.
func (given format) matches(f format) bool {
	return overlapPart(given.region, f.region) && overlapPart(given.account, f.account) && overlap(given.resource, f.resource)
}

// nearest returns the format of which only the Region or the account differs, or whose kind has a similar name.
func (given format) nearest(known []format) (format, bool) {
	for _, f := range known {
		if overlap(given.resource, f.resource) {
			return f, true
		}
	}
	var kinds []string
	byKind := map[string]format{}
	for _, f := range known {
		kind, _ := kindOf(f.resource)
		if _, exists := byKind[kind]; !exists && kind != "" {
			byKind[kind] = f
			kinds = append(kinds, kind)
		}
	}
	kind, _ := kindOf(given.resource)
	f, found := byKind[typo.Nearest(kind, kinds)]
	return f, found
}

// kindOf returns the beginning of a resource that names its kind, such as log-group, and the rest.
func kindOf(resource string) (kind, rest string) {
	i := strings.IndexAny(resource, ":/*")
	if i < 0 {
		return resource, ""
	}
	return resource[:i], resource[i:]
}

// overlapPart is overlap for a Region or an account, which is not empty if it is a variable.
func overlapPart(given, known string) bool {
	if known == "*" {
		return given != ""
	}
	return overlap(given, known)
}

// overlap reports whether a text exists that two patterns with the wildcards * and ? match.
func overlap(a, b string) bool {
	// row[j] reports whether the rest of a from the current index and the rest of b from j overlap.
	row := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		next := slices.Clone(row) // the row of i+1
		for j := len(b); j >= 0; j-- {
			endOfA, endOfB := i == len(a), j == len(b)
			switch {
			case endOfA && endOfB:
				row[j] = true
			case !endOfA && a[i] == '*':
				row[j] = next[j] || !endOfB && row[j+1]
			case !endOfB && b[j] == '*':
				row[j] = row[j+1] || !endOfA && next[j]
			case endOfA || endOfB:
				row[j] = false
			default:
				row[j] = (a[i] == b[j] || a[i] == '?' || b[j] == '?') && next[j+1]
			}
		}
	}
	return row[0]
}
