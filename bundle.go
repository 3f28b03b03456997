package alarmtriage

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/pythonlayer"
)

// The sources are embedded in the package: a program can't find them at run time if it was built from a
// vendor folder or with -trimpath.
//
//go:embed go.mod go.sum lambdas internal
var goSources embed.FS

// lambdaTags excludes aws-lambda-go's net/rpc mode, which custom runtimes do not use.
const lambdaTags = "lambda.norpc"

// machine is what the assets depend on in addition to the sources.
type machine struct {
	toolchain func() string
	python    func() interpreter
}

// inspectMachine starts to look for Go and Python. It does not wait for the commands, because a version manager may need
// half a second for each, in which CDK adds resources. If bundling is off for the stack, nothing is built, and the assets do
// not depend on the machine.
func inspectMachine(stack awscdk.Stack) machine {
	if !*stack.BundlingRequired() {
		return machine{toolchain: func() string { return "" }, python: func() interpreter { return interpreter{} }}
	}
	return machine{toolchain: inBackground(toolchain), python: inBackground(findPython)}
}

// inBackground starts a function and returns one that waits for its result, or panics as it did.
func inBackground[T any](find func() T) func() T {
	var found T
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		found = find()
	}()
	return func() T {
		<-done
		if panicked != nil {
			panic(panicked)
		}
		return found
	}
}

// goLambda builds one of the Lambda functions. Its output is a folder with one executable.
type goLambda struct {
	pkg        string // such as "lambdas/tool"
	executable string
	goarch     string
}

// code returns the asset. Its hash covers the sources and the toolchain: nothing is built if cdk.out
// already has the asset, and a newer Go builds it again.
func (l *goLambda) code(toolchain string) awslambda.Code {
	return assetCode(l, hashOf(goSources, goFiles, l.pkg, l.goarch, toolchain))
}

// TryBundle builds the executable into outputDir. It panics if the build fails, because the synth can't
// continue without it.
func (l *goLambda) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	started := time.Now()
	fmt.Fprintf(os.Stderr, "alarmtriage: building %s for linux/%s …\n", l.pkg, l.goarch)
	err := l.build(*outputDir)
	if err == nil {
		err = makeReadable(*outputDir)
	}
	if err != nil {
		panic(fmt.Sprintf("alarmtriage: build %s: %v", l.pkg, err))
	}
	fmt.Fprintf(os.Stderr, "alarmtriage: built %s in %s\n", l.pkg, time.Since(started).Round(100*time.Millisecond))
	return jsii.Bool(true)
}

func (l *goLambda) build(outputDir string) error {
	dir, err := os.MkdirTemp("", "alarmtriage-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyFiles(dir, goSources, goFiles); err != nil {
		return err
	}
	output, err := filepath.Abs(filepath.Join(outputDir, l.executable))
	if err != nil {
		return err
	}
	cmd := goCommand(dir, "build", "-tags", lambdaTags, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", output, "./"+l.pkg)
	// The executable must run on every processor that Lambda may choose.
	cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH="+l.goarch, "GOAMD64=v1", "GOARM64=v8.0", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s (Go must be on the PATH, and the modules must be in its cache or available from a "+
			"module proxy)", err, bytes.TrimSpace(text))
	}
	return nil
}

// goCommand returns a call of the go command in dir. It ignores the user's workspace, flags, and vendor
// folder, and uses the go.mod and go.sum of this module.
func goCommand(dir string, arguments ...string) *exec.Cmd {
	cmd := exec.Command("go", arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOWORK=off", "GOFLAGS=-mod=readonly", "PWD="+dir)
	return cmd
}

// pythonLayer stages the Python harness as a Lambda layer.
type pythonLayer struct{ python interpreter }

func (l *pythonLayer) code() awslambda.Code {
	return assetCode(l, hashOf(pythonlayer.Files, layerFiles, l.python.version))
}

// TryBundle writes the harness to outputDir in the layout of a Python layer, and compiles it if the machine
// has the function's version of Python. An uncompiled layer also works, but starts a little slower.
func (l *pythonLayer) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	target := filepath.Join(*outputDir, "python")
	if err := copyFiles(target, pythonlayer.Files, layerFiles); err != nil {
		panic(fmt.Sprintf("alarmtriage: stage the Python layer: %v", err))
	}
	if l.python.path != "" {
		// Python must not check the compiled files: the zip file does not preserve the time stamps that it
		// would compare.
		cmd := exec.Command(l.python.path, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", target, "-p", "/opt/python", target)
		if text, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("alarmtriage: compile the Python layer: %v: %s", err, text))
		}
	}
	if err := makeReadable(*outputDir); err != nil {
		panic(fmt.Sprintf("alarmtriage: stage the Python layer: %v", err))
	}
	return jsii.Bool(true)
}

