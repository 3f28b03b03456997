// Package redact takes secrets out of everything that leaves the tool. It knows the shapes of tokens by
// the rules of a well-kept scanner and some stricter ones of its own, names after which secrets stand, and
// the fields in which AWS's answers carry them. Ids, ARNs, timestamps, hashes and stack traces stay, so
// that logs can still be read.
package redact

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Redactor replaces secrets by a text that names their kind.
type Redactor struct {
	own   []*regexp.Regexp
	known []string  // secrets as they are, longest first
	until time.Time // zero: it takes its time
}

// withheld stands for a text that was not looked through in time.
const withheld = "[redacted: all of it, since looking for secrets in it took too long; print less, and only what you need]"

const (
	sendTime      = 200 * time.Millisecond // of the invocation, reserved for sending an answer
	minRedactTime = 100 * time.Millisecond // for an invocation that is almost over: usual answers take less
)

// Deadline returns the time at which the redaction of an answer must end so that the answer is sent within the
// invocation of ctx. It is zero if ctx has no deadline.
func Deadline(ctx context.Context, now time.Time) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	end := deadline.Add(-sendTime)
	if least := now.Add(minRedactTime); end.Before(least) {
		return least
	}
	return end
}

// New makes a redactor that knows additional patterns, in RE2 syntax. Its error names the pattern
// that is wrong.
func New(patterns []string) (*Redactor, error) {
	go keywords() // while Python starts
	r := &Redactor{}
	for _, pattern := range patterns {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("redaction pattern %q is no regular expression (RE2): %w", pattern, err)
		}
		r.own = append(r.own, compiled)
	}
	return r, nil
}

// Until returns the redactor with a time at which it gives up: a text that it is not through with by then is
// withheld whole. The rules take seconds for a text that has the keywords of all of them on each line.
func (r *Redactor) Until(deadline time.Time) *Redactor {
	bounded := *r
	bounded.until = deadline
	return &bounded
}

// Answer redacts every text of an answer in place and counts what it replaced.
func (r *Redactor) Answer(a *toolcall.Answer) {
	output := a.Output
	var count int
	a.Output, count = r.Text(output)
	a.Redactions += count
	text := func(text string) string {
		if text == output { // most often one stream is all there is
			return a.Output
		}
		clean, _ := r.Text(text)
		return clean
	}
	a.Stdout, a.Stderr, a.Error, a.ErrorType = text(a.Stdout), text(a.Stderr), text(a.Error), text(a.ErrorType)
	for i := range a.AWSCalls {
		if call := &a.AWSCalls[i]; call.Refused != "" { // the others hold nothing of the code's own
			call.Service, call.Operation, call.Refused = text(call.Service), text(call.Operation), text(call.Refused)
		}
	}
	for i := range a.Notes {
		a.Notes[i] = text(a.Notes[i])
	}
	a.Result = r.json(a.Result)
	if count > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d secrets were replaced by [redacted: kind]", count))
	}
}

// Text redacts a text and counts what it replaced.
func (r *Redactor) Text(text string) (string, int) {
	c := counter{until: r.until}
	return r.text(&c, text), c.count
}

// Document redacts a text that may be a JSON document, and counts what it replaced. In a document, the names of fields
// tell secrets too.
func (r *Redactor) Document(text string) (string, int) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid([]byte(trimmed)) {
		return r.Text(text)
	}
	clean, count := r.document(json.RawMessage(trimmed))
	if count == 0 {
		return text, 0
	}
	return string(clean), count
}

func (r *Redactor) text(c *counter, text string) string {
	text = c.inFields(text)
	for _, secret := range r.known {
		if c.late() {
			break
		}
		if n := strings.Count(text, secret); n > 0 {
			text = strings.ReplaceAll(text, secret, "[redacted: secret]")
			c.count += n
		}
	}
	text = c.tokens(text)
	text = c.byRules(text)
	text = c.inHeaders(text)
	text = c.named(text)
	for _, pattern := range r.own {
		if c.late() {
			break
		}
		text = c.all(pattern, text, func(g []string) string { return c.mark("own pattern", g[0]) })
	}
	if c.gaveUp {
		c.count++
		return withheld
	}
	return text
}

// counter counts the marks that it hands out, and says for which secrets if it was asked to.
type counter struct {
	count int
	found func(secret string) // nil: nobody wants to know

	until  time.Time // zero: for ever
	gaveUp bool
}

