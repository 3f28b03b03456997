package evidence

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of the tool's answer. The snippet respects them, but it processes untrusted data. Its result is
// therefore bounded again.
const (
	maxItems     = 100   // of each list
	maxPoints    = 1000  // of one series
	maxText      = 1000  // bytes of one text
	maxProblems  = 40    // missing parts that the collection names
	maxDocument  = 65536 // bytes of the definition
	maxQuery     = 10240 // bytes of the alarm's query: CloudWatch's limit
	maxResources = 10    // of one change
)

// parts is the result of the snippet. Each part is decoded separately: an invalid part does not affect the
// others.
type parts struct {
	Problems   []string          `json:"problems"`
	Definition json.RawMessage   `json:"definition"`
	History    []json.RawMessage `json:"history"`
	Series     []json.RawMessage `json:"series"`
	Related    []json.RawMessage `json:"related"`
	Changes    []json.RawMessage `json:"changes"`
	Seen       []json.RawMessage `json:"observations"`
	LogLines   []json.RawMessage `json:"log_lines"`
	unknown    []string          // what was not understood
}

// read returns the evidence in the answer of the fixed tool call. It skips what it cannot decode, and says so.
func read(call *investigation.ToolCall) investigation.Evidence {
	e := investigation.Evidence{Call: call}
	if !call.Answer.Success {
		e.Problem = "the collection failed: " + clip(call.Answer.Error)
		return e
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(call.Answer.Result, &fields); err != nil {
		e.Problem = "the result of the collection is not a JSON object"
		return e
	}
	var p parts
	for _, field := range []struct {
		name string
		into any
	}{
		{"problems", &p.Problems}, {"history", &p.History}, {"series", &p.Series},
		{"related", &p.Related}, {"changes", &p.Changes}, {"log_lines", &p.LogLines}, {"observations", &p.Seen},
	} {
		if raw, ok := fields[field.name]; ok && json.Unmarshal(raw, field.into) != nil {
			p.unknown = append(p.unknown, field.name+": not understood")
		}
	}
	if raw := fields["definition"]; len(raw) <= maxDocument && strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		e.Definition = raw
	}
	e.Query = query(fields["query"])
	e.LogLines = slices.DeleteFunc(decode(&p, "log_lines", p.LogLines, line), func(text string) bool { return text == "" })
	e.History = decode(&p, "history", p.History, historyItem)
	e.Series = decode(&p, "series", p.Series, series)
	e.Related = decode(&p, "related", p.Related, related)
	e.Changes = decode(&p, "changes", p.Changes, change)
	e.Trail = trail(fields["trail"])
	e.Seen = decode(&p, "observations", p.Seen, observation)
	e.Missing = p.unknown
	for _, problem := range p.Problems[:min(len(p.Problems), maxProblems)] { // the last one can say how many are left out
		e.Missing = append(e.Missing, clip(problem))
	}
	e.Problem = joinProblems(e.Missing)
	return e
}

// decode returns the elements of a part that can be decoded, and adds a problem if others cannot.
func decode[T any](p *parts, part string, list []json.RawMessage, one func(json.RawMessage) (T, bool)) []T {
	var out []T
	list = list[:min(len(list), maxItems)]
	for _, raw := range list {
		if value, ok := one(raw); ok {
			out = append(out, value)
		}
	}
	if left := len(list) - len(out); left > 0 {
		p.unknown = append(p.unknown, fmt.Sprintf("%s: %d of %d not understood", part, left, len(list)))
	}
	return out
}

// query decodes the query of a log or PromQL alarm. It returns nil if there is none.
func query(raw json.RawMessage) *alarmevent.Query {
	var q alarmevent.Query
	if len(raw) == 0 || json.Unmarshal(raw, &q) != nil || q.Text == "" && len(q.LogGroups) == 0 {
		return nil
	}
	q.Text, q.Aggregation, q.Schedule = truncate.Bytes(q.Text, maxQuery), clip(q.Aggregation), clip(q.Schedule)
	q.LogGroups = q.LogGroups[:min(len(q.LogGroups), maxItems)]
	for i, group := range q.LogGroups {
		q.LogGroups[i] = clip(group)
	}
	return &q
}

func line(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return clip(text), true
}

