package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

// legacyCalls pass in addition to allowedCalls. This architecture has none.
var legacyCalls []uint32
