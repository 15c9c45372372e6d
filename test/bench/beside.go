package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// beside measures the claim rate while something else fills the tables.
func beside(ctx context.Context, b *bench, db database) error {
	nothing := func(context.Context, store.Store, database) (func(), error) { return func() {}, nil }
	scheduled, drop, err := b.filled(ctx, db, func(ctx context.Context, st store.Store) error {
		_, err := fill(ctx, st, "bench", "noop", b.growth, func(spec *job.Spec) { spec.Delay = 24 * time.Hour })
		return err
	})
	if err != nil {
		return err
	}
	defer drop()
	many := thousands(int64(b.growth))
	return b.contest(ctx, "Growth: beside what fills the tables", db, []measure{{"", "jobs/s"}}, []contestant{
		b.besides("nothing", nothing),
		b.besides(many+" scheduled for tomorrow", nothing).on(scheduled),
		b.besides(many+" in history, pruned meanwhile", b.pruned),
	})
}

func (b *bench) besides(name string, prepare func(context.Context, store.Store, database) (func(), error)) contestant {
	return contestant{"beside " + name, "--concurrency=1000", func(ctx context.Context, db database) (outcome, error) {
		st, err := db.open(ctx)
		if err != nil {
			return outcome{}, err
		}
		defer st.Close()
		if _, err := fill(ctx, st, "bench", "noop", b.jobs, nil); err != nil {
			return outcome{}, err
		}
		end, err := prepare(ctx, st, db)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		if err := db.analyze(ctx); err != nil {
			return outcome{}, err
		}
		d, err := b.drain(ctx, db, "bench", b.jobs, 1, 1000)
		return one(d.rate()), err
	}}
}

// pruned lets the bare statements finish jobs, whose retention is over as soon as they are in history, and a manager prune them.
func (b *bench) pruned(ctx context.Context, st store.Store, db database) (func(), error) {
	q, err := fill(ctx, st, "past", "noop", b.growth, nil)
	if err != nil {
		return nil, err
	}
	if _, err := floor(ctx, db, q, b.growth, 500, false); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, stop, err := start(ctx, filepath.Join(b.dir, "manager"), "http://"+address+"/readyz", db, "--listen", address, "--log-level", "warn")
	return stop, err
}
