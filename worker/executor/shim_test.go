package executor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Scripts that leave a process behind and write its pid to $DIR/left.
var leavers = map[string]string{
	"InTheBackground":       `sleep 100 & echo $! > $DIR/left`,
	"InItsOwnSession":       `setsid sh -c 'echo $$ > $DIR/left; exec sleep 100' & until [ -s $DIR/left ]; do sleep 0.01; done`,
	"Daemonized":            `(setsid sh -c 'echo $$ > $DIR/left; exec sleep 100' &); until [ -s $DIR/left ]; do sleep 0.01; done`,
	"WithoutItsEnvironment": `(env -i DIR=$DIR setsid sh -c 'echo $$ > $DIR/left; exec /bin/sleep 100' &); until [ -s $DIR/left ]; do sleep 0.01; done`,
	"IgnoringTerm":          `(trap "" TERM HUP INT; setsid sh -c 'echo $$ > $DIR/left; while :; do sleep 1; done' &); until [ -s $DIR/left ]; do sleep 0.01; done`,
	"Stopped":               `sh -c 'kill -STOP $$' & echo $! > $DIR/left`,
	"ThreeSessionsDeep":     `setsid sh -c 'setsid sh -c "setsid sh -c \"echo \\\$\\\$ > $DIR/left; sleep 100; :\"; :"; :' & until [ -s $DIR/left ]; do sleep 0.01; done`,
	"ForkingAllTheTime":     `(setsid sh -c 'echo $$ > $DIR/left; while :; do /bin/true; done' &); until [ -s $DIR/left ]; do sleep 0.01; done`,
}

func TestGrandchildDiesWithTheJob(t *testing.T) {
	for name, script := range leavers {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r, dir := sh(t, script+"; echo over")
			wantOutcome(t, r, Completed, "")
			if string(r.Output) != "over\n" {
				t.Errorf("output %q", r.Output)
			}
			if alive(pidIn(t, dir, "left")) {
				t.Error("the process it left still runs")
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("the job took %v: it waited for what it left behind", d)
			}
		})
		t.Run(name+"/Timeout", func(t *testing.T) {
			t.Parallel() // beside each other: the limit leaves a slow machine time to begin, and is waited for
			r, dir := sh(t, script+`; trap "" TERM; while :; do sleep 1; done`, func(tk *Task) { tk.Timeout = 3 * time.Second })
			wantOutcome(t, r, TimedOut, TypeTimeout)
			if alive(pidIn(t, dir, "left")) {
				t.Error("the process it left still runs")
			}
		})
	}
}

func TestGrandchildInItsOwnSessionDiesWithTheJob(t *testing.T) {
	r, dir := sh(t, leavers["InItsOwnSession"])
	wantOutcome(t, r, Completed, "")
	if alive(pidIn(t, dir, "left")) {
		t.Error("still runs")
	}
}

func TestBackgroundProcessOfARunningJobOutlivesTheEndOfAnother(t *testing.T) {
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	keeper := shell(t, sub, leavers["Daemonized"]+`; echo > $DIR/ready; until [ -e $DIR/go ]; do sleep 0.01; done; kill -0 $(cat $DIR/left)`)
	result := make(chan Result)
	go func() { result <- keeper.Execute(t.Context(), task()) }()
	pid := pidIn(t, dir, "left")
	eventually(t, 5*time.Second, "the job is ready", func() bool { _, err := os.Stat(dir + "/ready"); return err == nil })
	other := task()
	other.Run++
	wantOutcome(t, shell(t, sub, "true").Execute(t.Context(), other), Completed, "")
	if !alive(pid) {
		t.Error("the end of one job killed the background process of another")
	}
	os.WriteFile(dir+"/go", nil, 0o600)
	wantOutcome(t, <-result, Completed, "")
	if alive(pid) {
		t.Error("still runs after its own job")
	}
}

func TestForkBombDies(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	// Bounded, so that a broken executor does not take the machine along: some fifty processes that fork all the time.
	r, dir := sh(t, `echo $$ > $DIR/left; bomb() { for i in 1 2 3 4 5 6 7 8 9 10; do (while :; do (sleep 0.05) & wait; done) & done; }
		for i in 1 2 3 4; do setsid sh -c "echo; for j in 1 2 3 4 5 6 7 8 9 10; do (while :; do sleep 0.05; done) & done; wait" & done
		bomb; wait`, func(tk *Task) { tk.Timeout = 2 * time.Second })
	wantOutcome(t, r, TimedOut, TypeTimeout)
	pidIn(t, dir, "left")
	for _, pid := range pids() {
		if p, err := readProcess(pid); err == nil && !p.dead && readMarker(pid).id == task().ID {
			t.Errorf("process %d is left", pid)
		}
	}
}

