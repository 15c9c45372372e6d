package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotq/slotq/manager/loops"
	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/worker/runner"
)

// part is a worker or a manager that is started again whenever it ends, each time as a process that knows nothing.
type part struct {
	w    *world
	name string
	main func(context.Context, *process) // returns when ctx ends

	// Guarded by world.mu.
	curse curse
	lives int
	now   *process
	done  chan struct{} // closed when the present process has returned
}

// start begins the part's next life.
func (t *part) start() {
	ctx, stop := context.WithCancel(context.Background())
	t.w.mu.Lock()
	t.lives++
	p := &process{w: t.w, part: t, name: fmt.Sprintf("%s#%d", t.name, t.lives), dead: make(chan struct{}), stop: stop,
		ops: map[string]int{}, running: map[job.ID]bool{}}
	done := make(chan struct{})
	t.now, t.done = p, done
	p.suffer(t.curse)
	t.w.note("%s starts", p.name)
	t.w.mu.Unlock()
	t.w.wg.Go(func() {
		defer close(done)
		t.main(ctx, p)
	})
}

// present is the part's process.
func (t *part) present() (p *process) {
	t.w.with(func() { p = t.now })
	return p
}

// crash kills the present process, and lets it be started again a little later.
func (t *part) crash() {
	p := t.present()
	if p.crashed() {
		return
	}
	t.w.with(func() {
		t.w.count("crashes of a " + t.name[:1])
		t.w.note("%s crashes", p.name)
		t.w.judge.died(slices.Collect(maps.Keys(p.running)))
	})
	p.crash()
	t.again(p)
}

// drain asks the present process to end, as SIGTERM does.
func (t *part) drain() {
	p := t.present()
	if p.crashed() {
		return
	}
	t.w.with(func() { t.w.count("drains"); t.w.note("%s drains", p.name) })
	p.stop()
	t.again(p)
}

// again starts the part once the process has returned.
func (t *part) again(p *process) {
	var done chan struct{}
	t.w.with(func() { done = t.done })
	pause := between(t.w.draw("restart"+p.name), 100*time.Millisecond, 3*time.Second)
	t.w.wg.Go(func() {
		if !p.crashed() {
			<-done
		}
		time.Sleep(pause)
		start := false
		t.w.with(func() { start = t.curse != gone && !t.w.over && t.now == p })
		if start {
			t.start()
		}
	})
}

// freeze stops the present process, as SIGSTOP does, until thaw is called.
func (t *part) freeze() (thaw func()) {
	p := t.present()
	ice := make(chan struct{})
	t.w.with(func() {
		t.w.count("freezes of a " + t.name[:1])
		t.w.note("%s freezes", p.name)
		if p.thaw == nil {
			p.thaw = ice
		}
	})
	return func() {
		t.w.with(func() {
			if p.thaw == ice {
				p.thaw = nil
				t.w.note("%s thaws", p.name)
				close(ice)
			}
		})
	}
}

// cutOff takes the database away from the present process, until join is called.
func (t *part) cutOff() (join func()) {
	p := t.present()
	t.w.with(func() { p.cut = true; t.w.count("partitions of a " + t.name[:1]); t.w.note("%s is cut off", p.name) })
	return func() { t.w.with(func() { p.cut = t.curse == cut; t.w.note("%s is joined", p.name) }) }
}

// worker is a part that runs package runner.
func (w *world) worker(n int) *part {
	t := &part{w: w, name: fmt.Sprintf("w%d", n)}
	r := w.draw(t.name)
	concurrency, claims, limit := 1+r.IntN(6), 1+r.IntN(3), r.IntN(3) // a worker with a limit has no places that jobs are claimed for
	t.main = func(ctx context.Context, p *process) {
		run, err := runner.New(runner.Options{
			Store: &link{p: p}, Name: p.name, Concurrency: concurrency, Claims: claims, Lease: lease, Heartbeat: heartbeat,
			DrainTimeout: 2 * time.Second, Random: locked(w, w.draw(p.name)),
		})
		if err != nil {
			panic(err)
		}
		for _, kind := range slices.Compact(slices.Clone(deeds)) {
			o := runner.HandlerOptions{Grace: time.Second}
			if kind == "fail" {
				o.Concurrency = limit
			}
			run.Handle(kindOf(kind), p.handle, o)
		}
		w.with(func() { p.runner = run })
		if err := run.Run(ctx); err != nil && ctx.Err() == nil {
			w.with(func() { w.judge.breaks(8, "%s gave up: %v", p.name, err) })
		}
	}
	return t
}

// locked makes a source safe for the goroutines of one process.
func locked(w *world, r *rand.Rand) func(int64) int64 {
	return func(n int64) (v int64) {
		w.with(func() { v = r.Int64N(n) })
		return v
	}
}

// manager is a part that runs package loops.
func (w *world) manager(n int) *part {
	t := &part{w: w, name: fmt.Sprintf("m%d", n)}
	t.main = func(ctx context.Context, p *process) {
		l := &link{p: p}
		c := clock.New(l.Now)
		for c.Sync(ctx) != nil {
			if !p.sleep(ctx, 100*time.Millisecond) {
				return
			}
		}
		m := loops.New(loops.Options{
			Store: l, Now: c.Now, Lease: lease, Sweep: sweep, Log: slog.New(slog.DiscardHandler),
			Metrics: loops.NewMetrics(prometheus.NewRegistry()), Nudge: func(_, _ string, s job.Slot) { w.nudge(p, s) },
		})
		w.wg.Go(func() { c.Follow(ctx, 3*time.Second, nil) })
		_ = m.Run(ctx)
	}
	return t
}

// lost says that what a process tells others gets lost on the way.
func (w *world) lost(p *process) (lost bool) {
	w.with(func() {
		p.ops["nudge"]++
		if lost = w.draw(fmt.Sprint(p.name, "nudge", p.ops["nudge"])).IntN(2) == 0; lost {
			w.count("nudges lost")
		}
	})
	return lost
}

// reached are the workers that hear something now.
func (w *world) reached() (told []*runner.Runner) {
	w.with(func() {
		for _, t := range w.parts {
			if t.now != nil && t.now.runner != nil && t.now.thaw == nil {
				told = append(told, t.now.runner)
			}
		}
	})
	return told
}

// nudge tells the workers of a slot, or gets lost on the way.
func (w *world) nudge(p *process, s job.Slot) {
	if w.lost(p) {
		return
	}
	for _, r := range w.reached() {
		r.Nudge(s)
	}
}

// offer is a worker that says that it has places free, nil when none does or the answer gets lost.
func (w *world) offer(p *process) (job.WorkerID, nudge.Hearer) {
	if w.lost(p) {
		return 0, nil
	}
	for _, r := range w.reached() {
		if id, free := r.Places(); free > 0 {
			return id, r
		}
	}
	return 0, nil
}
