package runner

import (
	"context"
	"fmt"
	"time"
)

const (
	drainLook = 10 * time.Millisecond // how often a drain looks whether the jobs have ended
	killLimit = 15 * time.Second      // beyond the grace: for processes that the kernel is slow to kill
	saveLimit = 10 * time.Second      // for saving the last outcomes
)

// drain ends the work: no more claims, then the time limit for what runs, then a stop, then the last outcomes are
// saved. Jobs that were stopped are given back uncounted.
func (r *Runner) drain(stopTaking func()) error {
	r.draining.Store(true)
	stopTaking()
	r.giveBackWaiting(time.Time{})
	running := len(r.held.ids())
	r.log.Info("draining: no more jobs are taken", "running", running, "limit", r.opts.DrainTimeout.String())

	if !r.await(max(r.opts.DrainTimeout, 0)) {
		n := r.killAll(ErrDrained)
		r.log.Info("the drain's limit is over: stopping what still runs and giving it back", "jobs", n)
		if !r.await(r.handlers.longestGrace() + killLimit) {
			r.log.Warn("some jobs do not stop: the process ends without them", "jobs", len(r.held.ids()))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveLimit)
	defer cancel()
	if n := r.finisher.flush(ctx); n > 0 {
		return fmt.Errorf("the database did not answer at the end: %d outcomes are not saved, a manager will have these jobs run again", n)
	}
	r.awaitTold()
	r.reconcileLast()
	r.log.Info("drained")
	return nil
}

// await waits until nothing runs, and no claim is being read whose jobs may; false = not within the limit. It looks now and
// then: a drain is the one moment when that costs nothing, and every job would pay for being waited for.
func (r *Runner) await(limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for r.places.busy() || r.told.reading.Load() > 0 {
		if !time.Now().Before(deadline) {
			return false
		}
		time.Sleep(min(drainLook, max(time.Until(deadline), time.Millisecond)))
	}
	return true
}
