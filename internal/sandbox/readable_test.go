package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// On a user's machine, files such as ~/.aws/credentials are beside the sandbox. Code that has removed the audit hook can
// read only what the options list.
func TestReadable_OtherFilesCannotBeRead(t *testing.T) {
	python := pythons(t)[0]
	home := publicDirectory(t)
	secret := filepath.Join(home, "credentials")
	require.NoError(t, os.WriteFile(secret, []byte("planted in a home directory"), 0o644))
	open := disarm + `
print(attempt(lambda: open("` + secret + `").read()))
print(attempt(os.listdir, "` + home + `"))
print(attempt(os.listdir, "/"))
os.symlink("` + secret + `", "link")
print(attempt(lambda: open("link").read()))
print(attempt(os.link, "` + secret + `", "hard"))`

	everywhere := startWorker(t, python, roleWorker)
	status := everywhere.ask(workerRequest{Status: true})
	if status.Status.Layers["landlock"] != "active" {
		skip(t, "this kernel has no Landlock")
	}
	assert.Contains(t, everywhere.run(open, 20).Stdout, "planted in a home directory", "without a list, the file can be read")

	readable := append([]string{"/usr", "/lib", "/lib64", "/etc", "/bin", "/nonexistent", python.layer, filepath.Dir(filepath.Dir(python.interpreter)),
		filepath.Dir(python.libraries)}, python.search...)
	listed := startWorkerWith(t, python, roleWorker, workerOptions{Readable: readable})
	answer := listed.run(open, 20)
	require.True(t, answer.Success, answer.Output)
	assert.Contains(t, answer.Stdout, "disarmed")
	assert.NotContains(t, answer.Stdout, "planted")
	assert.NotContains(t, answer.Stdout, "credentials', ")
	assert.Contains(t, answer.Stdout, "PermissionError")

	answer = listed.run(`
open("own", "w").write("kept")
print(open("own").read(), boto3.client("logs").meta.region_name, datetime.now().year > 2000)`, 20)
	assert.Contains(t, answer.Stdout, "kept eu-west-1 True", "normal code works")
}
