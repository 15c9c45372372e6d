package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/test/bench/bare"
)

// enqueues measures how fast jobs are stored and answered: over HTTP with more and more clients, in batches, beside a handler
// without a database, the floor, which stores by bare statements, and the peers' own calls, which store from within the process that
// has the job.
func enqueues(ctx context.Context, b *bench, db database) error {
	var single, batch []contestant
	if db.name != "redis" {
		single = append(single, b.post("handler without a database, 64 clients", "bare", b.posts, "--clients=64"))
		for _, clients := range []int{1, 16, 64, 256} {
			jobs := b.posts
			if clients == 1 {
				jobs /= 10 // it waits for one commit after the other
			}
			single = append(single, b.post(fmt.Sprintf("slotq, POST, %s", plural(clients, "client")), "api", jobs, fmt.Sprintf("--clients=%d", clients)))
		}
		single = append(single, b.storing("handler with bare statements, 64 clients", "--clients=64"))
		batch = append(batch, b.inserts("bare statements, 1,000 jobs each, from 4 at once", 4), b.post("slotq, POST of 1,000, 1 client", "api", b.posts*5, "--batch=1000", "--clients=1"),
			b.post("slotq, POST of 1,000, 4 clients", "api", b.posts*5, "--batch=1000", "--clients=4"))
	}
	seen := map[string]bool{}
	for _, p := range b.peers(db) {
		if key := p.system + p.fsync; seen[key] {
			continue // how many jobs run at once makes no difference to what is stored
		} else {
			seen[key] = true
		}
		calls := insertCalls[p.system]
		single = append(single, contestant{insertName(p) + calls.one + " from 64 at once", "", func(ctx context.Context, db database) (outcome, error) {
			r, err := b.runPeer(ctx, db, p, "insert", b.posts/2)
			return one(r.rate()), err
		}})
		if p.batches {
			batch = append(batch, contestant{insertName(p) + calls.many + ", batches of 1,000", "", func(ctx context.Context, db database) (outcome, error) {
				r, err := b.runPeer(ctx, db, p, "batch", b.posts*5)
				return one(r.rate()), err
			}})
		}
	}
	if err := b.contest(ctx, "Enqueue one by one", db, []measure{{"", "jobs/s"}}, single); err != nil {
		return err
	}
	return b.contest(ctx, "Enqueue in batches", db, []measure{{"", "jobs/s"}}, batch)
}

// storing is post for the handler that stores by bare statements.
func (b *bench) storing(name string, args ...string) contestant {
	return contestant{name, "", func(ctx context.Context, db database) (outcome, error) {
		q, err := db.queue(ctx)
		if err != nil {
			return outcome{}, err
		}
		return b.posted(ctx, db, "bare", []string{fmt.Sprintf("--queue-id=%d", q.ID), fmt.Sprintf("--slots=%d", q.Slots)}, b.posts, args)
	}}
}

// inserts measures bare statements that store 1,000 jobs each, from some callers at once.
func (b *bench) inserts(name string, callers int) contestant {
	return contestant{name, "", func(ctx context.Context, db database) (outcome, error) {
		q, err := db.queue(ctx)
		if err != nil {
			return outcome{}, err
		}
		st, err := bare.On(ctx, db.url)
		if err != nil {
			return outcome{}, err
		}
		defer st.Close()
		payloads := slices.Repeat([][]byte{payload}, 1000)
		batches := b.posts * 5 / len(payloads)
		start := time.Now()
		g, ctx := errgroup.WithContext(ctx)
		for i := range callers {
			g.Go(func() error {
				for n := i; n < batches; n += callers {
					if err := st.Enqueue(ctx, q.ID, q.Slots, payloads); err != nil {
						return err
					}
				}
				return nil
			})
		}
		err = g.Wait()
		return one(float64(batches*len(payloads)) / time.Since(start).Seconds()), err
	}}
}

// queue makes an empty queue.
func (db database) queue(ctx context.Context) (job.Queue, error) {
	st, err := db.open(ctx)
	if err != nil {
		return job.Queue{}, err
	}
	q, err := fill(ctx, st, "bench", "noop", 0, nil)
	return q, errors.Join(err, st.Close())
}

// post measures what the load generator gets through to a server, "api" or "bare".
func (b *bench) post(name, server string, jobs int, args ...string) contestant {
	return contestant{name, "", func(ctx context.Context, db database) (outcome, error) {
		return b.posted(ctx, db, server, nil, jobs, args)
	}}
}

func (b *bench) posted(ctx context.Context, db database, server string, serverArgs []string, jobs int, args []string) (outcome, error) {
	base, pid, stop, err := b.serve(ctx, db, server, serverArgs...)
	if err != nil {
		return outcome{}, err
	}
	defer stop()
	if _, err := b.load(ctx, base, 200, "--clients=8"); err != nil { // connections and statements
		return outcome{}, err
	}
	before, err := cpuSeconds(pid)
	if err != nil {
		return outcome{}, err
	}
	l, err := b.load(ctx, base, jobs, args...)
	if err != nil {
		return outcome{}, err
	}
	after, err := cpuSeconds(pid)
	note := fmt.Sprintf("p50 %s ms, p99 %s ms; CPU: load generator %.0f %%, %s %.0f %% of a core", number(l.percentile(0.5)), number(l.percentile(0.99)),
		l.CPU/l.Seconds*100, server, (after-before)/l.Seconds*100)
	return outcome{[]float64{l.rate()}, note}, err
}

// serve runs the api or the handler without a database on a free port.
func (b *bench) serve(ctx context.Context, db database, server string, args ...string) (base string, pid int, stop func(), err error) {
	address, err := freeAddress()
	if err != nil {
		return "", 0, nil, err
	}
	args = append(args, "--listen", address)
	if server != "bare" {
		args = append(args, "--log-level", "warn")
	}
	pid, stop, err = start(ctx, filepath.Join(b.dir, server), "http://"+address+"/readyz", db, args...)
	return "http://" + address, pid, stop, err
}

// loaded is what the load generator prints.
type loaded struct {
	Jobs    int     `json:"jobs"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Took    []int64 `json:"took_us"`
}

func (l loaded) rate() float64 { return float64(l.Jobs) / l.Seconds }

// percentile is in milliseconds.
func (l loaded) percentile(q float64) float64 { return percentile(milliseconds(l.Took), q) }

func milliseconds(micros []int64) []float64 {
	ms := make([]float64, len(micros))
	for i, v := range micros {
		ms[i] = float64(v) / 1000
	}
	slices.Sort(ms)
	return ms
}

// load runs the load generator to its end.
func (b *bench) load(ctx context.Context, base string, jobs int, args ...string) (l loaded, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return l, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "load"), append([]string{"--address", u.Host, "--jobs", fmt.Sprint(jobs)}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return l, fmt.Errorf("load: %w", err)
	}
	return l, json.Unmarshal(out, &l)
}

// insertCalls are the peers' own.
var insertCalls = map[string]struct{ one, many string }{
	"river": {"Insert", "InsertManyFast"}, "graphile": {"addJob", "addJobs"}, "goqite": {"jobs.Create", "jobs.CreateTx"}, "asynq": {"Enqueue", ""},
}

// insertName is the peer's name without its settings, which make no difference to what is stored, but for what Redis waits for.
func insertName(p peer) string {
	if p.fsync != "" {
		return p.name + ": "
	}
	name, _, _ := strings.Cut(p.name, ",")
	return name + ": "
}

func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(int64(n)) + " " + thing
}
