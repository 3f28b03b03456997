package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/deployment"
	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/doctor"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
)

// choiceFlags select a deployed AlarmTriage.
type choiceFlags struct {
	stack    string
	function string
}

func (f *choiceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.stack, "stack", "", "CloudFormation stack of the deployed AlarmTriage (default: the only one in the Region)")
	c.Flags().StringVar(&f.function, "function", "", "orchestrator function of the deployed AlarmTriage")
}

// findDeployment finds the deployed AlarmTriage that the flags select.
func findDeployment(ctx context.Context, cfg aws.Config, flags choiceFlags) (*deployment.Deployment, error) {
	found, err := deployment.Find(ctx, lambda.NewFromConfig(cfg), cloudformation.NewFromConfig(cfg),
		deployment.Choice{Stack: flags.stack, Function: flags.function})
	if err == nil {
		return found, nil
	}
	if missing, ok := errors.AsType[*deployment.NotFoundError](err); ok {
		return nil, &Problem{Code: NotFound, What: fmt.Sprintf("%v (%s)", missing, cfg.Region), Remedy: "check --region and --profile, or name it with --stack or --function", Err: err}
	}
	if several, ok := errors.AsType[*deployment.AmbiguousError](err); ok {
		return nil, &Problem{Code: Usage, What: several.Error(), Remedy: "choose one with --function or --stack", Err: err}
	}
	return nil, awsProblem("the deployed AlarmTriage cannot be found", err)
}

func newDoctor(app *App) *cobra.Command {
	var flags choiceFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check a deployed AlarmTriage",
		Long: "Check a deployed AlarmTriage: whether its models answer, whether people receive its notifications, which alarms start\n" +
			"investigations, and whether quotas, roles, keys, and the sandbox are as they should be. Each finding has a remedy.\n\n" +
			"The command invokes both functions: the orchestrator checks itself, without a notification, which costs less than a cent.",
		Example: "  alarmtriage doctor\n" +
			"  alarmtriage doctor --stack Shop --region eu-west-1\n" +
			"  alarmtriage doctor --json | jq -r '.alarms.without[]'",
		Args: checkArguments,
		RunE: func(c *cobra.Command, _ []string) error { return app.doctor(c.Context(), flags) },
	}
	flags.add(c)
	return c
}

func (a *App) doctor(ctx context.Context, flags choiceFlags) error {
	cfg, err := a.AWS(ctx)
	if err != nil {
		return err
	}
	identity, err := a.Identity(ctx, cfg)
	if err != nil {
		return err
	}
	progress := newScreen(a.Err, a.Getenv)
	progress.show("Looking for the deployed AlarmTriage …")
	found, err := findDeployment(ctx, cfg, flags)
	if err != nil {
		progress.end()
		return err
	}
	progress.show(fmt.Sprintf("Checking %s …", found.Function))
	report := doctor.New(cfg, identity.Account, found, a.hasCustomS3()).Run(ctx, a.Now())
	progress.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := a.printDoctor(report); err != nil {
		return err
	}
	if findings := report.Findings(); len(findings) > 0 {
		return &Problem{Code: Findings, What: fmt.Sprintf("%d of %s need your attention", len(findings), plural.Of(len(report.Checks), "check")),
			Remedy: "see the remedies above"}
	}
	return nil
}

// hasCustomS3 reports whether an endpoint variable of the SDK applies to S3. Buckets are then addressed by path.
func (a *App) hasCustomS3() bool {
	return a.Getenv("AWS_ENDPOINT_URL") != "" || a.Getenv("AWS_ENDPOINT_URL_S3") != ""
}

// marks show the states of checks.
var marks = map[selfcheck.State]struct{ text, style string }{
	selfcheck.StateOK:      {"ok      ", green},
	selfcheck.StateSkipped: {"skipped ", dim},
	selfcheck.StateWarning: {"WARNING ", yellow},
	selfcheck.StateProblem: {"PROBLEM ", red},
}

func (a *App) printDoctor(report doctor.Report) error {
	if a.JSON {
		return a.printJSON(report)
	}
	out := newScreen(a.Out, a.Getenv)
	out.write(bold, fmt.Sprintf("%s in account %s, %s", report.Function, report.Account, report.Region))
	for _, check := range report.Checks {
		mark := marks[check.State]
		out.marked(mark.style, mark.text, check.Part)
		for _, text := range append([]string{check.Detail}, check.Notes...) {
			out.text("        ", text)
		}
		if check.Remedy != "" {
			out.line("→ %s", check.Remedy) // not wrapped: it may be a command to copy
		}
	}
	return out.failed
}

// printJSON prints a value as an indented JSON document.
func (a *App) printJSON(value any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	return a.printBody(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

// printBody prints a document and a line break. On a terminal, control characters are removed: JSON may contain
// those of the set C1.
func (a *App) printBody(body []byte) error {
	if file, ok := a.Out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		body = []byte(terminal.Plain(string(body)))
	}
	_, err := a.Out.Write(append(body, '\n'))
	return err
}

// marked writes a line that begins with a mark in a style.
func (s *screen) marked(style, mark, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.print(s.styled(style, mark) + oneLine(text))
	s.draw()
}

// text writes a text that begins with a prefix. On a terminal, its further lines are indented like the first.
func (s *screen) text(prefix, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	for i, line := range wrapped(oneLine(text), s.lineLength()-len([]rune(prefix))) {
		if i == 1 {
			prefix = strings.Repeat(" ", len([]rune(prefix)))
		}
		s.print(prefix + line)
	}
	s.draw()
}

// lineLength is the length of a line, or 0 if lines are not limited, because the output is not a terminal.
func (s *screen) lineLength() int {
	if !s.live {
		return 0
	}
	return s.width()
}

// wrapped splits text at its spaces into lines of at most length characters, or returns it as one line if there is too
// little room. Words, such as commands to copy, are never split.
func wrapped(text string, length int) []string {
	const least = 20
	if length < least {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > length {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
