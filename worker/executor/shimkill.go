package executor

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Processes leave their job in three ways: a new process group, a new session, and a parent that dies. None of them
// leaves the shim: it is the subreaper, so whoever loses its parent becomes the shim's child. After a job's main
// process is dead, everything that is left of the job hangs below such orphans, and killing orphans until none is left
// ends it, however deep or busy the tree is.

// killPatience bounds the wait for processes that have got SIGKILL and do not go: those stuck in the kernel.
const killPatience = 5 * time.Second

// quietPasses is how many looks in a row must find nothing. One look is no proof: the list of children is not read in
// one piece, and a process that forks and dies meanwhile can hide its child from it.
const quietPasses = 2

// sweep kills what is left of a job whose main process is dead, and returns the number of processes that would not die.
func (s *shim) sweep(job *shimJob) (survivors int) {
	deadline := time.Now().Add(killPatience)
	wait := time.Millisecond / 2
	for quiet := 0; quiet < quietPasses; {
		s.mu.Lock()
		survivors = s.killOrphans(job)
		s.mu.Unlock()
		if survivors == 0 {
			quiet++
			continue
		}
		quiet = 0
		if time.Now().After(deadline) {
			return survivors
		}
		time.Sleep(wait)
		wait = min(2*wait, 10*time.Millisecond)
	}
	return 0
}

// killOrphans kills the orphans that do not certainly belong to another job which still runs, and returns how many
// there were. An orphan that cannot be attributed (it has left its session and wiped its environment) dies with
// whichever job ends first: that may be early for a job that hides its daemons, but nothing outlives its job. s.mu is
// held.
func (s *shim) killOrphans(job *shimJob) (found int) {
	s.reap()
	for _, pid := range children(os.Getpid()) {
		if s.mains[pid] != nil {
			continue
		}
		p, err := readProcess(pid)
		if err != nil || p.dead {
			continue
		}
		if owner := s.ownerOf(p); owner != nil && owner != job {
			s.remember(p, owner.number, map[int]bool{})
			continue
		}
		found++
		s.killGroup(p)
	}
	if found == 0 && len(s.mains) == 0 {
		clear(s.adopted)
	}
	return found
}

// ownerOf returns the job with a live main process that an orphan belongs to, or nil. s.mu is held.
func (s *shim) ownerOf(p process) *shimJob {
	// A session's number stays taken while it has members, so it names the job even when the process has moved on.
	if job := s.mains[p.session]; job != nil {
		return job
	}
	number, known := s.adopted[processKey{p.pid, p.started}]
	m := readMarker(p.pid)
	for _, job := range s.mains {
		if known && job.number == number || m.id != "" && job.marker == m {
			return job
		}
	}
	return nil
}

// remember notes whose the tree below p is, so that a part of it that orphans itself later is still known.
func (s *shim) remember(p process, job uint64, seen map[int]bool) {
	if seen[p.pid] || len(seen) > 1000 { // the bound is against a fork bomb: what is not remembered is killed early
		return
	}
	seen[p.pid] = true
	s.adopted[processKey{p.pid, p.started}] = job
	for _, child := range children(p.pid) {
		if c, err := readProcess(child); err == nil {
			s.remember(c, job, seen)
		}
	}
}

// killGroup kills p, a direct child, and its process group: one signal to a group reaches all its members at once, so a
// fork bomb that stays in its group cannot run away. Never the shim's own group, nor a running job's. s.mu is held.
func (s *shim) killGroup(p process) {
	if p.group > 1 && p.group != unix.Getpgrp() && s.mains[p.group] == nil && s.mains[p.session] == nil {
		unix.Kill(-p.group, unix.SIGKILL)
	}
	unix.Kill(p.pid, unix.SIGKILL)
}

// awaitCulling waits for a killAll that is at work, without s.mu, which is held before and after.
func (s *shim) awaitCulling(lock func()) {
	for s.culling {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		lock()
	}
}

// killAll kills every process below the shim, without grace, and returns when none is left. It marks the jobs as
// killed for want of a lease, and nothing is started until it is done.
func (s *shim) killAll() {
	s.lockOrDie()
	s.awaitCulling(s.lockOrDie) // the caller may exit after this
	s.culling = true
	for _, job := range s.mains {
		job.unleased = true
	}
	for deadline := time.Now().Add(killPatience); s.reap() && time.Now().Before(deadline); {
		for _, pid := range children(os.Getpid()) {
			if s.mains[pid] != nil {
				unix.Kill(-pid, unix.SIGKILL) // its group: it is a session's leader and cannot have left it
				unix.Kill(pid, unix.SIGKILL)
			} else if p, err := readProcess(pid); err == nil && !p.dead {
				if p.group > 1 && p.group != unix.Getpgrp() {
					unix.Kill(-p.group, unix.SIGKILL)
				}
				unix.Kill(pid, unix.SIGKILL)
			}
		}
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	s.culling = false
	s.mu.Unlock()
}
