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
	from := 0.0 // where a pair begins
	return b.contest(ctx, "Both at once: the highest rate with the oldest job under 1 s", db, []measure{{"", "jobs/s"}}, []contestant{{
		"slotq, POST by 64 clients, two workers", fmt.Sprintf("default settings, held for %g s", b.both),
		func(ctx context.Context, db database) (o outcome, err error) {
			if from == 0 {
				if from, err = b.bisect(ctx, db); err != nil {
					return outcome{}, err
				}
			}
			held, note, err := b.lower(ctx, db, from)
			if held == 0 || err != nil {
				return outcome{note: "no rate held for the whole time"}, err
			}
			from = held * bothStep // the next pair may hold more, too
			return outcome{[]float64{held}, note}, nil
		},
	}})
}

// bothStep is how much two rates differ that are told apart, and lowestBoth the rate at which the search ends.
const bothStep, lowestBoth = 1.05, 50.0

// bisect looks for the rate with short trials.
func (b *bench) bisect(ctx context.Context, db database) (float64, error) {
	good, bad := 0.0, 0.0
	for rate := 2000.0; bad == 0 || bad/good > bothStep; {
		t, err := b.trial(ctx, db, rate, b.both/6)
		if err != nil {
			return 0, err
		}
		if t.held {
			good = rate
		} else {
			bad = rate
		}
		switch {
		case bad == 0:
			rate *= 2
		case good == 0 && bad < lowestBoth:
			return 0, fmt.Errorf("not even %g jobs a second are kept up with", bad)
		case good == 0:
			rate /= 2
		default:
			rate = (good + bad) / 2
		}
	}
	return good, nil
}

// lower lowers a rate until it holds for the whole time; 0 = none did.
func (b *bench) lower(ctx context.Context, db database, rate float64) (held float64, note string, err error) {
	for ; rate > lowestBoth; rate /= bothStep {
		t, err := b.trial(ctx, db, rate, b.both)
		if err != nil || t.held {
			return t.rate, t.note, err
		}
	}
	return 0, "", nil
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
