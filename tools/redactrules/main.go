// Redactrules turns gitleaks' detection rules into the data by which package redact finds secrets.
//
//	go run ./redactrules ../internal/redact/rules.json
//
// It is a program of its own so that neither the users of the construct nor the Lambda functions depend on
// the scanner; a new version of gitleaks in go.mod brings its rules with the next run.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/zricethezav/gitleaks/v8/config"
)

// leftOut are rules that would make logs unreadable, with the reason.
var leftOut = map[string]string{
	"aws-access-token": "an access key's id is no secret, and CloudTrail's events are told apart by it",
	"generic-api-key":  "package redact judges names and values with AWS's own vocabulary; this one takes ids for keys",
}

type allowlist struct {
	Condition   string
	RegexTarget string
	Regexes     []string
	StopWords   []string
	Paths       []string
}

type gitleaks struct {
	Allowlist allowlist
	Rules     []struct {
		ID          string
		Regex       string
		SecretGroup int
		Entropy     float64
		Keywords    []string
		Allowlists  []allowlist
	}
}

// rule and allow are the data's format; package redact has the same.
type rule struct {
	ID       string   `json:"id"`
	Regex    string   `json:"regex"`
	Group    int      `json:"group,omitempty"`
	Entropy  float64  `json:"entropy,omitempty"`
	Keywords []string `json:"keywords"`
	Allow    []allow  `json:"allow,omitempty"`
}

type allow struct {
	Target    string   `json:"target,omitempty"`
	Regexes   []string `json:"regexes,omitempty"`
	StopWords []string `json:"stopwords,omitempty"`
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: redactrules FILE"))
	}
	made, err := convert(config.DefaultConfig)
	if err != nil {
		fail(err)
	}
	if err := os.WriteFile(os.Args[1], made, 0o644); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "redactrules:", err)
	os.Exit(1)
}

// convert returns the rules as JSON, one a line. Its error names a rule that this cannot express.
func convert(source string) ([]byte, error) {
	var g gitleaks
	if _, err := toml.Decode(source, &g); err != nil {
		return nil, fmt.Errorf("read gitleaks' rules: %w", err)
	}
	everywhere := allowOf(g.Allowlist)
	var lines []string
	for _, r := range g.Rules {
		if leftOut[r.ID] != "" || r.Regex == "" { // without an expression a rule is about files' names
			continue
		}
		if _, err := regexp.Compile(r.Regex); err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		if len(r.Keywords) == 0 {
			return nil, fmt.Errorf("rule %s has no keywords and would cost time on every text; leave it out with a reason", r.ID)
		}
		out := rule{ID: r.ID, Regex: r.Regex, Group: r.SecretGroup, Entropy: r.Entropy, Keywords: r.Keywords}
		for _, a := range r.Allowlists {
			if len(a.Paths) > 0 { // about files, of which there are none
				continue
			}
			if strings.EqualFold(a.Condition, "AND") {
				return nil, fmt.Errorf("rule %s: an allowlist whose conditions must all hold can't be expressed", r.ID)
			}
			out.Allow = append(out.Allow, allowOf(a))
		}
		encoded, err := marshal(out)
		if err != nil {
			return nil, err
		}
		lines = append(lines, encoded)
	}
	slices.Sort(lines)
	head, err := marshal(everywhere)
	if err != nil {
		return nil, err
	}
	const about = "Made by tools/redactrules from the rules of gitleaks (https://github.com/gitleaks/gitleaks), which are Copyright (c) 2019 Zachary Rice, MIT licence."
	return fmt.Appendf(nil, "{\"about\": %q,\n\"allow\": %s,\n\"rules\": [\n%s\n]}\n", about, head, strings.Join(lines, ",\n")), nil
}

func allowOf(a allowlist) allow {
	return allow{Target: a.RegexTarget, Regexes: a.Regexes, StopWords: a.StopWords}
}

func marshal(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSpace(b.String()), err
}
