package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// The limits of every hostile handler.
const (
	timeout = 2 * time.Second
	grace   = 500 * time.Millisecond
)

// hostileJobs are shell scripts that must end by force, and what their error says.
var hostileJobs = []struct{ kind, script, says string }{
	{"memory", "exec tail /dev/zero", "memory limit of 64 MiB"},
	{"memory.spread", "for i in 1 2 3 4 5 6 7 8; do (head -c 24M /dev/zero; sleep 60) | tail -n 1 & done; wait", "memory limit of 64 MiB"},
	{"forks", "while :; do sleep 60 & done", "limit of 50 processes"},
	{"forks.sessions", "while :; do setsid sleep 60 & done", "limit of 50 processes"},
	{"bomb", "f() { f & f & sleep 0.05; wait; }; f", "limit of 50 processes"},
	{"flood", "exec yes", "timeout of 2s"},
	{"flood.stderr", "exec yes >&2", "timeout of 2s"},
	{"deaf", `trap "" TERM INT HUP; while :; do sleep 60; done`, "timeout of 2s"},
	{"stopped", `kill -STOP $$`, "timeout of 2s"},
	{"busy", `while :; do :; done`, "timeout of 2s"},
	{"silent", `exec >&- 2>&- <&-; exec sleep 60`, "timeout of 2s"},
	{"heir", `(trap "" TERM HUP; setsid sh -c 'while :; do echo still here; sleep 0.01; done' &); exit 3`, "exit status 3"},
	{"heir.naked", `(env -i setsid sleep 60 &); exit 3`, "exit status 3"},
}

func hostileHandlers(targets map[string]string) string {
	var b strings.Builder
	b.WriteString("handlers:\n  good: {exec: [cat], timeout: 20s}\n")
	for _, h := range hostileJobs {
		fmt.Fprintf(&b, "  %s:\n    exec: [sh, -c, %q]\n    timeout: %s\n    grace: %s\n    memory: 64MiB\n    processes: 50\n",
			h.kind, h.script, timeout, grace)
	}
	for kind, url := range targets {
		fmt.Fprintf(&b, "  %s: {http: '%s', timeout: %s, allow: [127.0.0.0/8]}\n", kind, url, timeout)
	}
	return b.String()
}

func TestAHostileJobEndsWithinItsLimitAndHarmsNobody(t *testing.T) {
	t.Parallel() // it mostly waits
	targets := startTargets(t)
	s, _, worker := onSQLite(t, hostileHandlers(targets.urls()))
	for range 2 { // what the worker opens once is no growth
		neighbours(t, s)
	}
	files, routines := descriptors(t, worker), goroutines(t, s, worker)

	for _, h := range hostileJobs {
		t.Run(h.kind, func(t *testing.T) {
			j := attempt(t, s, h.kind)
			says(t, j, h.says)
			if len(j.Output) > 2*(64<<10) { // as a JSON string each newline takes two
				t.Errorf("%d bytes of output are kept", len(j.Output))
			}
			err := system.Await(t.Context(), 2*time.Second, func() error {
				if left := system.ProcessesOf(j.ID); len(left) > 0 {
					return fmt.Errorf("processes %v", left)
				}
				return nil
			})
			if err != nil {
				t.Errorf("left 2 s after the job: %v", err)
			}
			alive(t, s, worker)
		})
	}
	for _, target := range hostileTargets {
		t.Run(target.kind, func(t *testing.T) {
			j := attempt(t, s, target.kind)
			says(t, j, target.says)
			if j.State != target.state {
				t.Errorf("it is %v, want %v", j.State, target.state)
			}
			if wait := j.RunAt.Sub(j.StartedAt); target.wait > 0 && wait < target.wait {
				t.Errorf("again after %s, and the target asked for %s", wait, target.wait)
			}
			if len(j.Output) > 64<<10+2 {
				t.Errorf("%d bytes of output are kept", len(j.Output))
			}
			alive(t, s, worker)
		})
	}
	targets.close()
	err := system.Await(t.Context(), 40*time.Second, func() error { // idle connections go after 30 s
		// A connection to the SQLite file has three descriptors, and the pool may come to hold some more of them.
		if f, r := descriptors(t, worker), goroutines(t, s, worker); f > files+12 || r > routines+6 {
			return fmt.Errorf("%d files, %d before; %d goroutines, %d before", f, files, r, routines)
		}
		return nil
	})
	if err != nil {
		t.Errorf("the worker has grown: %v", err)
	}
}

// attempt runs a hostile job beside good ones until its first attempt is over, which it must be within its limits.
func attempt(t *testing.T, s *system.System, kind string) wire.Job {
	t.Helper()
	id := post(t, s, wire.NewJob{Kind: kind, Payload: []byte(`{}`), Backoff: &wire.Backoff{Kind: job.BackoffList, List: []float64{3600}}})
	began := time.Now()
	neighbours(t, s)
	limit := timeout + grace + 500*time.Millisecond + noise
	j := inState(t, s, id, limit, job.Retryable, job.Discarded, job.Completed)
	t.Logf("over after %s: %.300s", time.Since(began).Round(10*time.Millisecond), fmt.Sprint(j.Errors))
	if j.Run != 1 || j.Crashes != 0 {
		t.Errorf("run %d, %d crashes", j.Run, j.Crashes)
	}
	return j
}

// neighbours runs good jobs and waits for them.
func neighbours(t *testing.T, s *system.System) {
	t.Helper()
	var ids []job.ID
	for range 10 {
		ids = append(ids, post(t, s, wire.NewJob{Kind: "good", Payload: []byte(`"neighbour"`)}))
	}
	for _, id := range ids {
		if j := inState(t, s, id, 10*time.Second, job.Completed); string(j.Output) != `"neighbour"` {
			t.Errorf("a neighbour's output is %s", j.Output)
		}
	}
}

// says fails the test unless the job's one error does.
func says(t *testing.T, j wire.Job, what string) {
	t.Helper()
	if what == "" && len(j.Errors) == 0 {
		return
	}
	if len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Message, what) {
		t.Errorf("errors %.300s, want one that says %q", fmt.Sprint(j.Errors), what)
	}
}

// alive fails the test unless the worker has survived and serves good jobs.
func alive(t *testing.T, s *system.System, worker *system.Process) {
	t.Helper()
	if !worker.Running() {
		t.Fatal("the worker has died")
	}
	neighbours(t, s)
}
