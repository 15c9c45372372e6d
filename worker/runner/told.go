package runner

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/nudge"
)

// told is what an api does for the worker: where it knows of places that are free, it claims jobs for it while it stores them, and tells
// it. That saves the claim, which at 300 jobs a second was most of the time from the answer to the start.
//
// An api is told of the places that are free now, those too that a claim under way may fill, and reserves none: where the same ones are
// filled twice, jobs stand in line and are given back when that takes too long. What is not told, since a datagram was lost or the api died, is found by a look into the database
// each findEvery, as long as an api may count on places.
type told struct {
	claims  chan job.Claim
	offered atomic.Int64 // when an api was last told of free places, in Unix nanoseconds
}

const (
	maxTold   = 1000        // claims that wait to be read; those beyond are found
	findEvery = time.Second // between two looks for claims that nobody has told of
	// commitFor is how long after the end of PlacesFor a claim of the last places may still be committed, ordinarily.
	commitFor = 250 * time.Millisecond
)

func (t *told) init() { t.claims = make(chan job.Claim, maxTold) }

// Claimed implements nudge.Hearer.
func (r *Runner) Claimed(c job.Claim) {
	select {
	case r.told.claims <- c:
	default:
	}
}

// Places implements nudge.Hearer. A worker with a handler that has a limit of its own offers none: which of its places are free depends on
// the kind.
func (r *Runner) Places() (w job.WorkerID, free int) {
	id, ok := r.lease.holds()
	if !ok || r.quiet.Load() || r.draining.Load() || len(r.handlers.limited) > 0 || r.finisher.full() || r.line.standing() {
		return id, 0
	}
	if free = max(0, int(r.places.total-r.places.taken.Load()+r.places.asked.Load())); free > 0 {
		r.told.offered.Store(time.Now().UnixNano())
	}
	return id, free
}

// offeredWithin says that an api was told of free places since then.
func (t *told) offeredWithin(d time.Duration) bool {
	return time.Since(time.Unix(0, t.offered.Load())) < d
}

// listen starts the jobs of the claims that the worker is told of.
func (r *Runner) listen(ctx context.Context) {
	for {
		select {
		case c := <-r.told.claims:
			r.takeOver(c)
		case <-ctx.Done():
			return
		}
	}
}

// find takes over what nobody has told of.
func (r *Runner) find(ctx context.Context) {
	for sleep(ctx, findEvery) {
		if !r.told.offeredWithin(findEvery + nudge.PlacesFor + commitFor) {
			continue
		}
		claims, err := r.store.NewClaims(ctx, r.Worker(), r.held.knows)
		if err != nil {
			r.trouble.met("looking for claims that were made for the worker", err)
			continue
		}
		for _, c := range claims {
			r.takeOver(c)
		}
	}
}

// takeOver starts the jobs of a claim, if the database says that it is this worker's. It is remembered before it is read, as any claim
// is, so of two who bring the same claim one reads it, and one that has ended has no jobs any more.
func (r *Runner) takeOver(of job.Claim) {
	id, ok := r.lease.holds()
	if !ok || id != of.Worker || r.draining.Load() {
		return // it is given back: see reconcile
	}
	c := &claim{worker: id, token: of.Token, at: time.Now()}
	if !r.held.open(c) {
		return
	}
	jobs, err := r.store.Fetch(context.Background(), of, r.clock.Now())
	if err != nil {
		r.trouble.met("reading a claim that was made for the worker", err)
	}
	if err != nil || len(jobs) == 0 {
		r.held.close(c)
		return
	}
	serving := &serving{handlers: &r.handlers, max: len(jobs)}
	for _, j := range jobs {
		if h := r.handlers.of(j.Kind); h == nil || h.limit > 0 {
			r.held.close(c) // not for this worker after all
			if _, err := r.store.GiveBack(context.Background(), of, r.clock.Now()); err != nil {
				r.trouble.met("giving back a claim that was made for the worker", err)
			}
			return
		}
	}
	r.places.take(len(jobs))
	r.start(c, jobs, serving)
}

// awaitTold waits until no api counts on places any more, so that what was claimed for the worker to the last is there to be given back.
func (r *Runner) awaitTold() {
	for r.told.offeredWithin(nudge.PlacesFor + commitFor) {
		time.Sleep(drainLook)
	}
}
