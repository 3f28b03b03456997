// Command demo shows a whole investigation on one machine: it deploys an example stack into moto with the
// real cdk, breaks something in it, sends the alarm's event as CloudWatch would, and shows what the on-call
// engineer receives. Then it asks a question about the report, reports that its cause was right, and replays the record.
// The Lambda functions are the real ones, exactly as deployed. AWS and the model are replaced by local stand-ins.
//
//	go run ./demo                 # with a scripted model
//	go run ./demo -report-only    # without the question, the feedback, and the replay
//	go run ./demo -bedrock        # with Amazon Bedrock and your AWS credentials
//	go run ./demo -fail bedrock   # no model answers: the report consists of the evidence
//	go run ./demo -member         # the alarm fires in another account, whose data is the evidence
//	go run ./demo -storm 30       # 30 alarms fire at once, and a model may investigate 3 of them
package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/stack"
)

const (
	stackName = "TriageDemo"
	patience  = 10 * time.Minute // for the whole demo on a slow machine

	failBedrock = "bedrock" // value of -fail

	memberStack   = "TriageDemoMember"
	memberAccount = "444455556666" // of -member
)

//go:embed script.json
var script []byte

func main() {
	bedrock := flag.Bool("bedrock", false, "use Amazon Bedrock, with your AWS credentials and Region, instead of the scripted model")
	modelID := flag.String("model", "", "model id or inference profile for -bedrock; default: the stack's model")
	fail := flag.String("fail", "", `what fails during the investigation: "bedrock" denies every request to a model`)
	reportOnly := flag.Bool("report-only", false, "end with the report: no question, no feedback, and no replay")
	question := flag.String("question", defaultQuestion, "question about the report; another one needs -bedrock")
	member := flag.Bool("member", false, "fire an alarm of another account, which is a member of the triage")
	storm := flag.Int("storm", 0, "number of alarms that fire at once, of which a model investigates the first few")
	verbose := flag.Bool("v", false, "show the output of cdk and of the functions")
	flag.Parse()
	if runtime.GOOS != "linux" {
		fmt.Fprintln(os.Stderr, "the demo runs the functions of Lambda, which needs Linux")
		os.Exit(2)
	}
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unexpected argument %q: options begin with a hyphen\n", flag.Arg(0))
		os.Exit(2)
	}
	if *fail != "" && *fail != failBedrock || *fail == failBedrock && *bedrock {
		fmt.Fprintf(os.Stderr, "-fail %s: only %q is supported, and not together with -bedrock\n", *fail, failBedrock)
		os.Exit(2)
	}
	if *question != defaultQuestion && !*bedrock {
		fmt.Fprintln(os.Stderr, "-question needs -bedrock: the scripted model only answers its own question")
		os.Exit(2)
	}
	if *storm != 0 && (*storm <= stormPerDay || *storm > maxStorm || *bedrock || *fail != "" || *member) {
		fmt.Fprintf(os.Stderr, "-storm must be between %d and %d, and can't be combined with -bedrock, -fail, and -member\n", stormPerDay+1, maxStorm)
		os.Exit(2)
	}
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // as with nohup
		ending = append(ending, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ending...)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := &demo{dir: filepath.Join(moto.Root(), ".build", "demo"), bedrock: *bedrock, modelID: *modelID, fail: *fail, member: *member, storm: *storm, log: io.Discard,
		question: *question, reportOnly: *reportOnly || *fail != "" || *member || *storm > 0}
	if *verbose {
		d.log = os.Stderr
	}
	err := d.isolate(ctx)
	if err == nil {
		err = d.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demo failed:", err)
		os.Exit(1)
	}
}

type demo struct {
	dir     string
	bedrock bool
	modelID string
	fail    string
	member  bool
	storm   int // alarms that fire at once; 0: one alarm
	log     io.Writer

	real      *bedrock // nil if the model is scripted
	forwarder *httptest.Server

	question   string // about the report
	reportOnly bool

	aws    *moto.Server
	host   *lambdahost.Host
	model  *model.Server
	deploy *stack.Deployment
	orders *stack.Deployment // the stack with the order service that breaks
	inbox  string            // URL of the queue that replaces the engineer's inbox
	chat   string            // URL of the queue that replaces the chat channel
}

