package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInvestigate_WritesTheReportAndShowsTheVerdict(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())

	ran := b.run("investigate", alarmName, "--max-cost", "1.999")

	require.Equal(t, 0, ran.code, ran.stderr)
	for _, want := range []string{
		"Alarm: " + alarmName + ", ALARM at ", "Credentials: arn:aws:sts::" + "123456789012", "Code: runs on this machine, in the sandbox",
		"at most about $1.999\n", "It only reads. Writes, and reads of secrets", "Collecting evidence\n", "Round 1: asking the model\n", "Round 1: read the latest error lines of the order service\n",
		"Round 1 ended: ", " AWS calls · ", " tokens · $", "Used: 2 rounds · ", "Report: alarmtriage-reports/",
	} {
		assert.Contains(t, ran.stderr, want)
	}
	assert.NotContains(t, ran.stderr+ran.stdout, "\x1b", "no control sequences without a terminal")
	for _, want := range []string{"[HIGH] order-service-errors: cause confirmed", "■ ROOT CAUSE (confirmed)\n  dynamodb:GetItem is denied.", "aws iam put-role-policy"} {
		assert.Contains(t, ran.stdout, want)
	}
	for _, name := range []string{"report.txt", "report.html", "report.json", "card.json", "conversation.json"} {
		info, err := os.Stat(filepath.Join(b.folder(), name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	recorded := decoded(t, b.file("report.json"))
	assert.Equal(t, "completed", recorded["outcome"])
	assert.Contains(t, b.file("report.txt"), "not authorized to perform: dynamodb:GetItem")
	assert.NotContains(t, b.file("report.txt"), "UNVERIFIED")
}

// What a model found costs money, so a pipe that nobody reads, as of head, does not end the command.
func TestInvestigate_WritesTheReportIfNobodyReadsItsOutput(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	read, write, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, read.Close())
	cmd := b.command("investigate", alarmName)
	cmd.Stdout, cmd.Stderr = write, write
	assert.Error(t, cmd.Run())
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Equal(t, "completed", decoded(t, b.file("report.json"))["outcome"])
}

// A model costs money, so it is only asked if its report can be written.
func TestInvestigate_FolderThatCannotBeWrittenAsksNoModel(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "taken"), nil, 0o600))
	ran := b.run("investigate", alarmName, "--out", "taken/report")
	assert.Equal(t, 1, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "the report cannot be written")
	assert.Empty(t, b.model.Requests())

	// The report of a model that was asked is shown, although it cannot be written.
	require.NoError(t, os.MkdirAll(filepath.Join(b.dir, "full", "report.html", "x"), 0o700))
	ran = b.run("investigate", alarmName, "--out", "full")
	assert.Equal(t, 1, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "the report cannot be written")
	assert.Contains(t, ran.stdout, "dynamodb:GetItem is denied.")
}
