package command

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func TestTopDrawsOnATerminalAndGivesItBackOnCtrlC(t *testing.T) {
	b := newBench(t)
	b.worker("host-1", "k")
	for _, name := range []string{"mail", "photo", "a-name-that-is-longer-than-the-screen-is-wide"} {
		b.enqueue(name, "k", nil)
	}
	x := newTerminal(t)
	size := struct{ rows, columns, x, y uint16 }{rows: 12, columns: 40}
	ioctl(t, x.pty, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	top := exec.CommandContext(t.Context(), os.Args[0], "top", "--interval=20ms")
	top.Env = append(os.Environ(), "SLOTQ_TEST_MAIN=1", "SLOTQ_DATABASE_URL="+b.url)
	top.Stdin, top.Stdout, top.Stderr = x.tty, x.tty, x.tty
	top.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := top.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- top.Wait() }()
	b.enqueue("new", "k", nil)
	waitFor(t, "a queue to appear that came later", func() bool { return strings.Contains(x.text(), "\nnew ") })
	if _, err := x.pty.WriteString("\x03"); err != nil { // as the keyboard does
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		_ = top.Process.Kill()
		t.Fatal("Ctrl-C does not end it")
	}
	shown := strings.TrimSuffix(x.close(), "^C") // the terminal's echo, which may come after the end
	if !strings.HasPrefix(shown, enter) || !strings.HasSuffix(shown, leave) || strings.Count(shown, enter) != 1 {
		t.Errorf("it did not give the terminal back: begins %.30q, ends %q", shown, shown[max(len(shown)-60, 0):])
	}
	for _, frame := range strings.Split(shown, home)[1:] {
		lines := strings.Split(frame, "\r\n")
		if len(lines) > 12 {
			t.Errorf("%d lines on a screen of 12", len(lines))
		}
		for _, line := range lines {
			if text, _, _ := strings.Cut(line, "\x1b"); len([]rune(text)) > 40 {
				t.Errorf("%q is wider than 40 columns", text)
			}
		}
	}
}
