package runner

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// gauge counts what runs at once.
type gauge struct{ now, most, total atomic.Int32 }

func (g *gauge) handler(d time.Duration) Func {
	return func(ctx context.Context, _ *Job) (any, error) {
		n := g.now.Add(1)
		g.total.Add(1)
		for {
			most := g.most.Load()
			if n <= most || g.most.CompareAndSwap(most, n) {
				break
			}
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		g.now.Add(-1)
		return nil, nil
	}
}

func TestNoMoreJobsRunAtOnceThanTheConcurrency(t *testing.T) {
	f, g := newFake(4), &gauge{}
	in(t, f, Options{Concurrency: 5}, func(r *Runner) { r.Handle("a", g.handler(20*time.Microsecond)) }, func(t *testing.T, r *Runner) {
		f.with(func() { f.delay = time.Millisecond })
		for i := range 2000 {
			f.add("a", inSlot(1+i%4))
		}
		time.Sleep(10 * time.Second)
		if g.total.Load() != 2000 || g.most.Load() != 5 {
			t.Errorf("%d jobs ran, at most %d at once; want 2000 and 5", g.total.Load(), g.most.Load())
		}
		if got := f.count("claim"); got > 100 {
			t.Errorf("%d claims for 2000 short jobs in 5 places: short jobs are claimed ahead", got)
		}
	})
}

func TestLongJobsAreNotClaimedAhead(t *testing.T) {
	f, g := newFake(1), &gauge{}
	in(t, f, Options{Concurrency: 4}, func(r *Runner) { r.Handle("a", g.handler(time.Second)) }, func(t *testing.T, r *Runner) {
		for range 40 {
			f.add("a")
		}
		for range 8 {
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			held := 0
			f.with(func() {
				for _, j := range f.jobs {
					if !j.Token.IsZero() {
						held++
					}
				}
			})
			if held > 8 { // 4 that run, and 4 whose outcomes may be on their way
				t.Errorf("the worker holds %d jobs with 4 places", held)
			}
		}
	})
}

func TestJobsClaimedAheadAreGivenBackWhenTheJobsTurnLong(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{Concurrency: 2}, func(r *Runner) {
		r.Handle("short", nothing)
		w.handle(r, "long")
	}, func(t *testing.T, r *Runner) {
		for range 500 {
			f.add("short")
		}
		for range 300 {
			f.add("long", func(j *job.Job) { j.Timeout = 2 * time.Hour })
		}
		time.Sleep(5 * time.Second)
		held := 0
		f.with(func() {
			for _, j := range f.jobs {
				if !j.Token.IsZero() {
					held++
				}
			}
		})
		synctest.Wait()
		if len(w.started) != 2 || held != 2 {
			t.Errorf("%d run and the worker holds %d; want 2 and 2, the rest for others to take", len(w.started), held)
		}
		if f.returned() == 0 {
			t.Error("no job was claimed ahead, so that nothing was tested")
		}
		close(w.release)
	})
}

func TestAKindsLimitHoldsAndDelaysNoOtherKind(t *testing.T) {
	f, limited, free := newFake(3), &gauge{}, &gauge{}
	in(t, f, Options{Concurrency: 10}, func(r *Runner) {
		r.Handle("limited", limited.handler(100*time.Millisecond), HandlerOptions{Concurrency: 2})
		r.Handle("free", free.handler(100*time.Millisecond))
	}, func(t *testing.T, r *Runner) {
		for i := range 60 {
			f.add("limited", inSlot(1+i%3))
		}
		for i := range 60 {
			f.add("free", inSlot(1+i%3))
		}
		time.Sleep(1500 * time.Millisecond)
		if got := free.total.Load(); got != 60 {
			t.Errorf("%d of 60 jobs of the free kind ran in 1.5s, with 8 places left to them", got)
		}
		time.Sleep(2500 * time.Millisecond)
		if got, most := limited.total.Load(), limited.most.Load(); got < 54 || most != 2 {
			t.Errorf("%d jobs of the limited kind ran in 4s, at most %d at once; want about 60, 2 at once", got, most)
		}
	})
}

