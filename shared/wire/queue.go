package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Orders of a queue.
const (
	FIFO = "fifo"
	LIFO = "lifo"
)

// Queue is a queue with its settings, which new jobs get.
type Queue struct {
	Name                 string    `json:"name"`
	Slots                int       `json:"slots" doc:"New jobs draw one of so many slots; slots above it drain."`
	Order                string    `json:"order" enum:"fifo,lifo" doc:"Holds within a slot."`
	Paused               bool      `json:"paused"`
	Priority             int       `json:"priority"`
	MaxAttempts          int       `json:"max_attempts"`
	MaxCrashes           int       `json:"max_crashes"`
	TimeoutSeconds       float64   `json:"timeout_seconds"`
	Backoff              Backoff   `json:"backoff"`
	KeepCompletedSeconds float64   `json:"keep_completed_seconds" doc:"How long completed jobs are kept; 0 = not at all."`
	KeepDiscardedSeconds float64   `json:"keep_discarded_seconds"`
	KeepCancelledSeconds float64   `json:"keep_cancelled_seconds"`
	CreatedAt            time.Time `json:"created_at,omitzero"`
}

// QueueOf converts a queue of the domain.
func QueueOf(q job.Queue) Queue {
	w := Queue{
		Name: q.Name, Slots: q.Slots, Order: FIFO, Paused: q.Paused, Priority: q.Priority,
		MaxAttempts: q.MaxAttempts, MaxCrashes: q.MaxCrashes, TimeoutSeconds: q.Timeout.Seconds(),
		Backoff:              Backoff{Kind: job.BackoffPolynomial},
		KeepCompletedSeconds: q.KeepCompleted.Seconds(), KeepDiscardedSeconds: q.KeepDiscarded.Seconds(),
		KeepCancelledSeconds: q.KeepCancelled.Seconds(), CreatedAt: q.CreatedAt.Time(),
	}
	if q.LIFO {
		w.Order = LIFO
	}
	if b := backoffOf(q.Backoff); b != nil {
		w.Backoff = *b
	}
	return w
}

// QueueList is all queues, by name.
type QueueList struct {
	Queues []Queue `json:"queues"`
}

// QueueSettings are settings to change: those that are nil stay as they are with PATCH, and get the default with PUT.
type QueueSettings struct {
	Slots                *int     `json:"slots,omitempty" minimum:"1" maximum:"1024" default:"24" nullable:"true"`
	Order                *string  `json:"order,omitempty" enum:"fifo,lifo" default:"fifo" nullable:"true"`
	Priority             *int     `json:"priority,omitempty" minimum:"1" maximum:"4" default:"2" nullable:"true"`
	MaxAttempts          *int     `json:"max_attempts,omitempty" minimum:"1" maximum:"1000" default:"25" nullable:"true"`
	MaxCrashes           *int     `json:"max_crashes,omitempty" minimum:"1" maximum:"1000" default:"5" nullable:"true"`
	TimeoutSeconds       *float64 `json:"timeout_seconds,omitempty" minimum:"0.001" maximum:"604800" default:"60" nullable:"true"`
	Backoff              *Backoff `json:"backoff,omitempty" nullable:"true"`
	KeepCompletedSeconds *float64 `json:"keep_completed_seconds,omitempty" minimum:"0" maximum:"315360000" default:"86400" nullable:"true"`
	KeepDiscardedSeconds *float64 `json:"keep_discarded_seconds,omitempty" minimum:"0" maximum:"315360000" default:"2592000" nullable:"true"`
	KeepCancelledSeconds *float64 `json:"keep_cancelled_seconds,omitempty" minimum:"0" maximum:"315360000" default:"604800" nullable:"true"`
}

// Purged is the answer to a purge.
type Purged struct {
	Purged int  `json:"purged" doc:"Waiting jobs that were cancelled."`
	More   bool `json:"more" doc:"The time of one request was not enough: purge again."`
}
