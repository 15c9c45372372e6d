package executor

import (
	"syscall"
	"time"
)

// The worker and its shim speak gob over a socket pair. Both ends are always the same binary (the shim is started from
// /proc/self/exe), so the format needs no versions.

type operation int

const (
	opStart  operation = iota + 1 // start Spec as Job
	opStop                        // TERM to Job's process group, KILL after Grace
	opKill                        // KILL Job's tree at once
	opLease                       // Lease is the new end of the lease
	opRevoke                      // no lease is in force any more: KILL everything
)

// request goes from the worker to the shim.
type request struct {
	Op    operation
	Job   uint64
	Grace time.Duration
	Lease int64 // nanoseconds of CLOCK_BOOTTIME
	Spec  *spec
}

// spec is all that the shim must know to start a job.
type spec struct {
	Path, Dir string
	Argv, Env []string
	User      *syscall.Credential
	Payload   []byte
	ID        string // with Run, what a process of the job carries in its environment
	Run       int
	Limits    Limits
}

// ended goes from the shim to the worker, once for every opStart, when no process of the job is left.
type ended struct {
	Job uint64
	// Unleased: the shim killed it, or did not start it, because no lease was in force.
	Unleased bool
	// StartError is why it could not be started, else empty.
	StartError string
	// Stopped: a stop or a kill was asked for while the job's main process still ran.
	Stopped bool
	Status  syscall.WaitStatus
	// Over is the limit for which the shim killed it, as it was set; else zero.
	Over Limits
	// Output and Stderr are bounded to OutputLimit each.
	Output, Stderr []byte
	// Survivors counts processes that did not die of SIGKILL in time (stuck in the kernel, or of a privileged user).
	Survivors int
}
