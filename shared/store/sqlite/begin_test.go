package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

// engine opens a file as a process of its own does.
func engine(t *testing.T, path string) (s *sqlstore.Store, e *Engine) {
	t.Helper()
	s, err := Open(t.Context(), "sqlite:"+path, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.Wrap(func(opened sqlstore.Engine) sqlstore.Engine { e = opened.(*Engine); return opened })
	return s, e
}

func TestAWriterWaitsForTheWriterOfAnotherProcessAsLongAsItsContextLets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slotq.db")
	_, one := engine(t, path)
	_, other := engine(t, path)
	holder, err := one.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := other.Begin(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beside a writer: %v, want %v", err, context.DeadlineExceeded)
	}
	holder.Rollback()
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatalf("after it: %v", err)
	}
	tx.Rollback()
}
