// Package executor runs one job at a time on behalf of the worker: as a subprocess, as an HTTP request, or as a Go
// function. It owns the time limit, the stop (TERM, grace, KILL), the bounds on output, and the translation of what
// happened into a Result.
//
// It leaves to others: which jobs run and how many at once, claims, leases and heartbeats, the backoff, and what a
// Result does to the job in the store. It never logs, and never sees the database.
package executor

import (
	"context"
	"time"
)

// Task is one run of one job, as an executor needs to know it.
type Task struct {
	// ID is the job's id; (ID, Run) is unique among all runs.
	ID string
	// Kind and Queue are the job's names, 1 to 128 bytes of [A-Za-z0-9._:-].
	Kind, Queue string
	// Slot counts from 1.
	Slot int
	// Attempt is failures so far + 1; MaxAttempts bounds it.
	Attempt, MaxAttempts int
	// Run counts every start of the job, from 1.
	Run int
	// Payload is the JSON value byte for byte as it was enqueued. It must not be changed while Execute runs.
	Payload []byte
	// Deadline is when Timeout ends, by the wall clock. It is shown to the job and decides nothing.
	Deadline time.Time
	// Timeout is the longest the run may take; 0 means no limit. The executor keeps it with a timer of its own.
	Timeout time.Duration
	// TimeoutFrom says whose timeout it is ("job", "handler", "queue") for the message; it may be empty.
	TimeoutFrom string
}

// Executor runs jobs of one kind. Implementations promise:
//
//   - Execute returns a Result in every case and never panics, and it may be called from many goroutines at once.
//   - When Task.Timeout has passed, the run is stopped and the Result is TimedOut.
//   - When ctx ends, the run is stopped and context.Cause(ctx) decides the Result: see ErrCancelled, ErrDrained and
//     ErrLeaseLost. A run that had already ended by itself keeps its own Result.
//   - Result.Output is at most OutputLimit bytes, Result.Message at most MessageLimit bytes of valid UTF-8 without NUL.
type Executor interface {
	Execute(ctx context.Context, task Task) Result
}

var (
	_ Executor = (*Command)(nil)
	_ Executor = (*HTTP)(nil)
	_ Executor = (*Func)(nil)
)
