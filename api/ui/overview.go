package ui

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// overview is the whole at a glance.
type overview struct {
	State    state
	Stats    *[4]figure
	NoStats  *trouble // why there are none
	Queues   []queueRow
	Counted  time.Time // when, if it is a while ago; else zero
	Lanes    *lanes    // of the chosen queue
	Failures *failures
	NoFailed *trouble
	Workers  []workerRow
	Host     string
}

// told is from which age on a page tells how old its count is.
const told = 5 * time.Second

// busy is what is known of the queues and workers that the visitor sees.
type busy struct {
	census  census.Census
	workers []job.Worker
	takers  []job.Worker // those that beat and take jobs
	marks   map[job.WorkerID]mark
	queues  []wire.Queue
	partial bool // the visitor does not see all queues
}

// busy reads queues and workers as they stand; the count of the jobs may be older.
func (l *look) busy() (b busy, err error) {
	if b.queues, err = l.client.Queues(l.ctx); err != nil {
		return b, err
	}
	if b.census, b.workers, err = l.API.Census(l.ctx); err != nil {
		return b, err
	}
	b.takers = census.Takers(b.workers, job.TimeOf(l.now), l.Lease, l.Sweep)
	b.partial = l.API.Sight(l.ctx) != ""
	b.marks = l.colours.of(b.workers, l.now)
	return b, nil
}

func (l *look) allWorkers() ([]wire.Worker, error) { return l.client.Workers(l.ctx) }

func (s *site) overview(l *look) (any, error) {
	b, err := l.busy()
	if err != nil {
		return nil, err
	}
	workers, err := l.allWorkers()
	if err != nil {
		return nil, err
	}
	page := overview{State: l.state(b), Host: l.r.Host, Workers: workerRows(workers, b.marks)}
	// What happened and what failed costs more to read than how things stand, and the page is of use without it.
	stats, err := l.lastStats()
	if err != nil {
		page.NoStats = l.partly(err)
	} else {
		page.Stats = figures(stats, b, l.now)
	}
	page.Queues = queueRows(b, stats, l.now)
	if at := b.census.At.Time(); l.now.Sub(at) > told {
		page.Counted = at
	}
	if chosen := choose(page.Queues, l.r.URL.Query().Get("queue")); chosen != nil {
		chosen.Chosen = true
		page.Lanes = lanesOf(b, chosen.Name)
	}
	if failed, err := l.lastFailures(); err != nil {
		page.NoFailed = l.partly(err)
	} else {
		page.Failures = failuresOf(failed)
	}
	return page, nil
}

// choose finds the queue whose slots are shown: the one that was asked for, else the one with the most jobs that run or may.
func choose(rows []queueRow, name string) (chosen *queueRow) {
	for i := range rows {
		if rows[i].Name == name {
			return &rows[i]
		}
		if chosen == nil || rows[i].Due > chosen.Due {
			chosen = &rows[i]
		}
	}
	return chosen
}

// partly is the trouble of a part of a page.
func (l *look) partly(err error) *trouble {
	t := l.troubleOf(err)
	return &t
}

// lastStats and lastFailures share their answers among all visitors who see the same queues.
func (l *look) lastStats() ([]wire.QueueStats, error) {
	ctx := context.WithoutCancel(l.ctx)
	return l.stats.Get(l.ctx, l.API.Sight(l.ctx), patience, func() (all []wire.QueueStats, err error) {
		for cursor := ""; ; {
			page, err := l.client.StatsPage(ctx, cursor)
			if err != nil {
				return nil, err
			}
			all = append(all, page.Queues...)
			if cursor = page.NextCursor; cursor == "" {
				return all, nil
			}
		}
	})
}

func (l *look) lastFailures() (wire.FailureList, error) {
	ctx := context.WithoutCancel(l.ctx)
	return l.failures.Get(l.ctx, l.API.Sight(l.ctx), patience, func() (wire.FailureList, error) {
		return l.client.Failures(ctx, "", "", failuresShown)
	})
}
