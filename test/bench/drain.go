package main

import (
	"context"
	"fmt"
	"time"
)

// drainLimit is the longest that a drain may take.
const drainLimit = 20 * time.Minute

// drains measures how fast no-op jobs that wait already are run and committed: the floor, the real worker, and the peers.
func drains(ctx context.Context, b *bench, db database) error {
	var all []contestant
	if db.name != "redis" {
		all = []contestant{
			b.floor("floor: bare statements", "two workers, 500 places, finisher every 3 ms", 500, true),
			b.floor("floor: bare statements", "two workers, 24 places as a worker, finisher every 3 ms", 24, true),
			b.floor("bare statements in turn", "two workers, 500 jobs a claim, no finisher", 500, false),
			b.worker("noop", 1, 0), b.worker("noop", 1, 1000), b.worker("noop", 2, 0), b.worker("noop", 2, 1000), b.worker("output", 2, 1000),
		}
	}
	for _, p := range b.peers(db) {
		all = append(all, contestant{p.name, p.settings, func(ctx context.Context, db database) (outcome, error) {
			r, err := b.runPeer(ctx, db, p, "drain", b.jobs/p.slower)
			return outcome{[]float64{r.rate()}, r.cpu()}, err
		}})
	}
	return b.contest(ctx, "Drain: no-op jobs", db, []measure{{"", "jobs/s"}}, all)
}

// floor runs the protocol's bare statements. The best of a name's settings counts. In turn they gather no outcomes, which
// only jobs that end at once and all together allow: it is no floor of a worker, but shows what else the database could do.
func (b *bench) floor(name, settings string, places int, finisher bool) contestant {
	return contestant{name, settings, func(ctx context.Context, db database) (outcome, error) {
		st, err := db.open(ctx)
		if err != nil {
			return outcome{}, err
		}
		defer st.Close()
		q, err := fill(ctx, st, "drain", "noop", b.jobs, nil)
		if err != nil {
			return outcome{}, err
		}
		if err := db.analyze(ctx); err != nil {
			return outcome{}, err
		}
		took, err := floor(ctx, db, q, b.jobs, places, finisher)
		return one(float64(b.jobs) / took.Seconds()), err
	}}
}

// worker runs real worker processes; concurrency 0 is the default. Jobs of kind "output" leave 100 bytes each, others nothing.
func (b *bench) worker(kind string, processes, concurrency int) contestant {
	settings := "default settings: 24 places"
	if concurrency > 0 {
		settings = fmt.Sprintf("--concurrency=%d", concurrency)
	}
	name := "slotq, " + plural(processes, "worker")
	if kind == "output" {
		name += ", jobs with an output"
	}
	return contestant{name, settings, func(ctx context.Context, db database) (outcome, error) {
		st, err := db.open(ctx)
		if err != nil {
			return outcome{}, err
		}
		defer st.Close()
		if _, err := fill(ctx, st, "drain", kind, b.jobs, nil); err != nil {
			return outcome{}, err
		}
		if err := db.analyze(ctx); err != nil {
			return outcome{}, err
		}
		d, err := b.drain(ctx, db, "drain", b.jobs, processes, concurrency)
		return outcome{[]float64{d.rate()}, cpuNote(d.cpu, d.jobs)}, err
	}}
}

// drained is what a drain took.
type drained struct {
	jobs   int
	took   time.Duration // until the last outcome was committed
	first  time.Duration // of it from the first job's start to the last one's, with one worker
	cpu    float64       // of the workers, in seconds
	memory float64       // of the first worker at most, in MiB
}

func (d drained) rate() float64 {
	if d.took == 0 {
		return 0
	}
	return float64(d.jobs) / d.took.Seconds()
}

func cpuNote(seconds float64, jobs int) string {
	return fmt.Sprintf("%.1f CPU s per 100,000 jobs", seconds/float64(jobs)*100_000)
}

// drain runs n waiting jobs of the queues. The workers are connected before the time runs, as the peers are; their drain commits
// what is under way, so it belongs to the time.
func (b *bench) drain(ctx context.Context, db database, queues string, n, processes, concurrency int) (d drained, err error) {
	c, err := b.hire(ctx, db, processes, concurrency, queues)
	if err != nil {
		return d, err
	}
	start := time.Now()
	if err = c.begin(); err == nil {
		err = c.await(ctx, drainLimit, n)
	}
	memory, _ := memoryMiB(c.members[0].cmd.Process.Pid, "VmHWM:") // it has failed if it cannot be read, and err says so
	if left := c.leave(); err == nil {
		err = left
	}
	d = drained{memory: memory, jobs: c.ran(), took: time.Since(start), cpu: c.cpu()}
	if processes == 1 {
		d.first = time.Duration(c.members[0].last().Seconds * float64(time.Second))
	}
	return d, err
}
