package broker

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// receive waits for one descriptor. It returns no connection if the message carries anything but one local
// stream socket, because the sender is not trusted.
func receive(control rawConn) (net.Conn, error) {
	var n, rights int
	var readErr error
	buffer, oob := make([]byte, 16), make([]byte, unix.CmsgSpace(4*8))
	err := control.Read(func(fd uintptr) bool {
		n, rights, _, _, readErr = unix.Recvmsg(int(fd), buffer, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		return !errors.Is(readErr, unix.EAGAIN)
	})
	if err = errors.Join(err, readErr); err != nil {
		return nil, err
	}
	fds := descriptors(oob[:rights])
	if n == 0 && len(fds) == 0 {
		return nil, net.ErrClosed
	}
	if len(fds) != 1 || !isLocalStream(fds[0]) {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, nil
	}
	file := os.NewFile(uintptr(fds[0]), "connection of the sandbox")
	defer file.Close()
	connection, err := net.FileConn(file)
	if err != nil {
		return nil, nil
	}
	return connection, nil
}

func descriptors(oob []byte) []int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for _, message := range messages {
		if got, err := unix.ParseUnixRights(&message); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

func isLocalStream(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_UNIX {
		return false
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_STREAM
}
