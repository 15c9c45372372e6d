package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/worker/executor"
)

// register makes the worker known under a fresh id. It tries until the database answers.
func (r *Runner) register(ctx context.Context) error {
	for try := 0; ; try++ {
		sent, boot := time.Now(), executor.BootTime()
		w := job.Worker{
			ID: job.NewWorkerID(), Name: r.opts.Name, Lease: r.opts.Lease, Concurrency: r.opts.Concurrency,
			Queues: r.opts.Queues, Slots: r.opts.Slots, Kinds: r.handlers.kinds(), Nudge: r.opts.Nudge,
			Quiet: r.quiet.Load(),
		}
		err := r.clock.Sync(ctx)
		if err == nil {
			w.StartedAt = r.clock.Now()
			w.BeatAt = w.StartedAt
			err = r.store.Register(ctx, w)
		}
		if err == nil {
			r.trouble.over()
			r.lease.registered(w.ID, sent)
			r.extend(boot)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, job.ErrUnavailable) && r.Worker() == 0 {
			return fmt.Errorf("registering the worker: %w", err)
		}
		r.trouble.met("registering the worker", err)
		if !sleep(ctx, r.backoff(try, firstPause, maxPause)) {
			return ctx.Err()
		}
	}
}

// heartbeat renews the lease until ctx ends. A beat that fails is tried again sooner than the next one would be due:
// every acknowledged beat counts while the database comes and goes.
func (r *Runner) heartbeat(ctx context.Context) {
	wait := r.opts.Heartbeat
	for try := 0; ; {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-r.beatNow:
			timer.Stop()
		}
		sent := time.Now()
		err := r.beat(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			try, wait = 0, max(0, r.opts.Heartbeat-time.Since(sent))
		case errors.Is(err, job.ErrWorkerDead):
			r.declaredDead(ctx)
			try, wait = 0, r.opts.Heartbeat
		default:
			r.trouble.met("renewing the lease", err)
			wait = r.backoff(try, r.opts.Heartbeat/50, r.opts.Heartbeat/5)
			try++
		}
	}
}

// beat is one heartbeat.
func (r *Runner) beat(ctx context.Context) error {
	// A beat that hangs must leave time for another one.
	limit, cancel := context.WithTimeout(ctx, max(r.opts.Heartbeat/2, 50*time.Millisecond))
	defer cancel()
	sent, boot := time.Now(), executor.BootTime()
	b, err := r.store.Beat(limit, r.lease.worker(), r.held.ids())
	if err != nil {
		return err
	}
	received := time.Now()
	r.trouble.over()
	r.clock.Adjust(b.Now, sent, received)
	if r.lease.renewed(sent) {
		r.log.Info("the lease is renewed: taking jobs again")
		r.loop.wake()
	}
	r.extend(boot)
	if len(b.Cancelled) > 0 {
		r.cancelJobs(b.Cancelled)
	}
	if r.quiet.Swap(b.Quiet) != b.Quiet {
		r.log.Info("asked to change what it takes", "quiet", b.Quiet)
		r.loop.wake()
	}
	if b.Stop {
		r.log.Info("asked to stop: draining")
		r.Stop()
	}
	return nil
}

// extend tells the shim the lease's end. It may have to wait for a shim that hangs, which no heartbeat may do.
func (r *Runner) extend(sent int64) {
	if s := r.opts.Subprocess; s != nil {
		go s.ExtendLease(sent + int64(r.opts.Lease))
	}
}

// cancelJobs stops the runs of jobs that somebody asked to cancel.
func (r *Runner) cancelJobs(ids []job.ID) {
	var runs []*run
	r.held.unfinished(func(x *run) {
		if slices.Contains(ids, x.job.ID) {
			runs = append(runs, x)
		}
	})
	for _, x := range runs {
		if x.state.CompareAndSwap(claimed, ended) {
			r.settleUnstarted(x, job.Outcome{Job: x.job, Action: job.Cancel, Reason: job.ReasonCancelled}, "cancelled", true)
		} else {
			r.kill(x, ErrCancelled)
		}
	}
}
