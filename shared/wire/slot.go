package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Slot is a slot of a queue. Depth, States, Running and Capped are absent when counting it would have taken too long.
type Slot struct {
	Slot              int          `json:"slot"`
	Depth             *int64       `json:"depth,omitempty" doc:"Unfinished jobs."`
	Running           *int64       `json:"running,omitempty"`
	States            *SlotStates  `json:"states,omitempty"`
	Capped            bool         `json:"capped,omitempty" doc:"There are more than the 10,000 that were counted."`
	OldestAvailableAt time.Time    `json:"oldest_available_at,omitzero" doc:"The earliest run_at of an available job."`
	WorkerID          job.WorkerID `json:"worker_id,omitzero" doc:"The worker that prefers the slot; absent = nobody serves it."`
	WorkerName        string       `json:"worker_name,omitempty"`
	Draining          bool         `json:"draining" doc:"Above the queue's number of slots: worked off, no longer filled."`
	Paused            bool         `json:"paused"`
}

// SlotStates is the depth by state.
type SlotStates struct {
	Scheduled int64 `json:"scheduled"`
	Available int64 `json:"available" doc:"Those that wait for their concurrency_key too."`
	Blocked   int64 `json:"blocked" doc:"The available ones that wait for their concurrency_key."`
	Running   int64 `json:"running"`
	Retryable int64 `json:"retryable"`
}

// SlotList is the slots of a queue, in order.
type SlotList struct {
	Slots []Slot `json:"slots"`
}

// SetCount fills in what was counted; capped = there is more.
func (s *Slot) SetCount(c job.Count, capped bool) {
	depth := c.Depth()
	s.Depth, s.Running, s.Capped, s.OldestAvailableAt = &depth, &c.Running, capped, c.OldestAvailable.Time()
	s.States = &SlotStates{
		Scheduled: c.Scheduled, Available: c.Available + c.Blocked, Blocked: c.Blocked, Running: c.Running, Retryable: c.Retryable,
	}
}
