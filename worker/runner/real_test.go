package runner

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// openSQLite is a fresh, migrated store on a file.
func openSQLite(t testing.TB) store.Store {
	t.Helper()
	return openURL(t, "sqlite:"+filepath.Join(t.TempDir(), "slotq.db"))
}

func openURL(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// enqueue stores n jobs of a spec and returns their ids.
func enqueue(t testing.TB, s store.Store, n int, spec job.Spec) []job.ID {
	t.Helper()
	now, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := spec.Queue
	if name == "" {
		name = job.DefaultQueue
	}
	q, err := s.EnsureQueue(t.Context(), job.NewQueue(name), now)
	if err != nil {
		t.Fatal(err)
	}
	var ids []job.ID
	for len(ids) < n {
		var jobs []*job.Job
		for range min(1000, n-len(ids)) {
			j := spec.Make(q, now)
			jobs, ids = append(jobs, j), append(ids, j.ID)
		}
		if _, err := s.Enqueue(t.Context(), jobs, true); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// work runs a worker until the test ends, and fails the test when its Run fails.
func work(t testing.TB, r *Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	var done atomic.Bool
	stop = func() {
		if !done.CompareAndSwap(false, true) {
			return
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func newRunner(t testing.TB, o Options) *Runner {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
