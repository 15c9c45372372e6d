package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/slotq/slotq/shared/store"
)

// backlogs measures the worker and the api with ever more jobs waiting.
func backlogs(ctx context.Context, b *bench, db database) error {
	var sizes []int
	for _, n := range []int{10_000, 1_000_000, 10_000_000} {
		if n > 10_000 && n > b.growth {
			continue
		}
		sizes = append(sizes, n)
	}
	if b.growth > 10_000 && b.growth < 1_000_000 {
		sizes = append(sizes, b.growth) // a quick run
	}
	var all []contestant
	for _, n := range sizes {
		kept, drop, err := b.filled(ctx, db, func(ctx context.Context, st store.Store) error {
			_, err := fill(ctx, st, "bench", "noop", n, nil)
			return err
		})
		if err != nil {
			return err
		}
		defer drop()
		all = append(all, b.backlog(n).on(kept))
	}
	measures := []measure{{"claimed and finished", "jobs/s"}, {"POST p50", "ms"}, {"POST p99", "ms"}, {"manager's /metrics", "ms"}, {"list of 50 jobs", "ms"}}
	return b.contest(ctx, "Growth: backlog", db, measures, all)
}

// backlog measures on a database with n jobs, which it fills up again.
func (b *bench) backlog(n int) contestant {
	return contestant{thousands(int64(n)) + " waiting", "--concurrency=1000", func(ctx context.Context, db database) (o outcome, err error) {
		st, err := db.open(ctx)
		if err != nil {
			return o, err
		}
		defer st.Close()
		calls, err := b.calls(ctx, db)
		if err != nil {
			return o, err
		}
		// The rate of a small backlog is that of several in turn, so that it is no shorter than that of a large one.
		jobs, posted, took := 0, backlogPosts, time.Duration(0)
		for jobs < min(b.jobs, b.growth) {
			d, err := b.drain(ctx, db, "bench", min(n, b.jobs), 1, 1000)
			if err != nil {
				return o, err
			}
			jobs, took = jobs+d.jobs, took+d.first
			if _, err := fill(ctx, st, "bench", "noop", d.jobs-posted, nil); err != nil {
				return o, err
			}
			if posted = 0; n > 10_000 {
				break
			}
		}
		return outcome{values: append([]float64{float64(jobs) / took.Seconds()}, calls...)}, nil
	}}
}

// backlogPosts are the POSTs that are measured at a backlog.
const backlogPosts = 500

// calls measures POSTs, the manager's metrics and a page of jobs while nobody works.
func (b *bench) calls(ctx context.Context, db database) ([]float64, error) {
	base, _, stop, err := b.serve(ctx, db, "api")
	if err != nil {
		return nil, err
	}
	defer stop()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, stopManager, err := start(ctx, filepath.Join(b.dir, "manager"), "http://"+address+"/readyz", db, "--listen", address, "--log-level", "warn")
	if err != nil {
		return nil, err
	}
	defer stopManager()
	time.Sleep(2 * time.Second) // the manager's first counts
	l, err := b.load(ctx, base, backlogPosts, "--clients=1")
	if err != nil {
		return nil, err
	}
	metrics, err := timed(ctx, "http://"+address+"/metrics")
	if err != nil {
		return nil, err
	}
	list, err := timed(ctx, base+"/v1/jobs?queue=bench&limit=50")
	return []float64{l.percentile(0.5), l.percentile(0.99), metrics, list}, err
}

// timed is the median of 21 calls, in milliseconds.
func timed(ctx context.Context, url string) (float64, error) {
	var took []float64
	for range 21 {
		start := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%s: %s, %w", url, res.Status, err)
		}
		took = append(took, time.Since(start).Seconds()*1000)
	}
	return median(took), nil
}
