package sqlstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlite"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// fresh is an SQLite database with slotq's tables, and a way to open one more handle on it.
func fresh(t *testing.T) (s *sqlstore.Store, open func() *sqlstore.Store) {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")
	open = func() *sqlstore.Store {
		t.Helper()
		s, err := sqlite.Open(t.Context(), url, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s = open()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, open
}

// atWork is a queue with one slot and a worker.
func atWork(t *testing.T, s *sqlstore.Store, now job.Time) (job.Queue, job.WorkerID) {
	t.Helper()
	q := job.NewQueue("q")
	q.Slots, q.KeySlots = 1, 1
	q, err := s.EnsureQueue(t.Context(), q, now)
	if err != nil {
		t.Fatal(err)
	}
	w := job.NewWorkerID()
	if err := s.Register(t.Context(), job.Worker{ID: w, Name: "w", Lease: time.Minute, Kinds: []string{"*"}, StartedAt: now}); err != nil {
		t.Fatal(err)
	}
	return q, w
}
