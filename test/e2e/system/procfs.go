package system

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// stat reads a process's parent; false = it is gone, or only waits for its parent to notice its end.
func stat(pid int) (parent int, alive bool) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// "pid (name) state parent …", and the name may hold anything.
	text := string(content)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	parent, _ = strconv.Atoi(fields[1])
	return parent, true
}

// Alive reports whether a process runs.
func Alive(pid int) bool {
	_, alive := stat(pid)
	return alive
}

func processes() (pids []int) {
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Descendants returns a process's children, their children and so on.
func Descendants(pid int) (all []int) {
	children := map[int][]int{}
	for _, child := range processes() {
		if parent, alive := stat(child); alive {
			children[parent] = append(children[parent], child)
		}
	}
	for next := children[pid]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, children[next[0]]...)
	}
	return all
}

// awaitEnd waits for processes to end by themselves, and returns and kills those that do not.
func awaitEnd(pids []int, limit time.Duration) (left []int) {
	for end := time.Now().Add(limit); ; time.Sleep(pollEvery) {
		left = left[:0]
		for _, pid := range pids {
			if Alive(pid) {
				left = append(left, pid)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return left
}

// ProcessesOf returns the processes that some run of a job has started, by the variable that they inherit.
func ProcessesOf(id job.ID) (pids []int) {
	want := []byte("SLOTQ_JOB_ID=" + id.String())
	for _, pid := range processes() {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && bytes.Contains(environ, want) && Alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
