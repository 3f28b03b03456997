package sandbox

import (
	"context"
	"io"
	"os"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// NoAWS is the session of a call that may not reach AWS at all: it hears requests and answers none.
type NoAWS struct{}

// Serve implements Session.
func (NoAWS) Serve(_ context.Context, control *os.File) { io.Copy(io.Discard, control) }

// Audit implements Session.
func (NoAWS) Audit() (calls []toolcall.AWSCall, cut, refusals int) { return nil, 0, 0 }
