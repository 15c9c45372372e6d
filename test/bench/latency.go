package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/worker/runner"
)

// latencies measures the time from the answer to the handler's start, for jobs that arrive at random (Poisson): the real api and
// the real worker with and without the nudge, the peers, and one commit of the same database beside them.
func latencies(ctx context.Context, b *bench, db database) error {
	for _, rate := range []float64{2, 300, 3000} {
		n := max(int(rate*b.seconds), 20)
		var all []contestant
		if db.name != "redis" {
			all = append(all, contestant{"one commit of the database", "one row updated", commits},
				contestant{"one claim by bare statements", "one job at a time", func(ctx context.Context, db database) (outcome, error) {
					return bareClaims(ctx, db, rate, min(n, mostClaims))
				}},
				b.pickup("slotq", rate, n, true), b.pickup("slotq without the nudge", rate, n, false))
		}
		for _, p := range b.peers(db) {
			if p.latency {
				all = append(all, contestant{p.name, p.settings, func(ctx context.Context, db database) (outcome, error) {
					r, err := b.runPeer(ctx, db, p, "latency", n, fmt.Sprintf("--rate=%g", rate))
					return percentiles(milliseconds(r.Waits)), err
				}})
			}
		}
		part := fmt.Sprintf("Latency: answered to started, %s jobs/s (%s jobs)", number(rate), number(float64(n)))
		if err := b.contest(ctx, part, db, []measure{{"p50", "ms"}, {"p99", "ms"}, {"p99.9", "ms"}}, all); err != nil {
			return err
		}
	}
	return nil
}

// percentiles leaves out the last where so few values would make it the maximum.
func percentiles(sorted []float64) outcome {
	o := outcome{values: []float64{percentile(sorted, 0.5), percentile(sorted, 0.99)}}
	if len(sorted) >= 1000 {
		o.values = append(o.values, percentile(sorted, 0.999))
	}
	return o
}

// pickup runs the real api, and the real worker in this process.
func (b *bench) pickup(name string, rate float64, n int, nudged bool) contestant {
	return contestant{name, "default settings", func(ctx context.Context, db database) (outcome, error) {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
		defer cancel()
		base, _, stop, err := b.serve(ctx, db, "api")
		if err != nil {
			return outcome{}, err
		}
		defer stop()
		l := &latency{n: n, started: map[job.ID]time.Time{}, answered: map[job.ID]time.Time{}, warm: make(chan struct{}, warmUps), all: make(chan struct{})}
		waits, err := l.run(ctx, db, base, rate, nudged)
		return percentiles(waits), err
	}}
}

// latency is one run.
type latency struct {
	n         int
	warm, all chan struct{}

	mu                sync.Mutex
	started, answered map[job.ID]time.Time
}

func (l *latency) run(ctx context.Context, db database, base string, rate float64, nudged bool) (waits []float64, err error) {
	st, err := db.open(ctx)
	if err != nil {
		return nil, err
	}
	defer st.Close()
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
	r.Handle("warm-up", func(context.Context, *runner.Job) (any, error) {
		l.warm <- struct{}{}
		return nil, nil
	})
	r.Handle("latency", l.handle)
	var parts sync.WaitGroup
	defer parts.Wait()
	work, end := context.WithCancel(ctx)
	defer end()
	parts.Go(func() { err = errors.Join(err, r.Run(work)) })
	parts.Go(func() { _ = receiver.Run(work, r) }) // it ends with its context
	// As many connections as there are POSTs at once: the default client would open and close them all the time.
	transport := &http.Transport{MaxIdleConnsPerHost: 1000}
	defer transport.CloseIdleConnections()
	client, err := wire.NewClient(base, &http.Client{Transport: transport, Timeout: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	if err := warmUp(ctx, client, l.warm); err != nil {
		return nil, err
	}
	if err := l.post(ctx, client, rate); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, at := range l.started {
		waits = append(waits, max(at.Sub(l.answered[id]), 0).Seconds()*1000) // a start before the answer has arrived is no wait
	}
	slices.Sort(waits)
	return waits, nil
}

func (l *latency) handle(_ context.Context, j *runner.Job) (any, error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started[j.ID] = now; len(l.started) == l.n {
		close(l.all)
	}
	return nil, nil
}

// post sends the jobs and returns when all have started.
func (l *latency) post(ctx context.Context, client *wire.Client, rate float64) error {
	var posts sync.WaitGroup
	failed := make(chan error, l.n)
	next := time.Now()
	for range l.n {
		next = next.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		time.Sleep(time.Until(next))
		posts.Go(func() {
			e, err := client.Enqueue(ctx, wire.NewJob{Queue: "latency", Kind: "latency", Payload: payload})
			now := time.Now()
			if err != nil {
				failed <- err
				return
			}
			l.mu.Lock()
			l.answered[e.ID] = now
			l.mu.Unlock()
		})
	}
	posts.Wait()
	select {
	case err := <-failed:
		return err
	case <-l.all:
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("not all of %d jobs started within a minute", l.n)
	}
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
