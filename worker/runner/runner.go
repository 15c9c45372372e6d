// Package runner is the engine of a slotq worker, and the way to write one of one's own: it claims jobs, runs them
// through the handlers it was given, and commits what became of them.
//
// A program's own worker needs two lines:
//
//	runner.Handle("mail.send", func(ctx context.Context, j *runner.Job) (any, error) { … })
//	runner.Main()
//
// It owns the claim loop, the worker's share of the slots, the heartbeat and the lease, the limits on how many jobs run
// at once, and the drain. How one job runs as a subprocess or an HTTP request is package executor's, which handlers a
// worker.yaml names is package handlers', and what a claim or an outcome does to the database is the store's.
//
// Nothing here is a promise by itself: the token in the job's row decides who may end a job. The engine's care is that
// work is not wasted and that nothing is held by a process which has forgotten it.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/stats"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/worker/executor"
)

// Options say how a Runner works. The zero value of every field but Store is its default.
type Options struct {
	Store store.Store // required; the Runner does not close it

	Concurrency int      // the most jobs that run at once; 24
	Queues      []string // queues served; all
	Slots       []int    // slots served, of every queue; all

	Poll         time.Duration // the longest an idle worker waits between two polls; 1 s
	Heartbeat    time.Duration // how often the lease is renewed; 5 s
	Lease        time.Duration // how long a silent worker is believed alive, at least 3 heartbeats; 20 s
	DrainTimeout time.Duration // how long running jobs may go on after a stop; 25 s, negative = not at all
	Gather       time.Duration // how long outcomes gather into one transaction while other jobs run; 3 ms

	// Claims is how many claims may be under way at once; 3. A backlog needs one, which fills all places that are free. Jobs
	// that come one by one, each to a slot of its own, need as many as come within a commit: with 1, at 300 a second and
	// 3 ms a commit, they stood in line for 100 ms at the 99th percentile, with 3 for 4 to 7. While the database is busy, so
	// that a claim takes a multiple of its best time, it is one.
	Claims int

	Name  string       // shown to people; the host's name and the process id
	Nudge string       // UDP address at which whoever calls Runner.Nudge is reached; none
	Log   *slog.Logger // nothing is logged

	// Random draws from [0, n) for pauses and turns, which differ so that workers do not move as one. math/rand/v2's; a
	// simulation gives its own, so that a seed replays.
	Random func(n int64) int64

	Metrics prometheus.Registerer // nothing is exported

	// Subprocess owns the shim of the handlers that run subprocesses, if there are any: it is told the lease.
	Subprocess *executor.Subprocess
}

