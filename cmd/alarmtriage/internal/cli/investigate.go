package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/alarms"
	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/localtool"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/evidence"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

const (
	// concludeTime is reserved for the model's conclusion.
	concludeTime = 90 * time.Second

	// stateTime is how long the question may take whether the alarm is still in ALARM.
	stateTime = 4 * time.Second
)

// investigateFlags are the flags of investigate.
type investigateFlags struct {
	placeFlags
	modelFlags
	at           string
	instructions string
	runbook      string
	out          string
	open         bool
}

func newInvestigate(app *App) *cobra.Command {
	var flags investigateFlags
	c := &cobra.Command{
		Use:   "investigate ALARM",
		Short: "Investigate an alarm and write a report",
		Long: "Investigate an alarm, given by its name or ARN, as a deployed AlarmTriage would, and write the report to a folder.\n\n" +
			"The command uses your AWS credentials to read, and asks a model on Amazon Bedrock, which costs money. It writes nothing\n" +
			"to AWS: the model's code runs in a sandbox, and each of its requests is checked before it is signed. Writes, and\n" +
			"reads of secrets, stored data, and code, are refused, whatever your credentials allow. With --tool-function, the settings and\n" +
			"the role of that function apply instead.",
		Example: "  alarmtriage investigate order-service-errors --open\n" +
			"  alarmtriage investigate order-service-errors --at 2026-11-25T03:12:00Z\n" +
			"  alarmtriage investigate order-service-errors --at 6h --model us.anthropic.claude-sonnet-5-5 --max-cost 1\n" +
			"  alarmtriage investigate order-service-errors --runbook runbooks/orders.md --json > report.json",
		Args:              checkArguments,
		ValidArgsFunction: app.completeAlarm,
		RunE: func(c *cobra.Command, arguments []string) error {
			return app.investigate(c.Context(), arguments[0], flags)
		},
	}
	flags.placeFlags.add(c)
	flags.modelFlags.add(c)
	c.Flags().StringVar(&flags.at, "at", "", "investigate the last transition to ALARM before this time: 2026-11-25T03:12:00Z, or 6h for 6 hours ago")
	c.Flags().StringVar(&flags.instructions, "instructions", "", "text for the model, or a file with it")
	c.Flags().StringVar(&flags.runbook, "runbook", "", "file with the alarm's runbook, for the model")
	c.Flags().StringVar(&flags.out, "out", "", "folder of the report (default: a new one in "+reportsFolder+")")
	c.Flags().BoolVar(&flags.open, "open", false, "open the report's page")
	return c
}

// session is one investigation on the user's machine.
type session struct {
	app      *App
	screen   *screen
	log      *slog.Logger
	flags    investigateFlags
	aws      aws.Config
	clients  awsapi.Clients
	identity Identity
	tool     *localtool.Tool
	progress *progress
	clear    func() // removes the cache of a user without a folder for caches
}

// close ends what openTool has started.
func (s *session) close() {
	s.tool.Close()
	s.clear()
}

func (a *App) investigate(ctx context.Context, text string, flags investigateFlags) error {
	name, before, err := a.readArguments(text, &flags)
	if err != nil {
		return err
	}
	texts, err := readTexts(flags.instructions, flags.runbook)
	if err != nil {
		return err
	}
	s := &session{app: a, screen: a.Screen(), log: slog.New(slog.DiscardHandler), flags: flags}
	if s.aws, err = a.AWS(ctx); err != nil {
		return err
	}
	if s.identity, err = a.Identity(ctx, s.aws); err != nil {
		return err
	}
	if name.Account != "" && name.Account != s.identity.Account {
		return &Problem{Code: NotFound, What: fmt.Sprintf("the alarm is in account %s, and the credentials are for account %s", name.Account, s.identity.Account),
			Remedy: "choose another --profile"}
	}
	s.clients = awsapi.From(s.aws, deployedToolTime, false)
	alarm, err := s.find(ctx, name.Name, before)
	if err != nil {
		return err
	}
	s.screen.line("Alarm: %s, ALARM at %s, account %s, %s", alarm.Name, alarm.Time.Format("2006-01-02 15:04:05 MST"), alarm.Account, alarm.Region)
	s.screen.line("Credentials: %s", s.identity.ARN)
	if err := checkFolder(cmp.Or(flags.out, reportsFolder)); err != nil {
		return err
	}
	if err := s.openTool(ctx); err != nil {
		return err
	}
	defer s.close()
	s.introduce()
	rec := s.run(ctx, &alarm, texts)
	return s.deliver(ctx, rec)
}

