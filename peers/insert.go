package main

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// insert stores jobs one by one from many goroutines.
func insert(ctx context.Context, s settings, q queue) (result, error) {
	var next atomic.Int64
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range s.clients {
		g.Go(func() error {
			for {
				seq := int(next.Add(1)) - 1
				if seq >= s.jobs {
					return nil
				}
				if err := q.Insert(ctx, seq); err != nil {
					return err
				}
			}
		})
	}
	err := g.Wait()
	return result{Jobs: s.jobs, Seconds: time.Since(start).Seconds()}, err
}

// insertMany stores jobs in batches, one after the other.
func insertMany(ctx context.Context, s settings, q queue) (result, error) {
	start := time.Now()
	for left := s.jobs; left > 0; left -= s.batch {
		if err := q.InsertMany(ctx, min(left, s.batch)); err != nil {
			return result{}, err
		}
	}
	return result{Jobs: s.jobs, Seconds: time.Since(start).Seconds()}, nil
}
