package census

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Cause says why jobs stand still. The names are those of manager doctor's findings.
type Cause string

// The causes.
const (
	Paused        Cause = "paused-backlog" // the queue is paused
	UnservedQueue Cause = "unserved-queue" // no worker serves the queue
	UnservedSlot  Cause = "unserved-slot"  // none takes jobs of these slots
	OrphanSlot    Cause = "orphan-slot"    // the same, above the queue's number of slots
	UnservedKind  Cause = "unserved-kind"  // no worker of their slots has a handler for the kind
)

// Standstill is jobs of a queue that wait where nobody takes them.
type Standstill struct {
	Cause  Cause
	Queue  string
	Kind   string // of UnservedKind
	Slots  []int  // of UnservedSlot and OrphanSlot
	Limit  int    // the queue's number of slots
	Jobs   Waiting
	Oldest job.Time // the earliest run_at of those that are due; 0 = none is
}

// Waiting is a number of jobs that wait, without those that run.
type Waiting struct {
	Jobs  int64
	Least bool // there may be more
}

// Add puts jobs of a slot to the others; least: they are not all of the slot's.
func (w *Waiting) Add(jobs int64, least bool) {
	w.Jobs += jobs
	w.Least = w.Least || least && jobs > 0
}

func (w Waiting) String() string {
	if w.Least {
		return fmt.Sprintf("%d or more jobs", w.Jobs)
	}
	return fmt.Sprintf("%d jobs", w.Jobs)
}

// Waiting is what waits in a queue.
func (q *Queue) Waiting() (all Waiting) {
	for i := range q.Slots {
		sum := q.Slots[i].Sum()
		all.Add(sum.Depth()-sum.Running, q.Slots[i].Capped)
	}
	return all
}

// Standstills looks for jobs that wait where nobody takes them. takers are the workers that are alive and take jobs: with
// none, only paused queues are told of, since then that is the matter with all the others.
func (c *Census) Standstills(takers []job.Worker) (list []Standstill) {
	for i := range c.Queues {
		list = append(list, c.Queues[i].standstills(takers)...)
	}
	return list
}

func (q *Queue) standstills(takers []job.Worker) (list []Standstill) {
	standstill := func(cause Cause) Standstill {
		return Standstill{Cause: cause, Queue: q.Queue.Name, Limit: q.Queue.Slots}
	}
	paused, unserved, orphan := standstill(Paused), standstill(UnservedSlot), standstill(OrphanSlot)
	kinds := map[string]*Standstill{}
	for _, slot := range q.Slots {
		number := slot.Slot.Slot
		here := slices.Collect(func(yield func(job.Worker) bool) {
			for _, w := range takers {
				if w.Serves(q.Queue.Name, number) && !yield(w) {
					return
				}
			}
		})
		of := &paused
		switch {
		case q.Queue.Paused:
		case len(here) > 0:
			of = nil
		case number > q.Queue.Slots:
			of = &orphan
		default:
			of = &unserved
		}
		for _, k := range slot.Kinds {
			if of != nil {
				of.add(k.Depth()-k.Running, slot.Capped, k.OldestAvailable)
			}
			// A kind is of no matter before one of its jobs is due: the release that brings its handler may be on its way.
			if due := k.Available + k.Blocked; !q.Queue.Paused && due > 0 && len(here) > 0 &&
				!slices.ContainsFunc(here, func(w job.Worker) bool { return w.ServesKind(k.Kind) }) {
				if kinds[k.Kind] == nil {
					s := standstill(UnservedKind)
					s.Kind = k.Kind
					kinds[k.Kind] = &s
				}
				kinds[k.Kind].add(due, slot.Capped, k.OldestAvailable)
			}
		}
		if sum := slot.Sum(); of != nil && sum.Depth() > sum.Running {
			of.Slots = append(of.Slots, number)
		}
	}
	if !slices.ContainsFunc(takers, func(w job.Worker) bool { return len(w.Queues) == 0 || slices.Contains(w.Queues, q.Queue.Name) }) {
		unserved.Cause = UnservedQueue
	}
	for _, s := range []Standstill{paused, unserved, orphan} {
		if s.Jobs.Jobs > 0 && (len(takers) > 0 || s.Cause == Paused) {
			list = append(list, s)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		list = append(list, *kinds[kind])
	}
	return list
}

func (s *Standstill) add(jobs int64, least bool, oldest job.Time) {
	s.Jobs.Add(jobs, least)
	if oldest != 0 && (s.Oldest == 0 || oldest < s.Oldest) {
		s.Oldest = oldest
	}
}

// Silent says that a worker which is not declared dead has sent no heartbeat for longer than its lease and two sweeps of a
// manager, which would have declared it dead by then. lease is of workers that do not state their own.
func Silent(w job.Worker, now job.Time, lease, sweep time.Duration) bool {
	if w.Lease != 0 {
		lease = w.Lease
	}
	return !w.Dead && now.Sub(w.BeatAt) > lease+2*sweep
}

// Takers are the workers that beat and take jobs.
func Takers(workers []job.Worker, now job.Time, lease, sweep time.Duration) (takers []job.Worker) {
	for _, w := range workers {
		if w.Takes() && !Silent(w, now, lease, sweep) {
			takers = append(takers, w)
		}
	}
	return takers
}

// Spans writes 1-3,7 for numbers in order.
func Spans(slots []int) string {
	var parts []string
	for i := 0; i < len(slots); {
		first := i
		for i++; i < len(slots) && slots[i] == slots[i-1]+1; i++ {
		}
		part := fmt.Sprint(slots[first])
		if i-first > 1 {
			part += fmt.Sprintf("-%d", slots[i-1])
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}
