//go:build !linux

package broker

import (
	"errors"
	"net"
)

// receive fails: the sandbox, which sends the descriptors, only exists on Linux.
func receive(rawConn) (net.Conn, error) { return nil, errors.ErrUnsupported }
