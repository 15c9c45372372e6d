// Command witness is a job of the tests: it notes its start and its end in a file, and does what its payload says in
// between. The file and the locks beside it are those of package system's Log.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orders is the payload; whatever else is in it is left alone.
type orders struct {
	Milliseconds int    `json:"ms"`          // to work
	First        int    `json:"first_ms"`    // to work instead at the first start
	Exit         int    `json:"exit"`        // the exit code
	FailUntil    int    `json:"fail_until"`  // exits 1 while the attempt is below
	ExitUntil    int    `json:"exit_until"`  // exits as Exit says until it has come to its end so often, with 0 from then on
	Stderr       string `json:"stderr"`      // what to complain about
	Output       string `json:"output"`      // what to print instead of the payload
	KillWorker   bool   `json:"kill_worker"` // kill -9 of the worker
	Grandchild   bool   `json:"grandchild"`  // leave a process behind that would live for ever
	Ignore       bool   `json:"ignore"`      // ignore TERM
	Key          string `json:"key"`         // its concurrency key
	Limit        int    `json:"limit"`       // and the key's limit
}

func main() {
	payload, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	var o orders
	_ = json.Unmarshal(payload, &o) // a payload may be anything
	dir := os.Args[1]
	note(dir, "start", o.Key)
	if !lock(dir, "job-"+os.Getenv("SLOTQ_JOB_ID")) {
		note(dir, "overlap", o.Key)
	}
	if o.Key != "" && !place(dir, o) {
		note(dir, "over_limit", o.Key)
	}
	if o.KillWorker {
		if err := syscall.Kill(worker(), syscall.SIGKILL); err != nil {
			fail(err)
		}
		select {} // the shim ends this when its worker is gone
	}
	if o.Ignore {
		ignoreTerm()
	}
	if o.First > 0 && noted(dir, "start") == 1 {
		o.Milliseconds = o.First
	}
	if o.Grandchild {
		grandchild()
	}
	time.Sleep(time.Duration(o.Milliseconds) * time.Millisecond)
	fmt.Fprint(os.Stderr, o.Stderr)
	if o.Output != "" {
		payload = []byte(o.Output)
	}
	if _, err := os.Stdout.Write(payload); err != nil {
		fail(err)
	}
	note(dir, "end", o.Key)
	switch {
	case o.FailUntil > 0 && number("SLOTQ_ATTEMPT") < o.FailUntil:
		os.Exit(1)
	case o.ExitUntil > 0 && noted(dir, "end") >= o.ExitUntil:
		os.Exit(0)
	}
	os.Exit(o.Exit)
}

// note appends one line in one write, which no other process's can get into.
func note(dir, what, key string) {
	f, err := os.OpenFile(filepath.Join(dir, "notes"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fail(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %s %s %s %d %d %d %q\n", what, os.Getenv("SLOTQ_JOB_ID"), os.Getenv("SLOTQ_RUN"), os.Getenv("SLOTQ_ATTEMPT"),
		os.Getpid(), worker(), time.Now().UnixNano(), key); err != nil {
		fail(err)
	}
}

// noted is how often the job has noted that, this time included. Its run may be higher: a busy worker gives jobs back that
// it has not started, and one whose lease is over stops them.
func noted(dir, what string) int {
	notes, err := os.ReadFile(filepath.Join(dir, "notes"))
	if err != nil {
		fail(err)
	}
	return strings.Count("\n"+string(notes), "\n"+what+" "+os.Getenv("SLOTQ_JOB_ID")+" ")
}

// lock takes a lock that lasts until this process ends; false = somebody has it.
func lock(dir, name string) bool {
	fd, err := syscall.Open(filepath.Join(dir, "locks", name), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		fail(err)
	}
	if syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return true
	}
	_ = syscall.Close(fd)
	return false
}

// place takes one of the key's places.
func place(dir string, o orders) bool {
	for i := range max(o.Limit, 1) {
		if lock(dir, fmt.Sprintf("key-%s-%d", o.Key, i)) {
			return true
		}
	}
	return false
}

// worker is the process id of the worker: the parent of this process's parent, the shim.
func worker() int { return parent(os.Getppid()) }

func parent(pid int) int {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

func number(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "witness:", err)
	os.Exit(70)
}
