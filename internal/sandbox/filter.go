package sandbox

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
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

// program is a seccomp filter, or a part of one.
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

// bytes returns the program in the kernel's format, in the machine's byte order.
func (p *program) bytes() []byte {
	out := make([]byte, 0, len(p.code)*int(unsafe.Sizeof(unix.SockFilter{})))
	for _, c := range p.code {
		out = binary.NativeEndian.AppendUint16(out, c.Code)
		out = append(out, c.Jt, c.Jf)
		out = binary.NativeEndian.AppendUint32(out, c.K)
	}
	return out
}

// append adds another part behind this one.
func (p *program) append(part *program) {
	for _, at := range part.pids {
		p.pids = append(p.pids, len(p.code)+at)
	}
	p.code = append(p.code, part.code...)
}

// zygoteFilter returns the filter of the zygote and all its children: no network, no access to other
// processes, no objects that outlive a process, no new namespaces, and none of the rarely used system calls
// that kernel exploits often need.
func zygoteFilter() *program {
	p := newProgram()
	p.refuse(answerNoSys, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER)
	p.refuse(answerEPERM,
		unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL,
		unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETATTR, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETAFFINITY,
		unix.SYS_SETPRIORITY, unix.SYS_IOPRIO_SET, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
		unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE, unix.SYS_GET_ROBUST_LIST,
		unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV,
		unix.SYS_MSGCTL, unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL,
		unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
		unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL, unix.SYS_ACCT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_PERSONALITY,
	)
	p.answer(answerAllow)
	return p
}

// childFilter returns the filter that a child loads in addition. It lists the system calls that may pass, some
// of them with certain arguments only, so that no call reaches another process: neither one that exists now nor
// one that a later kernel adds.
func childFilter() *program {
	rules := map[uint32]*program{}
	for _, number := range slices.Concat(allowedCalls, legacyCalls) {
		rules[number] = always(answerAllow)
	}
	for _, number := range ownProcessCalls {
		rules[number] = onlyOwn()
	}
	for number, flags := range openCalls {
		rules[number] = onlyHonestOpens(flags)
	}
	rules[unix.SYS_PRLIMIT64] = onlySelf()
	rules[unix.SYS_FCNTL] = onlyValues(1, fcntlCommands)
	rules[unix.SYS_IOCTL] = onlyValues(1, ioctlCommands)
	rules[unix.SYS_PRCTL] = onlyValues(0, prctlOptions)
	rules[unix.SYS_SOCKETPAIR] = onlyConnectedPairs()
	rules[unix.SYS_CLONE] = onlyThreads()
	rules[unix.SYS_MMAP] = onlyCountedMemory()
	p := newProgram()
	p.append(decisionTree(rules))
	return p
}

// always returns a rule with one answer.
func always(answer uint32) *program {
	p := &program{}
	p.answer(answer)
	return p
}

// onlyValues returns a rule that allows a system call only if an argument has one of the values.
func onlyValues(argument uint32, values []uint32) *program {
	p := &program{}
	p.load(offsetArg0 + 8*argument)
	for _, value := range values {
		p.compare(value, 1, 0)
		p.answer(answerAllow)
	}
	p.answer(answerEPERM)
	return p
}

// onlyOwn returns a rule that allows a system call only if its first argument is the child's own process ID.
func onlyOwn() *program {
	p := &program{}
	p.load(offsetArg0)
	p.pids = append(p.pids, len(p.code))
	p.compare(0, 0, 1)
	p.answer(answerEPERM)
	p.answer(answerAllow)
	return p
}

// onlySelf returns a rule that allows a system call only if its first argument is the child's own process ID,
// or 0, which means the caller.
func onlySelf() *program {
	p := &program{}
	p.load(offsetArg0)
	p.compare(0, 1, 0)
	p.answer(answerAllow)
	p.append(onlyOwn())
	return p
}

// sockTypeMask selects the type in the second argument of socketpair, which also contains flags.
const sockTypeMask = 0xf

// onlyConnectedPairs returns a rule that allows only pairs of local sockets that cannot send to other
// addresses. A datagram socket can.
func onlyConnectedPairs() *program {
	p := &program{}
	p.load(offsetArg0)
	p.compare(unix.AF_UNIX, 0, 1)
	p.answer(answerEPERM)
	p.load(offsetArg0 + 8)
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: sockTypeMask})
	for _, kind := range []uint32{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		p.compare(kind, 1, 0)
		p.answer(answerAllow)
	}
	p.answer(answerEPERM)
	return p
}

