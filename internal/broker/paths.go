package broker

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// Limits of the readings of a path.
const (
	maxReadings = 64      // different readings of one path
	maxPath     = 8 << 10 // bytes; S3 keys have at most 1,024 characters, each up to 9 bytes when escaped
)

// rereadable matches what some server reads differently than another one: escapes, other separators, and empty
// or dotted segments.
var rereadable = lazy.Regexp(`[%\\;?#]|//|/\.{1,2}(/|$)`)

var pathParameter = lazy.Regexp(`;[^/]*`)

// readings returns the escaped path itself and every form to which a proxy or server may decode or normalize it:
// with escapes decoded once or several times, backslashes as slashes, path parameters removed, the text after a
// decoded ? or # removed, and empty and dotted segments resolved. It returns false if there are too many.
func readings(escaped string) ([]string, bool) {
	if !rereadable().MatchString(escaped) {
		return []string{escaped}, true
	}
	if len(escaped) > maxPath {
		return nil, false
	}
	list, known := []string{escaped}, map[string]bool{escaped: true}
	for i := 0; i < len(list); i++ {
		for _, reread := range []func(string) string{decoded, withSlashes, withoutParameters, beforeQuery, resolved} {
			if next := reread(list[i]); !known[next] {
				known[next] = true
				list = append(list, next)
			}
		}
		if len(list) > maxReadings {
			return nil, false
		}
	}
	return list, true
}

// decoded decodes the valid escapes of a path once.
func decoded(p string) string {
	at := strings.IndexByte(p, '%')
	if at < 0 {
		return p
	}
	text := append(make([]byte, 0, len(p)), p[:at]...)
	for ; at < len(p); at++ {
		if p[at] == '%' && at+2 < len(p) {
			if value, err := strconv.ParseUint(p[at+1:at+3], 16, 8); err == nil {
				text = append(text, byte(value))
				at += 2
				continue
			}
		}
		text = append(text, p[at])
	}
	return string(text)
}

var escape = lazy.Regexp(`%[0-9A-Fa-f]{2}`)

func withSlashes(p string) string { return strings.ReplaceAll(p, `\`, "/") }

func withoutParameters(p string) string { return pathParameter().ReplaceAllString(p, "") }

func beforeQuery(p string) string {
	if i := strings.IndexAny(p, "?#"); i >= 0 {
		return p[:i]
	}
	return p
}

// resolved removes empty and dotted segments and keeps a slash at the end.
func resolved(p string) string {
	clean := path.Clean("/" + p)
	if clean != "/" && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean
}

// hasDots reports whether a reading has a segment "." or "..", which no name of a resource is outside S3.
func hasDots(p string) bool {
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// holdsAccounts reports whether an account can be below a segment, such as accounts, partner-accounts, or
// targetAccountConfigurations.
func holdsAccounts(segment string) bool {
	return slices.ContainsFunc(valueReadings(segment), func(text string) bool { return strings.Contains(strings.ToLower(text), "account") })
}
