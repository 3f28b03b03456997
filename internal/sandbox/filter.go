package sandbox

import (
	"encoding/binary"
	"encoding/hex"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data. Arguments are 64 bits; their low words are compared, which is all
// the kernel itself looks at for the int arguments filtered here.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg0   = 16
)

const (
	answerAllow = unix.SECCOMP_RET_ALLOW
	answerEPERM = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	answerNoSys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// program is a seccomp filter under construction.
type program struct {
	code []unix.SockFilter
	pids []int // instructions whose operand is to become the child's process id
}

// x32Bit marks the numbers of x86's second table of system calls, which shares the architecture's name and
// would pass each comparison with a usual number (seccomp(2), "Filtering on x86-64").
const x32Bit = 0x40000000

// newProgram starts a filter that refuses every system call of another architecture, or of another table.
func newProgram() *program {
	p := &program{}
	p.load(offsetArch)
	p.jumpUnless(nativeArch, 0, 1)
	p.answer(answerEPERM)
	p.load(offsetNumber)
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 1, K: x32Bit})
	p.answer(answerEPERM)
	return p
}

func (p *program) load(offset uint32) {
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

func (p *program) answer(value uint32) {
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value})
}

// jumpUnless skips `otherwise` instructions when the accumulator differs... from k: with (k, 0, n)
// the next instruction runs on a difference, with (k, n, 0) on equality.
func (p *program) jumpUnless(k uint32, different, same uint8) {
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: same, Jf: different, K: k})
}

// refuse answers for the named system calls.
func (p *program) refuse(value uint32, numbers ...uint32) {
	for _, number := range numbers {
		p.jumpUnless(number, 1, 0)
		p.answer(value)
	}
}

// onlyWith lets the system call through if its argument has the bits, and refuses it otherwise.
func (p *program) onlyWith(number, argument, bits uint32) {
	p.jumpUnless(number, 4, 0)
	p.load(offsetArg0 + 8*argument)
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 1, Jf: 0, K: bits})
	p.answer(answerEPERM)
	p.answer(answerAllow)
}

// onlyOwn lets the system call through if its first argument is the child's own process id.
func (p *program) onlyOwn(number uint32) {
	p.jumpUnless(number, 4, 0)
	p.load(offsetArg0)
	p.pids = append(p.pids, len(p.code))
	p.jumpUnless(0, 0, 1)
	p.answer(answerEPERM)
	p.answer(answerAllow)
}

// onlyUnixSocket lets socketpair through for local sockets.
func (p *program) onlyUnixSocket(number uint32) {
	p.jumpUnless(number, 4, 0)
	p.load(offsetArg0)
	p.jumpUnless(unix.AF_UNIX, 0, 1)
	p.answer(answerEPERM)
	p.answer(answerAllow)
}

// bytes is the program as the kernel wants it, in the machine's byte order.
func (p *program) bytes() []byte {
	p.answer(answerAllow)
	out := make([]byte, 0, len(p.code)*int(unsafe.Sizeof(unix.SockFilter{})))
	for _, c := range p.code {
		out = binary.NativeEndian.AppendUint16(out, c.Code)
		out = append(out, c.Jt, c.Jf)
		out = binary.NativeEndian.AppendUint32(out, c.K)
	}
	return out
}

// zygoteFilter holds for the zygote and all its children: no network, no looking into other
// processes, no new namespaces, none of the kernel's rarely used and often broken corners.
func zygoteFilter() *program {
	p := newProgram()
	p.onlyUnixSocket(unix.SYS_SOCKETPAIR)
	p.refuse(answerNoSys, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER)
	p.refuse(answerEPERM,
		unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
		unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL, unix.SYS_ACCT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_PERSONALITY,
	)
	return p
}

// childFilter holds for one child in addition: threads but no processes, no programs, signals only
// to itself.
func childFilter() *program {
	p := newProgram()
	p.onlyWith(unix.SYS_CLONE, 0, unix.CLONE_THREAD)
	// glibc falls back to clone, whose flags a filter can see, only when clone3 does not exist.
	p.refuse(answerNoSys, unix.SYS_CLONE3)
	for _, number := range []uint32{unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO} {
		p.onlyOwn(number)
	}
	p.refuse(answerEPERM, unix.SYS_TKILL, unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_MEMFD_CREATE,
		unix.SYS_SETPGID, unix.SYS_SETSID, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SETPRIORITY)
	p.refuse(answerEPERM, forkCalls...)
	return p
}

// hexProgram is the child's filter in the form that the zygote's first message carries.
func hexProgram(p *program) (code string, pids []int) {
	return hex.EncodeToString(p.bytes()), p.pids
}
