package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that a test runs. It is killed at the test's end at the latest, and dies with the test binary.
type Process struct {
	Name string
	Pid  int
	URL  string // where it answers health checks; "" = nowhere

	log   string
	done  chan struct{} // closed when it has ended
	state *os.ProcessState
}

var (
	logMu  sync.Mutex
	logged = map[string]int{} // how many processes of a name a directory has logs of
)

// Start runs a program with its output in a file of dir. environ is all of its environment.
func Start(t TB, name, dir, path string, args, environ []string) *Process {
	t.Helper()
	logMu.Lock()
	key := filepath.Join(dir, name)
	logged[key]++
	p := &Process{Name: fmt.Sprintf("%s-%d", name, logged[key]), done: make(chan struct{})}
	logMu.Unlock()
	p.log = filepath.Join(dir, p.Name+".log")
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environ, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread that started the child ends, so it is kept until then.
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			p.Pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its state
			p.state = cmd.ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", p.Name, err)
	}
	t.Cleanup(func() {
		children := Descendants(p.Pid)
		p.Kill()
		if left := awaitEnd(children, 15*time.Second); len(left) > 0 {
			t.Errorf("%s has left processes behind: %v", p.Name, left)
		}
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", p.Name, tail(p.Log(), 40))
		}
	})
	return p
}

// Kill ends the process as kill -9 does and returns when it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Signal sends a signal, unless the process has ended.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done: // its id may be another's by now
	default:
		_ = syscall.Kill(p.Pid, s)
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether it has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Exit waits for the process's end and returns its exit code, -1 after a signal.
func (p *Process) Exit(t TB, limit time.Duration) int {
	t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-p.done:
		return p.state.ExitCode()
	case <-late.C:
		t.Fatalf("%s has not ended within %s", p.Name, limit)
		return 0
	}
}

// Log is what the process has written so far.
func (p *Process) Log() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
