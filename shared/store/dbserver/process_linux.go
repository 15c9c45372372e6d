package dbserver

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// attributes makes a child that dies with the thread that starts it, and that the terminal's Ctrl-C does not reach:
// the tests end first, then their server.
func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Credential: user}
}

// descendants returns the ids of a process's children, their children and so on.
func descendants(pid int) []int {
	parents := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		if child, parent, state := readStat(name); child != 0 && state != "Z" {
			parents[parent] = append(parents[parent], child)
		}
	}
	var all []int
	for next := parents[pid]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, parents[next[0]]...)
	}
	return all
}

// alive reports whether a process runs; one that only waits for its parent to notice its end does not.
func alive(pid int) bool {
	id, _, state := readStat("/proc/" + strconv.Itoa(pid) + "/stat")
	return id != 0 && state != "Z" && state != "X"
}

// readStat returns zeros for a process that is gone.
func readStat(name string) (pid, parent int, state string) {
	content, err := os.ReadFile(name)
	if err != nil {
		return 0, 0, ""
	}
	// "pid (name) state parent …", and the name may hold spaces and parentheses.
	head, rest, _ := strings.Cut(string(content), " (")
	fields := strings.Fields(rest[strings.LastIndexByte(rest, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, ""
	}
	pid, _ = strconv.Atoi(head)
	parent, _ = strconv.Atoi(fields[1])
	return pid, parent, fields[0]
}

// removeSharedMemory removes a System V segment that a killed PostgreSQL left in the kernel.
func removeSharedMemory(id int) {
	const remove = 0 // IPC_RMID
	_, _, _ = syscall.Syscall(syscall.SYS_SHMCTL, uintptr(id), remove, 0)
}
