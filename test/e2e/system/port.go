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
	ports  []*os.File // locks of those that were given out, held until this process ends
)

// FreePort returns a loopback port that nobody listens on and that no other test gets, of this process or another. It stays
// below the range from which the kernel takes ports for outgoing connections, so that a program can be started on it again.
func FreePort(t TB) int {
	t.Helper()
	const lowest, count = 10000, 10000 // dbserver's are above
	const refused = 10080              // by browsers: it was a service's once that understood what a page could send
	portMu.Lock()
	defer portMu.Unlock()
	for range 100 {
		port := lowest + rand.IntN(count)
		if port == refused {
			continue
		}
		// What is started on a port is not there yet, or dead for a moment: a port that answers nobody may be another's.
		held, err := lock(fmt.Sprintf("port-%d", port), syscall.LOCK_NB)
		if err != nil {
			continue
		}
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			err = l.Close()
		}
		if err == nil {
			ports = append(ports, held)
			return port
		}
		_ = held.Close()
	}
	t.Fatal("no free port between 10000 and 20000 on 127.0.0.1")
	return 0
}

// OwnRunPorts waits until no other test is at work with `make run`, whose ports are the documented ones, 8080 and on,
// and keeps others from it until this test ends. Tests of two packages run beside each other: a port that was taken
// when one looked was free when its run.sh did.
func OwnRunPorts(t TB) {
	t.Helper()
	held, err := lock("run", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
}

// lock takes a lock among all tests of this user, which ends with the process, however that ends, or by Close.
func lock(name string, how int) (*os.File, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("slotq-test-locks-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|how); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
