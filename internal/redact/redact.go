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
	own []*regexp.Regexp
}

// New makes a redactor that knows additional patterns, in RE2 syntax. Its error names the pattern
// that is wrong.
func New(patterns []string) (*Redactor, error) {
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
	var count int
	a.Output, count = r.Text(a.Output)
	a.Redactions += count
	a.Stdout, _ = r.Text(a.Stdout)
	a.Stderr, _ = r.Text(a.Stderr)
	a.Error, _ = r.Text(a.Error)
	for i := range a.Notes {
		a.Notes[i], _ = r.Text(a.Notes[i])
	}
	a.Result = r.json(a.Result)
	if count > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d secrets were replaced by [redacted: kind]", count))
	}
}

// token is a kind of secret that can be told by its shape alone.
type token struct {
	kind    string
	pattern *regexp.Regexp
}

var tokens = []token{
	{"private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)`)},
	{"JSON web token", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)},
	{"GitHub token", regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})`)},
	{"GitLab token", regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20,}`)},
	{"Slack token", regexp.MustCompile(`\bxox[abeoprs]-[A-Za-z0-9-]{10,}`)},
	{"Slack webhook", regexp.MustCompile(`https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]+`)},
	{"Stripe key", regexp.MustCompile(`\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}`)},
	{"Google API key", regexp.MustCompile(`\bAIza[A-Za-z0-9_-]{35}`)},
	{"npm token", regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36}`)},
	{"PyPI token", regexp.MustCompile(`\bpypi-[A-Za-z0-9_-]{50,}`)},
	{"SendGrid key", regexp.MustCompile(`\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}`)},
	{"API key", regexp.MustCompile(`\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}`)},
	{"age key", regexp.MustCompile(`\bAGE-SECRET-KEY-1[A-Z0-9]{58}`)},
}

var (
	// A password in a URL; the user stays.
	inURL = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@"'<>]*:)([^\s/@"'<>]+)(@)`)
	// The credential of an HTTP header.
	header = regexp.MustCompile(`(?i)((?:Proxy-)?Authorization["']?\s*[:=]\s*["']?(?:Bearer|Basic|Token)\s+|\bBearer\s+)([A-Za-z0-9._~+/=-]{12,})`)
	// A query parameter that signs.
	query = regexp.MustCompile(`(?i)([?&](?:X-Amz-Signature|X-Amz-Security-Token|Signature|sig|access_token|api_key|apikey|token|password)=)([^&\s"'<>\[]{6,})`)
	// name = value, name: value, "name": "value", in code, JSON, YAML and logs.
	named = regexp.MustCompile(`([A-Za-z0-9_.-]{2,64})(\\?["']?\s*(?:=>|[:=])\s*)(\\?"(?:[^"\\\n]|\\[^"\n])*\\?"|'(?:[^'\\\n]|\\.)*'|[^\s"',;&{}()\[\]]+)`)
	// Variables of a function, as JSON and as Python shows it.
	variables = regexp.MustCompile(`(["'](?:Variables|EnvironmentVariables|environmentVariables)["']\s*:\s*)(\{[^{}]*\}|\[[^\[\]]*\])`)
	// A variable of a container: name in capitals, then value.
	container = regexp.MustCompile(`(["']name["']\s*:\s*["'][A-Z][A-Z0-9_]*["']\s*,\s*["']value["']\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`)
	// Whole fields that carry scripts or keys.
	fields = regexp.MustCompile(`(["'](?:UserData|userData|CustomerGatewayConfiguration|SecretString|SecretBinary|PreSharedKey|KeyMaterial)["']\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{[^{}]*\})`)
	// A value in an object or list of variables.
	value = regexp.MustCompile(`(:\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`)
)

// secretName matches names after which a secret stands.
var secretName = regexp.MustCompile(`(?i)(?:pass(?:word|wd|phrase)|passwd|^pwd$|_pwd$|secret|api[_.-]?key|private[_.-]?key|access[_.-]?token|auth[_.-]?token|` +
	`security[_.-]?token|session[_.-]?token|refresh[_.-]?token|id[_.-]?token|bearer[_.-]?token|bot[_.-]?token|^token$|_token$|connection[_.-]?string|encryption[_.-]?key|signing[_.-]?key|account[_.-]?key|credentials?$)`)

// harmlessName matches names like those above after which no secret stands.
var harmlessName = regexp.MustCompile(`(?i)(?:next|continuation|pagination|client|starting|page|request)[_.-]?token$|` +
	`(?:arn|id|ids|name|names|version|versions|policy|length|age|count|type|status|date|path|rotation|enabled|lastchanged\w*|lastused|expir\w*|url|uri|list|source|provider)$`)

// harmlessValue matches values that are no secrets whatever their name.
var harmlessValue = regexp.MustCompile(`(?i)^(?:|true|false|none|null|nil|undefined|\*+|<[^>]*>|\$\{?[^}]*\}?|\{\{.*|arn:aws.*|\[redacted.*|-?\d{1,5}|not|is|was|and|for|the|in|of|to|has|with|invalid|expired|missing|required|incorrect|wrong|failed|denied|error)$`)

// Text redacts a text and counts what it replaced.
func (r *Redactor) Text(text string) (string, int) {
	c := counter{}
	text = c.all(variables, text, func(g []string) string { return g[1] + c.values(g[2]) })
	text = c.group(fields, text, "field with secrets", true)
	text = c.group(container, text, "environment variable", true)
	for _, t := range tokens {
		text = c.all(t.pattern, text, func([]string) string { return c.mark(t.kind) })
	}
	text = c.byRules(text)
	text = c.all(inURL, text, func(g []string) string { return g[1] + c.mark("password") + g[3] })
	text = c.group(header, text, "credential", false)
	text = c.group(query, text, "credential", false)
	text = c.all(named, text, func(g []string) string {
		plain := strings.Trim(g[3], `\"'`)
		if !isSecret(g[1], plain) {
			return g[0]
		}
		return g[1] + g[2] + strings.Replace(g[3], plain, c.mark("secret"), 1)
	})
	for _, pattern := range r.own {
		text = c.all(pattern, text, func([]string) string { return c.mark("own pattern") })
	}
	return text, c.count
}

func isSecret(name, value string) bool {
	return len(value) >= 4 && secretName.MatchString(name) && !harmlessName.MatchString(name) && !harmlessValue.MatchString(value)
}

// counter counts the marks that it hands out.
type counter struct{ count int }

func (c *counter) mark(kind string) string {
	c.count++
	return "[redacted: " + kind + "]"
}

func (c *counter) all(pattern *regexp.Regexp, text string, replace func(groups []string) string) string {
	return pattern.ReplaceAllStringFunc(text, func(found string) string {
		groups := pattern.FindStringSubmatch(found)
		if groups == nil {
			// It matched by what surrounds it.
			return c.mark("secret")
		}
		return replace(groups)
	})
}

// group replaces the second group of each match.
func (c *counter) group(pattern *regexp.Regexp, text, kind string, quoted bool) string {
	return c.all(pattern, text, func(g []string) string {
		if strings.Contains(g[2], "[redacted: ") {
			return g[0]
		}
		mark := c.mark(kind)
		if quoted {
			mark = `"` + mark + `"`
		}
		return g[1] + mark
	})
}

func (c *counter) values(object string) string {
	return c.group(value, object, "environment variable", true)
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
	"UserData": "user data", "userData": "user data", "CustomerGatewayConfiguration": "VPN configuration",
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
	if name, ok := o["name"].(string); ok && environmentName.MatchString(name) {
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

var environmentName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

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