// pythonVersion is the Python version of the tool's runtime. Other versions can't load its compiled code.
const pythonVersion = "3.13"

// interpreter compiles the harness. Without a path, the harness is not compiled.
type interpreter struct{ path, version string }

// findPython returns an interpreter of the runtime's version, if there is one. It starts each candidate, because a
// name may belong to another version, or to a version manager without an interpreter. If the first name is not the version, the
// other two are tried at the same time, because a version manager needs a tenth of a second for each.
func findPython() interpreter {
	if found := pythonAt("python" + pythonVersion); found.path != "" {
		return found
	}
	other := inBackground(func() interpreter { return pythonAt("python") })
	return cmp.Or(pythonAt("python3"), other())
}

// pythonAt returns the interpreter with a name if it has the runtime's version, or else an empty value.
func pythonAt(name string) interpreter {
	python, err := exec.LookPath(name)
	if err != nil {
		return interpreter{}
	}
	output, err := exec.Command(python, "-I", "-S", "-c", "import sys; print(sys.version.split()[0])").Output()
	version := strings.TrimSpace(string(output))
	if err != nil || !strings.HasPrefix(version, pythonVersion+".") {
		return interpreter{}
	}
	return interpreter{path: python, version: version}
}

func toolchain() string {
	cmd := goCommand(os.TempDir(), "env", "GOVERSION")
	var reason bytes.Buffer
	cmd.Stderr = &reason
	text, err := cmd.Output()
	if err != nil {
		panic(fmt.Sprintf("alarmtriage: `go env GOVERSION` failed: %v: %s (the Lambda functions are compiled at synth, so Go must be on the PATH)",
			err, bytes.TrimSpace(reason.Bytes())))
	}
	return string(text)
}

func assetCode(bundler awscdk.ILocalBundling, hash string) awslambda.Code {
	// CDK requires a source folder, although the bundlers use embedded sources.
	source := filepath.Join(os.TempDir(), "alarmtriage-empty")
	if err := os.MkdirAll(source, 0o755); err != nil {
		panic(fmt.Sprintf("alarmtriage: create a temporary folder: %v", err))
	}
	return awslambda.Code_FromAsset(jsii.String(source), &awss3assets.AssetOptions{
		AssetHash:     jsii.String(hash),
		AssetHashType: awscdk.AssetHashType_CUSTOM,
		Bundling: &awscdk.BundlingOptions{
			// Never pulled: TryBundle succeeds or panics.
			Image: awscdk.DockerImage_FromRegistry(jsii.String("alarmtriage-needs-no-docker")),
			Local: bundler,
		},
	})
}

// goFiles selects the embedded files of the build.
func goFiles(name string) (string, bool) {
	return name, !strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "/testdata/")
}

// layerFiles selects the embedded files of the layer.
func layerFiles(name string) (string, bool) {
	return name, pythonlayer.IsShipped(name)
}

// selection returns the target name of an embedded file, and reports whether the file is selected.
type selection func(name string) (as string, ok bool)

func eachFile(sources fs.FS, selected selection, do func(as string, content []byte) error) error {
	return fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		as, ok := selected(name)
		if !ok {
			return nil
		}
		content, err := fs.ReadFile(sources, name)
		if err != nil {
			return err
		}
		return do(as, content)
	})
}

func copyFiles(dir string, sources fs.FS, selected selection) error {
	return eachFile(sources, selected, func(as string, content []byte) error {
		target := filepath.Join(dir, filepath.FromSlash(path.Clean(as)))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}

// makeReadable lets every user read what is in dir, whatever the umask of the machine. The zip file preserves the modes, and
// Lambda runs functions as a user who does not own the files ("Troubleshoot deployment issues in Lambda").
func makeReadable(dir string) error {
	const executable = 0o100
	return filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode()&executable != 0 {
			return os.Chmod(name, 0o755)
		}
		return os.Chmod(name, 0o644)
	})
}

func hashOf(sources fs.FS, selected selection, more ...string) string {
	sum := sha256.New()
	err := eachFile(sources, selected, func(as string, content []byte) error {
		_, err := fmt.Fprintf(sum, "%s %d\n%s\n", as, len(content), content)
		return err
	})
	if err != nil { // embedded files can always be read
		panic(fmt.Sprintf("alarmtriage: embedded sources: %v", err))
	}
	for _, text := range more {
		fmt.Fprintln(sum, text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
