package executor

import (
	"os"
	"strings"
	"testing"
	"time"
)

// limited runs a script under limits.
func limited(t *testing.T, limits Limits, script string, change ...func(*Task)) Result {
	t.Helper()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", t.TempDir(), "PATH", os.Getenv("PATH"))})
	cmd, err := sub.Command(CommandConfig{
		Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Grace: 300 * time.Millisecond, Env: []string{"DIR"}, Limits: limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	tk := task()
	for _, c := range change {
		c(&tk)
	}
	r := cmd.Execute(t.Context(), tk)
	for _, pid := range pids() {
		if p, err := readProcess(pid); err == nil && !p.dead && readMarker(pid).id == tk.ID {
			t.Errorf("process %d is left", pid)
		}
	}
	return r
}

// Each grows to far more than the limits of the tests and not much further, should the limits not hold.
var (
	eaters = map[string]string{
		"AtOnce":           `head -c 1G /dev/zero | tail -n 1`,
		"InManyProcesses":  `for i in 1 2 3 4 5 6 7 8; do (head -c 24M /dev/zero; sleep 20) | tail -n 1 & done; wait`,
		"InItsOwnSession":  `setsid sh -c 'head -c 1G /dev/zero | tail -n 1' & wait`,
		"AsADaemon":        `(setsid sh -c 'head -c 1G /dev/zero | tail -n 1; sleep 20' &); sleep 20`,
		"WithoutItsMarker": `(env -i setsid sh -c 'head -c 1G /dev/zero | tail -n 1; sleep 20' &); sleep 20`,
	}
	forkers = map[string]string{
		"InItsGroup":   `i=0; while [ $i -lt 2000 ]; do sleep 20 & i=$((i+1)); done; wait`,
		"InSessions":   `i=0; while [ $i -lt 2000 ]; do setsid sleep 20 & i=$((i+1)); done; wait`,
		"Doubling":     `f() { [ $1 -gt 11 ] && exec sleep 20; f $(($1+1)) & f $(($1+1)) & wait; }; f 1`,
		"AsDaemons":    `i=0; while [ $i -lt 2000 ]; do (setsid sleep 20 &); i=$((i+1)); done; sleep 20`,
		"InOnePipe":    `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do sleep 20 & done; wait`,
		"BelowAChild":  `sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do sleep 20 & done; wait'; :`,
		"IgnoringTerm": `trap "" TERM; i=0; while [ $i -lt 2000 ]; do sleep 20 & i=$((i+1)); done; wait`,
	}
)

func TestJobOverItsMemoryLimitIsKilledAndSaysSo(t *testing.T) {
	for name, script := range eaters {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r := limited(t, Limits{Memory: 64 << 20}, "echo before; echo eating >&2; "+script)
			wantOutcome(t, r, Failed, TypeMemory)
			if r.Message != "killed: used more than its memory limit of 64 MiB: eating" || string(r.Output) != "before\n" {
				t.Errorf("%q, output %q", r.Message, r.Output)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("only after %v", d)
			}
		})
	}
}

func TestJobOverItsLimitOfProcessesIsKilledAndSaysSo(t *testing.T) {
	for name, script := range forkers {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r := limited(t, Limits{Processes: 20}, script)
			wantOutcome(t, r, Failed, TypeProcesses)
			if r.Message != "killed: had more than its limit of 20 processes" {
				t.Errorf("%q", r.Message)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("only after %v", d)
			}
		})
	}
}

func TestJobWithinItsLimitsIsLeftAlone(t *testing.T) {
	r := limited(t, Limits{Memory: 256 << 20, Processes: 20},
		`(head -c 40M /dev/zero; sleep 0.4) | tail -n 1 | wc -c; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3 & done; wait; echo over`)
	wantOutcome(t, r, Completed, "")
	if !strings.HasSuffix(string(r.Output), "over\n") {
		t.Errorf("output %q", r.Output)
	}
}

func TestTimeoutThatCameFirstStaysTheReason(t *testing.T) {
	r := limited(t, Limits{Processes: 3}, `trap "for i in 1 2 3 4 5 6; do sleep 20 & done; wait" TERM; sleep 0.8; sleep 20`,
		func(tk *Task) { tk.Timeout = 200 * time.Millisecond })
	wantOutcome(t, r, TimedOut, TypeTimeout)
}

// TestForkedPagesCountOnce: what a process shares with the one it was forked from is no memory of its own.
func TestForkedPagesCountOnce(t *testing.T) {
	// A shell with a large variable, whose subshells share it.
	r := limited(t, Limits{Memory: 96 << 20},
		`a=$(head -c 16M /dev/zero | tr '\0' x); for i in 1 2 3 4 5 6 7 8; do (sleep 0.5; :) & done; wait; echo over`)
	wantOutcome(t, r, Completed, "")
	if string(r.Output) != "over\n" {
		t.Errorf("output %q", r.Output)
	}
}
