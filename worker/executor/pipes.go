package executor

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pipes are a job's standard input, output and error.
type pipes struct {
	child   [3]int      // the job's ends, blocking; -1 when closed
	ours    [3]*os.File // the shim's ends, non-blocking, so that closing them ends a read or a write; nil when closed
	payload []byte      // what the pipe has not taken
}

// newPipes makes them, with as much of the payload in the first as it takes. That is most often all: a pipe holds 64 KiB,
// and then nobody has to wait for the job to read it.
func newPipes(payload []byte) (*pipes, error) {
	p := &pipes{child: [3]int{-1, -1, -1}, payload: payload}
	for i := range p.child {
		var fd [2]int
		if err := unix.Pipe2(fd[:], unix.O_CLOEXEC); err != nil {
			return p, fmt.Errorf("making its pipes: %w", err)
		}
		theirs, mine := fd[1], fd[0]
		if i == 0 {
			theirs, mine = fd[0], fd[1]
		}
		p.child[i] = theirs
		// Only this end: the flag belongs to the end, and programs do not expect a non-blocking standard output.
		if err := unix.SetNonblock(mine, true); err != nil {
			unix.Close(mine)
			return p, fmt.Errorf("making its pipes: %w", err)
		}
		if i == 0 && p.fill(mine) {
			unix.Close(mine)
			continue
		}
		p.ours[i] = os.NewFile(uintptr(mine), "job")
	}
	return p, nil
}

// fill writes what fits, and reports whether that was all.
func (p *pipes) fill(fd int) bool {
	for len(p.payload) > 0 {
		n, err := unix.Write(fd, p.payload)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false // full, or a trouble that the writing after the start meets again
		}
		p.payload = p.payload[n:]
	}
	return true
}

// pump feeds the rest of the payload and drains both outputs, which it delivers at their end. A job that does not read its
// standard input, or closes it, is no failure: the writing ends with the job, and its errors mean nothing.
func (p *pipes) pump() (out, errs <-chan []byte) {
	if in := p.ours[0]; in != nil {
		go func() {
			io.Copy(in, bytes.NewReader(p.payload))
			in.Close()
		}()
	}
	drain := func(f *os.File) <-chan []byte {
		ch := make(chan []byte, 1)
		go func() {
			var c capture
			c.readFrom(f) // its error is the deadline of finish: what has come stands
			ch <- c.bytes()
		}()
		return ch
	}
	return drain(p.ours[1]), drain(p.ours[2])
}

// finish lets the draining come to its end within drainPatience. What a dead process wrote is in the pipe and is read
// before that.
func (p *pipes) finish() {
	if p.ours[0] != nil {
		p.ours[0].Close()
	}
	for _, f := range p.ours[1:] {
		f.SetReadDeadline(time.Now().Add(drainPatience))
	}
}

func (p *pipes) closeChild() {
	for i, fd := range p.child {
		if fd >= 0 {
			unix.Close(fd)
			p.child[i] = -1
		}
	}
}

func (p *pipes) close() {
	p.closeChild()
	for _, f := range p.ours {
		if f != nil {
			f.Close()
		}
	}
}
