//go:build ledger && !mutant

package sqlstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// book makes the ledger's table and reads it.
type book struct{ sqlstore.Engine }

func (b book) ends(ctx context.Context, t *testing.T) (n int) {
	t.Helper()
	rows, err := b.Query(ctx, "SELECT COUNT(*) FROM slotq_ledger WHERE what = 2")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func TestTheLedgerHasEachEndWhateverTheJobLeft(t *testing.T) {
	ctx, now := t.Context(), job.TimeOf(time.Date(2041, 5, 1, 12, 0, 0, 0, time.UTC))
	s, _ := fresh(t)
	var b book
	s.Wrap(func(e sqlstore.Engine) sqlstore.Engine { b = book{e}; return e })
	if _, err := b.Exec(ctx, "CREATE TABLE slotq_ledger (id BLOB, what INTEGER, token BLOB, PRIMARY KEY (id, what, token))"); err != nil {
		t.Fatal(err)
	}
	q, w := atWork(t, s, now)
	for i, output := range []string{"", "left", strings.Repeat("x", 1<<10)} {
		j := (&job.Spec{Kind: "k"}).Make(q, now)
		if _, err := s.Enqueue(ctx, []*job.Job{j}, false); err != nil {
			t.Fatal(err)
		}
		token := job.NewToken(w)
		c, err := s.Claim(ctx, job.ClaimRequest{Worker: w, Token: token, Slot: job.Slot{QueueID: q.ID, Slot: j.Slot}, Queue: "q", Max: 10, Now: now})
		if err != nil || len(c.Jobs) != 1 {
			t.Fatal(c.Jobs, err)
		}
		_, err = s.Finish(ctx, w, []job.Outcome{{Job: c.Jobs[0], Action: job.Complete, Output: []byte(output)}}, []job.Token{token}, now)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.ends(ctx, t); n != i+1 {
			t.Fatalf("the ledger has %d ends after %d jobs", n, i+1)
		}
	}
}
