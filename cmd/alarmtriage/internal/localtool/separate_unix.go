//go:build unix

package localtool

import (
	"os/exec"
	"syscall"
)

// separate keeps Ctrl-C in a terminal from the process: the command ends it when the report is written.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
