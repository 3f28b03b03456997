// Package checkout gives benchmarks an earlier version of this repository to compare with.
package checkout

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// Write writes the files of a commit into a new directory.
func Write(ctx context.Context, commit, root string) error {
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	archive := exec.CommandContext(ctx, "git", "archive", "--output", root+".tar", commit)
	archive.Dir = moto.Root()
	for _, cmd := range []*exec.Cmd{archive, exec.CommandContext(ctx, "tar", "-x", "-f", root+".tar", "-C", root)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("check out %s: %w\n%s", commit, err, out)
		}
	}
	return nil
}
