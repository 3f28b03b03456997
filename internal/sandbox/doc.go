// Package sandbox runs a model's Python code, one call at a time, each in a fresh process that
// holds no credentials, is limited, and is killed afterwards.
//
//	seal.go     makes the own process unreadable to others of the same user
//	confine.go  starts Python: system call filter, Landlock
//	zygote.go   the warm Python process, from which every call is forked
//	call.go     one call: files, deadline, result
//	sweep.go    what a call may have left behind
//
// The processes:
//
//	supervisor (this package; credentials, broker)
//	 └─ zygote: python, boto3 imported, dummy credentials
//	     └─ child: one call
//
// Nothing here needs a permission of the kernel that AWS Lambda may refuse. What it does grant is
// used on top, and [Supervisor.Status] says which layers are active.
package sandbox
