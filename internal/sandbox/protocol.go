package sandbox

import (
	"os"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// The types in this file are the messages between the supervisor and Python. doc.go shows their order. The
// Python side is in pythonlayer/alarmtriage_tool: zygote.py (hello, event, layer) and runner.py (request,
// result).

// hello is the first message to the zygote.
type hello struct {
	Filter   string   `json:"filter"`    // seccomp program of the children in hexadecimal; empty: they load none
	PIDSlots []int    `json:"pid_slots"` // instructions of the program whose operand becomes the child's process ID
	Search   []string `json:"search"`    // directories added to Python's module search path
	Warm     []string `json:"warm"`      // services whose clients the zygote creates in advance
}

// eventType is the kind of a message from the zygote.
type eventType string

const (
	eventStarted eventType = "started" // Python is running; most of its imports follow
	eventReady   eventType = "ready"   // everything that a call needs is imported
	eventSpare   eventType = "spare"   // a child was forked; its channel comes with the message
	eventExit    eventType = "exit"    // a child ended
)

// event is a message from the zygote. The zygote never passes on a byte that a call wrote.
type event struct {
	Type   eventType `json:"t"`
	PID    int       `json:"pid"`    // of a spare or exit
	Status int       `json:"status"` // wait status of an exit
	MaxRSS int64     `json:"maxrss"` // KB, of an exit
	Python string    `json:"python"` // version, of ready
	Boto3  string    `json:"boto3"`  // version, of ready

	channel *os.File // of a spare
}

// layerState is the state of a layer of the sandbox.
type layerState string

const (
	stateActive  layerState = toolcall.LayerActive
	stateOff     layerState = "off"     // not used here
	stateRefused layerState = "refused" // by the kernel
	stateUnknown layerState = "unknown" // not reported
)

// layer is the state of one layer of the sandbox on this host. The first message on a child's channel has the
// same form and reports the child's system call filter.
type layer struct {
	State  layerState `json:"state"`
	Reason string     `json:"reason,omitempty"` // text for people; no code depends on it
}

var layerActive = layer{State: stateActive}

// String returns the state as [toolcall.Status] shows it, such as "refused: operation not permitted".
func (l layer) String() string {
	if l.Reason == "" {
		return string(l.State)
	}
	return string(l.State) + ": " + l.Reason
}

// activeIf returns an active layer, or one that is off.
func activeIf(on bool) layer {
	if on {
		return layerActive
	}
	return layer{State: stateOff}
}

// layerOf returns an active layer, or one that the kernel refused with err.
func layerOf(err error) layer {
	if err == nil {
		return layerActive
	}
	return layer{State: stateRefused, Reason: err.Error()}
}

// callMessage is the byte that comes with the descriptors of a call on a child's channel.
const callMessage = "F"

// request is the call, as the child reads it from its request pipe.
type request struct {
	Code       string   `json:"code"`
	Seconds    float64  `json:"seconds"`     // until the soft deadline
	Memory     int64    `json:"memory"`      // bytes of data; 0: no limit
	MemoryHard int64    `json:"memory_hard"` // bytes that the child may raise the limit to in order to report it
	FileSize   int64    `json:"file_size"`   // bytes of one file
	Processes  int      `json:"processes"`   // processes and threads of the user, with those that exist already
	Directory  string   `json:"directory"`   // working directory
	Account    string   `json:"account"`     // that clients read unless the code names another; empty: not known
	Own        string   `json:"own"`         // the account of the tool; empty: not known
	Region     string   `json:"region"`      // of clients unless the code names another; empty: that of the environment
	Problem    string   `json:"problem"`     // why Account cannot be read; empty: it can
	Others     []string `json:"others"`      // other accounts that the code may name; "*": any
}

// result is the child's answer on its result pipe. The code may forge it: it is the code's own answer anyway.
type result struct {
	OK     bool   `json:"ok"`
	Result string `json:"result"` // JSON text, if OK
	// LeftOut is the number of bytes that the child removed from the middle of a long result.
	LeftOut int64       `json:"left_out"`
	Kind    failureKind `json:"kind"`  // if not OK
	Error   string      `json:"error"` // text for the model, if not OK
	Notes   []string    `json:"notes"`
}

// failureKind is why a call has no result: one of these, or the class of a Python exception.
type failureKind string

const (
	kindTimeLimit   failureKind = "TimeLimit"   // also sent by the child
	kindMemoryLimit failureKind = "MemoryLimit" // also sent by the child
	kindOutputLimit failureKind = "OutputLimit"
	kindFileLimit   failureKind = "FileLimit"
	kindCrashed     failureKind = "Crashed"
)

// IsFailureKind reports whether a text is the kind of a failure that the supervisor reports.
func IsFailureKind(text string) bool {
	switch failureKind(text) {
	case kindTimeLimit, kindMemoryLimit, kindOutputLimit, kindFileLimit, kindCrashed:
		return true
	}
	return false
}
