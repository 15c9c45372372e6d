package runner

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// reconcile compares, once every lease, what the database says this worker holds with what it knows, and gives back
// what it has forgotten: a claim whose COMMIT landed after its caller had given it up, a finish that a failover has
// undone. Nobody else would: the worker beats on, so no manager rescues its claims.
func (r *Runner) reconcile(ctx context.Context) {
	for sleep(ctx, r.opts.Lease) {
		if err := r.reconcileAll(ctx); err != nil {
			r.trouble.met("comparing what the worker holds", err)
		}
	}
}

func (r *Runner) reconcileAll(ctx context.Context) error {
	for _, id := range append(r.lease.formerly(), r.Worker()) {
		if err := r.reconcileAs(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) reconcileAs(ctx context.Context, id job.WorkerID) error {
	claims, err := r.store.Claims(ctx, id)
	if err != nil {
		return err
	}
	doubtful := false
	for _, c := range claims {
		ids, unknown := r.held.strays(c)
		if unknown && (r.draining.Load() || id != r.Worker() || !r.young(c)) {
			if err := r.giveBackUnknown(ctx, c); err != nil {
				return err
			}
		}
		doubtful = doubtful || len(ids) > 0
	}
	if len(claims) == 0 && id != r.Worker() {
		r.lease.forget(id)
	}
	if !doubtful {
		return nil
	}
	// Between the reading and the comparing a job may have ended. What is gone from memory by now and is still there in
	// a second reading is a stray.
	return r.releaseStrays(ctx, id, claims)
}

func (r *Runner) releaseStrays(ctx context.Context, id job.WorkerID, before []job.Claim) error {
	suspected := map[job.Held]bool{}
	for _, c := range before {
		ids, _ := r.held.strays(c)
		for _, i := range ids {
			suspected[job.Held{ID: i, Token: c.Token}] = true
		}
	}
	claims, err := r.store.Claims(ctx, id)
	if err != nil {
		return err
	}
	for _, c := range claims {
		for _, i := range c.IDs {
			if suspected[job.Held{ID: i, Token: c.Token}] {
				j, err := r.store.Get(ctx, i)
				if err != nil {
					return err
				}
				j.Token = c.Token // what Finish tests: whatever has become of it meanwhile, it says so
				r.log.Warn("gives back a job that this worker had forgotten", "job", i.String(), "slot", j.Slot)
				r.finisher.add(ending{outcome: job.Outcome{Job: j, Action: job.Release}, label: "released"}, true)
			}
		}
	}
	return nil
}

// reconcileLast compares once more before the worker signs off: what it leaves, a manager takes for the work of a dead
// worker and counts a crash.
func (r *Runner) reconcileLast() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	if err := r.reconcileAll(ctx); err != nil {
		r.log.Warn("could not compare at the end what the worker holds: what it has forgotten a manager will free", "error", err)
	}
	r.finisher.flush(ctx)
}

// count reports the stats, once a heartbeat when there are any.
func (r *Runner) count(ctx context.Context) { _ = r.store.Run(ctx, r.opts.Heartbeat, r.log) }

// leaveLimit is for each of the last two things that a worker asks of the database.
const leaveLimit = 2 * time.Second

// leave takes the worker's row away, so that nobody waits for its next beat. When it fails, the manager's sweep does
// the same a lease later.
func (r *Runner) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	if err := r.store.Leave(ctx, r.Worker()); err != nil {
		r.log.Warn("could not sign off: a manager will, one lease from now", "error", err)
	}
}
