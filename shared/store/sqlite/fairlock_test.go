//go:build linux

package sqlite

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// locks opens the lock of one file as so many processes do. A minute is longer than any of these tests should wait.
func locks(t *testing.T, n int) (all []*fairLock) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "slotq.db")
	for range n {
		l := newFairLock(path)
		l.wait = time.Minute
		t.Cleanup(func() { l.Close() })
		all = append(all, l)
	}
	return all
}

// taken waits until somebody else than l holds a lock.
func taken(t *testing.T, l *fairLock, which int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: which, Len: 1}
		if err := unix.FcntlFlock(l.file.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
			t.Fatal(err)
		}
		if lock.Type != unix.F_UNLCK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody has taken the lock")
		}
	}
}

func TestWhoeverWaitsHasItsTurnBeforeTheOneThatHasJustWritten(t *testing.T) {
	all := locks(t, 3)
	busy, other, watcher := all[0], all[1], all[2]
	for range 100 {
		leave := busy.enter(t.Context())
		turns := make(chan string, 2)
		var others sync.WaitGroup
		others.Go(func() {
			end := other.enter(t.Context())
			turns <- "the other"
			end()
		})
		taken(t, watcher, next)
		leave()
		leave = busy.enter(t.Context())
		turns <- "the busy one"
		leave()
		if first := <-turns; first != "the other" {
			t.Fatalf("%s was first", first)
		}
		others.Wait()
	}
}

func TestOneThatStandsStillInItsTurnIsNotWaitedForAgain(t *testing.T) {
	all := locks(t, 2)
	frozen, writer := all[0], all[1]
	frozen.enter(t.Context())
	writer.wait = time.Millisecond
	writer.enter(t.Context())()
	writer.wait = time.Minute
	begun := time.Now()
	writer.enter(t.Context())()
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("waited %s more for a process that has let a turn pass", took)
	}
}

func TestATurnThatNobodyWaitsForAnyMoreIsNotHeld(t *testing.T) {
	all := locks(t, 3)
	holder, given, other := all[0], all[1], all[2]
	leave := holder.enter(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given.enter(ctx)()
	leave()
	other.enter(t.Context())()
	given.enter(t.Context())()
	if !other.off.IsZero() || !given.off.IsZero() {
		t.Error("somebody has waited for a turn that was given up")
	}
}

func TestWithoutAFileThereAreNoTurns(t *testing.T) {
	l := newFairLock(filepath.Join(t.TempDir(), "no such directory", "slotq.db"))
	l.enter(t.Context())()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
