// Package redact removes secrets from everything that leaves the tool. IDs, ARNs, timestamps, hashes, and
// stack traces stay, because logs must remain readable. Secrets are recognized by:
//
//   - the detection rules of gitleaks (rules.go, rules.json)
//   - the shapes of tokens, and the fields in which AWS's answers contain secrets (shapes.go)
//   - names such as "password" before a value (names.go)
//   - a [Memory] of the answers that AWS gave to the same call (memory.go)
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

// Redactor replaces secrets with a text that names their kind.
type Redactor struct {
	custom []*regexp.Regexp // patterns of the user
	known  []string         // literal secrets, longest first
	until  time.Time        // zero: no deadline
}

// Every replacement starts with markStart, by which later passes recognize it.
const (
	markStart = "[redacted: "
	markEnd   = "]"
)

// replacement returns the text that replaces a secret of this kind.
func replacement(kind string) string { return markStart + kind + markEnd }

// withheld replaces a text whose redaction did not end in time.
const withheld = markStart + "the whole text, because searching it for secrets took too long; " +
	"print less, and only the data that you need" + markEnd

const (
	sendTime      = 200 * time.Millisecond // of the invocation, reserved for sending an answer
	minRedactTime = 100 * time.Millisecond // granted even if the invocation is almost over: most answers take less
)

// Deadline returns the time at which the redaction of an answer must end. The time between it and ctx's
// deadline is needed to send the answer. Deadline returns the zero time if ctx has no deadline.
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

// New returns a redactor with additional patterns in RE2 syntax. Its error names the invalid pattern.
func New(patterns []string) (*Redactor, error) {
	go keywords() // build the index while Python starts
	r := &Redactor{}
	for _, pattern := range patterns {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("redaction pattern %q is not a regular expression (RE2): %w", pattern, err)
		}
		r.custom = append(r.custom, compiled)
	}
	return r, nil
}

// Until returns the redactor with a deadline. A text whose redaction has not ended by then is withheld
// completely: the rules take seconds for a text with the keywords of all rules on each line.
func (r *Redactor) Until(deadline time.Time) *Redactor {
	bounded := *r
	bounded.until = deadline
	return &bounded
}

// Answer redacts every text of an answer in place and counts the secrets.
func (r *Redactor) Answer(a *toolcall.Answer) {
	output := a.Output
	var count int
	a.Output, count = r.Text(output)
	a.Redactions += count
	text := func(text string) string {
		if text == output { // usually the output is one stream
			return a.Output
		}
		clean, _ := r.Text(text)
		return clean
	}
	a.Stdout, a.Stderr, a.Error, a.ErrorType = text(a.Stdout), text(a.Stderr), text(a.Error), text(a.ErrorType)
	for i := range a.AWSCalls {
		if call := &a.AWSCalls[i]; call.Refused != "" { // other calls contain no text from the code
			call.Service, call.Operation, call.Refused = text(call.Service), text(call.Operation), text(call.Refused)
			call.AccessKey = text(call.AccessKey)
		}
	}
	for i := range a.Notes {
		a.Notes[i] = text(a.Notes[i])
	}
	a.Result = r.json(a.Result)
	if count > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d secrets were replaced with %s", count, replacement("kind")))
	}
}

// Text redacts a text and counts the secrets.
func (r *Redactor) Text(text string) (string, int) {
	c := counter{until: r.until}
	return r.text(&c, text), c.count
}

// Document redacts a text that may be a JSON document and counts the secrets. In a document, the names of
// fields also identify secrets.
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

// text applies every way of finding secrets to a text.
func (r *Redactor) text(c *counter, text string) string {
	text = c.replaceInFields(text)
	for _, secret := range r.known {
		if c.isLate() {
			break
		}
		if n := strings.Count(text, secret); n > 0 {
			text = strings.ReplaceAll(text, secret, replacement("secret"))
			c.count += n
		}
	}
	text = c.replaceTokens(text)
	text = c.replaceByRules(text)
	text = c.replaceByContext(text)
	text = c.replaceNamed(text)
	for _, pattern := range r.custom {
		if c.isLate() {
			break
		}
		text = c.replaceAll(pattern, text, func(g []string) string { return c.mark("custom pattern", g[0]) })
	}
	if c.expired {
		c.count++
		return withheld
	}
	return text
}

// counter counts the secrets of one text and reports them to found.
type counter struct {
	count int
	found func(secret string) // may be nil

	until   time.Time // zero: no deadline
	expired bool      // the deadline passed before the redaction ended
}

// isLate reports whether the deadline has passed.
func (c *counter) isLate() bool {
	c.expired = c.expired || !c.until.IsZero() && time.Now().After(c.until)
	return c.expired
}

// mark counts a secret and returns its replacement.
func (c *counter) mark(kind, secret string) string {
	c.count++
	if c.found != nil {
		c.found(secret)
	}
	return replacement(kind)
}

// replaceAll replaces every match of a pattern.
func (c *counter) replaceAll(pattern *regexp.Regexp, text string, replace func(groups []string) string) string {
	return pattern.ReplaceAllStringFunc(text, func(found string) string {
		groups := pattern.FindStringSubmatch(found)
		if groups == nil {
			// The pattern matched only because of the surrounding text.
			return c.mark("secret", found)
		}
		return replace(groups)
	})
}

// replaceGroup replaces the second group of each match of a shape, if the text contains one of its needles.
func (c *counter) replaceGroup(s shape, text string, quoted bool) string {
	if len(s.needles) > 0 && !containsAny(text, s.needles) {
		return text
	}
	return c.replaceAll(s.pattern(), text, func(g []string) string {
		if strings.Contains(g[2], markStart) {
			return g[0]
		}
		mark := c.mark(s.kind, g[2])
		if quoted {
			mark = `"` + mark + `"`
		}
		return g[1] + mark
	})
}

// json redacts a JSON value: strings as texts, and fields by their names.
func (r *Redactor) json(raw json.RawMessage) json.RawMessage {
	clean, _ := r.document(raw)
	return clean
}

// document redacts a JSON value and counts the secrets.
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
		return json.RawMessage(`"` + replacement("result") + `"`), w.changes
	}
	return encoded, w.changes
}

// walk redacts one decoded JSON value.
type walk struct {
	redactor *Redactor
	changes  int
	keys     map[string]string // names of fields to their redacted form
}

// secretFields maps the names of fields in which every text is a secret to the kind of the secret. The names
// of the fields below them are not replaced.
var secretFields = map[string]string{
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
			return replacement("secret")
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
			o["value"] = replacement("environment variable")
			w.changes++
		}
	}
	clean := make(map[string]any, len(o))
	for _, name := range slices.Sorted(maps.Keys(o)) {
		key := w.key(name)
		for n := 2; taken(clean, key); n++ {
			key = fmt.Sprintf("%s (%d)", w.key(name), n)
		}
		if kind, ok := secretFields[name]; ok {
			clean[key] = w.hide(kind, o[name])
			continue
		}
		clean[key] = w.value(name, o[name])
	}
	return clean
}

// taken reports whether an object has a key.
func taken(o map[string]any, key string) bool { _, there := o[key]; return there }

// key redacts a field's name. It can contain secrets because code counts log lines in dictionaries.
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

// hide replaces every text in a value, except in fields whose name is "name" or "Name".
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
		return replacement(kind)
	}
	return v
}
