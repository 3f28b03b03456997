package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_X86_64

// forkCalls are the system calls that create processes, in addition to clone and clone3.
var forkCalls = []uint32{unix.SYS_FORK, unix.SYS_VFORK}
