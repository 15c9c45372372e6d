package main

import (
	"context"
	"fmt"
	"time"
)

// onTime is the longest that the oldest job may wait when jobs are enqueued and run at once.
const onTime = time.Second

// both measures the highest rate at which single POSTs and workers keep up with each other.
func both(ctx context.Context, b *bench, db database) error {
	if db.name == "redis" {
		return nil
	}
	return b.contest(ctx, "Both at once: the highest rate with the oldest job under 1 s", db, []measure{{"", "jobs/s"}}, []contestant{{
		"slotq, POST by 64 clients, two workers", fmt.Sprintf("default settings, held for %g s", b.both),
		func(ctx context.Context, db database) (outcome, error) { return b.bisect(ctx, db) },
	}})
}

// bisect looks for the rate with short trials, and then lowers it until it holds for the whole time.
func (b *bench) bisect(ctx context.Context, db database) (outcome, error) {
	const lowest, close = 50.0, 1.05
	good, bad := 0.0, 0.0
	for rate := 2000.0; bad == 0 || bad/good > close; {
		t, err := b.trial(ctx, db, rate, b.both/6)
		if err != nil {
			return outcome{}, err
		}
		if t.held {
			good = rate
		} else {
			bad = rate
		}
		switch {
		case bad == 0:
			rate *= 2
		case good == 0 && bad < lowest:
			return outcome{}, fmt.Errorf("not even %g jobs a second are kept up with", bad)
		case good == 0:
			rate /= 2
		default:
			rate = (good + bad) / 2
		}
	}
	for ; good > lowest; good *= 0.95 {
		t, err := b.trial(ctx, db, good, b.both)
		if err != nil || t.held {
			return outcome{[]float64{t.rate}, t.note}, err
		}
	}
	return outcome{note: "no rate held for the whole time"}, nil
}

// trial is one rate for some seconds.
type trial struct {
	held bool
	rate float64 // what was really sent
	note string
}

func (b *bench) trial(ctx context.Context, db database, rate, seconds float64) (t trial, err error) {
	db, drop, err := db.fresh(ctx, b.dir)
	if err != nil {
		return t, err
	}
	defer drop()
	base, _, stop, err := b.serve(ctx, db, "api")
	if err != nil {
		return t, err
	}
	defer stop()
	c, err := b.hire(ctx, db, 2, 0, "bench")
	if err != nil {
		return t, err
	}
	err = c.begin()
	left := false
	leave := func() error {
		if left {
			return nil
		}
		left = true
		return c.leave()
	}
	defer leave()
	const warm = 200
	if err == nil {
		if _, err = b.load(ctx, base, warm, "--clients=8"); err == nil {
			err = c.await(ctx, time.Minute, warm)
		}
	}
	if err != nil {
		return t, err
	}
	c.oldest() // the first jobs of a queue wait until the workers have learnt of it
	l, err := b.load(ctx, base, 0, "--clients=64", fmt.Sprintf("--rate=%g", rate), fmt.Sprintf("--seconds=%g", seconds))
	if err != nil {
		return t, err
	}
	if err := c.await(ctx, drainLimit, warm+l.Jobs); err != nil {
		return t, err
	}
	oldest := c.oldest()
	t.rate = l.rate()
	// What the clients could not send, since the api was slower, was not kept up with either.
	t.held = oldest < onTime && t.rate > 0.98*rate
	t.note = fmt.Sprintf("the oldest waited %s ms; POST p99 %s ms; load generator %.0f %% of a core", number(float64(oldest.Milliseconds())),
		number(l.percentile(0.99)), l.CPU/l.Seconds*100)
	return t, leave()
}