// isolate removes the caller's settings of AWS from the environment, because cdk and Python obey some of them before those of
// the stand-ins, and lets no proxy have the requests to the stand-ins. If Bedrock is real, it reads the settings before.
func (d *demo) isolate(ctx context.Context) (err error) {
	if d.bedrock {
		if d.real, err = newBedrock(ctx); err != nil {
			return err
		}
	}
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	direct := cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy")) // Go prefers the first one, and others the second one
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		os.Setenv(name, strings.TrimPrefix(cmp.Or(os.Getenv(name), direct)+",localhost,.localhost,127.0.0.1", ","))
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// step announces a step of the demo.
func (d *demo) step(number int, format string, args ...any) {
	steps := 8
	if d.reportOnly {
		steps = 5
	}
	say("\n[%d/%d] "+format, append([]any{number, steps}, args...)...)
}

func (d *demo) run(ctx context.Context) error {
	started := time.Now()
	lock, err := d.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	if d.fail == failBedrock {
		say("Every request to a model is DENIED: the report consists of the evidence.")
	} else if d.bedrock {
		say("The model is on Amazon Bedrock: you pay for the tokens of this run.")
	} else {
		say("The model is SCRIPTED (demo/script.json). The Python code that it sends is real and has to find the\n" +
			"cause by itself. To use a real model, run `go run ./demo -bedrock`.")
	}
	d.step(1, "Starting the stand-in for AWS and deploying the stack with cdk …")
	defer d.close()
	if err := d.start(ctx); err != nil {
		return err
	}
	say("      deployed %s (%d functions) in %s", stackName, len(d.deploy.Functions), time.Since(started).Round(time.Second))
	if d.member {
		say("      deployed %s into the member account %s", memberStack, memberAccount)
	}

	d.step(2, "Breaking something: the order service's role loses dynamodb:GetItem …")
	if d.inbox, err = d.subscribe(ctx, "inbox", d.deploy.Outputs["OutTopic"]); err != nil {
		return err
	}
	if d.chat, err = d.subscribe(ctx, "chat", d.deploy.Outputs["OutCardTopic"]); err != nil {
		return err
	}
	incident, err := breakOrders(ctx, d.aws.As(d.account()), d.orders.Outputs)
	if err != nil {
		return err
	}
	say("      alarm %s of account %s is in ALARM", incident.Alarm, d.account())

	if d.storm > 0 {
		d.step(3, "Firing %d alarms at once. A model may investigate %d a day, %d at the same time …", d.storm, stormPerDay, stormConcurrency)
		err = d.fireStorm(incident)
	} else {
		d.step(3, "Firing the alarm as CloudWatch does …")
		_, err = d.host.InvokeAsync(d.deploy.Outputs["OutOrchestrator"], incident.Event)
	}
	if err != nil {
		return err
	}
	d.step(4, "Investigating …")
	if err := d.host.WaitIdle(ctx); err != nil {
		return err
	}
	if failed := d.host.Failed(); len(failed) > 0 {
		return fmt.Errorf("the investigation failed: %s", failed[0].Error)
	}
	d.step(5, "What the engineer on call receives:")
	if d.storm > 0 {
		return d.showStorm(ctx)
	}
	rec, err := d.show(ctx)
	if err != nil || d.reportOnly {
		return err
	}
	return d.followUp(ctx, rec)
}

// lock returns an open file that keeps another demo from replacing the files of this one.
func (d *demo) lock() (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(d.dir), 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(d.dir + ".lock")
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		file.Close()
		return nil, fmt.Errorf("another demo is running in this checkout, and both would write to %s", d.dir)
	}
	return file, nil
}

