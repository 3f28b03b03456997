package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

// forkCalls are the system calls that create processes, in addition to clone and clone3. This architecture
// has none.
var forkCalls []uint32
