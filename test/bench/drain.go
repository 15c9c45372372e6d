package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/worker/runner"
)

// drains measures, one after the other in each round, the floor (the protocol's bare statements, two workers of 500
// places) and the real worker at default settings and with 1,000 places.
func drains(ctx context.Context, s settings, db database, _ string) error {
	st, err := open(ctx, db.url)
	if err != nil {
		return err
	}
	defer st.Close()
	rates := map[string][]float64{}
	names := []string{"floor: bare statements, 2 × 500 places", "worker, default settings (24 places)", "worker, --concurrency=1000"}
	for round := range s.pairs {
		for i, name := range names {
			queue := fmt.Sprintf("drain-%d-%d", round, i)
			q, err := fill(ctx, st, queue, "noop", s.jobs, nil)
			if err != nil {
				return err
			}
			var took time.Duration
			if i == 0 {
				took, err = floor(ctx, db, st, q, s.jobs)
			} else {
				took, err = drain(ctx, st, queue, s.jobs, []int{24, 1000}[i-1])
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			rates[name] = append(rates[name], float64(s.jobs)/took.Seconds())
		}
	}
	base := median(rates[names[0]])
	for _, name := range names {
		r := rates[name]
		row(db, "drain, "+name, "%7.0f jobs/s  (%.0f to %.0f)  %.2f of the floor", median(r), slices.Min(r), slices.Max(r), median(r)/base)
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// drain runs the real worker until it has run n jobs of the queue.
func drain(ctx context.Context, st store.Store, queue string, n, concurrency int) (time.Duration, error) {
	r, err := runner.New(runner.Options{Store: st, Queues: []string{queue}, Concurrency: concurrency})
	if err != nil {
		return 0, err
	}
	var ran atomic.Int64
	all := make(chan struct{})
	r.Handle("noop", func(context.Context, *runner.Job) (any, error) {
		if ran.Add(1) == int64(n) {
			close(all)
		}
		return nil, nil
	})
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	start := time.Now()
	go func() { ended <- r.Run(ctx) }()
	select {
	case <-all:
	case err := <-ended:
		return 0, errors.Join(errors.New("the worker ended early"), err)
	case <-ctx.Done():
		return 0, fmt.Errorf("%d of %d jobs ran", ran.Load(), n)
	}
	cancel() // the drain of the worker commits what is under way: it belongs to the time
	err = <-ended
	return time.Since(start), err
}

// blocked measures the worker's claim rate with nothing in front, and behind jobs that it may not take.
func blocked(ctx context.Context, s settings, db database, _ string) error {
	st, err := open(ctx, db.url)
	if err != nil {
		return err
	}
	defer st.Close()
	fronts := []struct {
		name, kind string
		change     func(*job.Spec)
	}{
		{"nothing", "", nil},
		{"jobs of an unserved kind", "nobody", nil},
		{"jobs of one concurrency_key at its limit", "noop", func(spec *job.Spec) { spec.ConcurrencyKey = "one" }},
	}
	rates := make([][]float64, len(fronts))
	for round := range s.pairs {
		for i, f := range fronts {
			queue := fmt.Sprintf("front-%d-%d", round, i)
			var q job.Queue
			if f.kind != "" {
				if q, err = fill(ctx, st, queue, f.kind, s.jobs, f.change); err != nil {
					return err
				}
			}
			if f.change != nil {
				// One holds the key's place and never ends, so the rest of the key waits at the front all the time.
				if err := hold(ctx, st, q); err != nil {
					return err
				}
			}
			if _, err := fill(ctx, st, queue, "noop", s.jobs, nil); err != nil {
				return err
			}
			took, err := drain(ctx, st, queue, s.jobs, 1000)
			if err != nil {
				return fmt.Errorf("behind %s: %w", f.name, err)
			}
			rates[i] = append(rates[i], float64(s.jobs)/took.Seconds())
		}
	}
	for i, f := range fronts {
		r := rates[i]
		row(db, fmt.Sprintf("claim rate, in front: %s", f.name), "%7.0f jobs/s  (%.0f to %.0f)  %.2f of nothing in front",
			median(r), slices.Min(r), slices.Max(r), median(r)/median(rates[0]))
	}
	return nil
}

// hold claims the job that has the key's place for a worker that never ends it.
func hold(ctx context.Context, st store.Store, q job.Queue) error {
	now, err := st.Now(ctx)
	if err != nil {
		return err
	}
	w := job.Worker{ID: job.NewWorkerID(), Name: "holder", Lease: time.Hour, Kinds: []string{"*"}, StartedAt: now}
	if err := st.Register(ctx, w); err != nil {
		return err
	}
	slot := job.Slot{QueueID: q.ID, Slot: job.KeySlot("one", q.KeySlots)}
	c, err := st.Claim(ctx, job.ClaimRequest{Worker: w.ID, Token: job.NewToken(w.ID), Slot: slot, Max: 1, Now: now})
	if err == nil && len(c.Jobs) != 1 {
		err = errors.New("no job of the key could be claimed")
	}
	return err
}
