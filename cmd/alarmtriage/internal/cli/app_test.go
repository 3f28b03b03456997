package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/doctor"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

func TestApp_OnlyAClosedOutputIsNotShown(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, read.Close())
	defer write.Close()
	app := &App{Out: write}
	_, unread := fmt.Fprintln(app.Out, "the report")
	require.ErrorIs(t, unread, syscall.EPIPE)
	reset := os.NewSyscallError("write", syscall.EPIPE)
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"the output", unread, true},
		{"the output, wrapped", fmt.Errorf("print: %w", unread), true},
		{"a connection to AWS", &Problem{Code: AWSRefused, What: "no answer", Err: &net.OpError{Op: "write", Net: "tcp", Err: reset}}, false},
		{"a pipe to another program", &os.PathError{Op: "write", Path: "|3", Err: syscall.EPIPE}, false},
		{"a full disk", &os.PathError{Op: "write", Path: write.Name(), Err: syscall.ENOSPC}, false},
		{"another error", assert.AnError, false},
	} {
		assert.Equal(t, c.want, app.isUnread(c.err), c.name)
	}
}

func TestApp_OutputThatIsNotWrittenIsAnError(t *testing.T) {
	_, full, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, full.Close())
	app := &App{Out: full, Err: io.Discard, Getenv: func(string) string { return "" }}
	rec := &investigation.Record{}
	assert.ErrorIs(t, app.printReplay(rec, rec, nil), os.ErrClosed)
	assert.ErrorIs(t, app.printDoctor(doctor.Report{}), os.ErrClosed)
	assert.Equal(t, Failed, Run(t.Context(), app, []string{"completion", "bash"}), "not an error of the command line")
}