func historyItem(raw json.RawMessage) (investigation.HistoryItem, bool) {
	var h struct{ Time, Type, Summary string }
	if json.Unmarshal(raw, &h) != nil {
		return investigation.HistoryItem{}, false
	}
	return investigation.HistoryItem{Time: parseTime(h.Time), Type: clip(h.Type), Summary: clip(h.Summary)}, true
}

func related(raw json.RawMessage) (investigation.Related, bool) {
	var r struct{ Name, ARN, State, Since, Reason string }
	if json.Unmarshal(raw, &r) != nil || r.Name == "" {
		return investigation.Related{}, false
	}
	return investigation.Related{
		Name: clip(r.Name), ARN: clip(r.ARN), State: clip(r.State), Since: parseTime(r.Since), Reason: clip(r.Reason),
	}, true
}

func change(raw json.RawMessage) (investigation.Change, bool) {
	var c struct {
		Time, Event, Source, User, Actor, Parameters, Error string
		Resources                                           []string
		Own                                                 bool
	}
	if json.Unmarshal(raw, &c) != nil || c.Event == "" {
		return investigation.Change{}, false
	}
	out := investigation.Change{
		Time: parseTime(c.Time), Event: clip(c.Event), Source: clip(c.Source), User: clip(c.User), Error: clip(c.Error),
		Actor: clip(c.Actor), Parameters: clip(c.Parameters), Own: c.Own,
	}
	for _, resource := range c.Resources[:min(len(c.Resources), maxResources)] {
		out.Resources = append(out.Resources, clip(resource))
	}
	return out, true
}

func series(raw json.RawMessage) (investigation.Series, bool) {
	var s struct {
		ID, Label, Unit, Stat, Account string
		Period                         float64
		Points, Lower, Upper           [][]float64
		Threshold                      *float64
	}
	if json.Unmarshal(raw, &s) != nil {
		return investigation.Series{}, false
	}
	return investigation.Series{
		ID: clip(s.ID), Label: clip(s.Label), Unit: clip(s.Unit), Stat: clip(s.Stat), Account: clip(s.Account), Period: int(s.Period),
		Threshold: s.Threshold, Points: points(s.Points), Lower: points(s.Lower), Upper: points(s.Upper),
	}, true
}

// trail decodes how much of CloudTrail was read. It returns nil if it was not read.
func trail(raw json.RawMessage) *investigation.Trail {
	var t struct {
		From     string
		Complete bool
		Read     float64
		Routine  map[string]float64
	}
	if len(raw) == 0 || json.Unmarshal(raw, &t) != nil || t.From == "" {
		return nil
	}
	out := &investigation.Trail{From: parseTime(t.From), Complete: t.Complete, Read: int(t.Read), Routine: map[string]int{}}
	for name, count := range t.Routine {
		if len(out.Routine) < maxResources {
			out.Routine[clip(name)] = int(count)
		}
	}
	return out
}

func observation(raw json.RawMessage) (investigation.Observation, bool) {
	var o struct {
		About, Topic, Text, Time string
		Weight                   float64
	}
	if json.Unmarshal(raw, &o) != nil || o.Text == "" {
		return investigation.Observation{}, false
	}
	return investigation.Observation{
		About: clip(o.About), Topic: clip(o.Topic), Text: clip(o.Text), Weight: int(o.Weight), Time: parseTime(o.Time),
	}, true
}

// points decodes pairs of seconds since 1970 and a value. It returns the oldest point first.
func points(pairs [][]float64) []investigation.Point {
	var out []investigation.Point
	for _, pair := range pairs[max(0, len(pairs)-maxPoints):] {
		if len(pair) != 2 || math.IsInf(pair[1], 0) || math.IsNaN(pair[1]) || pair[0] < 0 || pair[0] > 1e11 {
			continue
		}
		out = append(out, investigation.Point{Time: time.UnixMilli(int64(pair[0] * 1000)).UTC(), Value: pair[1]})
	}
	slices.SortStableFunc(out, func(a, b investigation.Point) int { return a.Time.Compare(b.Time) })
	return out
}

// parseTime returns a time in UTC, or the zero time if the text is not a time.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !alarmevent.IsPossibleTime(t) {
		return time.Time{}
	}
	return t.UTC()
}

func clip(text string) string { return truncate.Bytes(text, maxText) }
