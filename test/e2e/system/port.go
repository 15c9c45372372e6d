package system

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

var (
	portMu sync.Mutex
	ports  = map[int]bool{} // given to a test of this process already
)

// FreePort returns a loopback port that nobody listens on and that no other test of this process gets. It stays below
// the range from which the kernel takes ports for outgoing connections, so that a program can be started on it again.
func FreePort(t TB) int {
	t.Helper()
	const lowest, count = 10000, 10000 // dbserver's are above
	const refused = 10080              // by browsers: it was a service's once that understood what a page could send
	portMu.Lock()
	defer portMu.Unlock()
	for range 100 {
		port := lowest + rand.IntN(count)
		if ports[port] || port == refused {
			continue
		}
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		if err := l.Close(); err == nil {
			ports[port] = true
			return port
		}
	}
	t.Fatal("no free port between 10000 and 20000 on 127.0.0.1")
	return 0
}

// OwnRunPorts waits until no other test is at work with `make run`, whose ports are the documented ones, 8080 and on,
// and keeps others from it until this test ends. Tests of two packages run beside each other: a port that was taken
// when one looked was free when its run.sh did.
func OwnRunPorts(t TB) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("slotq-test-run-%d.lock", os.Getuid())), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil { // released with the process, however it ends
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
}
