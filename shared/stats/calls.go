package stats

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Enqueue counts jobs that were made; duplicates are none.
func (c *Counter) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	out, err := c.Store.Enqueue(ctx, jobs, atomic)
	if err != nil || len(out) != len(jobs) || atomic && refused(out) {
		return out, err
	}
	c.made(jobs, out)
	return out, nil
}

// EnqueueClaimed counts jobs that were made. Those that are claimed have waited for nothing.
func (c *Counter) EnqueueClaimed(ctx context.Context, jobs []*job.Job, claim job.Claim) ([]job.Enqueued, error) {
	out, err := c.Store.EnqueueClaimed(ctx, jobs, claim)
	if err != nil || len(out) != len(jobs) {
		return out, err
	}
	c.made(jobs, out)
	return out, nil
}

func (c *Counter) made(jobs []*job.Job, out []job.Enqueued) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range out {
		if e.Err != nil || e.By != "" {
			continue
		}
		n := c.in(jobs[i].QueueID, jobs[i].CreatedAt)
		if n.Enqueued++; e.Claimed {
			n.Wait.Observe(0)
		}
	}
}

// refused says that an atomic call stored nothing.
func refused(out []job.Enqueued) bool {
	for _, e := range out {
		if e.Err != nil {
			return true
		}
	}
	return false
}

// Claim counts how long jobs waited, those that it met too late, and those that nobody has counted as enqueued: a job of
// somebody's own INSERT is, when it is claimed first.
func (c *Counter) Claim(ctx context.Context, r job.ClaimRequest) (job.Claimed, error) {
	got, err := c.Store.Claim(ctx, r)
	if err != nil || len(got.Jobs) == 0 && got.Expired == 0 {
		return got, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.in(r.Slot.QueueID, r.Now)
	n.Discarded += int64(got.Expired)
	n.Expired += int64(got.Expired)
	for _, j := range got.Jobs {
		n.Wait.Observe(r.Now.Sub(max(j.CreatedAt, j.RunAt)))
		if j.Direct && j.Run == 1 {
			n.Enqueued++
		}
	}
	return got, nil
}

// Finish counts what became of runs.
func (c *Counter) Finish(ctx context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	verdicts, err := c.Store.Finish(ctx, w, outcomes, done, now)
	if err != nil {
		return verdicts, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range verdicts {
		c.ended(&outcomes[i], verdicts[i], now)
	}
	return verdicts, nil
}

// ended counts one outcome; c.mu is held.
func (c *Counter) ended(o *job.Outcome, v job.Verdict, now job.Time) {
	if v == job.Lost || v == job.Committed && o.Action == job.Release {
		return
	}
	n := c.in(o.Job.QueueID, now)
	if o.Took > 0 {
		n.Run.Observe(o.Took)
	}
	switch {
	case v == job.EndedCancelled || o.Action == job.Cancel:
		n.Cancelled++
	case o.Action == job.Complete:
		n.Completed++
	case o.Action == job.Discard:
		n.Discarded++
	case o.Action == job.Snooze:
		n.Snoozed++
	case o.Action == job.Retry:
		n.Retries++
		if k := len(o.Errors); k > 0 && o.Errors[k-1].Type == job.TypeTimedOut {
			n.TimedOut++
		} else {
			n.Failed++
		}
	}
}

// Rescue counts crashes, and the jobs that end with one.
func (c *Counter) Rescue(ctx context.Context, claim job.Claim, counted bool, lease time.Duration, now job.Time) ([]job.Outcome, error) {
	outcomes, err := c.Store.Rescue(ctx, claim, counted, lease, now)
	if err != nil {
		return outcomes, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range outcomes {
		n := c.in(claim.Slot.QueueID, now)
		switch o.Action {
		case job.Crash:
			n.Crashes++
		case job.Discard:
			n.Crashes++
			n.Discarded++
		case job.Cancel:
			n.Cancelled++
		}
	}
	return outcomes, nil
}

// Expire counts jobs that were not started in time.
func (c *Counter) Expire(ctx context.Context, limit int, now job.Time) ([]*job.Job, error) {
	jobs, err := c.Store.Expire(ctx, limit, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, j := range jobs { // also of a call that then failed
		n := c.in(j.QueueID, now)
		n.Discarded++
		n.Expired++
	}
	return jobs, err
}

// Cancel counts a job that waited; one that runs is counted by who ends it.
func (c *Counter) Cancel(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	j, err := c.Store.Cancel(ctx, id, now)
	if err == nil && j.State == job.Cancelled && j.FinishedAt == now { // else it was cancelled before
		c.mu.Lock()
		defer c.mu.Unlock()
		c.in(j.QueueID, now).Cancelled++
	}
	return j, err
}

// Purge counts the jobs that it cancels.
func (c *Counter) Purge(ctx context.Context, name string, before job.Time, limit int, now job.Time) (int, bool, error) {
	n, more, err := c.Store.Purge(ctx, name, before, limit, now)
	if err != nil || n == 0 {
		return n, more, err
	}
	// By its name a queue is known to whoever purges; a failure here costs the count alone.
	queues, _ := c.Store.ListQueues(ctx, true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range queues {
		if q.Name == name {
			c.in(q.ID, now).Cancelled += int64(n)
		}
	}
	return n, more, nil
}
