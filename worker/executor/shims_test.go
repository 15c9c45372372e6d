package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// many starts n jobs that run until a file is there, and returns the pids of their main processes and their results.
func many(t *testing.T, sub *Subprocess, n int, until string) (pids []int, results chan Result) {
	t.Helper()
	results = make(chan Result, n)
	dirs := make([]string, n)
	for i := range n {
		dirs[i] = t.TempDir()
		cmd, err := sub.Command(CommandConfig{Path: "/bin/sh", Argv: []string{"sh", "-c",
			fmt.Sprintf(`echo $$ > %s/pid; until [ -e %s ]; do sleep 0.01; done`, dirs[i], until)}})
		if err != nil {
			t.Fatal(err)
		}
		job := task()
		job.ID += fmt.Sprintf("-%s-%d", filepath.Base(dirs[i]), i)
		go func() { results <- cmd.Execute(t.Context(), job) }()
		pids = append(pids, pidIn(t, dirs[i], "pid"))
	}
	return pids, results
}

// longAgo lets the next shim be started at once.
func longAgo(sub *Subprocess) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.started = time.Time{}
}

func TestAFewJobsShareOneShimAndTheDeathOfOneOfSeveralLeavesTheOthersAlone(t *testing.T) {
	until := t.TempDir() + "/go"
	sub := owner(t, SubprocessOptions{})
	sub.most = 2
	first, lost := many(t, sub, crowd, until)
	for _, pid := range first {
		if shimPid(t, pid) != shimPid(t, first[0]) {
			t.Fatal("a few jobs have more than one shim")
		}
	}
	longAgo(sub)
	second, kept := many(t, sub, crowd, until)
	for _, pid := range second {
		if shimPid(t, pid) != shimPid(t, second[0]) || shimPid(t, pid) == shimPid(t, first[0]) {
			t.Fatal("the jobs that came when the first shim had enough are not in the second")
		}
	}
	longAgo(sub)
	third, more := many(t, sub, 1, until)
	if parent := shimPid(t, third[0]); parent != shimPid(t, first[0]) && parent != shimPid(t, second[0]) {
		t.Error("there are more shims than allowed")
	}
	inFirst := shimPid(t, third[0]) == shimPid(t, first[0])

	syscall.Kill(shimPid(t, first[0]), syscall.SIGKILL)
	for range crowd {
		wantOutcome(t, <-lost, Released, TypeShimDied)
	}
	for _, pid := range first {
		if alive(pid) {
			t.Error("a job outlived its shim")
		}
	}
	os.WriteFile(until, nil, 0o600)
	for range crowd {
		wantOutcome(t, <-kept, Completed, "")
	}
	if inFirst {
		wantOutcome(t, <-more, Released, TypeShimDied)
	} else {
		wantOutcome(t, <-more, Completed, "")
	}
}

func TestARevokedLeaseKillsTheJobsOfAllShims(t *testing.T) {
	sub := owner(t, SubprocessOptions{})
	sub.most = 2
	first, killed := many(t, sub, crowd, t.TempDir()+"/never")
	longAgo(sub)
	second, alsoKilled := many(t, sub, 1, t.TempDir()+"/never")
	if shimPid(t, first[0]) == shimPid(t, second[0]) {
		t.Fatal("there is one shim")
	}
	sub.RevokeLease()
	for range crowd {
		wantOutcome(t, <-killed, Released, TypeLeaseExpired)
	}
	wantOutcome(t, <-alsoKilled, Released, TypeLeaseExpired)
	for _, pid := range append(first, second...) {
		if alive(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
}
