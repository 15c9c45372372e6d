package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// warmUps are jobs before those that count: connections open and statements are prepared.
const warmUps = 100

// latency inserts jobs at random times (Poisson) and measures from the return of the insert to the handler's start.
func latency(ctx context.Context, s settings, q queue) (result, error) {
	var mu sync.Mutex
	started, inserted := map[int]time.Time{}, map[int]time.Time{}
	warm, all := make(chan struct{}, warmUps), make(chan struct{})
	stop, err := q.Work(ctx, func(seq int) {
		now := time.Now()
		if seq < 0 {
			warm <- struct{}{}
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if _, again := started[seq]; again {
			return // it was delivered twice
		}
		if started[seq] = now; len(started) == s.jobs {
			close(all)
		}
	})
	if err != nil {
		return result{}, err
	}
	if err := warmUp(ctx, q, warm); err != nil {
		return result{}, errors.Join(err, stop())
	}
	start := time.Now()
	failed := make(chan error, s.jobs)
	var inserts sync.WaitGroup
	next := start
	for seq := range s.jobs {
		next = next.Add(time.Duration(rand.ExpFloat64() / s.rate * float64(time.Second)))
		time.Sleep(time.Until(next))
		inserts.Go(func() {
			if err := q.Insert(ctx, seq); err != nil {
				failed <- err
				return
			}
			now := time.Now()
			mu.Lock()
			inserted[seq] = now
			mu.Unlock()
		})
	}
	inserts.Wait()
	select {
	case err = <-failed:
	case <-all:
	case <-time.After(time.Minute):
		err = fmt.Errorf("not all of %d jobs started within a minute", s.jobs)
	}
	err = errors.Join(err, stop())
	r := result{Jobs: s.jobs, Seconds: time.Since(start).Seconds()}
	for seq, at := range started {
		r.Waits = append(r.Waits, max(at.Sub(inserted[seq]), 0).Microseconds()) // a start before the return is no wait
	}
	return r, err
}

func warmUp(ctx context.Context, q queue, warm <-chan struct{}) error {
	for range warmUps {
		if err := q.Insert(ctx, -1); err != nil {
			return err
		}
	}
	for range warmUps {
		select {
		case <-warm:
		case <-time.After(time.Minute):
			return errors.New("the jobs that warm up did not run within a minute")
		}
	}
	return nil
}
