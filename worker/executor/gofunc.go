package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Handler is a job handler in Go. A []byte or json.RawMessage it returns is the output as it is, nil is none, and any
// other value is encoded as JSON. An error fails the attempt, unless errors.As finds in it what Snooze or Discard
// returned.
//
// ctx ends at the task's timeout and when the run is to stop; a handler must then return soon. Go cannot kill a
// goroutine: one that goes on after the grace is abandoned, and may still be running when the job's next attempt
// starts.
type Handler func(ctx context.Context, task Task) (output any, err error)

// SnoozeError is what Snooze returns.
type SnoozeError struct {
	// Delay is the least time until the next start; 0 means the current backoff.
	Delay time.Duration
}

func (e *SnoozeError) Error() string {
	if e.Delay <= 0 {
		return "asks to run again later"
	}
	return fmt.Sprintf("asks to run again in %v", e.Delay)
}

// Snooze is an error for a Handler to return: run the job again after delay, and count no failure. A delay of 0 or less
// means the current backoff.
func Snooze(delay time.Duration) error { return &SnoozeError{max(delay, 0)} }

// DiscardError is what Discard returns.
type DiscardError struct {
	// Err is the reason; it may be nil.
	Err error
}

func (e *DiscardError) Error() string {
	if e.Err == nil {
		return "discarded by the handler"
	}
	return e.Err.Error()
}

func (e *DiscardError) Unwrap() error { return e.Err }

// Discard is an error for a Handler to return: no retry can help, because of err.
func Discard(err error) error { return &DiscardError{err} }

// Func runs jobs as calls of a Handler. A panic is a failure of the job, and the worker lives on.
type Func struct {
	handler   Handler
	grace     time.Duration
	abandoned atomic.Int64
}

// NewFunc returns an executor that calls handler, and gives it up when it has not returned grace after its context
// ended.
func NewFunc(handler Handler, grace time.Duration) *Func {
	return &Func{handler: handler, grace: grace}
}

// Abandoned is the number of calls that were given up and have not returned yet.
func (f *Func) Abandoned() int64 { return f.abandoned.Load() }

// Execute implements Executor. A handler that returns no error has completed the job, even when its context had ended;
// with the error of a context that had ended, the run was stopped.
func (f *Func) Execute(ctx context.Context, task Task) Result {
	if ctx.Err() != nil {
		return stopped(context.Cause(ctx), task, "")
	}
	limited, cancel := withTimeout(ctx, task)
	defer cancel()
	// Room for one, so that an abandoned call can end.
	returned := make(chan Result, 1)
	var givenUp atomic.Bool
	go func() {
		var r Result
		defer func() { // deferred for the handler that ends its goroutine
			returned <- r
			if !givenUp.CompareAndSwap(false, true) {
				f.abandoned.Add(-1)
			}
		}()
		f.call(limited, task, &r)
	}()
	select {
	case r := <-returned:
		return r
	case <-limited.Done():
	}
	grace := f.grace
	if errors.Is(context.Cause(limited), ErrLeaseLost) {
		grace = 0
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case r := <-returned:
		return r
	case <-timer.C:
	}
	f.abandoned.Add(1)
	if !givenUp.CompareAndSwap(false, true) { // it returned just now
		f.abandoned.Add(-1)
		return <-returned
	}
	return stopped(context.Cause(limited), task, fmt.Sprintf("the handler went on for %v after its context had ended and was abandoned", grace))
}

// stackLimit bounds the stack of a panic in bytes: what matters is at its top, and the job's row keeps it.
const stackLimit = 4 << 10

func (f *Func) call(ctx context.Context, task Task, result *Result) {
	finished := false
	defer func() {
		if finished {
			return
		}
		// recover returns nil for runtime.Goexit, which is how a test helper's FailNow ends a goroutine.
		what := "the handler ended its goroutine"
		if p := recover(); p != nil {
			what = message(fmt.Sprintf("panic: %v", p), "")
		}
		stack := debug.Stack()
		if len(what) > MessageLimit-stackLimit {
			what = what[:MessageLimit-stackLimit]
		}
		what += "\n" + string(stack[:min(len(stack), stackLimit-1)])
		*result = Result{Outcome: Failed, ErrorType: TypePanic, Message: message(what, "")}
	}()
	output, err := f.handler(ctx, task)
	*result = outcome(ctx, task, output, err)
	finished = true
}

func outcome(ctx context.Context, task Task, output any, err error) Result {
	body, encodeErr := encode(output)
	r := Result{Outcome: Completed, Output: bounded(body)}
	var snooze *SnoozeError
	var discard *DiscardError
	switch {
	case errors.As(err, &snooze):
		r.Outcome, r.ErrorType, r.Message, r.RetryAfter = Snoozed, TypeSnooze, message(err.Error(), ""), snooze.Delay
	case errors.As(err, &discard):
		r.Outcome, r.ErrorType, r.Message = Discarded, TypeError, message(err.Error(), "")
	case err != nil && ctx.Err() != nil:
		r = stopped(context.Cause(ctx), task, err.Error())
		r.Output = bounded(body)
	case err != nil:
		r.Outcome, r.ErrorType, r.Message = Failed, TypeError, message(err.Error(), "")
	case encodeErr != nil:
		// The work is done, and doing it again would not make the value encodable.
		r.Outcome, r.ErrorType = Discarded, TypeError
		r.Message = message("the handler's output cannot be encoded as JSON", encodeErr.Error())
	}
	return r
}

func encode(output any) ([]byte, error) {
	switch v := output.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	case json.RawMessage:
		return v, nil
	}
	return json.Marshal(output)
}
