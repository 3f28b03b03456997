// Package stack deploys a CDK app into moto with the real cdk command line, and prepares the deployed
// functions for a local host: with the package that CDK uploaded, the environment that CloudFormation
// resolved, and the timeout and memory of the template.
package stack

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/lambdahost"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// EnvCDK names the cdk program; the default is node_modules/.bin/cdk of the checkout.
const EnvCDK = "ALARMTRIAGE_CDK"

// Deployment is a deployed stack.
type Deployment struct {
	Name      string
	Dir       string // working files: the cloud assembly and the unpacked functions
	Functions []Function
	Outputs   map[string]string // only those that are a Ref to a resource; moto keeps no outputs of change sets
}

// Function is a deployed function with its unpacked package.
type Function struct {
	LogicalID string
	Name      string
	Runtime   string
	Handler   string
	Role      string // ARN, whose credentials [moto.Server.RoleEnvironment] returns
	Dir       string // the unpacked package, which is /var/task in Lambda
	Layers    string // the unpacked layers, which are /opt in Lambda
	Env       map[string]string
	Timeout   time.Duration
	MemoryMB  int
	Reserved  int
}

// CDK runs the cdk command line against moto and writes its output to log. cdk and its app run on the Node
// that `make setup` installs in the same folder as cdk.
func CDK(ctx context.Context, aws *moto.Server, dir string, log io.Writer, args ...string) error {
	program := os.Getenv(EnvCDK)
	if program == "" {
		program = filepath.Join(moto.Root(), "node_modules", ".bin", "cdk")
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("find cdk: run `make setup`, or set %s to the path of cdk: %w", EnvCDK, err)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), aws.Environ()...)
	// Without the strict context of TestExamples_SynthesizeOutsideThisRepository, CDK's template validator only warns, which
	// costs seconds in each synth.
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"CDK_DISABLE_CLI_TELEMETRY=true", "CDK_VALIDATION=false")
	var kept bytes.Buffer
	cmd.Stdout = io.MultiWriter(log, &kept)
	cmd.Stderr = cmd.Stdout
	// The app is a process of cdk, and would keep running and the output open.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cdk %s: %w: %s", strings.Join(args, " "), err, tail(kept.String()))
	}
	return nil
}

// tail returns the end of a long text, which contains the error of a failed command.
func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "… " + text[len(text)-most:]
	}
	return text
}

// Deploy bootstraps moto and deploys one stack of an app. app is the command that synthesizes it; dir
// receives the working files.
func Deploy(ctx context.Context, server *moto.Server, app, stackName, dir string, log io.Writer) (*Deployment, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := bootstrap(ctx, server, dir, log); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "cdk.out")
	if err := CDK(ctx, server, dir, log, "deploy", "--app", app, "--output", out, "--require-approval", "never",
		"--method", "direct", "--no-previous-parameters", "--progress", "events", stackName); err != nil {
		return nil, err
	}
	return Read(ctx, server, stackName, dir)
}

// bootstrapStack is the name of the stack that cdk bootstrap creates.
const bootstrapStack = "CDKToolkit"

// bootstrap bootstraps the server's account and Region, unless an earlier deployment has done it. cdk gets no app, because it
// would synthesize it.
func bootstrap(ctx context.Context, server *moto.Server, dir string, log io.Writer) error {
	found, err := cloudformation.NewFromConfig(server.Config()).ListStacks(ctx, &cloudformation.ListStacksInput{})
	if err != nil {
		return fmt.Errorf("list the stacks: %w", err)
	}
	if slices.ContainsFunc(found.StackSummaries, func(s types.StackSummary) bool { return aws.ToString(s.StackName) == bootstrapStack }) {
		return nil
	}
	return CDK(ctx, server, dir, log, "bootstrap", "aws://"+server.Account+"/"+server.Region)
}

// template holds the parts of a CloudFormation template that this package reads.
type template struct {
	Outputs map[string]struct {
		Value json.RawMessage
	}
	Resources map[string]struct {
		Type       string
		Properties struct {
			Code                         struct{ S3Key string }
			Content                      struct{ S3Key string }
			Handler                      string
			Runtime                      string
			Layers                       []json.RawMessage
			ReservedConcurrentExecutions int
			LoggingConfig                struct{ LogFormat, ApplicationLogLevel string }
		}
	}
}

// Read reads a deployed stack and unpacks its functions.
func Read(ctx context.Context, server *moto.Server, stackName, dir string) (*Deployment, error) {
	d := &Deployment{Name: stackName, Dir: dir, Outputs: map[string]string{}}
	text, err := os.ReadFile(filepath.Join(dir, "cdk.out", stackName+".template.json"))
	if err != nil {
		return nil, err
	}
	var t template
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("read the template of %s: %w", stackName, err)
	}
	cfn := cloudformation.NewFromConfig(server.Config())
	resources, err := cfn.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &stackName})
	if err != nil {
		return nil, err
	}
	physical := map[string]string{}
	for _, resource := range resources.StackResources {
		physical[aws.ToString(resource.LogicalResourceId)] = aws.ToString(resource.PhysicalResourceId)
		if aws.ToString(resource.ResourceType) != "AWS::Lambda::Function" {
			continue
		}
		f, err := d.readFunction(ctx, server, t, aws.ToString(resource.LogicalResourceId), aws.ToString(resource.PhysicalResourceId))
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", aws.ToString(resource.LogicalResourceId), err)
		}
		d.Functions = append(d.Functions, f)
	}
	for name, output := range t.Outputs {
		var ref struct{ Ref string }
		if json.Unmarshal(output.Value, &ref) == nil && ref.Ref != "" {
			d.Outputs[name] = physical[ref.Ref]
		}
	}
	return d, nil
}

