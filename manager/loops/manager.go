// Package loops owns what a manager does for ever: it watches the workers' beats and declares the silent ones dead,
// takes back what dead workers held, ends expired jobs, prunes history, repairs concurrency keys, carries out actions, counts
// what waits, and adds up what processes have counted. How each of these changes a row is the store's; configuration, listeners and the
// command line are left to package main and package command.
//
// Any number of managers may run. All watch and all rescue, nothing is elected; the other loops take turns, so that a
// second manager costs the database little. That is economy, never safety: every action is a compare-and-set.
package loops

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// Store is the part of store.Store that a manager needs.
type Store interface {
	store.Manage
	ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error)
	Slots(ctx context.Context, queueID int32) ([]job.SlotRow, error)
	Count(ctx context.Context, s job.Slot, after job.Position, now job.Time) ([]job.Count, *job.Position, error)
	Now(ctx context.Context) (job.Time, error)
	FoldStats(ctx context.Context, limit int, now job.Time) (int, error)
}

// Options are what a Manager is made of. All fields but Nudge are required.
type Options struct {
	Store   Store
	Now     func() job.Time // a clock that follows the database's
	Lease   time.Duration   // of workers that do not state their own, and the first wait after a second crash
	Sweep   time.Duration   // how often to read the beats and to look for claims to rescue
	Log     *slog.Logger
	Metrics *Metrics
	Nudge   func(queue, kind string, s job.Slot) // told of each job that was put back and is due; must not block; nil = nobody is told
}

// Manager runs the loops.
type Manager struct {
	Options
	holder  job.WorkerID // this process in the turns
	started time.Time
	swept   atomic.Pointer[time.Time] // the end of the last sweep without error
	dead    chan struct{}             // a worker was declared dead: rescue at once
	trouble trouble
}

// New makes a Manager; Run starts it.
func New(o Options) *Manager {
	return &Manager{
		Options: o, holder: job.NewWorkerID(), started: time.Now(),
		dead: make(chan struct{}, 1), trouble: trouble{log: o.Log, of: map[string]string{}},
	}
}

// Run works until ctx ends and returns nil once every loop has stopped. Errors of the database end no loop.
func (m *Manager) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, loop := range []func(context.Context){m.watch, m.rescue, m.expire, m.prune, m.unblock, m.stats, m.fold, m.act} {
		wg.Go(func() { loop(ctx) })
	}
	wg.Wait()
	return nil
}

// Ready says why the manager cannot do its work at the moment, nil = it can: the database answers, and the last sweep
// is at most three sweeps and a few seconds old.
func (m *Manager) Ready(ctx context.Context) error {
	if _, err := m.Store.Now(ctx); err != nil {
		return fmt.Errorf("no answer from the database: %w", err)
	}
	last, what := m.started, "no sweep since the start %s ago"
	if at := m.swept.Load(); at != nil {
		last, what = *at, "the last sweep was %s ago"
	}
	if age := time.Since(last); age > 3*m.Sweep+5*time.Second {
		return fmt.Errorf(what, age.Round(time.Second))
	}
	return nil
}
