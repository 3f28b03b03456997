package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/replay"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	models       []string
	maxCost      float64
	maxRounds    int
	instructions string
	runbook      string
	out          string
	render       bool
}

func newReplay(app *App) *cobra.Command {
	var flags replayFlags
	c := &cobra.Command{
		Use:   "replay REPORT",
		Short: "Run a recorded investigation again",
		Long: "Run a recorded investigation again, and show what differs. Tool calls are answered from the record: the same code gets the\n" +
			"recorded answer, and other code gets an error that says so. " + reportHelp + "\n\n" +
			"Without --model, the recorded answers of the model are played, so the replay shows what this version of the command makes of\n" +
			"them. With --model, that model is asked on Amazon Bedrock, which costs money. The record has no instructions and no runbook:\n" +
			"add those of the deployment with --instructions and --runbook.",
		Example: "  alarmtriage replay alarmtriage-reports/20261125-031200-order-service-errors\n" +
			"  alarmtriage replay report.json --model eu.amazon.nova-2-lite-v1:0 --max-cost 0.50\n" +
			"  alarmtriage replay report.json --render --out rendered",
		Args: checkArguments,
		RunE: func(c *cobra.Command, arguments []string) error {
			return app.replay(c.Context(), arguments[0], flags)
		},
	}
	c.Flags().StringSliceVar(&flags.models, "model", nil, "ask this Bedrock model or inference profile; more are asked if the first fails (default: the recorded answers)")
	c.Flags().Float64Var(&flags.maxCost, "max-cost", defaultMaxCost, "with --model, what the model may cost, in US dollars; 0: no limit")
	c.Flags().IntVar(&flags.maxRounds, "max-rounds", config.MaxRounds, "after how many rounds the model has to conclude")
	c.Flags().StringVar(&flags.instructions, "instructions", "", "text for the model, or a file with it")
	c.Flags().StringVar(&flags.runbook, "runbook", "", "file with the alarm's runbook, for the model")
	c.Flags().StringVar(&flags.out, "out", "", "folder for the forms of the new report (default: they are not written)")
	c.Flags().BoolVar(&flags.render, "render", false, "only render the forms of the recorded report again, into its folder or --out")
	excludeEachOther(c, "render", "model")
	return c
}

func (a *App) replay(ctx context.Context, name string, flags replayFlags) error {
	limits := modelFlags{models: flags.models, maxCost: flags.maxCost, maxRounds: flags.maxRounds, timeout: 2 * concludeTime}
	if err := limits.check(); err != nil {
		return &Problem{Code: Usage, What: err.Error(), Remedy: "see `alarmtriage replay --help`", Err: err}
	}
	texts, err := readTexts(flags.instructions, flags.runbook)
	if err != nil {
		return err
	}
	r, err := a.openReport(ctx, name)
	if err != nil {
		return err
	}
	if flags.render {
		return a.render(r, flags.out)
	}
	if flags.out != "" {
		if err := checkFolder(flags.out); err != nil {
			return err
		}
	}
	replayed, missed, err := a.runReplay(ctx, r, texts, flags)
	if err != nil {
		return err
	}
	if flags.out != "" {
		if err := writeForms(flags.out, replayed); err != nil {
			return err
		}
	}
	if err := a.printReplay(r.rec, replayed, missed); err != nil {
		return err
	}
	if replayed.Outcome == investigation.OutcomeFallback {
		return &Problem{Code: NoConclusion, What: "the replay came to no conclusion", Remedy: oneLine(replayed.OutcomeWhy)}
	}
	return nil
}