// onlyHonestOpens returns a rule that refuses the access mode 3, with which only ioctl works, and to empty a file that is not opened
// for writing. Landlock takes the first for no access, and the second for reading.
func onlyHonestOpens(flags uint32) *program {
	p := &program{}
	p.load(offsetArg0 + 8*flags)
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: unix.O_TRUNC | unix.O_ACCMODE})
	p.refuse(answerEPERM, unix.O_ACCMODE, unix.O_TRUNC|unix.O_RDONLY, unix.O_TRUNC|unix.O_ACCMODE)
	p.answer(answerAllow)
	return p
}

// onlyCountedMemory returns a rule for mmap that refuses shared memory without a file. It belongs to no process, so no count of the
// process includes it once it is not mapped.
func onlyCountedMemory() *program {
	const shared = unix.MAP_SHARED | unix.MAP_ANONYMOUS // MAP_SHARED_VALIDATE contains MAP_SHARED
	p := &program{}
	p.load(offsetArg0 + 8*3)
	p.code = append(p.code, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: shared})
	p.refuse(answerEPERM, shared)
	p.answer(answerAllow)
	return p
}

// threadFlags are the flags with which C libraries create threads. CLONE_DETACHED (0x400000) has had no effect
// since Linux 2.6.2, but musl still sets it.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD |
	unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID | 0x400000

// onlyThreads returns a rule for clone that allows only threads of the calling process.
func onlyThreads() *program {
	p := &program{}
	p.load(offsetArg0)
	jumpIfSet := func(bits uint32, set, clear uint8) {
		p.code = append(p.code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: set, Jf: clear, K: bits})
	}
	jumpIfSet(^uint32(threadFlags), 1, 0)
	jumpIfSet(unix.CLONE_THREAD, 1, 0)
	p.answer(answerEPERM)
	p.answer(answerAllow)
	return p
}

// firstSharedNumber is the first number that means the same system call on every architecture. Libraries that
// use these calls fall back to older ones if the kernel does not have them, so the filter answers ENOSYS. For
// clone3 this is needed: a filter can see the flags of clone, but not those of clone3.
const firstSharedNumber = 424

// refused returns the rule of a system call that is not listed.
func refused(number uint32) *program {
	if number >= firstSharedNumber {
		return always(answerNoSys)
	}
	return always(answerEPERM)
}

// span is a range of system calls with one rule. It ends before the next span.
type span struct {
	from uint32
	rule *program
}

// decisionTree returns a binary search for the rule of a system call. System calls without a rule are refused.
func decisionTree(rules map[uint32]*program) *program { return searchTree(spansOf(rules)) }

// spansOf returns the spans of all numbers below x32Bit.
func spansOf(rules map[uint32]*program) []span {
	var spans []span
	add := func(from uint32, rule *program) {
		if n := len(spans); n > 0 && slices.Equal(spans[n-1].rule.code, rule.code) && len(rule.pids) == 0 {
			return // the rule goes on
		}
		spans = append(spans, span{from, rule})
	}
	next := uint32(0) // the first number that no span covers yet
	for _, number := range append(slices.Sorted(maps.Keys(rules)), x32Bit) {
		if next < number {
			add(next, refused(next))
			if next < firstSharedNumber && firstSharedNumber < number {
				add(firstSharedNumber, refused(firstSharedNumber))
			}
		}
		if number < x32Bit {
			add(number, rules[number])
		}
		next = number + 1
	}
	return spans
}

// searchTree returns a binary search for the rule of the span that contains a system call.
func searchTree(spans []span) *program {
	if len(spans) == 1 {
		return spans[0].rule
	}
	middle := len(spans) / 2
	low, high := searchTree(spans[:middle]), searchTree(spans[middle:])
	p := &program{}
	p.code = append(p.code,
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 1, K: spans[middle].from},
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(low.code))}, // has a 32-bit distance
	)
	p.append(low)
	p.append(high)
	return p
}

// hexProgram returns a program in the form that the first message to the zygote contains.
func hexProgram(p *program) (code string, pids []int) {
	return hex.EncodeToString(p.bytes()), p.pids
}
