// Command run lets models investigate staged incidents and scores their reports.
//
//	go run ./evals/run -model us.anthropic.claude-sonnet-5-5 -runs 3 -only lambda -budget 5
//
// The model is asked on Amazon Bedrock with your AWS credentials and Region, or at the Converse endpoint that
// AWS_ENDPOINT_URL_BEDROCK_RUNTIME names. Every request to the model costs money. A run that was interrupted continues
// where it ended, if it is started with the same -out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"github.com/cloudwatch-alarm-triage/alarmtriage/evals"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "evals:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	models, only         []string
	runs                 int
	incidents, out, keep string
	budget, perRun       float64
	rounds               int
	instructions         string // text
}

func read() (settings, error) {
	var s settings
	models := flag.String("model", "", "ids of models or inference profiles, separated by commas")
	only := flag.String("only", "", "investigate only incidents whose names contain one of these texts, separated by commas")
	flag.IntVar(&s.runs, "runs", 1, "how often each model investigates each incident")
	flag.StringVar(&s.incidents, "incidents", evals.Root(), "directory of the incidents")
	flag.StringVar(&s.out, "out", filepath.Join(".build", "evals"), "directory of the results")
	flag.StringVar(&s.keep, "record", "", "directory in which recordings are kept that tests can replay; with it, all investigations are made again")
	flag.Float64Var(&s.budget, "budget", 5, "stop when the models have cost this much, in US dollars; models without a known price count as 0")
	flag.Float64Var(&s.perRun, "run-budget", 1, "conclude an investigation that has cost this much, in US dollars")
	flag.IntVar(&s.rounds, "rounds", 25, "the most requests to the model in one investigation")
	instructions := flag.String("instructions", "", "file with instructions that are added to the prompt")
	flag.Parse()
	if *models == "" || flag.NArg() > 0 || s.runs < 1 {
		return s, errors.New("name a model: make evals MODEL=us.anthropic.claude-sonnet-5-5 [RUNS=3] [ONLY=lambda,rds]")
	}
	if *instructions != "" {
		text, err := os.ReadFile(*instructions)
		if err != nil {
			return s, err
		}
		s.instructions = string(text)
	}
	s.models = strings.Split(*models, ",")
	if *only != "" {
		s.only = strings.Split(*only, ",")
	}
	return s, nil
}

func run(ctx context.Context) error {
	s, err := read()
	if err != nil {
		return err
	}
	incidents, err := evals.Read(ctx, s.incidents, s.only...)
	if err != nil {
		return err
	}
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	if loaded.Region == "" {
		return errors.New("set AWS_REGION to the Region in which to ask Bedrock")
	}
	world, err := evals.Start(ctx)
	if err != nil {
		return err
	}
	defer world.Close()
	results := &evals.Results{}
	e := &evaluation{settings: s, world: world, config: loaded, results: results}
	err = e.all(ctx, incidents)
	if page := filepath.Join(s.out, "index.html"); len(results.Runs) > 0 {
		fmt.Println()
		fmt.Print(results.Table())
		if written := results.WritePage(page); written != nil {
			return errors.Join(err, written)
		}
		fmt.Printf("\nTo compare the runs, open %s\n", page)
	}
	return err
}

// evaluation runs all investigations.
type evaluation struct {
	settings
	world   *evals.World
	config  aws.Config
	results *evals.Results
}

func (e *evaluation) all(ctx context.Context, incidents []evals.Incident) error {
	spent, done, total := 0.0, 0, len(incidents)*len(e.models)*e.runs
	for number := range e.runs {
		for i := range incidents {
			for _, model := range e.models {
				done++
				name := fmt.Sprintf("%s.%s.%d", incidents[i].Name, strings.NewReplacer("/", "_", ":", "_").Replace(model), number+1)
				label := fmt.Sprintf("[%d/%d] %s with %s", done, total, incidents[i].Name, model)
				file := filepath.Join(e.out, "runs", name+".json")
				one, known, err := evals.ReadRun(file)
				if err != nil {
					return err
				}
				if known && e.keep == "" {
					label += ", kept from " + one.At.Format(time.RFC3339)
				} else {
					if spent >= e.budget {
						return fmt.Errorf("the budget of $%.2f is spent after %d of %d investigations; start again with a larger -budget to continue", e.budget, done-1, total)
					}
					fmt.Printf("%s …\n", label)
					if one, err = e.one(ctx, &incidents[i], model, name); err != nil {
						return fmt.Errorf("%s: %w", label, err)
					}
					if err := one.Write(file); err != nil {
						return err
					}
					spent += one.Score.CostUSD
				}
				fmt.Printf("%s: %s\n", label, one.Line())
				e.results.Runs = append(e.results.Runs, one)
			}
		}
	}
	return nil
}

// one lets a model investigate an incident.
func (e *evaluation) one(ctx context.Context, incident *evals.Incident, model, name string) (*evals.Run, error) {
	alarm, err := e.world.Load(ctx, incident, time.Time{})
	if err != nil {
		return nil, err
	}
	tape := &evals.Tape{Tool: e.world}
	client := bedrockruntime.NewFromConfig(e.config, func(o *bedrockruntime.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = &http.Client{Transport: tape}
	})
	collected := evals.Collect(ctx, e.world, &alarm)
	options := evals.Options{
		Client: client, Models: []string{model}, MaxRounds: e.rounds, MaxCostUSD: e.perRun, Instructions: e.instructions,
		OnRound: func(rec *investigation.Record) { fmt.Printf("      %s\n", evals.Progress(rec)) },
	}
	rec, err := evals.Investigate(ctx, tape, alarm, collected, options)
	if err != nil {
		return nil, err
	}
	score := evals.Judge(&incident.Truth, rec)
	if e.keep != "" {
		if err := tape.Recorded(incident, options, rec, score).Save(filepath.Join(e.keep, name+".json.gz")); err != nil {
			return nil, err
		}
	}
	return &evals.Run{Incident: incident.Name, Kind: incident.Kind, Title: incident.Title, Model: model, At: time.Now().UTC(), Score: score, Record: rec}, nil
}
