package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/worker/executor"
)

// Job is a job as a handler in Go sees it.
type Job struct {
	ID          job.ID
	Queue       string
	Kind        string
	Slot        int
	Priority    int
	Payload     []byte // the bytes of the JSON value as they were enqueued; not to be changed
	Attempt     int    // failures so far + 1
	MaxAttempts int
	Run         int // starts so far, this one included; (ID, Run) is unique
	Crashes     int // starts that ended with the death of a worker
	Metadata    []byte
	Tags        []string
	CreatedAt   time.Time
	RunAt       time.Time
}

// Decode reads the payload into v, as encoding/json does.
func (j *Job) Decode(v any) error {
	if err := json.Unmarshal(j.Payload, v); err != nil {
		return fmt.Errorf("reading the payload: %w", err)
	}
	return nil
}

// Func is a handler in Go. A []byte or json.RawMessage that it returns is the output as it is, nil is none, any other
// value is encoded as JSON. An error fails the attempt, unless it is one of Snooze or Discard.
//
// ctx ends at the job's time limit and when the run is to stop; its cause says why. A handler must then return soon: Go
// cannot kill a goroutine, so one that goes on is abandoned after a grace, and may still be running when the job runs
// again.
type Func func(ctx context.Context, j *Job) (output any, err error)

// Snooze is an error for a handler to return: run the job again after d, and count no failure. A d of 0 or less means
// the job's current backoff. After 100 snoozes a snooze counts as a failure.
func Snooze(d time.Duration) error { return executor.Snooze(d) }

// Discard is an error for a handler to return: no retry can help, because of err.
func Discard(err error) error { return executor.Discard(err) }

// Why a handler's context has ended, for context.Cause. context.DeadlineExceeded is its time limit.
var (
	ErrCancelled = executor.ErrCancelled // somebody cancelled the job
	ErrDrained   = executor.ErrDrained   // the worker stops, the job will run again
	ErrLeaseLost = executor.ErrLeaseLost // the worker cannot reach the database, another may run the job soon
)

// HandlerOptions are the limits of one handler. The zero value sets none.
type HandlerOptions struct {
	Timeout     time.Duration // for jobs that have no limit of their own; 0 = the queue's
	Concurrency int           // the most of its jobs that run at once here; 0 = the worker's
	Grace       time.Duration // how long it may go on after its context has ended; 0 = 5 s
}

// AnyKind is the kind of the handler that takes what no other handler serves.
const AnyKind = "*"

// handler is what serves a kind.
type handler struct {
	kind    string
	exec    executor.Executor
	fn      *executor.Func // instead of exec: called in the job's goroutine, its limit kept by deadlines
	timeout time.Duration
	grace   time.Duration
	limit   int32        // 0 = none
	used    atomic.Int32 // jobs that run, and places that a claim under way may fill
	waiting int          // slots that wait for its room; the claim loop's alone
}

// Handle makes fn the handler of a kind; kind "*" catches all that have no other. It panics on a kind that is not
// valid or has a handler, as http.Handle does: both are faults of the program. Call it before Run.
func (r *Runner) Handle(kind string, fn Func, options ...HandlerOptions) {
	r.handlers.add(goHandler(kind, fn, options))
}

// HandleWith makes an executor the handler of a kind. It panics as Handle does.
func (r *Runner) HandleWith(kind string, e executor.Executor, options HandlerOptions) {
	r.handlers.add(newHandler(kind, e, nil, []HandlerOptions{options}))
}

func goHandler(kind string, fn Func, options []HandlerOptions) *handler {
	if fn == nil {
		panic(fmt.Sprintf("runner: the handler of kind %q is nil", kind))
	}
	call := func(ctx context.Context, _ executor.Task) (any, error) {
		current := ctx.(*run)
		return fn(current, current.view())
	}
	h := newHandler(kind, nil, nil, options)
	h.fn = executor.NewFunc(call, h.grace)
	return h
}

func newHandler(kind string, e executor.Executor, fn *executor.Func, options []HandlerOptions) *handler {
	if kind != AnyKind {
		if wrong := job.CheckName(kind); wrong != "" {
			panic(fmt.Sprintf("runner: kind %q %s", kind, wrong))
		}
	}
	var o HandlerOptions
	if len(options) > 0 {
		o = options[0]
	}
	if o.Grace == 0 {
		o.Grace = executor.DefaultGrace
	}
	return &handler{kind: kind, exec: e, fn: fn, timeout: o.Timeout, grace: o.Grace, limit: int32(o.Concurrency)}
}

// handlerSet is written before Run and only read from then on.
type handlerSet struct {
	byKind  map[string]*handler
	any     *handler
	limited []*handler
	narrow  bool // every handler has a limit of its own
}

func (hs *handlerSet) add(h *handler) {
	if hs.byKind == nil {
		hs.byKind = map[string]*handler{}
	}
	if _, taken := hs.byKind[h.kind]; taken {
		panic(fmt.Sprintf("runner: kind %q has two handlers", h.kind))
	}
	hs.byKind[h.kind] = h
	if h.kind == AnyKind {
		hs.any = h
	}
	if h.limit > 0 {
		hs.limited = append(hs.limited, h)
	}
	hs.narrow = len(hs.limited) == len(hs.byKind)
}

// of returns the handler of a kind, nil = this worker does not serve it.
func (hs *handlerSet) of(kind string) *handler {
	if h := hs.byKind[kind]; h != nil && kind != AnyKind {
		return h
	}
	return hs.any
}

func (hs *handlerSet) kinds() []string { return slices.Sorted(maps.Keys(hs.byKind)) }

// longestGrace is how long the slowest handler may take to stop.
func (hs *handlerSet) longestGrace() time.Duration {
	var longest time.Duration
	for _, h := range hs.byKind {
		longest = max(longest, h.grace)
	}
	return longest
}
