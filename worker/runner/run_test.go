package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/worker/executor"
)

// one runs one job of kind "a" through a handler and returns its outcome.
func one(t *testing.T, fn Func, change ...func(*job.Job)) (o job.Outcome) {
	t.Helper()
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", fn) }, func(t *testing.T, r *Runner) {
		j := f.add("a", change...)
		r.Nudge(job.Slot{QueueID: 7, Slot: 1})
		synctest.Wait()
		var ok bool
		if o, ok = f.outcome(j.ID); !ok {
			t.Error("the job has no outcome")
		}
	})
	return o
}

func TestWhatAHandlerReturnsIsTheOutput(t *testing.T) {
	for want, output := range map[string]any{
		"":                      nil,
		`{"a": 1e400, "b":"<"}`: json.RawMessage(`{"a": 1e400, "b":"<"}`),
		"plain bytes":           []byte("plain bytes"),
		`{"n":3}`:               map[string]int{"n": 3},
		`"text"`:                "text",
	} {
		o := one(t, func(context.Context, *Job) (any, error) { return output, nil })
		if o.Action != job.Complete || string(o.Output) != want {
			t.Errorf("%v: %v with output %q, want %q", output, o.Action, o.Output, want)
		}
	}
}

func TestAHandlerSeesItsJobAsItWasEnqueued(t *testing.T) {
	payload := []byte(` {"b":2, "a": 9007199254740993} `)
	one(t, func(ctx context.Context, j *Job) (any, error) {
		if string(j.Payload) != string(payload) || j.Kind != "a" || j.Run != 1 || j.Attempt != 2 || len(j.Tags) != 2 || j.ID == (job.ID{}) {
			t.Errorf("saw %+v", j)
		}
		var v struct{ B int }
		if err := j.Decode(&v); err != nil || v.B != 2 {
			t.Errorf("decoded %+v, %v", v, err)
		}
		if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Minute {
			t.Errorf("deadline %v %v, want the queue's limit of a minute", at, ok)
		}
		return nil, nil
	}, func(j *job.Job) {
		j.Payload, j.Attempt, j.Tags = payload, 2, job.MarshalTags([]string{"x", "y"})
	})
}

func TestAnErrorASnoozeADiscardAndAPanicEachHaveTheirOutcome(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		fn      Func
		action  job.Action
		reason  string
		errType string
		wait    time.Duration
	}{
		"error":        {func(context.Context, *Job) (any, error) { return nil, boom }, job.Retry, "", "error", 0},
		"snooze":       {func(context.Context, *Job) (any, error) { return nil, Snooze(time.Hour) }, job.Snooze, "", "", time.Hour},
		"discard":      {func(context.Context, *Job) (any, error) { return nil, Discard(boom) }, job.Discard, job.ReasonHandler, "error", 0},
		"wrapped":      {func(context.Context, *Job) (any, error) { return nil, fmt.Errorf("so: %w", Discard(boom)) }, job.Discard, job.ReasonHandler, "error", 0},
		"panic":        {func(context.Context, *Job) (any, error) { panic("boom") }, job.Retry, "", "panic", 0},
		"ends its own": {func(context.Context, *Job) (any, error) { runtime.Goexit(); return nil, nil }, job.Retry, "", "panic", 0},
	} {
		before := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's time begins
		o := one(t, c.fn)
		if o.Action != c.action || o.Reason != c.reason {
			t.Errorf("%s: action %d, reason %q; want %d, %q", name, o.Action, o.Reason, c.action, c.reason)
		}
		if c.errType != "" && (len(o.Errors) != 1 || o.Errors[0].Type != c.errType || o.Errors[0].Run != 1 || o.Errors[0].Worker == 0) {
			t.Errorf("%s: errors %+v, want one of type %s with its run and worker", name, o.Errors, c.errType)
		}
		if got := o.RunAt.Time().Sub(before); c.wait != 0 && got != c.wait {
			t.Errorf("%s: runs again after %s, want %s", name, got, c.wait)
		}
	}
	o := one(t, func(context.Context, *Job) (any, error) { return nil, boom }, func(j *job.Job) { j.Attempt, j.MaxAttempts = 3, 3 })
	if o.Action != job.Discard || o.Reason != job.ReasonMaxAttempts {
		t.Errorf("the last attempt: action %d, reason %q; want it discarded for max_attempts", o.Action, o.Reason)
	}
}

