package job

import (
	"slices"
	"time"
)

// Worker is one registration of a worker process. It is believed alive while its beat changes: whoever watches compares
// beats over its own monotonic time, no clock is compared with another.
type Worker struct {
	ID          WorkerID
	Name        string // host and process id, for people
	Beat        int64
	Dead        bool // a manager's verdict, for ever: the process must register under a new id
	Quiet       bool // takes no more jobs
	Stop        bool // was asked to drain and end
	Lease       time.Duration
	Concurrency int
	Running     int      // at the last beat
	Queues      []string // served; empty = all
	Slots       []int    // pinned to; empty = all
	Kinds       []string // served; "*" = every kind
	Nudge       string   // UDP address for the nudge; "" = none
	StartedAt   Time
	BeatAt      Time // the database's time of the last beat, for people
}

// Beat is what a heartbeat brings back.
type Beat struct {
	Now       Time // the database's time
	Cancelled []ID // jobs of this worker that somebody asked to cancel
	Quiet     bool
	Stop      bool
}

// Takes says that the worker takes jobs now.
func (w *Worker) Takes() bool { return !w.Dead && !w.Quiet && !w.Stop }

// Serves says that the worker takes jobs of a slot of the named queue now.
func (w *Worker) Serves(queue string, slot int) bool {
	return w.Takes() && (len(w.Queues) == 0 || slices.Contains(w.Queues, queue)) && (len(w.Slots) == 0 || slices.Contains(w.Slots, slot))
}

// ServesKind says that the worker has a handler for the kind.
func (w *Worker) ServesKind(kind string) bool {
	return slices.Contains(w.Kinds, kind) || slices.Contains(w.Kinds, "*")
}

// Served says that one of the workers takes jobs of the slot and has a handler for the kind.
func Served(workers []Worker, queue string, slot int, kind string) bool {
	return slices.ContainsFunc(workers, func(w Worker) bool { return w.Serves(queue, slot) && w.ServesKind(kind) })
}
