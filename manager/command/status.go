package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type statusCommand struct{}

// status is the whole at a glance.
type status struct {
	Schema            int64            `json:"schema_version"`
	Now               time.Time        `json:"now"`
	Queues            int              `json:"queues"`
	Paused            []string         `json:"paused_queues"`
	Jobs              map[string]int64 `json:"jobs"`           // unfinished, by state
	Least             bool             `json:"more,omitempty"` // the figures are lower bounds
	OldestAvailableAt time.Time        `json:"oldest_available_at,omitzero"`
	Workers           map[string]int   `json:"workers"` // by state
	Running           int              `json:"running"` // at the workers' last heartbeats
	Places            int              `json:"places"`  // of the active workers
	Unserved          map[string]int64 `json:"unserved_jobs"`
}

func (*statusCommand) execute(c *call) error {
	s := status{Now: c.now.Time(), Jobs: map[string]int64{}, Workers: map[string]int{}, Unserved: map[string]int64{}, Paused: []string{}}
	var err error
	if s.Schema, _, err = c.store.Schema(c.ctx); err != nil {
		return err
	}
	workers, err := c.store.Workers(c.ctx)
	if err != nil {
		return err
	}
	counts, err := census.Take(c.ctx, c.store, false, c.now, time.Now().Add(countLimit))
	if err != nil {
		return err
	}
	var oldest job.Time
	s.Queues = len(counts.Queues)
	for i := range counts.Queues {
		q := &counts.Queues[i]
		if q.Queue.Paused {
			s.Paused = append(s.Paused, q.Queue.Name)
		}
		n, least := q.Sum()
		s.Least = s.Least || least
		s.Jobs[job.Scheduled.String()] += n.Scheduled
		s.Jobs[job.Available.String()] += n.Available + n.Blocked
		s.Jobs[job.Running.String()] += n.Running
		s.Jobs[job.Retryable.String()] += n.Retryable
		if n.OldestAvailable != 0 && (oldest == 0 || n.OldestAvailable < oldest) {
			oldest = n.OldestAvailable
		}
	}
	tally, _ := counts.Kinds(workers)
	kinds, _ := tally.Kinds()
	for _, k := range kinds {
		if k.Unserved > 0 {
			s.Unserved[k.Kind] = k.Unserved
		}
	}
	s.OldestAvailableAt = oldest.Time()
	for _, w := range workers {
		state := wire.WorkerOf(w).State
		s.Workers[state]++
		if state != wire.WorkerDead {
			s.Running += w.Running
		}
		if state == wire.WorkerActive {
			s.Places += w.Concurrency
		}
	}
	return c.print(s, func(t *table) {
		n := counted{least: s.Least}
		t.row("queues", fmt.Sprintf("%d%s", s.Queues, listed(", paused: ", s.Paused)))
		for _, state := range []job.State{job.Available, job.Running, job.Scheduled, job.Retryable} {
			extra := ""
			if state == job.Available && oldest != 0 {
				extra = ", the oldest due " + c.ago(oldest)
			}
			t.row(state, n.show(s.Jobs[state.String()])+extra)
		}
		t.row("workers", fmt.Sprintf("%d active with %d places, %d quiet, %d stopping, %d dead",
			s.Workers[wire.WorkerActive], s.Places, s.Workers[wire.WorkerQuiet], s.Workers[wire.WorkerStopping], s.Workers[wire.WorkerDead]))
		for _, kind := range slices.Sorted(maps.Keys(s.Unserved)) {
			t.row("unserved", fmt.Sprintf("%s jobs of kind %s that no worker takes from the slots they are in", n.show(s.Unserved[kind]), kind))
		}
		t.row("schema", s.Schema)
	})
}

func listed(before string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return before + strings.Join(names, ", ")
}
