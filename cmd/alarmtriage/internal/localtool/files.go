package localtool

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/pythonlayer"
)

// envReadable has the paths that code may read, as a list of paths.
const envReadable = "ALARMTRIAGE_READABLE"

// envOwnScratch is set if the directory for temporary files was made for the process alone, which then empties it.
const envOwnScratch = "ALARMTRIAGE_OWN_SCRATCH"

// systemReadable are the parts of the system that Python and boto3 read: libraries, certificates of authorities, time zones, and
// the like. All of /usr or /etc/ssl would be too much: projects are in /usr/src/app in many containers, settings in
// /usr/local/etc, and private keys in /etc/ssl/private.
var systemReadable = []string{
	"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/nix/store",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/usr/share/locale", "/usr/share/zoneinfo", "/etc/localtime", "/etc/timezone",
	"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/pki/ca-trust", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem",
	"/etc/pki/tls/openssl.cnf", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/pki",
	"/etc/mime.types", "/usr/local/etc/mime.types",
}

// passedOn are the variables of the user's environment that the tool gets: those that change how it reaches AWS, and none
// that can hold a secret.
var passedOn = []string{
	"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_USE_FIPS_ENDPOINT",
	"AWS_USE_DUALSTACK_ENDPOINT",
}

// envBundle names a file with the certificates of authorities that the SDKs trust, such as that of a company's proxy.
const envBundle = "AWS_CA_BUNDLE"

// endpointPrefix begins the SDKs' variables for endpoints. The code does not ask models, so it cannot reach an endpoint that
// is only for them.
const (
	endpointPrefix = "AWS_ENDPOINT_URL"
	modelEndpoint  = endpointPrefix + "_BEDROCK_RUNTIME="
)

// toolEnvironment returns the environment of a process of the tool, wherever it runs.
func toolEnvironment(o Options) []string {
	env := []string{"AWS_REGION=" + o.AWS.Region, "AWS_DEFAULT_REGION=" + o.AWS.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(memoryMB)}
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, endpointPrefix) && !strings.HasPrefix(entry, modelEndpoint) {
			env = append(env, entry)
		}
	}
	for name, value := range o.Settings.Environment() {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// processEnvironment returns the environment of a process on this machine. packages has links to Python's packages.
func processEnvironment(o Options, python python, layer, packages, scratch string) []string {
	env := toolEnvironment(o)
	for _, name := range passedOn {
		if value := o.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	if bundle := o.Getenv(envBundle); bundle != "" { // the broker sends its requests without an SDK
		env = append(env, "SSL_CERT_FILE="+bundle)
	}
	readable := slices.Concat(systemReadable, python.Readable, python.Packages, []string{layer, packages})
	return append(env,
		"ALARMTRIAGE_LAYER="+layer,
		"PYTHONPATH="+packages,
		envReadable+"="+strings.Join(readable, string(filepath.ListSeparator)),
		"TMPDIR="+scratch,
		envOwnScratch+"=yes",
	)
}

// unpackLayer writes the Python side of the tool to the cache, unless it is there, and returns its directory.
func unpackLayer(cache string) (string, error) {
	var content []layerFile
	sum := sha256.New()
	err := fs.WalkDir(pythonlayer.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !pythonlayer.IsShipped(name) {
			return err
		}
		body, err := pythonlayer.Files.ReadFile(name)
		content = append(content, layerFile{name, body})
		fmt.Fprintf(sum, "%s %d\n%s\n", name, len(body), body)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the embedded Python files: %w", err)
	}
	target := filepath.Join(cache, "layer-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", fmt.Errorf("create the cache: %w", err)
	}
	staged, err := os.MkdirTemp(cache, "new-layer-")
	if err != nil {
		return "", fmt.Errorf("create a directory in the cache: %w", err)
	}
	defer os.RemoveAll(staged)
	for _, file := range content {
		if err := writeFile(filepath.Join(staged, "python", filepath.FromSlash(file.name)), file.body, 0o644); err != nil {
			return "", err
		}
	}
	// Another run may have written the same files in the meantime.
	if err := os.Rename(staged, target); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(target); there != nil {
			return "", fmt.Errorf("write the Python files to the cache: %w", err)
		}
	}
	return target, nil
}

type layerFile struct {
	name string
	body []byte
}

func writeFile(path string, body []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, body, mode)
}

// scratchPrefix begins the names of the directories in which the code of one run may write. maxAge is when such a directory
// must be of a run that was killed.
const (
	scratchPrefix = "scratch-"
	maxAge        = 24 * time.Hour
)

// removeOld removes the directories of runs that were killed.
func removeOld(cache string) {
	left, _ := filepath.Glob(filepath.Join(cache, scratchPrefix+"*"))
	for _, directory := range left {
		if info, err := os.Stat(directory); err == nil && time.Since(info.ModTime()) > maxAge {
			_ = os.RemoveAll(directory)
		}
	}
}

// makeScratch creates the directory in which the code may write, and returns a function that removes it.
func makeScratch(cache string) (directory string, remove func(), err error) {
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", nil, fmt.Errorf("create the cache: %w", err)
	}
	removeOld(cache)
	directory, err = os.MkdirTemp(cache, scratchPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("create the directory of the code: %w", err)
	}
	return directory, func() { _ = os.RemoveAll(directory) }, nil
}
