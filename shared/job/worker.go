package job

import "time"

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
