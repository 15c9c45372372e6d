package runner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// drained runs a worker, stops it after a second, and returns how long the drain took.
func drained(t *testing.T, f *fake, o Options, handlers func(*Runner), jobs func(*Runner)) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Store = f
		r := newRunner(t, o)
		handlers(r)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		jobs(r)
		time.Sleep(3 * time.Second)
		cancel()
		began := time.Now()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		took = time.Since(began)
		f.with(func() {
			if len(f.gone) != 1 || f.gone[0] != r.Worker() {
				t.Errorf("signed off: %v, want %v", f.gone, r.Worker())
			}
			if len(f.claims) != 0 {
				t.Errorf("claims are left: %+v", f.claims)
			}
		})
		time.Sleep(2 * time.Hour) // handlers that were left behind return
	})
	return took
}

func TestADrainTakesNoMoreAndLetsWhatRunsEnd(t *testing.T) {
	f := newFake(1)
	var j, later *job.Job
	took := drained(t, f, Options{}, func(r *Runner) {
		r.Handle("a", func(ctx context.Context, _ *Job) (any, error) {
			time.Sleep(10 * time.Second)
			return nil, context.Cause(ctx)
		})
	}, func(r *Runner) {
		j = f.add("a")
		time.AfterFunc(5*time.Second, func() { later = f.add("a"); r.Nudge(job.Slot{QueueID: 7, Slot: 1}) })
	})
	if o, ok := f.outcome(j.ID); !ok || o.Action != job.Complete {
		t.Errorf("the running job ended as %+v, want completed", o)
	}
	if _, ok := f.outcome(later.ID); ok || later.Run != 0 {
		t.Error("a job that came during the drain was taken")
	}
	if took > 8*time.Second {
		t.Errorf("the drain took %s although the last job ended after 7s", took)
	}
}

func TestADrainThatIsOverItsLimitStopsTheRestAndGivesItBackUncounted(t *testing.T) {
	f, w := newFake(1), &waiter{}
	var j *job.Job
	took := drained(t, f, Options{DrainTimeout: 5 * time.Second}, func(r *Runner) { w.handle(r, "a") }, func(*Runner) { j = f.add("a") })
	if !errors.Is(w.last, ErrDrained) {
		t.Errorf("stopped with %v, want ErrDrained", w.last)
	}
	if o, ok := f.outcome(j.ID); !ok || o.Action != job.Release {
		t.Errorf("it ended as %+v, want given back", o)
	}
	if took < 5*time.Second || took > 6*time.Second {
		t.Errorf("the drain took %s, want 5s", took)
	}
}

func TestADrainDoesNotWaitForAHandlerThatDoesNotStop(t *testing.T) {
	f := newFake(1)
	var j *job.Job
	took := drained(t, f, Options{DrainTimeout: -1}, func(r *Runner) {
		r.Handle("a", func(context.Context, *Job) (any, error) { time.Sleep(time.Hour); return nil, nil }, HandlerOptions{Grace: 2 * time.Second})
	}, func(*Runner) { j = f.add("a") })
	if o, ok := f.outcome(j.ID); !ok || o.Action != job.Release {
		t.Errorf("it ended as %+v, want given back", o)
	}
	if took > 3*time.Second {
		t.Errorf("the drain took %s, want the grace of 2s", took)
	}
}

func TestADrainWithoutADatabaseEndsAndSaysWhatIsNotSaved(t *testing.T) {
	f := newFake(1)
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, Options{Store: f})
		r.Handle("a", nothing)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(time.Second)
		f.with(func() { f.fails = "finish" })
		f.add("a")
		time.Sleep(3 * time.Second)
		cancel()
		began := time.Now()
		if err := <-ended; err == nil {
			t.Error("Run returned nil although an outcome was not saved")
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAWorkerThatIsAskedToStopDrainsAndReturns(t *testing.T) {
	f := newFake(1)
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, Options{Store: f})
		r.Handle("a", nothing)
		ended := make(chan error)
		go func() { ended <- r.Run(t.Context()) }()
		time.Sleep(time.Second)
		f.with(func() { f.workers[r.Worker()].Stop = true })
		began := time.Now()
		if err := <-ended; err != nil || time.Since(began) > 5*time.Second {
			t.Errorf("returned %v after %s, want nil with the next beat", err, time.Since(began))
		}
	})
}

func TestAQuietWorkerTakesNothingUntilItIsAskedAgain(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		f.with(func() { f.workers[r.Worker()].Quiet = true })
		time.Sleep(6 * time.Second)
		j := f.add("a")
		time.Sleep(time.Minute)
		if j.Run != 0 {
			t.Error("a quiet worker took a job")
		}
		f.with(func() { f.workers[r.Worker()].Quiet = false })
		time.Sleep(7 * time.Second)
		if _, ok := f.outcome(j.ID); !ok {
			t.Error("the job did not run after the end of the quiet")
		}
	})
}

func TestAWorkerThatSignsOffGivesBackFirstWhatItHasForgotten(t *testing.T) {
	f := newFake(1)
	var ghost *job.Job
	drained(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(r *Runner) {
		time.Sleep(time.Second)
		ghost = f.add("b")
		f.with(func() { // a claim whose COMMIT landed after its caller had given it up
			ghost.Token = job.NewToken(r.Worker())
			f.claims = append(f.claims, job.Claim{Worker: r.Worker(), Token: ghost.Token, Slot: job.Slot{QueueID: 7, Slot: 1}, IDs: []job.ID{ghost.ID}})
		})
	})
	if !ghost.Token.IsZero() {
		t.Error("the job is left for a manager, which would count a crash")
	}
}
