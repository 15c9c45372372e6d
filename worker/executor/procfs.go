package executor

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
)

// process is what /proc/<pid>/stat says, as far as it is needed to tell whose a process is.
type process struct {
	pid, parent, group, session int
	started                     uint64 // clock ticks since boot; with pid it names a process for ever
	dead                        bool   // a zombie with no thread left: it runs no more code
}

// readProcess fails when the process is gone.
func readProcess(pid int) (process, error) {
	b, err := readFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, err
	}
	// The second field is the program's name in brackets and may contain anything, brackets included.
	_, rest, ok := strings.Cut(string(b[max(0, bytes.LastIndexByte(b, ')')):]), " ")
	f := strings.Fields(rest)
	if !ok || len(f) < 20 {
		return process{}, errors.New("unexpected form of /proc/" + strconv.Itoa(pid) + "/stat")
	}
	p := process{pid: pid}
	p.parent, _ = strconv.Atoi(f[1])
	p.group, _ = strconv.Atoi(f[2])
	p.session, _ = strconv.Atoi(f[3])
	threads, _ := strconv.Atoi(f[17])
	p.started, _ = strconv.ParseUint(f[19], 10, 64)
	// A zombie's main thread has ended, but the others may run on; they count.
	p.dead = f[0] == "X" || f[0] == "Z" && threads <= 1
	return p, nil
}

// pids lists all processes that /proc shows.
func pids() []int {
	var out []int
	for _, name := range names("/proc") {
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// children lists the children of process pid, dead ones that nobody has waited for included. The kernel's own list of
// them needs CONFIG_PROC_CHILDREN, which distributions set; without it all of /proc is read.
func children(pid int) []int {
	if !childrenListed() {
		return childrenByScan(pid)
	}
	base := "/proc/" + strconv.Itoa(pid) + "/task/"
	var out []int
	for _, thread := range names(base) {
		b, err := readFile(base + thread + "/children")
		if err != nil {
			continue // the thread has ended, its children went to another one
		}
		for field := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

var childrenListed = sync.OnceValue(func() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
})

func childrenByScan(pid int) []int {
	var out []int
	for _, other := range pids() {
		if p, err := readProcess(other); err == nil && p.parent == pid {
			out = append(out, other)
		}
	}
	return out
}

// marker is what every process of a run carries in its environment, unless it took care to lose it.
type marker struct {
	id  string
	run int
}

// readMarker returns the marker in the environment that a process was started with. It is zero when there is none, or
// when the process belongs to another user and may not be read.
func readMarker(pid int) marker {
	b, err := readFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return marker{}
	}
	var m marker
	for entry := range strings.SplitSeq(string(b), "\x00") {
		if v, ok := strings.CutPrefix(entry, envJobID+"="); ok {
			m.id = v
		} else if v, ok := strings.CutPrefix(entry, envRun+"="); ok {
			m.run, _ = strconv.Atoi(v)
		}
	}
	return m
}
