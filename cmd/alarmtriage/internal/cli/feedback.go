package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/reports"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

// feedbackFlags are the flags of feedback.
type feedbackFlags struct {
	right, wrong bool
	cause, by    string
	function     string
}

func newFeedback(app *App) *cobra.Command {
	var flags feedbackFlags
	c := &cobra.Command{
		Use:   "feedback REPORT --right | --wrong",
		Short: "Report whether the cause in a report was right",
		Long: "Report whether the cause in a report was right, and what the real one was. Later investigations of the alarm read it, and their\n" +
			"reports show it under \"Seen before\". " + reportHelp + "\n\n" +
			"Feedback about a report in a bucket goes to the deployed orchestrator that wrote it, which you must be allowed to invoke.\n" +
			"Feedback about a local report is stored beside it, for later investigations with the same folder of reports. Another\n" +
			"feedback about the same report replaces the earlier one.",
		Example: "  alarmtriage feedback alarmtriage-reports/20261125-031200-order-service-errors --right\n" +
			"  alarmtriage feedback s3://reports-bucket/reports/2026/11/25/031200-order-service-errors-0123456789ab.txt \\\n" +
			"    --wrong --cause \"The certificate had expired.\"",
		Args: checkArguments,
		RunE: func(c *cobra.Command, arguments []string) error {
			return app.feedback(c.Context(), arguments[0], flags)
		},
	}
	c.Flags().BoolVar(&flags.right, "right", false, "the cause in the report is the real one")
	c.Flags().BoolVar(&flags.wrong, "wrong", false, "the cause in the report is not the real one")
	c.Flags().StringVar(&flags.cause, "cause", "", fmt.Sprintf("the real cause, in at most %d characters", investigation.MaxFeedbackCause))
	c.Flags().StringVar(&flags.by, "by", "", "who reports it (default: USER)")
	c.Flags().StringVar(&flags.function, "function", "", "the deployed orchestrator function (default: the one that the record names, if it stores its reports in the bucket)")
	excludeEachOther(c, "right", "wrong")
	requireOne(c, "right", "wrong")
	return c
}

func (a *App) feedback(ctx context.Context, name string, flags feedbackFlags) error {
	given := investigation.Feedback{Verdict: investigation.FeedbackWrong, Cause: flags.cause, By: cmp.Or(flags.by, a.Getenv("USER")), At: a.Now().UTC()}
	if flags.right {
		given.Verdict = investigation.FeedbackRight
	}
	if err := given.Check(); err != nil {
		return &Problem{Code: Usage, What: oneLine(err.Error()), Remedy: "see `alarmtriage feedback --help`", Err: err}
	}
	r, err := a.openReport(ctx, name)
	if err != nil {
		return err
	}
	if r.uri == "" {
		if flags.function != "" {
			return &Problem{Code: Usage, What: "a deployed orchestrator only knows the reports of its bucket", Remedy: "name the report by its s3:// address, or leave out --function"}
		}
		if r.isFile {
			address := "its s3:// address"
			if r.rec.ReportURI != "" {
				address += ", " + r.rec.ReportURI
			}
			return &Problem{Code: Usage, What: "no later investigation reads feedback beside a file that was downloaded",
				Remedy: oneLine("name the report by " + address + ", or by the folder in which investigate wrote it")}
		}
		return a.feedbackBeside(r, given)
	}
	function, err := a.orchestratorOf(ctx, r, flags.function)
	if err != nil {
		return err
	}
	var result struct {
		Problem  string                  `json:"problem"`
		Recorded *investigation.Feedback `json:"recorded"`
	}
	fields := map[string]any{"report": r.uri, "verdict": given.Verdict, "cause": given.Cause, "by": given.By}
	if err := a.invoke(ctx, r.aws, function, "feedback", fields, &result); err != nil {
		return err
	}
	if result.Problem != "" || result.Recorded == nil {
		return &Problem{Code: Failed, What: "the feedback was not recorded", Remedy: oneLine(result.Problem)}
	}
	return a.printFeedback(*result.Recorded, "Recorded by "+function+".")
}

