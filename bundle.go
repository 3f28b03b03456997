package alarmtriage

import (
	"bytes"
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
)

// The sources travel inside the package, since neither a module cache nor a vendor folder nor a build
// with -trimpath tells at run time where they lie.
//
//go:embed go.mod go.sum lambdas internal
var goSources embed.FS

//go:embed all:pythonlayer
var layerSources embed.FS

// lambdaTags leaves out aws-lambda-go's net/rpc mode, which the custom runtimes do not use.
const lambdaTags = "lambda.norpc"

// goLambda is the build of one of the lambdas; its output is a folder with one executable.
type goLambda struct {
	pkg        string // such as "lambdas/tool"
	executable string
	goarch     string
}

// code is the asset. Its hash is made of the sources and the toolchain, so that nothing is built when
// cdk.out has it already, and a newer Go builds anew.
func (l *goLambda) code() awslambda.Code {
	return assetCode(l, hashOf(goSources, goFiles, l.pkg, l.goarch, toolchain()))
}

// TryBundle builds the executable into outputDir. It panics when the build fails, as a synth can't go
// on without it.
func (l *goLambda) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	started := time.Now()
	fmt.Fprintf(os.Stderr, "alarmtriage: building %s for linux/%s …\n", l.pkg, l.goarch)
	if err := l.build(*outputDir); err != nil {
		panic(fmt.Sprintf("alarmtriage: %s could not be built: %v", l.pkg, err))
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
	// Every processor that Lambda may choose must run it.
	cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH="+l.goarch, "GOAMD64=v1", "GOARM64=v8.0", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s (Go must be on the PATH, and the module proxy reachable or the modules in the cache)", err, bytes.TrimSpace(text))
	}
	return nil
}

// goCommand is a call of the go command in dir. The user's own workspace, flags and vendor folder must not leak into
// it: go.mod and go.sum of this module decide.
func goCommand(dir string, arguments ...string) *exec.Cmd {
	cmd := exec.Command("go", arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOWORK=off", "GOFLAGS=-mod=readonly", "PWD="+dir)
	return cmd
}

// pythonLayer is the staging of the harness as a Lambda layer.
type pythonLayer struct {
	python string // the interpreter that compiles it; empty: none
}

func newPythonLayer() *pythonLayer { return &pythonLayer{python: findPython()} }

func (l *pythonLayer) code() awslambda.Code {
	return assetCode(l, hashOf(layerSources, layerFiles, l.version()))
}

// TryBundle lays the harness out as Lambda expects a Python layer and compiles it where the synth
// machine has the Python of the function. Without it the layer works as well, and starts a little later.
func (l *pythonLayer) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	target := filepath.Join(*outputDir, "python")
	files := func(name string) (string, bool) {
		name, ok := layerFiles(name)
		return strings.TrimPrefix(name, "pythonlayer/"), ok
	}
	if err := copyFiles(target, layerSources, files); err != nil {
		panic(fmt.Sprintf("alarmtriage: the Python layer could not be staged: %v", err))
	}
	if l.python != "" {
		// Unchecked: the time stamps that other pycs are checked by do not survive the zip file.
		cmd := exec.Command(l.python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", target, "-p", "/opt/python", target)
		if text, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("alarmtriage: the Python layer does not compile: %v: %s", err, text))
		}
	}
	return jsii.Bool(true)
}

// pythonVersion is that of the tool's runtime. Compiled code is of one version.
const pythonVersion = "3.13"

// findPython looks for the runtime's Python under the names that it is installed under. Finding a name is
// not enough: it may be another version's, or a version manager's that has none to start.
func findPython() string {
	for _, name := range []string{"python" + pythonVersion, "python3", "python"} {
		python, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		version, err := exec.Command(python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
		if err == nil && strings.TrimSpace(string(version)) == pythonVersion {
			return python
		}
	}
	return ""
}

func (l *pythonLayer) version() string {
	if l.python == "" {
		return "not compiled"
	}
	text, err := exec.Command(l.python, "-I", "-V").Output()
	if err != nil {
		return "unknown"
	}
	return string(text)
}

func toolchain() string {
	text, err := goCommand(os.TempDir(), "env", "GOVERSION").Output()
	if err != nil {
		panic(fmt.Sprintf("alarmtriage: `go env GOVERSION` failed: %v: the Lambda functions are built at synth, so Go must be on the PATH", err))
	}
	return string(text)
}

func assetCode(bundler awscdk.ILocalBundling, hash string) awslambda.Code {
	// CDK wants a folder to bundle from, although the bundlers bring their own sources.
	source := filepath.Join(os.TempDir(), "alarmtriage-empty")
	if err := os.MkdirAll(source, 0o755); err != nil {
		panic(fmt.Sprintf("alarmtriage: no temporary folder: %v", err))
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

// goFiles says under which name an embedded file takes part in the build, and whether it does.
func goFiles(name string) (string, bool) {
	return name, !strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "/testdata/")
}

// layerFiles says under which name an embedded file takes part in the layer, and whether it does.
func layerFiles(name string) (string, bool) {
	return name, strings.HasSuffix(name, ".py") && !strings.Contains(name, "/tests/")
}

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

func hashOf(sources fs.FS, selected selection, more ...string) string {
	sum := sha256.New()
	err := eachFile(sources, selected, func(as string, content []byte) error {
		_, err := fmt.Fprintf(sum, "%s %d\n%s\n", as, len(content), content)
		return err
	})
	if err != nil { // embedded files can be read
		panic(fmt.Sprintf("alarmtriage: embedded sources: %v", err))
	}
	for _, text := range more {
		fmt.Fprintln(sum, text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
