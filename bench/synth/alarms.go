package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage"
)

// Values of -app for apps with many alarms.
const (
	appAlarms       = "alarms"        // no AlarmTriage
	appAttachAll    = "attach-all"    // an AlarmTriage, and AttachAll over the app
	appAttachAlarms = "attach-alarms" // an AlarmTriage, and AttachAlarms for each alarm
)

// alarmsPerStack keeps the stacks below CloudFormation's limit of 500 resources.
const alarmsPerStack = 200

// alarmsPerFunction is the number of alarms that watch one function, if the app has functions.
const alarmsPerFunction = 4

// synthesizeAlarms synthesizes an app with a number of alarms in several stacks, and maybe with functions that they watch.
func synthesizeAlarms(kind string, count int, functions bool) {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("Bench"), nil)
	topic := awssns.NewTopic(stack, jsii.String("OnCall"), nil)
	var triage *alarmtriage.AlarmTriage
	if kind != appAlarms {
		triage = alarmtriage.NewAlarmTriage(stack, jsii.String("Triage"), &alarmtriage.AlarmTriageProps{NotificationTopic: topic})
	}
	if kind == appAttachAll {
		triage.AttachAll(app, nil)
	}
	var function awslambda.Function
	notify := awscloudwatchactions.NewSnsAction(topic)
	for i := range count {
		if i%alarmsPerStack == 0 {
			stack = awscdk.NewStack(app, jsii.Sprintf("Alarms%d", i/alarmsPerStack), nil)
		}
		name := jsii.Sprintf("orders-%d", i)
		if functions && i%alarmsPerFunction == 0 {
			function = newFunction(stack, jsii.Sprintf("Function%d", i))
		}
		if functions {
			name = function.FunctionName()
		}
		alarm := awscloudwatch.NewAlarm(stack, jsii.Sprintf("Errors%d", i), &awscloudwatch.AlarmProps{
			AlarmName: jsii.Sprintf("orders-errors-%d", i),
			Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String("AWS/Lambda"), MetricName: jsii.String("Errors"),
				DimensionsMap: &map[string]*string{"FunctionName": name},
			}),
			Threshold: jsii.Number(1), EvaluationPeriods: jsii.Number(1),
		})
		if functions {
			alarm.AddAlarmAction(notify)
		}
		if kind == appAttachAlarms {
			triage.AttachAlarms(alarm)
		}
	}
	app.Synth(nil)
}

func newFunction(stack awscdk.Stack, id *string) awslambda.Function {
	return awslambda.NewFunction(stack, id, &awslambda.FunctionProps{
		Runtime: awslambda.Runtime_NODEJS_24_X(), Handler: jsii.String("index.handler"),
		Code: awslambda.Code_FromInline(jsii.String("exports.handler = async () => {}")),
	})
}

// compareAlarms prints a table with the median durations of synths with and without an AlarmTriage, for each number of
// alarms in a list such as "100,400". The apps alternate. Nothing is built, because the assets exist already. The ratios
// are those of the durations and, as other work on the machine disturbs them, of the processor times. A second table
// divides the processor times into a fixed part and a part per alarm.
//
// cli is the path of the CDK CLI that runs the apps, as users do; if it is empty, the apps run alone.
func compareAlarms(list string, rounds int, functions bool, cli string) error {
	dir, err := os.MkdirTemp("", "alarmtriage-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	apps := []string{appAlarms, appAttachAll, appAttachAlarms}
	lines := map[string]*line{appAlarms: {}, appAttachAll: {}, appAttachAlarms: {}}
	fmt.Println("| alarms | no AlarmTriage, s | AttachAll, s | ratio | of processor time | AttachAlarms, s | ratio | of processor time |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, text := range strings.Split(list, ",") {
		count, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-alarms: %w", err)
		}
		took, used := map[string][]time.Duration{}, map[string][]time.Duration{}
		for round := range rounds + 1 {
			for _, app := range apps {
				duration, processor, err := synth(cli, filepath.Join(dir, app), nil, "-app", app, "-count", text, fmt.Sprintf("-functions=%t", functions))
				if err != nil {
					return err
				}
				if round > 0 { // the first round builds the functions and warms the caches
					took[app], used[app] = append(took[app], duration), append(used[app], processor)
				}
			}
		}
		base, baseUsed := median(took[appAlarms]).Seconds(), median(used[appAlarms]).Seconds()
		fmt.Printf("| %s | %.1f |", text, base)
		for _, app := range apps {
			lines[app].add(float64(count), median(used[app]).Seconds())
			if app != appAlarms {
				duration := median(took[app]).Seconds()
				fmt.Printf(" %.1f | %.2f | %.2f |", duration, duration/base, median(used[app]).Seconds()/baseUsed)
			}
		}
		fmt.Println()
	}
	fmt.Println("\n| processor time | fixed part, s | per alarm, ms |")
	fmt.Println("|---|---|---|")
	for _, app := range apps {
		fixed, slope := lines[app].fit()
		fmt.Printf("| %s | %.1f | %.1f |\n", app, fixed, slope*1000)
	}
	return nil
}

// line is a line through points, with the least squares of differences.
type line struct{ n, x, y, xx, xy float64 }

func (l *line) add(x, y float64) {
	l.n, l.x, l.y, l.xx, l.xy = l.n+1, l.x+x, l.y+y, l.xx+x*x, l.xy+x*y
}

// fit returns the line's value at 0 and its slope. It needs points with different values of x.
func (l *line) fit() (fixed, slope float64) {
	slope = (l.n*l.xy - l.x*l.y) / (l.n*l.xx - l.x*l.x)
	return (l.y - slope*l.x) / l.n, slope
}
