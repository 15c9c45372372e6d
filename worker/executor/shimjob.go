package executor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// shimJob is one job inside the shim.
type shimJob struct {
	number   uint64
	marker   marker
	pid      int
	exited   chan syscall.WaitStatus // the main process's status, once
	stopped  bool                    // TERM or KILL was asked for while the main process ran; under shim.mu
	unleased bool                    // killed by killAll; under shim.mu
	over     Limits                  // the limit that it was killed for; under shim.mu
	done     chan struct{}           // closed when the job is reported
}

// drainPatience is how long to go on reading a dead job's output when somebody else still holds the pipe, such as a
// service that the job handed it to.
const drainPatience = 250 * time.Millisecond

func newShimJob(number uint64, sp *spec) *shimJob {
	return &shimJob{
		number: number,
		marker: marker{sp.ID, sp.Run},
		exited: make(chan syscall.WaitStatus, 1),
		done:   make(chan struct{}),
	}
}

// run starts a job, waits for its end, and reports it.
func (s *shim) run(job *shimJob, sp spec) {
	report := ended{Job: job.number}
	stdio, err := newPipes(sp.Payload)
	if err == nil {
		err = s.start(job, sp, stdio)
	}
	switch {
	case errors.Is(err, errUnleased):
		report.Unleased = true
	case errors.Is(err, errStopped): // reported by job.stopped
	case err != nil:
		report.StartError = startError(err, sp)
	default:
		if sp.Limits != (Limits{}) {
			go s.watch(job, sp.Limits)
		}
		out, errs := stdio.pump()
		report.Status = <-job.exited
		// The job is over with its main process: what it left behind is killed now, and with it the last writers of the
		// pipes, so that reading them comes to an end as well.
		report.Survivors = s.sweep(job)
		stdio.finish()
		report.Output, report.Stderr = <-out, <-errs
	}
	stdio.close()
	s.mu.Lock()
	report.Stopped, report.Over = job.stopped, job.over
	report.Unleased = report.Unleased || job.unleased
	delete(s.jobs, job.number)
	s.mu.Unlock()
	close(job.done)
	s.out <- report
}

var (
	errUnleased = errors.New("no lease is in force")
	errStopped  = errors.New("stopped before it was started")
)

// start starts the main process, the leader of a session of its own.
func (s *shim) start(job *shimJob, sp spec, stdio *pipes) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaitCulling(s.mu.Lock) // the next lease may come before all is dead that ran under the last one
	if !s.leased() {
		return errUnleased
	}
	if job.stopped {
		return errStopped
	}
	result := make(chan error)
	s.spawn <- func() {
		pid, err := syscall.ForkExec(sp.Path, sp.Argv, &syscall.ProcAttr{
			Dir:   sp.Dir,
			Env:   sp.Env,
			Files: []uintptr{uintptr(stdio.child[0]), uintptr(stdio.child[1]), uintptr(stdio.child[2])},
			Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: sp.User},
		})
		if err == nil {
			job.pid = pid
		}
		result <- err
	}
	if err := <-result; err != nil {
		return err
	}
	stdio.closeChild()
	// When memory runs out the kernel shall take the job and not the worker. Best effort: it needs /proc.
	writeFile("/proc/"+strconv.Itoa(job.pid)+"/oom_score_adj", "500")
	s.mains[job.pid] = job
	return nil
}

// startError explains the errors that mislead.
func startError(err error, sp spec) string {
	if errors.Is(err, syscall.ENOENT) {
		if _, statErr := os.Stat(sp.Path); statErr == nil {
			return fmt.Sprintf("%s is there, but the interpreter that its first line names, or %s, is not", sp.Path, dirOrCwd(sp.Dir))
		}
	}
	return fmt.Sprintf("%s: %v", sp.Path, err)
}

func dirOrCwd(dir string) string {
	if dir == "" {
		return "its working directory"
	}
	return "the directory " + dir
}

// stop sends TERM to the job's process group, and KILL when the grace has passed. It returns when the job is over.
func (s *shim) stop(number uint64, grace time.Duration) {
	s.mu.Lock()
	job := s.jobs[number]
	if job == nil || !job.stoppable(s) {
		s.mu.Unlock()
		return
	}
	job.stopped = true
	if job.pid == 0 {
		s.mu.Unlock()
		return
	}
	unix.Kill(-job.pid, unix.SIGTERM)
	unix.Kill(-job.pid, unix.SIGCONT) // a stopped process would not see TERM before the grace is over
	s.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-timer.C:
		s.kill(number)
	case <-job.done:
	}
}

// kill sends KILL to the job's process group; what is in other groups follows when the main process is reaped.
func (s *shim) kill(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if job := s.jobs[number]; job != nil && job.stoppable(s) {
		job.stopped = true
		if job.pid != 0 {
			unix.Kill(-job.pid, unix.SIGKILL)
		}
	}
}

// stoppable says that the job is not started yet or its main process runs. One that has ended by itself keeps the
// result that it came to. s.mu is held.
func (j *shimJob) stoppable(s *shim) bool {
	return j.pid == 0 || s.mains[j.pid] == j
}
