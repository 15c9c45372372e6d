package sqlite

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// planned is a value that makes SQLite plan a prepared statement anew when it is another.
var planned = regexp.MustCompile(`(=|LIMIT)\s*\?`)

func TestNoValueOnTheWayOfAJobMakesSQLitePlanAStatementAnew(t *testing.T) {
	s, e := engine(t, filepath.Join(t.TempDir(), "slotq.db"))
	ctx, now := t.Context(), job.TimeOf(time.Now())
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	q, err := s.EnsureQueue(ctx, job.NewQueue("q"), now)
	if err != nil {
		t.Fatal(err)
	}
	w := job.NewWorkerID()
	if err := s.Register(ctx, job.Worker{ID: w, Lease: time.Minute, StartedAt: now}); err != nil {
		t.Fatal(err)
	}
	spec := job.Spec{Kind: "k", Queue: "q"}
	j := spec.Make(q, now)
	if _, err := s.Enqueue(ctx, []*job.Job{j}, false); err != nil {
		t.Fatal(err)
	}
	got, err := s.Claim(ctx, job.ClaimRequest{Worker: w, Token: job.NewToken(w), Slot: job.Slot{QueueID: q.ID, Slot: j.Slot}, Queue: q.Name, Max: 10, Now: now, Marks: job.NewMarks()})
	if err != nil || len(got.Jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(got.Jobs), err)
	}
	outcome := job.Outcome{Job: got.Jobs[0], Action: job.Complete}
	if v, err := s.Finish(ctx, w, []job.Outcome{outcome}, []job.Token{got.Jobs[0].Token}, now); err != nil || v[0] != job.Committed {
		t.Fatalf("%v, %v", v, err)
	}

	c := <-e.turn
	defer func() { e.turn <- c }()
	if len(c.stmts) < 5 {
		t.Fatalf("only %d statements are prepared: these would be others", len(c.stmts))
	}
	for text := range c.stmts {
		if planned.MatchString(text) {
			t.Errorf("its plan depends on a value: %s", text)
		}
	}
}
