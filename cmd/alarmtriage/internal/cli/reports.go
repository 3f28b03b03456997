package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/reports"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/terminal"
)

// reportsFlags select reports.
type reportsFlags struct {
	choiceFlags
	bucket string
	folder string
	since  string
	until  string
}

func (f *reportsFlags) add(c *cobra.Command, since string) {
	f.choiceFlags.add(c)
	c.Flags().StringVar(&f.bucket, "bucket", "", "reports bucket (default: that of the deployed AlarmTriage)")
	c.Flags().StringVar(&f.folder, "folder", "", "folder with reports of investigate, such as "+reportsFolder)
	c.Flags().StringVar(&f.since, "since", since, "start of the period: 2026-11-25T03:00:00Z, or 7d or 12h ago")
	c.Flags().StringVar(&f.until, "until", "0h", "end of the period")
	excludeEachOther(c, "bucket", "folder", "stack", "function")
}

func newReports(app *App) *cobra.Command {
	c := &cobra.Command{
		Use:   "reports",
		Short: "List, search, and show reports, and compute statistics",
		Long:  "List, search, and show the reports of a deployed AlarmTriage or of a local folder, and compute statistics over them.",
		Example: "  alarmtriage reports list --since 24h\n" +
			"  alarmtriage reports search AccessDenied\n" +
			"  alarmtriage reports show 4f1c0a9be2d7 --open\n" +
			"  alarmtriage reports stats --since 30d --html month.html",
		Args: checkArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newReportsList(app), newReportsSearch(app), newReportsShow(app), newReportsStats(app))
	return c
}

func newReportsList(app *App) *cobra.Command {
	var flags reportsFlags
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the reports of a period, newest first",
		Example: "  alarmtriage reports list --since 24h\n  alarmtriage reports list --folder " + reportsFolder,
		Args:    checkArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return app.listReports(c.Context(), flags, "") },
	}
	flags.add(c, "7d")
	return c
}

func newReportsSearch(app *App) *cobra.Command {
	var flags reportsFlags
	c := &cobra.Command{
		Use:   "search TEXT",
		Short: "List the reports that mention a text",
		Long: "List the reports that mention a text, ignoring case: in what the alarm, the model, or the evidence says, but not in the code\n" +
			"and the output of the rounds.",
		Example: "  alarmtriage reports search AccessDenied --since 30d\n  alarmtriage reports search orders-role",
		Args:    checkArguments,
		RunE: func(c *cobra.Command, arguments []string) error {
			return app.listReports(c.Context(), flags, arguments[0])
		},
	}
	flags.add(c, "30d")
	return c
}

func newReportsShow(app *App) *cobra.Command {
	var flags reportsFlags
	var form string
	var open bool
	c := &cobra.Command{
		Use:   "show REPORT",
		Short: "Show a report",
		Long:  "Show a report, given by its ID, by its s3:// address, or by its folder or file.",
		Example: "  alarmtriage reports show 4f1c0a9be2d7\n" +
			"  alarmtriage reports show 4f1c0a9be2d7 --open\n" +
			"  alarmtriage reports show s3://reports/reports/2026/11/25/031200-orders-4f1c0a9be2d7.json --form json",
		Args: checkArguments,
		RunE: func(c *cobra.Command, arguments []string) error {
			if app.JSON && c.Flags().Changed("form") && form != "json" {
				return &Problem{Code: Usage, What: "--json and --form " + form + " exclude each other", Remedy: "leave one of them out"}
			}
			if app.JSON {
				form = "json"
			}
			return app.showReport(c.Context(), flags, arguments[0], form, open)
		},
	}
	flags.add(c, "90d")
	c.Flags().StringVar(&form, "form", "text", "form of the report: text, html, or json")
	c.Flags().BoolVar(&open, "open", false, "open the report's page")
	return c
}

func newReportsStats(app *App) *cobra.Command {
	var flags reportsFlags
	var page string
	c := &cobra.Command{
		Use:     "stats",
		Short:   "Compute statistics over the reports of a period",
		Example: "  alarmtriage reports stats --since 30d\n  alarmtriage reports stats --since 30d --html month.html",
		Args:    checkArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return app.reportStatistics(c.Context(), flags, page) },
	}
	flags.add(c, "30d")
	c.Flags().StringVar(&page, "html", "", "also write the statistics to this file, as one HTML page")
	return c
}

