package ui

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/prefer"
	"github.com/slotq/slotq/shared/wire"
)

// lanes are the slots of a queue as a picture.
type lanes struct {
	Queue  string
	Slots  int
	Paused bool
	Lanes  []lane
	Hidden int   // slots that are not shown: those with the fewest jobs
	Scale  int64 // jobs of a full lane
}

// lane is a slot. Its fill is its depth, a dot a running job, its colour the worker that prefers it.
type lane struct {
	Slot          int
	Link          string
	Depth         string
	Counted       bool
	Top, Fill     float64 // of the part that waits
	Dots          []dot
	More          int64 // running jobs beyond the dots
	Mark          *mark // nil = nobody serves it
	Worker        string
	Draining      bool
	Waiting, Runs int64
	Paused        bool
}

type dot struct{ X, Y int }

// The measures of a lane in the picture: the part that waits, and below it the bay of those that run.
const (
	laneHeight = 88
	bayTop     = 96
	dotsAcross = 3
	dotsDown   = 2
	dotSpace   = 9
	shownLanes = 96
	leastScale = 10 // so that one job does not fill a lane
)

func lanesOf(b busy, queue string) *lanes {
	i := slices.IndexFunc(b.census.Queues, func(q census.Queue) bool { return q.Queue.Name == queue })
	if i < 0 {
		return nil // made since the last count
	}
	q := &b.census.Queues[i]
	v := &lanes{Queue: queue, Slots: q.Queue.Slots, Paused: q.Queue.Paused, Scale: leastScale}
	if j := slices.IndexFunc(b.queues, func(s wire.Queue) bool { return s.Name == queue }); j >= 0 {
		v.Slots, v.Paused = b.queues[j].Slots, b.queues[j].Paused // as they are now
	}
	names := map[job.WorkerID]string{}
	for _, w := range b.workers {
		names[w.ID] = w.Name
	}
	shown := q.Slots
	if len(shown) > shownLanes {
		deepest := slices.SortedStableFunc(slices.Values(shown), func(a, b census.Slot) int { return cmp.Compare(b.Sum().Depth(), a.Sum().Depth()) })
		shown = deepest[:shownLanes]
		slices.SortFunc(shown, func(a, b census.Slot) int { return cmp.Compare(a.Slot.Slot, b.Slot.Slot) })
		v.Hidden = len(q.Slots) - shownLanes
	}
	for _, s := range shown {
		sum := s.Sum()
		v.Scale = max(v.Scale, sum.Depth()-sum.Running)
	}
	for _, s := range shown {
		n := s.Slot.Slot
		if sum := s.Sum(); n > v.Slots && s.Counted && sum.Depth() == 0 {
			continue // drained
		}
		ln := laneOf(s, v.Scale)
		ln.Link = jobsLink("queue", queue, "slot", n, "state", "scheduled,available,running,retryable")
		ln.Draining = n > v.Slots
		if w, ok := prefer.Worker(queue, "", s.Slot, b.workers); ok {
			m := b.marks[w]
			ln.Mark, ln.Worker = &m, names[w]
		}
		v.Lanes = append(v.Lanes, ln)
	}
	return v
}

func laneOf(s census.Slot, scale int64) lane {
	sum := s.Sum()
	ln := lane{Slot: s.Slot.Slot, Depth: least(sum.Depth(), s.Capped), Counted: s.Counted, Waiting: sum.Depth() - sum.Running, Runs: sum.Running, Paused: s.Paused}
	ln.Fill = float64(ln.Waiting) / float64(scale) * laneHeight
	if ln.Waiting > 0 {
		ln.Fill = max(ln.Fill, 2)
	}
	ln.Top = laneHeight - ln.Fill
	for i := range int(min(sum.Running, dotsAcross*dotsDown)) {
		ln.Dots = append(ln.Dots, dot{6 + i%dotsAcross*dotSpace, bayTop + 5 + i/dotsAcross*dotSpace})
	}
	ln.More = max(sum.Running-dotsAcross*dotsDown, 0)
	return ln
}

// Says describes the lane to those who do not see it.
func (l lane) Says() string {
	worker := "nobody serves it"
	if l.Mark != nil {
		worker = "worker " + l.Mark.Letter + ", " + l.Worker
	}
	text := fmt.Sprintf("slot %d: %d wait, %d run, %s", l.Slot, l.Waiting, l.Runs, worker)
	if l.Draining {
		text += ", draining"
	}
	if !l.Counted {
		text = fmt.Sprintf("slot %d: not counted, %s", l.Slot, worker)
	}
	return text
}
