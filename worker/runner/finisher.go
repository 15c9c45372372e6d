package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// finisher commits outcomes. They gather for a few milliseconds into one transaction, and while it commits the next
// ones gather; only when nothing else runs is there nothing to wait for. It keeps what it could not commit for as long
// as the worker lives, lease or no lease: the token decides whether it still counts.
type finisher struct {
	r       *Runner
	mu      sync.Mutex
	pending []ending
	since   time.Time    // when the first of pending came
	backlog atomic.Int32 // outcomes not committed, those under way included
	urgent  atomic.Bool
	wake    signal
	empty   signal // backlog has come to 0
}

const (
	maxBatch   = 500          // outcomes in one transaction
	maxBacklog = 2 * maxBatch // above it no more jobs are claimed
	firstPause = 50 * time.Millisecond
	maxPause   = 2 * time.Second
)

func (f *finisher) init(r *Runner) { f.r, f.wake, f.empty = r, newSignal(), newSignal() }

// add takes outcomes in. urgent: nothing else runs, do not wait for more.
func (f *finisher) add(e ending, urgent bool) {
	f.mu.Lock()
	if f.pending = append(f.pending, e); len(f.pending) == 1 {
		f.since = time.Now()
	}
	n := len(f.pending)
	f.backlog.Add(1)
	f.mu.Unlock()
	if urgent {
		f.urgent.Store(true)
	}
	if urgent || n == 1 || n == maxBatch {
		f.wake.send()
	}
}

// full says that so many outcomes wait that no job should be added to them.
func (f *finisher) full() bool { return f.backlog.Load() > maxBacklog+f.r.places.total }

// run commits until ctx ends, and leaves what is then still there.
func (f *finisher) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := f.due()
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-f.wake:
			case <-timer.C:
			}
			continue
		}
		f.urgent.Store(false)
		if !f.commit(ctx, f.take()) {
			return
		}
	}
}

// due is how long to wait before the next commit.
func (f *finisher) due() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch n := len(f.pending); {
	case n == 0:
		return time.Hour
	case n >= maxBatch || f.urgent.Load():
		return 0
	default:
		return f.r.opts.Gather - time.Since(f.since)
	}
}

// take gets the next batch: outcomes of one registration of the worker, since a claim's row is found by it.
func (f *finisher) take() []ending {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for n < min(len(f.pending), maxBatch) && f.pending[n].worker() == f.pending[0].worker() {
		n++
	}
	batch := f.pending[:n:n]
	f.pending = f.pending[n:]
	f.since = time.Now()
	if len(f.pending) == 0 {
		f.pending = nil
	}
	return batch
}

func (e *ending) worker() job.WorkerID { return e.outcome.Job.Token.Worker() }

// commit writes a batch, again and again while the database is away. A batch that fails for another reason is split,
// so that one outcome which the database refuses does not hold back its neighbours; alone, it becomes a failure that
// says so. false = ctx ended first.
func (f *finisher) commit(ctx context.Context, batch []ending) bool {
	if len(batch) == 0 {
		return true
	}
	var verdicts []job.Verdict
	for try := 0; ; try++ {
		var err error
		if verdicts, err = f.finish(ctx, batch); err == nil {
			f.r.trouble.over()
			break
		}
		if ctx.Err() != nil {
			return false
		}
		f.r.trouble.met("saving outcomes", err)
		if try > 0 && !errors.Is(err, job.ErrUnavailable) {
			if len(batch) > 1 {
				half := len(batch) / 2
				return f.commit(ctx, batch[:half:half]) && f.commit(ctx, batch[half:])
			}
			batch[0] = f.r.unstorable(batch[0], err)
		}
		if !sleep(ctx, f.r.backoff(try, firstPause, maxPause)) {
			return false
		}
	}
	f.r.settle(batch, verdicts)
	if f.backlog.Add(int32(-len(batch))) == 0 {
		f.empty.send()
	}
	return true
}

// finish is one call of the store.
func (f *finisher) finish(ctx context.Context, batch []ending) ([]job.Verdict, error) {
	outcomes := make([]job.Outcome, len(batch))
	ends := map[*claim]int{}
	for i := range batch {
		outcomes[i] = batch[i].outcome
		outcomes[i].Took = batch[i].took
		if x := batch[i].run; x != nil {
			ends[x.claim]++
		}
	}
	var done []job.Token
	for c, n := range ends {
		if c.left == n && !c.lost {
			done = append(done, c.token)
		}
	}
	return f.r.store.Finish(ctx, batch[0].worker(), outcomes, done, f.r.clock.Now())
}

// unstorable replaces an outcome that the database does not take.
func (r *Runner) unstorable(e ending, err error) ending {
	failure := job.RunError{
		Worker: e.worker(), Type: "unstorable",
		Message: fmt.Sprintf("the run ended as %s, but the database refused its outcome: %v", e.label, err),
	}
	e.outcome = e.outcome.Job.Failed(r.clock.Now(), failure, 0)
	e.label, e.errorType = "failed", failure.Type
	return e
}

// settle is what happens once outcomes are committed: the memory of the claims, the counters and the log lines, which
// tell what is, not what was hoped for.
func (r *Runner) settle(batch []ending, verdicts []job.Verdict) {
	r.metrics.settled(batch, verdicts)
	r.lines.settled(batch, verdicts)
	suspect, ran, took := false, 0, time.Duration(0)
	for i := range batch {
		e := &batch[i]
		suspect = suspect || e.run != nil && e.run.claim.suspect
		if e.run != nil && verdicts[i] == job.Lost {
			e.run.claim.lost = true
		}
		if e.run != nil && !e.unstarted {
			ran, took = ran+1, took+e.took
		}
		if j := e.outcome.Job; j.ConcurrencyKey != "" && verdicts[i] != job.Lost {
			r.loop.nudge(j.InSlot()) // its place is free: the next of the key waits in this slot
		}
	}
	if ran > 0 {
		r.line.took(ran, took)
	}
	r.held.settle(batch)
	if suspect {
		r.suspect.Store(false)
		r.loop.suspectEnded()
	}
}

// flush commits all that waits; the number of outcomes that could not be before ctx ended is returned.
func (f *finisher) flush(ctx context.Context) int {
	for f.backlog.Load() > 0 {
		f.urgent.Store(true)
		f.wake.send()
		select {
		case <-f.empty:
		case <-ctx.Done():
			return int(f.backlog.Load())
		}
	}
	return 0
}

// backoff is the pause after try number n, counted from 0: doubled each time, with jitter so that the workers of a
// fleet do not come back as one.
func (r *Runner) backoff(n int, first, most time.Duration) time.Duration {
	d := min(first<<min(n, 16), most)
	return d/2 + r.random(d/2+1)
}

// random is a random part of d.
func (r *Runner) random(d time.Duration) time.Duration { return time.Duration(r.opts.Random(int64(d))) }

// sleep waits for d; false = ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
