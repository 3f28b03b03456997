package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Environment variables that Lambda or a local host sets.
const (
	envLayer      = "ALARMTRIAGE_LAYER" // directory that holds python/alarmtriage_tool; default: lambdaLayers
	envMemory     = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	envPythonPath = "PYTHONPATH"
)

const (
	lambdaTask   = "/var/task/" // Lambda unpacks functions here, and no other host is expected to have this directory
	lambdaLayers = "/opt"       // Lambda mounts layers here

	reservedMemoryMB = 160 // of the function's memory, for the supervisor and the zygote
	minMemoryMB      = 128 // of a call
	defaultMemoryMB  = 768 // of a call if the function's memory is unknown
)

// warmServices are the services that investigations usually query first. Each client costs memory; the
// service model of ec2 is the largest.
var warmServices = []string{"logs", "cloudwatch", "cloudtrail", "lambda", "dynamodb", "sqs", "ec2"}

// These directories are read-only in Lambda.
var (
	lambdaPrograms   = []string{"/var/rapid", "/var/runtime", "/opt"} // of Lambda itself, and of layers with their extensions
	systemPrograms   = []string{"/usr", "/bin", "/sbin"}              // with the interpreters of scripts
	lambdaExtensions = "/opt/extensions"                              // Lambda starts the files in it
)

// sparedPrograms returns the directories whose programs may run when the tool starts. If an extension is a script, it
// runs as the program of its interpreter. Otherwise, a program of the system can only come from a call.
func sparedPrograms(extensions string) []string {
	spared := slices.Clone(lambdaPrograms)
	for _, name := range names(extensions) {
		file, err := os.Open(filepath.Join(extensions, name))
		if err != nil {
			continue
		}
		isProgram := requireELF(file) == nil
		file.Close()
		if !isProgram {
			return append(spared, systemPrograms...)
		}
	}
	return spared
}

// LambdaOptions returns the options for a Lambda function with this environment. The caller adds AccessKey,
// NewSession, and Log. In Lambda, the user and the scratch directory belong to the sandbox alone; on other
// hosts they may not.
func LambdaOptions(interpreter string, getenv func(string) string, environ []string) Options {
	sealed, binary := Sealed(getenv)
	if binary == "" {
		binary, _ = os.Executable() // Seal has not replaced the program yet
	}
	inLambda := strings.HasPrefix(binary, lambdaTask)
	layer := getenv(envLayer)
	if layer == "" {
		layer = lambdaLayers
	}
	return Options{
		Interpreter: interpreter,
		Layer:       layer,
		SearchPath:  searchPath(layer, getenv(envPythonPath)),
		Scratch:     strings.TrimSuffix(os.TempDir(), "/"),
		Environment: environ,
		Sealed:      sealed,
		Launched:    Launched(getenv),
		MemoryMB:    callMemory(getenv(envMemory)),
		Warm:        slices.Clone(warmServices),
		OwnUser:     inLambda,
		Spared:      sparedPrograms(lambdaExtensions),
		OwnScratch:  inLambda,
		Reap:        true,
		Stderr:      os.Stderr,
	}
}

// searchPath returns the directories of packages that Python's isolated mode ignores: the layer's and
// PYTHONPATH's.
func searchPath(layer, pythonPath string) []string {
	paths := []string{LayerPath(layer)}
	for _, path := range filepath.SplitList(pythonPath) {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// callMemory returns how many MB a call may use in a function with this much memory.
func callMemory(functionMB string) int {
	total, err := strconv.Atoi(functionMB)
	if err != nil {
		return defaultMemoryMB
	}
	return max(total-reservedMemoryMB, minMemoryMB)
}
