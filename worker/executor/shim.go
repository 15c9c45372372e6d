package executor

import (
	"encoding/gob"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// shimVariable marks a process as a shim; its value is the descriptor of the socket to the worker.
const shimVariable = "SLOTQ_SHIM"

const shimFD = 3

// ShimMain turns this process into the shim when it was started as one, and then never returns; otherwise it returns at
// once. The subprocess executor starts its shim by running the program's own binary again, so main must call ShimMain
// before anything else, and so must the TestMain of tests that run subprocesses.
//
// The shim exists because a worker that is killed or frozen can kill nothing. It starts the jobs' processes, owns them
// as their subreaper, and kills them all when the worker's end of the socket closes or when the lease ends.
func ShimMain() {
	if os.Getenv(shimVariable) == "" {
		return
	}
	os.Unsetenv(shimVariable)
	if err := runShim(); err != nil {
		fmt.Fprintln(os.Stderr, "slotq shim:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// shim is the state of the shim process.
type shim struct {
	// mu is held to start a process until it is in mains, to reap, and to kill. So a pid seen under mu is that of the
	// process it was: a direct child's pid, and the number of its group, cannot be used again before it is reaped. Only
	// direct children and their groups are ever killed; what is deeper becomes a direct child when its parent dies.
	mu      sync.Mutex
	jobs    map[uint64]*shimJob   // started and not yet reported
	mains   map[int]*shimJob      // by the pid of the main process, while it is not reaped
	adopted map[processKey]uint64 // whose a process is, that was or may become an orphan
	lease   int64                 // no process runs later than leaseMargin before it
	culling bool                  // killAll is at work: start nothing
	spawn   chan func()           // runs what it gets on one thread that lives as long as the shim
	out     chan<- ended
	timer   *leaseTimer
}

type processKey struct {
	pid     int
	started uint64
}

func runShim() error {
	// The descriptor came without close-on-exec; a job that inherited it could speak for the shim.
	unix.CloseOnExec(shimFD)
	// So does whatever else the worker inherited from its own parent. Kernels before 5.11 refuse; nothing depends on it.
	unix.CloseRange(shimFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err := unix.SetNonblock(shimFD, true); err != nil {
		return fmt.Errorf("the socket to the worker: %w", err)
	}
	socket := os.NewFile(shimFD, "worker")
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a subreaper: %w", err)
	}
	debug.SetGCPercent(50) // one shim per worker stays in memory for ever; it is small rather than fast
	// A Ctrl-C or a service manager's TERM goes to the worker, which drains; the shim goes when the worker has gone. They
	// are caught and not ignored: a job would inherit an ignored signal.
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)

	timer, err := newLeaseTimer()
	if err != nil {
		return err
	}
	s := &shim{
		jobs:    map[uint64]*shimJob{},
		mains:   map[int]*shimJob{},
		adopted: map[processKey]uint64{},
		spawn:   make(chan func()),
		out:     outbox(socket),
		timer:   timer,
	}
	// Before the first child can die: a SIGCHLD that nobody waits for is lost, and with it the end of a job.
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, unix.SIGCHLD)
	go s.spawner()
	go s.reaper(deaths)
	go s.watchLease()

	// Any error is the end of the worker as far as the shim can know: EOF when it died.
	in := gob.NewDecoder(socket)
	for {
		var r request
		if err := in.Decode(&r); err != nil {
			break
		}
		s.handle(r)
	}
	s.lockOrDie()
	s.lease = 0
	s.mu.Unlock()
	s.killAll()
	return nil
}

func (s *shim) handle(r request) {
	switch r.Op {
	case opStart:
		// Known before the next request is read: a stop may follow at once.
		job := newShimJob(r.Job, r.Spec)
		s.mu.Lock()
		s.jobs[r.Job] = job
		s.mu.Unlock()
		go s.run(job, *r.Spec)
	case opStop:
		go s.stop(r.Job, r.Grace)
	case opKill:
		s.kill(r.Job)
	case opLease:
		s.mu.Lock()
		if r.Lease > s.lease {
			s.lease = r.Lease
		}
		at := s.lease - int64(leaseMargin)
		s.mu.Unlock()
		if err := s.timer.set(at); err != nil {
			panic("slotq shim: setting the lease timer: " + err.Error()) // its death kills the jobs, which is safe
		}
	case opRevoke:
		s.mu.Lock()
		s.lease = 0
		s.mu.Unlock()
		go s.killAll()
	}
}

// leased says that processes may run now. s.mu is held.
func (s *shim) leased() bool {
	return BootTime() < s.lease-int64(leaseMargin)
}

func (s *shim) watchLease() {
	for {
		if err := s.timer.wait(); err != nil {
			panic("slotq shim: waiting for the lease's end: " + err.Error())
		}
		s.lockOrDie()
		over := BootTime() >= s.lease-int64(leaseMargin)
		s.mu.Unlock()
		if over {
			s.killAll()
		}
	}
}

// lockOrDie takes s.mu. It is held for long only when starting a program hangs, as on a dead network file system; the
// lease does not wait for that. Exiting kills the direct children by their parent death signal.
func (s *shim) lockOrDie() {
	for deadline := time.Now().Add(leaseMargin / 4); !s.mu.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "slotq shim: starting a program hangs and no lease is left: exiting")
			os.Exit(1)
		}
	}
}

// spawner runs functions on one thread that is never given back: the parent death signal of a child is tied to the
// thread that forked it, not to the process.
func (s *shim) spawner() {
	runtime.LockOSThread()
	for f := range s.spawn {
		f()
	}
}

// reaper waits for dead children. All of them, not only the jobs' own: the shim inherits every orphan below it.
func (s *shim) reaper(deaths <-chan os.Signal) {
	for range deaths {
		s.mu.Lock()
		s.reap()
		s.mu.Unlock()
	}
}

// reap takes away the children that are dead, and reports whether there are any others. s.mu is held.
func (s *shim) reap() (left bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return false // ECHILD
		case pid == 0:
			return true
		default:
			if job, ok := s.mains[pid]; ok {
				delete(s.mains, pid)
				job.exited <- status
			}
		}
	}
}

// outbox sends what it is given without ever making the sender wait: the worker may be frozen, and then the lease must
// still be kept. It holds at most one report a job.
func outbox(socket *os.File) chan<- ended {
	ch := make(chan ended)
	go func() {
		enc := gob.NewEncoder(socket)
		var queue []ended
		var busy chan error
		for {
			if busy == nil && len(queue) > 0 {
				next := queue[0]
				queue, busy = queue[1:], make(chan error, 1)
				go func(done chan<- error) { done <- enc.Encode(next) }(busy)
			}
			select {
			case e := <-ch:
				queue = append(queue, e)
			case <-busy: // after an error the reading side sees the end of the socket, too, and ends the shim
				busy = nil
			}
		}
	}()
	return ch
}
