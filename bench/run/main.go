// Command run measures a whole investigation of twelve tool calls: the real orchestrator and the real tool, a model that
// takes a fixed time for each answer, and an AWS that takes a fixed time for each answer.
//
//	go run ./bench/run -before REF -runs 5
//
// It runs the checkout and an earlier commit in turn, because other load on the machine must affect both, and prints a
// Markdown table of medians: how long the model and the tool worked, how long the run took beside them, and the ratio of
// that rest to the model's time.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	var s settings
	before := flag.String("before", "", "commit to compare the checkout with; none if empty")
	flag.DurationVar(&s.model, "model", 3*time.Second, "time that the model takes for each answer")
	flag.DurationVar(&s.aws, "aws", 150*time.Millisecond, "time that AWS takes for each answer")
	runs := flag.Int("runs", 5, "runs per column")
	flag.BoolVar(&s.verbose, "v", false, "show the requests of each run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s, *before, *runs); err != nil {
		log.Fatal(err)
	}
}

// settings are the conditions of all runs.
type settings struct {
	model, aws time.Duration
	verbose    bool
}

// callsPerAnswer lists how many of the twelve calls the model makes in one answer.
var callsPerAnswer = []int{1, 2}

func run(ctx context.Context, s settings, before string, runs int) error {
	directory, err := os.MkdirTemp("", "alarmtriage-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	w, err := newWorld(ctx, directory, before, s)
	if err != nil {
		return err
	}
	defer w.close()
	for _, v := range w.versions { // moto loads a service when it is first asked for it
		if _, err := w.investigate(ctx, v, 2); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	fmt.Printf("AWS answers after %s, the model after %s. Medians of %d runs, in seconds.\n\n", s.aws, s.model, runs)
	for _, calls := range callsPerAnswer {
		measured := map[string][]times{}
		for range runs {
			for _, v := range w.versions {
				one, err := w.investigate(ctx, v, calls)
				if err != nil {
					return fmt.Errorf("%s: %w", v.name, err)
				}
				measured[v.name] = append(measured[v.name], one)
			}
		}
		printTable(w.versions, calls, measured)
	}
	return nil
}

// rows are the lines of the table.
var rows = []struct {
	name  string
	value func(times) float64
	form  string
}{
	{"the model's time", func(t times) float64 { return t.model.Seconds() }, "%.2f"},
	{"evidence", func(t times) float64 { return t.evidence.Seconds() }, "%.2f"},
	{"the tool's work for the model", func(t times) float64 { return t.tool.Seconds() }, "%.2f"},
	{"the rest: until the model is asked", func(t times) float64 { return t.opening.Seconds() }, "%.2f"},
	{"the rest: between the model's answers", func(t times) float64 { return t.between.Seconds() }, "%.2f"},
	{"the rest: after the last answer (delivery)", func(t times) float64 { return t.delivery.Seconds() }, "%.2f"},
	{"the rest in total", func(t times) float64 { return t.rest().Seconds() }, "%.2f"},
	{"the rest ÷ the model's time", func(t times) float64 { return 100 * t.rest().Seconds() / t.model.Seconds() }, "%.1f %%"},
	{"requests of the orchestrator to AWS", func(t times) float64 { return float64(t.requests) }, "%.0f"},
}

func printTable(versions []version, calls int, measured map[string][]times) {
	fmt.Printf("%d calls, %d per answer:\n\n| |", len(snippets), calls)
	for _, v := range versions {
		fmt.Printf(" %s |", v.name)
	}
	fmt.Printf("\n|---|%s\n", strings.Repeat("---|", len(versions)))
	for _, row := range rows {
		fmt.Printf("| %s |", row.name)
		for _, v := range versions {
			var values []float64
			for _, one := range measured[v.name] {
				values = append(values, row.value(one))
			}
			slices.Sort(values)
			fmt.Printf(" "+row.form+" |", values[len(values)/2])
		}
		fmt.Println()
	}
	fmt.Println()
}