func TestAWorkerLivesOnAfterAHandlerThatEndsItsGoroutineOrIsAbandoned(t *testing.T) {
	f := newFake(1)
	var hold chan struct{}
	in(t, f, Options{Concurrency: 1}, func(r *Runner) {
		hold = make(chan struct{})
		r.Handle("exit", func(context.Context, *Job) (any, error) { runtime.Goexit(); return nil, nil })
		r.Handle("deaf", func(context.Context, *Job) (any, error) { <-hold; return nil, nil }, HandlerOptions{Grace: time.Second})
		r.Handle("a", nothing)
	}, func(t *testing.T, r *Runner) {
		f.add("exit", func(j *job.Job) { j.MaxAttempts = 1 })
		deaf := f.add("deaf", func(j *job.Job) { j.Timeout, j.MaxAttempts = 2*time.Second, 1 })
		last := f.add("a")
		time.Sleep(10 * time.Second)
		if o, ok := f.outcome(deaf.ID); !ok || len(o.Errors) != 1 || o.Errors[0].Type != job.TypeTimedOut {
			t.Errorf("the deaf handler's job: %+v, want timed out", o)
		}
		if o, ok := f.outcome(last.ID); !ok || o.Action != job.Complete {
			t.Errorf("the job behind them: %+v, want completed in the one place", o)
		}
		close(hold)
		synctest.Wait()
		if free := r.places.taken.Load(); free != 0 {
			t.Errorf("%d places are still taken", free)
		}
	})
}

func TestTheJobsLimitGoesBeforeTheHandlersBeforeTheQueues(t *testing.T) {
	for _, c := range []struct {
		job, handler time.Duration
		want         time.Duration
		whose        string
	}{
		{5 * time.Second, 7 * time.Second, 5 * time.Second, "the job's limit of 5s"},
		{0, 7 * time.Second, 7 * time.Second, "the handler's limit of 7s"},
		{0, 0, time.Minute, "the queue's limit of 1m0s"},
	} {
		for _, kind := range []string{"function", "executor"} {
			f, w := newFake(1), &waiter{}
			in(t, f, Options{}, func(r *Runner) {
				w.handle(r, "function", HandlerOptions{Timeout: c.handler})
				r.HandleWith("executor", executor.NewFunc(func(ctx context.Context, task executor.Task) (any, error) {
					<-ctx.Done()
					w.at <- time.Now()
					return nil, ctx.Err()
				}, time.Second), HandlerOptions{Timeout: c.handler})
			}, func(t *testing.T, r *Runner) {
				began := time.Now()
				j := f.add(kind, func(j *job.Job) { j.Timeout = c.job })
				r.Nudge(job.Slot{QueueID: 7, Slot: 1})
				if got := (<-w.at).Sub(began); got != c.want {
					t.Errorf("%s: stopped after %s, want %s", kind, got, c.want)
				}
				time.Sleep(time.Second)
				o, _ := f.outcome(j.ID)
				if len(o.Errors) != 1 || o.Errors[0].Type != "timed_out" || !strings.HasPrefix(o.Errors[0].Message, c.whose) {
					t.Errorf("%s: errors %+v, want type timed_out and a message that begins with %q", kind, o.Errors, c.whose)
				}
			})
		}
	}
}

func TestACancelledJobIsStoppedWithTheNextBeatUnlessItCompletes(t *testing.T) {
	f, w := newFake(2), &waiter{}
	in(t, f, Options{}, func(r *Runner) {
		w.handle(r, "a")
		r.Handle("stubborn", func(ctx context.Context, _ *Job) (any, error) { <-ctx.Done(); return "done all the same", nil })
	}, func(t *testing.T, r *Runner) {
		a, b := f.add("a"), f.add("stubborn", inSlot(2))
		<-w.started
		time.Sleep(2 * time.Second)
		f.with(func() { f.cancels = []job.ID{a.ID, b.ID} })
		if cause := <-w.stopped; !errors.Is(cause, ErrCancelled) {
			t.Errorf("stopped with %v, want ErrCancelled", cause)
		}
		time.Sleep(time.Second)
		if o, _ := f.outcome(a.ID); o.Action != job.Cancel || o.Reason != job.ReasonCancelled {
			t.Errorf("ended as %+v, want cancelled", o)
		}
		if o, _ := f.outcome(b.ID); o.Action != job.Complete {
			t.Errorf("the one that completed ended as %+v", o)
		}
	})
}
