package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/worker/executor"
)

// outcome says what the result of a run does to its job.
func (r *Runner) outcome(x *run, result executor.Result) job.Outcome {
	j, now := x.job, r.clock.Now()
	if result.Outcome == executor.Completed { // first, since this is what counts at full speed
		return job.Outcome{Job: j, Action: job.Complete, Output: result.Output}
	}
	e := job.RunError{Attempt: j.Attempt, Run: j.Run, At: now, Worker: x.claim.worker, Type: result.ErrorType, Message: result.Message, Answer: result.Answer}
	switch result.Outcome {
	case executor.Snoozed:
		o := j.Snoozed(now, result.RetryAfter)
		o.Output = outputOf(o, result)
		return o
	case executor.Discarded:
		return job.Outcome{Job: j, Action: job.Discard, Reason: job.ReasonHandler, Output: result.Output, Errors: j.WithError(e)}
	case executor.Cancelled:
		return job.Outcome{Job: j, Action: job.Cancel, Reason: job.ReasonCancelled, Output: result.Output}
	case executor.Released:
		return job.Outcome{Job: j, Action: job.Release}
	case executor.TimedOut:
		e.Type = job.TypeTimedOut
		e.Message = fmt.Sprintf("the %s's limit of %s: %s", x.whose, x.timeout, result.Message)
	}
	o := j.Failed(now, e, result.RetryAfter)
	o.Output = outputOf(o, result)
	return o
}

// outputOf keeps the output of the run that ended the job; of a run that is followed by another nothing is kept.
func outputOf(o job.Outcome, result executor.Result) []byte {
	if o.Action.Ends() {
		return result.Output
	}
	return nil
}

// abandoned is the result of a handler in Go that went on after it was told to stop.
func abandoned(x *run) executor.Result {
	message := fmt.Sprintf("the handler went on for %s after it was told to stop, and was abandoned", x.handler.grace)
	switch cause := context.Cause(x); {
	case errors.Is(cause, context.DeadlineExceeded):
		return executor.Result{Outcome: executor.TimedOut, ErrorType: job.TypeTimedOut, Message: message}
	case errors.Is(cause, ErrCancelled):
		return executor.Result{Outcome: executor.Cancelled, ErrorType: executor.TypeCancelled, Message: message}
	default:
		return executor.Result{Outcome: executor.Released, ErrorType: executor.TypeDrained, Message: message}
	}
}

// ending is a run that has ended and whose outcome is not committed.
type ending struct {
	run       *run // nil: a job that this worker had forgotten
	outcome   job.Outcome
	took      time.Duration
	wait      time.Duration // until the next start, of a retry or a snooze
	label     string        // the executor's name for it: completed, failed …
	errorType string
	unstarted bool
	deaf      bool // its handler goes on, and may look at the job
}
