package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Failure is what a number of jobs of one kind failed with last.
type Failure struct {
	Kind         string    `json:"kind"`
	Type         string    `json:"type" doc:"Of the error."`
	Message      string    `json:"message" doc:"In its general form: numbers, ids and quoted text are replaced, and of a long one the middle is left out."`
	Count        int64     `json:"count" doc:"Retryable and discarded jobs."`
	Retryable    int64     `json:"retryable" doc:"Jobs that will be tried again."`
	Discarded    int64     `json:"discarded" doc:"Jobs that gave up."`
	ExampleJobID job.ID    `json:"example_job_id" doc:"The job that failed so last."`
	FirstAt      time.Time `json:"first_at" doc:"The earliest such error that was seen."`
	LastAt       time.Time `json:"last_at"`
}

// FailureList is failures, the newest first.
type FailureList struct {
	Failures []Failure `json:"failures"`
	RowsRead int       `json:"rows_read"`
	Capped   bool      `json:"capped" doc:"There are more jobs than one call reads (10,000 unfinished ones that are due later, the youngest 10,000 discarded ones, 2 s): the counts are lower bounds."`
	More     bool      `json:"more" doc:"There are more failures than limit."`
}

// FailuresOf converts a list of the domain.
func FailuresOf(l job.FailureList) FailureList {
	w := FailureList{Failures: make([]Failure, len(l.Failures)), RowsRead: l.Rows, Capped: l.Capped, More: l.More}
	for i, f := range l.Failures {
		w.Failures[i] = Failure{
			Kind: f.Kind, Type: f.Type, Message: f.Message, Count: f.Retryable + f.Discarded, Retryable: f.Retryable, Discarded: f.Discarded,
			ExampleJobID: f.Example, FirstAt: f.FirstAt.Time(), LastAt: f.LastAt.Time(),
		}
	}
	return w
}
