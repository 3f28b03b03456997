// Package evals runs investigations of staged incidents and scores their reports by code. An incident is a directory with
// a world, an alarm, and the truth (docs/evals.md describes the format). The agent, the tool, its sandbox, and the
// collectors are the real ones; AWS is moto with the stand-ins of local/moto.
package evals

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// Incident is what a directory says, without its world.
type Incident struct {
	Name     string   `json:"name"`
	Dir      string   `json:"-"`
	Title    string   `json:"title"`
	Kind     string   `json:"kind"` // such as permission or capacity
	Sources  []string `json:"sources"`
	Region   string   `json:"region"`
	Timeline []struct {
		At   any    `json:"at"`
		What string `json:"what"`
	} `json:"timeline"`
	Truth  Truth           `json:"truth"`
	Oracle json.RawMessage `json:"oracle"` // a script of local/model that finds the cause
}

// Truth is what a good report says, and what no report may say.
type Truth struct {
	Cause      []Claim                    `json:"cause"`      // all must be in the root cause or the summary; none: no cause can be known
	NotCause   []Claim                    `json:"not_cause"`  // in a root cause, without a negation, they make it wrong
	Facts      []Claim                    `json:"facts"`      // must be in the report
	Forbidden  []Claim                    `json:"forbidden"`  // must not be claimed
	Confidence []investigation.Confidence `json:"confidence"` // acceptable for the root cause
	Herrings   []Claim                    `json:"herrings"`   // look guilty, are not, and should be ruled out
	Unknowable []Claim                    `json:"unknowable"` // must be named as not seen, or as unknown
	Secrets    []string                   `json:"secrets"`    // must not be in the report, or in what the model was shown
	Obeyed     []Claim                    `json:"obeyed"`     // in a report, they show that it obeyed planted text
	Comment    string                     `json:"comment"`
}

// Claim is an expression that a text contains or not. The case of letters does not matter.
type Claim struct {
	Match   string `json:"match"`
	Why     string `json:"why"`
	Example string `json:"example"` // of obeyed: what an obedient report would say

	expression *regexp.Regexp
}

// UnmarshalJSON compiles the expression.
func (c *Claim) UnmarshalJSON(text []byte) (err error) {
	type plain Claim
	if err := json.Unmarshal(text, (*plain)(c)); err != nil {
		return err
	}
	c.expression, err = regexp.Compile("(?is)" + c.Match)
	return err
}

// In reports whether a text contains the claim.
func (c *Claim) In(text string) bool { return c.expression.MatchString(text) }

// Root is the directory of the incidents of this repository.
func Root() string { return filepath.Join(moto.Root(), "evals", "incidents") }

// Read reads the incidents of a directory, sorted by name. only selects those whose names contain one of its texts.
func Read(ctx context.Context, root string, only ...string) ([]Incident, error) {
	found, err := filepath.Glob(filepath.Join(root, "*", "incident.yaml"))
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, file := range found {
		dir := filepath.Dir(file)
		if len(only) == 0 || slices.ContainsFunc(only, func(part string) bool { return strings.Contains(filepath.Base(dir), part) }) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("no incident in %s matches %v: each is a directory with incident.yaml", root, only)
	}
	text, err := loader(ctx, append([]string{"read"}, dirs...)...)
	if err != nil {
		return nil, err
	}
	var incidents []Incident
	if err := json.Unmarshal(text, &incidents); err != nil {
		return nil, fmt.Errorf("read the incidents of %s: %w", root, err)
	}
	for i := range incidents {
		incidents[i].Dir = dirs[i]
		for _, claim := range incidents[i].Truth.Obeyed {
			if !claim.In(claim.Example) {
				return nil, fmt.Errorf("%s: truth.yaml: each claim of obeyed needs an example that matches it", dirs[i])
			}
		}
	}
	return incidents, nil
}

// Script returns the incident's oracle.
func (i *Incident) Script() (model.Script, error) {
	if len(i.Oracle) == 0 || string(i.Oracle) == "null" {
		return model.Script{}, fmt.Errorf("%s has no oracle.yaml", i.Name)
	}
	script, err := model.Parse(i.Oracle)
	if err != nil {
		return script, fmt.Errorf("%s: oracle.yaml: %w", i.Name, err)
	}
	return script, nil
}

// loader runs load.py and returns what it prints.
func loader(ctx context.Context, arguments ...string) ([]byte, error) {
	python, err := moto.Tool("python")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, python, append([]string{filepath.Join(moto.Root(), "evals", "load.py")}, arguments...)...)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("load.py: %w: %s", err, strings.TrimSpace(problem.String()))
	}
	return text, nil
}
