package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/reports"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// redrawTime is how often the status of a terminal shows another duration.
const redrawTime = time.Second

// progress shows what an investigation does: as a model and a tool that pass everything on, and as the receiver of the
// agent's checkpoints.
type progress struct {
	screen  *screen
	model   agent.Model
	tool    evidence.Tool
	started time.Time
	now     func() time.Time
	stop    chan struct{}

	mu       sync.Mutex
	round    int    // that is running; 0: the evidence is collected
	doing    string // what is going on now
	ended    int    // rounds
	awsCalls int
	usage    investigation.Usage
}

func newProgress(s *screen, model agent.Model, tool evidence.Tool, now func() time.Time) *progress {
	p := &progress{screen: s, model: model, tool: tool, started: now(), now: now, stop: make(chan struct{})}
	if s.live {
		go p.redraw()
	}
	return p
}

// redraw shows the passing time until the progress ends.
func (p *progress) redraw() {
	tick := time.NewTicker(redrawTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.mu.Lock()
			p.show()
			p.mu.Unlock()
		case <-p.stop:
			return
		}
	}
}

// end removes the status, and shows what the whole investigation has used. It may be called once.
func (p *progress) end(rec *investigation.Record) {
	close(p.stop)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing, p.usage = "", rec.Usage
	p.screen.end()
	p.screen.line("Used: %s · %s", plural.Of(len(rec.Rounds), "round"), p.sums())
}

// show draws the status. The caller holds the lock.
func (p *progress) show() {
	if p.doing != "" {
		p.screen.show(p.doing + " · " + p.sums())
	}
}

// sums returns what the investigation has used so far. The caller holds the lock.
func (p *progress) sums() string {
	sums := []string{plural.Of(p.awsCalls, "AWS call"), thousands(p.usage.Tokens()) + " tokens"}
	if p.usage.PriceKnown {
		sums = append(sums, reports.Dollars(p.usage.CostUSD))
	}
	return strings.Join(append(sums, elapsed(p.now().Sub(p.started))), " · ")
}

// begin replaces what is going on.
func (p *progress) begin(doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = doing
	if !p.screen.live {
		p.screen.line("%s", doing)
	}
	p.show()
}

// Converse asks the model.
func (p *progress) Converse(
	ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options),
) (*bedrockruntime.ConverseOutput, error) {
	p.mu.Lock()
	p.round = p.ended + 1
	round := p.round
	p.mu.Unlock()
	p.begin(fmt.Sprintf("Round %d: asking the model", round))
	return p.model.Converse(ctx, in, opts...)
}

// Run runs a tool call.
func (p *progress) Run(ctx context.Context, request toolcall.Request) (toolcall.Answer, error) {
	p.mu.Lock()
	what := "Collecting evidence"
	if p.round > 0 {
		what = fmt.Sprintf("Round %d: %s", p.round, purpose(request.Command))
	}
	p.mu.Unlock()
	p.begin(what)
	answer, err := p.tool.Run(ctx, request)
	p.mu.Lock()
	p.awsCalls += len(answer.AWSCalls) + answer.AWSCallsCut
	p.mu.Unlock()
	if p.screen.live {
		p.screen.write("", mark(answer, err)+" "+what+counted(answer))
	}
	return answer, err
}

// mark shows how a call ended.
func mark(answer toolcall.Answer, err error) string {
	if err != nil || !answer.Success {
		return "✗"
	}
	return "✓"
}

// counted returns the number of AWS calls of a tool call, in parentheses.
func counted(answer toolcall.Answer) string {
	switch calls := len(answer.AWSCalls) + answer.AWSCallsCut; {
	case calls == 0:
		return ""
	case answer.Refusals > 0:
		return fmt.Sprintf(" (%s, %d refused)", plural.Of(calls, "AWS call"), answer.Refusals)
	default:
		return " (" + plural.Of(calls, "AWS call") + ")"
	}
}

// checkpoint receives the record after each round. The agent does not change the record while it runs.
func (p *progress) checkpoint(rec *investigation.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.usage = len(rec.Rounds), rec.Usage
	if !p.screen.live {
		p.screen.line("Round %d ended: %s", p.ended, p.sums())
	}
}

// maxPurpose is how much of what a call does is shown, in characters.
const maxPurpose = 100

// purpose returns in one line what code does: its first comment, or else its first line that is more than an import.
func purpose(code string) string {
	other := ""
	for line := range strings.Lines(code) {
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "#")
		if comment = strings.TrimSpace(comment); isComment && comment != "" {
			return cut(oneLine(comment), maxPurpose)
		}
		isImport := strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "from ") || strings.HasPrefix(line, "```")
		if other == "" && line != "" && !isImport && !isComment {
			other = line
		}
	}
	if other == "" {
		return "running code"
	}
	return cut(oneLine(other), maxPurpose)
}

// thousands returns a number with separators, such as 45,210.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
