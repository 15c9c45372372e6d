package dbserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// home is the directory of one server. A lock on a file in it, held by the process that made it, tells a server in use
// from what a killed process left behind: the kernel lets go of the lock whatever ends the process, and it cannot be
// mistaken for another's, as a process id could.
type home struct {
	dir  string
	lock *os.File
}

const lockName = "lock"

// newHome makes a directory for a server in parent, and removes what killed processes left there.
func newHome(parent, scheme string) (*home, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	removeLeftovers(parent)
	dir, err := os.MkdirTemp(parent, "slotq-"+scheme+"-*")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the server: %w", err)
	}
	// The name is given last: a directory whose lock is not held yet must not look like one whose lock is lost.
	unnamed := filepath.Join(dir, "new-lock")
	lock, err := os.OpenFile(unnamed, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(unnamed, filepath.Join(dir, lockName))
	}
	if err != nil {
		lock.Close()
		return nil, errors.Join(fmt.Errorf("lock the server's directory: %w", err), os.RemoveAll(dir))
	}
	return &home{dir: dir, lock: lock}, nil
}

// remove removes the directory and all in it.
func (h *home) remove() error {
	if h.lock == nil {
		return nil
	}
	err := os.RemoveAll(h.dir)
	h.lock.Close()
	h.lock = nil
	if err != nil {
		return fmt.Errorf("remove the server's directory: %w", err)
	}
	return nil
}

// removeLeftovers removes the directories whose owner is gone. Failures are left to the next start: a directory may be
// another user's, or be being removed by another process.
func removeLeftovers(parent string) {
	locks, _ := filepath.Glob(filepath.Join(parent, "slotq-*-*", lockName))
	for _, name := range locks {
		lock, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			removeSegment(filepath.Join(filepath.Dir(name), "data"))
			_ = os.RemoveAll(filepath.Dir(name))
		}
		lock.Close()
	}
}