// source returns the reports that the flags select, their place for people, and the period.
func (a *App) source(ctx context.Context, flags reportsFlags) (reports.Source, string, reports.Period, error) {
	period, err := a.period(flags)
	if err != nil {
		return nil, "", period, err
	}
	if flags.folder != "" {
		return reports.Folder(flags.folder), flags.folder, period, nil
	}
	cfg, err := a.AWS(ctx)
	if err != nil {
		return nil, "", period, err
	}
	name := flags.bucket
	if name == "" {
		found, err := findDeployment(ctx, cfg, flags.choiceFlags)
		if err != nil {
			return nil, "", period, err
		}
		name = found.Config.ReportsBucket
	}
	return reports.Bucket{Client: awsapi.From(cfg, deployedToolTime, a.hasCustomS3()).S3, Name: name}, "s3://" + name, period, nil
}

func (a *App) period(flags reportsFlags) (period reports.Period, err error) {
	now := a.Now()
	if period.From, err = timeOf("since", flags.since, now); err != nil {
		return period, err
	}
	if period.To, err = timeOf("until", flags.until, now); err != nil {
		return period, err
	}
	if !period.From.Before(period.To) {
		return period, &Problem{Code: Usage, What: "the period of --since and --until is empty", Remedy: "choose an earlier --since"}
	}
	return period, nil
}

// timeOf reads the value of a flag: a time, or how long ago it was.
func timeOf(flag, text string, now time.Time) (time.Time, error) {
	at, err := parseTime(text, now)
	if err != nil {
		return at, &Problem{Code: Usage, What: fmt.Sprintf("--%s %q is not a time", flag, text), Remedy: "write a time in UTC, such as 2026-11-25T03:12:00Z, or how long ago, such as 7d or 12h", Err: err}
	}
	return at, nil
}

// load lists reports. Those that cannot be read are named on the error output.
func (a *App) load(ctx context.Context, source reports.Source, period reports.Period) ([]reports.Report, error) {
	progress := newScreen(a.Err, a.Getenv)
	progress.show("Reading the reports …")
	found, unreadable, err := source.List(ctx, period)
	progress.end()
	if _, isLocal := source.(reports.Folder); err != nil && isLocal {
		return nil, &Problem{Code: NotFound, What: err.Error(), Remedy: "check --folder", Err: err}
	}
	if err != nil {
		return nil, awsProblem("the reports cannot be read", err)
	}
	for _, line := range unreadable {
		progress.line("Left out: %s", line)
	}
	return found, nil
}

// summary is a report in a list.
type summary struct {
	ID         string                   `json:"id"`
	Time       time.Time                `json:"time"`
	Alarm      string                   `json:"alarm"`
	Account    string                   `json:"account"`
	Region     string                   `json:"region"`
	Outcome    investigation.Outcome    `json:"outcome"`
	Severity   investigation.Severity   `json:"severity"`
	Confidence investigation.Confidence `json:"confidence"`
	Cause      string                   `json:"cause"`
	CostUSD    float64                  `json:"cost_usd"`
	Report     string                   `json:"report"` // where its JSON form is
}

func (a *App) listReports(ctx context.Context, flags reportsFlags, text string) error {
	source, place, period, err := a.source(ctx, flags)
	if err != nil {
		return err
	}
	found, err := a.load(ctx, source, period)
	if err != nil {
		return err
	}
	list := []summary{}
	for _, one := range found {
		rec := &one.Record
		if text != "" && !one.Contains(text) {
			continue
		}
		list = append(list, summary{ID: rec.ID, Time: rec.StartedAt.UTC(), Alarm: rec.Alarm.Name, Account: rec.Alarm.Account, Region: rec.Alarm.Region,
			Outcome: rec.Outcome, Severity: rec.Report.Severity, Confidence: rec.Report.Confidence, Cause: rec.Report.RootCause,
			CostUSD: rec.Usage.CostUSD + rec.Usage.QueryCostUSD, Report: one.Where})
	}
	if a.JSON {
		return a.printJSON(list)
	}
	if len(list) == 0 {
		newScreen(a.Err, a.Getenv).line("There are no such reports in %s from %s to %s.", place, period.From.UTC().Format(time.RFC3339), period.To.UTC().Format(time.RFC3339))
		return nil
	}
	table := newTable(a, "TIME (UTC)", "ALARM", "SEVERITY", "CAUSE", "ID")
	for _, one := range list {
		table.row(one.Time.Format("2006-01-02 15:04"), one.Alarm, string(one.Severity), causeOf(one), one.ID)
	}
	return table.flush()
}

