package dbserver

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// command is what to run, and as whom.
type command struct {
	path string
	args []string
	dir  string
	user *syscall.Credential // nil: the user of this process
	bin  string              // a directory of programs that go before those of PATH; "" = none
}

// environ is all of the environment: no setting of the user's reaches the server.
func (c command) environ() []string {
	path := os.Getenv("PATH")
	if c.bin != "" {
		path = c.bin + ":" + path
	}
	return []string{"PATH=" + path, "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// process is a running server.
type process struct {
	pid  int
	log  string
	done chan struct{} // closed when it has ended
	err  error         // how it ended; to be read after done
}

// startProcess starts c with its output appended to a log file. The server dies with this process.
func startProcess(c command, logName string) (*process, error) {
	log, err := os.OpenFile(logName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Env = c.environ()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(c.user)
	p := &process{log: logName, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the *thread* that started the child ends. So one goroutine keeps its
		// thread from the start of the child to its end, and takes it along.
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.path, err)
	}
	return p, nil
}

// run runs c to its end with the given input.
func run(c command, input string) error {
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Stdin = c.dir, strings.NewReader(input)
	cmd.Env = c.environ()
	cmd.SysProcAttr = attributes(c.user)
	runtime.LockOSThread() // see startProcess
	defer runtime.UnlockOSThread()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w:\n%s", c.path, err, tail(string(output)))
	}
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process and its descendants and waits for them.
func (p *process) kill() {
	if p.ended() {
		return // its id may be another's by now
	}
	// Stopped first, so that it starts no further children while they are counted; PostgreSQL's would live on for a
	// moment without it and keep the next server off the data.
	_ = syscall.Kill(p.pid, syscall.SIGSTOP)
	children := descendants(p.pid)
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	<-p.done
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for _, child := range children {
		for alive(child) {
			<-again.C // they are not ours to wait for
		}
	}
}

// signalTree sends a signal to the process and its descendants: the process first when it is to stop, so that it
// starts no further ones, and last when it is to go on, so that it does not find them dead.
func (p *process) signalTree(sig syscall.Signal) error {
	if sig == syscall.SIGSTOP {
		if err := syscall.Kill(p.pid, sig); err != nil {
			return err
		}
	}
	for _, child := range descendants(p.pid) {
		_ = syscall.Kill(child, sig) // it may have ended by itself
	}
	if sig == syscall.SIGSTOP {
		return nil
	}
	return syscall.Kill(p.pid, sig)
}

func (p *process) logTail() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return tail(string(content))
}

// tail returns the last lines of a text.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}
