package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// places is a worker's default concurrency, which what stands beside it uses too.
const places = 24

// reals measures jobs that do something: subprocesses beside xargs, and pushes to a local server beside a bare client.
func reals(ctx context.Context, b *bench, db database) error {
	rate := []measure{{"", "jobs/s"}}
	settings := fmt.Sprintf("%d at once", places)
	err := b.contest(ctx, "Real jobs: the subprocess true", db, rate, []contestant{
		{fmt.Sprintf("xargs -n 1 -P %d true", places), settings, func(ctx context.Context, _ database) (outcome, error) { return xargs(ctx, b.execs) }},
		{"slotq, 1 worker", settings, func(ctx context.Context, db database) (outcome, error) {
			return b.reality(ctx, db, `exec: ["true"]`)
		}},
	})
	if err != nil {
		return err
	}
	base, _, stop, err := b.serve(ctx, db, "bare")
	if err != nil {
		return err
	}
	defer stop()
	return b.contest(ctx, "Real jobs: a push over HTTP", db, rate, []contestant{
		{"net/http's client", settings, func(ctx context.Context, _ database) (outcome, error) { return push(ctx, base+"/push", b.execs) }},
		{"slotq, 1 worker", settings, func(ctx context.Context, db database) (outcome, error) {
			return b.reality(ctx, db, "http: "+base+"/push\n    allow: [127.0.0.0/8]")
		}},
	})
}

func xargs(ctx context.Context, n int) (outcome, error) {
	cmd := exec.CommandContext(ctx, "xargs", "-n", "1", "-P", fmt.Sprint(places), "true")
	cmd.Stdin = strings.NewReader(strings.Repeat("x\n", n))
	start := time.Now()
	err := cmd.Run()
	return one(float64(n) / time.Since(start).Seconds()), err
}

func push(ctx context.Context, url string, n int) (outcome, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: places}}
	defer client.CloseIdleConnections()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(places)
	start := time.Now()
	for range n {
		g.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(payload)))
			if err != nil {
				return err
			}
			res, err := client.Do(req)
			if err != nil {
				return err
			}
			return res.Body.Close()
		})
	}
	err := g.Wait()
	return one(float64(n) / time.Since(start).Seconds()), err
}

// reality runs jobs through the real worker and a handler of worker.yaml. The queue is paused until the worker is ready.
func (b *bench) reality(ctx context.Context, db database, handler string) (o outcome, err error) {
	st, err := db.open(ctx)
	if err != nil {
		return o, err
	}
	defer st.Close()
	if _, err := fill(ctx, st, "real", "real", b.execs, nil); err != nil {
		return o, err
	}
	if _, err := st.PauseQueue(ctx, "real", true); err != nil {
		return o, err
	}
	handlers := filepath.Join(b.dir, "real.yaml")
	if err := os.WriteFile(handlers, []byte("handlers:\n  real:\n    "+handler+"\n"), 0o600); err != nil {
		return o, err
	}
	address, err := freeAddress()
	if err != nil {
		return o, err
	}
	pid, stop, err := start(ctx, filepath.Join(b.dir, "worker"), "http://"+address+"/readyz", db,
		"--listen", address, "--log-level", "warn", "--handlers", handlers, "--insecure")
	if err != nil {
		return o, err
	}
	defer stop()
	if _, err := st.PauseQueue(ctx, "real", false); err != nil {
		return o, err
	}
	// The time runs from the first outcome on: until then the worker has found out that the queue is no longer paused.
	d, err := db.plain()
	if err != nil {
		return o, err
	}
	defer d.Close()
	left := func() (n int, err error) {
		err = d.QueryRowContext(ctx, "SELECT COUNT(*) FROM slotq_jobs").Scan(&n)
		return n, err
	}
	n := b.execs
	for deadline := time.Now().Add(drainLimit); n == b.execs && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if n, err = left(); err != nil {
			return o, err
		}
	}
	start := time.Now()
	before, err := treeSeconds(pid)
	if err != nil {
		return o, err
	}
	for now := n; now > 0; time.Sleep(50 * time.Millisecond) {
		if now, err = left(); err != nil {
			return o, err
		}
		if time.Since(start) > drainLimit {
			return o, fmt.Errorf("%d of %d jobs are left", now, b.execs)
		}
	}
	took := time.Since(start).Seconds()
	after, err := treeSeconds(pid)
	return outcome{[]float64{float64(n) / took}, fmt.Sprintf("worker %.0f %% of a core", (after-before)/took*100)}, err
}
