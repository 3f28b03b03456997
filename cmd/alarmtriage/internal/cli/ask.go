package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// askFlags are the flags of ask.
type askFlags struct {
	placeFlags
	modelFlags
	instructions string
	runbook      string
	orchestrator string
}

func newAsk(app *App) *cobra.Command {
	var flags askFlags
	c := &cobra.Command{
		Use:   "ask REPORT QUESTION",
		Short: "Ask a question about a report",
		Long: "Ask the model a question about a finished investigation. It gets the record, may run more read-only code, and answers with\n" +
			"quotes that are checked as those of a report. " + reportHelp + "\n\n" +
			"The answer is stored in the folder answers beside a local report. With --function, the deployed orchestrator answers: with\n" +
			"its role and its limits, and it stores the answer beside the report in the bucket.",
		Example: "  alarmtriage ask alarmtriage-reports/20261125-031200-order-service-errors \"Which callers are affected?\"\n" +
			"  alarmtriage ask s3://reports-bucket/reports/2026/11/25/031200-order-service-errors-0123456789ab.txt \"Is it over?\"\n" +
			"  alarmtriage ask --function Triage-Orchestrator s3://reports-bucket/reports/….txt \"Who changed the role?\"",
		Args: checkArguments,
		RunE: func(c *cobra.Command, arguments []string) error {
			if flags.orchestrator != "" {
				if err := onlyFlags(c, "function"); err != nil {
					return err
				}
			}
			return app.ask(c.Context(), arguments[0], arguments[1], flags)
		},
	}
	flags.placeFlags.add(c)
	flags.modelFlags.add(c)
	c.Flags().StringVar(&flags.instructions, "instructions", "", "text for the model, or a file with it")
	c.Flags().StringVar(&flags.runbook, "runbook", "", "file with the alarm's runbook, for the model")
	c.Flags().StringVar(&flags.orchestrator, "function", "", "let this deployed orchestrator function answer")
	return c
}

// onlyFlags returns the problem of a command line with another flag of the subcommand than this one. Flags of every
// subcommand are allowed.
func onlyFlags(c *cobra.Command, name string) error {
	var others []string
	c.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed && flag.Name != name {
			others = append(others, "--"+flag.Name)
		}
	})
	if len(others) == 0 {
		return nil
	}
	return &Problem{Code: Usage, What: fmt.Sprintf("--%s and %s exclude each other", name, strings.Join(others, ", ")),
		Remedy: "see `" + c.CommandPath() + " --help`"}
}

func (a *App) ask(ctx context.Context, name, question string, flags askFlags) error {
	err := cmp.Or(flags.placeFlags.check(), flags.modelFlags.check())
	if err == nil {
		err = investigation.CheckQuestion(question)
	}
	if err != nil {
		return &Problem{Code: Usage, What: err.Error(), Remedy: "see `alarmtriage ask --help`", Err: err}
	}
	if flags.orchestrator != "" {
		return a.askDeployed(ctx, name, question, flags.orchestrator)
	}
	texts, err := readTexts(flags.instructions, flags.runbook)
	if err != nil {
		return err
	}
	r, err := a.openReport(ctx, name)
	if err != nil {
		return err
	}
	s, err := a.sessionFor(ctx, r.rec, investigateFlags{placeFlags: flags.placeFlags, modelFlags: flags.modelFlags})
	if err != nil {
		return err
	}
	defer s.close()
	s.introduce()
	redactor, err := redact.New(nil)
	if err != nil {
		return err
	}
	question, _ = redactor.Text(question)
	answer, err := s.ask(ctx, r, question, texts)
	if err != nil {
		return err
	}
	form := report.Answered{Alarm: &r.rec.Alarm, AccountName: r.rec.AccountName, Answer: answer, Home: report.Home{Region: s.aws.Region}}
	path, saveErr := r.saveAnswer(answer, form.Text)
	if err := a.printAnswer(form); err != nil {
		return err
	}
	if saveErr != nil {
		remedy := "check that you may write to the folder of the report"
		if errors.Is(saveErr, store.ErrFull) {
			remedy = "remove answers that you no longer need from the folder " + filepath.Join(r.localFolder(), answersFolder)
		}
		return &Problem{Code: Failed, What: fmt.Sprintf("the answer is not stored (%v)", saveErr), Remedy: oneLine(remedy), Err: saveErr}
	}
	s.screen.line("Answer with its evidence: %s", path)
	return notAnswered(answer.Text, answer.OutcomeWhy)
}

// notAnswered returns the problem of a question without an answer, or nil.
func notAnswered(text, why string) error {
	if text != "" {
		return nil
	}
	return &Problem{Code: NoConclusion, What: "the model did not answer", Remedy: why}
}

// sessionFor returns a session in the account and Region of a finished investigation, whose tool is open.
func (a *App) sessionFor(ctx context.Context, rec *investigation.Record, flags investigateFlags) (*session, error) {
	if a.Region == "" {
		a.Region = rec.Alarm.Region
	}
	s := &session{app: a, screen: a.Screen(), log: slog.New(slog.DiscardHandler), flags: flags}
	var err error
	if s.aws, err = a.AWS(ctx); err != nil {
		return nil, err
	}
	if s.identity, err = a.Identity(ctx, s.aws); err != nil {
		return nil, err
	}
	if flags.function == "" && rec.Alarm.Account != s.identity.Account {
		return nil, &Problem{Code: NotFound, What: fmt.Sprintf("the report is about account %s, and the credentials are for account %s", rec.Alarm.Account, s.identity.Account),
			Remedy: "choose another --profile, or a deployed tool with --tool-function; if the report is in a bucket, the deployed orchestrator " +
				"can answer, with --function"}
	}
	s.clients = awsapi.From(s.aws, deployedToolTime, a.hasOwnEndpoint())
	s.screen.line("Report:      %s, ALARM at %s, account %s, %s", rec.Alarm.Name, rec.Alarm.Time.Format("2006-01-02 15:04:05 MST"), rec.Alarm.Account, rec.Alarm.Region)
	s.screen.line("Credentials: %s", s.identity.ARN)
	return s, s.openTool(ctx)
}