// find returns the alarm, as its event reports it.
func (s *session) find(ctx context.Context, name string, before time.Time) (alarmevent.Alarm, error) {
	redactor, err := redact.New(nil)
	if err != nil {
		return alarmevent.Alarm{}, err
	}
	alarm, err := alarms.Find(ctx, s.clients.CloudWatch, name, before, alarmevent.Parser{Redact: redactor.Document})
	if err == nil {
		return alarm, nil
	}
	where := fmt.Sprintf("account %s, %s", s.identity.Account, s.aws.Region)
	if missing, ok := errors.AsType[*alarms.NoAlarmError](err); ok {
		remedy := "check --region and --profile"
		if missing.Similar != "" {
			remedy = fmt.Sprintf("did you mean %q?", missing.Similar)
		}
		return alarm, &Problem{Code: NotFound, What: fmt.Sprintf("%v in %s", err, where), Remedy: remedy, Err: err}
	}
	if missing, ok := errors.AsType[*alarms.NoTransitionError](err); ok {
		remedy := "CloudWatch keeps the history of an alarm for 30 days"
		if !missing.Last.IsZero() {
			remedy = fmt.Sprintf("to investigate its last transition, add --at %s", missing.Last.Add(time.Second).UTC().Truncate(time.Second).Format(time.RFC3339))
		}
		return alarm, &Problem{Code: NotFound, What: err.Error(), Remedy: remedy, Err: err}
	}
	return alarm, awsProblem("the alarm cannot be read", err)
}

// awsProblem returns the problem of a request that AWS refused.
func awsProblem(what string, err error) error {
	return &Problem{Code: AWSRefused, What: fmt.Sprintf("%s (%s)", what, said(err)), Remedy: awsapi.CallerAdvice(err), Err: err}
}

// deployedToolTime is how long a tool function that is deployed may take.
const deployedToolTime = 15 * time.Minute

// openTool starts the place where the model's code runs.
func (s *session) openTool(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("locate this program: %w", err)
	}
	s.clear = func() {}
	cache := ""
	if s.flags.function == "" { // a deployed tool needs no files on this machine
		isTemporary := false
		if cache, isTemporary, err = cacheFolder(); err != nil {
			return &Problem{Code: NoSandbox, What: fmt.Sprintf("the sandbox has no folder for its files (%v)", err), Remedy: "set TMPDIR to a folder in which you may create files", Err: err}
		}
		if isTemporary {
			s.clear = func() { _ = os.RemoveAll(cache) }
		}
	}
	s.screen.show("Starting the sandbox …")
	defer s.screen.end()
	s.tool, err = localtool.Open(ctx, localtool.Options{
		AWS: s.aws, Account: s.identity.Account, Partition: s.identity.partition(), Settings: config.Tool{Redact: true}, Getenv: s.app.Getenv,
		Program: program, Version: version(), Cache: filepath.Join(cache, "alarmtriage"),
		Container: s.flags.container, Function: s.flags.function, Lambda: s.clients.Lambda, Python: s.flags.python,
		Say: func(text string) { s.screen.line("%s", text) },
	})
	if err != nil {
		s.clear()
	}
	if nowhere, ok := errors.AsType[*localtool.NoPlaceError](err); ok {
		return &Problem{Code: NoSandbox, What: nowhere.Error(), Remedy: nowhere.Remedy, Err: err}
	}
	return err
}

// cacheFolder returns the folder of caches, or a new one if there is none, or if no files can be created there.
func cacheFolder() (folder string, isTemporary bool, err error) {
	folder, err = os.UserCacheDir()
	if err == nil {
		err = canCreate(filepath.Join(folder, "alarmtriage"))
	}
	if err == nil {
		return folder, false, nil
	}
	folder, err = os.MkdirTemp("", "alarmtriage-") // one with a known name could be somebody else's
	return folder, true, err
}

// canCreate returns why no files can be created in a folder, which it creates.
func canCreate(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	made, err := os.MkdirTemp(folder, "new-")
	if err != nil {
		return err
	}
	return os.Remove(made)
}

// introduce says what happens with whose permissions, and what does not.
func (s *session) introduce() {
	s.screen.line("Code: runs %s", s.tool.Place)
	limit := "no limit of its cost"
	if s.flags.maxCost > 0 {
		limit = "at most about " + exactDollars(s.flags.maxCost)
	}
	s.screen.line("Model: %s, %s", strings.Join(s.models(), ", then "), limit)
	rule := "Writes, and reads of secrets, stored data, and code, are refused, whatever these credentials allow."
	if s.flags.function != "" {
		rule = "The settings and the role of the tool function decide what it may read."
	}
	s.screen.line("It only reads. %s Nothing is written to AWS.", rule)
}

// exactDollars formats a limit, which may be less than a cent.
func exactDollars(amount float64) string {
	cents := strconv.FormatFloat(amount, 'f', 2, 64)
	if rounded, _ := strconv.ParseFloat(cents, 64); rounded == amount {
		return "$" + cents
	}
	return "$" + strconv.FormatFloat(amount, 'f', -1, 64)
}

