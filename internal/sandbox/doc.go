// Package sandbox runs a model's Python code. Every call runs in a fresh process that holds no credentials,
// is limited, and is killed afterwards.
//
// # Processes
//
//	supervisor      this package: credentials, broker
//	 └─ zygote      Python with boto3 imported and dummy credentials
//	     └─ child   one call
//
// The zygote is a warm parent: it imports once and forks the child of the next call before that call arrives.
// The code of a call is treated as hostile. The sandbox relies only on layers that need no permission of the
// kernel, because AWS Lambda may refuse such permissions. It adds the layers that the kernel does allow, and
// [Supervisor.Status] reports which layers are active.
//
// # Files
//
//	sandbox.go       Options, Supervisor, limits
//	lambda.go        options of a Lambda function
//	seal.go          makes this process unreadable to other processes of the same user
//	confine.go       starts Python with a system call filter and Landlock
//	filter.go        the system call filters
//	filter_calls.go  the system calls that a child may use
//	protocol.go      the messages below
//	zygote.go        the warm Python process and its spare children
//	call.go          one call: its files, deadline, and result
//	capture.go       the head and tail of a stream
//	sweep.go         ends the processes that a call, or an earlier run of the function, left behind
//	remove.go        removes the files that a call left behind
//	traces.go        finds what a call changed in other processes, and objects that it left behind
//
// # Life of the zygote
//
//	             launch             started              ready
//	no process ───────────> loading ───────> importing ─────────> serving ───┐
//	    ▲                      │                 │                 │   ▲      │ child used, stale, or gone:
//	    │ next call            │ not ready       │                 │   └──────┘ fork the next child
//	    │                      │ within 30 s     │                 │
//	    └─────── stopped <─────┴─────────────────┴─────────────────┘
//	                                          control socket closed, or process killed
//
// Before the first call and while calls run, the serving zygote creates AWS clients in advance. A child that
// was forked before a client was created is stale. The next child has the client.
//
// # Life of a child
//
//	      fork             filter state sent         files received           result written
//	zygote ────> confining ─────────────────> spare ────────────────> running ───────────────> exited
//	                 │                          │                       │                        ▲
//	                 │ fails                    │ channel closed        │ time, memory, or       │
//	                 └────────────> exited <────┘                       │ output limit: killed   │
//	                                                                    └────────────────────────┘
//
// After the call, the supervisor kills the child in every case, and the processes that the call left behind. It
// knows the innocent processes by their IDs. It compares its own and the zygote's limits and scheduling with those
// at start, and looks for sockets, shared memory, queues, and keys. After any such trace, the supervisor is spent:
// it answers, and [Supervisor.Settle] reports that the process must exit. Settle also removes the call's files.
// The caller calls it after it has sent the answer.
//
// # Protocol
//
// All sockets are SOCK_SEQPACKET. On the zygote's control socket (its descriptor 3):
//
//	supervisor → zygote   hello                                       once
//	zygote → supervisor   {"t": "started"}
//	zygote → supervisor   {"t": "spare", "pid": 7} + descriptor       whenever a child is forked; the child's channel
//	zygote → supervisor   {"t": "ready", "python": …, "boto3": …}     once
//	supervisor → zygote   7                                           child 7 is used, has ended, or is gone
//	zygote → supervisor   {"t": "exit", "pid": 7, "status": …}        for every child
//
// On a child's channel. The supervisor hands the call directly to the child because the zygote may be busy:
//
//	child → supervisor    {"state": "active"}                         its system call filter
//	supervisor → child    F + five descriptors                        request, stdout, stderr, result, broker
//
// The request is read from its pipe until the pipe is closed; one result is written to the result pipe. The
// broker's socket speaks the protocol of package broker.
package sandbox