// ask lets the model answer.
func (s *session) ask(ctx context.Context, r *reference, question, instructions string) (*investigation.Answer, error) {
	bounded, cancel := context.WithTimeout(ctx, s.flags.timeout)
	defer cancel()
	s.progress = newProgress(s.screen, s.clients.Bedrock, s.tool, s.app.Now)
	prices, _ := pricing.Parse("") // without an override, it cannot fail
	shown := &questionProgress{progress: s.progress}
	options := agent.Options{
		Model: shown, Tool: shown, Models: s.models(), Region: s.aws.Region, MaxRounds: s.flags.maxRounds, MaxCostUSD: s.flags.maxCost,
		Prices: prices, MaxQueryCostUSD: config.DefaultMaxQueryCostUSD, Caller: modelerror.Command,
	}
	earlier := r.localAnswers()
	if r.store != nil {
		stored, err := r.store.Answers(bounded, r.keys)
		if err != nil {
			s.screen.line("Earlier answers cannot be read (%s).", said(err))
		}
		earlier = append(stored, earlier...)
	}
	limits := investigation.Limits{ConcludeAt: s.app.Now().Add(s.flags.timeout - concludeTime), Instructions: instructions, Log: s.log}
	answer, err := options.Ask(bounded, limits, r.rec, earlier, question)
	used := &investigation.Record{}
	if answer != nil {
		used.Rounds, used.Usage = answer.Rounds, answer.Usage
	}
	s.progress.end(used)
	if ctx.Err() != nil {
		return nil, &Problem{Code: Interrupted, What: "interrupted: there is no answer", Err: ctx.Err()}
	}
	if err != nil {
		return nil, &Problem{Code: NoConclusion, What: fmt.Sprintf("the model did not answer (%s)", said(err)),
			Remedy: "set a longer --timeout, or use a faster model", Err: err}
	}
	return answer, nil
}

// questionProgress is the progress of a question, which has no checkpoints and no evidence of its own.
type questionProgress struct {
	*progress
	asked int
}

// Converse asks the model and counts what that used.
func (p *questionProgress) Converse(
	ctx context.Context, in *bedrockruntime.ConverseInput, opts ...func(*bedrockruntime.Options),
) (*bedrockruntime.ConverseOutput, error) {
	p.mu.Lock()
	p.ended = p.asked
	p.mu.Unlock()
	out, err := p.progress.Converse(ctx, in, opts...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	p.usage.ModelCalls++
	if out != nil && out.Usage != nil {
		for _, tokens := range []*int32{out.Usage.InputTokens, out.Usage.OutputTokens, out.Usage.CacheReadInputTokens, out.Usage.CacheWriteInputTokens} {
			if tokens != nil {
				p.usage.InputTokens += int(*tokens) // only the sum is shown
			}
		}
	}
	return out, err
}

// askDeployed lets the deployed orchestrator answer.
func (a *App) askDeployed(ctx context.Context, name, question, function string) error {
	if !isAddress(name) && !strings.HasPrefix(name, config.ReportsPrefix) {
		return &Problem{Code: Usage, What: "a deployed orchestrator only knows the reports of its bucket", Remedy: "name the report by its s3:// address, or leave out --function"}
	}
	loaded, err := a.AWS(ctx)
	if err != nil {
		return err
	}
	screen := a.Screen()
	screen.show(fmt.Sprintf("Waiting for the answer of %s …", function))
	var result struct {
		Problem  string
		NotFound bool `json:"not_found"`
		*investigation.Answer
	}
	err = a.invoke(ctx, loaded, function, "ask", map[string]any{"report": name, "question": question}, &result)
	screen.end()
	if err != nil {
		return err
	}
	if result.Answer == nil || result.Answer.Text == "" {
		code := Usage
		switch {
		case result.Answer != nil && result.Investigation != "":
			code = NoConclusion
		case result.NotFound:
			code = NotFound
		}
		return &Problem{Code: code, What: "the orchestrator did not answer", Remedy: oneLine(result.Problem)}
	}
	if err := a.printAnswer(report.Answered{Answer: result.Answer}); err != nil {
		return err
	}
	if result.Problem != "" {
		screen.line("%s", result.Problem)
	}
	if result.URI != "" {
		screen.line("Answer with its evidence: %s", result.URI)
	}
	return nil
}

// printAnswer prints an answer on the standard output.
func (a *App) printAnswer(form report.Answered) error {
	if a.JSON {
		body, err := report.AnswerJSON(form.Answer)
		if err != nil {
			return err
		}
		return a.printBody(bytes.TrimSuffix(body, []byte("\n")))
	}
	out := newScreen(a.Out, a.Getenv)
	_, err := fmt.Fprint(a.Out, "\n"+out.highlighted(form.Brief()))
	return err
}
