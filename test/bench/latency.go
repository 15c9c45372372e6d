package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/worker/runner"
)

// latencies measures the time from the api's answer to the handler's start, with a real api process and the real worker
// in this one, for jobs that arrive at random (Poisson).
func latencies(ctx context.Context, s settings, db database, dir string) error {
	for _, rate := range []float64{2, 300} {
		for _, nudged := range []bool{true, false} {
			n := s.latency
			if rate < 10 {
				n = min(n, s.latency/5) // at 2 a second 500 jobs take more than four minutes
			}
			waits, err := latency(ctx, db, dir, rate, n, nudged)
			if err != nil {
				return err
			}
			slices.Sort(waits)
			with := "with the nudge"
			if !nudged {
				with = "without the nudge"
			}
			at := func(q float64) float64 { return float64(waits[int(q*float64(len(waits)-1))].Microseconds()) / 1000 }
			row(db, fmt.Sprintf("pickup latency, %g jobs/s, %d jobs, %s", rate, n, with), "p50 %.1f ms  p99 %.1f ms", at(0.5), at(0.99))
		}
	}
	return nil
}

func latency(ctx context.Context, db database, dir string, rate float64, n int, nudged bool) (waits []time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	st, err := open(ctx, db.url)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	base, stop, err := startAPI(ctx, db, dir)
	if err != nil {
		return nil, err
	}
	defer stop()
	options := runner.Options{Store: st, Queues: []string{"latency"}}
	receiver, err := nudge.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer receiver.Close()
	if nudged {
		options.Nudge = receiver.Addr().String()
	}
	r, err := runner.New(options)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	started, answered := map[job.ID]time.Time{}, map[job.ID]time.Time{}
	warm, all := make(chan struct{}, warmUps), make(chan struct{})
	r.Handle("warm-up", func(context.Context, *runner.Job) (any, error) {
		warm <- struct{}{}
		return nil, nil
	})
	r.Handle("latency", func(_ context.Context, j *runner.Job) (any, error) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if started[j.ID] = now; len(started) == n {
			close(all)
		}
		return nil, nil
	})
	var parts sync.WaitGroup
	defer parts.Wait()
	work, end := context.WithCancel(ctx)
	defer end()
	parts.Go(func() { err = errors.Join(err, r.Run(work)) })
	parts.Go(func() { _ = receiver.Run(work, r.Nudge) }) // it ends with its context
	client, err := wire.NewClient(base, nil)
	if err != nil {
		return nil, err
	}
	if err := warmUp(ctx, client, warm); err != nil {
		return nil, err
	}
	var posts sync.WaitGroup
	failed := make(chan error, n)
	next := time.Now()
	for range n {
		next = next.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		time.Sleep(time.Until(next))
		posts.Go(func() {
			e, err := client.Enqueue(ctx, wire.NewJob{Queue: "latency", Kind: "latency"})
			now := time.Now()
			if err != nil {
				failed <- err
				return
			}
			mu.Lock()
			answered[e.ID] = now
			mu.Unlock()
		})
	}
	posts.Wait()
	select {
	case err := <-failed:
		return nil, err
	case <-all:
	case <-time.After(30 * time.Second):
		return nil, fmt.Errorf("%d of %d jobs started", len(started), n)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, at := range started {
		waits = append(waits, max(at.Sub(answered[id]), 0)) // a start before the answer has arrived is no wait
	}
	return waits, nil
}

// warmUps are jobs before those that count: the first of a queue waits until the worker has learnt of the queue (about
// 0.2 s, once in the queue's life), and the first on a connection for the statements to be prepared.
const warmUps = 100

func warmUp(ctx context.Context, client *wire.Client, warm <-chan struct{}) error {
	for range warmUps {
		if _, err := client.Enqueue(ctx, wire.NewJob{Queue: "latency", Kind: "warm-up"}); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	for range warmUps {
		select {
		case <-warm:
		case <-time.After(30 * time.Second):
			return errors.New("the jobs that warm up did not run within 30 s")
		}
	}
	time.Sleep(3 * time.Second) // the api reads the list of workers every two seconds
	return nil
}

// startAPI runs the real api on a free port.
func startAPI(ctx context.Context, db database, dir string) (base string, stop func(), err error) {
	address, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	_, stop, err = start(ctx, filepath.Join(dir, "api"), "http://"+address+"/readyz", db, "--listen", address)
	return "http://" + address, stop, err
}

// start runs a binary until stop and waits for it to be ready.
func start(ctx context.Context, binary, ready string, db database, args ...string) (pid int, stop func(), err error) {
	cmd := exec.CommandContext(ctx, binary, append(args, "--log-level", "warn")...)
	cmd.Env = append(os.Environ(), "SLOTQ_DATABASE_URL="+db.url)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it was told to end; how it says so does not matter
	}
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if ok(ctx, ready) {
			return cmd.Process.Pid, stop, nil
		}
		if time.Now().After(deadline) {
			stop()
			return 0, nil, fmt.Errorf("%s was not ready within 15 s", filepath.Base(binary))
		}
	}
}
