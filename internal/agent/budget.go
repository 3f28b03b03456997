package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// requestBytesPerToken projects the input of a request. It is less than the 3.5 to 4 bytes of most texts: a projection that is
// too high costs a round, and one that is too low exceeds the budget.
const requestBytesPerToken = 3

// errBudgetUsed reports that the budget does not allow another request.
var errBudgetUsed = errors.New("the budget does not allow another request")

// budget is a limit of the whole investigation: MaxTokens or MaxCostUSD. Amounts are in its unit.
type budget struct {
	name string  // for the reader
	left float64 // what the investigation may still use
	most func(input, output int) float64
}

// budgets returns the limits that are set. A model without a known price has no limit of its cost.
func (r *run) budgets() []budget {
	var set []budget
	if r.MaxTokens > 0 {
		set = append(set, budget{
			name: fmt.Sprintf("the budget of %d tokens", r.MaxTokens), left: float64(r.MaxTokens - r.rec.Usage.Tokens()),
			most: func(input, output int) float64 { return float64(input + output) },
		})
	}
	if _, known := r.Prices.Lookup(r.modelID()); r.MaxCostUSD > 0 && known {
		set = append(set, budget{
			name: "the budget of $" + dollars(r.MaxCostUSD), left: r.MaxCostUSD - r.rec.Usage.CostUSD, most: r.mostCost,
		})
	}
	return set
}

// dollars returns an amount with cents, or with more digits if it is less than a cent.
func dollars(usd float64) string {
	if usd < 0.01 {
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(usd, 'g', 2, 64), 64) // without an exponent
		return strconv.FormatFloat(rounded, 'f', -1, 64)
	}
	return strconv.FormatFloat(usd, 'f', 2, 64)
}

// mostCost returns what a request costs at most: the whole input may be written to the cache, or not be cached at all.
func (r *run) mostCost(input, output int) float64 {
	cached, _ := r.Prices.Cost(r.modelID(), investigation.Usage{CacheWriteTokens: input, OutputTokens: output})
	plain, _ := r.Prices.Cost(r.modelID(), investigation.Usage{InputTokens: input, OutputTokens: output})
	return max(cached, plain)
}

// output returns how many tokens a request with this input may write, if reserved and extra for each written token must
// remain.
func (b budget) output(input int, reserved, extra float64) int {
	const sample = 1_000_000 // tokens; prices are per million
	each := (b.most(input, sample)-b.most(input, 0))/sample + extra
	left := b.left - b.most(input, 0) - reserved
	if left <= 0 {
		return 0
	}
	if each <= 0 {
		return math.MaxInt32
	}
	return int(min(left/each, math.MaxInt32))
}

// outputOfRound returns how many tokens the model may write in a round after which it can still conclude, and the budget
// that decides.
func (r *run) outputOfRound() (tokens int, decides string) {
	input := r.projectedInput()
	return r.least(func(b budget) int {
		conclusion := b.most(input+config.AnswersOfCalls, leastOutputTokens)
		return b.output(input, conclusion, b.most(input+1, 0)-b.most(input, 0)) // the answer is input of the conclusion
	})
}

// outputOfConclusion returns how many tokens the model may write in the last request, and the budget that decides.
func (r *run) outputOfConclusion() (tokens int, decides string) {
	input := r.projectedInput()
	return r.least(func(b budget) int { return b.output(input, 0, 0) })
}

// least returns the lowest number of tokens that a budget allows.
func (r *run) least(tokensOf func(budget) int) (tokens int, decides string) {
	tokens = math.MaxInt32
	for _, b := range r.budgets() {
		if n := tokensOf(b); n < tokens {
			tokens, decides = n, b.name
		}
	}
	return tokens, decides
}

// limitOutput sets how many tokens the model may write in the next request. Together with the projected input, they stay
// within the budget. It asks the model to conclude if there is not enough left for a round. It returns [errBudgetUsed] if
// there is not enough left for a conclusion either.
func (r *run) limitOutput() error {
	if r.state.Concluding == "" {
		tokens, decides := r.outputOfRound()
		if tokens >= leastOutputTokens {
			r.output = min(tokens, r.state.MaxOutput)
			return nil
		}
		r.conclude(decides + " is almost used")
	}
	tokens, decides := r.outputOfConclusion()
	for keep := 1; keep >= 0 && tokens < config.LeastConclusion; keep-- {
		r.compact(keep)
		tokens, decides = r.outputOfConclusion()
	}
	if tokens < config.LeastConclusion {
		r.rec.NoModelAsked = r.requests == 0 && !r.resumed && r.rec.Usage.ModelCalls == 0
		r.budgetWhy = r.whyNoRequest(decides)
		return errBudgetUsed
	}
	r.output = min(tokens, r.state.MaxOutput)
	return nil
}

// whyNoRequest returns why the investigation ended without another request, for the reader.
func (r *run) whyNoRequest(budget string) string {
	input := r.projectedInput()
	if r.rec.NoModelAsked {
		return fmt.Sprintf("No model was asked: %s does not allow one request, whose input has about %d tokens. Raise the limit.", budget, input)
	}
	return fmt.Sprintf("The investigation ended without a conclusion of the model: %s does not allow another request, "+
		"whose input has about %d tokens.", budget, input)
}

// projectedInput returns about how many input tokens the next request has. If the last request had more tokens than its
// size suggests, so may the next one.
func (r *run) projectedInput() int {
	size := r.requestBytes()
	projected := size / requestBytesPerToken
	if sent := r.state.Sent; sent.Bytes > 0 {
		projected = max(projected, int(float64(size)*float64(sent.Tokens)/float64(sent.Bytes)))
	}
	return projected
}

// requestBytes returns the size of the next request in bytes.
func (r *run) requestBytes() int {
	size := r.state.Talk.Size() + len(r.system())
	if !r.state.Talk.TextTools {
		size += r.task.toolBytes()
	}
	return size
}

// toolBytes returns the size of the descriptions of the task's tools, which each request contains.
func (t *task) toolBytes() int {
	size := 0
	for _, tool := range t.specs() {
		schema, err := json.Marshal(tool.Schema)
		if err != nil {
			return 0 // unreachable: schemas are constants
		}
		size += len(tool.Name) + len(tool.Description) + len(schema)
	}
	return size
}

// sent is the size of an answered request.
type sent struct {
	Bytes  int `json:"bytes"`
	Tokens int `json:"tokens"` // of its input, as the model counted them
}

// measureInput records the size of an answered request.
func (r *run) measureInput(bytes int, u investigation.Usage) {
	if tokens := u.InputTokens + u.CacheReadTokens + u.CacheWriteTokens; tokens > 0 {
		r.state.Sent = sent{Bytes: bytes, Tokens: tokens}
	}
}