// localFeedback is feedback beside a local report, with what it judges: another report may be written to the same folder.
type localFeedback struct {
	investigation.Feedback
	Investigation string `json:"investigation_id"`
	Judged        string `json:"judged"` // the cause in the report
}

// feedbackBeside stores feedback beside a local report.
func (a *App) feedbackBeside(r *reference, given investigation.Feedback) error {
	redactor, err := redact.New(nil)
	if err != nil {
		return err
	}
	given = given.Redacted(func(text string) string {
		clean, _ := redactor.Text(text)
		return clean
	})
	path := filepath.Join(r.folder, feedbackFile)
	body, err := json.MarshalIndent(localFeedback{Feedback: given, Investigation: r.rec.ID, Judged: r.rec.Report.RootCause}, "", "  ")
	if err == nil {
		err = os.MkdirAll(r.folder, 0o700)
	}
	if err == nil {
		err = replaceFile(path, append(body, '\n'))
	}
	if err != nil {
		return &Problem{Code: Failed, What: fmt.Sprintf("the feedback is not stored (%v)", err), Remedy: "check that you may write to the folder of the report", Err: err}
	}
	return a.printFeedback(given, "Stored in "+path+", for reports in "+(&investigateFlags{out: r.folder}).folderOfReports()+".")
}

func (a *App) printFeedback(given investigation.Feedback, where string) error {
	if a.JSON {
		return a.printJSON(given)
	}
	_, err := fmt.Fprintf(a.Out, "%s Later investigations of the alarm read that the cause was %s.\n", oneLine(where), given.Verdict)
	return err
}

const (
	// maxFeedback bounds the file of a feedback, in bytes.
	maxFeedback = 64 << 10

	// maxPastFolders is how many folders of reports are searched for earlier investigations.
	maxPastFolders = 500

	// maxPast is how many earlier investigations a report lists, as in a deployment.
	maxPast = 10
)

// pastOf returns the earlier investigations of an alarm whose reports are in a folder, oldest first, with what humans
// reported about them. Those of the same transition are not earlier ones, but what a human reported about them counts.
func pastOf(folder string, alarm *alarmevent.Alarm) []investigation.Past {
	found, err := reports.Files(folder) // the names begin with the time
	if err != nil {
		return nil
	}
	var past []investigation.Past
	for _, path := range found[max(0, len(found)-maxPastFolders):] {
		rec, err := readRecord(path)
		if err != nil || rec.Alarm.ARN != alarm.ARN {
			continue
		}
		feedback := readFeedback(filepath.Join(filepath.Dir(path), feedbackFile), rec)
		found := investigation.Past{
			ID: rec.ID, Time: rec.StartedAt, Outcome: rec.Outcome, Cause: rec.Report.RootCause, Confidence: rec.Report.Confidence, Feedback: feedback,
		}
		at := slices.IndexFunc(past, func(p investigation.Past) bool { return p.ID == rec.ID })
		switch {
		case at >= 0: // a replay of it is in the folder, too, and the one that a human judged counts
			if past[at].Feedback == nil && feedback != nil {
				past[at] = found
			}
		case feedback != nil || !rec.Alarm.Time.Equal(alarm.Time):
			past = append(past, found)
		}
	}
	slices.SortStableFunc(past, func(x, y investigation.Past) int { return x.Time.Compare(y.Time) })
	return past[max(0, len(past)-maxPast):]
}

// readFeedback returns the feedback in a file, or nil if it is not about this record.
func readFeedback(path string, rec *investigation.Record) *investigation.Feedback {
	raw, err := readFile(path, maxFeedback)
	if err != nil {
		return nil
	}
	var stored localFeedback
	if json.Unmarshal(raw, &stored) != nil || stored.Check() != nil || stored.Investigation != rec.ID || stored.Judged != rec.Report.RootCause {
		return nil
	}
	return &stored.Feedback
}
