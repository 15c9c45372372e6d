package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// payload is 100 bytes, as in the figures that other queues publish.
var payload = append(append([]byte{'"'}, bytes.Repeat([]byte("x"), 98)...), '"')

// filled is a database that all pairs of a contestant use: filling it takes much longer than measuring.
func (b *bench) filled(ctx context.Context, db database, fill func(context.Context, store.Store) error) (kept database, drop func(), err error) {
	kept, drop, err = db.fresh(ctx, b.dir)
	if err != nil {
		return kept, drop, err
	}
	st, err := kept.open(ctx)
	if err == nil {
		err = errors.Join(fill(ctx, st), st.Close())
	}
	if err == nil {
		err = kept.analyze(ctx)
	}
	if err != nil {
		drop()
	}
	return kept, drop, err
}

// fill enqueues jobs of a kind in batches of 1,000, each with a time of its own and dealt to the slots as a
// request has it, and changed by change.
func fill(ctx context.Context, s store.Store, queue, kind string, n int, change func(*job.Spec)) (job.Queue, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return job.Queue{}, err
	}
	q, err := s.EnsureQueue(ctx, job.NewQueue(queue), now)
	if err != nil {
		return q, err
	}
	for n > 0 {
		if now, err = s.Now(ctx); err != nil {
			return q, err
		}
		var jobs []*job.Job
		for range min(n, 1000) {
			spec := &job.Spec{Queue: queue, Kind: kind, Payload: payload}
			if change != nil {
				change(spec)
			}
			jobs = append(jobs, spec.Make(q, now))
		}
		job.DealBatch(jobs)
		if _, err := s.Enqueue(ctx, jobs, false); err != nil {
			return q, err
		}
		n -= len(jobs)
	}
	return q, nil
}
