package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Kind is a kind of jobs: who serves it, and how its unfinished jobs stand.
type Kind struct {
	Kind              string         `json:"kind"`
	Workers           int            `json:"workers" doc:"Workers that have a handler for it and take jobs."`
	WorkerIDs         []job.WorkerID `json:"worker_ids" doc:"The first 100 of them."`
	Waiting           int64          `json:"waiting" doc:"Scheduled or available jobs."`
	Failing           int64          `json:"failing" doc:"Retryable jobs."`
	Running           int64          `json:"running"`
	Unserved          int64          `json:"unserved" doc:"Available jobs that no worker takes from the slots they are in."`
	OldestAvailableAt time.Time      `json:"oldest_available_at,omitzero" doc:"The earliest run_at of an available job."`
}

// KindList is all kinds that have unfinished jobs or a worker, by name.
type KindList struct {
	Kinds     []Kind    `json:"kinds"`
	CountedAt time.Time `json:"counted_at" doc:"When the count began. It is shown for 20 times as long as it took, and for a second at least."`
	Capped    bool      `json:"capped" doc:"There are more jobs than the 10,000 of each slot that are counted, more slots than a call has time for, or more than 1,000 kinds: the figures are lower bounds."`
}

// maxKindWorkers is how many workers a kind names: a thousand workers times a thousand kinds would be 20 MB.
const maxKindWorkers = 100

// KindsOf converts what was counted at a time; capped = not everything was.
func KindsOf(t *job.KindTally, at job.Time, capped bool) KindList {
	kinds, more := t.Kinds()
	out := KindList{Kinds: make([]Kind, len(kinds)), CountedAt: at.Time(), Capped: capped || more}
	for i, k := range kinds {
		out.Kinds[i] = Kind{
			Kind: k.Kind, Workers: len(k.Workers), WorkerIDs: append([]job.WorkerID{}, k.Workers[:min(len(k.Workers), maxKindWorkers)]...),
			Waiting: k.Scheduled + k.Available + k.Blocked, Failing: k.Retryable, Running: k.Running, Unserved: k.Unserved,
			OldestAvailableAt: k.OldestAvailable.Time(),
		}
	}
	return out
}
