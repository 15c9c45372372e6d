package executor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is the shim, or a whole worker that a test kills or freezes, when it is started as one.
func TestMain(m *testing.M) {
	ShimMain()
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the shims: each would take a second to exit
	if script := os.Getenv("EXECUTOR_TEST_WORKER"); script != "" {
		workerMain(script)
	}
	goleak.VerifyTestMain(m)
}

// workerMain runs one job from a shell script under a lease of EXECUTOR_TEST_LEASE, and prints its result.
func workerMain(script string) {
	lease, err := time.ParseDuration(os.Getenv("EXECUTOR_TEST_LEASE"))
	if err != nil {
		panic(err)
	}
	sub, err := NewSubprocess(SubprocessOptions{Insecure: true})
	if err != nil {
		panic(err)
	}
	sub.ExtendLease(BootTime() + int64(lease))
	cmd, err := sub.Command(CommandConfig{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Grace: time.Minute,
		Env: []string{"DIR"}})
	if err != nil {
		panic(err)
	}
	r := cmd.Execute(context.Background(), task())
	fmt.Println(r.Outcome, r.ErrorType)
	os.Exit(0)
}

// jobID is of this process only: (id, run) is unique in the world, and what is left of a run is found by it.
var jobID = fmt.Sprintf("0197a3c0-0000-7000-8000-%012d", os.Getpid())

func task() Task {
	return Task{ID: jobID, Kind: "mail.send", Queue: "mail", Slot: 7, Attempt: 2, MaxAttempts: 25, Run: 3,
		Payload: []byte(`{"to": "a"}`), Deadline: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Timeout: 30 * time.Second, TimeoutFrom: "handler"}
}

// owner is a Subprocess with a lease for the test, closed at its end.
func owner(t *testing.T, opts SubprocessOptions) *Subprocess {
	t.Helper()
	opts.Insecure = true
	sub, err := NewSubprocess(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sub.Close() })
	sub.ExtendLease(BootTime() + int64(time.Hour))
	return sub
}

// shell is a command that runs a script, with $DIR as a place for its files.
func shell(t *testing.T, sub *Subprocess, script string) *Command {
	t.Helper()
	cmd, err := sub.Command(CommandConfig{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Grace: 300 * time.Millisecond, Env: []string{"DIR"}})
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

// sh runs a script as a job of its own, under a fresh owner.
func sh(t *testing.T, script string, change ...func(*Task)) (Result, string) {
	t.Helper()
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	tk := task()
	for _, f := range change {
		f(&tk)
	}
	return shell(t, sub, script).Execute(context.Background(), tk), dir
}

func lookupWith(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return os.LookupEnv(name)
	}
}

// eventually waits for a condition that other processes bring about.
func eventually(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(2 * time.Millisecond) {
		last := time.Now().After(deadline) // before the look: a machine that stalls between the two is no reason to fail
		if cond() {
			return
		}
		if last {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// pidIn waits for a script to have written a pid into a file.
func pidIn(t *testing.T, dir, name string) int {
	t.Helper()
	var pid int
	eventually(t, 30*time.Second, "a pid in "+name, func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		if !strings.HasSuffix(string(b), "\n") {
			return false
		}
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return pid > 0
	})
	return pid
}

func alive(pid int) bool {
	p, err := readProcess(pid)
	return err == nil && !p.dead
}

func wantOutcome(t *testing.T, r Result, outcome Outcome, errorType string) {
	t.Helper()
	if r.Outcome != outcome || r.ErrorType != errorType {
		t.Fatalf("got %v %q (%s), output %.200q; want %v %q", r.Outcome, r.ErrorType, r.Message, r.Output, outcome, errorType)
	}
}
