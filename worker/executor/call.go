package executor

import "context"

// Call runs the handler in the caller's own goroutine: for a caller that keeps the time limit itself, ends ctx with a
// cause accordingly, and abandons a call that does not heed it. At tens of thousands of short jobs a second the
// goroutine and the timer that Execute adds are a good part of a job's cost. The result is set even when the handler
// ends its goroutine; Call does not return then, so look at it in a deferred function.
func (f *Func) Call(ctx context.Context, task Task, result *Result) { f.call(ctx, task, result) }
