package intake

import (
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Places knows which workers have room.
type Places interface {
	// Reserve takes places for jobs of slots of the named queue at a worker; false = none is known to have them.
	Reserve(queue string, slots []int, jobs []*job.Job) (job.WorkerID, bool)
	// Claimed tells the worker that the jobs are committed, and its.
	Claimed(job.Claim)
}

// enqueue stores jobs, claimed for a worker where one has room.
func (l *lane) enqueue(ctx context.Context, jobs []*job.Job) ([]job.Enqueued, error) {
	slots, ok := job.MayBeClaimed(jobs)
	if !ok || l.places == nil {
		return l.store.Enqueue(ctx, jobs, false)
	}
	w, ok := l.places.Reserve(jobs[0].Queue, slots, jobs)
	if !ok {
		return l.store.Enqueue(ctx, jobs, false)
	}
	c := job.Claim{Worker: w, Token: job.NewToken(w)}
	for _, j := range jobs {
		c.IDs = append(c.IDs, j.ID)
		c.ClaimedAt = max(c.ClaimedAt, j.RunAt) // each is due by then, by the clock that says when it is
	}
	out, err := l.store.EnqueueClaimed(ctx, jobs, c)
	if err == nil && slices.ContainsFunc(out, func(e job.Enqueued) bool { return e.Claimed }) {
		l.places.Claimed(c)
	}
	return out, err
}