func TestASlotWaitsForAKindWhoseJobsItsLastClaimNoLongerSaw(t *testing.T) {
	f, g := newFake(1), &gauge{}
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("limited", g.handler(30*time.Second), HandlerOptions{Concurrency: 1})
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		f.add("limited")
		f.add("limited")
		for range 28 { // each leads to a claim; from the third second on it begins behind the job that has to wait
			f.add("free")
			r.Nudge(job.Slot{QueueID: 7, Slot: 1})
			time.Sleep(time.Second)
		}
		time.Sleep(2*time.Second + 10*time.Millisecond)
		if g.total.Load() != 2 {
			t.Error("the job waits though its kind has room")
		}
	})
}

func TestAPlaceThatAClaimHeldForNothingIsFilledFromTheSlotThatWasRefusedMeanwhile(t *testing.T) {
	f, g := newFake(2), &gauge{}
	f.delayed, f.delay = 1, 20*time.Millisecond
	in(t, f, Options{Concurrency: 2, Claims: 2}, func(r *Runner) {
		r.Handle("limited", g.handler(time.Second), HandlerOptions{Concurrency: 1})
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		time.Sleep(9700 * time.Millisecond)
		f.add("limited", inSlot(2))
		r.Nudge(job.Slot{QueueID: 7, Slot: 1}) // whose claim holds the place for what it might find
		r.Nudge(job.Slot{QueueID: 7, Slot: 2})
		time.Sleep(100 * time.Millisecond)
		if g.total.Load() != 1 {
			t.Error("the job waits though nothing runs")
		}
	})
}

func TestAllPlacesThatAreFreedAtOnceAreFilledFromWhateverSlotsWait(t *testing.T) {
	f, g := newFake(8), &gauge{}
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("limited", g.handler(30*time.Second), HandlerOptions{Concurrency: 4})
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		for slot := 1; slot <= 8; slot++ {
			f.add("limited", inSlot(slot))
			r.Nudge(job.Slot{QueueID: 7, Slot: slot})
		}
		time.Sleep(30*time.Second + 100*time.Millisecond)
		if g.total.Load() != 8 {
			t.Errorf("%d of the 4 jobs that waited were started when 4 had ended", g.total.Load()-4)
		}
	})
}

func TestASlotWithJobsOfTwoKindsAtTheirLimitsWaitsForBoth(t *testing.T) {
	f, first, second := newFake(2), &gauge{}, &gauge{}
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("first", first.handler(30*time.Second), HandlerOptions{Concurrency: 1})
		r.Handle("second", second.handler(40*time.Second), HandlerOptions{Concurrency: 1})
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		for range 2 {
			f.add("first")
			f.add("second")
		}
		r.Nudge(job.Slot{QueueID: 7, Slot: 1})
		for _, wait := range []struct {
			g    *gauge
			till time.Duration
		}{{first, 30 * time.Second}, {second, 10 * time.Second}} {
			time.Sleep(wait.till + 50*time.Millisecond)
			if wait.g.total.Load() != 2 {
				t.Error("a job waits though its kind has room")
			}
		}
	})
}

func TestKindsThatNobodyServesAreLeftAndDelayNobody(t *testing.T) {
	f := newFake(2)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		f.add("unserved")
		time.Sleep(time.Minute)
		if got := f.count("claim"); got > 25 {
			t.Errorf("%d claims in a minute from a slot with nothing to take, want few", got)
		}
		j := f.add("a", inSlot(2))
		time.Sleep(1100 * time.Millisecond)
		if _, ok := f.outcome(j.ID); !ok {
			t.Error("another slot's job waited")
		}
		k := f.add("a")
		r.Nudge(job.Slot{QueueID: 7, Slot: 1})
		synctest.Wait()
		if _, ok := f.outcome(k.ID); !ok {
			t.Error("a nudge for the slot that was set aside was not followed at once")
		}
	})
}