func (a *App) runReplay(ctx context.Context, r *reference, instructions string, flags replayFlags) (*investigation.Record, []string, error) {
	prices, _ := pricing.Parse("") // without an override, it cannot fail
	options := replay.Options{
		MaxRounds: flags.maxRounds, MaxCostUSD: flags.maxCost, MaxQueryCostUSD: config.DefaultMaxQueryCostUSD, Prices: prices, Now: a.Now, Caller: modelerror.Command,
		Limits: investigation.Limits{Instructions: instructions, Log: slog.New(slog.DiscardHandler)},
	}
	bounded := ctx
	if len(flags.models) > 0 {
		if a.Region == "" && a.Getenv("AWS_REGION") == "" {
			a.Region = r.rec.Alarm.Region
		}
		loaded, err := a.AWS(ctx)
		if err != nil {
			return nil, nil, err
		}
		options.Model, options.Models, options.Region = awsapi.From(loaded, deployedToolTime, false).Bedrock, flags.models, loaded.Region
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, defaultTimeout)
		defer cancel()
		options.Limits.ConcludeAt = a.Now().Add(defaultTimeout - concludeTime)
		screen := a.Screen()
		screen.line("Model:       %s. Tool calls are answered from the record.", strings.Join(flags.models, ", then "))
		screen.show("Asking the model …")
		defer screen.end()
	} else {
		options.MaxCostUSD = 0 // the recorded answers are paid
	}
	replayed, missed, err := replay.Run(bounded, r.rec, options)
	switch {
	case ctx.Err() != nil:
		return nil, nil, &Problem{Code: Interrupted, What: "the replay did not end", Remedy: "run it again", Err: ctx.Err()}
	case bounded.Err() != nil:
		return nil, nil, &Problem{Code: NoConclusion, What: "the replay did not end in " + elapsed(defaultTimeout), Remedy: "use a faster model", Err: bounded.Err()}
	case err != nil:
		return nil, nil, &Problem{Code: NoConclusion, What: err.Error(), Remedy: "ask a model with --model", Err: err}
	}
	return replayed, missed, nil
}

// render renders the forms of a recorded report again.
func (a *App) render(r *reference, out string) error {
	if out == "" {
		out = r.localFolder()
	}
	if path := filepath.Join(out, jsonFile); hasUnknownFields(path) {
		return &Problem{Code: Failed, What: oneLine(path) + " has fields that this version does not know, and would lose them",
			Remedy: "choose another folder with --out, or use a newer version"}
	}
	if err := writeForms(out, r.rec); err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(map[string]string{"folder": out})
	}
	_, err := fmt.Fprintf(a.Out, "The forms of the report are in %s.\n", oneLine(out))
	return err
}

// writeForms writes the forms of a report to a folder.
func writeForms(folder string, rec *investigation.Record) error {
	renderer := report.NewRenderer(report.Home{Region: rec.Alarm.Region})
	keys := folderKeys()
	forms := steps.Forms(renderer, rec, keys, slog.New(slog.DiscardHandler))
	card, err := steps.Guarded(func() ([]byte, error) { return renderer.Card(rec, keys) })
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err == nil {
		err = writeFolder(folder, forms, card)
	}
	if err != nil {
		return notWritten(err)
	}
	return nil
}

// maxMissedShown is how many calls that are not recorded are listed.
const maxMissedShown = 5

// printReplay shows what differs between two investigations.
func (a *App) printReplay(recorded, replayed *investigation.Record, missed []string) error {
	differences := replay.Compare(recorded, replayed)
	if a.JSON {
		if missed == nil {
			missed = []string{}
		}
		return a.printJSON(map[string]any{"differences": differences, "not_recorded": missed})
	}
	out := newScreen(a.Out, a.Getenv)
	out.line("Investigation %s of %s, recorded %s", recorded.ID, recorded.Alarm.Name, recorded.StartedAt.UTC().Format(time.RFC3339))
	same := true
	for _, d := range differences {
		if d.Same {
			out.write("", fmt.Sprintf("= %s: %s", d.Name, d.Recorded))
			continue
		}
		same = false
		out.write(yellow, fmt.Sprintf("≠ %s: %s → %s", d.Name, orNothing(d.Recorded), orNothing(d.Replayed)))
	}
	for _, code := range missed[:min(len(missed), maxMissedShown)] {
		out.write(yellow, "! not recorded: "+purpose(code))
	}
	if left := len(missed) - maxMissedShown; left > 0 {
		out.line("! and %s not recorded", plural.Either(left, "more call that is", "more calls that are"))
	}
	if same && len(missed) == 0 {
		out.line("Nothing differs.")
	}
	return out.failed
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}
