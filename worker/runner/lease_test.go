package runner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// waiter is a handler that runs until it is stopped or released, and tells when and why.
type waiter struct {
	started chan *Job
	release chan struct{}
	stopped chan error
	at      chan time.Time
	last    error // why it was stopped last, for after the bubble
}

func (w *waiter) handle(r *Runner, kind string, o ...HandlerOptions) {
	w.started, w.release = make(chan *Job, 100), make(chan struct{})
	w.stopped, w.at = make(chan error, 100), make(chan time.Time, 100)
	r.Handle(kind, func(ctx context.Context, j *Job) (any, error) {
		w.started <- j
		select {
		case <-w.release:
			return "released", nil
		case <-ctx.Done():
			w.last = context.Cause(ctx)
			w.stopped <- w.last
			w.at <- time.Now()
			return nil, ctx.Err()
		}
	}, o...)
}

func TestADatabaseAwayFor10SecondsAtTheDefaultLeaseEndsNoRunningJob(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "long") }, func(t *testing.T, r *Runner) {
		j := f.add("long", func(j *job.Job) { j.Timeout = time.Hour })
		<-w.started
		for range 20 { // whenever it goes away between two beats
			f.setAway(true)
			time.Sleep(10 * time.Second)
			f.setAway(false)
			time.Sleep(7300 * time.Millisecond)
		}
		select {
		case cause := <-w.stopped:
			t.Fatalf("the running job was stopped: %v", cause)
		default:
		}
		close(w.release)
		time.Sleep(time.Second)
		if o, ok := f.outcome(j.ID); !ok || o.Action != job.Complete {
			t.Errorf("the job ended as %+v, want completed", o)
		}
		if got := f.count("register"); got != 1 {
			t.Errorf("registered %d times, want once: nobody declared it dead", got)
		}
	})
}

func TestAWorkerThatIsCutOffStopsWhatRunsBeforeItsLeaseEndsAndGivesItBackUncounted(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "long") }, func(t *testing.T, r *Runner) {
		j := f.add("long")
		<-w.started
		time.Sleep(11 * time.Second)
		var beat time.Time
		f.with(func() { beat = f.beats[len(f.beats)-1]; f.away = true })
		if cause := <-w.stopped; !errors.Is(cause, ErrLeaseLost) {
			t.Errorf("stopped with %v, want ErrLeaseLost", cause)
		}
		if after := (<-w.at).Sub(beat); after < 15*time.Second || after >= 20*time.Second {
			t.Errorf("stopped %s after the last acknowledged beat was sent, want shortly before the lease of 20s", after)
		}
		if r.Ready(t.Context()) == nil {
			t.Error("ready without a lease")
		}
		time.Sleep(time.Minute)
		claims := f.count("claim")
		f.setAway(false)
		if again := <-w.started; again.Run != 2 || again.Attempt != 1 || again.Crashes != 0 {
			t.Errorf("it ran again as run %d, attempt %d, with %d crashes; want 2, 1 and 0", again.Run, again.Attempt, again.Crashes)
		}
		if got := f.count("claim"); got <= claims {
			t.Error("no claim after the database came back")
		}
		if o, _ := f.outcome(j.ID); o.Action != job.Release {
			t.Errorf("given back as %+v, want a release", o)
		}
		if got := f.count("register"); got != 1 {
			t.Errorf("registered %d times: nobody declared it dead", got)
		}
		close(w.release)
	})
}

func TestWhatEndedWhileTheDatabaseWasAwayIsSavedWhenItIsBack(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "long") }, func(t *testing.T, r *Runner) {
		j := f.add("long")
		<-w.started
		f.setAway(true)
		close(w.release)      // it ends while its outcome cannot be written
		time.Sleep(time.Hour) // far beyond the lease
		f.setAway(false)      // nobody has taken the job meanwhile: its token still stands
		time.Sleep(5 * time.Second)
		if o, ok := f.outcome(j.ID); !ok || o.Action != job.Complete || string(o.Output) != `"released"` {
			t.Errorf("the job ended as %+v, want completed with its output", o)
		}
	})
}

func TestADeadWorkerStopsItsJobsAndGoesOnUnderANewID(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "long") }, func(t *testing.T, r *Runner) {
		f.add("long")
		<-w.started
		old := r.Worker()
		f.with(func() { f.workers[old].Dead = true })
		if cause := <-w.stopped; !errors.Is(cause, ErrLeaseLost) {
			t.Errorf("stopped with %v, want ErrLeaseLost", cause)
		}
		if again := <-w.started; again.Run != 2 {
			t.Errorf("run %d, want the second", again.Run)
		}
		if now := r.Worker(); now == old || now == 0 {
			t.Errorf("goes on as %s, was %s: want a new id", now, old)
		}
		time.Sleep(time.Minute)
		f.with(func() {
			for _, c := range f.claims {
				if c.Worker == old {
					t.Errorf("a claim of the old id is still there: %+v", c)
				}
			}
		})
		if left := r.lease.formerly(); len(left) != 0 {
			t.Errorf("still looks for claims of %v, which has none", left)
		}
		close(w.release)
	})
}

func TestAJobWhoseClaimCameBackAfterTheLeaseIsGivenBackAndNotStarted(t *testing.T) {
	f := newFake(1)
	var runs []int
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("a", func(_ context.Context, j *Job) (any, error) { runs = append(runs, j.Run); return nil, nil })
	}, func(t *testing.T, r *Runner) {
		time.Sleep(time.Second)
		f.with(func() { f.delay, f.fails = 30*time.Second, "beat" })
		j := f.add("a")
		time.Sleep(35 * time.Second) // the claim has come back with the job; the lease ended before
		synctest.Wait()
		if o, ok := f.outcome(j.ID); !ok || o.Action != job.Release || len(runs) != 0 {
			t.Errorf("runs %v, outcome %+v; want the job given back unstarted", runs, o)
		}
		f.with(func() { f.delay, f.fails = 0, "" })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(runs) != 1 || runs[0] != 2 {
			t.Errorf("runs %v, want the second run alone, once the lease was renewed", runs)
		}
	})
}
