package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// spreads measures a drain over more and more slots, queues and workers.
func spreads(ctx context.Context, b *bench, db database) error {
	rate := []measure{{"", "jobs/s"}}
	var slots, queues, workers []contestant
	for _, n := range []int{1, 24, 100, 1000} {
		slots = append(slots, b.spread(plural(n, "slot"), n, 1, 1, 1000))
	}
	for _, n := range []int{1, 10, 100} {
		queues = append(queues, b.spread(plural(n, "queue"), job.DefaultSlots, n, 1, 1000))
	}
	for _, n := range []int{1, 5, 20, 50} {
		workers = append(workers, b.spread(plural(n, "worker"), job.DefaultSlots, 1, n, 0))
	}
	if err := b.contest(ctx, "Growth: slots", db, rate, slots); err != nil {
		return err
	}
	if err := b.contest(ctx, "Growth: queues", db, rate, queues); err != nil {
		return err
	}
	return b.contest(ctx, "Growth: workers", db, rate, workers)
}

func (b *bench) spread(name string, slots, queues, workers, concurrency int) contestant {
	settings := "default settings"
	if concurrency > 0 {
		settings = fmt.Sprintf("--concurrency=%d", concurrency)
	}
	return contestant{name, settings, func(ctx context.Context, db database) (outcome, error) {
		st, err := db.open(ctx)
		if err != nil {
			return outcome{}, err
		}
		defer st.Close()
		now, err := st.Now(ctx)
		if err != nil {
			return outcome{}, err
		}
		var names []string
		for i := range queues {
			q := job.NewQueue(fmt.Sprintf("bench-%d", i))
			q.Slots = slots
			if _, err := st.EnsureQueue(ctx, q, now); err != nil {
				return outcome{}, err
			}
			if _, err := fill(ctx, st, q.Name, "noop", b.jobs/queues, nil); err != nil {
				return outcome{}, err
			}
			names = append(names, q.Name)
		}
		if err := db.analyze(ctx); err != nil {
			return outcome{}, err
		}
		d, err := b.drain(ctx, db, strings.Join(names, ","), b.jobs/queues*queues, workers, concurrency)
		return one(d.rate()), err
	}}
}
