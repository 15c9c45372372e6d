package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// limit is the longest that one part may take.
const limit = 20 * time.Minute

// drain stores the jobs first; the time runs from the workers' start until the last outcome is committed.
func drain(ctx context.Context, s settings, q queue) (result, error) {
	if err := fill(ctx, s, q); err != nil {
		return result{}, fmt.Errorf("fill: %w", err)
	}
	var ran atomic.Int64
	all := make(chan struct{})
	start := time.Now()
	stop, err := q.Work(ctx, func(int) {
		if ran.Add(1) == int64(s.jobs) {
			close(all)
		}
	})
	if err != nil {
		return result{}, err
	}
	select {
	case <-all:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(limit):
		err = fmt.Errorf("%d of %d jobs ran", ran.Load(), s.jobs)
	}
	err = errors.Join(err, stop())
	return result{Jobs: s.jobs, Seconds: time.Since(start).Seconds()}, err
}

// fill stores the jobs of a drain in the fastest way there is.
func fill(ctx context.Context, s settings, q queue) error {
	_, err := insertMany(ctx, s, q)
	if errors.Is(err, errNoBatch) {
		_, err = insert(ctx, s, q)
	}
	return err
}
