package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbserver"
)

// That its hints lead nowhere would cost each claim a second try, and no outcome would show it.
func TestAClaimKnowsWhereItsRowsLie(t *testing.T) {
	rawURL, ctx := fresh(t), t.Context()
	s, err := Open(ctx, rawURL, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	now, err := s.Now(ctx)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.EnsureQueue(ctx, job.NewQueue("large"), now)
	if err != nil {
		t.Fatal(err)
	}
	var jobs []*job.Job
	for n := range 300 {
		spec := &job.Spec{Queue: q.Name, Kind: "a", Payload: fmt.Appendf(nil, "%q", strings.Repeat("x", n))}
		j := spec.Make(q, now)
		j.Slot = 1
		jobs = append(jobs, j)
	}
	if _, err := s.Enqueue(ctx, jobs, false); err != nil {
		t.Fatal(err)
	}
	w := job.Worker{ID: job.NewWorkerID(), Name: "w", Lease: time.Minute, Kinds: []string{"*"}, StartedAt: now}
	if err := s.Register(ctx, w); err != nil {
		t.Fatal(err)
	}
	var taken []*job.Job
	for _, most := range []int{1, 7, len(jobs)} {
		c, err := s.Claim(ctx, job.ClaimRequest{Worker: w.ID, Token: job.NewToken(w.ID), Slot: job.Slot{QueueID: q.ID, Slot: 1}, Max: most, Now: now + 1})
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c.Jobs...)
	}
	if len(taken) != len(jobs) {
		t.Fatalf("claimed %d of %d jobs", len(taken), len(jobs))
	}
	db, err := dbserver.Open(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, j := range taken {
		var want string
		if err := db.QueryRowContext(ctx, "SELECT ctid::text FROM slotq_jobs WHERE id = $1", j.ID.String()).Scan(&want); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("(%d,%d)", j.Location>>16, j.Location&0xffff); got != want {
			t.Fatalf("job %s lies at %s, its claim says %s", j.ID, want, got)
		}
	}
}
