package main

import (
	"context"
	"errors"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// fronts measures the worker's claim rate with nothing in front, and behind jobs that it may not take.
func fronts(ctx context.Context, b *bench, db database) error {
	var all []contestant
	for _, f := range []struct {
		name  string
		place func(context.Context, store.Store, int) error
	}{
		{"nothing", func(context.Context, store.Store, int) error { return nil }},
		{"jobs of an unserved kind", func(ctx context.Context, st store.Store, n int) error {
			_, err := fill(ctx, st, "front", "nobody", n, nil)
			return err
		}},
		{"jobs of one concurrency_key at its limit", holdKey},
		{"jobs in open claims", holdAll},
	} {
		all = append(all, contestant{"in front: " + f.name, "--concurrency=1000", func(ctx context.Context, db database) (outcome, error) {
			st, err := db.open(ctx)
			if err != nil {
				return outcome{}, err
			}
			defer st.Close()
			if err := f.place(ctx, st, b.front); err != nil {
				return outcome{}, err
			}
			if _, err := fill(ctx, st, "front", "noop", b.jobs, nil); err != nil {
				return outcome{}, err
			}
			if err := db.analyze(ctx); err != nil {
				return outcome{}, err
			}
			d, err := b.drain(ctx, db, "front", b.jobs, 1, 1000)
			return one(d.rate()), err
		}})
	}
	return b.contest(ctx, "Blocked fronts of "+number(float64(b.front))+" jobs", db, []measure{{"", "jobs/s"}}, all)
}

// holdKey puts jobs of one key in front. One of them holds the key's place and never ends, so the rest waits all the time.
func holdKey(ctx context.Context, st store.Store, n int) error {
	q, err := fill(ctx, st, "front", "noop", n, func(spec *job.Spec) { spec.ConcurrencyKey = "one" })
	if err != nil {
		return err
	}
	held, err := hold(ctx, st, 1, job.Slot{QueueID: q.ID, Slot: job.KeySlot("one", q.KeySlots)})
	if err == nil && held != 1 {
		err = errors.New("no job of the key could be claimed")
	}
	return err
}

// holdAll puts jobs in front that are all claimed already.
func holdAll(ctx context.Context, st store.Store, n int) error {
	q, err := fill(ctx, st, "front", "noop", n, nil)
	if err != nil {
		return err
	}
	var slots []job.Slot
	for slot := range q.Slots {
		slots = append(slots, job.Slot{QueueID: q.ID, Slot: slot + 1})
	}
	held, err := hold(ctx, st, n, slots...)
	if err == nil && held != n {
		err = errors.New("not all jobs could be claimed")
	}
	return err
}

// hold claims up to so many jobs of the slots for a worker that never ends them.
func hold(ctx context.Context, st store.Store, most int, slots ...job.Slot) (held int, err error) {
	now, err := st.Now(ctx)
	if err != nil {
		return 0, err
	}
	w := job.Worker{ID: job.NewWorkerID(), Name: "holder", Lease: time.Hour, Kinds: []string{"*"}, StartedAt: now}
	if err := st.Register(ctx, w); err != nil {
		return 0, err
	}
	for _, slot := range slots {
		for held < most {
			c, err := st.Claim(ctx, job.ClaimRequest{Worker: w.ID, Token: job.NewToken(w.ID), Slot: slot, Max: min(most-held, 500), Now: now})
			if err != nil {
				return held, err
			}
			if len(c.Jobs) == 0 {
				break
			}
			held += len(c.Jobs)
		}
	}
	return held, nil
}