// causeOf returns the cause of a report for a table.
func causeOf(one summary) string {
	switch {
	case one.Outcome == investigation.OutcomeFallback:
		return "no conclusion"
	case one.Cause == "":
		return "not found"
	}
	return string(one.Confidence) + ": " + one.Cause
}

// table prints rows in columns. Texts are data of AWS or a model, so each is one line without control characters, in which no
// character deceives a reader.
type table struct {
	screen *screen
	lines  strings.Builder
	tabs   *tabwriter.Writer
}

func newTable(a *App, titles ...string) *table {
	t := &table{screen: newScreen(a.Out, a.Getenv)}
	t.tabs = tabwriter.NewWriter(&t.lines, 0, 0, 2, ' ', 0)
	t.row(titles...)
	return t
}

// maxCell is the length of the longest text of a table, in characters.
const maxCell = 90

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = cut(oneLine(cell), maxCell)
	}
	fmt.Fprintln(t.tabs, strings.Join(cells, "\t"))
}

func (t *table) flush() error {
	if err := t.tabs.Flush(); err != nil {
		return err
	}
	first := true
	for line := range strings.Lines(t.lines.String()) {
		line = strings.TrimRight(line, " \n")
		if t.screen.live {
			line = cut(line, t.screen.width())
		}
		if first {
			line = t.screen.styled(bold, line)
		}
		first = false
		if _, err := fmt.Fprintln(t.screen.out, line); err != nil {
			return err
		}
	}
	return nil
}

// forms are the values of --form, with the ends of the names of their objects and files.
var forms = map[string]string{"text": ".txt", "html": ".html", "json": ".json"}

func (a *App) showReport(ctx context.Context, flags reportsFlags, name, form string, open bool) error {
	ext, ok := forms[form]
	if !ok {
		return &Problem{Code: Usage, What: fmt.Sprintf("there is no form %q", form), Remedy: "choose text, html, or json"}
	}
	if open {
		ext = ".html"
	}
	source, found, err := a.findReport(ctx, flags, name)
	if err != nil {
		return err
	}
	body, err := source.Form(ctx, found, ext)
	_, isLocal := source.(reports.Folder)
	switch {
	case isLocal && errors.Is(err, fs.ErrNotExist):
		return &Problem{Code: NotFound, What: fmt.Sprintf("the report cannot be read (%s)", said(err)), Remedy: "name a report that has this form, or choose another --form", Err: err}
	case errors.Is(err, fs.ErrNotExist), err != nil && awsapi.Classify(err) == awsapi.ClassNotFound:
		return &Problem{Code: NotFound, What: fmt.Sprintf("the report cannot be read (%s)", said(err)), Remedy: "check its name, --profile, and --region, or choose another --form", Err: err}
	case err != nil && isLocal:
		return &Problem{Code: NotFound, What: fmt.Sprintf("the report cannot be read (%s)", said(err)), Remedy: "name the folder of a report, or its file", Err: err}
	case err != nil:
		return awsProblem("the report cannot be read", err)
	}
	switch {
	case open:
		if err := a.openBody(body); err != nil || !a.JSON {
			return err
		}
		return a.showReport(ctx, flags, name, form, false)
	case ext == ".txt":
		body = []byte(terminal.Plain(string(body)))
	}
	return a.printBody(body)
}

// writePrivate writes a file that only the user may read, also if it exists and others may read it. A device stays as it is.
func writePrivate(path string, body []byte) error {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(path, body, 0o600)
}

// openBody opens a page that is not in a file yet.
func (a *App) openBody(body []byte) error {
	file, err := os.CreateTemp("", "alarmtriage-*.html")
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	_, err = file.Write(body)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := openPage(file.Name()); err != nil {
		newScreen(a.Err, a.Getenv).line("The page cannot be opened (%v): open %s in a browser.", err, file.Name())
	}
	return nil
}

