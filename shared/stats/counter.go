// Package stats counts what a process does to jobs: a Counter stands before a store, looks at what its calls answer, and
// reports now and then. What is kept of it, and how, is the store's (package store, interface Stats).
//
// A job's transactions take no part in it: the counts are added up in memory, and a process that counted something writes
// its own row once a heartbeat. What a process that is killed has counted since its last report is lost, and nothing else.
// Calls whose outcome the store could not tell are not counted.
package stats

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// mostKept bounds, in minutes and hours of queues, what a process keeps while no manager takes it.
const mostKept = 1000

// lastLimit is how long the report at the end of a process may take.
const lastLimit = 2 * time.Second

// Counter is a store that counts. It is safe for concurrent use.
type Counter struct {
	store.Store

	mu     sync.Mutex
	fresh  job.StatsTable
	key    job.StatsKey // of counts; most calls are about the minute and queue of the one before
	counts *job.Counts

	reporting sync.Mutex
	report    job.StatsReport
	seq       int64
	doubt     bool // the last part may or may not be stored
	now       func() job.Time
}

// New puts a counter before a store. now is a clock that follows the database's.
func New(s store.Store, now func() job.Time) *Counter {
	return &Counter{Store: s, now: now, fresh: job.StatsTable{}, report: job.StatsReport{Process: job.NewWorkerID()}}
}

// Run reports every interval until ctx ends, and once more then. It returns nil.
func (c *Counter) Run(ctx context.Context, interval time.Duration, log *slog.Logger) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil { // the last report stands for a tick that came with it too
			break
		}
		if err := c.Report(ctx); err != nil && ctx.Err() == nil {
			log.Debug("the stats are reported later", "error", err)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLimit)
	defer cancel()
	if err := c.Report(last); err != nil {
		log.Warn("the stats of the last moments are not reported", "error", err)
	}
	return nil
}

// Report stores what was counted since the last report; it sends nothing when that is nothing. After an error the same is
// sent again by the next call.
func (c *Counter) Report(ctx context.Context) error {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	now := c.now()
	if !c.doubt {
		fresh := c.take(now)
		if len(fresh) == 0 {
			return nil
		}
		c.seq++
		c.report.Parts = append(c.report.Parts, job.StatsPart{Seq: c.seq, Stats: fresh.List()})
	}
	c.report.Now = now
	taken, err := c.ReportStats(ctx, c.report)
	if c.doubt = err != nil; c.doubt {
		return err
	}
	// What is stored now and not taken is one part: the reports before it are replaced, nobody can take them any more.
	rest := job.StatsTable{}
	for _, p := range c.report.Parts {
		if p.Seq > taken {
			rest.Add(p.Stats)
		}
	}
	c.report.Taken, c.report.Parts = taken, nil
	if len(rest) > 0 {
		c.report.Parts = []job.StatsPart{{Seq: c.seq, Stats: rest.Shrink(mostKept, now).List()}}
	}
	return nil
}

// take is what was counted since it was called last.
func (c *Counter) take(now job.Time) job.StatsTable {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.fresh
	c.fresh, c.counts = job.StatsTable{}, nil
	return fresh.Shrink(mostKept, now)
}

// in is the counts of a queue in the minute of now; c.mu is held.
func (c *Counter) in(queue int32, now job.Time) *job.Counts {
	k := job.StatsKey{QueueID: queue, Span: job.Minute, At: job.Minute.Begin(now)}
	if c.counts == nil || c.key != k {
		c.key, c.counts = k, c.fresh.Of(k)
	}
	return c.counts
}