// start deploys the example stack into moto, and starts the scripted model and the functions.
func (d *demo) start(ctx context.Context) error {
	var err error
	if d.aws, err = moto.Start(ctx); err != nil {
		return err
	}
	if d.bedrock { // the Region of the stack determines the default models
		d.aws = d.aws.In(d.real.caller.Region)
	}
	app := filepath.Join(d.dir, "app")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", app, "./demo/app")
	build.Dir = moto.Root()
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the example app: %w: %s", err, text)
	}
	if d.member { // cdk passes its environment to the app
		for name, value := range map[string]string{"DEMO_MEMBER": memberAccount, "DEMO_CENTRAL": moto.Account} {
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
	}
	command := `"` + app + `"` // cdk splits it at spaces
	if d.deploy, err = stack.Deploy(ctx, d.aws, command, stackName, d.dir, d.log); err != nil {
		return err
	}
	d.orders = d.deploy
	if d.member {
		if d.orders, err = stack.Deploy(ctx, d.aws.As(memberAccount), command, memberStack, filepath.Join(d.dir, "member"), d.log); err != nil {
			return err
		}
	}
	if !d.bedrock {
		parsed, err := model.Parse(script)
		if err != nil {
			return fmt.Errorf("demo/script.json: %w", err)
		}
		if d.fail == failBedrock {
			denied := model.Step{Error: &model.Error{Status: 403, Type: "AccessDeniedException", Message: "You don't have access to the model with the specified model ID."}}
			parsed = model.Script{Steps: []model.Step{denied}, Loop: new(int)}
		}
		if d.model, err = model.Start(parsed); err != nil {
			return err
		}
	}
	return d.startFunctions(ctx)
}

// account returns the account of the alarm.
func (d *demo) account() string {
	if d.member {
		return memberAccount
	}
	return moto.Account
}

// startFunctions starts the deployed functions.
func (d *demo) startFunctions(ctx context.Context) error {
	var err error
	if d.host, err = lambdahost.New(lambdahost.Options{Region: d.aws.Region, Account: moto.Account, Fallback: d.aws.URL, RetryDelays: []time.Duration{time.Second}}); err != nil {
		return err
	}
	env := map[string]string{
		"AWS_ENDPOINT_URL":        d.aws.URL,
		"AWS_ENDPOINT_URL_LAMBDA": d.host.URL(),
	}
	orchestratorEnv := map[string]string{}
	if d.bedrock {
		d.forwarder = httptest.NewServer(d.real)
		orchestratorEnv["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = d.real.endpoint(d.forwarder.URL)
		if d.modelID != "" {
			orchestratorEnv[config.EnvModelID] = d.modelID
		}
	} else {
		orchestratorEnv["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = d.model.URL
	}
	for name, value := range env {
		orchestratorEnv[name] = value
	}
	var progress io.Writer = &progress{out: os.Stdout, raw: d.log}
	if d.storm > 0 { // the lines of many investigations are of no use
		limitStorm(orchestratorEnv)
		progress = d.log
	}
	for output, env := range map[string]map[string]string{"OutOrchestrator": orchestratorEnv, "OutTool": env} {
		log, deployed := d.log, d.byName(d.deploy.Outputs[output])
		if output == "OutOrchestrator" {
			log = progress
		} else if env, err = d.asRole(ctx, deployed, env); err != nil {
			return err
		}
		f, err := deployed.Hosted(env, log)
		if err != nil {
			return err
		}
		if d.storm > 0 && output == "OutOrchestrator" {
			f.ReservedConcurrency = stormConcurrency
		}
		if err := d.host.Add(f); err != nil {
			return err
		}
	}
	return nil
}

// asRole returns an environment with credentials of a function's role, with which the tool assumes the roles of members.
func (d *demo) asRole(ctx context.Context, f stack.Function, env map[string]string) (map[string]string, error) {
	own, err := d.aws.RoleEnvironment(ctx, f.Role, f.Name)
	if err != nil {
		return nil, err
	}
	for name, value := range env {
		own[name] = value
	}
	return own, nil
}

func (d *demo) byName(name string) stack.Function {
	for _, f := range d.deploy.Functions {
		if f.Name == name {
			return f
		}
	}
	panic("demo: the stack has no function " + name)
}

func (d *demo) close() {
	if d.host != nil {
		d.host.Close()
	}
	if d.model != nil {
		d.model.Close()
	}
	if d.forwarder != nil {
		d.forwarder.Close()
	}
	if d.aws != nil {
		d.aws.Stop()
	}
}

// progress prints the orchestrator's log in a readable form.
type progress struct {
	mu      sync.Mutex
	out     io.Writer // receives the readable lines
	raw     io.Writer // receives the log unchanged
	partial string    // the beginning of a line whose end was not yet written
}

func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raw.Write(b)
	lines := strings.Split(p.partial+string(b), "\n")
	p.partial = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		var entry struct {
			Level, Msg, Message string
			Round, Calls        int
			Error               string
		}
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg+entry.Message == "" {
			continue
		}
		detail := ""
		if entry.Round > 0 {
			detail = fmt.Sprintf(" %d (%d tool calls)", entry.Round, entry.Calls)
		}
		if entry.Error != "" {
			detail += ": " + entry.Error
		}
		fmt.Fprintf(p.out, "      %s%s\n", entry.Msg+entry.Message, detail)
	}
	return len(b), nil
}

