package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of the rounds on the page. The JSON has everything.
const (
	foldedBytes = 160_000 // HTML bytes of all code, outputs, texts, and reasoning together
	leastFolded = 240     // HTML bytes of each of them at least
	foldedRows  = 400     // AWS calls of all tool calls together
	leastRows   = 3       // AWS calls of each tool call at least
	maxBrief    = 90      // characters that identify a round or a tool call
	maxRefusal  = 200     // characters of the broker's reason
	maxError    = 100     // characters of an error code
)

type roundsView struct {
	Evidence *callView // the call before the first round
	Rounds   []roundView
	None     string // why there are no rounds, if there are none
	Clipped  int    // texts that are not shown whole
}

type roundView struct {
	Number          int
	Took, Note      string
	Tokens, Brief   string // Brief: the beginning of the model's text
	Cited           bool
	Reasoning, Text []segment
	Calls           []callView
	Other           []otherView
}

type callView struct {
	Number   int
	Brief    string // the first line of its code
	Took     string
	Cited    bool
	Cached   int
	Problem  string
	Unknown  string // that the AWS calls are not known; empty: they are
	Command  []segment
	Output   []segment
	Notes    []string
	Requests []requestView
	RowsLeft int
}

// otherView is a call that runs no Python.
type otherView struct {
	Name          string
	Input, Answer []segment
}

type requestView struct {
	What, Region, Outcome string
	MS                    int64
}

// view returns the rounds. The more rounds there are, the less of each is shown.
func (r rounds) view(p *pageForm) (string, any) {
	b := newRoundsBuilder(r.rec, p.cited)
	var v roundsView
	if r.rec.Evidence.Call != nil {
		call := b.call(r.rec.Evidence.Call)
		v.Evidence = &call
	}
	for i := range r.rec.Rounds {
		v.Rounds = append(v.Rounds, b.round(&r.rec.Rounds[i]))
	}
	v.None, v.Clipped = noRounds(r.rec), b.clipped
	return "rounds", v
}

// noRounds returns why a record has no rounds.
func noRounds(rec *investigation.Record) string {
	switch {
	case !isAsked(rec):
		return "No model was asked."
	case rec.Usage.ModelCalls == 0:
		return "No model answered."
	}
	return "This report has lost its rounds."
}

// newRoundsBuilder returns a builder whose limits divide the space on the page among the texts and the lists of AWS
// calls of an investigation.
func newRoundsBuilder(rec *investigation.Record, cited map[int]*citedCall) roundsBuilder {
	var texts, rows []int
	size := func(text string) { texts = append(texts, escapedLen(text)) }
	for call := range rec.Calls() {
		size(call.Command)
		if call.Answer != nil && call.Cached == 0 {
			size(call.Answer.Text())
			rows = append(rows, len(call.Answer.AWSCalls))
		}
	}
	for _, round := range rec.Rounds {
		size(round.Reasoning)
		size(round.Text)
		for _, other := range round.Other {
			size(other.Input)
			size(other.Answer)
		}
	}
	return roundsBuilder{
		limit: max(fairShare(texts, foldedBytes), leastFolded),
		rows:  max(fairShare(rows, foldedRows), leastRows),
		cited: cited,
	}
}

// roundsBuilder builds the views of rounds and tool calls within its limits.
type roundsBuilder struct {
	limit   int // bytes of HTML for one text
	rows    int // AWS calls of one tool call
	cited   map[int]*citedCall
	clipped int // number of texts that were shortened
}

func (b *roundsBuilder) show(text string, marks []mark) []segment {
	segments, whole := excerpt(text, marks, b.limit)
	if !whole {
		b.clipped++
	}
	return segments
}

func (b *roundsBuilder) round(round *investigation.Round) roundView {
	view := roundView{
		Number: round.Number, Took: seconds(round.DurationMS),
		Note:      truncate.Runes(plain(round.Note), maxPageQuote),
		Brief:     truncate.Runes(unmarked(truncate.Runes(round.Text, 4*maxBrief)), maxBrief),
		Reasoning: b.show(round.Reasoning, nil), Text: b.show(round.Text, nil),
	}
	if u := round.Usage; u.Tokens() > 0 {
		input := u.Tokens() - u.OutputTokens
		view.Tokens = fmt.Sprintf("%s tokens in, %s out", thousands(input), thousands(u.OutputTokens))
	}
	for i := range round.Calls {
		call := b.call(&round.Calls[i])
		view.Cited = view.Cited || call.Cited
		view.Calls = append(view.Calls, call)
	}
	for _, other := range round.Other {
		view.Other = append(view.Other, otherView{
			Name: truncate.Runes(plain(other.Name), maxPageQuote), Input: b.show(other.Input, nil), Answer: b.show(other.Answer, nil),
		})
	}
	return view
}

func (b *roundsBuilder) call(call *investigation.ToolCall) callView {
	view := callView{
		Number: call.Number, Brief: brief(call), Took: seconds(call.DurationMS), Cached: call.Cached,
		Command: b.show(call.Command, nil),
	}
	var marks []mark
	if cited := b.cited[call.Number]; cited != nil {
		view.Cited, marks = true, cited.marks
	}
	switch {
	case call.Answer == nil:
		view.Problem = truncate.Runes(plain(cmp.Or(call.Problem, noAnswer)), maxPageQuote)
		if call.Lost {
			view.Unknown = callsNotKnown
		}
	case call.Cached > 0:
	default:
		view.Output = b.show(call.Answer.Text(), marks)
		view.Notes = pageLines(call.Answer.Notes, plain)
		requests := call.Answer.AWSCalls
		view.RowsLeft = call.Answer.AWSCallsCut + max(0, len(requests)-b.rows)
		for _, request := range requests[:min(len(requests), b.rows)] {
			view.Requests = append(view.Requests, viewRequest(request))
		}
	}
	return view
}

// brief returns the first line of a call's code that is not an import.
func brief(call *investigation.ToolCall) string {
	if call.Number == 0 {
		return "evidence collected before any model was asked"
	}
	for _, line := range strings.Split(call.Command, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "import ") && !strings.HasPrefix(line, "from ") {
			return truncate.Runes(plain(line), maxBrief)
		}
	}
	return ""
}

func viewRequest(request toolcall.AWSCall) requestView {
	view := requestView{
		What: plain(request.Service + ":" + request.Operation + otherSigner(request)), Region: plain(request.Region),
		MS: request.DurationMS,
	}
	switch {
	case request.Refused != "":
		view.Outcome = "refused: " + truncate.Runes(plain(request.Refused), maxRefusal)
	case request.Status == 0:
		view.Outcome = strings.TrimSpace("no answer " + plain(request.ErrorCode))
	default:
		code := truncate.Runes(plain(request.ErrorCode), maxError)
		view.Outcome = strings.TrimSpace(fmt.Sprintf("%d %s", request.Status, code))
	}
	return view
}

func seconds(ms int64) string {
	switch {
	case ms <= 0:
		return ""
	case ms < 100:
		return fmt.Sprintf("%d ms", ms)
	}
	return fmt.Sprintf("%.1f s", float64(ms)/1000)
}
