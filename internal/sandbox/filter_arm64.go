package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

// legacyCalls pass in addition to allowedCalls. This architecture has none.
var legacyCalls []uint32

// openCalls open a file by a path. The value is the number of the argument with the flags.
var openCalls = map[uint32]uint32{unix.SYS_OPENAT: 2}
