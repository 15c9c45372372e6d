package runner

import (
	"context"
	"time"
)

// watchLease fences the worker when its lease ends. It has a goroutine of its own: a heartbeat that hangs in the
// database must not keep the worker from seeing that its time is over.
func (r *Runner) watchLease(ctx context.Context) {
	timer := time.NewTimer(r.lease.left())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.lease.changed:
		case <-timer.C:
			if r.lease.expire() {
				n := r.killAll(ErrLeaseLost)
				r.log.Warn("the lease is over, since no heartbeat was acknowledged: another worker may start these jobs soon, so they are stopped",
					"worker", r.Worker().String(), "jobs", n)
				continue // until a beat is acknowledged
			}
		}
		timer.Reset(max(r.lease.left(), time.Millisecond))
	}
}

// declaredDead is what follows when the database says that this worker is dead: everything is stopped at once, and the
// process goes on under a new id. What had ended is still offered to the database, and what was stopped is given back
// uncounted, both under the old id: whether the manager's rescue or this came first, the token decides.
func (r *Runner) declaredDead(ctx context.Context) {
	old := r.Worker()
	r.lease.revoke()
	if s := r.opts.Subprocess; s != nil {
		s.RevokeLease()
	}
	n := r.killAll(ErrLeaseLost)
	if err := r.register(ctx); err != nil {
		return // ctx ended
	}
	r.log.Warn("the worker was declared dead: it has stopped its jobs, gives them back, and goes on under a new id",
		"old", old.String(), "worker", r.Worker().String(), "jobs", n)
	r.loop.wake()
}
