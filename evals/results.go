package evals

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Run is one investigation of an incident by a model.
type Run struct {
	Incident string                `json:"incident"`
	Kind     string                `json:"kind"`
	Title    string                `json:"title"`
	Model    string                `json:"model"`
	At       time.Time             `json:"at"` // when it ended
	Score    Score                 `json:"score"`
	Record   *investigation.Record `json:"record"`
}

// ReadRun reads a run. known is false if there is no such file.
func ReadRun(file string) (run *Run, known bool, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	run = &Run{}
	if err := json.Unmarshal(text, run); err != nil {
		return nil, false, fmt.Errorf("%s: %w; delete it to repeat the investigation", file, err)
	}
	return run, true, nil
}

// Write writes a run to a file.
func (r *Run) Write(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// Line summarizes a run.
func (r *Run) Line() string {
	s := r.Score
	found := "cause not found"
	if s.CauseFound {
		found = "cause found"
	}
	line := fmt.Sprintf("%.0f points, %s, %s, %d rounds, %d calls, %d tokens, $%.4f, %.0f s", s.Points, found, s.Confidence, s.Rounds, s.Calls, s.Tokens, s.CostUSD, s.Seconds)
	for _, bad := range s.Bad() {
		line += "; " + bad
	}
	return line
}

// Bad lists what a score has to be ashamed of.
func (s *Score) Bad() (lines []string) {
	if s.ConfidentlyNo {
		lines = append(lines, "CONFIRMED AND WRONG")
	}
	add := func(name string, values []string) {
		if len(values) > 0 {
			lines = append(lines, name+": "+strings.Join(values, " | "))
		}
	}
	add("SECRETS LEAKED", s.SecretsLeaked)
	add("OBEYED", s.Obeyed)
	add("false claims", s.FalseClaims)
	add("missing in the cause", s.CauseMissing)
	add("facts missing", s.FactsMissing)
	add("not ruled out", s.HerringsLeft)
	add("not named as unknown", s.Unnamed)
	add("dangerous commands", s.Dangerous)
	if s.Rejected > 0 {
		lines = append(lines, fmt.Sprintf("%d rejected quotes", s.Rejected))
	}
	return lines
}

// Progress describes an investigation that is not finished.
func Progress(rec *investigation.Record) string {
	asked := ""
	if len(rec.Rounds) > 0 {
		round := rec.Rounds[len(rec.Rounds)-1]
		asked = strings.Join(strings.Fields(round.Text), " ")
		for i := range round.Calls {
			asked = cmp.Or(asked, strings.Join(strings.Fields(round.Calls[i].Command), " "))
		}
	}
	if runes := []rune(asked); len(runes) > 100 {
		asked = string(runes[:99]) + "…"
	}
	return fmt.Sprintf("round %d, %d tokens, $%.4f: %s", rec.Usage.ModelCalls, rec.Usage.Tokens(), rec.Usage.CostUSD, asked)
}

// Results are the runs of an evaluation.
type Results struct{ Runs []*Run }

// Models returns the models in alphabetical order.
func (r *Results) Models() []string {
	var names []string
	for _, run := range r.Runs {
		if !slices.Contains(names, run.Model) {
			names = append(names, run.Model)
		}
	}
	slices.Sort(names)
	return names
}

// Incidents returns the names of the incidents in alphabetical order.
func (r *Results) Incidents() []string {
	var names []string
	for _, run := range r.Runs {
		if !slices.Contains(names, run.Incident) {
			names = append(names, run.Incident)
		}
	}
	slices.Sort(names)
	return names
}

// Of returns the runs of a model with an incident.
func (r *Results) Of(incident, model string) (runs []*Run) {
	for _, run := range r.Runs {
		if (incident == "" || run.Incident == incident) && (model == "" || run.Model == model) {
			runs = append(runs, run)
		}
	}
	return runs
}

// Summary is the mean of some runs.
type Summary struct {
	Runs, Found, Wrong, Leaked, Obeyed   int
	Points, Rounds, Calls, Cost, Seconds float64 // means
	Tokens                               int     // mean
}

// Summarize returns the mean of some runs.
func Summarize(runs []*Run) (s Summary) {
	for _, run := range runs {
		s.Runs++
		s.Found += count(run.Score.CauseFound)
		s.Wrong += count(run.Score.ConfidentlyNo)
		s.Leaked += count(len(run.Score.SecretsLeaked) > 0)
		s.Obeyed += count(len(run.Score.Obeyed) > 0)
		s.Points += run.Score.Points
		s.Rounds += float64(run.Score.Rounds)
		s.Calls += float64(run.Score.Calls)
		s.Cost += run.Score.CostUSD
		s.Seconds += run.Score.Seconds
		s.Tokens += run.Score.Tokens
	}
	if n := float64(s.Runs); n > 0 {
		s.Points, s.Rounds, s.Calls, s.Cost, s.Seconds, s.Tokens = s.Points/n, s.Rounds/n, s.Calls/n, s.Cost/n, s.Seconds/n, s.Tokens/s.Runs
	}
	return s
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Table returns the means per model and incident, and what the tool refused.
func (r *Results) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 2, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "model\tincident\tpoints\tfound\tconfirmed wrong\trounds\tcalls\ttokens\tUSD\tseconds\t")
	row := func(model, incident string, runs []*Run) {
		s := Summarize(runs)
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%d/%d\t%d\t%.1f\t%.1f\t%d\t%.4f\t%.0f\t\n", model, incident, s.Points, s.Found, s.Runs, s.Wrong, s.Rounds, s.Calls, s.Tokens, s.Cost, s.Seconds)
	}
	for _, model := range r.Models() {
		for _, incident := range r.Incidents() {
			if runs := r.Of(incident, model); len(runs) > 0 {
				row(model, incident, runs)
			}
		}
		row(model, "ALL", r.Of("", model))
	}
	_ = w.Flush()
	if kinds := r.ToolErrors(); len(kinds) > 0 {
		b.WriteString("\nCalls that failed, by kind:\n")
		for _, kind := range kinds {
			fmt.Fprintf(&b, "%5d  %s\n", kind.Count, kind.Name)
		}
	}
	return b.String()
}

// Kind counts failed calls of one kind.
type Kind struct {
	Name  string
	Count int
}

// ToolErrors counts the failed calls of all runs, the most frequent kind first.
func (r *Results) ToolErrors() (kinds []Kind) {
	counts := map[string]int{}
	for _, run := range r.Runs {
		for kind, n := range run.Score.ToolErrors {
			counts[kind] += n
		}
	}
	for name, n := range counts {
		kinds = append(kinds, Kind{name, n})
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return kinds
}

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"summarize": Summarize,
	"output": func(call *investigation.ToolCall) string {
		if call.Answer == nil {
			return call.Problem
		}
		return call.Answer.Output
	},
	"addr": func(calls []investigation.ToolCall) (pointers []*investigation.ToolCall) {
		for i := range calls {
			pointers = append(pointers, &calls[i])
		}
		return pointers
	},
}).Parse(pageSource))

// WritePage writes a page on which runs can be compared, down to the conversation.
func (r *Results) WritePage(file string) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	written, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, written.Close()) }()
	return page.Execute(written, r)
}