// show prints the notification, saves all forms of the report, and checks that the cause was found.
func (d *demo) show(ctx context.Context) (*investigation.Record, error) {
	received, err := d.notification(ctx, d.inbox)
	if err != nil {
		return nil, fmt.Errorf("receive the notification: %w", err)
	}
	bar := strings.Repeat("-", 72)
	say("\n%s\nSubject: %s\n%s\n%s\n%s", bar, received.Subject, bar, received.Message, bar)
	card, err := d.notification(ctx, d.chat)
	if err != nil {
		return nil, fmt.Errorf("receive the chat card: %w", err)
	}
	target := filepath.Join(d.dir, "report")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(target, "card.json"), []byte(card.Message), 0o644); err != nil {
		return nil, err
	}
	rec, err := d.copyReports(ctx, target)
	if err != nil {
		return nil, err
	}
	say("The report is stored at %s", rec.ReportURI)
	say("All its forms are in %s:", target)
	for _, form := range forms {
		say("  %-18s %s", form.name, form.what)
	}
	if !d.bedrock && d.fail == "" {
		say("The model was scripted. To use a real one, run `go run ./demo -bedrock`.")
	}
	return rec, d.judge(rec)
}

// forms lists the files that the demo saves. suffix is the end of a stored object's key. formOf uses the first
// suffix that matches: "-conversation.json" must come before ".json".
var forms = []struct{ name, suffix, what string }{
	{"report.html", ".html", "the page, to open in a browser"},
	{"report.txt", ".txt", "the report as text"},
	{"conversation.json", "-conversation.json", "the conversation with the model"},
	{"report.json", ".json", "the record, for programs"},
	{"card.json", "", "the card for Slack and Teams"},
}

// formOf returns the file name for a stored object.
func formOf(key string) string {
	for _, form := range forms {
		if form.suffix != "" && strings.HasSuffix(key, form.suffix) {
			return form.name
		}
	}
	return filepath.Base(key)
}

// subscribe subscribes a new queue to a topic and returns its URL. The demo shows what arrives in it.
func (d *demo) subscribe(ctx context.Context, name, topic string) (queue string, err error) {
	created, err := sqs.NewFromConfig(d.aws.Config()).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		return "", err
	}
	_, err = sns.NewFromConfig(d.aws.Config()).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"),
		Endpoint: aws.String(fmt.Sprintf("arn:aws:sqs:%s:%s:%s", d.aws.Region, moto.Account, name)),
	})
	return aws.ToString(created.QueueUrl), err
}

// notification is a message as SNS delivers it to a queue.
type notification struct{ Subject, Message string }

