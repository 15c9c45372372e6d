package job

import "time"

// Action is what an outcome does to the job's row.
type Action int

// The actions. Complete, Discard and Cancel end the job; Retry, Snooze and Release put it back. A job that somebody
// asked to cancel is not put back: Retry, Snooze and Release then end it as cancelled, in the same transaction.
const (
	Complete Action = iota + 1
	Discard         // gave up
	Cancel          // stopped on request
	Retry           // failed, attempt + 1
	Snooze          // run again later, not an error
	Release         // given back uncounted: a drain, an outage, a job never started
	Crash           // the worker died while it ran it; only rescue writes it
)

// Ends says that the action moves the job to history.
func (a Action) Ends() bool { return a <= Cancel }

// Final is the state that an ending action leads to.
func (a Action) Final() State {
	switch a {
	case Complete:
		return Completed
	case Discard:
		return Discarded
	default:
		return Cancelled
	}
}

// Outcome is how one run of a held job ended.
type Outcome struct {
	Job    *Job // as it was claimed
	Action Action
	Reason string     // of a Discard or Cancel
	Output []byte     // of a Complete, a Discard or a Cancel; bounded by the executor
	Errors []RunError // the job's errors from now on; Complete, Snooze and Release keep what is there
	RunAt  Time       // of a Retry or Snooze: not started before

	Took time.Duration // how long the run took, for the stats alone; 0 = it was never started
}

// TypeTimedOut is the error type of a run that took longer than its limit.
const TypeTimedOut = "timed_out"

// Verdict is what the store did with an outcome.
type Verdict int

// The verdicts.
const (
	Committed      Verdict = iota + 1
	EndedCancelled         // the job was asked to cancel, so it ended cancelled instead of going back
	Lost                   // the token no longer stands in the row: the result was dropped, nothing was changed
)

// Failed is the outcome of a failed attempt: a retry after the backoff, or, with the attempts used up, a discard.
// RetryAfter is the earliest next start that the handler asked for, 0 = none.
func (j *Job) Failed(now Time, e RunError, retryAfter time.Duration) Outcome {
	e.Attempt, e.Run, e.At = j.Attempt, j.Run, now
	o := Outcome{Job: j, Errors: j.WithError(e)}
	if j.Attempt >= j.MaxAttempts {
		o.Action, o.Reason = Discard, ReasonMaxAttempts
		return o
	}
	o.Action, o.RunAt = Retry, now.Add(max(j.Backoff.Wait(j.Attempt), retryAfter))
	return o
}

// MaxSnoozes is how often a job may snooze before a snooze counts as a failure.
const MaxSnoozes = 100

// Snoozed is the outcome of a run that asked to run again later; wait 0 means the current backoff.
func (j *Job) Snoozed(now Time, wait time.Duration) Outcome {
	if j.Snoozes >= MaxSnoozes {
		return j.Failed(now, RunError{Type: ReasonMaxSnoozes, Message: "snoozed 100 times: this snooze counts as a failure"}, wait)
	}
	if wait <= 0 {
		wait = j.Backoff.Wait(j.Attempt)
	}
	return Outcome{Job: j, Action: Snooze, RunAt: now.Add(wait)}
}

// Crashed is what rescue does with a job whose worker died while it ran it. Counted is false for the neighbours of a
// suspect: only the suspect's crash counts.
func (j *Job) Crashed(now Time, worker WorkerID, lease time.Duration, counted bool) Outcome {
	if j.CancelAt != 0 {
		return Outcome{Job: j, Action: Cancel, Reason: ReasonCancelled}
	}
	if !counted {
		return Outcome{Job: j, Action: Release, RunAt: now}
	}
	e := RunError{Attempt: j.Attempt, Run: j.Run, At: now, Worker: worker, Type: "crash", Message: "the worker died while it ran this job"}
	o := Outcome{Job: j, Errors: j.WithError(e)}
	if j.Crashes+1 >= j.MaxCrashes {
		o.Action, o.Reason = Discard, ReasonMaxCrashes
		return o
	}
	o.Action, o.RunAt = Crash, now.Add(CrashWait(j.Crashes+1, lease))
	return o
}
