package runner

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/worker/executor"
)

// The states of a run. Two steps are contended, and whoever takes one writes the outcome: from claimed, it starts or is
// given back; from started, it ends or, as a handler in Go that does not stop, is abandoned.
const (
	claimed int32 = iota // stands in line
	started
	ended   // its outcome waits in the finisher
	settled // its outcome is committed, or lost
)

// run is one start of one job. It is the context that its handler gets: one allocation for a whole claim instead of
// several a job.
type run struct {
	context.Context
	cancel  context.CancelCauseFunc
	job     *job.Job
	claim   *claim
	handler *handler
	at      time.Time // of the start
	state   atomic.Int32

	timeout time.Duration // 0 = none
	whose   string        // whose limit that is: "job", "handler" or "queue"
	giveUp  time.Time     // when a handler in Go that was told to stop is abandoned; guarded by deadlines.mu
}

// prepare readies a run for its start.
func (x *run) prepare(j *job.Job, c *claim, h *handler) {
	x.job, x.claim, x.handler = j, c, h
	x.Context, x.cancel = context.WithCancelCause(context.Background())
	switch {
	case j.Timeout > 0:
		x.timeout, x.whose = j.Timeout, "job"
	case h.timeout > 0:
		x.timeout, x.whose = h.timeout, "handler"
	default:
		x.timeout, x.whose = j.QueueTimeout, "queue"
	}
}

// Deadline implements context.Context.
func (x *run) Deadline() (time.Time, bool) {
	if x.timeout <= 0 {
		return time.Time{}, false
	}
	return x.at.Add(x.timeout), true
}

// view is what a handler in Go is shown.
func (x *run) view() *Job {
	j := x.job
	return &Job{
		ID: j.ID, Queue: j.Queue, Kind: j.Kind, Slot: j.Slot, Priority: j.Priority, Payload: j.Payload,
		Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, Run: j.Run, Crashes: j.Crashes,
		Metadata: j.Metadata, Tags: job.UnmarshalTags(j.Tags), CreatedAt: j.CreatedAt.Time(), RunAt: j.RunAt.Time(),
	}
}

func (x *run) task() executor.Task {
	j := x.job
	return executor.Task{
		ID: j.ID.String(), Kind: j.Kind, Queue: j.Queue, Slot: j.Slot,
		Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, Run: j.Run, Payload: j.Payload,
		Deadline: time.Now().Add(x.timeout), Timeout: x.timeout, TimeoutFrom: x.whose,
	}
}

// execute runs a job to its end; false = it was abandoned meanwhile.
func (r *Runner) execute(x *run) (mine bool) {
	if x.handler.fn == nil {
		// Execute knows the run's own context alone: the deadline that a run shows is for handlers in Go, executors
		// keep the limit themselves.
		return r.end(x, x.handler.exec.Execute(x.Context, x.task()), false)
	}
	var result executor.Result
	returned := false
	defer func() {
		mine = r.end(x, result, false)
		if !returned && mine { // the handler has ended its goroutine, this one
			r.replace()
		}
	}()
	x.handler.fn.Call(x, executor.Task{Timeout: x.timeout, TimeoutFrom: x.whose}, &result)
	returned = true
	return
}

// end takes in what a run came to; deaf: it is abandoned and its handler goes on. false = it was abandoned before.
func (r *Runner) end(x *run, result executor.Result, deaf bool) bool {
	if !x.state.CompareAndSwap(started, ended) {
		return false
	}
	e := ending{run: x, deaf: deaf, took: time.Since(x.at), label: result.Outcome.String(), errorType: result.ErrorType}
	e.outcome = r.outcome(x, result)
	if e.outcome.RunAt != 0 {
		e.wait = e.outcome.RunAt.Sub(r.clock.Now())
	}
	x.cancel(nil) // whatever the handler left behind sees that the run is over
	r.roomIn(x.handler)
	idle := r.places.release(1) && r.claiming.Load() == 0
	r.finisher.add(e, idle)
	return true
}

// roomIn gives a job's place under its handler's own limit back.
func (r *Runner) roomIn(h *handler) {
	if h.limit > 0 && h.used.Add(-1) < h.limit {
		r.loop.wake()
	}
}

// kill stops a run. A handler in Go that does not heed it is abandoned after its grace.
func (r *Runner) kill(x *run, cause error) {
	x.cancel(cause)
	if x.handler.fn != nil {
		r.deadlines.stopped(x)
	}
}

// killAll stops everything that runs, and gives back what stands in line.
func (r *Runner) killAll(cause error) (n int) {
	r.giveBackWaiting(time.Time{})
	var runs []*run
	r.held.running(func(x *run) { runs = append(runs, x) })
	for _, x := range runs {
		r.kill(x, cause)
	}
	return len(runs)
}
