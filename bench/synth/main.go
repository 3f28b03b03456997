// Command synth compares the synth of two stacks: one with an AlarmTriage, and one with the same resources as
// plain constructs. The functions of the plain constructs are built before the measurement, with `go build`
// and without flags.
//
//	go run ./bench/synth -rounds 5
//	go run ./bench/synth -alarms 100,400,1600 -rounds 3
//	go run ./bench/synth -alarms 100,400,1600 -rounds 3 -functions
//	go run ./bench/synth -alarms 100,400,1600 -rounds 3 -cdk node_modules/.bin/cdk
//
// It prints a Markdown table with the medians, in milliseconds, of a first synth (cdk.out is empty, Go's
// build cache is warm) and of a second one (nothing has changed), and the zipped size of all assets.
package main

import (
	"archive/zip"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Values of -app: the apps that are compared. The program runs itself as a child process with each of them.
const (
	appConstruct = "construct"
	appPlain     = "plain"
)

func main() {
	app := flag.String("app", "", "synthesize this app and exit: construct or plain")
	built := flag.String("built", "", "directory of the functions that were built before, for -app plain")
	rounds := flag.Int("rounds", 5, "synths per row")
	alarms := flag.String("alarms", "", "compare apps with these numbers of alarms instead, such as 100,400,1600")
	functions := flag.Bool("functions", false, "with -alarms: four alarms per function of the app, which notify a topic, instead of alarms alone")
	cli := flag.String("cdk", "", "with -alarms: path of the CDK CLI that runs the apps, as users do; empty: the apps run alone")
	count := flag.Int("count", 0, "number of alarms, for -app alarms, attach-all, and attach-alarms")
	flag.Parse()
	var err error
	switch {
	case *app == appConstruct || *app == appPlain:
		synthesize(*app, *built)
	case *app != "":
		synthesizeAlarms(*app, *count, *functions)
	case *alarms != "":
		err = compareAlarms(*alarms, *rounds, *functions, *cli)
	default:
		err = compare(*rounds)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func synthesize(kind, built string) {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("Bench"), nil)
	topic := awssns.NewTopic(stack, jsii.String("OnCall"), nil)
	if kind == appConstruct {
		alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{NotificationTopic: topic})
	} else {
		plain(stack, topic, built)
	}
	app.Synth(nil)
}

// plain adds the resources that a user would write without the construct.
func plain(stack awscdk.Stack, topic awssns.Topic, built string) {
	table := awsdynamodb.NewTable(stack, jsii.String("Claims"), &awsdynamodb.TableProps{
		PartitionKey: &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:  awsdynamodb.BillingMode_PAY_PER_REQUEST,
	})
	bucket := awss3.NewBucket(stack, jsii.String("Reports"), &awss3.BucketProps{Versioned: jsii.Bool(true), EnforceSSL: jsii.Bool(true)})
	layer := awslambda.NewLayerVersion(stack, jsii.String("Harness"), &awslambda.LayerVersionProps{
		Code: awslambda.Code_FromAsset(jsii.String(filepath.Join(built, "layer")), nil),
	})
	function := func(id string, runtime awslambda.Runtime, layers *[]awslambda.ILayerVersion) awslambda.Function {
		return awslambda.NewFunction(stack, jsii.String(id), &awslambda.FunctionProps{
			Runtime: runtime, Handler: jsii.String("bootstrap"), Architecture: awslambda.Architecture_ARM_64(), Layers: layers,
			Code:     awslambda.Code_FromAsset(jsii.String(filepath.Join(built, strings.ToLower(id))), nil),
			LogGroup: awslogs.NewLogGroup(stack, jsii.String(id+"Logs"), nil),
		})
	}
	tool := function("Tool", awslambda.Runtime_PYTHON_3_13(), &[]awslambda.ILayerVersion{layer})
	tool.Role().AddManagedPolicy(awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("ReadOnlyAccess")))
	orchestrator := function("Orchestrator", awslambda.Runtime_PROVIDED_AL2023(), nil)
	table.GrantReadWriteData(orchestrator)
	bucket.GrantReadWrite(orchestrator, nil)
	topic.GrantPublish(orchestrator)
	tool.GrantInvoke(orchestrator)
}

