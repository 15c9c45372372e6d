package e2e

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
)

// check ends the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must is check for a call with a result: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// eventually ends the test unless the condition comes true in time.
func eventually(t testing.TB, limit time.Duration, what string, condition func() error) {
	t.Helper()
	if err := system.Await(t.Context(), limit, condition); err != nil {
		t.Fatalf("%s: not within %s: %v", what, limit, err)
	}
}

// stalls begins to watch for moments in which the machine gives this process no time, and returns how to end that: with
// how long they were together, so far as they were longer than 100 ms each.
func stalls(t testing.TB) (total func() time.Duration) {
	t.Helper()
	const step, least = 10 * time.Millisecond, 100 * time.Millisecond
	done, sum := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		tick := time.NewTicker(step)
		defer tick.Stop()
		var stood time.Duration
		for last := time.Now(); ; {
			select {
			case <-tick.C:
			case <-done:
				sum <- stood
				return
			}
			now := time.Now()
			if gap := now.Sub(last); gap > least {
				stood += gap
			}
			last = now
		}
	}()
	end := sync.OnceValue(func() time.Duration { close(done); return <-sum })
	t.Cleanup(func() { end() })
	return end
}

// ownServer starts a database server that the test has for itself.
func ownServer(t *testing.T, start func(context.Context, dbserver.Options) (*dbserver.Server, error), o dbserver.Options) *dbserver.Server {
	t.Helper()
	server, err := start(t.Context(), o)
	if errors.Is(err, dbserver.ErrNotInstalled) {
		system.Absent(t, err.Error())
	}
	check(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}