func (d *demo) notification(ctx context.Context, queue string) (*notification, error) {
	received, err := sqs.NewFromConfig(d.aws.Config()).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 5})
	if err != nil {
		return nil, err
	}
	if len(received.Messages) == 0 {
		return nil, errors.New("no notification has arrived")
	}
	var message notification
	if err := json.Unmarshal([]byte(aws.ToString(received.Messages[0].Body)), &message); err != nil {
		return nil, fmt.Errorf("read the notification: %w", err)
	}
	return &message, nil
}

// contentOf returns the content of an object.
func contentOf(ctx context.Context, client *s3.Client, bucket, key string) ([]byte, error) {
	got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	return io.ReadAll(got.Body)
}

// copyReports downloads all stored reports and returns the record.
func (d *demo) copyReports(ctx context.Context, target string) (*investigation.Record, error) {
	client := s3.NewFromConfig(d.aws.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	bucket := d.deploy.Outputs["OutReportsBucket"]
	listed, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("reports/2")})
	if err != nil {
		return nil, err
	}
	var rec *investigation.Record
	for _, object := range listed.Contents {
		content, err := contentOf(ctx, client, bucket, *object.Key)
		if err != nil {
			return nil, err
		}
		name := formOf(*object.Key)
		if err := os.WriteFile(filepath.Join(target, name), content, 0o644); err != nil {
			return nil, err
		}
		if name == "report.json" {
			rec = &investigation.Record{}
			if err := json.Unmarshal(content, rec); err != nil {
				return nil, fmt.Errorf("read %s: %w", *object.Key, err)
			}
		}
	}
	if rec == nil {
		return nil, fmt.Errorf("bucket %s holds no report", bucket)
	}
	return rec, nil
}

// judgeAccounts returns an error if the evidence of a member's alarm does not come from the member's account alone.
func (d *demo) judgeAccounts(rec *investigation.Record) error {
	if !d.member {
		return nil
	}
	requests := 0
	for call := range rec.Calls() {
		if call.Answer == nil {
			continue
		}
		for _, request := range call.Answer.AWSCalls {
			if requests++; request.Account != memberAccount {
				return fmt.Errorf("%s:%s of tool call %d read account %q", request.Service, request.Operation, call.Number, request.Account)
			}
		}
	}
	if requests == 0 {
		return fmt.Errorf("no request read the account %s", memberAccount)
	}
	say("All %d AWS requests of the investigation read the member account %s.", requests, memberAccount)
	return nil
}

// judge returns an error if the investigation did not find and confirm the cause. Without a model, the evidence must
// contain it.
func (d *demo) judge(rec *investigation.Record) error {
	if err := d.judgeAccounts(rec); err != nil {
		return err
	}
	if d.fail == failBedrock {
		if rec.Outcome != investigation.OutcomeFallback {
			return fmt.Errorf("no model could be asked, but the outcome is %q", rec.Outcome)
		}
		for _, seen := range rec.Evidence.Seen {
			if strings.Contains(seen.Text, "dynamodb:GetItem") {
				return nil
			}
		}
		return errors.New("the evidence does not name the missing permission (dynamodb:GetItem)")
	}
	if rec.Outcome == investigation.OutcomeFallback {
		return fmt.Errorf("the investigation ended without a conclusion: %s", rec.OutcomeWhy)
	}
	if !strings.Contains(rec.Report.RootCause+rec.Report.Summary, "dynamodb:GetItem") {
		return fmt.Errorf("the report does not name the cause (the missing dynamodb:GetItem): %s", rec.Report.RootCause)
	}
	if d.bedrock {
		return nil
	}
	for _, finding := range rec.Report.Findings {
		if !finding.Verified {
			return fmt.Errorf("finding %q is unverified: %s", finding.Statement, finding.Problem)
		}
	}
	for _, refuted := range rec.Report.RuledOut {
		if !refuted.Verified {
			return fmt.Errorf("%q is not ruled out: %s", refuted.Hypothesis, refuted.Problem)
		}
	}
	if rec.Report.Confidence != investigation.Confirmed {
		return fmt.Errorf("the cause is %s, not confirmed: %s", rec.Report.Confidence, rec.Report.Downgraded)
	}
	return nil
}
