package deploy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// session is run.sh at work.
type session struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan error

	mu    sync.Mutex
	lines []string
}

func startRun(t *testing.T, dir string) *session {
	t.Helper()
	s := &session{t: t, ended: make(chan error, 1)}
	s.cmd = exec.Command("bash", "deploy/run.sh")
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), "SLOTQ_DATABASE_URL=")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = write, write
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	go func() {
		for in := bufio.NewScanner(read); in.Scan(); {
			s.mu.Lock()
			s.lines = append(s.lines, in.Text())
			s.mu.Unlock()
		}
		io.Copy(io.Discard, read)
		read.Close()
		s.ended <- s.cmd.Wait() // the pipe is closed by the last process that holds it: nothing is left behind then
	}()
	t.Cleanup(func() {
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		for _, pid := range s.pids() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Log("run.sh said:\n" + s.said())
		}
	})
	return s
}

func (s *session) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// find waits for a line that matches and returns its first group.
func (s *session) find(limit time.Duration, pattern string) string {
	s.t.Helper()
	var found string
	re := regexp.MustCompile(`(?m)` + pattern)
	await(s.t, limit, "a line like "+pattern, func() error {
		match := re.FindStringSubmatch(s.said())
		if match == nil {
			return fmt.Errorf("not among\n%s", s.said())
		}
		found = match[len(match)-1]
		return nil
	})
	return found
}

var pidWord = regexp.MustCompile(`\bpid (\d+)`)

// pids are the processes that run.sh has told of.
func (s *session) pids() (pids []int) {
	for _, match := range pidWord.FindAllStringSubmatch(s.said(), -1) {
		if pid, err := strconv.Atoi(match[1]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestRunScript(t *testing.T) {
	system.OwnRunPorts(t)
	// The port of the first api is taken: by this test, or by a program that is none of its business and may end at any time.
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	if err == nil {
		defer l.Close()
	}
	dir := system.Checkout(t)
	s := startRun(t, dir)

	// What it prints.
	s.find(5*time.Minute, `^the page +(http://\S+)$`)
	base := strings.TrimSuffix(s.find(time.Second, `^the page +(http://\S+)$`), "/")
	if l != nil && strings.HasSuffix(base, ":8080") {
		t.Errorf("the api is at %s, whose port was taken", base)
	}
	worker := s.find(time.Second, `^break it +kill -9 (\d+)$`)
	parts := []string{worker, s.find(time.Second, `^  api .*pid (\d+)$`), s.find(time.Second, `^  manager .*pid (\d+)$`)}
	curl := s.find(time.Second, `^a job +(curl --json .*)$`)
	for path, mode := range map[string]os.FileMode{"data": 0o700 | os.ModeDir, "data/slotq.db": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info, err, mode)
		}
	}

	// The line to try is what a person pastes.
	cmd := exec.Command("bash", "-c", curl)
	cmd.Dir = dir
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%s: %v\n%s", curl, err, out)
	}
	s.find(20*time.Second, `worker: (completed demo\.thumbnail .*)$`)
	checkThumbnail(t, filepath.Join(dir, "data", "thumbnail.jpg"))

	// The line to break it: the worker dies with a job, comes back, and the job runs again. As nothing is promised for
	// one death at a time, the others die with it.
	client, err := wire.NewClient(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := client.Enqueue(t.Context(), wire.NewJob{Kind: "demo.stuck", MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "demo.stuck to run", func() error {
		j, err := client.Get(t.Context(), slow.ID)
		if err == nil && j.State != job.Running {
			err = fmt.Errorf("it is %s", j.State)
		}
		return err
	})
	for _, text := range parts {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"api", "worker", "manager"} {
		s.find(20*time.Second, `^`+part+` died .* started again with pid (\d+)`)
	}
	await(t, 20*time.Second, "the api to answer again", func() error { return ready(t.Context(), strings.TrimPrefix(base, "http://")) })
	await(t, 30*time.Second, "demo.stuck to run again and to end", func() error {
		j, err := client.Get(t.Context(), slow.ID)
		if err == nil && (j.State != job.Discarded || j.Crashes != 1 || j.Run < 2) {
			err = fmt.Errorf("it is %s, crashes %d, run %d", j.State, j.Crashes, j.Run)
		}
		return err
	})
	// demo.http finds the api on the port that was taken instead.
	hook, err := client.Enqueue(t.Context(), wire.NewJob{Kind: "demo.http", Payload: []byte(`{"kind": "demo.shell"}`)})
	if err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "demo.http to complete", func() error {
		j, err := client.Get(t.Context(), hook.ID)
		if err == nil && j.State != job.Completed {
			err = fmt.Errorf("it is %s: %v", j.State, j.Errors)
		}
		return err
	})

	// Stop, with a job running that would rather not.
	if _, err := client.Enqueue(t.Context(), wire.NewJob{Kind: "demo.stuck"}); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("not all of it was gone 30 s after SIGTERM")
	}
	for _, pid := range s.pids() {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d is left behind", pid)
		}
	}
}