func (o *Options) fill() error {
	if o.Store == nil {
		return errors.New("runner: Options.Store is nil: open one with store.Open")
	}
	standard := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	standard(&o.Poll, time.Second)
	standard(&o.Heartbeat, 5*time.Second)
	standard(&o.Lease, 20*time.Second)
	standard(&o.DrainTimeout, 25*time.Second)
	standard(&o.Gather, 3*time.Millisecond)
	if o.Concurrency == 0 {
		o.Concurrency = 24
	}
	if o.Claims == 0 {
		o.Claims = 3
	}
	switch {
	case o.Concurrency < 1 || o.Concurrency > MaxConcurrency:
		return fmt.Errorf("runner: a concurrency of %d: it must be between 1 and %d", o.Concurrency, MaxConcurrency)
	case o.Lease < 3*o.Heartbeat:
		return fmt.Errorf("runner: a lease of %s is under 3 heartbeats of %s: one lost heartbeat would look like a death", o.Lease, o.Heartbeat)
	case o.Poll < 0 || o.Heartbeat < 0 || o.Gather < 0 || o.Claims < 1:
		return errors.New("runner: a negative option")
	}
	for _, s := range o.Slots {
		if s < 1 || s > job.MaxSlots {
			return fmt.Errorf("runner: slot %d: slots are 1 to %d", s, job.MaxSlots)
		}
	}
	if o.Name == "" {
		host, _ := os.Hostname()
		o.Name = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if o.Random == nil {
		o.Random = rand.Int64N
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// MaxConcurrency bounds Options.Concurrency: each running job costs a goroutine and its payload.
const MaxConcurrency = 100_000

// Runner is a worker. Make it with New, give it handlers, then Run it once.
type Runner struct {
	opts     Options
	store    *stats.Counter
	log      *slog.Logger
	clock    *clock.Clock
	handlers handlerSet
	metrics  *metrics
	lines    lines

	lease     lease
	held      held
	places    places
	line      line
	suspect   atomic.Bool // a suspect is held, or a claim under way may bring one
	claiming  atomic.Int32
	deadlines deadlines
	finisher  finisher
	loop      loop
	told      told

	ran      atomic.Bool
	quiet    atomic.Bool // somebody asked it to take no more jobs
	draining atomic.Bool
	stop     chan struct{} // closed when somebody asked it to end
	stopOnce sync.Once
	beatNow  signal
	stale    signal // what is known of queues and slots is
	trouble  trouble
}

// New makes a Runner. The error says which option is wrong.
func New(o Options) (*Runner, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	r := &Runner{opts: o, log: o.Log, stop: make(chan struct{}), beatNow: newSignal(), stale: newSignal()}
	// Whoever finds that the database answers again has the lease renewed at once: the database may be gone the next moment.
	r.trouble = trouble{log: o.Log, answers: r.beatNow}
	r.clock = clock.New(o.Store.Now)
	r.store = stats.New(o.Store, r.clock.Now)
	r.metrics = newMetrics(o.Metrics, o.Concurrency)
	r.lines = newLines(o.Log)
	r.lease.init(o.Lease)
	r.held.init()
	r.places.init(o.Concurrency)
	r.line.places = o.Concurrency
	r.deadlines.init(r)
	r.finisher.init(r)
	r.loop.init(r)
	r.told.init()
	return r, nil
}

// Run works until ctx ends or somebody asks the worker to stop, then drains and returns nil. With the database away
// it waits for it. An error says that the worker could not be registered for a reason that waiting does not cure, or
// that some outcomes could not be saved before the end.
func (r *Runner) Run(ctx context.Context) error {
	if len(r.handlers.byKind) == 0 {
		return errors.New("runner: there is no handler: give it one with Handle, or in worker.yaml")
	}
	if !r.ran.CompareAndSwap(false, true) {
		return errors.New("runner: Run may be called once")
	}
	if err := r.register(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	r.log.Info("working", "worker", r.lease.worker().String(), "name", r.opts.Name,
		"concurrency", r.opts.Concurrency, "kinds", r.handlers.kinds())

	// What keeps the lease and saves outcomes outlives ctx: it goes on until the drain is over.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var parts sync.WaitGroup
	for _, part := range []func(context.Context){r.heartbeat, r.watchLease, r.reconcile, r.finisher.run, r.count, r.find} {
		parts.Go(func() { part(life) })
	}
	for range r.opts.Claims {
		parts.Go(func() { r.listen(life) })
	}
	taking, stopTaking := context.WithCancel(life)
	defer stopTaking()
	var loop sync.WaitGroup
	loop.Go(func() { r.refresh(taking) })
	loop.Go(func() { r.loop.run(taking) })

	select {
	case <-ctx.Done():
	case <-r.stop:
	}
	err := r.drain(func() { stopTaking(); loop.Wait() })
	end()
	parts.Wait()
	r.deadlines.stop()
	r.leave()
	return err
}

// Stop asks the worker to drain and Run to return. It may be called at any time, and more than once.
func (r *Runner) Stop() { r.stopOnce.Do(func() { close(r.stop) }) }

// Nudge says that a slot has got a job: the worker looks into it at once. It never blocks.
func (r *Runner) Nudge(s job.Slot) { r.loop.nudge(s) }

// Worker is the id under which the worker is registered now, 0 before Run.
func (r *Runner) Worker() job.WorkerID { return r.lease.worker() }

// Ready says why the worker cannot take jobs now; nil = it can.
func (r *Runner) Ready(context.Context) error {
	switch _, ok := r.lease.holds(); {
	case r.draining.Load():
		return errors.New("the worker is draining")
	case r.Worker() == 0:
		return errors.New("the worker is not registered yet: the database has not answered")
	case !ok:
		return errors.New("the worker has no lease: the database does not acknowledge its heartbeats")
	}
	return nil
}

// signal wakes one goroutine; signals that nobody has seen yet are one.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) send() {
	select {
	case s <- struct{}{}:
	default:
	}
}