// models returns the models in the order in which they are asked.
func (s *session) models() []string {
	if len(s.flags.models) > 0 {
		return s.flags.models
	}
	ids, _ := models.Defaults(s.aws.Region)
	return ids
}

// run investigates the alarm. The record can always be rendered.
func (s *session) run(ctx context.Context, alarm *alarmevent.Alarm, instructions string) *investigation.Record {
	bounded, cancel := context.WithTimeout(ctx, s.flags.timeout)
	defer cancel()
	ids := s.models()
	rec := steps.NewRecord(alarm, newID(), ids[0], "", s.app.Now())
	rec.SeenBefore = pastOf(s.flags.folderOfReports(), alarm)
	s.progress = newProgress(s.screen, s.clients.Bedrock, s.tool, s.app.Now)
	defer s.progress.end(rec)
	own := evidence.Triage{Account: s.identity.Account}
	steps.CollectEvidence(bounded, s.progress, config.DefaultMaxQueryCostUSD, rec, own, s.app.Now, s.log)
	err := steps.AskModel(bounded, s.agent(ids), investigation.Limits{
		ConcludeAt:   rec.StartedAt.Add(s.flags.timeout - concludeTime),
		Instructions: instructions,
		Checkpoint: func(context.Context, []byte) error {
			s.progress.checkpoint(rec)
			return nil
		},
		Log: s.log,
	}, rec, nil)
	if err != nil {
		why := "The time for the investigation ran out before the model concluded. Set a longer --timeout, or use a faster model."
		if ctx.Err() != nil {
			why = "The investigation was interrupted before the model concluded."
		}
		steps.FallBack(rec, err, why)
	}
	steps.End(rec, s.app.Now())
	if ctx.Err() == nil {
		quick, stop := context.WithTimeout(ctx, stateTime)
		defer stop()
		rec.AtDelivery = steps.StateNow(quick, s.clients.CloudWatch, s.aws.Region, alarm, s.app.Now(), awsapi.Brief)
	}
	return rec
}

// agent returns the agent, which asks the models and runs their code through the progress.
func (s *session) agent(ids []string) steps.Investigator {
	prices, _ := pricing.Parse("") // without an override, it cannot fail
	return agent.Options{
		Model: s.progress, Tool: s.progress, Models: slices.Clone(ids), Region: s.aws.Region, Caller: modelerror.Command,
		MaxRounds: s.flags.maxRounds, MaxCostUSD: s.flags.maxCost, Prices: prices, MaxQueryCostUSD: config.DefaultMaxQueryCostUSD,
	}
}

// newID returns the id of an investigation.
func newID() string {
	var raw [6]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

// deliver writes the report to its folder and shows the verdict.
func (s *session) deliver(ctx context.Context, rec *investigation.Record) error {
	home := report.Home{Region: s.aws.Region}
	renderer := report.NewRenderer(home)
	keys := folderKeys()
	forms := steps.Forms(renderer, rec, keys, s.log)
	card, err := steps.Guarded(func() ([]byte, error) { return renderer.Card(rec, keys) })
	if err != nil {
		s.screen.line("The chat card was not rendered: %v", err)
	}
	folder, err := makeFolder(s.flags.out, rec)
	if err == nil {
		err = writeFolder(folder, forms, card)
	}
	notPrinted := s.print(rec, renderer, home)
	if err != nil {
		return notWritten(err)
	}
	page := filepath.Join(folder, pageFile)
	s.screen.line("Report: %s (also %s, %s, %s, and %s)", page, textFile, jsonFile, cardFile, conversationFile)
	if s.flags.open {
		if err := openPage(page); err != nil {
			s.screen.line("The page cannot be opened (%v): open %s in a browser.", err, page)
		}
	}
	switch {
	case notPrinted != nil:
		return notPrinted
	case ctx.Err() != nil:
		return &Problem{Code: Interrupted, What: "interrupted: the report has what was found until then", Err: ctx.Err()}
	case rec.Outcome == investigation.OutcomeFallback:
		return &Problem{Code: NoConclusion, What: "the model came to no conclusion", Remedy: rec.OutcomeWhy}
	}
	return nil
}

// print prints the result on the standard output.
func (s *session) print(rec *investigation.Record, renderer report.Renderer, home report.Home) error {
	if s.app.JSON {
		body, err := renderer.JSON(rec)
		if err != nil {
			return err
		}
		return s.app.printBody(body)
	}
	out := newScreen(s.app.Out, s.app.Getenv)
	text := report.Verdict(rec, report.LinksFor(rec, home, report.Keys{}))
	_, err := fmt.Fprint(s.app.Out, "\n"+out.styled(bold, report.Subject(rec))+"\n\n"+out.highlighted(text))
	return err
}