func TestTheCatchAllServesWhatHasNoHandlerOfItsOwn(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("a", func(context.Context, *Job) (any, error) { return "own", nil })
		r.Handle(AnyKind, func(context.Context, *Job) (any, error) { return "any", nil })
	}, func(t *testing.T, r *Runner) {
		a, b := f.add("a"), f.add("b")
		time.Sleep(time.Second)
		for id, want := range map[job.ID]string{a.ID: `"own"`, b.ID: `"any"`} {
			if o, _ := f.outcome(id); string(o.Output) != want {
				t.Errorf("output %s, want %s", o.Output, want)
			}
		}
	})
}

func TestOneSuspectRunsAtATimeBesideOthers(t *testing.T) {
	f, suspects, others := newFake(3), &gauge{}, &gauge{}
	in(t, f, Options{Concurrency: 10, Claims: 3}, func(r *Runner) {
		r.Handle("suspect", suspects.handler(500*time.Millisecond))
		r.Handle("other", others.handler(500*time.Millisecond))
	}, func(t *testing.T, r *Runner) {
		for i := range 6 {
			f.add("suspect", inSlot(1+i%3), func(j *job.Job) { j.Crashes = 1 })
			f.add("other", inSlot(1+i%3))
		}
		time.Sleep(10 * time.Second)
		if suspects.total.Load() != 6 || suspects.most.Load() != 1 {
			t.Errorf("%d suspects ran, at most %d at once; want 6, one at a time", suspects.total.Load(), suspects.most.Load())
		}
		if others.total.Load() != 6 {
			t.Errorf("%d of 6 others ran", others.total.Load())
		}
	})
}

func TestSlotsWithSuspectsAreServedThoughAnotherClaimWasThatWhichMightTakeOne(t *testing.T) {
	f := newFake(3)
	f.delayed, f.delay = 1, 20*time.Millisecond
	suspect := func(j *job.Job) { j.Crashes = 1 }
	var ran chan time.Time // made in the bubble
	in(t, f, Options{}, func(r *Runner) {
		ran = make(chan time.Time, 10)
		r.Handle("a", func(context.Context, *Job) (any, error) { ran <- time.Now(); return nil, nil })
	}, func(t *testing.T, r *Runner) {
		time.Sleep(9700 * time.Millisecond)
		f.add("nobody", inSlot(1))
		for _, slot := range []int{2, 2, 3, 3} {
			f.add("a", inSlot(slot), suspect)
		}
		for slot := 1; slot <= 3; slot++ {
			r.Nudge(job.Slot{QueueID: 7, Slot: slot})
		}
		began := time.Now()
		for range 4 {
			if wait := (<-ran).Sub(began); wait > firstAside {
				t.Errorf("a suspect started after %s, though none ran", wait)
			}
		}
	})
}

func TestAJobStandsInLineFromTheAnswerToItsClaimOn(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		worker, _ := r.lease.holds()
		c := &claim{worker: worker, token: job.NewToken(worker), at: time.Now().Add(-time.Minute)} // a slow database
		j := f.add("a")
		j.Token = c.token
		r.held.open(c)
		serving := r.handlers.reserve(1, false)
		r.places.take(1)
		r.line.mu.Lock()
		busy := r.line.busy
		r.line.busy = r.line.places // so that it stands in line
		r.line.mu.Unlock()
		r.start(c, []*job.Job{j}, serving)
		r.giveBackWaiting(time.Now().Add(-maxWait))
		if !r.line.standing() {
			t.Error("a job was given back for having stood in line while its claim was under way")
		}
		r.line.mu.Lock()
		r.line.busy = busy + 1
		r.line.mu.Unlock()
		r.work()
	})
}

func TestAWorkerWhoseHandlersAreAllAtTheirLimitClaimsNothing(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a", HandlerOptions{Concurrency: 2}) }, func(t *testing.T, r *Runner) {
		for range 3 {
			f.add("a", func(j *job.Job) { j.Timeout = time.Hour })
		}
		time.Sleep(2 * time.Second)
		before := f.count("claim")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := f.count("claim") - before; got != 0 || len(w.started) != 2 {
			t.Errorf("%d claims with %d jobs running, want none with 2", got, len(w.started))
		}
		close(w.release)
		time.Sleep(time.Second)
		if len(w.started) != 3 {
			t.Errorf("%d jobs were started, want the third as soon as there was room", len(w.started))
		}
	})
}
