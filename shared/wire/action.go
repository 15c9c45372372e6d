package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// NewAction asks for one change to all jobs that a filter chooses.
type NewAction struct {
	Action         string       `json:"action" doc:"What is done to each job, as the call of that name does it to one. A running job is only asked to stop, by cancel." enum:"retry,cancel,run,delete"`
	Filter         ActionFilter `json:"filter,omitzero"`
	All            bool         `json:"all,omitempty" doc:"Allows a filter that names nothing but states, and so chooses jobs of all queues."`
	DryRun         bool         `json:"dry_run,omitempty" doc:"Count what the filter chooses and change nothing."`
	IdempotencyKey string       `json:"-"` // sent as a header; "" = none
}

// ActionFilter chooses jobs; a field that is not set chooses all. Jobs that were made, or that ended, after the action was
// are never chosen.
type ActionFilter struct {
	Queue          string      `json:"queue,omitempty" minLength:"1" maxLength:"128"`
	Kind           string      `json:"kind,omitempty" minLength:"1" maxLength:"128"`
	States         []job.State `json:"state,omitempty" doc:"In one of these states. By default those that the action applies to; for retry retryable and discarded." items.enum:"scheduled,available,running,retryable,completed,discarded,cancelled"`
	Tag            string      `json:"tag,omitempty" minLength:"1" maxLength:"255"`
	ConcurrencyKey string      `json:"concurrency_key,omitempty" minLength:"1" maxLength:"255"`
	IDs            []job.ID    `json:"ids,omitempty" doc:"One of these." maxItems:"1000"`
	CreatedAfter   time.Time   `json:"created_after,omitzero" doc:"Made at this time or later."`
	CreatedBefore  time.Time   `json:"created_before,omitzero" doc:"Made before this time."`
}

// States of an action.
const (
	ActionRunning  = "running"
	ActionFinished = "finished"
)

// Action is an action as it stands. A manager carries it out in small steps; it is known for 24 h after its end.
type Action struct {
	ID         job.ID       `json:"id"`
	Action     string       `json:"action" enum:"retry,cancel,run,delete"`
	Filter     ActionFilter `json:"filter"`
	DryRun     bool         `json:"dry_run"`
	State      string       `json:"state" enum:"running,finished"`
	Matched    int64        `json:"matched" doc:"Jobs chosen so far."`
	Done       int64        `json:"done" doc:"Of them changed; a running one that is being stopped counts."`
	Failed     int64        `json:"failed" doc:"Of them left as they are: a retry whose unique_key is another job's by now."`
	CreatedAt  time.Time    `json:"created_at"`
	FinishedAt time.Time    `json:"finished_at,omitzero"`
}

// ActionOf converts an action of the domain.
func ActionOf(a job.BulkAction) Action {
	c := a.Choice
	w := Action{
		ID: a.ID, Action: string(a.Verb), DryRun: a.DryRun, State: ActionRunning, Matched: a.Matched, Done: a.Done, Failed: a.Failed,
		Filter: ActionFilter{
			Queue: c.Queue, Kind: c.Kind, States: c.States, Tag: c.Tag, ConcurrencyKey: c.ConcurrencyKey, IDs: c.IDs,
			CreatedAfter: c.CreatedAfter.Time(), CreatedBefore: c.CreatedBefore.Time(),
		},
		CreatedAt: a.CreatedAt.Time(), FinishedAt: a.FinishedAt.Time(),
	}
	if a.FinishedAt != 0 {
		w.State = ActionFinished
	}
	return w
}