func (d *Deployment) readFunction(ctx context.Context, server *moto.Server, t template, logicalID, name string) (Function, error) {
	config, err := lambda.NewFromConfig(server.Config()).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return Function{}, err
	}
	properties := t.Resources[logicalID].Properties
	f := Function{
		LogicalID: logicalID,
		Name:      name,
		Runtime:   string(config.Runtime),
		Handler:   aws.ToString(config.Handler),
		Role:      aws.ToString(config.Role),
		Dir:       filepath.Join(d.Dir, "functions", logicalID, "task"),
		Layers:    filepath.Join(d.Dir, "functions", logicalID, "opt"),
		Env:       map[string]string{},
		Timeout:   time.Duration(aws.ToInt32(config.Timeout)) * time.Second,
		MemoryMB:  int(aws.ToInt32(config.MemorySize)),
		Reserved:  properties.ReservedConcurrentExecutions,
	}
	if config.Environment != nil {
		f.Env = config.Environment.Variables
	}
	if logging := properties.LoggingConfig; logging.LogFormat == "JSON" {
		f.Env["AWS_LAMBDA_LOG_FORMAT"], f.Env["AWS_LAMBDA_LOG_LEVEL"] = logging.LogFormat, logging.ApplicationLogLevel
	}
	if properties.Code.S3Key == "" { // inline code is not unpacked
		return f, nil
	}
	if err := unpack(ctx, server, properties.Code.S3Key, f.Dir); err != nil {
		return f, err
	}
	for _, layer := range properties.Layers {
		var ref struct{ Ref string }
		if json.Unmarshal(layer, &ref) != nil || ref.Ref == "" {
			continue // a layer of another stack
		}
		if err := unpack(ctx, server, t.Resources[ref.Ref].Properties.Content.S3Key, f.Layers); err != nil {
			return f, err
		}
	}
	return f, nil
}

// unpack downloads an asset and unpacks it as Lambda does.
func unpack(ctx context.Context, server *moto.Server, key, dir string) error {
	bucket := fmt.Sprintf("cdk-hnb659fds-assets-%s-%s", server.Account, server.Region)
	client := s3.NewFromConfig(server.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return fmt.Errorf("fetch asset %s: %w", key, err)
	}
	defer object.Body.Close()
	packed, err := io.ReadAll(object.Body)
	if err != nil {
		return err
	}
	if err := Unzip(packed, dir); err != nil {
		return fmt.Errorf("asset %s: %w", key, err)
	}
	return nil
}

// Unzip unpacks a zip file as Lambda does.
func Unzip(packed []byte, dir string) error {
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return err
	}
	for _, file := range archive.File {
		if err := unpackFile(file, dir); err != nil {
			return err
		}
	}
	return nil
}

func unpackFile(file *zip.File, dir string) error {
	if !filepath.IsLocal(file.Name) {
		return fmt.Errorf("asset contains %q, a path outside the asset", file.Name)
	}
	target := filepath.Join(dir, file.Name)
	if file.FileInfo().IsDir() {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	from, err := file.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, file.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}

// Find returns the function whose logical id begins with prefix. It panics if there is none, because callers
// know the app that they have deployed.
func (d *Deployment) Find(prefix string) Function {
	i := slices.IndexFunc(d.Functions, func(f Function) bool { return strings.HasPrefix(f.LogicalID, prefix) })
	if i < 0 {
		panic(fmt.Sprintf("stack: %s has no function %s…", d.Name, prefix))
	}
	return d.Functions[i]
}

// taskRoot is where Lambda unpacks a function.
const taskRoot = "/var/task/"

// Hosted returns the function for a lambdahost. env, such as endpoints and credentials, overrides the
// function's own variables.
func (f Function) Hosted(env map[string]string, log io.Writer) (lambdahost.Function, error) {
	hosted := lambdahost.Function{
		Name: f.Name, Dir: f.Dir, Handler: f.Handler, Timeout: f.Timeout, MemoryMB: f.MemoryMB,
		ReservedConcurrency: f.Reserved, Env: map[string]string{}, Log: log,
	}
	for _, values := range []map[string]string{f.Env, env} {
		for name, value := range values {
			hosted.Env[name] = value
		}
	}
	if !strings.HasPrefix(f.Runtime, "python") {
		hosted.Command = []string{filepath.Join(f.Dir, "bootstrap")}
		return hosted, nil
	}
	python, err := moto.Tool("python")
	if err != nil {
		return hosted, err
	}
	wrapper := filepath.Join(f.Dir, strings.TrimPrefix(f.Env["AWS_LAMBDA_EXEC_WRAPPER"], taskRoot))
	hosted.Command = []string{wrapper, python, "/var/runtime/bootstrap.py"}
	hosted.Env["ALARMTRIAGE_LAYER"] = f.Layers
	return hosted, nil
}
