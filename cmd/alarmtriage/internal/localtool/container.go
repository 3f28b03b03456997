package localtool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// engines are the programs that run containers, in the order in which they are looked for.
var engines = []string{"docker", "finch", "podman"}

const (
	// pythonImage has Lambda's own Python and boto3.
	pythonImage = "public.ecr.aws/lambda/python:3.13"
	pythonPath  = "/var/lang/bin/python3.13"

	// pythonPackages are where the image has boto3, as Lambda sets them for functions.
	pythonPackages = "/var/runtime:/var/lang/lib/python3.13/site-packages"

	// goImage compiles the program where the user's own does not run in a container.
	goImage = "public.ecr.aws/docker/library/golang:1.26"

	programPackage = "github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage"

	buildTime = 10 * time.Minute // for an image, with its downloads
)

// openContainers starts the tool in containers. reason is why it cannot.
func openContainers(ctx context.Context, o Options) (tool *Tool, reason string, err error) {
	engine := ""
	for _, name := range engines {
		if path, err := exec.LookPath(name); err == nil {
			engine = path
			break
		}
	}
	if engine == "" {
		return nil, "there is no docker, finch, or podman on the PATH", nil
	}
	if runtime.GOOS != "linux" && !isRelease(o.Version) {
		return nil, fmt.Sprintf("the version %s of this program cannot be compiled for a container, only a release can", o.Version), nil
	}
	image, err := buildImage(ctx, engine, o)
	if err != nil {
		return nil, fmt.Sprintf("%s does not work (%v)", filepath.Base(engine), err), ctx.Err()
	}
	p := newPool(o, func() (command, error) {
		return command{path: engine, arguments: runArguments(o, image), environment: os.Environ()}, nil
	})
	status, err := p.start(ctx)
	if err != nil {
		p.close()
		return nil, fmt.Sprintf("the container did not start (%v)", err), ctx.Err()
	}
	if slices.Contains(weakLayers(status), "seccomp") { // files need no Landlock there: the container has none of the user's
		p.close()
		return nil, fmt.Sprintf("%s runs the container on a kernel or an emulation that does not allow seccomp, without which the code could "+
			"use the network and get the credentials", filepath.Base(engine)), nil
	}
	return &Tool{
		run: p.run, close: p.close,
		Place: fmt.Sprintf("in a container of %s, in the sandbox (Python %s, boto3 %s)", filepath.Base(engine), status.Python, status.Boto3),
	}, "", nil
}

// isRelease reports whether a version can be installed from a module proxy.
func isRelease(version string) bool {
	return strings.HasPrefix(version, "v") && !strings.Contains(version, "+dirty")
}

// runArguments returns the command line that runs a container. It can write only in /tmp, has no capabilities, and sees no
// file of this machine. Its network is for the broker: the code's own system calls have none.
func runArguments(o Options, image string) []string {
	arguments := []string{
		"run", "--rm", "--interactive", "--read-only", "--tmpfs", "/tmp:rw,size=1g,mode=1777", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--user", "65534:65534", "--pids-limit", "512",
		"--memory", fmt.Sprintf("%dm", memoryMB),
	}
	for _, entry := range toolEnvironment(o) {
		arguments = append(arguments, "--env", entry)
	}
	return append(arguments, image)
}

// dockerfile returns the Dockerfile. program is the path of the program in the build's directory, or empty if the build
// has to compile a version.
func dockerfile(program, version string) string {
	compile, copied := "", "COPY "+program+" /usr/local/bin/alarmtriage"
	if program == "" {
		compile = fmt.Sprintf("FROM %s AS build\nRUN CGO_ENABLED=0 GOBIN=/out go install %s@%s\n", goImage, programPackage, version)
		copied = "COPY --from=build /out/alarmtriage /usr/local/bin/alarmtriage"
	}
	return fmt.Sprintf("%sFROM %s\n%s\nCOPY python /opt/python\nENV PYTHONPATH=%s\nWORKDIR /tmp\nENTRYPOINT [%q, %q, %q]\n",
		compile, pythonImage, copied, pythonPackages, "/usr/local/bin/alarmtriage", ServeCommand, pythonPath)
}

// buildImage builds the image, unless the engine has it, and returns its name.
func buildImage(ctx context.Context, engine string, o Options) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	layer, err := unpackLayer(o.Cache)
	if err != nil {
		return "", err
	}
	program := ""
	sum := sha256.New()
	if runtime.GOOS == "linux" {
		program = "alarmtriage"
		if err := hashFile(sum, o.Program); err != nil {
			return "", err
		}
	}
	text := dockerfile(program, o.Version)
	fmt.Fprintln(sum, filepath.Base(layer), text)
	image := "alarmtriage-tool:" + hex.EncodeToString(sum.Sum(nil)[:8])
	if exec.CommandContext(ctx, engine, "image", "inspect", image).Run() == nil {
		return image, nil
	}
	directory, err := os.MkdirTemp(o.Cache, "image-")
	if err != nil {
		return "", fmt.Errorf("create a directory in the cache: %w", err)
	}
	defer os.RemoveAll(directory)
	if err := os.CopyFS(filepath.Join(directory, "python"), os.DirFS(filepath.Join(layer, "python"))); err != nil {
		return "", fmt.Errorf("copy the Python files: %w", err)
	}
	if program != "" {
		if err := copyProgram(o.Program, filepath.Join(directory, program)); err != nil {
			return "", err
		}
	}
	if err := writeFile(filepath.Join(directory, "Dockerfile"), []byte(text), 0o644); err != nil {
		return "", err
	}
	o.Say("Building the image of the container, which can take minutes the first time …")
	var output bytes.Buffer
	build := exec.CommandContext(ctx, engine, "build", "--tag", image, directory)
	build.Stdout, build.Stderr = &output, &output
	if err := build.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(output.String()), "\n")
		return "", fmt.Errorf("build the image: %w: %s", err, truncate.Bytes(lines[len(lines)-1], maxMessage))
	}
	return image, nil
}

func hashFile(sum io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	defer file.Close()
	_, err = io.Copy(sum, file)
	return err
}

func copyProgram(from, to string) error {
	body, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	return os.WriteFile(to, body, 0o755)
}
