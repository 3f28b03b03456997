package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/localtool"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
)

const (
	// defaultMaxCost bounds the model's cost of an investigation, in US dollars. A usual one costs less than a dollar.
	defaultMaxCost = 2.0

	// defaultTimeout is how long an investigation may take, as in a deployment.
	defaultTimeout = 15 * time.Minute
)

// placeFlags select where the model's code runs.
type placeFlags struct {
	container bool
	function  string
	python    string
}

func (f *placeFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.container, "container", false, "run the model's code in a container, even on Linux")
	c.Flags().StringVar(&f.function, "tool-function", "", "run the model's code in this deployed tool function, with its role")
	c.Flags().StringVar(&f.python, "python", "", "Python interpreter with boto3 for the sandbox (default: "+localtool.EnvPython+", then python3)")
}

// check returns what is wrong with the flags.
func (f *placeFlags) check() error {
	if f.container && f.function != "" {
		return errors.New("--container and --tool-function exclude each other")
	}
	return nil
}

// modelFlags select the model and what it may use.
type modelFlags struct {
	models    []string
	maxCost   float64
	maxRounds int
	timeout   time.Duration
}

func (f *modelFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.models, "model", nil, "Bedrock model or inference profile; more are asked if the first fails (default: the Region's default models)")
	c.Flags().Float64Var(&f.maxCost, "max-cost", defaultMaxCost, "what the model may cost, in US dollars; 0: no limit, which a model without a known price needs")
	c.Flags().IntVar(&f.maxRounds, "max-rounds", config.MaxRounds, "after how many rounds the model has to conclude")
	c.Flags().DurationVar(&f.timeout, "timeout", defaultTimeout, "after which time the model has to conclude")
}

// isCost reports whether a number is a cost, which NaN and infinity are not.
func isCost(usd float64) bool { return usd >= 0 && !math.IsInf(usd, 0) }

var errNoModel = errors.New("--model must be the ID or ARN of a model or an inference profile, and not empty")

// hasNoName reports whether --model is set, and one of its values is empty.
func hasNoName(models []string) bool {
	isBlank := func(name string) bool { return strings.TrimSpace(name) == "" }
	return models != nil && (len(models) == 0 || slices.ContainsFunc(models, isBlank))
}

// checkPrices returns an error if --max-cost cannot limit the cost of one of the models, because its price is not known. The
// price of an application inference profile or a custom model never is.
func checkPrices(ids []string, maxCost float64) error {
	prices, _ := pricing.Parse("") // without an override, it cannot fail
	for _, id := range ids {
		if _, known := prices.Lookup(id); maxCost > 0 && !known {
			return fmt.Errorf("no price of the model %s is known, so --max-cost cannot limit its cost: to ask it without a limit, add --max-cost 0", id)
		}
	}
	return nil
}

// check returns what is wrong with the flags.
func (f *modelFlags) check() error {
	switch {
	case hasNoName(f.models):
		return errNoModel
	case !isCost(f.maxCost):
		return errors.New("--max-cost must be a number of dollars that is not negative")
	case f.maxRounds < 1 || f.maxRounds > config.MaxRounds:
		return fmt.Errorf("--max-rounds must be from 1 to %d", config.MaxRounds)
	case f.timeout < 2*concludeTime:
		return fmt.Errorf("--timeout must be at least %s", 2*concludeTime)
	}
	return checkPrices(f.models, f.maxCost)
}
