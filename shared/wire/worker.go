package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Worker states.
const (
	WorkerActive   = "active"
	WorkerQuiet    = "quiet"
	WorkerStopping = "stopping"
	WorkerDead     = "dead"
)

// Worker is one registration of a worker process.
type Worker struct {
	ID           job.WorkerID `json:"id"`
	Name         string       `json:"name" doc:"Host and process id."`
	State        string       `json:"state" enum:"active,quiet,stopping,dead"`
	Concurrency  int          `json:"concurrency" doc:"Jobs at once."`
	Running      int          `json:"running" doc:"At the last heartbeat."`
	Queues       []string     `json:"queues,omitempty" doc:"Served; absent = all."`
	Slots        []int        `json:"slots,omitempty" doc:"Pinned to; absent = all."`
	Kinds        []string     `json:"kinds,omitempty" doc:"Served; * = every kind."`
	LeaseSeconds float64      `json:"lease_seconds"`
	StartedAt    time.Time    `json:"started_at,omitzero"`
	HeartbeatAt  time.Time    `json:"heartbeat_at,omitzero" doc:"The database's time of the last heartbeat."`
}

// WorkerOf converts a worker of the domain.
func WorkerOf(w job.Worker) Worker {
	out := Worker{
		ID: w.ID, Name: w.Name, State: WorkerActive, Concurrency: w.Concurrency, Running: w.Running,
		Queues: w.Queues, Slots: w.Slots, Kinds: w.Kinds, LeaseSeconds: w.Lease.Seconds(),
		StartedAt: w.StartedAt.Time(), HeartbeatAt: w.BeatAt.Time(),
	}
	switch {
	case w.Dead:
		out.State = WorkerDead
	case w.Stop:
		out.State = WorkerStopping
	case w.Quiet:
		out.State = WorkerQuiet
	}
	return out
}

// WorkerList is all workers that are known.
type WorkerList struct {
	Workers []Worker `json:"workers"`
}
