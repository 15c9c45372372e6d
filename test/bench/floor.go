package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/test/bench/bare"
)

// gather is how long the floor's finisher waits for outcomes, which is what a worker's does.
const gather = 3 * time.Millisecond

// floor drains a queue of n jobs with two loops, each with half of the slots. With a finisher outcomes are committed beside
// the next claims, as a worker does it; without, one after the other.
func floor(ctx context.Context, db database, q job.Queue, n, places int, finisher bool) (time.Duration, error) {
	var counts [2]int
	g, loops := errgroup.WithContext(ctx)
	var bares [2]bare.Statements
	for i := range bares {
		b, err := bare.On(ctx, db.url)
		if err != nil {
			return 0, err
		}
		defer b.Close()
		bares[i] = b
	}
	start := time.Now()
	for i, b := range bares {
		var slots []int
		for slot := 1 + i; slot <= q.Slots; slot += 2 {
			slots = append(slots, slot)
		}
		loop := inTurn
		if finisher {
			loop = gathering
		}
		g.Go(func() (err error) {
			counts[i], err = loop(loops, b, q.ID, slots, places)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	if got := counts[0] + counts[1]; got != n {
		return 0, fmt.Errorf("the bare statements ran %d of %d jobs", got, n)
	}
	return time.Since(start), nil
}

// inTurn claims and finishes one after the other.
func inTurn(ctx context.Context, b bare.Statements, queue int32, slots []int, places int) (n int, err error) {
	w := job.NewWorkerID()
	for _, slot := range slots {
		for {
			c, err := b.Claim(ctx, queue, slot, w, places)
			if err != nil {
				return n, err
			}
			if len(c.IDs) == 0 {
				break
			}
			if err := b.Finish(ctx, w, []bare.Claimed{c}); err != nil {
				return n, err
			}
			n += len(c.IDs)
		}
	}
	return n, nil
}

// gathering claims as many jobs as places are free, while a finisher commits every 3 ms what has been claimed.
func gathering(ctx context.Context, b bare.Statements, queue int32, slots []int, places int) (n int, err error) {
	w := job.NewWorkerID()
	ended, freed := make(chan bare.Claimed, places), make(chan int, places)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		tick := time.NewTicker(gather)
		defer tick.Stop()
		for open := true; open; {
			var claims []bare.Claimed
			var count int
			claims, count, open = received(ended)
			if len(claims) > 0 {
				if err := b.Finish(ctx, w, claims); err != nil {
					return err
				}
				freed <- count // there is room: a place is freed once
			}
			<-tick.C
		}
		return nil
	})
	g.Go(func() error {
		defer close(ended)
		free := places
		for _, slot := range slots {
			for {
				for free == 0 || len(freed) > 0 {
					select {
					case more := <-freed:
						free += more
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				c, err := b.Claim(ctx, queue, slot, w, free)
				if err != nil {
					return err
				}
				if len(c.IDs) == 0 {
					break
				}
				n, free = n+len(c.IDs), free-len(c.IDs)
				ended <- c
			}
		}
		return nil
	})
	err = g.Wait()
	return n, err // not in one: what is evaluated first is not defined
}

// received is what waits in a channel, without waiting for more.
func received(ended <-chan bare.Claimed) (claims []bare.Claimed, count int, open bool) {
	for {
		select {
		case c, ok := <-ended:
			if !ok {
				return claims, count, false
			}
			claims, count = append(claims, c), count+len(c.IDs)
		default:
			return claims, count, true
		}
	}
}