// row holds the measurements of an app.
type row struct {
	app           string
	first, second time.Duration
	bytes         int64
}

func compare(rounds int) error {
	dir, err := os.MkdirTemp("", "alarmtriage-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "built")
	if err := build(built); err != nil {
		return err
	}
	var rows []row
	for _, app := range []string{appPlain, appConstruct} {
		measured, err := measure(app, built, filepath.Join(dir, app), rounds)
		if err != nil {
			return err
		}
		rows = append(rows, measured)
	}
	fmt.Println("| app | first synth, ms | second synth, ms | assets zipped, MB |")
	fmt.Println("|---|---|---|---|")
	for _, r := range rows {
		fmt.Printf("| %s | %d | %d | %.1f |\n", r.app, r.first.Milliseconds(), r.second.Milliseconds(), float64(r.bytes)/(1<<20))
	}
	return nil
}

// build builds the functions without the construct.
func build(dir string) error {
	if err := os.CopyFS(filepath.Join(dir, "layer", "python"), os.DirFS("pythonlayer")); err != nil {
		return err
	}
	for folder, program := range map[string]string{"orchestrator": "bootstrap", "tool": "alarmtriage-tool"} {
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(dir, folder, program), "./lambdas/"+folder)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s (run this in the root of the repository): %w", folder, err)
		}
	}
	return nil
}

func measure(app, built, dir string, rounds int) (row, error) {
	var firsts, seconds []time.Duration
	r := row{app: app}
	for i := range rounds + 1 {
		out := filepath.Join(dir, fmt.Sprint(i))
		first, _, err := synth("", out, noValidation, "-app", app, "-built", built)
		if err != nil {
			return r, err
		}
		second, _, err := synth("", out, noValidation, "-app", app, "-built", built)
		if err != nil {
			return r, err
		}
		if i > 0 { // the first round warms the caches
			firsts, seconds = append(firsts, first), append(seconds, second)
		}
		if r.bytes, err = zipped(out); err != nil {
			return r, err
		}
	}
	r.first, r.second = median(firsts), median(seconds)
	return r, nil
}

// noValidation turns CDK's template validator off, which takes longer than the rest of a small app.
var noValidation = []string{"CDK_VALIDATION=false"}

// synth runs this program with more environment variables and the arguments of one of the apps, by the CDK CLI if its path
// is given. It returns the duration, and the processor time of all processes.
func synth(cli, out string, environment []string, arguments ...string) (took, processor time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(self, arguments...)
	if cli != "" {
		// Notices and telemetry need the network.
		cmd = exec.Command(cli, "synth", "--quiet", "--no-notices", "--output", out, "--app", strings.Join(append([]string{self}, arguments...), " "))
		environment = append(environment, "CDK_DISABLE_CLI_TELEMETRY=true")
	}
	cmd.Env = append(append(os.Environ(), "CDK_OUTDIR="+out), environment...)
	started := time.Now()
	output, err := cmd.CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("synth %v: %w: %s", arguments, err, output)
	}
	return time.Since(started), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// zipped returns the size of all assets of a cloud assembly as they would be uploaded.
func zipped(assembly string) (int64, error) {
	assets, err := filepath.Glob(filepath.Join(assembly, "asset.*"))
	if err != nil {
		return 0, err
	}
	var total counter
	for _, asset := range assets {
		archive := zip.NewWriter(&total)
		if err := archive.AddFS(os.DirFS(asset)); err != nil {
			return 0, err
		}
		if err := archive.Close(); err != nil {
			return 0, err
		}
	}
	return int64(total), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func median(values []time.Duration) time.Duration {
	slices.Sort(values)
	return values[len(values)/2]
}
