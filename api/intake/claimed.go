package intake

import (
	"context"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Places knows which workers have room.
type Places interface {
	// Reserve takes places for jobs of slots of the named queue at a worker; false = none is known to have them.
	Reserve(queue string, slots []int, jobs []*job.Job) (job.WorkerID, bool)
	// Claimed tells the worker that the jobs are committed, and its.
	Claimed(job.Claim)
}

// How long no claim is tried in a slot where one could not be made, so that it costs a transaction now and then and not each job: at first
// for as long as a worker takes to empty it, and twice as long each time after that, since it is paused, or has jobs that nobody takes. And
// in all slots after a call that took so long that it held up the lane.
const (
	firstRest     = 16 * time.Millisecond
	longestRest   = 256 * time.Millisecond
	claimLongRest = 5 * time.Second
	claimSlow     = 400 * time.Millisecond
	maxResting    = 1000 // slots that are remembered
)

// claiming is what a lane knows of its claims. It is the lane's alone.
type claiming struct {
	places  Places // nil = none
	resting map[job.Slot]rest
	until   time.Time // all slots rest
}

type rest struct {
	until time.Time
	wait  time.Duration
}

// may says that a claim may be tried in these slots of a queue.
func (c *claiming) may(queue int32, slots []int, now time.Time) bool {
	return c.places != nil && !now.Before(c.until) &&
		!slices.ContainsFunc(slots, func(n int) bool { return now.Before(c.resting[job.Slot{QueueID: queue, Slot: n}].until) })
}

// refused notes that a claim could not be made.
func (c *claiming) refused(queue int32, slots []int, now time.Time) {
	if len(c.resting) >= maxResting || c.resting == nil {
		c.resting = map[job.Slot]rest{}
	}
	for _, n := range slots {
		s := job.Slot{QueueID: queue, Slot: n}
		wait := min(max(2*c.resting[s].wait, firstRest), longestRest)
		c.resting[s] = rest{now.Add(wait), wait}
	}
}

// made notes that one was made.
func (c *claiming) made(queue int32, slots []int) {
	for _, n := range slots {
		delete(c.resting, job.Slot{QueueID: queue, Slot: n})
	}
}

// enqueue stores jobs, claimed for a worker where one has room.
func (l *lane) enqueue(ctx context.Context, jobs []*job.Job) ([]job.Enqueued, error) {
	began, queue := time.Now(), jobs[0].QueueID
	slots, ok := job.MayBeClaimed(jobs)
	if !ok || !l.claiming.may(queue, slots, began) {
		return l.store.Enqueue(ctx, jobs, false)
	}
	w, ok := l.claiming.places.Reserve(jobs[0].Queue, slots, jobs)
	if !ok {
		return l.store.Enqueue(ctx, jobs, false)
	}
	c := job.ClaimOf(w, jobs)
	out, err := l.store.EnqueueClaimed(ctx, jobs, c)
	now := time.Now()
	if now.Sub(began) >= claimSlow {
		l.claiming.until = now.Add(claimLongRest)
	}
	switch {
	case err == nil && slices.ContainsFunc(out, func(e job.Enqueued) bool { return e.Claimed }):
		l.claiming.places.Claimed(c)
		l.claiming.made(queue, slots)
	case err != nil || slices.ContainsFunc(out, func(e job.Enqueued) bool { return e.By == "" && e.Err == nil }):
		l.claiming.refused(queue, slots, now)
	}
	return out, err
}
