// Package intake owns the way of new jobs into the store: concurrent requests share one call, so that they share one
// commit. While one call commits, the next one gathers; an idle intake waits for nothing. It answers for every job on its
// own, in bounded time, with a bounded queue; what a job must look like is the domain's, and what an answer looks like
// over HTTP is the server's.
package intake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Enqueuer is the store, as far as intake needs it.
type Enqueuer interface {
	Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error)
	EnqueueClaimed(ctx context.Context, jobs []*job.Job, c job.Claim) ([]job.Enqueued, error)
	Now(ctx context.Context) (job.Time, error)
}

// Limits.
const (
	// Limit is how long an answer takes at most. The rest of the 5 s of the contract is for the way there and back, and
	// for a machine that is busy.
	Limit = 3500 * time.Millisecond

	batchLimit    = 10 * time.Second       // how long a batch may take while the store answers otherwise: it is slow, not away
	probeLimit    = 500 * time.Millisecond // how soon it must answer then
	batchPatience = time.Second            // how often that is looked at

	maxRows        = 1000      // of a shared call
	maxBytes       = 1 << 20   // of a shared call: the most that the stores put into one statement
	maxQueued      = 10_000    // jobs that wait, in each lane
	maxQueuedBytes = 128 << 20 // what they hold in memory, in each lane
	maxBatches     = 4         // batches that are stored at once; more of them would only wait for each other
)

// Unanswered says that the store did not answer in time or could not be reached. errors.Is finds job.ErrUnavailable.
type Unanswered struct {
	MaybeStored bool  // the call was under way: the jobs may be stored or not
	Err         error // what the store said; nil = it said nothing
}

func (e *Unanswered) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("the store did not answer within %s", Limit)
}

// Unwrap names the class of the error, and what the store said.
func (e *Unanswered) Unwrap() []error {
	if e.Err == nil {
		return []error{job.ErrUnavailable}
	}
	return []error{job.ErrUnavailable, e.Err}
}

// Intake takes jobs in. Run must be running.
type Intake struct {
	store Enqueuer

	// Jobs with something that others may hold too (a given id, a key) may wait for a lock in the database for seconds: in a lane of
	// their own they hold up only each other. Those that are claimed as they are stored may wait for a fence, half a second at most: see claiming.
	plain, keyed *lane

	batches chan struct{}
	calls   sync.WaitGroup
}

// New makes an intake into a store. Where places know of a worker that has room, jobs are claimed for it as they are stored; nil = none.
func New(store Enqueuer, places Places) *Intake {
	return &Intake{store: store, plain: newLane(store, places), keyed: newLane(store, places), batches: make(chan struct{}, maxBatches)}
}

// Run stores what is handed in until ctx ends, then what is still queued, and returns nil. Nobody should hand in jobs
// any more by then; who does gets an *Unanswered.
func (in *Intake) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	lanes.Go(func() { in.plain.run(ctx) })
	lanes.Go(func() { in.keyed.run(ctx) })
	lanes.Wait()
	in.calls.Wait()
	return nil
}

// One stores a job, in company, in a slot that it chooses. When it returns without error and without an Err in the answer, the
// job is committed. ctx and until, which should not be more than Limit from now, end the waiting, never a commit: after an error the
// job is still the intake's.
func (in *Intake) One(ctx context.Context, j *job.Job, until time.Time) (job.Enqueued, error) {
	l := in.plain
	if j.Given || j.IdempotencyKey != "" || j.UniqueKey != "" || j.ConcurrencyKey != "" {
		l = in.keyed
	}
	return l.one(ctx, j, until)
}

// Many stores a batch in one call of its own, so that it is one transaction, in slots that it chooses. No two of the jobs may
// have the same id. The answer to a large batch may take longer than Limit, but not when the store answers nothing at all.
func (in *Intake) Many(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case in.batches <- struct{}{}:
	case <-limit.C:
		return nil, &Unanswered{}
	case <-ctx.Done():
		return nil, &Unanswered{Err: context.Cause(ctx)}
	}
	job.DealBatch(jobs)
	answer := make(chan answers, 1)
	begun := time.Now()
	in.calls.Go(func() {
		defer func() { <-in.batches }()
		answer <- call(len(jobs), batchLimit, func(ctx context.Context) ([]job.Enqueued, error) { return in.store.Enqueue(ctx, jobs, atomic) })
	})
	for {
		select {
		case a := <-answer:
			return a.each, a.err
		case <-limit.C:
			if time.Since(begun) >= batchLimit || !in.alive() {
				return nil, &Unanswered{MaybeStored: true}
			}
			limit.Reset(batchPatience)
		case <-ctx.Done():
			return nil, &Unanswered{MaybeStored: true, Err: context.Cause(ctx)}
		}
	}
}

// alive says that the store answers a small question.
func (in *Intake) alive() bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeLimit)
	defer cancel()
	answer := make(chan error, 1)
	in.calls.Go(func() {
		_, err := in.store.Now(ctx)
		answer <- err
	})
	select {
	case err := <-answer:
		return err == nil
	case <-ctx.Done():
		select {
		case err := <-answer: // both may be there at once, and Go looks at either
			return err == nil
		default:
			return false
		}
	}
}

type answers struct {
	each []job.Enqueued
	err  error
}

// call stores n jobs. It has no request's context: who hangs up must not undo what others share, nor leave a commit in
// the middle.
func call(n int, limit time.Duration, store func(context.Context) ([]job.Enqueued, error)) answers {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, err := store(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		err = &Unanswered{MaybeStored: true, Err: err}
	case err == nil && len(out) != n:
		err = fmt.Errorf("the store gave %d answers for %d jobs", len(out), n)
	}
	return answers{out, err}
}
