package sqlstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// cutEngine loses the connection after the first row of a number of queries.
type cutEngine struct {
	sqlstore.Engine
	cuts *int
}

func (e cutEngine) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	rows, err := e.Engine.Query(ctx, query, args...)
	if err != nil || *e.cuts == 0 {
		return rows, err
	}
	*e.cuts--
	return &cutRows{Rows: rows}, nil
}

type cutRows struct {
	sqlstore.Rows
	read int
}

func (r *cutRows) Next() bool {
	r.read++
	return r.read == 1 && r.Rows.Next()
}

func (r *cutRows) Err() error { return context.DeadlineExceeded }

func TestAReadThatBreaksOffHandsNoRowOutTwice(t *testing.T) {
	s, _ := fresh(t)
	for _, name := range []string{"a", "b"} {
		if _, err := s.EnsureQueue(t.Context(), job.NewQueue(name), 1); err != nil {
			t.Fatal(err)
		}
	}
	cuts := 1
	s.Wrap(func(e sqlstore.Engine) sqlstore.Engine { return cutEngine{e, &cuts} })
	queues, err := s.ListQueues(t.Context(), false)
	if cuts != 0 {
		t.Fatal("nothing was cut")
	}
	if err == nil && len(queues) != 2 {
		t.Errorf("2 queues were read as %d", len(queues))
	}
	if err != nil && !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("a connection that is lost must say to try again later: %v", err)
	}
}
