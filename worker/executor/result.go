package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Outcome says what became of a run.
type Outcome int

const (
	// Completed: the job is done.
	Completed Outcome = iota + 1
	// Failed: the attempt counts, the job is retried while it has attempts left.
	Failed
	// TimedOut: as Failed, because Task.Timeout passed.
	TimedOut
	// Snoozed: run again later; it is no failure.
	Snoozed
	// Discarded: the handler says that no retry can help.
	Discarded
	// Cancelled: stopped because ctx ended with ErrCancelled.
	Cancelled
	// Released: the run says nothing about the job (a drain, a lost lease, a dead shim). It is to be given back and
	// counts towards no limit. ErrorType says why.
	Released
)

// String returns the outcome as it stands in metrics and logs.
func (o Outcome) String() string {
	switch o {
	case Completed:
		return "completed"
	case Failed:
		return "failed"
	case TimedOut:
		return "timed_out"
	case Snoozed:
		return "snoozed"
	case Discarded:
		return "discarded"
	case Cancelled:
		return "cancelled"
	case Released:
		return "released"
	}
	return fmt.Sprintf("outcome(%d)", int(o))
}

// The values of Result.ErrorType. They are stored with the job's errors and shown to its owner.
const (
	TypeExit         = "exit"          // a subprocess ended with a status other than 0
	TypeSignal       = "signal"        // a subprocess was ended by a signal that the worker did not send
	TypeMemory       = "memory_limit"  // a subprocess was killed for using more than CommandConfig.Limits.Memory
	TypeProcesses    = "process_limit" // a subprocess was killed for having more processes than CommandConfig.Limits.Processes
	TypeStart        = "start_failed"  // a subprocess could not be started
	TypeTimeout      = "timeout"       // Task.Timeout passed
	TypeHTTPStatus   = "http_status"   // the answer's status is not 2xx
	TypeHTTP         = "http_error"    // no whole answer: DNS, connect, TLS, a cut connection
	TypeAddress      = "http_address"  // the target's address is one that handlers may not call
	TypeError        = "error"         // a Go handler returned an error
	TypePanic        = "panic"         // a Go handler panicked
	TypeSnooze       = "snoozed"       // the handler asked for a later run
	TypeCancelled    = "cancelled"     // stopped by ErrCancelled
	TypeDrained      = "drained"       // Released: stopped by ErrDrained, or by a context that gave no cause
	TypeLeaseLost    = "lease_lost"    // Released: stopped by ErrLeaseLost
	TypeLeaseExpired = "lease_expired" // Released: the shim killed or refused the run because no lease was in force
	TypeShimDied     = "shim_died"     // the process that owns the subprocesses died; Failed when this job alone was in it, else Released
)

// Causes for cancelling the context of Execute, to be given to a context.CancelCauseFunc.
var (
	// ErrCancelled: somebody cancelled the job. TERM, grace, KILL; the Result is Cancelled.
	ErrCancelled = errors.New("the job was cancelled")
	// ErrDrained: the worker stops. TERM, grace, KILL; the Result is Released.
	ErrDrained = errors.New("the worker is stopping")
	// ErrLeaseLost: another worker may start the job soon. KILL without grace; the Result is Released.
	ErrLeaseLost = errors.New("the worker's lease is lost")
)

// Result is what one run came to.
type Result struct {
	Outcome Outcome
	// Output is what the handler produced, at most OutputLimit bytes. It is kept for a failed run too.
	Output []byte
	// ErrorType is one of the Type constants, and empty for Completed.
	ErrorType string
	// Message explains ErrorType to a human, at most MessageLimit bytes.
	Message string
	// Answer is how the answer of an HTTP target that did not complete the job began, at most AnswerLimit bytes. It is no
	// part of Message, which people see who may not see outputs.
	Answer string
	// RetryAfter is the least time until the next start that the handler asked for; 0 leaves it to the backoff.
	RetryAfter time.Duration
}

// MessageLimit bounds Result.Message in bytes. The job's row keeps one message an attempt, so it is well below
// OutputLimit.
const MessageLimit = 8 << 10

// AnswerLimit bounds Result.Answer in bytes.
const AnswerLimit = 1 << 10

// stopped is the Result of a run that was stopped for cause. detail, which may be empty, is what the job still said.
func stopped(cause error, task Task, detail string) Result {
	r := Result{Outcome: Released, ErrorType: TypeDrained, Message: "stopped: " + ErrDrained.Error()}
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		r.Outcome, r.ErrorType = TimedOut, TypeTimeout
		r.Message = fmt.Sprintf("stopped: it ran longer than its timeout of %v", task.Timeout)
		if task.Timeout <= 0 {
			r.Message = "stopped: its deadline passed"
		}
		if task.TimeoutFrom != "" {
			r.Message += " (set by the " + task.TimeoutFrom + ")"
		}
	case errors.Is(cause, ErrCancelled):
		r.Outcome, r.ErrorType, r.Message = Cancelled, TypeCancelled, "stopped: "+ErrCancelled.Error()
	case errors.Is(cause, ErrLeaseLost):
		r.ErrorType, r.Message = TypeLeaseLost, "stopped: "+ErrLeaseLost.Error()
	}
	r.Message = message(r.Message, detail)
	return r
}

// withTimeout is ctx with the task's own limit; its cause is context.DeadlineExceeded once the limit has passed.
func withTimeout(ctx context.Context, task Task) (context.Context, context.CancelFunc) {
	if task.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, task.Timeout)
}

// message joins what happened and the tail of what the job said about it, within MessageLimit. The text goes into text
// columns and JSON: bytes that are no UTF-8, and NUL, which PostgreSQL refuses, are replaced.
func message(what, detail string) string {
	what = clean(what)
	if len(what) > MessageLimit {
		return strings.ToValidUTF8(what[:MessageLimit], "")
	}
	const sep = ": "
	detail = strings.TrimSpace(detail)
	room := MessageLimit - len(what) - len(sep)
	if detail == "" || room <= 0 {
		return what
	}
	if len(detail) > room { // before cleaning, so that a flood of bad bytes costs nothing
		detail = detail[len(detail)-room:]
	}
	detail = clean(detail)
	if len(detail) > room {
		detail = detail[len(detail)-room:]
	}
	for len(detail) > 0 && !utf8.RuneStart(detail[0]) {
		detail = detail[1:]
	}
	return what + sep + detail
}

func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
