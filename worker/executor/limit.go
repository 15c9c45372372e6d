package executor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Limits bound what one job may take of the machine, all its processes together; 0 means no limit.
//
// The shim looks at a job's processes at least four times a second, mostly twenty, and kills a job that it finds over a
// limit. So a job may exceed one for that long; what must hold to the byte, such as that the worker and all its jobs
// leave room for a database, is for the service manager (MemoryMax and TasksMax of the unit).
//
// The kernel's own limits do not fit. Those of a process (RLIMIT_AS, RLIMIT_DATA) count reserved addresses, of which
// Java, Go and Node.js reserve many times what they use, and each process anew; RLIMIT_NPROC counts all processes of a
// user, its other jobs and the worker included, and none of root's. A control group would fit and needs a hierarchy
// that the worker may write, which in containers and without systemd it most often may not: limits that hold on some
// machines only are worse than coarse ones that hold on all.
type Limits struct {
	// Memory in bytes: resident and swapped, with what processes share counted once, where the kernel lets the worker see
	// it. Files in memory (tmpfs, memfd) that are not mapped do not count.
	Memory int64
	// Processes alive at once, the main one included; threads do not count.
	Processes int
}

// The least and longest time between two looks at a job.
const (
	lookEvery   = 50 * time.Millisecond
	lookAtLeast = 250 * time.Millisecond
)

// maxTree bounds a look at a job with a limit on its memory alone, and so the time that a fork bomb takes of the shim.
const maxTree = 10_000

// watch looks at a job until it is over, and kills it when it exceeds a limit.
func (s *shim) watch(job *shimJob, limits Limits) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-job.done:
			return
		case <-timer.C:
		}
		began := time.Now()
		if over := s.exceeded(job, limits); over != (Limits{}) {
			s.mu.Lock()
			// One that has ended by itself keeps its result, and one that was asked to stop that reason.
			if s.mains[job.pid] == job && !job.stopped {
				job.over = over
				unix.Kill(-job.pid, unix.SIGKILL)
			}
			s.mu.Unlock()
			return
		}
		// A twentieth of one core at most: a large tree is looked at less often.
		timer.Reset(min(max(20*time.Since(began), lookEvery), lookAtLeast))
	}
}

// exceeded returns the limit that a job is over, or none.
func (s *shim) exceeded(job *shimJob, limits Limits) (over Limits) {
	most := maxTree
	if limits.Processes > 0 {
		most = limits.Processes + 1
	}
	tree := s.tree(job, most)
	if limits.Processes > 0 && len(tree) > limits.Processes {
		return Limits{Processes: limits.Processes}
	}
	if limits.Memory > 0 && sum(tree, resident) > limits.Memory && sum(tree, proportional) > limits.Memory {
		return Limits{Memory: limits.Memory}
	}
	return over
}

// tree returns the pids of up to most living processes of a job: those below its main process, and below the orphans
// that are known for its own.
func (s *shim) tree(job *shimJob, most int) (pids []int) {
	s.mu.Lock()
	if s.mains[job.pid] != job {
		s.mu.Unlock()
		return nil
	}
	next := []int{job.pid}
	for _, pid := range children(os.Getpid()) {
		if s.mains[pid] != nil {
			continue
		}
		// An orphan that hides whose it is belongs to the only job, when there is one.
		if p, err := readProcess(pid); err == nil && !p.dead {
			if owner := s.ownerOf(p); owner == job || owner == nil && len(s.mains) == 1 {
				next = append(next, pid)
			}
		}
	}
	s.mu.Unlock()
	// The rest is read without the lock. A number that goes to another process meanwhile is counted wrongly, once.
	for ; len(next) > 0 && len(pids) < most; next = next[1:] {
		if p, err := readProcess(next[0]); err == nil && !p.dead {
			pids = append(pids, next[0])
			next = append(next, children(next[0])...)
		}
	}
	return pids
}

func sum(pids []int, of func(pid int) int64) (total int64) {
	for _, pid := range pids {
		total += of(pid)
	}
	return total
}

// resident is the memory of a process in bytes, shared pages included: quick to read, and never too little.
func resident(pid int) int64 { return fields(pid, "status", "VmRSS:", "VmSwap:") }

// proportional divides a shared page among those who share it. It takes the kernel much longer, and root or the same
// user to see; else it is resident's.
func proportional(pid int) int64 {
	if n := fields(pid, "smaps_rollup", "Pss:", "SwapPss:"); n > 0 {
		return n
	}
	return resident(pid)
}

// fields adds up lines of a file in /proc/<pid> that hold a number of kB; a process that is gone has none.
func fields(pid int, file string, names ...string) (total int64) {
	b, _ := readFile("/proc/" + strconv.Itoa(pid) + "/" + file)
	for line := range bytes.Lines(b) {
		for _, name := range names {
			if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
				kb, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
				total += kb << 10
			}
		}
	}
	return total
}

// exceededResult is the Result of a run that was killed for being over a limit.
func exceededResult(over Limits, detail string) Result {
	if over.Processes > 0 {
		return Result{Outcome: Failed, ErrorType: TypeProcesses,
			Message: message(fmt.Sprintf("killed: had more than its limit of %d processes", over.Processes), detail)}
	}
	return Result{Outcome: Failed, ErrorType: TypeMemory,
		Message: message("killed: used more than its memory limit of "+size(over.Memory), detail)}
}

// size writes a number of bytes in the largest binary unit that divides it.
func size(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%unit.size == 0 {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
