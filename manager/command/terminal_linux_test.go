package command

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

// terminal is a pseudo terminal: what a program finds when a person sits before it.
type terminal struct {
	t     *testing.T
	tty   *os.File // the program's side
	pty   *os.File
	mu    sync.Mutex
	shown strings.Builder
	ended chan struct{}
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var number uint32
	ioctl(t, pty, syscall.TIOCGPTN, unsafe.Pointer(&number))
	var unlocked int32
	ioctl(t, pty, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, tty: tty, pty: pty, ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		for buffer := make([]byte, 4096); ; {
			n, err := pty.Read(buffer)
			x.mu.Lock()
			x.shown.Write(buffer[:n])
			x.mu.Unlock()
			if err != nil { // EIO: the program's side is closed
				return
			}
		}
	}()
	t.Cleanup(func() { x.close() })
	return x
}

func ioctl(t *testing.T, f *os.File, request uintptr, to unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(to)); errno != 0 {
		t.Fatal(errno)
	}
}

// text is all that was shown so far.
func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.shown.String()
}

// close ends the terminal and returns all that was shown.
func (x *terminal) close() string {
	x.tty.Close()
	<-x.ended
	x.pty.Close()
	return x.text()
}
