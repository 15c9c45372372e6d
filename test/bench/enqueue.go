package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// enqueues measures how fast jobs are stored and answered: over HTTP with more and more clients, in batches, beside a handler
// without a database and the peers' own calls, which store from within the process that has the job.
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
		batch = append(batch, b.post("slotq, POST of 1,000, 1 client", "api", b.posts*5, "--batch=1000", "--clients=1"),
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

// post measures what the load generator gets through to a server, "api" or "bare".
func (b *bench) post(name, server string, jobs int, args ...string) contestant {
	return contestant{name, "", func(ctx context.Context, db database) (outcome, error) {
		base, pid, stop, err := b.serve(ctx, db, server)
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
	}}
}

// serve runs the api or the handler without a database on a free port.
func (b *bench) serve(ctx context.Context, db database, server string) (base string, pid int, stop func(), err error) {
	address, err := freeAddress()
	if err != nil {
		return "", 0, nil, err
	}
	args := []string{"--listen", address}
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
