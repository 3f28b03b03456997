package sandbox

import (
	"encoding/binary"
	"encoding/hex"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data. Arguments have 64 bits. The filters compare the low words, which are all
// that the kernel reads of the int arguments filtered here.
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
	pids []int // instructions whose operand is replaced by the child's process ID
}

// x32Bit is set in the numbers of x86's second table of system calls. Both tables share one architecture
// value, so without this check such a number would match no comparison and pass (seccomp(2), "Filtering on
// x86-64").
const x32Bit = 0x40000000

// newProgram returns the start of a filter, which refuses system calls of another architecture or table.
func newProgram() *program {
	p := &program{}
	p.load(offsetArch)
	p.compare(nativeArch, 0, 1)
	p.answer(answerEPERM)
	p.load(offsetNumber)
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 1, K: x32Bit})
	p.answer(answerEPERM)
	return p
}

// load loads a word of struct seccomp_data into the accumulator.
func (p *program) load(offset uint32) {
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

// answer ends the filter with a result.
func (p *program) answer(value uint32) {
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value})
}

// compare compares the accumulator with k. The program then skips `same` instructions if they are equal, and
// `different` instructions if they are not.
func (p *program) compare(k uint32, different, same uint8) {
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: same, Jf: different, K: k})
}

// refuse makes the filter answer these system calls with value.
func (p *program) refuse(value uint32, numbers ...uint32) {
	for _, number := range numbers {
		p.compare(number, 1, 0)
		p.answer(value)
	}
}

// onlyWith allows the system call only if its argument has one of the bits.
func (p *program) onlyWith(number, argument, bits uint32) {
	p.compare(number, 4, 0)
	p.load(offsetArg0 + 8*argument)
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 1, Jf: 0, K: bits})
	p.answer(answerEPERM)
	p.answer(answerAllow)
}

// onlyOwn allows the system call only if its first argument is the child's own process ID.
func (p *program) onlyOwn(number uint32) {
	p.compare(number, 4, 0)
	p.load(offsetArg0)
	p.pids = append(p.pids, len(p.code))
	p.compare(0, 0, 1)
	p.answer(answerEPERM)
	p.answer(answerAllow)
}

// onlyUnixSocket allows the system call only if its first argument is AF_UNIX.
func (p *program) onlyUnixSocket(number uint32) {
	p.compare(number, 4, 0)
	p.load(offsetArg0)
	p.compare(unix.AF_UNIX, 0, 1)
	p.answer(answerEPERM)
	p.answer(answerAllow)
}

// bytes completes the program and returns it in the kernel's format, in the machine's byte order.
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

// zygoteFilter returns the filter of the zygote and all its children: no network, no access to other
// processes, no new namespaces, and none of the rarely used system calls that kernel exploits often need.
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

// childFilter returns the filter that a child loads in addition: threads but no processes, no programs, and
// signals only to itself.
func childFilter() *program {
	p := newProgram()
	p.onlyWith(unix.SYS_CLONE, 0, unix.CLONE_THREAD)
	// A filter can see the flags of clone but not those of clone3. glibc uses clone if clone3 does not exist.
	p.refuse(answerNoSys, unix.SYS_CLONE3)
	for _, number := range []uint32{unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO} {
		p.onlyOwn(number)
	}
	p.refuse(answerEPERM, unix.SYS_TKILL, unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_MEMFD_CREATE,
		unix.SYS_SETPGID, unix.SYS_SETSID, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SETPRIORITY)
	p.refuse(answerEPERM, forkCalls...)
	return p
}

// hexProgram returns a program in the form that the first message to the zygote contains.
func hexProgram(p *program) (code string, pids []int) {
	return hex.EncodeToString(p.bytes()), p.pids
}