// late tells whether time is up before all was done.
func (c *counter) late() bool {
	c.gaveUp = c.gaveUp || !c.until.IsZero() && time.Now().After(c.until)
	return c.gaveUp
}

func (c *counter) mark(kind, secret string) string {
	c.count++
	if c.found != nil {
		c.found(secret)
	}
	return "[redacted: " + kind + "]"
}

func (c *counter) all(pattern *regexp.Regexp, text string, replace func(groups []string) string) string {
	return pattern.ReplaceAllStringFunc(text, func(found string) string {
		groups := pattern.FindStringSubmatch(found)
		if groups == nil {
			// It matched by what surrounds it.
			return c.mark("secret", found)
		}
		return replace(groups)
	})
}

// group replaces the second group of each match of a shape, if one of its needles is in the text.
func (c *counter) group(s shape, text string, quoted bool) string {
	if len(s.needles) > 0 && !containsAny(text, s.needles) {
		return text
	}
	return c.all(s.pattern(), text, func(g []string) string {
		if strings.Contains(g[2], "[redacted: ") {
			return g[0]
		}
		mark := c.mark(s.kind, g[2])
		if quoted {
			mark = `"` + mark + `"`
		}
		return g[1] + mark
	})
}

// json redacts a JSON value: strings as text, fields by their names.
func (r *Redactor) json(raw json.RawMessage) json.RawMessage {
	clean, _ := r.document(raw)
	return clean
}

// document is json with the number of secrets that it replaced.
func (r *Redactor) document(raw json.RawMessage) (json.RawMessage, int) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var decoded any
	if len(raw) == 0 || decoder.Decode(&decoded) != nil {
		return raw, 0
	}
	w := walk{redactor: r, keys: map[string]string{}}
	clean := w.value("", decoded)
	if w.changes == 0 {
		return raw, 0
	}
	encoded, err := json.Marshal(clean)
	if err != nil {
		return json.RawMessage(`"[redacted: result]"`), w.changes
	}
	return encoded, w.changes
}

type walk struct {
	redactor *Redactor
	changes  int
	keys     map[string]string // as they are to as they are shown
}

// carriers are fields whose every text is a secret; the names of their own fields stay.
var carriers = map[string]string{
	"Variables": "environment variable", "EnvironmentVariables": "environment variable", "environmentVariables": "environment variable",
	"RuntimeEnvironmentVariables": "environment variable", "ContainerEnvironmentVariables": "environment variable",
	"UserData": "user data", "userData": "user data", "userDataOverride": "user data", "CustomerGatewayConfiguration": "VPN configuration",
	"SecretString": "secret", "SecretBinary": "secret", "PreSharedKey": "secret", "KeyMaterial": "secret",
}

func (w *walk) value(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		return w.object(v)
	case []any:
		for i := range v {
			v[i] = w.value(name, v[i])
		}
	case string:
		if isSecret(name, v) {
			w.changes++
			return "[redacted: secret]"
		}
		clean, count := w.redactor.Text(v)
		w.changes += count
		return clean
	}
	return v
}

func (w *walk) object(o map[string]any) any {
	if name, ok := o["name"].(string); ok && environmentName().MatchString(name) {
		if _, ok := o["value"].(string); ok {
			o["value"] = "[redacted: environment variable]"
			w.changes++
		}
	}
	clean := make(map[string]any, len(o))
	for _, name := range slices.Sorted(maps.Keys(o)) {
		key := w.key(name)
		for n := 2; taken(clean, key); n++ {
			key = fmt.Sprintf("%s (%d)", w.key(name), n)
		}
		if kind, ok := carriers[name]; ok {
			clean[key] = w.hide(kind, o[name])
			continue
		}
		clean[key] = w.value(name, o[name])
	}
	return clean
}

func taken(o map[string]any, key string) bool { _, there := o[key]; return there }

// key is a field's name, which is a text like others: code counts by log lines.
func (w *walk) key(name string) string {
	if clean, known := w.keys[name]; known {
		return clean
	}
	clean, count := w.redactor.Text(name)
	w.changes += count
	w.keys[name] = clean
	return clean
}

var environmentName = lazy(`^[A-Z][A-Z0-9_]*$`)

// hide replaces every text below a value, except in fields called name.
func (w *walk) hide(kind string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			if name != "name" && name != "Name" {
				v[name] = w.hide(kind, v[name])
			}
		}
	case []any:
		for i := range v {
			v[i] = w.hide(kind, v[i])
		}
	case string:
		w.changes++
		return "[redacted: " + kind + "]"
	}
	return v
}