// startWorker starts a worker process that runs a script as a job.
func startWorker(t *testing.T, lease time.Duration, script string) (worker *exec.Cmd, dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), "EXECUTOR_TEST_WORKER="+script, "EXECUTOR_TEST_LEASE="+lease.String(), "DIR="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, dir
}

// everything leaves processes behind in each way, goes on ignoring TERM, and says when it is all there.
func everything() string {
	var b strings.Builder
	for name, script := range leavers {
		fmt.Fprintf(&b, "mkdir $DIR/%[1]s; (DIR=$DIR/%[1]s; export DIR; %[2]s)\n", name, script)
	}
	return b.String() + `trap "" TERM; echo $$ > $DIR/main; while :; do sleep 1; done`
}

func everyPid(t *testing.T, dir string) []int {
	t.Helper()
	out := []int{pidIn(t, dir, "main")}
	for name := range leavers {
		out = append(out, pidIn(t, filepath.Join(dir, name), "left"))
	}
	return out
}

func TestKilledWorkerLeavesNoProcess(t *testing.T) {
	worker, dir := startWorker(t, time.Hour, everything())
	all := everyPid(t, dir)
	worker.Process.Kill()
	for _, pid := range all {
		eventually(t, 2*time.Second, fmt.Sprintf("the death of process %d", pid), func() bool { return !alive(pid) })
	}
}

func TestFrozenWorkerChildDiesBeforeLeaseEnd(t *testing.T) {
	const lease, tries = 10 * time.Second, 3
	for try := 1; ; try++ {
		late, stalled := freeze(t, lease)
		switch {
		case late <= 0:
			return
		case !stalled || try == tries:
			t.Fatalf("the last process died %v after the end of the lease", late)
		}
		t.Logf("%v after the end of the lease, on a machine that stood still around it: once more", late)
	}
}

// freeze stops a worker with everything, and returns how long after the end of its lease the last process was seen alive,
// and whether the test itself was kept from looking meanwhile: then the shim may have been kept from killing too.
func freeze(t *testing.T, lease time.Duration) (late time.Duration, stalled bool) {
	t.Helper()
	begun := time.Now()
	worker, dir := startWorker(t, lease, everything())
	all := everyPid(t, dir)
	if err := worker.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, pid := range all {
		if !alive(pid) {
			t.Fatalf("process %d is dead after %v, before the lease nears its end", pid, time.Since(begun))
		}
	}
	looked := time.Now()
	for deadline := begun.Add(lease + 20*time.Second); len(all) > 0; time.Sleep(5 * time.Millisecond) {
		now := time.Now()
		if now.After(deadline) {
			t.Fatalf("%d processes still run %v after the end of the lease", len(all), now.Sub(begun.Add(lease)))
		}
		stalled = stalled || now.Sub(looked) > 200*time.Millisecond
		looked = now
		all = slices.DeleteFunc(all, func(pid int) bool { return !alive(pid) })
		if len(all) > 0 {
			late = now.Sub(begun.Add(lease)) // the worker took its lease after begun: a little stricter than the promise
		}
	}
	return late, stalled
}