// findReport returns the report with an ID, an address, or a path.
func (a *App) findReport(ctx context.Context, flags reportsFlags, name string) (reports.Source, reports.Report, error) {
	if address, ok := strings.CutPrefix(name, "s3://"); ok {
		bucket, key, _ := strings.Cut(address, "/")
		cfg, err := a.AWS(ctx)
		if err != nil {
			return nil, reports.Report{}, err
		}
		base := "s3://" + bucket + "/" + strings.TrimSuffix(key, filepath.Ext(key))
		return reports.Bucket{Client: awsapi.From(cfg, deployedToolTime, a.hasCustomS3()).S3, Name: bucket}, reports.Report{Where: base + ".json"}, nil
	}
	if info, err := os.Stat(name); err == nil {
		if info.IsDir() {
			name = filepath.Join(name, jsonFile)
		}
		return reports.Folder(filepath.Dir(filepath.Dir(name))), reports.Report{Where: strings.TrimSuffix(name, filepath.Ext(name)) + ".json"}, nil
	}
	source, place, period, err := a.source(ctx, flags)
	if err != nil {
		return nil, reports.Report{}, err
	}
	found, err := a.load(ctx, source, period)
	if err != nil {
		return nil, reports.Report{}, err
	}
	for _, one := range found {
		if one.Record.ID == name {
			return source, one, nil
		}
	}
	return nil, reports.Report{}, &Problem{Code: NotFound, What: fmt.Sprintf("there is no report %q in %s since %s", name, place, period.From.UTC().Format(time.DateOnly)),
		Remedy: "list them with `alarmtriage reports list`, or choose an earlier --since"}
}

// maxOffenders is how many alarms the statistics list on a terminal. The page and the JSON have all.
const maxOffenders = 10

func (a *App) reportStatistics(ctx context.Context, flags reportsFlags, page string) error {
	source, place, period, err := a.source(ctx, flags)
	if err != nil {
		return err
	}
	found, err := a.load(ctx, source, period)
	if err != nil {
		return err
	}
	s := reports.Summarize(found, period)
	if page != "" {
		body, err := s.Page(place)
		if err == nil {
			err = writePrivate(page, body)
		}
		if err != nil {
			return &Problem{Code: Failed, What: fmt.Sprintf("the page cannot be written (%v)", err), Remedy: "choose another file with --html", Err: err}
		}
		newScreen(a.Err, a.Getenv).line("Page: %s", page)
	}
	if a.JSON {
		return a.printJSON(s)
	}
	out := newScreen(a.Out, a.Getenv)
	out.write(bold, fmt.Sprintf("%s from %s to %s", place, s.From.Format(time.DateOnly), s.To.Format(time.DateOnly)))
	out.line("%s of %s", plural.Of(s.Investigations, "investigation"), plural.Of(s.Alarms, "alarm"))
	cost := fmt.Sprintf("Cost: %s, median %s", reports.Dollars(s.CostUSD), reports.Dollars(s.MedianCostUSD))
	if s.UnknownCosts > 0 {
		cost += fmt.Sprintf("; without %d whose model has no known price", s.UnknownCosts)
	}
	out.line("%s", cost)
	out.line("Time: median %s, 90 %% within %s", reports.Duration(s.MedianSeconds), reports.Duration(s.P90Seconds))
	if s.Investigations == 0 {
		return nil
	}
	counts := newTable(a, "KIND", "VALUE", "INVESTIGATIONS")
	for _, one := range s.Counts() {
		counts.row(one.Kind, one.Value, strconv.Itoa(one.Count))
	}
	if err := counts.flush(); err != nil {
		return err
	}
	offenders := newTable(a, "ALARM", "ACCOUNT", "INVESTIGATIONS", "FIRED AGAIN", "COST", "LAST CAUSE")
	for _, one := range s.Offenders[:min(len(s.Offenders), maxOffenders)] {
		cause := one.Cause
		if cause == "" {
			cause = "not found"
		}
		offenders.row(one.Alarm, one.Account, strconv.Itoa(one.Investigations), strconv.Itoa(one.Repeats), reports.Dollars(one.CostUSD), cause)
	}
	return offenders.flush()
}
