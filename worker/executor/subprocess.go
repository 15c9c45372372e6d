package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// SubprocessOptions configures NewSubprocess; the zero value is a good one.
type SubprocessOptions struct {
	// Insecure allows commands without a user of their own to run as root.
	Insecure bool
	// LookupEnv is where the variables come from that are passed on to jobs; nil means os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// Subprocess owns the shims and with them all subprocesses of a worker. There is one per worker; it makes the executors of
// the single kinds (Command).
//
// No job runs without a lease: the worker calls ExtendLease after each acknowledged heartbeat, and one second before
// the end of the last one the shims kill everything and refuse starts until a newer one comes.
type Subprocess struct {
	opts SubprocessOptions

	mu      sync.Mutex
	most    int                    // shared shims
	shared  []*shimConn            // none before the first job
	alone   map[*shimConn]struct{} // shims of suspects, one job each
	lease   int64
	started time.Time // when a shared shim was last started
	closed  bool
	// suspects were running when a shim died. A job that kills its parent takes its neighbours with it, and all are given
	// back uncounted; so that it cannot do that for ever, each of them next runs in a shim of its own, whose death is then
	// that job's failure.
	suspects map[string]struct{}
}

// maxSuspects bounds the memory of suspects; beyond it any one is forgotten.
const maxSuspects = 1000

// restartPause is the least time between two starts of a shared shim.
const restartPause = time.Second

// A shim starts processes one after the other, since Go forks under a lock and waits until the program is loaded: at 0.3
// to 0.5 ms each, one shim keeps about one processor busy. So there are as many as processors, up to maxShims; another is
// started when all have crowd jobs, so that a worker with a few has one.
const (
	maxShims = 4
	crowd    = 4
)

// NewSubprocess returns an owner without a shim; the first job starts one. It fails in a process that is itself a shim,
// which means that the program does not call ShimMain first in main.
func NewSubprocess(opts SubprocessOptions) (*Subprocess, error) {
	if os.Getenv(shimVariable) != "" {
		return nil, errors.New("this process was started as a shim: call executor.ShimMain() first in main")
	}
	if opts.LookupEnv == nil {
		opts.LookupEnv = os.LookupEnv
	}
	return &Subprocess{opts: opts, most: min(maxShims, runtime.GOMAXPROCS(0)), alone: map[*shimConn]struct{}{},
		suspects: map[string]struct{}{}}, nil
}

// ExtendLease says that the worker's lease now ends at end, in nanoseconds of BootTime, counted from the sending of the
// heartbeat that was acknowledged. An end that is not later than the last one changes nothing. It may wait some seconds
// when a shim hangs, which is then killed.
func (s *Subprocess) ExtendLease(end int64) {
	s.mu.Lock()
	s.lease = max(s.lease, end)
	conns := s.conns()
	s.mu.Unlock()
	sendAll(conns, request{Op: opLease, Lease: end + leaseSlip})
}

// RevokeLease kills all subprocesses at once and refuses to start any until ExtendLease is called again: for a worker
// that learns that it has been declared dead.
func (s *Subprocess) RevokeLease() {
	s.mu.Lock()
	s.lease = 0
	conns := s.conns()
	s.mu.Unlock()
	sendAll(conns, request{Op: opRevoke})
}

// sendAll returns when all have taken the request or were killed: one that hangs holds up no other.
func sendAll(conns []*shimConn, r request) {
	var sent sync.WaitGroup
	for _, c := range conns {
		sent.Go(func() { c.send(r) })
	}
	sent.Wait()
}

func (s *Subprocess) conns() []*shimConn {
	out := slices.Clone(s.shared)
	for c := range s.alone {
		out = append(out, c)
	}
	return out
}

// Close kills all subprocesses without grace and returns when none is left. Runs that were going on are Released.
func (s *Subprocess) Close() error {
	s.mu.Lock()
	s.closed = true
	conns := s.conns()
	s.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
	return nil
}

var errClosed = errors.New("the subprocess executor is closed")

// acquire returns the shim that is to run the job id, and whether it runs nothing else. release must be called when
// the run is over.
func (s *Subprocess) acquire(ctx context.Context, id string) (c *shimConn, alone bool, release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, suspect := s.suspects[id]; suspect && !s.closed {
		c, err := s.launch()
		if err != nil {
			return nil, false, nil, err
		}
		s.alone[c] = struct{}{}
		return c, true, func() {
			c.close()
			s.mu.Lock()
			delete(s.alone, c)
			s.mu.Unlock()
		}, nil
	}
	for {
		if s.closed {
			return nil, false, nil, errClosed
		}
		c := s.leastBusy()
		// A shim that dies over and over is not to eat the machine.
		pause := time.Until(s.started.Add(restartPause))
		switch {
		case c != nil && (c.jobs() < crowd || len(s.shared) >= s.most || pause > 0):
			return c, false, func() {}, nil
		case pause > 0:
			s.mu.Unlock()
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			s.mu.Lock()
			if ctx.Err() != nil {
				return nil, false, nil, context.Cause(ctx)
			}
			continue
		}
		s.started = time.Now()
		c, err := s.launch()
		if err != nil {
			return nil, false, nil, err
		}
		s.shared = append(s.shared, c)
		go s.forget(c)
	}
}

// leastBusy is the shared shim with the fewest jobs, nil when there is none. s.mu is held.
func (s *Subprocess) leastBusy() (least *shimConn) {
	for _, c := range s.shared {
		if least == nil || c.jobs() < least.jobs() {
			least = c
		}
	}
	return least
}

// launch starts a shim and tells it the lease. s.mu is held, so that no lease slips through between the two.
func (s *Subprocess) launch() (*shimConn, error) {
	if s.closed {
		return nil, errClosed
	}
	c, err := startShim()
	if err != nil {
		return nil, err
	}
	if s.lease != 0 {
		c.send(request{Op: opLease, Lease: s.lease + leaseSlip})
	}
	return c, nil
}

// forget drops a shared shim that has died, so that the next job starts another.
func (s *Subprocess) forget(c *shimConn) {
	<-c.gone
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = slices.DeleteFunc(s.shared, func(other *shimConn) bool { return other == c })
}

// suspect and clear keep the set of suspects.
func (s *Subprocess) suspect(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.suspects {
		if len(s.suspects) < maxSuspects {
			break
		}
		delete(s.suspects, other)
	}
	s.suspects[id] = struct{}{}
}

func (s *Subprocess) clear(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.suspects, id)
}

// lost is the Result of a run whose shim died.
func (s *Subprocess) lost(id string, alone bool) Result {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return Result{Outcome: Released, ErrorType: TypeDrained, Message: errClosed.Error()}
	case alone:
		return Result{Outcome: Failed, ErrorType: TypeShimDied,
			Message: "the process that runs the worker's subprocesses was killed while this job alone was in it"}
	}
	s.suspect(id)
	return Result{Outcome: Released, ErrorType: TypeShimDied,
		Message: "the process that runs the worker's subprocesses died while the job ran"}
}

// errRoot is why a command may not run as root, or nil. A user that is named is taken at its word, root included.
func (s *Subprocess) errRoot(user *User) error {
	if os.Geteuid() == 0 && user == nil && !s.opts.Insecure {
		return errors.New("the worker runs as root and the command has no user of its own: name one with user:, or allow it with --insecure")
	}
	return nil
}

// unavailable is the Result of a run for which there is no shim.
func unavailable(err error) Result {
	return Result{Outcome: Released, ErrorType: TypeShimDied, Message: message(fmt.Sprintf("not started: %v", err), "")}
}