func TestJobIsGivenBackAtTheEndOfTheLeaseAndRefusedUntilTheNext(t *testing.T) {
	dir := t.TempDir()
	sub, err := NewSubprocess(SubprocessOptions{Insecure: true, LookupEnv: lookupWith("DIR", dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	cmd := shell(t, sub, `if [ -e $DIR/pid ]; then exit 0; fi; echo $$ > $DIR/pid; exec sleep 100`)
	wantOutcome(t, cmd.Execute(t.Context(), task()), Released, TypeLeaseExpired) // there was no lease yet
	sub.ExtendLease(BootTime() + int64(leaseMargin+2*time.Second))
	wantOutcome(t, cmd.Execute(t.Context(), task()), Released, TypeLeaseExpired)
	if alive(pidIn(t, dir, "pid")) {
		t.Error("still runs")
	}
	wantOutcome(t, cmd.Execute(t.Context(), task()), Released, TypeLeaseExpired)
	sub.ExtendLease(BootTime() + int64(time.Minute))
	wantOutcome(t, cmd.Execute(t.Context(), task()), Completed, "")
}

func TestExtendedLeaseKeepsTheJobAlive(t *testing.T) {
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	sub.RevokeLease()
	end := BootTime() + int64(leaseMargin+3*time.Second)
	sub.ExtendLease(end)
	cmd := shell(t, sub, `echo $$ > $DIR/pid; until [ -e $DIR/go ]; do sleep 0.01; done`)
	result := make(chan Result)
	go func() { result <- cmd.Execute(t.Context(), task()) }()
	pidIn(t, dir, "pid")
	sub.ExtendLease(end + int64(time.Hour))
	eventually(t, 10*time.Second, "the old lease is over", func() bool { return BootTime() > end })
	os.WriteFile(dir+"/go", nil, 0o600)
	wantOutcome(t, <-result, Completed, "")
}

func TestRevokedLeaseKillsAtOnce(t *testing.T) {
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	cmd := shell(t, sub, everything())
	result := make(chan Result)
	go func() { result <- cmd.Execute(t.Context(), task()) }()
	all := everyPid(t, dir)
	sub.RevokeLease()
	wantOutcome(t, <-result, Released, TypeLeaseExpired)
	for _, pid := range all {
		if alive(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
}

// shimPid is the parent of a job's main process.
func shimPid(t *testing.T, job int) int {
	t.Helper()
	p, err := readProcess(job)
	if err != nil {
		t.Fatal(err)
	}
	return p.parent
}

func TestDeadShimGivesItsJobsBackAndIsReplaced(t *testing.T) {
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	cmd := shell(t, sub, leavers["Daemonized"]+`; if [ -e $DIR/again ]; then exit 0; fi; echo $$ > $DIR/pid; sleep 100`)
	result := make(chan Result)
	go func() { result <- cmd.Execute(t.Context(), task()) }()
	pid, left := pidIn(t, dir, "pid"), pidIn(t, dir, "left")
	syscall.Kill(shimPid(t, pid), syscall.SIGKILL)
	wantOutcome(t, <-result, Released, TypeShimDied)
	if alive(pid) || alive(left) {
		t.Error("a process of the job outlived its shim")
	}
	os.WriteFile(dir+"/again", nil, 0o600)
	wantOutcome(t, cmd.Execute(t.Context(), task()), Completed, "")
	other := task()
	other.ID += "-another"
	wantOutcome(t, cmd.Execute(t.Context(), other), Completed, "")
}

func TestJobThatKillsItsShimAgainAloneFails(t *testing.T) {
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	bystander := shell(t, sub, `if [ -e $DIR/pid ]; then echo fine; exit 0; fi; echo $$ > $DIR/pid; sleep 100`)
	other := task()
	other.ID += "-bystander"
	result := make(chan Result)
	go func() { result <- bystander.Execute(t.Context(), other) }()
	pidIn(t, dir, "pid")
	killer := shell(t, sub, `kill -9 $PPID; sleep 100`)
	wantOutcome(t, killer.Execute(t.Context(), task()), Released, TypeShimDied)
	wantOutcome(t, <-result, Released, TypeShimDied)

	wantOutcome(t, killer.Execute(t.Context(), task()), Failed, TypeShimDied)
	wantOutcome(t, bystander.Execute(t.Context(), other), Completed, "")
}

func TestCloseKillsWhatRunsAndIsIdempotent(t *testing.T) {
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	cmd := shell(t, sub, everything())
	result := make(chan Result)
	go func() { result <- cmd.Execute(t.Context(), task()) }()
	all := everyPid(t, dir)
	sub.Close()
	for _, pid := range all {
		if alive(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	if r := <-result; r.Outcome != Released {
		t.Errorf("got %v %s", r.Outcome, r.Message)
	}
	sub.Close()
	if r := cmd.Execute(context.Background(), task()); r.Outcome != Released {
		t.Errorf("after Close: %v %s", r.Outcome, r.Message)
	}
}

func TestShimHoldsNoSecretOfTheWorker(t *testing.T) {
	t.Setenv("SLOTQ_DATABASE_URL", "mysql://root:secret@db/")
	r, _ := sh(t, `tr '\0' '\n' < /proc/$PPID/environ | grep -vE '^(GORACE|GOCOVERDIR)='`)
	wantOutcome(t, r, Completed, "")
	if got := strings.TrimSpace(string(r.Output)); got != shimVariable+"="+strconv.Itoa(shimFD) {
		t.Errorf("the shim's environment: %q", got)
	}
}

func TestWholeProcScanFindsTheSameChildren(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for name, list := range map[string]func(int) []int{"children": children, "scan": childrenByScan} {
		found := false
		for _, pid := range list(os.Getpid()) {
			found = found || pid == cmd.Process.Pid
		}
		if !found {
			t.Errorf("%s does not find it", name)
		}
	}
}
