package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_X86_64

// forkCalls are the ways to a new process besides clone.
var forkCalls = []uint32{unix.SYS_FORK, unix.SYS_VFORK}
