package runner

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/nudge"
)

// told is what an api does for the worker: where it knows of places that are free, it claims jobs for it while it stores them, and tells
// it. That saves the claim, which at 300 jobs a second was most of the time from the answer to the start.
//
// An api is told of the places that are free now, those too that a claim under way may fill, and reserves none: where the same ones are
// filled twice, jobs stand in line and are given back when that takes too long. A claim that nobody has told of, since a datagram was lost
// or the api died, is given back after a look into the database each findEvery, as long as an api may have counted on places. It is not
// started: nobody knows whether an api has made it or this worker, which may have run its jobs already.
type told struct {
	claims  chan news
	coming  atomic.Int32 // jobs of the claims in it, and of those that are being read
	reading atomic.Int32 // claims that are being read
	offered atomic.Int64 // when an api was last told of free places, in Unix nanoseconds
}

// news is a claim that the worker was told of, and how often it has been looked for.
type news struct {
	job.Claim
	looked int
}

const (
	maxTold   = 1000        // claims that wait to be read; those beyond are given back
	findEvery = time.Second // between two looks for claims that nobody has told of
	findAfter = time.Second // how old such a claim is: a younger one may be told of yet
	// commitFor is how long after the end of PlacesFor a claim of the last places may still be committed, ordinarily: the store gives
	// it half a second before its COMMIT.
	commitFor = 750 * time.Millisecond
	// What a claim's node of a cluster has committed another may know a moment later.
	maxLooks  = 4
	lookAgain = 10 * time.Millisecond
)

func (t *told) init() { t.claims = make(chan news, maxTold) }

// Claimed implements nudge.Hearer.
func (r *Runner) Claimed(c job.Claim) { r.told.hear(news{Claim: c}) }

func (t *told) hear(n news) {
	t.coming.Add(int32(len(n.IDs)))
	select {
	case t.claims <- n:
	default:
		t.coming.Add(int32(-len(n.IDs)))
	}
}

// Places implements nudge.Hearer. They are as many as a claim of the worker's own might fill, those in line too: with its 24 places alone
// an api whose calls bring more left every second job to a claim, at 3,000 jobs a second. A worker with a handler that has a limit of its
// own offers none: which of its places are free depends on the kind.
func (r *Runner) Places() (w job.WorkerID, free int) {
	id, ok := r.lease.holds()
	if !ok || r.quiet.Load() || r.draining.Load() || len(r.handlers.limited) > 0 || r.finisher.full() || r.line.standing() {
		return id, 0
	}
	free = max(0, r.loop.free()+int(r.places.asked.Load()-r.told.coming.Load()))
	if free > 0 {
		r.told.offered.Store(time.Now().UnixNano())
		if r.draining.Load() { // since it was looked at: either this sees it, or the drain sees the offer
			free = 0
		}
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
		case n := <-r.told.claims:
			there := r.takeOver(n.Claim)
			r.told.coming.Add(int32(-len(n.IDs)))
			if n.looked++; !there && n.looked < maxLooks {
				time.AfterFunc(lookAgain, func() { r.told.hear(n) })
			}
		case <-ctx.Done():
			return
		}
	}
}

// find gives back what nobody has told of, and looks once more when nobody counts on places any longer.
func (r *Runner) find(ctx context.Context) {
	for look := false; sleep(ctx, findEvery); {
		offered := r.told.offeredWithin(findEvery + findAfter + nudge.PlacesFor + commitFor)
		if look = look || offered; !look {
			continue
		}
		claims, err := r.store.NewClaims(ctx, r.Worker(), r.held.knows)
		if err != nil {
			r.trouble.met("looking for claims that were made for the worker", err)
			continue
		}
		look = offered
		for _, c := range claims {
			if r.young(c) {
				continue
			}
			if err := r.giveBackUnknown(ctx, c); err != nil {
				r.trouble.met("giving back a claim that nobody has told of", err)
			}
		}
	}
}

// young says that the worker may be told of the claim yet.
func (r *Runner) young(c job.Claim) bool { return r.clock.Now().Sub(c.ClaimedAt) < findAfter }

// takeOver starts the jobs of a claim, if the database says that it is this worker's; false = it says nothing of it. It is remembered before
// it is read, as any claim is, so of two who bring the same claim one reads it, and one that has ended has no jobs any more. That it is
// being read is said before it is asked whether the worker drains, so that a drain waits for it or it sees the drain.
func (r *Runner) takeOver(of job.Claim) (there bool) {
	r.told.reading.Add(1)
	defer r.told.reading.Add(-1)
	c := &claim{worker: of.Worker, token: of.Token, at: time.Now()}
	if id, ok := r.lease.holds(); !ok || id != of.Worker || r.draining.Load() || !r.held.open(c) {
		return true // not to be looked for again; what is left of it reconcile gives back
	}
	jobs, err := r.store.Fetch(context.Background(), of, r.clock.Now())
	switch {
	case err != nil:
		r.trouble.met("reading a claim that was made for the worker", err)
	case len(jobs) > 0 && r.mayStart(jobs):
		r.places.take(len(jobs))
		r.start(c, jobs, &serving{handlers: &r.handlers, max: len(jobs)})
		if r.line.standing() {
			r.loop.wake() // which looks after those that stand for long
		}
		return true
	case len(jobs) > 0:
		if _, err := r.store.GiveBack(context.Background(), of, r.clock.Now()); err != nil {
			r.trouble.met("giving back a claim that was made for the worker", err)
		}
	}
	r.held.close(c)
	for _, j := range jobs {
		r.Nudge(j.InSlot())
	}
	return len(jobs) > 0 || err != nil
}

// mayStart says that the worker may start all of the jobs: none was cancelled meanwhile, and each has a handler without a limit.
func (r *Runner) mayStart(jobs []*job.Job) bool {
	return !r.quiet.Load() && !slices.ContainsFunc(jobs, func(j *job.Job) bool {
		h := r.handlers.of(j.Kind)
		return h == nil || h.limit > 0 || j.CancelAt != 0
	})
}

// giveBackUnknown gives back a claim that the worker does not know. Until that is done it is held, so that nobody starts its jobs who is told
// of it meanwhile. The end of ctx does not cut it off: whoever looks then finds the claim held, and leaves it to this.
func (r *Runner) giveBackUnknown(ctx context.Context, of job.Claim) error {
	c := &claim{worker: of.Worker, token: of.Token, at: time.Now()}
	if !r.held.open(c) {
		return nil
	}
	defer r.held.close(c)
	n, err := r.store.GiveBack(context.WithoutCancel(ctx), of, r.clock.Now())
	if n > 0 {
		r.log.Warn("gave back a claim that this worker did not know of", "jobs", n, "slot", of.Slot.Slot)
		r.Nudge(of.Slot)
	}
	return err
}

// awaitTold waits until no api counts on places any more, so that what was claimed for the worker to the last is there to be given back.
func (r *Runner) awaitTold() {
	for r.told.offeredWithin(nudge.PlacesFor + commitFor) {
		time.Sleep(drainLook)
	}
}
