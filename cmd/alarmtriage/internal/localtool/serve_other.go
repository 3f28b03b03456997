//go:build !linux

package localtool

import (
	"context"
	"errors"
	"io"
)

// canServe reports whether [Serve] works on this operating system.
const canServe = false

// Serve fails: the sandbox needs Linux.
func Serve(context.Context, string, io.Reader, io.Writer) error {
	return errors.New("the sandbox needs Linux")
}
