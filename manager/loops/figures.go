package loops

import (
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// figures are the cluster at a glance, as the leader last counted it. They are never changed once made.
type figures struct {
	at       job.Time // the oldest count in them
	queues   []queueFigures
	workers  map[string]int   // by state
	unserved map[string]int64 // by kind: due jobs that no worker has a handler for
}

type queueFigures struct {
	name   string
	paused bool
	job.Count
	depth map[int]int64 // by slot
}

// slotSeries is the most slots for which a queue gets a series for each.
const slotSeries = 64

func newFigures(now job.Time, queues []job.Queue, slots map[job.Slot]*slotCount, workers []job.Worker) *figures {
	f := &figures{at: now, workers: map[string]int{}, unserved: map[string]int64{}}
	for _, state := range workerStates {
		f.workers[state] = 0
	}
	for _, w := range workers {
		f.workers[wire.WorkerOf(w).State]++
	}
	of := map[int32]*queueFigures{}
	for _, q := range queues {
		of[q.ID] = &queueFigures{name: q.Name, paused: q.Paused, depth: map[int]int64{}}
	}
	for slot, s := range slots {
		if s.touched.IsZero() {
			continue
		}
		q := of[slot.QueueID]
		kinds, at := s.best()
		f.at = min(f.at, at)
		for kind, c := range kinds {
			q.Add(c)
			q.depth[slot.Slot] += c.Depth()
			if due := c.Available + c.Blocked; due > 0 && !job.Served(workers, q.name, slot.Slot, kind) {
				f.unserved[kind] += due
			}
		}
		q.depth[slot.Slot] += 0 // an empty slot has a series too
	}
	for _, q := range queues {
		if len(of[q.ID].depth) > slotSeries {
			of[q.ID].depth = nil
		}
		f.queues = append(f.queues, *of[q.ID])
	}
	return f
}

var workerStates = []string{wire.WorkerActive, wire.WorkerQuiet, wire.WorkerStopping, wire.WorkerDead}
