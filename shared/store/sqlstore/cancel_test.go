package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// heldUp is the database of a process that is held up once before it begins a transaction, while others do something.
type heldUp struct {
	sqlstore.Engine
	meanwhile func()
}

func (e *heldUp) Begin(ctx context.Context) (sqlstore.Tx, error) {
	if e.meanwhile != nil {
		meanwhile := e.meanwhile
		e.meanwhile = nil
		meanwhile()
	}
	return e.Engine.Begin(ctx)
}

// TestAJobThatIsCancelledOnceItWaitsForItsKeyAgainLeavesNoPlaceInTheLine: it ran when the call read it. Its row in the line would
// stop the claim that meets it after a retry.
func TestAJobThatIsCancelledOnceItWaitsForItsKeyAgainLeavesNoPlaceInTheLine(t *testing.T) {
	ctx, now := t.Context(), job.TimeOf(time.Date(2041, 5, 1, 12, 0, 0, 0, time.UTC))
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, open := fresh(t)
	other := open()
	q, w := atWork(t, s, now)
	one := 1
	spec := job.Spec{Kind: "k", ConcurrencyKey: "c", ConcurrencyLimit: &one}
	first, second := spec.Make(q, now), spec.Make(q, now)
	_, err := s.Enqueue(ctx, []*job.Job{first, second}, false)
	fail(err)
	claim := func(want ...*job.Job) []*job.Job {
		t.Helper()
		got, err := other.Claim(ctx, job.ClaimRequest{Worker: w, Token: job.NewToken(w), Slot: job.Slot{QueueID: q.ID, Slot: 1}, Queue: "q", Max: 10, Now: now})
		fail(err)
		if len(got.Jobs) != len(want) || len(want) > 0 && got.Jobs[0].ID != want[0].ID {
			t.Fatalf("claimed %v, want %v", got.Jobs, want)
		}
		return got.Jobs
	}
	finish := func(j *job.Job, a job.Action) {
		t.Helper()
		_, err := other.Finish(ctx, w, []job.Outcome{{Job: j, Action: a}}, []job.Token{j.Token}, now)
		fail(err)
	}

	ran := claim(first)[0]
	var runs *job.Job
	s.Wrap(func(e sqlstore.Engine) sqlstore.Engine {
		return &heldUp{e, func() {
			finish(ran, job.Release)
			runs = claim(second)[0] // and meets the first one, for which no place is left
		}}
	})
	_, err = s.Cancel(ctx, first.ID, now)
	fail(err)
	_, err = s.Retry(ctx, first.ID, now)
	fail(err)
	claim() // it waits again
	finish(runs, job.Complete)
	claim(first)
}
