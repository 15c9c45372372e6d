package mysql_test

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/mysql"
	"github.com/slotq/slotq/shared/store/sqlstore"
	"github.com/slotq/slotq/shared/store/storetest"
)

// travelledConn counts the texts that are sent to the server: each is a round trip.
type travelledConn struct {
	*recordingConn
	trips *atomic.Int64
}

func (c *travelledConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.trips.Add(1)
	return c.recordingConn.ExecContext(ctx, query, args)
}

func (c *travelledConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.trips.Add(1)
	return c.recordingConn.QueryContext(ctx, query, args)
}

func (c *travelledConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.trips.Add(2) // it is executed, too
	return c.recordingConn.PrepareContext(ctx, query)
}

// oneJob opens a fresh store behind a wrapper with one job that waits, and a request by which a worker gets it.
func oneJob(t *testing.T, wrap func(driver.Conn) driver.Conn) (*sqlstore.Store, job.ClaimRequest) {
	t.Helper()
	s, err := mysql.OpenWith(t.Context(), storetest.FreshOn(t, "SLOTQ_TEST_MYSQL_URL")(t), 2, func(c driver.Connector) driver.Connector { return wrapping{c, wrap} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.EnsureQueue(t.Context(), job.NewQueue("one"), now)
	if err != nil {
		t.Fatal(err)
	}
	j := (&job.Spec{Queue: q.Name, Kind: "a"}).Make(q, now)
	if _, err := s.Enqueue(t.Context(), []*job.Job{j}, false); err != nil {
		t.Fatal(err)
	}
	w := job.Worker{ID: job.NewWorkerID(), Name: "w", Lease: time.Minute, Kinds: []string{"*"}, StartedAt: now}
	if err := s.Register(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return s, job.ClaimRequest{Worker: w.ID, Token: job.NewToken(w.ID), Slot: job.Slot{QueueID: q.ID, Slot: j.Slot}, Max: 10, Now: now + 1}
}

// Beginning, fence and look are the first, taking the jobs is the second, and COMMIT the third.
func TestAClaimTakesThreeRoundTrips(t *testing.T) {
	var trips atomic.Int64
	s, r := oneJob(t, func(conn driver.Conn) driver.Conn {
		return &travelledConn{&recordingConn{Conn: conn, recorder: newRecorder()}, &trips}
	})
	for _, want := range []struct{ jobs, trips int }{{1, 3}, {0, 2}} { // with nothing to take it is rolled back
		trips.Store(0)
		r.Token = job.NewToken(r.Worker)
		c, err := s.Claim(t.Context(), r)
		if err != nil || len(c.Jobs) != want.jobs {
			t.Fatalf("claimed %d jobs, want %d: %v", len(c.Jobs), want.jobs, err)
		}
		if n := trips.Load(); n != int64(want.trips) {
			t.Errorf("a claim of %d jobs took %d round trips, want %d", want.jobs, n, want.trips)
		}
	}
}
