package executor

import (
	"encoding/gob"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// shimConn is the worker's side of one shim process.
type shimConn struct {
	cmd    *exec.Cmd
	socket *os.File

	sending sync.Mutex
	enc     *gob.Encoder

	mu      sync.Mutex
	last    uint64
	pending map[uint64]pendingJob

	// gone is closed when the shim is dead and no process of its jobs is left.
	gone chan struct{}
}

type pendingJob struct {
	marker marker
	result chan ended // room for one
}

// sendPatience is how long a shim may leave a request unread before it is taken for dead.
const sendPatience = 5 * time.Second

// startShim runs this program's own binary as a shim. An upgrade may have replaced the file; /proc/self/exe is still
// the binary that runs.
func startShim() (*shimConn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("making the shim's socket: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "shim")
	defer theirs.Close()
	c := &shimConn{
		socket:  os.NewFile(uintptr(fds[0]), "shim"),
		pending: map[uint64]pendingJob{},
		gone:    make(chan struct{}),
	}
	c.enc = gob.NewEncoder(c.socket)
	c.cmd = exec.Command("/proc/self/exe")
	c.cmd.Args = []string{"slotq-shim"}
	// Nothing else: the worker's environment holds secrets, and a job of the same user can read the shim's.
	c.cmd.Env = []string{shimVariable + "=" + strconv.Itoa(shimFD)}
	for _, name := range []string{"GOCOVERDIR", "GORACE"} { // read by the Go runtime of instrumented test binaries
		if value, ok := os.LookupEnv(name); ok {
			c.cmd.Env = append(c.cmd.Env, name+"="+value)
		}
	}
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.Stderr = os.Stderr
	// A session of its own, so that a terminal's Ctrl-C reaches the worker only.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.cmd.Start(); err != nil {
		c.socket.Close()
		return nil, fmt.Errorf("starting the shim: %w", err)
	}
	go c.receive()
	return c, nil
}

// receive hands out the reports until the shim is dead, and clears up after it.
func (c *shimConn) receive() {
	dec := gob.NewDecoder(c.socket)
	for {
		var e ended
		if err := dec.Decode(&e); err != nil {
			break
		}
		c.mu.Lock()
		job, ok := c.pending[e.Job]
		delete(c.pending, e.Job)
		c.mu.Unlock()
		if ok {
			job.result <- e
		}
	}
	// An orderly end comes after Close, when the shim has killed what ran and exits; give it the time for that.
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		c.cmd.Wait()
	}()
	select {
	case <-exited:
	case <-time.After(killPatience + time.Second):
		c.cmd.Process.Kill()
		<-exited
	}
	c.mu.Lock()
	var left []marker
	for _, job := range c.pending {
		left = append(left, job.marker)
	}
	c.mu.Unlock()
	killMarked(left)
	close(c.gone)
	c.sending.Lock() // nobody writes to a descriptor that another file may have got
	c.socket.Close()
	c.sending.Unlock()
}

// jobs is how many it has.
func (c *shimConn) jobs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// start asks for a job to be started. The channel delivers its end, unless gone is closed first.
func (c *shimConn) start(sp *spec) (uint64, <-chan ended) {
	result := make(chan ended, 1)
	c.mu.Lock()
	c.last++
	number := c.last
	c.pending[number] = pendingJob{marker{sp.ID, sp.Run}, result}
	c.mu.Unlock()
	c.send(request{Op: opStart, Job: number, Spec: sp})
	return number, result
}

// send has no error: a shim that does not take a request is killed, and gone tells everybody who waits.
func (c *shimConn) send(r request) {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.socket.SetWriteDeadline(time.Now().Add(sendPatience))
	if err := c.enc.Encode(r); err != nil {
		c.kill()
	}
}

func (c *shimConn) kill() { c.cmd.Process.Kill() }

// close tells the shim to kill what it runs and to exit, and waits for that.
func (c *shimConn) close() {
	c.sending.Lock()
	if raw, err := c.socket.SyscallConn(); err == nil {
		// Only the sending side: the shim sees the end of the worker, and what it still reports is received.
		raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) })
	}
	c.sending.Unlock()
	select {
	case <-c.gone:
	case <-time.After(killPatience + sendPatience): // a frozen shim
		c.kill()
		<-c.gone
	}
}

// killMarked kills the processes of runs whose shim is dead: the parent death signal took the jobs' main processes, and
// the rest has gone to the system's init. What wiped the marker from its environment as well cannot be found.
func killMarked(runs []marker) {
	if len(runs) == 0 {
		return
	}
	wanted := map[marker]bool{}
	for _, run := range runs {
		wanted[run] = true
	}
	for deadline, quiet := time.Now().Add(killPatience), 0; quiet < quietPasses && time.Now().Before(deadline); {
		found := false
		for _, pid := range pids() {
			if !wanted[readMarker(pid)] || pid == os.Getpid() {
				continue
			}
			// These are not our children, so a number may go to another process at any time: hold the process itself and
			// look again at whose it is.
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				continue
			}
			if p, err := readProcess(pid); err == nil && !p.dead && wanted[readMarker(pid)] {
				found = true
				unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			}
			unix.Close(fd)
		}
		if quiet++; found {
			quiet = 0
			time.Sleep(time.Millisecond)
		}
	}
}
