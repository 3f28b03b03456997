// Package redact takes secrets out of everything that leaves the tool. It knows the shapes of tokens by
// the rules of a well-kept scanner and some stricter ones of its own, names after which secrets stand, and
// the fields in which AWS's answers carry them. Ids, ARNs, timestamps, hashes and stack traces stay, so
// that logs can still be read.
package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Redactor replaces secrets by a text that names their kind.
type Redactor struct {
	own   []*regexp.Regexp
	known []string // secrets as they are, longest first
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
	a.Stdout, a.Stderr, a.Error = text(a.Stdout), text(a.Stderr), text(a.Error)
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
	c := counter{}
	return r.text(&c, text), c.count
}

func (r *Redactor) text(c *counter, text string) string {
	text = c.inFields(text)
	for _, secret := range r.known {
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
		text = c.all(pattern, text, func(g []string) string { return c.mark("own pattern", g[0]) })
	}
	return text
}

// counter counts the marks that it hands out, and says for which secrets if it was asked to.
type counter struct {
	count int
	found func(secret string) // nil: nobody wants to know
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
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var decoded any
	if len(raw) == 0 || decoder.Decode(&decoded) != nil {
		return raw
	}
	w := walk{redactor: r}
	clean := w.value("", decoded)
	if !w.changed {
		return raw
	}
	encoded, err := json.Marshal(clean)
	if err != nil {
		return json.RawMessage(`"[redacted: result]"`)
	}
	return encoded
}

type walk struct {
	redactor *Redactor
	changed  bool
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
			w.changed = true
			return "[redacted: secret]"
		}
		clean, count := w.redactor.Text(v)
		w.changed = w.changed || count > 0
		return clean
	}
	return v
}

func (w *walk) object(o map[string]any) any {
	if name, ok := o["name"].(string); ok && environmentName().MatchString(name) {
		if _, ok := o["value"].(string); ok {
			o["value"], w.changed = "[redacted: environment variable]", true
		}
	}
	for name, v := range o {
		if kind, ok := carriers[name]; ok {
			o[name] = w.hide(kind, v)
			continue
		}
		o[name] = w.value(name, v)
	}
	return o
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
		w.changed = true
		return "[redacted: " + kind + "]"
	}
	return v
}
